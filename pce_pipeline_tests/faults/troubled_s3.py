"""An S3 that answers 500, 503, half an answer or nothing, at any request, once or for ever.

A gate before the server does so at the chosen requests. What publishes ends well or with a typed error; what readers
find is as before or as it was to become; and done again, it is as if nothing had been.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from secrets import token_hex
from typing import ClassVar
from urllib.parse import urlsplit

from pce_pipeline.bronze.copy_place import CopyStore
from pce_pipeline.bronze.copying import compare_bronze, copy_bronze
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.errors import PceError
from pce_pipeline.lake.backends import S3Backend
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.bronze.test_bronze_store import FIRST, LAYOUT, answers, manifest_of
from pce_pipeline_tests.faults.gates import HttpGate, Watch, served, unchanged
from pce_pipeline_tests.faults.races import partition, table
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of
from pce_pipeline_tests.servers import S3

TROUBLES = ("500", "503", "reset before", "reset after", "half an answer")
ONCE, FOR_EVER = 1, 1_000_000
_RETRIES = 1
_SAID = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>trouble</Message></Error>"


class Trouble:
    """Which requests meet it: those from the `first` on, so `many`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first, self._many, self.kind = 0, 0, ""
        self.passed = 0

    def expect(self, kind: str, first: int, many: int) -> None:
        """Begin to count anew."""
        with self._lock:
            self.kind, self._first, self._many, self.passed = kind, first, many, 0

    def next(self) -> str:
        """What the next request meets; empty where that is nothing."""
        with self._lock:
            number = self.passed
            self.passed += 1
            return self.kind if self._first <= number < self._first + self._many else ""


