"""Price levels, deflator and real figures of each area and year, with the base year that BEA's units name."""

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.prices_state import FIGURES, GOLD_PRICES_STATE_ANNUAL, status_of
from pce_pipeline.tables.table import NOT_PUBLISHED
from pce_pipeline.texts import base_year, is_open

_PLACE = ["geo_fips", "year"]


def annual(facts: pl.DataFrame, silver: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """GOLD_PRICES_STATE_ANNUAL of the years of the facts; `silver` has the same years of the same dataset.

    A figure that BEA does not publish for an area, or that is not held, is NULL, and its status says `not_published`.
    """
    rows = facts.lazy().select(*_PLACE, "geo_level", "state").unique(_PLACE)
    for column, measure, category, *_ in FIGURES:
        status = status_of(column)
        of_measure = (
            facts.lazy()
            .filter((pl.col("measure") == measure) & (pl.col("category_id") == category))
            .select(*_PLACE, pl.col("value").alias(column), pl.col("status").alias(status))
        )
        rows = rows.join(of_measure, on=_PLACE, how="left").with_columns(pl.col(status).fill_null(NOT_PUBLISHED))
    return (
        rows.join(base_years(silver, dataset).lazy(), on="year", how="left")
        .select(GOLD_PRICES_STATE_ANNUAL.column_names)
        .sort(GOLD_PRICES_STATE_ANNUAL.key)
        .collect()
    )


def base_years(silver: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The base year of each year's real figures: year and base_year, NULL where units name several."""
    pinned = dataset.lines.filter(pl.Series([is_open(unit) for unit in dataset.lines["unit"]], dtype=pl.Boolean))
    line = ["bea_table", "line_code"]
    units = silver.select(*line, "year", "unit").unique().join(pinned.select(*line, pinned="unit"), on=line)
    years = [base_year(text, unit) for text, unit in units.select("pinned", "unit").iter_rows()]
    return (
        units.with_columns(pl.Series("base_year", years, dtype=pl.Int32))
        .drop_nulls("base_year")
        .group_by("year")
        .agg(base_year=pl.when(pl.col("base_year").n_unique() == 1).then(pl.col("base_year").first()).first())
    )
