"""Events in Bronze: which came last is found by listing, and what cannot be read counts as a hint."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pce_pipeline.hooks.events import EventStore, Received, WebhookEvent
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.hooks.conftest import BODY, LAYOUT
from pce_pipeline_tests.lake.observed_backend import ObservedBackend

HOUR = timedelta(hours=1)


def event(name: str | None, at: datetime, body: bytes = BODY) -> WebhookEvent:
    return WebhookEvent.of(body, event_id=name, received_at=at, content_type=None, headers={})


def test_the_newest_since_a_moment_is_found_and_none_from_before(store):
    events, now = EventStore(store, LAYOUT), datetime.now(UTC)
    assert (events.newest(), events.newest_since(now - HOUR), events.may_have_come_since(now)) == (None, None, False)
    times = [now - timedelta(minutes=3), now - timedelta(minutes=1), now - timedelta(minutes=2)]
    assert all(events.keep(event(f"evt_{number}", at)) for number, at in enumerate(times))
    newest = Received("evt_1", times[1])
    assert [events.newest_since(at) for at in (now - HOUR, times[0], times[1])] == [newest] * 3
    assert events.newest_since(times[1] + timedelta(microseconds=1)) is None
    assert events.may_have_come_since(now)
    assert not events.may_have_come_since(now + HOUR)
    assert events.newest() is not None


def test_an_event_is_kept_once(store):
    events, now = EventStore(store, LAYOUT), datetime.now(UTC)
    assert events.keep(event(None, now))
    assert not events.keep(event(None, now + HOUR))
    assert events.newest_since(now - HOUR) == Received(event(None, now).name, now)


def test_what_was_written_long_before_is_listed_and_not_read(tmp_path: Path) -> None:
    reads: list[str] = []

    class Read(ObservedBackend):
        def get(self, key: str) -> bytes:
            reads.append(key)
            return super().get(key)

    store, now = open_store(tmp_path), datetime.now(UTC)
    events = EventStore(Store(Read(store.backend)), LAYOUT)
    for number in range(4):
        events.keep(event(f"evt_{number}", now - number * HOUR))
        written = (now - number * HOUR).timestamp()
        os.utime(tmp_path / LAYOUT.webhook_events / event(f"evt_{number}", now).file, (written, written))
    assert events.newest_since(now - 1.5 * HOUR) == Received("evt_0", now)
    assert len(reads) == 2


def test_in_a_lake_that_was_copied_events_are_as_old_as_they_say(store):
    events, now = EventStore(store, LAYOUT), datetime.now(UTC)
    for number in range(3):
        events.keep(event(f"evt_{number}", now - timedelta(days=30 * number + 1)))
    assert events.newest_since(now - HOUR) is None


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"format": 99}', b'{"format": 1}'])
def test_what_cannot_be_read_counts_as_come_when_it_was_written(store, body):
    events, now = EventStore(store, LAYOUT), datetime.now(UTC)
    store.create(f"{LAYOUT.webhook_events}/README.txt", body)
    found = events.newest_since(now - timedelta(minutes=1))
    assert found is not None
    assert found.name == "README.txt"
    assert abs(found.at - now) < timedelta(minutes=1)
    assert events.newest_since(found.at + timedelta(microseconds=1)) is None
