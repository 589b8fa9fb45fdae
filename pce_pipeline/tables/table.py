"""What a published table is: its columns, key and grain, and the check that a frame is one.

Everything that must agree with a table is derived from its declaration: Polars schemas, Dagster's column schema, SQL
with its comments, the blocking schema check and the data dictionary. No table is described twice.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import polars as pl

from pce_pipeline.errors import PceError
from pce_pipeline.tables.field_ids import field_id

MONEY = pl.Decimal(18, 3)
LOG_POINTS = pl.Decimal(18, 6)
"""Decimals, so that contributions to growth add up exactly."""

_ROWS_HASHED_AT_ONCE = 50_000
"""A large frame is not written out as a whole to be hashed."""

QUARANTINED = "quarantined"
"""The status of a cell whose text could not be read."""

NOT_PUBLISHED = "not_published"
"""The status of a figure that a row of a wide table has nothing of."""

STATUSES = {
    "reported": "a published number",
    "not_available": "(NA), n.a.: there is no figure, or it is not published yet",
    "suppressed": "(D): withheld to avoid disclosure",
    "below_50k": "(L): less than 50,000 dollars",
    "not_meaningful": "(NM): a figure that would have no meaning",
    "near_zero": "(*): between zero and half a unit, either way",
    "not_shown": "n.s.: the figure is not shown",
    "not_applicable": "...: the quantity does not exist",
    "blank": "an empty cell without a code",
    QUARANTINED: "something is published that could not be read: neither a zero nor silence; `pce quarantine` shows "
    "the text and says why",
    NOT_PUBLISHED: "no such measure is published for this category or area, or none is held: only a part of the table "
    "is here, or the row is set aside",
}


class SchemaViolation(PceError):
    """A frame does not have the columns, types or keys of the table it claims to be."""

    def __init__(self, table: str, problems: Iterable[str]) -> None:
        self.table = table
        self.problems = tuple(problems)
        super().__init__(f"This is not {table}: {'; '.join(self.problems)}.")


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    """Its name; the unit is in it where it has one."""
    dtype: pl.DataType | type[pl.DataType]
    """Its Polars type."""
    description: str
    """What it says."""
    nullable: bool = False
    """Whether a value may be missing."""
    unit: str | None = None
    """Its unit, in words."""
    source: str = ""
    """What it is made from, in words: for who asks where a figure comes from."""


@dataclass(frozen=True)
class Table:
    """One published table: what a row is, and how the table lies in the lake.

    For example, a table in one piece:

        >>> day = Column("day", pl.Date, "the day")
        >>> table = Table("gold/dim_day", "One row per day.", ("day",), (day,), partition=None)
        >>> table.schema_name, table.relation
        ('gold', 'dim_day')
    """

    name: str
    """Its asset path: `gold/pce_state_annual`."""
    grain: str
    """What a row is, in a sentence."""
    key: tuple[str, ...]
    """Its primary key and the order of its rows."""
    columns: tuple[Column, ...]
    """Its columns, in order."""
    hazard: str = ""
    """What a reader must beware of."""
    partition: Literal["year"] | None = "year"
    """How it is cut into partitions; None for a table in one piece."""
    files_by: str | None = None
    """The column by which a partition is cut into files, one for each area; None for one file."""
    parts_by: str | None = None
    """The column by whose values others read parts of it, each part with a hash of its own."""
    folder: str | None = None
    """Its folder in the lake, where that is not the last part of its name."""
    in_postgres: bool = False
    """Whether Postgres has a table for it, made by a migration."""
    coded: bool = False
    """Whether Postgres holds it in a shorter form, with numbers for texts: a table of millions of rows."""
    series: str | None = None
    """The table of Postgres that numbers its pairs of area and category, where Postgres shows this one as a view."""

    @property
    def is_yearly(self) -> bool:
        return self.partition == "year"

    @property
    def layer(self) -> Literal["silver", "gold"]:
        return "silver" if self.name.split("/")[0] == "silver" else "gold"

    @property
    def schema_name(self) -> str:
        """The schema that it has in Postgres."""
        return self.name.partition("/")[0]

    @property
    def relation(self) -> str:
        """Its name without the layer: that of its folder and of its table in Postgres."""
        return self.folder or self.name.partition("/")[2]

    @property
    def field_ids(self) -> dict[str, int]:
        """A number for each column that it keeps for ever. Raises `SchemaViolation` where two have the same."""
        found = {column.name: field_id(column.name) for column in self.columns}
        same = sorted(name for name, number in found.items() if [*found.values()].count(number) > 1)
        if same:
            raise SchemaViolation(self.name, [f"columns {', '.join(same)} have one number: rename one"])
        return found

    @property
    def required(self) -> frozenset[str]:
        """The columns that are never NULL."""
        return frozenset(column.name for column in self.columns if not column.nullable)

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
    # as text a moment takes longer than all other columns of a log together
    frame = frame.with_columns(pl.col(pl.Date).cast(pl.Int32), pl.col(pl.Datetime).cast(pl.Int64))
    for first in range(0, max(frame.height, 1), _ROWS_HASHED_AT_ONCE):
        text = BytesIO()
        part = frame.slice(first, _ROWS_HASHED_AT_ONCE)
        part.write_csv(text, include_header=first == 0, null_value="\\N", quote_style="non_numeric")
        digest.update(text.getbuffer())
    return digest.hexdigest()
