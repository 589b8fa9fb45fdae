"""What follows from prices and real figures: inflation, real growth, contributions, and what a dollar buys.

Everything is of one release of prices, so nominal growth here is what their deflators and real figures imply: the
newest nominal figures may be of a later one. A growth rate is only over two years of one base year.
"""

from collections.abc import Sequence

import polars as pl

from pce_pipeline.gold.rounding import rounded
from pce_pipeline.tables.prices_state import GOLD_STATE_PRICE_METRICS
from pce_pipeline.tables.table import LOG_POINTS

_DECIMALS = 6
_PRICES = pl.col("irpd")
_QUANTITIES = pl.col("real_pce_millions_constant_usd")
_GROWTH = {
    "inflation_pct": "irpd",
    "real_pce_yoy_pct": "real_pce_millions_constant_usd",
    "real_pce_per_capita_yoy_pct": "real_pce_per_capita_constant_usd",
    "real_personal_income_yoy_pct": "real_personal_income_millions_constant_usd",
    "real_personal_income_per_capita_yoy_pct": "real_personal_income_per_capita_constant_usd",
}


def metrics(levels: pl.DataFrame, years: Sequence[int]) -> pl.DataFrame:
    """GOLD_STATE_PRICE_METRICS of exactly `years`, from GOLD_PRICES_STATE_ANNUAL of these and of the year before."""
    nation = levels.filter(pl.col("geo_level") == "nation").select(
        "year",
        us_pce="real_pce_per_capita_constant_usd",
        us_income="real_personal_income_per_capita_constant_usd",
    )
    price, quantity = _log_change(_PRICES), _log_change(_QUANTITIES)
    return (
        levels.lazy()
        .join(nation.lazy(), on="year", how="left")
        .sort("geo_fips", "year")
        .with_columns(
            **{name: _percent(pl.col(of) - _earlier(pl.col(of)), _earlier(pl.col(of))) for name, of in _GROWTH.items()},
            price_contribution_log_points=pl.when(quantity.is_not_null()).then(price),
            quantity_contribution_log_points=pl.when(price.is_not_null()).then(quantity),
            value_of_100_usd=rounded(1e4 / _positive(pl.col("rpp_all_items"))),
            real_pce_per_capita_index_us100=_percent(pl.col("real_pce_per_capita_constant_usd"), pl.col("us_pce")),
            real_personal_income_per_capita_index_us100=_percent(
                pl.col("real_personal_income_per_capita_constant_usd"), pl.col("us_income")
            ),
        )
        .with_columns(
            nominal_pce_growth_log_points=pl.col("price_contribution_log_points")
            + pl.col("quantity_contribution_log_points")
        )
        .filter(pl.col("year").is_in(list(years)))
        .select(pl.col(name).cast(dtype) for name, dtype in GOLD_STATE_PRICE_METRICS.polars_schema.items())
        .sort(GOLD_STATE_PRICE_METRICS.key)
        .collect()
    )


def cost_of_living_difference_pct(here: float, there: float) -> float:
    """By how much living costs more, or less, in one area than in another, in percent: of two RPPs of the same year.

    For example, of an area at 110 and one at 88:

        >>> cost_of_living_difference_pct(110.0, 88.0)
        25.0
    """
    return (here / there - 1) * 100


def _earlier(level: pl.Expr) -> pl.Expr:
    """The level of the year before, of the same area and base year; NULL where there is none."""
    is_that = pl.all_horizontal(
        pl.col("geo_fips").shift() == pl.col("geo_fips"),
        pl.col("year").shift() + 1 == pl.col("year"),
        pl.col("base_year").shift().eq_missing(pl.col("base_year")),
    )
    return pl.when(is_that).then(level.shift())


def _log_change(level: pl.Expr) -> pl.Expr:
    change = 100 * (_positive(level).log() - _positive(_earlier(level)).log())
    return change.round(_DECIMALS).cast(LOG_POINTS)


def _positive(level: pl.Expr) -> pl.Expr:
    return pl.when(level > 0).then(level).cast(pl.Float64)


def _percent(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    return rounded(100 * numerator.cast(pl.Float64) / _positive(denominator))
