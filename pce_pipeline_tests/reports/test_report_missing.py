"""Figures without a value are counted by reason, area and year, and none is counted twice or left out."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.reports.missing import figures_by_dataset, missing_cells, missing_of

SCHEMA = {
    "dataset": pl.String,
    "geo_fips": pl.String,
    "state": pl.String,
    "year": pl.Int32,
    "value": pl.Float64,
    "status": pl.String,
}
ROWS = [
    ("a", "01000", "AL", 2023, None, "suppressed"),
    ("a", "01000", "AL", 2023, None, "suppressed"),
    ("a", "01000", "AL", 2024, 1.0, "reported"),
    ("a", "00000", None, 2024, None, "suppressed"),
    ("a", "02000", "AK", 2024, None, "not_available"),
    ("b", "02000", "AK", 2024, 2.0, "reported"),
]


def test_each_reason_is_a_table_of_areas_by_years() -> None:
    cells = pl.DataFrame(ROWS, schema=SCHEMA, orient="row")
    found = list(missing_of(missing_cells(cells), figures_by_dataset(cells)))
    assert [(each.dataset, each.status, each.cells, each.of_cells) for each in found] == [
        ("a", "not_available", 1, 5),
        ("a", "suppressed", 3, 5),
    ]
    suppressed = found[1]
    assert (suppressed.years, suppressed.areas) == ((2023, 2024), ("00000", "AL"))
    assert suppressed.counts == ((0, 1), (2, 0))


cell = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from([("01000", "AL"), ("02000", "AK"), ("00000", None)]),
    st.integers(2020, 2023),
    st.sampled_from([(1.0, "reported"), (None, "suppressed"), (None, "not_available")]),
)


@given(st.lists(cell))
def test_every_figure_without_a_value_is_counted_once(
    cells: list[tuple[str, tuple[str, str], int, tuple[float, str]]],
) -> None:
    rows = [(dataset, *area, year, *said) for dataset, area, year, said in cells]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    found = list(missing_of(missing_cells(frame), figures_by_dataset(frame)))
    assert sum(each.cells for each in found) == frame["value"].null_count()
    for each in found:
        assert sum(map(sum, each.counts)) == each.cells <= each.of_cells
        assert all(any(row) for row in each.counts)
        assert all(any(row[at] for row in each.counts) for at in range(len(each.years)))
