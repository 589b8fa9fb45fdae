"""What arrives is held against what the lake held before it: what equals, covers, completes or contradicts that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pce_pipeline.bronze.counting import Layer, Vintage
from pce_pipeline.bronze.decisions import Decision
from pce_pipeline.bronze.judgement import (
    Judge,
    Judged,
    content_of,
    holds_of,
    is_complete,
    judged_before,
    meanings,
    missing_of_catalogue,
    refusal,
    refusals,
    spoken_of,
    statements,
    verdict,
    whole_table,
)
from pce_pipeline.bronze.manifest import Manifest, ObjectEntry, TableEntry
from pce_pipeline.bronze.reading import Content, read_content
from pce_pipeline.bronze.scope import CELL, blocks_of, cells_of, without
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.lake.backends import Backend, DirectoryBackend
from pce_pipeline.lake.errors import LakeAccessDenied
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.bronze.test_histories import AREAS, CATALOG, TEXTS
from pce_pipeline_tests.lake.observed_backend import ObservedBackend

OLD, NEW = date(2021, 10, 3), date(2022, 10, 3)
FIRST, SECOND, THIRD, FOURTH, FIFTH = (ExtractId(date(2023, month, 1)) for month in range(1, 6))
NOON = datetime(2023, 6, 1, 12, tzinfo=UTC)
US, ALABAMA, ALASKA = AREAS


@dataclass(frozen=True)
class Part:
    """What a file or an answer says of one table; its figures are the same in all releases unless `cells` say."""

    release: date | None = OLD
    table: str = "SAPCE1"
    lines: Sequence[int] = (1, 2)
    areas: Sequence[str] = AREAS
    years: Sequence[int] = (2019, 2020)
    cells: Mapping[tuple[int, str, int], str] = field(default_factory=dict)
    more: str = ""
    """The name of a column that is news."""

    def body(self) -> bytes:
        head = "GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit"
        more = [self.more] if self.more else []
        rows = [",".join([head, *map(str, self.years), *more])]
        for area in self.areas:
            for line in self.lines:
                text, unit = TEXTS[self.table, line]
                values = [self.cells.get((line, area, year), f"{line}{area}{year}.5") for year in self.years]
                start = f' "{area}","Somewhere", ,{self.table},{line},"...","{text}","{unit}"'
                rows.append(",".join([start, *values, *more]))
        if self.release is not None:
            rows.append(f'"Last updated: {self.release:%B} {self.release.day}, {self.release.year}"')
        return "\r\n".join(rows).encode()


def read(*parts: Part, is_live: bool = False) -> tuple[Content, list[tuple[ObjectEntry, bytes]]]:
    objects = [
        (
            ObjectEntry(
                key=f"{part.table}.csv",
                tables=(part.table,),
                line=None,
                endpoint="",
                parameters={},
                extracted_at=NOON,
                sha256=sha256_of(part.body()),
                bytes=len(part.body()),
                rows=0,
                last_updated=None,
            ),
            part.body(),
        )
        for part in parts
    ]
    tables = [part.table for part in parts]
    return read_content(objects, tables, CATALOG, is_live=is_live, tolerate_unknown=True), objects


def content(*parts: Part) -> Content:
    return read(*parts)[0]


class Shelf:
    """The extracts of one lake, and what becomes of those that arrive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bronze = self.through(DirectoryBackend(folder))
        self.manifests: dict[ExtractId, Manifest] = {}
        self.decisions: list[Decision] = []

    def through(self, backend: Backend) -> BronzeStore:
        return BronzeStore(Store(backend), Layout("local", "bea"), "pce_state")

    @property
    def judge(self) -> Judge:
        return Judge(self.bronze, CATALOG, self.manifests, self.decisions)

    def tables(
        self, extract: ExtractId, *parts: Part, live: bool = False, problems: Mapping[str, str] | None = None
    ) -> dict[str, Judged]:
        manifest, said, _ = self._arriving(extract, parts, live=live)
        return self.judge.tables(manifest, said, problems or {})

    def judged(self, extract: ExtractId, part: Part, *, live: bool = False, problem: str | None = None) -> Judged:
        return self.tables(extract, part, live=live, problems={part.table: problem} if problem else None)[part.table]

    def keep(self, extract: ExtractId, *parts: Part, live: bool = False) -> dict[str, Judged]:
        """Publish an extract, whatever became of it."""
        manifest, said, bodies = self._arriving(extract, parts, live=live)
        judged = self.judge.tables(manifest, said, {})
        manifest = msgspec.structs.replace(manifest, verdicts={name: each.verdict for name, each in judged.items()})
        self.bronze.publish(extract, manifest, bodies)
        self.manifests[extract] = manifest
        return judged

    def drop(self, extract: ExtractId) -> None:
        self.decisions.append(Decision(kind="drop", extract=str(extract), why="wrong", decided_at=NOON))

    def damage(self, extract: ExtractId) -> None:
        for path in self.folder.rglob(f"{extract}/*.csv"):
            path.write_bytes(b"rot")

    def of_before(self, *, at: Mapping[ExtractId, datetime] | None = None) -> dict[ExtractId, Manifest]:
        """The manifests as a version wrote them that recorded neither cells nor verdicts, the newest first."""
        return {
            extract: msgspec.structs.replace(
                manifest,
                verdicts=None,
                ingested_at=(at or {}).get(extract, NOON),
                tables={name: msgspec.structs.replace(entry, holds=None) for name, entry in manifest.tables.items()},
            )
            for extract, manifest in sorted(self.manifests.items(), reverse=True)
        }

    def _arriving(
        self, extract: ExtractId, parts: Sequence[Part], *, live: bool
    ) -> tuple[Manifest, Content, dict[str, bytes]]:
        said, objects = read(*parts, is_live=live)
        manifest = Manifest(
            dataset="pce_state",
            world="bea",
            extract_date=str(extract),
            ingested_at=NOON + timedelta(minutes=len(self.manifests)),
            origin="bulk" if live else "file",
            run_id="a-run",
            code_version="1",
            scope={part.table: tuple(CATALOG.line_codes(part.table)) for part in parts},
            tables={
                name: msgspec.structs.replace(entry, holds=holds_of(said, CATALOG, name))
                for name, entry in said.tables.items()
            },
            objects=tuple(entry for entry, _ in objects),
            content_sha256="",
        )
        return manifest, said, {entry.key: body for entry, body in objects}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def rows(frame: pl.DataFrame) -> set[tuple[object, ...]]:
    assert frame.is_unique().all()
    return set(frame.iter_rows())


