"""Dagster's event log on a laptop, with its SQLite files kept open for as long as a process writes to them.

Dagster's own storage makes an engine for each of a run's hundreds of events, which costs more than writing them: the
statements are compiled again each time, and who closes a file last writes its log back. It also asks for its own
columns with each event, and writes out a planned check anew for each of its partitions. The files are the same, so that
`dagster dev` reads with Dagster's class what `pce` has written with this one.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData, serialize_value

_BUSY_TIMEOUT_SECONDS = 20


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
        rows = [{**row, "partition": partition} for partition in (subset.get_partition_keys() if subset else [None])]
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), rows)


class KeptOpenEventLog(AskingOnce, SqliteEventLogStorage):
    """Dagster's SQLite event log with one engine per file, for the time of the process."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sa.Engine] = {}
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

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()

    @contextmanager
    def _kept_open(self, shard: str) -> Iterator[sa.Connection]:
        if shard not in self._engines:
            with self._connect(shard):  # makes the file and its tables
                pass
            engine = sa.create_engine(
                self.conn_string_for_shard(shard), connect_args={"timeout": _BUSY_TIMEOUT_SECONDS}
            )
            sa.event.listen(engine, "connect", _without_waiting_for_the_disk)
            self._engines[shard] = engine
        with self._db_lock, self._engines[shard].begin() as connection:
            yield connection


def _without_waiting_for_the_disk(connection: sqlite3.Connection, _: object) -> None:
    """A power cut may cost the last events of a run, never the file: what matters of a run lies in the lake, too."""
    connection.execute("PRAGMA synchronous=NORMAL")
