"""The history of lines: what is a change and what is none, and that folding later vintages on gives the same rows."""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.gold.line_history import PrintedVintage, lines_folded
from pce_pipeline.quality.line_history import Stretches, line_history_rules
from pce_pipeline.quality.rules import judge
from pce_pipeline.silver.layouts import PRINTED_SCHEMA
from pce_pipeline.tables.line_history import LINE_HISTORY
from pce_pipeline_tests.datasets import PCE_STATE

TABLE = "SAPCE1"
DAY = date(2024, 10, 3)
Said = dict[int, tuple[str, str | None]]
"""Text and unit of the lines of one vintage."""
NOTHING = pl.DataFrame(schema=LINE_HISTORY.polars_schema)
PINNED = {row["line_code"]: row["description"] for row in PCE_STATE.lines.filter(bea_table=TABLE).to_dicts()}
UNIT = "Millions of current dollars"
STATISTIC = "Total personal consumption expenditures: "


def vintage(number: int, lines: Mapping[int, tuple[str, str | None]]) -> PrintedVintage:
    """The vintage of so many days after the first, with text and unit of its lines."""
    day = DAY + timedelta(days=number)
    rows = [
        (TABLE, code, TABLE, code, "2024", text, unit, None if unit is None else 6)
        for code, (text, unit) in lines.items()
    ]
    return PrintedVintage(int(f"{day:%Y%m%d}01"), day, pl.DataFrame(rows, schema=PRINTED_SCHEMA, orient="row"))


def folded(*vintages: PrintedVintage, before: pl.DataFrame = NOTHING) -> pl.DataFrame:
    return lines_folded(before, TABLE, vintages, PCE_STATE)


def stretches(rows: pl.DataFrame, line: int) -> list[tuple[str, str | None, date, date | None]]:
    """Description, unit, and both days of release of each stretch of a line."""
    of_line = rows.filter(published_line=line)
    return list(of_line.select("description", "unit", "released_on", "replaced_on").iter_rows())


@pytest.mark.parametrize(
    "same",
    [
        PINNED[13],
        PINNED[13].upper(),
        f"  {PINNED[13]} 1/",
        f"[{TABLE}] {STATISTIC}{PINNED[13]}",
        f"{PINNED[13]} (millions of dollars)",
    ],
)
def test_another_way_of_writing_the_same_text_is_no_change(same: str) -> None:
    first = vintage(0, {1: (PINNED[1], UNIT), 13: (PINNED[13], UNIT)})
    rows = folded(first, vintage(1, {1: (f"{STATISTIC}{PINNED[1]}", UNIT), 13: (same, UNIT)}))
    assert stretches(rows, 13) == [(PINNED[13], UNIT, DAY, None)]


def test_another_word_another_unit_and_another_base_year_each_begin_a_stretch() -> None:
    rows = folded(
        vintage(0, {99: ("Real PCE (2012)", "Constant 2012 dollars")}),
        vintage(1, {99: ("Real PCE 2012", "CONSTANT 2012 DOLLARS")}),
        vintage(2, {99: ("Real PCE (2017)", "Constant 2012 dollars")}),
        vintage(3, {99: ("Real PCE (2017)", "Constant 2017 dollars")}),
        vintage(4, {99: ("Real spending (2017)", "Constant 2017 dollars")}),
    )
    days = [DAY + timedelta(days=number) for number in range(5)]
    assert stretches(rows, 99) == [
        ("Real PCE (2012)", "Constant 2012 dollars", days[0], days[2]),
        ("Real PCE (2017)", "Constant 2012 dollars", days[2], days[3]),
        ("Real PCE (2017)", "Constant 2017 dollars", days[3], days[4]),
        ("Real spending (2017)", "Constant 2017 dollars", days[4], None),
    ]


def test_a_line_that_goes_ends_and_one_that_comes_back_begins_again() -> None:
    both, one = {1: (PINNED[1], UNIT), 13: (PINNED[13], UNIT)}, {1: (PINNED[1], UNIT)}
    rows = folded(vintage(0, both), vintage(1, one), vintage(2, both))
    days = [DAY + timedelta(days=number) for number in range(3)]
    assert stretches(rows, 1) == [(PINNED[1], UNIT, days[0], None)]
    assert stretches(rows, 13) == [(PINNED[13], UNIT, days[0], days[1]), (PINNED[13], UNIT, days[2], None)]


