"""A dimension keeps its earlier versions: each change is one more, with its date, and none of them is pruned."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.earlier import dated_versions, details_of_next
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.pointer import WHOLE, NewPartition, TableKeys
from pce_pipeline.lake.publication import TableStore
from pce_pipeline.lake.store import Store
from pce_pipeline.lake.swapping import PointerSwap
from pce_pipeline.tables.table import content_sha256
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend

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


def key_of_version(areas: TableStore, position: int) -> str:
    """The key of one of the dimension's versions, by its place in the history."""
    (stored,) = dated_versions(areas.latest()[WHOLE])[position].partition.objects
    return f"local/gold/sample/dim_area/{stored.version_key}"


@pytest.mark.parametrize(("problem", "seen_by_a_listing"), [("missing", True), ("changed", False)])
def test_a_damaged_earlier_version_is_named_and_told_as_lost(
    areas: TableStore, publish: Publish, tmp_path: Path, problem: str, *, seen_by_a_listing: bool
) -> None:
    publish("Kentucky", 0)
    publish("Ohio", 3)
    before, key = areas.latest(), key_of_version(areas, 0)
    body = (tmp_path / key).read_bytes()
    if problem == "missing":
        (tmp_path / key).unlink()
    else:
        (tmp_path / key).write_bytes(body[:-1] + b"?")
    assert [(each.key, each.problem) for each in areas.verify()] == [(key, problem)]
    assert [each.key for each in areas.glance()] == ([key] if seen_by_a_listing else [])
    healed = areas.heal()
    assert (healed.restored, healed.withdrawn) == ([], [])
    assert [each.key for each in healed.lost] == [key]
    assert areas.latest() == before
    (tmp_path / key).write_bytes(body)
    assert areas.verify() == []
    assert areas.heal().lost == []


def test_an_earlier_version_is_mended_by_another_one_with_the_same_rows(
    areas: TableStore, publish: Publish, tmp_path: Path
) -> None:
    """Bytes of one content differ between writers: here the file of the first version was written by another."""
    other = pl.DataFrame({"name": ["Kentucky"]})
    publish("Kentucky", 0)
    publish("Ohio", 3)
    publish("Kentucky", 5)
    versions_before = versions(areas)
    same = key_of_version(areas, 0)
    assert same == key_of_version(areas, 2)
    body = io.BytesIO()
    other.write_parquet(body, compression="uncompressed")
    store = Store(DirectoryBackend(tmp_path))
    named = _as_if_written_so(areas, store, body.getvalue())
    assert areas.verify() == []
    store.put(named, b"damaged")
    healed = areas.heal()
    assert [each.key for each in healed.restored] == [named]
    assert healed.lost == []
    assert key_of_version(areas, 0) == same
    assert versions(areas) == versions_before
    assert areas.verify() == []


def _as_if_written_so(areas: TableStore, store: Store, body: bytes) -> str:
    """Let the first version of the history be a file of these bytes; its key."""
    pointer, token = PointerSwap(store, TableKeys("local/gold/sample/dim_area"), "gold/dim_area").read()
    partition = pointer.partitions[WHOLE]
    details = json.loads(json.dumps(partition.details))
    digest = sha256_of(body)
    key = TableKeys("").version(WHOLE, digest)
    details["earlier_versions"][0]["partition"]["objects"][0] |= {
        "version_key": key,
        "sha256": digest,
        "bytes": len(body),
    }
    full = f"local/gold/sample/dim_area/{key}"
    store.put(full, body)
    changed = msgspec.structs.replace(partition, details=details)
    swap = PointerSwap(store, TableKeys("local/gold/sample/dim_area"), "gold/dim_area")
    swap.commit(pointer, token, lambda _: {WHOLE: changed})
    areas.publish([], run_id="promotes")
    return full


def test_a_dimension_that_is_lost_keeps_its_history_and_is_made_again(
    areas: TableStore, publish: Publish, tmp_path: Path
) -> None:
    publish("Kentucky", 0)
    publish("Ohio", 3)
    lost = key_of_version(areas, 1)
    for key in (lost, "local/gold/sample/dim_area/part-000.parquet"):
        # as many bytes as before: no listing would tell
        (tmp_path / key).write_bytes(bytes(len((tmp_path / key).read_bytes())))
    assert areas.heal().withdrawn == [WHOLE]
    assert not (tmp_path / lost).exists()
    assert areas.latest()[WHOLE].code_version != "1"
    assert areas.heal().withdrawn == [WHOLE]
    assert publish("Ohio", 9) == [WHOLE]
    assert versions(areas) == [(0, "Kentucky"), (3, "Ohio")]
    assert areas.verify() == []
    assert areas.latest()[WHOLE].code_version == "1"


def test_healing_a_lost_dimension_ends_right_wherever_it_is_killed(tmp_path: Path) -> None:
    for survived in range(20):
        backend = ObservedBackend(DirectoryBackend(tmp_path / str(survived)))
        areas = TableStore(Store(backend), "local/gold/sample/dim_area", "gold/dim_area")
        _publish_two(areas)
        (stored,) = areas.latest()[WHOLE].objects
        root = tmp_path / str(survived) / "local/gold/sample/dim_area"
        for path in (stored.version_key, "part-000.parquet"):
            (root / path).write_bytes(bytes(stored.bytes))
        dying = ObservedBackend(DirectoryBackend(tmp_path / str(survived)), dies_after=survived)
        try:
            TableStore(Store(dying), "local/gold/sample/dim_area", "gold/dim_area").heal()
            was_killed = False
        except Killed:
            was_killed = True
        assert areas.heal().withdrawn == [WHOLE]
        assert len(dated_versions(areas.latest()[WHOLE])) == 2
        if not was_killed:
            assert survived >= 2
            return
    raise AssertionError


def _publish_two(areas: TableStore) -> None:
    for days, name in enumerate(("Kentucky", "Ohio")):
        rows, now = pl.DataFrame({"name": [name]}), FIRST + timedelta(days=days)
        details = details_of_next(areas.latest().get(WHOLE), content_sha256(rows), now)
        new = NewPartition(WHOLE, {"part-000.parquet": rows}, inputs={}, code_version="1", details=details)
        areas.publish([new], run_id="a-run", now=now)


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
