"""A dimension keeps its earlier versions: each change is one more, with its date, and none of them is pruned."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.earlier import dated_versions, details_of_next
from pce_pipeline.lake.pointer import WHOLE, NewPartition
from pce_pipeline.lake.publication import TableStore
from pce_pipeline.lake.store import Store
from pce_pipeline.tables.table import content_sha256

FIRST = datetime(2026, 2, 23, 12, tzinfo=UTC)

Publish = Callable[..., list[str]]


@pytest.fixture
def areas(tmp_path: Path) -> TableStore:
    return TableStore(Store(DirectoryBackend(tmp_path)), "local/gold/sample/dim_area", "gold/dim_area")


@pytest.fixture
def publish(areas: TableStore) -> Publish:
    """Publish the dimension with one name in it, so many days after the first; the partitions written."""

    def published(name: str, days: int, *, code_version: str = "1") -> list[str]:
        rows, now = pl.DataFrame({"name": [name]}), FIRST + timedelta(days=days)
        details = details_of_next(areas.latest().get(WHOLE), content_sha256(rows), now)
        new = NewPartition(WHOLE, {"part-000.parquet": rows}, inputs={}, code_version=code_version, details=details)
        return areas.publish([new], run_id="a-run", now=now).written

    return published


def versions(areas: TableStore) -> list[tuple[int, str]]:
    """The versions: days since the first one, and the name in it."""
    found = dated_versions(areas.latest()[WHOLE])
    return [((each.since - FIRST).days, name_in(areas.read_version(each.partition))) for each in found]


def name_in(rows: pl.DataFrame | None) -> str:
    assert rows is not None
    return str(rows["name"].item())


def test_each_change_is_one_more_version_with_its_date(areas: TableStore, publish: Publish) -> None:
    publish("Kentucky", 0)
    publish("Kentucky 1/", 3)
    publish("Kentucky", 9)
    assert versions(areas) == [(0, "Kentucky"), (3, "Kentucky 1/"), (9, "Kentucky")]
    assert areas.read().rows() == [("Kentucky",)]


def test_the_same_content_again_adds_no_version(areas: TableStore, publish: Publish) -> None:
    publish("Kentucky", 0)
    before = areas.latest()
    assert publish("Kentucky", 5) == []
    assert areas.latest() == before
    assert versions(areas) == [(0, "Kentucky")]


def test_the_same_content_of_other_code_keeps_its_date(areas: TableStore, publish: Publish) -> None:
    publish("Kentucky", 0)
    publish("Kentucky", 5, code_version="2")
    publish("Ohio", 7)
    assert versions(areas) == [(0, "Kentucky"), (7, "Ohio")]


def test_no_earlier_version_is_pruned(areas: TableStore, publish: Publish) -> None:
    for days, name in enumerate(("Kentucky", "Ohio", "Utah")):
        publish(name, days)
    assert areas.prune(timedelta(0), datetime.now(UTC) + timedelta(days=1)) == []
    assert versions(areas) == [(0, "Kentucky"), (1, "Ohio"), (2, "Utah")]


def test_a_table_of_before_this_was_recorded_begins_its_history_with_what_it_holds(areas: TableStore) -> None:
    rows = pl.DataFrame({"name": ["Kentucky"]})
    new = NewPartition(WHOLE, {"part-000.parquet": rows}, inputs={}, code_version="1")
    areas.publish([new], run_id="before", now=FIRST)
    other = pl.DataFrame({"name": ["Ohio"]})
    now = FIRST + timedelta(days=2)
    details = details_of_next(areas.latest()[WHOLE], content_sha256(other), now)
    later = NewPartition(WHOLE, {"part-000.parquet": other}, inputs={}, code_version="1", details=details)
    areas.publish([later], run_id="after", now=now)
    assert versions(areas) == [(0, "Kentucky"), (2, "Ohio")]
