"""The shared dimensions, straight from the catalogue: areas, categories, and the bridge to BEA's lines."""

from collections.abc import Callable, Mapping

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY


def dim_geography(dataset: Dataset) -> pl.DataFrame:
    """DIM_GEOGRAPHY: every area BEA publishes, whatever the profile."""
    return DIM_GEOGRAPHY.conform(dataset.areas)


def dim_category(dataset: Dataset) -> pl.DataFrame:
    """DIM_CATEGORY: every category, whatever the profile, so that a narrow extract still finds its parents."""
    return DIM_CATEGORY.conform(dataset.categories)


def category_line(dataset: Dataset) -> pl.DataFrame:
    """CATEGORY_LINE: the lines of the profile, each with its category."""
    return CATEGORY_LINE.conform(dataset.lines)


DIMENSION_FRAMES: Mapping[str, Callable[[Dataset], pl.DataFrame]] = {
    DIM_GEOGRAPHY.name: dim_geography,
    DIM_CATEGORY.name: dim_category,
    CATEGORY_LINE.name: category_line,
}
"""How each dimension is made, by the name of its table."""
