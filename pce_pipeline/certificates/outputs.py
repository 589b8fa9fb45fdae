"""What is published of the current figures of a dataset: content hashes of the partitions of Silver, facts and Gold.

Reads pointers, never data. A year that a table has of other figures, of other code or not at all is named as not
published.
"""

from collections.abc import Mapping

from pce_pipeline.bronze.current import Current
from pce_pipeline.certificates.statement import Outputs
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.lineage import Derivation, FromBronze
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table


def outputs_stated(now: Current, lake: Lake, registry: Registry) -> Outputs:
    """The tables that are made of a dataset, by year, each as far as it is made of what counts now."""
    published = _Published(now, lake, registry)
    name = now.dataset.name
    of_years = [] if now.dataset.is_monthly else [registry.facts]
    for derivation in (registry.silver[name], *of_years, *registry.gold[name]):
        published.look_at(derivation)
    found = published.found
    lacking = {table: tuple(year for year in published.covered if year not in found[table]) for table in found}
    return Outputs(
        published={table: {str(year): digest for year, digest in years.items()} for table, years in found.items()},
        not_published={table: years for table, years in lacking.items() if years},
    )


class _Published:
    """What was found of each table so far; a table is looked at after those that it is made of."""

    def __init__(self, now: Current, lake: Lake, registry: Registry) -> None:
        self.covered = sorted(now.covered_years)
        self.found: dict[str, dict[int, str]] = {}
        self._now, self._lake, self._registry = now, lake, registry
        self._held: dict[str, Mapping[str, Partition]] = {}

    def look_at(self, derivation: Derivation) -> None:
        """The years of a table that are made of the current figures, with the hash of what is this dataset's."""
        part = self._now.dataset.name if derivation is self._registry.facts else None
        self.found[derivation.table.name] = {
            year: digest
            for year in self.covered
            if (digest := self._part_hash(derivation.table, year, part)) and self._is_current(derivation, year)
        }

    def _is_current(self, derivation: Derivation, year: int) -> bool:
        partition = self._partition(derivation.table, year)
        if partition is None or partition.code_version != derivation.code_version:
            return False
        expected = derivation.inputs_of(year, self._part_hash, self._of_bronze)
        # the facts of other datasets share the partition, and do not matter
        silver = f"{self._registry.silver[self._now.dataset.name].table.name}/"
        matters = [
            name
            for name in expected.keys() | partition.inputs.keys()
            if derivation is not self._registry.facts or name.startswith(silver)
        ]
        return all(expected.get(name) == partition.inputs.get(name) for name in matters) and all(
            earlier in self.found[each.table.name]
            for each in derivation.tables
            if each.table.name in self.found
            for earlier in each.years(year)
            if earlier in self.covered
        )

    def _partition(self, table: Table, year: int) -> Partition | None:
        if table.name not in self._held:
            self._held[table.name] = self._lake.table(table).latest()
        return self._held[table.name].get(str(year))

    def _part_hash(self, table: Table, year: int, part: str | None) -> str | None:
        partition = self._partition(table, year)
        return None if partition is None else partition.part_sha256(part)

    def _of_bronze(self, source: FromBronze, year: int) -> Mapping[str, str]:
        return self._now.inputs(year) if source.dataset == self._now.dataset.name else {}
