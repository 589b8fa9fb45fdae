"""Swapping the pointer of a table, again after each lost race, and promoting what it names then.

The swap is the commit of a publication. Promotion follows in slices of the table, so that no more of its bytes are held
at once than a slice has.
"""

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from pce_pipeline.lake.errors import DamagedObject, LostRace, MissingObject
from pce_pipeline.lake.pointer import Partition, Pointer, TableKeys
from pce_pipeline.lake.promotion import Promotion, Seen
from pce_pipeline.lake.records import decode_record, encode_record
from pce_pipeline.lake.store import Store

_ATTEMPTS = 40
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0
_TIME_TO_PROMOTE_SECONDS = 0.5
_SLICE_BYTES = 16_000_000
"""How many bytes of versions are promoted at once; their files at fixed keys may take three times as many."""


class Commits:
    """The pointer of one table, and its fixed keys."""

    def __init__(self, store: Store, keys: TableKeys, table: str, promotion: Promotion) -> None:
        self._store = store
        self._keys = keys
        self._table = table
        self._promotion = promotion

    def pointer(self) -> tuple[Pointer, str | None]:
        """The pointer and its token, None before the first publication.

        Raises `NewerLakeFormat`, and `DamagedObject` for a pointer that cannot be read.
        """
        try:
            body, token = self._store.get_versioned(self._keys.pointer)
        except MissingObject:
            return Pointer(table=self._table, partitions={}), None
        return decode_record(self._keys.pointer, body, Pointer), token

    def commit(
        self, pointer: Pointer, token: str | None, change: Callable[[dict[str, Partition]], dict[str, Partition]]
    ) -> tuple[Pointer, bool]:
        """Swaps the pointer, again after each lost race; returns it, and whether others had changed it meanwhile."""
        for attempt in range(_ATTEMPTS):
            partitions = dict(sorted(change(pointer.partitions).items()))
            if attempt and partitions == pointer.partitions:
                return pointer, True  # a repeated request may lose the race against its own first try
            swapped = Pointer(table=self._table, partitions=partitions)
            try:
                self._store.replace(self._keys.pointer, encode_record(swapped), token)
            except LostRace:
                _pause(attempt)
                pointer, token = self.pointer()
            else:
                return swapped, attempt > 0
        raise LostRace(self._keys.pointer)

    def merged(
        self, base: Mapping[str, Partition], there: Mapping[str, Partition], changes: Mapping[str, Partition]
    ) -> dict[str, Partition]:
        """`there` with our changes. Raises `LostRace` for partitions that are no longer those of `base`."""
        ours = {key: partition for key, partition in changes.items() if not partition.says_the_same_as(there.get(key))}
        taken = [key for key in ours if there.get(key) != base.get(key)]
        if taken:
            raise LostRace(self._table, partitions=taken)
        return {**there, **ours}

    def promote_ours_first(
        self, pointer: Pointer, seen: Seen, at_hand: Mapping[str, bytes], ours: Collection[str]
    ) -> tuple[int, int]:
        """Promotes our partitions, then what another run has committed and not promoted.

        That run is given time to do so itself: many that finish each other's promotions at once only undo them, because
        each file that is put anew is unknown to the manifest of whoever put it before.
        """
        files, size = self.promote(pointer, seen, at_hand, ours)
        if self._promotion.behind(pointer, seen) <= set(ours):
            return files, size
        time.sleep(random.uniform(0, _TIME_TO_PROMOTE_SECONDS))  # noqa: S311 (no secret)
        seen = self._promotion.look()
        pointer, _ = self.pointer()
        of_others = self.promote(pointer, seen, at_hand)
        return files + of_others[0], size + of_others[1]

    def promote(
        self, pointer: Pointer, seen: Seen, at_hand: Mapping[str, bytes], only: Collection[str] | None = None
    ) -> tuple[int, int]:
        """Promotes all partitions or some, slice by slice; `at_hand` has bodies by version key.

        Returns files and bytes put. Raises `DamagedObject` where a version is unusable, when all others are promoted,
        and `LostRace` where others never leave off.
        """
        for attempt in range(_ATTEMPTS):
            files, size, damaged = 0, 0, None
            try:
                for part in self._slices(pointer, only):
                    try:
                        put = self._promotion.promote(part, seen, at_hand)
                    except DamagedObject as damage:
                        damaged = damaged or damage
                    else:
                        files, size = files + put[0], size + put[1]
            except LostRace:
                _pause(attempt)
                seen = self._promotion.look()
                pointer, _token = self.pointer()
                continue
            if damaged is not None:
                raise damaged
            return files, size
        raise LostRace(self._keys.prefix)

    def _slices(self, pointer: Pointer, only: Collection[str] | None) -> Iterator[Pointer]:
        """The partitions, or some of them, as many at a time as fit into a slice."""
        part: dict[str, Partition] = {}
        size = 0
        for key, each in pointer.partitions.items():
            if only is not None and key not in only:
                continue
            own = sum(stored.bytes for stored in each.objects)
            if part and size + own > _SLICE_BYTES:
                yield Pointer(table=self._table, partitions=part)
                part, size = {}, 0
            part[key], size = each, size + own
        yield Pointer(table=self._table, partitions=part)


def _pause(attempt: int) -> None:
    """Long enough for those that met once not to meet again, and longer each time: the more meet, the more it takes."""
    longest = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
    time.sleep(random.uniform(0, longest))  # noqa: S311 (no secret)
