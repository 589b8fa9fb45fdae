"""Sending an alert once: to each channel that has not had it, recorded in the lake after it went out.

The record, and not a cursor or a cache, says what was sent, so that a sensor and a workflow on different machines
send one. A lake that cannot be read or written keeps no alert back: twice is better than never.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from pce_pipeline.automation.alerts.alert import Alert
from pce_pipeline.automation.alerts.channels import Channel, channels_of
from pce_pipeline.automation.alerts.errors import AlertNotSent, ChannelFailed
from pce_pipeline.errors import PceError
from pce_pipeline.lake.errors import ObjectExists
from pce_pipeline.lake.layout import join
from pce_pipeline.lake.records import Record, encode_record
from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings

_log = structlog.get_logger()


class SentAlert(Record, frozen=True, kw_only=True):
    """That an alert went out through one channel."""

    idempotency_key: str
    channel: str
    severity: str
    title: str
    facts: dict[str, str]
    at: datetime
    sent_at: datetime


@dataclass(frozen=True)
class Delivery:
    """Which channels have an alert now."""

    sent: tuple[str, ...]
    """Those it went out through just now."""
    earlier: tuple[str, ...]
    """Those that had it already."""
    unrecorded: tuple[str, ...] = ()
    """Those whose record could not be kept."""


class Alerts:
    """The channels of one environment and world, and the record of what went through them."""

    def __init__(self, channels: Sequence[Channel], lake: Lake) -> None:
        self.channels = tuple(channels)
        self._lake = lake

    @classmethod
    def of(cls, settings: Settings, lake: Lake) -> "Alerts":
        return cls(channels_of(settings), lake)

    def send(self, alert: Alert) -> Delivery:
        """Send to all channels at once, except those that had this alert.

        Raises `AlertNotSent` once all were tried; sending again then goes to those that failed.
        """
        alert = alert.fit_to_send()
        earlier = self._had(alert)
        due = [channel for channel in self.channels if channel.name not in earlier]
        failed: dict[str, Exception] = {}
        sent: list[str] = []
        unrecorded: list[str] = []
        with ThreadPoolExecutor(max(1, len(due)), thread_name_prefix="alert") as threads:
            tries = [(channel.name, threads.submit(channel.send, alert)) for channel in due]
        for name, tried in tries:
            trouble = tried.exception()
            if isinstance(trouble, Exception):
                failed[name] = trouble
                continue
            sent.append(name)
            if not self._recorded(alert, name):
                unrecorded.append(name)
        if sent:
            _log.info("alert sent", title=alert.title, kind=alert.kind, key=alert.key, channels=sent)
        if failed:
            raise _not_sent(alert, failed, [*earlier, *sent])
        return Delivery(tuple(sent), tuple(earlier), tuple(unrecorded))

    def _had(self, alert: Alert) -> list[str]:
        keys = {self._key(alert, channel.name): channel.name for channel in self.channels}
        try:
            return [keys[key] for key in self._lake.store.existing(keys)]
        except PceError as problem:
            _log.warning("whether this alert was sent before cannot be told", key=alert.key, problem=str(problem))
            return []

    def _recorded(self, alert: Alert, channel: str) -> bool:
        record = SentAlert(
            idempotency_key=alert.idempotency_key,
            channel=channel,
            severity=alert.severity,
            title=alert.title,
            facts=dict(alert.facts),
            at=alert.at,
            sent_at=datetime.now(UTC),
        )
        try:
            self._lake.store.create(self._key(alert, channel), encode_record(record))
        except ObjectExists:
            return True  # another machine sent it at the same moment
        except PceError as problem:
            _log.warning("an alert was sent, but not recorded: it may come again", key=alert.key, problem=str(problem))
            return False
        return True

    def _key(self, alert: Alert, channel: str) -> str:
        return join(self._lake.layout.alerts, alert.kind, alert.key, f"{channel}.json")


def _not_sent(alert: Alert, failed: dict[str, Exception], sent: Sequence[str]) -> AlertNotSent:
    reasons = {
        name: trouble.reason if isinstance(trouble, ChannelFailed) else type(trouble).__name__
        for name, trouble in failed.items()
    }
    remedies = dict.fromkeys(trouble.remedy for trouble in failed.values() if isinstance(trouble, PceError))
    _log.error("alert not sent", title=alert.title, kind=alert.kind, key=alert.key, failed=reasons, sent=list(sent))
    return AlertNotSent(alert.title, reasons, sent, remedy=" ".join(remedies))