def test_a_vintage_without_a_list_of_lines_says_nothing_of_any() -> None:
    lines = {1: (PINNED[1], UNIT)}
    rows = folded(vintage(0, lines), vintage(1, {}), vintage(2, lines))
    assert stretches(rows, 1) == [(PINNED[1], UNIT, DAY, None)]


def test_a_line_without_cells_takes_the_unit_of_the_first_vintage_that_has_some() -> None:
    rows = folded(vintage(0, {98: ("New line", None)}), vintage(1, {98: ("New line", UNIT)}))
    assert stretches(rows, 98) == [("New line", UNIT, DAY, None)]
    rows = folded(vintage(2, {98: ("New line", None)}), before=rows)
    assert stretches(rows, 98) == [("New line", UNIT, DAY, None)]


def test_a_line_that_the_catalogue_does_not_hold_has_no_line_code_of_today() -> None:
    rows = folded(vintage(0, {1: (PINNED[1], UNIT), 98: (f"{STATISTIC}New line", UNIT)}))
    new = rows.filter(published_line=98).row(0, named=True)
    assert (new["line_code"], new["category_id"], new["measure"]) == (None, None, None)
    assert new["text"] == f"{STATISTIC}New line"
    known = rows.filter(published_line=1).row(0, named=True)
    assert (known["line_code"], known["measure"], known["layout"]) == (1, "pce", "2024")


texts = st.sampled_from([PINNED[1], PINNED[2], PINNED[2].upper(), f"{STATISTIC}{PINNED[1]}", "New (2012)", "New 2017"])
printed = st.dictionaries(
    st.sampled_from([1, 2, 98]), st.tuples(texts, st.sampled_from([UNIT, UNIT.upper(), "Index", None])), max_size=3
)


@given(st.lists(printed, max_size=6), st.integers(0, 6))
def test_folding_later_vintages_on_gives_the_rows_of_folding_all(said: list[Said], cut: int) -> None:
    vintages = [vintage(number, lines) for number, lines in enumerate(said)]
    whole = folded(*vintages)
    assert folded(*vintages[cut:], before=folded(*vintages[:cut])).equals(whole)
    results = judge(line_history_rules, LINE_HISTORY.name, Stretches(whole))
    assert [each.name for each in results if not each.passed] == []


@given(st.lists(printed, min_size=1, max_size=5))
def test_a_vintage_finds_what_it_printed_in_the_stretches_that_hold_at_it(said: list[Said]) -> None:
    vintages = [vintage(number, lines) for number, lines in enumerate(said)]
    rows = folded(*vintages)
    for each in vintages:
        if each.printed.is_empty():
            continue
        ends = pl.col("valid_to").is_null() | (pl.col("valid_to") > each.at)
        held = rows.filter((pl.col("valid_from") <= each.at) & ends)
        assert sorted(held["published_line"]) == sorted(each.printed["published_line"])


def test_the_same_vintage_again_changes_nothing() -> None:
    lines = {1: (PINNED[1], UNIT), 98: ("New line", None)}
    rows = folded(vintage(0, lines))
    assert folded(vintage(1, lines), before=rows).equals(rows)


@pytest.mark.parametrize("valid_to", [2024100301, 2024100201, 2024100501, None])
def test_stretches_that_overlap_or_end_before_they_begin_are_refused(valid_to: int | None) -> None:
    rows = folded(vintage(0, {98: ("One", UNIT)}), vintage(1, {98: ("Two", UNIT)}))
    first = pl.col("valid_from") == 2024100301
    wrong = rows.with_columns(valid_to=pl.when(first).then(pl.lit(valid_to, dtype=pl.Int32)).otherwise("valid_to"))
    results = judge(line_history_rules, LINE_HISTORY.name, Stretches(wrong))
    assert [each.name for each in results if not each.passed] == ["stretches_are_in_order"]