def test_a_line_means_its_category_and_the_measure_of_its_table():
    assert meanings(CATALOG, "SAPCE2").rows() == [
        ("SAPCE2", 1, "pce_per_capita", "product.pce"),
        ("SAPCE2", 2, "pce_per_capita", "product.goods"),
    ]
    assert meanings(CATALOG)["bea_table"].unique().sort().to_list() == ["SAPCE1", "SAPCE2", "SAPCE3"]


def test_every_cell_of_a_table_that_is_not_empty_says_something_and_an_unread_one_its_text():
    cells = {(1, US, 2019): "", (2, US, 2019): "perhaps", (1, US, 2020): "(D)"}
    said = content(Part(areas=(US, "72000"), cells=cells), Part(table="SAPCE2"))
    assert rows(statements(said.cells, CATALOG, "SAPCE1").with_columns(pl.col("value").cast(pl.Float64))) == {
        ("pce", "product.pce", US, 2020, None, "suppressed", None),
        ("pce", "product.goods", US, 2019, None, "quarantined", "perhaps"),
        ("pce", "product.goods", US, 2020, 2000002020.5, "reported", None),
    }


def test_a_whole_table_is_every_line_in_every_area_and_year():
    cells = whole_table(CATALOG, "SAPCE2", (2020, 2019))
    assert cells.columns == list(CELL)
    assert rows(cells) == {
        ("pce_per_capita", category, area, year)
        for category in ("product.pce", "product.goods")
        for area in AREAS
        for year in (2019, 2020)
    }


