"""What was known of each cell at each extract, as a history: one row per cell and extract at which it changed.

As known at an extract, a cell is the row with the greatest extract up to that one; without such a row nothing was
published yet. Pure functions.
"""

from collections.abc import Mapping

import polars as pl

from pce_pipeline.explorer.cells import CELL
from pce_pipeline.explorer.statuses import STATUS, WITHDRAWN

KEY = tuple(name for name in CELL if name != "measure")
"""What a row of a history is of, beside the extract."""

HISTORY = (*KEY, "extract", "value", "status")
"""The columns of the history of a measure, and the order of its rows as far as `extract`, the place of an extract."""


def history_schema(cells: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """The columns of the history of a measure of a dataset with such cells (`cells_schema`)."""
    types = {**cells, "extract": pl.Int32()}
    return {name: types[name] for name in HISTORY}


def newest_of(history: pl.DataFrame) -> pl.DataFrame:
    """The last row of each cell of a history, in order."""
    return history.unique(KEY, keep="last", maintain_order=True)


def changed_cells(newest: pl.DataFrame, cells: pl.DataFrame, extract: int) -> pl.DataFrame:
    """The rows (HISTORY) that an extract adds to a history with these `newest` rows, where it is known as `cells`.

    Both are sorted by what a row is of.
    """
    place = pl.lit(extract, dtype=pl.Int32).alias("extract")
    if newest.is_empty():
        return cells.with_columns(place).select(HISTORY)
    both = cells.select(*KEY, "value", "status").join(
        newest, on=KEY, how="left", suffix="_before", maintain_order="left"
    )
    changed = both.filter(
        pl.col("value").ne_missing(pl.col("value_before")) | pl.col("status").ne_missing(pl.col("status_before"))
    )
    gone = newest.filter(pl.col("status") != WITHDRAWN).join(cells, on=KEY, how="anti", maintain_order="left")
    gone = gone.with_columns(value=pl.lit(None, dtype=pl.Float64), status=pl.lit(WITHDRAWN).cast(STATUS))
    return pl.concat([each.with_columns(place).select(HISTORY) for each in (changed, gone)]).sort(KEY)


def with_changes(newest: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """The newest rows of a history after these were added to it."""
    return pl.concat([newest.join(changes, on=KEY, how="anti", maintain_order="left"), changes]).sort(KEY)


def as_known_at(history: pl.DataFrame, extract: int) -> pl.DataFrame:
    """The cells of a history (without `extract`) as they were known at the extract of this place in the list."""
    return newest_of(history.filter(pl.col("extract") <= extract)).drop("extract")
