"""The fold of vintages: what each cell of BEA's tables said over time, as stretches of equal values.

Pure functions over frames of any years. A vintage is a whole state of its table, so a cell that the next one does not
have ends there, in a row of its own. Values of parts that do not count, and of derived files, stand beside the counted
ones under a basis of their own, each until the next vintage of its table that counts. Folding in one go, or one vintage
after the other, gives the same rows.
"""

from collections.abc import Callable

import polars as pl

from pce_pipeline.bea.values import decimals
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.silver.observations import spelled_units
from pce_pipeline.tables.silver import YEARLY_KEY
from pce_pipeline.tables.table import MONEY, QUARANTINED
from pce_pipeline.tables.vintages import COUNTED, ENDINGS, INSTANT, silver_vintages
from pce_pipeline.texts import BASE_YEAR, base_year

TICKS: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "basis": pl.String,
    "at": pl.Int32,
    "released_on": pl.Date,
    "ingested_at": INSTANT,
    "source_object": pl.String,
}
"""The columns of a frame of vintages: one row per BEA table, basis and vintage."""

ExpectedCells = Callable[[str, int], pl.DataFrame]
"""The cells (measure, category_id, geo_fips, year) that a vintage of a table should have, by its number."""

_CELL = list(YEARLY_KEY)
_LINE = ["bea_table", "line_code"]
_UNIT = ["unit", "unit_multiplier"]
_FIGURE = ["measure", "category_id", "geo_fips", "year"]
_PLACE = ["category_id", "measure", "geo_level", "state", *_UNIT]
_STATE = [
    *_CELL,
    *_PLACE,
    "basis",
    "at",
    *("value", "value_text", "status", "base_year", "decimals"),
    *("released_on", "ingested_at", "source_object"),
]


