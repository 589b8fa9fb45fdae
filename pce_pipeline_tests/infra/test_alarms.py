"""Silence is noticed without any code of ours: what lines count, when an alarm is one, and that it reaches a person."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import logs
from pce_pipeline.observability.heartbeat import beat, failed
from pce_pipeline_tests.alerts import aws as loopback
from pce_pipeline_tests.infra.alarms import is_in_alarm, longest_look_back, looks_back, matches
from pce_pipeline_tests.infra.policies import Call, allowed
from pce_pipeline_tests.infra.rendered import ACCOUNT, REGION, Rendered
from pce_pipeline_tests.infra.service_limits import documented

ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm"
BOTH_ENVIRONMENTS = pytest.mark.parametrize("environment", ["staging", "prod"])
SILENT = None


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """The lines as CloudWatch gets them."""
    found: list[dict[str, object]] = []

    def take(line: str, run_id: str | None) -> None:
        found.append(json.loads(line))

    logs.configure_logs("error")
    logs.copy_to(take)
    yield found
    logs.copy_no_more(take)
    structlog.reset_defaults()


@BOTH_ENVIRONMENTS
def test_what_the_pipeline_logs_is_what_the_filters_count_and_other_worlds_are_not(environment, lines, tmp_path: Path):
    worlds = ("bea", "bea-smoke", "sample")
    for world in worlds:
        beat(Lake(str(tmp_path), Layout(environment, world)), by="pce run")
        failed(Layout(environment, world), "UnexpectedAnswer: no", by="refresh", run_id="r1")
    rendered = Rendered(environment)
    counted = {
        name: [
            (line["event"], line["world"])
            for line in lines
            if matches(rendered.properties(name)["FilterPattern"], line)
        ]
        for name in ("HeartbeatMetric", "FailureMetric")
    }
    assert counted == {"HeartbeatMetric": [("heartbeat", "bea")], "FailureMetric": [("run failed", "bea")]}
    assert len(lines) == 2 * len(worlds), "also where only errors are logged"


@BOTH_ENVIRONMENTS
def test_a_filter_reads_the_pipelines_log_and_its_alarm_the_filters_metric(environment):
    rendered = Rendered(environment)
    for metric, alarm in (("HeartbeatMetric", "HeartbeatAlarm"), ("FailureMetric", "FailureAlarm")):
        filter_, watching = rendered.properties(metric), rendered.properties(alarm)
        assert filter_["LogGroupName"] == rendered.outputs["LogGroupName"]
        (transformation,) = filter_["MetricTransformations"]
        assert (transformation["MetricNamespace"], transformation["MetricName"]) == (
            watching["Namespace"],
            watching["MetricName"],
        )
        assert transformation["MetricNamespace"] == f"pce/{environment}"


def test_in_prod_one_missing_day_is_an_alarm_and_a_late_run_is_none():
    alarm = Rendered("prod").properties("HeartbeatAlarm")
    day = [1.0, *[SILENT] * 23]
    assert not is_in_alarm(alarm, [*day, *day])
    assert not is_in_alarm(alarm, [*day, SILENT, SILENT]), "two hours late"
    assert is_in_alarm(alarm, [*day, SILENT, SILENT, SILENT])
    assert not is_in_alarm(alarm, [*day, *[SILENT] * 30, 1.0]), "and a beat ends it"
    assert is_in_alarm(alarm, [SILENT] * 48), "where nothing has ever run, too"


def test_staging_may_rest_for_six_days():
    alarm = Rendered("staging").properties("HeartbeatAlarm")
    assert not is_in_alarm(alarm, [1.0, *[SILENT] * 24 * 6])
    assert is_in_alarm(alarm, [1.0, *[SILENT] * 24 * 7])


@BOTH_ENVIRONMENTS
def test_no_alarm_looks_back_further_than_cloudwatch_can(environment):
    said = documented("cloudwatch", "PutMetricAlarmInput", "Period")
    assert "no longer than seven days, so Period multiplied by EvaluationPeriods can't be more than 604,800" in said
    assert "less than one hour (3,600 seconds), the total evaluation period can't be longer than one day" in said
    for alarm in Rendered(environment).of_type("AWS::CloudWatch::Alarm").values():
        assert looks_back(alarm) <= longest_look_back(alarm), alarm["AlarmName"]


def test_before_the_first_success_nobody_is_told_of_silence_and_of_all_else_at_once():
    fresh, armed = (Rendered("prod", HeartbeatHeard=heard).of_type("AWS::CloudWatch::Alarm") for heard in ("no", "yes"))
    assert {name for name, each in fresh.items() if each.get("ActionsEnabled") is False} == {
        "HeartbeatAlarm",
        "CreditsAlarm",
    }
    assert {name for name, each in armed.items() if each.get("ActionsEnabled") is False} == set()
    assert set(fresh) == {"HeartbeatAlarm", "FailureAlarm", "StorageAlarm", "CreditsAlarm", "ConnectionsAlarm"}


@BOTH_ENVIRONMENTS
def test_the_alarms_of_the_database_watch_this_database(environment):
    rendered = Rendered(environment)
    metrics = {}
    for name, alarm in rendered.of_type("AWS::CloudWatch::Alarm").items():
        if alarm["Namespace"] == "AWS/RDS":
            assert alarm["Dimensions"] == [{"Name": "DBInstanceIdentifier", "Value": f"pce-{environment}"}]
            metrics[name] = alarm["MetricName"]
    assert metrics == {
        "StorageAlarm": "FreeStorageSpace",
        "CreditsAlarm": "CPUCreditBalance",
        "ConnectionsAlarm": "DatabaseConnections",
    }
    for name in metrics:
        alarm = rendered.properties(name)
        enough = {"FreeStorageSpace": 18e9, "CPUCreditBalance": 144.0, "DatabaseConnections": 4.0}[alarm["MetricName"]]
        short = {"FreeStorageSpace": 0.9e9, "CPUCreditBalance": 2.0, "DatabaseConnections": 75.0}[alarm["MetricName"]]
        periods = int(alarm["EvaluationPeriods"])
        assert not is_in_alarm(alarm, [enough] * periods)
        assert not is_in_alarm(alarm, [short] * (periods - 1) + [enough]), "a short peak is none"
        assert is_in_alarm(alarm, [enough] + [short] * periods)


@BOTH_ENVIRONMENTS
def test_every_alarm_publishes_to_the_topic_and_the_topic_lets_it(environment):
    rendered = Rendered(environment)
    topic = rendered.outputs["AlertTopicArn"]
    assert "KmsMasterKeyId" not in rendered.properties("AlertTopic"), "CloudWatch may not use AWS's own key"
    policy = rendered.properties("AlertTopicPolicy")["PolicyDocument"]["Statement"]
    of_cloudwatch = [each for each in policy if each["Principal"] in ("*", {"Service": "cloudwatch.amazonaws.com"})]
    for alarm in rendered.of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [topic]
        own = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": f"{ALARM}:{alarm['AlarmName']}"}
        assert allowed(Call("sns:Publish", topic, own), [], of_cloudwatch)
        assert not allowed(Call("sns:Publish", topic, {**own, "aws:SecureTransport": "false"}), [], of_cloudwatch)
        for wrong in (
            {**own, "aws:SourceAccount": "999999999999"},
            {**own, "aws:SourceArn": f"{ALARM}:somebody-elses"},
            {},
        ):
            assert not allowed(Call("sns:Publish", topic, wrong), [], of_cloudwatch)
    others = [each for each in policy if each["Principal"] == "*"]
    assert not allowed(Call("sns:Publish", topic), [], others), "the topic itself lets nobody else publish"


def test_the_missing_heartbeat_reaches_a_subscriber_through_the_topic_alone():
    """A topic with the template's policy and a real subscriber; moto's CloudWatch calls nobody, so the test does."""
    rendered = Rendered("prod", HeartbeatHeard="yes")
    alarm = rendered.properties("HeartbeatAlarm")
    assert is_in_alarm(alarm, [SILENT] * 26)
    assert alarm["ActionsEnabled"] is True
    with loopback.aws_on_loopback() as address:
        sns, sqs = (loopback.client(name, address) for name in ("sns", "sqs"))
        arn = sns.create_topic(Name=rendered.properties("AlertTopic")["TopicName"])["TopicArn"]
        policy = json.dumps(rendered.properties("AlertTopicPolicy")["PolicyDocument"]).replace(
            rendered.outputs["AlertTopicArn"], arn
        )
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
        queue = sqs.create_queue(QueueName="person")["QueueUrl"]
        of_queue = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=of_queue)
        sns.publish(TopicArn=arn, Subject=f'ALARM: "{alarm["AlarmName"]}"', Message=alarm["AlarmDescription"])
        (told,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    message = json.loads(told["Body"])
    assert message["Subject"] == 'ALARM: "pce-prod-heartbeat"'
    assert "docs/operability.md, Alarms" in message["Message"]


@BOTH_ENVIRONMENTS
def test_every_alarm_says_where_to_read_what_to_do(environment):
    runbook = (Path(__file__).parents[2] / "docs" / "operability.md").read_text("utf-8")
    assert "## Alarms" in runbook
    for alarm in Rendered(environment).of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmDescription"].endswith("docs/operability.md, Alarms")
        assert f"`pce-<env>-{alarm['AlarmName'].removeprefix(f'pce-{environment}-')}`" in runbook
