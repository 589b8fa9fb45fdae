import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pce_pipeline.bronze.manifest import (
    Manifest,
    ObjectEntry,
    TableEntry,
    Verified,
    VerifiedTable,
    content_sha256_of_tables,
)
from pce_pipeline.bronze.store import BronzeStore, pack, unpack
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.errors import DamagedObject, MissingObject, NewerLakeFormat, ObjectExists
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.records import LAKE_FORMAT
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend

NOW = datetime(2026, 2, 23, 12, 30, tzinfo=UTC)
LATER_ON = datetime(2026, 2, 24, 9, 0, tzinfo=UTC)
FIRST = ExtractId(date(2026, 2, 23))
SECOND = FIRST.next_of_day
LATER = ExtractId(date(2026, 10, 2))
LAYOUT = Layout("staging", "bea")
FOLDER = "staging/bronze/bea/pce_state"


def answers(text="figures"):
    return {f"{table}/{line}.json.gz": pack(f"{table} {line} {text}".encode()) for table in "AB" for line in (1, 2)}


def entry(content, *, years=(2023, 2024)):
    return TableEntry(
        last_updated=date(2026, 2, 20),
        note="Last updated: February 20, 2026",
        rows=120,
        lines=(1, 2),
        years={year: f"{content} {year}" for year in years},
        content_sha256=content,
    )


def manifest_of(extract, objects, tables=None):
    tables = {"A": entry("a"), "B": entry("b")} if tables is None else tables
    return Manifest(
        dataset="pce_state",
        world="bea",
        extract_date=str(extract),
        ingested_at=NOW,
        origin="api",
        run_id="run-1",
        code_version="1",
        scope=dict.fromkeys(tables, (1, 2)),
        tables=tables,
        objects=tuple(
            ObjectEntry(
                key=name,
                tables=(name[0],),
                line=int(name[2]),
                endpoint="https://apps.bea.gov/api/data",
                parameters={"TableName": name[0]},
                extracted_at=NOW,
                sha256=sha256_of(body),
                bytes=len(body),
                rows=60,
                last_updated=None,
            )
            for name, body in objects.items()
        ),
        content_sha256=content_sha256_of_tables(tables),
    )


@pytest.fixture
def bronze(store: Store) -> BronzeStore:
    return BronzeStore(store, LAYOUT, "pce_state")


def test_an_extract_comes_back_as_it_was_published(bronze):
    objects = answers()
    manifest = manifest_of(FIRST, objects)
    bronze.publish(FIRST, manifest, objects)
    assert bronze.manifest(FIRST) == manifest
    assert bronze.manifest(FIRST).extract == FIRST
    assert {entry.key: body for entry, body in bronze.read_objects(FIRST)} == objects
    assert [entry.key for entry, _ in bronze.read_objects(FIRST, ["B"])] == ["B/1.json.gz", "B/2.json.gz"]
    assert bronze.verify(FIRST) == []


def test_extracts_are_those_with_a_manifest_in_order_of_date_and_number(bronze, store):
    for extract in (LATER, SECOND, FIRST, ExtractId(FIRST.day, 10)):
        bronze.publish(extract, manifest_of(extract, answers()), answers())
    store.put(f"{FOLDER}/2026-03-01/A/1.json.gz", b"a run was killed before its manifest")
    store.put(f"{FOLDER}/notes/manifest.json", b"no extract")
    bronze.stage(LATER, "A/1.json.gz", b"")
    expected = [FIRST, SECOND, ExtractId(FIRST.day, 10), LATER]
    assert bronze.extracts() == expected
    assert list(bronze.manifests()) == expected


def test_a_lake_without_extracts_has_none(bronze):
    assert bronze.extracts() == []
    assert bronze.manifests() == {}
    assert bronze.verified() is None
    assert bronze.pin() is None
    with pytest.raises(MissingObject):
        bronze.manifest(FIRST)


def test_an_extract_is_published_once(bronze):
    bronze.publish(FIRST, manifest_of(FIRST, answers()), answers())
    bronze.publish(FIRST, manifest_of(FIRST, answers()), answers())
    revised = answers("revised figures")
    with pytest.raises(ObjectExists):
        bronze.publish(FIRST, manifest_of(FIRST, revised), revised)
    with pytest.raises(ObjectExists) as caught:
        bronze.publish(FIRST, manifest_of(FIRST, answers(), {"A": entry("other")}), answers())
    assert caught.value.key == f"{FOLDER}/2026-02-23/manifest.json"
    assert bronze.verify(FIRST) == []
    bronze.publish(SECOND, manifest_of(SECOND, revised), revised)
    assert {entry.key: body for entry, body in bronze.read_objects(SECOND)} == revised


def test_what_the_manifest_does_not_declare_is_not_published(bronze, store):
    objects = answers()
    with pytest.raises(DamagedObject, match="C/1"):
        bronze.publish(FIRST, manifest_of(FIRST, objects), {**objects, "C/1.json.gz": b""})
    with pytest.raises(DamagedObject, match="A/1"):
        bronze.publish(FIRST, manifest_of(FIRST, objects), {**objects, "A/1.json.gz": b"cut"})
    assert list(store.list("staging")) == []


