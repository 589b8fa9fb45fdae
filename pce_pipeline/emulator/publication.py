"""What the look-alike publishes by year at one moment: tables, lines, areas and cells of one release, faults included.

National tables by month are in `national`. Answers and archive are both rendered from it, so they cannot disagree.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial, reduce
from pathlib import Path

import polars as pl

from pce_pipeline.catalog.dataset import Dataset, Measure
from pce_pipeline.catalog.reading import load_datasets, read_catalogue
from pce_pipeline.emulator.economy import SPENDING
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.figures import Figures, as_published, clocks_of, newest_lines, of_years, years_of
from pce_pipeline.emulator.vintages import Vintage, vintage

_CELL = ["bea_table", "line_code", "geo_fips", "year"]
ADDED_LINE = "Services of a kind not seen before"
"""The text of a line that no release had before."""

_SPENDING = "personal consumption expenditures"


@dataclass(frozen=True)
class Published:
    """What there is to know of one table beside its cells."""

    title: str
    """BEA's title."""
    dataset: Dataset
    """The dataset it is of."""
    years: range
    """The years it has."""
    levels: frozenset[str]
    """The levels of areas it has."""
    note: str
    """BEA's "Last updated" line of it."""
    archives: frozenset[str]
    """The archives that hold it: its own, and where it repeats figures of other tables, theirs."""

    @property
    def is_guest(self) -> bool:
        """Whether archives of other tables hold it too."""
        return len(self.archives) > 1


