"""An AWS account for tests: moto for what it has, `CloudFormation` for stacks, and a way to be killed at any call."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import boto3
from moto import mock_aws

from infra.provisioning.cloud import Cloud
from infra.provisioning.command import TEMPLATE, run
from infra.provisioning.console import Console
from infra.provisioning.options import read_options
from pce_pipeline_tests.infra.cloud_formation import CloudFormation, Elsewhere
from pce_pipeline_tests.infra.creation_order import Choice, first
from pce_pipeline_tests.infra.refusals import Thing
from pce_pipeline_tests.infra.rendered import REGION

FIRST = ("--repository", "octo@1/pce@2", "--alert-email", "ops@example.org")


@cache
def _session() -> boto3.Session:
    """One for all, because it reads AWS's descriptions of its services."""
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)


class Killed(BaseException):
    """The program is gone."""


class _WatchedCloud(Cloud):
    """Calls `on_client` for each client it makes."""

    def __init__(self, on_client: Callable[[str, Any], None]) -> None:
        super().__init__(_session())
        self._on_client = on_client

    def client(self, service: str) -> Any:
        is_new = service not in self._clients
        made = super().client(service)
        if is_new:
            self._on_client(service, made)
        return made


class Account(Elsewhere):
    """One account in moto; `said` are the lines of the last run, `asked` its questions, `calls` all requests."""

    def __init__(self, choose: Choice = first) -> None:
        self.formation = CloudFormation(self, choose=choose)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.calls: list[str] = []
        self.answers: list[str] = []
        self._now = 0.0
        self._dies_at: tuple[int, str] | None = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A client that nobody watches; one for each service, because making it costs more than most requests."""
        if service not in self._clients:
            make: Any = _session().client
            self._clients[service] = make(service)
        return self._clients[service]

    def run(
        self,
        *arguments: str,
        env: str = "staging",
        answers: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
        template: Path = TEMPLATE,
        dotenv: Path = Path("no.env"),
        dies_at: tuple[int, str] | None = None,
        formation: bool = True,
    ) -> int:
        """One call of the program. `dies_at` is (number of the request, "before" or "after" it)."""
        self.said, self.asked, self.calls = [], [], []
        self.answers, self._dies_at = list(answers), dies_at
        options = read_options(["--env", env, "--region", REGION, *arguments], variables or {}, dotenv)
        console = Console(say=self.said.append, ask=self._ask, sleep=lambda _: None, clock=self._clock)
        cloud = _WatchedCloud(self._watch if formation else self._only_protect)
        return run(options, cloud, console, template)

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def _clock(self) -> float:
        """An hour passes each time that somebody looks."""
        self._now += 3600.0
        return self._now

    def _ask(self, question: str) -> str:
        self.asked.append(question)
        return self.answers.pop(0)

    def _watch(self, service: str, client: Any) -> None:
        if service == "cloudformation":
            self.formation.attach(client)
        client.meta.events.register_first("before-call", self._before)
        client.meta.events.register_first("after-call", self._after)

    @staticmethod
    def _only_protect(service: str, client: Any) -> None:
        """Moto's CloudFormation lacks termination protection."""
        if service == "cloudformation":
            formation = CloudFormation()
            events = client.meta.events
            events.register("before-parameter-build.cloudformation.UpdateTerminationProtection", formation._remember)
            events.register("before-call.cloudformation.UpdateTerminationProtection", lambda **_: (_Fine(), {}))

    def _before(self, model: Any, **_: object) -> None:
        self.calls.append(model.name)
        if self._dies_at == (len(self.calls), "before"):
            raise Killed

    def _after(self, **_: object) -> None:
        if self._dies_at == (len(self.calls), "after"):
            raise Killed

    def made(self, thing: Thing) -> None:
        """What CloudFormation creates that the program later touches itself."""
        if thing.kind == "AWS::S3::Bucket":
            self.client("s3").create_bucket(Bucket=thing.physical)
            self.client("s3").put_bucket_versioning(
                Bucket=thing.physical, VersioningConfiguration={"Status": "Enabled"}
            )
        if thing.kind == "AWS::RDS::DBInstance":
            self.client("rds").create_db_instance(
                DBInstanceIdentifier=thing.physical,
                Engine="postgres",
                DBInstanceClass="db.t4g.micro",
                AllocatedStorage=20,
                MasterUsername="pce_master",
                MasterUserPassword="long-enough-for-moto",
                DeletionProtection=thing.properties["DeletionProtection"],
            )
        if thing.kind == "AWS::SecretsManager::Secret":
            self.client("secretsmanager").create_secret(Name=_secret_name(thing))

    def changed(self, thing: Thing) -> None:
        """Of changed properties the program touches one."""
        if thing.kind == "AWS::RDS::DBInstance":
            self.client("rds").modify_db_instance(
                DBInstanceIdentifier=thing.physical, DeletionProtection=thing.properties["DeletionProtection"]
            )

    def gone(self, thing: Thing) -> None:
        """What CloudFormation deletes, with what lies in it where that is allowed."""
        if thing.kind == "AWS::S3::Bucket" and thing.physical in self._buckets():
            self.client("s3").delete_bucket(Bucket=thing.physical)
        if thing.kind == "AWS::RDS::DBInstance":
            self.client("rds").delete_db_instance(DBInstanceIdentifier=thing.physical, SkipFinalSnapshot=True)
        if thing.kind == "AWS::SecretsManager::Secret":
            self.client("secretsmanager").delete_secret(SecretId=_secret_name(thing), ForceDeleteWithoutRecovery=True)

    def now(self, thing: Thing) -> Thing:
        """With what the program or anybody else did to it."""
        if thing.kind == "AWS::RDS::DBInstance":
            (found,) = self.client("rds").describe_db_instances(DBInstanceIdentifier=thing.physical)["DBInstances"]
            return replace(thing, properties={**thing.properties, "DeletionProtection": found["DeletionProtection"]})
        if thing.kind == "AWS::S3::Bucket" and thing.physical in self._buckets():
            found = self.client("s3").list_object_versions(Bucket=thing.physical)
            return replace(thing, has_objects=bool(found.get("Versions") or found.get("DeleteMarkers")))
        return thing

    def text_at(self, url: str) -> str:
        """What lies in S3 at this address."""
        bucket, _, key = urlsplit(url).path.removeprefix("/").partition("/")
        return str(self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    def _buckets(self) -> set[str]:
        return {each["Name"] for each in self.client("s3").list_buckets()["Buckets"]}


def _secret_name(thing: Thing) -> str:
    return thing.physical.rsplit(":", 1)[-1]


class _Fine:
    status_code = 200


@contextmanager
def account(choose: Choice = first) -> Iterator[Account]:
    """An empty account, gone when the context ends; without the 1,300 machine images that moto would make first."""
    with patch.dict(os.environ, MOTO_EC2_LOAD_DEFAULT_AMIS="false"), mock_aws():
        yield Account(choose)


def with_data(aws: Account) -> None:
    """Make staging, with a protected database and a few versions of objects."""
    aws.run(*FIRST, "--yes")
    aws.client("rds").modify_db_instance(DBInstanceIdentifier="pce-staging", DeletionProtection=True)
    s3, bucket = aws.client("s3"), aws.formation.stack.resources["DataBucket"]
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="staging/silver/x", Body=body)
    s3.delete_object(Bucket=bucket, Key="staging/silver/x")
    s3.put_object(Bucket=bucket, Key="staging/bronze/x", Body=b"3")
