"""BEA's own files pass every rule, with exactly the exceptions that the catalogue knows."""

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.values import typed
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_state.annual_rules import AnnualYears, annual_rules
from pce_pipeline.gold.pce_state.metrics import metrics
from pce_pipeline.gold.pce_state.metrics_rules import MetricYears, metrics_rules
from pce_pipeline.quality.facts import Facts, facts_rules, sources_agree
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.rules import judge
from pce_pipeline.quality.silver import SilverYears, silver_rules
from pce_pipeline.silver.observations import normalise, table_years
from pce_pipeline_tests.datasets import PCE_STATE, pce_state

pytestmark = pytest.mark.real

YEARS = range(1997, 2022)


@pytest.fixture(scope="module")
def archive(real_data):
    return (real_data / "SAPCE_2022-10-06.zip").read_bytes()


@pytest.mark.parametrize(("profile", "cells", "lines_left_out"), [("full", 439_550, 0), ("smoke", 4_500, 292)])
def test_the_archive_of_october_2022_passes_every_rule(archive, profile, cells, lines_left_out):
    dataset = pce_state(profile)
    published = read_archive(archive, PCE_STATE.tables)
    observations = typed(published.frame)
    normalised = normalise(observations, published.lines, dataset)
    assert (normalised.frame.height, normalised.left_out.height) == (cells, lines_left_out)

    held = table_years(observations)
    facts = conform_facts(normalised.frame, dataset)
    levels = annual(facts)
    derived = metrics(facts, dataset, YEARS)
    results = [
        *judge(
            silver_rules,
            f"silver/{dataset.name}",
            SilverYears(normalised.frame, normalised.left_out, observations.height, dataset, held),
        ),
        *judge(facts_rules, "gold", Facts(facts, (FactYears(facts, dataset, held),))),
        *judge(annual_rules, "gold/pce_state_annual", AnnualYears(levels, facts)),
        *judge(metrics_rules, "gold/pce_state_metrics", MetricYears(derived, levels, dataset, YEARS)),
    ]
    assert [(result.name, result.summary, result.examples) for result in results if not result.passed] == []

    known = {
        result.name: result.figures["known_exceptions"] for result in results if "known_exceptions" in result.figures
    }
    by_name = {"children_add_up_to_parents": 10, "states_add_up_to_the_nation": 10} if profile == "full" else {}
    assert {name: count for name, count in known.items() if count} == by_name


def test_tables_the_catalogue_does_not_hold_are_left_out_and_counted(archive):
    dataset = pce_state("smoke")
    published = read_archive(archive)
    observations = typed(published.frame)
    left_out = normalise(observations, published.lines, dataset).left_out
    assert left_out["rows"].sum() == observations.height - 4_500
    assert left_out["description"].null_count() == 0


def test_california_in_2021_is_what_bea_published(archive):
    dataset = PCE_STATE
    published = read_archive(archive, dataset.tables)
    facts = conform_facts(normalise(typed(published.frame), published.lines, dataset).frame, dataset)
    row = metrics(facts, dataset, [2021]).row(
        by_predicate=(pl.col("geo_fips") == "06000") & (pl.col("category_id") == "product.pce"), named=True
    )
    assert (row["pce_share_of_total_pct"], row["pce_rank_among_states"]) == (100.0, 1)
    assert row["pce_yoy_pct"] == row["pce_contribution_to_growth_pp"] == pytest.approx(12.666264)
    assert row["pce_per_capita_rank_among_states"] == 9
    assert row["pce_per_capita_index_us100"] == pytest.approx(110.783679)


def normalised_file(real_data, file, dataset):
    published = read_archive((real_data / file).read_bytes(), dataset.tables)
    observations = typed(published.frame)
    return observations, normalise(observations, published.lines, dataset)


