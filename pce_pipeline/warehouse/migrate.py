"""Bring a database to the tables this code knows, once, whoever comes first.

The steps lie in `migrations/`; alembic applies those that are missing, all in one transaction and under a lock, and
`roles.py` sees to who may do what. Looking whether there is anything to do costs one query and does not import alembic.
"""

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from psycopg2 import errors

from pce_pipeline.warehouse.comments import apply_comments
from pce_pipeline.warehouse.errors import WarehouseForbidden, WarehouseNewer, WarehouseNotMigrated
from pce_pipeline.warehouse.roles import has_roles, roles_kept

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

_LOCK = 0x7063655F6D696772
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
    """Raise `WarehouseNotMigrated` or `WarehouseNewer` unless the database has exactly the tables of this code."""
    found = found_revision(connection)
    if found != newest_revision():
        raise WarehouseNotMigrated(found, newest_revision())


def upgrade(open_connection: "Callable[[], Connection]", *, is_sample: bool | None = None) -> bool:
    """Take the missing steps over a connection of its own, and set up the roles; whether there are roles now.

    With `is_sample` the comments are written as well; a database that is some world's already knows better.
    Raises `WarehouseNotMigrated` where this user may not take the steps, `WarehouseNewer` and `WarehouseForbidden`.
    """
    # These take most of a second to import and are needed once in the life of a database.
    import sqlalchemy as sa  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    engine = sa.create_engine("postgresql+psycopg2://", creator=open_connection, poolclass=sa.NullPool)
    found: str | None = None
    try:
        with engine.begin() as transaction:
            connection: Any = transaction.connection.driver_connection
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                with roles_kept(cursor):
                    found = found_revision(connection)
                    cursor.execute("CREATE SCHEMA IF NOT EXISTS meta")
                    config.attributes["connection"] = transaction
                    command.upgrade(config, "head")
                    if is_sample is not None:
                        apply_comments(connection, is_sample=_is_sample(cursor, assumed=is_sample))
                return has_roles(cursor)
    except (errors.InsufficientPrivilege, sa.exc.ProgrammingError) as failed:
        if not isinstance(getattr(failed, "orig", failed), errors.InsufficientPrivilege):
            raise
        raise WarehouseNotMigrated(found, newest_revision()) from failed


def _is_sample(cursor: "Cursor", *, assumed: bool) -> bool:
    """Whether the world that has the database holds sample data; what is assumed where it is nobody's yet."""
    cursor.execute("SELECT world LIKE 'sample%' FROM meta.world")
    (held,) = cursor.fetchone() or (assumed,)
    return bool(held)
