"""The shared dimensions, straight from the catalogue: areas, categories, and the bridge to BEA's lines."""

import hashlib
from collections.abc import Callable, Mapping

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.vintages import DIM_FIGURE

Datasets = Mapping[str, Dataset]


def dim_geography(datasets: Datasets) -> pl.DataFrame:
    """DIM_GEOGRAPHY: every area BEA publishes, whatever the profile."""
    return DIM_GEOGRAPHY.conform(pl.concat([each.areas for each in datasets.values()]).unique())


def dim_category(datasets: Datasets) -> pl.DataFrame:
    """DIM_CATEGORY: every category, whatever the profile, so that a narrow extract still finds its parents."""
    return DIM_CATEGORY.conform(pl.concat([each.categories for each in datasets.values()]).unique())


def category_line(datasets: Datasets) -> pl.DataFrame:
    """CATEGORY_LINE: the lines of the profile in every layout, each with its category."""
    return CATEGORY_LINE.conform(pl.concat([each.layouts for each in datasets.values()]))


def dim_figure(datasets: Datasets) -> pl.DataFrame:
    """DIM_FIGURE: the figures of the profile. Raises `ValueError` should two ever have the same number."""
    rows = [
        (figure_id(name, measure, category), name, measure, category, dataset.measures[measure].unit)
        for name, dataset in datasets.items()
        for measure, category in dataset.lines.select("measure", "category_id").unique().iter_rows()
    ]
    if len({number for number, *_ in rows}) < len(rows):
        raise ValueError("two figures have the same number: rename the newer category")
    return DIM_FIGURE.conform(pl.DataFrame(rows, schema=DIM_FIGURE.polars_schema, orient="row"))


def figure_id(dataset: str, measure: str, category_id: str) -> int:
    """The number of a figure: the same in every lake and database, without a list of those that were given out.

    >>> figure_id("pce_state", "pce", "product.pce")
    1930337505
    """
    digest = hashlib.sha256(f"{dataset}/{measure}/{category_id}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


DIMENSION_FRAMES: Mapping[str, Callable[[Datasets], pl.DataFrame]] = {
    DIM_GEOGRAPHY.name: dim_geography,
    DIM_CATEGORY.name: dim_category,
    CATEGORY_LINE.name: category_line,
    DIM_FIGURE.name: dim_figure,
}
"""How each dimension is made, by the name of its table."""
