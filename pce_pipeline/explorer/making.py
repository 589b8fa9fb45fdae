"""Making the set from the lake: only those of its files whose inputs have changed, then the index, then the pointer."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import polars as pl

from pce_pipeline.asking.reading import Reader, inputs_known, rows_made
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.history import History
from pce_pipeline.bulletins.store import BulletinStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.certificates.outputs import outputs_stated
from pce_pipeline.explorer.cells import FIGURES, as_enums, cells_by_measure, cells_schema
from pce_pipeline.explorer.checks import CHECKS, Checks
from pce_pipeline.explorer.files import by_category, footer_bytes, read
from pce_pipeline.explorer.histories import (
    HISTORY,
    changed_cells,
    history_schema,
    newest_of,
    whole_history,
    with_changes,
)
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
from pce_pipeline.explorer.missing import missing_document
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

_Cells = Sequence[tuple[ShownMeasure, pl.DataFrame]]
"""The cells of each measure of a dataset, sorted by CELL."""


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
) -> Made:
    """Make the files of the set that are missing or out of date, and publish it: files first, pointer last.

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
    maker = _Maker(lake, registry, held, partitions, before)
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
        self, lake: Lake, registry: Registry, held: Mapping[str, Current], partitions: Partitions, before: Pointer
    ) -> None:
        self._lake = lake
        self._registry = registry
        self._held = held
        self._partitions = partitions
        self._before = before
        self._store = ExplorerStore(lake)
        self._bulletins = BulletinStore(lake)

    def made_of(self, now: Current, files: Files, inputs: Mapping[str, str]) -> dict[str, _File]:
        """The files of a dataset that are due, by path."""
        due = {path for path in files.paths if self._inputs_before(path) != inputs[path]}
        found: dict[str, _File] = {}
        of_gold = cache(lambda: self._of_gold(now.dataset))
        if not due.isdisjoint({files.figures, files.missing}):
            progress.stage(f"explorer: figures of {now.dataset.name}")
            found |= self._figures(of_gold(), now.dataset, files, inputs)
        if histories := {measure: path for measure, path in files.history.items() if path in due}:
            progress.stage(f"explorer: history of {now.dataset.name}")
            found |= self._histories(now, histories, of_gold)
        for extract, path in files.bulletins.items():
            if path in due:
                body = msgspec.json.encode(self._bulletins.document(now.dataset.name, extract))
                found[path] = _file(body, inputs[path])
        return found

    def _inputs_before(self, path: str) -> str | None:
        part = self._before.parts.get(path)
        return None if part is None else part.inputs

    def _of_gold(self, dataset: Dataset) -> list[tuple[ShownMeasure, pl.DataFrame]]:
        """The cells of each measure of a dataset as Gold has them."""
        measures = shown_measures(self._registry, dataset)
        tables = {table.name: self._rows(table) for table in _tables(self._registry, dataset.name)}
        said = as_enums(self._said(dataset), dataset)
        return list(cells_by_measure(measures, tables, said, cells_schema(dataset, measures)))

    def _figures(self, of_gold: _Cells, dataset: Dataset, files: Files, inputs: Mapping[str, str]) -> dict[str, _File]:
        measures = shown_measures(self._registry, dataset)
        none = pl.DataFrame(schema=cells_schema(dataset, measures))
        place = {each.id: order for order, each in enumerate(measures)}
        parts = [cells for _, cells in sorted(of_gold, key=lambda each: place[each[0].id])]
        body = by_category([none, *parts], FIGURES)
        silent = pl.concat([none, *(cells.filter(pl.col("value").is_null()) for cells in parts)])
        published = [each.id for each in measures if each.is_published]
        missing = missing_document(silent, published, is_monthly=dataset.is_monthly)
        periods = pl.concat([none["period"], *(cells["period"] for cells in parts)])
        return {
            files.figures: _file(
                body,
                inputs[files.figures],
                footer=footer_bytes(body),
                rows=periods.len(),
                details={"first": periods.min(), "last": periods.max()},
            ),
            files.missing: _file(msgspec.json.encode(missing), inputs[files.missing]),
        }

    def _rows(self, table: Table, columns: Collection[str] = ()) -> pl.DataFrame:
        """The rows of a table in the lake, of those partitions that the set says it is made of."""
        store, names = self._lake.table(table), list(columns) or table.column_names
        schema = {name: table.polars_schema[name] for name in names}
        found = in_threads(lambda each: store.read_partition(each).select(names), self._partitions[table.name].values())
        return pl.concat([pl.DataFrame(schema=schema), *found])

    def _said(self, dataset: Dataset) -> pl.DataFrame:
        """The status of every figure of a dataset, as `cells_by_measure` takes it."""
        table = source_of(self._registry, dataset).table
        cell = ["category_id", "geo_fips", "year"]
        if not dataset.is_monthly:
            facts = self._rows(table, ["dataset", "measure", *cell, "status"])
            return facts.filter(dataset=dataset.name).drop("dataset")
        lines = dataset.lines.select("bea_table", "line_code", "measure")
        rows = self._rows(table, ["bea_table", "line_code", *cell, "month", "status"])
        return rows.join(lines, on=["bea_table", "line_code"]).select("measure", *cell, "month", "status")

    def _histories(self, now: Current, paths: Mapping[str, str], of_gold: Callable[[], _Cells]) -> dict[str, _File]:
        """The histories of these measures, by path: those of before go on where they left off.

        What is known at the newest extract is what Gold has, where it is made of nothing else.
        """
        dataset, chain = now.dataset, history_inputs(self._registry, now)
        measures = [each for each in shown_measures(self._registry, dataset) if each.id in paths]
        schema = cells_schema(dataset, shown_measures(self._registry, dataset))
        history, log = History(now), Reader(self._lake, self._registry, self._held).log(dataset.name, None)
        going_on = {
            each.id: _GoingOn(*self._history_before(paths[each.id], chain, history_schema(schema))) for each in measures
        }
        for place in range(min(each.done for each in going_on.values()), len(chain)):
            wanted = [each for each in measures if going_on[each.id].done <= place]
            if place == len(chain) - 1 and self._is_of_now(now):
                known: Iterable[tuple[ShownMeasure, pl.DataFrame]] = of_gold()
            else:
                progress.stage(f"explorer: {dataset.name} as known at {chain[place][0]}")
                tables, said = _known_at(self._registry, log, history, chain[place][0])
                known = cells_by_measure(wanted, tables, as_enums(said, dataset), schema)
            for measure, cells in known:
                if measure in wanted:
                    going_on[measure.id].add(cells, place)
        found = {}
        for measure in measures:
            rows = going_on[measure.id].history
            body = by_category([rows], HISTORY)
            base_years = list(_base_years(measure, log, [at for at, _ in chain]))
            found[paths[measure.id]] = _file(
                body, chain[-1][1], footer=footer_bytes(body), rows=rows.height, details={_BASE_YEARS: base_years}
            )
        return found

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


