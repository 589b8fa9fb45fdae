"""The rules of months of states hold on what is made, have no subject where there is none, and find each damage."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.values import typed
from pce_pipeline.emulator.figures import newest_lines
from pce_pipeline.emulator.national import publish_national
from pce_pipeline.emulator.publication import publish
from pce_pipeline.emulator.vintages import vintage
from pce_pipeline.gold.benchmarking import FloatArray
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_us_monthly.months import us_months
from pce_pipeline.gold.pce_us_monthly.state_months import Panel, monthly_errors, panel_of, state_months
from pce_pipeline.gold.pce_us_monthly.state_months_rules import StateMonths, monthly_errors_rules, state_months_rules
from pce_pipeline.quality.rules import RuleResult, judge
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.pce_us_monthly import GOLD_PCE_MONTHLY_ERRORS, GOLD_PCE_STATE_MONTHLY
from pce_pipeline.tables.table import MONEY
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.examples import examples
from pce_pipeline_tests.small_months import (
    ALABAMA,
    ALASKA,
    ARIZONA,
    FULL,
    GOODS,
    HOUSEHOLDS,
    LINES,
    NO_LOG,
    NONPROFITS,
    OUTPUT,
    PARTS,
    PCE,
    RECEIPTS,
    SMALL,
    STATES,
    US,
    World,
    flat,
    revisions,
    world,
)

AMOUNT = "pce_millions_usd_saar"
MEANS = "twelve_months_average_to_the_year"
OF_THE_NATION = "the_nations_months_average_to_its_year"
GIVES_BACK = "the_us_row_gives_back_the_nations_months"
TOTAL_EVERYWHERE = "total_spending_is_estimated_everywhere"
WITH_A_PANEL = {
    "every_state_category_and_month_has_its_row",
    "what_is_left_out_is_what_cannot_be_estimated",
    "sums_are_those_of_their_parts_exactly",
    MEANS,
    "states_add_up_to_the_weights_times_their_sum",
    GIVES_BACK,
    OF_THE_NATION,
    TOTAL_EVERYWHERE,
}


def results(months: StateMonths) -> dict[str, RuleResult]:
    return {each.name: each for each in judge(state_months_rules, GOLD_PCE_STATE_MONTHLY.name, months)}


def failing(months: StateMonths) -> set[str]:
    """What is wrong; that something cannot be estimated is not, and stands apart."""
    return {name for name, each in results(months).items() if not each.passed} - {TOTAL_EVERYWHERE}


def unseen(months: StateMonths) -> set[str]:
    return {name for name, each in results(months).items() if not each.has_subject}


@cache
def whole() -> StateMonths:
    """Eight years of three states, and fifteen months after them."""
    return world(years=8).subject


def known(of: StateMonths) -> Panel:
    assert of.panel is not None
    return of.panel


# What is made keeps them.


def test_every_rule_has_something_to_look_at_and_holds():
    found = results(whole())
    assert [(name, each.examples) for name, each in found.items() if not each.passed] == []
    assert all(each.has_subject for each in found.values())
    count, states = 8 * 12 + 15, len(STATES)
    assert found["every_state_category_and_month_has_its_row"].figures["compared"] == 7 * states * count
    assert found["what_is_left_out_is_what_cannot_be_estimated"].figures["compared"] == 7 * states * count
    assert found["sums_are_those_of_their_parts_exactly"].figures["checked"] == 3 * states * count
    growth = found["growth_is_of_the_month_before_and_of_the_year_before"]
    assert growth.figures["compared"] == 7 * states * (count - 1 + count - 12)
    assert found[MEANS].figures["compared"] == 4 * states * 8
    assert found["states_add_up_to_the_weights_times_their_sum"].figures["compared"] == 4 * count
    assert (found[GIVES_BACK].figures["compared"], found[GIVES_BACK].figures["lines_not_checked"]) == (4 * count, 0)
    assert found[OF_THE_NATION].figures["compared"] == 4 * 8
    assert found[OF_THE_NATION].figures["years_of_other_releases"] == 0


def test_without_what_they_are_made_from_the_rules_that_need_it_see_nothing():
    standing = StateMonths(whole().frame)
    assert failing(standing) == set()
    assert unseen(standing) == WITH_A_PANEL


def test_rules_of_nothing_have_no_subject():
    nothing = StateMonths(whole().frame.clear())
    assert failing(nothing) == set()
    assert unseen(nothing) == {each.name for each in state_months_rules}


def test_what_is_left_out_is_compared_with_nothing_and_found_by_no_rule():
    small = world()
    # one line for all, one for a state
    broken = small.but(annual={(OUTPUT, ALASKA): [1.0, 0.0, 1.0, 1.0], (GOODS, ARIZONA): [1.0, None, 1.0, 1.0]})
    found = results(broken.subject)
    assert [name for name, each in found.items() if not each.passed] == [TOTAL_EVERYWHERE]
    assert found[TOTAL_EVERYWHERE].figures == {"violations": 2, "compared": 3 * 63, "without": 3 * 63}
    assert found[TOTAL_EVERYWHERE].examples == (
        "product.goods: figure_missing, in 63 rows, the first of 2010-01",
        "product.npish_gross_output: not_positive, in 189 rows, the first of 2010-01",
    )
    assert found[MEANS].figures["compared"] == 4 * (2 + 3 + 3)
    assert found["states_add_up_to_the_weights_times_their_sum"].figures["compared"] == 2 * 63
    assert found[GIVES_BACK].figures["compared"] == 3 * 63
    # sums are there to be looked at, even if none can be had
    assert found["sums_are_those_of_their_parts_exactly"].figures["checked"] == 3 * 3 * 63


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds with gaps, zeros and figures that move much, whose months and years are of any release."""
    years, after = draw(st.integers(1, 7)), draw(st.integers(0, 26))
    month = st.one_of(st.integers(1, 400), st.integers(1, 10**7))
    year = st.one_of(st.integers(1, 30_000), st.integers(1, 10**8)).map(lambda tenths: tenths / 10)
    rarely = st.sampled_from([None, 0, -3])
    months = {line: draw(st.lists(month, min_size=12 * years + after, max_size=12 * years + after)) for line in LINES}
    annual = {
        (line, area): draw(st.lists(year, min_size=years, max_size=years)) for line in LINES for area in (US, *STATES)
    }
    whole = World(months, annual)
    if draw(st.booleans()):
        line, area = draw(st.sampled_from(LINES)), draw(st.sampled_from([*STATES]))
        figures = annual[line, area]
        return whole.but(annual={(line, area): [draw(rarely), *figures[1:]]})
    return whole


