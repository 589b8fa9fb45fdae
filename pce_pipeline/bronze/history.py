"""The vintages of a dataset as the log of its values keeps them: which there are, in order, and their cells of a year.

Vintages that count come from what was decided when they were taken, or made to count on purpose, whatever is pinned.
Extracts that do not count are kept beside them with their basis. Vintages of a table in a row that say the same of a
year are one.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property
from itertools import groupby
from typing import Protocol

import polars as pl

from pce_pipeline.bea.observations import LINE_SCHEMA
from pce_pipeline.bronze.cells import kept_cells, read_extracts
from pce_pipeline.bronze.counting import Layer, Source, Vintage, dropped, verdict_of
from pce_pipeline.bronze.current import Current, releases_of
from pce_pipeline.bronze.judgement import spoken_of, statements
from pce_pipeline.bronze.manifest import DERIVED
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.known import VINTAGES
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.quality.frames import expected_cells
from pce_pipeline.silver.observations import check_meanings
from pce_pipeline.silver.vintages import TICKS, as_states, empty_log, folded, no_states
from pce_pipeline.tables.columns import figure_of
from pce_pipeline.tables.lineage import Derivation, FromBronze, FromTable, Piece
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table, content_sha256
from pce_pipeline.tables.vintages import COUNTED, DIM_VINTAGE
from pce_pipeline.tables.years import FIRST_YEAR

_CELL = ["bea_table", "line_code", "geo_fips", "year"]
_FIGURE = ["measure", "category_id", "geo_fips", "year"]
_VINTAGES_AT_ONCE = 5
_USES = {
    **{name: dtype for name, dtype in TICKS.items() if name != "source_object"},
    "layer": pl.Int32,
    "layers": pl.Int32,
}


@dataclass(frozen=True)
class Known:
    """When a layer of a vintage came to be known."""

    extract: ExtractId
    """The extract."""
    released_on: date
    """The day of its release; of one without, the day for which it is kept."""
    ingested_at: datetime
    """When (UTC) the pipeline took it."""


@dataclass(frozen=True)
class Moment:
    """A vintage of a table, as the log of one year meets it."""

    basis: str
    """Whether it counts, and if not, what it is: a key of `tables.vintages.BASES`."""
    vintage: Vintage
    """The vintage: the first of those in a row that say the same of the year."""
    layers: tuple[Known, ...]
    """Its layers: of those that say the same, when they were known first."""
    content: tuple[str, ...]
    """The hash of what each layer says of the year; none where it says nothing of it."""

    @property
    def at(self) -> int:
        """Its number, yyyymmddnn."""
        return self.vintage.at.vintage_id

    @property
    def key(self) -> str:
        """All of it that the log depends on, as one text."""
        known = " ".join(f"{each.extract} {each.released_on} {each.ingested_at.isoformat()}" for each in self.layers)
        return f"{self.basis} {self.at} {known} {' '.join(self.content)}"


Moments = Mapping[str, Sequence[Moment]]
"""The vintages of each table in order."""


class History:
    """Every vintage of a dataset."""

    def __init__(self, now: Current) -> None:
        self.dataset = now.dataset
        self._now = now
        self._vintages = {table: list(_all_vintages(now, table)) for table in now.dataset.tables}

    @property
    def years(self) -> set[int]:
        """The years that any vintage has any cell of, and that tables may have."""
        years = {year for found in self._vintages.values() for _, vintage in found for year in vintage.years}
        return {year for year in years if year >= FIRST_YEAR}

    def moments(self, year: int) -> dict[str, list[Moment]]:
        """The vintages of each table that has any of a year, as the log of that year meets them."""
        found = {table: list(self._of_table(vintages, year)) for table, vintages in self._vintages.items()}
        return {table: moments for table, moments in found.items() if moments}

    @cached_property
    def vintages(self) -> pl.DataFrame:
        """All of them: VINTAGES, by table in order."""
        rows = [
            (
                table,
                basis,
                vintage.at.vintage_id,
                vintage.release or vintage.at.day,
                max(self._known(layer).ingested_at for layer in vintage.layers),
                releases_of({table: Source(vintage, vintage)}).get(table),
            )
            for table, vintages in self._vintages.items()
            for basis, vintage in vintages
        ]
        return pl.DataFrame(rows, schema=VINTAGES, orient="row")

    def inputs(self, year: int) -> dict[str, str]:
        """What the log of a year is or would be made from: a hash of the vintages of each table."""
        return {
            table: hashlib.sha256("\n".join(each.key for each in moments).encode()).hexdigest()
            for table, moments in self.moments(year).items()
        }

    @cached_property
    def beginnings(self) -> dict[str, str]:
        """The number of the first vintage of each table, on each basis that it has."""
        found: dict[str, str] = {}
        for table, vintages in self._vintages.items():
            for basis, vintage in reversed(vintages):
                found[f"{table} {basis} begins"] = str(vintage.at.vintage_id)
        return found

    def expected(self, moments: Moments, year: int) -> Callable[[str, int], pl.DataFrame]:
        """The cells of a year that a vintage that counts should have: of BEA's own answers all, of files their own."""

        def of_vintage(table: str, at: int) -> pl.DataFrame:
            vintage = next(each.vintage for each in moments[table] if each.at == at and each.basis == COUNTED)
            if vintage.decided is None and any(layer.is_live for layer in vintage.layers):
                return expected_cells(self.dataset, {table: [year]}).select(_FIGURE)
            return spoken_of(vintage, self.dataset, [year]).select(_FIGURE)

        return of_vintage

    def _of_table(self, vintages: Sequence[tuple[str, Vintage]], year: int) -> Iterator[Moment]:
        counted = [vintage for basis, vintage in vintages if basis == COUNTED]
        runs = [list(run) for _, run in groupby(counted, key=lambda each: _content(each, year))]
        if runs and not _content(runs[0][0], year):
            runs = runs[1:]
        merged = [Moment(COUNTED, run[0], tuple(self._first_known(run, year)), _content(run[0], year)) for run in runs]
        beside = [
            Moment(basis, vintage, tuple(self._first_known([vintage], year)), content)
            for basis, vintage in vintages
            if basis != COUNTED and (content := _content(vintage, year))
        ]
        yield from sorted([*merged, *beside], key=lambda each: each.at)

    def _first_known(self, run: Sequence[Vintage], year: int) -> Iterator[Known]:
        """The layers of vintages that say the same of a year, each with the earliest times of them all."""
        alike = [_layers(each, year) for each in run]
        for position, layer in enumerate(alike[0]):
            same = [self._known(layers[position]) for layers in alike]
            yield Known(layer.extract, min(each.released_on for each in same), min(each.ingested_at for each in same))
        if not alike[0]:  # nothing of the year: known when all of the first such vintage was
            whole = [[self._known(layer) for layer in each.layers] for each in run]
            yield Known(
                run[0].at,
                min(each.release or each.at.day for each in run),
                min(max(layer.ingested_at for layer in each) for each in whole),
            )

    def _known(self, layer: Layer) -> Known:
        return Known(layer.extract, layer.release or layer.extract.day, self._now.manifests[layer.extract].ingested_at)