class _GoingOn:
    """A history that grows extract by extract."""

    def __init__(self, before: pl.DataFrame, done: int) -> None:
        self.done = done
        """Of how many extracts the history of before is."""
        self._parts = [before]
        self._newest = newest_of(before).drop("extract")
        self._added = self._newest.clear()  # and not yet among the newest: after the last extract nobody asks for them

    def add(self, cells: pl.DataFrame, place: int) -> None:
        """Add what changed at the extract of this place, as which the cells were known."""
        self._newest = with_changes(self._newest, self._added)
        changes = changed_cells(self._newest, cells, place)
        self._parts.append(changes)
        self._added = changes.drop("extract")

    @property
    def history(self) -> pl.DataFrame:
        """All of it."""
        return whole_history(self._parts)


def _known_at(
    registry: Registry, log: pl.DataFrame, history: History, at: ExtractId
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """The tables of Gold of a dataset by name, and what they follow from, as they were known at an extract."""
    inputs = inputs_known(log, history, AsOf(at.day, at.number), history.years)
    tables = {made.table.name: rows_made(made, inputs) for made in tables_of(history.dataset, registry)}
    return tables, inputs.facts.select("measure", "category_id", "geo_fips", "year", "status")


def _base_years(measure: ShownMeasure, log: pl.DataFrame, places: list[ExtractId]) -> Iterator[int | None]:
    """The year in whose prices a measure is, as known at each extract; None where it has none."""
    based = log.filter(
        (pl.col("measure") == measure.column.measure.name)
        & (pl.col("basis") == COUNTED)
        & pl.col("base_year").is_not_null()
    ).select("valid_from", "valid_to", "base_year")
    for at in places if measure.is_in_its_unit else ():
        holds = (pl.col("valid_from") <= at.vintage_id) & (
            pl.col("valid_to").is_null() | (pl.col("valid_to") > at.vintage_id)
        )
        year = based.filter(holds)["base_year"].max()
        yield None if year is None else int(str(year))
