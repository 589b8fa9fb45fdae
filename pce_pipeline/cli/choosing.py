"""Where rows go: the forms that they are printed or written in."""

import io
from enum import StrEnum
from pathlib import Path

import polars as pl

from pce_pipeline.errors import UsageError
from pce_pipeline.lake.parquet import to_parquet


class Form(StrEnum):
    """What rows are written as."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def write_rows(path: Path, rows: pl.DataFrame, form: Form) -> None:
    """Write rows into a file: as the form says, else as its name says, else as CSV. Raises `UsageError`."""
    by_name = {".parquet": Form.PARQUET, ".json": Form.JSON}
    chosen = by_name.get(path.suffix, Form.CSV) if form is Form.TABLE else form
    if by_name.get(path.suffix, chosen) is not chosen:
        raise UsageError(
            f"{path.name} is not the name of a {chosen.value} file.", remedy="Leave --format out, or change the name."
        )
    try:
        path.write_bytes(as_bytes(rows, chosen))
    except OSError as problem:
        raise UsageError(f"{path} cannot be written: {problem.strerror}.", remedy="Name another file.") from None


def as_bytes(rows: pl.DataFrame, form: Form) -> bytes:
    """Rows as CSV, Parquet or a JSON list."""
    if form is Form.PARQUET:
        return to_parquet(rows)
    out = io.BytesIO()
    if form is Form.JSON:
        decimals = [name for name, dtype in rows.schema.items() if dtype.is_decimal()]
        rows.with_columns(pl.col(decimals).cast(pl.Float64)).write_json(out)
    else:
        rows.write_csv(out)
    return out.getvalue()
