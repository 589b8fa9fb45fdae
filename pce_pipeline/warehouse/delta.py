"""Bring the years of a large table from what Postgres was loaded with to what the lake holds now, as a delta.

What Postgres holds of a year is known where the database's own hash of it is the one that was kept with its checkpoint;
the lake still has the version that was loaded, and so the rows that go, change and come are those by which two files
differ. A year of which that cannot be said is replaced as a whole. Nothing is read out of the database.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.contents import Content, Key, contents_of
from pce_pipeline.warehouse.copying import NULL, copy_in
from pce_pipeline.warehouse.merge import LoadResult, RowCounts, rows_by_partition, target_of

_ROWS_PER_COPY = 500_000
_SHARE_WORTH_NEW_STATISTICS = 0.1

_CHECKPOINTS = """
SELECT loaded.partition::integer, loaded.content_sha256, loaded.held_hash, manifests.manifest
FROM meta.checkpoints AS loaded JOIN meta.manifests AS manifests USING (table_name, partition, content_sha256)
WHERE loaded.table_name = %s AND loaded.partition <> 'all'
"""


@dataclass(frozen=True)
class DeltaLoad:
    """A table and what its years should hold."""

    table: Table
    """The table as Postgres holds it."""
    years: Sequence[int]
    """The years that the load speaks of."""
    contents: Mapping[int, str]
    """The content hash of each of these years that the lake has; a year without is emptied."""
    rows: Callable[[int], pl.DataFrame]
    """The rows of a year."""
    earlier: Callable[[Mapping[str, Any]], pl.DataFrame | None]
    """The rows of the partition that a manifest describes; None where the lake has them no more."""

    @property
    def partitions(self) -> list[str]:
        """What is loaded."""
        return [str(year) for year in self.years]


@dataclass
class _Changes:
    """What is to be done, over all years."""

    years: list[int]
    added: list[pl.DataFrame]
    changed: list[pl.DataFrame]
    gone: list[pl.DataFrame]
    replaced: list[int]

    def by_partition(self, load: DeltaLoad, held: Mapping[Key, Content]) -> dict[str, RowCounts]:
        """How many rows of each year are to be written."""
        inserted, updated, deleted = (
            Counter({key: rows for part in parts for key, rows in rows_by_partition(load.table, part).items()})
            for parts in (self.added, self.changed, self.gone)
        )
        deleted.update({str(year): held[load.table.name, str(year)].rows for year in self.replaced})
        years = sorted(inserted.keys() | updated.keys() | deleted.keys())
        return {year: RowCounts(inserted[year], updated[year], deleted[year]) for year in years}


def apply(cursor: Cursor, load: DeltaLoad) -> tuple[LoadResult, dict[Key, Content]]:
    """Make the table's rows of these years those of the lake; what was written, and what the table holds of them now.

    The caller keeps others from writing until its end.
    """
    held = contents_of(cursor, [load.table], load.years)
    changes = _changes(cursor, load, held)
    target, key = target_of(load.table), list(load.table.key)
    deleted = updated = 0
    if changes.replaced:
        cursor.execute(sql.SQL("DELETE FROM {} WHERE year = ANY(%s)").format(target), (changes.replaced,))
        deleted += cursor.rowcount
    gone, changed = _together(changes.gone), _together(changes.changed)
    if gone is not None:
        _into_temporary(cursor, load.table, "gone", gone)
        cursor.execute(sql.SQL("DELETE FROM {} AS held USING gone WHERE {}").format(target, _same(key, "held", "gone")))
        deleted += cursor.rowcount
    if changed is not None:
        _into_temporary(cursor, load.table, "changed", changed)
        values = [name for name in load.table.column_names if name not in key]
        assignments = sql.SQL(", ").join(sql.SQL("{0} = changed.{0}").format(sql.Identifier(name)) for name in values)
        cursor.execute(
            sql.SQL("UPDATE {} AS held SET {} FROM changed WHERE {}").format(
                target, assignments, _same(key, "held", "changed")
            )
        )
        updated = cursor.rowcount
    inserted = 0
    for rows in changes.added:
        copy_in(cursor, target, rows.columns, _parts(rows))
        inserted += rows.height
    rows_held = sum(content.rows for content in held.values())
    if inserted + updated + deleted > rows_held * _SHARE_WORTH_NEW_STATISTICS:
        cursor.execute(sql.SQL("ANALYZE {}").format(target))
    result = LoadResult(
        load.table.name,
        inserted,
        updated,
        deleted,
        rows_held - updated - deleted,
        by_partition=changes.by_partition(load, held),
    )
    as_before = {key: content for key, content in held.items() if int(key[1]) not in changes.years}
    return result, as_before | contents_of(cursor, [load.table], changes.years)


def _changes(cursor: Cursor, load: DeltaLoad, held: Mapping[Key, Content]) -> _Changes:
    cursor.execute(_CHECKPOINTS, (load.table.name,))
    loaded = {int(year): rest for year, *rest in cursor.fetchall()}
    changes = _Changes([], [], [], [], [])
    for year in load.years:
        here = held.get((load.table.name, str(year)), Content(0))
        content, known, manifest = loaded.get(year, (None, None, {}))
        is_as_loaded = known is not None and here.hash == known
        if is_as_loaded and content == load.contents.get(year):
            continue
        changes.years.append(year)
        now = load.table.conform(load.rows(year)) if year in load.contents else None
        before = load.earlier(manifest) if is_as_loaded else None
        if now is None or before is None or before.height != here.rows:
            if here.rows:
                changes.replaced.append(year)
            if now is not None:
                changes.added.append(now)
            continue
        _compare(before, now, list(load.table.key), changes)
    return changes


def _compare(before: pl.DataFrame, now: pl.DataFrame, key: list[str], changes: _Changes) -> None:
    differing = now.join(before, on=now.columns, how="anti", nulls_equal=True)
    changes.changed.append(differing.join(before, on=key, how="semi"))
    changes.added.append(differing.join(before, on=key, how="anti"))
    changes.gone.append(before.join(now, on=key, how="anti"))


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame | None:
    rows = pl.concat(parts) if parts else None
    return rows if rows is not None and rows.height else None


def _same(key: Sequence[str], one: str, other: str) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, name), sql.Identifier(other, name)) for name in key
    )


def _into_temporary(cursor: Cursor, table: Table, name: str, rows: pl.DataFrame) -> None:
    temporary = sql.Identifier(name)
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(temporary))
    cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DROP").format(temporary, target_of(table)))
    copy_in(cursor, temporary, rows.columns, _parts(rows))
    cursor.execute(sql.SQL("ANALYZE {}").format(temporary))


def _parts(rows: pl.DataFrame) -> Iterator[bytes]:
    for part in rows.iter_slices(_ROWS_PER_COPY):
        yield part.write_csv(include_header=False, null_value=NULL, quote_style="non_numeric").encode()
