"""A sender, lakes to store events in, and the endpoint served on loopback as `pce serve-hooks` serves it."""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import httpx
import pytest

from pce_pipeline.hooks.endpoint import PATH, create_app
from pce_pipeline.hooks.events import EventStore, WebhookEvent
from pce_pipeline.hooks.patience import Impatient
from pce_pipeline.hooks.serve import listen, server_of
from pce_pipeline.hooks.signatures import Verifier
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.records import decode_record
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.servers import S3

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
NOON = datetime(2026, 2, 23, 12, 0, tzinfo=UTC)
BODY = b'{"type": "bea.release", "timestamp": "2026-02-23T11:59:58Z", "data": {"release": "PCE by State"}}'
LAYOUT = Layout("local", "bea")


def signed(body: bytes = BODY, *, event: str | None = "evt_1", at: datetime = NOON, key: bytes = KEY) -> dict[str, str]:
    """The headers of a sender that follows the specification; without an event id its part stays empty."""
    moment = str(int(at.timestamp()))
    content = f"{event or ''}.{moment}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    headers = {"webhook-timestamp": moment, "webhook-signature": f"v1,{signature}"}
    return headers if event is None else {"webhook-id": event, **headers}


class Endpoint:
    """The endpoint at `url`, whose clock stands at `now` until a test moves it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.events = EventStore(store, LAYOUT)
        self.now = NOON
        self.url = ""

    def post(self, body: bytes = BODY, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Send it, signed now unless there are other headers."""
        headers = signed(body, at=self.now) if headers is None else headers
        return httpx.post(f"{self.url}{PATH}", content=body, headers=headers)

    @property
    def stored(self) -> list[WebhookEvent]:
        """What lies in Bronze, in order of keys."""
        keys = [info.key for info in self.store.list(LAYOUT.webhook_events)]
        return [decode_record(key, self.store.get(key), WebhookEvent) for key in keys]


Serving = Callable[..., AbstractContextManager[Endpoint]]


@contextmanager
def serving(
    store: Store,
    *,
    secrets: str = SECRET,
    patience: timedelta = timedelta(seconds=10),
    protocol: type[Impatient] = Impatient,
) -> Iterator[Endpoint]:
    """The endpoint on a port of its own, with the server that `pce serve-hooks` runs."""
    endpoint = Endpoint(store)
    listening = listen("127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = server_of(
        create_app(endpoint.events, Verifier(secrets), clock=lambda: endpoint.now, patience=patience),
        protocol,
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield endpoint
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


@pytest.fixture
def directory(tmp_path: Path) -> Store:
    return open_store(tmp_path / "lake")


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest) -> Store:
    """A new, empty lake: in a directory and on S3."""
    if request.param == "s3":
        s3: S3 = request.getfixturevalue("s3")
        return open_store(f"s3://{s3.bucket}/{token_hex(8)}", endpoint_url=s3.endpoint_url, session=s3.session())
    lake: Store = request.getfixturevalue("directory")
    return lake


@pytest.fixture
def endpoint(store: Store) -> Iterator[Endpoint]:
    """The endpoint beside each kind of lake."""
    with serving(store) as served:
        yield served


@pytest.fixture(scope="module")
def on_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One endpoint for all tests that store nothing, or nothing that another would meet."""
    with serving(open_store(tmp_path_factory.mktemp("lake"))) as served:
        yield served
