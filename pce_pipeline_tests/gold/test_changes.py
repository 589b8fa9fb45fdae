"""What changed between two vintages: each kind, and nothing that did not change or was not spoken of."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.gold.changes import KINDS, SIZES, AsKnown, changes, counts_by, known_cells, largest, sizes
from pce_pipeline.silver.observations import BASE_YEARS_SCHEMA
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.table import MONEY
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.gold.test_conformed_facts import silver

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "measure": pl.String,
    "category_id": pl.String,
    "geo_fips": pl.String,
    "year": pl.Int32,
    "geo_level": pl.String,
    "state": pl.String,
    "bea_table": pl.String,
    "value": MONEY,
    "status": pl.String,
    "decimals": pl.Int32,
    "unit": pl.String,
    "base_year": pl.Int32,
}


def known(*cells: tuple[int, str], base_year: int | None = None, spoken_of: set[int] | None = None) -> AsKnown:
    """What is known of Alabama's total in some years, by published text; of what is not there it speaks of nothing."""
    rows = [
        ("pce", "product.pce", "01000", year, "state", "AL", "SAPCE1", *_typed(text), "Millions", base_year)
        for year, text in cells
    ]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    years = spoken_of if spoken_of is not None else {year for year, _ in cells}
    of = [("pce", "product.pce", "01000", year) for year in sorted(years)]
    return AsKnown(frame, pl.DataFrame(of, schema={name: SCHEMA[name] for name in FIGURE}, orient="row"))


def _typed(text: str) -> tuple[Decimal | None, str, int | None]:
    codes = {"(D)": "suppressed", "(NA)": "not_available", "": "blank", "12x": "quarantined"}
    if text in codes:
        return None, codes[text], None
    return Decimal(text), "reported", len(text.partition(".")[2])


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        ("100.5", "100.6", "revision"),
        ("100.5", "100.5", None),
        ("100.5", "100.50", None),
        ("100.5", "101", "precision"),
        ("100.5", "100", "precision"),
        ("100.6", "100", "revision"),
        ("100", "100.4", "precision"),
        ("100", "100.6", "revision"),
        ("100.501", "100", "revision"),
        ("100.551", "100.5", "revision"),
        ("100.54", "100.5", "precision"),
        ("100.55", "100.5", "precision"),
        ("100.56", "100.5", "revision"),
        ("0.125", "0.12", "precision"),
        ("0.126", "0.12", "revision"),
        ("100.5", "100.55", "precision"),
        ("100.5", "(D)", "newly_suppressed"),
        ("100.5", "(NA)", "withdrawn"),
        ("100.5", "12x", "unreadable"),
        ("(D)", "100.5", "newly_published"),
        ("(D)", "(NA)", "restated"),
        ("(D)", "(D)", None),
        ("", "100.5", "new"),
        ("100.5", "", "withdrawn"),
    ],
)
def test_each_change_of_a_cell_has_its_kind(was: str, now: str, kind: str | None) -> None:
    found = changes(known((2020, was)), known((2020, now)))
    assert found["kind"].to_list() == ([kind] if kind else [])


def test_a_cell_of_which_the_later_vintage_does_not_speak_was_not_withdrawn() -> None:
    before = known((2020, "1.5"), (2021, "2.5"))
    assert changes(before, known((2021, "2.5"))).is_empty()
    found = changes(before, known((2021, "2.5"), spoken_of={2020, 2021}))
    assert found.select("year", "kind", "to_value", "to_status").rows() == [(2020, "withdrawn", None, "withdrawn")]


def test_a_number_of_another_base_year_is_redefined_and_no_revision() -> None:
    found = changes(known((2020, "98.4"), base_year=2012), known((2020, "98.4"), base_year=2017))
    assert found.select("kind", "change", "change_pct").rows() == [("redefined", None, None)]


