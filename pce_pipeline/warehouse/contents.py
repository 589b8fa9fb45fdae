"""What the loaded tables hold, told by Postgres itself: rows, and a hash of them, by table and partition.

The hash is taken in the load's transaction and kept beside the checkpoint; taken again later, it finds every row that
somebody has changed, added or deleted since. Nothing is read out of the database for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.tables.registry import load_registry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.coding import form_of
from pce_pipeline.warehouse.merge import target_of
from pce_pipeline.warehouse.meta_tables import OF_RECORDS
from pce_pipeline.warehouse.series import series_table, stored_table
from pce_pipeline.warehouse.views import VIEWS

Key = tuple[str, str]
"""A table's name in tables/registry.py and a partition of it: a year, or `all`."""

_MISSING = """
SELECT wanted.name FROM unnest(%s) WITH ORDINALITY AS wanted(name, place)
WHERE to_regclass(wanted.name) IS NULL AND to_regproc(wanted.name) IS NULL ORDER BY wanted.place
"""

# The sum does not depend on the order of the rows, so nothing is sorted. Two seeds make 128 bits of it. How Postgres
# hashes may change with a new major version, which is therefore part of the hash: then it is not known, not wrong.
_HASH = sql.SQL(
    "(current_setting('server_version_num')::int / 10000) || ':' || coalesce(sum(hash_record_extended(held, 0)), 0) "
    "|| ':' || coalesce(sum(hash_record_extended(held, 1)), 0)"
)


@dataclass(frozen=True)
class Content:
    """What one partition of a table holds."""

    rows: int
    """How many rows."""
    hash: str | None = None
    """What they are, led by the server's major version; None where only rows were counted."""

    def is_other_than(self, earlier: str) -> bool | None:
        """Whether the rows are others than those of an earlier hash; None where the two cannot be compared."""
        if self.hash is None or self.hash.partition(":")[0] != earlier.partition(":")[0]:
            return None
        return self.hash != earlier


def published_tables() -> tuple[Table, ...]:
    """The tables of Gold that migrations make, as Postgres holds them: those of the packaged catalogue."""
    return tuple(form_of(table) for table in load_registry("full", None).in_postgres)


def tables_of_series() -> tuple[Table, ...]:
    """The tables behind those that Postgres shows as views: numbers of series, then the rows of each."""
    shown = [table for table in published_tables() if table.series is not None]
    numbers = {each.name: each for table in shown if (each := series_table(table)) is not None}
    return *numbers.values(), *(stored_table(table) for table in shown)


def missing_relations(connection: Connection) -> list[str]:
    """The tables and views of this code's database that are not there, such as `gold.pce_state_annual`."""
    wanted = [
        *(f"meta.{name}" for name in OF_RECORDS),
        *(table.name.replace("/", ".") for table in (*published_tables(), *tables_of_series())),
        *VIEWS,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, (list(dict.fromkeys(wanted)),))
        return [name for (name,) in cursor.fetchall()]


def rows_held(connection: Connection) -> dict[Key, int]:
    """Rows of each partition that has any; a table that is not there has none."""
    missing = set(missing_relations(connection))
    with connection.cursor() as cursor:
        return {
            (table.name, partition): rows
            for table in published_tables()
            if table.name.replace("/", ".") not in missing
            for partition, rows in _counted(cursor, table)
            if rows
        }


def contents_held(
    connection: Connection, tables: Iterable[Table] | None = None, years: Sequence[int] | None = None
) -> dict[Key, Content]:
    """Rows and hash of each partition, of these tables and years or of all, that has any row."""
    missing = set(missing_relations(connection))
    tables = [table for table in tables or published_tables() if table.name.replace("/", ".") not in missing]
    with connection.cursor() as cursor:
        return {key: content for key, content in contents_of(cursor, tables, years).items() if content.rows}


def contents_of(cursor: Cursor, tables: Iterable[Table], years: Sequence[int] | None = None) -> dict[Key, Content]:
    """Rows and hash of these tables, of yearly ones by year: the years given that have rows, or all that have."""
    found: dict[Key, Content] = {}
    for table in map(form_of, tables):
        columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
        parts: Mapping[str, sql.Composable] = {
            "key": sql.SQL("year::text") if table.is_yearly else sql.Literal(WHOLE),
            "hash": _HASH,
            "columns": columns,
            "target": target_of(table),
            "chosen": sql.SQL("WHERE year = ANY(%(years)s)" if table.is_yearly and years is not None else ""),
            "grouped": sql.SQL("GROUP BY year" if table.is_yearly else ""),
        }
        cursor.execute(
            sql.SQL(
                "SELECT {key}, count(*), {hash} FROM (SELECT {columns} FROM {target} {chosen}) AS held {grouped}"
            ).format(**parts),
            {"years": list(years or ())},
        )
        found |= {(table.name, partition): Content(rows, text) for partition, rows, text in cursor.fetchall()}
    return found


def _counted(cursor: Cursor, table: Table) -> list[tuple[str, int]]:
    statement = (
        "SELECT year::text, count(*) FROM {} GROUP BY year" if table.is_yearly else "SELECT 'all', count(*) FROM {}"
    )
    cursor.execute(sql.SQL(statement).format(target_of(table)))
    return [(partition, rows) for partition, rows in cursor.fetchall()]
