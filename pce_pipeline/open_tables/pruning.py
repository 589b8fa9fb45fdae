"""Pruning a table and its Iceberg table together: one age for versions and snapshots, and nothing that a tag names."""

from datetime import datetime, timedelta

import structlog

from pce_pipeline.errors import PceError
from pce_pipeline.lake.iceberg.expiry import expire, held_versions, sweep
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.table import Table

_log = structlog.get_logger()


def prune_table(lake: Lake, table: Table, older_than: timedelta, now: datetime) -> int:
    """Deletes versions that are old, not current and named by no live snapshot or tag; how many.

    Where it cannot be read what an Iceberg table holds, nothing of the table is deleted.
    """
    store = lake.table(table)
    # a table without a pointer has lost it: its versions may be all that is left of it
    if not store.latest():
        return 0
    try:
        expire(lake, table, older_than, now)
        sweep(lake, table, older_than, now)
        held = held_versions(lake, table) if store.old_versions(older_than, now) else set()
    except (PceError, FileNotFoundError) as problem:
        _log.warning("not pruned: its Iceberg table cannot be read", table=table.name, problem=str(problem))
        return 0
    return len(store.prune(older_than, now, held))
