"""Figures and histories of the set, made range of years by range of years and laid aside until all are there."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pce_pipeline.asking.reading import Reader, inputs_known, rows_made
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.history import History
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.explorer.aside import Aside, HistoryAside
from pce_pipeline.explorer.cells import CELL, FIGURES, as_enums, cells_by_measure, cells_schema
from pce_pipeline.explorer.files import by_category, footer_bytes
from pce_pipeline.explorer.histories import HISTORY, KEY, changed_cells, history_schema, with_changes
from pce_pipeline.explorer.indexing import Files
from pce_pipeline.explorer.measures import ShownMeasure, shown_measures
from pce_pipeline.explorer.missing import missing_counted, missing_document
from pce_pipeline.explorer.store import Part
from pce_pipeline.gold.known import AsOf
from pce_pipeline.gold.packages import tables_of
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.observability import progress
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.vintages import COUNTED

_BASE_YEARS = "base_years"

Cells = Sequence[tuple[ShownMeasure, pl.DataFrame]]
"""The cells of each measure of some years of a dataset, sorted by CELL."""


@dataclass(frozen=True)
class MadeFile:
    """A file that was made."""

    body: bytes
    """Its bytes."""
    part: Part
    """What the pointer says of it."""


def file_of(body: bytes, inputs: str = "", **said: Any) -> MadeFile:  # noqa: ANN401 (one value per field of Part)
    """A file of the set, with its hash and what else is `said` of it."""
    return MadeFile(body, Part(sha256=sha256_of(body), bytes=len(body), inputs=inputs, **said))


class Figures:
    """Makes the figures of a dataset, and where they are missing, range of years by range of years."""

    def __init__(
        self, registry: Registry, dataset: Dataset, files: Files, inputs: Mapping[str, str], folder: Path
    ) -> None:
        self._dataset = dataset
        self._files = files
        self._inputs = inputs
        self._measures = shown_measures(registry, dataset)
        self._schema = cells_schema(dataset, self._measures)
        self._aside = Aside(folder / "figures", self._schema)
        self._published = [each.id for each in self._measures if each.is_published]
        self._periods: list[int] = []
        self._missing = [self._missing_of(pl.DataFrame(schema=self._schema))]

    def add(self, years: Sequence[int], of_gold: Callable[[], Cells]) -> None:
        """Add a range of years, as Gold has it."""
        del years  # what Gold has is of them
        of_measures = {measure.id: cells for measure, cells in of_gold()}
        in_order = [of_measures[each.id] for each in self._measures if each.id in of_measures]
        figures = pl.concat([pl.DataFrame(schema=self._schema), *in_order])
        self._missing.append(self._missing_of(figures))
        self._periods += [int(str(each)) for each in (figures["period"].min(), figures["period"].max()) if each]
        self._aside.add(figures)

    def _missing_of(self, figures: pl.DataFrame) -> pl.DataFrame:
        return missing_counted(figures, self._published, is_monthly=self._dataset.is_monthly)

    def files(self) -> dict[str, MadeFile]:
        """The files, by path."""
        body = by_category(self._aside.sorted_by(CELL), FIGURES)
        details = {"first": min(self._periods, default=None), "last": max(self._periods, default=None)}
        document = missing_document(pl.concat(self._missing))
        figures, missing = self._files.figures, self._files.missing
        return {
            figures: file_of(
                body, self._inputs[figures], footer=footer_bytes(body), rows=self._aside.rows, details=details
            ),
            missing: file_of(msgspec.json.encode(document), self._inputs[missing]),
        }


class Histories:
    """Makes the histories of measures of a dataset, range of years by range of years.

    What is known at the newest extract is what Gold has, where it is made of nothing else.
    """

    def __init__(
        self,
        registry: Registry,
        now: Current,
        reader: Reader,
        paths: Mapping[str, str],
        chain: Sequence[tuple[ExtractId, str]],
        before: Mapping[str, tuple[pl.DataFrame, int]],
        ranges: Sequence[Sequence[int]],
        folder: Path,
        *,
        gold_is_of_now: bool,
    ) -> None:
        self._registry = registry
        self._dataset = now.dataset
        self._history = History(now)
        self._reader = reader
        self._paths = paths
        self._chain = chain
        self._ranges = ranges
        self._gold_is_of_now = gold_is_of_now
        shown = shown_measures(registry, now.dataset)
        self._measures = [each for each in shown if each.id in paths]
        self._schema = cells_schema(now.dataset, shown)
        self._done = {measure: done for measure, (_, done) in before.items()}
        self._based: dict[str, list[pl.DataFrame]] = {each.id: [] for each in self._measures}
        self._aside = {
            measure: HistoryAside(folder / f"history-{measure}", history_schema(self._schema), ranges)
            for measure in before
        }
        for measure, (rows, _) in before.items():
            self._aside[measure].begin(rows)

    def add(self, years: Sequence[int], of_gold: Callable[[], Cells]) -> None:
        """Add a range of years: what changed in it at each extract that the histories do not have yet."""
        log = self._reader.log(self._dataset.name, with_reach(self._registry, self._dataset, years))
        number, last = self._ranges.index(years), len(self._chain) - 1
        newest = {measure: aside.newest(number) for measure, aside in self._aside.items()}
        for place in range(min(self._done.values()), len(self._chain)):
            wanted = [each for each in self._measures if self._done[each.id] <= place]
            is_of_gold = self._gold_is_of_now and place == last
            ids = {each.id for each in wanted}
            for measure, cells in of_gold() if is_of_gold else self._known_at(place, log, years, wanted):
                if measure.id in ids:
                    changes = changed_cells(newest[measure.id], cells, place)
                    self._aside[measure.id].add(changes)
                    if place < last:
                        newest[measure.id] = with_changes(newest[measure.id], changes.drop("extract"))
        for each in self._measures:
            self._based[each.id].append(_based(each, log))

    def files(self) -> dict[str, MadeFile]:
        """The files, by path."""
        found = {}
        for measure in self._measures:
            aside = self._aside[measure.id]
            body = by_category(aside.sorted_by((*KEY, "extract")), HISTORY)
            base_years = list(_base_years(measure, pl.concat(self._based[measure.id]), [at for at, _ in self._chain]))
            found[self._paths[measure.id]] = file_of(
                body,
                self._chain[-1][1],
                footer=footer_bytes(body),
                rows=aside.rows,
                details={_BASE_YEARS: base_years},
            )
        return found

    def _known_at(
        self, place: int, log: pl.DataFrame, years: Collection[int], wanted: Sequence[ShownMeasure]
    ) -> Iterator[tuple[ShownMeasure, pl.DataFrame]]:
        """The cells of each measure of these years, as they were known at an extract."""
        at = self._chain[place][0]
        progress.stage(f"explorer: {self._dataset.name} as known at {at}")
        inputs = inputs_known(log, self._history, AsOf(at.day, at.number), years)
        tables = {made.table.name: rows_made(made, inputs) for made in tables_of(self._dataset, self._registry)}
        said = inputs.facts.select("measure", "category_id", "geo_fips", "year", "status")
        return cells_by_measure(wanted, tables, as_enums(said, self._dataset), self._schema)


def with_reach(registry: Registry, dataset: Dataset, years: Collection[int]) -> set[int]:
    """Years, and those before them that the tables of a dataset look back to."""
    reach = max((each.reach for each in registry.gold[dataset.name]), default=0)
    return {year - back for year in years for back in range(reach + 1)}


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