@settings(max_examples=examples(15), deadline=None)
@given(worlds())
def test_whatever_is_given_every_rule_that_blocks_holds(given_world: World):
    panel = given_world.panel
    assume(panel is not None)
    assert failing(given_world.subject) <= {OF_THE_NATION}
    assert {each.name for each in state_months_rules if each.blocking == "never"} == {OF_THE_NATION, TOTAL_EVERYWHERE}
    errors = judge(monthly_errors_rules, GOLD_PCE_MONTHLY_ERRORS.name, given_world.errors)
    assert all(each.passed for each in errors)


# The look-alike.


@cache
def sample_years(release: int, first: int) -> pl.DataFrame:
    """The annual figures of all areas as a release of the sample has them, from a year on."""
    lines = newest_lines(PCE_STATE).filter(bea_table="SAPCE1")
    texts = lines.select("bea_table", "line_code", "description", "unit", "unit_multiplier")
    cells = publish(release).cells["SAPCE1"].frame.filter(pl.col("year") >= first)
    observations = typed(cells.join(texts, on=["bea_table", "line_code"])).drop("description")
    silver = normalise(observations, texts.drop("unit", "unit_multiplier"), PCE_STATE).frame
    return annual(conform_facts(silver, PCE_STATE))


@cache
def sample_months(release: int, first: int) -> pl.DataFrame:
    """The nation's months as a release of the sample has them, from a year on."""
    cells = publish_national(release).tables["T20805"].cells.filter(pl.col("year") >= first)
    lines = FULL.lines.filter(bea_table="T20805").select("line_code", "category_id", "measure")
    of_lines = cells.join(lines, on="line_code").select(
        "category_id",
        "year",
        "month",
        "measure",
        value=pl.col("value_text").str.replace_all(",", "").cast(MONEY),
        status=pl.lit("reported"),
    )
    return us_months(of_lines, of_lines["year"].unique().sort().to_list())


