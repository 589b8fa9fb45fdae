"""Each channel as its other side sees it: a verifying receiver, Slack's rules, a subscriber of the topic."""

import json
from datetime import timedelta

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from pce_pipeline.automation.alerts.alert import key_of
from pce_pipeline.automation.alerts.channels import Patience, SignedWebhook, SlackWebhook, SnsTopic
from pce_pipeline.automation.alerts.errors import (
    ChannelBusy,
    ChannelFailed,
    ChannelMisconfigured,
    ChannelRefused,
    ChannelUnreachable,
)
from pce_pipeline.lake.layout import checked_key
from pce_pipeline_tests.alerts import aws as loopback
from pce_pipeline_tests.alerts.conftest import an_alert
from pce_pipeline_tests.alerts.receiver import Receiver, Reply

SECRET = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
HASTY = Patience(timeout=timedelta(seconds=0.3), attempts=3, first_wait=timedelta(milliseconds=5))


def webhook(heard: Receiver, *, secret: SecretStr | None = SECRET) -> SignedWebhook:
    return SignedWebhook(SecretStr(f"{heard.url}/hook-of-ours"), secret, HASTY)


def slack(heard: Receiver) -> SlackWebhook:
    return SlackWebhook(SecretStr(f"{heard.url}/services/T0/B0/very-secret-token"), HASTY)


def test_a_receiver_verifies_the_signature_with_the_library_and_reads_what_happened(heard):
    webhook(heard).send(an_alert())
    (request,) = heard.received
    payload = Webhook(SECRET.get_secret_value()).verify(request.body, dict(request.headers))
    assert request.headers["webhook-id"] == "staging-bea-run_failed-4711"
    assert "." not in request.headers["webhook-id"]
    assert payload == {
        "type": "alert.run_failed",
        "timestamp": "2026-10-02T13:00:00+00:00",
        "data": {
            "key": "4711", "severity": "error", "title": "pce_state: refresh failed (1997...2024)",
            "what_happened": "Step gold failed. UnexpectedAnswer: <b> & so on.", "what_to_do": "Look: `pce status`.",
            "environment": "staging", "world": "bea", "dataset": "pce_state", "run": "4711",
        },
    }  # fmt: skip


@pytest.mark.parametrize("trouble", [Reply(500), Reply(503), Reply(429), Reply(429, headers={"retry-after": "0"})])
def test_what_may_pass_is_tried_again_under_the_same_id_and_signed_anew(heard, trouble):
    heard.replies = [trouble, Reply(200)]
    webhook(heard).send(an_alert())
    assert [request.headers["webhook-id"] for request in heard.received] == ["staging-bea-run_failed-4711"] * 2
    assert heard.received[0].body == heard.received[1].body
    for request in heard.received:
        Webhook(SECRET.get_secret_value()).verify(request.body, dict(request.headers))


def test_tries_are_bounded(heard):
    heard.replies = [Reply(502)] * 9
    with pytest.raises(ChannelBusy) as caught:
        slack(heard).send(an_alert())
    assert caught.value.status == 502
    assert len(heard.received) == 3


def test_a_channel_that_asks_for_more_time_than_there_is_is_left_alone(heard):
    heard.replies = [Reply(429, headers={"retry-after": "3600"})]
    with pytest.raises(ChannelBusy) as caught:
        slack(heard).send(an_alert())
    assert caught.value.retry_after == 3600
    assert len(heard.received) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_refusal_is_not_repeated_and_named_without_the_address(heard, status):
    heard.replies = [Reply(status, "no_service\n")]
    with pytest.raises(ChannelRefused) as caught:
        slack(heard).send(an_alert())
    assert caught.value.status == status
    assert f"it answered {status} (no_service)" in str(caught.value)
    assert "PCE_ALERT_SLACK_URL" in caught.value.remedy
    assert "very-secret-token" not in f"{caught.value} {vars(caught.value)}"
    assert len(heard.received) == 1


def test_a_redirect_is_not_followed(heard):
    heard.replies = [Reply(307, headers={"location": f"{heard.url}/elsewhere"})]
    with pytest.raises(ChannelRefused, match="redirects are not followed"):
        webhook(heard).send(an_alert())
    assert [request.path for request in heard.received] == ["/hook-of-ours"]


def test_no_answer_in_time_is_tried_again_and_then_told(heard):
    heard.replies = [Reply(200, after=0.6), Reply(200)]
    webhook(heard).send(an_alert())
    assert len(heard.received) == 2
    heard.replies = [Reply(200, after=0.6)] * 3
    with pytest.raises(ChannelUnreachable, match="ReadTimeout"):
        webhook(heard).send(an_alert())


