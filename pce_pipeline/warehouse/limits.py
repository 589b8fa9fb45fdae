"""What `pce_reader` may use up: connections, time, disk and memory that everybody shares; each limit stands by itself.

Postgres lets everybody who may connect write large objects, take advisory locks, which lie in memory that loads need,
and sort on disk without end. Here that is taken from readers, as far as the server and this user allow: what only a
superuser may set, an environment's parameter group says instead, and what stays open is named. A limit that somebody
has set to something else stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

OWNER, LOADER, READER = "pce_owner", "pce_loader", "pce_reader"

_LARGE_OBJECTS = "^(lo_creat|lo_create|lo_from_bytea|lo_put|lowrite|lo_truncate|lo_truncate64)$"
_ADVISORY_LOCKS = "^pg_(try_)?advisory_(xact_)?lock(_shared)?$"

_FUNCTIONS_OPEN = """
SELECT p.oid::regprocedure::text FROM pg_proc AS p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ %s AND has_function_privilege(%s, p.oid, 'EXECUTE')
ORDER BY 1
"""
_SETTING_OPEN = """
SELECT (%(for_all)s::text IS NULL OR current_setting(%(name)s) = %(for_all)s) AND NOT EXISTS (
    SELECT FROM pg_db_role_setting AS held CROSS JOIN LATERAL unnest(held.setconfig) AS setting
    WHERE held.setrole = %(role)s::regrole AND split_part(setting, '=', 1) = %(name)s
        AND held.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
)
"""


@dataclass(frozen=True)
class Limit:
    """One thing that readers can use up, or not."""

    what: str
    """What a reader can do where there is no limit, in words."""
    is_open: Callable[[Cursor], bool]
    """Whether a reader can do it now."""
    close: Callable[[Cursor], None]
    """Set the limit. Postgres' error where this user may not; no error where the server leaves it undone."""


def _setting(name: str, value: str, what: str, *, no_limit: str | None = None) -> Limit:
    """A setting of the role; `no_limit` is the value of one that only a superuser sets, where the server has none."""

    def is_open(cursor: Cursor) -> bool:
        cursor.execute(_SETTING_OPEN, {"name": name, "for_all": no_limit, "role": READER})
        return cursor.fetchone() == (True,)

    def close(cursor: Cursor) -> None:
        statement = sql.SQL("ALTER ROLE {} SET {} = {}")
        cursor.execute(statement.format(sql.Identifier(READER), sql.Identifier(name), sql.Literal(value)))

    return Limit(what, is_open, close)


def _functions(pattern: str, what: str) -> Limit:
    def found(cursor: Cursor) -> list[str]:
        cursor.execute(_FUNCTIONS_OPEN, (pattern, READER))
        return [signature for (signature,) in cursor.fetchall()]

    def close(cursor: Cursor) -> None:
        functions = sql.SQL(", ").join(map(sql.SQL, found(cursor)))  # as regprocedure writes them, quoted
        cursor.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(functions))

    return Limit(what, lambda cursor: bool(found(cursor)), close)


def _has_no_end_of_connections(cursor: Cursor) -> bool:
    cursor.execute("SELECT rolconnlimit = -1 FROM pg_roles WHERE rolname = %s", (READER,))
    return cursor.fetchone() == (True,)


def _makes_temporary_tables(cursor: Cursor) -> bool:
    cursor.execute("SELECT has_database_privilege(%s, current_database(), 'TEMPORARY')", (READER,))
    return cursor.fetchone() == (True,)


def _keep_from_temporary_tables(cursor: Cursor) -> None:
    cursor.execute("SELECT current_database()")
    (database,) = cursor.fetchone() or ("",)
    cursor.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))


LIMITS: Sequence[Limit] = (
    _setting("default_transaction_read_only", "on", "begin to write without meaning to"),
    # A reader's long transaction would keep a migration waiting, and old rows on disk.
    _setting("statement_timeout", "5min", "ask for ever"),
    _setting("idle_in_transaction_session_timeout", "10min", "hold a transaction open for ever"),
    _setting("temp_file_limit", "2GB", "fill the disk by a sort or join", no_limit="-1"),
    Limit(
        "take every connection",
        _has_no_end_of_connections,
        lambda cursor: cursor.execute("ALTER ROLE pce_reader CONNECTION LIMIT 20"),
    ),
    Limit("fill the disk by temporary tables", _makes_temporary_tables, _keep_from_temporary_tables),
    _functions(_LARGE_OBJECTS, "fill the disk by large objects"),
    _functions(_ADVISORY_LOCKS, "use up the memory of locks by advisory ones"),
)
"""Every limit. Those of a setting hold for whoever signs in as pce_reader; a role of one's own needs its own."""


def limit_readers(cursor: Cursor) -> None:
    """Set each limit that is not set, as far as this user may; a line of the log names what stays open.

    There must be a role pce_reader.
    """
    for limit in LIMITS:
        if limit.is_open(cursor):
            tried(cursor, limit.close)
    if left := open_to_readers(cursor):
        structlog.get_logger(__name__).warning(
            "readers are not limited in everything",
            they_can=left,
            remedy="Run `pce db migrate` as the master or a superuser; SECURITY.md says what no user of RDS may close.",
        )


def open_to_readers(cursor: Cursor) -> list[str]:
    """What readers can use up because no limit is set, in words; nothing where there are no roles."""
    cursor.execute("SELECT to_regrole(%s) IS NOT NULL", (READER,))
    if cursor.fetchone() != (True,):
        return []
    return [limit.what for limit in LIMITS if limit.is_open(cursor)]


def tried(cursor: Cursor, action: Callable[[Cursor], None]) -> str | None:
    """Do it, or nothing of it; the reason where this user may not."""
    cursor.execute("SAVEPOINT tried")
    try:
        action(cursor)
    except errors.InsufficientPrivilege as refused:
        cursor.execute("ROLLBACK TO SAVEPOINT tried")
        return refused.diag.message_primary or str(refused)
    cursor.execute("RELEASE SAVEPOINT tried")
    return None