def covered_years(derivation: Derivation, held: Mapping[str, Current]) -> set[int]:
    """The years that a table should have of what is held: those of what counts now, or of every vintage there was."""
    if derivation.covers_all_vintages:
        return {year for now in held.values() for year in History(now).years}
    return {year for now in held.values() for year in now.covered_years}


def inputs_of_bronze(source: FromBronze, year: int, now: Current, history: History) -> Mapping[str, str]:
    """What a year is or would be made of, of the extracts of a dataset: hashes by name."""
    if source.of == "current":
        return now.inputs(year)
    return history.inputs(year) if source.of == "vintages" else history.beginnings


def dim_vintage(held: Mapping[str, Current]) -> pl.DataFrame:
    """DIM_VINTAGE: every extract of every dataset that was not dropped."""
    rows = [row for name, now in held.items() for row in _vintage_rows(name, now)]
    return DIM_VINTAGE.conform(pl.DataFrame(rows, schema=DIM_VINTAGE.polars_schema, orient="row"))


def _vintage_rows(name: str, now: Current) -> Iterator[tuple[object, ...]]:
    gone = dropped(now.decisions)
    counting = {
        extract for table in now.dataset.tables for vintage in now.vintages(table) for extract in vintage.extracts
    }
    for extract, manifest in now.manifests.items():
        if extract in gone:
            continue
        released = [entry.last_updated for entry in manifest.tables.values() if entry.last_updated is not None]
        yield (
            name,
            extract.vintage_id,
            str(extract),
            extract.day,
            max(released, default=extract.day),
            "release" if released else "month" if manifest.date_is == "month" else "extract",
            manifest.ingested_at,
            manifest.origin,
            COUNTED if extract in counting else "derived" if manifest.origin == DERIVED else "partial",
            " ".join(sorted(manifest.tables)),
            manifest.provenance,
        )


