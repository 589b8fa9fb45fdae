import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.errors import (
    DamagedObject,
    LostRace,
    MissingPartitions,
    NewerLakeFormat,
    PartitionsDisagree,
    UnsafeKey,
)
from pce_pipeline.lake.parquet import to_parquet
from pce_pipeline.lake.pointer import FILE_FORMAT, WHOLE
from pce_pipeline.lake.publication import NewPartition, Publication, TableStore
from pce_pipeline.lake.records import LAKE_FORMAT
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline.tables.table import content_sha256
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend

NOW = datetime(2026, 2, 23, 12, 30, tzinfo=UTC)
PREFIX = "local/silver/bea/pce_state"
SAMPLE = {"CA": "1.125", "NY": None}


def frame(year, state, value):
    return pl.DataFrame(
        {"state": [state], "year": [year], "value": [None if value is None else Decimal(value)]},
        schema={"state": pl.String, "year": pl.Int32, "value": pl.Decimal(18, 3)},
    )


def partition(year, values=None, *, inputs="extract 1", code="1"):
    """A year of a table with one file per state."""
    files = {
        f"year={year}/state={state}/part-000.parquet": frame(year, state, value)
        for state, value in (SAMPLE if values is None else values).items()
    }
    return NewPartition(str(year), files, {"bronze": inputs}, code, {"note": "a test"})


def table(store):
    return TableStore(store, PREFIX, "silver/pce_state")


def publish(store, *partitions):
    return table(store).publish(partitions, run_id="run", now=NOW)


def values(store, *years):
    rows = table(store).read(years or None).sort("year", "state").iter_rows()
    return {(year, state): None if value is None else str(value) for state, year, value in rows}


def content(store):
    """All that lies in the lake, without the e-tags, which every write changes."""
    bodies = store.get_many(info.key for info in store.list("local"))
    for key, body in bodies.items():
        if key.endswith("_manifest.json"):
            manifest = json.loads(body)
            assert all(file.pop("e_tag") for file in manifest["files"].values())
            of_partition = manifest["partition"].get("cuts") or manifest["partition"]["objects"]
            assert list(manifest["files"]) == sorted(o["path"] for o in of_partition)
            bodies[key] = json.dumps(manifest).encode()
    return bodies


def watched(directory, **options):
    backend = ObservedBackend(DirectoryBackend(directory), **options)
    return Store(backend), backend.writes


def test_what_is_published_is_read_back_in_order(store):
    published = publish(store, partition(2021), partition(2020, {"CA": "3.5"}))
    assert (published.written, published.unchanged, published.refreshed) == (["2021", "2020"], [], [])
    assert (published.rows, published.objects_written) == (3, 5)
    expected = pl.concat([frame(2021, "CA", "1.125"), frame(2021, "NY", None), frame(2020, "CA", "3.5")])
    assert table(store).read(["2021", "2020"]).equals(expected)
    assert table(store).read().equals(pl.concat([expected[2:], expected[:2]]))
    assert table(store).read(["2020"], ["value", "year"]).equals(expected[2:].select("value", "year"))


def test_the_pointer_says_what_was_published(store):
    new = partition(2021)
    published = publish(store, new)
    latest = table(store).latest()["2021"]
    assert published.partitions == {"2021": latest}
    assert latest.rows == 2
    assert latest.content_sha256 == content_sha256(pl.concat(list(new.files.values())))
    assert (latest.inputs, latest.code_version, latest.details) == ({"bronze": "extract 1"}, "1", {"note": "a test"})
    assert (latest.run_id, latest.published_at) == ("run", NOW)
    assert latest.paths == list(new.files)
    assert latest.file_format == FILE_FORMAT


def test_readers_without_our_code_find_plain_parquet_files(store):
    publish(store, partition(2021))
    body = store.get(f"{PREFIX}/year=2021/state=CA/part-000.parquet")
    assert pl.read_parquet(io.BytesIO(body)).equals(frame(2021, "CA", "1.125"))
    manifest = json.loads(store.get(f"{PREFIX}/year=2021/_manifest.json"))
    assert manifest["partition"]["rows"] == 2