@pytest.mark.parametrize("writes", range(6))
def test_a_publication_that_is_killed_does_not_exist_and_can_be_repeated(directory: Path, writes):
    objects = answers()
    dying = Store(ObservedBackend(DirectoryBackend(directory), dies_after=writes))
    if writes < len(objects) + 1:
        with pytest.raises(Killed):
            BronzeStore(dying, LAYOUT, "pce_state").publish(FIRST, manifest_of(FIRST, objects), objects)
    bronze = BronzeStore(Store(DirectoryBackend(directory)), LAYOUT, "pce_state")
    assert bronze.extracts() == []
    bronze.publish(FIRST, manifest_of(FIRST, objects), objects)
    assert bronze.extracts() == [FIRST]
    assert bronze.verify(FIRST) == []


def test_damage_is_found_and_never_read(bronze, store):
    bronze.publish(FIRST, manifest_of(FIRST, answers()), answers())
    store.put(f"{FOLDER}/2026-02-23/A/1.json.gz", b"rot")
    store.delete_many([f"{FOLDER}/2026-02-23/A/2.json.gz"])
    store.put(f"{FOLDER}/2026-02-23/A/3.json.gz", b"stranger")
    found = {(damage.key.removeprefix(f"{FOLDER}/2026-02-23/"), damage.problem) for damage in bronze.verify(FIRST)}
    assert found == {("A/1.json.gz", "changed"), ("A/2.json.gz", "missing"), ("A/3.json.gz", "undeclared")}
    with pytest.raises(DamagedObject) as caught:
        bronze.read_objects(FIRST)
    assert caught.value.key == f"{FOLDER}/2026-02-23/A/1.json.gz"
    assert caught.value.found == sha256_of(b"rot")
    assert len(bronze.read_objects(FIRST, ["B"])) == 2


def test_a_manifest_of_a_later_format_is_refused_and_an_unreadable_one_is_damage(bronze, store):
    bronze.publish(FIRST, manifest_of(FIRST, answers()), answers())
    key = f"{FOLDER}/2026-02-23/manifest.json"
    store.put(key, json.dumps({"format": LAKE_FORMAT + 1, "something": "else"}).encode())
    with pytest.raises(NewerLakeFormat) as caught:
        bronze.manifests()
    assert (caught.value.found, caught.value.known) == (LAKE_FORMAT + 1, LAKE_FORMAT)
    for body in (b"", b"{", b"\xff", b'{"format": 1}', b"[]"):
        store.put(key, body)
        with pytest.raises(DamagedObject):
            bronze.manifest(FIRST)


def test_downloads_gather_until_they_are_discarded(bronze, store):
    bronze.stage(FIRST, "A/1.json.gz", b"one")
    bronze.stage(FIRST, "A/1.json.gz", b"one again")
    bronze.stage(FIRST, "plan.json", b"{}")
    bronze.stage(SECOND, "A/1.json.gz", b"another extract")
    assert bronze.staged(FIRST) == {"A/1.json.gz": b"one again", "plan.json": b"{}"}
    assert bronze.unfinished() == [FIRST, SECOND]
    bronze.discard_staging(FIRST)
    assert bronze.unfinished() == [SECOND]
    assert bronze.staged(FIRST) == {}
    assert bronze.staged(SECOND) == {"A/1.json.gz": b"another extract"}


def test_the_last_comparison_is_remembered(bronze):
    table = VerifiedTable(checked_at=NOW, last_updated=date(2026, 2, 20), extract=str(FIRST))
    for _ in range(2):
        bronze.write_verified(Verified(checked_at=NOW, tables={"A": table}))
    assert bronze.verified() == Verified(checked_at=NOW, tables={"A": table})


def test_a_pin_names_an_extract_that_exists(bronze):
    bronze.publish(FIRST, manifest_of(FIRST, answers()), answers())
    with pytest.raises(MissingObject):
        bronze.write_pin(LATER, now=NOW, reason="typing error")
    bronze.write_pin(FIRST, now=NOW, reason="the later one is wrong")
    assert (bronze.pin().extract, bronze.pin().reason) == (str(FIRST), "the later one is wrong")
    bronze.clear_pin(now=LATER_ON)
    bronze.clear_pin(now=LATER_ON)
    assert bronze.pin() is None
    assert [(each.kind, each.extract, each.why) for each in bronze.decisions.all()] == [
        ("pin", str(FIRST), "the later one is wrong"),
        ("unpin", str(FIRST), ""),
    ]


def test_the_content_of_an_extract_does_not_depend_on_the_order_of_its_tables():
    one, other = entry("1"), entry("2")
    assert content_sha256_of_tables({"A": one, "B": other}) == content_sha256_of_tables({"B": other, "A": one})
    assert content_sha256_of_tables({"A": one, "B": other}) != content_sha256_of_tables({"A": other, "B": one})


def test_packing_is_the_same_whenever_it_is_done():
    body = json.dumps([{"DataValue": str(number)} for number in range(1000)]).encode()
    packed = pack(body)
    assert unpack(packed) == body
    assert packed[4:8] == b"\0\0\0\0"
    assert len(packed) < len(body) / 4
