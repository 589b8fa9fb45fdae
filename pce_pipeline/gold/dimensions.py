"""The shared dimensions, straight from the catalogue: areas, categories, and the bridge to BEA's lines."""

from collections.abc import Callable, Mapping

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY

Datasets = Mapping[str, Dataset]


def dim_geography(datasets: Datasets) -> pl.DataFrame:
    """DIM_GEOGRAPHY: every area BEA publishes, whatever the profile."""
    return DIM_GEOGRAPHY.conform(pl.concat([each.areas for each in datasets.values()]).unique())


def dim_category(datasets: Datasets) -> pl.DataFrame:
    """DIM_CATEGORY: every category, whatever the profile, so that a narrow extract still finds its parents."""
    return DIM_CATEGORY.conform(pl.concat([each.categories for each in datasets.values()]).unique())


def category_line(datasets: Datasets) -> pl.DataFrame:
    """CATEGORY_LINE: the lines of the profile, each with its category."""
    return CATEGORY_LINE.conform(pl.concat([each.lines for each in datasets.values()]))


DIMENSION_FRAMES: Mapping[str, Callable[[Datasets], pl.DataFrame]] = {
    DIM_GEOGRAPHY.name: dim_geography,
    DIM_CATEGORY.name: dim_category,
    CATEGORY_LINE.name: category_line,
}
"""How each dimension is made, by the name of its table."""
