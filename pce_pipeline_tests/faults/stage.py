"""The stage of the kill matrix: a small world on S3, Postgres and a look-alike of BEA, each behind a gate.

It is brought the sample's one release, and can be put back to how it was then, so that the next one can come again and
again: by what changed of its objects, by a copy of its home and by a template of its database.
"""

import gzip
import json
import os
import shutil
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import polars as pl
import polars.selectors as cs
import psycopg2
from psycopg2 import sql
from pydantic import SecretStr

from pce_pipeline.bronze.copy_place import CopyStore
from pce_pipeline.bronze.copying import compare_bronze
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import open_store
from pce_pipeline.settings import Settings
from pce_pipeline.tables.registry import Registry, load_registry
from pce_pipeline.tables.table import content_sha256
from pce_pipeline.tables.years import FIRST_YEAR
from pce_pipeline_tests.faults.forked import Running, called
from pce_pipeline_tests.faults.gates import Watch, http_gate, of_bea, of_s3, postgres_gate
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3

_PROFILES = {"pce_state": "SAPCE1 = [1]"}
_BEFORE, _NEWS = 2, 3
"""The sample's releases: the one that everything is made of, and the one that arrives."""

_FIRST_YEAR = 2023
"""The first of the sample's years that there is here: each is made as all others are, and few are quickly made."""

_MOVED_BY = _FIRST_YEAR - FIRST_YEAR
_TIME = "TimePeriod"

LAKE, COPY = "lake", "copy"
"""Where in the bucket the lake lies, and its second copy."""

Rows = Mapping[str, tuple[int, str | None]]
"""What a database holds: by table, how many rows, and a hash of all but their times."""
Published = Mapping[tuple[str, str], str]
"""What a lake has published: a hash of each partition but for its times, by table and partition."""
Received = Mapping[str, tuple[Mapping[str, str], ...]]
"""What Bronze holds of each dataset: of each extract, in their order, the content hash of each of BEA's tables."""


@dataclass(frozen=True)
class State:
    """What lake and database say, but for when and by which run it was written."""

    published: Published
    """The lake's tables."""
    rows: Rows
    """The database's."""
    received: Received
    """The extracts."""

    def differs_from(self, other: "State") -> list[str]:
        """The tables and partitions of which the other says something else."""
        tables = self.rows.keys() | other.rows.keys()
        partitions = self.published.keys() | other.published.keys()
        return [
            *(["Bronze differs"] if self.received != other.received else []),
            *(f"{name} differs" for name in sorted(tables) if self.rows.get(name) != other.rows.get(name)),
            *(
                f"{' '.join(name)} differs"
                for name in sorted(partitions)
                if self.published.get(name) != other.published.get(name)
            ),
        ]


@dataclass(frozen=True)
class Killed:
    """How a kill went."""

    command: int
    """Which of the commands was killed: those before it had ended well."""
    wrong: str | None = None
    """What was not as it must be, if anything."""


