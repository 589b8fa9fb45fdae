"""What a table of Gold is made by: its declaration, the pure function that computes it, and the rules that judge it.

A dataset whose tables are more than a wide annual one has a package of its name in this room, with its `TABLES`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.formulas import Formula
from pce_pipeline.quality.rules import Rule, Subject
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.table import Table


@dataclass(frozen=True)
class Inputs:
    """What a table of Gold is computed from."""

    tables: Mapping[str, pl.DataFrame]
    """The rows of each table that it derives from, by name: of its years, and of those that it reaches back to."""
    dataset: Dataset
    """The dataset that it is of."""
    years: Sequence[int]
    """The years to compute."""

    def of(self, table: Table) -> pl.DataFrame:
        """The rows of a table that it derives from."""
        return self.tables[table.name]

    @property
    def facts(self) -> pl.DataFrame:
        """The conformed facts of its dataset."""
        return self.of(GOLD_FACTS)


@dataclass(frozen=True)
class GoldTable(Generic[Subject]):
    """A table that is made from the facts of one dataset, and what else its derivation names."""

    table: Table
    """The table."""
    compute: Callable[[Inputs], tuple[pl.DataFrame, Subject]]
    """Its rows of some years, and what its rules look at."""
    rules: Sequence[Rule[Subject]]
    """The rules that its rows keep."""
    formulas: Mapping[str, Formula]
    """How each of its columns that is a number follows from figures, apart from what computes it: for who traces it."""


@dataclass(frozen=True)
class GoldPiece(Generic[Subject]):
    """A table in one piece that is made of other tables, of all their years (`tables.lineage.Piece`)."""

    table: Table
    """The table."""
    read: Mapping[str, pl.Expr]
    """Which rows of each table that it is made of are read, by name."""
    compute: Callable[[Inputs], tuple[pl.DataFrame, Subject]]
    """Its rows, and what its rules look at."""
    judged: Callable[[pl.DataFrame, Callable[[], Inputs]], Subject]
    """What the rules look at where nothing has changed and nothing is computed: its rows, and what is asked for."""
    rules: Sequence[Rule[Subject]]
    """The rules that its rows keep."""
