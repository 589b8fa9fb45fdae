"""What was revised, from the log: each change once, with its kind; and how far figures move within a year."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from statistics import fmean

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.values import typed
from pce_pipeline.gold.changes import AsKnown, changes
from pce_pipeline.gold.known import VINTAGES
from pce_pipeline.gold.revisions import revision_stats, revisions
from pce_pipeline.gold.vintages import figures
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.vintages import LEAST_RELEASES, REVISION_STATS, gold_vintages, revisions_table
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.examples import examples
from pce_pipeline_tests.gold.test_changes import SCHEMA
from pce_pipeline_tests.silver.test_folding_vintages import AREAS, YEAR, Step, at_of, day_of, fold
from pce_pipeline_tests.silver.test_folding_vintages import vintages as vintages_of

TABLE = revisions_table(PCE_STATE)


def revised(steps: Sequence[Step]) -> pl.DataFrame:
    """What was revised in the total of some areas, where vintages say this of it one after the other."""
    of_figures = figures(fold(steps), vintages_of(steps), PCE_STATE)
    found = revisions(of_figures, vintages_of(steps), PCE_STATE)
    assert TABLE.conform(found).equals(found)
    return found


def shown(found: pl.DataFrame) -> list[tuple[str, str, int]]:
    return found.select("basis", "kind", "valid_from").rows()


def counted(*texts: str | None) -> list[Step]:
    """Vintages that say this of Alabama; None says nothing of it, but has another area."""
    return [("counted", {"00000": "1.0"} | ({} if text is None else {"01000": text})) for text in texts]


def test_a_change_leads_from_one_value_to_the_next_and_says_when_and_by_how_much() -> None:
    (row,) = revised(counted("200.0", "200.0", "210.0", "210.0")).to_dicts()
    assert row == {
        "measure": "pce",
        "category_id": "product.pce",
        "geo_fips": "01000",
        "geo_level": "state",
        "state": "AL",
        "year": YEAR,
        "basis": "counted",
        "valid_from": at_of(2),
        "changed_from": at_of(0),
        "released_on": day_of(2),
        "kind": "revision",
        "from_value": Decimal(200),
        "to_value": Decimal(210),
        "from_status": "reported",
        "to_status": "reported",
        "change": Decimal(10),
        "change_pct": 5.0,
        "age_years": day_of(2).year - YEAR,
        "unit": "millions_usd",
        "bea_table": "SAPCE1",
    }


def test_what_the_first_vintage_has_is_no_change_and_what_a_later_one_adds_is_new() -> None:
    found = revised([("counted", {"01000": "1.5"}), ("counted", {"01000": "1.5", "02000": "2.5"})])
    assert found.select("geo_fips", "kind", "changed_from", "from_status", "to_value").rows() == [
        ("02000", "new", None, None, Decimal("2.5"))
    ]


def test_a_year_that_no_vintage_had_before_is_new_although_its_log_begins_with_it() -> None:
    steps: list[Step] = [("counted", {}), ("counted", {"01000": "1.5"})]
    assert shown(revised(steps)) == [("counted", "new", at_of(1))]
    assert shown(revised(steps[1:])) == []


@pytest.mark.parametrize(
    ("texts", "kinds"),
    [
        (("1.5", "", "1.5"), []),
        (("1.5", "", "1.6"), ["revision"]),
        (("", "1.5"), ["new"]),
        (("1.5", None, "1.5"), ["withdrawn", "new"]),
        (("(D)", None, "(D)"), ["withdrawn", "new"]),
        (("1.5", "(D)", "1.5"), ["newly_suppressed", "newly_published"]),
        (("1.5", "12x", "13x", "1.5"), ["unreadable", "newly_published"]),
        (("(NA)", "(D)"), ["restated"]),
        (("1.5", "2", "2.5"), ["precision", "precision"]),
    ],
)
def test_an_empty_cell_is_passed_over_and_all_else_has_its_kind(
    texts: tuple[str | None, ...], kinds: list[str]
) -> None:
    assert revised(counted(*texts))["kind"].to_list() == kinds


def test_a_vintage_that_does_not_speak_of_a_figure_changes_nothing_of_it() -> None:
    steps = counted("1.5", "(D)", "1.5", "1.6")
    log = figures(fold(steps), vintages_of(steps), PCE_STATE)
    unspoken = log.with_columns(status=pl.col("status").replace("suppressed", "not_spoken_of"))
    found = revisions(unspoken, vintages_of(steps), PCE_STATE)
    assert found.select("kind", "from_value", "to_value", "changed_from").rows() == [
        ("revision", Decimal("1.5"), Decimal("1.6"), at_of(2))
    ]


@pytest.mark.parametrize("differing", ["unit", "base_year"])
def test_a_number_of_another_unit_or_base_year_is_redefined_and_no_change_is_computed(differing: str) -> None:
    steps = counted("1.5", "1.6")
    log = figures(fold(steps), vintages_of(steps), PCE_STATE)
    other = pl.lit("usd" if differing == "unit" else 2017).cast(log.schema[differing])
    redefined = log.with_columns(pl.when(pl.col("valid_from") == at_of(1)).then(other).alias(differing))
    found = revisions(redefined, vintages_of(steps), PCE_STATE)
    assert found.select("kind", "from_value", "to_value", "change", "change_pct").rows() == [
        ("redefined", Decimal("1.5"), Decimal("1.6"), None, None)
    ]


def test_a_derived_value_is_compared_with_what_was_known_before_and_after_it() -> None:
    steps: list[Step] = [
        ("counted", {"01000": "10.0"}),
        ("derived", {"01000": "11.0"}),
        ("partial", {"01000": "99.0"}),
        ("counted", {"01000": "12.0"}),
    ]
    found = revised(steps).select("basis", "valid_from", "changed_from", "from_value", "to_value").rows()
    assert found == [
        ("counted", at_of(3), at_of(0), Decimal(10), Decimal(12)),
        ("derived", at_of(1), at_of(0), Decimal(10), Decimal(11)),
        ("derived", at_of(3), at_of(1), Decimal(11), Decimal(12)),
    ]


def test_where_a_derived_value_ends_the_counted_one_is_known_again() -> None:
    steps: list[Step] = [
        ("counted", {"01000": "10.0"}),
        ("derived", {"01000": "11.0"}),
        ("counted", {"01000": "10.0"}),
        ("derived", {"01000": "12.0"}),
    ]
    found = revised(steps).select("valid_from", "changed_from", "from_value", "to_value", "released_on").rows()
    assert found == [
        (at_of(1), at_of(0), Decimal(10), Decimal(11), day_of(1)),
        (at_of(2), at_of(1), Decimal(11), Decimal(10), day_of(2)),
        (at_of(3), at_of(0), Decimal(10), Decimal(12), day_of(3)),
    ]


texts = st.sampled_from(["1.0", "1.04", "2.5", "3", "(NA)", "(D)", "12x"])
state = st.dictionaries(st.sampled_from(AREAS), texts)


@settings(max_examples=examples(40))
@given(st.lists(state, min_size=1, max_size=6))
def test_revisions_are_the_changes_between_each_vintage_and_the_next(states: list[Mapping[str, str]]) -> None:
    found = revised([("counted", each) for each in states])
    for place, (before, after) in enumerate(pairwise(states), start=1):
        expected = changes(known(before), known(after)).drop("unit")
        of_vintage = found.filter(valid_from=at_of(place)).with_columns(
            from_status=pl.when(pl.col("kind") != "new").then("from_status")
        )
        assert of_vintage.select(expected.columns).equals(expected)
    assert set(found["valid_from"]) <= {at_of(place) for place in range(1, len(states))}


def known(said: Mapping[str, str]) -> AsKnown:
    """What a vintage says of the total, which should have all areas."""
    rows = [("pce", "product.pce", area, YEAR, "SAPCE1", text, None) for area, text in sorted(said.items())]
    names = ["measure", "category_id", "geo_fips", "year", "bea_table", "value_text", "base_year"]
    cells = typed(pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String) | {"year": pl.Int32}, orient="row"))
    after_the_point = pl.col("value_text").str.extract(r"\.(\d+)", 1).str.len_chars().fill_null(0)
    cells = cells.join(PCE_STATE.areas, on="geo_fips", how="left", maintain_order="left").with_columns(
        unit=pl.lit("millions_usd"), decimals=after_the_point
    )
    everywhere = pl.DataFrame([("pce", "product.pce", area, YEAR) for area in AREAS], schema=FIGURE, orient="row")
    return AsKnown(
        cells.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()),
        everywhere.cast({"year": pl.Int32}),
    )


numbers = st.dictionaries(st.sampled_from(AREAS), st.sampled_from(["1.0", "2.5", "3.5"]))
bases = st.sampled_from(["counted", "derived", "partial"])


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(bases, numbers), min_size=1, max_size=6))
def test_with_derived_values_each_change_of_what_was_known_is_there_once(steps: list[Step]) -> None:
    found = revised(steps).filter((pl.col("basis") == "derived") & (pl.col("kind") == "revision"))
    expected = []
    held: dict[str, tuple[str, str]] = {}
    withdrawable: set[str] = set()
    for place, (basis, cells) in enumerate(steps):
        if basis == "partial":
            continue
        for area, text in cells.items():
            was, before = held.get(area, ("", text))
            if before != text and "derived" in {was, basis}:
                expected.append((area, at_of(place), Decimal(before), Decimal(text)))
            held[area] = basis, text
        if basis == "counted":
            withdrawable |= set(cells)
            held = {area: said for area, said in held.items() if area in cells or area not in withdrawable}
    assert sorted(found.select("geo_fips", "valid_from", "from_value", "to_value").rows()) == sorted(expected)


@settings(max_examples=examples(40))
@given(st.lists(state, min_size=2, max_size=6))
def test_revisions_of_a_figure_follow_one_another(states: list[Mapping[str, str]]) -> None:
    found = revised([("counted", each) for each in states])
    same = pl.col("geo_fips") == pl.col("geo_fips").shift()
    leads_on = pl.col("from_status").eq_missing(pl.col("to_status").shift()) & pl.col("from_value").eq_missing(
        pl.col("to_value").shift()
    )
    assert found.filter(same & ~leads_on).is_empty()


Values = Mapping[str, Sequence[Decimal | None]]
"""The value of each area in one vintage after the other; None where there is none."""


def logged(values: Values, released: Sequence[date], year: int = 2000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A log of the total of states, and its vintages."""
    at = [int(f"{day:%Y%m%d}01") for day in released]
    schema = gold_vintages(PCE_STATE).polars_schema
    rows = []
    for area, said in values.items():
        for place, value in enumerate(said):
            if place and value == said[place - 1]:
                continue
            until = next((at[later] for later in range(place + 1, len(said)) if said[later] != value), None)
            rows.append(
                {
                    "measure": "pce", "category_id": "product.pce", "geo_fips": area, "geo_level": "state",
                    "year": year, "basis": "counted", "valid_from": at[place], "valid_to": until, "value": value,
                    "status": "suppressed" if value is None else "reported", "unit": "millions_usd", "decimals": 1,
                    "bea_table": "SAPCE1", "released_on": released[place],
                    "ingested_at": datetime(2030, 1, 1, tzinfo=UTC), "source_object": "x",
                }
            )  # fmt: skip
    known_at = [("SAPCE1", "counted", each, day, None, None) for each, day in zip(at, released, strict=True)]
    return pl.DataFrame(rows, schema=schema), pl.DataFrame(known_at, schema=VINTAGES, orient="row")


