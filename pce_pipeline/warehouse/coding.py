"""The shorter form in which Postgres holds the logs: a number for each figure and area, and nothing for the usual.

With millions of rows, texts as keys cost more than the figures. What a row says is all there, readable through a view;
from which object a value came is in the lake alone. Whoever changes the form empties these tables in a migration: a
load takes rows of the earlier form for what it would write now. Pure functions over declarations and frames.
"""

from dataclasses import replace

import polars as pl

from pce_pipeline.gold.dimensions import figure_id
from pce_pipeline.tables.table import Column, Table
from pce_pipeline.tables.vintages import BASES

_FIGURE = Column("figure_id", pl.Int32, "the figure: gold.dim_figure")
_AREA = Column("geo_id", pl.Int32, "the area: geo_fips of gold.dim_geography as a number")
_YEAR = Column("year", pl.Int16, "calendar year")
_NUMBERS = {"base_year": pl.Int16, "age_years": pl.Int16}
_UNSAID = {"status": "reported", "from_status": "reported", "to_status": "reported", "kind": "revision"}
_LEFT_OUT = {"geo_level", "state", "unit", "decimals", "bea_table", "source_object", "category_id"}

_BASIS = Column(
    "basis", pl.Int16, f"what it is based on: {', '.join(f'{code} {name}' for code, name in enumerate(BASES))}"
)
_OTHERS = {"measure": _FIGURE, "geo_fips": _AREA, "year": _YEAR, "basis": _BASIS}


def form_of(table: Table) -> Table:
    """The table as Postgres holds it: the same, unless it is a coded one."""
    if not table.coded:
        return table
    columns = tuple(_coded(column) for column in table.columns if column.name not in _LEFT_OUT)
    key = [_coded(table.columns[table.column_names.index(name)]).name for name in table.key if name not in _LEFT_OUT]
    # The order in which rows are loaded: those of one area, which most people ask for, lie together.
    by_area = sorted(key, key=lambda name: name != _AREA.name)
    return replace(table, columns=columns, key=tuple(by_area))


def encoded(table: Table, rows: pl.DataFrame, dataset: str) -> pl.DataFrame:
    """The rows of a coded table of a dataset as Postgres holds them."""
    form = form_of(table)
    figures = rows.select("measure", "category_id").unique()
    numbers = [figure_id(dataset, *figure) for figure in figures.iter_rows()]
    numbered = figures.with_columns(pl.Series("figure_id", numbers, dtype=pl.Int32))
    made: dict[str, pl.Expr] = {
        "geo_id": pl.col("geo_fips").cast(pl.Int32),
        "basis": pl.col("basis").replace_strict(list(BASES), list(range(len(BASES))), return_dtype=pl.Int16),
        **{
            name: pl.when(pl.col(name) != usual).then(name).alias(name)
            for name, usual in _UNSAID.items()
            if name in rows.columns
        },
    }
    kept = [made.get(column.name, pl.col(column.name)).cast(column.dtype).alias(column.name) for column in form.columns]
    return rows.join(numbered, on=["measure", "category_id"], maintain_order="left").select(kept).sort(form.key)


def _coded(column: Column) -> Column:
    if column.name in _OTHERS:
        return _OTHERS[column.name]
    if column.name in _NUMBERS:
        return replace(column, dtype=_NUMBERS[column.name])
    if column.name in _UNSAID:
        usual = _UNSAID[column.name]
        return replace(column, nullable=True, description=f"{column.description}; NULL where it is '{usual}'")
    return column