class _TroubledGate(HttpGate):
    trouble: ClassVar[Trouble]

    def answer(self) -> None:
        kind = self.trouble.next()
        if not kind:
            super().answer()
            return
        length = int(self.headers.get("content-length") or 0)
        if kind == "reset before":
            self._reset()
            return
        body = self.rfile.read(length)
        if kind in ("500", "503"):
            said = _SAID % (b"InternalError" if kind == "500" else b"SlowDown")
            self.send_response_only(int(kind))
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)
            return
        passed = HTTPConnection(urlsplit(self.upstream).netloc)
        passed.request(self.command, self.path, body or None, dict(self.headers.items()))
        answer = passed.getresponse()
        content = answer.read()
        passed.close()
        if kind == "half an answer":
            self.send_response_only(answer.status, answer.reason)
            self.send_header("content-length", str(len(content) + 2))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
        self._reset()

    def _reset(self) -> None:
        """Close the connection as a network that breaks does: without a farewell."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


@dataclass(frozen=True)
class Scene:
    """Something that writes to S3."""

    begin: Callable[[Store], None]
    """Bring what is there before, without trouble."""
    act: Callable[[Store], None]
    """What is done through the gate; done again, it changes nothing."""
    state: Callable[[Store], object]
    """What readers find; raises where it is damaged."""


def _publish(store: Store, *new: tuple[int, int]) -> None:
    table(store).publish([partition(year, value) for year, value in new], run_id="a run")


def _table(store: Store) -> object:
    return dict(table(store).read().sort("year").iter_rows())


def _extract(store: Store) -> object:
    bronze = BronzeStore(store, LAYOUT, "pce_state")
    return [[body for _, body in bronze.read_objects(each)] for each in bronze.extracts()]


def _take(store: Store) -> None:
    objects = answers()
    BronzeStore(store, LAYOUT, "pce_state").publish(FIRST, manifest_of(FIRST, objects), objects)


class _Copied:
    """The second copy of a lake that lies in a directory."""

    def __init__(self, folder: Path) -> None:
        self._lake = open_store(folder / "lake of the copy")
        _take(self._lake)

    def act(self, place: Store) -> None:
        copy_bronze(self._lake, CopyStore(place.backend), LAYOUT)

    def state(self, place: Store) -> object:
        # what was not copied yet is lacking; what is there must be equal
        found = compare_bronze(self._lake, CopyStore(place.backend), LAYOUT).differences
        if wrong := [each for each in found if "not in the copy" not in each.problem]:
            raise AssertionError(wrong[0])
        return not found


def scenes(folder: Path) -> dict[str, Scene]:
    """What is tried."""
    copied = _Copied(folder)
    return {
        "a table is published": Scene(
            lambda store: _publish(store, (2020, 1), (2021, 1)),
            lambda store: _publish(store, (2021, 2), (2022, 2)),
            _table,
        ),
        "an extract is published": Scene(lambda _: None, _take, _extract),
        "Bronze is copied": Scene(lambda _: None, copied.act, copied.state),
    }


class Bucket:
    """A place on an S3 server, behind the gate and beside it."""

    def __init__(self, s3: S3, gate: str) -> None:
        self._s3, self._gate = s3, gate
        self._prefix = f"troubled-{token_hex(6)}"

    @property
    def beside(self) -> Store:
        """Without trouble."""
        return self._store(self._s3.endpoint_url)

    @property
    def behind(self) -> Store:
        """Through the gate."""
        return self._store(self._gate)

    def _store(self, url: str) -> Store:
        return Store(
            S3Backend(self._s3.bucket, self._prefix, endpoint_url=url, session=self._s3.session(), retries=_RETRIES)
        )


@contextmanager
def troubled(s3: S3, trouble: Trouble) -> Iterator[str]:
    """The URL of a gate that does as it is told."""
    made: dict[str, object] = {"watch": Watch(), "upstream": s3.endpoint_url, "naming": staticmethod(lambda *_: None)}
    made |= {"changing": staticmethod(unchanged), "trouble": trouble}
    with served(type("_Gate", (_TroubledGate,), made)) as url:
        yield url


def tried(scene: Scene, bucket: Bucket, trouble: Trouble, kind: str, first: int, many: int) -> tuple[str | None, str]:
    """One trouble at one request: what is wrong, and how the first call ended."""
    scene.begin(bucket.beside)
    before = scene.state(bucket.beside)
    trouble.expect(kind, first, many)
    try:
        scene.act(bucket.behind)
        ended = "ended well"
    except PceError as told:
        ended = type(told).__name__
    met = trouble.passed > first
    trouble.expect("", 0, 0)
    meanwhile = scene.state(bucket.beside)
    scene.act(bucket.beside)
    after = scene.state(bucket.beside)
    if meanwhile not in (before, after):
        return f"readers found {meanwhile}, neither what was there nor what was to be", ended
    if ended == "ended well" and meanwhile != after:
        return "it said that it was done, and it was not", ended
    return (None if met else "no request met it"), ended


def trials(folder: Path, s3: S3, every: int = 1) -> Iterator[Trial]:
    """Each trouble at every request (or every so-many-th) of each scene, once and for ever."""
    trouble = Trouble()
    with troubled(s3, trouble) as gate:
        for name, scene in scenes(folder).items():
            calm = Bucket(s3, gate)
            scene.begin(calm.beside)
            trouble.expect("", 0, 0)
            scene.act(calm.behind)
            expected, requests = scene.state(calm.beside), trouble.passed
            for number, (many, first, kind) in enumerate(
                (many, first, kind) for many in (ONCE, FOR_EVER) for first in range(requests) for kind in TROUBLES
            ):
                if number % every:
                    continue
                bucket = Bucket(s3, gate)
                wrong, ended = tried(scene, bucket, trouble, kind, first, many)
                if wrong is None and scene.state(bucket.beside) != expected:
                    wrong = "done again, it is not what an untroubled call leaves"
                how = "once" if many == ONCE else "for ever"
                where = f"{name}, {kind} {how}"
                yield Trial(where, wrong and f"at request {first}: {wrong}", said=ended)


def troubles(folder: Path, s3: S3, every: int = 1) -> Part:
    """All of it."""
    return part_of(
        "an S3 that answers 500, 503, half an answer or nothing",
        "At each request of a publication, of an extract and of a second copy, once and for ever: the call ends well "
        "or with a typed error, readers find what was there or what was to be, and done again it is as if nothing had "
        "been.",
        trials(folder, s3, every),
    )
