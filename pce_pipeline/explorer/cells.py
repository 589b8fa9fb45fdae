"""The figures of a dataset as long frames, from its tables of Gold: a row per category, measure, area and period.

Numbers are rounded to the decimals that are shown. A cell without one says why, as `pce query` does. Pure functions.
"""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from pce_pipeline.asking.columns import why_no_number
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.explorer.measures import ShownMeasure
from pce_pipeline.explorer.statuses import REPORTED, STATUS

CELL = ("category", "measure", "area", "period")
"""What a row is of, and the order of rows."""

FIGURES = (*CELL, "value", "status")
"""The columns of figures: `value` is a double, NULL where there is no number, and `status` says why."""

_PLACE = ("category", "area", "period")
_STATE = "state"
_NATION = "nation"
_MONTHS = 100
"""A month is written as a number: 202405."""


def cells_schema(dataset: Dataset, measures: Sequence[ShownMeasure]) -> dict[str, pl.DataType]:
    """The types of FIGURES: categories, measures and areas are enums in the order of rows."""
    return {
        "category": pl.Enum(category_ids(dataset)),
        "measure": pl.Enum([each.id for each in measures]),
        "area": pl.Enum(dataset.areas["geo_fips"].sort().to_list()),
        "period": pl.Int32(),
        "value": pl.Float64(),
        "status": STATUS,
    }


def category_ids(dataset: Dataset) -> list[str]:
    """The categories of a dataset that its profile has lines of, in the catalogue's order."""
    taken = set(dataset.lines["category_id"])
    return [each for each in dataset.categories["category_id"] if each in taken]


def cells_by_measure(
    measures: Sequence[ShownMeasure],
    tables: Mapping[str, pl.DataFrame],
    figures: pl.DataFrame,
    schema: Mapping[str, pl.DataType],
) -> Iterator[tuple[ShownMeasure, pl.DataFrame]]:
    """The cells (FIGURES) of each measure, sorted by CELL; measures of one table one after another.

    `tables` has the rows of each table of Gold, by name; `figures` has measure, category_id, geo_fips, year (and
    month) and status of every figure that formulas take.
    """
    for name, rows in tables.items():
        of_table = [each for each in measures if each.column.made.table.name == name]
        if of_table:
            placed = _placed(rows, of_table[0], schema)
            for measure in of_table:
                yield measure, _cells(measure, placed, figures, schema)


def _placed(rows: pl.DataFrame, measure: ShownMeasure, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows of a table with category, area and period, sorted by these.

    A table without areas is of the nation, and one without categories has one row for all: each measure is then of a
    category of its own.
    """
    column = measure.column
    nation = column.dataset.areas.filter(geo_level=_NATION)["geo_fips"][0]
    period = pl.col("year") * _MONTHS + pl.col("month") if column.is_of_months else pl.col("year")
    area = pl.col("geo_fips") if "geo_fips" in rows.columns else pl.lit(nation)
    placed = rows.with_columns(area=area.cast(schema["area"]), period=period.cast(pl.Int32))
    if "category_id" not in rows.columns:
        return placed.sort("area", "period")
    return placed.with_columns(category=pl.col("category_id").cast(schema["category"])).sort(_PLACE)


def _cells(
    measure: ShownMeasure, placed: pl.DataFrame, figures: pl.DataFrame, schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    dataset, own = measure.column.dataset, measure.column.categories
    rows = placed.select(
        pl.col("category")
        if "category" in placed.columns
        else pl.lit(own[0]).cast(schema["category"]).alias("category"),
        pl.lit(measure.id).cast(schema["measure"]).alias("measure"),
        "area",
        "period",
        # adding zero makes of minus zero, which rounding gives, a zero
        value=pl.col(measure.id).cast(pl.Float64).round(measure.decimals) + 0.0,
    )
    if "category" in placed.columns and len(own) < len(category_ids(dataset)):
        rows = rows.filter(pl.col("category").is_in(own))
    if measure.is_of_states:
        states = dataset.areas.filter(geo_level=_STATE)["geo_fips"].to_list()
        rows = rows.filter(pl.col("area").is_in(states))
    said = rows.with_columns(status=pl.lit(REPORTED).cast(STATUS)).with_row_index("place")
    silent = said.filter(pl.col("value").is_null())
    if silent.is_empty():
        return said.drop("place")
    why = why_no_number(measure.column, _as_of_gold(silent, measure), figures)
    silent = silent.with_columns(why.cast(STATUS).alias("status"))
    return pl.concat([said.filter(pl.col("value").is_not_null()), silent]).sort("place").drop("place")


def _as_of_gold(cells: pl.DataFrame, measure: ShownMeasure) -> pl.DataFrame:
    """What cells are of, in the columns of Gold (category_id, geo_fips, year, and month), as `as_enums` types them."""
    period = pl.col("period")
    is_of_months = measure.column.is_of_months
    year = {"year": period // _MONTHS, "month": period % _MONTHS} if is_of_months else {"year": period}
    return as_enums(cells.select(category_id="category", geo_fips="area", **year), measure.column.dataset)


def as_enums(figures: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Figures, or cells, with enums of the whole catalogue for category_id and geo_fips: joins of texts take longer."""
    return figures.with_columns(
        pl.col("category_id").cast(pl.Enum(dataset.categories["category_id"].to_list())),
        pl.col("geo_fips").cast(pl.Enum(dataset.areas["geo_fips"].to_list())),
    )
