"""Months of states on figures written by hand: amounts, growth, what is left out and why, and how far they are off."""

from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.gold.benchmarking import choose_phi, errors_of, extrapolated_years, summary, weights
from pce_pipeline.gold.made import Inputs
from pce_pipeline.gold.pce_us_monthly import PIECES
from pce_pipeline.gold.pce_us_monthly.state_months import Panel, monthly_errors, panel_of, state_months
from pce_pipeline.gold.pce_us_monthly.state_months_rules import state_months_rules
from pce_pipeline.quality.rules import judge
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.tables.pce_us_monthly import (
    GOLD_PCE_MONTHLY_ERRORS,
    GOLD_PCE_STATE_MONTHLY,
    GOLD_PCE_US_MONTHLY,
    SPENDING_LOG,
    STATE_MONTH_STATUSES,
)
from pce_pipeline.tables.table import content_sha256
from pce_pipeline_tests.examples import examples
from pce_pipeline_tests.small_months import (
    ALABAMA,
    ALASKA,
    CORE,
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
    SERVICES,
    SMALL,
    SOUTHEAST,
    STATES,
    US,
    Figures,
    World,
    dataset_of,
    flat,
    revisions,
    world,
)

AMOUNT = "pce_millions_usd_saar"
SMALL_CATEGORIES = sorted([*LINES, *PARTS])


def known(world: World) -> Panel:
    panel = world.panel
    assert panel is not None
    return panel


def series(frame: pl.DataFrame, category: str, area: str = ALABAMA, column: str = AMOUNT) -> list[Any]:
    rows = frame.filter(category_id=category, geo_fips=area).sort("year", "month")
    return rows[column].to_list()


Said = dict[tuple[str, str], set[str]]


def reasons(*of: tuple[str, tuple[str, ...]]) -> Said:
    """What is said of all states: a reason, and the categories that have it."""
    return {place: {reason} for reason, categories in of for place in product(categories, STATES)}


def statuses(frame: pl.DataFrame) -> Said:
    """What is said of each category and state, where it is not that all months are estimated."""
    said = frame.group_by("category_id", "geo_fips").agg(pl.col("status").unique()).iter_rows()
    return {(category, area): set(of) for category, area, of in said if set(of) != {"estimated"}}


# What the rows are.


def test_a_state_that_keeps_its_share_follows_the_nation_month_by_month():
    months = [1000.0, 1100.0, *[1050.0] * 10, 1200.0, 1206.0, *[1080.0] * 10, 1331.0]
    of_state = [round(sum(months[at : at + 12]) / 1200, 3) for at in (0, 12)]
    frame = World({GOODS: months}, {(GOODS, ALABAMA): of_state}).estimates
    amounts = ["10.000", "11.000", *["10.500"] * 10, "12.000", "12.060", *["10.800"] * 10, "13.310"]
    assert [f"{amount}" for amount in series(frame, GOODS)] == amounts
    # 11 on 10; 10.5 on 11; 12 on 10.5; 12.06 on 12; 13.31 on 10.8
    growth = series(frame, GOODS, column="mom_pct")
    assert [growth[at] for at in (0, 1, 2, 3, 12, 13, 24)] == [None, 10.0, -4.545455, 0.0, 14.285714, 0.5, 23.240741]
    # 12 on 10, 12.06 on 11, 10.8 on 10.5, 13.31 on 12
    over_years = series(frame, GOODS, column="yoy_pct")
    assert over_years[:12] == [None] * 12
    assert [over_years[at] for at in (12, 13, 14, 24)] == [20.0, 9.636364, 2.857143, 10.916667]
    assert None not in growth[1:] + over_years[12:]


def test_the_steps_of_a_ratio_are_spread_as_the_calculator_says():
    frame = World({GOODS: [1_200_000] * 24}, {(GOODS, ALABAMA): [12_000, 12_240]}).estimates
    assert [f"{series(frame, GOODS)[at]:.1f}" for at in (0, 11, 12, 23)] == ["11940.6", "12105.1", "12134.9", "12299.4"]


