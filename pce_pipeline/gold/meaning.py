"""Growth and sums of figures, as far as BEA says that they mean anything.

What may be done with a number is declared with its measure in the catalogue, and kept here, where numbers are made: a
growth rate of a price level, a sum of indexes, of the US and states, of totals and their parts, or over two base years
cannot be had from these functions. Who asks for one is told why, and what answers the question instead.
"""

from collections.abc import Sequence

import polars as pl

from pce_pipeline.catalog.dataset import Dataset, Measure
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.rounding import rounded
from pce_pipeline.tables.table import MONEY

_FIGURE = ["measure", "category_id", "geo_fips"]
NO_YEAR_BEFORE = "there is no figure of the year before"
NOT_ABOVE_ZERO = "the figure of the year before is not above zero"
OTHER_BASE_YEAR = "the year before is of another base year"


class Meaningless(UsageError):
    """A number was asked for that would mean nothing; the remedy is what to ask for instead."""


def growth(rows: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The rows with `yoy_pct`, the change of `value` on the year before in percent, and `why_null` where that is NULL.

    `rows` has measure, category_id, geo_fips, year, value and base_year, all of one vintage. Raises `Meaningless` for a
    measure whose growth has no meaning. Growth is NULL over two base years, and on what is not above zero.
    """
    for name in rows["measure"].unique().sort():
        demand_growth(dataset.measures[name])
    before = rows.select(*_FIGURE, pl.col("year") + 1, value_before="value", base_year_before="base_year")
    value, earlier = pl.col("value").cast(pl.Float64), pl.col("value_before").cast(pl.Float64)
    why = (
        pl.when(value.is_null())
        .then(pl.lit("there is no figure"))
        .when(earlier.is_null())
        .then(pl.lit(NO_YEAR_BEFORE))
        .when(pl.col("base_year").ne_missing(pl.col("base_year_before")))
        .then(pl.lit(OTHER_BASE_YEAR))
        .when(earlier <= 0)
        .then(pl.lit(NOT_ABOVE_ZERO))
    )
    return (
        rows.join(before, on=[*_FIGURE, "year"], how="left", maintain_order="left")
        .with_columns(why_null=why)
        .with_columns(yoy_pct=pl.when(pl.col("why_null").is_null()).then(rounded(100 * (value / earlier - 1))))
        .drop("value_before", "base_year_before")
    )


def sum_over_areas(rows: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The sum of areas of one level, by measure, category and year: value (NULL if one is missing), base_year, areas.

    `rows` has measure, category_id, geo_fips, geo_level, year, value and base_year, all of one vintage. Raises
    `Meaningless` for a measure that does not add up over areas, and for the US or regions beside states.
    """
    for name in rows["measure"].unique().sort():
        _demand_sum(dataset.measures[name], "areas")
    levels = rows["geo_level"].unique().sort().to_list()
    if len(levels) > 1:
        raise Meaningless(
            f"A sum of areas of different levels ({', '.join(levels)}) counts people twice: the US and the regions "
            "contain the states.",
            remedy="Choose areas of one level: states by their postal codes, or all of them with --state states.",
        )
    return _summed(rows, ["measure", "category_id", "year"], areas=pl.col("geo_fips").n_unique())


def sum_over_categories(rows: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The sum of categories that do not contain one another, by measure, area and year; what is deducted is subtracted.

    `rows` is as for `sum_over_areas`; columns geo_fips, measure, year, value, base_year, categories. Raises
    `Meaningless` for a measure that does not add up over categories, and for a category beside a part of it.
    """
    for name in rows["measure"].unique().sort():
        _demand_sum(dataset.measures[name], "categories")
    _refuse_parts_beside_totals(rows["category_id"].unique().sort().to_list(), dataset)
    signed = rows.join(dataset.categories.select("category_id", "sign"), on="category_id").with_columns(
        pl.col("value") * pl.col("sign")
    )
    return _summed(signed, ["measure", "geo_fips", "year"], categories=pl.col("category_id").n_unique())


def _summed(rows: pl.DataFrame, by: Sequence[str], **counted: pl.Expr) -> pl.DataFrame:
    mixed = (
        rows.group_by(by).agg(years=pl.col("base_year").unique().sort()).filter(pl.col("years").list.len() > 1).sort(by)
    )
    if mixed.height:
        years = ", ".join(map(str, mixed["years"][0].to_list()))
        raise Meaningless(
            f"A sum of figures at the prices of different base years ({years}) has no meaning.",
            remedy="Take figures of one vintage, or those in current dollars.",
        )
    is_whole = pl.col("value").is_not_null().all()
    return (
        rows.group_by(by, maintain_order=True)
        .agg(pl.when(is_whole).then(pl.col("value").sum()).cast(MONEY), pl.col("base_year").first(), **counted)
        .sort(by)
    )


def demand_growth(measure: Measure) -> None:
    """Raise `Meaningless` for a measure whose growth has no meaning."""
    if measure.growth_is_meaningful:
        return
    instead = measure.growth_instead
    raise Meaningless(
        f"The growth of {measure.name} ({measure.title}) has no meaning: {why_no_growth(measure)}.",
        remedy=f"Use the growth of {instead}." if instead else "Compare areas within one year.",
    )


def why_no_growth(measure: Measure) -> str:
    """Why the growth of a measure has no meaning, whose growth has none."""
    if measure.unit == "index":
        return "each year is relative to itself, and estimated by itself, so that two years cannot be compared"
    return "two years of it cannot be compared"


def _demand_sum(measure: Measure, over: str) -> None:
    if over in measure.adds_up_over:
        return
    why, remedy = _why_no_sum(measure, over)
    raise Meaningless(f"A sum of {measure.name} ({measure.title}) over {over} has no meaning: {why}.", remedy=remedy)


def _why_no_sum(measure: Measure, over: str) -> tuple[str, str]:
    if measure.unit == "index":
        return "it is an index", "Sum what it is an index of, or compare areas within one year."
    if measure.per_capita_of is not None and over == "areas":
        return (
            "figures per resident do not add up over areas",
            f"Sum {measure.per_capita_of} and the residents, and divide.",
        )
    if "chained" in measure.unit:
        return (
            "chained dollars do not add up, because their weights change from year to year",
            "Use the total that BEA publishes, or sum current dollars.",
        )
    return (
        "it is deflated as a whole, and BEA publishes no parts of it",
        "Sum current dollars, or take the estimate serving.v_pce_at_all_items_prices for what it says it is.",
    )


def _refuse_parts_beside_totals(categories: Sequence[str], dataset: Dataset) -> None:
    tree = {row["category_id"]: row for row in dataset.categories.iter_rows(named=True)}
    schemes = sorted({tree[each]["scheme"] for each in categories})
    if len(schemes) > 1:
        raise Meaningless(
            f"A sum over the schemes {', '.join(schemes)} counts spending twice: each divides the same total.",
            remedy="Choose categories of one scheme.",
        )
    for each in categories:
        above = tree[each]["parent_id"]
        while above is not None:
            if above in categories:
                raise Meaningless(
                    f"A sum of {above} and {each} counts twice: the second is a part of the first.",
                    remedy=f"Leave one of them out: {above} alone is the sum of its parts.",
                )
            above = tree[above]["parent_id"]
