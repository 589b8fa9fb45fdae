"""Who may announce a release: the symmetric signatures of the standard-webhooks specification.

The signed content is `{webhook-id}.{webhook-timestamp}.{body}`; a sender without ids leaves the first part empty.
The library signs. Comparing is done here, on exact texts: it alone would take other spellings of a timestamp or a
signature for the same, and no event without an id.
"""

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.webhook_secrets import HOW_TO_MAKE_ONE, key_of

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

TOLERANCE = timedelta(minutes=5)
"""How far the moment of signing may lie from now, before or after."""

_SECONDS = re.compile(r"[1-9][0-9]{0,10}")


class HookSecretMissing(UsageError):
    """There is nothing to check signatures with."""

    def __init__(self) -> None:
        super().__init__(
            "PCE_HOOK_SECRET is not set, and without it a sender cannot be told from anybody else.",
            remedy=f"Make one, set it here and give it to the sender: {HOW_TO_MAKE_ONE}",
        )


class HookSecretRefused(UsageError):
    """The `number`th of the secrets (from 1) is none."""

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        super().__init__(
            f"Secret {number} of PCE_HOOK_SECRET cannot be used: {reason}.",
            remedy=f"Separate a new and an old one by a space. Make one with: {HOW_TO_MAKE_ONE}",
        )


class NotSigned(PceError):
    """The event is not signed by who may, or not now; `reason` is for our own log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__("The event is not signed as agreed.")


class Verifier:
    """Knows the secrets: one, or a new and an old one while senders change over, separated by spaces.

    Raises `HookSecretRefused`.
    """

    def __init__(self, secrets: str) -> None:
        self._signers = [Webhook(_key(number, each)) for number, each in enumerate(secrets.split(), start=1)]
        if not self._signers:
            raise HookSecretMissing

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Raise `NotSigned` unless one of the signatures is one of ours, of this very id, moment and body."""
        said = headers.get(TIMESTAMP, "")
        if not _SECONDS.fullmatch(said):
            raise NotSigned("no timestamp")
        signed_at = datetime.fromtimestamp(int(said), UTC)
        if abs(now - signed_at) > TOLERANCE:
            raise NotSigned(f"signed {(now - signed_at).total_seconds():.0f} seconds ago")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise NotSigned("not UTF-8") from None
        given = [each.encode() for each in headers.get(SIGNATURE, "").split(" ")]
        expected = [
            signer.sign(msg_id=headers.get(ID, ""), timestamp=signed_at, data=text).encode() for signer in self._signers
        ]
        # every pair is compared, whatever the first ones say, so that the time it takes tells nothing
        if not sum(hmac.compare_digest(one, other) for one in expected for other in given):
            raise NotSigned("no signature of ours")


def _key(number: int, secret: str) -> bytes:
    try:
        return key_of(secret)
    except ValueError as wrong:
        raise HookSecretRefused(number, str(wrong)) from None
