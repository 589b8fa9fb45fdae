"""BEA's own archive passes every rule, with exactly the exceptions that the catalogue knows."""

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.values import typed
from pce_pipeline.gold.annual import annual
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.metrics import metrics
from pce_pipeline.quality.annual import AnnualYears, annual_rules
from pce_pipeline.quality.facts import facts_rules
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.metrics import MetricYears, metrics_rules
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
        *judge(silver_rules, SilverYears(normalised.frame, normalised.left_out, observations.height, dataset, held)),
        *judge(facts_rules, FactYears(facts, dataset, held)),
        *judge(annual_rules, AnnualYears(levels, facts)),
        *judge(metrics_rules, MetricYears(derived, levels, dataset, YEARS)),
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
