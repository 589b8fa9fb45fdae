"""What the accounting identities forgive, and what they do not look at."""

from dataclasses import replace

import polars as pl
import pytest

from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.quality.identities import (
    FactYears,
    children_add_up_to_parents,
    per_capita_times_population_is_the_total,
    states_add_up_to_regions,
    states_add_up_to_the_nation,
)
from pce_pipeline.quality.rules import RuleResult

ABROAD = 4000
OF_US_FUNCTIONS = (pl.col("geo_fips") == "00000") & pl.col("category_id").is_in(
    [
        "function.household_consumption_expenditures",
        "function.net_foreign_travel_and_expenditures_abroad_by_us_residents",
    ]
)


def count(result: RuleResult, figure: str) -> int:
    counted = result.figures[figure]
    assert isinstance(counted, int)
    return counted


def changed(facts: FactYears, where: pl.Expr, value: pl.Expr) -> FactYears:
    assert facts.frame.filter(where).height
    money = facts.frame.schema["value"]
    return replace(
        facts,
        frame=facts.frame.with_columns(pl.when(where).then(value).otherwise("value").cast(money).alias("value")),
    )


def test_sums_bea_itself_does_not_keep_are_counted_and_shown_but_fail_nothing(world):
    facts = changed(world.facts, OF_US_FUNCTIONS, pl.col("value") - ABROAD)
    children, nation = children_add_up_to_parents.check("gold", facts), states_add_up_to_the_nation.check("gold", facts)
    for result in (children, nation):
        assert result.passed
        assert result.figures["known_exceptions"] == 6
        assert len(result.examples) == 5
        assert all(example.startswith("known: ") and "line 131" in example for example in result.examples)
    known = [row for row in children_add_up_to_parents.find(facts).largest if row["explained_by"] != "rounding"]
    assert len(known) == 5
    assert all("line 131" in str(row["explained_by"]) for row in known)


def test_a_known_exception_excuses_no_other_sum(world):
    facts = changed(world.facts, OF_US_FUNCTIONS | (pl.col("category_id") == "product.goods"), pl.col("value") - 100)
    result = children_add_up_to_parents.check("gold", facts)
    assert not result.passed
    assert result.figures["known_exceptions"] == 6
    assert result.examples[0].startswith("pce of product.durable_goods") or "product.goods" in result.examples[0]


def test_cells_too_small_to_show_count_as_zero_and_suppressed_ones_are_not_checked(world):
    result = children_add_up_to_parents.check("gold", world.facts)
    small = world.facts.frame.filter(pl.col("status") == "below_50k")
    suppressed = world.facts.frame.filter(pl.col("status") == "suppressed")
    assert small.height == 6
    assert result.figures["not_checked"] == suppressed.height == 3
    assert states_add_up_to_regions.check("gold", world.facts).figures["not_checked"] == 3


@pytest.mark.parametrize("category", ["product.pce", "product.durable_goods"])
@pytest.mark.parametrize("measure", ["pce", "pce_per_capita"])
def test_sums_with_a_figure_that_could_not_be_read_are_counted_and_fail_nothing(world, category, measure):
    unread = (pl.col("category_id") == category) & (pl.col("geo_fips") == "06000") & (pl.col("measure") == measure)
    frame = world.facts.frame.with_columns(
        value=pl.when(~unread).then("value"), status=pl.when(unread).then(pl.lit("quarantined")).otherwise("status")
    )
    facts = replace(world.facts, frame=frame)
    for rule in (children_add_up_to_parents, states_add_up_to_regions, states_add_up_to_the_nation):
        before, result = rule.check("gold", world.facts), rule.check("gold", facts)
        assert result.passed
        if measure == "pce":
            assert count(result, "not_checked") > count(before, "not_checked")
    before, result = (per_capita_times_population_is_the_total.check("gold", each) for each in (world.facts, facts))
    assert result.passed
    assert count(result, "not_checked") > count(before, "not_checked")
    assert count(result, "checked") + count(result, "not_checked") == (
        count(before, "checked") + count(before, "not_checked")
    )


@pytest.mark.parametrize(("off_by", "passes"), [(0.1, True), (0.2, False)])
def test_the_tolerance_is_what_rounding_to_a_tenth_can_do(world, off_by, passes):
    where = (pl.col("category_id") == "product.durable_goods") & (pl.col("geo_fips") == "06000")
    facts = changed(world.facts, where & (pl.col("measure") == "pce"), pl.col("value") + pl.lit(off_by))
    assert children_add_up_to_parents.check("gold", facts).passed is passes


def test_older_figures_in_whole_millions_are_allowed_their_coarser_rounding(world):
    rounded = changed(world.facts, pl.col("geo_level") == "nation", pl.col("value").cast(pl.Float64).round(0))
    assert children_add_up_to_parents.check("gold", rounded).passed
    assert states_add_up_to_the_nation.check("gold", rounded).passed


def test_without_the_table_of_net_expenditures_abroad_its_totals_are_not_compared_with_the_states(world):
    dataset = world.silver.dataset
    only = world.silver.frame.filter(pl.col("bea_table") == "SAPCE1")
    facts = FactYears(conform_facts(only, dataset), dataset, {"SAPCE1": (2019, 2020, 2021)})
    result = states_add_up_to_the_nation.check("gold", facts)
    assert result.passed
    assert result.figures["checked"] == 20 * 3
    assert result.figures["not_checked"] == 4 * 3


def test_a_deducted_part_is_subtracted(world):
    where = (pl.col("category_id") == "product.npish_receipts_from_sales") & (pl.col("geo_fips") == "06000")
    facts = changed(world.facts, where, -pl.col("value"))
    result = children_add_up_to_parents.check("gold", facts)
    assert not result.passed
    assert "product.npish_final_consumption" in result.examples[0]
