"""An operated environment on loopback: staging's variables, a database signed in to as the loader, a lake in S3."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3

ROOT = Path(__file__).parents[2]
HOME = ROOT / "infra" / "dagster"


@dataclass(frozen=True)
class Operated:
    """What a workflow or a task is given, and the database as its administrator sees it."""

    variables: Mapping[str, str]
    administrator: str
    s3: S3
    prefix: str

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.administrator)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def do(self, statement: str) -> None:
        with closing(psycopg2.connect(self.administrator)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def objects(self, prefix: str) -> dict[str, str]:
        """The texts below a prefix of the lake, by key."""
        client = self.s3.session().client("s3", endpoint_url=self.s3.endpoint_url)
        keys = [
            each["Key"]
            for each in client.list_objects_v2(Bucket=self.s3.bucket, Prefix=f"{self.prefix}/{prefix}").get(
                "Contents", ()
            )
            if "Key" in each
        ]
        return {
            key.removeprefix(f"{self.prefix}/"): client.get_object(Bucket=self.s3.bucket, Key=key)["Body"]
            .read()
            .decode()
            for key in keys
        }


@contextmanager
def operated(server: PostgresServer, s3: S3, home: Path) -> Iterator[Operated]:
    """Staging's variables, set for this process while the context lasts; `home` is for what a machine keeps."""
    with server.database() as url:
        variables = {
            "PCE_ENV": "staging",
            "PCE_SOURCE": "sample",
            "PCE_PROFILE": "smoke",
            "PCE_LAKE_URI": f"s3://{s3.bucket}/{home.name}",
            "PCE_DATABASE_URL": f"postgresql://pce_loader:pce_loader-password@{url.rpartition('@')[2]}",
            "PCE_HOME": str(home),
            "DAGSTER_HOME": str(HOME),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            **s3.environment,
        }
        there = Operated(variables, url, s3, home.name)
        PostgresResource(url).establish(is_sample=True)
        there.do("ALTER ROLE pce_loader PASSWORD 'pce_loader-password'")
        with environment(variables):
            yield there


@contextmanager
def environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Variables of this process while the context lasts; None takes one away."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
