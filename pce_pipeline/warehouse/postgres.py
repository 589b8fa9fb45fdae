"""The connection to the Postgres of this world: a server named by its URL, or the embedded one of a folder.

A plain class and not a Dagster resource with configuration, because Dagster shows configuration on its pages and this
one knows a password. The embedded server is started by the first connection that needs it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED, make_dsn, parse_dsn
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)
from pydantic import SecretStr

from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.local.programs import installed_programs
from pce_pipeline.settings import Settings
from pce_pipeline.warehouse.errors import (
    OLDEST_SUPPORTED,
    WarehouseTooOld,
    WarehouseUnreachable,
    WarehouseUrlInvalid,
)
from pce_pipeline.warehouse.migrate import found_revision, newest_revision, upgrade

_SECONDS_TO_CONNECT = 10


class PostgresResource:
    """Connections to one database: of `url`, or of the embedded server in `directory`.

    Parameters of the URL (`sslmode`, `sslrootcert`, `connect_timeout`, `application_name`, ...) are honoured.
    """

    def __init__(self, url: SecretStr | str | None = None, *, directory: Path | None = None) -> None:
        if (url is None) == (directory is None):
            raise TypeError("PostgresResource takes either a url or a directory")
        self._url = SecretStr(url) if isinstance(url, str) else url
        self._embedded = EmbeddedPostgres(directory) if directory is not None else None

    @classmethod
    def of(cls, settings: Settings) -> "PostgresResource":
        """The database the settings name, else the world's embedded one."""
        if settings.chosen_database_url is not None:
            return cls(settings.chosen_database_url)
        return cls(directory=settings.world_home / "postgres")

    def __repr__(self) -> str:
        return f"PostgresResource({self.server})"

    @property
    def server(self) -> str:
        """Where the database is, for people: host, port and database, or the embedded server's folder."""
        if self._embedded is not None:
            return str(self._embedded.directory)
        where = self._parameters()
        return f"{where.get('host', 'localhost')}:{where.get('port', 5432)}/{where.get('dbname', '')}"

    @property
    def embedded(self) -> EmbeddedPostgres | None:
        """The embedded server, if it is one."""
        return self._embedded

    def psql(self) -> tuple[list[str], str | None]:
        """The command line of a psql on this database, and the password it wants in PGPASSWORD, if any.

        Starts the embedded server, whose password psql finds in a file.
        """
        if self._embedded is not None:
            self._embedded.start()
            return self._embedded.psql_arguments(), None
        where = self._parameters()
        password = where.pop("password", None)
        return [shutil.which("psql") or str(installed_programs() / "psql"), make_dsn(**where)], password

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection inside its first transaction: commit it, or what was done is rolled back at the end.

        Raises `WarehouseUnreachable`, `WarehouseUrlInvalid`, `WarehouseTooOld`, or `LocalPostgresError` of the
        embedded server.
        """
        connection = self._open()
        try:
            yield connection
        finally:
            connection.close()

    def migrate(self) -> None:
        """Bring the database to the tables of this code; costs one query where nothing is to do.

        Raises `WarehouseNewer` for a database that a newer version of the code has migrated.
        """
        with self.connect() as connection:
            if found_revision(connection) == newest_revision():
                return
        upgrade(self._open)

    def _parameters(self) -> dict[str, Any]:
        """The URL taken apart; raises `WarehouseUrlInvalid` without a trace of what was wrong with it."""
        url = self._embedded.start() if self._embedded is not None else ""
        if self._url is not None:
            scheme, separator, rest = self._url.get_secret_value().partition("://")
            # SQLAlchemy's spelling names the driver, Postgres' does not.
            url = f"{scheme.partition('+')[0]}{separator}{rest}"
        parameters: dict[str, Any] | None = None
        if url.startswith(("postgresql://", "postgres://")) and not _splits_password(url):
            try:
                parameters = parse_dsn(url)
            except psycopg2.Error:
                parameters = None
        if parameters is None:
            raise WarehouseUrlInvalid
        return parameters

    def _open(self) -> Connection:
        asked: dict[str, Any] = {"connect_timeout": _SECONDS_TO_CONNECT, "application_name": "pce"} | self._parameters()
        reason = ""
        connection: Connection | None = None
        try:
            connection = psycopg2.connect(**asked)
        except psycopg2.Error as failed:
            reason = str(failed).strip()
            if password := asked.get("password"):
                reason = reason.replace(str(password), "***")
        if connection is None:
            raise WarehouseUnreachable(self.server, reason)
        try:
            require_supported(connection.server_version)
        except WarehouseTooOld:
            connection.close()
            raise
        # A load waits for its lock and must then see what the load before it committed.
        connection.isolation_level = ISOLATION_LEVEL_READ_COMMITTED
        return connection


def _splits_password(url: str) -> bool:
    """Whether a bare `@` or `/` in the password would make its rest a host or database, which errors name."""
    authority, _, database = url.partition("://")[2].partition("?")[0].partition("/")
    return authority.count("@") > 1 or "@" in database


def require_supported(server_version: int) -> None:
    """Raise `WarehouseTooOld` for a server (libpq's number, 170004 for 17.4) that cannot run a load."""
    if server_version < OLDEST_SUPPORTED * 10_000:
        raise WarehouseTooOld(server_version)
