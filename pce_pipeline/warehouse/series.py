"""Tables of areas, categories and years as Postgres keeps them: a number for area and category, no text for the usual.

A series is one area in one category. Four texts that name it would be most of a row and of its index, so they lie once
in a table of series, and the rows lie under the table's name and `_stored`; the table itself is a view that puts both
together (`views/`), and it is what everybody reads and what hashes are of. Which number a series has is this database's
own affair: the load that brings it first gives it one.
"""

from dataclasses import replace

import polars as pl
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)
from psycopg2.extras import execute_values

from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, GEO_LEVEL, STATE
from pce_pipeline.tables.table import NOT_PUBLISHED, Column, Table

SERIES_ID = Column("series_id", pl.Int32, "the area and category: a row of the table of series")
_REPORTED = "reported"
_STATUS = "_status"
_NAMED_BY = (GEO_FIPS, GEO_LEVEL, STATE, CATEGORY)
_PAIR = [GEO_FIPS.name, CATEGORY.name]
_TEXTS = [column.name for column in _NAMED_BY]
_AT_ONCE = 5000


def series_table(table: Table) -> Table | None:
    """The table of series that a table's rows refer to; None for a table that lies in Postgres as it is."""
    if table.series is None:
        return None
    return Table(
        name=table.series,
        partition=None,
        grain="One row per area and category, with the number that stored rows have for the two.",
        key=(SERIES_ID.name,),
        columns=(SERIES_ID, *_NAMED_BY),
    )


def stored_table(table: Table) -> Table:
    """The table of Postgres that holds the rows of a table with series."""
    kept = [_kept(column) for column in table.columns if column not in _NAMED_BY]
    return replace(
        table,
        name=f"{table.name}_stored",
        grain=f"{table.grain} As the view {table.name.replace('/', '.')} is kept: read that one.",
        key=(SERIES_ID.name, *(name for name in table.key if name not in _TEXTS)),
        columns=(SERIES_ID, *kept),
        series=None,
    )


def stored_rows(table: Table, rows: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table with series as they are stored; `series` has the number of each area and category.

    They are in the order of the stored key, so that the years of a series lie together.
    """
    form = stored_table(table)
    names = table.column_names
    unsaid = {
        name: pl.when(pl.col(name) != _usual(names[place - 1])).then(name).alias(name)
        for place, name in enumerate(names)
        if name.endswith(_STATUS)
    }
    numbered = rows.join(series.select(SERIES_ID.name, *_PAIR), on=_PAIR, how="left", maintain_order="left")
    return numbered.select(unsaid.get(name, pl.col(name)) for name in form.column_names).sort(form.key)


def named_series(rows: pl.DataFrame) -> pl.DataFrame:
    """The series of a table's rows, each with a name for a number: for who reads without the database."""
    return rows.select(_TEXTS).unique().select(_name().alias(SERIES_ID.name), *_TEXTS)


def named_rows(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table with series as they are stored, with the names of `named_series`."""
    return stored_rows(table, rows, named_series(rows))


def numbered_series(cursor: Cursor, table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The number of each area and category of a table's rows; those that the database has not met are given one.

    A series whose level or postal code is another one than before keeps its number and says the new one.
    """
    named_by = series_table(table)
    if named_by is None:
        raise TypeError(f"{table.name} has no series")
    target = sql.Identifier(*named_by.name.split("/"))
    columns = sql.SQL(", ").join(map(sql.Identifier, _TEXTS))
    cursor.execute(sql.SQL("SELECT series_id, {} FROM {}").format(columns, target))
    held = pl.DataFrame(cursor.fetchall(), schema=named_by.polars_schema, orient="row")
    wanted = rows.select(_TEXTS).unique()
    fresh = wanted.join(held, on=_TEXTS, how="anti", nulls_equal=True).sort(_PAIR)
    if fresh.is_empty():
        return held
    statement = sql.SQL(
        "INSERT INTO {target} ({columns}) VALUES %s ON CONFLICT (geo_fips, category_id) DO UPDATE "
        "SET geo_level = excluded.geo_level, state = excluded.state RETURNING series_id, {columns}"
    ).format(target=target, columns=columns)
    given = execute_values(cursor, statement, fresh.rows(), page_size=_AT_ONCE, fetch=True)
    cursor.execute(sql.SQL("ANALYZE {}").format(target))
    now = pl.DataFrame(given, schema=named_by.polars_schema, orient="row")
    return pl.concat([held.join(now, on=_PAIR, how="anti"), now])


def _name() -> pl.Expr:
    return pl.concat_str(*_PAIR, separator="/")


def _kept(column: Column) -> Column:
    if not column.name.endswith(_STATUS):
        return column
    usual = f"NULL where it is {_REPORTED} beside a figure, or {NOT_PUBLISHED} beside none"
    return replace(column, nullable=True, description=f"{column.description}; {usual}")


def _usual(value: str) -> pl.Expr:
    """The status that goes without saying: that of a figure which is there, or of one that nobody publishes."""
    return pl.when(pl.col(value).is_null()).then(pl.lit(NOT_PUBLISHED)).otherwise(pl.lit(_REPORTED))
