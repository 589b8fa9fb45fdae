"""What was decided about extracts: the verdict on each when it arrived, and what people decided afterwards.

A verdict is part of its extract's record. A person's decision (use an extract, let it count no more, pin, take back) is
an object of its own, written once and never changed, outside Bronze. What follows from all of them together is not
known here.
"""

from datetime import datetime
from typing import Literal

import msgspec

from pce_pipeline.lake.layout import Layout, join
from pce_pipeline.lake.records import Record, decode_record, encode_record
from pce_pipeline.lake.store import Store


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one table of an extract counts, as decided when the extract arrived."""

    counts: bool
    """Whether the table's figures may become current."""
    why: str
    """The reason, in a sentence."""
    follows: str | None = None
    """The extract date of the vintage it was compared with: the one it would follow."""
    completes: tuple[str, ...] = ()
    """The extracts of the same release that it makes a vintage with; none where it counts alone."""
    lacks: int = 0
    """How many cells of that vintage it does not hold."""
    contradicts: int = 0
    """How many cells of that vintage it says otherwise, although both are of one release."""
    usable: bool = True
    """Whether Silver can be made of it: what cannot be read does not count whatever anybody decides."""


DecisionKind = Literal["over", "instead", "undo", "drop", "pin", "unpin"]


class Decision(Record, frozen=True, kw_only=True):
    """One decision about an extract."""

    kind: DecisionKind
    """`over` lays the extract over the current vintage, `instead` replaces it, `undo` takes either back, `drop` lets
    the extract count no more, `pin` ignores later ones, `unpin` ends that."""
    extract: str
    """The extract date it is about."""
    why: str
    """The reason that was given."""
    decided_at: datetime
    """When (UTC)."""
    layers: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Of `over` and `instead`: the extracts that make up each table from then on, later ones over earlier."""
    at: dict[str, str] = msgspec.field(default_factory=dict)
    """Of `over` and `instead`: the extract date at which each table's new vintage stands."""
    verdicts: dict[str, dict[str, Verdict]] = msgspec.field(default_factory=dict)
    """Judged anew because of this decision: verdicts by extract date and table."""


class DecisionStore:
    """The decisions on one dataset in one lake."""

    def __init__(self, store: Store, layout: Layout, dataset: str) -> None:
        self._store = store
        self._prefix = layout.decisions(dataset)

    def all(self) -> list[Decision]:
        """Every decision, oldest first. Raises `DamagedObject`, `NewerLakeFormat`."""
        bodies = self._store.get_many([info.key for info in self._store.list(self._prefix)], missing_ok=True)
        found = {
            key: decode_record(key, body, Decision, remedy="Restore the object's earlier version.")
            for key, body in bodies.items()
        }
        return [found[key] for key in sorted(found, key=lambda key: (found[key].decided_at, key))]

    def add(self, decision: Decision) -> None:
        """Keeps a decision. Raises `ObjectExists` where another of the same kind was made in the same microsecond."""
        name = f"{decision.decided_at:%Y%m%dT%H%M%S%f}-{decision.kind}-{decision.extract}.json"
        self._store.create(join(self._prefix, name), encode_record(decision))
