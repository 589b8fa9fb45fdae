"""The one shape in which every source hands over what BEA published.

One row per cell: API answers, the bulk zip and single files all decode to this frame, so that nothing downstream
knows where a number came from. `value_text` is the published text, or the code itself for a coded cell: BEA's API
sends "0" with a note for "(D)", its files send "(D)"; both arrive here as "(D)".
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

OBSERVATION_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "geo_fips": pl.String,
    "year": pl.Int32,
    "value_text": pl.String,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
}

LINE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "description": pl.String,
}


@dataclass(frozen=True)
class ReleaseNote:
    """BEA's "Last updated" line of one table: the day, and the years it calls new and revised."""

    last_updated: date
    text: str
    new_years: tuple[int, ...] = ()
    revised_years: tuple[int, ...] = ()


@dataclass(frozen=True)
class Observations:
    """Decoded cells of one or more tables, each table's lines as BEA describes them, and each table's release note.

    `frame` has OBSERVATION_SCHEMA, `lines` has LINE_SCHEMA (descriptions without table prefix, footnote marks and
    surrounding spaces). A table without a note has no entry in `notes`.
    """

    frame: pl.DataFrame
    lines: pl.DataFrame
    notes: dict[str, ReleaseNote]