def test_a_table_in_one_piece_has_no_folder(store):
    dimension = TableStore(store, "local/gold/bea/dim_geography", "gold/dim_geography")
    dimension.publish([NewPartition(WHOLE, {"part-000.parquet": frame(2021, "CA", "1")}, {}, "1")], run_id="r", now=NOW)
    assert dimension.read().equals(frame(2021, "CA", "1"))
    assert store.exists("local/gold/bea/dim_geography/part-000.parquet")
    assert dimension.verify() == []
    with pytest.raises(MissingPartitions, match="partition-range 2021"):
        dimension.read(["2021"])


@pytest.mark.s3
def test_a_directory_and_s3_hold_the_same_bytes(directory, s3_store):
    on_disk = open_store(directory)
    for store in (on_disk, s3_store):
        publish(store, partition(2021), partition(2022, {"US": "12345678901.125"}))
    assert content(on_disk) == content(s3_store)


def test_what_is_unchanged_is_not_written_at_all(store, directory):
    publish(store, partition(2021), partition(2022))
    before = store.list("local")
    again = publish(store, partition(2021), partition(2022))
    assert (again.unchanged, again.written, again.objects_written) == (["2021", "2022"], [], 0)
    assert store.list("local") == before


def test_nothing_is_sent_for_what_is_unchanged(directory):
    store, writes = watched(directory)
    publish(store, partition(2021), partition(2022))
    writes.clear()
    publish(store, partition(2021), partition(2022))
    assert writes == []


def test_other_inputs_or_code_with_the_same_content_change_the_records_only(directory):
    store, writes = watched(directory)
    publish(store, partition(2021), partition(2022))
    writes.clear()
    again = publish(store, partition(2021, inputs="extract 2"), partition(2022))
    assert (again.refreshed, again.unchanged, again.written) == (["2021"], ["2022"], [])
    assert writes == [("swap", f"{PREFIX}/_latest.json"), ("swap", f"{PREFIX}/year=2021/_manifest.json")]
    assert publish(store, partition(2022, code="2")).refreshed == ["2022"]
    assert table(store).latest()["2021"].inputs == {"bronze": "extract 2"}
    assert table(store).verify() == []


def test_of_a_changed_partition_only_the_changed_files_are_written(directory):
    store, writes = watched(directory)
    publish(store, partition(2021), partition(2022))
    writes.clear()
    again = publish(store, partition(2021, {"CA": "2", "NY": None}), partition(2022))
    assert (again.written, again.unchanged, again.objects_written) == (["2021"], ["2022"], 2)
    assert [key.removeprefix(f"{PREFIX}/") for _, key in writes if "_versions" not in key] == [
        "_latest.json",
        "year=2021/state=CA/part-000.parquet",
        "year=2021/_manifest.json",
    ]
    assert len(writes) == 4
    assert values(store, "2021") == {(2021, "CA"): "2.000", (2021, "NY"): None}


def test_files_that_a_partition_no_longer_has_are_removed(store):
    publish(store, partition(2021))
    publish(store, partition(2021, {"CA": "1.125"}))
    assert not store.exists(f"{PREFIX}/year=2021/state=NY/part-000.parquet")
    assert table(store).verify() == []


def test_a_return_to_earlier_content_is_a_publication_like_any_other(store):
    for value in ("1", "2", "1"):
        assert publish(store, partition(2021, {"CA": value})).written == ["2021"]
    assert values(store) == {(2021, "CA"): "1.000"}
    assert table(store).verify() == []


def test_missing_partitions_are_named_with_the_command_that_makes_them(store):
    with pytest.raises(MissingPartitions) as caught:
        table(store).read()
    assert caught.value.partitions == ()
    publish(store, partition(2021))
    with pytest.raises(MissingPartitions) as caught:
        table(store).read(["2020", "2021", "2023"])
    assert caught.value.partitions == ("2020", "2023")
    assert "--partition-range 2020...2023" in caught.value.remedy


def test_partitions_with_different_columns_are_not_mixed(store):
    publish(store, partition(2021))
    other = NewPartition("2022", {"year=2022/part-000.parquet": pl.DataFrame({"year": [2022]})}, {}, "2")
    publish(store, other)
    with pytest.raises(PartitionsDisagree) as caught:
        table(store).read()
    assert caught.value.partitions == ("2021", "2022")


