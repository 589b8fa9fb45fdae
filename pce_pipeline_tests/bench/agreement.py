"""When two results are the same: equal rows cell by cell, equal verdicts of rules, equal tables in Postgres."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pce_pipeline.schemas import Table, content_sha256
from pce_pipeline_tests.bench.measure import Facts

_FLOAT_DECIMALS = 5
"""Results are rounded to six decimals; the last may go either way."""


def facts_of_frame(frame: pl.DataFrame, key: Sequence[str]) -> Facts:
    """How many rows a frame has, and a hash of all its cells."""
    floats = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    comparable = frame.sort(key).with_columns(pl.col(floats).round(_FLOAT_DECIMALS) + 0.0)
    return {"rows": frame.height, "sha256": content_sha256(comparable)}


def facts_of_rows(rows: Iterable[dict[str, Any]], table: Table) -> Facts:
    """The same of rows of a table."""
    return facts_of_frame(pl.DataFrame(list(rows), schema=table.polars_schema), table.key)


def facts_of_csv(files: Sequence[Path], table: Table) -> Facts:
    """The same of files that hold rows of a table, texts and NULLs told apart by quotes."""
    frame = pl.read_csv(files, schema=table.polars_schema, missing_utf8_is_empty_string=True, null_values="\\N")
    return facts_of_frame(frame, table.key)


def differences(ours: Facts, plain: Facts) -> list[str]:
    """Where two looks differ; ours may say more than the plain one."""
    return [f"{name}: {ours.get(name)} and {said}" for name, said in plain.items() if ours.get(name) != said]