def stats(values: Values, released: Sequence[date], year: int = 2000) -> pl.DataFrame:
    log, vintages = logged(values, released, year)
    found = revision_stats([log], vintages, replace(PCE_STATE, comprehensive_updates=(date(2018, 10, 4),)))
    assert REVISION_STATS.conform(found).equals(found)
    return found


def autumns(*years: int) -> list[date]:
    return [date(year, 10, 4) for year in years]


def test_a_figure_that_did_not_move_is_in_the_statistics_as_zero() -> None:
    found = stats({"01000": [Decimal(100), Decimal(103)], "02000": [Decimal(50), Decimal(50)]}, autumns(2001, 2002))
    assert found.select("age_years", "n_releases", "n_figures", "mean_pct", "mean_abs_pct").rows() == [
        (2, 1, 2, 1.5, 1.5)
    ]


def test_between_years_only_the_last_release_of_each_counts_and_a_year_without_one_is_no_step() -> None:
    released = [date(2001, 3, 1), date(2001, 10, 1), date(2002, 3, 1), date(2002, 10, 1), date(2004, 10, 1)]
    found = stats({"01000": [Decimal(each) for each in (50, 100, 180, 110, 440)]}, released)
    assert found.select("age_years", "mean_pct").rows() == [(2, 10.0)]


