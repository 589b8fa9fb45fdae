"""What an extract speaks of: the cells it holds, by our categories and measures, as a few blocks.

A line code is BEA's and moves between layouts and tables; measure and category are ours and do not, so a line that BEA
renumbers is still the same line here. Frames in, frames or words out; no I/O and no judgement.
"""

from collections.abc import Iterable, Sequence

import msgspec
import polars as pl

from pce_pipeline.tables.years import years_text

CELL = ("measure", "category_id", "geo_fips", "year")

CELL_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "measure": pl.String,
    "category_id": pl.String,
    "geo_fips": pl.String,
    "year": pl.Int32,
}

_LISTED = 4


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Cells of one measure: every combination of these categories, areas and years.

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


def blocks_of(cells: pl.DataFrame) -> tuple[Block, ...]:
    """The cells of a frame (with CELL) as blocks that do not overlap; equal cells give equal blocks.

    A complete table is one or two blocks. Cells that lie irregularly need more: at worst one per category and area.
    """
    if cells.is_empty():
        return ()
    by_years = cells.select(CELL).unique().group_by(CELL[:3]).agg(pl.col("year").sort())
    by_areas = by_years.group_by("measure", "category_id", "year").agg(pl.col("geo_fips").sort())
    by_categories = (
        by_areas.group_by("measure", "geo_fips", "year")
        .agg(pl.col("category_id").sort())
        .sort("measure", "category_id", "geo_fips", "year")
    )
    return tuple(
        Block(measure=measure, categories=tuple(categories), areas=tuple(areas), years=tuple(years))
        for measure, areas, years, categories in by_categories.select(
            "measure", "geo_fips", "year", "category_id"
        ).iter_rows()
    )


def cells_of(blocks: Iterable[Block]) -> pl.DataFrame:
    """The cells of blocks: a frame with CELL_SCHEMA, one row per cell."""
    parts = [
        pl.DataFrame({"measure": [block.measure]})
        .join(pl.DataFrame({"category_id": [*block.categories]}), how="cross")
        .join(pl.DataFrame({"geo_fips": [*block.areas]}), how="cross")
        .join(pl.DataFrame({"year": [*block.years]}, schema={"year": pl.Int32}), how="cross")
        for block in blocks
    ]
    return pl.concat([pl.DataFrame(schema=CELL_SCHEMA), *parts])


def without(cells: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The cells that are not among the others; both with CELL."""
    return cells.select(CELL).join(others.select(CELL), on=CELL, how="anti")


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
        years_text(cells["year"].unique()),
    ]
    noun = "cell" if cells.height == 1 else "cells"
    return f"{cells.height:,} {noun} of {measures}: {', '.join(parts)}"


def _listed(names: Sequence[str], one: str, many: str) -> str:
    if len(names) == 1:
        return f"{one} {names[0]}"
    return f"{len(names)} {many}" + (f" ({', '.join(names)})" if len(names) <= _LISTED else "")
