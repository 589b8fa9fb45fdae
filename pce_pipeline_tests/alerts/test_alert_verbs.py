"""`pce alert` as workflows call it: what is sent, what it says, and how it exits."""

from pathlib import Path

import pytest

from pce_pipeline_tests.alerts.receiver import Receiver, Reply
from pce_pipeline_tests.cli.conftest import Pce, call

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WORKFLOW = ("alert", "failed", "--what", "The daily run failed", "--step", "gold", "--run", "77-1")


@pytest.fixture
def pce(tmp_path: Path, heard: Receiver) -> Pce:
    """Calls on an empty sample with a webhook."""
    base = {
        "PCE_HOME": str(tmp_path),
        "PCE_PROFILE": "smoke",
        "PCE_ALERT_WEBHOOK_URL": heard.url,
        "PCE_ALERT_WEBHOOK_SECRET": SECRET,
    }
    return lambda *arguments, **environment: call(*arguments, **{**base, **environment})


def test_a_failed_step_of_a_workflow_is_told_once_per_run(pce, heard):
    said = pce(*WORKFLOW, "--link", "https://ci.example.org/77", "--remedy", "Run it again.", "--json").document
    assert said["sent"] == ["webhook"]
    assert pce(*WORKFLOW, "--json").document["sent_earlier"] == ["webhook"]
    (request,) = heard.received
    assert request.headers["webhook-id"] == "local-sample-smoke-run_failed-77-1"
    told = request.document["data"]
    assert (told["step"], told["link"], told["what_to_do"]) == ("gold", "https://ci.example.org/77", "Run it again.")
    assert pce(*WORKFLOW[:-1], "77-2").code == 0
    assert len(heard.received) == 2


def test_without_a_run_the_same_words_go_out_once_a_day(pce, heard):
    for what in ("Cannot sign in", "Cannot sign in", "Cannot see the lake"):
        assert pce("alert", "failed", "--what", what).code == 0
    assert [each.document["data"]["what_happened"] for each in heard.received] == [
        "Cannot sign in",
        "Cannot see the lake",
    ]


def test_a_test_always_goes_out(pce, heard):
    for _ in range(2):
        said = pce("alert", "test")
        assert said.code == 0
        assert "Sent to webhook." in said.out
    assert [each.document["type"] for each in heard.received] == ["alert.test"] * 2


def test_a_channel_that_refuses_fails_the_call_and_is_named(pce, heard):
    heard.replies = [Reply(410), Reply(410)]
    said = pce("alert", "test")
    assert said.code == 1
    assert "webhook: it answered 410" in said.err
    assert pce("alert", "test", "--json").document["error"]["failed"] == {"webhook": "it answered 410"}
    assert SECRET not in said.err + said.out


def test_a_late_release_is_told_once(pce, heard):
    said = pce("alert", "late", "--json")
    assert said.code == 0
    assert said.document["late"]["tables"] == {"SAPCE1": "not in any extract"}
    assert "had it already" in pce("alert", "late").out
    assert [each.document["type"] for each in heard.received] == ["alert.release_late"]


def test_without_a_channel_only_the_test_is_wrong_usage(pce, heard):
    for arguments in (WORKFLOW, ("alert", "late")):
        said = pce(*arguments, PCE_ALERT_WEBHOOK_URL="")
        assert said.code == 0
        assert "No alert channel is set" in said.out
    said = pce("alert", "test", PCE_ALERT_WEBHOOK_URL="")
    assert said.code == 2
    assert "PCE_ALERT_TOPIC_ARN" in said.err
    assert heard.received == []


@pytest.mark.parametrize("arguments", [("failed",), ("failed", "--what"), ("late", "surplus"), ("never",)])
def test_wrong_calls_exit_with_two(pce, arguments):
    assert pce("alert", *arguments).code == 2
