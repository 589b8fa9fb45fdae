"""Events that announce a release, in Bronze: written once, never changed, never pruned.

What an event is makes its key, and not when it came: senders repeat one for days, signed anew each time, and each
repetition must meet the first. A listing tells about when events came, so that only those that may matter are read.
An event is a hint to look at BEA and never data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.errors import LakeError, ObjectExists
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import Layout, join
from pce_pipeline.lake.records import Record, decode_record, encode_record
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import Store

_CLOCKS_DIFFER = timedelta(minutes=15)  # S3 takes no request of a clock that differs more from its own


class WebhookEvent(Record, frozen=True, kw_only=True):
    """One event as it was received: `payload` is its body, `sha256` the body's hash, `id` what its sender calls it.

    `headers` are those of the signature, so that it can be checked again.
    """

    id: str | None
    received_at: datetime
    sha256: str
    content_type: str | None
    headers: dict[str, str]
    payload: str

    @classmethod
    def of(
        cls,
        body: bytes,
        *,
        event_id: str | None,
        received_at: datetime,
        content_type: str | None,
        headers: dict[str, str],
    ) -> Self:
        """The record of a body. Raises `UnicodeDecodeError` for one that is not UTF-8."""
        return cls(
            id=event_id,
            received_at=received_at,
            sha256=sha256_of(body),
            content_type=content_type,
            headers=headers,
            payload=body.decode(),
        )

    @property
    def name(self) -> str:
        """What people call it: its id or, without one, its hash."""
        return self.id or f"sha256:{self.sha256}"

    @property
    def file(self) -> str:
        """Where it lies. An id is hashed because it may hold what no key can, or differ from another in case only."""
        return f"id-{sha256_of(self.id.encode())}.json" if self.id else f"payload-{self.sha256}.json"


@dataclass(frozen=True)
class Received:
    """That an event came."""

    name: str
    """Its name."""
    at: datetime
    """When it came (UTC)."""


class EventStore:
    """The events of one environment and world."""

    def __init__(self, store: Store, layout: Layout) -> None:
        self._store = store
        self._prefix = layout.webhook_events

    @classmethod
    def of(cls, lake: Lake) -> Self:
        """Those of a lake."""
        return cls(lake.store, lake.layout)

    def keep(self, event: WebhookEvent) -> bool:
        """Store it; False, and nothing is stored, if it was there already. Of many at once, one is stored."""
        try:
            self._store.create(join(self._prefix, event.file), encode_record(event))
        except ObjectExists:
            return False
        return True

    def may_have_come_since(self, moment: datetime) -> bool:
        """Whether a listing shows any; its clock is the store's."""
        return bool(self._listed_since(moment))

    def newest_since(self, moment: datetime) -> Received | None:
        """The event that came last, if not before `moment`: one listing, and the reading of those that may be it."""
        came = [each for each in self._read(self._listed_since(moment)) if each.at >= moment]
        return max(came, key=lambda each: each.at, default=None)

    def newest(self) -> Received | None:
        """The event that was written last: one listing and one reading."""
        listed = self._store.list(self._prefix)
        last = max(listed, key=lambda info: info.last_modified, default=None)
        return self._read([last])[0] if last is not None else None

    def _listed_since(self, moment: datetime) -> list[ObjectInfo]:
        return [info for info in self._store.list(self._prefix) if info.last_modified >= moment - _CLOCKS_DIFFER]

    def _read(self, listed: Sequence[ObjectInfo]) -> list[Received]:
        bodies = self._store.get_many([info.key for info in listed])
        return [_received(info, bodies[info.key]) for info in listed]


def _received(info: ObjectInfo, body: bytes) -> Received:
    """What cannot be read, or was written by a later version, counts as come when it was written: a hint all the same.

    It could not be removed from Bronze, and must not keep the pipeline from looking.
    """
    try:
        event = decode_record(info.key, body, WebhookEvent)
    except LakeError:
        return Received(info.key.rpartition("/")[2], info.last_modified)
    return Received(event.name, event.received_at)
