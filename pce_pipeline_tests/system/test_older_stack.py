"""Code that is newer than the stack around it: Bronze is brought all the same, and what is missing is named.

The lake lies on a real S3 server whose bucket's policy does not know the prefixes that came later, as that of a stack
which nobody has applied anew; the database is one whose roles lack a right. `pce` is called as in staging.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest

from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.lake.errors import LakeAccessDenied, StackOutdated
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.cli.conftest import Called, call
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3

pytestmark = [pytest.mark.s3, pytest.mark.postgres]

CAME_LATER = ("downloads", "quarantine", "cells", "reports", "explorer", "iceberg")
"""Prefixes that the first stacks did not know."""


@dataclass
class Stack:
    """Staging on loopback: variables of a workflow, its bucket, and the lake as its administrator sees it."""

    variables: dict[str, str]
    client: Any
    bucket: str
    store: Store
    database_url: str

    def pce(self, *arguments: str) -> Called:
        return call(*arguments, **self.variables)

    def knows_not(self, *prefixes: str) -> None:
        """Let the bucket's policy refuse to write and delete below these; none lets all in again."""
        if not prefixes:
            self.client.delete_bucket_policy(Bucket=self.bucket)
            return
        statement = {
            "Sid": "OfAnOlderStack",
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:PutObject", "s3:DeleteObject"],
            "Resource": [f"arn:aws:s3:::{self.bucket}/staging/{prefix}/*" for prefix in prefixes],
        }
        self.client.put_bucket_policy(
            Bucket=self.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        )

    @property
    def bronze(self) -> BronzeStore:
        return BronzeStore(self.store, Layout("staging", "sample-smoke"), "pce_state")

    def keys(self, prefix: str) -> list[str]:
        return [info.key for info in self.store.list(f"staging/{prefix}")]


@pytest.fixture
def stack(s3: S3, server: PostgresServer, tmp_path: Path) -> Iterator[Stack]:
    client = s3.session().client("s3", endpoint_url=s3.endpoint_url)
    bucket = f"lake-{sha256_of(str(tmp_path).encode())[:12]}"
    client.create_bucket(Bucket=bucket)
    with server.database() as url:
        variables = {
            "PCE_ENV": "staging", "PCE_SOURCE": "sample", "PCE_PROFILE": "smoke", "PCE_HOME": str(tmp_path),
            "PCE_LAKE_URI": f"s3://{bucket}", "PCE_DATABASE_URL": url, "COLUMNS": "300", **s3.environment,
        }  # fmt: skip
        store = open_store(f"s3://{bucket}", endpoint_url=s3.endpoint_url, session=s3.session())
        yield Stack(variables, client, bucket, store, url)


def administrator(stack: Stack, *statements: str) -> Any:
    """What the last of these statements gives first."""
    with closing(psycopg2.connect(stack.database_url)) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()[0][0] if cursor.description else None


def test_a_run_on_an_older_stack_brings_bronze_and_postgres_and_names_what_the_stack_lacks(stack):
    assert stack.pce("db", "migrate").code == 0
    stack.knows_not(*CAME_LATER)
    ran = stack.pce("run")
    assert ran.code == 1, "somebody has to do something"
    said = " ".join(ran.out.split())
    assert "nothing may be written below staging/cells/, staging/downloads/, staging/explorer/." in said
    assert "Run: python infra/provision_aws.py --env staging" in said
    (extract,) = stack.bronze.extracts()
    assert stack.bronze.verify(extract) == []
    assert administrator(stack, "SELECT count(*) FROM gold.pce_state_metrics") == 5040
    assert not [key for prefix in CAME_LATER for key in stack.keys(prefix)]

    stack.knows_not()
    assert stack.pce("run", "--json").code == 0
    assert stack.keys("explorer")
    assert stack.pce("doctor", "--json").document["healthy"]

    damaged = stack.bronze.key_of(extract, "SAPCE1/2.json.gz")
    stack.store.put(damaged, b"something else")
    for verb in ("verify", "heal", "doctor"):
        told = stack.pce(verb)
        assert told.code == 1
        command = f"python infra/restore_object.py --env staging {damaged}"
        assert "".join(command.split()) in "".join(told.out.split()), told.out


def test_a_database_whose_roles_lack_a_right_keeps_no_extract_away(stack):
    assert stack.pce("db", "migrate").code == 0
    administrator(
        stack, "ALTER ROLE pce_loader PASSWORD 'pce_loader-password'", "REVOKE ALL ON meta.checkpoints FROM pce_loader"
    )
    stack.variables["PCE_DATABASE_URL"] = stack.database_url.replace(
        stack.database_url.partition("://")[2].rpartition("@")[0], "pce_loader:pce_loader-password"
    )
    looked = stack.pce("check", "--json")
    assert (looked.code, looked.document["action"]) == (0, "extract")
    (warning,) = looked.document["warnings"]
    assert "Nothing can be loaded after this extract" in warning
    assert "pce db migrate" in warning
    ran = stack.pce("run", "--json")
    assert ran.code == 1
    assert ran.document["error"]["type"] == "RightsMissing"
    assert "pce db migrate" in ran.document["error"]["remedy"]
    assert len(stack.bronze.extracts()) == 1
    again = stack.pce("check", "--json")
    assert again.code == 1, "with nothing to extract, what is stale cannot be told without Postgres"


@pytest.mark.parametrize("prefix", [*CAME_LATER, "silver", "decisions"])
def test_what_a_bucket_lets_nobody_write_is_told_by_its_prefix(stack, prefix):
    stack.knows_not(prefix)
    key = f"staging/{prefix}/bea/x"
    stack.store.put("staging/observability/x", b"1")
    for write in (
        lambda: stack.store.put(key, b"1"),
        lambda: stack.store.create(key, b"1"),
        lambda: stack.store.replace(key, b"1", None),
        lambda: stack.store.copy_many([("staging/observability/x", key)]),
    ):
        with pytest.raises(StackOutdated) as refused:
            write()
        assert refused.value.place == f"staging/{prefix}"
        assert refused.value.remedy.startswith("The stack of staging may be older than this code")
        assert not refused.value.retryable


def test_what_is_refused_for_another_reason_blames_no_stack(stack, s3):
    stack.knows_not("bronze")
    with pytest.raises(LakeAccessDenied) as of_bronze:
        stack.store.put("staging/bronze/bea/x", b"1")
    stranger = boto3.Session("nobody", "wrong", region_name="us-east-1")
    unknown = open_store(f"s3://{stack.bucket}", endpoint_url=s3.endpoint_url, session=stranger)
    with pytest.raises(LakeAccessDenied) as of_nobody:
        unknown.put("staging/silver/bea/x", b"1")
    with pytest.raises(LakeAccessDenied) as of_a_read:
        unknown.get("staging/silver/bea/x")
    for refused in (of_bronze, of_nobody, of_a_read):
        assert not isinstance(refused.value, StackOutdated)
        assert "Check the credentials" in refused.value.remedy
