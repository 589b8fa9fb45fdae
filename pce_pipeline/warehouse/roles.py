"""Who may do what in the database: pce_owner owns it, pce_loader fills it, pce_reader reads what is published.

It also reads where that is from: those tables of schema meta that name no person and no machine.

Roles belong to the server and not to one database, so they are no frozen step: what should hold is said here, and
brought about after the steps of every migration, by whoever may. Where nobody may, the database works without roles.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.warehouse.limits import LOADER, OWNER, READER, limit_readers, tried
from pce_pipeline.warehouse.meta_tables import META_TABLES

_NEW = {
    OWNER: "CREATE ROLE pce_owner LOGIN",
    LOADER: "CREATE ROLE pce_loader LOGIN",
    READER: "CREATE ROLE pce_reader LOGIN",
}

# (member, role): the owner can do what the loader can; members of rds_iam sign in by token.
_MEMBERSHIPS = ((OWNER, LOADER), (OWNER, "rds_iam"), (LOADER, "rds_iam"))

# With it the owner is shown since when others are in the way of a migration; it does without where nobody may grant it.
_STATISTICS = "pg_read_all_stats"

_OF_DATABASE = """
GRANT CONNECT ON DATABASE {database} TO pce_owner, pce_loader, pce_reader;
GRANT CREATE, TEMPORARY ON DATABASE {database} TO pce_owner;
GRANT TEMPORARY ON DATABASE {database} TO pce_loader;
REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;
DO $$ BEGIN
    IF to_regnamespace('public') IS NOT NULL THEN REVOKE CREATE ON SCHEMA public FROM PUBLIC; END IF;
END $$;
"""

_STRAYS = """
SELECT 'SCHEMA', ARRAY[nspname], CASE nspname WHEN 'dagster' THEN 'pce_loader' ELSE 'pce_owner' END AS owner
FROM pg_namespace
WHERE nspname IN ('meta', 'gold', 'serving') AND nspowner <> 'pce_owner'::regrole
    OR nspname = 'dagster' AND nspowner <> 'pce_loader'::regrole
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, ARRAY[n.nspname, c.relname], 'pce_owner'
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('meta', 'gold', 'serving') AND c.relkind IN ('r', 'v') AND c.relowner <> 'pce_owner'::regrole
UNION ALL
SELECT 'FUNCTION', ARRAY[n.nspname, p.proname], 'pce_owner'
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname IN ('gold', 'serving') AND p.proowner <> 'pce_owner'::regrole
"""

# Which step the database has taken, what its views were made of, and whose world it is, are for others to change. Who
# may maintain a table may lock it: loads take turns at that of the world.
_OF_OBJECTS = """
GRANT USAGE ON SCHEMA gold, serving, meta TO pce_loader, pce_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA gold, serving TO pce_loader, pce_reader;
GRANT SELECT ON {for_readers} TO pce_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA serving TO pce_loader, pce_reader;
GRANT INSERT, UPDATE, DELETE, TRUNCATE, MAINTAIN ON ALL TABLES IN SCHEMA gold TO pce_loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA meta TO pce_loader;
REVOKE INSERT, UPDATE, DELETE ON meta.alembic_version, meta.views FROM pce_loader;
REVOKE UPDATE, DELETE ON meta.world FROM pce_loader;
GRANT MAINTAIN ON meta.world TO pce_loader;
ALTER DEFAULT PRIVILEGES FOR ROLE pce_owner IN SCHEMA gold, serving GRANT SELECT ON TABLES TO pce_loader, pce_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE pce_owner IN SCHEMA serving GRANT EXECUTE ON FUNCTIONS TO pce_loader, pce_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE pce_owner IN SCHEMA gold
    GRANT INSERT, UPDATE, DELETE, TRUNCATE, MAINTAIN ON TABLES TO pce_loader;
ALTER DEFAULT PRIVILEGES FOR ROLE pce_owner IN SCHEMA meta GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO pce_loader;
"""


@contextmanager
def roles_kept(cursor: Cursor) -> Iterator[None]:
    """Make the roles there are to be, let the caller take the steps with their rights, then give each its own.

    All in the caller's transaction. Where this user may not (make roles, act for the owner), the steps are taken all
    the same, everything stays this user's own, and a line of the log says so.
    """
    refusal = tried(cursor, _make)
    is_guest = refusal is None and not (_is(cursor, None, OWNER, "SET") and _is(cursor, None, OWNER, "USAGE"))
    if is_guest:
        refusal = tried(cursor, _join_owner)
    yield
    if refusal is None:
        refusal = tried(cursor, _hand_out)
        limit_readers(cursor)
        if is_guest:
            cursor.execute("REVOKE pce_owner FROM CURRENT_USER")
    if refusal is not None:
        structlog.get_logger(__name__).warning(
            "the database stays without roles", reason=refusal, remedy="Run `pce db migrate` as a user who may."
        )


def has_roles(cursor: Cursor) -> bool:
    """Whether the tables are the owner's, as they are once the roles have their rights."""
    cursor.execute("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'gold'")
    return cursor.fetchone() == (OWNER,)


def _make(cursor: Cursor) -> None:
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", ([*_NEW, "rds_iam"],))
    present = {name for (name,) in cursor.fetchall()}
    for role, statements in _NEW.items():
        if role not in present:
            cursor.execute(statements)
    for member, role in _MEMBERSHIPS:
        if role in {*_NEW, *present} and not _is(cursor, member, role, "MEMBER"):
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(member)))
    if not _is(cursor, OWNER, _STATISTICS, "MEMBER"):
        tried(cursor, lambda granting: granting.execute("GRANT pg_read_all_stats TO pce_owner"))


def _join_owner(cursor: Cursor) -> None:
    """Become a member of the owner, for this transaction only.

    RDS takes whoever is a member of a member of rds_iam for one who signs in by token, and its master's password
    would open nothing any more.
    """
    cursor.execute("GRANT pce_owner TO CURRENT_USER WITH INHERIT TRUE, SET TRUE")


def _hand_out(cursor: Cursor) -> None:
    cursor.execute("SELECT datname, pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()")
    database, is_ours = cursor.fetchone() or ("", False)
    if is_ours:
        cursor.execute(sql.SQL(_OF_DATABASE).format(database=sql.Identifier(database)))
    cursor.execute(_STRAYS)
    for kind, path, owner in cursor.fetchall():
        cursor.execute(
            sql.SQL("ALTER {} {} OWNER TO {}").format(sql.SQL(kind), sql.Identifier(*path), sql.Identifier(owner))
        )
    for_readers = sql.SQL(", ").join(sql.Identifier("meta", table.name) for table in META_TABLES if table.for_readers)
    cursor.execute(sql.SQL(_OF_OBJECTS).format(for_readers=for_readers))


def _is(cursor: Cursor, member: str | None, role: str, how: str) -> bool:
    cursor.execute("SELECT pg_has_role(coalesce(%s, current_user), %s, %s)", (member, role, how))
    return cursor.fetchone() == (True,)
