"""Damage of one kind makes exactly the rule fail that is there for it; an undamaged world passes them all."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from pce_pipeline.bronze.rules import bronze_rules
from pce_pipeline.gold.pce_state.annual_rules import annual_rules
from pce_pipeline.gold.pce_state.metrics_rules import metrics_rules
from pce_pipeline.quality.facts import Facts, facts_rules
from pce_pipeline.quality.prices import prices_rules
from pce_pipeline.quality.rules import Rule, RuleResult, judge
from pce_pipeline.quality.silver import silver_rules
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_METRICS

Damage = Callable[[Any], Any]
RULES: Mapping[str, tuple[Rule[Any], ...]] = {
    "silver": silver_rules,
    "facts": facts_rules,
    "annual": annual_rules,
    "metrics": metrics_rules,
}
ASSETS = {
    "silver": "silver/pce_state",
    "facts": "gold",
    "annual": "gold/pce_state_annual",
    "metrics": "gold/pce_state_metrics",
}
LEAF = "function.pharmaceutical_products"
PATH = [
    LEAF,
    "function.pharmaceutical_and_other_medical_products",
    "function.medical_products_appliances_and_equipment",
    "function.health",
    "function.household_consumption_expenditures",
    "function.pce",
]
CLOTHING = ["product.clothing_and_footwear", "product.nondurable_goods", "product.goods", "product.pce"]


def at(**values: Any) -> pl.Expr:
    return pl.all_horizontal(
        pl.col(name).is_in(value) if isinstance(value, list) else pl.col(name) == value
        for name, value in values.items()
    )


def of_releases(**releases: str) -> Damage:
    """The subject made of these releases."""
    return lambda subject: replace(subject, releases=releases)


def with_value(where: pl.Expr, **values: Any) -> Damage:
    """The subject with other values in the rows of its frame where `where` holds."""

    def damage(subject: Any) -> Any:
        assert subject.frame.filter(where).height, "this damages nothing"
        changed = [
            pl.when(where)
            .then(value if isinstance(value, pl.Expr) else pl.lit(value))
            .otherwise(name)
            .cast(subject.frame.schema[name])
            .alias(name)
            for name, value in values.items()
        ]
        return replace(subject, frame=subject.frame.with_columns(changed))

    return damage


def without(where: pl.Expr) -> Damage:
    return lambda subject: replace(subject, frame=subject.frame.filter(~where))


def repeated(where: pl.Expr) -> Damage:
    return lambda subject: replace(subject, frame=pl.concat([subject.frame, subject.frame.filter(where).head(1)]))


def with_rows_in_as_rows_out(damage: Damage) -> Damage:
    def both(subject: Any) -> Any:
        damaged = damage(subject)
        return replace(damaged, rows_in=damaged.frame.height)

    return both


def with_set_aside(rows: int) -> Damage:
    """The subject with rows of an unknown area beside it."""

    def damage(subject: Any) -> Any:
        strange = (
            subject.frame.filter(at(bea_table="SAPCE4", year=2020)).head(rows).with_columns(geo_fips=pl.lit("72000"))
        )
        return replace(subject, set_aside=strange, rows_in=subject.rows_in + rows)

    return damage


QUARANTINED = {"value": None, "status": "quarantined", "value_text": "(T)"}
SILVER_CELL = at(bea_table="SAPCE4", line_code=40, geo_fips="06000", year=2020)
FACT = at(category_id=LEAF, geo_fips="06000", year=2020)
FIFTY_MORE = pl.col("value") + 50

# The layer, the rule that is there for the damage (and what notices it too), the damage.
DAMAGES: list[tuple[str, str | tuple[str, ...], Damage]] = [
    ("silver", "schema_is_as_declared", with_value(SILVER_CELL, value_text=None)),
    ("silver", "primary_key_is_unique", with_rows_in_as_rows_out(repeated(SILVER_CELL))),
    ("silver", "geography_is_known", with_value(SILVER_CELL, geo_level="region")),
    ("silver", "category_is_known", with_value(SILVER_CELL, category_id="function.health")),
    (
        "silver",
        "expected_areas_are_present",
        with_rows_in_as_rows_out(without(at(bea_table="SAPCE4", geo_fips="06000", year=2020))),
    ),
    ("silver", "expected_areas_are_present", with_rows_in_as_rows_out(without(at(bea_table="SAPCE2", year=2021)))),
    ("silver", "expected_lines_are_present", with_rows_in_as_rows_out(without(SILVER_CELL))),
    ("silver", "rows_in_equal_rows_out_plus_left_out", lambda years: replace(years, rows_in=years.rows_in + 1)),
    ("silver", "no_unexplained_nulls", with_value(SILVER_CELL, status="suppressed")),
    ("silver", "no_unexplained_nulls", with_value(SILVER_CELL, value=None, status="(X)")),
    (
        "silver",
        "quarantined_cells_are_few",
        with_value(at(bea_table="SAPCE4", line_code=1, geo_fips="06000"), **QUARANTINED),
    ),
    (
        "silver",
        "quarantined_cells_are_few",
        with_value(at(bea_table="SAPCE4", line_code=40, geo_fips="00000"), **QUARANTINED),
    ),
    (
        "silver",
        "quarantined_cells_are_few",
        with_value(at(bea_table="SAPCE4", geo_fips=["06000", "08000", "10000", "56000"], year=2020), **QUARANTINED),
    ),
    ("silver", "rows_set_aside_are_few", with_set_aside(200)),
    (
        "silver",
        "shared_lines_agree",
        with_value(at(bea_table="SAPCE3", line_code=2, geo_fips="06000", year=2020), value=FIFTY_MORE),
    ),
    (
        "silver",
        "shared_lines_agree",
        with_value(at(bea_table="SAPCE4", line_code=1, geo_fips="06000", year=2020), value=FIFTY_MORE),
    ),
    ("facts", "schema_is_as_declared", with_value(FACT, dataset=None)),
    ("facts", "primary_key_is_unique", repeated(FACT)),
    ("facts", "row_count_is_as_expected", without(FACT)),
    ("facts", "row_count_is_as_expected", with_value(FACT, year=2023)),
    ("facts", "tables_are_of_one_release", of_releases(SAPCE1="2024-10-03", SAPCE2="2022-10-06", SAPCE3="2022-10-06")),
    ("facts", "no_unexplained_nulls", with_value(FACT, value=None)),
    (
        "facts",
        "children_add_up_to_parents",
        with_value(at(category_id=LEAF, geo_fips=["06000", "98000", "00000"], year=2020), value=FIFTY_MORE),
    ),
    (
        "facts",
        "states_add_up_to_regions",
        with_value(at(category_id=PATH, geo_fips="98000", year=2020), value=FIFTY_MORE),
    ),
    (
        "facts",
        "states_add_up_to_the_nation",
        with_value(at(category_id=PATH, geo_fips="00000", year=2020), value=FIFTY_MORE),
    ),
    (
        "facts",
        ("per_capita_times_population_is_the_total", "one_population_per_area_and_year"),
        with_value(at(measure="pce_per_capita", category_id=CLOTHING, geo_fips="06000", year=2020), value=FIFTY_MORE),
    ),
    (
        "facts",
        "nulls_are_few",
        with_value(
            at(measure="pce_per_capita", geo_fips=["06000", "08000", "10000", "56000"], year=2020),
            value=None,
            status="suppressed",
        ),
    ),
    ("annual", "schema_is_as_declared", with_value(FACT, geo_level=None)),
    ("annual", "primary_key_is_unique", repeated(FACT)),
    ("annual", "no_unexplained_nulls", with_value(FACT, pce_per_capita_usd=1)),
    ("annual", "every_fact_is_in_one_row", without(FACT)),
    ("annual", "every_fact_is_in_one_row", with_value(FACT, pce_millions_usd=1)),
    ("metrics", "schema_is_as_declared", with_value(at(category_id=LEAF, geo_fips="98000", year=2020), geo_level=None)),
    ("metrics", "primary_key_is_unique", repeated(at(category_id="function.health", geo_fips="98000", year=2020))),
    ("metrics", "metrics_have_one_row_per_level", without(at(category_id="function.health", geo_fips="98000"))),
    (
        "metrics",
        ("metrics_are_null_without_their_level", "growth_is_over_the_year_before"),
        with_value(FACT, pce_yoy_pct=float("nan")),
    ),
    (
        "metrics",
        ("metrics_are_null_without_their_level", "means_are_of_consecutive_years"),
        with_value(at(category_id="product.water_transportation", geo_fips="20000"), pce_mean_3y_millions_usd=0.0),
    ),
    (
        "metrics",
        ("ranks_count_the_states", "ranks_count_who_is_ahead"),
        with_value(FACT, pce_rank_among_states=None),
    ),
    (
        "metrics",
        ("ranks_count_the_states", "ranks_count_who_is_ahead"),
        with_value(at(category_id=LEAF, geo_fips="00000"), pce_rank_among_states=1),
    ),
    (
        "metrics",
        ("shares_of_the_parts_are_100_percent", "shares_are_of_the_areas_total"),
        with_value(FACT, pce_share_of_total_pct=5.0),
    ),
    (
        "metrics",
        ("contributions_add_up_to_growth", "contributions_are_of_the_total_before"),
        with_value(FACT, pce_contribution_to_growth_pp=5.0),
    ),
    (
        "metrics",
        ("the_us_index_is_100", "indexes_are_relative_to_the_nation"),
        with_value(at(category_id="product.goods", geo_fips="00000"), pce_per_capita_index_us100=101.0),
    ),
]


def judged(layer: str, subject: Any) -> list[RuleResult]:
    looked_at = Facts(subject.frame, (subject,)) if layer == "facts" else subject
    return judge(RULES[layer], ASSETS[layer], looked_at)


@pytest.mark.parametrize("layer", RULES)
def test_an_undamaged_world_passes_every_rule(world, layer):
    results = judged(layer, getattr(world, layer))
    assert [(result.name, result.examples) for result in results if not result.passed] == []


def names_of(rules: str | tuple[str, ...]) -> tuple[str, ...]:
    return (rules,) if isinstance(rules, str) else rules


@pytest.mark.parametrize(
    ("layer", "rules", "damage"), DAMAGES, ids=[f"{layer}-{names_of(rules)[0]}" for layer, rules, _ in DAMAGES]
)
def test_damage_fails_exactly_the_rules_that_are_there_for_it(world, layer, rules, damage):
    failed = [result for result in judged(layer, damage(getattr(world, layer))) if not result.passed]
    assert [result.name for result in failed] == list(names_of(rules))
    assert failed[0].summary
    assert rules == "rows_in_equal_rows_out_plus_left_out" or failed[0].examples


def test_a_few_quarantined_cells_and_rows_fail_no_rule_of_silver_and_are_counted(world):
    shared = at(bea_table="SAPCE3", line_code=2, geo_fips="06000", year=2020)
    damaged = with_set_aside(5)(with_value(SILVER_CELL | shared, **QUARANTINED)(world.silver))
    damaged = replace(damaged, repeated=3, rows_in=damaged.rows_in + 3)
    results = {result.name: result for result in judge(silver_rules, "silver/pce_state", damaged)}
    assert [name for name, result in results.items() if not result.passed] == []
    balance = results["rows_in_equal_rows_out_plus_left_out"].figures
    assert (balance["cells_quarantined"], balance["rows_set_aside"], balance["rows_repeated"]) == (2, 5, 3)
    assert results["shared_lines_agree"].figures["not_checked"] == 1


@pytest.mark.parametrize("layer", RULES)
def test_every_rule_is_shown_to_find_damage(layer):
    shown = {name for of, rules, _ in DAMAGES if of == layer for name in names_of(rules)}
    # it takes two datasets: test_sources_agree.py; or prices: test_prices_of_the_sample.py
    shown |= {"sources_agree", *(each.name for each in prices_rules)} if layer == "facts" else set()
    assert shown == {rule.name for rule in RULES[layer]}


RECOMPUTED = {
    "pce_yoy_pct": "growth_is_over_the_year_before",
    "pce_per_capita_yoy_pct": "growth_is_over_the_year_before",
    "pce_mean_3y_millions_usd": "means_are_of_consecutive_years",
    "pce_mean_5y_millions_usd": "means_are_of_consecutive_years",
    "pce_share_of_total_pct": "shares_are_of_the_areas_total",
    "pce_contribution_to_growth_pp": "contributions_are_of_the_total_before",
    "pce_rank_among_states": "ranks_count_who_is_ahead",
    "pce_per_capita_rank_among_states": "ranks_count_who_is_ahead",
    "pce_per_capita_index_us100": "indexes_are_relative_to_the_nation",
}


def by_name(subject: Any) -> dict[str, Any]:
    return {result.name: result for result in judge(metrics_rules, "gold/pce_state_metrics", subject)}


def test_every_metric_is_computed_a_second_time():
    assert list(RECOMPUTED) == [name for name in GOLD_PCE_STATE_METRICS.column_names if name.startswith("pce_")]


@pytest.mark.parametrize("metric", RECOMPUTED)
def test_a_metric_that_its_levels_do_not_give_is_found_in_every_column(world_of_six_years, metric):
    cell = at(category_id="product.goods", geo_fips="06000", year=2023)
    assert world_of_six_years.frame.filter(cell)[metric].is_not_null().all()
    off = 1 if metric.endswith("_among_states") else pl.col(metric) * 1e-8 + 2e-6
    for damage in (with_value(cell, **{metric: pl.col(metric) + off}), with_value(cell, **{metric: None})):
        found = by_name(damage(world_of_six_years))[RECOMPUTED[metric]]
        assert not found.passed
        assert found.figures["violations"] == 1
        assert found.examples[0].startswith(f"{metric} of product.goods, area 06000, 2023: ")


@pytest.mark.parametrize("metric", RECOMPUTED)
def test_a_metric_without_the_figures_it_needs_is_found_in_every_column(world_of_six_years, metric):
    suppressed = at(category_id="product.household_maintenance", geo_fips="10000", year=2023)
    assert world_of_six_years.frame.filter(suppressed)[metric].is_null().all()
    assert not by_name(with_value(suppressed, **{metric: 1})(world_of_six_years))[RECOMPUTED[metric]].passed


@pytest.mark.parametrize("metric", [name for name in RECOMPUTED if not name.endswith("_among_states")])
def test_the_last_digit_may_go_either_way(world_of_six_years, metric):
    cell = at(category_id="product.goods", geo_fips="06000", year=2023)
    found = by_name(with_value(cell, **{metric: pl.col(metric) + 4e-7})(world_of_six_years))
    assert found[RECOMPUTED[metric]].passed


def test_metrics_of_one_year_are_computed_again_from_the_levels_before_it(world_of_six_years):
    year = pl.col("year") == 2023
    one = replace(world_of_six_years, frame=world_of_six_years.frame.filter(year), years=[2023])
    assert all(by_name(one)[name].passed for name in RECOMPUTED.values())
    without_the_rest = replace(one, levels=one.levels.filter(year))
    assert not by_name(without_the_rest)["growth_is_over_the_year_before"].passed


def test_a_gap_between_years_is_no_year_before(world_of_six_years):
    levels = world_of_six_years.levels.filter(pl.col("year") != 2022)
    assert set(world_of_six_years.frame["year"]) == {2018, 2019, 2020, 2021, 2022, 2023}
    subject = replace(world_of_six_years, levels=levels)
    shifted = [result.name for result in judge(metrics_rules, "gold/pce_state_metrics", subject) if not result.passed]
    assert {"growth_is_over_the_year_before", "means_are_of_consecutive_years"} <= set(shifted)


@pytest.mark.parametrize("rules", [bronze_rules, *RULES.values()], ids=["bronze", *RULES])
def test_rules_can_be_listed_without_running_them(rules):
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.description.endswith(".")
        assert rule.blocking in {"always", "threshold", "never"}


def test_a_frame_that_cannot_be_looked_at_fails_and_does_not_raise(world):
    broken = replace(world.facts, frame=world.facts.frame.drop("category_id"))
    results = {result.name: result for result in judge(facts_rules, "gold", Facts(broken.frame, (broken,)))}
    assert not results["schema_is_as_declared"].passed
    assert results["children_add_up_to_parents"].summary.startswith("could not be checked")