@pytest.mark.parametrize(
    "path", ["part.parquet", "year=2020/part.parquet", "year=2021/_x", "year=2021", "year=2021/../x"]
)
def test_a_file_outside_its_partition_is_refused(path):
    with pytest.raises(UnsafeKey):
        NewPartition("2021", {path: frame(2021, "CA", "1")}, {}, "1")


def test_a_partition_without_files_or_given_twice_is_refused(store):
    with pytest.raises(ValueError, match="no files"):
        NewPartition("2021", {}, {}, "1")
    with pytest.raises(ValueError, match="twice"):
        publish(store, partition(2021), partition(2021))


# A first state and the change to it that the tests below interrupt: new, changed, smaller, refreshed and same years.
BEFORE = [partition(2019), partition(2020), partition(2021), partition(2022)]
CHANGE = [
    partition(2019),
    partition(2020, {"CA": "9.875", "NY": None}),
    partition(2021, {"CA": "1.125"}),
    partition(2022, inputs="extract 2"),
    partition(2023, {"CA": "5", "TX": "6"}),
]


def test_a_publication_killed_at_any_point_is_all_or_nothing_and_heals_when_repeated(tmp_path: Path):
    uninterrupted, writes = watched(tmp_path / "uninterrupted")
    publish(uninterrupted, *BEFORE)
    old = values(uninterrupted)
    writes.clear()
    publish(uninterrupted, *CHANGE)
    new, expected = values(uninterrupted), content(uninterrupted)
    assert len(writes) == 12
    seen = set()
    for survived in range(len(writes)):
        folder = tmp_path / str(survived)
        store = open_store(folder)
        publish(store, *BEFORE)
        with pytest.raises(Killed):
            publish(watched(folder, dies_after=survived)[0], *CHANGE)
        read = values(store)
        assert read in (old, new)
        seen.add(read == new)
        publish(store, *CHANGE)
        assert content(store) == expected
        assert table(store).verify() == []
    assert seen == {True, False}


def test_any_later_publication_finishes_what_a_killed_one_left(tmp_path: Path):
    for survived in range(12):
        folder = tmp_path / str(survived)
        store = open_store(folder)
        publish(store, *BEFORE)
        with pytest.raises(Killed):
            publish(watched(folder, dies_after=survived)[0], *CHANGE)
        publish(store, partition(2030))
        assert table(store).verify() == []


def test_two_publishers_of_different_partitions_both_succeed(store):
    publish(store, partition(2020))
    rival_published: list[Publication] = []

    def rival(operation, key):
        if key.endswith("_latest.json") and not rival_published:
            rival_published.append(publish(store, partition(2021, {"CA": "7"})))

    publish(Store(ObservedBackend(store.backend, interject=rival)), partition(2022))
    assert set(table(store).latest()) == {"2020", "2021", "2022"}
    assert table(store).verify() == []


def test_the_loser_of_a_race_for_a_partition_commits_nothing(store):
    publish(store, partition(2020))

    def rival(operation, key):
        if key.endswith("_latest.json"):
            publish(store, partition(2021, {"CA": "7"}))

    with pytest.raises(LostRace) as caught:
        publish(Store(ObservedBackend(store.backend, interject=rival)), partition(2021), partition(2022))
    assert caught.value.partitions == ("2021",)
    assert values(store, "2021") == {(2021, "CA"): "7.000"}
    assert "2022" not in table(store).latest()
    assert table(store).verify() == []


def test_two_publishers_of_the_same_content_do_not_quarrel(store):
    def rival(operation, key):
        if key.endswith("_latest.json"):
            publish(store, partition(2021))

    publish(Store(ObservedBackend(store.backend, interject=rival)), partition(2021))
    assert table(store).verify() == []


def test_a_slow_promotion_does_not_undo_a_later_publication(store):
    overtaken: list[Publication] = []

    def rival(operation, key):
        if key.startswith(f"{PREFIX}/year=2021/") and not overtaken:
            overtaken.append(publish(store, partition(2021, {"CA": "7", "NY": "8"})))

    publish(Store(ObservedBackend(store.backend, interject=rival)), partition(2021))
    assert values(store) == {(2021, "CA"): "7.000", (2021, "NY"): "8.000"}
    assert table(store).verify() == []


