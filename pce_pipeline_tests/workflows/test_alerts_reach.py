"""A late release, an old pin and a failed run reach every channel with either reach: the workflow's own steps, run.

With runner reach they run on the runner, with the secrets of the GitHub environment; with private reach as a task, with
what the template's task definition gives it. The receivers are real servers: SNS with a queue, Slack's end, a webhook.
"""

import json
import os
import shutil
import sysconfig
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.alerts import aws as loopback
from pce_pipeline_tests.alerts.receiver import Receiver, receiver
from pce_pipeline_tests.infra.rendered import Rendered
from pce_pipeline_tests.workflows.conftest import NEEDS
from pce_pipeline_tests.workflows.job import Ran, checked_out, run_job, workflow
from pce_pipeline_tests.workflows.loopback_ecs import LoopbackEcs
from pce_pipeline_tests.worlds import World

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not all(map(shutil.which, ("jq", "make", "bash"))), reason="needs jq, make and bash"),
]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NO_DATABASE = "postgresql://pce_loader@127.0.0.1:9/pce"
BEFORE = ("ready", "checkout", "python", "install", "credentials", "tasks")
BROKEN = {"id": "broken", "name": "Something that fails", "run": "exit 1"}
KINDS = ["release_late", "pin_old", "run_failed"]


@dataclass
class Channels:
    """The ends of all channels, and how this machine is led to AWS."""

    slack: Receiver
    webhook: Receiver
    aws: str
    topic: str
    queue: str

    def heard_by_sns(self) -> list[dict[str, Any]]:
        """What came to the topic's subscriber since the last look."""
        sqs = loopback.client("sqs", self.aws)
        found = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]