def changed_since(now: Current, extract: ExtractId) -> dict[str, dict[str, int]]:
    """What an extract changed of the vintage that it follows, by table: cells that are new, other, and gone.

    Of a table that does not count, or that follows nothing, nothing is said.
    """
    manifest, found = now.manifests[extract], {}
    for table, verdict in (manifest.verdicts or {}).items():
        earlier = [each for each in now.vintages(table) if each.at < extract]
        if not verdict.counts or not earlier or table not in now.dataset.tables:
            continue
        layers = {table: earlier[-1].extracts}
        before = read_extracts(now.bronze, layers, now.manifests, now.dataset, tolerate_unknown=True).cells
        after = kept_cells(now.bronze, manifest, now.dataset, tolerate_unknown=True).content([table]).cells
        was, became = (statements(cells, now.dataset, table) for cells in (before, after))
        both = became.join(was, on=figure_of(became), suffix="_before")
        other = both.filter(
            pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in ("value", "status"))
        )
        found[table] = {
            "new": became.height - both.height,
            "changed": other.height,
            "gone": was.height - both.height if manifest.is_live else 0,
        }
    return found


def dimension_frame(table: Table, held: Mapping[str, Current]) -> pl.DataFrame:
    """The rows of a dimension: from the catalogue, and of the vintages from what is held."""
    if table.name == DIM_VINTAGE.name:
        return dim_vintage(held)
    return DIMENSION_FRAMES[table.name]({name: now.dataset for name, now in held.items()})


def inputs_of_piece(
    piece: Piece,
    registry: Registry,
    published: Mapping[str, Mapping[str, Partition]],
    histories: Mapping[str, History],
) -> dict[str, str]:
    """What a table in one piece is or would be made from: its tables, or the logs of figures and the vintages."""
    logs = {
        f"{each.table.name}/{key}": digest
        for each in sources_of(piece, registry)
        for key, partition in published.get(each.table.name, {}).items()
        if (digest := partition.part_sha256(each.part)) is not None
    }
    if piece.made_of:
        return logs
    vintages = {f"{name} vintages": content_sha256(histories[name].vintages) for name in registry.figures}
    return logs | vintages


def sources_of(piece: Piece, registry: Registry) -> tuple[FromTable, ...]:
    """The tables that a table in one piece is made of."""
    return piece.made_of or tuple(FromTable(each.table) for each in registry.figures.values())


class DecodedExtract(Protocol):
    """An extract whose cells can be read year by year."""

    @property
    def lines(self) -> pl.DataFrame:
        """The lines that BEA lists in it: LINE_SCHEMA."""

    def of_year(self, year: int) -> pl.DataFrame:
        """Its typed cells of a year, with `object`: the stored object that gave each."""


@dataclass(frozen=True)
class Folded:
    """The log of one year, and what it was folded from."""

    log: pl.DataFrame
    """The rows of `silver_vintages`."""
    keys: Mapping[str, tuple[str, ...]]
    """The vintages of each table, by `Moment.key`, in order."""


FOLDED = "vintages"
"""Under this name the details of a partition of a log hold the vintages that it was folded from, by BEA table."""


class PublishedLog:
    """What a lake holds of the log of a dataset."""

    def __init__(self, lake: Lake, derivation: Derivation) -> None:
        self._store = lake.table(derivation.table)
        self._code_version = derivation.code_version

    @cached_property
    def _partitions(self) -> dict[str, Partition]:
        return self._store.latest()

    def of_year(self, year: int) -> Folded | None:
        """A year of it; None where it has to be folded anew, because it is not there, damaged or of other code."""
        held = self._partitions.get(str(year))
        if held is None or held.code_version != self._code_version or FOLDED not in held.details:
            return None
        log = self._store.read_version(held)
        if log is None:
            return None
        return Folded(log, {table: tuple(keys) for table, keys in held.details[FOLDED].items()})


def log_of(now: Current, lake: Lake, derivation: Derivation, years: Collection[int] | None = None) -> pl.DataFrame:
    """The log of a dataset, of all its years or of these: as published, and what came since folded on the spot."""
    history, published = History(now), PublishedLog(lake, derivation)
    decoded = cache(decoded_of(now))
    wanted = sorted(history.years if years is None else history.years & set(years))
    logs = [fold_year(history, year, decoded, published.of_year(year)).log for year in wanted]
    return pl.concat(logs) if logs else empty_log(now.dataset)


def fold_year(
    history: History, year: int, decoded: Callable[[ExtractId], DecodedExtract], before: Folded | None = None
) -> Folded:
    """The log of a year: all vintages folded, or those that came after what was folded before.

    Where an extract was imported between earlier ones, or a decision changed what counts, all are folded again.
    """
    moments = history.moments(year)
    keys = {table: tuple(each.key for each in found) for table, found in moments.items()}
    further = _further(moments, before.keys) if before is not None else None
    log = before.log if before is not None and further is not None else empty_log(history.dataset)
    expected = history.expected(moments, year)
    for some in _some_at_once(further if further is not None else moments):
        states = _states_of(some, year, decoded, history.dataset, log)
        log = folded(log, states, _ticks_of(some), expected)
    return Folded(log, keys)


