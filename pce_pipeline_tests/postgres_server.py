"""A real Postgres for tests: one embedded server for a whole session, a database of its own for each test.

The server lies in a temporary folder that its account can reach, and is gone when the context ends. Any number may
run beside each other (parallel test workers do).
"""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2 import sql

from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.warehouse.postgres import PostgresResource

_TEMPLATE = "migrated"


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A temporary folder that other accounts may pass through, as pytest's own may not."""
    folder = Path(tempfile.mkdtemp(prefix="pce-tests-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class PostgresServer:
    """A running server that hands out databases."""

    def __init__(self, url: str) -> None:
        self._server = url.rpartition("/")[0]

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """The URL of a database of one's own: with our empty tables, or with nothing."""
        if migrated:
            self._make_template()
        with self.copy_of(_TEMPLATE if migrated else "template1") as url:
            yield url

    @contextmanager
    def copy_of(self, template: str) -> Iterator[str]:
        """The URL of a copy of a database of this server, to which nobody may be connected now."""
        name = f"test_{secrets.token_hex(6)}"
        self._administer("CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield f"{self._server}/{name}"
        finally:
            self._administer("DROP DATABASE {} WITH (FORCE)", name)

    def forget_at_power_cuts(self) -> None:
        """Wait for no disk: what tests store need not outlive the machine."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._administer(f"ALTER SYSTEM SET {setting} = off")
        self._administer("SELECT pg_reload_conf()")

    def _make_template(self) -> None:
        connection = psycopg2.connect(f"{self._server}/postgres")
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", (_TEMPLATE,))
                is_made = cursor.fetchone() == (1,)
        finally:
            connection.close()
        if not is_made:
            self._administer("CREATE DATABASE {}", "unfinished")
            PostgresResource(f"{self._server}/unfinished").migrate()
            self._administer("ALTER DATABASE {} RENAME TO {}", "unfinished", _TEMPLATE)

    def _administer(self, statement: str, *names: str) -> None:
        connection = psycopg2.connect(f"{self._server}/postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        finally:
            connection.close()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server of one's own for as long as the context lasts."""
    with reachable_folder() as folder:
        embedded = EmbeddedPostgres(folder / "postgres")
        try:
            server = PostgresServer(embedded.start())
            server.forget_at_power_cuts()
            yield server
        finally:
            embedded.remove()