class Cells:
    """The cells of one table, made when they are first asked for: most who look at a publication want one table."""

    def __init__(self, make: Callable[[], pl.DataFrame]) -> None:
        self._make = make

    @cached_property
    def frame(self) -> pl.DataFrame:
        """bea_table, line_code, geo_fips, year, value_text, sorted."""
        return self._make()

    @cached_property
    def place_of_line(self) -> dict[int, tuple[int, int]]:
        """Where the rows of each line begin, and how many they are."""
        counts = self.frame.group_by("line_code", maintain_order=True).len()
        starts = counts.with_columns((pl.col("len").cum_sum() - pl.col("len")).alias("start"))
        return {line: (start, count) for line, count, start in starts.iter_rows()}

    def then(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> "Cells":
        """These cells, changed."""
        return Cells(lambda: change(self.frame))


@dataclass(frozen=True)
class Publication:
    """One release as it is published."""

    vintage: Vintage
    """The release."""
    tables: Mapping[str, Published]
    """Its tables by the name they are published under."""
    cells: Mapping[str, Cells]
    """Its cells by table."""
    lines: pl.DataFrame
    """bea_table, line_code, measure, description, unit, unit_multiplier, depth."""
    areas: pl.DataFrame
    """geo_fips, geo_name, region_fips, path_segment."""

    def measure(self, table: str, line: int) -> Measure:
        """What a line measures."""
        return self.tables[table].dataset.measures[self._measures[table, line]]

    def statistic(self, table: str, line: int) -> str:
        """BEA's long text of a line."""
        measure, description = self.measure(table, line), self.line_texts[table][line][0]
        if self.tables[table].is_guest:
            return description
        if measure.name == SPENDING:
            return f"Total {_SPENDING}: {description}"
        return f"Per capita {_SPENDING}: {description}" if measure.per_capita_of == SPENDING else description

    @cached_property
    def _measures(self) -> dict[tuple[str, int], str]:
        lines = self.lines.select("bea_table", "line_code", "measure")
        return {(table, line): measure for table, line, measure in lines.iter_rows()}

    @cached_property
    def line_texts(self) -> dict[str, dict[int, tuple[str, str, int]]]:
        """Description, unit and unit multiplier by table and line."""
        texts: dict[str, dict[int, tuple[str, str, int]]] = {}
        for table, line, *text in self.lines.select(
            "bea_table", "line_code", "description", "unit", "unit_multiplier"
        ).iter_rows():
            texts.setdefault(table, {})[line] = (text[0], text[1], text[2])
        return texts

    def cells_of(self, table: str, line: int) -> pl.DataFrame:
        """The cells of one line, by area and year, with the area's name as JSON text in `geo_json`."""
        start, count = self.cells[table].place_of_line[line]
        return self.cells[table].frame.slice(start, count).join(self._area_names, on="geo_fips", maintain_order="left")

    def areas_of(self, table: str) -> frozenset[str]:
        """The areas of the levels that a table has."""
        published = self.tables[table]
        levels = published.dataset.areas.filter(pl.col("geo_level").is_in(published.levels))
        return frozenset(self.areas.join(levels, on="geo_fips", how="semi")["geo_fips"])

    @property
    def every_cell(self) -> pl.DataFrame:
        """The cells of all tables, sorted."""
        return pl.concat([self.cells[table].frame for table in sorted(self.cells)])

    def with_cells(self, tables: Iterable[str], change: Callable[[pl.DataFrame], pl.DataFrame]) -> "Publication":
        """The publication with other cells in some tables."""
        return replace(self, cells={**self.cells, **{table: self.cells[table].then(change) for table in tables}})

    @cached_property
    def _area_names(self) -> pl.DataFrame:
        names = [json.dumps(name) for name in self.areas["geo_name"]]
        return self.areas.select("geo_fips", pl.Series("geo_json", names))


def publish(release: int, faults: frozenset[Fault] = frozenset(), catalog: Path | None = None) -> Publication:
    """What release `release` publishes under the given faults of publication; the last few are kept.

    `catalog` is the folder of datasets that a user adds to the packaged ones.
    """
    return _publish(release, tuple(sorted(faults, key=repr)), catalog)


@lru_cache(maxsize=4)
def _publish(release: int, faults: tuple[Fault, ...], catalog: Path | None) -> Publication:
    datasets = of_years(load_datasets("full", catalog))
    shown = vintage(release)
    lines = [
        newest_lines(dataset)
        .join(dataset.categories, on="category_id")
        .select("bea_table", "line_code", "measure", "description", "unit", "unit_multiplier", "depth")
        for dataset in datasets.values()
    ]
    publication = Publication(
        vintage=shown,
        tables=_tables(shown, datasets),
        cells={
            table: Cells(partial(_cells, release, table, catalog))
            for each in datasets.values()
            for table in each.tables
        },
        lines=pl.concat(lines).sort("bea_table", "line_code"),
        areas=read_catalogue(catalog).areas.select("geo_fips", "geo_name", "region_fips", "path_segment"),
    )
    # Renaming tables comes last, so that the other faults still find them by the name they are given.
    for fault in sorted(faults, key=lambda one: one.kind is FaultKind.TABLE_RENAMED):
        publication = _spoil(publication, fault, catalog)
    return publication


def _tables(shown: Vintage, datasets: Mapping[str, Dataset]) -> dict[str, Published]:
    """What each table has. One whose lines repeat measures of other datasets says no more of a release than its day."""
    tables = {}
    for name, dataset in datasets.items():
        for table in dataset.tables.values():
            measures = dataset.lines.filter(bea_table=table.name)["measure"].unique()
            repeated = {dataset.measures[measure].home for measure in measures} - {name}
            tables[table.name] = Published(
                title=table.title,
                dataset=dataset,
                years=years_of(dataset, table.name, shown),
                levels=table.levels,
                note=shown.note(set() if repeated else clocks_of(dataset, table.name)),
                archives=frozenset({dataset.archive, *(datasets[each].archive for each in repeated)}),
            )
    return tables


@lru_cache(maxsize=4)
def _figures(release: int, catalog: Path | None, *, silently: bool) -> Figures:
    return Figures(vintage(release), load_datasets("full", catalog), silently=silently)


@lru_cache(maxsize=16)
def _cells(release: int, table: str, catalog: Path | None, *, silently: bool = False) -> pl.DataFrame:
    return _figures(release, catalog, silently=silently).cells_of(table)


def _spoil(publication: Publication, fault: Fault, catalog: Path | None) -> Publication:
    tables = [table for table in publication.tables if fault.concerns(table)]
    if fault.kind is FaultKind.SILENT_REVISION:
        return _silently_revised(publication, tables, fault, catalog)
    # Else a fault of national tables alone would change the names of areas.
    if not tables:
        return publication
    return _SPOILING[fault.kind](publication, tables, fault)


def _marked(publication: Publication, tables: list[str]) -> Publication:
    marked = pl.when(pl.col("bea_table").is_in(tables)).then(pl.col("description") + " 1/")
    return replace(
        publication,
        lines=publication.lines.with_columns(marked.otherwise(pl.col("description")).alias("description")),
        areas=publication.areas.with_columns(pl.col("geo_name") + " *"),
    )


def _redefined(publication: Publication, tables: list[str], lines: tuple[int, ...]) -> Publication:
    renamed = pl.col("bea_table").is_in(tables) & pl.col("line_code").is_in(lines)
    described = pl.when(renamed).then(pl.lit("Redefined: ") + pl.col("description"))
    return replace(
        publication,
        lines=publication.lines.with_columns(described.otherwise(pl.col("description")).alias("description")),
    )


def _swapped(publication: Publication, tables: list[str], lines: tuple[int, ...]) -> Publication:
    one, other = lines[:2]
    return _moved(publication, tables, {one: other, other: one})


def _in_layout_of_before(publication: Publication, table: str) -> Publication:
    """The publication with a table as it was when it held lines of others; nothing changes for one that never did.

    Areas for which a line has no figures are there with "(NA)", and tables whose lines it holds are gone.
    """
    if table not in publication.tables:
        return publication
    dataset = publication.tables[table].dataset
    moved = (pl.col("today_table") != table) | (pl.col("today_line") != pl.col("line_code"))
    layouts = dataset.layouts.filter(pl.col("bea_table") == table).filter(moved.any().over("layout"))
    if layouts.is_empty():
        return publication
    held = layouts.filter(pl.col("layout") == pl.col("layout").max())
    cells = pl.concat(
        publication.cells[today]
        .frame.filter(line_code=place)
        .with_columns(bea_table=pl.lit(table), line_code=pl.lit(line, dtype=pl.Int32))
        for line, today, place in held.select("line_code", "today_table", "today_line").iter_rows()
    )
    everywhere = (
        cells.select("bea_table", "line_code").unique().join(cells.select("geo_fips", "year").unique(), how="cross")
    )
    whole = everywhere.join(cells, on=_CELL, how="left").with_columns(pl.col("value_text").fill_null("(NA)"))
    gone = set(held["today_table"]) - {table}
    lines = (
        as_published(held)
        .join(dataset.categories, on="category_id")
        .select(pl.col(name).cast(dtype) for name, dtype in publication.lines.schema.items())
    )
    clocks = {clock for today in held["today_table"] for clock in clocks_of(dataset, today)}
    noted = replace(publication.tables[table], note=publication.vintage.note(clocks))
    others = _without(publication, gone)
    return replace(
        others,
        tables={**others.tables, table: noted},
        cells={**others.cells, table: Cells(lambda: whole.sort(_CELL))},
        lines=pl.concat([others.lines.filter(pl.col("bea_table") != table), lines]).sort("bea_table", "line_code"),
    )


def _without(publication: Publication, gone: Collection[str]) -> Publication:
    return replace(
        publication,
        tables={name: each for name, each in publication.tables.items() if name not in gone},
        cells={name: each for name, each in publication.cells.items() if name not in gone},
        lines=publication.lines.filter(~pl.col("bea_table").is_in(list(gone))),
    )


def _without_cells(publication: Publication, tables: list[str], fault: Fault) -> Publication:
    dropped = pl.col("geo_fips").is_in(fault.areas or ("56000",))
    if fault.years:
        dropped &= pl.col("year").is_in(fault.years)
    return publication.with_cells(tables, lambda cells: cells.filter(~dropped))


def _with_other_numbers(publication: Publication, tables: list[str], fault: Fault) -> Publication:
    def differing(table: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
        lines = fault.lines or tuple(publication.line_texts[table])[:1]
        years = fault.years or (publication.tables[table].years[-1],)
        is_meant = (
            pl.col("line_code").is_in(lines)
            & pl.col("geo_fips").is_in(fault.areas or ("01000",))
            & pl.col("year").is_in(years)
        )
        text = pl.when(is_meant).then(other_number(pl.col("value_text"))).otherwise("value_text")
        return lambda cells: cells.with_columns(value_text=text)

    return reduce(lambda spoilt, table: spoilt.with_cells([table], differing(table)), tables, publication)


def other_number(value_text: pl.Expr) -> pl.Expr:
    """The numbers of texts with another last digit; codes stay as they are."""
    digit = value_text.str.extract(r"([0-9])$").cast(pl.Int32)
    other = pl.concat_str(value_text.str.head(-1), ((digit + 1) % 10).cast(pl.String))
    return pl.coalesce(other, value_text)


def _silently_revised(publication: Publication, tables: list[str], fault: Fault, catalog: Path | None) -> Publication:
    changed = pl.col("line_code").is_in(fault.lines) if fault.lines else pl.lit(value=True)

    def revised(table: str) -> Callable[[], pl.DataFrame]:
        def make() -> pl.DataFrame:
            new = _cells(publication.vintage.number, table, catalog, silently=True).filter(changed)
            return pl.concat([publication.cells[table].frame.filter(~changed), new]).sort(_CELL)

        return make

    return replace(publication, cells={**publication.cells, **{table: Cells(revised(table)) for table in tables}})


def _renamed(publication: Publication, names: dict[str, str]) -> Publication:
    rename = pl.col("bea_table").replace(names)
    spoilt = publication.with_cells(names, lambda cells: cells.with_columns(rename))
    return replace(
        spoilt,
        tables={names.get(table, table): published for table, published in spoilt.tables.items()},
        cells={names.get(table, table): cells for table, cells in spoilt.cells.items()},
        lines=spoilt.lines.with_columns(rename),
    )


def _moved(publication: Publication, tables: list[str], moves: dict[int, int]) -> Publication:
    code = pl.col("line_code").replace(moves)
    of_tables = pl.when(pl.col("bea_table").is_in(tables)).then(code).otherwise("line_code").alias("line_code")
    spoilt = publication.with_cells(tables, lambda cells: cells.with_columns(code).sort(_CELL))
    return replace(spoilt, lines=spoilt.lines.with_columns(of_tables).sort("bea_table", "line_code"))


def _dropped(publication: Publication, tables: list[str], lines: tuple[int, ...]) -> Publication:
    last = pl.col("line_code") == pl.col("line_code").max().over("bea_table")
    gone = pl.col("line_code").is_in(lines) if lines else last
    spoilt = publication.with_cells(tables, lambda cells: cells.filter(~gone))
    left = spoilt.lines.filter(~(pl.col("bea_table").is_in(tables) & gone))
    # A table of no lines is none.
    return _without(replace(spoilt, lines=left), set(tables) - set(left["bea_table"]))


def _added(publication: Publication, tables: list[str]) -> Publication:
    last = pl.col("line_code") == pl.col("line_code").max().over("bea_table")
    more = pl.col("line_code") + 1
    added = publication.lines.filter(pl.col("bea_table").is_in(tables) & last).with_columns(
        more, pl.lit(ADDED_LINE).alias("description")
    )
    spoilt = publication.with_cells(tables, lambda cells: pl.concat([cells, cells.filter(last).with_columns(more)]))
    return replace(spoilt, lines=pl.concat([spoilt.lines, added]).sort("bea_table", "line_code"))


_SPOILING: dict[FaultKind, Callable[[Publication, list[str], Fault], Publication]] = {
    FaultKind.MARKS_CHANGED: lambda publication, tables, _: _marked(publication, tables),
    FaultKind.TABLE_RENAMED: lambda publication, tables, _: _renamed(
        publication, {table: f"{table}N" for table in tables}
    ),
    FaultKind.LINES_RENAMED: lambda publication, tables, fault: _redefined(publication, tables, fault.lines or (2,)),
    FaultKind.LINES_SWAPPED: lambda publication, tables, fault: _swapped(publication, tables, fault.lines or (2, 3)),
    FaultKind.LINE_DROPPED: lambda publication, tables, fault: _dropped(publication, tables, fault.lines),
    FaultKind.LINE_ADDED: lambda publication, tables, _: _added(publication, tables),
    FaultKind.LAYOUT_OF_BEFORE: lambda publication, tables, _: reduce(_in_layout_of_before, tables, publication),
    FaultKind.CELLS_DROPPED: _without_cells,
    FaultKind.FILES_DIFFER: _with_other_numbers,
}
"""What each fault of publication does; that of a silent revision needs the catalogue, too."""
