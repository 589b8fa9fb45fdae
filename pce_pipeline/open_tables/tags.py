"""The tags of a table: the newest extract of a dataset and its release, once the table is made of nothing older.

A table of one dataset has `extract-2026-02-23` and `release-2025-10-02`; of one that all share (the facts, dimensions,
what is made of several), the name of the dataset and a dash come first. A refresh that stopped half-way leaves a table
that is of no extract, and gets none.
"""

from collections.abc import Iterator, Mapping

from pce_pipeline.bronze.counting import Source
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.history import History, covered_years, inputs_of_piece
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.tables.lineage import Derivation, FromBronze
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

Published = Mapping[str, Mapping[str, Partition]]
"""The partitions of each table, by its name."""


class Tags:
    """The tags of the tables of one lake as it is now."""

    def __init__(self, registry: Registry, held: Mapping[str, Current], published: Published) -> None:
        self._registry = registry
        self._held = {name: now for name, now in held.items() if now.unpinned}
        self._published = published
        self._histories = {name: History(now) for name, now in held.items()}
        self._known: dict[tuple[str, str], bool] = {}

    def of(self, table: Table) -> list[str]:
        """The tags of a table, in order."""
        return sorted(self._each(table))

    def _each(self, table: Table) -> Iterator[str]:
        derivation = next((each for each in self._registry.derivations if each.table.name == table.name), None)
        datasets = tuple(self._registry.datasets) if derivation is None else self._registry.datasets_of(derivation)
        shares = derivation is None or derivation == self._registry.facts or len(datasets) > 1
        for name in datasets:
            now = self._held.get(name)
            if now is None:
                continue
            is_current = (
                self._is_current(derivation, name) if derivation is not None else self._is_piece_current(table, name)
            )
            if is_current:
                # a log has all vintages, and so has what is made of logs, whatever is pinned
                is_of_current = derivation is not None and not derivation.covers_all_vintages
                yield from _tags_of(now.sources if is_of_current else now.unpinned, f"{name}-" if shares else "")

    def _is_current(self, derivation: Derivation, dataset: str) -> bool:
        """Whether all that a table has of a dataset is made of what counts now."""
        key = derivation.table.name, dataset
        if key not in self._known:
            self._known[key] = self._looked_at(derivation, dataset)
        return self._known[key]

    def _looked_at(self, derivation: Derivation, dataset: str) -> bool:
        partitions = self._published.get(derivation.table.name, {})
        shares = len(self._registry.datasets_of(derivation)) > 1
        # what a shared table has of other datasets does not matter
        own = f"{self._registry.silver[dataset].table.name}/"
        for year in covered_years(derivation, {dataset: self._held[dataset]}):
            partition = partitions.get(str(year))
            if partition is None or partition.code_version != derivation.code_version:
                return False
            expected = derivation.inputs_of(year, self._part_hash, self._of_bronze)
            names = [name for name in expected.keys() | partition.inputs.keys() if not shares or name.startswith(own)]
            if any(expected.get(name) != partition.inputs.get(name) for name in names):
                return False
        made_of = (self._registry.derivation_of(each.table) for each in derivation.tables)
        return all(self._is_current(each, dataset) for each in made_of if dataset in self._registry.datasets_of(each))

    def _is_piece_current(self, table: Table, dataset: str) -> bool:
        """Whether a table in one piece is made of what there is, and there is nothing older of the dataset."""
        partition, piece = self._published.get(table.name, {}).get(WHOLE), self._registry.pieces.get(table.name)
        if partition is None or not self._is_current(self._registry.silver[dataset], dataset):
            return False
        if piece is None:
            return True
        inputs = inputs_of_piece(piece, self._registry, self._published, self._histories)
        figures = self._registry.figures.get(dataset)
        return (partition.inputs, partition.code_version) == (inputs, piece.code_version) and (
            figures is None or self._is_current(figures, dataset)
        )

    def _part_hash(self, table: Table, year: int, part: str | None) -> str | None:
        partition = self._published.get(table.name, {}).get(str(year))
        return None if partition is None else partition.part_sha256(part)

    def _of_bronze(self, source: FromBronze, year: int) -> Mapping[str, str]:
        now = self._held.get(source.dataset)
        if now is None:
            return {}
        if source.of == "current":
            return now.inputs(year)
        history = self._histories[source.dataset]
        return history.inputs(year) if source.of == "vintages" else history.beginnings


def _tags_of(sources: Mapping[str, Source], prefix: str) -> Iterator[str]:
    layers = [layer for source in sources.values() for layer in source.newest.layers]
    if layers:
        yield f"{prefix}extract-{max(layer.extract for layer in layers)}"
    releases = [layer.release for layer in layers if layer.release is not None]
    if releases:
        yield f"{prefix}release-{max(releases)}"
