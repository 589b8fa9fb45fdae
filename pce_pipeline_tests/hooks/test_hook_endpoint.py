"""The endpoint as senders meet it: real requests to the real server, with a lake in a directory and on S3."""

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from pce_pipeline.hooks.endpoint import LARGEST_BODY, PATH
from pce_pipeline.hooks.signatures import Verifier
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.hooks.conftest import BODY, LAYOUT, NOON, SECRET, Endpoint, serving, signed
from pce_pipeline_tests.lake.observed_backend import ObservedBackend

DAY = timedelta(days=1)


def keys(endpoint: Endpoint) -> list[str]:
    return [info.key for info in endpoint.store.list(LAYOUT.webhook_events)]


def test_a_signed_event_is_stored_as_it_was_received(endpoint):
    sent = {**signed(), "content-type": "application/json", "authorization": "Bearer token", "cookie": "a=b"}
    answer = endpoint.post(BODY, sent)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "event": "evt_1"})
    (event,) = endpoint.stored
    assert (event.id, event.received_at, event.payload.encode()) == ("evt_1", NOON, BODY)
    assert event.sha256 == hashlib.sha256(BODY).hexdigest()
    assert (event.content_type, event.headers) == ("application/json", signed())
    Verifier(SECRET).verify(event.headers, event.payload.encode(), event.received_at)
    (key,) = keys(endpoint)
    assert key == f"local/bronze/bea/webhook_events/id-{hashlib.sha256(b'evt_1').hexdigest()}.json"
    body = endpoint.store.get(key)
    assert not [secret for secret in (SECRET, SECRET[6:], "Bearer", "a=b") if secret.encode() in body]


def test_an_event_is_repeated_whenever_its_id_comes_again(endpoint):
    first = endpoint.post()
    again = endpoint.post()
    endpoint.now += 3 * DAY
    signed_anew = endpoint.post()
    other_payload = b'{"type": "something else"}'
    with_other_payload = endpoint.post(other_payload, signed(other_payload, at=endpoint.now))
    assert [each.status_code for each in (first, again, signed_anew, with_other_payload)] == [202, 200, 200, 200]
    assert again.json() == {"status": "duplicate", "event": "evt_1"}
    (event,) = endpoint.stored
    assert (event.received_at, event.payload.encode()) == (NOON, BODY)


def test_a_replay_across_midnight_meets_the_first(endpoint):
    endpoint.now = NOON.replace(hour=23, minute=58)
    sent = signed(at=endpoint.now)
    assert endpoint.post(BODY, sent).status_code == 202
    endpoint.now += timedelta(minutes=4)
    assert endpoint.post(BODY, sent).status_code == 200
    assert len(endpoint.stored) == 1


def test_an_event_without_an_id_is_what_its_payload_is(endpoint):
    digest = hashlib.sha256(BODY).hexdigest()
    answer = endpoint.post(BODY, signed(event=None))
    assert (answer.status_code, answer.json()["event"]) == (202, f"sha256:{digest}")
    endpoint.now += 3 * DAY
    assert endpoint.post(BODY, signed(event=None, at=endpoint.now)).status_code == 200
    next_release = BODY.replace(b"2026-02-23T", b"2026-10-01T")
    assert endpoint.post(next_release, signed(next_release, event=None, at=endpoint.now)).status_code == 202
    assert f"{LAYOUT.webhook_events}/payload-{digest}.json" in keys(endpoint)
    assert [event.id for event in endpoint.stored] == [None, None]


def test_ids_that_differ_in_case_or_from_a_hash_are_different_events(on_directory):
    digest = hashlib.sha256(BODY).hexdigest()
    said = ["evt_a", "evt_A", digest, None, "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"]
    answers = [on_directory.post(BODY, signed(event=event)) for event in said]
    assert [answer.status_code for answer in answers] == [202] * len(said)


