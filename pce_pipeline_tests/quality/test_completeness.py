"""How much facts say: few figures without a number, and one number of residents per area and year."""

from dataclasses import replace

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.values import typed
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.quality.completeness import nulls_are_few, one_population_per_area_and_year, without_numbers
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.silver.observations import normalise, table_years
from pce_pipeline.tables.table import MONEY

CALIFORNIA = (pl.col("geo_fips") == "06000") & (pl.col("year") == 2020)


def with_values(facts: FactYears, where: pl.Expr, value: pl.Expr) -> FactYears:
    frame = facts.frame.with_columns(value=pl.when(where).then(value).otherwise("value").cast(MONEY))
    return replace(facts, frame=frame)


def test_an_undamaged_economy_has_one_population_everywhere(world):
    found = one_population_per_area_and_year.find(world.facts)
    assert found.passed, found.examples
    assert found.figures["compared"] == 60 * 3


@pytest.mark.parametrize("measure", ["pce", "pce_per_capita"])
def test_one_figure_of_other_residents_is_found(world, measure):
    where = CALIFORNIA & (pl.col("measure") == measure) & (pl.col("category_id") == "product.goods")
    found = one_population_per_area_and_year.find(with_values(world.facts, where, pl.col("value") * 1.01))
    assert not found.passed
    assert found.figures["violations"] == 1
    assert found.examples[0].startswith("area 06000, 2020: ")
    assert "of product.goods" in found.examples[0]


def test_per_capita_figures_of_another_year_of_residents_are_found(world):
    """All of an area's per-capita figures are off alike, except one: no sum notices."""
    where = CALIFORNIA & (pl.col("measure") == "pce_per_capita") & (pl.col("category_id") != "product.pce")
    found = one_population_per_area_and_year.find(with_values(world.facts, where, pl.col("value") * 1.004))
    assert not found.passed


@pytest.mark.parametrize(
    ("nulls", "figures", "told"), [(0, 100, False), (5, 100, False), (6, 100, True), (1, 3, False), (2, 3, True)]
)
def test_more_than_5_percent_and_more_than_one_figure_without_a_number_are_too_many(nulls, figures, told):
    frame = pl.DataFrame({"year": [2024] * figures, "value": [None] * nulls + [1.0] * (figures - nulls)})
    assert without_numbers(frame, ["year"]).height == int(told)


def test_a_year_that_is_not_published_at_all_is_no_matter():
    frame = pl.DataFrame({"year": [2024] * 100, "value": pl.Series([None] * 100, dtype=pl.Float64)})
    assert without_numbers(frame, ["year"]).is_empty()


def test_a_measure_that_lost_its_numbers_in_a_year_is_named(world):
    where = (pl.col("measure") == "pce_per_capita") & (pl.col("year") == 2020) & (pl.col("geo_fips") < "20000")
    found = nulls_are_few.find(with_values(world.facts, where, pl.lit(None)))
    assert not found.passed
    assert found.examples[0].startswith("pce_per_capita, 2020: ")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "file", "areas_and_years"),
    [
        ("pce_state", "SAPCE_2022-10-06.zip", 60 * 25),
        ("income_state", "SAINC1_2025-03-28.zip", 60 * 28),
        ("prices_state", "SARPP_2022-12-15.zip", 52 * 14),
    ],
)
def test_every_area_and_year_of_bea_has_one_population(real_data, name, file, areas_and_years):
    dataset = load_datasets("full")[name]
    published = read_archive((real_data / file).read_bytes(), dataset.tables)
    observations = typed(published.frame)
    facts = conform_facts(normalise(observations, published.lines, dataset).frame, dataset)
    facts = facts.filter(pl.col("year") >= 1997)
    subject = FactYears(facts, dataset, table_years(observations))
    found = one_population_per_area_and_year.find(subject)
    assert (found.passed, found.figures["compared"]) == (True, areas_and_years)
    assert nulls_are_few.find(subject).passed
    texas = (pl.col("geo_fips") == "48000") & (pl.col("year") == 2020) & pl.col("measure").str.ends_with("_per_capita")
    measure, category = facts.filter(texas).select("measure", "category_id").row(0)
    one_figure = texas & (pl.col("measure") == measure) & (pl.col("category_id") == category)
    assert not one_population_per_area_and_year.find(with_values(subject, one_figure, pl.col("value") * 1.02)).passed
