"""The pointer of one table: read with the token that swaps it, swapped by compare-and-swap, restored where it is lost.

Who loses the race looks again at what the other has written, and changes that. Nothing else here is ever written.
"""

import random
import time
from collections.abc import Callable, Mapping
from typing import Literal

from pce_pipeline.lake.errors import DamagedObject, LostRace, MissingObject
from pce_pipeline.lake.healing import partitions_of_manifests
from pce_pipeline.lake.integrity import NOTHING, Damage
from pce_pipeline.lake.pointer import Partition, Pointer, TableKeys
from pce_pipeline.lake.promotion import Seen
from pce_pipeline.lake.records import decode_record, encode_record
from pce_pipeline.lake.store import Store

ATTEMPTS = 40
"""How often a race is tried again before it is told as lost."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0


class PointerSwap:
    """Reads and swaps the pointer of one table."""

    def __init__(self, store: Store, keys: TableKeys, table: str) -> None:
        self._store = store
        self._key = keys.pointer
        self._table = table

    def read(self) -> tuple[Pointer, str | None]:
        """The pointer and its token: an empty pointer and None before the first publication.

        Raises `NewerLakeFormat`, and `DamagedObject` for a pointer that cannot be read.
        """
        try:
            body, token = self._store.get_versioned(self._key)
        except MissingObject:
            return Pointer(table=self._table, partitions={}), None
        return decode_record(self._key, body, Pointer), token

    def commit(
        self, pointer: Pointer, token: str | None, change: Callable[[dict[str, Partition]], dict[str, Partition]]
    ) -> tuple[Pointer, bool]:
        """Swaps the pointer, again after each lost race; returns it, and whether others had changed it meanwhile.

        `change` is given the partitions that are there. Raises `LostRace` where others are always faster.
        """
        for attempt in range(ATTEMPTS):
            partitions = dict(sorted(change(pointer.partitions).items()))
            if attempt and partitions == pointer.partitions:
                return pointer, True  # a repeated request may lose the race against its own first try
            swapped = Pointer(table=self._table, partitions=partitions)
            try:
                self._store.replace(self._key, encode_record(swapped), token)
            except LostRace:
                pause(attempt)
                pointer, token = self.read()
            else:
                return swapped, attempt > 0
        raise LostRace(self._key)

    def restored(self, seen: Seen) -> list[Damage]:
        """Writes a pointer that is gone or cannot be read again from the manifests; what was wrong with it."""
        token = None
        try:
            _, token = self.read()
        except DamagedObject:
            token = self._store.get_versioned(self._key)[1]
        else:
            if token is not None or not seen.manifests:
                return []
        pointer = Pointer(table=self._table, partitions=dict(sorted(partitions_of_manifests(seen).items())))
        self._store.replace(self._key, encode_record(pointer), token)
        problem: Literal["missing", "changed"] = "missing" if token is None else "changed"
        return [Damage(self._key, problem, "a pointer", NOTHING if token is None else "something else")]


def merged(
    table: str, base: Mapping[str, Partition], there: Mapping[str, Partition], changes: Mapping[str, Partition]
) -> dict[str, Partition]:
    """`there` with our changes. Raises `LostRace` for partitions that are no longer those of `base`."""
    ours = {key: partition for key, partition in changes.items() if not partition.says_the_same_as(there.get(key))}
    taken = [key for key in ours if there.get(key) != base.get(key)]
    if taken:
        raise LostRace(table, partitions=taken)
    return {**there, **ours}


def pause(attempt: int) -> None:
    """Long enough for those that met once not to meet again, and longer each time: the more meet, the more it takes."""
    longest = min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS)
    time.sleep(random.uniform(0, longest))  # noqa: S311 (no secret)
