"""The conformed facts of all datasets: every other table of Gold derives from them."""

import polars as pl

from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, STATE, STATUS_TEXT, YEAR
from pce_pipeline.tables.table import MONEY, Column, Table

GOLD_FACTS = Table(
    name="gold",
    grain="One row per dataset, measure, category, area and year: the conformed facts every gold table derives from.",
    key=("dataset", "measure", "category_id", "geo_fips", "year"),
    hazard="Measures have different units; per-capita values are not additive over areas.",
    columns=(
        Column("dataset", pl.String, "the dataset a fact comes from"),
        Column("measure", pl.String, "pce (total) or pce_per_capita"),
        CATEGORY,
        GEO_FIPS,
        GEO_LEVEL,
        STATE,
        YEAR,
        Column("value", MONEY, "the value in `unit`", nullable=True),
        Column("status", pl.String, STATUS_TEXT),
        Column("unit", pl.String, "conformed unit: millions_usd (current dollars) or usd (current dollars)"),
    ),
)
