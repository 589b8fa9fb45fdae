"""One small record says which Iceberg tables are behind: it may say so too often, and never too seldom."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.iceberg.glue import Glue
from pce_pipeline.lake.iceberg.places import IcebergPlace
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.pointer import WHOLE, NewPartition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import Store
from pce_pipeline.open_tables.ledger import Entry, read_ledger, tables_behind
from pce_pipeline.open_tables.projecting import Opened, open_tables
from pce_pipeline.tables.dimensions import DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.registry import load_registry
from pce_pipeline_tests.alerts.aws import environment
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend

REGISTRY = load_registry("smoke", None)
AREAS, CATEGORIES = DIM_GEOGRAPHY.name, DIM_CATEGORY.name
LEDGER = "local/iceberg/sample/_projected.json"


class SmallLake(Lake):
    """A lake in a folder whose reads and writes are listed, and which may die."""

    def __init__(self, folder: Path, dies_after: int | None = None) -> None:
        super().__init__(str(folder), Layout("local", "sample"))
        self.backend = ObservedBackend(DirectoryBackend(folder), dies_after=dies_after)
        self.__dict__["store"] = Store(self.backend)

    def publish(self, area: str) -> None:
        """Publish the dimension of areas with one row."""
        columns = [
            pl.lit(area if column.dtype == pl.String else None, column.dtype).alias(column.name)
            for column in DIM_GEOGRAPHY.columns
        ]
        rows = pl.select(columns)
        self.table(DIM_GEOGRAPHY).publish([NewPartition(WHOLE, {"part-000.parquet": rows}, {}, "1")], run_id="r")

    def open(self, glue: Glue | None = None, *, rebuild: bool = False) -> Opened:
        return open_tables(self, REGISTRY, {}, run_id="r", glue=glue, rebuild=rebuild)

    def behind(self, glue: str | None = None) -> dict[str, datetime | None]:
        published = {each.name: self.table(each).latest() for each in REGISTRY.tables}
        self.backend.reads.clear()
        return tables_behind(self, REGISTRY, {}, published, glue=glue)

    @property
    def is_open(self) -> bool:
        """Whether the Iceberg table of areas is made of the files that are published."""
        return self.open().tables[AREAS].outcome == "unchanged"


def test_what_is_behind_is_known_from_one_small_read(tmp_path: Path) -> None:
    lake = SmallLake(tmp_path)
    assert lake.behind() == {}
    lake.publish("Alabama")
    assert lake.behind() == {AREAS: None}
    lake.open()
    assert lake.behind() == {}
    assert lake.backend.reads == [LEDGER]
    assert read_ledger(lake).made_of
    lake.publish("Alaska")
    assert lake.behind() == {AREAS: None}


def test_where_nothing_changed_nothing_is_recorded_again(tmp_path: Path) -> None:
    lake = SmallLake(tmp_path)
    lake.publish("Alabama")
    lake.open()
    lake.backend.writes.clear()
    lake.open()
    assert lake.backend.writes == []


def test_a_projection_killed_at_any_write_is_behind_or_done(tmp_path: Path) -> None:
    for survived in range(30):
        lake = SmallLake(tmp_path / str(survived))
        lake.publish("Alabama")
        lake.open()
        lake.publish("Alaska")
        try:
            SmallLake(tmp_path / str(survived), dies_after=survived).open()
        except Killed:
            assert lake.behind() == {AREAS: None}
        else:
            assert survived >= 5
            assert lake.behind() == {}
            return
        lake.open()
        assert lake.behind() == {}
        assert lake.is_open
    raise AssertionError


def test_a_table_that_went_there_and_back_is_not_taken_for_done(tmp_path: Path) -> None:
    """Killed after the commit, and then what was published before is published again: only the record could tell."""
    for survived in range(30):
        lake = SmallLake(tmp_path / str(survived))
        lake.publish("Alabama")
        lake.open()
        lake.publish("Alaska")
        dying = SmallLake(tmp_path / str(survived), dies_after=survived)
        try:
            dying.open()
        except Killed:
            lake.publish("Alabama")
            assert lake.behind() == {AREAS: None} or lake.is_open
        else:
            return
    raise AssertionError


def test_tables_that_glue_was_not_told_of_are_behind(tmp_path: Path) -> None:
    lake = SmallLake(tmp_path)
    lake.publish("Alabama")
    lake.open()
    assert lake.behind(glue="pce_test") == {AREAS: None}
    # there is no service at this address
    with environment("http://127.0.0.1:9"):
        failed = lake.open(Glue("pce_test"))
    assert list(failed.failed) == [AREAS]
    assert isinstance(lake.behind(glue="pce_test")[AREAS], datetime)


def test_what_could_not_be_brought_in_line_is_told_with_when_it_was_tried(tmp_path: Path) -> None:
    lake = SmallLake(tmp_path)
    lake.publish("Alabama")
    lake.open()
    place = IcebergPlace.of(lake, DIM_GEOGRAPHY)
    lake.store.put(place.metadata_key(1), b"{")
    lake.publish("Alaska")
    began = datetime.now(UTC)
    assert list(lake.open().failed) == [AREAS]
    assert read_ledger(lake).made_of == ""
    tried = lake.behind()[AREAS]
    assert tried is not None
    assert tried >= began
    lake.publish("Arizona")
    assert lake.behind() == {AREAS: None}
    lake.open(rebuild=True)
    assert lake.behind() == {}


@pytest.mark.parametrize("body", [None, b"", b"{}", b"nonsense"])
def test_a_record_that_is_lost_costs_a_look_and_nothing_else(tmp_path: Path, body: bytes | None) -> None:
    lake = SmallLake(tmp_path)
    lake.publish("Alabama")
    lake.open()
    if body is None:
        lake.store.delete_many([LEDGER])
    else:
        lake.store.put(LEDGER, body)
    assert lake.behind() == {AREAS: None}
    assert lake.open().tables[AREAS].outcome == "unchanged"
    assert lake.behind() == {}


def test_a_lake_that_was_moved_is_behind(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    lake = SmallLake(here)
    lake.publish("Alabama")
    lake.open()
    here.rename(there)
    moved = SmallLake(there)
    assert moved.behind() == {AREAS: None}
    moved.open()
    assert moved.behind() == {}


IN_LINE = Entry(digest="a", tags=("extract-1", "release-1"), glue="pce")


@pytest.mark.parametrize(
    ("change", "in_line"),
    [
        (lambda: Entry(digest="a", tags=("extract-1",), glue="pce"), True),
        (lambda: Entry(digest="a", tags=(), glue=""), True),
        (lambda: Entry(digest="b", tags=("extract-1",), glue="pce"), False),
        (lambda: Entry(digest="a", tags=("extract-2",), glue="pce"), False),
        (lambda: Entry(digest="a", tags=("extract-1",), glue="other"), False),
    ],
)
def test_a_table_is_in_line_with_its_files_all_its_tags_and_its_glue(
    change: Callable[[], Entry], *, in_line: bool
) -> None:
    assert IN_LINE.is_in_line(change()) is in_line


def test_the_record_names_the_tables_that_were_looked_at(tmp_path: Path) -> None:
    lake = SmallLake(tmp_path)
    lake.publish("Alabama")
    lake.open()
    entries = read_ledger(lake).tables
    assert {AREAS, CATEGORIES} <= entries.keys() == {each.name for each in REGISTRY.tables}
