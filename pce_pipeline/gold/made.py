"""What a table of Gold is made by: its derivation, the pure function that computes it, and the rules that judge it.

A dataset whose tables are more than a wide annual one has a package of its name in this room, with its `TABLES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.quality.rules import Rule, Subject
from pce_pipeline.tables.lineage import Derivation


@dataclass(frozen=True)
class GoldTable(Generic[Subject]):
    """A table that is made from the facts of one dataset."""

    derivation: Derivation
    """The table, and how far it looks back."""
    compute: Callable[[pl.DataFrame, Dataset, Sequence[int]], tuple[pl.DataFrame, Subject]]
    """Its rows of some years from the facts of these and those before, and what its rules look at."""
    rules: Sequence[Rule[Subject]]
    """The rules that its rows keep."""