@dataclass(frozen=True)
class Place:
    """A staging of which only the lake and BEA are there."""

    channels: Channels
    bea_url: str
    key: str
    pinned: Path

    @property
    def secrets(self) -> dict[str, str]:
        """Those of the GitHub environment: the same names lie in Parameter Store for tasks."""
        return {
            "BEA_API_KEY": self.key,
            "PCE_ALERT_SLACK_URL": self.channels.slack.url,
            "PCE_ALERT_WEBHOOK_URL": self.channels.webhook.url,
            "PCE_ALERT_WEBHOOK_SECRET": SECRET,
        }

    @property
    def machine(self) -> dict[str, str]:
        return {**loopback.CREDENTIALS, "AWS_ENDPOINT_URL": self.channels.aws, "COLUMNS": "200"}

    def container(self, lake: Path) -> dict[str, str]:
        """What a task is given: every name that the template's definition has, with values of here."""
        rendered = Rendered(
            "staging", DatabaseReach="private", BeaKeyStored="yes", SlackAlerts="yes", WebhookAlerts="yes"
        )
        (definition,) = rendered.properties("Task")["ContainerDefinitions"]
        here = {
            "PCE_ENV": "staging",
            "PCE_LAKE_URI": str(lake),
            "PCE_DATABASE_URL": NO_DATABASE,
            "PCE_DATABASE_LOGIN": "url",
            "PCE_LOG_GROUP": "/pce/staging/pipeline",
            "PCE_ALERT_TOPIC_ARN": self.channels.topic,
            "AWS_REGION": loopback.REGION,
            **self.secrets,
        }
        given = [each["Name"] for each in (*definition["Environment"], *definition["Secrets"])]
        return {
            **{name: here[name] for name in given if name in here},
            **self.machine,
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "HOME": str(lake.parent),
            "PCE_BEA_URL": self.bea_url,
        }

    def run(self, folder: Path, reach: str, lake: Path, *steps: str) -> Ran:
        """These steps of ingest.yml, a step that fails before the one that alerts of failures."""
        job = workflow("ingest.yml")["jobs"]["ingest"]
        by_id: Mapping[str, Any] = {step.get("id"): step for step in job["steps"]}
        chosen = [by_id[name] for name in (*BEFORE, *steps)]
        if "alert" in steps:
            chosen.insert(-1, BROKEN)
        ecs = LoopbackEcs(self.container(lake))
        with running(ecs.app) as ecs_url:
            return run_job(
                {**job, "steps": chosen},
                folder,
                inputs={"environment": "staging", "dry_run": False, "profile": "smoke"},
                needs=NEEDS,
                variables={
                    "AWS_REGION": loopback.REGION,
                    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pce-staging-workflow",
                    "PCE_LAKE_URI": str(lake),
                    "PCE_DATABASE_URL": NO_DATABASE,
                    "PCE_DATABASE_LOGIN": "url",
                    "PCE_DATABASE_REACH": reach,
                    "PCE_ALERT_TOPIC_ARN": self.channels.topic,
                    "PCE_BEA_URL": self.bea_url,
                    "PCE_ECS_CLUSTER": "pce-staging",
                    "PCE_ECS_TASK_DEFINITION": "pce-staging",
                    "PCE_ECS_SUBNETS": "subnet-a",
                    "PCE_ECS_SECURITY_GROUP": "sg-tasks",
                    "PCE_ECS_LOG_GROUP": "/pce/staging/task",
                },
                secrets=self.secrets,
                matrix={"environment": "staging"},
                machine={
                    **self.machine,
                    "HOME": str(folder.parent),
                    **dict.fromkeys(("AWS_ENDPOINT_URL_ECS", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"), ecs_url),
                },
                actions={
                    "actions/checkout": checked_out,
                    "actions/setup-python": lambda _, given: {"SETUP_PYTHON": given["python-version"]},
                    "aws-actions/configure-aws-credentials": lambda _, given: {"AWS_REGION": given["aws-region"]},
                },
            )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    bea, key = create_app(2), str(uuid.uuid4())
    with ExitStack() as stack:
        bea_url = stack.enter_context(running(bea))
        aws = stack.enter_context(loopback.aws_on_loopback())
        sns, sqs, logs = (loopback.client(name, aws) for name in ("sns", "sqs", "logs"))
        logs.create_log_group(logGroupName="/pce/staging/pipeline")
        topic = sns.create_topic(Name="pce-staging-alerts")["TopicArn"]
        queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        slack, webhook = stack.enter_context(receiver()), stack.enter_context(receiver())
        home = tmp_path_factory.mktemp("pinned")
        world = World(
            home,
            NO_DATABASE,
            env="staging",
            profile="smoke",
            chosen_lake_uri=str(home / "lake"),
            chosen_source="api",
            bea_api_key=SecretStr(key),
            bea_url=bea_url,
        )
        stack.callback(world.instance.dispose)
        world.extract()
        (held,) = world.bronze.extracts()
        world.bronze.write_pin(held, now=datetime.now(UTC) - timedelta(days=15), reason="a rollback")
        yield Place(Channels(slack, webhook, aws, topic, queue), bea_url, key, home / "lake")


@pytest.mark.parametrize("reach", ["runner", "private"])
def test_each_alert_reaches_sns_slack_and_the_webhook(place: Place, reach: str, tmp_path: Path):
    channels = place.channels
    channels.slack.received.clear()
    channels.webhook.received.clear()
    shutil.copytree(place.pinned, tmp_path / "pinned")
    late = place.run(tmp_path / "a1", reach, tmp_path / "lake", "late", "alert")
    pinned = place.run(tmp_path / "a2", reach, tmp_path / "pinned", "pinned")
    assert (late.failed, pinned.failed) == (["broken"], []), f"{late}\n{pinned}"
    assert ("tasks" in late.done) is (reach == "private")
    events = [Webhook(SECRET).verify(each.body, dict(each.headers)) for each in channels.webhook.received]
    assert sorted(event["type"] for event in events) == sorted(f"alert.{kind}" for kind in KINDS)
    assert all((event["data"]["environment"], event["data"]["world"]) == ("staging", "bea-smoke") for event in events)
    titles = sorted(f"[staging] {event['data']['title']}" for event in events)
    assert sorted(each.document["text"] for each in channels.slack.received) == titles
    by_mail = channels.heard_by_sns()
    assert sorted(each["Subject"] for each in by_mail) == titles
    assert sorted(each["MessageAttributes"]["kind"]["Value"] for each in by_mail) == sorted(KINDS)
    everything = "\n".join([str(late), str(pinned), *(each["Message"] for each in by_mail)])
    assert not [name for name, secret in place.secrets.items() if secret in everything], "no secret is told"
