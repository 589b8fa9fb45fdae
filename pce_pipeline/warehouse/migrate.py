"""Bring a database to the tables this code knows, once, whoever comes first.

The steps lie in `migrations/`; alembic applies those that are missing, all in one transaction and in turns, `views/`
makes the views that differ from their files, and `roles.py` sees to who may do what. Looking whether there is anything
to do costs a few queries and does not import alembic. Tables and views that somebody has dropped are made again, empty:
the lake is the truth, and loads fill them.
"""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING, Any

import psycopg2
import structlog
from psycopg2 import errors

from pce_pipeline.warehouse.comments import apply_comments
from pce_pipeline.warehouse.contents import missing_relations
from pce_pipeline.warehouse.errors import (
    MigrationBlocked,
    RelationsMissing,
    ViewBlocked,
    ViewsOutdated,
    WarehouseForbidden,
    WarehouseNewer,
    WarehouseNotMigrated,
)
from pce_pipeline.warehouse.roles import has_roles, roles_kept
from pce_pipeline.warehouse.turns import MIGRATIONS, Patience, bound_waits, holders, take_turn
from pce_pipeline.warehouse.views import VIEWS, apply_views, differing_views

if TYPE_CHECKING:
    from alembic.config import Config
    from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

# a lock that is not to be had in time, and a deadlock
_WAITED = ("55P03", "40P01")
# a row of the catalogue that another session has just made, or changed, as when several begin with an empty database
_COLLIDED = ("23505", "42P06", "42P07", "42710", "XX000")
_MOST_COLLISIONS = 5
# what is made again and is there already; an index of a table that has become a view since is in neither place
_THERE = (
    errors.DuplicateTable,
    errors.DuplicateSchema,
    errors.DuplicateColumn,
    errors.DuplicateObject,
    errors.WrongObjectType,
)
# to the semicolon that ends a line; those between dollars are of a body
_STATEMENT = re.compile(r"(?:\$(\w*)\$.*?\$\1\$|[^;]|;(?![ \t]*\n))+", re.DOTALL)

_log = structlog.get_logger(__name__)
_STEPS = files("pce_pipeline.warehouse") / "migrations"


def newest_revision() -> str:
    """The number of the last step this code knows."""
    return max(step.name[1:5] for step in (_STEPS / "versions").iterdir() if step.name.startswith("v"))


def found_revision(connection: "Connection") -> str | None:
    """The number of the last step the database has taken; None for a database without any.

    Raises `WarehouseNewer` where this code does not know that step, and `WarehouseForbidden`.
    """
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT to_regclass('meta.alembic_version') IS NOT NULL")
            (has_versions,) = cursor.fetchone() or (False,)
            if not has_versions:
                return None
            cursor.execute("SELECT version_num FROM meta.alembic_version")
        except errors.InsufficientPrivilege as refused:
            raise WarehouseForbidden(connection.info.user, refused.diag.message_primary or "") from refused
        row = cursor.fetchone()
    if row is None:
        return None
    found = str(row[0])
    if found > newest_revision():
        raise WarehouseNewer(found, newest_revision())
    return found


def require_migrated(connection: "Connection") -> None:
    """Raise `WarehouseNotMigrated`, `WarehouseNewer` or `RelationsMissing` unless the database is that of this code."""
    found = found_revision(connection)
    if found != newest_revision():
        raise WarehouseNotMigrated(found, newest_revision())
    if missing := missing_relations(connection):
        raise RelationsMissing(missing)


def upgrade(
    open_connection: "Callable[[], Connection]", *, is_sample: bool | None = None, patience: Patience = MIGRATIONS
) -> bool:
    """Take the missing steps over a connection of its own, make views, set up roles; whether there are roles now.

    Comments are written as well where `is_sample` is given or the database is some world's already, which knows better.
    Sessions that are in the way are waited for as `patience` says, a few seconds at a time, and then it is tried anew.
    Raises `WarehouseNotMigrated` where this user may not take the steps, `RelationsMissing` where it may not make again
    what was dropped, `ViewsOutdated` where it may not make views again, `ViewBlocked` where others have made something
    that is in the way of one, `MigrationBlocked`, `WarehouseNewer` and `WarehouseForbidden`.
    """
    began, collisions = time.monotonic(), 0
    for tries_left in reversed(range(patience.tries)):
        try:
            return _upgraded(open_connection, is_sample=is_sample, patience=patience)
        except psycopg2.Error as failed:
            collisions += failed.pgcode in _COLLIDED
            if failed.pgcode in _COLLIDED and collisions <= _MOST_COLLISIONS:
                continue  # somebody else has made the same just now, and it is there the next time
            if failed.pgcode not in _WAITED:
                raise
            with closing(open_connection()) as connection:
                found = holders(connection, readers=True)
            if not tries_left:
                raise MigrationBlocked(timedelta(seconds=time.monotonic() - began), found) from failed
            _log.warning("the migration waits for other sessions", holders=[str(each) for each in found])
            time.sleep(patience.pause.total_seconds())
    raise MigrationBlocked(timedelta(seconds=time.monotonic() - began), [])


