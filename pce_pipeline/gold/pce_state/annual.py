"""PCE in total and per capita side by side, so that nobody takes one for the other."""

import polars as pl

from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL

_CELL = ["geo_fips", "category_id", "year"]


def annual(facts: pl.DataFrame) -> pl.DataFrame:
    """GOLD_PCE_STATE_ANNUAL of conformed facts (GOLD_FACTS): one row per area, category and year with a total.

    Where BEA publishes no per-capita figure, it is NULL and its status says `not_published`.
    """
    total = facts.lazy().filter(pl.col("measure") == "pce")
    per_capita = (
        facts.lazy()
        .filter(pl.col("measure") == "pce_per_capita")
        .select(*_CELL, pce_per_capita_usd="value", pce_per_capita_status="status")
    )
    return (
        total.rename({"value": "pce_millions_usd", "status": "pce_status"})
        .join(per_capita, on=_CELL, how="left")
        .with_columns(pl.col("pce_per_capita_status").fill_null("not_published"))
        .select(GOLD_PCE_STATE_ANNUAL.column_names)
        .sort(GOLD_PCE_STATE_ANNUAL.key)
        .collect()
    )
