"""Make a table of Postgres equal to a frame, writing only the rows that differ.

The frame is copied into a temporary table and merged from there; into an empty table it is copied straight. The
statements are generated from the table's declaration, identifiers quoted; the same again writes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.observability.audit import AuditEntry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.copying import NULL, copy_in
from pce_pipeline.warehouse.errors import LoadRefused
from pce_pipeline.warehouse.series import numbered_series, stored_rows, stored_table

_ROWS_PER_COPY = 100_000
_SHARE_WORTH_NEW_STATISTICS = 0.1


@dataclass(frozen=True)
class TableLoad:
    """A table and the rows it should hold: of some years if it has years, else all its rows."""

    table: Table
    """The table."""
    frame: pl.DataFrame
    """The rows."""
    years: Sequence[int] = ()
    """The years that they are all rows of; none for a table without years."""

    @property
    def partitions(self) -> list[str]:
        """What is loaded: the years, or `all`."""
        return [str(year) for year in self.years] if self.table.is_yearly else [WHOLE]


@dataclass(frozen=True)
class LateLoad:
    """A table whose rows are read when it is its turn, so that those of all tables are never held together."""

    table: Table
    """The table."""
    read: Callable[[], pl.DataFrame]
    """What reads the rows, in another thread."""
    years: Sequence[int] = ()
    """As in `TableLoad`."""

    @property
    def partitions(self) -> list[str]:
        """What is loaded: the years, or `all`."""
        return [str(year) for year in self.years] if self.table.is_yearly else [WHOLE]

    def now(self) -> TableLoad:
        """The load with its rows; raises what reading them raises."""
        return TableLoad(self.table, self.read(), self.years)


@dataclass(frozen=True)
class RowCounts:
    """How many rows of a partition were written."""

    inserted: int = 0
    """Rows that were added."""
    updated: int = 0
    """Rows that were changed."""
    deleted: int = 0
    """Rows that were taken out."""

    @property
    def written(self) -> int:
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True)
class LoadResult:
    """What a load did to a table."""

    table: str
    """Its name in tables/registry.py."""
    inserted: int
    """Rows that were added."""
    updated: int
    """Rows that were changed."""
    deleted: int
    """Rows that were taken out."""
    unchanged: int
    """Rows that were right already."""
    held: int | None = None
    """Rows that the database counts afterwards, in what was loaded; None where nobody asked it."""
    by_partition: Mapping[str, RowCounts] = field(default_factory=dict, compare=False)
    """What was written of each partition of which anything was."""
    trail: Sequence[AuditEntry] = field(default=(), compare=False)
    """What the audit trail says of its partitions."""

    @property
    def written(self) -> int:
        return self.inserted + self.updated + self.deleted

    def counts(self) -> dict[str, int]:
        """The four counts by name."""
        return {
            "inserted": self.inserted,
            "updated": self.updated,
            "deleted": self.deleted,
            "unchanged": self.unchanged,
        }


def target_of(table: Table) -> sql.Identifier:
    """`gold/pce_state_annual` is the table pce_state_annual in schema gold."""
    return sql.Identifier(*table.name.split("/"))


@dataclass(frozen=True)
class Incoming:
    """A checked load as COPY wants it."""

    load: TableLoad
    """The load."""
    parts: tuple[bytes, ...]
    """The rows as CSV, in parts; none of a table with series, whose numbers the database gives."""

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.load.frame.height


def prepare(load: TableLoad) -> Incoming:
    """Check a frame against its table and write it as CSV, without a database.

    Raises `SchemaViolation` for a frame that is not of this table and `LoadRefused` for rows of other years.
    """
    frame = load.table.conform(load.frame)
    if load.table.is_yearly and (others := set(frame["year"].unique()) - set(load.years)):
        raise LoadRefused(load.table.name, f"it holds rows of years that are not loaded: {sorted(others)}")
    return Incoming(replace(load, frame=frame), () if load.table.series is not None else _as_csv(frame))


def merge(cursor: Cursor, incoming: Incoming) -> LoadResult:
    """Make the table's rows of the years loaded (all rows of a table without years) equal to what comes in.

    The caller keeps others from writing to the table until the end of the transaction.
    """
    table, rows = incoming.load.table, incoming.load.frame
    if table.series is None:
        return _merged(cursor, incoming)
    stored = stored_rows(table, rows, numbered_series(cursor, table, rows))
    of_stored = TableLoad(stored_table(table), stored, incoming.load.years)
    return replace(_merged(cursor, Incoming(of_stored, _as_csv(stored))), table=table.name)


def _as_csv(frame: pl.DataFrame) -> tuple[bytes, ...]:
    # Texts are always quoted and NULLs never, so that neither '' nor '\N' can be taken for a NULL.
    return tuple(
        part.write_csv(include_header=False, null_value=NULL, quote_style="non_numeric").encode()
        for part in frame.iter_slices(_ROWS_PER_COPY)
    )


def _merged(cursor: Cursor, incoming: Incoming) -> LoadResult:
    load = incoming.load
    target = target_of(load.table)
    cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(target))
    if cursor.fetchone() == (False,):
        _empty_unless_read(cursor, target)
        copy_in(cursor, target, incoming.load.table.column_names, incoming.parts)
        written: dict[str, dict[str, int]] = {
            partition: {"INSERT": rows} for partition, rows in rows_by_partition(load.table, load.frame).items()
        }
    else:
        temporary = sql.Identifier(f"incoming_{load.table.name.rpartition('/')[2]}")
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DROP").format(temporary, target))
        copy_in(cursor, temporary, incoming.load.table.column_names, incoming.parts)
        key = sql.SQL(", ").join(map(sql.Identifier, load.table.key))
        cursor.execute(sql.SQL("ANALYZE {} ({})").format(temporary, key))
        within = _target_within(cursor, load)
        cursor.execute(_merge_statement(load, temporary, within), {"years": list(load.years)})
        written = {}
        for action, partition, rows in cursor.fetchall():
            written.setdefault(partition, {})[action] = rows
        if within != target:
            # a view that stayed would keep a later migration of this connection from changing the table
            cursor.execute(sql.SQL("DROP VIEW pg_temp.{}").format(within))
    by_partition = {
        partition: RowCounts(*(counts.get(action, 0) for action in ("INSERT", "UPDATE", "DELETE")))
        for partition, counts in sorted(written.items())
    }
    inserted, updated, deleted = (
        sum(getattr(counts, what) for counts in by_partition.values()) for what in ("inserted", "updated", "deleted")
    )
    unchanged = incoming.rows - inserted - updated
    result = LoadResult(load.table.name, inserted, updated, deleted, unchanged, by_partition=by_partition)
    if result.written > incoming.rows * _SHARE_WORTH_NEW_STATISTICS:
        cursor.execute(sql.SQL("ANALYZE {}").format(target))
    return result


def _empty_unless_read(cursor: Cursor, target: sql.Identifier) -> None:
    """Empty an empty table, unless somebody reads it, whom that would have to wait for.

    What a transaction puts into a table that it has emptied needs no log where the server keeps as little as it may.
    """
    cursor.execute("SAVEPOINT emptied")
    try:
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(target))
        cursor.execute(sql.SQL("TRUNCATE {}").format(target))
    except errors.LockNotAvailable:
        cursor.execute("ROLLBACK TO SAVEPOINT emptied")
    cursor.execute("RELEASE SAVEPOINT emptied")


def rows_by_partition(table: Table, rows: pl.DataFrame) -> dict[str, int]:
    """How many rows each partition has that has any."""
    if not table.is_yearly:
        return {WHOLE: rows.height} if rows.height else {}
    return {str(year): count for year, count in rows.group_by("year").len().iter_rows()}


def _target_within(cursor: Cursor, load: TableLoad) -> sql.Identifier:
    """What to merge into: a view of the years loaded alone, through which MERGE does not walk over all others.

    A table without years is merged into itself.
    """
    target = target_of(load.table)
    if not load.table.is_yearly:
        return target
    view = sql.Identifier(f"held_{load.table.relation}")
    columns = sql.SQL(", ").join(map(sql.Identifier, load.table.column_names))
    cursor.execute(
        sql.SQL("CREATE TEMPORARY VIEW {} AS SELECT {} FROM {} WHERE year = ANY({}::integer[])").format(
            view, columns, target, sql.Literal(list(load.years))
        )
    )
    return view


def _merge_statement(load: TableLoad, incoming: sql.Identifier, target: sql.Identifier) -> sql.Composed:
    key = [sql.Identifier(name) for name in load.table.key]
    columns = [sql.Identifier(name) for name in load.table.column_names]
    values = [sql.Identifier(name) for name in load.table.column_names if name not in load.table.key]
    comma = sql.SQL(", ")

    def prefixed(prefix: str, names: Sequence[sql.Identifier]) -> sql.Composed:
        return comma.join(sql.SQL(prefix) + name for name in names)

    return sql.SQL(
        """
        WITH merged AS (
            MERGE INTO {target} AS held USING {incoming} AS incoming ON {same_key}
            WHEN MATCHED AND ({held_values}) IS DISTINCT FROM ({incoming_values}) THEN UPDATE SET {assignments}
            WHEN NOT MATCHED BY TARGET THEN INSERT ({columns}) VALUES ({incoming_columns})
            WHEN NOT MATCHED BY SOURCE{of_years} THEN DELETE
            RETURNING merge_action() AS action, {partition} AS partition
        )
        SELECT action, partition, count(*) FROM merged GROUP BY action, partition
        """
    ).format(
        target=target,
        incoming=incoming,
        same_key=sql.SQL(" AND ").join(sql.SQL("held.{0} = incoming.{0}").format(name) for name in key),
        held_values=prefixed("held.", values),
        incoming_values=prefixed("incoming.", values),
        assignments=comma.join(sql.SQL("{0} = incoming.{0}").format(name) for name in values),
        columns=comma.join(columns),
        incoming_columns=prefixed("incoming.", columns),
        partition=sql.SQL("held.year::text") if load.table.is_yearly else sql.Literal(WHOLE),
        of_years=sql.SQL(" AND held.year = ANY(%(years)s)" if load.table.is_yearly else ""),
    )