def test_every_state_category_and_month_has_a_row_as_the_table_is_declared():
    frame = world().estimates
    assert GOLD_PCE_STATE_MONTHLY.conform(frame).equals(frame)
    months = [(2010 + at // 12, at % 12 + 1) for at in range(4 * 12 + 15)]
    cells = [(*place, *moment) for place, moment in product(product(sorted(STATES), SMALL_CATEGORIES), months)]
    assert frame.select(GOLD_PCE_STATE_MONTHLY.key).rows() == cells
    assert dict(frame.select("geo_fips", "state").unique().iter_rows()) == STATES
    assert frame["is_estimate"].all()
    assert statuses(frame) == {}


def test_sums_are_exact_and_deduct_what_is_deducted():
    frame = world().estimates
    for total, parts in PARTS.items():
        for area in STATES:
            columns = [[sign * amount for amount in series(frame, part, area)] for part, sign in parts.items()]
            assert series(frame, total, area) == [sum(of_month) for of_month in zip(*columns, strict=True)]
    assert dict(frame.select("category_id", "method").unique().iter_rows()) == {
        **dict.fromkeys(LINES, "denton"),
        **dict.fromkeys(PARTS, "sum"),
    }


def test_the_mean_of_a_states_twelve_months_is_its_year():
    small = world()
    frame = small.estimates
    for line, area in product(LINES, STATES):
        amounts = np.array(series(frame, line, area), dtype=float)[:48]
        assert amounts.reshape(4, 12).mean(axis=1) == pytest.approx(small.annual[line, area], abs=0.0005)


def test_months_after_the_last_year_say_so_and_have_phi_and_a_band_of_their_horizon():
    small = world(years=8)
    frame, errors = small.estimates, small.errors
    assert series(frame, GOODS, column="horizon_years") == [0] * 96 + [1] * 12 + [2] * 3
    assert series(frame, GOODS, column="is_extrapolated") == [False] * 96 + [True] * 15
    tested = {(row["category_id"], row["horizon_years"]): row for row in errors.iter_rows(named=True)}
    assert set(tested) == set(product(SMALL_CATEGORIES, (1, 2)))
    for category, area in product(SMALL_CATEGORIES, STATES):
        for band in ("annual_error_p50_pct", "annual_error_p90_pct"):
            of_years = [tested[category, 1][band]] * 12 + [tested[category, 2][band]] * 3
            assert series(frame, category, area, band) == [None] * 96 + of_years
            assert None not in of_years
        phi = tested[category, 1]["phi"]
        assert (phi is None) == (category in PARTS)
        assert series(frame, category, area, "phi") == [None] * 96 + [phi] * 15


def test_a_line_is_extrapolated_with_the_phi_that_its_back_test_chose():
    small = flat({GOODS: {ALABAMA: [1000.0, 1064.0, 1096.0, 1112.0, 1120.0, 1124.0, 1126.0, 1127.0]}}, after=24)
    frame = small.estimates
    assert series(frame, GOODS, column="phi")[-1] == 0.5
    amounts = np.array(series(frame, GOODS), dtype=float)
    assert amounts[-24:].reshape(2, 12).mean(axis=1) == pytest.approx([1127.5, 1127.75], abs=0.0005)
    expected = weights(np.full(120, 10_000.0), 8, 0.5) @ np.array(small.annual[GOODS, ALABAMA], dtype=float)
    assert amounts == pytest.approx(expected, abs=0.0006)


def test_without_a_back_test_phi_is_nothing_and_there_is_no_band():
    small = flat({GOODS: {ALABAMA: [100.0, 110.0, 130.0]}}, after=12)
    frame = small.estimates
    assert small.errors.is_empty()
    assert series(frame, GOODS, column="phi") == [None] * 36 + [0.0] * 12
    assert series(frame, GOODS, column="annual_error_p50_pct") == [None] * 48
    assert np.mean(np.array(series(frame, GOODS)[36:], dtype=float)) == pytest.approx(130.0, abs=0.0005)


def test_a_third_year_after_the_last_is_estimated_and_has_no_band():
    frame = world(years=8, after=26).estimates
    assert series(frame, PCE, column="horizon_years")[-2:] == [3, 3]
    assert series(frame, PCE, column="annual_error_p90_pct")[-2:] == [None, None]
    assert series(frame, PCE, column="annual_error_p90_pct")[-3] is not None
    assert None not in series(frame, PCE)


# Which categories there are, and of what they are made.


def test_the_whole_tree_is_made_of_seventeen_lines_and_no_addenda():
    panel = panel_of(whole_tree(1).us_rows, whole_tree(1).annual_rows, FULL)
    assert panel is not None
    assert len(panel.sums) == 24
    assert len(panel.lines) == 17
    assert set(panel.lines) == {name for name, parts in panel.sums.items() if parts == {name: 1}}
    assert set(panel.sums[PCE]) == set(panel.lines)
    assert {name for name, sign in panel.sums[PCE].items() if sign == -1} == {RECEIPTS}
    assert panel.sums[NONPROFITS] == {OUTPUT: 1, RECEIPTS: -1}
    assert panel.sums[RECEIPTS] == {RECEIPTS: 1}
    assert len(panel.sums[GOODS]) == 8
    assert len(panel.sums[HOUSEHOLDS]) == 7
    assert not any(name.startswith("addenda.") for name in panel.sums)


def whole_tree(years: int) -> World:
    categories = FULL.categories["category_id"]
    return World(
        {name: [100] * 12 * years for name in categories},
        {(name, ALABAMA): [1] * years for name in categories},
        dataset=FULL,
    )


@pytest.mark.parametrize("gone", [HOUSEHOLDS, NONPROFITS])
def test_what_lacks_a_part_is_no_sum_but_a_line_itself(gone: str):
    small = world()
    narrow = dataset_of(*LINES, *PARTS, held=[name for name in SMALL_CATEGORIES if name != gone])
    panel = known(replace(small, dataset=narrow))
    assert panel.sums[SERVICES] == {SERVICES: 1}
    assert panel.sums[PCE] == {GOODS: 1, SERVICES: 1}
    assert gone not in panel.sums
    frame = replace(small, dataset=narrow).estimates
    assert set(frame.filter(category_id=SERVICES)["method"]) == {"denton"}
    of_years = np.array(series(frame, SERVICES)[:48], dtype=float).reshape(4, 12).mean(axis=1)
    assert of_years == pytest.approx(small.annual[SERVICES, ALABAMA], abs=0.0005)


def test_a_product_of_the_nation_alone_is_no_part_of_what_a_state_spends():
    tree = SMALL.categories.with_columns(nation_only=pl.col("nation_only") | (pl.col("category_id") == RECEIPTS))
    panel = known(replace(world(), dataset=replace(SMALL, categories=tree)))
    assert RECEIPTS not in panel.sums
    assert panel.sums[NONPROFITS] == {OUTPUT: 1}
    frame = replace(world(), dataset=replace(SMALL, categories=tree)).estimates
    assert set(frame.filter(category_id=NONPROFITS)["method"]) == {"sum"}
    assert series(frame, NONPROFITS) == series(frame, OUTPUT)


def test_a_category_of_a_users_own_among_the_addenda_is_in_no_sum():
    own = pl.DataFrame(
        {
            "category_id": ["addenda.own"],
            "scheme": ["addenda"],
            "parent_id": [GOODS],
            "sign": [1],
            "nation_only": [False],
        }
    )
    tree = pl.concat([SMALL.categories, own], how="diagonal_relaxed")
    line = SMALL.lines.filter(category_id=GOODS).with_columns(category_id=pl.lit("addenda.own"))
    dataset = replace(SMALL, categories=tree, lines=pl.concat([SMALL.lines, line]))
    small = world()
    more = small.but({"addenda.own": [5] * 63}, {("addenda.own", ALABAMA): [1] * 4})
    assert replace(more, dataset=dataset).estimates.equals(small.estimates)


# What is left out, and why.


@pytest.mark.parametrize("amount", [0, -3.5])
def test_a_figure_that_is_not_above_zero_leaves_out_its_line_for_all_states(amount: float):
    small = world()
    broken = small.but(annual={(OUTPUT, ALASKA): [30.0, amount, 31.0, 32.0]})
    frame = broken.estimates
    assert statuses(frame) == reasons(("not_positive", (OUTPUT,)), ("part_left_out", (NONPROFITS, SERVICES, PCE)))
    others = frame.filter(pl.col("category_id").is_in([GOODS, HOUSEHOLDS, RECEIPTS]))
    assert others.equals(small.estimates.filter(pl.col("category_id").is_in([GOODS, HOUSEHOLDS, RECEIPTS])))
    without = frame.filter(pl.col("status") != "estimated")
    left = without.select(AMOUNT, "mom_pct", "yoy_pct", "phi", "annual_error_p50_pct", "annual_error_p90_pct")
    assert left.null_count().row(0) == (without.height,) * 6
    assert without.height == 4 * 3 * 63


@pytest.mark.parametrize("amount", [0, -1])
@pytest.mark.parametrize("place", [5, 60])
def test_a_month_of_the_nation_that_is_not_above_zero_leaves_out_its_line(amount: int, place: int):
    small = world()
    months = [amount if at == place else each for at, each in enumerate(small.months[RECEIPTS])]
    said = statuses(small.but({RECEIPTS: months}).estimates)
    assert said == reasons(("not_positive", (RECEIPTS,)), ("part_left_out", (NONPROFITS, SERVICES, PCE)))


@pytest.mark.parametrize("gone", ["withheld", "no row"])
def test_a_state_that_lacks_a_year_of_a_line_lacks_its_months_and_no_other_state_does(gone: str):
    small = world()
    figures = small.annual[GOODS, ALASKA]
    broken: Figures = [*figures[:2], None, figures[3]] if gone == "withheld" else figures[:3]
    frame = small.but(annual={(GOODS, ALASKA): broken}).estimates
    assert statuses(frame) == {(GOODS, ALASKA): {"figure_missing"}, (PCE, ALASKA): {"part_left_out"}}
    others = pl.col("geo_fips") != ALASKA
    assert frame.filter(others).equals(small.estimates.filter(others))


def test_a_line_that_the_states_do_not_have_leaves_out_all_that_it_is_part_of():
    small = world()
    annual = {place: figures for place, figures in small.annual.items() if place[0] != HOUSEHOLDS}
    said = statuses(replace(small, annual=annual).estimates)
    assert said == reasons(("figure_missing", (HOUSEHOLDS,)), ("part_left_out", (SERVICES, PCE)))


@pytest.mark.parametrize("place", [30, 50, 62])
def test_a_month_that_the_nation_lacks_is_left_out_and_no_other(place: int):
    small = world()
    months = [None if at == place else each for at, each in enumerate(small.months[OUTPUT])]
    broken = small.but({OUTPUT: months})
    frame = broken.estimates
    lacking = frame.filter(pl.col("pce_millions_usd_saar").is_null())
    moment = (pl.col("year") - 2010) * 12 + pl.col("month") - 1
    assert set(lacking.select(moment).to_series()) == {place}
    found = {(category, status) for category, status in lacking.select("category_id", "status").rows()}
    assert found == {(OUTPUT, "months_missing"), *((name, "part_left_out") for name in (NONPROFITS, SERVICES, PCE))}
    assert lacking.height == 4 * len(STATES)
    results = {each.name: each for each in judge(state_months_rules, "a", broken.subject)}
    assert [name for name, each in results.items() if not each.passed] == ["total_spending_is_estimated_everywhere"]
    assert results["total_spending_is_estimated_everywhere"].figures["without"] == len(STATES)
    assert OUTPUT in results["total_spending_is_estimated_everywhere"].examples[0]


@pytest.mark.parametrize("gone", [[0], [*range(45, 63)]])
def test_a_line_whose_months_do_not_span_the_years_is_left_out(gone: list[int]):
    small = world()
    months = [None if at in gone else each for at, each in enumerate(small.months[OUTPUT])]
    said = statuses(small.but({OUTPUT: months}).estimates)
    assert said == reasons(("months_missing", (OUTPUT,)), ("part_left_out", (NONPROFITS, SERVICES, PCE)))


def test_a_line_that_ends_earlier_than_others_ends_there_and_its_last_month_does_not_move_others():
    small = world()
    months = [*small.months[OUTPUT][:-2], None, None]
    whole, short = small.estimates, small.but({OUTPUT: months}).estimates
    assert series(short, OUTPUT)[-2:] == [None, None]
    off = [abs(one - other) for one, other in zip(series(short, OUTPUT)[:48], series(whole, OUTPUT)[:48], strict=True)]
    assert max(off) <= Decimal("0.001")  # as both are rounded
    assert series(short, GOODS) == series(whole, GOODS)


def test_a_missing_month_is_named_before_a_figure_that_is_not_above_zero():
    small = world()
    months = [None, *small.months[OUTPUT][1:]]
    said = statuses(small.but({OUTPUT: months}, {(OUTPUT, ALABAMA): [0, 1, None, 1]}).estimates)
    assert said[OUTPUT, ALABAMA] == {"months_missing"}
    said = statuses(small.but(annual={(OUTPUT, ALABAMA): [0, 1, None, 1]}).estimates)
    assert said[OUTPUT, ALABAMA] == {"not_positive"}


def test_a_line_with_a_month_below_zero_has_no_month_of_that_state():
    frame = flat({GOODS: {ALABAMA: [100.0, 1.0, 100.0], ALASKA: [100.0, 90.0, 100.0]}}).estimates
    assert statuses(frame) == {(GOODS, ALABAMA): {"negative_month"}}
    assert series(frame, GOODS) == [None] * 51
    assert None not in series(frame, GOODS, ALASKA)


def test_a_line_with_a_month_that_would_be_published_as_zero_has_no_month_either():
    # months in proportion to the nation's, the smallest of which is 0.0004
    months = [0.4, *[100.0] * 11]
    small = World({GOODS: months}, {(GOODS, ALABAMA): [0.092]}, dataset=dataset_of(GOODS))
    found = weights(np.array(months), 1, 0.0) @ np.array([0.092])
    assert 0 < found.min() < 0.0005
    assert statuses(small.estimates) == {(GOODS, ALABAMA): {"negative_month"}}
    assert statuses(small.but({GOODS: [0.6, *months[1:]]}).estimates) == {}


def test_a_sum_at_zero_or_below_lacks_that_month_alone_and_so_does_its_growth():
    output, receipts = [50.0] * 13, [*[40.0] * 4, 50.0, *[40.0] * 4, 60.0, *[40.0] * 3]
    narrow = dataset_of(OUTPUT, RECEIPTS, NONPROFITS)
    means = [round(sum(receipts[:12]) / 12, 3)]
    of_state = {(OUTPUT, ALABAMA): [50.0], (RECEIPTS, ALABAMA): means}
    frame = World({OUTPUT: output, RECEIPTS: receipts}, of_state, dataset=narrow).estimates
    missing = [4, 9]
    assert [at for at, each in enumerate(series(frame, NONPROFITS)) if each is None] == missing
    said = ["negative_month" if at in missing else "estimated" for at in range(13)]
    assert series(frame, NONPROFITS, column="status") == said
    growth = series(frame, NONPROFITS, column="mom_pct")
    assert [at for at, each in enumerate(growth) if each is None] == [0, 4, 5, 9, 10]
    assert None not in series(frame, RECEIPTS)


# From which years on, and until when.


def test_a_year_without_all_months_of_the_nation_is_not_benchmarked():
    small = world(years=4)
    until_june = {name: months[:42] for name, months in small.months.items()}
    panel = known(replace(small, months=until_june))
    assert (panel.first_year, panel.years, panel.last_year, panel.months) == (2010, 3, 2012, 42)
    frame = replace(small, months=until_june).estimates
    assert series(frame, GOODS, column="horizon_years") == [0] * 36 + [1] * 6
    only = small.but(annual={place: figures[:3] for place, figures in small.annual.items()})
    assert replace(only, months=until_june).estimates.equals(frame)


def test_months_that_begin_before_the_years_count_from_the_first_year_on():
    small = replace(world(years=8), first_month=2005)  # to March 2014, with years from 2010 to 2017
    panel = known(small)
    assert (panel.first_year, panel.last_year, panel.months) == (2010, 2013, 4 * 12 + 3)
    for line in LINES:
        assert panel.lines[line].months.tolist() == list(small.months[line][60:])
        assert panel.lines[line].annual.tolist() == [list(small.annual[line, area][:4]) for area in STATES]
        assert panel.lines[line].nation.tolist() == list(small.annual[line, US][:4])
    assert panel.total.nation.tolist() == list(small.annual[PCE, US][:4])
    assert panel.total.months.tolist() == list(small.months[PCE][60:])


def test_a_month_before_the_first_year_stands_for_no_month_that_is_missing():
    small = replace(world(years=8), first_month=2005)
    months = {**small.months, OUTPUT: [*small.months[OUTPUT][:-1], None]}
    assert statuses(replace(small, months=months).estimates)[OUTPUT, ALABAMA] == {"estimated", "months_missing"}


def test_years_that_begin_before_the_months_count_from_the_first_month_on():
    small = replace(world(years=8), first_year=2005)  # to 2012, with months from 2010 to March 2019
    panel = known(small)
    assert (panel.first_year, panel.last_year, panel.months) == (2010, 2012, 9 * 12 + 3)
    for line in LINES:
        assert panel.lines[line].months.tolist() == list(small.months[line])
        assert panel.lines[line].annual.tolist() == [list(small.annual[line, area][5:]) for area in STATES]
        assert panel.lines[line].nation.tolist() == list(small.annual[line, US][5:])


def test_a_figure_before_the_common_years_leaves_nothing_out():
    small = world(years=6)
    earlier = small.but(annual={(GOODS, ALABAMA): [0, None, *small.annual[GOODS, ALABAMA][2:]]})
    later = {name: months[24:] for name, months in small.months.items()}
    assert statuses(replace(earlier, months=later, first_month=2012).estimates) == {}


@pytest.mark.parametrize("of", ["months", "years"])
def test_of_years_with_a_gap_only_those_after_it_count(of: str):
    small = world(years=6)
    if of == "months":
        broken = replace(
            small,
            months={
                name: [None if at == 30 else each for at, each in enumerate(m)] for name, m in small.months.items()
            },
        )
    else:
        broken = small.but(annual={place: [*f[:2], None, *f[3:]] for place, f in small.annual.items()})
    panel = known(broken)
    assert (panel.first_year, panel.years, panel.months) == (2013, 3, 36 + 15)
    assert statuses(broken.estimates) == {}
    assert series(broken.estimates, GOODS, column="mom_pct")[0] is None


def test_areas_that_are_no_states_have_no_months():
    small = world()
    assert {area for _, area in small.annual} == {US, SOUTHEAST, *STATES}
    assert set(small.estimates["geo_fips"]) == set(STATES)
    regions = {place: figures for place, figures in small.annual.items() if place[1] not in STATES}
    assert replace(small, annual=regions).panel is None


@pytest.mark.parametrize("has", ["nothing", "no months", "no years", "other years", "half a year", "addenda"])
def test_where_no_year_has_both_there_are_no_rows_and_no_error(has: str):
    small = world()
    without: World = {
        "nothing": World({}, {}),
        "no months": replace(small, months={}),
        "no years": replace(small, annual={}),
        "other years": replace(small, first_year=1990),
        "half a year": replace(small, months={name: months[:6] for name, months in small.months.items()}),
        "addenda": World({CORE: [1.0] * 24}, {(CORE, ALABAMA): [1.0] * 2}),
    }[has]
    assert without.panel is None
    assert without.estimates.is_empty()
    assert without.estimates.schema == GOLD_PCE_STATE_MONTHLY.polars_schema
    assert without.errors.is_empty()
    assert without.errors.schema == GOLD_PCE_MONTHLY_ERRORS.polars_schema


def test_each_reason_is_one_of_the_declared_ones():
    small = world()
    several = small.but(
        {HOUSEHOLDS: [None, *small.months[HOUSEHOLDS][1:]]},
        {(OUTPUT, ALASKA): [0, 1, 1, 1], (GOODS, ALABAMA): [None, 1, 1, 1], (GOODS, ALASKA): [100, 0.1, 100, 100]},
    )
    assert set(several.estimates["status"]) == set(STATE_MONTH_STATUSES)


# How far they are off.


def errors_by_hand(small: World) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    columns = ["phi", "n_years", "n_figures", "bias_pct", "annual_error_p50_pct", "annual_error_p90_pct"]
    return {
        (row["category_id"], row["cause"], row["horizon_years"]): tuple(row[name] for name in columns)
        for row in small.errors.iter_rows(named=True)
    }


def test_the_rule_by_which_a_ratio_moves_is_found_and_nothing_is_off():
    halving = [1000.0, 1064.0, 1096.0, 1112.0, 1120.0, 1124.0, 1126.0, 1127.0]
    going_on = [1000.0 + 10 * year for year in range(8)]
    small = flat(
        {
            OUTPUT: {ALABAMA: halving, ALASKA: [2 * each for each in halving]},
            RECEIPTS: {ALABAMA: [each / 2 for each in going_on], ALASKA: going_on},
        }
    )
    found = errors_by_hand(replace(small, dataset=dataset_of(OUTPUT, RECEIPTS, NONPROFITS)))
    # three cuts have a year after them, and two a second one
    assert found == {
        (line, "extrapolation", horizon): (phi, 4 - horizon, 2 * (4 - horizon), 0.0, 0.0, 0.0)
        for line, phi in ((OUTPUT, 0.5), (RECEIPTS, 1.0), (NONPROFITS, None))
        for horizon in (1, 2)
    }


def test_errors_of_sums_are_of_the_estimates_added_up():
    small = flat({OUTPUT: {ALABAMA: [*[100.0] * 5, 110.0]}, RECEIPTS: {ALABAMA: [50.0] * 6}})
    found = errors_by_hand(replace(small, dataset=dataset_of(OUTPUT, RECEIPTS, NONPROFITS)))
    # 100 for 110; 50 for 50; 100 less 50 for 110 less 50
    assert found == {
        (OUTPUT, "extrapolation", 1): (0.0, 1, 1, -9.090909, 9.090909, 9.090909),
        (RECEIPTS, "extrapolation", 1): (0.0, 1, 1, 0.0, 0.0, 0.0),
        (NONPROFITS, "extrapolation", 1): (None, 1, 1, -16.666667, 16.666667, 16.666667),
    }


def test_too_few_years_have_no_back_test():
    assert world(years=5).errors.is_empty()
    assert set(world(years=6).errors["horizon_years"]) == {1}


def test_lines_that_are_left_out_are_not_tested_and_neither_are_their_sums():
    small = world(years=8)
    broken = small.but(annual={(OUTPUT, ALASKA): [0.0, *small.annual[OUTPUT, ALASKA][1:]]})
    assert set(broken.errors["category_id"]) == {GOODS, HOUSEHOLDS, RECEIPTS}
    assert GOLD_PCE_MONTHLY_ERRORS.conform(broken.errors).equals(broken.errors)


def test_a_state_that_lacks_a_year_is_compared_where_it_can_be():
    small = world(years=8)
    figures = small.annual[GOODS, ALASKA]
    broken = small.but(annual={(GOODS, ALASKA): [*figures[:7], None]})
    counts = {place: (years, of) for place, (_, years, of, *_) in errors_by_hand(broken).items()}
    # years 6 to 8 of three states, one of which lacks the last
    assert counts[GOODS, "extrapolation", 1] == counts[PCE, "extrapolation", 1] == (3, 8)
    assert counts[HOUSEHOLDS, "extrapolation", 1] == (3, 9)
    assert counts[GOODS, "extrapolation", 2] == (2, 5)


V1, V2, V3, V4 = 2019100401, 2020100801, 2021100801, 2022100601


def test_a_revision_is_the_newest_year_of_a_vintage_against_what_it_is_today():
    log = revisions(
        (GOODS, ALABAMA, 2010, V1, V2, 100, "reported"),  # 100 for 125, whatever was between
        (GOODS, ALABAMA, 2010, V2, V3, 90, "reported"),
        (GOODS, ALABAMA, 2010, V3, None, 125, "reported"),
        (GOODS, ALABAMA, 2011, V1, None, 50, "reported"),  # never revised: nothing off
        (GOODS, ALASKA, 2010, V1, V2, None, "suppressed"),  # withheld at first: 0.55 for 0.5
        (GOODS, ALASKA, 2010, V2, V3, 0.55, "reported"),
        (GOODS, ALASKA, 2010, V3, None, 0.5, "reported"),
    )
    found = errors_by_hand(replace(world(), log=log))
    # 2010 is not the newest year of the first vintage, so what counts is 0 percent of 2011 and 10 of Alaska's 2010
    assert found == {(GOODS, "benchmark_revision", 0): (None, 2, 2, 5.0, 5.0, 9.0)}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param([(GOODS, ALASKA, 2013, V3, None, 7, "reported")], id="first published in the newest vintage"),
        pytest.param(
            [(GOODS, ALASKA, 2010, V1, V3, 7, "reported"), (GOODS, ALASKA, 2010, V3, None, None, "withdrawn")],
            id="withdrawn",
        ),
        pytest.param(
            [(GOODS, ALASKA, 2010, V1, V3, 7, "reported"), (GOODS, ALASKA, 2010, V3, None, None, "not_available")],
            id="not available any more",
        ),
        pytest.param(
            [(GOODS, ALASKA, 2010, V1, V3, 7, "reported"), (GOODS, ALASKA, 2010, V3, None, 0, "reported")],
            id="zero today",
        ),
        pytest.param(
            [(GOODS, ALASKA, 2010, V1, V3, 7, "reported"), (GOODS, ALASKA, 2010, V3, None, -1, "reported")],
            id="below zero today",
        ),
        pytest.param([(GOODS, ALASKA, 2010, V1, None, None, "suppressed")], id="never a number"),
        pytest.param(
            [(GOODS, ALASKA, 2010, V1, V2, 7, "partial"), (GOODS, ALASKA, 2010, V2, None, 8, "partial")], id="partial"
        ),
        pytest.param(
            [(GOODS, ALASKA, 2010, V1, V2, 7, "derived"), (GOODS, ALASKA, 2010, V2, None, 8, "derived")], id="derived"
        ),
        pytest.param(
            [(GOODS, ALASKA, 2013, V3, None, 7, "reported"), (GOODS, ALASKA, 2013, V4, None, 9, "derived")],
            id="first published in the newest vintage that counts",
        ),
        pytest.param(
            [(GOODS, US, 2010, V1, V2, 7, "reported"), (GOODS, US, 2010, V2, None, 8, "reported")], id="the nation"
        ),
        pytest.param(
            [(GOODS, SOUTHEAST, 2010, V1, V2, 7, "reported"), (GOODS, SOUTHEAST, 2010, V2, None, 8, "reported")],
            id="a region",
        ),
        pytest.param(
            [(CORE, ALASKA, 2010, V1, V2, 7, "reported"), (CORE, ALASKA, 2010, V2, None, 8, "reported")],
            id="another category",
        ),
    ],
)
def test_what_no_later_release_revised_or_speaks_of_is_no_revision(row: list[Any]):
    plain = [
        (GOODS, ALABAMA, 2010, V1, V3, 88, "reported"),
        (GOODS, ALABAMA, 2010, V3, None, 80, "reported"),
    ]
    found = errors_by_hand(replace(world(), log=revisions(*plain, *row)))
    assert found == {(GOODS, "benchmark_revision", 0): (None, 1, 1, 10.0, 10.0, 10.0)}


