"""What the look-alike publishes at one moment: tables, lines, areas and cells of one release, faults included.

Answers and archive are both rendered from it, so they cannot disagree.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import polars as pl

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.economy import generate
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.vintages import PER_CAPITA_TABLE, Vintage, vintage

_ADDED_LINE = "Services of a kind not seen before"


@dataclass(frozen=True)
class Publication:
    """One release as it is published.

    Frames: `cells` (bea_table, line_code, geo_fips, year, value_text, sorted), `lines` (bea_table, line_code,
    description, unit, unit_multiplier, depth) and `areas` (geo_fips, geo_name, region_fips, path_segment).

    `titles` is by table, `original` the catalogue's name of each table where that differs.
    """

    vintage: Vintage
    titles: Mapping[str, str]
    original: Mapping[str, str]
    cells: pl.DataFrame
    lines: pl.DataFrame
    areas: pl.DataFrame

    def note(self, table: str) -> str:
        return self.vintage.note(self.original.get(table, table))

    def statistic(self, table: str, description: str) -> str:
        """BEA's long text of a line."""
        per_capita = self.original.get(table, table) == PER_CAPITA_TABLE
        return f"{'Per capita' if per_capita else 'Total'} personal consumption expenditures: {description}"

    @cached_property
    def line_texts(self) -> dict[str, dict[int, tuple[str, str, int]]]:
        """Description, unit and unit multiplier by table and line."""
        texts: dict[str, dict[int, tuple[str, str, int]]] = {}
        for table, line, *text in self.lines.select(
            "bea_table", "line_code", "description", "unit", "unit_multiplier"
        ).iter_rows():
            texts.setdefault(table, {})[line] = (text[0], text[1], text[2])
        return texts

    @cached_property
    def _rows_of_line(self) -> dict[tuple[str, int], tuple[int, int]]:
        counts = self.cells.group_by("bea_table", "line_code", maintain_order=True).len()
        starts = counts.with_columns((pl.col("len").cum_sum() - pl.col("len")).alias("start"))
        return {(table, line): (start, count) for table, line, count, start in starts.iter_rows()}

    def cells_of(self, table: str, line: int) -> pl.DataFrame:
        """The cells of one line, by area and year, with the area's name as JSON text in `geo_json`."""
        start, count = self._rows_of_line[table, line]
        return self.cells.slice(start, count).join(self._area_names, on="geo_fips", maintain_order="left")

    @cached_property
    def _area_names(self) -> pl.DataFrame:
        names = [json.dumps(name) for name in self.areas["geo_name"]]
        return self.areas.select("geo_fips", pl.Series("geo_json", names))


def publish(release: int, faults: frozenset[Fault] = frozenset()) -> Publication:
    """What release `release` publishes under the given faults of publication; the last few are kept."""
    return _publish(release, tuple(sorted(faults, key=repr)))


@lru_cache(maxsize=4)
def _publish(release: int, faults: tuple[Fault, ...]) -> Publication:
    dataset = load_datasets("full")["pce_state"]
    shown = vintage(release)
    depths = dataset.categories.select("category_id", "depth")
    lines = dataset.lines.join(depths, on="category_id").select(
        "bea_table", "line_code", "description", "unit", "unit_multiplier", "depth"
    )
    publication = Publication(
        vintage=shown,
        titles={table.name: table.title for table in dataset.tables.values()},
        original={},
        cells=_cells(release),
        lines=lines.sort("bea_table", "line_code"),
        areas=dataset.areas.select("geo_fips", "geo_name", "region_fips", "path_segment"),
    )
    # Renaming tables comes last, so that the other faults still find them by the name they are given.
    for fault in sorted(faults, key=lambda one: one.kind is FaultKind.TABLE_RENAMED):
        publication = _spoil(publication, fault)
    return publication


@lru_cache(maxsize=4)
def _cells(release: int) -> pl.DataFrame:
    return generate(vintage(release))