def test_steps_across_a_comprehensive_update_are_apart() -> None:
    values = {"01000": [Decimal(each) for each in (100, 101, 202, 202)]}
    found = stats(values, autumns(2016, 2017, 2018, 2019), year=2015)
    assert found.select("age_years", "is_comprehensive", "mean_pct").rows() == [
        (2, False, 1.0),
        (3, True, 100.0),
        (4, False, 0.0),
    ]


def test_what_cannot_be_compared_is_left_out() -> None:
    values: Values = {
        "01000": [Decimal(0), Decimal(1)],
        "02000": [None, Decimal(1)],
        "04000": [Decimal(-1), Decimal(1)],
    }
    assert stats(values, autumns(2001, 2002)).is_empty()
    log, vintages = logged({"01000": [Decimal(1), Decimal(2)]}, autumns(2001, 2002))
    redefined = log.with_columns(base_year=pl.when(pl.col("value") == 2).then(2017))
    assert revision_stats([redefined], vintages, PCE_STATE).is_empty()


def ages(releases: int) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """Logs of as many years, each published in the year after it and once more in the next, when it moved by 1 %."""
    return [
        logged({"01000": [Decimal(100), Decimal(101)]}, autumns(year + 1, year + 2), year)
        for year in range(2000, 2000 + releases)
    ]


