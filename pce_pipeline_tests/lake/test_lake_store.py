import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from pce_pipeline.lake.backends import S3Backend
from pce_pipeline.lake.errors import (
    BucketMissing,
    LakeAccessDenied,
    LakeAddressRefused,
    LakeDirectoryRefused,
    LakeUnavailable,
    LostRace,
    MissingObject,
    ObjectExists,
    UnsafeKey,
)
from pce_pipeline.lake.store import Store, open_store


def test_what_is_put_can_be_got_and_listed(store):
    objects = {f"a/year={year}/state={n}/part-000.parquet": bytes([n]) * (n + 1) for year in (1, 2) for n in range(40)}
    e_tags = store.put_many(objects)
    assert store.get_many(objects) == objects
    infos = store.list("a")
    assert [info.key for info in infos] == sorted(objects)
    assert {info.key: info.size for info in infos} == {key: len(body) for key, body in objects.items()}
    assert {info.key: info.e_tag for info in infos} == e_tags
    assert all(abs(datetime.now(UTC) - info.last_modified) < timedelta(minutes=5) for info in infos)
    assert list(store.list_dirs("a")) == ["year=1", "year=2"]
    assert store.existing(["a/none", "a/year=1/state=0/part-000.parquet"]) == ["a/year=1/state=0/part-000.parquet"]


def test_an_empty_lake_has_nothing_and_reading_it_makes_nothing(store, directory):
    assert list(store.list("a")) == []
    assert list(store.list_dirs("a")) == []
    assert not store.exists("a/b")
    assert store.get_many(["a/b"], missing_ok=True) == {}
    store.delete_many(["a/b"])
    with pytest.raises(MissingObject) as caught:
        store.get("a/b")
    assert caught.value.key == "a/b"
    assert not directory.parent.exists()


def test_a_missing_one_of_many_is_named(store):
    store.put("a/b", b"1")
    with pytest.raises(MissingObject, match="a/c"):
        store.get_many(["a/b", "a/c"])


def test_a_created_object_is_never_overwritten(store):
    store.create("a/b", b"first")
    with pytest.raises(ObjectExists):
        store.create("a/b", b"second")
    assert store.create_many({"a/b": b"second", "a/c": b"new"}) == {"a/b"}
    assert store.get_many(["a/b", "a/c"]) == {"a/b": b"first", "a/c": b"new"}


def test_of_many_who_create_the_same_object_one_succeeds(store):
    def create(number: int) -> bool:
        return not store.create_many({"a/b": str(number).encode()})

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(create, range(8)))
    assert won.count(True) == 1
    assert store.get("a/b") == str(won.index(True)).encode()


def test_a_replacement_needs_the_state_it_was_based_on(store):
    first = store.replace("a/b", b"1", None)
    assert store.get_versioned("a/b") == (b"1", first)
    second = store.replace("a/b", b"2", first)
    for expected in (None, first):
        with pytest.raises(LostRace):
            store.replace("a/b", b"3", expected)
    with pytest.raises(LostRace):
        store.replace("a/gone", b"3", second)
    assert store.get_versioned("a/b") == (b"2", second)
    assert store.replace_many({"a/b": (b"3", second), "a/c": (b"4", second)}) == {"a/c"}


def test_no_replacement_is_lost_where_many_replace(store):
    store.put("a/count", b"0")

    def count_up(_: int) -> None:
        while True:
            body, token = store.get_versioned("a/count")
            try:
                store.replace("a/count", str(int(body) + 1).encode(), token)
            except LostRace:
                continue
            return

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count_up, range(20)))
    assert store.get("a/count") == b"20"


def test_objects_can_be_copied_and_deleted(store):
    store.put("a/b", b"1")
    store.copy_many([("a/b", "c/d"), ("a/b", "c/e")])
    store.delete_many(["a/b", "a/never"])
    assert [info.key for info in store.list("c")] == ["c/d", "c/e"]
    assert not store.exists("a/b")
    with pytest.raises(MissingObject):
        store.copy_many([("a/b", "c/f")])


def test_a_lake_can_be_used_where_an_event_loop_runs(store):
    async def use():
        store.put_many({"a/b": b"1", "a/c": b"2"})
        return store.get("a/b")

    assert asyncio.run(use()) == b"1"


@pytest.mark.parametrize("key", ["../a", "a/../b", "/a", "a b", ""])
def test_keys_outside_the_grammar_are_refused(store, key):
    for use in (store.get, store.list, store.exists):
        with pytest.raises(UnsafeKey):
            use(key)
    with pytest.raises(UnsafeKey):
        store.put(key, b"")


def test_a_directory_keeps_nothing_but_the_objects(directory):
    store = open_store(directory)
    token = store.replace("a/b", b"1", None)
    store.replace("a/b", b"2", token)
    store.put("staging/c", b"")
    store.delete_many(["staging/c"])
    assert [path.name for path in directory.rglob("*")] == ["a", "b"]


@pytest.mark.parametrize("uri", ["", "ftp://host/lake", "s3://", "s3:///prefix"])
def test_an_address_that_is_no_lake_is_refused(uri):
    with pytest.raises(LakeAddressRefused) as caught:
        open_store(uri)
    assert "PCE_LAKE_URI" in caught.value.remedy


def test_a_file_is_no_lake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeAddressRefused):
        open_store(tmp_path / "file")
    with pytest.raises(LakeDirectoryRefused, match="not a directory"):
        open_store(tmp_path / "file" / "lake").put("a/b", b"")


@pytest.mark.s3
def test_a_missing_bucket_is_named_for_every_operation(s3):
    store = open_store("s3://no-such-bucket/lake", endpoint_url=s3.endpoint_url, session=s3.session())
    for use in (store.get, store.list, store.list_dirs, lambda key: store.put(key, b"")):
        with pytest.raises(BucketMissing) as caught:
            use("a/b")
        assert caught.value.bucket == "no-such-bucket"


@pytest.mark.s3
def test_wrong_credentials_are_told_from_missing_objects_and_never_shown(s3):
    wrong = boto3.Session(
        aws_access_key_id=s3.access_key, aws_secret_access_key="not-the-secret", region_name="eu-west-1"
    )
    store = open_store(f"s3://{s3.bucket}/lake", endpoint_url=s3.endpoint_url, session=wrong)
    for use in (store.get, store.list, store.exists, lambda key: store.put(key, b"")):
        with pytest.raises(LakeAccessDenied) as caught:
            use("a/b")
        assert "not-the-secret" not in str(caught.value)
        assert s3.access_key not in str(caught.value)
        assert caught.value.__suppress_context__


@pytest.mark.s3
def test_the_default_credentials_are_those_of_boto3(s3, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(f"s3://{s3.bucket}/from-environment", endpoint_url=s3.endpoint_url)
    store.put("a/b", b"1")
    assert store.get("a/b") == b"1"


def test_a_server_that_does_not_answer_is_worth_another_try():
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret")
    store = Store(S3Backend("bucket", endpoint_url="http://127.0.0.1:9", session=session, retries=0))
    with pytest.raises(LakeUnavailable) as caught:
        store.get("a/b")
    assert caught.value.retryable
    assert "AWS_ENDPOINT_URL" in caught.value.remedy
