"""The columns that many tables have, with one name, type and description everywhere."""

import polars as pl

from pce_pipeline.tables.table import Column

GEO_FIPS = Column(
    "geo_fips",
    pl.String,
    "BEA's five-character area code: FIPS for states, 00000 US, 9x000 regions",
    source="BEA's GeoFips",
)
GEO_LEVEL = Column(
    "geo_level",
    pl.String,
    "nation, region or state; never add rows of different levels",
    source="the catalogue's areas",
)
STATE = Column(
    "state",
    pl.String,
    "postal code of a state or DC; NULL for the US and regions",
    nullable=True,
    source="the catalogue's areas",
)
YEAR = Column("year", pl.Int32, "calendar year", source="BEA's TimePeriod")
MONTH = Column("month", pl.Int32, "month of the year, 1 to 12", source="BEA's TimePeriod")
CATEGORY = Column(
    "category_id",
    pl.String,
    "our category, stable over BEA's layouts: scheme and concept, as in product.goods",
    source="the catalogue's meaning of BEA's line",
)
FIGURE = ["measure", "category_id", "geo_fips", "year"]
"""What names a figure by our measures and categories; one of a month has the month beside the year."""


def figure_of(frame: pl.DataFrame) -> list[str]:
    """The columns of FIGURE that a frame has, and its months if it is of months.

    >>> figure_of(pl.DataFrame({"year": [2024], "month": [1]}))
    ['measure', 'category_id', 'geo_fips', 'year', 'month']
    """
    return [*FIGURE, "month"] if "month" in frame.columns else FIGURE


STATUS_TEXT = "reported, or why the value is NULL (see the list of statuses)"