def test_a_repair_with_an_outdated_pointer_does_not_undo_a_later_publication(store):
    publish(store, partition(2021))
    store.delete_many([f"{PREFIX}/year=2021/state=CA/part-000.parquet"])
    overtaken: list[Publication] = []

    def rival(operation, key):
        if not overtaken:
            overtaken.append(publish(store, partition(2021, {"CA": "7", "NY": "8"})))

    publish(Store(ObservedBackend(store.backend, interject=rival)), partition(2021))
    assert values(store) == {(2021, "CA"): "7.000", (2021, "NY"): "8.000"}
    assert table(store).verify() == []


def test_a_slow_promotion_that_is_killed_after_a_later_publication_shows(store):
    overtaken: list[Publication] = []

    def rival(operation, key):
        if key.startswith(f"{PREFIX}/year=2021/"):
            if not overtaken:
                overtaken.append(publish(store, partition(2021, {"CA": "7", "NY": "8"})))
            elif key.endswith("_manifest.json"):
                raise Killed

    with pytest.raises(Killed):
        publish(Store(ObservedBackend(store.backend, interject=rival)), partition(2021))
    assert table(store).verify() != []
    assert publish(store, partition(2020)).objects_written == 5
    assert table(store).verify() == []


def test_many_publishers_at_once_leave_a_sound_table(store):
    def publish_some(worker: int) -> None:
        for year in range(2000 + 10 * worker, 2003 + 10 * worker):
            publish(store, partition(year))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(publish_some, range(4)))
    assert len(table(store).latest()) == 12
    assert table(store).verify() == []
    assert publish(store, *(partition(int(year)) for year in table(store).latest())).objects_written == 0


def version_of(store, year, number=0):
    return f"{PREFIX}/{table(store).latest()[year].objects[number].version_key}"


def test_damage_is_never_read_and_is_healed_from_the_other_copy(store):
    publish(store, partition(2021), partition(2022), partition(2023, {"CA": "5"}))
    before = content(store)
    rotten, gone = version_of(store, "2021"), version_of(store, "2023")
    store.put(rotten, store.get(rotten)[:-1] + b"?")
    store.delete_many([gone, f"{PREFIX}/year=2022/state=NY/part-000.parquet"])
    store.put(f"{PREFIX}/year=2022/state=CA/part-000.parquet", b"changed by hand")
    store.put(f"{PREFIX}/year=2022/stranger.parquet", b"")
    store.put(f"{PREFIX}/year=2021/_manifest.json", b"{}")
    with pytest.raises(DamagedObject) as caught:
        table(store).read(["2021"])
    assert caught.value.key == rotten
    assert "pce heal" in caught.value.remedy
    damage = table(store).verify()
    assert {(found.key.removeprefix(f"{PREFIX}/"), found.problem) for found in damage} == {
        (rotten.removeprefix(f"{PREFIX}/"), "changed"),
        (gone.removeprefix(f"{PREFIX}/"), "missing"),
        ("year=2022/state=NY/part-000.parquet", "missing"),
        ("year=2022/state=CA/part-000.parquet", "changed"),
        ("year=2022/stranger.parquet", "undeclared"),
        ("year=2021/_manifest.json", "changed"),
    }
    assert {found.key for found in table(store).verify(["2021"])} == {rotten, f"{PREFIX}/year=2021/_manifest.json"}
    healed = table(store).heal()
    assert (len(healed.restored), healed.withdrawn) == (6, [])
    assert table(store).verify() == []
    assert content(store) == before


def test_a_file_at_a_fixed_key_that_is_gone_shows_also_where_its_manifest_is_damaged(store):
    publish(store, partition(2021))
    before = content(store)
    store.put(f"{PREFIX}/year=2021/_manifest.json", b"{}")
    store.delete_many([f"{PREFIX}/year=2021/state=NY/part-000.parquet"])
    found = {damage.key.removeprefix(f"{PREFIX}/year=2021/"): damage.problem for damage in table(store).verify()}
    assert found == {"_manifest.json": "changed", "state=NY/part-000.parquet": "missing"}
    table(store).heal()
    assert content(store) == before


