"""Figures without a value, counted by dataset, reason, area and year. Pure."""

from collections.abc import Iterator

import polars as pl

from pce_pipeline.reports.report import MissingOf


def missing_cells(cells: pl.DataFrame) -> pl.DataFrame:
    """How many figures have no value: dataset, status, area, year, cells, sorted by the first four.

    `cells` has dataset, geo_fips, state, year, value and status, as the facts do; `area` is the postal code, or the
    FIPS code of an area without one.
    """
    return (
        cells.lazy()
        .filter(pl.col("value").is_null())
        .group_by("dataset", "status", area=pl.coalesce("state", "geo_fips"), year="year")
        .agg(cells=pl.len())
        .sort("dataset", "status", "area", "year")
        .collect()
    )


def figures_by_dataset(cells: pl.DataFrame) -> dict[str, int]:
    """How many figures of each dataset there are, with a value or without."""
    return dict(cells.group_by("dataset").len().sort("dataset").iter_rows())


def missing_of(counted: pl.DataFrame, figures: dict[str, int]) -> Iterator[MissingOf]:
    """The counts of `missing_cells` as tables of areas by years, one for each dataset and reason."""
    for (dataset, status), rows in counted.group_by("dataset", "status", maintain_order=True):
        years, areas = sorted(set(rows["year"])), sorted(set(rows["area"]))
        count = {(area, year): cells for area, year, cells in rows.select("area", "year", "cells").iter_rows()}
        yield MissingOf(
            dataset=str(dataset),
            status=str(status),
            cells=int(rows["cells"].sum()),
            of_cells=figures[str(dataset)],
            years=tuple(years),
            areas=tuple(areas),
            counts=tuple(tuple(count.get((area, year), 0) for year in years) for area in areas),
        )
