"""The tolerance of every identity from both sides, and what is said of the sums, on figures written by hand."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from pce_pipeline.quality.identities import (
    FactYears,
    children_add_up_to_parents,
    per_capita_times_population_is_the_total,
    states_add_up_to_regions,
    states_add_up_to_the_nation,
)
from pce_pipeline.quality.rules import Rule, RuleResult
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline_tests.datasets import PCE_STATE

CATALOG = PCE_STATE
LEVELS: dict[str, str] = dict(CATALOG.areas.select("geo_fips", "geo_level").iter_rows())
STATES = [geo for geo, level in LEVELS.items() if level == "state"]
PARTS = {"product.durable_goods": "60.1", "product.nondurable_goods": "40.2"}

Cell = tuple[str, str, str, int, str | None]


def facts(*cells: Cell) -> FactYears:
    """Facts of (measure, category, area, year, value); a value of None is too small to show."""
    rows = [
        {
            "dataset": "pce_state",
            "measure": measure,
            "category_id": category,
            "geo_fips": geo,
            "geo_level": LEVELS[geo],
            "state": None,
            "year": year,
            "value": None if value is None else Decimal(value),
            "status": "below_50k" if value is None else "reported",
            "unit": "x",
        }
        for measure, category, geo, year, value in cells
    ]
    return FactYears(pl.DataFrame(rows, schema=GOLD_FACTS.polars_schema), CATALOG, {})


def goods(total: str, *, measure: str = "pce", parts: Mapping[str, str] = PARTS, geo: str = "06000") -> list[Cell]:
    """Goods and their two parts, which add up to 100.3 if nothing else is said."""
    return [(measure, category, geo, 2020, value) for category, value in ({"product.goods": total} | {**parts}).items()]


def checked(rule: Rule[FactYears], subject: FactYears, *, sums: int = 1) -> RuleResult:
    result = rule.check("gold", subject)
    assert result.figures["checked"] == sums, result
    return result


# Three figures rounded to a tenth: 0.05 each.
@pytest.mark.parametrize(
    ("total", "passes"), [("100.450", True), ("100.451", False), ("100.15", True), ("100.149", False)]
)
def test_a_sum_of_parts_may_be_off_by_half_a_unit_of_each_figure(total, passes):
    assert checked(children_add_up_to_parents, facts(*goods(total))).passed is passes


# Three figures in whole millions: 0.5 each.
@pytest.mark.parametrize(("total", "passes"), [("101", True), ("102", False), ("99", True), ("98", False)])
def test_figures_in_whole_millions_may_be_off_by_half_a_million_each(total, passes):
    parts = dict(zip(PARTS, ("60", "40"), strict=True))
    assert checked(children_add_up_to_parents, facts(*goods(total, parts=parts))).passed is passes


def of_states(rule: Rule[FactYears], area: str, off_by: str, states: list[str]) -> RuleResult:
    total = Decimal("10.1") * len(states) + Decimal(off_by)
    cells: list[Cell] = [("pce", "product.durable_goods", geo, 2020, "10.1") for geo in states]
    return checked(rule, facts(*cells, ("pce", "product.durable_goods", area, 2020, str(total))))


# 52 figures: four times the square root of 52 half units, which is 1.4422, because not all errors point the same way.
@pytest.mark.parametrize(("off_by", "passes"), [("1.442", True), ("1.443", False), ("-1.442", True), ("-1.443", False)])
def test_a_sum_of_many_states_may_be_off_by_seven_standard_deviations(off_by, passes):
    assert len(STATES) == 51
    assert of_states(states_add_up_to_the_nation, "00000", off_by, STATES).passed is passes


# The Far West has six states: 0.05 for each of seven figures.
@pytest.mark.parametrize(("off_by", "passes"), [("0.35", True), ("0.351", False)])
def test_a_sum_of_few_states_may_be_off_by_half_a_unit_of_each(off_by, passes):
    far_west = CATALOG.areas.filter(region_fips="98000")["geo_fips"].to_list()
    assert len(far_west) == 6
    assert of_states(states_add_up_to_regions, "98000", off_by, far_west).passed is passes


# The nation-only line is deducted from nothing and adds to the total: states and that line give the US figure.
@pytest.mark.parametrize(("abroad", "passes"), [("5.0", True), ("-5.0", True), ("7.0", False)])
def test_what_is_published_for_the_nation_only_is_added_to_the_states(abroad, passes):
    line = CATALOG.categories.filter("nation_only", scheme="function")["category_id"]
    assert line.len() == 1
    total = Decimal("515.1") + (Decimal(abroad) if passes else Decimal(5))
    cells: list[Cell] = [("pce", "function.pce", geo, 2010, "10.1") for geo in STATES]
    cells += [("pce", line[0], "00000", 2010, abroad), ("pce", "function.pce", "00000", 2010, str(total))]
    assert checked(states_add_up_to_the_nation, facts(*cells)).passed is passes


def per_capita(
    goods_per_capita: str, *, total: str = "1000.1", per_capita: str = "1000", part: str = "500.1"
) -> FactYears:
    """Total PCE that implies about a million people, and goods beside it."""
    return facts(
        ("pce", "product.pce", "06000", 2020, total),
        ("pce_per_capita", "product.pce", "06000", 2020, per_capita),
        ("pce", "product.goods", "06000", 2020, part),
        ("pce_per_capita", "product.goods", "06000", 2020, goods_per_capita),
    )


# Goods are 500.05 dollars each of 1,000,100 people. Half a dollar and 0.05 million over the people is 0.549995 dollars,
# and as the total has errors too, that times one and the share of goods: 0.825020.
@pytest.mark.parametrize(
    ("each", "passes"), [("500.875", True), ("500.876", False), ("499.225", True), ("499.224", False)]
)
def test_a_figure_per_head_may_be_off_by_the_rounding_of_all_four_figures(each, passes):
    assert checked(per_capita_times_population_is_the_total, per_capita(each)).passed is passes


# With fewer people the rounding of the millions is what counts: 0.05 million is 50 dollars each of a thousand people.
@pytest.mark.parametrize(("each", "passes"), [("575.7", True), ("575.8", False)])
def test_a_small_population_makes_the_rounding_of_millions_large(each, passes):
    subject = per_capita(each, total="1.0", per_capita="1000", part="0.5")
    assert checked(per_capita_times_population_is_the_total, subject).passed is passes


def test_a_deducted_figure_has_the_rounding_of_its_size():
    assert checked(per_capita_times_population_is_the_total, per_capita("-499.225", part="-500.1")).passed
    assert not checked(per_capita_times_population_is_the_total, per_capita("-499.224", part="-500.1")).passed


@pytest.mark.parametrize(("people_known", "sums"), [("0", 0), ("-1", 0), ("1", 1), ("0.5", 1)])
def test_population_is_known_where_the_total_per_head_is_above_zero(people_known, sums):
    subject = per_capita("0.5", total="2.1", per_capita=people_known, part="1.0")
    checked(per_capita_times_population_is_the_total, subject, sums=sums)


def test_the_largest_rounding_is_of_the_sums_that_are_kept():
    cells = [*goods("100.4"), *goods("100.32", geo="01000"), *goods("107", geo="02000")]
    result = checked(children_add_up_to_parents, facts(*cells), sums=3)
    assert (result.figures["violations"], result.figures["largest_rounding"]) == (1, 0.1)
    kept = checked(per_capita_times_population_is_the_total, per_capita("500.1"))
    assert kept.figures["largest_rounding"] == 0.05
    third = checked(per_capita_times_population_is_the_total, per_capita("333", part="333.3"))
    assert third.figures["largest_rounding"] == 0.267, "in thousandths"
    assert children_add_up_to_parents.check("gold", facts()).figures["largest_rounding"] == 0.0
    only_wrong = checked(children_add_up_to_parents, facts(*goods("107")))
    assert only_wrong.figures["largest_rounding"] == 0.0


def known(year: int, off_by: str) -> list[Cell]:
    """US PCE by function, which BEA does not keep from 2017 on."""
    cells: list[Cell] = [
        ("pce", "function.pce", "00000", year, str(Decimal("100.1") + Decimal(off_by))),
        ("pce", "function.household_consumption_expenditures", "00000", year, "90.1"),
        ("pce", "function.npish_final_consumption", "00000", year,
         "10.0"),
    ]  # fmt: skip
    return cells


@pytest.mark.parametrize(
    ("cells", "summary"),
    [
        (goods("100.3"), "all 1 sums are kept"),
        (goods("107"), "1 of 1 sums are not kept"),
        ([*known(2017, "50"), *goods("100.3")], "all 1 sums are kept; 1 that BEA does not keep"),
        ([*known(2016, "50"), *goods("100.3")], "1 of 2 sums are not kept"),
        ([*known(2017, "50"), *goods("107")], "1 of 1 sums are not kept; 1 that BEA does not keep"),
    ],
)
def test_what_is_said_of_sums_tells_those_that_bea_does_not_keep_from_the_others(cells: Any, summary: str):
    parts = CATALOG.categories.filter(parent_id="function.pce").select("category_id", "nation_only").rows()
    nation_parts = [category for category, _ in parts]
    assert {cell[1] for cell in known(2017, "0")} == {"function.pce", *nation_parts}
    assert children_add_up_to_parents.check("gold", facts(*cells)).summary == summary


def test_an_example_says_by_how_much_a_sum_is_off():
    (example,) = children_add_up_to_parents.check("gold", facts(*goods("107"))).examples
    assert example == (
        "pce of product.goods, area 06000, 2020: published 107.0, but added up 100.3, off by -6.7 (tolerance 0.15)"
    )


def test_the_largest_deviations_are_named_with_what_explains_them_and_exact_sums_are_not() -> None:
    off = {"06000": "100.4", "04000": "99.0", "02000": "100.3", "01000": "101.3"}
    found = children_add_up_to_parents.find(
        facts(*(cell for geo, total in off.items() for cell in goods(total, geo=geo)))
    )
    assert [(row["geo_fips"], row["deviation"], row["explained_by"]) for row in found.largest] == [
        ("04000", 1.3, "nothing"),
        ("01000", -1.0, "nothing"),
        ("06000", -0.1, "rounding"),
    ]
    assert found.largest[0]["category_id"] == "product.goods"
    assert (found.largest[0]["published"], found.largest[0]["year"]) == (99.0, 2020)


def test_only_the_first_of_many_deviations_are_named() -> None:
    cells = [cell for geo in STATES[:7] for cell in goods("99.0", geo=geo)]
    found = children_add_up_to_parents.find(facts(*cells))
    assert found.figures["violations"] == 7
    assert [row["geo_fips"] for row in found.largest] == sorted(STATES[:7])[:5]