def of_the_sample(of_months: int, of_years: int) -> tuple[StateMonths, pl.DataFrame]:
    """Months of states from two releases of the sample, of eight years and those after them, and their errors."""
    first = vintage(of_years).last_year - 7
    panel = panel_of(sample_months(of_months, first), sample_years(of_years, first), FULL)
    errors = monthly_errors(panel, NO_LOG)
    phis = dict(errors.drop_nulls("phi").select("category_id", "phi").unique().iter_rows())
    return StateMonths(state_months(panel, errors), panel, phis), errors


def test_the_sample_keeps_every_rule_and_gives_back_the_nations_months_of_its_release():
    subject, errors = of_the_sample(2, 2)
    found = results(subject)
    assert [(name, each.examples) for name, each in found.items() if not each.passed] == []
    assert all(each.has_subject for each in found.values())
    assert found[GIVES_BACK].figures["lines_not_checked"] == 0
    assert found[OF_THE_NATION].figures["years_of_other_releases"] == 0
    assert set(subject.frame["geo_fips"]) == set(PCE_STATE.areas.filter(geo_level="state")["geo_fips"])
    assert set(subject.frame["category_id"]) == {name for name in FULL.categories["category_id"] if "product." in name}
    judged = judge(monthly_errors_rules, GOLD_PCE_MONTHLY_ERRORS.name, errors)
    assert all(each.passed and each.has_subject for each in judged)


def test_months_of_one_release_and_years_of_another_are_told_and_do_not_block():
    subject, _ = of_the_sample(3, 2)
    found = results(subject)
    assert failing(subject) == set()
    assert found[OF_THE_NATION].figures["years_of_other_releases"] == 4
    assert (found[GIVES_BACK].figures["lines_not_checked"], found[GIVES_BACK].has_subject) == (17, False)


# Each finds its damage.

GOODS_OF_ALASKA = (pl.col("category_id") == GOODS) & (pl.col("geo_fips") == ALASKA)
IN_MAY = (pl.col("year") == 2014) & (pl.col("month") == 5)
IT = GOODS_OF_ALASKA & IN_MAY
THE_LAST = GOODS_OF_ALASKA & (pl.col("year") == 2019) & (pl.col("month") == 3)


def damaged(at: pl.Expr, **to: pl.Expr) -> StateMonths:
    """The whole world with something changed in some rows."""
    changed = (pl.when(at).then(value).otherwise(name).alias(name) for name, value in to.items())
    frame = whole().frame
    return replace(whole(), frame=frame.with_columns(changed).cast(frame.schema))


def without(at: pl.Expr) -> StateMonths:
    return replace(whole(), frame=whole().frame.filter(~at))


SCHEMA = "schema_is_as_declared"
KEY = "primary_key_is_unique"
ROWS = "every_state_category_and_month_has_its_row"
ESTIMATES = "every_row_says_that_it_is_an_estimate"
REASONS = "what_is_left_out_is_what_cannot_be_estimated"
BANDS = "bands_are_of_extrapolated_estimates"
GROWTH = "growth_is_of_the_month_before_and_of_the_year_before"
SUMS = "sums_are_those_of_their_parts_exactly"
ADD_UP = "states_add_up_to_the_weights_times_their_sum"
NULL = pl.lit(None)


