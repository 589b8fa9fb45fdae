"""BEA's look-alike in process, with faults and a count of what was asked; and lakes that die at a chosen write."""

import asyncio
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bronze.counting import verdict_of
from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.decisions import Verdict
from pce_pipeline.bronze.extract import Prepared, next_extract_id, note_unchanged, prepare, publish
from pce_pipeline.bronze.feeds import ApiFeed, BulkFeed, Feed, MonthsFeed, SeriesFeed
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault
from pce_pipeline.emulator.state import Emulator, LoggedRequest
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.layout import ExtractId, Layout
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.datasets import PCE_STATE, pce_state
from pce_pipeline_tests.lake.observed_backend import ObservedBackend

KEY = "5eC2e7a0-1b2c-4d3e-8f90-a1b2c3d4E5F6"
WORLD = "sample-smoke"


def today() -> date:
    return datetime.now(UTC).date()


@cache
def archive_of(release: int) -> bytes:
    """BEA's zip of one release without faults: making one takes half a second."""
    app = create_app(release)
    emulator: Emulator = app.state.emulator
    archive = emulator.archive(PCE_STATE.archive)
    assert archive is not None
    return archive


class LookAlike:
    """One look-alike of BEA that publishes `release` under these faults."""

    def __init__(
        self, release: int = 2, *faults: Fault, profile: str = "smoke", dataset: Dataset | None = None
    ) -> None:
        self.log: list[LoggedRequest] = []
        self.app = create_app(release, faults=faults, requests_log=self.log)
        self.emulator: Emulator = self.app.state.emulator
        self.dataset: Dataset = dataset or pce_state(profile)

    def client(self, *, patient: bool = True) -> BeaClient:
        del patient
        return BeaClient("http://bea", SecretStr(KEY), transport=httpx.ASGITransport(app=self.app), attempts=2)

    def api(self) -> ApiFeed:
        return ApiFeed(self.client, self.dataset, "api")

    def bulk(self) -> BulkFeed:
        if not self.emulator.faults and not self.emulator.archives:
            self.emulator.archives[PCE_STATE.archive] = archive_of(self.emulator.release)
        return BulkFeed(self.client, self.dataset)

    def months(self) -> MonthsFeed:
        return MonthsFeed(self.client, self.dataset, "api")

    def series(self) -> SeriesFeed:
        return SeriesFeed(self.client, self.dataset)

    def asked(self) -> Counter[str]:
        """How often each line was asked for with all its data, as "SAPCE1-2"; forgets what was asked so far."""
        asked = Counter(
            f"{request.parameters['TABLENAME']}-{request.parameters['LINECODE']}"
            for request in self.log
            if request.target == "GetData" and request.parameters["GEOFIPS"] == "STATE"
        )
        self.log.clear()
        return asked


class Lakeside:
    """The Bronze of one lake in a directory, and the way an extract takes into it."""

    def __init__(self, folder: Path, bea: LookAlike) -> None:
        self.folder = folder
        self.bea = bea
        self.bronze = self._bronze(DirectoryBackend(folder))

    def dying(self, after: int) -> tuple[BronzeStore, ObservedBackend]:
        """The same Bronze through a process that dies after some writes."""
        backend = ObservedBackend(DirectoryBackend(self.folder), dies_after=after)
        return self._bronze(backend), backend

    def prepare(
        self,
        feed: Feed | None = None,
        *,
        extract: ExtractId | str | None = None,
        tables: Sequence[str] = (),
        bronze: BronzeStore | None = None,
        tolerate: bool = False,
    ) -> Prepared:
        wanted = ExtractId.parse(extract) if isinstance(extract, str) else extract
        return prepare(
            bronze or self.bronze,
            feed or self.bea.api(),
            self.bea.dataset,
            wanted or next_extract_id(self.bronze, today()),
            list(tables) or list(self.bea.dataset.tables),
            world=WORLD,
            run_id="a-run",
            tolerate_unknown=tolerate,
        )

    @property
    def dataset(self) -> Dataset:
        return self.bea.dataset

    def current(self) -> Current:
        return current(self.bronze, self.bea.dataset)

    def counts(self, extract: ExtractId, table: str = "SAPCE1") -> bool:
        return self._verdict(extract, table).counts

    def why(self, extract: ExtractId, table: str = "SAPCE1") -> str:
        return self._verdict(extract, table).why

    def _verdict(self, extract: ExtractId, table: str) -> Verdict:
        now = self.current()
        return verdict_of(now.manifests, now.decisions, extract, table)

    def take(
        self, feed: Feed | None = None, *, extract: ExtractId | str | None = None, tables: Sequence[str] = ()
    ) -> ExtractId | None:
        """An extract all the way; None where nothing was new."""
        prepared = self.prepare(feed, extract=extract, tables=tables)
        if not prepared.changed:
            note_unchanged(self.bronze, prepared)
            return None
        return publish(self.bronze, prepared)

    def taken(self, feed: Feed | None = None, *, tables: Sequence[str] = ()) -> ExtractId:
        """An extract all the way, that must be new."""
        extract = self.take(feed, tables=tables)
        assert extract is not None
        return extract

    def files(self, *paths: Path) -> FileFeed:
        return FileFeed(paths, [self.bea.dataset])

    def listing(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def staged(self) -> list[str]:
        return [key for key in self.listing() if "/downloads/" in key]

    def _bronze(self, backend: DirectoryBackend | ObservedBackend) -> BronzeStore:
        return BronzeStore(Store(backend), Layout("local", WORLD), self.bea.dataset.name)


class Rewritten(httpx.AsyncBaseTransport):
    """The look-alike in process, each JSON answer changed before it is received."""

    def __init__(self, bea: LookAlike, change: Callable[[dict[str, Any]], None]) -> None:
        self._inner = httpx.ASGITransport(app=bea.app)
        self._change = change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        loaded = json.loads(await answer.aread())
        self._change(loaded["BEAAPI"]["Results"])
        return httpx.Response(200, json=loaded)


def rewritten(bea: LookAlike, change: Callable[[dict[str, Any]], None]) -> ApiFeed:
    def client() -> BeaClient:
        return BeaClient("http://bea", SecretStr(KEY), transport=Rewritten(bea, change), attempts=2)

    return ApiFeed(client, bea.dataset, "api")


def answers_of(bea: LookAlike, tables: Sequence[str]) -> bytes:
    """BEA's answers on every line of the catalogue as somebody may have kept them: a JSON list."""

    async def ask() -> list[bytes]:
        async with bea.client() as client:
            return [(await client.data(table, line)).body for table in tables for line in bea.dataset.line_codes(table)]

    return b"[" + b",".join(asyncio.run(ask())) + b"]"


def member_of(archive: bytes, start: str) -> bytes:
    """The only member of a zip whose name starts so."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        (name,) = [name for name in packed.namelist() if name.startswith(start)]
        return packed.read(name)


def archive_with(archive: bytes, changes: Callable[[str, bytes], bytes]) -> bytes:
    """The zip with each member changed."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as packed, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in packed.namelist():
            new.writestr(name, changes(name, packed.read(name)))
    return changed.getvalue()
