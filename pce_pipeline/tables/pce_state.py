"""The tables of Gold that only PCE by state has: the two figures side by side, and what follows from them."""

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, STATE, STATUS_TEXT, YEAR
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.lineage import Derivation, FromTable
from pce_pipeline.tables.table import MONEY, Column, Table

_SERIES = "gold/pce_state_series"

_PCE = Column(
    "pce_millions_usd",
    MONEY,
    "personal consumption expenditures",
    nullable=True,
    unit="millions of current dollars",
    source="value of gold where measure = 'pce'",
)
_PCE_PER_CAPITA = Column(
    "pce_per_capita_usd",
    MONEY,
    "personal consumption expenditures per resident",
    nullable=True,
    unit="current dollars",
    source="value of gold where measure = 'pce_per_capita'",
)

GOLD_PCE_STATE_ANNUAL = Table(
    name="gold/pce_state_annual",
    in_postgres=True,
    series=_SERIES,
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
        Column(
            "pce_status",
            pl.String,
            f"status of pce_millions_usd: {STATUS_TEXT}",
            source="status of gold where measure = 'pce'",
        ),
        _PCE_PER_CAPITA,
        Column(
            "pce_per_capita_status",
            pl.String,
            f"status of pce_per_capita_usd: {STATUS_TEXT}",
            source="status of gold where measure = 'pce_per_capita'",
        ),
    ),
)

_RANKS = (
    "1 is the largest; ties share the better rank and the next rank is left out (1, 2, 2, 4); NULL for all states "
    "where the figure of one could not be read or is not held"
)

GOLD_PCE_STATE_METRICS = Table(
    name="gold/pce_state_metrics",
    in_postgres=True,
    series=_SERIES,
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
            source="pce_millions_usd, this year and the year before",
        ),
        Column(
            "pce_per_capita_yoy_pct",
            pl.Float64,
            "change of pce_per_capita_usd on the year before; NULL where that year is missing, zero or negative",
            nullable=True,
            unit="percent",
            source="pce_per_capita_usd, this year and the year before",
        ),
        Column(
            "pce_mean_3y_millions_usd",
            pl.Float64,
            "mean of pce_millions_usd over this year and the two before; NULL unless all three are reported",
            nullable=True,
            unit="millions of current dollars",
            source="pce_millions_usd, three years",
        ),
        Column(
            "pce_mean_5y_millions_usd",
            pl.Float64,
            "mean of pce_millions_usd over this year and the four before; NULL unless all five are reported",
            nullable=True,
            unit="millions of current dollars",
            source="pce_millions_usd, five years",
        ),
        Column(
            "pce_share_of_total_pct",
            pl.Float64,
            "pce_millions_usd as a share of the area's total PCE; negative for a category that is deducted",
            nullable=True,
            unit="percent",
            source="pce_millions_usd, of the category and of its scheme's total",
        ),
        Column(
            "pce_contribution_to_growth_pp",
            pl.Float64,
            "change of pce_millions_usd as a share of the area's total PCE of the year before; a deducted category "
            "counts with the opposite sign, so that parts add up to their total",
            nullable=True,
            unit="percentage points",
            source="pce_millions_usd, this year and the year before, of the category and of its scheme's total",
        ),
        Column(
            "pce_rank_among_states",
            pl.Int32,
            f"rank of pce_millions_usd among 50 states and DC; {_RANKS}",
            nullable=True,
            source="pce_millions_usd of the states",
        ),
        Column(
            "pce_per_capita_rank_among_states",
            pl.Int32,
            f"rank of pce_per_capita_usd among 50 states and DC; {_RANKS}",
            nullable=True,
            source="pce_per_capita_usd of the states",
        ),
        Column(
            "pce_per_capita_index_us100",
            pl.Float64,
            "pce_per_capita_usd relative to the US figure of the same category and year",
            nullable=True,
            unit="index, US = 100",
            source="pce_per_capita_usd, of the area and of the US",
        ),
    ),
)

ANNUAL = Derivation(GOLD_PCE_STATE_ANNUAL, (FromTable(GOLD_FACTS, part="pce_state"),), code_version="1")
METRICS = Derivation(GOLD_PCE_STATE_METRICS, (FromTable(GOLD_FACTS, reach=4, part="pce_state"),), code_version="2")


def gold(dataset: Dataset) -> tuple[Derivation, ...]:
    """Its tables of Gold."""
    del dataset
    return ANNUAL, METRICS