def layer(cells: pl.DataFrame, *, live: bool = False) -> Layer:
    years = dict.fromkeys(cells["year"].unique(), "")
    entry = TableEntry(
        last_updated=OLD, note="", rows=0, lines=(), years=years, content_sha256="", holds=blocks_of(cells)
    )
    return Layer(FIRST, entry, live)


def vintage(*layers: Layer, table: str = "SAPCE1", decided: Decision | None = None) -> Vintage:
    return Vintage(table, FIRST, layers, decided)


WHOLE = whole_table(CATALOG, "SAPCE1", (2019, 2020, 2021))
ONE = WHOLE.filter(geo_fips=ALASKA, year=2020, category_id="product.goods")
NEWEST = WHOLE.filter(geo_fips=ALASKA, year=2021)
MIDDLE = WHOLE.filter(year=2020)


@pytest.mark.parametrize("lacks", [WHOLE.clear(), WHOLE.filter(year=2021)])
def test_files_are_complete_if_they_hold_every_cell_up_to_their_newest_year(lacks):
    assert is_complete(vintage(layer(without(WHOLE, lacks))), CATALOG)
    assert is_complete(vintage(layer(without(without(WHOLE, lacks), ONE)), layer(ONE)), CATALOG)


@pytest.mark.parametrize("lacks", [ONE, NEWEST, MIDDLE])
def test_files_are_not_complete_if_they_lack_a_cell_of_a_year_up_to_their_newest(lacks):
    found = vintage(layer(without(WHOLE, lacks)))
    assert not is_complete(found, CATALOG)
    assert rows(missing_of_catalogue(found, CATALOG)) == rows(lacks)


def test_what_bea_answered_is_complete_whatever_it_lacks():
    assert is_complete(vintage(layer(ONE, live=True)), CATALOG)
    assert is_complete(vintage(layer(ONE, live=True), layer(NEWEST)), CATALOG)
    assert is_complete(vintage(layer(ONE), table="SAPCE9"), CATALOG)


def test_an_answer_speaks_of_the_whole_table_and_a_file_or_a_decision_of_the_cells_it_holds():
    held = [layer(ONE, live=True), layer(NEWEST)]
    chosen = Decision(kind="over", extract=str(FIRST), why="", decided_at=NOON)
    year_of_one = {("SAPCE1", 2, "pce", "product.goods", ALASKA, 2020)}
    for answered in (vintage(held[0]), vintage(*held)):
        speaks = spoken_of(answered, CATALOG, (2020, 2021))
        assert set(speaks["year"]) == set(answered.years)
        assert speaks.filter(year=2020).height == MIDDLE.height
    for limited in (vintage(layer(ONE)), vintage(*held, decided=chosen)):
        assert rows(spoken_of(limited, CATALOG, (2020,))) == year_of_one
        assert spoken_of(limited, CATALOG, (2018, 2022)).is_empty()


DAY = date(2021, 6, 1)


@pytest.mark.parametrize(
    ("years", "wrong"), [((2019, 2021), ""), ((2018, 2019), "2018"), ((2021, 2023, 2022), "2022, 2023")]
)
def test_years_before_the_first_and_after_the_day_cannot_be(years, wrong):
    said = f"SAPCE1 has figures of {wrong}; on {DAY} BEA could have published 2019 to 2021."
    assert refusal(content(Part(years=years)), "SAPCE1", CATALOG, DAY) == (said if wrong else None)


def test_a_table_that_changed_its_meaning_is_refused_and_no_other():
    said = content(Part(), Part(table="SAPCE2"))
    of_two = pl.when(pl.col("bea_table") == "SAPCE2").then(pl.lit("Guns")).otherwise("description")
    changed = replace(said, lines=said.lines.with_columns(description=of_two))
    (problem,) = refusals(changed, CATALOG, DAY).items()
    assert problem[0] == "SAPCE2"
    assert problem[1].startswith("SAPCE2 has changed: line 1 was pinned as")
    assert refusal(changed, "SAPCE1", CATALOG, DAY) is None


