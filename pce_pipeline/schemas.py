"""One declaration per published table: columns, types, units, key, grain.

Everything that must agree with a table is derived from here: Polars schemas, Dagster's column schema, SQL with its
comments, the blocking schema check and the data dictionary. No table is described twice.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from pce_pipeline.errors import PceError

MONEY = pl.Decimal(18, 3)

QUARANTINED = "quarantined"
"""The status of a cell whose text could not be read."""

STATUSES = {
    "reported": "a published number",
    "not_available": "(NA), n.a.: BEA has no figure, or has not published it yet",
    "suppressed": "(D): withheld to avoid disclosure",
    "below_50k": "(L): less than 50,000 dollars",
    "not_meaningful": "(NM): a figure that would have no meaning",
    "near_zero": "(*): between zero and half a unit, either way",
    "not_shown": "n.s.: BEA does not show the figure",
    "not_applicable": "...: the quantity does not exist",
    "blank": "an empty cell without a code",
    QUARANTINED: "BEA publishes something that could not be read: neither a zero nor BEA's silence; `pce quarantine` "
    "shows the text and says why",
    "not_published": "BEA publishes no such measure for this category or area",
}


class SchemaViolation(PceError):
    """A frame does not have the columns, types or keys of the table it claims to be."""

    def __init__(self, table: str, problems: Iterable[str]) -> None:
        self.table = table
        self.problems = tuple(problems)
        super().__init__(f"This is no {table}: {'; '.join(self.problems)}.")


@dataclass(frozen=True)
class Column:
    """One column: its Polars type, what it says, its unit, and whether it may be NULL."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    description: str
    nullable: bool = False
    unit: str | None = None