def test_one_release_alone_has_revised_nothing():
    log = revisions(*((line, ALABAMA, 2010, V1, None, 7, "reported") for line in LINES))
    assert replace(world(), log=log).errors.is_empty()


def test_revisions_have_rows_of_their_own_and_change_neither_estimates_nor_bands():
    small = world(years=8)
    log = revisions((PCE, ALABAMA, 2010, V1, V2, 50, "reported"), (PCE, ALABAMA, 2010, V2, None, 100, "reported"))
    revised = replace(small, log=log)
    assert revised.errors.filter(cause="extrapolation").equals(small.errors)
    assert set(small.errors["cause"]) == {"extrapolation"}
    assert errors_by_hand(revised)[PCE, "benchmark_revision", 0] == (None, 1, 1, -50.0, 50.0, 50.0)
    assert revised.estimates.equals(small.estimates)


# The same from the same.


def shuffled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    return frame.sample(fraction=1, shuffle=True, seed=seed)


@settings(max_examples=examples(5))
@given(st.integers(0, 10_000))
def test_the_order_of_the_rows_changes_nothing(seed: int):
    small = world(years=8)
    log = revisions(
        *((PCE, area, 2010, V1, V2, 50, "reported") for area in STATES),
        *((PCE, area, 2010, V2, None, 60 + n, "reported") for n, area in enumerate(STATES)),
    )
    panel = panel_of(shuffled(small.us_rows, seed), shuffled(small.annual_rows, seed), small.dataset)
    errors = monthly_errors(panel, shuffled(log, seed))
    assert errors.equals(replace(small, log=log).errors)
    assert state_months(panel, shuffled(errors, seed)).equals(small.estimates)


