"""What both ways agree to do: the stages by name, and what a stage hands to the measurement."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from pce_pipeline_tests.bench.measure import Facts

STAGES = {
    "decode": "Decode Bronze into typed cells",
    "normalise": "Normalise to Silver",
    "silver_rules": "Rules of Silver",
    "publish_silver": "Publish Silver",
    "facts": "Conform the facts",
    "facts_rules": "Rules of the facts",
    "annual": "Levels",
    "metrics": "Metrics",
    "gold_rules": "Rules of levels and metrics",
    "publish_gold": "Publish Gold",
    "load": "Load Postgres, all new",
    "load_again": "Load Postgres, nothing new",
}
"""What is measured, in order, and how a table calls it."""


@dataclass(frozen=True)
class Task:
    """One stage, one way, with its input at hand.

    `work` is measured; it gets what `place` makes for each run (a folder, a database). `look` says what the result
    is, and leaves it for later stages. `share` is the part of the stage's rows that `work` does.
    """

    work: Callable[[Any], Any]
    look: Callable[[Any, Any], Facts]
    place: Callable[[], AbstractContextManager[Any]] = nullcontext
    share: float = 1.0
