"""What analysts ask of the levels: growth, rolling means, shares, contributions, ranks and indexes of nominal PCE.

One pass over rows sorted by area, category and year. The row before counts as the year before only if it is: a gap
gives NULL, never the growth over two years. Levels are decimals until they are divided; results are rounded here and
nowhere else, so that the same facts give the same bytes on any number of threads.
"""

from collections.abc import Sequence

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.rounding import rounded
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.table import NOT_PUBLISHED, QUARANTINED

_PCE = pl.col("pce_millions_usd")
_PER_CAPITA = pl.col("pce_per_capita_usd")


def metrics(facts: pl.DataFrame, dataset: Dataset, years: Sequence[int]) -> pl.DataFrame:
    """GOLD_PCE_STATE_METRICS of exactly `years`, from the conformed facts of these years and of the four before.

    A metric is NULL where a figure it needs is missing (also for lack of earlier years) or where it would divide by
    zero or a negative figure. A rank needs what BEA says of all states: where one of their figures could not be read or
    is not held, none is ranked. A state for which BEA has no figure is only left out.
    """
    return metrics_of(annual(facts), dataset, years)


def metrics_of(levels: pl.DataFrame, dataset: Dataset, years: Sequence[int]) -> pl.DataFrame:
    """The same, from the levels of these years and of the four before: GOLD_PCE_STATE_ANNUAL, made of the facts."""
    states = dataset.areas.filter(pl.col("geo_level") == "state").height
    categories = dataset.categories.lazy().select("category_id", "scheme", "role", "sign")
    panel = levels.lazy().join(categories, on="category_id", how="left")
    totals = panel.filter(pl.col("role") == "total").select("scheme", "geo_fips", "year", total=_PCE)
    nation = panel.filter(pl.col("geo_level") == "nation").select("category_id", "year", us_per_capita=_PER_CAPITA)
    change = _PCE - _earlier(_PCE, 1)
    return (
        panel.join(totals, on=["scheme", "geo_fips", "year"], how="left")
        .join(nation, on=["category_id", "year"], how="left")
        .sort("geo_fips", "category_id", "year")
        .with_columns(
            pce_yoy_pct=_percent(change, _earlier(_PCE, 1)),
            pce_per_capita_yoy_pct=_percent(_PER_CAPITA - _earlier(_PER_CAPITA, 1), _earlier(_PER_CAPITA, 1)),
            pce_mean_3y_millions_usd=_mean(_PCE, 3),
            pce_mean_5y_millions_usd=_mean(_PCE, 5),
            pce_share_of_total_pct=_percent(_PCE * pl.col("sign"), pl.col("total")),
            pce_contribution_to_growth_pp=_percent(change * pl.col("sign"), _earlier(pl.col("total"), 1)),
            pce_per_capita_index_us100=_percent(_PER_CAPITA, pl.col("us_per_capita")),
        )
        .filter(pl.col("year").is_in(list(years)))
        .with_columns(
            pce_rank_among_states=_rank_among_states(_PCE, "pce_status", states),
            pce_per_capita_rank_among_states=_rank_among_states(_PER_CAPITA, "pce_per_capita_status", states),
        )
        .select(GOLD_PCE_STATE_METRICS.column_names)
        .sort(GOLD_PCE_STATE_METRICS.key)
        .collect()
    )


def _earlier(level: pl.Expr, years: int) -> pl.Expr:
    """The level `years` before, of the same area and category; NULL where that row is not there."""
    is_that_year = pl.all_horizontal(
        pl.col("geo_fips").shift(years) == pl.col("geo_fips"),
        pl.col("category_id").shift(years) == pl.col("category_id"),
        pl.col("year").shift(years) + years == pl.col("year"),
    )
    return pl.when(is_that_year).then(level.shift(years))


def _percent(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    quotient = numerator.cast(pl.Float64) / pl.when(denominator > 0).then(denominator).cast(pl.Float64)
    return rounded(quotient * 100)


def _mean(level: pl.Expr, years: int) -> pl.Expr:
    # Keys are unique and years whole: if the row n back is n years back, all rows between are the years between.
    window = level
    for back in range(1, years):
        window = window + _earlier(level, back)
    return rounded(window.cast(pl.Float64) / years)


def _rank_among_states(level: pl.Expr, status: str, states: int) -> pl.Expr:
    is_state = pl.col("geo_level") == "state"
    of_states = pl.when(is_state).then(level)
    known = is_state & ~pl.col(status).is_in([QUARANTINED, NOT_PUBLISHED])
    ranks = pl.when(known.sum() == states).then(of_states.rank("min", descending=True))
    return ranks.over("category_id", "year").cast(pl.Int32)
