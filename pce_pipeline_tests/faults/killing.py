"""The kill matrix: `pce run` brings a new release, Bronze is copied, and one of both is killed at each named point.

What must hold at every point: both, run again, end well; lake and database are then what an uninterrupted run leaves;
and a reader who looked all the while saw each partition whole, as it was or as it became, and Postgres as of one
release.
"""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
import polars as pl
import polars.selectors as cs
import psycopg2
from psycopg2 import sql
from pydantic import SecretStr

from pce_pipeline.bronze.copy_place import CopyStore
from pce_pipeline.bronze.copying import compare_bronze
from pce_pipeline.definitions import build_definitions
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline.explorer.store import ExplorerStore
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import open_store
from pce_pipeline.settings import Settings
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import content_sha256
from pce_pipeline_tests.faults.gates import Watch, http_gate, of_bea, of_s3, postgres_gate
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3

PROGRAM = "from pce_pipeline.cli import main; main()"
_SCOPE = "SAPCE1 = [1, 2, 13]\nSAPCE2 = [1]"
_BEFORE, _NEWS = 2, 3
"""The sample's releases: the one that everything is made of, and the one that arrives."""

_DECIDES = re.compile(r"COMMIT|_latest\.json|bronze/.*manifest\.json|MERGE INTO gold")

LAKE, COPY = "lake", "copy"
"""Where in the bucket the lake lies, and its second copy."""

Rows = Mapping[str, tuple[int, str | None]]
"""What a database holds: by table, how many rows, and a hash of all but their times."""
Published = Mapping[tuple[str, str], str]
"""What a lake has published: a hash of each partition but for its times, by table and partition."""


@dataclass(frozen=True)
class State:
    """What lake and database say, but for when and by which run it was written."""

    published: Published
    """The lake's tables."""
    rows: Rows
    """The database's."""


@dataclass
class Outcome:
    """What came of one kill."""

    point: str
    """Where."""
    seen: int = 0
    """How often the reader looked while the runs went on."""
    wrong: list[str] = field(default_factory=list)
    """What did not hold; empty is well."""


class Stage:
    """A world on S3, Postgres and a look-alike of BEA, each behind a gate; it can be put back to how it began."""

    def __init__(self, folder: Path, s3: S3, server: PostgresServer, exits: ExitStack) -> None:
        self.watch = Watch()
        self._s3, self._server = s3, server
        self._folder = folder
        self._prefix = f"faults-{uuid.uuid4().hex[:8]}"
        self._key = str(uuid.uuid4())
        self._commands = (("run",), ("bronze", "copy", f"s3://{s3.bucket}/{self._prefix}/{COPY}"))
        self._said: list[str] = []
        self._app = create_app(_BEFORE)
        bea = exits.enter_context(running(self._app))
        self._bea = exits.enter_context(http_gate(self.watch, bea, of_bea))
        self._lake_gate = exits.enter_context(
            http_gate(
                self.watch,
                s3.endpoint_url,
                of_s3(lambda path: path.partition(f"{self._prefix}/")[2].removeprefix(f"{LAKE}/") or path),
            )
        )
        catalog = folder / "catalog" / "pce_state"
        catalog.mkdir(parents=True)
        (catalog / "dataset.toml").write_text(f'name = "pce_state"\n\n[profiles.lean]\n{_SCOPE}\n')
        self._exits = exits
        self.bucket = boto3.resource(
            "s3",
            endpoint_url=s3.endpoint_url,
            aws_access_key_id=s3.access_key,
            aws_secret_access_key=s3.secret_key,
            region_name="us-east-1",
        ).Bucket(s3.bucket)
        self._template = exits.enter_context(server.database(migrated=False))
        self._database: str | None = None
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
    def started(self, database: str, *verbs: str) -> Iterator[subprocess.Popen[str]]:
        """`pce` between the gates."""
        parts = urlsplit(database)
        assert parts.hostname is not None
        assert parts.port is not None
        with postgres_gate(self.watch, parts.hostname, parts.port) as port:
            address = f"{parts.scheme}://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}"
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
                "PCE_DATABASE_URL": address,
            }
            with subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *verbs],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process:
                yield process

    def run_to_the_end(self, database: str) -> None:
        """All commands, uninterrupted. Raises `AssertionError` with what one said where it fails."""
        self.watch.expect(None, lambda: None)
        for verbs in self._commands:
            with self.started(database, *verbs) as process:
                said, _ = process.communicate()
            self._said.append(said)
            assert process.returncode == 0, said

    def killed(self, database: str, point: str) -> str | None:
        """The commands, one of which is killed at the point; what is wrong with how it ended, if anything."""
        running: list[int] = []
        self.watch.expect(point, lambda: os.kill(running[-1], signal.SIGKILL))
        for verbs in self._commands:
            with self.started(database, *verbs) as process:
                running.append(process.pid)
                said, _ = process.communicate()
            self._said.append(said)
            if self.watch.hit:
                return None if process.returncode == -signal.SIGKILL else f"ended with {process.returncode}"
        return f"the point was not reached; the last command ended with {process.returncode}: {said[-500:]}"

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
        return State(published_in(Lake.of(settings), registry_of(settings)), rows_of(database))


