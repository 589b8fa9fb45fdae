"""Log lines in CloudWatch: a stream per run, no secret, two kinds of calls, and never a run that waits for it."""

import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import structlog
from botocore.config import Config
from pydantic import SecretStr

from pce_pipeline.observability import logs
from pce_pipeline.observability.cloudwatch import CloudWatchLines, send_to_cloudwatch
from pce_pipeline.settings import Settings
from pce_pipeline_tests.alerts.aws import aws_on_loopback, client, environment
from pce_pipeline_tests.alerts.receiver import Reply, receiver
from pce_pipeline_tests.cli.conftest import call

GROUP = "/pce/staging/pipeline"
SECRET = "a-secret-of-somebody"


@pytest.fixture(scope="module")
def _moto() -> Iterator[str]:
    with aws_on_loopback() as address:
        yield address


@pytest.fixture
def aws(_moto: str) -> Iterator[str]:
    """The address of AWS with an empty log group, which this process takes for the real one."""
    cloudwatch = client("logs", _moto)
    cloudwatch.create_log_group(logGroupName=GROUP)
    with environment(_moto):
        yield _moto
    for group in cloudwatch.describe_log_groups()["logGroups"]:
        cloudwatch.delete_log_group(logGroupName=group["logGroupName"])


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    logs.configure_logs("info")
    logs.hide(SECRET)
    yield
    send_to_cloudwatch(Settings())
    structlog.reset_defaults()


def stored(address: str) -> dict[str, list[dict[str, Any]]]:
    """The lines by stream."""
    cloudwatch = client("logs", address)
    streams = [each["logStreamName"] for each in cloudwatch.describe_log_streams(logGroupName=GROUP)["logStreams"]]
    return {
        stream: [
            json.loads(event["message"])
            for event in cloudwatch.get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
        ]
        for stream in streams
    }


def staging(group: str = GROUP) -> Settings:
    return Settings(
        env="staging",
        chosen_source="bulk",
        chosen_lake_uri="s3://bucket",
        chosen_database_url=SecretStr("postgresql://pce_loader@db/pce"),
        log_group=group,
    )


def warnings_in(err: str) -> list[dict[str, Any]]:
    said = [json.loads(line) for line in err.splitlines()]
    return [line for line in said if line["event"].startswith("log lines do not reach CloudWatch")]


def test_lines_of_a_run_and_those_of_the_process_have_streams_that_say_whose_they_are(aws):
    send_to_cloudwatch(staging())
    send_to_cloudwatch(staging())  # the command line and Dagster both may ask
    structlog.get_logger().info("outside", password=SECRET)
    with logs.bound(run_id="run-1", step="gold"):
        structlog.get_logger().info("one", rows=3)
        structlog.get_logger().info("two")
    send_to_cloudwatch(Settings())
    structlog.get_logger().info("after")
    run, process = sorted(stored(aws).items(), key=lambda item: not item[0].endswith("run-1"))
    date, env, who = run[0].split("/")
    assert (len(date), env, who) == (10, "staging", "run-1")
    assert [line["event"] for line in run[1]] == ["one", "two"]
    assert run[1][0] == {"event": "one", "level": "info", "rows": 3, "run_id": "run-1", "step": "gold",
                         "timestamp": run[1][0]["timestamp"]}  # fmt: skip
    assert f"{date}/staging/" in process[0]
    assert [(line["event"], line["password"]) for line in process[1]] == [("outside", "***")]


def test_only_what_the_role_may_call_is_called(aws):
    called: set[str] = set()

    def watched() -> Any:
        made: Any = boto3.Session().client("logs")
        made.meta.events.register("before-call", lambda model, **_: called.add(model.name))
        return made

    lines = CloudWatchLines(GROUP, "staging", make_client=watched)
    lines('{"event": "x"}', "run-1")
    lines.close()
    template = (Path(__file__).parents[2] / "infra/templates/environment.yaml").read_text("utf-8")
    assert called == {"CreateLogStream", "PutLogEvents"}
    assert f"Action: [{', '.join(f'logs:{name}' for name in sorted(called))}]" in template
    assert list(stored(aws)) != []


def test_a_group_that_is_not_there_is_not_made_and_costs_one_warning(aws, capsys):
    send_to_cloudwatch(staging("/pce/absent"))
    for _ in range(3):
        structlog.get_logger().info("a line")
    with logs.bound(run_id="run-1"):
        structlog.get_logger().info("a line of a run")
    send_to_cloudwatch(Settings())
    (warning,) = warnings_in(capsys.readouterr().err)
    assert warning["log_group"] == "/pce/absent"
    assert "ResourceNotFound" in warning["problem"]
    groups = client("logs", aws).describe_log_groups()["logGroups"]
    assert [each["logGroupName"] for each in groups] == [GROUP]


