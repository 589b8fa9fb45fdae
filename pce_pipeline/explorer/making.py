"""Making the set from the lake: only those of its files whose inputs have changed, then the index, then the pointer."""

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import msgspec
import polars as pl

from pce_pipeline.asking.reading import Reader
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.history import History
from pce_pipeline.bulletins.store import BulletinStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates.outputs import outputs_stated
from pce_pipeline.explorer.by_years import Cells, Figures, Histories, MadeFile, file_of, with_reach
from pce_pipeline.explorer.cells import as_enums, cells_by_measure, cells_schema
from pce_pipeline.explorer.checks import CHECKS, Checks
from pce_pipeline.explorer.files import read
from pce_pipeline.explorer.histories import history_schema
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
from pce_pipeline.explorer.measures import shown_measures
from pce_pipeline.explorer.store import INDEX, ExplorerStore, Part, Pointer
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.parquet import in_threads
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import progress
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

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
    made = {CHECKS: file_of(msgspec.json.encode(words))}
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
    made[INDEX] = file_of(msgspec.json.encode(index), inputs=inputs[INDEX])
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

    def made_of(self, now: Current, files: Files, inputs: Mapping[str, str]) -> dict[str, MadeFile]:
        """The files of a dataset that are due, by path."""
        due = {path for path in files.paths if self._inputs_before(path) != inputs[path]}
        found: dict[str, MadeFile] = {}
        histories = {measure: path for measure, path in files.history.items() if path in due}
        with tempfile.TemporaryDirectory() as folder:
            makers: list[Figures | Histories] = []
            if not due.isdisjoint({files.figures, files.missing}):
                makers.append(Figures(self._registry, now.dataset, files, inputs, Path(folder)))
            if histories:
                makers.append(self._histories(now, histories, Path(folder)))
            for years in self._ranges(now) if makers else ():
                of_gold = cache(partial(self._of_gold, now.dataset, years))
                for maker in makers:
                    maker.add(years, of_gold)
            for maker in makers:
                found |= maker.files()
        for extract, path in files.bulletins.items():
            if path in due:
                body = msgspec.json.encode(self._bulletins.document(now.dataset.name, extract))
                found[path] = file_of(body, inputs[path])
        return found

    def _inputs_before(self, path: str) -> str | None:
        part = self._before.parts.get(path)
        return None if part is None else part.inputs

    def _ranges(self, now: Current) -> Iterator[list[int]]:
        """The years of a dataset that Gold has or that were ever known, as many at a time as may be held at once."""
        there = {
            int(key) for table in _tables(self._registry, now.dataset.name) for key in self._partitions[table.name]
        }
        ordered = sorted(there | History(now).years)
        for first in range(0, len(ordered), self._years_at_once):
            yield ordered[first : first + self._years_at_once]

    def _of_gold(self, dataset: Dataset, years: Collection[int]) -> Cells:
        """The cells of each measure of years of a dataset as Gold has them."""
        progress.stage(f"explorer: figures of {dataset.name}")
        measures = shown_measures(self._registry, dataset)
        rows = {table.name: self._rows(table, years) for table in _tables(self._registry, dataset.name)}
        said = as_enums(self._said(dataset, with_reach(self._registry, dataset, years)), dataset)
        return list(cells_by_measure(measures, rows, said, cells_schema(dataset, measures)))

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

    def _histories(self, now: Current, paths: Mapping[str, str], folder: Path) -> Histories:
        """The histories of these measures, by path: those of before go on where they left off."""
        chain = history_inputs(self._registry, now)
        schema = history_schema(cells_schema(now.dataset, shown_measures(self._registry, now.dataset)))
        before = {measure: self._history_before(path, chain, schema) for measure, path in paths.items()}
        reader = Reader(self._lake, self._registry, self._held)
        return Histories(
            self._registry,
            now,
            reader,
            paths,
            chain,
            before,
            list(self._ranges(now)),
            folder,
            gold_is_of_now=self._is_of_now(now),
        )

    def _is_of_now(self, now: Current) -> bool:
        """Whether each table of a dataset, as the set is made of it, has all years and is made of what counts now."""
        stated = outputs_stated(now, self._lake, self._registry)
        return (
            now.pin is None
            and not stated.not_published
            and all(
                {year: each.content_sha256 for year, each in self._partitions[table.name].items()}
                == stated.published[table.name]
                for table in _tables(self._registry, now.dataset.name)
            )
        )

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
