"""Whether Postgres holds what Gold says: per table and partition, by checkpoints, counts and hashes of the rows.

Pure comparison; what the database says of itself is `warehouse.contents`' business.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pce_pipeline.lake.pointer import Partition
from pce_pipeline.schemas import Table
from pce_pipeline.warehouse.contents import Content, Key
from pce_pipeline.warehouse.reading import Checkpoint
from pce_pipeline.years import years_text


@dataclass(frozen=True)
class Parity:
    """How one table of Postgres compares with Gold; partitions are years, or `all`."""

    table: str
    """The table's name in schemas.py."""
    absent: tuple[str, ...] = ()
    """Published in Gold and never loaded, as far as checkpoints say."""
    another: tuple[str, ...] = ()
    """Loaded from another content than Gold's."""
    surplus: tuple[str, ...] = ()
    """In Postgres and not in Gold."""
    miscounted: Mapping[str, tuple[int, int]] | None = None
    """Where there are not as many rows as were loaded: how many there are, and how many were loaded."""
    changed: tuple[str, ...] = ()
    """As many rows as were loaded, and not the same ones."""
    unknown: tuple[str, ...] = ()
    """As many rows as were loaded; what they are cannot be told, because no comparable hash was kept."""

    @property
    def problems(self) -> dict[str, tuple[str, ...]]:
        """What is wrong, in words, and the partitions it is wrong with; nothing where all is as in Gold."""
        found = {
            f"Postgres holds no {self.table}": self.absent,
            f"Postgres holds another {self.table} than Gold": self.another,
            f"Postgres holds {self.table} that Gold does not": self.surplus,
            f"rows of {self.table} in Postgres are not those that were loaded": self.changed,
        }
        if self.miscounted:
            there, loaded = (sum(counts[which] for counts in self.miscounted.values()) for which in (0, 1))
            found[f"Postgres holds {there:,} of {loaded:,} rows of {self.table}"] = tuple(self.miscounted)
        return {what: partitions for what, partitions in found.items() if partitions}

    @property
    def examples(self) -> list[str]:
        """One line for each problem."""
        return [f"{what}: {years_text(partitions) or 'all of it'}" for what, partitions in self.problems.items()]


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
    surplus = sorted((loaded.keys() | there.keys()) - gold.keys())
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
        tuple(surplus),
        miscounted,
        tuple(key for key, is_other in others.items() if is_other),
        tuple(key for key, is_other in others.items() if is_other is None),
    )