def test_the_frames_of_a_small_world_are_the_same_bytes_everywhere():
    small = world(years=8)
    assert content_sha256(small.estimates) == "e5729815155ffafaab59feaaf556dceab6f790d2397951b29c3d8780fdc7c9ed"
    assert content_sha256(small.errors) == "1e6391a93b4b2fa9899daaf385c0c5f3d33a9a27eb65a94771e80a8b3d6c96cf"


def _given(inputs: Inputs) -> Inputs:
    return inputs


def test_the_pieces_of_gold_are_made_of_the_rows_that_they_read():
    small = replace(
        world(years=8),
        log=revisions((PCE, ALABAMA, 2010, V1, V2, 50, "reported"), (PCE, ALABAMA, 2010, V2, None, 60, "reported")),
    )
    per_capita = small.log.with_columns(measure=pl.lit("pce_per_capita"), value=pl.col("value") * 3)
    held = {
        GOLD_PCE_US_MONTHLY.name: small.us_rows,
        GOLD_PCE_STATE_ANNUAL.name: small.annual_rows,
        SPENDING_LOG: pl.concat([per_capita, small.log]),
    }
    of_errors, of_months = PIECES
    expected = {GOLD_PCE_MONTHLY_ERRORS.name: small.errors, GOLD_PCE_STATE_MONTHLY.name: small.estimates}
    for piece in (of_errors, of_months):
        read = {name: held[name].filter(rows) for name, rows in piece.read.items()}
        inputs = Inputs(read, small.dataset, [])
        frame, subject = piece.compute(inputs)
        assert frame.equals(expected[piece.table.name])
        held[piece.table.name] = frame
        computed = judge(piece.rules, piece.table.name, subject)
        assert [each.name for each in computed if not each.passed or not each.has_subject] == []
        standing = judge(piece.rules, piece.table.name, piece.judged(frame, partial(_given, inputs)))
        assert [each.name for each in standing if not each.passed or not each.has_subject] == []
    assert CORE not in set(
        held[GOLD_PCE_US_MONTHLY.name].filter(of_months.read[GOLD_PCE_US_MONTHLY.name])["category_id"]
    )


