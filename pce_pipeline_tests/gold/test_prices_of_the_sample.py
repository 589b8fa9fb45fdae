"""The sample's prices keep BEA's identities, belong to their nominal release, and give what follows from them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cache

import polars as pl
import pytest

from pce_pipeline.bea.values import typed
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.figures import newest_lines
from pce_pipeline.emulator.publication import publish
from pce_pipeline.emulator.vintages import VINTAGES, vintage
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.price_releases import (
    NOT_HELD,
    NOT_YET,
    OF_THIS,
    belongings,
    needed,
    price_releases,
    repeated,
    standings,
)
from pce_pipeline.gold.prices_state.annual import annual
from pce_pipeline.gold.prices_state.annual_rules import AnnualYears, annual_rules
from pce_pipeline.gold.prices_state.metrics import cost_of_living_difference_pct, metrics
from pce_pipeline.gold.prices_state.metrics_rules import MetricYears, metrics_rules
from pce_pipeline.quality.facts import Facts, facts_rules
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.price_releases import Belonging, PriceReleases, price_releases_rules
from pce_pipeline.quality.prices import prices_rules
from pce_pipeline.quality.rules import RuleResult, judge
from pce_pipeline.silver.observations import normalise, table_years
from pce_pipeline.tables.prices_state import GOLD_PRICES_STATE_ANNUAL, GOLD_STATE_PRICE_METRICS

DATASETS = {name: each for name, each in load_datasets("full").items() if not each.is_monthly}
HOMES = {measure.name: measure.home for each in DATASETS.values() for measure in each.measures.values()}
PRICES = DATASETS["prices_state"]
RELEASES = [each.number for each in VINTAGES]
NUMBERS = {release: 2020_00_00_01 + release * 10_000_00 for release in RELEASES}


@cache
def silver_of(release: int, name: str) -> pl.DataFrame:
    """The Silver of a dataset as a release of the sample publishes it, from 2008 on."""
    dataset, publication = DATASETS[name], publish(release)
    cells = pl.concat([publication.cells[table].frame for table in dataset.tables if table != "SAPCE4"])
    lines = newest_lines(dataset).select("bea_table", "line_code", "description", "unit", "unit_multiplier")
    observations = typed(cells.filter(pl.col("year") >= 2008).join(lines, on=["bea_table", "line_code"]))
    return normalise(observations.drop("description"), lines.drop("unit", "unit_multiplier"), dataset).frame


@cache
def facts_of(release: int, name: str) -> pl.DataFrame:
    return conform_facts(silver_of(release, name), DATASETS[name])


def logs_until(*releases: int, changed: Mapping[str, pl.Expr] | None = None) -> dict[str, pl.DataFrame]:
    """The logs of all datasets after these releases, each of which says every figure anew."""
    found = {}
    for name in DATASETS:
        rows = [
            facts_of(release, name).with_columns(
                (changed or {}).get(name, pl.col("value")).alias("value"),
                basis=pl.lit("counted"),
                valid_from=pl.lit(NUMBERS[release], dtype=pl.Int32),
                valid_to=pl.lit(NUMBERS[after] if after else None, dtype=pl.Int32),
                released_on=pl.lit(_released(release, name)),
            )
            for release, after in zip(releases, [*releases[1:], None], strict=True)
        ]
        found[name] = needed(pl.concat(rows))
    return found


def _released(release: int, name: str) -> date:
    shown = vintage(release)
    return (shown.with_prices if name == "prices_state" else shown).last_updated


def found_in(logs: Mapping[str, pl.DataFrame]) -> tuple[dict[str, tuple[Belonging, ...]], dict[str, RuleResult]]:
    found = belongings(logs, HOMES, {"pce_state": (date(2024, 10, 3), date(2025, 9, 26))})
    again = repeated(logs, "summary_state").with_columns(dataset=pl.lit("summary_state"))
    subject = PriceReleases(price_releases(found), [each[-1] for each in found.values()], again)
    return found, {each.name: each for each in judge(price_releases_rules, "gold/price_releases", subject)}


def belongs_to(of: Belonging) -> dict[str, tuple[object, ...]]:
    rows = of.rows.select("measure", "nominal_vintage_id", "settled_by", "cells_off")
    return {measure: (at, by, off) for measure, at, by, off in rows.iter_rows()}


def failing(results: Mapping[str, RuleResult]) -> list[str]:
    return [name for name, each in results.items() if not each.passed]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ["prices_state", "summary_state"])
def test_every_release_keeps_every_rule_of_the_facts(release: int, name: str) -> None:
    facts = FactYears(facts_of(release, name), DATASETS[name], table_years(silver_of(release, name)))
    results = judge(facts_rules, "gold", Facts(facts.frame, (facts,)))
    assert [(each.name, each.examples) for each in results if not each.passed] == []
    without_parts = {"price_levels_of_parts_bracket_the_total"} if name == "summary_state" else set()
    unseen = {each.name for each in results if not each.has_subject} & {each.name for each in prices_rules}
    assert unseen == without_parts


@pytest.mark.parametrize(
    ("measure", "category", "area", "by", "rule"),
    [
        ("regional_price_parity", "prices.all_items", "00000", 0.001, "price_level_of_the_us_is_100"),
        ("regional_price_parity", "prices.all_items", "06000", 60, "price_levels_of_parts_bracket_the_total"),
        ("regional_price_parity", "prices.all_items", "06000", 0.02, "deflators_are_price_levels_times_one_index"),
        ("regional_price_deflator", "prices.all_items", "06000", 0.02, "deflators_are_price_levels_times_one_index"),
        ("real_pce", "product.pce", "06000", 100, "real_figures_imply_one_population"),
        ("real_personal_income_per_capita", "income.all_sources", "06000", 3, "real_figures_imply_one_population"),
    ],
)
def test_rules_of_prices_find_one_broken_cell(measure: str, category: str, area: str, by: float, rule: str) -> None:
    is_it = (pl.col("measure") == measure) & (pl.col("category_id") == category) & (pl.col("geo_fips") == area)
    broken = pl.when(is_it & (pl.col("year") == 2019)).then(pl.col("value").cast(pl.Float64) + by)
    facts = facts_of(2, "prices_state").with_columns(
        broken.otherwise(pl.col("value").cast(pl.Float64)).cast(pl.Decimal(18, 3)).alias("value")
    )
    of = FactYears(facts, PRICES, table_years(silver_of(2, "prices_state")))
    results = {each.name: each for each in judge(prices_rules, "gold", of)}
    assert results[rule].figures["violations"] == 1
    assert "2019" in results[rule].examples[0]


@pytest.mark.parametrize("release", RELEASES)
def test_price_levels_of_the_states_have_the_harmonic_mean_of_100(release: int) -> None:
    of = vintage(release).with_prices.number
    spending = facts_of(of, "pce_state").filter(measure="pce", category_id="product.pce", geo_level="state")
    levels = facts_of(release, "prices_state").filter(measure="regional_price_parity", category_id="prices.all_items")
    both = spending.join(levels, on=["geo_fips", "year"], suffix="_level").with_columns(
        pl.col("value", "value_level").cast(pl.Float64)
    )
    means = both.group_by("year").agg(
        harmonic=pl.col("value").sum() / (pl.col("value") / pl.col("value_level")).sum(),
        arithmetic=(pl.col("value") * pl.col("value_level")).sum() / pl.col("value").sum(),
    )
    assert means.height == vintage(release).last_year_of_prices - 2007
    assert means.filter((pl.col("harmonic") - 100).abs() > 5e-4).is_empty()
    assert means["arithmetic"].min() > 100.01  # type: ignore[operator]


def test_in_a_september_spending_is_revised_and_prices_are_not() -> None:
    before, after = (facts_of(release, "prices_state") for release in (2, 3))
    assert after.equals(before)
    assert not facts_of(3, "pce_state").equals(facts_of(2, "pce_state"))
    found, results = found_in(logs_until(2, 3))
    assert failing(results) == []
    assert results["deflators_are_nominal_over_real_spending"].figures["compared"] == 2 * 51 * 16
    for dataset in ("prices_state", "summary_state"):
        assert belongs_to(found[dataset][-1])["real_pce"] == (NUMBERS[2], "figures", 0), dataset


def test_where_only_the_september_is_held_nothing_is_judged() -> None:
    found, results = found_in(logs_until(3))
    of = belongs_to(found["prices_state"][-1])
    assert of["real_pce"] == (None, "calendar", 0)
    assert of["real_personal_income"] == (None, "unknown", 0)
    crossing = [each.name for each in price_releases_rules if each.blocking == "never"][:-1]
    assert [name for name in crossing if results[name].has_subject] == []
    assert failing(results) == []


def test_the_newest_prices_of_all_releases_belong_to_their_own() -> None:
    found, results = found_in(logs_until(*RELEASES))
    settled = {each.rows["vintage_id"][0]: belongs_to(each)["real_pce"][0] for each in found["prices_state"]}
    assert settled == {NUMBERS[1]: NUMBERS[1], NUMBERS[2]: NUMBERS[2], NUMBERS[3]: NUMBERS[2], NUMBERS[4]: NUMBERS[4]}
    assert failing(results) == []


@pytest.mark.parametrize(
    ("measure", "rules"),
    [
        ("regional_price_deflator", ["deflators_are_nominal_over_real_spending"]),
        (
            "real_pce",
            [
                "deflators_are_nominal_over_real_spending",
                "spending_over_real_times_level_is_one_number",
                "real_per_capita_is_real_over_residents",
                "gaps_to_the_nation_are_the_same_share",
            ],
        ),
        ("real_personal_income", ["income_over_real_times_level_is_one_number"]),
        ("real_pce_per_capita", ["real_per_capita_is_real_over_residents"]),
        (
            "regional_price_parity",
            ["spending_over_real_times_level_is_one_number", "income_over_real_times_level_is_one_number"],
        ),
    ],
)
def test_one_broken_cell_is_found_although_the_release_is_told_from_the_same_figures(
    measure: str, rules: list[str]
) -> None:
    is_it = (pl.col("measure") == measure) & (pl.col("geo_fips") == "06000") & (pl.col("year") == 2019)
    broken = pl.when(is_it).then(pl.col("value") + pl.col("value") / 500).otherwise("value").cast(pl.Decimal(18, 3))
    found, results = found_in(logs_until(2, changed={"prices_state": broken}))
    assert set(rules) <= set(failing(results))
    assert belongs_to(found["prices_state"][0])["real_pce"][:2] == (NUMBERS[2], "figures")
    assert any("06000" in text for text in results[rules[0]].examples)


def test_a_summary_that_says_otherwise_than_its_source_is_found() -> None:
    is_it = (pl.col("measure") == "regional_price_parity") & (pl.col("geo_fips") == "06000") & (pl.col("year") == 2019)
    broken = pl.when(is_it).then(pl.col("value") + 1).otherwise("value").cast(pl.Decimal(18, 3))
    _, results = found_in(logs_until(2, changed={"summary_state": broken}))
    (example,) = results["summaries_agree_with_their_sources"].examples
    assert example.startswith("regional_price_parity of summary_state, area 06000, 2019: ")


def test_levels_alone_belong_to_the_newest_release_before_them() -> None:
    logs = logs_until(2)
    alone = {**logs, "prices_state": logs["prices_state"].filter(measure="regional_price_parity")}
    found, _ = found_in({**alone, "summary_state": alone["summary_state"].clear()})
    (row,) = found["prices_state"][0].rows.iter_rows(named=True)
    assert (row["measure"], row["settled_by"]) == ("regional_price_parity", "calendar")
    assert row["nominal_released_on"] == date(2024, 10, 3)  # not of the same day: that came out with it


def test_levels_of_a_newer_release_than_the_deflators_are_compared_with_nothing() -> None:
    logs = logs_until(2)
    is_level = pl.col("measure") == "regional_price_parity"
    newer = facts_of(4, "prices_state").filter(is_level).select("geo_fips", "year", "category_id", newer="value")
    of_all_items = newer.filter(category_id="prices.all_items").drop("category_id")
    prices = logs["prices_state"].join(of_all_items, on=["geo_fips", "year"], how="left")
    mixed = prices.with_columns(
        value=pl.when(is_level).then(pl.col("newer").cast(pl.Float64)).otherwise("value"),
        released_on=pl.when(is_level).then(pl.lit(date(2026, 2, 19))).otherwise("released_on"),
    ).drop("newer")
    found, results = found_in({**logs, "prices_state": mixed, "summary_state": logs["summary_state"].clear()})
    of = belongs_to(found["prices_state"][0])
    assert (of["real_pce"][:2], of["regional_price_parity"][:2]) == ((NUMBERS[2], "figures"), (None, "calendar"))
    assert of["real_personal_income"][1] == "unknown"  # told by levels alone, which are not those that it was made with
    assert failing(results) == []
    assert results["deflators_are_nominal_over_real_spending"].figures["compared"] == 51 * 16
    assert not results["spending_over_real_times_level_is_one_number"].has_subject


def test_the_release_that_agrees_in_most_cells_is_taken_and_not_one_that_says_little() -> None:
    logs = logs_until(2)
    is_it = (pl.col("measure") == "real_pce") & (pl.col("geo_fips") == "06000") & (pl.col("year") == 2019)
    broken = logs["prices_state"].with_columns(value=pl.when(is_it).then(pl.col("value") * 1.01).otherwise("value"))
    little = logs["pce_state"].filter(pl.col("year") < 2012).with_columns(valid_from=pl.lit(2019010101, dtype=pl.Int32))
    found, _ = found_in({**logs, "prices_state": broken, "a_little": little})
    assert belongs_to(found["prices_state"][0])["real_pce"] == (NUMBERS[2], "figures", 1)


def standing_of(logs: Mapping[str, pl.DataFrame], measure: str, year: int) -> set[str]:
    """How the figures of all areas in prices_state stand."""
    found = standings(logs, HOMES).filter(dataset="prices_state", measure=measure, year=year)
    return set(found["real_figures"])


def test_real_figures_stand_to_the_newest_nominal_ones_cell_by_cell() -> None:
    after_september = logs_until(2, 3)
    assert standing_of(after_september, "real_pce", 2020) == {OF_THIS}
    assert standing_of(after_september, "real_pce", 2022) == {NOT_YET}
    assert standing_of(after_september, "regional_price_deflator", 2022) == {NOT_YET}
    assert standing_of(after_september, "real_pce_per_capita", 2017) == {NOT_YET}  # residents, from 2016 on
    assert standing_of(after_september, "real_pce_per_capita", 2015) == {OF_THIS}
    assert standing_of(after_september, "regional_price_parity", 2022) == set()
    assert standing_of(logs_until(2), "real_pce", 2022) == {OF_THIS}
    # their release is not held: a later one has come out since, or an earlier one says nothing
    assert standing_of(logs_until(3), "real_pce", 2022) == {NOT_YET}
    mixed = {**logs_until(2), "prices_state": logs_until(4)["prices_state"]}
    assert standing_of({**mixed, "summary_state": mixed["summary_state"].clear()}, "real_pce", 2022) == {NOT_HELD}


def levels_of(release: int) -> pl.DataFrame:
    return annual(facts_of(release, "prices_state"), silver_of(release, "prices_state"), PRICES)


@pytest.mark.parametrize("release", [2, 4])
def test_gold_keeps_its_rules_and_the_us_has_no_deflator(release: int) -> None:
    levels, years = levels_of(release), range(2008, vintage(release).last_year_of_prices + 1)
    derived = metrics(levels, years)
    facts = facts_of(release, "prices_state")
    results = [
        *judge(annual_rules, "gold/prices_state_annual", AnnualYears(levels, facts)),
        *judge(metrics_rules, "gold/state_price_metrics", MetricYears(derived, levels, years)),
    ]
    assert [(each.name, each.summary, each.examples) for each in results if not each.passed] == []
    assert all(each.has_subject for each in results)
    assert GOLD_PRICES_STATE_ANNUAL.conform(levels).height == GOLD_STATE_PRICE_METRICS.conform(derived).height
    nation = levels.filter(geo_level="nation")
    assert nation["irpd"].null_count() == nation.height == len(years)
    assert set(nation["irpd_status"]) == {"not_published"}
    assert set(levels["base_year"]) == {2017}


def test_contributions_add_up_to_the_growth_of_nominal_spending_as_known_then() -> None:
    nominal = facts_of(2, "pce_state").filter(measure="pce", category_id="product.pce", geo_fips="06000")
    amounts = dict(nominal.select("year", pl.col("value").cast(pl.Float64)).iter_rows())
    row = metrics(levels_of(2), [2021]).row(by_predicate=pl.col("geo_fips") == "06000", named=True)
    price, quantity = row["price_contribution_log_points"], row["quantity_contribution_log_points"]
    assert price + quantity == row["nominal_pce_growth_log_points"]
    growth = (amounts[2021] / amounts[2020] - 1) * 100
    assert pl.Series([float(row["nominal_pce_growth_log_points"]) / 100]).exp()[0] == pytest.approx(
        1 + growth / 100, abs=2e-5
    )


def test_a_gap_in_the_years_and_another_base_year_give_no_growth() -> None:
    levels = levels_of(2)
    without = metrics(levels.filter(pl.col("year") != 2019), [2020])
    rebased = metrics(levels.with_columns(base_year=pl.when(pl.col("year") < 2020).then(2012).otherwise(2017)), [2020])
    for derived in (without, rebased.with_columns(pl.col("base_year").cast(pl.Int32))):
        for column in ("inflation_pct", "real_pce_yoy_pct", "nominal_pce_growth_log_points"):
            assert derived[column].null_count() == derived.height, column
        assert derived["value_of_100_usd"].null_count() == 0


def test_a_base_year_that_deflators_do_not_confirm_is_found() -> None:
    levels = levels_of(2).with_columns(base_year=pl.lit(2016, dtype=pl.Int32))
    results = {each.name: each for each in judge(annual_rules, "a", AnnualYears(levels, facts_of(2, "prices_state")))}
    assert [text[:5] for text in results["base_year_is_confirmed"].examples] == ["2016:", "2017:"]


def test_real_figures_of_two_base_years_have_none() -> None:
    silver = silver_of(2, "prices_state")
    mixed = silver.with_columns(
        unit=pl.when((pl.col("year") == 2020) & (pl.col("line_code") == 3))
        .then(pl.col("unit").str.replace("2017", "2012"))
        .otherwise("unit")
    )
    years = annual(facts_of(2, "prices_state"), mixed, PRICES).select("year", "base_year").unique()
    assert years.filter(pl.col("base_year").is_null())["year"].to_list() == [2020]


def test_living_costs_more_there_by_the_ratio_of_two_levels_of_one_year() -> None:
    assert cost_of_living_difference_pct(100.0, 80.0) == pytest.approx(25.0)
    assert cost_of_living_difference_pct(80.0, 100.0) == pytest.approx(-20.0)


def test_what_is_not_held_of_prices_is_not_published() -> None:
    facts = facts_of(2, "prices_state").filter(pl.col("measure") == "regional_price_parity")
    levels = annual(facts, silver_of(2, "prices_state").filter(bea_table="SARPP"), PRICES)
    assert set(levels["irpd_status"]) == set(levels["real_pce_status"]) == {"not_published"}
    assert levels["base_year"].null_count() == levels.height
    rules = judge(annual_rules, "a", replace(AnnualYears(levels, facts)))
    assert [each.name for each in rules if not each.passed] == []
