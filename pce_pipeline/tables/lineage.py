"""What is derived from what, how far back it looks, and which version of our code derived it.

Declared once and used twice: Dagster's partition mappings and the lake's own test for staleness come from here, so
that a run started by hand, a CI runner with a fresh instance and the sensor all agree on what is out of date.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pce_pipeline.tables.table import Table

PartHash = Callable[[Table, int, str | None], str | None]
"""The content hash of a table's year, or of a part of it; None where there is none."""


@dataclass(frozen=True)
class FromTable:
    """Another table of the lake as an input."""

    table: Table
    """The table."""
    reach: int = 0
    """How many years before its own a row needs."""
    part: str | None = None
    """The part of it that is read (a dataset of the facts); None for all of it."""
    by_year: bool = False
    """Whether it is read a year at a time, because all years together are too much."""

    def years(self, year: int) -> range:
        """The years of the table that `year` is computed from."""
        return range(year - self.reach, year + 1)


@dataclass(frozen=True)
class FromBronze:
    """The extracts of a dataset that count, as an input."""

    dataset: str
    """The dataset."""
    of: Literal["current", "vintages", "beginnings"] = "current"
    """What of them: the current figures, every vintage that there was, or which vintage was the first of each table."""


Input = FromTable | FromBronze


@dataclass(frozen=True)
class Derivation:
    """One yearly table of the lake and what it is made from.

    For example, a table that is made of the facts of one dataset, and looks four years back:

        >>> from pce_pipeline.tables.facts import GOLD_FACTS
        >>> of_facts = FromTable(GOLD_FACTS, reach=4, part="pce_state")
        >>> derivation = Derivation(GOLD_FACTS, (of_facts,), code_version="1")
        >>> derivation.reach, list(of_facts.years(2024))
        (4, [2020, 2021, 2022, 2023, 2024])
    """

    table: Table
    """The table that is made."""
    inputs: tuple[Input, ...]
    """What it is made from."""
    code_version: str
    """Raised when the same input should give other rows: years made by another version count as stale."""
    covers_all_vintages: bool = False
    """Whether it has the years of every vintage that there was, whatever is pinned; else those of the current one."""
    follows: tuple[Table, ...] = ()
    """Yearly tables that come before it in a run although nothing of it is made from them."""

    @property
    def tables(self) -> tuple[FromTable, ...]:
        """The inputs that are tables."""
        return tuple(each for each in self.inputs if isinstance(each, FromTable))

    @property
    def reach(self) -> int:
        """How many years back it looks at most."""
        return max((each.reach for each in self.tables), default=0)

    def inputs_of(
        self, year: int, part_hash: PartHash, of_bronze: Callable[[FromBronze, int], Mapping[str, str]]
    ) -> dict[str, str]:
        """What a year was or would be computed from: `<table>/<year>`, or the cells of an extract, to content hash.

        Years that an input does not hold are left out, so that their later arrival makes this year stale.
        """
        found: dict[str, str] = {}
        for each in self.inputs:
            if isinstance(each, FromBronze):
                found |= of_bronze(each, year)
                continue
            for earlier in each.years(year):
                digest = part_hash(each.table, earlier, each.part)
                if digest is not None:
                    found[f"{each.table.name}/{earlier}"] = digest
        return found


@dataclass(frozen=True)
class Piece:
    """A table in one piece that is made of other tables of the lake, of all their years."""

    table: Table
    """The table that is made."""
    code_version: str
    """Raised when the same input should give other rows."""
    made_of: tuple[FromTable, ...] = ()
    """The tables, or parts of them, that it is made of; none where it is made of the logs of figures of all."""
    of_lines: bool = False
    """Whether it is made of no table, but of the lines that every vintage in Bronze prints, of all datasets."""
