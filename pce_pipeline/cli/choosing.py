"""Where rows go: the forms that they are printed or written in."""

import io
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import polars as pl

from pce_pipeline.asking.about import About
from pce_pipeline.errors import UsageError
from pce_pipeline.exports.export import Export
from pce_pipeline.exports.forms import FileForm, form_of
from pce_pipeline.exports.plain import write_csv, write_json
from pce_pipeline.exports.tables import OF_ANSWERS
from pce_pipeline.exports.writing import write
from pce_pipeline.tables.table import Column

_NAMES = {"parquet": "Parquet", "xlsx": "A spreadsheet"}


class Form(StrEnum):
    """What rows are written as."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    XLSX = "xlsx"


def refuse_on_terminal(form: Form, to: Path | None, *, what: str) -> None:
    """Raises `UsageError` for a form that no terminal shows, where no file is named; `what` would be its name."""
    if to is None and form.value in _NAMES:
        raise UsageError(
            f"{_NAMES[form.value]} is not for a terminal.", remedy=f"Name a file: --to {what}.{form.value}"
        )


def write_rows(
    path: Path,
    rows: pl.DataFrame,
    form: Form,
    about: About | None = None,
    *,
    name: str = "figures",
    columns: Mapping[str, Column] = OF_ANSWERS,
) -> None:
    """Write rows into a file, with what they are: as the form says, else as the file's name says, else as CSV.

    `name` is what they are called within it, `columns` says what columns mean. Raises `UsageError`.
    """
    asked = None if form is Form.TABLE else FileForm(form.value)
    write([Export(name, rows, about, columns)], path, form_of(path, asked))


def as_text(rows: pl.DataFrame, form: Form) -> str:
    """Rows as a JSON list, else as CSV."""
    out = io.BytesIO()
    if form is Form.JSON:
        write_json(rows, out)
    else:
        write_csv(rows, out)
    return out.getvalue().decode()
