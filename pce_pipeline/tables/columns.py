"""The columns that many tables have, with one name, type and description everywhere."""

import polars as pl

from pce_pipeline.tables.table import Column

GEO_FIPS = Column("geo_fips", pl.String, "BEA's five-character area code: FIPS for states, 00000 US, 9x000 regions")
GEO_LEVEL = Column("geo_level", pl.String, "nation, region or state; never add rows of different levels")
STATE = Column("state", pl.String, "postal code of a state or DC; NULL for the US and regions", nullable=True)
YEAR = Column("year", pl.Int32, "calendar year")
CATEGORY = Column(
    "category_id", pl.String, "our category, stable over BEA's layouts: scheme and concept, as in product.goods"
)
STATUS_TEXT = "reported, or why the value is NULL (see the list of statuses)"