class Stage:
    """A world on S3, Postgres and a look-alike of BEA, each behind a gate; it can be put back to how it began."""

    def __init__(self, folder: Path, s3: S3, server: PostgresServer, exits: ExitStack, verb: str) -> None:
        self.watch = Watch()
        self._s3, self._server = s3, server
        self._folder = folder
        self._prefix = f"faults-{uuid.uuid4().hex[:8]}"
        self._key = str(uuid.uuid4())
        self._said: list[str] = []
        self.commands = ((verb,), ("bronze", "copy", f"s3://{s3.bucket}/{self._prefix}/{COPY}"))
        self._app = create_app(_BEFORE)
        bea = exits.enter_context(running(self._app))
        self._bea = exits.enter_context(http_gate(self.watch, bea, of_bea, with_few_years))
        self._lake_gate = exits.enter_context(
            http_gate(
                self.watch,
                s3.endpoint_url,
                of_s3(lambda path: path.partition(f"{self._prefix}/")[2].removeprefix(f"{LAKE}/") or path),
            )
        )
        for name, scope in _PROFILES.items():
            own = folder / "catalog" / name
            own.mkdir(parents=True)
            (own / "dataset.toml").write_text(f'name = "{name}"\n\n[profiles.lean]\n{scope}\n')
        self.bucket = boto3.resource(
            "s3",
            endpoint_url=s3.endpoint_url,
            aws_access_key_id=s3.access_key,
            aws_secret_access_key=s3.secret_key,
            region_name="us-east-1",
        ).Bucket(s3.bucket)
        self._template = exits.enter_context(server.database(migrated=False))
        self._begin()

    def _begin(self) -> None:
        """Bring the first release everywhere, and keep what there is then."""
        self.run_to_the_end(self._template)
        self._home = self._folder / "home-then"
        shutil.copytree(self._folder / "home", self._home, symlinks=True)
        self._objects = {each.key: (each.e_tag, each.get()["Body"].read()) for each in self._listed()}
        self.first = self.state(self._template)
        self._app.state.emulator.set_release(_NEWS)

    def _listed(self) -> list[Any]:
        return list(self.bucket.objects.filter(Prefix=f"{self._prefix}/"))

    @contextmanager
    def as_it_began(self) -> Iterator[str]:
        """Lake, home and a database as they were before the news; the URL of the database."""
        held = {each.key: each.e_tag for each in self._listed()}
        extra = [key for key in held if key not in self._objects]
        for begin in range(0, len(extra), 500):
            self.bucket.delete_objects(Delete={"Objects": [{"Key": key} for key in extra[begin : begin + 500]]})
        changed = [(key, body) for key, (tag, body) in self._objects.items() if held.get(key) != tag]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda each: self.bucket.put_object(Key=each[0], Body=each[1]), changed))
        shutil.rmtree(self._folder / "home")
        shutil.copytree(self._home, self._folder / "home", symlinks=True)
        with self._server.copy_of(self._template.rpartition("/")[2]) as url:
            yield url

    def settings(self, database: str) -> Settings:
        """The world as a reader meets it: without gates."""
        return Settings(
            home=self._folder / "home",
            profile="lean",
            catalog=self._folder / "catalog",
            chosen_source="api",
            bea_url=self._bea,
            bea_api_key=SecretStr(str(uuid.uuid4())),
            chosen_lake_uri=f"s3://{self._s3.bucket}/{self._prefix}/{LAKE}",
            aws_endpoint_url=self._s3.endpoint_url,
            chosen_database_url=SecretStr(database),
        )

    @contextmanager
    def started(self, database: str, verbs: tuple[str, ...]) -> Iterator[Running]:
        """`pce` between the gates."""
        parts = urlsplit(database)
        assert parts.hostname is not None
        assert parts.port is not None
        with postgres_gate(self.watch, parts.hostname, parts.port) as port:
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith(("PCE_", "AWS_"))},
                **self._s3.environment,
                "AWS_ENDPOINT_URL": self._lake_gate,
                "PCE_HOME": str(self._folder / "home"),
                "PCE_PROFILE": "lean",
                "PCE_CATALOG": str(self._folder / "catalog"),
                "PCE_SOURCE": "api",
                "PCE_BEA_URL": self._bea,
                "BEA_API_KEY": self._key,
                "PCE_LAKE_URI": f"s3://{self._s3.bucket}/{self._prefix}/{LAKE}",
                "PCE_DATABASE_URL": (
                    f"{parts.scheme}://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}"
                ),
            }
            with called(verbs, environment, self._folder / f"said-{len(self._said)}") as running:
                yield running
                self._said.append(running.said)

    def run_to_the_end(self, database: str) -> list[Sequence[str]]:
        """All commands, uninterrupted; the points that each passed, in their order.

        Raises `AssertionError` with what one said where it fails.
        """
        passed: list[Sequence[str]] = []
        for verbs in self.commands:
            self.watch.expect(None, lambda: None)
            with self.started(database, verbs) as process:
                code = process.ended()
                assert code == 0, f"pce {' '.join(verbs)} ended with {code}: {process.said[-2000:]}"
            passed.append(tuple(self.watch.order))
        return passed

    def killed(self, database: str, point: str, first: int = 0) -> Killed | None:
        """The commands from the first one on, one of which is killed at the point; None where none reaches it."""
        for number, verbs in list(enumerate(self.commands))[first:]:
            started: Future[int] = Future()
            self.watch.expect(point, lambda pid=started: os.kill(pid.result(), signal.SIGKILL))  # type: ignore[misc]
            with self.started(database, verbs) as process:
                started.set_result(process.pid)
                code = process.ended()
            if self.watch.hit:
                return Killed(number, None if code == -signal.SIGKILL else f"it ended with {code}")
        return None

    def leaks(self) -> list[str]:
        """Where a key or a password of this stage can be read: in outputs, the home, or any object."""
        secrets = [self._key, self._s3.secret_key, urlsplit(self._template).password or self._key]
        texts = {"an output": "\n".join(self._said).encode()}
        texts |= {str(path): path.read_bytes() for path in (self._folder / "home").rglob("*") if path.is_file()}
        texts |= {each.key: each.get()["Body"].read() for each in self._listed()}
        return [where for where, body in texts.items() if holds_any(body, secrets)]

    def differences(self, database: str) -> list[str]:
        """What the second copy of Bronze lacks, or holds otherwise than the lake."""
        lake = Lake.of(self.settings(database))
        uri = f"s3://{self._s3.bucket}/{self._prefix}/{COPY}"
        place = open_store(uri, endpoint_url=self._s3.endpoint_url, session=self._s3.session(), is_lake=False)
        found = compare_bronze(lake.store, CopyStore(place.backend), lake.layout).differences
        return [f"{each.key} is {each.problem}" for each in found]

    def state(self, database: str) -> State:
        """What lake and database hold now."""
        settings = self.settings(database)
        lake, registry = Lake.of(settings), registry_of(settings)
        return State(published_in(lake, registry), rows_of(database), received_in(lake, registry))


