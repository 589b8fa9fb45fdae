"""Random histories of whole and partial extracts, live and from files, in any order: nothing published is lost."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.deciding import plan_drop, plan_undo, plan_use
from pce_pipeline.bronze.errors import DecisionRefused
from pce_pipeline.bronze.extract import next_extract_id, note_unchanged, places, prepare, publish
from pce_pipeline.bronze.feeds import Gathered
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.judgement import judged_before, statements
from pce_pipeline.bronze.manifest import ObjectEntry
from pce_pipeline.bronze.scope import CELL
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.examples import examples

YEARS = (2019, 2020, 2021, 2022)
AREAS = ("00000", "01000", "02000")
LINES = {"SAPCE1": (1, 2, 13), "SAPCE2": (1, 2), "SAPCE3": (1, 2)}
TODAY = datetime.now(UTC).date()
RELEASES = tuple(TODAY - timedelta(days=days) for days in (900, 500, 200, 3))


def small_catalog() -> Dataset:
    """Three tables of a few lines, areas and years; SAPCE3 repeats two lines of SAPCE1."""
    full = PCE_STATE
    wanted = pl.any_horizontal(
        (pl.col("bea_table") == table) & pl.col("line_code").is_in(lines) for table, lines in LINES.items()
    )
    return replace(
        full,
        first_year=YEARS[0],
        tables={table: full.tables[table] for table in LINES},
        lines=full.lines.filter(wanted),
        areas=full.areas.filter(pl.col("geo_fips").is_in(AREAS)),
    )


CATALOG = small_catalog()
TEXTS = {
    (table, line): (text, unit)
    for table, line, text, unit in CATALOG.lines.select("bea_table", "line_code", "description", "unit").iter_rows()
}


@dataclass(frozen=True)
class Part:
    """What an extract holds of one table: of a release, without some lines, areas and years, with some empty cells."""

    table: str
    release: int
    lines: frozenset[int]
    areas: frozenset[str]
    years: frozenset[int]
    blanks: frozenset[tuple[str, int]]
    off_by: int = 0

    def csv(self) -> list[str]:
        years = sorted(self.years)
        rows = [
            f' "{area}","Somewhere", ,{self.table},{line},"...","{TEXTS[self.table, line][0]}","'
            f'{TEXTS[self.table, line][1]}",' + ",".join(self._value(line, area, year) for year in years)
            for area in sorted(self.areas)
            for line in sorted(self.lines)
        ]
        day = RELEASES[self.release]
        head = "GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit"
        return [
            ",".join([head, *map(str, years)]),
            *rows,
            '"Note: See the included footnote file."',
            f'"Last updated: {day:%B} {day.day}, {day.year}"',
        ]

    def _value(self, line: int, area: str, year: int) -> str:
        if (area, year) in self.blanks:
            return ""
        if line != 1 and area == "02000" and year == YEARS[0]:
            return "(D)"
        value = line * 1000 + int(area) // 1000 * 10 + year - 2000 + self.release * 100 + self.off_by
        return f"{value}.5" if self.table != "SAPCE2" else str(value)


@dataclass(frozen=True)
class Live:
    """BEA answers with these parts."""

    parts: tuple[Part, ...]

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        entries: dict[str, ObjectEntry] = {}
        for part in self.parts:
            if part.table in tables:
                name, body = f"{part.table}.csv", "\r\n".join(part.csv()).encode()
                bronze.stage(extract, name, body)
                entries[name] = ObjectEntry(
                    key=name, tables=(part.table,), line=None, endpoint="bea", parameters={}, sha256=sha256_of(body),
                    extracted_at=datetime.now(UTC), bytes=len(body), rows=0, last_updated=None,
                )  # fmt: skip
        return Gathered("bulk", entries)


@dataclass(frozen=True)
class FromFile:
    """Somebody imports a file of one part, for its own day or for another one."""

    part: Part
    asked: date | None


@dataclass(frozen=True)
class Decide:
    """Somebody decides about one of the extracts that are held."""

    kind: str
    which: int


some_lines = {table: st.frozensets(st.sampled_from(lines), min_size=1) for table, lines in LINES.items()}
some_blanks = st.frozensets(st.tuples(st.sampled_from(AREAS), st.sampled_from(YEARS)), max_size=2)


@st.composite
def parts(draw: st.DrawFn, table: str, *, whole: bool) -> Part:
    """A part of a table; whole in most cases if it is to be."""
    release = draw(st.integers(0, len(RELEASES) - 1))
    cut = not whole or draw(st.integers(0, 3)) == 0
    return Part(
        table=table,
        release=release,
        lines=draw(some_lines[table]) if cut else frozenset(LINES[table]),
        areas=draw(st.frozensets(st.sampled_from(AREAS), min_size=1)) if cut else frozenset(AREAS),
        years=draw(st.frozensets(st.sampled_from(YEARS), min_size=1)) if cut else frozenset(YEARS[: 1 + release]),
        blanks=draw(some_blanks) if not whole and cut else frozenset(),
        off_by=draw(st.sampled_from([0, 0, 0, 1])),
    )


@st.composite
def live_answers(draw: st.DrawFn) -> Live:
    tables = draw(st.lists(st.sampled_from(list(LINES)), min_size=1, unique=True))
    return Live(tuple(draw(parts(table, whole=True)) for table in tables))


arrivals = st.one_of(
    live_answers(),
    st.builds(
        FromFile,
        st.sampled_from(list(LINES)).flatmap(lambda table: st.booleans().flatmap(lambda w: parts(table, whole=w))),
        st.sampled_from([None, None, TODAY, TODAY - timedelta(days=100)]),
    ),
)
decisions = st.builds(Decide, st.sampled_from(["over", "instead", "undo", "drop", "pin", "unpin"]), st.integers(0, 20))


class History:
    """One lake, and what is published from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bronze = BronzeStore(Store(DirectoryBackend(folder / "lake")), Layout("local", "bea"), "pce_state")

    @property
    def now(self) -> Current:
        return current(self.bronze, CATALOG)

    def published(self) -> dict[tuple[object, ...], tuple[object, object]]:
        """What is published of each cell that says anything: measure, category, area and year to value and status."""
        made_of = {table: source.vintage.extracts for table, source in self.now.sources.items()}
        content = read_extracts(self.bronze, made_of, self.bronze.manifests(), CATALOG)
        # as in the facts: of tables that publish the same quantity the first one counts
        said = pl.concat([statements(content.cells, CATALOG, table) for table in reversed(LINES)])
        return {row[:4]: row[4:] for row in said.select(*CELL, "value", "status").iter_rows()}

    def verdicts(self) -> Mapping[tuple[str, str], object]:
        now = self.now
        return {
            (str(extract), table): (now.manifests[extract].verdicts or {})[table]
            for extract in now.manifests
            for table in now.manifests[extract].tables
        }

    def arrive(self, arrival: Live | FromFile) -> list[str]:
        """The tables that count by it, by the code that the asset runs; files without a place are refused."""
        if isinstance(arrival, Live):
            feed: Live | FileFeed = arrival
            where = [(TODAY, [part.table for part in arrival.parts])]
        else:
            path = self.folder / "received.csv"
            path.write_text("\r\n".join(arrival.part.csv()))
            feed = FileFeed([path], [CATALOG])
            where = [(each.day, list(each.tables)) for each in places(feed, list(LINES), arrival.asked, self.now)]
        counting = []
        for day, tables in where:
            extract = next_extract_id(self.bronze, day)
            try:
                prepared = prepare(self.bronze, feed, CATALOG, extract, tables, world="bea", run_id="a-run")
            except UsageError:
                continue
            verdicts = prepared.manifest.verdicts or {}
            counting += [table for table in prepared.changed if verdicts[table].counts]
            if prepared.changed:
                publish(self.bronze, prepared)
            else:
                note_unchanged(self.bronze, prepared)
        return counting

    def decide(self, decision: Decide) -> None:
        now = self.now
        if not now.manifests:
            return
        extract = list(now.manifests)[decision.which % len(now.manifests)]
        at = datetime.now(UTC)
        try:
            match decision.kind:
                case "over":
                    planned = plan_use(self.bronze, CATALOG, now, extract, "over", why="a test", at=at)
                case "instead":
                    planned = plan_use(self.bronze, CATALOG, now, extract, "instead", why="a test", at=at)
                case "undo":
                    planned = plan_undo(now, extract, why="a test", at=at)
                case "drop":
                    planned = plan_drop(self.bronze, CATALOG, now, extract, why="a test", at=at)
                case "pin":
                    self.bronze.write_pin(extract, now=at, reason="a test")
                    return
                case _:
                    self.bronze.clear_pin(now=at)
                    return
        except DecisionRefused:
            return
        before = self.published()
        self.bronze.decisions.add(planned.decision)
        self._loses_what_was_said(before, planned.loses)

    def _loses_what_was_said(
        self, before: Mapping[tuple[object, ...], object], loses: Mapping[str, pl.DataFrame]
    ) -> None:
        """Whatever a decision takes away was spelled out; a cell that another table still publishes is not lost."""
        gone = before.keys() - self.published().keys()
        said = {row for cells in loses.values() for row in cells.select(CELL).iter_rows()}
        assert gone <= said