def holds_any(body: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets stands in the bytes, also where they are packed."""
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    return any(secret.encode() in body for secret in secrets)


@contextmanager
def staged(folder: Path, s3: S3, server: PostgresServer) -> Iterator[Stage]:
    """A stage in an empty folder. While it stands, this process has the keys of its S3 server."""
    keys = {name: value for name, value in s3.environment.items() if name != "AWS_ENDPOINT_URL"}
    before = {name: os.environ.get(name) for name in keys}
    os.environ.update(keys)
    try:
        with ExitStack() as exits:
            yield Stage(folder, s3, server, exits)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def registry_of(settings: Settings) -> Registry:
    """The tables of the world."""
    registry: Registry = dict(build_definitions(settings).resources or {})["registry"]
    return registry


def published_in(lake: Lake, registry: Registry) -> Published:
    """What the versions say that the pointers of a lake name."""
    return {
        (table.name, key): said_by(lake.table(table).read_partition(partition))
        for table in registry.tables
        for key, partition in lake.table(table).latest().items()
    }


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
WHERE table_schema = 'gold' AND table_type = 'BASE TABLE' AND data_type NOT LIKE 'timestamp%'
GROUP BY table_schema, table_name
"""


def rows_of(database: str) -> Rows:
    """The rows that analysts read, without times, all of one moment."""
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


class Reader:
    """Looks at lake and database again and again, and notes what no reader may ever see."""

    def __init__(self, stage: Stage, database: str, allowed: Sequence[State]) -> None:
        settings = stage.settings(database)
        self._lake, self._registry = Lake.of(settings), registry_of(settings)
        self._database, self._allowed = database, allowed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self.looked = 0
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        tables = tuple(self._registry.tables)
        while not self._over.is_set():
            self._look_at_the_database()
            self._look_at_a_table(tables[self.looked % len(tables)])
            self.looked += 1

    def _look_at_the_database(self) -> None:
        rows = rows_of(self._database)
        if not any(rows == each.rows for each in self._allowed):
            differing = [name for name in rows if rows[name] != self._allowed[0].rows.get(name)]
            self.wrong.append(f"Postgres held neither the old nor the new release in {', '.join(differing)}")

    def _look_at_a_table(self, table: Any) -> None:
        store = self._lake.table(table)
        for key, partition in store.latest().items():
            name = (table.name, key)
            frame = store.read_version(partition)
            if frame is None:
                self.wrong.append(f"{table.name} {key} names a version that is not there")
            elif content_sha256(frame) != partition.content_sha256:
                self.wrong.append(f"{table.name} {key} is not what its pointer says")
            elif all(each.published.get(name) != said_by(frame) for each in self._allowed):
                self.wrong.append(f"{table.name} {key} is of neither release")


@dataclass(frozen=True)
class Matrix:
    """What an uninterrupted run passes, and what it comes to."""

    points: Sequence[str]
    """Every point, in the order in which it is first reached."""
    end: State
    """What is to come out of every other run."""


def uninterrupted(stage: Stage) -> Matrix:
    """Bring the news without a kill, and note all points."""
    with stage.as_it_began() as database:
        stage.run_to_the_end(database)
        return Matrix(tuple(stage.watch.order), stage.state(database))


def chosen(points: Sequence[str]) -> list[str]:
    """The points that the matrix tries: of what is done one moment, in turn; all moments where something is decided."""
    moments: dict[str, list[str]] = {}
    for point in points:
        moments.setdefault(point.partition(" ")[2], []).append(point)
    return [
        point
        for number, (what, found) in enumerate(moments.items())
        for point in (found if _DECIDES.search(what) else [found[number % len(found)]])
    ]


def tried(stage: Stage, matrix: Matrix, point: str) -> Outcome:
    """Kill at the point, run again, compare."""
    outcome = Outcome(point)
    with stage.as_it_began() as database, Reader(stage, database, (stage.first, matrix.end)) as reader:
        if problem := stage.killed(database, point):
            outcome.wrong.append(problem)
        try:
            stage.run_to_the_end(database)
        except AssertionError as failed:
            outcome.wrong.append(f"the second run failed: {failed}")
        end = stage.state(database)
    outcome.seen = reader.looked
    outcome.wrong += stage.differences(database)[:1]
    outcome.wrong += sorted(set(reader.wrong))
    outcome.wrong += [f"{name} differs" for name in matrix.end.rows if end.rows.get(name) != matrix.end.rows[name]]
    names = matrix.end.published.keys() | end.published.keys()
    outcome.wrong += [
        f"{' '.join(name)} differs"
        for name in sorted(names)
        if end.published.get(name) != matrix.end.published.get(name)
    ]
    if damages := ExplorerStore(Lake.of(stage.settings(database))).damages():
        outcome.wrong.append(f"the page's set: {damages[0]}")
    return outcome