def test_a_version_is_made_of_all_its_cuts_also_where_another_writer_made_their_bytes(store):
    publish(store, partition(2021), partition(2022))
    kept = table(store).latest()
    for state in ("CA", "NY"):
        key = f"{PREFIX}/year=2021/state={state}/part-000.parquet"
        body = io.BytesIO()
        pl.read_parquet(io.BytesIO(store.get(key))).write_parquet(body, compression="lz4")
        store.put(key, body.getvalue())
    store.delete_many([version_of(store, "2021")])
    assert table(store).heal().withdrawn == []
    assert table(store).latest() == kept
    assert table(store).verify() == []


def test_a_version_that_todays_writer_makes_otherwise_gets_another_name_and_the_same_content(store):
    publish(store, partition(2021))
    pointer = json.loads(store.get(f"{PREFIX}/_latest.json"))
    of_another_writer = pointer["partitions"]["2021"]["objects"][0]
    of_another_writer["sha256"] = "0" * 64
    of_another_writer["version_key"] = f"_versions/year=2021/{'0' * 64}.parquet"
    store.put(f"{PREFIX}/_latest.json", json.dumps(pointer).encode())
    before = values_at_fixed_keys(store)
    assert table(store).heal().withdrawn == []
    healed = table(store).latest()["2021"]
    assert healed.objects[0].sha256 != "0" * 64
    assert healed.content_sha256 == pointer["partitions"]["2021"]["content_sha256"]
    assert table(store).verify() == []
    assert values_at_fixed_keys(store) == before == set(values(store).items())


@pytest.mark.parametrize("harm", ["gone", "another number", "no parquet"])
def test_cuts_that_are_not_the_rows_of_the_version_make_none(store, harm):
    publish(store, partition(2021), partition(2022))
    key = f"{PREFIX}/year=2021/state=CA/part-000.parquet"
    store.delete_many([version_of(store, "2021"), *([key] if harm == "gone" else [])])
    if harm != "gone":
        store.put(key, to_parquet(frame(2021, "CA", "1.126")) if harm == "another number" else b"rot")
    assert table(store).heal().withdrawn == ["2021"]
    assert list(table(store).latest()) == ["2022"]


def values_at_fixed_keys(store):
    """What a glob of the fixed keys reads."""
    files = [info.key for info in store.list(PREFIX) if "/state=" in info.key]
    rows = [row for key in files for row in pl.read_parquet(io.BytesIO(store.get(key))).iter_rows()]
    return {((year, state), None if value is None else str(value)) for state, year, value in rows}


def test_a_partition_without_a_good_copy_is_withdrawn_and_can_be_published_again(store):
    publish(store, partition(2021), partition(2022))
    expected = content(store)
    for key in (version_of(store, "2021"), f"{PREFIX}/year=2021/state=CA/part-000.parquet"):
        store.put(key, store.get(key)[:-1] + b"?")
    assert table(store).heal().withdrawn == ["2021"]
    assert list(table(store).latest()) == ["2022"]
    assert list(store.list(f"{PREFIX}/year=2021")) == []
    with pytest.raises(MissingPartitions):
        table(store).read(["2021"])
    publish(store, partition(2021))
    assert table(store).verify() == []
    assert content(store) == expected


@pytest.mark.parametrize("body", [None, b"", b'{"format": 1}'])
def test_a_lost_pointer_is_made_again_from_the_manifests(store, body):
    publish(store, partition(2021), partition(2022))
    expected = content(store)
    key = f"{PREFIX}/_latest.json"
    if body is None:
        store.delete_many([key])
    else:
        store.put(key, body)
        with pytest.raises(DamagedObject, match="pce heal"):
            publish(store, partition(2021))
    assert [damage.key for damage in table(store).heal().restored] == [key]
    assert content(store) == expected


def test_healing_what_is_sound_or_empty_writes_nothing(directory):
    store, writes = watched(directory)
    assert table(store).heal().restored == []
    publish(store, partition(2021))
    writes.clear()
    assert table(store).heal().restored == []
    assert writes == []


