"""What both ways agree to do: the stages by name, and what a stage hands to the measurement."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from pce_pipeline_tests.bench.measure import Facts

STAGES = {
    "decode": "decode Bronze into typed cells",
    "normalise": "normalise to Silver",
    "silver_rules": "rules of Silver",
    "publish_silver": "publish Silver",
    "facts": "conform the facts",
    "facts_rules": "rules of the facts",
    "annual": "levels",
    "metrics": "metrics",
    "gold_rules": "rules of levels, metrics",
    "publish_gold": "publish Gold",
    "load": "load Postgres, all new",
    "load_again": "load Postgres, nothing new",
}
"""What is measured, in order, and what tables call it."""

_ROWS_UPSERTED = 25_000


@dataclass(frozen=True)
class Task:
    """One stage, one way, with its input at hand.

    `work` is measured; it gets what `place` makes for each run (a folder, a database). `look` says what the result
    is, its rows among other things, and leaves it for later stages. `share` is the part of the stage's rows that
    `work` does, by which its time is scaled.
    """

    work: Callable[[Any], Any]
    look: Callable[[Any, Any], Facts]
    place: Callable[[], AbstractContextManager[Any]] = nullcontext
    share: float = 1.0


def years_upserted(years: Sequence[int], rows: int) -> list[int]:
    """The newest years that together have 25,000 of the rows, which is what plain upserts are tried on."""
    wanted = -(-_ROWS_UPSERTED * len(years) // max(rows, 1))
    return list(years)[-wanted:]