@pytest.mark.parametrize(
    ("months", "rules"),
    [
        pytest.param(lambda: damaged(IT, **{AMOUNT: pl.col(AMOUNT) + 1}), {GROWTH, SUMS, MEANS, ADD_UP}, id="amount"),
        pytest.param(
            lambda: damaged(IT, **{AMOUNT: pl.col(AMOUNT) + 0.01}), {GROWTH, SUMS, MEANS, ADD_UP}, id="amount by little"
        ),
        pytest.param(
            lambda: damaged(THE_LAST, **{AMOUNT: pl.col(AMOUNT) + 1}), {GROWTH, SUMS, ADD_UP}, id="extrapolated amount"
        ),
        pytest.param(
            lambda: damaged(IT, **{AMOUNT: -pl.col(AMOUNT)}), {ESTIMATES, GROWTH, SUMS, MEANS, ADD_UP}, id="sign"
        ),
        pytest.param(lambda: damaged(IT, **{AMOUNT: pl.lit(0)}), {ESTIMATES, GROWTH, SUMS, MEANS, ADD_UP}, id="zero"),
        pytest.param(lambda: damaged(IT, **{AMOUNT: NULL}), {ESTIMATES, GROWTH, SUMS}, id="no amount"),
        pytest.param(
            lambda: damaged(IN_MAY & (pl.col("category_id") == PCE), **{AMOUNT: pl.col(AMOUNT) + 0.001}),
            {GROWTH, SUMS},
            id="a sum by the last decimal",
        ),
        pytest.param(
            lambda: damaged(pl.col("category_id") == PCE, **{AMOUNT: pl.col(AMOUNT) * 2}), {SUMS}, id="all of a sum"
        ),
        pytest.param(
            lambda: damaged(pl.col("category_id") == GOODS, **{AMOUNT: pl.col(AMOUNT) * 2}),
            {SUMS, MEANS, ADD_UP},
            id="all of a line",
        ),
        pytest.param(lambda: damaged(IT, mom_pct=pl.col("mom_pct") + 0.000003), {GROWTH}, id="growth on the month"),
        pytest.param(lambda: damaged(IT, yoy_pct=pl.col("yoy_pct") + 0.000003), {GROWTH}, id="growth on the year"),
        pytest.param(lambda: damaged(IT, mom_pct=NULL), {GROWTH}, id="no growth on the month"),
        pytest.param(lambda: damaged(IT, yoy_pct=NULL), {GROWTH}, id="no growth on the year"),
        pytest.param(
            lambda: damaged(GOODS_OF_ALASKA & (pl.col("year") == 2010), yoy_pct=pl.lit(0.0)),
            {GROWTH},
            id="growth on a year that is not there",
        ),
        pytest.param(
            lambda: damaged(IT, status=pl.lit("figure_missing")), {ESTIMATES, REASONS}, id="a reason with an amount"
        ),
        pytest.param(lambda: damaged(IT, status=pl.lit("unknown")), {ESTIMATES, REASONS}, id="no such reason"),
        pytest.param(lambda: damaged(IT, status=NULL), {SCHEMA}, id="no status"),
        pytest.param(
            lambda: damaged(
                pl.col("category_id") == PCE,
                status=pl.lit("part_left_out"),
                **dict.fromkeys((AMOUNT, "mom_pct", "yoy_pct", "annual_error_p50_pct", "annual_error_p90_pct"), NULL),
            ),
            {REASONS, SUMS},
            id="a sum left out that could be had",
        ),
        pytest.param(lambda: damaged(IT, is_estimate=pl.lit(value=False)), {ESTIMATES}, id="not an estimate"),
        pytest.param(lambda: damaged(IT, is_extrapolated=pl.lit(value=True)), {ESTIMATES, BANDS}, id="extrapolated"),
        pytest.param(
            lambda: damaged(THE_LAST, is_extrapolated=pl.lit(value=False)), {ESTIMATES, BANDS}, id="not extrapolated"
        ),
        pytest.param(
            lambda: damaged(IT, horizon_years=pl.lit(1), is_extrapolated=pl.lit(value=True)),
            {ROWS, BANDS},
            id="horizon of a year that is known",
        ),
        pytest.param(lambda: damaged(THE_LAST, horizon_years=pl.lit(1)), {ROWS, BANDS}, id="horizon"),
        pytest.param(lambda: damaged(IT, annual_error_p50_pct=pl.lit(0.0)), {BANDS}, id="half a band"),
        pytest.param(
            lambda: damaged(IT, annual_error_p50_pct=pl.lit(0.0), annual_error_p90_pct=pl.lit(0.0)),
            {BANDS},
            id="a band too many",
        ),
        pytest.param(lambda: damaged(IT, phi=pl.lit(0.0)), {BANDS}, id="a phi too many"),
        pytest.param(lambda: damaged(THE_LAST, phi=NULL), {BANDS}, id="no phi"),
        pytest.param(lambda: damaged(THE_LAST, phi=pl.lit(0.3)), {BANDS}, id="no such phi"),
        pytest.param(lambda: damaged(THE_LAST, method=pl.lit("sum")), {BANDS}, id="method"),
        pytest.param(lambda: damaged(IT, method=pl.lit("guess")), {BANDS}, id="no such method"),
        pytest.param(
            lambda: damaged(THE_LAST, annual_error_p50_pct=pl.col("annual_error_p50_pct") / 2),
            {BANDS},
            id="another median",
        ),
        pytest.param(
            lambda: damaged(THE_LAST, annual_error_p90_pct=pl.col("annual_error_p90_pct") * 2),
            {BANDS},
            id="another percentile",
        ),
        pytest.param(
            lambda: damaged(
                GOODS_OF_ALASKA | pl.col("is_extrapolated"), annual_error_p90_pct=pl.col("annual_error_p50_pct") - 0.1
            ),
            {BANDS},
            id="a band upside down",
        ),
        pytest.param(
            lambda: damaged(pl.col("is_extrapolated"), annual_error_p50_pct=pl.lit(-0.1)),
            {BANDS},
            id="a band below zero",
        ),
        pytest.param(
            lambda: damaged((pl.col("horizon_years") == 2) & pl.col("is_extrapolated"), annual_error_p90_pct=NULL),
            {BANDS},
            id="a band without its end",
        ),
        pytest.param(lambda: without(IT), {ROWS, GROWTH, SUMS}, id="row lost"),
        pytest.param(lambda: without(THE_LAST), {ROWS, SUMS}, id="last row lost"),
        pytest.param(lambda: without(GOODS_OF_ALASKA), {ROWS, SUMS}, id="all rows of a line and state lost"),
        pytest.param(lambda: without(pl.col("category_id") == PCE), {ROWS}, id="all rows of a sum lost"),
        pytest.param(
            lambda: replace(whole(), frame=pl.concat([whole().frame, whole().frame.filter(IT)])),
            {KEY, SUMS},
            id="row twice",
        ),
        pytest.param(
            lambda: replace(whole(), frame=whole().frame.sort(AMOUNT)), set(), id="another order is no damage"
        ),
    ],
)
def test_each_damage_is_found_by_the_rules_that_look_at_it(months: Callable[[], StateMonths], rules: set[str]):
    assert failing(months()) == rules