# BEA's own figures.

SAPCE1 = dict(FULL.lines.filter(bea_table="T20805").select("line_code", "category_id").iter_rows())


def months_of_years(of_nation: list[float], after: int) -> list[float]:
    """Whole millions without seasons whose means are a nation's years but for their rounding, and some more."""
    years = len(of_nation)
    smooth = np.interp(np.arange(12 * years), 12 * np.arange(years) + 5.5, of_nation)
    level = smooth * np.repeat(np.array(of_nation) / smooth.reshape(years, 12).mean(axis=1), 12)
    growth = (of_nation[-1] / of_nation[-2]) ** (np.arange(1, after + 1) / 12)
    return [float(each) for each in np.rint(np.concatenate([level, level[-1] * growth]))]


@pytest.fixture(scope="module")
def of_bea(real_data: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Years of all areas as BEA released them on 6 October 2022, and months of the nation that belong to them."""
    cells = read_archive((real_data / "SAPCE_2022-10-06.zip").read_bytes(), ["SAPCE1"]).frame
    is_nation, is_region = pl.col("geo_fips") == US, pl.col("geo_fips").str.starts_with("9")
    annual = cells.select(
        pl.col("geo_fips"),
        geo_level=pl.when(is_nation)
        .then(pl.lit("nation"))
        .when(is_region)
        .then(pl.lit("region"))
        .otherwise(pl.lit("state")),
        state=pl.when(~is_nation & ~is_region).then("geo_fips"),
        category_id=pl.col("line_code").replace_strict(SAPCE1, return_dtype=pl.String),
        year=pl.col("year").cast(pl.Int32),
        pce_millions_usd=pl.col("value_text").str.replace_all(",", "").cast(pl.Decimal(18, 3)),
    )
    of_nation = annual.filter(geo_fips=US).sort("year").group_by("category_id").agg("pce_millions_usd")
    months = {
        category: months_of_years([float(each) for each in years], after=20) for category, years in of_nation.rows()
    }
    return World(months, {}, first_month=1997).us_rows, annual


@pytest.mark.real
def test_all_products_of_all_states_have_months_and_bands_on_beas_figures(of_bea: tuple[pl.DataFrame, pl.DataFrame]):
    panel = panel_of(*of_bea, FULL)
    errors = monthly_errors(panel, NO_LOG)
    frame = state_months(panel, errors)
    assert frame.height == 24 * 51 * (25 * 12 + 20)
    below = frame.filter(pl.col("status") != "estimated")
    assert set(below["category_id"]) == {NONPROFITS}
    assert set(below["status"]) == {"negative_month"}
    assert set(below["horizon_years"]) == {2}
    assert below.height == 2
    assert errors.height == 24 * 2
    assert set(errors.select("horizon_years", "n_years", "n_figures").unique().iter_rows()) == {
        (1, 20, 1020),
        (2, 19, 969),
    }


@pytest.mark.real
def test_bands_of_beas_figures_are_those_of_the_lines_by_themselves(of_bea: tuple[pl.DataFrame, pl.DataFrame]):
    panel = panel_of(*of_bea, FULL)
    assert panel is not None
    line = panel.lines["product.gasoline_and_other_energy_goods"]
    phi = choose_phi(line.means, line.annual)
    of_horizons = errors_of(extrapolated_years(line.means, line.annual, phi), line.annual)
    found = monthly_errors(panel, NO_LOG).filter(category_id="product.gasoline_and_other_energy_goods")
    assert found["annual_error_p50_pct"].to_list() == pytest.approx(
        [summary(each).p50_pct for each in of_horizons], abs=1e-6
    )
    assert set(found["phi"]) == {phi} == {0.25}
