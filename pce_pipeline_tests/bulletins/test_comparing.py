"""What a bulletin says of one release against the one before it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.bulletins.bulletin import Outlook
from pce_pipeline.bulletins.comparing import MOST_NAMED, bulletin_of, level_of
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.changes import changes, counts_by
from pce_pipeline_tests.bulletins.releases import LINES, NOW, THEN, Figures, known, release

WAS: Figures = {
    ("AL", "pce", 2023): "200",
    ("AL", "pce", 2024): "(NA)",
    ("AL", "goods", 2023): "50",
    ("AK", "pce", 2023): "100",
    ("US", "pce", 2023): "1000",
}
IS: Figures = {
    ("AL", "pce", 2023): "210",
    ("AL", "pce", 2024): "220",
    ("AL", "goods", 2023): "(D)",
    ("AK", "pce", 2023): "98",
    ("US", "pce", 2023): "1500",
    ("US", "pce", 2025): "1600",
}


def test_a_first_release_says_what_it_holds_and_compares_nothing() -> None:
    first = bulletin_of(release(None, known(IS, NOW)), Outlook())
    assert (first.compared_with, first.kinds, first.largest, first.by_area, first.named) == (None, {}, (), (), ())
    assert (first.held.cells, first.held.first, first.held.last, first.held.areas) == (6, "2023", "2025", 3)
    assert first.held.by_status == {"reported": 5, "suppressed": 1}
    assert first.news.years == ()
    assert [(each.bea_table, each.vintage_before) for each in first.tables] == [("SAPCE1", None)]


def test_a_release_says_what_is_new_what_was_revised_and_what_went() -> None:
    found = bulletin_of(release(known(WAS, THEN), known(IS, NOW)), Outlook())
    assert found.compared_with == str(THEN)
    assert found.kinds == {"revision": 3, "new": 1, "newly_published": 1, "newly_suppressed": 1}
    assert (found.news.years, found.news.cells, found.news.tables) == ((2025,), 1, ())
    # the nation is revised most, and is no state
    assert [(each.state, each.year, each.change_pct) for each in found.largest] == [
        ("AL", 2023, 5.0),
        ("AK", 2023, -2.0),
    ]
    assert [(each.from_value, each.to_value) for each in found.largest[:1]] == [(Decimal(200), Decimal(210))]
    assert [(each.state, each.revised, each.mean_abs_pct) for each in found.by_area] == [("AL", 1, 5.0), ("AK", 1, 2.0)]
    (category,) = found.by_category
    assert (category.category_id, category.revised, category.mean_pct, category.mean_abs_pct) == (
        "product.pce", 2, 1.5, 3.5,
    )  # fmt: skip
    assert [(each.kind, each.total) for each in found.named] == [("newly_suppressed", 1), ("newly_published", 1)]
    (suppressed,) = found.named[0].cells
    assert (suppressed.area, suppressed.category_id, suppressed.to_status) == ("Alabama", "product.goods", "suppressed")
    assert sum(found.sizes.values()) == 3


def test_named_cells_are_capped_and_their_total_said() -> None:
    years = range(1900, 1900 + MOST_NAMED + 5)
    was = {("AL", "pce", year): "1" for year in years}
    found = bulletin_of(release(known(was, THEN), known(dict.fromkeys(was, "(D)"), NOW)), Outlook())
    (named,) = found.named
    assert (named.total, len(named.cells)) == (MOST_NAMED + 5, MOST_NAMED)


def test_only_totals_rank_the_states() -> None:
    was = {("AL", "pce", 2023): "100", ("AL", "goods", 2023): "1"}
    now = {("AL", "pce", 2023): "101", ("AL", "goods", 2023): "9"}
    found = bulletin_of(release(known(was, THEN), known(now, NOW)), Outlook())
    assert [each.largest.change_pct for each in found.by_area] == [1.0]
    assert [each.category_id for each in found.by_category] == ["product.goods", "product.pce"]


def test_texts_and_units_that_mean_something_else_are_told_and_others_are_not() -> None:
    lines = {1: "Personal consumption EXPENDITURES 1/", 2: "Goods and more", 99: "A line of nobody's"}
    after = known(IS, NOW, lines=lines, units={1: "millions of  current dollars", 2: "Euros"})
    found = bulletin_of(release(known(WAS, THEN), after), Outlook())
    assert [(each.line_code, each.what, each.before, each.after) for each in found.wording] == [
        (2, "title", "Goods", "Goods and more"),
        (2, "unit", "Millions of current dollars", "Euros"),
        (13, "line", "Services", ""),
    ]
    assert [(each.line_code, each.text, each.is_held) for each in found.news.lines] == [
        (99, "A line of nobody's", False)
    ]
    assert bulletin_of(release(known(WAS, THEN), known(IS, NOW)), Outlook()).wording == ()


def test_a_table_that_was_not_there_is_new_and_its_lines_are_not_listed() -> None:
    before = known(WAS, THEN)
    found = bulletin_of(release(type(before)({}, before.figures, before.lines.clear()), known(IS, NOW)), Outlook())
    assert (found.news.tables, found.news.lines, found.wording) == (("SAPCE1",), (), ())


def test_coverage_counts_what_the_catalogue_expects_and_what_could_not_be_read() -> None:
    found = bulletin_of(release(None, known({("AL", "pce", 1998): "1"}, NOW, quarantined=4)), Outlook())
    (table,) = found.coverage
    assert (table.expected, table.held, table.quarantined) == (2 * 60 * len(LINES), 1, 4)


@pytest.mark.parametrize(("name", "level"), [("pce_state", "state"), ("pce_us_monthly", "nation")])
def test_revisions_are_those_of_states_where_a_dataset_has_any(name: str, level: str) -> None:
    assert level_of(load_datasets("full")[name]) == level


figures = st.dictionaries(
    st.tuples(st.sampled_from(["AL", "AK", "US"]), st.sampled_from(["pce", "goods"]), st.integers(2020, 2023)),
    st.sampled_from(["1", "1.5", "2", "(D)", "(NA)", "", "12x"]),
    min_size=1,
)


@given(figures, figures)
def test_its_counts_are_those_of_the_changes_between_both(was: Figures, now: Figures) -> None:
    before, after = known(was, THEN), known(now, NOW)
    found = bulletin_of(release(before, after), Outlook())
    changed = changes(before.figures, after.figures)
    assert found.kinds == counts_by(changed, "kind")
    assert sum(found.by_table.values()) == changed.height
    assert found == bulletin_of(release(before, after), Outlook())