@dataclass(frozen=True)
class Table:
    """One published table: `name` is its asset path (`gold/pce_state_annual`), `key` its primary key and row order."""

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    hazard: str = ""

    @property
    def polars_schema(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        return {column.name: column.dtype for column in self.columns}

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with this table's columns in order, sorted by key.

        Raises `SchemaViolation` for missing columns, other types, NULLs where none may be, or duplicate keys.
        """
        problems = [
            f"column {name} is missing" if name not in frame.columns else f"{name} is {frame.schema[name]}, not {dtype}"
            for name, dtype in self.polars_schema.items()
            if name not in frame.columns or frame.schema[name] != dtype
        ]
        if problems:
            raise SchemaViolation(self.name, problems)
        ordered = frame.select(self.column_names).sort(self.key)
        problems = [
            f"{column.name} is NULL in {ordered[column.name].null_count()} rows"
            for column in self.columns
            if not column.nullable and ordered[column.name].null_count()
        ]
        duplicates = ordered.height - ordered.select(self.key).n_unique() if ordered.height else 0
        if duplicates:
            problems.append(f"{duplicates} rows repeat the key ({', '.join(self.key)})")
        if problems:
            raise SchemaViolation(self.name, problems)
        return ordered


def content_sha256(frame: pl.DataFrame) -> str:
    """A hash of a frame's names, types and values, in the order given: the same on every machine and Polars version.

    Parquet bytes may change with the writer; equal content hashes mean equal data whatever wrote it.
    """
    header = ";".join(f"{name}:{dtype}" for name, dtype in frame.schema.items())
    digest = hashlib.sha256(header.encode())
    digest.update(frame.write_csv(null_value="\\N", quote_style="non_numeric").encode())
    return digest.hexdigest()


_GEO_FIPS = Column("geo_fips", pl.String, "BEA's five-character area code: FIPS for states, 00000 US, 9x000 regions")
_GEO_LEVEL = Column("geo_level", pl.String, "nation, region or state; never add rows of different levels")
_STATE = Column("state", pl.String, "postal code of a state or DC; NULL for the US and regions", nullable=True)
_YEAR = Column("year", pl.Int32, "calendar year")
_CATEGORY = Column(
    "category_id", pl.String, "our category, stable over BEA's layouts: scheme and concept, as in product.goods"
)
_STATUS_TEXT = "reported, or why the value is NULL (see the list of statuses)"

SILVER_PCE_STATE = Table(
    name="silver/pce_state",
    grain="One row per BEA table, line, area and year: every cell of SAPCE1 to SAPCE4 as published.",
    key=("bea_table", "line_code", "geo_fips", "year"),
    hazard="Lines contain totals and their parts, areas contain the US and regions: filter before adding.",
    columns=(
        Column("bea_table", pl.String, "BEA's table name"),
        Column("line_code", pl.Int32, "BEA's line code in that table; not stable over layouts"),
        _CATEGORY,
        _GEO_FIPS,
        _GEO_LEVEL,
        _STATE,
        _YEAR,
        Column("value", MONEY, "the number as published, in `unit`", nullable=True),
        Column("value_text", pl.String, "the published text; the code itself for a coded cell"),
        Column("status", pl.String, _STATUS_TEXT),
        Column("unit", pl.String, "BEA's unit label"),
        Column("unit_multiplier", pl.Int32, "power of ten already in `unit`: never multiply twice"),
    ),
)

GOLD_FACTS = Table(
    name="gold",
    grain="One row per dataset, measure, category, area and year: the conformed facts every gold table derives from.",
    key=("dataset", "measure", "category_id", "geo_fips", "year"),
    hazard="Measures have different units; per-capita values are not additive over areas.",
    columns=(
        Column("dataset", pl.String, "the dataset a fact comes from"),
        Column("measure", pl.String, "pce (total) or pce_per_capita"),
        _CATEGORY,
        _GEO_FIPS,
        _GEO_LEVEL,
        _STATE,
        _YEAR,
        Column("value", MONEY, "the value in `unit`", nullable=True),
        Column("status", pl.String, _STATUS_TEXT),
        Column("unit", pl.String, "conformed unit: millions_usd (current dollars) or usd (current dollars)"),
    ),
)

_PCE = Column(
    "pce_millions_usd", MONEY, "personal consumption expenditures", nullable=True, unit="millions of current dollars"
)
_PCE_PER_CAPITA = Column(
    "pce_per_capita_usd", MONEY, "personal consumption expenditures per resident", nullable=True, unit="current dollars"
)

GOLD_PCE_STATE_ANNUAL = Table(
    name="gold/pce_state_annual",
    grain="One row per area, category and year: PCE in total and per capita.",
    key=("geo_fips", "category_id", "year"),
    hazard="Categories contain totals and their parts in two schemes, areas contain the US and regions.",
    columns=(
        _GEO_FIPS,
        _GEO_LEVEL,
        _STATE,
        _CATEGORY,
        _YEAR,
        _PCE,
        Column("pce_status", pl.String, f"status of pce_millions_usd: {_STATUS_TEXT}"),
        _PCE_PER_CAPITA,
        Column("pce_per_capita_status", pl.String, f"status of pce_per_capita_usd: {_STATUS_TEXT}"),
    ),
)

_TIES = "1 is the largest; ties share the better rank and the next rank is left out (1, 2, 2, 4)"

GOLD_PCE_STATE_METRICS = Table(
    name="gold/pce_state_metrics",
    grain="One row per area, category and year: growth, rolling means, shares, ranks and indexes of nominal PCE.",
    key=("geo_fips", "category_id", "year"),
    hazard="All metrics are of current dollars: growth includes inflation.",
    columns=(
        _GEO_FIPS,
        _GEO_LEVEL,
        _STATE,
        _CATEGORY,
        _YEAR,
        Column(
            "pce_yoy_pct",
            pl.Float64,
            "change of pce_millions_usd on the year before; NULL where that year is missing, zero or negative",
            nullable=True,
            unit="percent",
        ),
        Column(
            "pce_per_capita_yoy_pct",
            pl.Float64,
            "change of pce_per_capita_usd on the year before; NULL where that year is missing, zero or negative",
            nullable=True,
            unit="percent",
        ),
        Column(
            "pce_mean_3y_millions_usd",
            pl.Float64,
            "mean of pce_millions_usd over this year and the two before; NULL unless all three are reported",
            nullable=True,
            unit="millions of current dollars",
        ),
        Column(
            "pce_mean_5y_millions_usd",
            pl.Float64,
            "mean of pce_millions_usd over this year and the four before; NULL unless all five are reported",
            nullable=True,
            unit="millions of current dollars",
        ),
        Column(
            "pce_share_of_total_pct",
            pl.Float64,
            "pce_millions_usd as a share of the area's total PCE; negative for a category that is deducted",
            nullable=True,
            unit="percent",
        ),
        Column(
            "pce_contribution_to_growth_pp",
            pl.Float64,
            "change of pce_millions_usd as a share of the area's total PCE of the year before; a deducted category "
            "counts with the opposite sign, so that parts add up to their total",
            nullable=True,
            unit="percentage points",
        ),
        Column(
            "pce_rank_among_states",
            pl.Int32,
            f"rank of pce_millions_usd among 50 states and DC; {_TIES}",
            nullable=True,
        ),
        Column(
            "pce_per_capita_rank_among_states",
            pl.Int32,
            f"rank of pce_per_capita_usd among 50 states and DC; {_TIES}",
            nullable=True,
        ),
        Column(
            "pce_per_capita_index_us100",
            pl.Float64,
            "pce_per_capita_usd relative to the US figure of the same category and year",
            nullable=True,
            unit="index, US = 100",
        ),
    ),
)

DIM_GEOGRAPHY = Table(
    name="gold/dim_geography",
    grain="One row per area BEA publishes: the US, eight BEA regions, 50 states and DC.",
    key=("geo_fips",),
    columns=(
        _GEO_FIPS,
        Column("geo_name", pl.String, "BEA's name of the area"),
        _GEO_LEVEL,
        _STATE,
        Column("region_fips", pl.String, "area code of the state's BEA region; NULL above states", nullable=True),
        Column("path_segment", pl.String, "the area in lake paths: postal code, US, or BEA's short name of a region"),
    ),
)

DIM_CATEGORY = Table(
    name="gold/dim_category",
    grain="One row per category of consumption.",
    key=("category_id",),
    hazard="To add up, take role = 'part' of one scheme, each times its sign.",
    columns=(
        _CATEGORY,
        Column("scheme", pl.String, "product (SAPCE1 to SAPCE3) or function (SAPCE4)"),
        Column("name", pl.String, "the category's name, as BEA writes it"),
        Column("parent_id", pl.String, "the category this one is part of; NULL for a scheme's total", nullable=True),
        Column("depth", pl.Int32, "steps below the scheme's total"),
        Column("role", pl.String, "total (all of PCE), subtotal (has parts) or part"),
        Column("sign", pl.Int32, "1, or -1 for a category that is deducted from its parent"),
        Column("nation_only", pl.Boolean, "true where BEA publishes the US figure only"),
    ),
)

CATEGORY_LINE = Table(
    name="gold/category_line",
    grain="One row per BEA table, layout and line: the bridge from BEA's line codes to our categories.",
    key=("bea_table", "layout", "line_code"),
    columns=(
        Column("bea_table", pl.String, "BEA's table name"),
        Column("layout", pl.String, "the layout of the table in which the line code has this meaning"),
        Column("line_code", pl.Int32, "BEA's line code"),
        _CATEGORY,
        Column("description", pl.String, "BEA's text of the line, without markers and indentation"),
        Column("unit", pl.String, "BEA's unit label"),
        Column("unit_multiplier", pl.Int32, "power of ten already in `unit`"),
    ),
)

TABLES = (
    SILVER_PCE_STATE,
    GOLD_FACTS,
    GOLD_PCE_STATE_ANNUAL,
    GOLD_PCE_STATE_METRICS,
    DIM_GEOGRAPHY,
    DIM_CATEGORY,
    CATEGORY_LINE,
)
