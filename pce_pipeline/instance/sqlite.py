"""Dagster's event log on a laptop, with its SQLite files kept open for as long as a process writes to them.

Dagster's own storage makes an engine for each of a run's thousands of events, which costs more than writing them: the
statements are compiled again each time, and who closes a file last writes its log back. It also gives each event up to
four transactions of its own, asks for its own columns with each, and writes out a planned check anew for each of its
partitions. Here events that come in bursts are written together. The files are the same, so that `dagster dev` reads
with Dagster's class what `pce` has written with this one.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    DagsterEventType,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData, serialize_value

_BUSY_TIMEOUT_SECONDS = 20
_MOST_WAITING = 1_000
_IN_BURSTS = {
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.STEP_OUTPUT,
    DagsterEventType.HANDLED_OUTPUT,
}
"""What a step says of each of its years and checks; another event always follows."""

_IN_INDEX = {*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS}
"""What Dagster also keeps in one file for all runs."""


class AskingOnce(SqlEventLogStorage):
    """Dagster's event log in SQL, asked for its own tables and columns once and not with every event.

    What is there stays there for the time of a process.
    """

    @cached_property
    def _tables(self) -> set[str]:
        return set()

    @cached_property
    def _columns(self) -> set[str]:
        return set()

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables and super().has_table(table_name):  # type: ignore[safe-super] # it has a body
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_col_on_connection(self, conn: sa.Connection, column_name: str) -> bool:
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns.add(column_name)
        return column_name in self._columns

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), _planned_check_rows(event, event_id))


class KeptOpenEventLog(AskingOnce, SqliteEventLogStorage):
    """Dagster's SQLite event log with one engine per file, for the time of the process.

    Events of a burst wait for the event after it, for a read or for the end: then they are stored in one transaction
    for each file. A process that is killed loses those of its last burst; the lake's own record of the run does not.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sa.Engine] = {}
        self._waiting: list[EventLogEntry] = []
        self._begun: dict[str, sa.Connection] = {}
        # its holder may take it again: a read stores what waits, and a statement joins the transaction that has begun
        self._one_at_a_time = threading.RLock()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptOpenEventLog":
        return cls(inst_data=inst_data, **config_value)

    def run_connection(self, run_id: str | None = None) -> AbstractContextManager[sa.Connection]:
        return self._kept_open(str(run_id))

    def index_connection(self) -> AbstractContextManager[sa.Connection]:
        return self._kept_open(INDEX_SHARD_NAME)

    def store_event(self, event: EventLogEntry) -> None:
        with self._one_at_a_time:
            self._waiting.append(event)
            if event.dagster_event_type not in _IN_BURSTS or len(self._waiting) >= _MOST_WAITING:
                self._store_waiting()

    def dispose(self) -> None:
        with self._one_at_a_time:
            self._store_waiting()
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()

    def _store_waiting(self) -> None:
        """Store the events that wait, as Dagster's class stores each; called by who holds the lock."""
        events, self._waiting = self._waiting, []
        if not events:
            return
        rows = [(event, self._event_to_row(event)) for event in events]
        for run_id in dict.fromkeys(event.run_id for event in events):
            with self.run_connection(run_id) as connection:
                connection.execute(
                    SqlEventLogStorageTable.insert(), [row for event, row in rows if event.run_id == run_id]
                )
        of_all_runs = [(event, row) for event, row in rows if event.dagster_event_type in _IN_INDEX]
        if of_all_runs:
            with self.index_connection() as connection:
                self._store_in_index(connection, *zip(*of_all_runs, strict=True))

    def _store_in_index(
        self, connection: sa.Connection, events: Sequence[EventLogEntry], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        connection.execute(SqlEventLogStorageTable.insert(), [*rows])
        # who has written holds the file until the transaction ends: SQLite has counted on without a gap
        last = connection.execute(sa.text("SELECT last_insert_rowid()")).scalar_one()
        stored = [*zip(events, range(last - len(rows) + 1, last + 1), strict=True)]
        of_assets = [(event, number) for event, number in stored if event.dagster_event_type in ASSET_EVENTS]
        if of_assets:
            self._store_asset_event_tags(connection, *zip(*of_assets, strict=True))
        # each event of an asset replaces what the one before of its type said of it
        for event, number in {
            (event.get_dagster_event().asset_key, event.dagster_event_type): (event, number)
            for event, number in of_assets
        }.values():
            self._store_asset_event(connection, event, number)
        planned = [
            each for each in stored if each[0].dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
        ]
        if planned:
            connection.execute(
                AssetCheckExecutionsTable.insert(), [row for each in planned for row in _planned_check_rows(*each)]
            )
        for event, number in stored:
            if event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
                self.store_asset_check_event(event, number)

    @contextmanager
    def _kept_open(self, shard: str) -> Iterator[sa.Connection]:
        with self._one_at_a_time:
            if shard in self._begun:
                yield self._begun[shard]
                return
            self._store_waiting()
            with self._engine(shard).begin() as connection:
                self._begun[shard] = connection
                try:
                    yield connection
                finally:
                    del self._begun[shard]

    def _engine(self, shard: str) -> sa.Engine:
        if shard not in self._engines:
            with self._connect(shard):  # makes the file and its tables
                pass
            engine = sa.create_engine(
                self.conn_string_for_shard(shard), connect_args={"timeout": _BUSY_TIMEOUT_SECONDS}
            )
            sa.event.listen(engine, "connect", _without_waiting_for_the_disk)
            self._engines[shard] = engine
        return self._engines[shard]


def _planned_check_rows(event: EventLogEntry, event_id: int | None) -> list[dict[str, Any]]:
    """Dagster's rows of a planned check, one for each partition: the event in them is written out once."""
    planned = cast("AssetCheckEvaluationPlanned", event.get_dagster_event().event_specific_data)
    subset = planned.partitions_subset
    row = {
        "asset_key": planned.asset_key.to_string(),
        "check_name": planned.check_name,
        "run_id": event.run_id,
        "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
        "evaluation_event": serialize_value(event),
        "evaluation_event_timestamp": datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None),
        "evaluation_event_storage_id": event_id,
    }
    return [{**row, "partition": partition} for partition in (subset.get_partition_keys() if subset else [None])]


def _without_waiting_for_the_disk(connection: sqlite3.Connection, _: object) -> None:
    """A power cut may cost the last events of a run, never the file: what matters of a run lies in the lake, too."""
    connection.execute("PRAGMA synchronous=NORMAL")
