"""The table that says what BEA's lines were called over time: text, unit and layout as each extract prints them."""

import polars as pl

from pce_pipeline.tables.columns import CATEGORY
from pce_pipeline.tables.table import Column, Table
from pce_pipeline.tables.vintages import MEASURE

LINE_HISTORY_CODE_VERSION = "1"

_LISTED = "the lines that BEA lists in the extract"
_VINTAGES = "Bronze's extract dates"

LINE_HISTORY = Table(
    name="gold/line_history",
    partition=None,
    in_postgres=True,
    grain="One row per line that BEA printed in a table and stretch of vintages that say the same of it.",
    key=("dataset", "bea_table", "published_table", "published_line", "valid_from"),
    hazard="A line code means a line in one layout only: read published_table and published_line together with a "
    "vintage, and follow a line over time by category_id and measure.",
    columns=(
        Column("dataset", pl.String, "the dataset", source="Bronze"),
        Column(
            "bea_table",
            pl.String,
            "the BEA table in which the line stands today, and whose vintages are meant",
            source="the catalogue's layouts",
        ),
        Column(
            "line_code",
            pl.Int32,
            "BEA's line code today; NULL of a line that the catalogue does not hold",
            nullable=True,
            source="the catalogue's layouts",
        ),
        Column("published_table", pl.String, "the BEA table in which the extract prints it", source=_LISTED),
        Column("published_line", pl.Int32, "the line code under which the extract prints it", source=_LISTED),
        Column(
            "valid_from",
            pl.Int32,
            "the first vintage of the table that prints it so: extract date and number of that day, as yyyymmddnn "
            "(dim_vintage, and valid_from of the logs)",
            source=_VINTAGES,
        ),
        Column(
            "valid_to",
            pl.Int32,
            "the vintage of the table from which on it is printed otherwise, or no more, as yyyymmddnn; NULL where it "
            "still is",
            nullable=True,
            source=_VINTAGES,
        ),
        Column(
            "released_on",
            pl.Date,
            "the day on which BEA released the vintage valid_from",
            source='the "Last updated" of the vintage',
        ),
        Column(
            "replaced_on",
            pl.Date,
            "the day on which BEA released the vintage valid_to; NULL where there is none",
            nullable=True,
            source='the "Last updated" of the vintage',
        ),
        Column(
            "layout",
            pl.String,
            "the layout of the table as it was printed (category_line); NULL where it is none that is known",
            nullable=True,
            source="texts and units of the extract's lines",
        ),
        Column("text", pl.String, "the line's text as the first of these vintages prints it", source=_LISTED),
        Column(
            "description",
            pl.String,
            "the text without table, statistic, indentation and footnote marks: what is compared",
            source="text",
        ),
        Column(
            "unit",
            pl.String,
            "BEA's unit label; NULL where no extract of the stretch has a cell of the line",
            nullable=True,
            source="BEA's CL_UNIT, or Unit of a file",
        ),
        Column(
            "unit_multiplier",
            pl.Int32,
            "power of ten already in `unit`; NULL where unit is",
            nullable=True,
            source="BEA's UNIT_MULT, or Unit of a file",
        ),
        Column(
            CATEGORY.name,
            CATEGORY.dtype,
            f"{CATEGORY.description}; NULL where line_code is",
            nullable=True,
            source="the catalogue's lines",
        ),
        Column(
            MEASURE.name,
            MEASURE.dtype,
            f"{MEASURE.description}; NULL where line_code is",
            nullable=True,
            source="the catalogue's lines",
        ),
    ),
)
"""What BEA's lines were called, and where they stood."""
