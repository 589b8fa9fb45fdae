"""Copies of the page: whole, of one version, with what browsers need to be told, never over another's page."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import obstore
import pytest

from pce_pipeline.explorer.store import INDEX, ExplorerSet, ExplorerStore, Part, Pointer
from pce_pipeline.lake.backends import DirectoryBackend, S3Backend
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.look.errors import NotPublished, PlaceRefused, PortTaken
from pce_pipeline.look.publishing import place_at, publish
from pce_pipeline.look.serving import ServedFolder, listen
from pce_pipeline.look.site import headers_of, static_files, version_shown
from pce_pipeline_tests.look.conftest import served
from pce_pipeline_tests.servers import S3

FIRST, SECOND, THIRD = "aaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaa2", "aaaaaaaaaaaaaaa3"


class Sets:
    """A lake whose set is whatever a test publishes in it."""

    def __init__(self, folder: Path) -> None:
        self.store = ExplorerStore(Lake(str(folder / "lake"), Layout("local", "sample")))

    def take(self, version: str, figures: bytes = b"PAR1 figures PAR1") -> ExplorerSet:
        bodies = {
            "figures/some.parquet": figures,
            "checks.json": b'{"checks": []}',
            INDEX: json.dumps({"version": version}).encode(),
        }
        parts = {
            path: Part(sha256=sha256_of(body), bytes=len(body), inputs="" if path == "checks.json" else version)
            for path, body in bodies.items()
        }
        self.store.publish(bodies, Pointer(version=version, parts=parts), self.store.versioned()[1])
        found = self.store.current()
        assert found is not None
        return found


@pytest.fixture
def sets(tmp_path: Path) -> Sets:
    return Sets(tmp_path)


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_a_copy_has_the_page_and_one_version_that_the_page_names(sets: Sets, tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = publish(sets.take(FIRST), place_at(str(site)), beside={"runs.json": b"{}"})
    here = f"data/{FIRST}/"
    data = {here + name for name in ("figures/some.parquet", "checks.json", "index.json", "runs.json")}
    assert files(site) == {"index.html", *static_files(), *data}
    assert version_shown((site / "index.html").read_bytes()) == FIRST
    assert done.files == len(files(site))
    assert done.bytes == sum((site / name).stat().st_size for name in files(site))


def test_the_version_before_stays_for_who_has_it_open_and_earlier_ones_go(sets: Sets, tmp_path: Path) -> None:
    site = tmp_path / "site"
    place = place_at(str(site))
    for version in (FIRST, SECOND):
        publish(sets.take(version), place)
    (site / "data" / "mine.txt").write_text("not the page's")
    done = publish(sets.take(THIRD), place)
    assert {name.split("/")[1] for name in files(site) if name.startswith("data/")} == {SECOND, THIRD, "mine.txt"}
    assert done.removed == 3


def test_a_copy_that_was_killed_shows_the_version_before_and_goes_on(sets: Sets, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Dying(DirectoryBackend):
        def put_for_browsers(self, key: str, body: bytes, headers: Mapping[str, str]) -> None:
            if key.endswith("index.json"):
                raise Killed
            super().put_for_browsers(key, body, headers)

    site = tmp_path / "site"
    publish(sets.take(FIRST), place_at(str(site)))
    second = sets.take(SECOND)
    with pytest.raises(Killed):
        publish(second, Dying(site))
    assert version_shown((site / "index.html").read_bytes()) == FIRST
    publish(second, place_at(str(site)))
    assert version_shown((site / "index.html").read_bytes()) == SECOND
    assert f"data/{FIRST}/index.json" in files(site)


def test_nothing_is_written_over_the_page_of_somebody_else(sets: Sets, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>My own page</h1>")
    with pytest.raises(PlaceRefused, match="another page lies there"):
        publish(sets.take(FIRST), place_at(str(tmp_path / "site")))
    assert files(tmp_path / "site") == {"index.html"}


@pytest.mark.parametrize(
    "address", ["", "s3://", "s3:///site", "gs://bucket/site", "https://example.org", "s3://b/../c"]
)
def test_an_address_that_is_no_place_for_it_is_refused_before_anything_is_written(address: str) -> None:
    with pytest.raises(PlaceRefused) as refused:
        place_at(address)
    assert refused.value.remedy


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceRefused, match="it is not a folder"):
        place_at(str(tmp_path / "file"))


@pytest.mark.s3
def test_a_bucket_tells_browsers_types_and_what_may_be_kept_and_compresses_nothing(sets: Sets, s3: S3) -> None:
    place = S3Backend(s3.bucket, "page", endpoint_url=s3.endpoint_url, session=s3.session())
    publish(sets.take(FIRST), place)
    said = {}
    for name in ("index.html", f"data/{FIRST}/figures/some.parquet", f"data/{FIRST}/checks.json"):
        attributes = obstore.get(place._readable(), name).attributes
        assert "Content-Encoding" not in attributes
        said[name.rpartition("/")[2]] = (attributes["Content-Type"], attributes["Cache-Control"])
    assert said == {
        "index.html": ("text/html; charset=utf-8", "no-cache"),
        "some.parquet": ("application/vnd.apache.parquet", "public, max-age=31536000, immutable"),
        "checks.json": ("application/json", "no-cache"),
    }


@pytest.mark.s3
def test_a_bucket_that_is_not_there_is_told_by_name(sets: Sets, s3: S3) -> None:
    nowhere = S3Backend("no-such-bucket", "page", endpoint_url=s3.endpoint_url, session=s3.session())
    with pytest.raises(NotPublished, match="no-such-bucket"):
        publish(sets.take(FIRST), nowhere)


@pytest.fixture
def client(sets: Sets, tmp_path: Path) -> Iterator[httpx.Client]:
    with (
        served(ServedFolder(tmp_path / "served", sets.store.current)) as address,
        httpx.Client(base_url=address, trust_env=False) as opened,
    ):
        yield opened


def test_a_reload_shows_what_a_run_has_published_meanwhile(sets: Sets, client: httpx.Client) -> None:
    for version in (FIRST, SECOND):
        sets.take(version)
        assert version_shown(client.get("/").content) == version
        assert client.get(f"/data/{version}/index.json").json() == {"version": version}


def test_a_reload_shows_what_checks_and_runs_said_meanwhile_although_the_set_stands(sets: Sets, tmp_path: Path) -> None:
    sets.take(FIRST)
    said = {"checks.json": b'{"checks": [1]}', "runs.json": b'{"runs": []}'}
    with (
        served(ServedFolder(tmp_path / "served", sets.store.current, lambda: said)) as address,
        httpx.Client(base_url=address, trust_env=False) as opened,
    ):
        opened.get("/")
        assert opened.get(f"/data/{FIRST}/checks.json").json() == {"checks": [1]}
        said = {"checks.json": b'{"checks": [1, 2]}', "runs.json": b'{"runs": [1]}'}
        opened.get("/")
        assert opened.get(f"/data/{FIRST}/checks.json").json() == {"checks": [1, 2]}
        assert opened.get(f"/data/{FIRST}/runs.json").json() == {"runs": [1]}
        assert opened.get(f"/data/{FIRST}/index.json").json() == {"version": FIRST}


def test_byte_ranges_are_answered_and_types_are_told(sets: Sets, client: httpx.Client) -> None:
    sets.take(FIRST)
    client.get("/")
    part = client.get(f"/data/{FIRST}/figures/some.parquet", headers={"Range": "bytes=5-11"})
    assert (part.status_code, part.content) == (206, b"figures")
    assert part.headers["content-type"] == headers_of("x.parquet")["Content-Type"]
    assert "content-encoding" not in part.headers


def test_another_host_name_is_refused_so_that_no_other_page_reads_this_one(sets: Sets, client: httpx.Client) -> None:
    sets.take(FIRST)
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_a_port_in_use_is_said_in_a_sentence_with_another_one() -> None:
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"cannot be served at port {port}: ") as refused:
            listen(port)
    assert refused.value.remedy == f"Choose another one: pce look --port {port + 1}"


def test_a_damaged_set_is_told_and_what_was_published_stays(sets: Sets, client: httpx.Client, tmp_path: Path) -> None:
    sets.take(FIRST)
    client.get("/")
    sets.take(SECOND, b"other figures")
    key = next(file for file in (tmp_path / "lake").rglob("*.parquet") if file.read_bytes() == b"other figures")
    key.write_bytes(b"damage")
    answer = client.get("/")
    assert (answer.status_code, "is damaged" in answer.text) == (503, True)
    assert version_shown((tmp_path / "served" / "index.html").read_bytes()) == FIRST
