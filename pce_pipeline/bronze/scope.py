"""What an extract speaks of: the cells it holds, by our categories and measures, as a few blocks.

A line code is BEA's and moves between layouts and tables; measure and category are ours and do not, so a line that BEA
renumbers is still the same line here. Frames in, frames or words out; no I/O and no judgement.
"""

from collections.abc import Iterable, Sequence

import msgspec
import polars as pl

from pce_pipeline.tables.columns import figure_of
from pce_pipeline.tables.years import years_text

CELL = ("measure", "category_id", "geo_fips", "year")

CELL_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "measure": pl.String,
    "category_id": pl.String,
    "geo_fips": pl.String,
    "year": pl.Int32,
}

_LISTED = 4


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Cells of one measure: every combination of these categories, areas and years, and months where there are any.

    >>> block = Block(measure="pce", categories=("product.pce",), areas=("01000", "02000"), years=(2022, 2023))
    >>> cells_of([block]).height
    4
    """

    measure: str
    """What is measured: `pce`, `pce_per_capita`."""
    categories: tuple[str, ...]
    """Our category ids, ascending."""
    areas: tuple[str, ...]
    """FIPS codes of five characters, ascending."""
    years: tuple[int, ...]
    """Calendar years, ascending."""
    months: tuple[int, ...] = ()
    """Months of each of these years, ascending; none where a cell is of a whole year."""


def blocks_of(cells: pl.DataFrame) -> tuple[Block, ...]:
    """The cells of a frame (with CELL_SCHEMA, and a month where they are of months) as blocks that do not overlap.

    Equal cells give equal blocks. A complete table is one or two blocks. Cells that lie irregularly need more: at worst
    one per category and area.
    """
    if cells.is_empty():
        return ()
    figure = figure_of(cells)
    found = cells.select(figure).unique()
    is_monthly = "month" in figure
    if is_monthly:
        found = found.group_by(CELL).agg(pl.col("month").sort())
    else:
        found = found.with_columns(month=pl.lit([], dtype=pl.List(pl.Int32)))
    by_years = found.group_by(*CELL[:3], "month").agg(pl.col("year").sort())
    by_areas = by_years.group_by("measure", "category_id", "year", "month").agg(pl.col("geo_fips").sort())
    by_categories = (
        by_areas.group_by("measure", "geo_fips", "year", "month")
        .agg(pl.col("category_id").sort())
        .sort("measure", "category_id", "geo_fips", "year", "month")
    )
    return tuple(
        Block(
            measure=measure, categories=tuple(categories), areas=tuple(areas), years=tuple(years), months=tuple(months)
        )
        for measure, areas, years, months, categories in by_categories.select(
            "measure", "geo_fips", "year", "month", "category_id"
        ).iter_rows()
    )


def cells_of(blocks: Iterable[Block]) -> pl.DataFrame:
    """The cells of blocks: a frame with CELL_SCHEMA, and a month where they are of months; one row per cell."""
    parts = [_cells_of_block(block) for block in blocks]
    return pl.concat(parts) if parts else pl.DataFrame(schema=CELL_SCHEMA)


def _cells_of_block(block: Block) -> pl.DataFrame:
    cells = (
        pl.DataFrame({"measure": [block.measure]})
        .join(pl.DataFrame({"category_id": [*block.categories]}), how="cross")
        .join(pl.DataFrame({"geo_fips": [*block.areas]}), how="cross")
        .join(pl.DataFrame({"year": [*block.years]}, schema={"year": pl.Int32}), how="cross")
    )
    if not block.months:
        return cells
    return cells.join(pl.DataFrame({"month": [*block.months]}, schema={"month": pl.Int32}), how="cross")


def together(cells: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The cells of several frames, each once; no cells of years where there are none at all."""
    parts = [each.select(figure_of(each)) for each in cells if each.height]
    return pl.concat(parts).unique() if parts else pl.DataFrame(schema=CELL_SCHEMA)


def without(cells: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The cells that are not among the others, which are of years or of months as these are."""
    figure = figure_of(cells)
    if others.is_empty():
        return cells.select(figure)
    return cells.select(figure).join(others.select(figure), on=figure, how="anti")


def in_words(cells: pl.DataFrame) -> str:
    """How many cells, and which categories, areas and years they lie in; a few are named.

    >>> in_words(cells_of([Block(measure="pce", categories=("product.pce",), areas=("01000",), years=(2022, 2023))]))
    '2 cells of pce: category product.pce, area 01000, 2022...2023'
    """
    if cells.is_empty():
        return "no cell"
    measures = ", ".join(sorted(cells["measure"].unique()))
    parts = [
        _listed(sorted(cells["category_id"].unique()), "category", "categories"),
        _listed(sorted(cells["geo_fips"].unique()), "area", "areas"),
        _periods_text(cells),
    ]
    noun = "cell" if cells.height == 1 else "cells"
    return f"{cells.height:,} {noun} of {measures}: {', '.join(parts)}"


def _periods_text(cells: pl.DataFrame) -> str:
    """The years, or the first and the last of months, as in 2026M01...2026M07."""
    if "month" not in cells.columns:
        return years_text(cells["year"].unique())
    months = sorted(f"{year}M{month:02}" for year, month in cells.select("year", "month").unique().iter_rows())
    return months[0] if len(months) == 1 else f"{months[0]}...{months[-1]}"


def _listed(names: Sequence[str], one: str, many: str) -> str:
    if len(names) == 1:
        return f"{one} {names[0]}"
    return f"{len(names)} {many}" + (f" ({', '.join(names)})" if len(names) <= _LISTED else "")
