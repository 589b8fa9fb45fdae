"""The dimensions that all facts share: areas, categories, the bridge from BEA's lines to categories, and vintages."""

import polars as pl

from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, STATE
from pce_pipeline.tables.line_history import LINE_HISTORY, LINE_HISTORY_CODE_VERSION
from pce_pipeline.tables.lineage import Piece
from pce_pipeline.tables.price_releases import PRICE_RELEASES, PRICE_RELEASES_CODE_VERSION
from pce_pipeline.tables.table import Column, Table
from pce_pipeline.tables.vintages import DIM_FIGURE, DIM_VINTAGE, REVISION_STATS, STATS_CODE_VERSION

_AREAS = "the catalogue's areas, as BEA lists them"
_CATEGORIES = "the catalogue's categories"
_LINES = "the catalogue's lines, as BEA's files have them"

DIM_GEOGRAPHY = Table(
    name="gold/dim_geography",
    partition=None,
    in_postgres=True,
    grain="One row per area BEA publishes: the US, eight BEA regions, 50 states and DC.",
    key=("geo_fips",),
    columns=(
        GEO_FIPS,
        Column("geo_name", pl.String, "BEA's name of the area", source=_AREAS),
        GEO_LEVEL,
        STATE,
        Column(
            "region_fips",
            pl.String,
            "area code of the state's BEA region; NULL above states",
            nullable=True,
            source=_AREAS,
        ),
        Column(
            "path_segment",
            pl.String,
            "the area in lake paths: postal code, US, or BEA's short name of a region",
            source=_AREAS,
        ),
    ),
)

DIM_CATEGORY = Table(
    name="gold/dim_category",
    partition=None,
    in_postgres=True,
    grain="One row per category of any dataset.",
    key=("category_id",),
    hazard="To add up, take role = 'part' of one scheme, each times its sign.",
    columns=(
        CATEGORY,
        Column(
            "scheme",
            pl.String,
            "the classification it is of: product or function of consumption, or what another dataset has",
            source=_CATEGORIES,
        ),
        Column("name", pl.String, "the category's name, as BEA writes it", source=_CATEGORIES),
        Column(
            "parent_id",
            pl.String,
            "the category this one is part of; NULL for a scheme's total",
            nullable=True,
            source=_CATEGORIES,
        ),
        Column("depth", pl.Int32, "steps below the scheme's total", source=_CATEGORIES),
        Column("role", pl.String, "total (all of its scheme), subtotal (has parts) or part", source=_CATEGORIES),
        Column("sign", pl.Int32, "1, or -1 for a category that is deducted from its parent", source=_CATEGORIES),
        Column("nation_only", pl.Boolean, "true where BEA publishes the US figure only", source=_CATEGORIES),
    ),
)

CATEGORY_LINE = Table(
    name="gold/category_line",
    partition=None,
    in_postgres=True,
    grain="One row per BEA table, layout and line: the bridge from BEA's line codes to our categories.",
    key=("bea_table", "layout", "line_code"),
    columns=(
        Column("bea_table", pl.String, "BEA's table name", source=_LINES),
        Column("layout", pl.String, "the layout of the table in which the line code has this meaning", source=_LINES),
        Column("line_code", pl.Int32, "BEA's line code", source=_LINES),
        CATEGORY,
        Column("description", pl.String, "BEA's text of the line, without markers and indentation", source=_LINES),
        Column("unit", pl.String, "BEA's unit label", source=_LINES),
        Column("unit_multiplier", pl.Int32, "power of ten already in `unit`", source=_LINES),
    ),
)

DIMENSIONS = (DIM_GEOGRAPHY, DIM_CATEGORY, CATEGORY_LINE, DIM_FIGURE, DIM_VINTAGE)
"""The dimensions, in the order they are loaded."""

PIECES_OF_LOGS = (
    Piece(REVISION_STATS, STATS_CODE_VERSION),
    Piece(PRICE_RELEASES, PRICE_RELEASES_CODE_VERSION),
    Piece(LINE_HISTORY, LINE_HISTORY_CODE_VERSION, of_lines=True),
)
"""The tables in one piece that are made from what every vintage said, of all datasets: figures, or lines."""

DIMENSION_CODE_VERSION = "1"