def test_healing_killed_at_any_point_can_be_repeated(tmp_path: Path):
    kills = 0
    while True:
        folder = tmp_path / str(kills)
        store = open_store(folder)
        publish(store, partition(2021), partition(2022))
        good = values(store, "2022")
        fixed = f"{PREFIX}/year=2021/state=CA/part-000.parquet"
        for key in (version_of(store, "2021"), version_of(store, "2022"), fixed):
            store.put(key, b"rot")
        try:
            table(watched(folder, dies_after=kills)[0]).heal()
        except Killed:
            kills += 1
        else:
            break
        table(store).heal()
        assert values(store) == good
        assert table(store).verify() == []
        assert list(store.list(f"{PREFIX}/year=2021")) == []
    assert kills == 6


def test_a_version_that_is_gone_is_written_again_by_the_next_publication(store):
    publish(store, partition(2021))
    expected = content(store)
    store.delete_many([version_of(store, "2021")])
    assert publish(store, partition(2021)).written == ["2021"]
    assert content(store) == expected


def test_what_is_no_file_of_the_table_is_neither_reported_nor_deleted(store):
    """Other programs keep records beside data: of our own kind is Parquet where a glob of the table finds it."""
    whole = TableStore(store, "local/gold/bea/dim_geography", "gold/dim_geography")

    def publish_whole(value):
        new = NewPartition(WHOLE, {"part-000.parquet": frame(2021, "CA", value)}, {}, "1")
        whole.publish([new], run_id="r", now=NOW)

    publish_whole("1")
    publish(store, partition(2021))
    strangers = ("notes.txt", "metadata/v1.metadata.json", "metadata/a.avro", "data/part-000.parquet")
    theirs = {f"local/gold/bea/dim_geography/{name}": b"theirs" for name in strangers}
    theirs[f"{PREFIX}/year=2021/notes.txt"] = theirs[f"{PREFIX}/notes.txt"] = b"theirs"
    store.put_many(theirs)
    store.put("local/gold/bea/dim_geography/part-001.parquet", b"read by every glob")
    assert [(each.key, each.problem) for each in whole.verify()] == [
        ("local/gold/bea/dim_geography/part-001.parquet", "undeclared")
    ]
    assert table(store).verify() == []
    publish_whole("2")
    publish(store, partition(2021, {"CA": "9"}))
    whole.withdraw([WHOLE])
    table(store).withdraw(["2021"])
    assert store.get_many(theirs) == theirs
    assert not store.exists("local/gold/bea/dim_geography/part-001.parquet")


def test_a_fixed_key_that_was_changed_by_hand_is_put_right_by_the_next_publication(store):
    publish(store, partition(2021))
    store.put(f"{PREFIX}/year=2021/state=CA/part-000.parquet", b"mine")
    store.put(f"{PREFIX}/year=2021/notes.txt", b"mine too")
    again = publish(store, partition(2021))
    assert (again.unchanged, again.objects_written) == (["2021"], 1)
    assert table(store).verify() == []


def test_a_later_lake_format_is_neither_read_nor_overwritten(store):
    publish(store, partition(2021))
    pointer = json.loads(store.get(f"{PREFIX}/_latest.json"))
    store.put(f"{PREFIX}/_latest.json", json.dumps({"format": LAKE_FORMAT + 1, "elsewhere": pointer}).encode())
    before = content(store)
    for use in (table(store).latest, table(store).read, table(store).heal, lambda: publish(store, partition(2022))):
        with pytest.raises(NewerLakeFormat) as caught:
            use()
        assert caught.value.found == LAKE_FORMAT + 1
    assert content(store) == before


def test_old_versions_are_pruned_but_never_a_current_or_held_one(store):
    for value in ("1", "2", "3", "4"):
        publish(store, partition(2021, {"CA": value}))
        if value == "2":
            held = table(store).latest()["2021"].objects[0].version_key
    later = datetime.now(UTC) + timedelta(days=8)
    assert table(store).prune(timedelta(days=9), later) == []
    assert len(table(store).prune(timedelta(days=7), later, held={held})) == 2
    left = [info.key for info in store.list(f"{PREFIX}/_versions")]
    assert sorted(left) == sorted([f"{PREFIX}/{held}", version_of(store, "2021")])
    assert table(store).verify() == []


