"""The tables of pce_state: every published cell, the two figures side by side, and what follows from them."""

import polars as pl

from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, STATE, STATUS_TEXT, YEAR
from pce_pipeline.tables.table import MONEY, Column, Table

SILVER_PCE_STATE = Table(
    name="silver/pce_state",
    grain="One row per BEA table, line, area and year: every cell of SAPCE1 to SAPCE4 as published.",
    key=("bea_table", "line_code", "geo_fips", "year"),
    hazard="Lines contain totals and their parts, areas contain the US and regions: filter before adding.",
    columns=(
        Column("bea_table", pl.String, "BEA's table name"),
        Column("line_code", pl.Int32, "BEA's line code in that table; not stable over layouts"),
        CATEGORY,
        GEO_FIPS,
        GEO_LEVEL,
        STATE,
        YEAR,
        Column("value", MONEY, "the number as published, in `unit`", nullable=True),
        Column("value_text", pl.String, "the published text; the code itself for a coded cell"),
        Column("status", pl.String, STATUS_TEXT),
        Column("unit", pl.String, "BEA's unit label"),
        Column("unit_multiplier", pl.Int32, "power of ten already in `unit`: never multiply twice"),
    ),
)

_PCE = Column(
    "pce_millions_usd", MONEY, "personal consumption expenditures", nullable=True, unit="millions of current dollars"
)
_PCE_PER_CAPITA = Column(
    "pce_per_capita_usd", MONEY, "personal consumption expenditures per resident", nullable=True, unit="current dollars"
)

GOLD_PCE_STATE_ANNUAL = Table(
    name="gold/pce_state_annual",
    grain="One row per area, category and year: PCE in total and per capita.",
    key=("geo_fips", "category_id", "year"),
    hazard="Categories contain totals and their parts in two schemes, areas contain the US and regions.",
    columns=(
        GEO_FIPS,
        GEO_LEVEL,
        STATE,
        CATEGORY,
        YEAR,
        _PCE,
        Column("pce_status", pl.String, f"status of pce_millions_usd: {STATUS_TEXT}"),
        _PCE_PER_CAPITA,
        Column("pce_per_capita_status", pl.String, f"status of pce_per_capita_usd: {STATUS_TEXT}"),
    ),
)

_TIES = "1 is the largest; ties share the better rank and the next rank is left out (1, 2, 2, 4)"

GOLD_PCE_STATE_METRICS = Table(
    name="gold/pce_state_metrics",
    grain="One row per area, category and year: growth, rolling means, shares, ranks and indexes of nominal PCE.",
    key=("geo_fips", "category_id", "year"),
    hazard="All metrics are of current dollars: growth includes inflation.",
    columns=(
        GEO_FIPS,
        GEO_LEVEL,
        STATE,
        CATEGORY,
        YEAR,
        Column(
            "pce_yoy_pct",
            pl.Float64,
            "change of pce_millions_usd on the year before; NULL where that year is missing, zero or negative",
            nullable=True,
            unit="percent",
        ),
        Column(
            "pce_per_capita_yoy_pct",
            pl.Float64,
            "change of pce_per_capita_usd on the year before; NULL where that year is missing, zero or negative",
            nullable=True,
            unit="percent",
        ),
        Column(
            "pce_mean_3y_millions_usd",
            pl.Float64,
            "mean of pce_millions_usd over this year and the two before; NULL unless all three are reported",
            nullable=True,
            unit="millions of current dollars",
        ),
        Column(
            "pce_mean_5y_millions_usd",
            pl.Float64,
            "mean of pce_millions_usd over this year and the four before; NULL unless all five are reported",
            nullable=True,
            unit="millions of current dollars",
        ),
        Column(
            "pce_share_of_total_pct",
            pl.Float64,
            "pce_millions_usd as a share of the area's total PCE; negative for a category that is deducted",
            nullable=True,
            unit="percent",
        ),
        Column(
            "pce_contribution_to_growth_pp",
            pl.Float64,
            "change of pce_millions_usd as a share of the area's total PCE of the year before; a deducted category "
            "counts with the opposite sign, so that parts add up to their total",
            nullable=True,
            unit="percentage points",
        ),
        Column(
            "pce_rank_among_states",
            pl.Int32,
            f"rank of pce_millions_usd among 50 states and DC; {_TIES}",
            nullable=True,
        ),
        Column(
            "pce_per_capita_rank_among_states",
            pl.Int32,
            f"rank of pce_per_capita_usd among 50 states and DC; {_TIES}",
            nullable=True,
        ),
        Column(
            "pce_per_capita_index_us100",
            pl.Float64,
            "pce_per_capita_usd relative to the US figure of the same category and year",
            nullable=True,
            unit="index, US = 100",
        ),
    ),
)