def as_states(
    cells: pl.DataFrame, texts: pl.DataFrame, dataset: Dataset, log: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Cells of several vintages as `folded` takes them: with our meanings, units as Silver spells them, base years.

    `cells` has typed observations with the columns of TICKS and `extract`; `texts` the lines that BEA lists in each
    extract (LINE_SCHEMA and `extract`), `log` what was folded before. What the catalogue does not hold is left out.
    Raises `UnitChanged`.
    """
    units = spelled_units(cells, dataset)
    of_units = _of_units(units)
    known = (
        cells.join(dataset.lines.select(*_LINE, "category_id", "measure"), on=_LINE)
        .join(dataset.areas.select("geo_fips", "geo_level", "state"), on="geo_fips")
        .join(of_units, on=[*_LINE, *_UNIT], how="left")
        .join(_of_texts(texts, dataset), on=["extract", *_LINE], how="left")
        .with_columns(
            unit="spelled",
            base_year=pl.coalesce("base_year", "base_year_of_text"),
            decimals=pl.when(pl.col("status") == "reported").then(decimals(pl.col("value_text"))),
        )
    )
    return _with_followed_base_years(known, empty_log(dataset) if log is None else log, dataset).select(_STATE)


def _of_units(units: pl.DataFrame) -> pl.DataFrame:
    """How Silver spells each unit of each line, and the base year that it names."""
    years = [base_year(pinned, unit) for pinned, unit in units.select("pinned_unit", "unit").iter_rows()]
    return units.select(*_LINE, *_UNIT, "spelled").with_columns(pl.Series("base_year", years, dtype=pl.Int32))


def _of_texts(texts: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The base year that the text of a line names, by extract and line."""
    pinned = dataset.lines.filter(pl.col("description").str.contains(BASE_YEAR, literal=True))
    found = texts.join(pinned.select(*_LINE, pinned="description"), on=_LINE)
    years = [base_year(pinned, text) for pinned, text in found.select("pinned", "description").iter_rows()]
    return (
        found.with_columns(pl.Series("base_year_of_text", years, dtype=pl.Int32))
        .select("extract", *_LINE, "base_year_of_text")
        .unique(["extract", *_LINE])
    )


def _with_followed_base_years(states: pl.DataFrame, log: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Measures whose unit names no base year have that of the measure that they follow, as it was at their time.

    Both may stand in two tables, of which one was published anew and the other was not.
    """
    followed = {each.name: each.base_year_of for each in dataset.measures.values() if each.base_year_of}
    if not followed:
        return states
    named = [
        rows.filter(pl.col("measure").is_in(list(followed.values())))
        .drop_nulls("base_year")
        .group_by("basis", "at", pl.col("measure").alias("followed"))
        .agg(base_year_followed=pl.col("base_year").max())
        for rows in (log.rename({"valid_from": "at"}), states)
    ]
    of_measures = pl.concat(named).unique(["basis", "at", "followed"], keep="last").sort("at")
    earlier = of_measures.filter(pl.col("basis") == COUNTED).select(
        "at", "followed", base_year_before="base_year_followed"
    )
    return (
        states.with_columns(followed=pl.col("measure").replace_strict(followed, default=None, return_dtype=pl.String))
        .join(of_measures, on=["basis", "at", "followed"], how="left")
        .sort("at")
        .join_asof(earlier, on="at", by="followed", strategy="backward", check_sortedness=False)
        .with_columns(base_year=pl.coalesce("base_year", "base_year_followed", "base_year_before"))
    )


def folded(log: pl.DataFrame, states: pl.DataFrame, ticks: pl.DataFrame, expected: ExpectedCells) -> pl.DataFrame:
    """The log with further vintages: the columns of `silver_vintages`, sorted by its key.

    `log` is what was folded before, without rows at first. `ticks` (TICKS) are the further vintages, each later than
    all that its table has in the log, and `states` their cells, as `as_states` gives them. `expected` says which cells
    a counted vintage should have, and is asked only of those that lack one that was there.
    """
    counted = pl.col("basis") == COUNTED
    order = (
        ticks.filter(counted)
        .sort("bea_table", "at")
        .with_columns(tick=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("bea_table"))
    )
    goes_on = pl.col("bea_table").is_in(order["bea_table"].unique().implode())
    is_open = pl.col("valid_to").is_null() & (~counted | goes_on)
    opened = log.filter(is_open).drop("valid_to").rename({"valid_from": "at"}).select(_STATE)
    return pl.concat(
        [
            log.filter(~is_open),
            _stretches(opened.filter(counted), states.filter(counted), order, expected).select(log.columns),
            _beside(pl.concat([opened.filter(~counted), states.filter(~counted)]), order).select(log.columns),
        ]
    ).sort(*_CELL, "basis", "valid_from")


def _stretches(
    opened: pl.DataFrame, states: pl.DataFrame, order: pl.DataFrame, expected: ExpectedCells
) -> pl.DataFrame:
    """Stretches of equal values of the counted cells: those that the log left open are the state before the first."""
    rows = pl.concat(
        [
            opened.with_columns(tick=pl.lit(0, dtype=pl.Int32)),
            states.join(order.select("bea_table", "at", "tick"), on=["bea_table", "at"]).select(*_STATE, "tick"),
        ]
    )
    rows = pl.concat([rows, _absences(rows, order, expected)]).sort(*_CELL, "tick")
    is_ending = pl.col("status").is_in(list(ENDINGS))
    of_number = pl.when(~is_ending).then(pl.struct(*_UNIT, "base_year"))
    unread = pl.when(pl.col("status") == QUARANTINED).then("value_text")
    said = [pl.col("value"), pl.col("status"), of_number, unread]
    begins = pl.any_horizontal(
        *(pl.col(name) != pl.col(name).shift() for name in _CELL), *(each.ne_missing(each.shift()) for each in said)
    ).fill_null(value=True)
    rows = rows.with_columns(begins=begins).with_columns(stretch=pl.col("begins").cum_sum())
    whole = rows.group_by("stretch").agg(
        pl.col("released_on").min(), pl.col("ingested_at").min(), pl.col("decimals").max()
    )
    firsts = rows.filter("begins").drop("released_on", "ingested_at", "decimals")
    same_cell = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in _CELL)
    return (
        firsts.join(whole, on="stretch", maintain_order="left")
        .with_columns(valid_to=pl.when(same_cell).then(pl.col("at").shift(-1)))
        .rename({"at": "valid_from"})
    )


def _absences(rows: pl.DataFrame, order: pl.DataFrame, expected: ExpectedCells) -> pl.DataFrame:
    """A row for each vintage that lacks a cell which an earlier one had."""
    last = order.group_by("bea_table").agg(last=pl.col("tick").max())
    short = (
        rows.group_by(_CELL)
        .agg(first=pl.col("tick").min(), vintages=pl.len())
        .join(last, on="bea_table")
        .filter(pl.col("vintages") < pl.col("last") - pl.col("first") + 1)
    )
    if short.is_empty():
        return rows.clear()
    of_cell = rows.join(short, on=_CELL).filter(pl.col("tick") == pl.col("first")).select(*_CELL, *_PLACE, "first")
    absent = (
        of_cell.join(order, on="bea_table")
        .filter(pl.col("tick") > pl.col("first"))
        .join(rows, on=[*_CELL, "tick"], how="anti")
    )
    asked = absent.select("bea_table", "at").unique()
    should_have = pl.concat(
        expected(table, at).select(
            *_FIGURE, pl.lit(table).alias("bea_table"), pl.lit(at, dtype=pl.Int32).alias("at"), is_expected=True
        )
        for table, at in asked.iter_rows()
    )
    return (
        absent.join(should_have.unique(), on=["bea_table", "at", *_FIGURE], how="left")
        .with_columns(
            pl.lit(None, dtype=MONEY).alias("value"),
            pl.lit("").alias("value_text"),
            pl.when("is_expected").then(pl.lit("withdrawn")).otherwise(pl.lit("not_spoken_of")).alias("status"),
            pl.lit(None, dtype=pl.Int32).alias("base_year"),
            pl.lit(None, dtype=pl.Int32).alias("decimals"),
        )
        .select(*_STATE, "tick")
    )


def _beside(rows: pl.DataFrame, order: pl.DataFrame) -> pl.DataFrame:
    """Cells that do not count: each until its table's next vintage that counts, or the next of its own kind."""
    same_cell = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in (*_CELL, "basis"))
    ends = order.select("bea_table", pl.col("at").alias("ends")).sort("ends")
    return (
        rows.sort(*_CELL, "basis", "at")
        .with_columns(follows=pl.when(same_cell).then(pl.col("at").shift(-1)))
        .sort("at")
        .join_asof(
            ends,
            left_on="at",
            right_on="ends",
            by="bea_table",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .with_columns(valid_to=pl.min_horizontal("follows", "ends"))
        .rename({"at": "valid_from"})
    )


def empty_log(dataset: Dataset) -> pl.DataFrame:
    """The log before the first vintage."""
    return pl.DataFrame(schema=silver_vintages(dataset).polars_schema)


def no_states(dataset: Dataset) -> pl.DataFrame:
    """The cells of vintages that have none."""
    return empty_log(dataset).rename({"valid_from": "at"}).select(_STATE)