STRANGE = tuple(f"7200{number}" for number in range(8))


@pytest.mark.parametrize(
    ("areas", "said"),
    [
        ((US, STRANGE[0]), None),
        (
            (US, *STRANGE[:2]),
            f"4 of 6 rows of SAPCE1 are of areas that the catalogue does not hold: {', '.join(STRANGE[:2])}.",
        ),
        (STRANGE, f"16 of 16 rows of SAPCE1 are of areas that the catalogue does not hold: {', '.join(STRANGE[:6])}."),
    ],
)
def test_a_table_of_which_more_than_half_is_of_unknown_areas_is_refused(areas, said):
    assert refusal(content(Part(lines=(1,), areas=areas)), "SAPCE1", CATALOG, DAY) == said


TEXTS_OF_NOBODY = [f"about {number}" for number in "7132546"]


@pytest.mark.parametrize(
    ("unread", "said"),
    [
        (TEXTS_OF_NOBODY[:4], None),
        (TEXTS_OF_NOBODY[:5], "5 of 8 cells of SAPCE1 are neither numbers nor known codes: "),
        (TEXTS_OF_NOBODY, "7 of 8 cells of SAPCE1 are neither numbers nor known codes: "),
    ],
)
def test_a_table_of_which_more_than_half_cannot_be_read_is_refused(unread, said):
    places = [(line, US, year) for line in (1, 2, 13) for year in (2019, 2020, 2021)]
    part = Part(lines=(1, 2, 13), areas=(US,), years=(2019, 2020, 2021), cells=dict(zip(places, unread, strict=False)))
    read_so = content(part)
    eight = replace(read_so, cells=read_so.cells.filter((pl.col("line_code") < 13) | (pl.col("year") < 2021)))
    found = refusal(eight, "SAPCE1", CATALOG, DAY)
    assert found == (said and said + ", ".join(map(repr, unread[:6])) + ".")


def test_a_key_that_is_there_twice_is_refused_and_the_first_one_is_named():
    said = content(Part(lines=(1,)))
    again = said.cells.filter(pl.col("geo_fips") != US)
    twice = replace(said, cells=pl.concat([said.cells, again.reverse()]))
    assert refusal(twice, "SAPCE1", CATALOG, DAY) == f"SAPCE1 line 1, area {ALABAMA}, 2019 is there more than once."


def test_releases_that_are_not_known_are_not_compared():
    cells = whole_table(CATALOG, "SAPCE1", (2019,))
    before = vintage(layer(cells))
    unknown = vintage(
        replace(layer(cells, live=True), entry=msgspec.structs.replace(layer(cells).entry, last_updated=None))
    )
    nothing = cells.clear()
    for release, held in ((None, before), (OLD, unknown), (OLD, before)):
        found = verdict(
            cells, is_live=False, release=release, before=held, elsewhere=nothing, companions={}, at_times=nothing
        )
        assert (found.counts, found.why) == (True, f"it covers every cell of {FIRST}")


def test_an_extract_follows_the_last_vintage_before_it_and_never_itself(shelf):
    for extract, figure in ((FIRST, "1"), (SECOND, "2"), (THIRD, "3")):
        shelf.keep(extract, Part(cells={(1, US, 2019): figure}), live=True)
    found = [shelf.judge.before("SAPCE1", extract) for extract in (FIRST, SECOND, THIRD, FOURTH)]
    assert [each and each.at for each in found] == [None, FIRST, SECOND, THIRD]


