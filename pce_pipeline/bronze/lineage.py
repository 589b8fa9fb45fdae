"""Which extracts a published partition follows from, told by the manifests of the lake alone.

A partition names the hashes of what it was made of, and Silver's the vintage of each of BEA's tables. So a partition of
any table leads to extracts, as long as each hash that it names is that of the partition which is there. Nothing is
read here.
"""

from collections.abc import Mapping, Sequence

from pce_pipeline.bronze.current import EXTRACTS
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.quality.facts import MIXED_WITH
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

Extracts = Mapping[str, Sequence[str]]
"""The extracts that figures were taken from, in order, by BEA table."""


class ExtractsBehind:
    """The extracts behind the partitions of a lake, given the partitions of each of its tables."""

    def __init__(self, registry: Registry, published: Mapping[str, Mapping[str, Partition]]) -> None:
        self._registry = registry
        self._published = published
        self._known: dict[tuple[str, str], Extracts] = {}

    def of(self, table: Table, partition: Partition) -> dict[str, list[str]]:
        """The extracts that a partition follows from, by BEA table.

        There are several of one BEA table where it is a mixture, or where the table looks years back. A log of all
        vintages has none of its own; neither has what was made of something that is no longer there.
        """
        of = self._datasets_of(table)
        return {
            bea_table: list(extracts)
            for bea_table, extracts in self._behind(table.name, partition).items()
            if self._registry.bea_tables.get(bea_table) in of
        }

    def _datasets_of(self, table: Table) -> set[str]:
        """The datasets that a table is made of; a dimension is of none."""
        if table.is_yearly:
            return set(self._registry.datasets_of(self._registry.derivation_of(table)))
        piece = self._registry.pieces.get(table.name)
        sources = piece.made_of if piece is not None else ()
        return {name for each in sources for name in ([each.part] if each.part else self._datasets_of(each.table))}

    def _behind(self, name: str, partition: Partition) -> Extracts:
        if EXTRACTS in partition.details:
            return extracts_of(partition.details[EXTRACTS])
        if (name, partition.key) in self._known:
            return self._known[name, partition.key]
        found: dict[str, set[str]] = {}
        for source, digest in partition.inputs.items():
            table, _, key = source.rpartition("/")
            there = self._published.get(table, {}).get(key)
            if there is None or digest not in {there.content_sha256, *there.parts.values()}:
                continue
            for bea_table, extracts in self._behind(table, there).items():
                found.setdefault(bea_table, set()).update(extracts)
        self._known[name, partition.key] = told = {table: in_order(each) for table, each in sorted(found.items())}
        return told


def extracts_of(vintages: Mapping[str, str]) -> dict[str, list[str]]:
    """The extracts of vintages, by BEA table, as manifests of Silver name them.

    >>> extracts_of({"T1": "2026-02-23 with 2025-10-02"})
    {'T1': ['2025-10-02', '2026-02-23']}
    """
    return {table: in_order(set(vintage.split(MIXED_WITH))) for table, vintage in vintages.items()}


def in_order(extracts: set[str]) -> list[str]:
    """Names of extracts in the order of their dates and numbers."""
    return sorted(extracts, key=ExtractId.parse)


def is_rolled_back(before: Extracts, after: Extracts) -> bool:
    """Whether the newest extract behind any of BEA's tables is an earlier one than it was.

    >>> is_rolled_back({"T1": ["2026-02-23"], "T2": ["2025-10-02"]}, {"T1": ["2025-09-25"], "T2": ["2025-10-02"]})
    True
    >>> is_rolled_back({"T1": ["2026-02-23.2"]}, {"T1": ["2026-02-23.10"], "T2": ["2025-10-02"]})
    False
    """
    return any(
        max(map(ExtractId.parse, after[table])) < max(map(ExtractId.parse, before[table]))
        for table in before.keys() & after.keys()
    )