def test_nobody_there_is_told_without_the_address():
    with pytest.raises(ChannelUnreachable, match="ConnectError") as caught:
        SlackWebhook(SecretStr("http://127.0.0.1:1/services/very-secret-token"), HASTY).send(an_alert())
    assert "very-secret-token" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "address",
    ["http://hooks.example.org/x", "ftp://127.0.0.1/x", "hooks.example.org", "", "https://", "http://[::1", "http://1.2.3.4"],
)  # fmt: skip
def test_an_address_that_is_not_https_is_refused_before_anything_is_sent(address):
    for channel in (SlackWebhook(SecretStr(address), HASTY), SignedWebhook(SecretStr(address), SECRET, HASTY)):
        with pytest.raises(ChannelMisconfigured, match="address is no") as caught:
            channel.send(an_alert())
        assert "example.org" not in str(caught.value)


@pytest.mark.parametrize("secret", [None, SecretStr(""), SecretStr("whsec_"), SecretStr("whsec_änderung")])
def test_nothing_goes_out_unsigned(heard, secret):
    with pytest.raises(ChannelMisconfigured, match="secret") as caught:
        webhook(heard, secret=secret).send(an_alert())
    assert "änderung" not in str(caught.value)
    assert heard.received == []


def test_slack_gets_blocks_and_a_line_for_notifications_and_no_markup_of_others(heard):
    slack(heard).send(an_alert(title="<!channel> & <https://evil.example|click>"))
    (request,) = heard.received
    message = request.document
    assert message["text"] == "[staging] &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;"
    header, happened, remedy, facts = message["blocks"]
    assert header["text"] == {"type": "plain_text", "text": "[staging] <!channel> & <https://evil.example|click>"}
    assert happened["text"]["text"] == ":red_circle: Step gold failed. UnexpectedAnswer: &lt;b&gt; &amp; so on."
    assert remedy["text"]["text"] == "*What to do* Look: `pce status`."
    assert facts["elements"][0]["text"].startswith("*environment* staging · *world* bea · *dataset* pce_state")


def test_what_is_too_long_for_slack_is_cut(heard):
    slack(heard).send(an_alert(title="t" * 400, happened="<" * 9000, facts={"x": "y" * 9000}).fit_to_send())
    header, happened, _, facts = heard.received[0].document["blocks"]
    assert len(header["text"]["text"]) == 150
    assert len(happened["text"]["text"]) <= 3000
    assert len(facts["elements"][0]["text"]) <= 3000


def test_a_subscriber_of_the_topic_reads_subject_text_and_attributes(aws):
    sns, sqs = loopback.client("sns", aws), loopback.client("sqs", aws)
    topic = sns.create_topic(Name="pce-staging-alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    SnsTopic(topic).send(an_alert(title=f"größer\n{'x' * 200}"))
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    mail = json.loads(message["Body"])
    assert mail["Subject"].startswith("[staging] gr??er xxx")
    assert len(mail["Subject"]) == 100
    for told in ("Step gold failed", "What to do: Look: `pce status`.", "environment: staging", "2026-10-02 13:00 UTC"):
        assert told in mail["Message"]
    assert mail["MessageAttributes"]["severity"]["Value"] == "error"


def test_a_topic_that_is_not_there_is_a_refusal_with_awss_code(aws):
    with pytest.raises(ChannelRefused, match="AWS answered NotFound") as caught:
        SnsTopic("arn:aws:sns:us-east-1:123456789012:absent").send(an_alert())
    assert caught.value.status == 404


def test_a_topic_nobody_answers_for_is_unreachable_and_one_without_an_arn_is_misconfigured():
    with loopback.environment("http://127.0.0.1:1"), pytest.raises(ChannelUnreachable, match="EndpointConnection"):
        SnsTopic("arn:aws:sns:us-east-1:123456789012:any").send(an_alert())
    with pytest.raises(ChannelMisconfigured):
        SnsTopic("pce-staging-alerts").send(an_alert())


def test_every_failure_of_a_channel_has_a_remedy_and_says_which_it_is(heard):
    heard.replies = [Reply(403)]
    for channel in (slack(heard), webhook(heard, secret=None)):
        with pytest.raises(ChannelFailed) as caught:
            channel.send(an_alert())
        assert caught.value.channel == channel.name
        assert caught.value.remedy


@pytest.mark.parametrize("text", ["a", "ä/ö", "", "../../x", "x" * 500, "=x", "12345-1", "$(rm)", ".", "a.b"])
def test_any_text_makes_a_key_and_different_texts_make_different_ones(text):
    assert checked_key(f"alerts/{key_of(text)}/slack.json")
    assert key_of(text) == key_of(text)
    assert key_of(text) != key_of(f"{text}?")
    assert "." not in key_of(text)
