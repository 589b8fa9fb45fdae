"""The tables of Gold that the months of the nation have: spending, real spending and prices, each with its growth.

Beside them what they make possible for states: an estimate of their months, and how far such estimates are off.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, MONTH, STATUS_TEXT, YEAR
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.lineage import Derivation, FromTable, Piece
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.tables.silver import silver_table
from pce_pipeline.tables.table import MONEY, Column, Table
from pce_pipeline.tables.vintages import gold_vintages

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


CAUSES = {
    "extrapolation": "the year was extrapolated from the figures before it, all of today's vintage",
    "benchmark_revision": "BEA revised the annual figure; nothing was extrapolated. Today's figure is compared with "
    "the newest year of every vintage, where that was held first",
}
"""Why an annual mean is off, and what each means."""

STATE_MONTH_STATUSES = {
    "estimated": "an estimate of ours, not a figure of BEA's",
    "figure_missing": "an annual figure of the state is missing, withheld or could not be read, in a year that has all "
    "months of the nation",
    "not_positive": "an annual figure of some state, or a month of the nation, is zero or negative in this line, of "
    "which proportions say nothing: the line is left out for all states",
    "months_missing": "the nation's month of this line is not held; or its months begin or end within the years of the "
    "states, and the line is left out",
    "negative_month": "a month would come out at zero or below, as the state's annual figures move so much, or as a "
    "sum is what a small difference leaves: of a line no month is given then, of a sum not that one",
    "part_left_out": "a line that the sum is made of has none",
}
"""What `status` of a state's month may say, and what each means."""

METHODS = {
    "denton": "proportional Denton benchmarking in first differences, of a line that has no parts or lacks one here",
    "sum": "the sum of such lines",
}
"""How a month was estimated, and what each means."""

_ANNUAL = "gold/pce_state_annual"
_BACKTEST = f"{_ANNUAL} and the yearly means of gold/pce_us_monthly, each cut after one year after the other"
_COMPARED = f"{_BACKTEST}; of revisions, gold/pce_state_vintages"

GOLD_PCE_MONTHLY_ERRORS = Table(
    name="gold/pce_monthly_errors",
    partition=None,
    in_postgres=True,
    grain="One row per category, cause and horizon: how far annual means of estimated months of states were off.",
    key=("category_id", "cause", "horizon_years"),
    hazard="Of annual means, never of a month, which nobody observes. Extrapolation is tested in pseudo real time, "
    "with figures of today; what BEA revised later is another cause, in rows of its own: never add the two up.",
    columns=(
        CATEGORY,
        Column(
            "cause",
            pl.String,
            "; ".join(f"{name}: {meaning}" for name, meaning in CAUSES.items()),
            source="how the row was made",
        ),
        Column(
            "horizon_years",
            pl.Int32,
            "how many years after the last annual figure the extrapolated year is; 0 where nothing is extrapolated",
            source="the cut",
        ),
        Column(
            "phi",
            pl.Float64,
            "the share of the last change of the state's annual ratio to the nation that goes on in the next year: of "
            "0, 0.25, 0.5, 0.75 and 1 the one with the smallest error; NULL for sums and for revisions",
            nullable=True,
            source=_BACKTEST,
        ),
        Column("n_years", pl.Int32, "how many years were compared", source=_COMPARED),
        Column("n_figures", pl.Int32, "how many figures were compared: of a state and year each", source=_COMPARED),
        Column(
            "bias_pct",
            pl.Float64,
            "mean error: above zero where the estimate, or the figure that was held first, is too high",
            unit="percent",
            source=_COMPARED,
        ),
        Column(
            "annual_error_p50_pct",
            pl.Float64,
            "half of the errors are no larger, up or down",
            unit="percent",
            source=_COMPARED,
        ),
        Column(
            "annual_error_p90_pct",
            pl.Float64,
            "nine in ten are no larger, up or down",
            unit="percent",
            source=_COMPARED,
        ),
    ),
)

_ESTIMATE = "gold/pce_us_monthly and gold/pce_state_annual, by the method of docs/monthly-estimates.md"

