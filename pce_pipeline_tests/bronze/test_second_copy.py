"""The second copy of Bronze: nothing is lost to a kill, nothing intact is written over, nothing damaged is believed."""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from threading import Thread

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.client import RawAnswer
from pce_pipeline.bronze.archived_releases import ArchiveStore
from pce_pipeline.bronze.copied_contents import contents_of, in_batches, role_of
from pce_pipeline.bronze.copy_place import CopyStore, place_of_copy, shares_bucket
from pce_pipeline.bronze.copying import compare_bronze, copy_bronze, restore_bronze
from pce_pipeline.bronze.errors import CopyDiffers, CopyPlaceRefused, CopyUnreachable, NothingCopied
from pce_pipeline.bronze.manifest import Verified
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.lake.backends import DirectoryBackend, ObjectInfo, S3Backend, region_of
from pce_pipeline.lake.errors import LakeAccessDenied, NewerLakeFormat
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.records import LAKE_FORMAT
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.bronze.test_bronze_store import FIRST, FOLDER, LATER, LAYOUT, NOW, answers, manifest_of
from pce_pipeline_tests.examples import examples
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend
from pce_pipeline_tests.servers import S3

ARCHIVE = f"{LAYOUT.archived_releases}/release-1"
OBJECT = f"{FOLDER}/{FIRST}/A/1.json.gz"
MANIFEST = f"{FOLDER}/{FIRST}/manifest.json"


def publish(lake: Store, extract: ExtractId, text: str = "figures") -> None:
    objects = answers(text)
    BronzeStore(lake, LAYOUT, "pce_state").publish(extract, manifest_of(extract, objects), objects)


def filled(lake: Store) -> Store:
    """A lake with all that lies below Bronze: extracts, an archived file, an event, notes, a pin, a decision."""
    bronze = BronzeStore(lake, LAYOUT, "pce_state")
    publish(lake, FIRST)
    publish(lake, LATER, "later figures")
    lake.create(f"{FOLDER}/{FIRST}/scope.json", b'{"tables": {}}')
    lake.create(f"{LAYOUT.webhook_events}/payload-1.json", b'{"type": "release"}')
    received = RawAnswer(endpoint="https://bea/release-1/x.zip", parameters={}, body=b"zip", fetched_at=NOW)
    ArchiveStore(lake, LAYOUT).keep("release-1", received, None)
    bronze.write_verified(Verified(checked_at=NOW, tables={}))
    bronze.write_pin(FIRST, now=NOW, reason="wrong figures")
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return filled(open_store(tmp_path / "lake"))


@pytest.fixture
def copy(tmp_path: Path) -> CopyStore:
    return CopyStore(DirectoryBackend(tmp_path / "copy"))


def bodies(store: Store) -> dict[str, bytes]:
    """What is there, but for the notes of a copy."""
    found = store.get_many([info.key for info in store.list(LAYOUT.env)])
    return {key: body for key, body in found.items() if key != LAYOUT.copied}


def problems(lake: Store, copy: Store) -> dict[str, str]:
    return {each.key: each.problem for each in compare_bronze(lake, copy, LAYOUT).differences}


def flipped(store: Store, key: str) -> None:
    """As a failing disk does it: as many bytes, one of them another."""
    body = store.get(key)
    store.put(key, body[:-1] + bytes([body[-1] ^ 1]))


def test_a_copy_holds_everything_that_cannot_be_made_again(lake, copy):
    done = copy_bronze(lake, copy, LAYOUT)
    assert bodies(copy) == bodies(lake)
    assert done.written == len(bodies(lake))
    assert done.bytes == sum(map(len, bodies(lake).values()))
    assert (done.refused, problems(lake, copy)) == ([], {})


@pytest.mark.s3
def test_a_copy_in_a_locked_bucket_holds_the_same_and_keeps_it(lake: Store, s3: S3) -> None:
    client = s3.session().client("s3", endpoint_url=s3.endpoint_url)
    client.create_bucket(Bucket="pce-copy", ObjectLockEnabledForBucket=True)
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}
    client.put_object_lock_configuration(
        Bucket="pce-copy", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": retention}
    )
    place = open_store("s3://pce-copy/x", endpoint_url=s3.endpoint_url, session=s3.session(), is_lake=False)
    copy = CopyStore(place.backend)
    copy_bronze(lake, copy, LAYOUT)
    assert copy_bronze(lake, copy, LAYOUT).written == 0
    assert bodies(copy) == bodies(lake)
    for version in client.list_object_versions(Bucket="pce-copy")["Versions"]:
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.delete_object(Bucket="pce-copy", Key=version["Key"], VersionId=version["VersionId"])
    lake.delete_many([OBJECT, MANIFEST])
    assert restore_bronze(lake, copy, LAYOUT).added == [OBJECT, MANIFEST]
    assert bodies(lake) == bodies(copy)


