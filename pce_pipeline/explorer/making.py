"""Making the set from the lake: only those of its files whose inputs have changed, then the index, then the pointer."""

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pce_pipeline.asking.reading import Reader, inputs_known, rows_made
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.history import History
from pce_pipeline.bulletins.store import BulletinStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.explorer.aside import Aside, HistoryAside
from pce_pipeline.explorer.cells import CELL, FIGURES, as_enums, cells_by_measure, cells_schema
from pce_pipeline.explorer.checks import CHECKS, Checks
from pce_pipeline.explorer.files import by_categories, footer_bytes, read
from pce_pipeline.explorer.histories import HISTORY, KEY, changed_cells, history_schema, with_changes
from pce_pipeline.explorer.indexing import Files, index_of
from pce_pipeline.explorer.inputs import (
    Partitions,
    bulletin_path,
    figures_path,
    history_inputs,
    history_path,
    inputs_of_explorer,
    missing_path,
    outdated_files,
    source_of,
)
from pce_pipeline.explorer.measures import ShownMeasure, shown_measures
from pce_pipeline.explorer.missing import missing_counted, missing_document
from pce_pipeline.explorer.store import INDEX, ExplorerStore, Part, Pointer
from pce_pipeline.gold.known import AsOf
from pce_pipeline.gold.packages import tables_of
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.parquet import in_threads
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import progress
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.vintages import COUNTED

_BASE_YEARS = "base_years"

ALL_YEARS = 10_000
"""More years at once than there are."""


@dataclass(frozen=True)
class Made:
    """What `make_explorer` did."""

    version: str
    """The version of the set; empty where there is nothing to make one of."""
    written: tuple[str, ...]
    """The paths of the files that were written."""
    unchanged: tuple[str, ...]
    """The other paths."""
    rows: Mapping[str, int]
    """The rows of each Parquet file, by path."""


@dataclass(frozen=True)
class _File:
    """A file that was made."""

    body: bytes
    """Its bytes."""
    part: Part
    """What the pointer says of it."""


def make_explorer(
    lake: Lake,
    registry: Registry,
    held: Mapping[str, Current],
    datasets: Collection[str],
    *,
    is_sample: bool,
    checks: Callable[[], Checks],
    years_at_once: int = ALL_YEARS,
) -> Made:
    """Make the files of the set that are missing or out of date, and publish it: files first, pointer last.

    Figures are made of `years_at_once` years at a time, and laid aside on the disk until all are.

    `held` has all datasets; those of others than `datasets` are left as they are. `checks` tells what every check last
    said, and is asked only where something else is due: words alone are no reason to publish a set. Raises what reading
    the lake raises, and `LostRace` where another run has published a set meanwhile.
    """
    store, layout = ExplorerStore(lake), lake.layout
    before, token = store.versioned()
    partitions: Partitions = {table.name: lake.table(table).latest() for table in registry.tables}
    inputs = inputs_of_explorer(registry, held, partitions, BulletinStore(lake).index(), layout.world)
    if before.version and not outdated_files(before, inputs):
        return Made(before.version, (), tuple(sorted(before.parts)), _rows(before.parts))
    maker = _Maker(lake, registry, held, partitions, before, years_at_once)
    files = {name: found for name in held if (found := _files_of(registry, held[name].dataset, inputs)) is not None}
    if not files:
        return Made("", (), tuple(sorted(before.parts)), {})
    words = checks()
    made = {CHECKS: _file(msgspec.json.encode(words))}
    for name, of_dataset in files.items():
        if name in datasets or not before.parts.keys() >= of_dataset.paths:
            made |= maker.made_of(held[name], of_dataset, inputs)
    paths = {CHECKS, *(path for of_dataset in files.values() for path in of_dataset.paths)}
    parts = {path: made[path].part if path in made else before.parts[path] for path in sorted(paths)}
    index = index_of(
        env=layout.env,
        world=layout.world,
        is_sample=is_sample,
        registry=registry,
        held=held,
        files=files,
        parts=parts,
        gold={table.name: _content(partitions[table.name]) for name in files for table in _tables(registry, name)},
        quality=words.counts,
    )
    made[INDEX] = _file(msgspec.json.encode(index), inputs=inputs[INDEX])
    parts[INDEX] = made[INDEX].part
    written = sorted(
        path for path, part in parts.items() if path not in before.parts or before.parts[path].sha256 != part.sha256
    )
    after = Pointer(version=index.version, parts=parts)
    if after != before:
        store.publish({path: made[path].body for path in written}, after, token)
    return Made(
        index.version,
        tuple(written),
        tuple(sorted(parts.keys() - set(written))),
        _rows(parts),
    )


def _rows(parts: Mapping[str, Part]) -> dict[str, int]:
    return {path: part.rows for path, part in parts.items() if part.rows is not None}