def test_an_example_names_where_it_is():
    found = results(damaged(IT, **{AMOUNT: pl.col(AMOUNT) + 1}))
    assert found[MEANS].examples == (f"{GOODS}, {ALASKA}, 2014",)
    assert found[ADD_UP].examples == (f"{GOODS}, all states, 2014",)
    assert found[MEANS].figures["violations"] == 1
    assert found[SUMS].examples[0].startswith(f"{PCE}, {ALASKA}, 2014M5: ")
    assert found[GROWTH].figures["violations"] == 3  # its own, the month after, and the year after
    assert results(without(THE_LAST))[ROWS].examples == (f"{GOODS}, {ALASKA}, 2019M3, horizon 2",)
    changed = results(damaged(THE_LAST, annual_error_p50_pct=pl.col("annual_error_p50_pct") / 2))[BANDS]
    assert changed.figures["violations"] == 3 * 3  # which of the rows with that horizon is wrong, nobody can tell


def test_a_frame_without_a_column_cannot_be_looked_at_and_fails():
    lost = replace(whole(), frame=whole().frame.drop(AMOUNT))
    assert {SCHEMA, ESTIMATES, GROWTH, SUMS, MEANS} <= failing(lost)


@pytest.mark.parametrize("status", ["figure_missing", "months_missing", "not_positive", "part_left_out"])
def test_a_line_that_is_left_out_for_another_reason_than_it_says_is_found(status: str):
    small = world()
    subject = small.but(annual={(GOODS, ALASKA): [1.0, None, 1.0, 1.0]}).subject
    said = pl.when(GOODS_OF_ALASKA).then(pl.lit(status)).otherwise("status").alias("status")
    changed = replace(subject, frame=subject.frame.with_columns(said))
    assert failing(changed) == ({REASONS} if status != "figure_missing" else set())


def test_a_sum_that_lacks_a_part_and_gives_another_reason_is_found():
    subject = world().but(annual={(GOODS, ALASKA): [1.0, None, 1.0, 1.0]}).subject
    said = pl.when(pl.col("status") == "part_left_out").then(pl.lit("negative_month")).otherwise("status")
    assert failing(replace(subject, frame=subject.frame.with_columns(said.alias("status")))) == {REASONS}


