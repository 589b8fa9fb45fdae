"""Bring a database to the tables this code knows, once, whoever comes first.

The steps lie in `migrations/`; alembic applies those that are missing, all in one transaction and under a lock.
Looking whether there is anything to do costs one query and does not import alembic.
"""

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING

from pce_pipeline.warehouse.errors import WarehouseNewer, WarehouseNotMigrated

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

_LOCK = 0x7063655F6D696772
_STEPS = files("pce_pipeline.warehouse") / "migrations"


def newest_revision() -> str:
    """The number of the last step this code knows."""
    return max(step.name[1:5] for step in (_STEPS / "versions").iterdir() if step.name.startswith("v"))


def found_revision(connection: "Connection") -> str | None:
    """The number of the last step the database has taken; None for a database without any.

    Raises `WarehouseNewer` where this code does not know that step.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('meta.alembic_version') IS NOT NULL")
        (has_versions,) = cursor.fetchone() or (False,)
        if not has_versions:
            return None
        cursor.execute("SELECT version_num FROM meta.alembic_version")
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


def upgrade(open_connection: "Callable[[], Connection]") -> None:
    """Take the missing steps over a connection of its own."""
    # These take most of a second to import and are needed once in the life of a database.
    import sqlalchemy as sa  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    engine = sa.create_engine("postgresql+psycopg2://", creator=open_connection, poolclass=sa.NullPool)
    with engine.begin() as transaction:
        transaction.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        transaction.execute(sa.text("CREATE SCHEMA IF NOT EXISTS meta"))
        config.attributes["connection"] = transaction
        command.upgrade(config, "head")
