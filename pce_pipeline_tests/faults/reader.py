"""A reader who looks at lake and database again and again while runs are killed, and notes what nobody may ever see."""

import threading
from collections.abc import Sequence
from typing import Self

from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.table import Table, content_sha256
from pce_pipeline_tests.faults.stage import Stage, State, received_in, registry_of, rows_of, said_by

_PAUSE_SECONDS = 0.25


class Reader:
    """Looks until the context ends; everything must be as in one of the allowed states, and nothing mixed of two."""

    def __init__(self, stage: Stage, database: str, allowed: Sequence[State]) -> None:
        settings = stage.settings(database)
        self._lake, self._registry = Lake.of(settings), registry_of(settings)
        self._database, self._allowed = database, allowed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self.looked = 0
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        try:
            while not self._over.wait(_PAUSE_SECONDS):
                self._look_at_the_database()
                self._look_at_bronze()
                self._look_at_a_table(self._registry.tables[self.looked % len(self._registry.tables)])
                self.looked += 1
        except Exception as told:  # noqa: BLE001 (whatever a reader meets is what is looked for)
            self.wrong.append(f"a reader met {told!r}")

    def _look_at_the_database(self) -> None:
        rows = rows_of(self._database)
        if not any(rows == each.rows for each in self._allowed):
            differing = [name for name in rows if rows[name] != self._allowed[0].rows.get(name)]
            self.wrong.append(f"Postgres held neither the old nor the new release in {', '.join(differing)}")

    def _look_at_bronze(self) -> None:
        received = received_in(self._lake, self._registry)
        if all(received != each.received for each in self._allowed):
            self.wrong.append("Bronze held neither what was there nor what was to be")

    def _look_at_a_table(self, table: Table) -> None:
        store = self._lake.table(table)
        for key, partition in store.latest().items():
            name = (table.name, key)
            frame = store.read_version(partition)
            if frame is None:
                self.wrong.append(f"{table.name} {key} names a version that is not there")
            elif content_sha256(frame) != partition.content_sha256:
                self.wrong.append(f"{table.name} {key} is not what its pointer says")
            elif all(each.published.get(name) != said_by(frame) for each in self._allowed):
                self.wrong.append(f"{table.name} {key} is of neither release")
