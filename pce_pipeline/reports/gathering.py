"""What a report says beside the run's own record, read from the lake: extracts, drift, quarantine, missing figures.

Only what the run touched is read, and what an earlier report has counted in the same content is taken from there.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property

import polars as pl

from pce_pipeline.bronze.counting import Vintage
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.manifest import Manifest
from pce_pipeline.bronze.quarantine import listed
from pce_pipeline.bulletins.making import lines_known
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunRecord
from pce_pipeline.quality.facts import MIXED_WITH
from pce_pipeline.reports.drift import Columns, Shape, differences
from pce_pipeline.reports.making import Beside, Earlier
from pce_pipeline.reports.missing import figures_by_dataset, missing_cells, missing_of
from pce_pipeline.reports.report import (
    Compared,
    ExtractOf,
    LayerName,
    LayerPart,
    MissingOf,
    QuarantineOf,
    TableOf,
)
from pce_pipeline.reports.steps import layer_of
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.years import years_text

_COUNTED = ["dataset", "geo_fips", "state", "year", "value", "status"]


class Gatherer:
    """Reads what the report of one run says beside its record."""

    def __init__(
        self,
        lake: Lake,
        registry: Registry,
        held: Callable[[], Mapping[str, Current]],
        earlier: Mapping[LayerName, tuple[str, LayerPart]],
    ) -> None:
        """`held` gives what counts of each dataset; `earlier` are the newest earlier parts, each with its run."""
        self._lake = lake
        self._registry = registry
        self._read_held = held
        self._earlier = earlier

    def beside(self, record: RunRecord) -> Beside:
        """All that the report of this run needs."""
        used, layers = extracts_used(record), {layer_of(step) for step in record.steps}
        known = {name: dates for name, dates in used.items() if name in self._held}
        missing, counted_in = self._missing() if "gold" in layers else ((), "")
        return Beside(
            extracts=tuple(self._extracts(known)),
            compared=tuple(each for name, dates in known.items() for each in self._compared(self._held[name], dates)),
            quarantine=tuple(each for name, dates in known.items() for each in _quarantine(self._held[name], dates)),
            missing=missing,
            counted_in=counted_in,
            columns=self._columns,
            earlier={layer: Earlier(run, part.columns) for layer, (run, part) in self._earlier.items() if part.columns},
            cells_held=dict(self._cells_held(record)),
            dataset_of={each.table.name: name for name, tables in self._registry.gold.items() for each in tables},
        )

    @cached_property
    def _held(self) -> Mapping[str, Current]:
        """What counts of each dataset; not read for a run that has to do with no extract."""
        return self._read_held()

    @cached_property
    def _columns(self) -> dict[LayerName, Columns]:
        found: dict[LayerName, Columns] = {"silver": {}, "gold": {}}
        for table in self._registry.tables:
            columns = {column.name: str(column.dtype) for column in table.columns}
            layer: LayerName = "silver" if table.layer == "silver" else "gold"
            found[layer] = {**found[layer], table.name: columns}
        return found

    def _extracts(self, used: Mapping[str, Collection[str]]) -> Iterator[ExtractOf]:
        for name, dates in used.items():
            for manifest in self._manifests(name, dates):
                yield ExtractOf(
                    dataset=name,
                    extract=manifest.extract_date,
                    origin=manifest.origin,
                    tables=tuple(_table(manifest, table) for table in sorted(manifest.tables)),
                )

    def _manifests(self, dataset: str, dates: Collection[str]) -> list[Manifest]:
        """The manifests of extracts, oldest first; one that is gone from Bronze is told elsewhere."""
        manifests = self._held[dataset].manifests
        return [manifests[at] for at in sorted(map(ExtractId.parse, dates)) if at in manifests]

    def _compared(self, now: Current, dates: Collection[str]) -> Iterator[Compared]:
        """The newest vintages that these extracts are part of, each with the one before it."""
        groups: dict[tuple[str, str | None], list[tuple[Vintage, Vintage | None]]] = {}
        for table in now.dataset.tables:
            vintages = now.vintages(table)
            mine = [at for at, each in enumerate(vintages) if set(dates) & set(map(str, each.extracts))]
            if mine:
                after = vintages[mine[-1]]
                before = vintages[mine[-1] - 1] if mine[-1] else None
                groups.setdefault((str(after), None if before is None else str(before)), []).append((after, before))
        for (at, was), each in groups.items():
            yield Compared(
                of=now.dataset.name
                if len(groups) == 1
                else f"{now.dataset.name}: {', '.join(a.table for a, _ in each)}",
                now=f"extract {at}",
                before=None if was is None else f"extract {was}",
                differences=tuple(
                    difference
                    for after, before in each
                    if before is not None
                    for difference in differences(after.table, self._shape(now, after), self._shape(now, before))
                ),
            )

    @staticmethod
    def _shape(now: Current, vintage: Vintage) -> Shape:
        names = {
            name
            for extract in vintage.extracts
            for stored in now.manifests[extract].objects
            for name in stored.published_as
            if vintage.table in stored.tables
        }
        return Shape(
            lines=lines_known(now, {vintage.table: vintage}),
            years=frozenset(vintage.years),
            published_as=frozenset(names),
        )

    def _cells_held(self, record: RunRecord) -> Iterator[tuple[str, int]]:
        for step in record.steps:
            layer, _, name = step.step.partition("/")
            if layer != "silver" or "extracts" not in step.inputs or name not in self._held:
                continue
            now = self._held[name]
            vintages = [source.vintage for source in now.known_sources.values()]
            is_whole = now.covered_years <= set(map(int, step.partitions))
            is_plain = all(len(vintage.layers) == 1 for vintage in vintages)
            is_same = step.inputs["extracts"] == {vintage.table: str(vintage) for vintage in vintages}
            if is_whole and is_plain and is_same:
                yield name, sum(vintage.rows for vintage in vintages)

    def _missing(self) -> tuple[tuple[MissingOf, ...], str]:
        """The figures without a value of all datasets, as they are published now."""
        sources = {
            GOLD_FACTS.name: GOLD_FACTS,
            **{
                self._registry.silver[name].table.name: self._registry.silver[name].table
                for name, dataset in self._registry.datasets.items()
                if dataset.is_monthly
            },
        }
        published = {name: self._lake.table(table).latest() for name, table in sources.items()}
        counted_in = _hash_of(published)
        before = self._earlier.get("gold")
        if before is not None and before[1].counted_in == counted_in:
            return before[1].missing, counted_in
        cells = pl.concat([self._cells(table, published[name]) for name, table in sources.items()])
        return tuple(missing_of(missing_cells(cells), figures_by_dataset(cells))), counted_in

    def _cells(self, table: Table, published: Mapping[str, Partition]) -> pl.DataFrame:
        store = self._lake.table(table)
        of = {"dataset": pl.lit(table.relation)} if "dataset" not in table.column_names else {}
        schema = {name: GOLD_FACTS.polars_schema[name] for name in _COUNTED}
        return pl.concat(
            [
                pl.DataFrame(schema=schema),
                *(store.read_partition(each).with_columns(**of).select(_COUNTED) for each in published.values()),
            ],
            how="vertical_relaxed",
        )


def extracts_used(record: RunRecord) -> dict[str, set[str]]:
    """The extracts that a run took or made Silver of, by dataset."""
    found: dict[str, set[str]] = {}
    for step in record.steps:
        layer, _, name = step.step.partition("/")
        if layer == "bronze" and step.outputs.get("extract"):
            found.setdefault(name, set()).add(str(step.outputs["extract"]))
        elif layer == "silver":
            of_tables = step.inputs.get("extracts", {}).values()
            found.setdefault(name, set()).update(one for each in of_tables for one in str(each).split(MIXED_WITH))
    return {name: dates for name, dates in found.items() if dates}


def _table(manifest: Manifest, table: str) -> TableOf:
    entry, verdict = manifest.tables[table], (manifest.verdicts or {}).get(table)
    return TableOf(
        bea_table=table,
        cells=entry.rows,
        lines=len(entry.lines),
        years=years_text(sorted(entry.years)),
        last_updated=None if entry.last_updated is None else str(entry.last_updated),
        quarantined=entry.quarantined,
        counts=verdict is None or verdict.counts,
        why="" if verdict is None or verdict.counts else verdict.why,
    )


def _quarantine(now: Current, dates: Collection[str]) -> Iterator[QuarantineOf]:
    cells = listed(now).filter(pl.col("extract").is_in(list(dates)))
    by_rule = ["bea_table", "rule", "state"]
    for table, rule, state, count, example in (
        cells.group_by(by_rule, maintain_order=True).agg(cells=pl.len(), example=pl.col("reason").first()).sort(by_rule)
    ).iter_rows():
        yield QuarantineOf(
            dataset=now.dataset.name, bea_table=table, rule=rule, state=state, cells=count, example=example
        )


def _hash_of(published: Mapping[str, Mapping[str, Partition]]) -> str:
    digest = hashlib.sha256()
    for name, partitions in sorted(published.items()):
        for key, partition in sorted(partitions.items()):
            digest.update(f"{name} {key} {partition.content_sha256}\n".encode())
    return digest.hexdigest()