def test_what_was_found_equal_is_not_read_again_until_either_is_written_again(lake, copy):
    copy_bronze(lake, copy, LAYOUT)
    here, there = ObservedBackend(lake.backend), ObservedBackend(copy.backend)
    again = copy_bronze(Store(here), CopyStore(there), LAYOUT)
    records = {key for key in bodies(lake) if key.endswith(("manifest.json", ".record.json"))}
    assert (again.written, there.writes) == (0, [])
    assert set(here.reads) == records
    assert set(there.reads) == records | {LAYOUT.copied}
    flipped(copy, OBJECT)
    with pytest.raises(CopyDiffers, match=OBJECT):
        copy_bronze(lake, copy, LAYOUT)


def test_notes_of_a_copy_that_are_lost_or_damaged_are_made_again(lake, copy):
    copy_bronze(lake, copy, LAYOUT)
    notes = copy.get(LAYOUT.copied)
    for damaged in (b"{", b'{"objects": 1}', b"\xff"):
        copy.put(LAYOUT.copied, damaged)
        assert copy_bronze(lake, copy, LAYOUT).written == 0
        assert copy.get(LAYOUT.copied) == notes


def test_a_new_extract_costs_itself_alone(lake, copy):
    copy_bronze(lake, copy, LAYOUT)
    publish(lake, LATER.next_of_day, "newest")
    there = ObservedBackend(copy.backend)
    done = copy_bronze(lake, CopyStore(there), LAYOUT)
    assert done.written == len(answers()) + 1
    written = [key for _, key in there.writes]
    assert all(str(LATER.next_of_day) in key for key in written[:-1])
    assert written[-2:] == [f"{FOLDER}/{LATER.next_of_day}/manifest.json", LAYOUT.copied]


def names_only_what_is_there(store: Store) -> bool:
    found = contents_of(store, LAYOUT)
    return all(key in found.listing for named in found.named_by.values() for key in named)


def killed_again_and_again(act: Callable[[Store], object], backend: DirectoryBackend) -> None:
    """Do it, killed after 0, 1, 2, ... writes each time until it gets through; records never name what is absent."""
    for writes in count():
        try:
            act(CopyStore(ObservedBackend(backend, dies_after=writes)))
        except Killed:
            assert names_only_what_is_there(Store(backend))
        else:
            return


def test_a_copy_that_is_killed_at_any_write_goes_on_and_never_names_what_is_not_there(lake, copy):
    killed_again_and_again(lambda place: copy_bronze(lake, place, LAYOUT), copy.backend)
    assert bodies(copy) == bodies(lake)


def test_a_restore_that_is_killed_at_any_write_goes_on_and_never_names_what_is_not_there(lake, copy, tmp_path):
    copy_bronze(lake, copy, LAYOUT)
    new = DirectoryBackend(tmp_path / "new")
    killed_again_and_again(lambda place: restore_bronze(place, copy, LAYOUT), new)
    assert bodies(Store(new)) == bodies(lake)


def test_a_copy_that_holds_something_else_is_refused_and_named_before_anything_is_written(lake, copy):
    written_once = [OBJECT, MANIFEST, f"{LAYOUT.webhook_events}/payload-1.json", f"{ARCHIVE}/x.zip"]
    for key in written_once:
        copy.put(key, b'"something else"')
        there = ObservedBackend(copy.backend)
        with pytest.raises(CopyDiffers) as refused:
            copy_bronze(lake, CopyStore(there), LAYOUT)
        assert (refused.value.keys, there.writes) == ((key,), [])
        copy.backend.delete([key])


def test_a_copy_of_another_lake_is_refused_and_not_mixed_with_this_one(lake, copy, tmp_path):
    other = open_store(tmp_path / "other")
    publish(other, FIRST, "other figures")
    copy_bronze(other, copy, LAYOUT)
    before = bodies(copy)
    with pytest.raises(CopyDiffers) as refused:
        copy_bronze(lake, copy, LAYOUT)
    assert MANIFEST in refused.value.keys
    with pytest.raises(CopyDiffers):
        restore_bronze(lake, copy, LAYOUT)
    assert bodies(copy) == before


