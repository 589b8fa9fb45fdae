"""Cells as blocks and back, without a loss and in few blocks, and cells in words."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bronze.scope import CELL, CELL_SCHEMA, Block, blocks_of, cells_of, in_words, without
from pce_pipeline_tests.examples import examples, is_thorough

cells = st.frozensets(
    st.tuples(
        st.sampled_from(["pce", "pce_per_capita"]),
        st.sampled_from(["goods", "services"]),
        st.sampled_from(["01000", "06000"]),
        st.integers(2020, 2022),
    ),
    max_size=14,
)


def frame(*rows: tuple[str, str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=CELL_SCHEMA, orient="row")


def test_blocks_hold_the_cells_they_were_made_of_each_once():
    blocks_seen: Counter[int] = Counter()

    @settings(max_examples=examples(60), deadline=None, derandomize=not is_thorough())
    @given(cells)
    def come_back(drawn):
        held = frame(*sorted(drawn))
        blocks = blocks_of(pl.concat([held, held.head(2)]).reverse())
        assert set(cells_of(blocks).rows()) == set(drawn)
        assert blocks == blocks_of(held)
        for block in blocks:
            assert list(block.categories) == sorted(set(block.categories))
            assert list(block.areas) == sorted(set(block.areas))
            assert list(block.years) == sorted(set(block.years))
        blocks_seen[len(blocks)] += 1

    come_back()
    assert {0, 1, 2, 3, 4} <= blocks_seen.keys(), "too few shapes were drawn"


def test_a_whole_table_is_one_block():
    block = Block(measure="pce", categories=("goods", "services"), areas=("01000", "06000"), years=(2020, 2021, 2022))
    assert blocks_of(cells_of([block])) == (block,)
    assert cells_of([block]).height == 12
    assert dict(cells_of([block]).schema) == CELL_SCHEMA == dict(cells_of([]).schema)
    assert blocks_of(cells_of([])) == ()


def test_categories_with_the_same_areas_and_years_share_a_block():
    rows = [("pce", category, area, 2020) for category in ("a", "b") for area in ("01000", "06000")]
    rows += [("pce", "c", "01000", 2020), ("pce", "a", "01000", 2021)]
    assert set(blocks_of(frame(*rows))) == {
        Block(measure="pce", categories=("a",), areas=("01000",), years=(2020, 2021)),
        Block(measure="pce", categories=("a",), areas=("06000",), years=(2020,)),
        Block(measure="pce", categories=("b",), areas=("01000", "06000"), years=(2020,)),
        Block(measure="pce", categories=("c",), areas=("01000",), years=(2020,)),
    }


@settings(deadline=None)
@given(cells, cells)
def test_without_leaves_what_the_others_lack(one, other):
    assert set(without(frame(*one), frame(*other)).rows()) == one - other


def test_only_the_four_parts_of_a_cell_count():
    held = frame(("pce", "a", "01000", 2020)).with_columns(value=1)
    assert without(held, held.with_columns(value=2)).columns == list(CELL)
    assert without(held, held.with_columns(value=2)).is_empty()


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "no cell"),
        ([("pce", "a", "01000", 2020)], "1 cell of pce: category a, area 01000, 2020"),
        (
            [("pce", category, area, 2020) for category in "ab" for area in ("01000", "06000")],
            "4 cells of pce: 2 categories (a, b), 2 areas (01000, 06000), 2020",
        ),
        (
            [("pce", category, "01000", 2020) for category in "dcba"],
            "4 cells of pce: 4 categories (a, b, c, d), area 01000, 2020",
        ),
        ([("pce", category, "01000", 2020) for category in "edcba"], "5 cells of pce: 5 categories, area 01000, 2020"),
        (
            [("pce_per_capita", "a", "01000", 2020), ("pce", "a", "01000", 2021)],
            "2 cells of pce, pce_per_capita: category a, area 01000, 2020...2021",
        ),
        (
            [("pce", "a", "01000", year) for year in range(1000, 2001)],
            "1,001 cells of pce: category a, area 01000, 1000...2000",
        ),
    ],
)
def test_cells_in_words_name_the_few_and_count_the_many(rows, text):
    assert in_words(frame(*rows)) == text