@contextmanager
def history() -> Iterator[History]:
    with tempfile.TemporaryDirectory() as folder:
        yield History(Path(folder))


slow = settings(max_examples=examples(8), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(st.lists(arrivals, min_size=2, max_size=7))
def test_no_arrival_takes_a_published_cell_away_or_changes_a_verdict(events: list[Live | FromFile]) -> None:
    with history() as lake:
        for event in events:
            before, verdicts = lake.published(), lake.verdicts()
            counting = lake.arrive(event)
            after = lake.published()
            assert before.keys() <= after.keys()
            if not counting:
                assert after == before
            assert {key: lake.verdicts()[key] for key in verdicts} == verdicts


@slow
@given(st.lists(st.one_of(arrivals, decisions), min_size=3, max_size=9))
def test_only_a_recorded_decision_takes_a_published_cell_away(events: list[Live | FromFile | Decide]) -> None:
    with history() as lake:
        for event in events:
            if isinstance(event, Decide):
                lake.decide(event)
                continue
            before = lake.published()
            lake.arrive(event)
            assert before.keys() <= lake.published().keys()


@slow
@given(st.lists(arrivals, min_size=1, max_size=6))
def test_a_lake_of_before_is_judged_as_it_would_have_been_on_arrival(events: list[Live | FromFile]) -> None:
    with history() as lake:
        for event in events:
            lake.arrive(event)
        now = lake.now
        of_before = {
            extract: msgspec.structs.replace(
                manifest,
                verdicts=None,
                tables={table: msgspec.structs.replace(entry, holds=None) for table, entry in manifest.tables.items()},
            )
            for extract, manifest in now.manifests.items()
        }
        judged = judged_before(lake.bronze, CATALOG, of_before)
        assert {extract: manifest.verdicts for extract, manifest in judged.items()} == {
            extract: manifest.verdicts for extract, manifest in now.manifests.items()
        }
        assert {extract: manifest.tables for extract, manifest in judged.items()} == {
            extract: manifest.tables for extract, manifest in now.manifests.items()
        }
        assert lake.bronze.manifests() == now.manifests