GOLD_PCE_STATE_MONTHLY = Table(
    name="gold/pce_state_monthly",
    partition=None,
    in_postgres=True,
    grain="One row per state, category and month: OUR ESTIMATE of spending. BEA publishes no months of states.",
    key=("geo_fips", "category_id", "year", "month"),
    hazard="An estimate: within a year every state follows the nation's months but for a slowly moving ratio, so that "
    "no event of one state can show. Annual rates: never add up months. Never rank states by mom_pct. "
    "Categories contain totals and their parts.",
    columns=(
        GEO_FIPS,
        Column("state", pl.String, "postal code of the state or DC", source="the catalogue's areas"),
        CATEGORY,
        YEAR,
        MONTH,
        Column(
            "pce_millions_usd_saar",
            MONEY,
            f"estimated personal consumption expenditures of the month at an annual rate: {_A_YEAR}",
            nullable=True,
            unit=f"millions of current dollars, {_AT_ANNUAL_RATES}",
            source=_ESTIMATE,
        ),
        Column(
            "status",
            pl.String,
            f"estimated, or why there is none: {', '.join(list(STATE_MONTH_STATUSES)[1:])}",
            source="what the estimate is made of",
        ),
        Column(
            "mom_pct",
            pl.Float64,
            "change of the estimate on the month before: the nation's, and how the state's annual share of it moves: "
            "never rank states by it; NULL in the first month, and where either has no estimate",
            nullable=True,
            unit="percent",
            source="pce_millions_usd_saar",
        ),
        Column(
            "yoy_pct",
            pl.Float64,
            "change of the estimate on the same month of the year before; NULL in the first year, and where either has "
            "no estimate",
            nullable=True,
            unit="percent",
            source="pce_millions_usd_saar",
        ),
        Column("is_estimate", pl.Boolean, "true in every row: BEA publishes none of them", source="the method"),
        Column(
            "is_extrapolated",
            pl.Boolean,
            "whether the month is after the last year with annual figures of states and all months of the nation",
            source="the years of gold/pce_state_annual and of gold/pce_us_monthly",
        ),
        Column(
            "horizon_years",
            pl.Int32,
            "how many years after the last year with annual figures of states and all months of the nation: 0 within "
            "it or before",
            source="the years of gold/pce_state_annual and of gold/pce_us_monthly",
        ),
        Column(
            "method",
            pl.String,
            "; ".join(f"{name}: {meaning}" for name, meaning in METHODS.items()),
            source="the category",
        ),
        Column(
            "phi",
            pl.Float64,
            "phi of an extrapolated line: that of gold/pce_monthly_errors, 0 where the back-test says nothing; NULL "
            "for sums, and where nothing is extrapolated",
            nullable=True,
            source="gold/pce_monthly_errors",
        ),
        *(
            Column(
                f"annual_error_p{of}_pct",
                pl.Float64,
                f"of the annual mean of an extrapolated year of this category and horizon: {what} in the back-test "
                "were no larger, up or down; NULL where nothing is extrapolated, or the back-test says nothing",
                nullable=True,
                unit="percent",
                source="gold/pce_monthly_errors, cause extrapolation",
            )
            for of, what in ((50, "half of the errors"), (90, "nine in ten errors"))
        ),
    ),
)

_SPENDING = "pce_state"
SPENDING_LOG = f"gold/{_SPENDING}_vintages"
"""The log of every value of spending by state."""


def pieces(datasets: Mapping[str, Dataset]) -> tuple[Piece, ...]:
    """What is made of all years of the nation's months and of annual spending by state; nothing without the latter."""
    if _SPENDING not in datasets:
        return ()
    months, annual = FromTable(GOLD_PCE_US_MONTHLY), FromTable(GOLD_PCE_STATE_ANNUAL)
    log = FromTable(gold_vintages(datasets[_SPENDING]))
    return (
        Piece(GOLD_PCE_MONTHLY_ERRORS, code_version="1", made_of=(months, annual, log)),
        Piece(GOLD_PCE_STATE_MONTHLY, code_version="1", made_of=(months, annual, FromTable(GOLD_PCE_MONTHLY_ERRORS))),
    )
