"""What pages of BEA's archive link to and names say; and a walk that is slow, bounded, and never leaves the archive."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any

import httpx
import pytest

from pce_pipeline.bea.archive_walk import ArchiveWalk, Pace
from pce_pipeline.bea.archived_releases import (
    Release,
    ReleaseName,
    canonical_page,
    day_on,
    is_within,
    read_page,
    release_at,
    release_named,
    release_of_file,
)
from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.errors import BeaContentError, BeaError, BeaFileRefused, BeaTransportError

ROOT = "https://bea.test/regional/histdata/"


@pytest.mark.parametrize(
    ("name", "month", "kind"),
    [
        ("1019pce", date(2019, 10, 1), "pce"),
        ("0917rpi", date(2017, 9, 1), "rpi"),
        ("0922gdpstate", date(2022, 9, 1), "gdpstate"),
        ("0324PIstate", date(2024, 3, 1), "pistate"),
        ("1298spi", date(1998, 12, 1), "spi"),
        ("1118lapi-2", date(2018, 11, 1), "lapi"),
    ],
)
def test_a_folders_name_says_month_and_kind(name: str, month: date, kind: str) -> None:
    assert release_named(name) == ReleaseName(month, kind)


@pytest.mark.parametrize("name", ["1319pce", "pce1019", "2019pce1", "pce", "1019", "101pce", "1019 pce/x"])
def test_a_folders_name_that_is_not_understood_says_nothing(name: str) -> None:
    assert release_named(name) is None


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("pce1019.zip", "1019pce"),
        ("rpp0917.zip", "0917rpp"),
        ("lapi1118-2.zip", "1118lapi"),
        ("spi0404-3.csv", "0404spi"),
        ("gdpcounty1218.xlsx", "1218gdpcounty"),
    ],
)
def test_a_files_name_says_month_and_kind(name: str, folder: str) -> None:
    said = release_of_file(name)
    assert said is not None
    assert said.folder == folder


@pytest.mark.parametrize("name", ["SAPCE.zip", "SAPCE_2022-10-06.zip", "SAINC1_2025.zip", "pce1319.zip", "1019pce.zip"])
def test_a_files_name_that_is_not_understood_says_nothing(name: str) -> None:
    assert release_of_file(name) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://bea.test/regional/histdata/releases/1019pce/pce1019.zip",
        "HTTPS://BEA.test/regional/HistData/releases/",
    ],
)
def test_what_lies_below_the_archive_is_within(address: str) -> None:
    assert is_within(address, ROOT)


@pytest.mark.parametrize(
    "address",
    [
        "http://bea.test/regional/histdata/releases/",
        "https://bea.test.evil/regional/histdata/releases/",
        "https://other.test/regional/histdata/releases/",
        "https://bea.test@evil.test/regional/histdata/",
        "https://bea.test/regional/zip/SAPCE.zip",
        "https://bea.test/regional/histdata/../zip/SAPCE.zip",
        "https://bea.test/regional/histdata/%2e%2e/zip/SAPCE.zip",
        "https://bea.test/regional/histdata/%252e%252e/zip/SAPCE.zip",
        "https://bea.test/regional/histdata/releases\\..\\x.zip",
        "https://bea.test/regional/histdata/index.cfm?year=2019",
        "https://[bea.test/regional/histdata/",
    ],
)
def test_what_leads_out_of_the_archive_is_not_within(address: str) -> None:
    assert not is_within(address, ROOT)


def test_the_links_of_a_page_are_sorted_whatever_its_form() -> None:
    body = b"""<BODY><a class=x HREF='releases/1019pce/index.cfm'>PCE</a><A href="releases/1019pce/index.cfm#top">again
        <a href=" /regional/histdata/releases/0404spi/spi0404-3.csv ">csv</a><a href=releases/1218gdpcounty/g1218.xlsx>
        <a href="my file.zip">z</a><a href="mailto:x@bea.test">m</a><a href="javascript:go()">j</a><a name=top>
        <a href="../zip/SAPCE.zip">up</a><a href="https://www.bea.gov/">home</a><a href="http://[bad">b</a><table><tr"""
    page = read_page(body, ROOT, ROOT)
    assert page.pages == (f"{ROOT}releases/1019pce/index.cfm",)
    assert page.files == (f"{ROOT}releases/0404spi/spi0404-3.csv", f"{ROOT}my%20file.zip")
    assert page.others == (f"{ROOT}releases/1218gdpcounty/g1218.xlsx",)
    assert page.elsewhere == ("https://bea.test/regional/zip/SAPCE.zip", "https://www.bea.gov/")


def test_links_are_relative_to_what_a_page_says_is_its_base() -> None:
    body = b'<head><base href="/regional/histdata/releases/"></head><a href="1019pce/pce1019.zip">x</a>'
    assert read_page(body, ROOT, ROOT).files == (f"{ROOT}releases/1019pce/pce1019.zip",)


@pytest.mark.parametrize(
    ("path", "release"),
    [
        ("", None),
        ("index.cfm", None),
        ("releases/", None),
        ("by-year/2019.htm", None),
        ("releases/1019pce", "1019pce"),
        ("releases/1019pce/index.cfm", "1019pce"),
        ("1019pce/index.cfm", "1019pce"),
        ("releases/1019pce/parts/b.zip", "1019pce"),
        ("releases/special/index.cfm", "special"),
        ("releases/spi0404-3.csv", "0404spi"),
        ("lapi1118-2.zip", "1118lapi"),
        ("releases/all.zip", "all"),
    ],
)
def test_each_address_belongs_to_a_release_or_stands_above_all(path: str, release: str | None) -> None:
    assert release_at(f"{ROOT}{path}", ROOT) == release


def test_a_folder_and_its_index_are_one_page() -> None:
    ways = ["releases/1019pce", "releases/1019pce/", "releases/1019PCE/index.cfm", "releases/1019pce/default.htm"]
    assert len({canonical_page(f"{ROOT}{way}") for way in ways}) == 1
    assert canonical_page(f"{ROOT}a.cfm") != canonical_page(f"{ROOT}b.cfm")


def test_the_day_of_a_release_is_the_only_one_of_its_month_that_its_pages_name() -> None:
    month = date(2019, 10, 1)
    said = b"<title>Data of October 3, 2019</title><p>Released October&nbsp;3, 2019</p> next: October 8, 2020"
    assert day_on([said, b"<b>October 3,\n2019</b>"], month) == date(2019, 10, 3)
    assert day_on([b"<p>October 3, 2019, revised October 4, 2019"], month) is None
    assert day_on([b"<p>September 30, 2019, October 32, 2019"], month) is None
    assert day_on([b"<script>var d = 'October 3, 2019'</script>"], month) is None


class Site:
    """A site as a function: answers by path, remembers what was asked and when, by a clock that only a sleep moves."""

    def __init__(self, pages: Mapping[str, bytes | int | str | Exception]) -> None:
        self.pages = dict(pages)
        self.asked: list[str] = []
        self.times: list[float] = []
        self.now = 100.0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/regional/histdata/")
        self.asked.append(path)
        self.times.append(self.now)
        said = self.pages.get(path, 404)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, str):
            return httpx.Response(302, headers={"Location": said})
        if isinstance(said, int):
            return httpx.Response(said)
        return httpx.Response(200, content=said, headers={"Last-Modified": "Thu, 03 Oct 2019 12:30:00 GMT"})

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def walk(self, ask: Callable[[ArchiveWalk], Awaitable[Any]], *, most_pages: int = 100) -> Any:
        async def within() -> Any:
            transport = httpx.MockTransport(self)
            async with BeaClient("https://bea.test/", transport=transport, attempts=1) as client:
                pace = Pace(1.0, lambda: self.now, self.sleep)
                return await ask(ArchiveWalk(client, pace, most_pages=most_pages))

        return asyncio.run(within())


def links(*addresses: str) -> bytes:
    return "".join(f'<a href="{address}">x</a>' for address in addresses).encode()


def test_the_index_is_followed_to_releases_and_no_further_once_a_second() -> None:
    site = Site(
        {
            "": links("old.cfm", "releases/1019pce/index.cfm", "index.cfm", "https://elsewhere.test/x.zip"),
            "old.cfm": links("releases/1017pce/", "releases/spi0404-3.csv", "index.cfm", "old.cfm"),
        }
    )
    found = site.walk(lambda walk: walk.index())
    assert [(each.name, each.said is not None) for each in found] == [
        ("0404spi", True),
        ("1017pce", True),
        ("1019pce", True),
    ]
    assert site.asked == ["", "old.cfm"]
    assert site.times == [100.0, 101.0]


def test_the_pages_of_a_release_are_read_and_files_among_them_known() -> None:
    site = Site(
        {
            "releases/1019pce/index.cfm": links("more.htm", "pce1019.zip", "../1018pce/index.cfm", "note.pdf"),
            "releases/1019pce/more.htm": links("pce1019-2.zip", "index.cfm", "https://www.bea.test/other.zip"),
        }
    )
    release = Release("1019pce", release_named("1019pce"), pages=(f"{ROOT}releases/1019pce/index.cfm",))
    pages = site.walk(lambda walk: walk.pages_of(release))
    whole = release.with_pages(pages, ROOT)
    assert [address.rpartition("/")[2] for address in whole.files] == ["pce1019.zip", "pce1019-2.zip"]
    assert whole.others == (f"{ROOT}releases/1019pce/note.pdf",)
    assert whole.elsewhere == ("https://www.bea.test/other.zip",)
    assert site.asked == ["releases/1019pce/index.cfm", "releases/1019pce/more.htm"]


def test_an_index_that_links_to_no_release_is_told() -> None:
    with pytest.raises(BeaContentError, match="links to no release") as told:
        Site({"": b"<html>Sorry</html>"}).walk(lambda walk: walk.index())
    assert "pce archive pull --from" in told.value.remedy


def test_pages_that_lead_on_for_ever_end_the_walk() -> None:
    site = Site({"": links("a.cfm"), "a.cfm": links("b.cfm"), "b.cfm": links("c.cfm")})
    with pytest.raises(BeaContentError, match="more pages than the 3"):
        site.walk(lambda walk: walk.index(), most_pages=3)
    assert site.asked == ["", "a.cfm", "b.cfm"]


def test_a_redirect_within_the_archive_is_followed_and_links_are_read_from_there() -> None:
    site = Site({"": "index.cfm", "index.cfm": "/regional/histdata/new/", "new/": links("1019pce/")})
    (release,) = site.walk(lambda walk: walk.index())
    assert release.pages == (f"{ROOT}new/1019pce/",)
    assert site.times == [100.0, 101.0, 102.0]


@pytest.mark.parametrize("place", ["https://evil.test/regional/histdata/", "/regional/zip/SAPCE.zip", "../x?key=1"])
def test_a_redirect_out_of_the_archive_is_refused(place: str) -> None:
    site = Site({"": place})
    with pytest.raises(BeaFileRefused, match="is not below"):
        site.walk(lambda walk: walk.index())
    assert site.asked == [""]


def test_redirects_without_end_are_refused() -> None:
    site = Site({"": "index.cfm", "index.cfm": "/regional/histdata/"})
    with pytest.raises(BeaFileRefused, match="redirects more than 5 times"):
        site.walk(lambda walk: walk.index())


@pytest.mark.parametrize("body", [b"<html>gone</html>", b"", b"PK broken", b"no zip at all"])
def test_a_zip_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(BeaFileRefused):
        Site({"a.zip": body}).walk(lambda walk: walk.file(f"{ROOT}a.zip"))


def test_a_file_comes_with_its_address_and_when_it_was_written(zip_file) -> None:
    packed = zip_file({"a.csv": b"1,2"})
    answer = Site({"a.zip": packed}).walk(lambda walk: walk.file(f"{ROOT}a.zip"))
    assert answer.body == packed
    assert answer.endpoint == f"{ROOT}a.zip"
    assert dict(answer.parameters) == {"Last-Modified": "Thu, 03 Oct 2019 12:30:00 GMT"}


@pytest.mark.parametrize(("said", "kind"), [(404, BeaError), (httpx.ConnectError("no"), BeaTransportError)])
def test_a_file_that_does_not_come_is_an_error_of_beas(said: int | Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Site({"a.csv": said}).walk(lambda walk: walk.file(f"{ROOT}a.csv"))


@pytest.mark.parametrize(("said", "is_up"), [(b"<html>", True), (503, False)])
def test_whether_bea_answers_is_told_by_its_index(said: bytes | int, is_up: bool) -> None:
    assert Site({"": said}).walk(lambda walk: walk.is_answered()) is is_up
