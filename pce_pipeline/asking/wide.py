"""An answer with years or months as columns, as people lay figures side by side in a spreadsheet."""

import polars as pl

from pce_pipeline.errors import UsageError
from pce_pipeline.tables.table import NOT_PUBLISHED
from pce_pipeline.tables.vintages import COUNTED

_ROW = ("dataset", "measure", "category_id", "category_name", "geo_fips", "geo_name", "state", "unit", "base_year")


def wide(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per area, category and measure (with unit and base year), one column per year, or month as `2024-07`.

    A cell without a number is NULL, and `missing` says of each such cell why: `2023: suppressed; 2024: not_available`.
    `vintages` has the days of all vintages that the row's figures are of. Raises `UsageError` for an answer with
    growth, which has two numbers a year.
    """
    if "yoy_pct" in frame.columns:
        raise UsageError(
            "A wide table has one number for each year, and growth is a second.",
            remedy="Leave one of them out, or ask for a column of growth, such as pce_yoy_pct.",
        )
    cells = frame.with_columns(period=period(frame))
    periods = pl.DataFrame({"period": cells["period"].unique().sort()})
    rows = cells.select(_ROW).unique(maintain_order=True).with_row_index("row")
    every = rows.join(periods, how="cross").join(
        cells, on=[*_ROW, "period"], how="left", nulls_equal=True, maintain_order="left"
    )
    why = pl.when(pl.col("value").is_null()).then(
        pl.format("{}: {}", "period", pl.col("status").fill_null(NOT_PUBLISHED))
    )
    vintage = (
        pl.when(pl.col("basis") == COUNTED)
        .then(pl.col("vintage").cast(pl.String))
        .otherwise(pl.format("{} ({})", "vintage", "basis"))
    )
    told = every.group_by("row", maintain_order=True).agg(
        missing=pl.when(why.is_not_null().any()).then(why.drop_nulls().str.join("; ")).first(),
        vintages=vintage.drop_nulls().unique().sort().str.join(", "),
    )
    values = every.select("row", "period", "value").pivot("period", index="row", values="value", maintain_order=True)
    return rows.join(values, on="row", maintain_order="left").join(told, on="row", maintain_order="left").drop("row")


def period(frame: pl.DataFrame) -> pl.Series:
    """The year of each row, or the year and month where it is of a month: `2024`, `2024-07`."""
    year = pl.col("year").cast(pl.String)
    if "month" not in frame.columns:
        return frame.select(period=year).to_series()
    month = pl.format("{}-{}", "year", pl.col("month").cast(pl.String).str.zfill(2))
    return frame.select(period=pl.when(pl.col("month").is_null()).then(year).otherwise(month)).to_series()
