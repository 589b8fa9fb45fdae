"""The contract of one asset, and how tables may change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pce_pipeline.bronze.rules import Extract
from pce_pipeline.contracts.stored import MadeOf, StoredTable
from pce_pipeline.quality.rows import TableRows
from pce_pipeline.quality.rules import Rule
from pce_pipeline.tables.joins import Join
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.parity import Parity

Layer = Literal["bronze", "silver", "gold", "postgres"]

EVOLUTION = {
    "a new column": "is appended, so that a column's place stays its field id; minor version. A year that was made "
    "before is stale (its code version is another), and is made again by the next refresh; Postgres gets the column by "
    "a migration.",
    "a new table, dataset, category, area, status or kind": "may come with any minor version: read what you know by "
    "name, and do not count on a list being complete.",
    "another name, type, unit, key, grain or meaning of a column, or one that goes": "never happens within a major "
    "version. The new one comes beside the old one first, for one minor version at least.",
    "other figures from the same answers of BEA": "the code version of the table is raised, and the entry of the "
    "changelog says which figures change and why; minor version.",
    "an estimate made otherwise": "as other figures; columns of estimates say so in their names or in `is_estimate`.",
}
"""How tables may change, each with what it takes."""

TOLD = (
    "Readers are told by CHANGELOG.md, where each entry says its effect on the data, by the comments on tables and "
    "columns in Postgres, which every load writes anew, and by the page of the table in Dagster."
)
"""Who is told of a change, and how."""


@dataclass(frozen=True)
class Contract:
    """What one asset promises."""

    asset: str
    """Its path: `gold/pce_state_annual`, `bronze/pce_state`."""
    promise: str
    """What it holds, in a sentence."""
    layer: Layer
    """Its layer."""
    table: Table | None = None
    """Its table's declaration; None where it holds no table (Bronze, certificates)."""
    rules: tuple[Rule[Any], ...] = ()
    """What is judged of it before it is published, by rules of its own."""
    of_rows: tuple[Rule[TableRows], ...] = ()
    """What is judged of it before it is published, by rules of every table."""
    of_stored: tuple[Rule[StoredTable] | Rule[Parity] | Rule[MadeOf] | Rule[Extract], ...] = ()
    """What is judged of what is stored already."""
    joins: tuple[Join, ...] = ()
    """What its rows may be joined to."""

    @property
    def gate(self) -> tuple[Rule[Any], ...]:
        """All that is judged before it is published."""
        return (*self.rules, *self.of_rows)

    def __iter__(self) -> Iterator[Rule[Any]]:
        """All its rules."""
        yield from self.gate
        yield from self.of_stored

    def rule(self, name: str) -> Rule[Any] | None:
        """One of its rules; None for a name that it has none of: one of an earlier version."""
        return next((each for each in self if each.name == name), None)
