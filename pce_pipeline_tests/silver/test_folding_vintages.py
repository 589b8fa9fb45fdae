"""The fold of vintages: at every vintage its cells and no others, however the vintages are split over runs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.bea.observations import LINE_SCHEMA, OBSERVATION_SCHEMA
from pce_pipeline.bea.values import typed
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.known import VINTAGES, AsOf, known_cells
from pce_pipeline.quality.rules import judge
from pce_pipeline.quality.vintages import LogYears, log_rules
from pce_pipeline.silver.vintages import TICKS, as_states, empty_log, folded
from pce_pipeline.tables.vintages import INSTANT, silver_vintages
from pce_pipeline_tests.datasets import PCE_STATE

YEAR = 2020
LINE = PCE_STATE.lines.filter((pl.col("bea_table") == "SAPCE1") & (pl.col("line_code") == 1)).row(0, named=True)
AREAS = ("00000", "01000", "02000")
TABLE = silver_vintages(PCE_STATE)

State = Mapping[str, str]
"""The published text of the total, by area."""
Step = tuple[str, State]
"""A vintage: its basis and what it says."""


def day_of(place: int) -> date:
    return date(2000 + place, 9, 30)


def at_of(place: int) -> int:
    return int(f"{day_of(place):%Y%m%d}01")


def ticks(steps: Sequence[Step], first: int = 0) -> pl.DataFrame:
    rows = [
        ("SAPCE1", basis, at_of(place), day_of(place), datetime(2030, 1, 1, place, tzinfo=UTC), f"{day_of(place)}")
        for place, (basis, _) in enumerate(steps, start=first)
    ]
    return pl.DataFrame(rows, schema=TICKS, orient="row")


def vintages(steps: Sequence[Step]) -> pl.DataFrame:
    return ticks(steps).drop("source_object").with_columns(release=pl.lit(None, dtype=pl.String)).select(*VINTAGES)


def states(steps: Sequence[Step], first: int = 0) -> pl.DataFrame:
    rows = [
        ("SAPCE1", 1, area, YEAR, text, LINE["unit"], LINE["unit_multiplier"], str(day_of(place)), basis, at_of(place))
        for place, (basis, said) in enumerate(steps, start=first)
        for area, text in said.items()
    ]
    schema = {**OBSERVATION_SCHEMA, "extract": pl.String, "basis": pl.String, "at": pl.Int32}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    known = ticks(steps, first).select("at", "released_on", "ingested_at", source_object=pl.lit("a/b.csv"))
    cells = typed(frame).join(known, on="at", maintain_order="left")
    return as_states(cells, pl.DataFrame(schema={**LINE_SCHEMA, "extract": pl.String}), PCE_STATE)


def expected_everywhere(table: str, at: int) -> pl.DataFrame:
    del at
    rows = [(LINE["measure"], LINE["category_id"], area, YEAR) for area in AREAS] if table == "SAPCE1" else []
    schema = {"measure": pl.String, "category_id": pl.String, "geo_fips": pl.String, "year": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def expected_nowhere(table: str, at: int) -> pl.DataFrame:
    return expected_everywhere(table, at).clear()


def fold(steps: Sequence[Step]) -> pl.DataFrame:
    return folded(empty_log(PCE_STATE), states(steps), ticks(steps), expected_everywhere)


def said(cells: pl.DataFrame) -> dict[str, str]:
    return dict(cells.select("geo_fips", "value_text").iter_rows())


texts = st.sampled_from(["1.0", "2.5", "3", "(NA)", "(D)", "12x"])
state = st.dictionaries(st.sampled_from(AREAS), texts)
bases = st.sampled_from(["counted", "counted", "counted", "partial", "derived"])
histories = st.lists(st.tuples(bases, state), min_size=1, max_size=6)


@given(histories)
def test_at_every_vintage_that_counts_the_log_says_what_the_vintage_says(steps: list[Step]) -> None:
    log = fold(steps)
    counted: State = {}
    for place, (basis, cells) in enumerate(steps):
        counted = cells if basis == "counted" else counted
        known = known_cells(log, vintages(steps), AsOf(day_of(place)))
        assert {a: _same(t) for a, t in said(known).items()} == {a: _same(t) for a, t in counted.items()}


@given(histories)
def test_values_beside_answer_where_they_are_asked_for_until_the_next_vintage_that_counts(steps: list[Step]) -> None:
    log = fold(steps)
    together: dict[str, str] = {}
    for place, (basis, cells) in enumerate(steps):
        together = dict(cells) if basis == "counted" else {**together, **cells}
        known = known_cells(log, vintages(steps), AsOf(day_of(place), include=("partial", "derived")))
        assert {a: _same(t) for a, t in said(known).items()} == {a: _same(t) for a, t in together.items()}


@given(histories, st.integers(min_value=0, max_value=6))
def test_folding_in_two_goes_gives_the_same_as_in_one(steps: list[Step], cut: int) -> None:
    first = folded(empty_log(PCE_STATE), states(steps[:cut]), ticks(steps[:cut]), expected_everywhere)
    second = folded(first, states(steps[cut:], cut), ticks(steps[cut:], cut), expected_everywhere)
    assert second.equals(fold(steps))


@given(histories)
def test_every_log_keeps_its_rules_and_its_declaration(steps: list[Step]) -> None:
    log = fold(steps)
    results = judge(log_rules, TABLE.name, LogYears(TABLE, {YEAR: log}))
    assert [each.name for each in results if not each.passed] == []
    assert TABLE.conform(log).equals(log)


@given(histories, st.permutations(range(6)))
def test_by_the_clock_of_taking_it_is_known_what_the_newest_vintage_taken_by_then_says(
    steps: list[Step], hours: list[int]
) -> None:
    steps = [(("counted"), cells) for _, cells in steps]
    taken = [datetime(2030, 1, 1 + hours[place], tzinfo=UTC) for place in range(len(steps))]
    clock = pl.DataFrame({"at": [at_of(place) for place in range(len(steps))], "ingested_at": taken}).select(
        pl.col("at").cast(pl.Int32), pl.col("ingested_at").cast(INSTANT)
    )
    of_time = ticks(steps).drop("ingested_at").join(clock, on="at").select(*TICKS)
    cells = states(steps).drop("ingested_at").join(clock, on="at").select(states(steps).columns)
    log = folded(empty_log(PCE_STATE), cells, of_time, expected_everywhere)
    seen = vintages(steps).drop("ingested_at").join(clock, on="at").select(*VINTAGES)
    for day in range(1, 7):
        held = [place for place in range(len(steps)) if taken[place].day <= day]
        newest = steps[max(held)][1] if held else {}
        known = known_cells(log, seen, AsOf(date(2030, 1, day), clock="ingest"))
        assert {a: _same(t) for a, t in said(known).items()} == {a: _same(t) for a, t in newest.items()}


def _same(text: str) -> str:
    return text.removesuffix(".0")


def test_a_value_that_goes_on_is_one_row_known_since_the_earliest_time() -> None:
    steps: list[Step] = [("counted", {"01000": "5"}), ("counted", {"01000": "5.0"}), ("counted", {"01000": "6.1"})]
    earlier = ticks(steps).with_columns(
        ingested_at=pl.Series([datetime(2030, 1, day, tzinfo=UTC) for day in (9, 2, 3)], dtype=INSTANT)
    )
    cells = states(steps).drop("ingested_at").join(earlier.select("at", "ingested_at"), on="at")
    log = folded(empty_log(PCE_STATE), cells.select(states(steps).columns), earlier, expected_everywhere)
    shown = log.select("value", "value_text", "decimals", "valid_from", "valid_to", "released_on", "ingested_at").rows()
    assert shown == [
        (Decimal(5), "5", 1, at_of(0), at_of(2), day_of(0), datetime(2030, 1, 2, tzinfo=UTC)),
        (Decimal("6.1"), "6.1", 1, at_of(2), None, day_of(2), datetime(2030, 1, 3, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("expected", "status"), [(expected_everywhere, "withdrawn"), (expected_nowhere, "not_spoken_of")]
)
def test_a_cell_that_is_there_no_more_ends_in_a_row_that_says_why(expected, status) -> None:
    steps: list[Step] = [("counted", {"01000": "5"}), ("counted", {}), ("counted", {}), ("counted", {"01000": "5"})]
    log = folded(empty_log(PCE_STATE), states(steps), ticks(steps), expected)
    assert log.select("status", "value", "valid_from", "valid_to").rows() == [
        ("reported", Decimal(5), at_of(0), at_of(1)),
        (status, None, at_of(1), at_of(3)),
        ("reported", Decimal(5), at_of(3), None),
    ]


def test_another_base_year_is_another_value_and_an_index_has_that_of_the_measure_it_follows() -> None:
    dataset = load_datasets("full")["summary_state"]
    texts = {3: "Real PCE (millions of constant ({}) dollars)", 14: "Implicit regional price deflator 10/"}
    units = {3: "Millions of constant {} dollars", 14: "Index"}
    rows, lines = [], []
    for place, base in enumerate((2012, 2017)):
        for line, text in texts.items():
            unit = units[line].format(base)
            rows.append(("SASUMMARY", line, "01000", YEAR, "100.000", unit, 6 if line == 3 else 0, str(day_of(place))))
            lines.append(("SASUMMARY", line, text.format(base), str(day_of(place))))
    frame = pl.DataFrame(rows, schema={**OBSERVATION_SCHEMA, "extract": pl.String}, orient="row")
    of_time = pl.DataFrame(
        [
            ("SASUMMARY", "counted", at_of(place), day_of(place), datetime(2030, 1, 1, tzinfo=UTC), str(day_of(place)))
            for place in (0, 1)
        ],
        schema=TICKS,
        orient="row",
    )
    cells = typed(frame).join(of_time.with_columns(extract="source_object"), on=["bea_table", "extract"])
    listed = pl.DataFrame(lines, schema={**LINE_SCHEMA, "extract": pl.String}, orient="row")
    log = folded(empty_log(dataset), as_states(cells, listed, dataset), of_time, lambda *_: pytest.fail("not asked"))
    assert log.select("line_code", "value", "base_year").rows() == [
        (3, Decimal(100), 2012),
        (3, Decimal(100), 2017),
        (14, Decimal(100), 2012),
        (14, Decimal(100), 2017),
    ]
