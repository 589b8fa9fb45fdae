"""A history gives back what was known at each extract, whatever came, went and changed."""

from collections.abc import Mapping, Sequence

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.explorer.histories import (
    HISTORY,
    KEY,
    as_known_at,
    changed_cells,
    history_schema,
    newest_of,
    with_changes,
)
from pce_pipeline.explorer.statuses import STATUS, WITHDRAWN

SCHEMA: dict[str, pl.DataType] = {
    "category": pl.Enum(["a", "b"]),
    "area": pl.Enum(["01000", "02000"]),
    "period": pl.Int32(),
    "value": pl.Float64(),
    "status": STATUS,
}
CELLS = [(category, area, period) for category in "ab" for area in ("01000", "02000") for period in (2023, 2024)]
SAID = st.sampled_from([(1.0, "reported"), (2.5, "reported"), (0.0, "reported"), (None, "suppressed"), (None, "blank")])

Known = Mapping[tuple[str, str, int], tuple[float | None, str]]

known = st.dictionaries(st.sampled_from(CELLS), SAID)


def frame(cells: Known) -> pl.DataFrame:
    return pl.DataFrame([(*cell, *said) for cell, said in sorted(cells.items())], schema=SCHEMA, orient="row")


def history_of(extracts: Sequence[Known], *, stopped_after: int) -> pl.DataFrame:
    """The history of some extracts, made up to one of them, read back, and gone on with."""
    empty = pl.DataFrame(schema=history_schema(SCHEMA))
    history, newest = empty, empty.drop("extract")
    for place, cells in enumerate(extracts):
        if place == stopped_after:
            newest = newest_of(history).drop("extract")
        changes = changed_cells(newest, frame(cells), place)
        history = pl.concat([history, changes]).sort(*KEY, "extract")
        newest = with_changes(newest, changes.drop("extract"))
    return history


@given(st.lists(known, min_size=1, max_size=5), st.integers(0, 4))
def test_what_was_known_at_each_extract_comes_back(extracts, stopped_after):
    history = history_of(extracts, stopped_after=stopped_after)
    assert history.columns == list(HISTORY)
    for place, cells in enumerate(extracts):
        there = as_known_at(history, place)
        assert there.filter(pl.col("status") != WITHDRAWN).rows() == frame(cells).rows()
        before = {cell for earlier in extracts[:place] for cell in earlier}
        gone = {row[:3] for row in there.filter(pl.col("status") == WITHDRAWN).iter_rows()}
        assert gone == before - cells.keys()


@given(st.lists(known, min_size=1, max_size=5), st.integers(0, 4))
def test_a_row_stands_only_where_something_changed(extracts, stopped_after):
    history = history_of(extracts, stopped_after=stopped_after)
    assert history.rows() == history.sort("category", "area", "period", "extract").rows()
    told: dict[tuple[object, ...], tuple[object, ...]] = {}
    for *cell, _, value, status in history.iter_rows():
        assert told.get(tuple(cell)) != (value, status)
        told[tuple(cell)] = (value, status)


def test_an_extract_that_says_the_same_adds_nothing():
    cells: Known = {CELLS[0]: (1.0, "reported"), CELLS[1]: (None, "suppressed")}
    assert history_of([cells, cells, cells], stopped_after=9)["extract"].to_list() == [0, 0]
