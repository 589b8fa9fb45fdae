"""What the rules of the metrics forgive and what they do not, from both sides, on figures written by hand."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from pce_pipeline.gold.pce_state.metrics_rules import (
    MetricYears,
    contributions_add_up_to_growth,
    growth_is_over_the_year_before,
    indexes_are_relative_to_the_nation,
    means_are_of_consecutive_years,
    metrics_are_null_without_their_level,
    metrics_have_one_row_per_level,
    ranks_count_the_states,
    ranks_count_who_is_ahead,
    shares_are_of_the_areas_total,
    shares_of_the_parts_are_100_percent,
)
from pce_pipeline.quality.rules import Rule, RuleResult
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline_tests.datasets import PCE_STATE

ASSET = "gold/pce_state_metrics"
# a country of three states, so that all of them can be written by hand
CATALOG = replace(
    PCE_STATE,
    areas=PCE_STATE.areas.filter(
        (pl.col("geo_level") != "state") | pl.col("geo_fips").is_in(["01000", "06000", "56000"])
    ),
)
LEVELS: dict[str, str] = dict(CATALOG.areas.select("geo_fips", "geo_level").iter_rows())
TOTAL, GOODS, SERVICES = "product.pce", "product.goods", "product.services"

Row = dict[str, Any]


def row(category: str = GOODS, geo: str = "06000", year: int = 2020, **values: object) -> Row:
    """A level and its metrics; `pce` and `each` are the figures, the rest are metrics by name without their `pce_`."""
    return {"category_id": category, "geo_fips": geo, "year": year, **values}


def subject(*rows: Row, years: tuple[int, ...] = (2020,)) -> MetricYears:
    levels, frame = [], []
    for each in rows:
        cell = {name: each[name] for name in ("category_id", "geo_fips", "year")} | {
            "geo_level": LEVELS[each["geo_fips"]],
            "state": None,
        }
        pce, per_capita = (None if each.get(name) is None else Decimal(each[name]) for name in ("pce", "each"))
        status = each.get("status", "suppressed" if pce is None else "reported")
        levels.append(
            cell
            | {"pce_millions_usd": pce, "pce_status": status}
            | {"pce_per_capita_usd": per_capita, "pce_per_capita_status": "reported" if per_capita else "suppressed"}
        )
        metrics = {f"pce_{name}": value for name, value in each.items() if f"pce_{name}" in _METRICS}
        if each["year"] in years:
            frame.append(dict.fromkeys(_METRICS) | cell | metrics)
    return MetricYears(
        pl.DataFrame(frame, schema=GOLD_PCE_STATE_METRICS.polars_schema),
        pl.DataFrame(levels, schema=GOLD_PCE_STATE_ANNUAL.polars_schema),
        CATALOG,
        years,
    )


_METRICS = [name for name in GOLD_PCE_STATE_METRICS.column_names if name.startswith("pce_")]


def checked(rule: Rule[MetricYears], years: MetricYears, *, sums: int = 1) -> RuleResult:
    result = rule.check(ASSET, years)
    assert result.figures["checked"] == sums, result
    return result


def thirds(
    share: float | None, contribution: float | None = None, *, growth: float | None = 50.0, total: str | None = "1000"
) -> tuple[Row, Row, Row]:
    """A total of a thousand millions, goods that are 60 percent of it, and services as given."""
    return (
        row(TOTAL, pce=total, share_of_total_pct=100.0, contribution_to_growth_pp=growth, yoy_pct=growth),
        row(GOODS, pce="600", share_of_total_pct=60.0, contribution_to_growth_pp=30.0, yoy_pct=1.0),
        row(SERVICES, pce="400", share_of_total_pct=share, contribution_to_growth_pp=contribution, yoy_pct=1.0),
    )


# Two parts of a thousand millions may each be off by a tenth of a million, which is 0.01 percent, and by a millionth.
@pytest.mark.parametrize(
    ("share", "passes"), [(40.0200019, True), (40.0200021, False), (39.9799981, True), (39.9799979, False)]
)
def test_shares_may_miss_100_percent_by_the_rounding_of_their_parts(share, passes):
    assert checked(shares_of_the_parts_are_100_percent, subject(*thirds(share))).passed is passes


# Twice that, and half as much again because the total grew by half.
@pytest.mark.parametrize("growth", [50.0, -50.0])
@pytest.mark.parametrize(
    ("off_by", "passes"), [(0.0600059, True), (0.0600061, False), (-0.0600059, True), (-0.0600061, False)]
)
def test_contributions_may_miss_growth_by_the_rounding_of_two_years(growth, off_by, passes):
    rows = thirds(40.0, growth - 30.0 + off_by, growth=growth)
    assert checked(contributions_add_up_to_growth, subject(*rows)).passed is passes


@pytest.mark.parametrize(("total", "sums"), [("0.5", 1), ("1", 1), ("0", 0), ("-1", 0), (None, 0)])
def test_shares_are_of_totals_above_zero(total, sums):
    checked(shares_of_the_parts_are_100_percent, subject(*thirds(40.0, total=total)), sums=sums)


@pytest.mark.parametrize(
    ("status", "sums"), [("below_50k", 1), ("near_zero", 1), ("suppressed", 0), ("not_available", 0)]
)
def test_a_part_too_small_to_show_is_known_and_a_suppressed_one_is_not(status, sums):
    part = row("product.durable_goods", status=status)
    checked(shares_of_the_parts_are_100_percent, subject(*thirds(100.0), part), sums=sums)


def test_only_the_finest_categories_at_hand_are_added_up():
    durable = row("product.durable_goods", pce="600", share_of_total_pct=60.0, contribution_to_growth_pp=30.0)
    assert checked(shares_of_the_parts_are_100_percent, subject(*thirds(40.0), durable)).passed
    assert not checked(shares_of_the_parts_are_100_percent, subject(*thirds(100.0), durable)).passed


def test_growth_with_an_unknown_part_or_without_a_figure_is_not_compared():
    checked(contributions_add_up_to_growth, subject(*thirds(40.0, 20.0)))
    checked(contributions_add_up_to_growth, subject(*thirds(40.0, None)), sums=0)
    checked(contributions_add_up_to_growth, subject(*thirds(40.0, 20.0, growth=None)), sums=0)
    small = row("product.durable_goods", status="below_50k")
    checked(contributions_add_up_to_growth, subject(*thirds(100.0, 20.0), small))


def ranked(
    *ranks: int | None, nation: int | None = None, figures: tuple[str | None, ...] = ("9", "8", "7")
) -> MetricYears:
    states = zip(("01000", "06000", "56000"), ranks, figures, strict=True)
    return subject(
        row(geo="00000", pce="99", each="99", rank_among_states=nation, per_capita_rank_among_states=nation),
        *(
            row(geo=geo, pce=figure, each=figure, rank_among_states=rank, per_capita_rank_among_states=rank)
            for geo, rank, figure in states
        ),
    )


@pytest.mark.parametrize(
    ("years", "violations"),
    [
        (ranked(1, 2, 3), 0),
        (ranked(1, 1, 3), 0),
        (ranked(None, None, None, figures=(None, None, None)), 0),
        (ranked(1, 2, None, figures=("9", "8", None)), 0),
        (ranked(2, 2, 3), 2),
        (ranked(0, 2, 3), 2),
        (ranked(1, 2, 4), 2),
        (ranked(1, 2, None), 2),
        (ranked(1, 2, 3, figures=("9", "8", None)), 2),
        (ranked(1, 2, None, nation=3), 2),
    ],
)
def test_ranks_go_from_1_to_the_number_of_states_with_a_figure(years, violations):
    assert ranks_count_the_states.check(ASSET, years).figures["violations"] == violations


def test_each_of_the_two_ranks_is_counted():
    both = ranked(1, 2, 3)
    for name in ("pce_rank_among_states", "pce_per_capita_rank_among_states"):
        off = MetricYears(both.frame.with_columns(pl.col(name) + 1), both.levels, CATALOG, (2020,))
        (example,) = ranks_count_the_states.check(ASSET, off).examples
        assert example == f"{name} of product.goods, 2020: 3 ranked of 3 states, from 2 to 4"


@pytest.mark.parametrize(
    ("years", "violations"),
    [
        (ranked(1, 2, 3), 0),
        (ranked(1, 3, 2), 4),
        (ranked(1, 1, 3, figures=("8", "8", "7")), 0),
        (ranked(1, 2, 3, figures=("8", "8", "7")), 2),
        (ranked(2, 2, 1, figures=("-3", "-3", "0")), 0),
        (ranked(1, 2, None, figures=("8", "7", None)), 0),
    ],
)
def test_a_rank_counts_who_is_ahead(years, violations):
    assert ranks_count_who_is_ahead.check(ASSET, years).figures["violations"] == violations


@pytest.mark.parametrize(("areas", "unread"), [((), 0), ((SERVICES,), 1), ((TOTAL,), 1), ((TOTAL, SERVICES), 1)])
def test_totals_with_a_figure_that_could_not_be_read_are_counted_and_not_checked(areas, unread):
    rows = [
        each | ({"pce": None, "status": "quarantined"} if each["category_id"] in areas else {})
        for each in thirds(40.0, 20.0)
    ]
    for rule in (shares_of_the_parts_are_100_percent, contributions_add_up_to_growth):
        figures = checked(rule, subject(*rows), sums=1 - unread).figures
        assert figures["not_checked"] == unread


def with_an_unread_state(*ranks: int | None) -> MetricYears:
    years = ranked(*ranks, figures=("9", "8", None))
    unread = pl.when(pl.col("geo_fips") == "56000").then(pl.lit("quarantined"))
    statuses = [unread.otherwise(name).alias(name) for name in ("pce_status", "pce_per_capita_status")]
    return MetricYears(years.frame, years.levels.with_columns(statuses), CATALOG, (2020,))


def test_no_state_is_ranked_beside_one_that_could_not_be_read():
    for rule in (ranks_count_the_states, ranks_count_who_is_ahead):
        assert rule.check(ASSET, with_an_unread_state(None, None, None)).passed
        assert not rule.check(ASSET, with_an_unread_state(1, 2, None)).passed


@pytest.mark.parametrize(("status", "is_known"), [(None, False), ("not_published", False), ("suppressed", True)])
def test_no_state_is_ranked_beside_one_that_is_not_held(status, is_known):
    years = ranked(1, 2, None, figures=("9", "8", None))
    wyoming = pl.col("geo_fips") == "56000"
    says = pl.when(wyoming).then(pl.lit(status))
    statuses = [says.otherwise(name).alias(name) for name in ("pce_status", "pce_per_capita_status")]
    frame, levels = years.frame, years.levels.with_columns(statuses)
    if status is None:
        frame, levels = frame.filter(~wyoming), levels.filter(~wyoming)
    unranked = frame.with_columns(pl.col("^pce_.*rank_among_states$").replace({1: None, 2: None}))
    for rule in (ranks_count_the_states, ranks_count_who_is_ahead):
        assert rule.check(ASSET, MetricYears(frame, levels, CATALOG, (2020,))).passed is is_known
        assert rule.check(ASSET, MetricYears(unranked, levels, CATALOG, (2020,))).passed is not is_known


def test_rows_without_a_level_are_found_where_they_have_metrics():
    years = subject(row(pce="1", each="1", yoy_pct=1.0, rank_among_states=1))
    alone = MetricYears(years.frame, years.levels.clear(), CATALOG, (2020,))
    for rule in (metrics_are_null_without_their_level, ranks_count_the_states, growth_is_over_the_year_before):
        assert not rule.check(ASSET, alone).passed, rule.name


def test_a_category_that_the_catalogue_does_not_hold_has_its_growth_recomputed():
    rows = [row("product.unheard_of", year=2019, pce="1"), row("product.unheard_of", pce="2", yoy_pct=100.0)]
    assert growth_is_over_the_year_before.check(ASSET, subject(*rows)).passed


@pytest.mark.parametrize("metric", _METRICS)
def test_a_metric_without_its_figure_is_found_in_every_column(metric):
    name = metric.removeprefix("pce_")
    without: dict[str, str | None] = (
        {"pce": None, "each": "1"} if "per_capita" not in name else {"pce": "1", "each": None}
    )
    assert metrics_are_null_without_their_level.check(ASSET, subject(row() | without)).passed
    assert not metrics_are_null_without_their_level.check(
        "gold/pce_state_metrics", subject(row() | without | {name: 1})
    ).passed
    assert metrics_are_null_without_their_level.check(
        "gold/pce_state_metrics", subject(row(pce="1", each="1") | {name: 1})
    ).passed


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("metric", [name for name in _METRICS if not name.endswith("_among_states")])
def test_a_metric_that_is_not_a_finite_number_is_found_in_every_column(metric, value):
    years = subject(row(pce="1", each="1", **{metric.removeprefix("pce_"): value}))
    assert not metrics_are_null_without_their_level.check(ASSET, years).passed


def test_a_row_more_and_a_row_less_than_the_levels_of_the_wanted_years_are_found():
    both = subject(row(), row(geo="01000"), row(year=2019))
    assert metrics_have_one_row_per_level.check(ASSET, both).passed
    less = MetricYears(both.frame.head(1), both.levels, CATALOG, (2020,))
    more = MetricYears(both.frame, both.levels.filter(pl.col("geo_fips") == "01000"), CATALOG, (2020,))
    found = [metrics_have_one_row_per_level.check(ASSET, each) for each in (less, more)]
    assert [each.figures["violations"] for each in found] == [1, 1]
    assert [each.examples for each in found] == [
        ("product.goods, area 01000, 2020",),
        ("product.goods, area 06000, 2020",),
    ]


# A millionth for the rounding of the sixth decimal, and a billionth of the figure for what floats lose: here 0.01.
@pytest.mark.parametrize(
    ("off_by", "passes"), [(0.0100008, True), (0.0100012, False), (-0.0100008, True), (-0.0100012, False)]
)
def test_a_large_metric_may_lose_a_billionth(off_by, passes):
    years = subject(row(year=2019, pce="1"), row(pce="100001", yoy_pct=10_000_000 + off_by))
    assert growth_is_over_the_year_before.check(ASSET, years).passed is passes


@pytest.mark.parametrize(("found", "passes"), [(50.000001, True), (50.0000011, False), (49.999999, True)])
def test_a_metric_may_lose_a_millionth(found, passes):
    years = subject(row(geo="00000", each="2"), row(each="1", per_capita_index_us100=found))
    result = indexes_are_relative_to_the_nation.check(ASSET, years)
    assert result.figures["violations"] == (1 if passes else 2), "the nation itself has no index here"


@pytest.mark.parametrize(
    ("before", "growth"), [("10", 100.0), ("0.5", 3900.0), ("0", None), ("-1", None), (None, None)]
)
def test_growth_is_over_what_is_above_zero(before, growth):
    years = subject(
        row(year=2019, pce=before, each=before), row(pce="20", each="20", yoy_pct=growth, per_capita_yoy_pct=growth)
    )
    assert growth_is_over_the_year_before.check(ASSET, years).passed


def test_the_year_before_is_looked_up_by_its_number_and_in_its_own_series():
    alone = [row(pce="20", yoy_pct=None), row(year=2018, pce="10"), row(SERVICES, year=2019, pce="10")]
    alone += [row(geo="01000", year=2019, pce="10"), row(year=2021, pce="40")]
    assert growth_is_over_the_year_before.check(ASSET, subject(*alone)).passed
    grown = [row(pce="20", yoy_pct=100.0), row(year=2019, pce="10"), row(year=2018, pce="5")]
    assert growth_is_over_the_year_before.check(ASSET, subject(*grown)).passed


@pytest.mark.parametrize("missing", [2016, 2017, 2018, 2019, None])
def test_means_need_every_year(missing):
    levels = {2016: "1", 2017: "2", 2018: "3", 2019: "4", 2015: "100"}
    rows = [row(year=year, pce=None if year == missing else pce) for year, pce in levels.items()]
    three = None if missing in {2018, 2019} else 4.0
    five = None if missing is not None else 3.0
    rows.append(row(pce="5", mean_3y_millions_usd=three, mean_5y_millions_usd=five))
    assert means_are_of_consecutive_years.check(ASSET, subject(*rows)).passed


def test_the_share_of_a_deducted_category_is_below_zero_and_one_without_a_scheme_has_none():
    deducted = CATALOG.categories.filter(scheme="product", sign=-1)["category_id"][0]
    rows = [row(TOTAL, pce="10", share_of_total_pct=100.0), row(deducted, pce="2", share_of_total_pct=-20.0)]
    assert shares_are_of_the_areas_total.check(
        "gold/pce_state_metrics", subject(*rows, row("product.unheard_of", pce="1"))
    ).passed
