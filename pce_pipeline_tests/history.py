"""Dagster's history for worlds of tests: in memory, and asked for no more than a run in this process needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import InMemoryEventLogStorage

from pce_pipeline.instance.sqlite import AskingOnce


class _EventsInMemory(AskingOnce, InMemoryEventLogStorage):
    """Dagster's own event log of ephemeral instances, over the one connection that it holds anyway."""

    # one event says which years a run intends to make of an asset, where SQLite's says it once for each
    supports_partition_subset_in_asset_materialization_planned_events = True

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        with self._db_lock, self._held_conn.begin():
            yield self._held_conn


def history_in_memory(folder: Path) -> dg.DagsterInstance:
    """A new and empty history; what steps hand over and print lies in the folder."""
    history = dg.DagsterInstance.ephemeral(tempdir=str(folder))
    history._event_storage = _EventsInMemory()
    history._event_storage.register_instance(history)
    return history
