"""An alert goes out once per channel, whoever sends it; what failed goes out later; no secret goes out at all."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from pce_pipeline.automation.alerts.channels import Patience, SignedWebhook, SlackWebhook, channels_of
from pce_pipeline.automation.alerts.errors import AlertNotSent
from pce_pipeline.automation.alerts.sending import Alerts, Delivery
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import logs
from pce_pipeline.settings import Settings
from pce_pipeline_tests.alerts.conftest import an_alert
from pce_pipeline_tests.alerts.receiver import Receiver, Reply, receiver

SECRET = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
HASTY = Patience(attempts=2, first_wait=timedelta(milliseconds=5))


@pytest.fixture
def other():
    with receiver() as listening:
        yield listening


@pytest.fixture
def alerts(heard: Receiver, other: Receiver, lake: Lake) -> Alerts:
    """Alerts to Slack (`heard`) and a webhook (`other`)."""
    return Alerts([SlackWebhook(SecretStr(heard.url), HASTY), SignedWebhook(SecretStr(other.url), SECRET, HASTY)], lake)


def record(lake: Lake, channel: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        lake.store.get(f"staging/observability/alerts/bea/run_failed/4711/{channel}.json")
    )
    return found


def test_an_alert_goes_out_once_and_the_lake_says_that_it_did(alerts, heard, other, lake):
    assert alerts.send(an_alert()) == Delivery(("slack", "webhook"), ())
    assert record(lake, "slack")["idempotency_key"] == "staging-bea-run_failed-4711"
    assert record(lake, "webhook")["title"] == "pce_state: refresh failed (1997...2024)"
    elsewhere = Alerts(alerts.channels, Lake(lake.uri, lake.layout))
    assert elsewhere.send(an_alert(title="told otherwise")) == Delivery((), ("slack", "webhook"))
    assert (len(heard.received), len(other.received)) == (1, 1)


def test_another_event_another_kind_and_another_environment_go_out_too(alerts, heard, lake):
    alerts.send(an_alert())
    alerts.send(an_alert(key="4712"))
    alerts.send(an_alert(kind="release_late"))
    prod = Alerts(alerts.channels, Lake(lake.uri, Layout("prod", "bea")))
    prod.send(an_alert(env="prod"))
    assert len(heard.received) == 4


def test_the_failure_of_one_channel_keeps_no_other_from_its_alert_and_is_made_up_for_alone(alerts, heard, other):
    heard.replies = [Reply(404)]
    with pytest.raises(AlertNotSent) as caught:
        alerts.send(an_alert())
    assert caught.value.failed == {"slack": "it answered 404"}
    assert caught.value.sent == ("webhook",)
    assert "webhook has it" in str(caught.value)
    assert "PCE_ALERT_SLACK_URL" in caught.value.remedy
    assert alerts.send(an_alert()) == Delivery(("slack",), ("webhook",))
    assert (len(heard.received), len(other.received)) == (2, 1)


def test_all_failures_are_named_at_once_and_nothing_is_recorded(alerts, heard, other, lake):
    heard.replies, other.replies = [Reply(400)], [Reply(500)] * 2
    with pytest.raises(AlertNotSent) as caught:
        alerts.send(an_alert())
    assert set(caught.value.failed) == {"slack", "webhook"}
    assert caught.value.sent == ()
    assert not Path(lake.uri).exists()


def test_a_channel_with_a_fault_of_ours_keeps_no_other_from_its_alert(alerts, lake):
    class Broken:
        name = "broken"

        def send(self, alert):
            raise ZeroDivisionError(alert.title)

    with pytest.raises(AlertNotSent) as caught:
        Alerts([Broken(), *alerts.channels], lake).send(an_alert())
    assert caught.value.failed == {"broken": "ZeroDivisionError"}
    assert caught.value.sent == ("slack", "webhook")


def test_a_lake_that_cannot_be_read_or_written_keeps_no_alert_back(alerts, heard, tmp_path, capsys):
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "staging").write_text("a file where a folder must be")
    assert alerts.send(an_alert()) == Delivery(("slack", "webhook"), (), ("slack", "webhook"))
    assert len(heard.received) == 1
    assert "sent, but not recorded" in capsys.readouterr().err


def test_no_secret_leaves_in_an_alert_its_record_or_an_error(alerts, heard, other, lake, capsys):
    settings = Settings(
        chosen_database_url=SecretStr("postgresql://pce:p%40ssword-of-14@db:5432/pce"),
        alert_slack_url=SecretStr(f"{heard.url}/services/very-secret-token"),
        alert_webhook_secret=SECRET,
    )
    for secret in settings.secrets:
        logs.hide(secret)
    said = f"cannot sign in as p@ssword-of-14 at {settings.secrets[0]} with {SECRET.get_secret_value()}"
    assert "p%40ssword-of-14" in said
    heard.replies = [Reply(400, f"no such hook: {settings.secrets[1]} p@ssword-of-14")]
    with pytest.raises(AlertNotSent) as caught:
        alerts.send(an_alert(title=said, happened=said, remedy=said, facts={"link": said}))
    stored = json.dumps(record(lake, "webhook"))
    seen = f"{heard.received[0].body!r}{other.received[0].body!r}{stored}{caught.value}{capsys.readouterr().err}"
    for secret in ("p@ssword-of-14", "p%40ssword-of-14", "very-secret-token", SECRET.get_secret_value()):
        assert secret not in seen
    assert "cannot sign in as ***" in seen


def test_the_settings_say_which_channels_there_are():
    assert channels_of(Settings()) == []
    all_of_them = Settings(
        alert_topic_arn="arn:aws:sns:us-east-1:123456789012:pce",
        alert_slack_url=SecretStr("https://hooks.slack.com/services/x"),
        alert_webhook_url=SecretStr("https://example.org/x"),
        alert_webhook_secret=SECRET,
    )
    channels = channels_of(all_of_them)
    assert [channel.name for channel in channels] == ["sns", "slack", "webhook"]
    assert "hooks.slack.com" not in repr(channels)
    assert SECRET.get_secret_value() not in repr(channels)


def test_a_short_password_is_a_word_that_stays_readable_outside_of_urls():
    settings = Settings(chosen_database_url=SecretStr("postgresql://pce:gold@db:5432/pce"))
    for secret in settings.secrets:
        logs.hide(secret)
    assert logs.without_secrets("gold of postgresql://pce:gold@other/db") == "gold of postgresql://pce:***@other/db"
