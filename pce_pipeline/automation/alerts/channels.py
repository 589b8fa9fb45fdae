"""The ways an alert can leave: an SNS topic, a Slack incoming webhook, a signed webhook.

Each takes an alert or raises a `ChannelFailed`. HTTP goes out with time-outs and follows no redirect; what may pass
(5xx, 429, no answer) is tried again a few times within a quarter of a minute, under the same id.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Protocol

import httpx
import stamina
from pydantic import SecretStr
from standardwebhooks import Webhook

from pce_pipeline.automation.alerts.alert import Alert
from pce_pipeline.automation.alerts.errors import (
    ChannelBusy,
    ChannelFailed,
    ChannelMisconfigured,
    ChannelRefused,
    ChannelUnreachable,
)
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.settings import Settings

VARIABLES = "PCE_ALERT_TOPIC_ARN, PCE_ALERT_SLACK_URL, or PCE_ALERT_WEBHOOK_URL with PCE_ALERT_WEBHOOK_SECRET"

_AGENT = "pce_pipeline"
_LONGEST_SUBJECT = 100
_LONGEST_HEADER = 150
_LONGEST_REASON = 120
_SYMBOLS = {"error": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}


@dataclass(frozen=True)
class Patience:
    """How patient a channel is. A sensor has a minute in all, for two alerts at worst."""

    timeout: timedelta = timedelta(seconds=6)
    """How long one try may take."""
    attempts: int = 4
    """How many tries there are."""
    first_wait: timedelta = timedelta(seconds=1)
    """How long to wait before the second try; each further wait is twice as long."""
    longest_wait: timedelta = timedelta(seconds=10)
    """The longest wait between two tries."""
    whole: timedelta = timedelta(seconds=15)
    """How long all tries together may take."""


class Channel(Protocol):
    """A way for alerts to leave."""

    @property
    def name(self) -> str:
        """How people and records call it; a segment of a lake key."""

    def send(self, alert: Alert) -> None:
        """Raises `ChannelFailed`."""


def channels_of(settings: Settings, patience: Patience | None = None) -> list[Channel]:
    """The channels that the settings name; whether they can work shows when something is sent."""
    patience = patience or Patience()
    channels: list[Channel] = []
    if settings.alert_topic_arn:
        channels.append(SnsTopic(settings.alert_topic_arn))
    if settings.alert_slack_url:
        channels.append(SlackWebhook(settings.alert_slack_url, patience))
    if settings.alert_webhook_url:
        channels.append(SignedWebhook(settings.alert_webhook_url, settings.alert_webhook_secret, patience))
    return channels


@dataclass(frozen=True)
class SnsTopic:
    """An SNS topic; what subscribers get is plain text."""

    arn: str
    """The topic."""
    name: str = "sns"
    """What records call the channel."""

    def send(self, alert: Alert) -> None:
        """Raises `ChannelFailed`."""
        import boto3  # noqa: PLC0415 (a third of a second that the other channels do not need)
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        if self.arn.count(":") != "arn:aws:sns:region:account:topic".count(":"):
            raise ChannelMisconfigured(
                self.name, "its address is no ARN of a topic", remedy="Correct PCE_ALERT_TOPIC_ARN."
            )
        try:
            topic = boto3.Session().client(
                "sns",
                region_name=self.arn.split(":")[3],
                config=Config(connect_timeout=3, read_timeout=6, retries={"total_max_attempts": 2, "mode": "standard"}),
            )
            topic.publish(
                TopicArn=self.arn,
                Subject=_ascii_line(alert.subject, _LONGEST_SUBJECT),
                Message=f"{alert.title}\n\n{alert.text}",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in (("kind", alert.kind), ("severity", alert.severity), ("env", alert.env))
                },
            )
        except ClientError as refused:
            said = refused.response
            raise ChannelRefused(
                self.name,
                f"AWS answered {said['Error']['Code']}",
                status=said["ResponseMetadata"].get("HTTPStatusCode"),
                remedy="The topic must exist in its region, and the role be allowed sns:Publish to it.",
            ) from None
        except BotoCoreError as silent:
            raise ChannelUnreachable(self.name, type(silent).__name__) from None


@dataclass(frozen=True)
class SlackWebhook:
    """A Slack incoming webhook. Its URL is a secret."""

    url: SecretStr
    """Where to post."""
    patience: Patience = Patience()
    """How often and how long to try."""
    name: str = "slack"
    """What records call the channel."""

    def send(self, alert: Alert) -> None:
        """Raises `ChannelFailed`."""
        body = json.dumps(_slack_message(alert)).encode()
        _post(self.name, "PCE_ALERT_SLACK_URL", self.url, body, dict, self.patience)


@dataclass(frozen=True)
class SignedWebhook:
    """Any https endpoint, signed as Standard Webhooks say: the receiver verifies, and drops ids it has seen."""

    url: SecretStr
    """Where to post."""
    secret: SecretStr | None
    """What to sign with; None leaves it unsigned."""
    patience: Patience = Patience()
    """How often and how long to try."""
    name: str = "webhook"
    """What records call the channel."""

    def send(self, alert: Alert) -> None:
        """Raises `ChannelFailed`."""
        if self.secret is None:
            raise ChannelMisconfigured(
                self.name, "there is no secret to sign with", remedy="Set PCE_ALERT_WEBHOOK_SECRET."
            )
        try:
            signer = Webhook(self.secret.get_secret_value())
        except Exception:  # noqa: BLE001 (the library raises whatever base64 does, and its texts may quote the secret)
            raise ChannelMisconfigured(
                self.name,
                "its secret cannot be read",
                remedy="PCE_ALERT_WEBHOOK_SECRET is whsec_ and base64 of 24 to 64 random bytes.",
            ) from None
        body = json.dumps(_event(alert), ensure_ascii=False)

        def signed() -> dict[str, str]:
            now = datetime.now(UTC)
            return {
                "webhook-id": alert.idempotency_key,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signer.sign(alert.idempotency_key, now, body),
            }

        _post(self.name, "PCE_ALERT_WEBHOOK_URL", self.url, body.encode(), signed, self.patience)


def _slack_message(alert: Alert) -> dict[str, object]:
    subject = _escaped(alert.subject)
    facts = " · ".join(f"*{_escaped(name)}* {_escaped(fact)}" for name, fact in alert.all_facts.items())
    return {
        "text": subject,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": alert.subject[:_LONGEST_HEADER]}},
            _section(f"{_SYMBOLS[alert.severity]} {_escaped(alert.happened)}"),
            _section(f"*What to do* {_escaped(alert.remedy)}"),
            {"type": "context", "elements": [{"type": "mrkdwn", "text": facts[:_LONGEST_SECTION]}]},
        ],
    }


_LONGEST_SECTION = 3000


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_LONGEST_SECTION]}}


def _escaped(text: str) -> str:
    """Slack reads these three characters as its markup; nothing in an alert is markup of ours."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _event(alert: Alert) -> dict[str, object]:
    return {
        "type": f"alert.{alert.kind}",
        "timestamp": alert.at.isoformat(),
        "data": {
            "key": alert.key,
            "severity": alert.severity,
            "title": alert.title,
            "what_happened": alert.happened,
            "what_to_do": alert.remedy,
            **alert.all_facts,
        },
    }


