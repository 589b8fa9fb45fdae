"""A publication in parts: partitions are compared, hashed and written one after the other, and published all at once.

So that a table with many partitions need not be in memory as a whole, and yet nobody sees a part of it: versions are
written as the parts come, the pointer is swapped once, at the end. What is given up before that leaves versions that
nothing names; they are pruned by age.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pce_pipeline.lake.commits import Commits
from pce_pipeline.lake.planning import plan
from pce_pipeline.lake.pointer import NewPartition, Partition, TableKeys
from pce_pipeline.lake.promotion import Promotion
from pce_pipeline.lake.store import Store
from pce_pipeline.lake.swapping import merged

_AT_HAND_BYTES = 64_000_000
"""How many bytes of what was written are kept for the promotion; what is beyond is read again."""


@dataclass(frozen=True)
class Publication:
    """What one `publish` did."""

    written: list[str]
    """The partitions with new content."""
    unchanged: list[str]
    """The partitions that were not touched."""
    refreshed: list[str]
    """The partitions with the same content from other inputs or code."""
    rows: int
    """The rows of those written."""
    objects_written: int
    """Data files written, versions and fixed keys; some, too, where an earlier run's promotion had to be finished."""
    bytes_written: int
    """The bytes of these."""
    partitions: dict[str, Partition]
    """The partitions that were given, as they are published now."""
    before: dict[str, Partition]
    """Those of them that were published before, as they were."""
    rows_in_all: int
    """The rows of all partitions that are published now."""


class Staging:
    """A publication of one table that has begun; `TableStore.staging` begins one."""

    def __init__(
        self,
        store: Store,
        keys: TableKeys,
        commits: Commits,
        promotion: Promotion,
        required: Collection[str],
        run_id: str,
        now: datetime | None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._commits = commits
        self._promotion = promotion
        self._required = required
        self._run_id = run_id
        self._now = now or datetime.now(UTC)
        self._seen = promotion.look()
        self._pointer, self._token = commits.read()
        self._changes: dict[str, Partition] = {}
        self._at_hand: dict[str, bytes] = {}
        self._given: list[str] = []
        self._written: list[str] = []
        self._refreshed: list[str] = []
        self._unchanged: list[str] = []
        self._objects_written = 0
        self._bytes_written = 0

    def add(self, new: Sequence[NewPartition]) -> None:
        """Writes the versions of further partitions, as far as they are not there; their frames are not kept.

        Raises `ValueError` for a partition that was given before.
        """
        if len({*self._given, *(each.key for each in new)}) != len(self._given) + len(new):
            raise ValueError(f"a partition of {self._pointer.table} was given twice")
        todo = plan(
            new,
            self._pointer.partitions,
            self._seen.listing,
            self._keys,
            run_id=self._run_id,
            now=self._now,
            required=self._required,
        )
        self._store.put_many({self._keys.full(version): todo.bodies[version] for version in todo.to_write})
        self._given += [each.key for each in new]
        self._changes |= todo.changes
        self._written += todo.written
        self._refreshed += todo.refreshed
        self._unchanged += todo.unchanged
        self._objects_written += len(todo.to_write)
        self._bytes_written += sum(len(todo.bodies[version]) for version in todo.to_write)
        if sum(map(len, self._at_hand.values())) + sum(map(len, todo.bodies.values())) <= _AT_HAND_BYTES:
            self._at_hand |= todo.bodies

    def publish(self) -> Publication:
        """Swaps the pointer, and promotes to the fixed keys; finishes promotions that earlier runs did not.

        Raises `LostRace`, with nothing committed, where another run has changed one of the same partitions since this
        began; `DamagedObject` where a promotion cannot be finished, though the commit is done.
        """
        pointer, seen = self._pointer, self._seen
        table, base = pointer.table, pointer.partitions
        if self._changes:
            pointer, rebased = self._commits.commit(
                pointer, self._token, lambda there: merged(table, base, there, self._changes)
            )
            if rebased:
                seen = self._promotion.look()
                pointer, _ = self._commits.read()
        files, size = self._commits.promote_ours_first(pointer, seen, self._at_hand, set(self._given))
        return Publication(
            written=self._written,
            unchanged=self._unchanged,
            refreshed=self._refreshed,
            rows=sum(self._changes[key].rows for key in self._written),
            objects_written=self._objects_written + files,
            bytes_written=self._bytes_written + size,
            partitions={key: pointer.partitions[key] for key in self._given if key in pointer.partitions},
            before={key: base[key] for key in self._given if key in base},
            rows_in_all=sum(partition.rows for partition in pointer.partitions.values()),
        )