def _files_of(registry: Registry, dataset: Dataset, inputs: Mapping[str, str]) -> Files | None:
    """Where the set has what it should have of a dataset; None where it should have nothing."""
    if figures_path(dataset.name) not in inputs:
        return None
    histories = {each.id: history_path(dataset.name, each.id) for each in shown_measures(registry, dataset)}
    folder = bulletin_path(dataset.name, "").removesuffix(".json")
    return Files(
        figures=figures_path(dataset.name),
        missing=missing_path(dataset.name),
        history={measure: path for measure, path in histories.items() if path in inputs},
        bulletins={path.removeprefix(folder).removesuffix(".json"): path for path in inputs if path.startswith(folder)},
    )


def _tables(registry: Registry, dataset: str) -> list[Table]:
    return [each.table for each in registry.gold[dataset]]


def _content(partitions: Mapping[str, Partition]) -> str:
    """A hash of the content of a table: of all its partitions."""
    text = "".join(f"{key} {partition.content_sha256}\n" for key, partition in sorted(partitions.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _file(body: bytes, inputs: str = "", **said: Any) -> _File:  # noqa: ANN401 (one value per field of Part)
    return _File(body, Part(sha256=sha256_of(body), bytes=len(body), inputs=inputs, **said))


class _Maker:
    """Makes files of one set."""

    def __init__(
        self,
        lake: Lake,
        registry: Registry,
        held: Mapping[str, Current],
        partitions: Partitions,
        before: Pointer,
        years_at_once: int,
    ) -> None:
        self._lake = lake
        self._registry = registry
        self._held = held
        self._partitions = partitions
        self._before = before
        self._years_at_once = years_at_once
        self._store = ExplorerStore(lake)
        self._bulletins = BulletinStore(lake)

    def made_of(self, now: Current, files: Files, inputs: Mapping[str, str]) -> dict[str, _File]:
        """The files of a dataset that are due, by path."""
        due = {path for path in files.paths if self._inputs_before(path) != inputs[path]}
        found: dict[str, _File] = {}
        if not due.isdisjoint({files.figures, files.missing}):
            progress.stage(f"explorer: figures of {now.dataset.name}")
            found |= self._figures(now.dataset, files, inputs)
        if histories := {measure: path for measure, path in files.history.items() if path in due}:
            progress.stage(f"explorer: history of {now.dataset.name}")
            found |= self._histories(now, histories)
        for extract, path in files.bulletins.items():
            if path in due:
                body = msgspec.json.encode(self._bulletins.document(now.dataset.name, extract))
                found[path] = _file(body, inputs[path])
        return found

    def _inputs_before(self, path: str) -> str | None:
        part = self._before.parts.get(path)
        return None if part is None else part.inputs

    def _ranges(self, years: Collection[int]) -> Iterator[list[int]]:
        """Years in order, as many at a time as may be held at once."""
        ordered = sorted(years)
        for first in range(0, len(ordered), self._years_at_once):
            yield ordered[first : first + self._years_at_once]

    def _with_reach(self, dataset: Dataset, years: Collection[int]) -> set[int]:
        """Years, and those before them that the tables of a dataset look back to."""
        reach = max((each.reach for each in self._registry.gold[dataset.name]), default=0)
        return {year - back for year in years for back in range(reach + 1)}

    def _figures(self, dataset: Dataset, files: Files, inputs: Mapping[str, str]) -> dict[str, _File]:
        measures, tables = shown_measures(self._registry, dataset), _tables(self._registry, dataset.name)
        schema = cells_schema(dataset, measures)
        published = [each.id for each in measures if each.is_published]
        periods, missing = list[int](), list[pl.DataFrame]()
        there = {int(key) for table in tables for key in self._partitions[table.name]}
        with tempfile.TemporaryDirectory() as folder:
            aside = Aside(Path(folder), schema)
            for years in self._ranges(there) if there else [[]]:
                rows = {table.name: self._rows(table, years) for table in tables}
                said = as_enums(self._said(dataset, self._with_reach(dataset, years)), dataset)
                parts = [cells for _, cells in cells_by_measure(measures, rows, said, schema)]
                figures = pl.concat([pl.DataFrame(schema=schema), *parts])
                missing.append(missing_counted(figures, published, is_monthly=dataset.is_monthly))
                periods += [int(str(each)) for each in (figures["period"].min(), figures["period"].max()) if each]
                aside.add(figures)
            body = by_categories(aside.sorted_by(CELL), FIGURES)
        details = {"first": min(periods, default=None), "last": max(periods, default=None)}
        document = missing_document(pl.concat(missing))
        return {
            files.figures: _file(
                body, inputs[files.figures], footer=footer_bytes(body), rows=aside.rows, details=details
            ),
            files.missing: _file(msgspec.json.encode(document), inputs[files.missing]),
        }

    def _rows(self, table: Table, years: Collection[int], columns: Collection[str] = ()) -> pl.DataFrame:
        """The rows of years of a table in the lake, of those partitions that the set says it is made of."""
        store, names = self._lake.table(table), list(columns) or table.column_names
        schema = {name: table.polars_schema[name] for name in names}
        wanted = [each for key, each in self._partitions[table.name].items() if int(key) in years]
        found = in_threads(lambda each: store.read_partition(each).select(names), wanted)
        return pl.concat([pl.DataFrame(schema=schema), *found])

    def _said(self, dataset: Dataset, years: Collection[int]) -> pl.DataFrame:
        """The status of every figure of years of a dataset, as `cells_by_measure` takes it."""
        table = source_of(self._registry, dataset).table
        cell = ["category_id", "geo_fips", "year"]
        if not dataset.is_monthly:
            facts = self._rows(table, years, ["dataset", "measure", *cell, "status"])
            return facts.filter(dataset=dataset.name).drop("dataset")
        lines = dataset.lines.select("bea_table", "line_code", "measure")
        rows = self._rows(table, years, ["bea_table", "line_code", *cell, "month", "status"])
        return rows.join(lines, on=["bea_table", "line_code"]).select("measure", *cell, "month", "status")

    def _histories(self, now: Current, paths: Mapping[str, str]) -> dict[str, _File]:
        """The histories of these measures, by path: those of before go on where they left off."""
        dataset, chain, history = now.dataset, history_inputs(self._registry, now), History(now)
        measures = [each for each in shown_measures(self._registry, dataset) if each.id in paths]
        schema = cells_schema(dataset, shown_measures(self._registry, dataset))
        ranges, reader = list(self._ranges(history.years)), Reader(self._lake, self._registry, self._held)
        based: dict[str, list[pl.DataFrame]] = {each.id: [] for each in measures}
        with tempfile.TemporaryDirectory() as folder:
            aside = {each.id: HistoryAside(Path(folder) / each.id, history_schema(schema), ranges) for each in measures}
            done = {}
            for each in measures:
                before, done[each.id] = self._history_before(paths[each.id], chain, history_schema(schema))
                aside[each.id].begin(before)
            for number, years in enumerate(ranges):
                log = reader.log(dataset.name, self._with_reach(dataset, years))
                newest = {each.id: aside[each.id].newest(number) for each in measures}
                for place in range(min(done.values()), len(chain)):
                    progress.stage(f"explorer: {dataset.name} as known at {chain[place][0]}")
                    tables, said = _known_at(self._registry, log, history, chain[place][0], years)
                    wanted = [each for each in measures if done[each.id] <= place]
                    for measure, cells in cells_by_measure(wanted, tables, as_enums(said, dataset), schema):
                        changes = changed_cells(newest[measure.id], cells, place)
                        aside[measure.id].add(changes)
                        newest[measure.id] = with_changes(newest[measure.id], changes.drop("extract"))
                for each in measures:
                    based[each.id].append(_based(each, log))
            found = {}
            for measure in measures:
                body = by_categories(aside[measure.id].sorted_by((*KEY, "extract")), HISTORY)
                base_years = list(_base_years(measure, pl.concat(based[measure.id]), [at for at, _ in chain]))
                found[paths[measure.id]] = _file(
                    body,
                    chain[-1][1],
                    footer=footer_bytes(body),
                    rows=aside[measure.id].rows,
                    details={_BASE_YEARS: base_years},
                )
        return found

    def _history_before(
        self, path: str, chain: list[tuple[ExtractId, str]], schema: Mapping[str, pl.DataType]
    ) -> tuple[pl.DataFrame, int]:
        """What the set has of a history, and of how many of the extracts; none of it where these have changed."""
        places = {digest: place for place, (_, digest) in enumerate(chain)}
        part = self._before.parts.get(path)
        if part is not None and part.inputs in places:
            with suppress(DamagedObject):
                return read(self._store.read(path, part), schema), places[part.inputs] + 1
        return pl.DataFrame(schema=schema), 0


def _known_at(
    registry: Registry, log: pl.DataFrame, history: History, at: ExtractId, years: Collection[int]
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """The tables of Gold of a dataset by name, of these years, and what they follow from, as known at an extract."""
    inputs = inputs_known(log, history, AsOf(at.day, at.number), years)
    tables = {made.table.name: rows_made(made, inputs) for made in tables_of(history.dataset, registry)}
    return tables, inputs.facts.select("measure", "category_id", "geo_fips", "year", "status")


def _based(measure: ShownMeasure, log: pl.DataFrame) -> pl.DataFrame:
    """The base years that a log has of a measure, with the vintages between which each held."""
    return (
        log.filter(
            (pl.col("measure") == measure.column.measure.name)
            & (pl.col("basis") == COUNTED)
            & pl.col("base_year").is_not_null()
        )
        .select("valid_from", "valid_to", "base_year")
        .unique()
    )


def _base_years(measure: ShownMeasure, based: pl.DataFrame, places: list[ExtractId]) -> Iterator[int | None]:
    """The year in whose prices a measure is, as known at each extract; None where it has none."""
    for at in places if measure.is_in_its_unit else ():
        holds = (pl.col("valid_from") <= at.vintage_id) & (
            pl.col("valid_to").is_null() | (pl.col("valid_to") > at.vintage_id)
        )
        year = based.filter(holds)["base_year"].max()
        yield None if year is None else int(str(year))
