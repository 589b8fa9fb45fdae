"""Dagster's event log on a laptop, with its SQLite files kept open for as long as a process writes to them.

Dagster's own storage makes an engine for each of a run's hundreds of events, which costs more than writing them: the
statements are compiled again each time, and who closes a file last writes its log back. The files are the same, so
that `dagster dev` reads with Dagster's class what `pce` has written with this one.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData

_BUSY_TIMEOUT_SECONDS = 20


class KeptOpenEventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log with one engine per file, for the time of the process."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sa.Engine] = {}
        self._tables: set[str] = set()
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

    def has_table(self, table_name: str) -> bool:
        """Whether the index has this table, which is asked for each event and stays so once it is."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

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