@pytest.mark.parametrize("credentials", [True, False])
def test_a_cloudwatch_that_cannot_be_reached_does_not_hold_up_a_line(capsys, credentials):
    with environment("http://127.0.0.1:1"), pytest.MonkeyPatch.context() as patch:
        if not credentials:
            patch.delenv("AWS_SECRET_ACCESS_KEY")
            patch.delenv("AWS_ACCESS_KEY_ID")
        send_to_cloudwatch(staging())
        structlog.get_logger().info("the first imports boto3")
        began = time.monotonic()
        for _ in range(500):
            structlog.get_logger().info("a line")
        assert time.monotonic() - began < 1
        send_to_cloudwatch(Settings())
    assert len(warnings_in(capsys.readouterr().err)) == 1


def test_a_cloudwatch_that_never_answers_holds_up_the_end_of_a_process_for_seconds_at_most():
    with receiver() as silent, environment(silent.url):
        silent.replies = [Reply(200, after=0.6)] * 9

        def impatient() -> Any:
            config = Config(read_timeout=0.2, retries={"total_max_attempts": 2})
            made: Any = boto3.Session().client("logs", config=config)
            return made

        lines = CloudWatchLines(GROUP, "staging", make_client=impatient)
        lines("{}", None)
        lines("{}", "run-1")
        began = time.monotonic()
        lines.close()
        assert time.monotonic() - began < 4
        assert len(silent.received) <= 2, "after a failure it rests, also with what the other streams hold"


def test_after_a_rest_lines_arrive_again(aws):
    cloudwatch = client("logs", aws)
    cloudwatch.delete_log_group(logGroupName=GROUP)
    lines = CloudWatchLines(GROUP, "staging", rest_seconds=0)
    lines('{"event": "lost"}', "run-1")
    lines.close()
    cloudwatch.create_log_group(logGroupName=GROUP)
    lines('{"event": "found"}', "run-1")
    lines.close()
    ((_, kept),) = stored(aws).items()
    assert kept == [{"event": "found"}]


def test_a_line_that_is_too_long_is_cut_instead_of_refused(aws):
    lines = CloudWatchLines(GROUP, "staging")
    lines("ä" * 300_000, "run-1")
    lines.close()
    cloudwatch = client("logs", aws)
    (stream,) = cloudwatch.describe_log_streams(logGroupName=GROUP)["logStreams"]
    (event,) = cloudwatch.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"])["events"]
    assert event["message"] == "ä" * 125_000


def test_what_a_verb_logs_goes_there_too(aws, tmp_path):
    with receiver() as heard:
        hook = {
            "PCE_ALERT_WEBHOOK_URL": heard.url,
            "PCE_ALERT_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        }
        assert call("alert", "test", PCE_HOME=str(tmp_path), PCE_LOG_GROUP=GROUP, **hook).code == 0
    send_to_cloudwatch(Settings())
    ((_, (line,)),) = stored(aws).items()
    assert line["event"] == "alert sent"


@pytest.mark.system
def test_the_heartbeat_of_a_command_has_arrived_when_it_ends_although_only_errors_are_logged(aws, tmp_path):
    with environment(aws) as variables:
        ended = subprocess.run(
            [Path(sysconfig.get_path("scripts")) / "pce", "heartbeat", "--by", "ingest"],
            env={
                **variables,
                "PCE_LOG_GROUP": GROUP,
                "PCE_LOG_LEVEL": "error",
                "PCE_HOME": str(tmp_path),
                "PATH": "/usr/bin:/bin",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    ((_, (line,)),) = stored(aws).items()
    assert (line["event"], line["by"], line["world"]) == ("heartbeat", "ingest", "sample")


_PROCESS = """
import os, structlog
from pce_pipeline.definitions import defs
defs()
structlog.get_logger().info("parent")
if os.fork() == 0:
    structlog.get_logger().info("child")
else:
    os.wait()
"""


@pytest.mark.system
def test_dagsters_processes_and_their_forks_send_what_is_left_when_they_end(aws, tmp_path):
    with environment(aws) as variables:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _PROCESS],
            env={**variables, "PCE_LOG_GROUP": GROUP, "PCE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    by_stream = {stream: [line["event"] for line in lines] for stream, lines in stored(aws).items()}
    assert sorted(by_stream.values()) == [["child"], ["parent"]]
