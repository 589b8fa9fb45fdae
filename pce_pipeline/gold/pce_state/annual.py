"""PCE in total and per capita side by side, so that nobody takes one for the other."""

import polars as pl

from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL

_CELL = ["geo_fips", "category_id", "year"]
_AREA = ["geo_level", "state"]


def annual(facts: pl.DataFrame) -> pl.DataFrame:
    """GOLD_PCE_STATE_ANNUAL of conformed facts (GOLD_FACTS): one row per area, category and year with a figure.

    Where one of the two figures is not published or not held, it is NULL and its status says `not_published`.
    """
    total = facts.lazy().filter(pl.col("measure") == "pce")
    per_capita = (
        facts.lazy()
        .filter(pl.col("measure") == "pce_per_capita")
        .select(*_CELL, *_AREA, pce_per_capita_usd="value", pce_per_capita_status="status")
    )
    return (
        total.rename({"value": "pce_millions_usd", "status": "pce_status"})
        .join(per_capita, on=_CELL, how="full", coalesce=True, suffix="_per_capita")
        .with_columns(
            *(pl.coalesce(name, f"{name}_per_capita") for name in _AREA),
            pl.col("pce_status", "pce_per_capita_status").fill_null("not_published"),
        )
        .select(GOLD_PCE_STATE_ANNUAL.column_names)
        .sort(GOLD_PCE_STATE_ANNUAL.key)
        .collect()
    )
