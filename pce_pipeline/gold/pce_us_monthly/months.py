"""Spending, real spending and prices of each category and month of the nation, and their rates of growth.

A rate is only over two months that are as far apart as its name says, whatever months are missing between them.
"""

from collections.abc import Sequence

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.rounding import rounded
from pce_pipeline.tables.pce_us_monthly import FIGURES, GOLD_PCE_US_MONTHLY, RATES
from pce_pipeline.tables.table import NOT_PUBLISHED

CELL = ("category_id", "year", "month")
"""What a row is of."""

_MOMENT = (pl.col("year") * 12 + pl.col("month")).alias("moment")


_CHANGES = {"mom_pct": (1, 1), "mom_annualised_pct": (1, 12), "3m_annualised_pct": (3, 4), "yoy_pct": (12, 1)}
"""How many months each rate looks back, and to which power it takes the ratio of the two: 1 where that is no rate of
twelve months."""


def cells_of(silver: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The cells of Silver that the table has columns for: CELL, measure, value, status.

    A cell of a line that the dataset does not have is among them without a measure, so that a rule finds it; one of
    another measure is not, as a user may add tables to a dataset.
    """
    lines = dataset.lines.select("bea_table", "line_code", "measure")
    return (
        silver.join(lines, on=["bea_table", "line_code"], how="left")
        .filter(pl.col("measure").is_in([figure.measure for figure in FIGURES]).fill_null(value=True))
        .select(*CELL, "measure", "value", "status")
    )


def us_months(cells: pl.DataFrame, years: Sequence[int]) -> pl.DataFrame:
    """GOLD_PCE_US_MONTHLY of exactly `years`, from the cells (`cells_of`) of these and of the year before.

    There is a row where BEA publishes any of the figures. One that it does not publish is NULL, and its status says
    `not_published`.
    """
    levels = cells.lazy().select(*CELL).unique()
    for figure in FIGURES:
        of_measure = (
            cells.lazy()
            .filter(pl.col("measure") == figure.measure)
            .select(*CELL, pl.col("value").alias(figure.column), pl.col("status").alias(figure.status))
        )
        levels = levels.join(of_measure, on=CELL, how="left").with_columns(
            pl.col(figure.status).fill_null(NOT_PUBLISHED)
        )
    return (
        _without_gaps(levels.with_columns(_MOMENT))
        .sort("category_id", "moment")
        .with_columns(
            _rate(pl.col(figure.column).cast(pl.Float64), *_CHANGES[change]).alias(figure.rate(change))
            for figure in FIGURES
            for change in RATES
        )
        .filter(pl.col("year").is_in(list(years)))
        .select(pl.col(name).cast(dtype) for name, dtype in GOLD_PCE_US_MONTHLY.polars_schema.items())
        .sort(GOLD_PCE_US_MONTHLY.key)
        .collect()
    )


def _without_gaps(levels: pl.LazyFrame) -> pl.LazyFrame:
    """The levels, and rows that have nothing but category and moment for each month that is missing between two."""
    first, last = pl.col("moment").min(), pl.col("moment").max()
    calendar = (
        levels.group_by("category_id")
        .agg(first=first, last=last)
        .select("category_id", moment=pl.int_ranges("first", pl.col("last") + 1, dtype=pl.Int32))
        .explode("moment")
    )
    return calendar.join(levels, on=["category_id", "moment"], how="left")


def _rate(level: pl.Expr, months: int, power: int) -> pl.Expr:
    """The change of a level on that many months before, in percent; the rows are those of `_without_gaps`, in order."""
    before = level.shift(months).over("category_id")
    positive = pl.when(before > 0).then(before)
    if power == 1:
        return rounded(100 * (level - positive) / positive)
    ratio = pl.when(level >= 0).then(level) / positive
    # multiplied out, because the last digits of a power depend on the machine's library
    factor = ratio
    for _ in range(power - 1):
        factor = factor * ratio
    return rounded(100 * (factor - 1))
