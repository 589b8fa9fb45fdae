"""The one shape in which every source hands over what BEA published.

One row per cell: API answers, the bulk zip and single files all decode to this frame, so that nothing downstream
knows where a number came from. `value_text` is the published text, or the code itself for a coded cell: BEA's API
sends "0" with a note for "(D)", its files send "(D)"; both arrive here as "(D)". What BEA publishes by month has a
month beside the year, and a frame holds either the one or the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.catalog.dataset import Grain

OBSERVATION_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "geo_fips": pl.String,
    "year": pl.Int32,
    "value_text": pl.String,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
}

MONTHLY_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "geo_fips": pl.String,
    "year": pl.Int32,
    "month": pl.Int32,
    "value_text": pl.String,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
}
"""OBSERVATION_SCHEMA of what is published by month: 1 to 12."""

_CELL = ("bea_table", "line_code", "geo_fips", "year")

LINE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "description": pl.String,
}


@dataclass(frozen=True)
class ReleaseNote:
    """BEA's "Last updated" line of one table."""

    last_updated: date
    """The day."""
    text: str
    """The line."""
    new_years: tuple[int, ...] = ()
    """The years it calls new."""
    revised_years: tuple[int, ...] = ()
    """The years it calls revised."""


@dataclass(frozen=True)
class Observations:
    """Decoded cells of one or more tables."""

    frame: pl.DataFrame
    """The cells: OBSERVATION_SCHEMA, or MONTHLY_SCHEMA."""
    lines: pl.DataFrame
    """The lines as BEA describes them, without table prefix, footnote marks and blanks around: LINE_SCHEMA."""
    notes: dict[str, ReleaseNote]
    """The release note of each table that has one."""


def cell_of(frame: pl.DataFrame) -> list[str]:
    """The columns that name a cell of BEA's tables, of years or of months.

    >>> cell_of(pl.DataFrame(schema=MONTHLY_SCHEMA))
    ['bea_table', 'line_code', 'geo_fips', 'year', 'month']
    """
    return [*_CELL, "month"] if "month" in frame.columns else [*_CELL]


def schema_of(grain: Grain) -> dict[str, pl.DataType | type[pl.DataType]]:
    """The columns of the cells of a dataset."""
    return MONTHLY_SCHEMA if grain == "month" else OBSERVATION_SCHEMA


def combined(parts: Iterable[Observations], grain: Grain = "year") -> Observations:
    """All parts as one; of several notes on one table the newest holds. No parts give empty frames.

    Raises `BeaFileRefused` where some of them are of years and others of months.
    """
    held = list(parts)
    schema = schema_of(grain)
    if any(part.frame.columns != list(schema) and part.frame.height for part in held):
        raise BeaFileRefused(
            "Figures of months and of years are together in one file.", remedy="Give national tables by themselves."
        )
    notes: dict[str, ReleaseNote] = {}
    for part in held:
        for table, note in part.notes.items():
            if table not in notes or note.last_updated > notes[table].last_updated:
                notes[table] = note
    return Observations(
        frame=pl.concat([pl.DataFrame(schema=schema), *(part.frame for part in held if part.frame.height)]),
        lines=pl.concat([pl.DataFrame(schema=LINE_SCHEMA), *(part.lines for part in held)]).unique(maintain_order=True),
        notes=notes,
    )


def of_tables(observations: Observations, wanted: Iterable[str] | None) -> Observations:
    """The part about some tables, or all of it; `BeaFileRefused` where one of them is not there."""
    if wanted is None:
        return observations
    tables, held = set(wanted), set(observations.frame["bea_table"].unique())
    refuse_missing(tables, held)
    if held <= tables:
        return observations
    of_wanted = pl.col("bea_table").is_in(tables)
    return Observations(
        frame=observations.frame.filter(of_wanted),
        lines=observations.lines.filter(of_wanted),
        notes={table: note for table, note in observations.notes.items() if table in tables},
    )


def refuse_missing(wanted: Iterable[str] | None, held: Iterable[str]) -> None:
    """Make sure that the tables wanted are among those held; `BeaFileRefused` names both."""
    there = sorted(set(held))
    missing = sorted(set(wanted or ()) - set(there))
    if missing:
        raise BeaFileRefused(f"The file holds no table {', '.join(missing)}; it holds {', '.join(there) or 'none'}.")