def test_a_sum_that_is_there_without_a_part_is_found():
    subject = world().but(annual={(GOODS, ALASKA): [1.0, None, 1.0, 1.0]}).subject
    here = (pl.col("category_id") == PCE) & (pl.col("geo_fips") == ALASKA) & (pl.col("year") == 2010)
    made_up = subject.frame.with_columns(
        pl.when(here).then(pl.lit("estimated")).otherwise("status").alias("status"),
        pl.when(here).then(pl.lit(5)).otherwise(AMOUNT).cast(MONEY).alias(AMOUNT),
        pl.when(here & (pl.col("month") > 1)).then(0.0).otherwise("mom_pct").alias("mom_pct"),
    )
    assert failing(replace(subject, frame=made_up)) == {REASONS, SUMS}


def test_a_sum_of_one_part_is_compared_with_it():
    tree = SMALL.categories.with_columns(nation_only=pl.col("nation_only") | (pl.col("category_id") == RECEIPTS))
    subject = replace(world(), dataset=replace(SMALL, categories=tree)).subject
    assert failing(subject) == set()
    here = pl.col("category_id") == NONPROFITS
    doubled = pl.when(here).then(pl.col(AMOUNT) * 2).otherwise(AMOUNT).cast(MONEY).alias(AMOUNT)
    assert failing(replace(subject, frame=subject.frame.with_columns(doubled))) == {SUMS}


# The US row.


def with_us(category: str, year: int, by: float) -> StateMonths:
    """The whole world with one year of a US row off."""
    small = world(years=8)
    figures = [(each or 0) + by * (2010 + at == year) for at, each in enumerate(small.annual[category, US])]
    return small.but(annual={(category, US): figures}).subject


@pytest.mark.parametrize("by", [-2000.0, -1.0, 1.0, 5.0, 2000.0])
def test_a_year_of_a_us_row_that_its_months_do_not_come_to_is_found_whatever_it_is_off(by: float):
    found = results(with_us(HOUSEHOLDS, 2013, by))
    assert [name for name, each in found.items() if not each.passed] == [OF_THE_NATION]
    assert found[OF_THE_NATION].examples == (f"{HOUSEHOLDS}, {US}, 2013",)
    assert (found[GIVES_BACK].figures["lines_not_checked"], found[GIVES_BACK].has_subject) == (1, True)
    assert found[GIVES_BACK].figures["compared"] == 3 * 111


def test_a_year_in_which_total_spending_is_of_another_release_is_not_compared():
    found = results(with_us(PCE, 2013, 100.0))
    assert all(each.passed for each in found.values())
    of_nation = found[OF_THE_NATION].figures
    assert (of_nation["compared"], of_nation["years_of_other_releases"]) == (4 * 7, 1)
    small = world(years=8)
    later = {(line, US): [(each or 0) * 1.01 for each in small.annual[line, US]] for line in [*LINES, *PARTS]}
    other = small.but(annual={place: [round(each, 1) for each in figures] for place, figures in later.items()}).subject
    assert failing(other) == set()
    assert unseen(other) == {GIVES_BACK, OF_THE_NATION}
    assert results(other)[GIVES_BACK].figures["lines_not_checked"] == 4


def test_a_year_that_the_us_row_does_not_have_is_not_compared():
    small = world(years=8)
    found = results(small.but(annual={(GOODS, US): [None, *small.annual[GOODS, US][1:]]}).subject)
    assert all(each.passed for each in found.values())
    assert found[GIVES_BACK].figures["lines_not_checked"] == 1
    assert found[OF_THE_NATION].figures["compared"] == 4 * 8 - 1


def test_where_the_nations_total_is_not_held_no_year_can_be_told():
    small = world(years=8)
    months = {name: of for name, of in small.months.items() if name != PCE}
    found = results(replace(small, months=months).subject)
    assert found[OF_THE_NATION].figures["years_of_other_releases"] == 8
    assert not found[OF_THE_NATION].has_subject


def test_rounding_that_a_trend_makes_larger_is_no_fault_of_the_months():
    # years of the US row are off by half a million, up and down, and phi is 1: two years later it is five times that
    ratios = [100.0 + year for year in range(8)]
    small = flat({GOODS: {ALABAMA: ratios}}, after=24)
    off = [10_000 + 0.55 * (1 if year % 2 else -1) for year in range(8)]
    subject = small.but(annual={(GOODS, US): off}).subject
    assert subject.phis == {GOODS: 1.0}
    assert failing(subject) == set()
    assert results(subject)[GIVES_BACK].figures == {"violations": 0, "compared": 120, "lines_not_checked": 0}


