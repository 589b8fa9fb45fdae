"""The table of Gold that the months of the nation have: spending, real spending and prices, each with its growth."""

from dataclasses import dataclass

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.columns import CATEGORY, MONTH, STATUS_TEXT, YEAR
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.lineage import Derivation, FromTable
from pce_pipeline.tables.silver import silver_table
from pce_pipeline.tables.table import MONEY, Column, Table

_AT_ANNUAL_RATES = "seasonally adjusted at annual rates"
_A_YEAR = "what a year would come to if all its months were like this one, so that a year is the mean of its months"


@dataclass(frozen=True)
class Figure:
    """What BEA publishes of a category and month."""

    name: str
    """What the columns of its status and of its growth begin with."""
    column: str
    """The column of its value."""
    measure: str
    """The measure that it is, by its name in the catalogue."""
    unit: str
    """Its unit, in words."""
    description: str
    """What it says."""

    @property
    def status(self) -> str:
        """The column that says why the value is missing."""
        return f"{self.name}_status"

    def rate(self, change: str) -> str:
        """The column of one of its rates of growth, by its name in RATES."""
        return f"{self.name}_{change}"


FIGURES = (
    Figure(
        "pce",
        "pce_millions_usd_saar",
        "pce_annual_rate",
        f"millions of current dollars, {_AT_ANNUAL_RATES}",
        f"personal consumption expenditures of the month at an annual rate: {_A_YEAR}",
    ),
    Figure(
        "real_pce",
        "real_pce_millions_chained_usd_saar",
        "real_pce_annual_rate",
        f"millions of chained dollars, {_AT_ANNUAL_RATES}",
        f"personal consumption expenditures of the month at constant prices and an annual rate: {_A_YEAR}; parts do "
        "not add up to their total; BEA publishes none before 2007",
    ),
    Figure(
        "price_index",
        "price_index",
        "pce_price_index",
        "index, 100 on average over its base year",
        "price index of the category; its base year, which BEA's rows do not name, is 2017 in releases since 2023",
    ),
)
"""The figures of a category and month."""

RATES = {
    "mom_pct": "change of {column} on the month before, not annualised",
    "mom_annualised_pct": "change of {column} on the month before at an annual rate: ((this / that)^12 - 1) x 100",
    "3m_annualised_pct": "change of {column} on three months before at an annual rate: ((this / that)^4 - 1) x 100",
    "yoy_pct": "change of {column} on the same month of the year before",
}
"""The rates of growth that each figure has: the end of the column's name, and what it says."""


def _columns_of(figure: Figure) -> tuple[Column, Column]:
    source = f"of Silver where the line's measure is '{figure.measure}'"
    return (
        Column(figure.column, MONEY, figure.description, nullable=True, unit=figure.unit, source=f"value {source}"),
        Column(figure.status, pl.String, f"status of {figure.column}: {STATUS_TEXT}", source=f"status {source}"),
    )


def _rate_of(figure: Figure, change: str, description: str) -> Column:
    of = description.format(column=figure.column)
    # an even power of a ratio below zero would look like growth
    no_power = ", or this one is negative" if change.endswith("annualised_pct") else ""
    return Column(
        figure.rate(change),
        pl.Float64,
        f"{of}; NULL where either month is missing, or the earlier one is zero or negative{no_power}",
        nullable=True,
        unit="percent",
        source=f"{figure.column}, of this month and of the earlier one",
    )


GOLD_PCE_US_MONTHLY = Table(
    name="gold/pce_us_monthly",
    in_postgres=True,
    grain="One row per category and month of the US: spending, real spending and prices, with their growth.",
    key=("category_id", "year", "month"),
    hazard="Dollars are annual rates: never add up months, a year is their mean. Chained dollars of parts do not add "
    "up to those of their total, indexes are no parts of a sum, and addenda.* are other totals of the same spending.",
    columns=(
        CATEGORY,
        YEAR,
        MONTH,
        *(column for figure in FIGURES for column in _columns_of(figure)),
        *(_rate_of(figure, change, description) for figure in FIGURES for change, description in RATES.items()),
    ),
)


def gold(dataset: Dataset) -> tuple[Derivation, ...]:
    """Its table of Gold: from Silver, as the facts are of years; it only comes after them."""
    return (
        Derivation(
            GOLD_PCE_US_MONTHLY,
            (FromTable(silver_table(dataset), reach=1),),
            code_version="1",
            follows=(GOLD_FACTS,),
        ),
    )