@pytest.mark.parametrize("live", [True, False])
def test_what_says_the_same_as_what_counts_equals_it(shelf, live):
    assert shelf.keep(FIRST, Part(), live=True)["SAPCE1"].equals is None
    found = shelf.judged(SECOND, Part(), live=live)
    assert (found.verdict.counts, found.verdict.follows, found.equals) == (True, str(FIRST), FIRST)
    assert found.verdict.why == f"it equals {FIRST}"


@pytest.mark.parametrize("live", [True, False])
def test_what_silver_cannot_read_does_not_count_even_if_it_equals_what_does(shelf, live):
    alone = shelf.judged(FIRST, Part(), live=live, problem="It is wrong.")
    assert (alone.verdict.counts, alone.verdict.usable, alone.verdict.follows) == (False, False, None)
    assert (alone.verdict.why, alone.equals) == ("It is wrong", None)
    shelf.keep(FIRST, Part(), live=True)
    found = shelf.judged(SECOND, Part(), live=live, problem="It is wrong.")
    assert (found.verdict.counts, found.verdict.usable, found.verdict.follows) == (False, False, str(FIRST))
    assert found.equals == FIRST


MOVED = [Part(NEW, lines=(1,)), Part(NEW, table="SAPCE3", lines=(2,))]


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    ("parts", "problems", "counts"),
    [
        (MOVED, {}, True),
        (MOVED, {"SAPCE3": "It is wrong."}, False),
        ([MOVED[0], replace(MOVED[1], release=OLD)], {}, False),
        ([MOVED[0], replace(MOVED[1], areas=(US,))], {}, False),
    ],
)
def test_a_line_moved_if_a_table_of_the_same_extract_and_release_holds_it_and_counts(
    shelf, parts, problems, counts, live
):
    shelf.keep(FIRST, Part(), live=True)
    found = shelf.tables(SECOND, *parts, live=live, problems=problems)
    assert found["SAPCE1"].verdict.counts is counts
    assert found["SAPCE3"].verdict.counts is not problems.get("SAPCE3", False)


@pytest.mark.parametrize(
    ("release", "other", "other_is_live", "live", "counts"),
    [
        (NEW, NEW, True, True, True),
        (NEW, NEW, True, False, False),
        (NEW, NEW, False, True, False),
        (NEW, OLD, True, True, False),
        (None, None, True, True, False),
    ],
)
def test_a_line_moved_to_another_extract_only_if_bea_gave_both_of_one_release(
    shelf, release, other, other_is_live, live, counts
):
    shelf.keep(FIRST, Part(), live=True)
    shelf.keep(SECOND, Part(other, table="SAPCE3", lines=(2,)), live=other_is_live)
    assert shelf.judged(THIRD, Part(release, lines=(1,)), live=live).verdict.counts is counts


def test_a_table_that_counts_is_not_looked_at_again_for_what_moved(shelf):
    shelf.keep(FIRST, Part(), live=True)
    shelf.keep(SECOND, Part(NEW, lines=(2,)))
    found = shelf.tables(THIRD, *MOVED)["SAPCE1"].verdict
    assert (found.counts, found.completes) == (True, (str(SECOND),))


def test_a_file_equals_the_extract_of_its_release_that_says_all_it_says(shelf):
    shelf.keep(FIRST, Part(), live=True)
    shelf.keep(SECOND, Part(table="SAPCE2"), live=True)
    assert shelf.judged(THIRD, Part(areas=(US,))).equals == FIRST
    assert shelf.judged(THIRD, Part(areas=(US,), cells={(1, US, 2020): "7.0"})).equals is None
    assert shelf.judged(THIRD, Part(areas=(US,), years=(2019, 2020, 2021))).equals is None
    assert shelf.judged(THIRD, Part(NEW, areas=(US,))).equals is None
    assert shelf.judged(THIRD, Part(areas=(US,)), live=True).equals is None


def test_a_file_without_a_date_equals_what_it_follows_if_that_says_all_it_says(shelf):
    assert shelf.judged(FIRST, Part(None)).verdict.counts
    shelf.keep(FIRST, Part(), live=True)
    assert shelf.judged(SECOND, Part(None, areas=(US,))).equals == FIRST
    assert shelf.judged(SECOND, Part(None, areas=(US,), cells={(1, US, 2020): "7.0"})).equals is None