class WithOtherWeights(StateMonths):
    """Weights that are off in one place."""

    def weights_of(self, category: str) -> FloatArray:
        found = super().weights_of(category).copy()
        found[50, 4] += 0.001
        return found


def test_weights_that_do_not_give_back_the_nations_months_are_found():
    whole_world = whole()
    subject = WithOtherWeights(whole_world.frame, whole_world.panel, whole_world.phis)
    found = results(subject)
    assert failing(subject) == {GIVES_BACK, ADD_UP}
    assert found[GIVES_BACK].examples[0] == f"{GOODS}, {US}, 2014"
    assert found[GIVES_BACK].figures["violations"] == 4


def test_another_phi_than_the_one_that_was_used_is_found_where_something_is_extrapolated():
    other = {category: 1.0 if phi < 1 else 0.0 for category, phi in whole().phis.items()}
    assert failing(replace(whole(), phis=other)) == {ADD_UP}


# How far they are off.

LOG = revisions(
    (PCE, ALABAMA, 2010, 2020100801, 2021100801, 50, "reported"),
    (PCE, ALABAMA, 2010, 2021100801, None, 60, "reported"),
)


def failing_errors(errors: pl.DataFrame) -> set[str]:
    judged = judge(monthly_errors_rules, GOLD_PCE_MONTHLY_ERRORS.name, errors)
    return {each.name for each in judged if not each.passed}


def test_the_rules_of_errors_hold_on_what_is_made_and_have_no_subject_of_nothing():
    errors = replace(world(years=8), log=LOG).errors
    assert set(errors["cause"]) == {"extrapolation", "benchmark_revision"}
    assert failing_errors(errors) == set()
    of_nothing = judge(monthly_errors_rules, GOLD_PCE_MONTHLY_ERRORS.name, errors.clear())
    assert all(each.passed and not each.has_subject for each in of_nothing)


def test_a_back_test_in_which_nothing_is_off_is_in_order():
    errors = flat({GOODS: {ALABAMA: [100.0] * 8}}).errors
    assert set(errors["annual_error_p90_pct"]) == {0.0}
    assert failing_errors(errors) == set()


@pytest.mark.parametrize(
    ("cause", "to"),
    [
        ("extrapolation", {"annual_error_p50_pct": pl.col("annual_error_p90_pct") + 1}),
        ("extrapolation", {"annual_error_p50_pct": pl.lit(-0.1)}),
        ("extrapolation", {"n_years": pl.lit(0), "n_figures": pl.lit(0)}),
        ("extrapolation", {"n_figures": pl.col("n_years") - 1}),
        ("extrapolation", {"horizon_years": pl.lit(0)}),
        ("extrapolation", {"phi": pl.lit(0.3)}),
        ("benchmark_revision", {"phi": pl.lit(0.5)}),
        ("benchmark_revision", {"horizon_years": pl.lit(1)}),
        ("benchmark_revision", {"cause": pl.lit("extrapolation")}),
        ("benchmark_revision", {"cause": pl.lit("weather")}),
    ],
)
def test_an_error_that_cannot_be_is_found(cause: str, to: Mapping[str, pl.Expr]):
    errors = replace(world(years=8), log=LOG).errors
    here = (pl.col("cause") == cause) & (pl.col("category_id") == PCE) & (pl.col("horizon_years") <= 1)
    changed = errors.with_columns(pl.when(here).then(value).otherwise(name).alias(name) for name, value in to.items())
    assert failing_errors(changed.cast(errors.schema)) == {"bands_are_in_order"}


def test_errors_without_a_number_or_twice_are_found():
    errors = replace(world(years=8), log=LOG).errors
    assert failing_errors(pl.concat([errors, errors.head(1)])) == {"errors_have_one_row_per_cause"}
    without_bias = errors.with_columns(bias_pct=pl.lit(None, dtype=pl.Float64))
    assert failing_errors(without_bias) == {"errors_are_as_declared"}
    without_band = errors.with_columns(annual_error_p50_pct=pl.lit(None, dtype=pl.Float64))
    assert "errors_are_as_declared" in failing_errors(without_band)
