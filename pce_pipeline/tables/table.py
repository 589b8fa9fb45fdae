"""What a published table is: its columns, key and grain, and the check that a frame is one.

Everything that must agree with a table is derived from its declaration: Polars schemas, Dagster's column schema, SQL
with its comments, the blocking schema check and the data dictionary. No table is described twice.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from pce_pipeline.errors import PceError

MONEY = pl.Decimal(18, 3)

QUARANTINED = "quarantined"
"""The status of a cell whose text could not be read."""

STATUSES = {
    "reported": "a published number",
    "not_available": "(NA), n.a.: BEA has no figure, or has not published it yet",
    "suppressed": "(D): withheld to avoid disclosure",
    "below_50k": "(L): less than 50,000 dollars",
    "not_meaningful": "(NM): a figure that would have no meaning",
    "near_zero": "(*): between zero and half a unit, either way",
    "not_shown": "n.s.: BEA does not show the figure",
    "not_applicable": "...: the quantity does not exist",
    "blank": "an empty cell without a code",
    QUARANTINED: "BEA publishes something that could not be read: neither a zero nor BEA's silence; `pce quarantine` "
    "shows the text and says why",
    "not_published": "BEA publishes no such measure for this category or area",
}


class SchemaViolation(PceError):
    """A frame does not have the columns, types or keys of the table it claims to be."""

    def __init__(self, table: str, problems: Iterable[str]) -> None:
        self.table = table
        self.problems = tuple(problems)
        super().__init__(f"This is no {table}: {'; '.join(self.problems)}.")


@dataclass(frozen=True)
class Column:
    """One column: its Polars type, what it says, its unit, and whether it may be NULL."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    description: str
    nullable: bool = False
    unit: str | None = None


@dataclass(frozen=True)
class Table:
    """One published table: `name` is its asset path (`gold/pce_state_annual`), `key` its primary key and row order."""

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    hazard: str = ""

    @property
    def polars_schema(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        return {column.name: column.dtype for column in self.columns}

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with this table's columns in order, sorted by key.

        Raises `SchemaViolation` for missing columns, other types, NULLs where none may be, or duplicate keys.
        """
        problems = [
            f"column {name} is missing" if name not in frame.columns else f"{name} is {frame.schema[name]}, not {dtype}"
            for name, dtype in self.polars_schema.items()
            if name not in frame.columns or frame.schema[name] != dtype
        ]
        if problems:
            raise SchemaViolation(self.name, problems)
        ordered = frame.select(self.column_names).sort(self.key)
        problems = [
            f"{column.name} is NULL in {ordered[column.name].null_count()} rows"
            for column in self.columns
            if not column.nullable and ordered[column.name].null_count()
        ]
        duplicates = ordered.height - ordered.select(self.key).n_unique() if ordered.height else 0
        if duplicates:
            problems.append(f"{duplicates} rows repeat the key ({', '.join(self.key)})")
        if problems:
            raise SchemaViolation(self.name, problems)
        return ordered


def content_sha256(frame: pl.DataFrame) -> str:
    """A hash of a frame's names, types and values, in the order given: the same on every machine and Polars version.

    Parquet bytes may change with the writer; equal content hashes mean equal data whatever wrote it.
    """
    header = ";".join(f"{name}:{dtype}" for name, dtype in frame.schema.items())
    digest = hashlib.sha256(header.encode())
    digest.update(frame.write_csv(null_value="\\N", quote_style="non_numeric").encode())
    return digest.hexdigest()