def test_a_damaged_object_of_the_lake_is_never_copied_and_the_rest_is(lake, copy):
    flipped(lake, OBJECT)
    done = copy_bronze(lake, copy, LAYOUT)
    assert [each.key for each in done.refused] == [OBJECT, MANIFEST], "no manifest without what it names"
    assert bodies(copy) == {key: body for key, body in bodies(lake).items() if key not in (OBJECT, MANIFEST)}


@pytest.mark.parametrize("key", [OBJECT, MANIFEST, f"{ARCHIVE}/x.zip", f"{ARCHIVE}/x.zip.record.json"])
@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_what_is_damaged_in_the_lake_is_named_mended_from_the_copy_and_never_spoils_it(lake, copy, key, damage):
    copy_bronze(lake, copy, LAYOUT)
    good = bodies(lake)
    lake.delete_many([key]) if damage == "gone" else lake.put(key, good[key][:-2])
    expected = "not in the lake" if damage == "gone" else "damaged in the lake"
    assert problems(lake, copy) == {key: expected}
    assert copy_bronze(lake, copy, LAYOUT).written == 0
    done = restore_bronze(lake, copy, LAYOUT)
    assert [*done.added, *done.mended] == [key]
    assert bodies(lake) == good == bodies(copy)


def test_a_damaged_copy_is_never_believed(lake, copy):
    copy_bronze(lake, copy, LAYOUT)
    flipped(copy, OBJECT)
    assert problems(lake, copy) == {OBJECT: "damaged in the copy"}
    lake.delete_many([OBJECT, MANIFEST])
    done = restore_bronze(lake, copy, LAYOUT)
    assert done.added == []
    assert [each.key for each in done.refused] == [OBJECT, MANIFEST], "no manifest without what it names"
    assert not lake.exists(OBJECT)


def test_what_is_damaged_or_gone_in_both_is_said_and_the_rest_restored(lake, copy):
    copy_bronze(lake, copy, LAYOUT)
    flipped(lake, OBJECT)
    flipped(copy, OBJECT)
    lost = f"{FOLDER}/{LATER}/A/1.json.gz"
    for store in (lake.backend, copy.backend):
        store.delete([lost])
    assert problems(lake, copy) == {OBJECT: "damaged in both", lost: "damaged in both"}
    event = f"{LAYOUT.webhook_events}/payload-1.json"
    lake.delete_many([event])
    assert restore_bronze(lake, copy, LAYOUT).added == [event]
    copied = copy_bronze(lake, copy, LAYOUT)
    assert {each.key for each in copied.refused} == {OBJECT, lost}


def test_a_lake_that_lets_nobody_write_over_keeps_its_object_and_gets_all_others(lake, copy):
    copy_bronze(lake, copy, LAYOUT)
    flipped(lake, OBJECT)
    event = f"{LAYOUT.webhook_events}/payload-1.json"
    lake.delete_many([event])

    def deny(operation: str, key: str) -> None:
        if operation == "put":
            raise LakeAccessDenied(key, "403 AccessDenied")

    done = restore_bronze(Store(ObservedBackend(lake.backend, interject=deny)), copy, LAYOUT)
    assert (done.added, done.mended, done.denied, done.refused) == ([event], [], [OBJECT], [])


def test_what_is_being_written_and_strangers_stay_out_and_are_counted(lake, copy):
    unfinished = [f"{FOLDER}/2026-12-01/A/1.json.gz", f"{ARCHIVE}/y.zip"]
    stranger = f"{FOLDER}/{FIRST}/A/notes.txt"
    for key in (*unfinished, stranger, f"{FOLDER}/_staging/2026-12-01/A/1.json.gz"):
        lake.put(key, b"?")
    hidden = lake.backend.root / FOLDER / ".DS_Store"
    hidden.write_bytes(b"of another program")
    found = copy_bronze(lake, copy, LAYOUT).found
    assert sorted(found.unnamed) == sorted([*unfinished, stranger, f"{FOLDER}/.DS_Store"])
    assert (found.downloads, found.state) == (1, 2)
    assert not bodies(copy).keys() & {*unfinished, stranger}
    assert problems(lake, copy) == {}


