"""Taking turns in the database: locks that only loads and migrations may take, waits that end, and who is in the way.

Postgres lets everybody who may connect take its advisory locks, so none is used here. A turn is a lock on a table that
readers have no right to; what readers do hold, the right to go on reading, keeps no load from writing. A migration may
have to wait for them, because it changes tables that they read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)


@dataclass(frozen=True)
class Patience:
    """How long to wait for what other sessions hold."""

    turn: timedelta
    """For the sessions that are to be finished first."""
    lock: timedelta
    """For any other lock: while a statement waits for one, readers that come later wait behind it."""
    tries: int = 1
    """How often the whole transaction is tried."""
    pause: timedelta = timedelta()
    """How long readers are left alone before it is tried again."""


LOADS = Patience(turn=timedelta(minutes=10), lock=timedelta(minutes=1))
"""Of a load: the first one of a new database takes minutes, and the step is tried again as its environment says."""

MIGRATIONS = Patience(turn=timedelta(seconds=5), lock=timedelta(seconds=5), tries=20, pause=timedelta(seconds=10))
"""Of a migration: five minutes in all, in which nobody who reads waits for longer than five seconds."""


@dataclass(frozen=True)
class Holder:
    """A session that holds locks on our tables."""

    pid: int
    """Its process on the server."""
    user: str
    """Its user; of a process of the server what it does, such as `autovacuum worker`."""
    application: str = ""
    """What it calls itself; empty where it does not."""
    since: datetime | None = None
    """When its transaction began; None where this user is not shown it."""
    tables: tuple[str, ...] = ()
    """The tables that it holds, with their schemas."""

    def __str__(self) -> str:
        """The holder in words.

        >>> str(Holder(7, "anna", "DBeaver", datetime(2026, 5, 4, 9, 30, tzinfo=UTC), ("gold.dim_category",)))
        'process 7 (user anna, application DBeaver, in a transaction since 2026-05-04 09:30:00 UTC)'
        """
        about = [f"user {self.user}"]
        if self.application:
            about.append(f"application {self.application}")
        if self.since is not None:
            about.append(f"in a transaction since {self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
        return f"process {self.pid} ({', '.join(about)})"


_HOLDERS = """
SELECT held.pid, coalesce(activity.usename, activity.backend_type, ''), coalesce(activity.application_name, ''),
    activity.xact_start, array_agg(DISTINCT format('%%s.%%s', schemas.nspname, relations.relname))
FROM pg_locks AS held
JOIN pg_class AS relations ON relations.oid = held.relation
JOIN pg_namespace AS schemas ON schemas.oid = relations.relnamespace
JOIN pg_stat_activity AS activity USING (pid)
WHERE held.granted AND held.pid <> pg_backend_pid()
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND schemas.nspname IN ('gold', 'serving', 'meta')
    AND (%(readers)s OR held.mode <> 'AccessShareLock')
    AND (%(tables)s::text[] IS NULL OR format('%%s.%%s', schemas.nspname, relations.relname) = ANY(%(tables)s))
GROUP BY 1, 2, 3, 4 ORDER BY activity.xact_start NULLS LAST, held.pid
"""


def take_turn(cursor: Cursor, schema_and_table: tuple[str, str], patience: Patience) -> None:
    """Wait until no other transaction has its turn at this table, and keep it until the end of this one.

    Reading the table goes on meanwhile; nobody else writes to it. Every later wait of the transaction is bounded, too.
    Raises psycopg2's `LockNotAvailable` after `patience.turn`, and `InsufficientPrivilege` for a user who may not.
    """
    _bound(cursor, patience.turn)
    cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(*schema_and_table)))
    _bound(cursor, patience.lock)


def bound_waits(cursor: Cursor, patience: Patience) -> None:
    """Let no statement of this transaction wait for a lock for longer than `patience.lock`."""
    _bound(cursor, patience.lock)


def _bound(cursor: Cursor, longest: timedelta) -> None:
    milliseconds = max(1, round(longest / timedelta(milliseconds=1)))
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{milliseconds}ms",))


def holders(connection: Connection, tables: Sequence[str] | None = None, *, readers: bool = False) -> list[Holder]:
    """The other sessions that hold locks on our tables, the oldest first: those that write, or `readers` as well.

    `tables` are names such as `gold.pce_state_annual`; None for all tables of schemas gold, serving and meta. Begins a
    transaction anew, so that it answers in one that has failed, whose work is lost.
    """
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, {"readers": readers, "tables": None if tables is None else list(tables)})
        found = [Holder(pid, user, application, since, tuple(held)) for pid, user, application, since, held in cursor]
    connection.rollback()
    return found
