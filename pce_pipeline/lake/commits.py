"""Committing to a table: the swap of its pointer, and then the promotion of what it names.

Promotion goes in slices of the table, so that no more of its bytes are held at once than a slice has.
"""

import random
import time
from collections.abc import Collection, Iterator, Mapping

from pce_pipeline.lake.errors import DamagedObject, LostRace
from pce_pipeline.lake.pointer import Partition, Pointer, TableKeys
from pce_pipeline.lake.promotion import Promotion, Seen
from pce_pipeline.lake.store import Store
from pce_pipeline.lake.swapping import ATTEMPTS, PointerSwap, pause

_TIME_TO_PROMOTE_SECONDS = 0.5
_SLICE_BYTES = 16_000_000
"""How many bytes of versions are promoted at once; their files at fixed keys may take three times as many."""


class Commits(PointerSwap):
    """The pointer of one table, and its fixed keys."""

    def __init__(self, store: Store, keys: TableKeys, table: str, promotion: Promotion) -> None:
        super().__init__(store, keys, table)
        self._keys = keys
        self._promotion = promotion

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
        pointer, _ = self.read()
        of_others = self.promote(pointer, seen, at_hand)
        return files + of_others[0], size + of_others[1]

    def promote(
        self, pointer: Pointer, seen: Seen, at_hand: Mapping[str, bytes], only: Collection[str] | None = None
    ) -> tuple[int, int]:
        """Promotes all partitions or some, slice by slice; `at_hand` has bodies by version key.

        Returns files and bytes put. Raises `DamagedObject` where a version is unusable, when all others are promoted,
        and `LostRace` where others never leave off.
        """
        for attempt in range(ATTEMPTS):
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
                pause(attempt)
                seen = self._promotion.look()
                pointer, _token = self.read()
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
