"""The connection to the Postgres of this world: a server named by its URL, or the embedded one of a folder.

A plain class and not a Dagster resource with configuration, because Dagster shows configuration on its pages and this
one knows a password. The embedded server is started by the first connection that needs it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED, make_dsn
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)
from pydantic import SecretStr

from pce_pipeline.local.postgres import EmbeddedPostgres
from pce_pipeline.local.programs import installed_programs
from pce_pipeline.settings import Settings
from pce_pipeline.warehouse.contents import missing_relations
from pce_pipeline.warehouse.errors import (
    OLDEST_SUPPORTED,
    ClientMissing,
    RightsMissing,
    ViewsOutdated,
    WarehouseTooOld,
)
from pce_pipeline.warehouse.limits import open_to_readers
from pce_pipeline.warehouse.login import DatabaseLogin
from pce_pipeline.warehouse.migrate import found_revision, newest_revision, require_migrated, upgrade
from pce_pipeline.warehouse.views import differing_views


class PostgresResource:
    """Connections to one database: of a login or plain URL, or of the embedded server in `directory`.

    Parameters of the URL (`sslmode`, `sslrootcert`, `connect_timeout`, `application_name`, ...) are honoured.
    """

    def __init__(
        self, database: DatabaseLogin | SecretStr | str | None = None, *, directory: Path | None = None
    ) -> None:
        self._where: DatabaseLogin | EmbeddedPostgres
        if directory is not None and database is None:
            self._where = EmbeddedPostgres(directory)
        elif database is not None and directory is None:
            self._where = database if isinstance(database, DatabaseLogin) else DatabaseLogin(database)
        else:
            raise TypeError("PostgresResource takes either a database or a directory")

    @classmethod
    def of(cls, settings: Settings) -> "PostgresResource":
        """The database the settings name, else the world's embedded one."""
        if settings.chosen_database_url is not None:
            return cls(DatabaseLogin.of(settings))
        return cls(directory=settings.world_home / "postgres")

    def __repr__(self) -> str:
        return f"PostgresResource({self.server})"

    @property
    def server(self) -> str:
        """Where the database is, for people: host, port and database, or the embedded server's folder."""
        return self._where.server if isinstance(self._where, DatabaseLogin) else str(self._where.directory)

    @property
    def embedded(self) -> EmbeddedPostgres | None:
        """The embedded server, if it is one."""
        return self._where if isinstance(self._where, EmbeddedPostgres) else None

    def psql(self) -> tuple[list[str], str | None]:
        """The command line of a psql on this database, and the password it wants in PGPASSWORD, if any.

        Starts the embedded server, whose password psql finds in a file.
        """
        if isinstance(self._where, EmbeddedPostgres):
            self._where.start()
            return self._where.psql_arguments(), None
        where = self._where.parameters()
        password = where.pop("password", None)
        psql = shutil.which("psql")
        if psql is None and where.get("sslmode", "prefer") not in ("disable", "allow", "prefer"):
            raise ClientMissing
        return [psql or str(installed_programs() / "psql"), make_dsn(**where)], password

    def url(self) -> str:
        """The URL of the database for other programs, password included; starts the embedded server."""
        return self._login().url()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection inside its first transaction: commit it, or what was done is rolled back at the end.

        Raises what `DatabaseLogin.connect` raises, `WarehouseTooOld`, or `LocalPostgresError` of the embedded server;
        where what is done with it needs a right that this user lacks, `RightsMissing`.
        """
        connection = self._open()
        try:
            yield connection
        except InsufficientPrivilege as refused:
            reason = refused.diag.message_primary or str(refused).strip()
            raise RightsMissing("what was asked of it", sqlstate=refused.pgcode, reason=reason) from refused
        finally:
            connection.close()

    def migrate(self) -> None:
        """Bring the database to the tables and views of this code; costs a few queries where nothing is to do.

        Raises `WarehouseNewer` for a database that a newer version of the code has migrated, `WarehouseNotMigrated`,
        `RelationsMissing` or `ViewsOutdated` for one that this user may not migrate, `ViewBlocked`,
        `MigrationBlocked` and `WarehouseForbidden`.
        """
        with self.connect() as connection, connection.cursor() as cursor:
            is_newest = found_revision(connection) == newest_revision()
            if is_newest and not missing_relations(connection) and not differing_views(cursor):
                return
        upgrade(self._open)

    def require_current(self) -> None:
        """Change nothing, and raise `WarehouseNotMigrated`, `WarehouseNewer`, `RelationsMissing` or `ViewsOutdated`.

        Returns where tables and views are those of this code.
        """
        with self.connect() as connection, connection.cursor() as cursor:
            require_migrated(connection)
            if outdated := differing_views(cursor):
                raise ViewsOutdated(outdated)

    def establish(self, *, is_sample: bool) -> bool:
        """Migrate, set up roles and rights anew, and write the comments; whether the database has roles now.

        What `is_sample` says counts for a database that no world has loaded yet. Raises what `migrate` raises.
        """
        return upgrade(self._open, is_sample=is_sample)

    def open_to_readers(self) -> list[str]:
        """What readers can use up of the server, because no limit is set or may be, in words."""
        with self.connect() as connection, connection.cursor() as cursor:
            return open_to_readers(cursor)

    def _login(self) -> DatabaseLogin:
        return self._where if isinstance(self._where, DatabaseLogin) else DatabaseLogin(self._where.start())

    def _open(self) -> Connection:
        connection = self._login().connect()
        try:
            require_supported(connection.server_version)
        except WarehouseTooOld:
            connection.close()
            raise
        # A load waits for its lock and must then see what the load before it committed.
        connection.isolation_level = ISOLATION_LEVEL_READ_COMMITTED
        return connection


def require_supported(server_version: int) -> None:
    """Raise `WarehouseTooOld` for a server (libpq's number, 170004 for 17.4) that cannot run a load."""
    if server_version < OLDEST_SUPPORTED * 10_000:
        raise WarehouseTooOld(server_version)
