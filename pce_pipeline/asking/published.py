"""Figures as BEA published them, one row each: from the logs of all vintages, with how real figures stand to nominal.

Sums and growth are made here where they have a meaning; `gold.meaning` says where.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Literal

import polars as pl

from pce_pipeline.asking.choosing import Choice
from pce_pipeline.asking.reading import Reader, figures_known, first_days
from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.bronze.history import History
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.known import AsOf
from pce_pipeline.gold.meaning import growth as with_growth
from pce_pipeline.gold.meaning import sum_over_areas, sum_over_categories, why_no_growth
from pce_pipeline.gold.price_releases import MADE_WITH_NOMINAL, NEEDED, as_by, needed, standings
from pce_pipeline.gold.vintages import figures

SumOver = Literal["areas", "categories"]
"""What figures are added up over."""


def published_rows(reader: Reader, datasets: Collection[str], choice: Choice, moment: AsOf) -> pl.DataFrame:
    """The chosen figures of every dataset that has any, as known at a time; no row where none of them is chosen.

    Raises `NotKnownYet` where nothing was known then.
    """
    found: list[pl.DataFrame] = []
    first: dict[str, str] = {}
    for name in datasets:
        now = reader.held[name]
        if name not in reader.registry.logs or (
            choice.measures and set(choice.measures).isdisjoint(now.dataset.measures)
        ):
            continue
        history = History(now)
        if not moment.knows_any_of(history.vintages):
            first |= dict(first_days(history, moment))
            continue
        rows = figures_known(choice.of(reader.log(name, choice.years)), history, moment)
        areas = now.dataset.areas.select("geo_fips", "geo_name")
        categories = now.dataset.categories.select("category_id", category_name="name")
        found.append(
            rows.with_columns(dataset=pl.lit(name))
            .join(areas, on="geo_fips", how="left", maintain_order="left")
            .join(categories, on="category_id", how="left", maintain_order="left")
        )
    if not found:
        raise NotKnownYet(str(moment.day), first)
    return with_standing(pl.concat(found), reader, moment)


def with_standing(rows: pl.DataFrame, reader: Reader, moment: AsOf) -> pl.DataFrame:
    """The rows with `real_figures`, and what it goes by: how a real figure stands to the nominal ones known then.

    Whatever datasets the call is about, all that are held tell it.
    """
    of_prices = rows.filter(pl.col("measure").is_in(list(MADE_WITH_NOMINAL)))
    logs: dict[str, pl.DataFrame] = {}
    homes: dict[str, str] = {}
    for name, now in reader.held.items() if of_prices.height else ():
        homes |= {measure: of.home for measure, of in now.dataset.measures.items()}
        if not NEEDED.keys().isdisjoint(now.dataset.measures):
            of_totals = reader.log(name, of_prices["year"].unique()).filter(pl.col("measure").is_in(list(NEEDED)))
            logs[name] = needed(as_by(figures(of_totals, History(now).vintages, now.dataset), moment))
    told = standings(logs, homes)
    return rows.join(told, on=["dataset", "measure", "geo_fips", "year"], how="left", maintain_order="left")


def added_up(rows: pl.DataFrame, datasets: Mapping[str, Dataset], over: SumOver) -> pl.DataFrame:
    """The rows of each dataset added up over areas or categories; raises `Meaningless` where that has no meaning."""
    return _each_dataset(rows, datasets, partial(_added_up, over=over))


def grown(rows: pl.DataFrame, datasets: Mapping[str, Dataset], *, is_asked: bool) -> pl.DataFrame:
    """The rows with their growth on the year before, as `yoy_pct`, and `why_null`.

    A measure that has none raises `Meaningless` if it was asked for, and else is told beside its rows.
    """
    return _each_dataset(rows, datasets, partial(_with_growth, is_asked=is_asked))


def _each_dataset(
    rows: pl.DataFrame, datasets: Mapping[str, Dataset], make: Callable[[pl.DataFrame, Dataset], pl.DataFrame]
) -> pl.DataFrame:
    parts = rows.partition_by("dataset", maintain_order=True)
    return pl.concat([make(part, datasets[part["dataset"][0]]) for part in parts], how="diagonal")


def _added_up(rows: pl.DataFrame, dataset: Dataset, *, over: SumOver) -> pl.DataFrame:
    if over == "areas":
        total, by, own = sum_over_areas(rows, dataset), "category_id", "category_name"
        named = {"geo_fips": pl.lit("sum"), "geo_name": pl.format("sum of {} areas", "areas")}
    else:
        total, by, own = sum_over_categories(rows, dataset), "geo_fips", "geo_name"
        summed = pl.format("sum of {} categories", "categories")
        named = {"category_id": summed, "category_name": summed}
    key = ["measure", by, "year"]
    newest = (pl.col(name).max() for name in ("released_on", "vintage"))
    same = (pl.col(name).first() for name in ("dataset", "unit", "basis", "bea_table", "geo_level", own))
    state = [pl.col("state").first()] if over == "categories" else []
    of_rows = rows.group_by(key).agg(*same, *newest, *state)
    status = pl.when(pl.col("value").is_null()).then(pl.lit("a figure is missing")).otherwise(pl.lit("reported"))
    both = total.join(of_rows, on=key, maintain_order="left").with_columns(**named, status=status)
    lacking = [pl.lit(None, dtype=rows.schema[name]).alias(name) for name in rows.columns if name not in both.columns]
    return both.with_columns(lacking).select(rows.columns)


def _with_growth(rows: pl.DataFrame, dataset: Dataset, *, is_asked: bool) -> pl.DataFrame:
    without = [name for name in rows["measure"].unique() if not dataset.measures[name].growth_is_meaningful]
    if is_asked or not without:
        return with_growth(rows, dataset)
    has_none = pl.col("measure").is_in(without)
    told = [
        rows.filter(pl.col("measure") == name).with_columns(
            why_null=pl.lit(why_no_growth(dataset.measures[name])), yoy_pct=pl.lit(None, dtype=pl.Float64)
        )
        for name in sorted(without)
    ]
    return pl.concat([with_growth(rows.filter(~has_none), dataset), *told], how="diagonal")