def test_of_many_deliveries_at_once_exactly_one_is_accepted(endpoint):
    together = threading.Barrier(24)

    def deliver(number: int) -> int:
        # half of them replayed, half of them signed anew
        headers = signed(at=NOON + timedelta(seconds=number // 2))
        with httpx.Client() as client:
            client.get(f"{endpoint.url}/health")
            together.wait()
            return client.post(f"{endpoint.url}{PATH}", content=BODY, headers=headers).status_code

    with ThreadPoolExecutor(24) as senders:
        statuses = sorted(senders.map(deliver, range(24)))
    assert statuses == [200] * 23 + [202]
    assert len(endpoint.stored) == 1


UNSIGNED = {
    "no headers": {},
    "another secret": signed(key=bytes(32)),
    "another body": signed(b"{}"),
    "another id": {**signed(), "webhook-id": "evt_2"},
    "an id with a full stop": {**signed(), "webhook-id": "evt.2"},
    "too old": signed(at=NOON - timedelta(seconds=301)),
    "too new": signed(at=NOON + timedelta(seconds=301)),
}


def test_who_is_not_let_in_does_not_learn_why_and_the_log_says_it(on_directory):
    before = keys(on_directory)
    with capture_logs() as lines:
        answers = [on_directory.post(BODY, headers) for headers in UNSIGNED.values()]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (401, b'{"status":"refused","reason":"The event is not signed as agreed."}')
    }
    assert [line["reason"] for line in lines] == [
        "no timestamp",
        *["no signature of ours"] * 4,
        "signed 301 seconds ago",
        "signed -301 seconds ago",
    ]
    assert keys(on_directory) == before


def test_the_window_is_closed_by_the_clock_of_the_endpoint(directory):
    with serving(directory) as endpoint:
        sent = signed()
        endpoint.now = NOON + timedelta(seconds=300.5)
        assert endpoint.post(BODY, sent).status_code == 401
        endpoint.now = NOON + timedelta(seconds=300)
        assert endpoint.post(BODY, sent).status_code == 202


@pytest.mark.parametrize(
    ("body", "event", "said"),
    [
        (b"", "evt_1", "JSON object"),
        (b"not JSON", "evt_1", "JSON object"),
        (b"[1]", "evt_1", "JSON object"),
        (b"null", "evt_1", "JSON object"),
        (b'{"a": 1} {"b": 2}', "evt_1", "JSON object"),
        (b'{"a":' + b"[" * 20_000, "evt_1", "JSON object"),
        (BODY, "evt.1", "webhook-id is"),
        (BODY, "evt[red]1", "webhook-id is"),
        (BODY, "x" * 129, "webhook-id is"),
        (b'{"type": "bea.release"}', None, "needs a timestamp"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_signed_and_malformed_is_told_so(on_directory, body, event, said):
    before = keys(on_directory)
    answer = on_directory.post(body, signed(body, event=event))
    assert answer.status_code == 400
    assert said in answer.json()["reason"]
    assert keys(on_directory) == before


def test_any_json_object_is_a_hint(on_directory):
    for number, body in enumerate([b"{}", b'{"anything": {"at": ["all"]}}', '{"ä": "\U0001f4c8"}'.encode()]):
        assert on_directory.post(body, signed(body, event=f"evt_hint_{number}")).status_code == 202


def test_other_methods_and_places_are_not_there(on_directory):
    assert httpx.get(f"{on_directory.url}{PATH}").status_code == 405
    assert httpx.put(f"{on_directory.url}{PATH}").headers["allow"] == "POST"
    assert httpx.post(f"{on_directory.url}/webhooks/other").status_code == 404
    health = httpx.get(f"{on_directory.url}/health")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert "server" not in health.headers


def _pieces(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b" " * 1024


def _raw(url: str, request: bytes, *, more: Sequence[bytes] = ()) -> bytes:
    """The first line of the answer to these very bytes; nothing but those is sent."""
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(request)
        for piece in more:
            connection.sendall(piece)
        return connection.recv(4096).partition(b"\r\n")[0]


def test_a_body_is_read_up_to_the_limit_and_no_further(on_directory):
    largest = b'{"timestamp": ""' + b" " * (LARGEST_BODY - 17) + b"}"
    assert on_directory.post(largest, signed(largest, event="evt_largest")).status_code == 202
    too_large = on_directory.post(largest + b" ", signed(largest + b" "))
    assert (too_large.status_code, too_large.json()["reason"]) == (413, "An event has 65536 bytes at most.")
    in_pieces = httpx.post(f"{on_directory.url}{PATH}", content=_pieces(65), headers=signed())
    assert in_pieces.status_code == 413
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode()
    endless = _raw(
        on_directory.url, head + b"Transfer-Encoding: chunked\r\n\r\n", more=[b"2000\r\n" + b" " * 8192 + b"\r\n"] * 9
    )
    assert endless.split()[1] == b"413"
    said_small = _raw(on_directory.url, head + b"Content-Length: 2\r\n\r\n" + b" " * 9000)
    assert said_small.split()[1] == b"401"


def test_who_never_sends_the_rest_is_not_waited_for(directory):
    with serving(directory, patience=timedelta(seconds=0.2)) as endpoint:
        request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode()
        assert _raw(endpoint.url, request + b"{").split()[1] == b"408"


def test_who_leaves_early_has_sent_nothing(on_directory):
    before = keys(on_directory)
    address = urlsplit(on_directory.url)
    with capture_logs() as lines:
        with socket.create_connection((str(address.hostname), int(address.port or 0))) as connection:
            connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        while not lines:
            assert httpx.get(f"{on_directory.url}/health").status_code == 200
    assert (lines[0]["status"], keys(on_directory)) == (400, before)


def test_a_lake_that_cannot_be_written_is_a_reason_to_send_again_and_nothing_is_lost(tmp_path):
    in_the_way = tmp_path / "lake"
    store = open_store(in_the_way)
    with serving(store) as endpoint, capture_logs() as lines:
        in_the_way.write_text("no directory")
        answer = endpoint.post()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert str(tmp_path) not in answer.text
        in_the_way.unlink()
        endpoint.now += timedelta(seconds=60)
        assert endpoint.post().status_code == 202
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("event not stored", "error"),
        ("event accepted", "info"),
    ]


def test_a_lake_that_takes_too_long_is_one_too_and_the_event_that_is_stored_late_is_a_duplicate(directory):
    may_go_on = threading.Event()
    slow = Store(ObservedBackend(directory.backend, interject=lambda *_: may_go_on.wait(10)))
    with serving(slow, patience=timedelta(seconds=0.2)) as endpoint:
        assert endpoint.post().status_code == 503
        may_go_on.set()
        while not endpoint.stored:
            time.sleep(0.01)
        assert endpoint.post().status_code == 200
        assert len(endpoint.stored) == 1


def test_each_event_is_one_line_of_log_without_its_payload(directory):
    with serving(directory) as endpoint, capture_logs() as lines:
        endpoint.post()
        endpoint.post()
    assert [(line["event"], line["name"]) for line in lines] == [
        ("event accepted", "evt_1"),
        ("event duplicate", "evt_1"),
    ]
    assert "PCE by State" not in json.dumps(lines)


@pytest.mark.parametrize(("moment", "there"), [("before", 0), ("after", 1)])
def test_a_kill_before_or_after_the_write_loses_no_event(tmp_path: Path, moment: str, there: int) -> None:
    """Killed between the signature and the answer: the sender, who heard nothing, sends again."""
    serve = (
        "import os, sys; from pathlib import Path; from datetime import *\n"
        "from pce_pipeline.hooks.endpoint import create_app; from pce_pipeline.hooks.serve import listen, serve\n"
        "from pce_pipeline.hooks.signatures import Verifier; from pce_pipeline.hooks.events import EventStore\n"
        "from pce_pipeline.lake.layout import Layout; from pce_pipeline.lake.store import open_store\n"
        "class Dying(EventStore):\n"
        "    def keep(self, event):\n"
        f"        if {moment == 'after'}: super().keep(event)\n"
        "        os._exit(9)\n"
        f"events = Dying(open_store({str(tmp_path / 'lake')!r}), Layout('local', 'bea'))\n"
        f"app = create_app(events, Verifier({SECRET!r}), clock=lambda: datetime.fromisoformat({NOON.isoformat()!r}))\n"
        "listening = listen('127.0.0.1', 0)\n"
        "print(listening.getsockname()[1], flush=True)\n"
        "serve(app, listening)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", serve], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    with pytest.raises(httpx.TransportError):
        httpx.post(f"http://127.0.0.1:{port}{PATH}", content=BODY, headers=signed(), timeout=20)
    assert process.wait(20) == 9
    process.stdout.close()
    with serving(open_store(tmp_path / "lake")) as endpoint:
        assert len(endpoint.stored) == there
        assert endpoint.post().status_code == (200 if there else 202)
        assert [event.id for event in endpoint.stored] == ["evt_1"]
