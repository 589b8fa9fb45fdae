"""The types that columns have in Postgres."""

import polars as pl

from pce_pipeline.tables.table import LOG_POINTS, MONEY, Column
from pce_pipeline.tables.vintages import INSTANT

_TYPES: dict[object, str] = {
    pl.String: "text",
    pl.Int16: "smallint",
    pl.Int32: "integer",
    pl.Date: "date",
    INSTANT: "timestamp with time zone",
    pl.Float64: "double precision",
    pl.Boolean: "boolean",
    **{each: f"numeric({each.precision},{each.scale})" for each in (MONEY, LOG_POINTS)},
}


def postgres_type(column: Column) -> str:
    """The type as Postgres itself spells it."""
    return _TYPES[column.dtype]
