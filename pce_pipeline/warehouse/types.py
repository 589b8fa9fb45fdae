"""The types that columns have in Postgres."""

import polars as pl

from pce_pipeline.tables.table import MONEY, Column

_TYPES: dict[object, str] = {
    pl.String: "text",
    pl.Int32: "integer",
    pl.Float64: "double precision",
    pl.Boolean: "boolean",
    MONEY: f"numeric({MONEY.precision},{MONEY.scale})",
}


def postgres_type(column: Column) -> str:
    """The type as Postgres itself spells it."""
    return _TYPES[column.dtype]