def with_few_years(body: bytes) -> bytes:
    """An answer of BEA's with its newest years alone, moved to where the pipeline's years begin."""
    if _TIME.encode() not in body:
        return body
    answer = json.loads(body)
    results = answer["BEAAPI"].get("Results", {})
    rows = [row for row in results.get("Data", ()) if int(row[_TIME][:4]) >= _FIRST_YEAR]
    results["Data"] = [{**row, _TIME: f"{int(row[_TIME][:4]) - _MOVED_BY}{row[_TIME][4:]}"} for row in rows]
    return json.dumps(answer).encode()


def holds_any(body: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets stands in the bytes, also where they are packed."""
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    return any(secret.encode() in body for secret in secrets)


@contextmanager
def staged(folder: Path, s3: S3, server: PostgresServer, *, verb: str = "run") -> Iterator[Stage]:
    """A stage in an empty folder, on which `pce` is called with this verb, and `pce bronze copy` after it.

    While it stands, this process has the keys of its S3 server.
    """
    keys = {name: value for name, value in s3.environment.items() if name != "AWS_ENDPOINT_URL"}
    before = {name: os.environ.get(name) for name in keys}
    os.environ.update(keys)
    try:
        with ExitStack() as exits:
            yield Stage(folder, s3, server, exits, verb)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def registry_of(settings: Settings) -> Registry:
    """The tables of the world."""
    return load_registry(settings.profile, settings.catalog)


def published_in(lake: Lake, registry: Registry) -> Published:
    """What the versions say that the pointers of a lake name."""
    return {
        (table.name, key): said_by(lake.table(table).read_partition(partition))
        for table in registry.tables
        for key, partition in lake.table(table).latest().items()
    }


def received_in(lake: Lake, registry: Registry) -> Received:
    """What the extracts of a lake hold, each object of which is read. Raises `DamagedObject`."""
    found = {}
    for name, dataset in registry.datasets.items():
        bronze = bronze_of(lake, dataset)
        held = bronze.manifests()
        for extract in held:
            assert list(bronze.read_objects(extract))
        found[name] = tuple(
            {table: entry.content_sha256 for table, entry in held[extract].tables.items()} for extract in sorted(held)
        )
    return found


def said_by(frame: pl.DataFrame) -> str:
    """The content hash of a frame without its times: those of two runs differ."""
    return content_sha256(frame.select(~cs.datetime()))


_HASHED = """
SELECT count(*), md5(string_agg(hashed, '' ORDER BY hashed))
FROM (SELECT md5(ROW({columns})::text) AS hashed FROM {table}) AS each
"""
_COLUMNS = """
SELECT table_schema, table_name, array_agg(column_name::text ORDER BY ordinal_position)
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'gold' AND data_type NOT LIKE 'timestamp%'
  AND table_name NOT SIMILAR TO '%(_series|_stored)'
GROUP BY table_schema, table_name
"""


def rows_of(database: str) -> Rows:
    """The rows that analysts read, without times, all of one moment.

    Which number a series has is a database's own affair, so tables with series are read by their views.
    """
    with closing(psycopg2.connect(database)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute(_COLUMNS)
            found: dict[str, tuple[int, str | None]] = {}
            for schema, name, columns in cursor.fetchall():
                cursor.execute(
                    sql.SQL(_HASHED).format(
                        columns=sql.SQL(", ").join(map(sql.Identifier, columns)), table=sql.Identifier(schema, name)
                    )
                )
                count, digest = cursor.fetchall()[0]
                found[f"{schema}.{name}"] = (count, digest)
            return found
