"""The table that every dataset has in Silver: each published cell of its BEA tables, typed and with our category."""

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, MONTH, STATE, STATUS_TEXT, YEAR
from pce_pipeline.tables.table import MONEY, Column, Table

_COLUMNS = (
    Column("bea_table", pl.String, "BEA's table name", source="the table asked for"),
    Column(
        "line_code",
        pl.Int32,
        "BEA's line code in that table; not stable over layouts",
        source="the line asked for, or LineCode of a file",
    ),
    CATEGORY,
    GEO_FIPS,
    GEO_LEVEL,
    STATE,
    YEAR,
    Column("value", MONEY, "the number as published, in `unit`", nullable=True, source="BEA's DataValue"),
    Column("value_text", pl.String, "the published text; the code itself for a coded cell", source="BEA's DataValue"),
    Column("status", pl.String, STATUS_TEXT, source="BEA's code or note of the cell"),
    Column("unit", pl.String, "BEA's unit label", source="BEA's CL_UNIT, or Unit of a file"),
    Column(
        "unit_multiplier",
        pl.Int32,
        "power of ten already in `unit`: never multiply twice",
        source="BEA's UNIT_MULT, or Unit of a file",
    ),
)
YEARLY_KEY = ("bea_table", "line_code", "geo_fips", "year")


def silver_table(dataset: Dataset) -> Table:
    """The table of a dataset in Silver: of one that is published by month, a month stands beside the year."""
    monthly = dataset.is_monthly
    return Table(
        name=f"silver/{dataset.name}",
        grain=f"One row per BEA table, line, area and {dataset.grain}: every cell as published ({dataset.title}).",
        key=(*YEARLY_KEY, "month") if monthly else YEARLY_KEY,
        hazard="Lines contain totals and their parts, areas contain the US and regions: filter before adding."
        if not monthly
        else "Lines contain totals and their parts: filter before adding. Dollars are annual rates: a year is the mean "
        "of its months, never their sum.",
        columns=tuple(
            column for each in _COLUMNS for column in ((each, MONTH) if monthly and each == YEAR else (each,))
        ),
        files_by="geo_fips",
    )