def test_a_revision_says_by_how_much() -> None:
    was = known((2020, "200"), (2021, "0"), (2022, "-5"), (2023, "0.3"), (2024, "700"))
    now = known((2020, "210"), (2021, "1"), (2022, "-6"), (2023, "0.4"), (2024, "701"))
    found = changes(was, now)
    assert found["change"].to_list() == [Decimal(10), Decimal(1), Decimal(-1), Decimal("0.1"), Decimal(1)]
    assert found["change_pct"].to_list() == [5.0, None, None, 33.333333, 0.142857]
    assert found.select("from_value", "to_value", "state", "bea_table").row(0) == (
        Decimal(200), Decimal(210), "AL", "SAPCE1",
    )  # fmt: skip


def ranked(*rows: tuple[str, str | None, str, float | None]) -> pl.DataFrame:
    """Changes by level, state, kind and percentage."""
    columns = {"geo_level": pl.String, "state": pl.String, "kind": pl.String, "change_pct": pl.Float64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_changes_are_counted_most_first_and_alike_ones_by_name() -> None:
    changed = ranked(*(("state", state, "new", None) for state in ("TX", "AL", None, "TX", "AK")))
    assert list(counts_by(changed, "state").items()) == [("TX", 2), ("AK", 1), ("AL", 1)]


def test_a_degree_of_size_has_its_lower_bound_and_not_its_upper_one() -> None:
    percents = [0.0, -0.09, 0.1, 0.49, -0.5, 1.0, 4.99, 5.0, -300.0, None]
    changed = ranked(*(("state", "AL", "revision", each) for each in percents))
    assert sizes(changed) == dict(zip(SIZES, (2, 2, 1, 2, 2), strict=True))


def test_the_largest_are_of_a_level_by_percent_up_or_down_and_the_first_of_alike_ones() -> None:
    states = [("AL", 1.0), ("AK", -3.0), ("TX", 3.0), ("CA", None), ("WY", 0.5)]
    changed = ranked(("nation", None, "revision", 9.0), *(("state", each, "revision", pct) for each, pct in states))
    assert largest(changed, 3)["state"].to_list() == ["AK", "TX", "AL"]
    assert largest(changed, 3, "nation")["change_pct"].to_list() == [9.0]


texts = st.sampled_from(["1", "1.5", "2", "2.04", "(D)", "(NA)", "", "12x"])


@given(
    st.dictionaries(st.integers(1997, 2004), texts),
    st.dictionaries(st.integers(1997, 2004), texts),
    st.sets(st.integers(1997, 2004)),
)
def test_a_cell_is_among_the_changes_if_and_only_if_it_changed(was, now, spoken_of) -> None:
    before, after = known(*was.items()), known(*now.items(), spoken_of=spoken_of)
    found = changes(before, after)
    assert found["year"].is_unique().all()
    assert set(found["kind"]) <= KINDS.keys()
    said = {year: text for year, text in was.items() if text}
    says = {year: text for year, text in now.items() if text}
    differing = {
        year
        for year in said.keys() | says.keys()
        if (year in says or year in spoken_of) and said.get(year) != says.get(year)
    }
    assert set(found["year"]) == differing
    assert changes(after, after).filter(pl.col("kind") != "withdrawn").is_empty()


def test_of_two_tables_with_the_same_figure_one_row_is_known_as_the_facts_take_it() -> None:
    rows = silver(
        ("SAPCE1", 2, "product.goods", 2020, "1800.5"),
        ("SAPCE3", 3, "product.goods", 2020, "1800.5"),
        ("SAPCE2", 2, "product.goods", 2020, "45000"),
        ("SAPCE1", 2, "product.goods", 2021, None),
    )
    found = known_cells(rows, pl.DataFrame(schema=BASE_YEARS_SCHEMA), PCE_STATE)
    assert found.select("measure", "bea_table", "value", "decimals").rows() == [
        ("pce", "SAPCE1", Decimal("1800.5"), 1),
        ("pce", "SAPCE1", None, None),
        ("pce_per_capita", "SAPCE2", Decimal(45000), 0),
    ]
