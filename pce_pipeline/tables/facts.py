"""The conformed facts of all datasets: every other table of Gold derives from them."""

import polars as pl

from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, STATE, STATUS_TEXT, YEAR
from pce_pipeline.tables.table import MONEY, Column, Table

GOLD_FACTS = Table(
    name="gold",
    grain="One row per dataset, measure, category, area and year: the conformed facts every gold table derives from.",
    key=("dataset", "measure", "category_id", "geo_fips", "year"),
    parts_by="dataset",
    folder="facts",
    hazard="Measures have different units; per-capita values are not additive over areas.",
    columns=(
        Column(
            "dataset", pl.String, "the dataset a fact comes from", source="the table of Silver that it is read from"
        ),
        Column(
            "measure",
            pl.String,
            "what the value is: the measure's name in the catalogue",
            source="the catalogue's meaning of BEA's line",
        ),
        CATEGORY,
        GEO_FIPS,
        GEO_LEVEL,
        STATE,
        YEAR,
        Column(
            "value",
            MONEY,
            "the value in `unit`",
            nullable=True,
            source="value of Silver, of the first BEA table of the release that has the figure",
        ),
        Column("status", pl.String, STATUS_TEXT, source="status of Silver"),
        Column(
            "unit",
            pl.String,
            "the measure's unit, by its name in the catalogue: millions_usd",
            source="the catalogue's unit of the measure",
        ),
    ),
)
