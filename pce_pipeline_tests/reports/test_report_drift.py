"""Drift is what is shaped otherwise than before, and nothing else."""

from collections.abc import Mapping

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.reports.drift import Columns, Shape, differences, differences_of_columns

SCHEMA = {"bea_table": pl.String, "line_code": pl.Int32, "description": pl.String, "unit": pl.String}
LINES = {1: "Personal consumption expenditures", 2: "Goods"}
UNIT = "Millions of current dollars"


def shape(
    lines: Mapping[int, str] = LINES, years: tuple[int, ...] = (2023, 2024), unit: str = UNIT, **more: str
) -> Shape:
    rows = [("SAPCE1", code, text, unit) for code, text in lines.items()]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return Shape(frame, frozenset(years), published_as=frozenset(more.values()))


def told(after: Shape, before: Shape) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.what, each.before, each.after) for each in differences("SAPCE1", after, before)]


def test_what_has_the_same_shape_has_no_drift() -> None:
    assert told(shape(), shape()) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (shape({**LINES, 3: "  Services"}), ("line new", "line 3", "", "Services")),
        (shape({1: LINES[1]}), ("line gone", "line 2", "Goods", "")),
        (shape({1: LINES[1], 2: "Services"}), ("title changed", "line 2", "Goods", "Services")),
        (shape(years=(2023, 2024, 2025)), ("year new", "2025", "", "")),
        (shape(years=(2024,)), ("year gone", "2023", "", "")),
        (shape(name="SA1"), ("name changed", "what BEA calls it", "SAPCE1", "SA1")),
    ],
)
def test_a_difference_of_shape_is_told_with_both_sides(after: Shape, expected: tuple[str, str, str, str]) -> None:
    assert told(after, shape()) == [expected]


def test_another_unit_is_told_of_each_line() -> None:
    found = told(shape(unit="Dollars"), shape())
    assert found == [("unit changed", f"line {code}", UNIT, "Dollars") for code in LINES]


def test_case_and_blanks_make_no_difference_of_titles() -> None:
    assert told(shape({1: " personal consumption expenditures ", 2: "Goods"}), shape()) == []


names = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.sampled_from(["x", "y", "z"]), st.sampled_from(["Int32", "String"]), min_size=1),
)


@given(names, names)
def test_differences_of_columns_lead_from_the_one_to_the_other(after: Columns, before: Columns) -> None:
    found = list(differences_of_columns(after, before))
    assert bool(found) == (after != before)
    rebuilt = {table: dict(columns) for table, columns in before.items()}
    for each in found:
        match each.kind:
            case "table new":
                rebuilt[each.of] = dict(after[each.of])
            case "table gone":
                del rebuilt[each.of]
            case "column gone":
                del rebuilt[each.of][each.what]
            case "column new" | "column changed":
                rebuilt[each.of][each.what] = each.after
    assert rebuilt == after