def _upgraded(open_connection: "Callable[[], Connection]", *, is_sample: bool | None, patience: Patience) -> bool:
    # These take most of a second to import and are needed once in the life of a database.
    import sqlalchemy as sa  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    engine = sa.create_engine("postgresql+psycopg2://", creator=open_connection, poolclass=sa.NullPool)
    found: str | None = None
    missing: Sequence[str] = ()
    outdated: Sequence[str] = ()
    try:
        with engine.begin() as transaction:
            connection: Any = transaction.connection.driver_connection
            with connection.cursor() as cursor:
                bound_waits(cursor, patience)
                with roles_kept(cursor):
                    found = found_revision(connection)
                    if found == newest_revision():
                        missing, outdated = missing_relations(connection), differing_views(cursor)
                    cursor.execute("CREATE SCHEMA IF NOT EXISTS meta")
                    _take_turns(cursor, patience)
                    found = found_revision(connection)  # of those who waited for each other, one has taken the steps
                    config.attributes["connection"] = transaction
                    if found is None and _has_gold(cursor):  # only the record of the steps is gone
                        _make_again(cursor, config)
                        command.stamp(config, "head")
                    command.upgrade(config, "head")
                    if not VIEWS.keys() >= set(missing_relations(connection)):
                        _make_again(cursor, config)
                    apply_views(cursor)
                    if (shows_sample := _is_sample(cursor, assumed=is_sample)) is not None:
                        apply_comments(connection, is_sample=shows_sample)
                return has_roles(cursor)
    except (psycopg2.Error, sa.exc.DBAPIError) as failed:
        cause = failed.orig if isinstance(failed, sa.exc.DBAPIError) else failed
        if isinstance(cause, errors.DependentObjectsStillExist):
            reasons = (cause.diag.message_detail or str(cause)).splitlines()
            raise ViewBlocked(cause.diag.message_primary or "a table", reasons) from failed
        if not isinstance(cause, errors.InsufficientPrivilege):
            raise cause or failed from failed.__cause__
        if missing:
            raise RelationsMissing(missing) from failed
        if outdated:
            raise ViewsOutdated(outdated) from failed
        raise WarehouseNotMigrated(found, newest_revision()) from failed


def _take_turns(cursor: "Cursor", patience: Patience) -> None:
    """Wait for other migrations, then for loads, where there are tables to wait at; who is alone needs no turn."""
    for table in (("meta", "alembic_version"), ("meta", "world")):
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (".".join(table),))
        if cursor.fetchone() == (True,):
            take_turn(cursor, table, patience)


def _has_gold(cursor: "Cursor") -> bool:
    cursor.execute("SELECT to_regnamespace('gold') IS NOT NULL")
    return cursor.fetchone() == (True,)


def _make_again(cursor: "Cursor", config: "Config") -> None:
    """Take every step anew, statement by statement, and pass over what is there already.

    What other people have made in the database stays, as do the rows of tables that were not dropped.
    """
    for statement in _statements(config):
        cursor.execute("SAVEPOINT again")
        try:
            cursor.execute(statement)
        except _THERE:
            cursor.execute("ROLLBACK TO SAVEPOINT again")
        cursor.execute("RELEASE SAVEPOINT again")


def _statements(config: "Config") -> list[str]:
    """What all steps would execute, in order, but for the views, which their files make."""
    from alembic.migration import MigrationContext  # noqa: PLC0415 (as slow as the rest of it)
    from alembic.operations import Operations  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written, "literal_binds": True}
    )
    with Operations.context(context):
        for step in reversed(list(ScriptDirectory.from_config(config).walk_revisions())):
            step.module.upgrade()
    statements = [found[0].strip() for found in _STATEMENT.finditer(written.getvalue())]
    return [each for each in statements if each and not re.match(r"(CREATE( OR REPLACE)?|DROP) VIEW\b", each)]


def _is_sample(cursor: "Cursor", *, assumed: bool | None) -> bool | None:
    """Whether the world that has the database holds sample data; what is assumed where it is nobody's yet."""
    cursor.execute("SELECT world LIKE 'sample%' FROM meta.world")
    (held,) = cursor.fetchone() or (assumed,)
    return None if held is None else bool(held)
