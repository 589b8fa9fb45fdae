"""What can go wrong with the warehouse: one branch of the error tree.

Passwords are no facts: a URL is named by its server and database only.
"""

from typing import ClassVar

from pce_pipeline.errors import PceError, SettingsError

OLDEST_SUPPORTED = 17


class WarehouseError(PceError):
    """Anything about the Postgres that holds the published tables."""


class WarehouseUrlInvalid(WarehouseError, SettingsError):
    """The URL is none; it is not repeated, because a mistyped one may hold its password anywhere."""

    def __init__(self) -> None:
        super().__init__(
            "PCE_DATABASE_URL is no URL of a Postgres.",
            remedy="Write postgresql://user:password@host:5432/database?sslmode=verify-full, with a password's special "
            "characters percent-encoded.",
        )


class WarehouseUnreachable(WarehouseError):
    """No connection could be made."""

    retryable: ClassVar[bool] = True

    def __init__(self, server: str, reason: str) -> None:
        self.server = server
        self.reason = reason
        super().__init__(
            f"Cannot connect to Postgres at {server}: {reason}",
            remedy="Check that it runs and that host, user, password and TLS parameters of PCE_DATABASE_URL are right.",
        )


class WarehouseConnectionLost(WarehouseError):
    """The connection broke in the middle; nothing of the transaction was kept."""

    retryable: ClassVar[bool] = True

    def __init__(self, doing: str, reason: str) -> None:
        self.doing = doing
        self.reason = reason
        super().__init__(f"The connection to Postgres broke while {doing}: {reason}", remedy="Run it again.")


class WarehouseTooOld(WarehouseError):
    """The server lacks what a load needs (MERGE with WHEN NOT MATCHED BY SOURCE and RETURNING)."""

    def __init__(self, server_version: int) -> None:
        self.server_version = server_version
        super().__init__(
            f"This is PostgreSQL {server_version // 10_000}, and loads need {OLDEST_SUPPORTED} or newer.",
            remedy="Upgrade the server, or unset PCE_DATABASE_URL to use the embedded one.",
        )


class WarehouseNotMigrated(WarehouseError):
    """The database does not have the tables of this version of the code yet."""

    def __init__(self, found: str | None, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            f"The database is at migration {found or 'none'}, this code needs {expected}.",
            remedy="Call PostgresResource.migrate() first.",
        )


class WarehouseNewer(WarehouseError):
    """A newer version of the code has migrated the database."""

    def __init__(self, found: str, known: str) -> None:
        self.found = found
        self.known = known
        super().__init__(
            f"The database is at migration {found}, this code knows {known} and older.",
            remedy="Update pce_pipeline here, or name another database in PCE_DATABASE_URL.",
        )


class WrongWorld(WarehouseError):
    """The database holds another world: sample and BEA data, staging and production never meet."""

    def __init__(self, *, held: tuple[str, str], loading: tuple[str, str]) -> None:
        self.held = held
        self.loading = loading
        super().__init__(
            f"The database holds world {held[0]!r} of {held[1]}, and the load is of {loading[0]!r} of {loading[1]}.",
            remedy="Use a database of its own for each world: PCE_DATABASE_URL, or unset it for the embedded one.",
        )


class LoadRefused(WarehouseError):
    """The rows given are not what the load says it loads."""

    def __init__(self, table: str, reason: str) -> None:
        self.table = table
        self.reason = reason
        super().__init__(f"{table} was not loaded: {reason}.", remedy="Nothing was written.")


class LoadFailed(WarehouseError):
    """Postgres refused a statement; the whole load was rolled back."""

    def __init__(self, doing: str, *, sqlstate: str | None, reason: str) -> None:
        self.doing = doing
        self.sqlstate = sqlstate
        self.reason = reason
        super().__init__(
            f"Postgres refused {doing} ({sqlstate}): {reason}",
            remedy="Nothing was written; mend that and run it again.",
        )
