"""The log of figures: what each figure of the facts was over time, whichever of BEA's tables published it.

Pure functions from the log of cells. At any time a figure is taken from the tables as the facts take it; most are
published by one table, and their stretches are those of its cells.
"""

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables.table import QUARANTINED
from pce_pipeline.tables.vintages import COUNTED, ENDINGS, gold_vintages

_FIGURE = ["measure", "category_id", "geo_fips", "year"]
_LANE = [*_FIGURE, "basis"]


def figures(log: pl.DataFrame, vintages: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The rows of `gold_vintages` of the rows of `silver_vintages`, of any years.

    Where two tables publish a figure, the first in the catalogue's order gives it. A cell that is there no more gives
    way, and so does one that could not be read, to a readable one of the same release, as `vintages` (VINTAGES) says.
    """
    table = gold_vintages(dataset)
    units = {measure.name: measure.unit for measure in dataset.measures.values()}
    order = {name: place for place, name in enumerate(dataset.tables)}
    lines = dataset.lines.select(
        "bea_table", "line_code", shared=pl.len().over("measure", "category_id") > 1
    ).with_columns(order=pl.col("bea_table").replace_strict(order, return_dtype=pl.Int32))
    rows = log.join(lines, on=["bea_table", "line_code"]).with_columns(
        unit=pl.col("measure").replace_strict(units, return_dtype=pl.String)
    )
    alone = rows.filter(~pl.col("shared")).select(table.column_names)
    releases = vintages.filter(pl.col("basis") == COUNTED).select("bea_table", "at", "release").sort("at")
    shared = _of_several(rows.filter("shared"), releases)
    return pl.concat([alone, shared.select(table.column_names)]).sort(table.key)


def _of_several(rows: pl.DataFrame, releases: pl.DataFrame) -> pl.DataFrame:
    """Figures that several tables publish: at each time at which one of them changes, that of the first in order."""
    held = _at_each_change(rows, releases)
    same_lane = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in _LANE)
    goes_on = same_lane & (pl.col("until").shift() == pl.col("at"))
    says = [pl.col(name) for name in ("value", "status", "base_year")]
    begins = ~goes_on | pl.any_horizontal(each.ne_missing(each.shift()) for each in says)
    held = held.with_columns(begins=begins.fill_null(value=True)).with_columns(stretch=pl.col("begins").cum_sum())
    whole = held.group_by("stretch").agg(
        pl.col("released_on").min(),
        pl.col("ingested_at").min(),
        pl.col("decimals").max(),
        valid_to=pl.col("until").last(),
    )
    return (
        held.filter("begins")
        .drop("released_on", "ingested_at", "decimals", "valid_from", "valid_to")
        .rename({"at": "valid_from"})
        .join(whole, on="stretch", maintain_order="left")
    )


def _at_each_change(rows: pl.DataFrame, releases: pl.DataFrame) -> pl.DataFrame:
    """The row that gives each figure from each time (`at`) at which a table of it changes, up to the next (`until`)."""
    closed = pl.col("valid_to").is_not_null()
    changes = [rows.select(*_LANE, at="valid_from"), rows.filter(closed).select(*_LANE, at="valid_to")]
    held = (
        pl.concat(changes)
        .unique()
        .join(rows, on=_LANE)
        .filter((pl.col("valid_from") <= pl.col("at")) & (~closed | (pl.col("valid_to") > pl.col("at"))))
        .sort("at")
        .join_asof(releases, on="at", by="bea_table", check_sortedness=False)
    )
    figure = [*_LANE, "at"]
    other_release = pl.col("release").ne_missing(pl.col("release").sort_by("order").first().over(figure))
    gives_way = (
        pl.when(pl.col("status").is_in(list(ENDINGS)))
        .then(2)
        .when((pl.col("status") == QUARANTINED) | other_release)
        .then(1)
        .otherwise(0)
    )
    if (rows["status"] != QUARANTINED).all():
        gives_way = pl.col("status").is_in(list(ENDINGS)).cast(pl.Int32)
    held = held.sort(*figure, gives_way, "order").unique(figure, keep="first", maintain_order=True)
    next_lane = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in _LANE)
    following = pl.when(next_lane).then(pl.col("at").shift(-1))
    return held.with_columns(until=pl.min_horizontal("valid_to", following))