def test_nothing_that_was_taken_back_or_is_newer_in_the_lake_comes_back(lake, copy, tmp_path):
    copy_bronze(lake, copy, LAYOUT)
    bronze = BronzeStore(lake, LAYOUT, "pce_state")
    bronze.clear_pin(now=NOW + timedelta(days=1))
    newer = Verified(checked_at=NOW + timedelta(days=1), tables={})
    bronze.write_verified(newer)
    assert set(problems(lake, copy).values()) == {"outdated in the copy", "not in the copy"}
    restore_bronze(lake, copy, LAYOUT)
    assert bronze.pin() is None, "nothing is deleted from a copy, and its pin is no longer one"
    assert bronze.verified() == newer
    copy_bronze(lake, copy, LAYOUT)
    new = open_store(tmp_path / "new")
    restore_bronze(new, copy, LAYOUT)
    restored = BronzeStore(new, LAYOUT, "pce_state")
    assert (restored.pin(), restored.verified()) == (None, newer)


def test_a_pin_comes_back_as_it_was_decided_last(lake, copy, tmp_path):
    copy_bronze(lake, copy, LAYOUT)
    bronze = BronzeStore(lake, LAYOUT, "pce_state")
    bronze.write_pin(LATER, now=NOW + timedelta(days=1), reason="another")
    decision = [key for key in bodies(lake) if key.startswith(LAYOUT.all_decisions)]
    copy.put_many(lake.get_many(decision))  # a copy that was killed before it came to the pin itself
    new = open_store(tmp_path / "new")
    done = restore_bronze(new, copy, LAYOUT)
    assert BronzeStore(new, LAYOUT, "pce_state").pin() == bronze.pin()
    assert f"{FOLDER}/_pin.json" in done.added


def test_a_pin_of_before_decisions_were_kept_comes_back(lake, copy, tmp_path):
    lake.delete_many([key for key in bodies(lake) if key.startswith(LAYOUT.all_decisions)])
    copy_bronze(lake, copy, LAYOUT)
    new = open_store(tmp_path / "new")
    restore_bronze(new, copy, LAYOUT)
    assert BronzeStore(new, LAYOUT, "pce_state").pin() == BronzeStore(lake, LAYOUT, "pce_state").pin()


def test_a_later_format_is_refused_and_nothing_is_written(lake, copy):
    record = json.loads(lake.get(MANIFEST))
    lake.put(MANIFEST, json.dumps({**record, "format": LAKE_FORMAT + 1}).encode())
    with pytest.raises(NewerLakeFormat):
        copy_bronze(lake, copy, LAYOUT)
    assert bodies(copy) == {}


def test_restoring_from_a_place_without_this_world_says_what_it_has(lake, copy):
    with pytest.raises(NothingCopied, match="right place"):
        restore_bronze(lake, copy, LAYOUT)
    copy.put(f"{LAYOUT.env}/bronze/sample/d/_pin.json", b"{}")
    with pytest.raises(NothingCopied) as caught:
        restore_bronze(lake, copy, LAYOUT)
    assert (caught.value.worlds, "sample" in caught.value.remedy) == (("sample",), True)


harms = st.sampled_from(["gone", "flipped"])


@settings(max_examples=examples(25))
@given(st.data())
def test_whatever_is_damaged_where_the_intact_one_wins_or_nothing_is_written(data):
    with tempfile.TemporaryDirectory() as folder:
        lake = filled(open_store(Path(folder) / "lake"))
        copy = CopyStore(DirectoryBackend(Path(folder) / "copy"))
        copy_bronze(lake, copy, LAYOUT)
        good = bodies(lake)
        harmed = st.dictionaries(st.sampled_from(sorted(good)), harms, max_size=4)
        in_lake, in_copy = data.draw(harmed), data.draw(harmed)
        for store, done in ((lake, in_lake), (copy, in_copy)):
            for key, harm in done.items():
                flipped(store, key) if harm == "flipped" else store.backend.delete([key])
        before, there = bodies(lake), bodies(copy)
        try:
            restore_bronze(lake, copy, LAYOUT)
        except CopyDiffers:
            assert bodies(lake) == before
            return
        after = bodies(lake)
        assert bodies(copy) == there, "a restore writes to the lake alone"
        for key in good.keys() - in_lake.keys():
            assert after[key] == good[key], "nothing intact was written over"
        hashed = {key for key in good if key.endswith((".gz", ".zip"))}
        if not {key for key in good if role_of(LAYOUT, key) == "record"} & (in_lake.keys() | in_copy.keys()):
            for key in hashed - in_copy.keys():
                assert after[key] == good[key], "what is intact in the copy was brought back"
            for key in hashed & (after.keys() - before.keys()):
                assert after[key] == good[key], "nothing damaged was believed"


