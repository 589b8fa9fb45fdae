"""Whether Postgres holds what Gold says: per table and partition, by checkpoints, counts and hashes of the rows.

Pure comparison; what the database says of itself is `warehouse.contents`' business.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from pce_pipeline.lake.pointer import Partition
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.years import years_text
from pce_pipeline.warehouse.contents import Content, Key
from pce_pipeline.warehouse.reading import Checkpoint


@dataclass(frozen=True)
class Parity:
    """How one table of Postgres compares with Gold; partitions are years, or `all`."""

    table: str
    """The table's name in tables/registry.py."""
    absent: tuple[str, ...] = ()
    """Published in Gold and never loaded, as far as checkpoints say."""
    another: tuple[str, ...] = ()
    """Loaded from another content than Gold's."""
    surplus: tuple[str, ...] = ()
    """Loaded once, and not in Gold any more."""
    strange: tuple[str, ...] = ()
    """Rows that nobody loaded, of partitions that Gold does not have."""
    miscounted: Mapping[str, tuple[int, int]] | None = None
    """Where there are not as many rows as were loaded: how many there are, and how many were loaded."""
    changed: tuple[str, ...] = ()
    """As many rows as were loaded, and not the same ones."""
    unknown: tuple[str, ...] = ()
    """As many rows as were loaded; what they are cannot be told, because no comparable hash was kept."""

    def within(self, partitions: Collection[str]) -> "Parity":
        """What it says of these partitions alone."""
        return Parity(
            self.table,
            miscounted={key: counts for key, counts in (self.miscounted or {}).items() if key in partitions},
            **{
                name: tuple(key for key in getattr(self, name) if key in partitions)
                for name in ("absent", "another", "surplus", "strange", "changed", "unknown")
            },
        )

    @property
    def problems(self) -> list["Problem"]:
        """What is wrong; nothing where all is as in Gold."""
        counts = self.miscounted or {}
        there, loaded = (sum(each[which] for each in counts.values()) for which in (0, 1))
        found = [
            Problem("absent", f"Postgres holds no {self.table}", self.absent),
            Problem("another", f"Postgres holds another {self.table} than Gold", self.another),
            Problem("surplus", f"Postgres holds {self.table} that Gold does not", self.surplus),
            Problem("strange", f"Postgres holds rows of {self.table} that nobody loaded", self.strange),
            Problem("miscounted", f"Postgres holds {there:,} of {loaded:,} rows of {self.table}", tuple(counts)),
            Problem("changed", f"rows of {self.table} in Postgres are not those that were loaded", self.changed),
        ]
        return [each for each in found if each.partitions]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a table of Postgres."""

    kind: Literal["absent", "another", "surplus", "strange", "miscounted", "changed"]
    """Which of the fields of `Parity` it is."""
    what: str
    """The same in words."""
    partitions: tuple[str, ...]
    """Where."""

    @property
    def where(self) -> str:
        """The years; nothing for a table without years."""
        years = years_text(self.partitions)
        return f" in {years}" if years else ""

    def __str__(self) -> str:
        return f"{self.what}{self.where}"


def parity(
    table: Table,
    gold: Mapping[str, Partition],
    checkpoints: Mapping[Key, Checkpoint],
    contents: Mapping[Key, Content],
) -> Parity:
    """Compare one table. A partition is named once, under the first thing that is wrong with it."""
    loaded = {partition: each for (name, partition), each in checkpoints.items() if name == table.name}
    there = {partition: each for (name, partition), each in contents.items() if name == table.name}
    absent = [key for key in gold if key not in loaded]
    another = [key for key in gold if key in loaded and loaded[key].content_sha256 != gold[key].content_sha256]
    judged = [key for key in gold if key not in {*absent, *another}]
    miscounted = {
        key: (there[key].rows if key in there else 0, loaded[key].rows)
        for key in judged
        if (there[key].rows if key in there else 0) != loaded[key].rows
    }
    others = {
        key: there[key].is_other_than(loaded[key].held_hash or "") for key in judged if key in there.keys() - miscounted
    }
    return Parity(
        table.name,
        tuple(absent),
        tuple(another),
        tuple(sorted(loaded.keys() - gold.keys())),
        tuple(sorted(there.keys() - loaded.keys() - gold.keys())),
        miscounted,
        tuple(key for key, is_other in others.items() if is_other),
        tuple(key for key, is_other in others.items() if is_other is None),
    )