def test_a_file_equals_the_extract_that_says_most_of_it(shelf):
    shelf.keep(FIRST, Part(areas=(US,)))
    shelf.keep(SECOND, Part())
    shelf.keep(THIRD, Part(areas=(ALABAMA,)))
    assert shelf.judged(FOURTH, Part(areas=(US, ALABAMA))).equals == SECOND


def test_a_part_that_is_held_already_equals_it_although_others_came_since(shelf):
    shelf.keep(FIRST, Part(), live=True)
    shelf.keep(SECOND, Part(NEW, areas=(US,)))
    shelf.keep(THIRD, Part(NEW, areas=(ALABAMA,)))
    found = shelf.judged(FOURTH, Part(NEW, areas=(US,)))
    assert (found.verdict.counts, found.equals) == (False, SECOND)


def test_the_same_file_of_an_earlier_day_is_kept_because_it_tells_since_when_its_figures_are_known(shelf):
    shelf.keep(SECOND, Part())
    assert shelf.judged(FIRST, Part()).equals is None
    assert shelf.judged(FIRST, Part(areas=(US,))).equals == SECOND


def test_a_part_is_completed_by_earlier_parts_of_its_release_only(shelf):
    shelf.keep(FIRST, Part(areas=(US, ALABAMA)), live=True)
    shelf.keep(THIRD, Part(NEW, areas=(US,)))
    later = shelf.judged(FOURTH, Part(NEW, areas=(ALABAMA,))).verdict
    assert (later.counts, later.completes) == (True, (str(THIRD),))
    earlier = shelf.judged(SECOND, Part(NEW, areas=(ALABAMA,))).verdict
    assert (earlier.counts, earlier.lacks) == (False, 4)


def test_an_extract_whose_objects_are_damaged_is_not_compared_with(shelf):
    shelf.keep(FIRST, Part())
    shelf.damage(FIRST)
    other = Part(cells={(1, US, 2020): "7.0"})
    found = shelf.judged(SECOND, other)
    assert (found.verdict.counts, found.verdict.contradicts, found.equals) == (True, 0, None)


OTHERWISE = {(1, US, 2020): "7.0", (2, US, 2019): "(D)", (2, ALASKA, 2019): "perhaps"}


def test_a_file_says_in_how_many_cells_it_contradicts_its_own_release(shelf):
    shelf.keep(FIRST, Part(), live=True)
    found = shelf.judged(SECOND, Part(cells=OTHERWISE)).verdict
    assert (found.counts, found.contradicts) == (True, 3)
    assert found.why.endswith(f"and says otherwise in 3 of them although both are of {OLD}")


@pytest.mark.parametrize(
    ("part", "live", "counts"),
    [
        (Part(cells=OTHERWISE), True, True),
        (Part(NEW, cells=OTHERWISE), False, True),
        (Part(areas=(US,), cells=OTHERWISE), False, False),
    ],
)
def test_a_new_answer_or_release_or_what_does_not_count_contradicts_nothing(shelf, part, live, counts):
    shelf.keep(FIRST, Part(), live=True)
    found = shelf.judged(SECOND, part, live=live).verdict
    assert (found.counts, found.contradicts) == (counts, 0)


def test_an_answer_that_does_not_count_equals_the_newest_one_kept_if_that_says_the_same(shelf):
    shelf.keep(FIRST, Part(), live=True)
    for extract, area in ((SECOND, US), (THIRD, ALABAMA), (FOURTH, ALASKA)):
        assert not shelf.keep(extract, Part(areas=(area,)), live=True)["SAPCE1"].verdict.counts
    found = [shelf.judged(FIFTH, Part(areas=(area,)), live=True).equals for area in (US, ALABAMA, ALASKA)]
    assert found == [None, None, FOURTH]


