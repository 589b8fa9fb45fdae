"""What can go wrong with an alert: one channel's trouble, and the sum of it that callers see.

    PceError
    ├── AlertNotSent                 some channel did not get an alert
    └── ChannelFailed                a channel did not take an alert
        ├── ChannelMisconfigured     its settings cannot work
        ├── ChannelRefused           it would answer the same again
        ├── ChannelBusy              it cannot now
        └── ChannelUnreachable       no answer came

Addresses and secrets of channels are no facts: who holds a Slack webhook's URL can post with it.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pce_pipeline.errors import PceError


class ChannelFailed(PceError):
    """A channel did not take an alert."""

    def __init__(self, channel: str, reason: str, *, remedy: str) -> None:
        self.channel = channel
        self.reason = reason
        super().__init__(f"{channel}: {reason}.", remedy=remedy)


class ChannelMisconfigured(ChannelFailed):
    """The settings of a channel cannot work."""


class ChannelRefused(ChannelFailed):
    """The channel answered `status` (None where there is none) and would answer the same again."""

    def __init__(self, channel: str, reason: str, *, remedy: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(channel, reason, remedy=remedy)


class ChannelBusy(ChannelFailed):
    """The channel answered that it cannot now; `retry_after` in seconds, where it said so."""

    retryable: ClassVar[bool] = True

    def __init__(self, channel: str, status: int, retry_after: float | None) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(channel, f"it answered {status}", remedy="It has trouble of its own; try again later.")


class ChannelUnreachable(ChannelFailed):
    """No answer came."""

    retryable: ClassVar[bool] = True

    def __init__(self, channel: str, reason: str) -> None:
        super().__init__(channel, reason, remedy="Check its address and the network.")


class AlertNotSent(PceError):
    """Some channel did not get an alert.

    `failed` has the reason by channel; `sent` are the channels that have it, now or since an earlier try. Sending the
    alert again goes to the others only.
    """

    def __init__(self, title: str, failed: Mapping[str, str], sent: Sequence[str], *, remedy: str) -> None:
        self.title = title
        self.failed = dict(failed)
        self.sent = tuple(sent)
        reasons = " ".join(f"{channel}: {reason}." for channel, reason in self.failed.items())
        others = f" {' and '.join(self.sent)} {'have' if len(self.sent) > 1 else 'has'} it." if self.sent else ""
        super().__init__(f"The alert {title!r} was not sent to all channels. {reasons}{others}", remedy=remedy)
