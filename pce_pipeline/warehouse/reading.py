"""What is in the warehouse: checkpoints for the next step, counts and the fastest growth for a run's summary."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.contents import published_tables
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
    """The state's name."""
    state: str
    """Its postal code."""
    year: int
    """The year."""
    pce_yoy_pct: float
    """The growth, in percent."""


_FASTEST = (files("pce_pipeline.warehouse") / "fastest_growth.sql").read_text("utf-8")


def without_manifest(connection: Connection) -> list[str]:
    """The loaded partitions of which meta.manifests has no row, so that nobody could say what they were made of."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass('meta.checkpoints') IS NOT NULL AND to_regclass('meta.manifests') IS NOT NULL"
        )
        if cursor.fetchone() != (True,):
            return []
        cursor.execute(
            "SELECT DISTINCT partition FROM meta.checkpoints LEFT JOIN meta.manifests USING (table_name, partition) "
            "WHERE manifest IS NULL ORDER BY partition"
        )
        return [partition for (partition,) in cursor.fetchall()]


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


def values_of(
    connection: Connection, table: Table, column: str, key: Mapping[str, object], as_of: date | None = None
) -> list[Any] | None:
    """What a column of a table has under a key: one value, none, or more where the key is not unique.

    With a day it is what was known at its end, by the function `serving.<table>_as_of`. None where the database has no
    such table or function.
    """
    relation = ("serving", f"{table.relation.removesuffix('_annual')}_as_of") if as_of else ("gold", table.relation)
    is_there = "SELECT to_regproc(%s) IS NOT NULL" if as_of else "SELECT to_regclass(%s) IS NOT NULL"
    with connection.cursor() as cursor:
        cursor.execute(is_there, (".".join(relation),))
        if cursor.fetchone() != (True,):
            return None
        matches = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in key)
        source = sql.Identifier(*relation)
        cursor.execute(
            sql.SQL("SELECT {} FROM {} WHERE {}").format(
                sql.Identifier(column), sql.SQL("{}(%s)").format(source) if as_of else source, matches
            ),
            [*([as_of] if as_of else []), *key.values()],
        )
        return [value for (value,) in cursor.fetchall()]


def ended_runs(connection: Connection) -> set[str]:
    """The ids of the runs in meta.ingest_runs that have ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT run_id FROM meta.ingest_runs WHERE status <> 'running'")
        return {run_id for (run_id,) in cursor.fetchall()}


def fastest_growth(connection: Connection, year: int | None = None, limit: int = 5) -> list[Growth]:
    """The states whose total PCE grew fastest in `year` (by default the newest), fastest first."""
    with connection.cursor() as cursor:
        cursor.execute(_FASTEST, {"year": year, "limit": limit})
        return [Growth(*row) for row in cursor.fetchall()]


def row_counts(connection: Connection) -> dict[str, int]:
    """Rows per published table that is there, by its name."""
    counts: dict[str, int] = {}
    with connection.cursor() as cursor:
        for table in published_tables():
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table.name.replace("/", "."),))
            if cursor.fetchone() != (True,):
                continue
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(target_of(table)))
            (counts[table.name],) = cursor.fetchone() or (0,)
    return counts
