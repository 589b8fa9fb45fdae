"""Pulling BEA's archive into Bronze: each file once, what fails is told, and a pull that is killed goes on."""

import asyncio
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pce_pipeline.bea.archive_walk import ArchiveWalk, Pace
from pce_pipeline.bea.archived_releases import Release, release_named
from pce_pipeline.bea.client import BeaClient, RawAnswer
from pce_pipeline.bronze.archive_pull import Downloads, download, given_day, places_of_release
from pce_pipeline.bronze.archived_releases import ArchiveStore, Given, file_name
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.bronze.look_alike import archive_of, member_of
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend

ROOT = "https://bea.test/regional/histdata/"
LAYOUT = Layout("local", "bea")


def packed(text: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.csv"), text)
    return stream.getvalue()


def links(*addresses: str) -> bytes:
    return "".join(f'<a href="{address}">x</a>' for address in addresses).encode()


def release(name: str) -> Release:
    return Release(name, release_named(name), pages=(f"{ROOT}releases/{name}/index.cfm",))


class Site:
    """BEA's archive as a function, which remembers what was asked."""

    def __init__(self, pages: Mapping[str, bytes | int]) -> None:
        self.pages = dict(pages)
        self.asked: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/regional/histdata/")
        self.asked.append(path)
        said = self.pages.get(path, 404)
        return httpx.Response(said) if isinstance(said, int) else httpx.Response(200, content=said)

    def pull(self, store: ArchiveStore, *names: str) -> Downloads:
        """What a pull of these releases brings; forgets what was asked before."""
        self.asked.clear()

        async def within() -> Downloads:
            async with BeaClient("https://bea.test", transport=httpx.MockTransport(self), attempts=1) as client:
                return await download(ArchiveWalk(client, Pace(0)), store, [release(name) for name in names])

        return asyncio.run(within())


def two_releases() -> Site:
    return Site(
        {
            "releases/1018pce/index.cfm": links("pce1018.zip", "pce1018.pdf") + b"October 4, 2018",
            "releases/1018pce/pce1018.zip": packed("2018"),
            "releases/1019pce/index.cfm": links("pce1019.zip", "pce1019-2.zip"),
            "releases/1019pce/pce1019.zip": packed("2019"),
            "releases/1019pce/pce1019-2.zip": packed("2019, two"),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def store(folder: Path) -> ArchiveStore:
    return ArchiveStore(Store(DirectoryBackend(folder)), LAYOUT)


def test_files_are_kept_as_received_with_address_hash_and_day(store: ArchiveStore, folder: Path) -> None:
    did = two_releases().pull(store, "1018pce", "1019pce")
    assert [file.address for file in did.files] == [
        f"{ROOT}releases/1018pce/pce1018.zip",
        f"{ROOT}releases/1019pce/pce1019.zip",
        f"{ROOT}releases/1019pce/pce1019-2.zip",
    ]
    assert [file.released_on for file in did.files] == [date(2018, 10, 4), None, None]
    assert did.others == [f"{ROOT}releases/1018pce/pce1018.pdf"]
    assert did.failed == {}
    assert (folder / "local/bronze/bea/archive/1018pce/pce1018.zip").read_bytes() == packed("2018")
    record = json.loads((folder / "local/bronze/bea/archive/1018pce/pce1018.zip.record.json").read_bytes())
    assert record["address"] == f"{ROOT}releases/1018pce/pce1018.zip"
    assert sorted(store.files(), key=lambda each: each.address) == sorted(did.files, key=lambda each: each.address)
    assert store.body(did.files[1]) == packed("2019")


def test_what_is_held_is_not_asked_for_again(store: ArchiveStore) -> None:
    site = two_releases()
    site.pull(store, "1018pce", "1019pce")
    again = site.pull(store, "1018pce", "1019pce")
    assert site.asked == []
    assert again.files == []
    assert again.others == [f"{ROOT}releases/1018pce/pce1018.pdf"]


def test_a_broken_file_is_told_asked_for_again_and_stops_no_other(store: ArchiveStore) -> None:
    site = two_releases()
    site.pages["releases/1018pce/pce1018.zip"] = packed("2018")[:40]
    site.pages["releases/1019pce/pce1019.zip"] = b"<html>Not here</html>"
    did = site.pull(store, "1018pce", "1019pce")
    assert [file.file for file in did.files] == ["pce1019-2.zip"]
    assert list(did.failed) == [f"{ROOT}releases/1018pce/pce1018.zip", f"{ROOT}releases/1019pce/pce1019.zip"]
    assert "cannot be opened" in did.failed[f"{ROOT}releases/1018pce/pce1018.zip"]
    assert did.stopped == ""
    site.pages |= two_releases().pages
    assert [file.file for file in site.pull(store, "1018pce", "1019pce").files] == ["pce1018.zip", "pce1019.zip"]


def test_a_page_that_bea_does_not_give_stops_no_other_release(store: ArchiveStore) -> None:
    site = two_releases()
    site.pages["releases/1018pce/index.cfm"] = 404
    did = site.pull(store, "1018pce", "1019pce")
    assert list(did.failed) == ["1018pce"]
    assert len(did.files) == 2


@pytest.mark.parametrize(("index", "stops"), [(503, True), (b"<html>", False)])
def test_a_pull_stops_where_bea_answers_nothing_at_all(store: ArchiveStore, index: bytes | int, *, stops: bool) -> None:
    names = [f"10{year}pce" for year in range(15, 20)]
    site = Site({**two_releases().pages, "": index, **{f"releases/{name}/index.cfm": 503 for name in names[:3]}})
    did = site.pull(store, *names)
    assert list(did.failed) == [*names[:3]]
    assert bool(did.stopped) is stops
    assert bool(did.files) is not stops


def test_too_many_requests_end_the_pull_at_once(store: ArchiveStore) -> None:
    site = Site({**two_releases().pages, "releases/1018pce/index.cfm": 429})
    did = site.pull(store, "1018pce", "1019pce")
    assert "takes no more requests" in did.stopped
    assert site.asked == ["releases/1018pce/index.cfm"]


@pytest.mark.parametrize("after", range(8))
def test_a_pull_that_is_killed_at_any_write_goes_on(folder: Path, store: ArchiveStore, after: int) -> None:
    site = two_releases()
    dying = ObservedBackend(DirectoryBackend(folder), dies_after=after)
    with pytest.raises(Killed):
        site.pull(ArchiveStore(Store(dying), LAYOUT), "1018pce", "1019pce")
    held = {file.address for file in store.files()}
    site.pull(store, "1018pce", "1019pce")
    assert len(store.files()) == 3
    assert not [path for path in site.asked if f"{ROOT}{path}" in held]
    assert {store.body(file) for file in store.files()} == {packed("2018"), packed("2019"), packed("2019, two")}


def test_a_file_without_its_record_keeps_the_bytes_that_lie_there(store: ArchiveStore) -> None:
    answer = RawAnswer(packed("as it was"), f"{ROOT}releases/1019pce/a.zip", {}, datetime.now(UTC))
    record = store.keep("1019pce", answer, None)
    again = store.keep("1019pce", replace(answer, body=packed("as it is")), None)
    assert again == record
    assert store.body(again) == packed("as it was")


def test_a_changed_file_is_not_believed(store: ArchiveStore, folder: Path) -> None:
    (file,) = two_releases().pull(store, "1018pce").files
    path = folder / "local/bronze/bea/archive/1018pce/pce1018.zip"
    path.chmod(0o644)
    path.write_bytes(b"changed")
    with pytest.raises(DamagedObject):
        store.body(file)


def test_the_pages_of_a_new_release_are_read_again_on_another_day(store: ArchiveStore) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    new, old = release("1026pce"), release("1019pce")
    for each in (new, old):
        store.keep_pages(each, {each.pages[0]: b"caf\xe9 \xff"}, now)
    assert store.pages(new, now.date()) is not None
    assert store.pages(new, now.date() + timedelta(days=1)) is None
    final = store.pages(old, now.date() + timedelta(days=400))
    assert final is not None
    assert final.bodies == {old.pages[0]: b"caf\xe9 \xff"}


def test_two_files_of_one_name_have_two_names_in_bronze() -> None:
    plain = file_name("1019pce", f"{ROOT}releases/1019pce/pce.zip")
    assert plain == "pce.zip"
    assert file_name("0404spi", f"{ROOT}releases/spi0404-3.csv") == "spi0404-3.csv"
    deeper = {file_name("1019pce", f"{ROOT}releases/1019pce/{part}/pce.zip") for part in "ab"}
    assert len(deeper) == 2
    assert plain not in deeper
    odd = {file_name("1019pce", f"{ROOT}releases/1019pce/{name}") for name in ("a%20b.zip", "a%2Bb.zip", "_ab.zip")}
    assert len(odd) == 3
    assert all(name.endswith(".zip") and not name.startswith("_") for name in odd)


def test_a_dataset_is_done_with_a_file_that_it_took_whatever_version_comes(store: ArchiveStore) -> None:
    given = Given(date(2019, 10, 31), "month")
    assert store.became("a" * 64, PCE_STATE, given) is None
    store.note("f.zip", "a" * 64, PCE_STATE, given, "new", ["SAPCE1"], ["2019-10-31"])
    became = store.became("a" * 64, PCE_STATE, given)
    assert became is not None
    assert became.extracts == ("2019-10-31",)
    assert store.became("a" * 64, PCE_STATE, None) is None
    assert store.became("b" * 64, PCE_STATE, given) is None
    wider = replace(PCE_STATE, tables={**PCE_STATE.tables, "SAPCE5": PCE_STATE.tables["SAPCE1"]})
    assert store.became("a" * 64, wider, given) is None


@pytest.mark.parametrize(
    ("month", "released_on", "given"),
    [
        (date(2019, 10, 1), None, Given(date(2019, 10, 31), "month")),
        (date(2016, 2, 1), None, Given(date(2016, 2, 29), "month")),
        (date(2019, 10, 1), date(2019, 10, 3), Given(date(2019, 10, 3), "day")),
        (date(2026, 10, 1), None, Given(date(2026, 10, 31), "month")),
        (date(2026, 11, 1), None, None),
        (None, None, None),
    ],
)
def test_a_table_without_a_day_gets_that_of_the_page_else_the_last_of_its_month(
    month: date | None, released_on: date | None, given: Given | None
) -> None:
    assert given_day(month, released_on, date(2026, 11, 28)) == given


def test_a_table_that_says_its_day_goes_there_whatever_the_name_says(folder: Path, tmp_path: Path) -> None:
    bronze = BronzeStore(Store(DirectoryBackend(folder)), LAYOUT, PCE_STATE.name)
    dated = member_of(archive_of(1), "SAPCE1__ALL")
    undated = b"\n".join(line for line in dated.replace(b"SAPCE1", b"SAPCE2").splitlines() if b"updated" not in line)
    path = tmp_path / "pce1019.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dated.csv", dated)
        archive.writestr("undated.csv", undated)
    feed, tables, now = FileFeed([path], [PCE_STATE]), ["SAPCE1", "SAPCE2"], current(bronze, PCE_STATE)
    places, undated_tables = places_of_release(feed, tables, Given(date(2019, 10, 31), "month"), now)
    assert [(place.day, place.tables, place.date_is) for place in places] == [
        (date(2019, 10, 31), ("SAPCE2",), "month"),
        (date(2024, 10, 3), ("SAPCE1",), "day"),
    ]
    assert undated_tables == []
    places, undated_tables = places_of_release(feed, tables, None, now)
    assert [place.tables for place in places] == [("SAPCE1",)]
    assert undated_tables == ["SAPCE2"]
