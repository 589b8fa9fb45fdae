"""The shared dimensions, straight from the catalogue: areas, categories, and the bridge to BEA's lines."""

from collections.abc import Callable, Mapping

import polars as pl

from pce_pipeline.catalog import Catalog
from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY


def dim_geography(catalog: Catalog) -> pl.DataFrame:
    """DIM_GEOGRAPHY: every area BEA publishes, whatever the profile."""
    return DIM_GEOGRAPHY.conform(catalog.areas)


def dim_category(catalog: Catalog) -> pl.DataFrame:
    """DIM_CATEGORY: every category, whatever the profile, so that a narrow extract still finds its parents."""
    return DIM_CATEGORY.conform(catalog.categories)


def category_line(catalog: Catalog) -> pl.DataFrame:
    """CATEGORY_LINE: the lines of the profile, each with its category."""
    return CATEGORY_LINE.conform(catalog.lines)


DIMENSION_FRAMES: Mapping[str, Callable[[Catalog], pl.DataFrame]] = {
    DIM_GEOGRAPHY.name: dim_geography,
    DIM_CATEGORY.name: dim_category,
    CATEGORY_LINE.name: category_line,
}
"""How each dimension is made, by the name of its table."""
