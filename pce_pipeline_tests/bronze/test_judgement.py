"""A verdict compares cells: covered, lacking, moved to another table, completed by parts of the same release."""

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.bronze.counting import Layer, Vintage
from pce_pipeline.bronze.decisions import Verdict
from pce_pipeline.bronze.judgement import lacking, verdict
from pce_pipeline.bronze.manifest import TableEntry
from pce_pipeline.bronze.scope import CELL, CELL_SCHEMA, Block, blocks_of, cells_of, in_words, without
from pce_pipeline.lake.layout import ExtractId

OLD, NEW = date(2022, 10, 6), date(2024, 10, 3)
YEARS = (2020, 2021)

Cells = Iterable[tuple[str, str, str, int]]


def cells(*rows: tuple[str, str, int], measure: str = "pce") -> pl.DataFrame:
    """Cells by category, area and year."""
    return pl.DataFrame([(measure, *row) for row in rows], schema=CELL_SCHEMA, orient="row")


def grid(categories: str, areas: str, years: Iterable[int] = YEARS) -> pl.DataFrame:
    """Every combination of one-letter categories and areas with the years."""
    return cells(*((category, area, year) for category in categories for area in areas for year in years))


def held(frame: pl.DataFrame, *, release: date = OLD, is_live: bool = False) -> Vintage:
    entry = TableEntry(
        last_updated=release,
        note="",
        rows=frame.height,
        lines=(1,),
        years={},
        content_sha256="",
        holds=blocks_of(frame),
    )
    extract = ExtractId(release)
    return Vintage("A", extract, (Layer(extract, entry, is_live),))


NOTHING = grid("", "")


def judged(
    arriving: pl.DataFrame,
    before: Vintage | None,
    *,
    is_live: bool = False,
    release: date = NEW,
    elsewhere: pl.DataFrame = NOTHING,
    companions: Mapping[ExtractId, pl.DataFrame] = MappingProxyType({}),
    at_times: pl.DataFrame = NOTHING,
) -> Verdict:
    return verdict(
        arriving,
        is_live=is_live,
        release=release,
        before=before,
        elsewhere=elsewhere,
        companions=companions,
        at_times=at_times,
    )


def test_where_nothing_is_held_any_extract_counts():
    assert judged(grid("g", "a"), None).counts
    assert judged(grid("g", "a"), None, is_live=True).counts


@pytest.mark.parametrize("is_live", [True, False])
def test_nobody_misses_areas_that_a_table_has_in_some_releases_only(is_live):
    before = held(grid("g", "ab"))
    assert not judged(grid("g", "a"), before, is_live=is_live).counts
    assert judged(grid("g", "a"), before, is_live=is_live, at_times=grid("g", "b")).counts


@pytest.mark.parametrize("is_live", [True, False])
def test_an_extract_counts_if_it_covers_every_cell_and_may_hold_more(is_live):
    before = held(grid("gs", "ab"))
    assert judged(grid("gs", "ab"), before, is_live=is_live).counts
    found = judged(grid("gst", "abc", (2019, *YEARS)), before, is_live=is_live)
    assert (found.counts, found.follows, found.lacks) == (True, str(OLD), 0)


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize(
    ("arriving", "lacks", "words"),
    [
        (grid("gs", "a"), 4, "4 cells of pce: 2 categories (g, s), area b, 2020...2021"),
        (grid("g", "ab"), 4, "4 cells of pce: category s, 2 areas (a, b), 2020...2021"),
        (grid("gs", "ab", (2021, 2022)), 4, "4 cells of pce: 2 categories (g, s), 2 areas (a, b), 2020"),
        (without(grid("gs", "ab"), cells(("g", "b", 2021))), 1, "1 cell of pce: category g, area b, 2021"),
    ],
)
def test_one_lacking_cell_is_enough_not_to_count(arriving, lacks, words, is_live):
    found = judged(arriving, held(grid("gs", "ab")), is_live=is_live)
    assert (found.counts, found.lacks) == (False, lacks)
    assert found.why == f"{OLD} also holds {words}"


def test_a_file_of_an_older_release_never_follows_a_newer_one():
    found = judged(grid("g", "a"), held(grid("g", "a"), release=NEW), release=OLD)
    assert not found.counts
    assert "which is newer" in found.why
    # what BEA itself goes back to is what it publishes now
    assert judged(grid("g", "a"), held(grid("g", "a"), release=NEW), release=OLD, is_live=True).counts


def test_a_line_that_moved_to_another_table_of_the_release_as_a_whole_is_no_loss():
    before = held(grid("gs", "ab"))
    assert judged(grid("g", "ab"), before, elsewhere=grid("s", "ab"), is_live=True).counts
    assert judged(grid("g", "ab"), before, elsewhere=grid("s", "a"), is_live=True).lacks == 2
    # a line that is still there, for fewer areas, has not moved
    partly = pl.concat([grid("g", "ab"), grid("s", "a")])
    assert judged(partly, before, elsewhere=grid("s", "ab"), is_live=True).lacks == 2


def test_parts_of_one_release_count_as_soon_as_they_cover_together():
    before = held(grid("gs", "abc"))
    first, second = ExtractId(NEW), ExtractId(NEW, 2)
    assert not judged(grid("gs", "a"), before, companions={first: grid("gs", "b")}).counts
    found = judged(grid("gs", "a"), before, companions={second: grid("gs", "c"), first: grid("gs", "b")})
    assert found.counts
    assert found.completes == (str(first), str(second))


def test_a_live_answer_is_never_completed_by_files():
    before = held(grid("g", "ab"))
    assert not judged(grid("g", "a"), before, is_live=True, companions={ExtractId(NEW): grid("g", "b")}).counts


some_cells = st.frozensets(
    st.tuples(
        st.sampled_from(["pce", "pce_per_capita"]), st.sampled_from("gst"), st.sampled_from("abc"), st.integers(1, 4)
    )
)


@given(some_cells)
def test_blocks_hold_exactly_the_cells_they_were_made_of(rows):
    frame = pl.DataFrame(sorted(rows), schema=CELL_SCHEMA, orient="row")
    blocks = blocks_of(frame)
    assert sorted(cells_of(blocks).iter_rows()) == sorted(rows)
    assert blocks_of(cells_of(blocks)) == blocks
    assert blocks_of(frame.reverse()) == blocks
    assert all(block.categories and block.areas and block.years for block in blocks)


@given(some_cells, some_cells, some_cells)
def test_what_lacks_is_held_and_not_there_and_not_moved(one, other, elsewhere):
    frames = [pl.DataFrame(sorted(rows), schema=CELL_SCHEMA, orient="row") for rows in (one, other, elsewhere)]
    lines = {row[:2] for row in other}
    expected = {row for row in one - other if row[:2] in lines or row not in elsewhere}
    assert set(lacking(*frames).iter_rows()) == expected


def test_a_whole_table_is_one_block():
    assert blocks_of(grid("gs", "ab")) == (Block(measure="pce", categories=("g", "s"), areas=("a", "b"), years=YEARS),)
    assert blocks_of(NOTHING) == ()


def test_cells_are_told_in_words_that_stay_short():
    assert in_words(NOTHING) == "no cell"
    many = cells(*((f"c{number}", f"{number:05d}", 2000 + number) for number in range(0, 12, 2)))
    assert in_words(many) == "6 cells of pce: 6 categories, 6 areas, 2000, 2002, 2004, 2006, 2008, 2010"
    assert in_words(many.head(0)) == "no cell"
    assert list(CELL) == list(CELL_SCHEMA)