@pytest.mark.parametrize(
    ("name", "file", "years", "base_year", "sums_bea_does_not_keep"),
    [
        ("income_state", "SAINC1_2025-03-28.zip", range(1929, 2025), None, 0),
        ("summary_state", "SAPCE_2022-10-06.zip", range(1998, 2023), 2012, 63),
        ("summary_state", "SARPP_2022-12-15.zip", range(1998, 2023), 2012, 63),
        ("summary_state", "SASUMMARY_2024-12-12.zip", range(1998, 2024), 2017, 68),
        ("summary_state", "SASUMMARY_2025-03-28.zip", range(1998, 2025), 2017, 69),
        ("summary_state", "SASUMMARY_2025-09-26.zip", range(1998, 2025), 2017, 70),
    ],
)
def test_every_vintage_of_the_other_tables_passes_every_rule(
    real_data, name, file, years, base_year, sums_bea_does_not_keep
):
    dataset = load_datasets("full")[name]
    observations, normalised = normalised_file(real_data, file, dataset)
    assert normalised.frame.height == dataset.cells.height * len(years)
    assert (normalised.left_out.height, normalised.set_aside.height) == (0, 0)
    assert set(normalised.base_years["base_year"]) == ({base_year} if base_year else set())

    held = table_years(observations)
    assert held == dict.fromkeys(dataset.tables, tuple(years))
    facts = FactYears(conform_facts(normalised.frame, dataset), dataset, held)
    results = [
        *judge(
            silver_rules,
            f"silver/{dataset.name}",
            SilverYears(normalised.frame, normalised.left_out, observations.height, dataset, held),
        ),
        *judge(facts_rules, "gold", Facts(facts.frame, (facts,))),
    ]
    assert [(result.name, result.summary, result.examples) for result in results if not result.passed] == []
    known = [result.figures["known_exceptions"] for result in results if "known_exceptions" in result.figures]
    assert sum(map(int, known)) == sums_bea_does_not_keep


@pytest.mark.parametrize(
    ("name", "file", "of_summary", "compared"),
    [
        ("income_state", "SAINC1_2025-03-28.zip", "SASUMMARY_2025-03-28.zip", 2 * 52 * 27),
        ("pce_state", "SAPCE_2022-10-06.zip", "SARPP_2022-12-15.zip", 2 * 52 * 24),
    ],
)
def test_what_the_summary_repeats_has_the_measure_and_category_of_its_source(
    real_data, name, file, of_summary, compared
):
    def facts(dataset: Dataset, of: str) -> pl.DataFrame:
        _, normalised = normalised_file(real_data, of, dataset)
        return conform_facts(normalised.frame, dataset)

    datasets = load_datasets("full")
    both = facts(datasets[name], file).join(
        facts(datasets["summary_state"], of_summary).filter(pl.col("value").is_not_null()),
        on=["measure", "category_id", "geo_fips", "year"],
        suffix="_again",
    )
    assert both.height == compared
    assert both.filter(pl.col("value") != pl.col("value_again")).is_empty()


@pytest.mark.parametrize(
    ("of_summary", "compared", "differ"),
    [("SASUMMARY_2025-03-28.zip", 2 * 52 * 27, 0), ("SASUMMARY_2025-09-26.zip", 0, 0)],
)
def test_income_and_the_summary_are_compared_where_they_are_of_one_release(real_data, of_summary, compared, differ):
    datasets = load_datasets("full")
    of = []
    for name, file in (("income_state", "SAINC1_2025-03-28.zip"), ("summary_state", of_summary)):
        dataset = datasets[name]
        observations, normalised = normalised_file(real_data, file, dataset)
        facts = conform_facts(normalised.frame, dataset)
        releases = dict.fromkeys(dataset.tables, file[-14:-4])
        of.append(FactYears(facts, dataset, table_years(observations), releases=releases))
    found = sources_agree.find(Facts(pl.concat([each.frame for each in of]), tuple(of)))
    assert found.passed
    assert (found.figures["compared"], found.figures["violations"]) == (compared, differ)
    assert found.has_subject == bool(compared)
