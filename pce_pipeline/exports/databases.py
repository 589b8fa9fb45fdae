"""Tables as a database in one file: SQLite, which everything reads, and DuckDB, which keeps decimals exact.

Beside the tables, `about` has what is to be said of each, and `about_columns` unit and meaning of every column.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl

from pce_pipeline.exports.errors import ExtraMissing
from pce_pipeline.exports.export import Export, facts
from pce_pipeline.observability.progress import advance

_ROWS_AT_ONCE = 20_000
_ABOUT = ("about", ("table_name", "name", "text"))
_COLUMNS = ("about_columns", ("table_name", "column_name", "type", "unit", "base_year", "meaning"))


def write_sqlite(exports: Sequence[Export], path: Path) -> None:
    """The exports as tables of a SQLite file, their keys as primary keys, which are indexes.

    SQLite has no decimals, dates or booleans: they are numbers with 15 digits, texts in ISO 8601, and 0 or 1.
    """
    with closing(sqlite3.connect(path)) as database, database:
        # the file is renamed when it is whole, so that no journal has to save it before
        database.execute("PRAGMA journal_mode = OFF")
        for (name, columns), rows in _of_all(exports):
            database.execute(_create(name, dict.fromkeys(columns, "TEXT"), ()))
            database.executemany(_insert(name, len(columns)), rows)
        for number, export in enumerate(exports):
            advance(number, len(exports), "tables")
            types = {column: _sqlite_type(dtype) for column, dtype in export.frame.schema.items()}
            database.execute(_create(export.name, types, export.key))
            plain = _for_sqlite(export.frame)
            for part in plain.iter_slices(_ROWS_AT_ONCE):
                database.executemany(_insert(export.name, part.width), part.iter_rows())


def write_duckdb(exports: Sequence[Export], path: Path) -> None:
    """The exports as tables of a DuckDB file, with comments on tables and columns. Raises `ExtraMissing`."""
    try:
        import duckdb  # noqa: PLC0415 (of an extra)
    except ImportError:
        raise ExtraMissing("A DuckDB file", "duckdb") from None
    with duckdb.connect(str(path)) as database:
        for (name, columns), rows in _of_all(exports):
            frame = pl.DataFrame(list(rows), schema=dict.fromkeys(columns, pl.String), orient="row")
            database.register("leaving", frame.to_arrow())
            database.execute(_create_as(name))
        for number, export in enumerate(exports):
            advance(number, len(exports), "tables")
            database.register("leaving", export.frame.to_arrow())
            database.execute(_create_as(export.name))
            table = quoted(export.name)
            if export.about is not None:
                database.execute(" ".join(["COMMENT ON TABLE", table, "IS", literal(_comment(export))]))
            for each in export.column_facts():
                said = "; ".join(part for part in (each.meaning, each.unit) if part)
                if said:
                    column = f"{table}.{quoted(each.name)}"
                    database.execute(" ".join(["COMMENT ON COLUMN", column, "IS", literal(said)]))


def quoted(name: str) -> str:
    """A name as SQL has it, whatever it holds.

    >>> quoted('a "b" c')
    '"a ""b"" c"'
    """
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def literal(text: str) -> str:
    """A text as SQL has it, whatever it holds.

    >>> literal("it's")
    "'it''s'"
    """
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _of_all(exports: Sequence[Export]) -> Iterator[tuple[tuple[str, tuple[str, ...]], Iterable[tuple[str, ...]]]]:
    """The tables that say what the others are."""
    said = [(export.name, *fact) for export in exports if export.about for fact in facts(export.about)]
    of_columns = [
        (export.name, each.name, each.type, each.unit, str(each.base_year or ""), each.meaning)
        for export in exports
        for each in export.column_facts()
    ]
    return iter([(_ABOUT, said), (_COLUMNS, of_columns)])


def _comment(export: Export) -> str:
    return "\n".join(f"{name}: {text}" for name, text in facts(export.about)) if export.about else ""


def _create(table: str, types: dict[str, str], key: Sequence[str]) -> str:
    columns = [f"{quoted(name)} {of}{' NOT NULL' if name in key else ''}" for name, of in types.items()]
    keyed = [f"PRIMARY KEY ({', '.join(map(quoted, key))})"] if key else []
    return " ".join(["CREATE TABLE", quoted(table), "(", ", ".join([*columns, *keyed]), ")"])


def _create_as(table: str) -> str:
    return " ".join(["CREATE TABLE", quoted(table), "AS SELECT * FROM leaving"])


def _insert(table: str, width: int) -> str:
    return " ".join(["INSERT INTO", quoted(table), "VALUES (", ", ".join("?" * width), ")"])


def _sqlite_type(dtype: pl.DataType) -> str:
    if dtype.is_integer() or dtype == pl.Boolean:
        return "INTEGER"
    return "REAL" if dtype.is_numeric() else "TEXT"


def _for_sqlite(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows as SQLite can hold them."""
    casts = [
        pl.col(name).cast(pl.Float64)
        if dtype.is_decimal()
        else pl.col(name).cast(pl.Int32)
        if dtype == pl.Boolean
        else pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        if isinstance(dtype, pl.Datetime)
        else pl.col(name).cast(pl.String)
        for name, dtype in frame.schema.items()
        if dtype.is_decimal() or dtype.is_temporal() or dtype == pl.Boolean
    ]
    return frame.with_columns(casts)
