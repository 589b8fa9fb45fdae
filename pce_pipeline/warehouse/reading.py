"""What is in the warehouse: checkpoints for the next step, counts and the fastest growth for a run's summary."""

from dataclasses import dataclass
from datetime import datetime

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.tables.registry import TABLES
from pce_pipeline.warehouse.merge import target_of
from pce_pipeline.warehouse.migrate import found_revision


@dataclass(frozen=True)
class Checkpoint:
    """The content that one partition of a loaded table holds, and which run put it there."""

    content_sha256: str
    """The content of the lake's partition that was loaded."""
    code_version: str
    """The version of our code that made it."""
    rows: int
    """How many rows were loaded."""
    run_id: str
    """The run that loaded them."""
    loaded_at: datetime
    """When (UTC)."""
    held_hash: str | None = None
    """What the database said it held after the load; None where it was loaded before that was asked."""


@dataclass(frozen=True)
class Growth:
    """One state's growth of total PCE on the year before."""

    geo_name: str
    state: str
    year: int
    pce_yoy_pct: float


_FASTEST = """
SELECT growth.geo_name, growth.state, growth.year, growth.pce_yoy_pct
FROM serving.v_pce_state_yoy AS growth
JOIN gold.dim_category AS category ON category.category_id = growth.category_id
WHERE category.role = 'total' AND category.scheme = 'product' AND growth.geo_level = 'state'
    AND growth.year = coalesce(%(year)s, (SELECT max(year) FROM gold.pce_state_annual))
    AND growth.pce_yoy_pct IS NOT NULL
ORDER BY growth.pce_yoy_pct DESC, growth.geo_fips
LIMIT %(limit)s
"""


def checkpoints(connection: Connection) -> dict[tuple[str, str], Checkpoint]:
    """What each loaded table and partition holds; nothing for a database without our tables."""
    if found_revision(connection) is None:
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('meta.checkpoints') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return {}
        # through jsonb, because a database that is not migrated yet has no such column
        cursor.execute(
            "SELECT table_name, partition, content_sha256, code_version, rows, run_id, loaded_at, "
            "to_jsonb(checkpoints) ->> 'held_hash' FROM meta.checkpoints"
        )
        return {(table, partition): Checkpoint(*rest) for table, partition, *rest in cursor.fetchall()}


def world_held(connection: Connection) -> tuple[str, str] | None:
    """The world and environment that this database belongs to; None where no world has loaded it yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('meta.world') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return None
        cursor.execute("SELECT world, env FROM meta.world")
        held = cursor.fetchone()
    return (str(held[0]), str(held[1])) if held is not None else None


def recorded_runs(connection: Connection) -> set[str]:
    """The ids of the runs in meta.ingest_runs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT run_id FROM meta.ingest_runs")
        return {run_id for (run_id,) in cursor.fetchall()}


def fastest_growth(connection: Connection, year: int | None = None, limit: int = 5) -> list[Growth]:
    """The states whose total PCE grew fastest in `year` (by default the newest), fastest first."""
    with connection.cursor() as cursor:
        cursor.execute(_FASTEST, {"year": year, "limit": limit})
        return [Growth(*row) for row in cursor.fetchall()]


def row_counts(connection: Connection) -> dict[str, int]:
    """Rows per published table that is there, by its name in py."""
    tables = [table for table in TABLES if table.name.startswith("gold/")]
    counts: dict[str, int] = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table.name.replace("/", "."),))
            if cursor.fetchone() != (True,):
                continue
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(target_of(table)))
            (counts[table.name],) = cursor.fetchone() or (0,)
    return counts
