"""Forty columns are enough: where a table does not fit, its rows stand below one another, and nothing is cut."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pce_pipeline.cli import shown
from pce_pipeline_tests.cli.conftest import Pce

WORDS = st.text("abcdefghij_", min_size=1, max_size=24)
CELLS = st.lists(WORDS, max_size=4).map(" ".join)
NUMBERS = st.integers(0, 10**12).map(shown.number)


def rendered(renderable: object, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(renderable)
    return out.getvalue()


@given(st.lists(st.tuples(CELLS, NUMBERS, CELLS, NUMBERS), min_size=1, max_size=4), st.integers(40, 120))
def test_no_number_is_cut_and_no_word_broken_at_any_width(rows: list[tuple[str, ...]], width: int) -> None:
    told = rendered(shown.table(["Name", ">Rows", "Why", ">Bytes"], rows), width)
    assert max(map(len, told.splitlines())) <= width
    assert [word for row in rows for cell in row for word in cell.split() if word not in told.split()] == []


def test_a_wide_terminal_shows_rows_below_headings_and_a_narrow_one_each_by_itself() -> None:
    table = shown.table(["Table", ">Rows", ">Bytes"], [("gold/pce_state_annual", "1,234,567", "12,345,678")])
    assert rendered(table, 80).split("\n")[1].split() == ["Table", "Rows", "Bytes"]
    assert [line.split() for line in rendered(table, 40).splitlines() if line.strip()] == [
        ["Table", "gold/pce_state_annual"],
        ["Rows", "1,234,567"],
        ["Bytes", "12,345,678"],
    ]


@pytest.mark.postgres
@pytest.mark.parametrize(
    "verb",
    ["status", "show", "show quality", "check", "archive list", "catalog check", "certificate show", "find pce"],
)
def test_what_a_wide_terminal_shows_is_all_there_in_forty_columns(pce: Pce, verb: str) -> None:
    wide, narrow = (pce(*verb.split(), COLUMNS=width) for width in ("200", "40"))
    assert (wide.code, narrow.code) == (0, 0)
    words = re.compile(r"[\w,./%-]*\w")
    assert {each for each in words.findall(wide.out) if len(each) <= 20} <= set(words.findall(narrow.out))
