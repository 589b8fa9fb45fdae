"""The tables of Gold that prices by state have: levels, deflators and real figures side by side, and what follows."""

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.columns import GEO_FIPS, GEO_LEVEL, STATE, STATUS_TEXT, YEAR
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.lineage import Derivation, FromTable
from pce_pipeline.tables.silver import silver_table
from pce_pipeline.tables.table import LOG_POINTS, MONEY, Column, Table

_INDEX = "index, US = 100 in the same year"
_MILLIONS = "millions of constant dollars of base_year"
_DOLLARS = "constant dollars of base_year"

FIGURES = (
    ("rpp_all_items", "regional_price_parity", "prices.all_items", _INDEX, "price level of all items"),
    ("rpp_goods", "regional_price_parity", "prices.goods", _INDEX, "price level of goods"),
    ("rpp_housing", "regional_price_parity", "prices.housing", _INDEX, "price level of housing services (rents)"),
    ("rpp_utilities", "regional_price_parity", "prices.utilities", _INDEX, "price level of utilities"),
    ("rpp_other_services", "regional_price_parity", "prices.other_services", _INDEX, "price level of other services"),
    (
        "irpd",
        "regional_price_deflator",
        "prices.all_items",
        "index, US = 100 in base_year",
        "implicit regional price deflator: rpp_all_items times the nation's price index; BEA gives none for the US",
    ),
    (
        "real_pce_millions_constant_usd",
        "real_pce",
        "product.pce",
        _MILLIONS,
        "personal consumption expenditures at constant prices",
    ),
    (
        "real_pce_per_capita_constant_usd",
        "real_pce_per_capita",
        "product.pce",
        _DOLLARS,
        "personal consumption expenditures per resident at constant prices",
    ),
    (
        "real_personal_income_millions_constant_usd",
        "real_personal_income",
        "income.all_sources",
        _MILLIONS,
        "personal income at constant prices; BEA scales it so that the states add up to the US",
    ),
    (
        "real_personal_income_per_capita_constant_usd",
        "real_personal_income_per_capita",
        "income.all_sources",
        _DOLLARS,
        "personal income per resident at constant prices",
    ),
)
"""The figures of the annual table: column, measure, category, unit, description."""


def status_of(column: str) -> str:
    """The column that says why a figure is missing."""
    return f"{column.removesuffix('_millions_constant_usd').removesuffix('_constant_usd')}_status"


_BASE_YEAR = Column(
    "base_year",
    pl.Int32,
    "the year whose prices constant dollars are of, and in which the deflator of the US is 100; NULL where BEA's units "
    "name none",
    nullable=True,
    source="the year in the units of the real figures, confirmed by the year in which irpd is rpp_all_items",
)

GOLD_PRICES_STATE_ANNUAL = Table(
    name="gold/prices_state_annual",
    in_postgres=True,
    grain="One row per area and year: price levels, deflator, real spending and income.",
    key=("geo_fips", "year"),
    hazard="Price levels (rpp_*) compare areas within one year, never years; they are no parts of a sum. Real figures "
    "belong to an older release than the newest nominal ones for some months (gold.price_releases).",
    columns=(
        GEO_FIPS,
        GEO_LEVEL,
        STATE,
        YEAR,
        *(
            column
            for name, measure, category, unit, description in FIGURES
            for column in (
                Column(
                    name,
                    MONEY,
                    description,
                    nullable=True,
                    unit=unit,
                    source=f"value of gold where measure = '{measure}' and category_id = '{category}'",
                ),
                Column(
                    status_of(name),
                    pl.String,
                    f"status of {name}: {STATUS_TEXT}",
                    source=f"status of gold where measure = '{measure}' and category_id = '{category}'",
                ),
            )
        ),
        _BASE_YEAR,
    ),
)

_BEFORE = "this year and the year before"


def _growth(of: str, what: str) -> Column:
    return Column(
        f"{what}_yoy_pct",
        pl.Float64,
        f"change of {of} on the year before; NULL where that year is missing or of another base year",
        nullable=True,
        unit="percent",
        source=f"{of}, {_BEFORE}",
    )


GOLD_STATE_PRICE_METRICS = Table(
    name="gold/state_price_metrics",
    in_postgres=True,
    grain="One row per area and year: inflation, real growth, what prices and quantities contribute, purchasing power.",
    key=("geo_fips", "year"),
    hazard="All of it is of one release of prices: growth of the newest nominal figures may be another one. There is "
    "no growth of a price level, because BEA estimates those of each year by themselves.",
    columns=(
        GEO_FIPS,
        GEO_LEVEL,
        STATE,
        YEAR,
        Column(
            "inflation_pct",
            pl.Float64,
            "change of irpd on the year before; NULL where that year is missing, and for the US, which has no irpd",
            nullable=True,
            unit="percent",
            source=f"irpd, {_BEFORE}",
        ),
        _growth("real_pce_millions_constant_usd", "real_pce"),
        _growth("real_pce_per_capita_constant_usd", "real_pce_per_capita"),
        _growth("real_personal_income_millions_constant_usd", "real_personal_income"),
        _growth("real_personal_income_per_capita_constant_usd", "real_personal_income_per_capita"),
        Column(
            "price_contribution_log_points",
            LOG_POINTS,
            "what prices contribute to the growth of nominal PCE: 100 times the change of the logarithm of irpd",
            nullable=True,
            unit="log points",
            source=f"irpd, {_BEFORE}",
        ),
        Column(
            "quantity_contribution_log_points",
            LOG_POINTS,
            "what quantities contribute: 100 times the change of the logarithm of real_pce_millions_constant_usd",
            nullable=True,
            unit="log points",
            source=f"real_pce_millions_constant_usd, {_BEFORE}",
        ),
        Column(
            "nominal_pce_growth_log_points",
            LOG_POINTS,
            "growth of nominal PCE as it was known when these prices were made: exactly the sum of both contributions",
            nullable=True,
            unit="log points",
            source="price_contribution_log_points and quantity_contribution_log_points",
        ),
        Column(
            "value_of_100_usd",
            pl.Float64,
            "what 100 dollars buy here, in dollars of the average US prices of the same year: 10,000 / rpp_all_items",
            nullable=True,
            unit="current dollars at US prices",
            source="rpp_all_items",
        ),
        Column(
            "real_pce_per_capita_index_us100",
            pl.Float64,
            "real_pce_per_capita_constant_usd relative to the US figure of the same year",
            nullable=True,
            unit="index, US = 100",
            source="real_pce_per_capita_constant_usd, of the area and of the US",
        ),
        Column(
            "real_personal_income_per_capita_index_us100",
            pl.Float64,
            "real_personal_income_per_capita_constant_usd relative to the US figure of the same year",
            nullable=True,
            unit="index, US = 100",
            source="real_personal_income_per_capita_constant_usd, of the area and of the US",
        ),
        _BASE_YEAR,
    ),
)


def gold(dataset: Dataset) -> tuple[Derivation, ...]:
    """Its tables of Gold: both from the facts, and from Silver, whose units name the base year."""
    silver = silver_table(dataset)
    return (
        Derivation(
            GOLD_PRICES_STATE_ANNUAL,
            (FromTable(GOLD_FACTS, part=dataset.name), FromTable(silver)),
            code_version="1",
        ),
        Derivation(
            GOLD_STATE_PRICE_METRICS,
            (FromTable(GOLD_FACTS, reach=1, part=dataset.name), FromTable(silver, reach=1)),
            code_version="1",
        ),
    )