def test_bytes_do_not_depend_on_how_a_frame_was_put_together():
    whole = pl.DataFrame({"state": [f"S{n % 60}" for n in range(5000)], "value": range(5000)})
    pieces = pl.concat([whole[:17], whole[17:2500], whole[2500:]], rechunk=False)
    assert to_parquet(pieces) == to_parquet(whole)
    assert content_sha256(pieces) == content_sha256(whole)


_WRITE_A_FRAME = """
import hashlib, polars as pl
from pce_pipeline.lake.parquet import to_parquet
from pce_pipeline.tables.table import content_sha256
n = 120_000
frame = pl.select(pl.int_range(n).alias("i")).with_columns(
    state="S" + (pl.col("i") % 60).cast(pl.String),
    value=(pl.col("i") * 7919 % 100_003).cast(pl.Decimal(18, 3)),
    share=pl.col("i") / 7,
    text=pl.when(pl.col("i") % 5 == 0).then(None).otherwise(pl.col("i").cast(pl.String)),
)
print(pl.thread_pool_size(), hashlib.sha256(to_parquet(frame)).hexdigest(), content_sha256(frame))
"""


def test_bytes_do_not_depend_on_the_number_of_threads():
    here, other = io.StringIO(), "1" if pl.thread_pool_size() > 1 else "8"
    with redirect_stdout(here):
        exec(_WRITE_A_FRAME, {})
    there = subprocess.run(
        [sys.executable, "-c", _WRITE_A_FRAME],
        env={**os.environ, "POLARS_MAX_THREADS": other},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert there.split()[0] == other != here.getvalue().split()[0]
    assert there.split()[1:] == here.getvalue().split()[1:]


def test_one_row_group_with_statistics_is_written():
    metadata = pq.ParquetFile(io.BytesIO(to_parquet(pl.DataFrame({"value": range(600_000)})))).metadata
    column = metadata.row_group(0).column(0)
    assert (metadata.num_row_groups, column.compression) == (1, "ZSTD")
    assert (column.statistics.min, column.statistics.max) == (0, 599_999)


def test_a_partition_without_rows_is_published_and_read(store):
    publish(store, NewPartition("2021", {"year=2021/part-000.parquet": frame(2021, "CA", "1")[:0]}, {}, "1"))
    assert table(store).read().height == 0


def test_a_glance_at_a_listing_finds_what_is_gone_or_of_another_size_and_reads_no_file(store):
    publish(store, partition(2022, {"CA": "1"}), partition(2023), partition(2024))
    assert table(store).glance() == []
    cut, copy = "year=2023/state=CA/part-000.parquet", "year=2022/state=CA/part-000.parquet"
    hashes = json.loads(store.get(f"{PREFIX}/year=2023/_manifest.json"))["files"]
    store.delete_many([f"{PREFIX}/{cut}", f"{PREFIX}/{copy}"])
    store.put(f"{PREFIX}/year=2023/state=NY/part-000.parquet", b"short")
    store.put(version_of(store, "2024"), b"something else")
    held = table(store).latest()
    assert {(each.key.removeprefix(f"{PREFIX}/"), each.problem, each.expected) for each in table(store).glance()} == {
        (cut, "missing", hashes[cut]["sha256"]),
        (copy, "missing", held["2022"].objects[0].sha256),
        ("year=2023/state=NY/part-000.parquet", "changed", hashes["year=2023/state=NY/part-000.parquet"]["sha256"]),
        (held["2024"].objects[0].version_key, "changed", held["2024"].objects[0].sha256),
    }
    table(store).heal()
    assert table(store).glance() == []


def test_a_glance_tells_a_lost_pointer_from_a_table_that_was_never_published(store):
    assert table(store).glance() == []
    publish(store, partition(2024))
    store.delete_many([f"{PREFIX}/_latest.json"])
    assert [(each.key, each.problem) for each in table(store).glance()] == [(f"{PREFIX}/_latest.json", "missing")]
    table(store).heal()
    assert list(table(store).latest()) == ["2024"]