@pytest.mark.parametrize("address", ["{lake}", "{lake}/", "{lake}/within", "{above}", "{link}", "{lake}/../lake"])
def test_the_lake_itself_is_no_place_for_its_copy_by_whatever_name(tmp_path, address):
    (tmp_path / "lake").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "lake")
    named = address.format(lake=tmp_path / "lake", above=tmp_path, link=tmp_path / "link")
    with pytest.raises(CopyPlaceRefused, match="lake itself"):
        place_of_copy(named, open_store(tmp_path / "lake"))
    place_of_copy(str(tmp_path / "lake-2"), open_store(tmp_path / "lake"))


def test_within_one_bucket_the_lake_itself_is_refused_and_a_prefix_beside_it_told(tmp_path):
    lake = open_store("s3://bucket/a/lake")
    for address in (
        "s3://bucket/a/lake",
        "s3://bucket/a/lake/",
        "s3://bucket",
        "s3://bucket/a",
        "s3://bucket/a/lake/c",
    ):
        with pytest.raises(CopyPlaceRefused, match="lake itself"):
            place_of_copy(address, lake)
    assert shares_bucket(lake, place_of_copy("s3://bucket/a/lake-2", lake))
    assert not shares_bucket(lake, place_of_copy("s3://other/a/lake", lake))
    assert not shares_bucket(lake, place_of_copy(str(tmp_path), lake))


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIAEXAMPLE:s3cr3t-value@bucket/x",
        "s3://bucket/x?X-Amz-Signature=s3cr3t-value",
        "s3://bucket/s3cr3t-value%20x",
        "https://user:s3cr3t-value@host/x",
        "postgresql://pce:s3cr3t-value@host/x",
        "s3:/s3cr3t-value",
        "",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_repeated(address, tmp_path):
    with pytest.raises(CopyPlaceRefused) as refused:
        place_of_copy(address, open_store(tmp_path / "lake"))
    assert "s3cr3t-value" not in f"{refused.value}{vars(refused.value)}{refused.value.__cause__}"


def test_what_goes_wrong_at_the_copy_is_said_of_the_copy(lake, tmp_path):
    (tmp_path / "file").write_text("in the way")
    copy = CopyStore(DirectoryBackend(tmp_path / "file" / "copy"))
    with pytest.raises(CopyUnreachable) as failed:
        copy_bronze(lake, copy, LAYOUT)
    assert failed.value.place == str(tmp_path / "file" / "copy")
    session = boto3.Session("key", "secret")
    absent = CopyStore(S3Backend("bucket", endpoint_url="http://127.0.0.1:1", session=session, retries=0))
    with pytest.raises(CopyUnreachable, match="no usable answer"):
        copy_bronze(lake, absent, LAYOUT)


def test_a_locked_bucket_is_sent_the_checksum_that_it_demands():
    asked: list[str | None] = []

    class Bucket(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked.append(self.headers.get("x-amz-checksum-sha256"))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Bucket) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for is_lake in (True, False):
            open_store(
                "s3://bucket/x",
                endpoint_url=f"http://127.0.0.1:{server.server_port}",
                session=boto3.Session("key", "secret", region_name="us-east-1"),
                is_lake=is_lake,
            ).create("a/b", b"")
        server.shutdown()
    assert asked == [None, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]


def test_the_region_of_a_bucket_is_asked_of_s3():
    moto = pytest.importorskip("moto")
    with moto.mock_aws():
        session = boto3.Session("key", "secret", region_name="us-east-1")
        session.client("s3").create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        assert region_of(session, "far") == "eu-west-1"
        assert region_of(session, "absent") is None


def test_batches_hold_every_key_once_and_fit_into_memory():
    sizes = {
        f"k{n}": ObjectInfo(f"k{n}", size, datetime.now(UTC), "") for n, size in enumerate([40_000_000] * 3 + [1] * 600)
    }
    batches = list(in_batches(sizes, sizes))
    assert [key for batch in batches for key in batch] == list(sizes)
    assert all(len(batch) <= 256 and sum(sizes[key].size for key in batch) <= 64_000_000 for batch in batches)
    big = {"k": ObjectInfo("k", 10**9, datetime.now(UTC), "")}
    assert list(in_batches(big, big)) == [["k"]]