def test_an_answer_that_counts_now_is_kept_although_it_did_not_count_before(shelf):
    shelf.keep(FIRST, Part())
    shelf.keep(SECOND, Part(areas=(US,)), live=True)
    shelf.drop(FIRST)
    found = shelf.judged(THIRD, Part(areas=(US,)), live=True)
    assert (found.verdict.counts, found.equals) == (True, None)


def test_a_dropped_extract_is_not_compared_with(shelf):
    shelf.keep(FIRST, Part())
    shelf.drop(FIRST)
    found = shelf.judged(SECOND, Part(areas=(US,)))
    assert (found.verdict.counts, found.equals) == (True, None)


def test_a_kept_extract_with_a_column_that_is_news_is_compared_with_all_the_same(shelf):
    shelf.keep(FIRST, Part(more="Reliability"), live=True)
    kept = content_of(shelf.bronze, shelf.manifests[FIRST], ["SAPCE1"], CATALOG)
    assert kept.cells.height == 2 * 3 * 2
    assert shelf.judged(SECOND, Part(areas=(US,))).equals == FIRST


def counting(manifests: Mapping[ExtractId, Manifest]) -> dict[ExtractId, bool]:
    return {extract: (each.verdicts or {})["SAPCE1"].counts for extract, each in manifests.items()}


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        ({}, {FIRST: True, SECOND: False}),
        ({FIRST: NOON + timedelta(days=1)}, {FIRST: True, SECOND: True}),
    ],
)
def test_extracts_of_before_are_judged_in_the_order_in_which_they_arrived(shelf, at, counts):
    shelf.keep(FIRST, Part(), live=True)
    shelf.keep(SECOND, Part(NEW, areas=(US,)))
    judged = judged_before(shelf.bronze, CATALOG, shelf.of_before(at=at))
    assert counting(judged) == counts
    assert list(judged) == [SECOND, FIRST]
    assert cells_of(judged[SECOND].tables["SAPCE1"].holds or ()).height == 4


def test_a_verdict_that_was_given_stays_and_those_of_before_are_judged_against_it(shelf):
    shelf.keep(FIRST, Part(), live=True)
    shelf.keep(SECOND, Part(NEW, areas=(US,)), live=True)
    shelf.keep(THIRD, Part(NEW, areas=(ALABAMA,)), live=True)
    mixed = {**shelf.of_before(at={THIRD: NOON + timedelta(days=1)}), FIRST: shelf.manifests[FIRST]}
    judged = judged_before(shelf.bronze, CATALOG, mixed)
    assert judged[FIRST] is shelf.manifests[FIRST]
    assert counting(judged) == {FIRST: True, SECOND: False, THIRD: False}


def test_an_extract_of_before_that_is_damaged_counts_as_it_did_and_those_after_it_are_judged(shelf):
    shelf.keep(FIRST, Part(areas=(US,)), live=True)
    shelf.keep(SECOND, Part(NEW, lines=(1, 2, 13)), live=True)
    shelf.damage(FIRST)
    judged = judged_before(shelf.bronze, CATALOG, shelf.of_before())
    assert counting(judged) == {FIRST: True, SECOND: True}
    assert (judged[FIRST].verdicts or {})["SAPCE1"].why == "its objects cannot be read"
    # nothing is known of its cells, so it is taken to hold the whole table
    assert cells_of(judged[FIRST].tables["SAPCE1"].holds or ()).height == 3 * 3 * 2
    assert [path.parent.name for path in shelf.folder.rglob("scope.json")] == [str(SECOND)]


def test_a_lake_that_may_only_be_read_is_judged_all_the_same(shelf):
    def refuse(operation: str, key: str) -> None:
        raise LakeAccessDenied(key, "read only")

    shelf.keep(FIRST, Part(), live=True)
    read_only = shelf.through(ObservedBackend(DirectoryBackend(shelf.folder), interject=refuse))
    assert counting(judged_before(read_only, CATALOG, shelf.of_before())) == {FIRST: True}