@pytest.mark.parametrize("releases", [LEAST_RELEASES - 1, LEAST_RELEASES])
def test_a_band_needs_enough_releases(releases: int) -> None:
    logs = ages(releases)
    vintages = pl.concat([each for _, each in logs]).unique(maintain_order=True)
    found = revision_stats([log for log, _ in logs], vintages, PCE_STATE).filter(age_years=2)
    enough = releases == LEAST_RELEASES
    assert found.select("n_releases", "pct05", "abs_pct90", "band_is").rows() == [
        (releases, 1.0, 1.0, "ok") if enough else (releases, None, None, "too_few_releases")
    ]


amounts = st.one_of(st.none(), st.integers(min_value=1, max_value=40).map(Decimal))


@given(
    st.lists(st.integers(min_value=2001, max_value=2012), unique=True, min_size=2, max_size=10).map(sorted),
    st.data(),
)
def test_means_are_of_all_figures_that_both_releases_have(years: list[int], data: st.DataObject) -> None:
    columns = st.lists(amounts, min_size=len(years), max_size=len(years))
    values = {area: data.draw(columns) for area in ("01000", "02000", "04000")}
    found = stats(values, autumns(*years))
    expected: dict[int, list[float]] = {}
    for said in values.values():
        held = dict(zip(years, said, strict=True))
        for year in years:
            before, after = held.get(year - 1), held[year]
            if before is not None and after is not None:
                expected.setdefault(year - 2000, []).append(float(after / before - 1) * 100)
    assert found["age_years"].to_list() == sorted(expected)
    for row in found.iter_rows(named=True):
        moves = expected[row["age_years"]]
        assert row["n_figures"] == len(moves)
        assert row["mean_pct"] == pytest.approx(fmean(moves), abs=2e-6)
        assert row["mean_abs_pct"] == pytest.approx(fmean(map(abs, moves)), abs=2e-6)
