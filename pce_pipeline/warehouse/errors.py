"""What can go wrong with the warehouse: one branch of the error tree.

    WarehouseError
    ├── WarehouseUrlInvalid          the URL is not one
    ├── DatabaseNotNamed             no URL was given where there is no embedded server
    ├── ConnectionTooWeak            the URL would send a password to a server that need not prove who it is
    ├── SignInUnavailable            AWS gives no password to sign in with
    ├── ClientMissing                the psql of the package speaks no TLS
    ├── WarehouseUnreachable         no connection could be made
    │   ├── CertificateRefused       the server did not prove that it is the one named
    │   └── SignInRefused            the server did not take user and password
    ├── WarehouseConnectionLost      the connection broke in the middle; nothing was kept
    ├── WarehouseTooOld              the server lacks what a load needs
    ├── WarehouseNotMigrated         the tables of this version are not there yet
    ├── WarehouseNewer               a newer version has migrated the database
    ├── RelationsMissing             tables or views were dropped, and this user may not make them again
    ├── ViewsOutdated                views differ from their files, and this user may not make them again
    ├── ViewBlocked                  something that others have made is in the way of a view
    ├── MigrationBlocked             other sessions hold tables that a migration changes; it passes
    ├── CommentsOutdated             the comments say sample where numbers are real, or the reverse
    ├── WarehouseForbidden           the pipeline does not run as this user
    ├── WrongWorld                   the database holds another world
    ├── LoadRefused                  the rows are not what the load says it loads
    └── LoadFailed                   Postgres refused a statement; the load was rolled back
        ├── RightsMissing            this user may not use a table or view of this version
        └── LoadCollided             another transaction was in the way; it passes

Passwords are no facts: a URL is named by its server and database only.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from pce_pipeline.errors import PceError, SettingsError, UsageError

if TYPE_CHECKING:
    from pce_pipeline.warehouse.turns import Holder

OLDEST_SUPPORTED = 17
_TABLES_NAMED = 3
RDS_BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, downloaded to a file"


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

    def __init__(self, server: str, reason: str, *, remedy: str = "") -> None:
        self.server = server
        self.reason = reason
        super().__init__(
            f"Cannot connect to Postgres at {server}: {reason}",
            remedy=remedy
            or "Check that it runs and that host, user, password and TLS parameters of PCE_DATABASE_URL are right.",
        )


class CertificateRefused(WarehouseUnreachable):
    """The server did not prove that it is the one the URL names, so no password was sent."""

    retryable: ClassVar[bool] = False

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(
            server,
            reason,
            remedy="Name the authority that signed the server's certificate in PGSSLROOTCERT (or as sslrootcert= in "
            f"PCE_DATABASE_URL): for RDS {RDS_BUNDLE}. The URL's host must be the name in the certificate.",
        )


class SignInRefused(WarehouseUnreachable):
    """The server was reached and did not take user and password."""

    retryable: ClassVar[bool] = False

    def __init__(self, server: str, reason: str, way: str) -> None:
        self.way = way
        super().__init__(
            server,
            reason,
            remedy={
                "iam": "The database user must be granted rds_iam (`pce db migrate` as the master user does that), and "
                "the AWS identity be allowed rds-db:connect as this user.",
                "secret": "PCE_DATABASE_SECRET_ARN must name the secret of this very server's master user.",
            }.get(way, "Check user and password of PCE_DATABASE_URL."),
        )


class ConnectionTooWeak(WarehouseError, SettingsError):
    """The URL would send a password to a server that need not prove who it is."""

    def __init__(self, server: str, sslmode: str | None, reason: str) -> None:
        self.server = server
        self.sslmode = sslmode
        super().__init__(
            f"{reason}, and the URL of {server} asks for sslmode={sslmode or 'prefer'}.",
            remedy="Write sslmode=verify-full in PCE_DATABASE_URL and name the authority that signed the server's "
            f"certificate in PGSSLROOTCERT (or as sslrootcert= in the URL): for RDS {RDS_BUNDLE}.",
        )


class DatabaseNotNamed(WarehouseError, SettingsError):
    """There is nothing to sign in to."""

    def __init__(self, env: str) -> None:
        self.env = env
        super().__init__(
            f"No database is named for {env}.",
            remedy="Set PCE_DATABASE_URL, such as postgresql://pce_loader@host:5432/pce?sslmode=verify-full.",
        )


class SignInUnavailable(WarehouseError):
    """There is no password to sign in with, because AWS does not give one."""

    def __init__(self, reason: str, *, remedy: str = "") -> None:
        self.reason = reason
        super().__init__(
            f"Cannot sign in to the database: {reason}.",
            remedy=remedy or "Check AWS credentials and region (aws sts get-caller-identity), or PCE_DATABASE_LOGIN.",
        )


class ClientMissing(WarehouseError, UsageError):
    """The psql that comes with the package speaks no TLS."""

    def __init__(self) -> None:
        super().__init__(
            "This server wants TLS, and the psql that comes with the package has none.",
            remedy="Install Postgres' client, such as postgresql-client of Debian, so that psql is on the PATH.",
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
            remedy="Run `pce db migrate` as the database's owner, pce_owner (the first time as the master user).",
        )


class RelationsMissing(WarehouseError):
    """Tables or views of this version are gone, and this user may not make them again."""

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(
            f"The database lacks {', '.join(missing)}.",
            remedy="Run `pce db migrate` as the database's owner, pce_owner: it makes them again; then `pce refresh`.",
        )


class ViewsOutdated(WarehouseError):
    """Views are not as the files of this version say, and this user may not make them again."""

    def __init__(self, views: Sequence[str]) -> None:
        self.views = tuple(views)
        super().__init__(
            f"Not as this version of the code makes {'it' if len(views) == 1 else 'them'}: {', '.join(views)}.",
            remedy="Run `pce db migrate` as the database's owner, pce_owner; or update pce_pipeline here, where a "
            "newer version has made them.",
        )


class ViewBlocked(WarehouseError):
    """A view cannot be made as its file says, because of something that others have made."""

    def __init__(self, view: str, reasons: Sequence[str]) -> None:
        self.view = view
        self.reasons = tuple(reasons)
        super().__init__(
            f"{view} cannot be made again: {'; '.join(reasons)}.",
            remedy="Keep the text of what is in the way (psql: \\d+), drop it or give it another name, run `pce db "
            "migrate`, and make it again. Nothing was changed.",
        )


class MigrationBlocked(WarehouseError):
    """Other sessions hold tables that the migration changes, and did not let go of them in time."""

    retryable: ClassVar[bool] = True

    def __init__(self, waited: timedelta, holders: Sequence["Holder"]) -> None:
        self.waited = waited
        self.holders = tuple(holders)
        super().__init__(
            f"The database was not migrated: after {_seconds(waited)} {_in_the_way(holders)}.",
            remedy=_how_to_end(holders) or "Run `pce db migrate` again: nothing was changed.",
        )


class WarehouseForbidden(WarehouseError):
    """The pipeline does not run as this user."""

    def __init__(self, user: str, reason: str) -> None:
        self.user = user
        self.reason = reason
        super().__init__(
            f"{user} may not look after the database: {reason}.",
            remedy="Name pce_loader in PCE_DATABASE_URL; for `pce db migrate` pce_owner, or the master user.",
        )


class CommentsOutdated(WarehouseError):
    """The tables say that they hold invented numbers and get real ones, or the other way round."""

    def __init__(self, *, is_sample: bool) -> None:
        self.is_sample = is_sample
        super().__init__(
            f"The tables' comments do {'not ' if is_sample else ''}say that numbers are invented, and the load's "
            f"{'are' if is_sample else 'are not'}; only the tables' owner may write comments.",
            remedy="Run `pce db migrate` as pce_owner, with the same PCE_SOURCE (or --source).",
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

    _todo: ClassVar[str] = "Nothing was written; mend that and run it again."

    def __init__(self, doing: str, *, sqlstate: str | None, reason: str) -> None:
        self.doing = doing
        self.sqlstate = sqlstate
        self.reason = reason
        super().__init__(
            f"Postgres refused {doing} ({sqlstate}): {reason}",
            remedy=self._todo,
        )


class RightsMissing(LoadFailed):
    """The user may not use a table or view: its rights are those of an older version, or somebody took them away."""

    _todo: ClassVar[str] = (
        "Run `pce db migrate` as the database's owner, pce_owner: it gives the rights of this version."
    )


class LoadCollided(LoadFailed):
    """Another transaction was in the way (serialization, deadlock, a lock that was not to be had): it passes."""

    retryable: ClassVar[bool] = True

    def __init__(self, doing: str, *, sqlstate: str | None, reason: str, holders: Sequence["Holder"] = ()) -> None:
        self.holders = tuple(holders)
        found = f": {_in_the_way(holders)}" if holders else ""
        super().__init__(doing, sqlstate=sqlstate, reason=f"{reason}{found}")
        self.remedy = _how_to_end(holders) or "Nothing was written; run it again."


def _in_the_way(holders: Sequence["Holder"]) -> str:
    """Who was found to be in the way, in words.

    >>> _in_the_way([])
    'nobody is in the way any more'
    """
    if not holders:
        return "nobody is in the way any more"
    named = "; ".join(f"{holder} holds {', '.join(holder.tables[:_TABLES_NAMED])}" for holder in holders)
    return f"others are in the way: {named}"


def _how_to_end(holders: Sequence["Holder"]) -> str:
    if not holders:
        return ""
    calls = ", ".join(f"pg_terminate_backend({holder.pid})" for holder in holders)
    return (
        "Nothing was written; wait until they have finished, then run it again. "
        f"To end them: `SELECT {calls};`, as the same user, the master or a superuser."
    )


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():,.0f} seconds"
