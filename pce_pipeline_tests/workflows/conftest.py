"""A whole staging on loopback: S3, Postgres, BEA's look-alike, and moto for the door of the database and alerts."""

import json
import secrets
import socket
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import psycopg2
import pytest
from moto.server import ThreadedMotoServer
from starlette.applications import Starlette

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline.emulator.state import Emulator
from pce_pipeline_tests.cli.conftest import Called, call
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3
from pce_pipeline_tests.workflows.job import Action, ActionFailed, Ran, checked_out, kept, run_job, workflow

ADDRESS = "20.1.2.3"
REGION = "us-east-1"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:alerts"
ROLE = "arn:aws:iam::123456789012:role/pce-staging-workflow"
SCHEDULE_ROLE = "arn:aws:iam::123456789012:role/pce-staging-schedule"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEEDS: Mapping[str, Mapping[str, object]] = {
    "commit": {"environment": "staging", "commit": COMMIT, "is_new": "true"},
    "migrate": {},
}
"""What the jobs before have found out."""


@dataclass
class Place:
    """What `staging` is here."""

    s3: S3
    bea: Starlette
    bea_url: str
    database_url: str
    moto_url: str
    address_url: str
    group: str
    queue: str
    folder: Path
    key: str
    attests: bool = True
    attested: Mapping[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        make: Any = boto3.Session(
            aws_access_key_id=self.s3.access_key, aws_secret_access_key=self.s3.secret_key, region_name=REGION
        ).client
        return make(service, endpoint_url=self.moto_url)

    @property
    def emulator(self) -> Emulator:
        found: Emulator = self.bea.state.emulator
        return found

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the GitHub environment, as provisioning prints them, and those that only a test needs."""
        return {
            "AWS_REGION": REGION,
            "AWS_ROLE_ARN": ROLE,
            "PCE_ENV": "staging",
            "PCE_LAKE_URI": f"s3://{self.s3.bucket}/workflows",
            "PCE_DATABASE_URL": self.database_url,
            "PCE_DATABASE_LOGIN": "url",
            "PCE_DATABASE_REACH": "runner",
            "PCE_DATABASE_SECURITY_GROUP": self.group,
            "PCE_SCHEDULE_ROLE_ARN": SCHEDULE_ROLE,
            "PCE_ALERT_TOPIC_ARN": TOPIC,
            "PCE_BEA_URL": self.bea_url,
        }

    def migrate(self, **variables: str) -> Ran:
        """Run the job of ingest.yml that migrates, in its own environment."""
        role = f"{ROLE}-of-migrations"
        return run_job(
            workflow("ingest.yml")["jobs"]["migrate"],
            self.folder / secrets.token_hex(4),
            inputs={"profile": "smoke"},
            variables={
                **self.variables,
                "AWS_ROLE_ARN": role,
                "PCE_SMOKE_DATABASE_URL": self.database_url,
                **variables,
            },
            secrets={},
            matrix={},
            needs=NEEDS,
            machine=self._machine,
            actions=self._actions(role),
        )

    @property
    def _machine(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PCE_OWN_ADDRESS_URL": self.address_url,
            "AWS_ENDPOINT_URL": self.s3.endpoint_url,
            "AWS_ENDPOINT_URL_EC2": self.moto_url,
            "AWS_ENDPOINT_URL_SCHEDULER": self.moto_url,
            "AWS_ENDPOINT_URL_SNS": self.moto_url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _actions(self, role: str) -> dict[str, Action]:
        return {
            "actions/checkout": checked_out,
            "actions/setup-python": lambda _, given: {"SETUP_PYTHON": given["python-version"]},
            "actions/upload-artifact": kept,
            "actions/attest-build-provenance": self._attest,
            "aws-actions/configure-aws-credentials": lambda _, given: self._assume(role, given),
        }

    def run(
        self,
        *,
        variables: Mapping[str, str] | None = None,
        machine: Mapping[str, str] | None = None,
        event: str = "workflow_dispatch",
        commit: str = COMMIT,
        **inputs: object,
    ) -> Ran:
        """Run ingest.yml for staging, by hand unless `event` says otherwise."""
        asked = {
            "environment": "staging",
            "dry_run": False,
            "force": False,
            "years": "",
            "profile": "smoke",
            "examine": False,
        }
        return run_job(
            workflow("ingest.yml")["jobs"]["ingest"],
            self.folder / secrets.token_hex(4),
            inputs={**asked, **inputs} if event == "workflow_dispatch" else {},
            variables={**self.variables, **(variables or {})},
            secrets={"BEA_API_KEY": self.key},
            matrix={"environment": "staging"},
            machine={**self._machine, **(machine or {})},
            actions=self._actions(ROLE),
            needs={**NEEDS, "commit": {**NEEDS["commit"], "commit": commit}},
            event=event,
        )

    def _assume(self, role: str, given: Mapping[str, str]) -> Mapping[str, str]:
        """What assuming the role leaves behind; nothing but the role and the region may be given."""
        assert {name: given[name] for name in ("role-to-assume", "aws-region")} == {
            "role-to-assume": role,
            "aws-region": REGION,
        }
        assert not [name for name in given if "key" in name]
        keys = {"AWS_ACCESS_KEY_ID": self.s3.access_key, "AWS_SECRET_ACCESS_KEY": self.s3.secret_key}
        return {**keys, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

    def _attest(self, ran: Ran, given: Mapping[str, str]) -> Mapping[str, str]:
        """Where the repository's plan has attestations, what is attested are lines of sha256sum; else it fails."""
        if not self.attests:
            raise ActionFailed("Resource not accessible by integration")
        (checksums,) = given.values()
        lines = [line.split("  ") for line in (ran.workspace / checksums).read_text("utf-8").splitlines()]
        self.attested = {name: sha256 for sha256, name in lines}
        assert self.attested
        return {}

    def let_in(self) -> set[str]:
        """The addresses that the database's security group lets in now."""
        groups = self.client("ec2").describe_security_groups(GroupIds=[self.group])["SecurityGroups"]
        return {each["CidrIp"] for group in groups for rule in group["IpPermissions"] for each in rule["IpRanges"]}

    def closing(self) -> list[str]:
        """The schedules that would close the database now."""
        found = self.client("scheduler").list_schedules(GroupName="pce-staging")["Schedules"]
        return [str(each["Name"]) for each in found]

    def alerts(self) -> list[str]:
        """The alerts that reached the topic since they were last asked for."""
        found = self.client("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self.client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [f"{body.get('Subject')}\n{body['Message']}" for body in (json.loads(one["Body"]) for one in found)]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.database_url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def execute(self, statement: str) -> None:
        """Change the database behind everybody's back."""
        with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def pce(self, *arguments: str) -> Called:
        """Call a verb on the environment, as a person with its variables does."""
        named = {name: value for name, value in self.variables.items() if name.startswith("PCE_")}
        return call(*arguments, **{**named, **self.s3.environment, "PCE_PROFILE": "smoke", "PCE_SOURCE": "bulk"})


class _WhoAmI(BaseHTTPRequestHandler):
    """Tells everybody the same address."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(ADDRESS.encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, s3: S3, server: PostgresServer) -> Iterator[Place]:
    """A fresh staging: provisioned, nothing in it yet."""
    aws = ThreadedMotoServer(port=_free_port(), verbose=False)
    who = ThreadingHTTPServer(("127.0.0.1", 0), _WhoAmI)
    Thread(target=who.serve_forever, daemon=True).start()
    aws.start()
    bea = create_app(2)
    try:
        host, port = aws.get_host_and_port()
        with running(bea) as bea_url, server.database(migrated=False) as database_url:
            made = Place(
                s3=s3,
                bea=bea,
                bea_url=bea_url,
                database_url=database_url,
                moto_url=f"http://{host}:{port}",
                address_url=f"http://127.0.0.1:{who.server_port}",
                group="",
                queue="",
                folder=tmp_path_factory.mktemp("workflows"),
                key=str(uuid.uuid4()),
            )
            ec2, sns, sqs = (made.client(name) for name in ("ec2", "sns", "sqs"))
            vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            made.group = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
            made.client("scheduler").create_schedule_group(Name="pce-staging")
            made.queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=made.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            assert sns.create_topic(Name="alerts")["TopicArn"] == TOPIC
            sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn)
            yield made
    finally:
        who.shutdown()
        who.server_close()
        aws.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