def _some_at_once(moments: Moments) -> Iterator[Moments]:
    """The vintages in order, a few at a time: each is a whole year of cells."""
    times = sorted({each.at for found in moments.values() for each in found})
    for first in range(0, len(times), _VINTAGES_AT_ONCE):
        some = set(times[first : first + _VINTAGES_AT_ONCE])
        yield {table: [each for each in found if each.at in some] for table, found in moments.items()}


def decoded_of(now: Current) -> Callable[[ExtractId], DecodedExtract]:
    """How the extracts of a dataset are read."""
    return lambda extract: kept_cells(now.bronze, now.manifests[extract], now.dataset, tolerate_unknown=True)


def _further(moments: Moments, before: Mapping[str, Sequence[str]]) -> dict[str, list[Moment]] | None:
    """The vintages after those that were folded; None where these are not the first ones of all."""
    found: dict[str, list[Moment]] = {}
    for table in moments.keys() | before.keys():
        held, now = list(before.get(table, ())), list(moments.get(table, ()))
        if [each.key for each in now[: len(held)]] != held:
            return None
        found[table] = now[len(held) :]
    return found


def _all_vintages(now: Current, table: str) -> Iterator[tuple[str, Vintage]]:
    """The vintages of a table with their basis: of two that count at one place the later decided one, and the rest."""
    counting = {each.at: each for each in now.vintages(table)}
    within = {extract for each in counting.values() for extract in each.extracts}
    gone = dropped(now.decisions)
    yield from ((COUNTED, each) for _, each in sorted(counting.items()))
    for extract, manifest in now.manifests.items():
        if table not in manifest.tables or extract in gone | within:
            continue
        if verdict_of(now.manifests, now.decisions, extract, table).usable:
            layer = Layer(extract, manifest.tables[table], manifest.is_live)
            basis = "derived" if manifest.origin == DERIVED else "partial"
            yield basis, Vintage(table, extract, (layer,))


def _layers(vintage: Vintage, year: int) -> list[Layer]:
    return [layer for layer in vintage.layers if year in layer.entry.years]


def _content(vintage: Vintage, year: int) -> tuple[str, ...]:
    return tuple(layer.entry.years[year] for layer in _layers(vintage, year))


def _ticks_of(moments: Moments) -> pl.DataFrame:
    """The vintages as the fold takes them; a vintage is known when all its layers are."""
    return pl.DataFrame(
        [
            (
                table,
                each.basis,
                each.at,
                each.vintage.release or each.vintage.at.day,
                max(layer.ingested_at for layer in each.layers),
                str(each.vintage),
            )
            for table, found in moments.items()
            for each in found
        ],
        schema=TICKS,
        orient="row",
    )


def _states_of(
    moments: Moments,
    year: int,
    decoded: Callable[[ExtractId], DecodedExtract],
    dataset: Dataset,
    log: pl.DataFrame,
) -> pl.DataFrame:
    """The cells of the vintages: of several layers, of those that say something the last."""
    uses = [
        (layer.extract, (table, each.basis, each.at, layer.released_on, layer.ingested_at, number, len(each.layers)))
        for table, found in moments.items()
        for each in found
        if each.content
        for number, layer in enumerate(each.layers)
    ]
    cells, texts = [], []
    for extract in sorted({extract for extract, _ in uses}):
        read = decoded(extract)
        of_extract = pl.DataFrame([use for each, use in uses if each == extract], schema=_USES, orient="row")
        name = pl.lit(str(extract)).alias("extract")
        of_year = read.of_year(year)
        cells.append(
            of_year.join(of_extract, on="bea_table", maintain_order="left")
            .with_columns(name)
            .join(_objects_of(extract, of_year), on="object", maintain_order="left")
        )
        lines = read.lines.filter(pl.col("bea_table").is_in(of_extract["bea_table"].implode()))
        check_meanings(lines, dataset)
        texts.append(lines.select(*LINE_SCHEMA).with_columns(name))
    if not cells:
        return no_states(dataset)
    # an empty cell of what does not count says nothing, so it answers nothing either
    together = pl.concat(cells).filter((pl.col("basis") == COUNTED) | (pl.col("status") != "blank"))
    if (together["layers"] > 1).any():
        says_something = (pl.col("status") != "blank").cast(pl.Int8)
        together = together.sort(says_something, "layer", maintain_order=True).unique(
            [*_CELL, "basis", "at"], keep="last", maintain_order=True
        )
    return as_states(together, pl.concat(texts), dataset, log)


def _objects_of(extract: ExtractId, cells: pl.DataFrame) -> pl.DataFrame:
    """What the log calls each object, once: in millions of rows a text of their own each would fill the memory."""
    names = cells.select("object").unique()
    return names.with_columns(source_object=pl.format("{}/{}", pl.lit(str(extract)), "object"))