def _ascii_line(text: str, longest: int) -> str:
    """The text as SNS takes a subject: one line of printable ASCII."""
    plain = text.encode("ascii", "replace").decode()
    return "".join(character if character.isprintable() else " " for character in plain)[:longest].strip()


def _post(
    channel: str,
    variable: str,
    url: SecretStr,
    body: bytes,
    headers: Callable[[], Mapping[str, str]],
    patience: Patience,
) -> None:
    """POST until it is taken or hopeless; `headers` are made anew for each try. Raises `ChannelFailed`."""
    address = _checked(channel, variable, url)

    def worth_another_try(error: Exception) -> bool | float:
        if isinstance(error, ChannelBusy) and error.retry_after is not None:
            return error.retry_after if error.retry_after <= patience.longest_wait.total_seconds() else False
        return isinstance(error, ChannelFailed) and error.retryable

    with httpx.Client(timeout=patience.timeout.total_seconds(), follow_redirects=False) as http:
        for attempt in stamina.retry_context(
            on=worth_another_try,
            attempts=patience.attempts,
            timeout=patience.whole,
            wait_initial=patience.first_wait,
            wait_max=patience.longest_wait,
            wait_jitter=patience.first_wait,
        ):
            with attempt:
                _post_once(channel, variable, http, address, body, headers())


def _post_once(
    channel: str, variable: str, http: httpx.Client, address: httpx.URL, body: bytes, headers: Mapping[str, str]
) -> None:
    own = {"Content-Type": "application/json", "User-Agent": _AGENT}
    try:
        # of an answer only its beginning is read, and none at all where the alert was taken
        with http.stream("POST", address, content=body, headers={**own, **headers}) as answer:
            if answer.is_success:
                return
            said = "" if answer.is_redirect else next(answer.iter_text(_LONGEST_REASON), "")
    except httpx.HTTPError as silent:
        raise ChannelUnreachable(channel, f"no answer came ({type(silent).__name__})") from None
    if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise ChannelBusy(channel, answer.status_code, _seconds(answer.headers.get("retry-after")))
    reason = " ".join(without_secrets(said).split())
    raise ChannelRefused(
        channel,
        f"it answered {answer.status_code}" + (f" ({reason})" if reason else ""),
        status=answer.status_code,
        remedy=f"Check {variable}; redirects are not followed." if answer.is_redirect else f"Check {variable}.",
    )


def _checked(channel: str, variable: str, url: SecretStr) -> httpx.URL:
    """The address, if alerts may go there: https, or this very machine."""
    try:
        address = httpx.URL(url.get_secret_value())
    except httpx.InvalidURL:
        raise ChannelMisconfigured(channel, "its address is no URL", remedy=f"Correct {variable}.") from None
    if not address.host or not (address.scheme == "https" or (address.scheme == "http" and _is_here(address.host))):
        raise ChannelMisconfigured(
            channel, "its address is not https", remedy=f"{variable} must begin with https:// (or name this machine)."
        )
    return address


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _seconds(text: str | None) -> float | None:
    """What a Retry-After header says in seconds; a date is passed over."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