def _spoil(publication: Publication, fault: Fault) -> Publication:
    tables = [table for table in publication.titles if fault.concerns(table)]
    match fault.kind:
        case FaultKind.SILENT_REVISION:
            return replace(publication, cells=_silently_revised(publication, fault))
        case FaultKind.MARKS_CHANGED:
            marked = pl.when(pl.col("bea_table").is_in(tables)).then(pl.col("description") + " 1/")
            return replace(
                publication,
                lines=publication.lines.with_columns(marked.otherwise(pl.col("description")).alias("description")),
                areas=publication.areas.with_columns(pl.col("geo_name") + " *"),
            )
        case FaultKind.TABLE_RENAMED:
            return _renamed(publication, {table: f"{table}N" for table in tables})
        case FaultKind.LINES_RENAMED:
            renamed = pl.col("bea_table").is_in(tables) & pl.col("line_code").is_in(fault.lines or (2,))
            described = pl.when(renamed).then(pl.lit("Redefined: ") + pl.col("description"))
            return replace(
                publication,
                lines=publication.lines.with_columns(described.otherwise(pl.col("description")).alias("description")),
            )
        case FaultKind.LINES_SWAPPED:
            one, other = (fault.lines or (2, 3))[:2]
            return _moved(publication, tables, {one: other, other: one})
        case FaultKind.LINE_DROPPED:
            return _dropped(publication, tables, fault.lines)
        case FaultKind.LINE_ADDED:
            return _added(publication, tables)
        case FaultKind.CELLS_DROPPED:
            publication = _without_cells(publication, tables, fault)
    return publication


def _without_cells(publication: Publication, tables: list[str], fault: Fault) -> Publication:
    dropped = pl.col("bea_table").is_in(tables) & pl.col("geo_fips").is_in(fault.areas or ("56000",))
    if fault.years:
        dropped &= pl.col("year").is_in(fault.years)
    return replace(publication, cells=publication.cells.filter(~dropped))


def _silently_revised(publication: Publication, fault: Fault) -> pl.DataFrame:
    touched = [table for table in publication.titles if fault.concerns(table)]
    changed = pl.col("bea_table").is_in(touched)
    if fault.lines:
        changed &= pl.col("line_code").is_in(fault.lines)
    revised = generate(publication.vintage, silently=True).filter(changed)
    return pl.concat([publication.cells.filter(~changed), revised]).sort("bea_table", "line_code", "geo_fips", "year")


def _renamed(publication: Publication, names: dict[str, str]) -> Publication:
    rename = pl.col("bea_table").replace(names)
    return replace(
        publication,
        titles={names.get(table, table): title for table, title in publication.titles.items()},
        original={**publication.original, **{new: old for old, new in names.items()}},
        cells=publication.cells.with_columns(rename),
        lines=publication.lines.with_columns(rename),
    )


def _moved(publication: Publication, tables: list[str], moves: dict[int, int]) -> Publication:
    code = (
        pl.when(pl.col("bea_table").is_in(tables))
        .then(pl.col("line_code").replace(moves))
        .otherwise(pl.col("line_code"))
        .alias("line_code")
    )
    return replace(
        publication,
        cells=publication.cells.with_columns(code).sort("bea_table", "line_code", "geo_fips", "year"),
        lines=publication.lines.with_columns(code).sort("bea_table", "line_code"),
    )


def _dropped(publication: Publication, tables: list[str], lines: tuple[int, ...]) -> Publication:
    in_scope = pl.col("bea_table").is_in(tables)
    last = pl.col("line_code") == pl.col("line_code").max().over("bea_table")
    kept = ~(in_scope & (pl.col("line_code").is_in(lines) if lines else last))
    return replace(publication, cells=publication.cells.filter(kept), lines=publication.lines.filter(kept))


def _added(publication: Publication, tables: list[str]) -> Publication:
    last = pl.col("line_code") == pl.col("line_code").max().over("bea_table")
    ends = pl.col("bea_table").is_in(tables) & last
    more = pl.col("line_code") + 1
    lines = publication.lines.filter(ends).with_columns(more, pl.lit(_ADDED_LINE).alias("description"))
    cells = publication.cells.filter(ends).with_columns(more)
    return replace(
        publication,
        lines=pl.concat([publication.lines, lines]).sort("bea_table", "line_code"),
        cells=pl.concat([publication.cells, cells]).sort("bea_table", "line_code", "geo_fips", "year"),
    )
