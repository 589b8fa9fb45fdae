"""A small whole economy in BEA's tables: exact sums over categories and areas, with two coded cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pytest

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_state.annual_rules import AnnualYears
from pce_pipeline.gold.pce_state.metrics import metrics
from pce_pipeline.gold.pce_state.metrics_rules import MetricYears
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.silver import SilverYears
from pce_pipeline.silver.observations import normalise, table_years
from pce_pipeline.tables.table import MONEY
from pce_pipeline_tests.datasets import PCE_STATE

YEARS = (2019, 2020, 2021)
_SIX_YEARS = range(2018, 2024)
_FEW = ["product.pce", "product.goods", "product.services", "product.household_maintenance"]
_BALANCE = "function.other_household_goods_and_services"
_CELL = ["category_id", "geo_fips", "year"]


@dataclass(frozen=True)
class World:
    silver: SilverYears
    facts: FactYears
    annual: AnnualYears
    metrics: MetricYears


def _tenths(dataset: Dataset, years: Sequence[int]) -> pl.DataFrame:
    """Tenths of millions of dollars of every category, area and year."""
    categories = dataset.categories.select("category_id", "parent_id", "scheme", "role", "sign", "depth", "nation_only")
    leaves = categories.filter((pl.col("role") == "part") & ~pl.col("nation_only")).with_row_index("leaf")
    states = dataset.areas.filter(pl.col("geo_level") == "state").with_row_index("place")
    cells = (
        leaves.join(states, how="cross")
        .join(pl.DataFrame({"year": years}, schema={"year": pl.Int32}), how="cross")
        .with_columns(tenths=2000 + (pl.col("leaf") * 31 + pl.col("place") * 17 + (pl.col("year") - 2000) * 53) % 3000)
        .with_columns(pl.col("tenths").cast(pl.Int64) * pl.when(_is_dry()).then(0).otherwise(1))
    )
    gap = (
        cells.with_columns(pl.when(pl.col("scheme") == "product").then(1).otherwise(-1).alias("side"))
        .group_by("geo_fips", "year")
        .agg(gap=(pl.col("tenths") * pl.col("sign") * pl.col("side")).sum())
    )
    cells = cells.join(gap, on=["geo_fips", "year"]).with_columns(
        pl.col("tenths") + pl.when(pl.col("category_id") == _BALANCE).then("gap").otherwise(0)
    )
    regions = cells.group_by("category_id", "year", geo_fips="region_fips").agg(pl.col("tenths").sum())
    nation = cells.group_by("category_id", "year", geo_fips=pl.lit("00000")).agg(pl.col("tenths").sum())
    abroad = categories.filter("nation_only").join(nation.select("year").unique(), how="cross")
    abroad = abroad.with_columns(geo_fips=pl.lit("00000"), tenths=pl.lit(40_000, pl.Int64))
    cells = pl.concat(part.select(*_CELL, "tenths") for part in (cells, regions, nation, abroad))
    for depth in range(7, 0, -1):
        parts = cells.join(categories.filter(pl.col("depth") == depth), on="category_id")
        parents = parts.group_by("geo_fips", "year", category_id="parent_id").agg(
            (pl.col("tenths") * pl.col("sign")).sum()
        )
        cells = pl.concat([cells, parents.select(*_CELL, "tenths")])
    return cells


def _is_dry() -> pl.Expr:
    return pl.col("category_id").str.ends_with(".water_transportation") & (pl.col("geo_fips") == "20000")


def _observations(dataset: Dataset, years: Sequence[int]) -> pl.DataFrame:
    people = dataset.areas.filter(pl.col("geo_level") == "state").select(
        "geo_fips", "region_fips", people=1_000_000 + pl.int_range(pl.len()) * 13_000
    )
    of_areas = pl.concat(
        [
            people.select("geo_fips", "people"),
            people.group_by(geo_fips="region_fips").agg(pl.col("people").sum()),
            people.select(pl.lit("00000").alias("geo_fips"), pl.col("people").sum()).unique(),
        ]
    )
    suppressed = (pl.col("category_id") == "product.household_maintenance") & (pl.col("geo_fips") == "10000")
    dollars = (pl.col("tenths") * 100_000 / pl.col("people")).round(0)
    value = pl.when(pl.col("bea_table") == "SAPCE2").then(dollars).otherwise(pl.col("tenths") / 10)
    status = pl.when(_is_dry()).then(pl.lit("below_50k")).when(suppressed).then(pl.lit("suppressed"))
    return (
        dataset.lines.join(_tenths(dataset, years), on="category_id")
        .join(of_areas, on="geo_fips")
        .with_columns(status=status.otherwise(pl.lit("reported")))
        .with_columns(value=pl.when(pl.col("status") == "reported").then(value.round(1).cast(MONEY)))
        .with_columns(value_text=pl.col("value").cast(pl.String).fill_null("(L)"))
    )


@pytest.fixture(scope="session")
def world() -> World:
    dataset = PCE_STATE
    observations = _observations(dataset, YEARS)
    normalised = normalise(observations, dataset.lines.select("bea_table", "line_code", "description"), dataset)
    held = table_years(observations)
    facts = conform_facts(normalised.frame, dataset)
    levels = annual(facts)
    return World(
        silver=SilverYears(normalised.frame, normalised.left_out, observations.height, dataset, held),
        facts=FactYears(facts, dataset, held),
        annual=AnnualYears(levels, facts),
        metrics=MetricYears(metrics(facts, dataset, YEARS), levels, dataset, YEARS),
    )


@pytest.fixture(scope="session")
def world_of_six_years() -> MetricYears:
    """Metrics and levels of a few categories of the same economy, long enough for every metric to have a figure."""
    dataset = PCE_STATE
    lines = dataset.lines.select("bea_table", "line_code", "description")
    everything = conform_facts(normalise(_observations(dataset, _SIX_YEARS), lines, dataset).frame, dataset)
    facts = everything.filter(pl.col("category_id").is_in(_FEW))
    return MetricYears(metrics(facts, dataset, _SIX_YEARS), annual(facts), dataset, _SIX_YEARS)
