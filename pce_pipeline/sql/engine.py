"""DuckDB, held to one question over given rows: it reads no file, writes none, loads nothing and changes nothing.

What a statement names is found out by DuckDB itself: it is bound over no tables, and each that DuckDB then misses is
laid before it without rows, until none is missed. So what cannot be answered is refused before a row is read, and no
table that is named can be an empty one by mistake. Then the rows of these tables are laid before a second connection.

The logs lie in Postgres in a shorter form, over which views are written. In a database of its own the views are made
over that form, by the same text as in Postgres, while tables keep the columns that they have in the lake.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from pce_pipeline.asking.errors import ExtraMissing
from pce_pipeline.sql.errors import NotOneQuestion, OnlyQuestions, OutOfReach, StatementFailed, StatementWrong
from pce_pipeline.sql.relations import GOLD, SCHEMAS, SERVING, Relation, Relations
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.coding import encoded, form_of
from pce_pipeline.warehouse.series import named_rows, named_series, stored_table

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Frames = Mapping[str, pl.DataFrame]
"""The rows of tables of the lake, by the table's name."""

_LOADED = "loaded"
"""The database in which tables have the form that Postgres loads."""

_CLOSED: dict[str, bool | str | int | float | list[str]] = {
    "enable_external_access": False,
    "temp_directory": "",
    # with nowhere to spill to, a join of everything with everything ends here and not with the machine
    "memory_limit": "4GB",
    # a variable of the caller's that holds a frame is no table of the lake
    "python_enable_replacements": False,
}
_AS_POSTGRES = (
    "SET TimeZone = 'UTC'",
    "SET integer_division = true",
    "SET default_null_order = 'nulls_last_on_asc_first_on_desc'",
)
"""What would else give another answer than Postgres to the same statement."""

_SEARCHED = f"SET search_path = 'memory.{GOLD},memory.{SERVING}'"
"""Not Silver: a name that both have would mean Silver's table wherever Gold's is not laid."""

_ROUND = f"CREATE MACRO {_LOADED}.main.round(x, digits) AS system.main.round(x * 1.0000000000000004::double, digits)"
"""Decimals divide to a double here, which may lie a last bit below the tie that the exact quotient is in Postgres.

Views, and they alone, round what is two last bits further from zero: no quotient of published figures that is no tie
lies that near to one.
"""

_QUESTION = "SELECT"
"""What DuckDB calls every statement that only asks: WITH, FROM, VALUES, DESCRIBE, SUMMARIZE and SHOW as well."""

_PIVOT = "MULTI"
_MISSED = re.compile(r'Table with name (?:"(.+?)"|(.+?)) does not exist')


class Engine:
    """The tables and views of some datasets, to be asked in SQL.

    Raises `ExtraMissing` where DuckDB is not installed.
    """

    def __init__(self, registry: Registry, relations: Relations) -> None:
        try:
            import duckdb  # noqa: PLC0415 (an extra that most calls do without)
        except ImportError:
            raise ExtraMissing("DuckDB", "ask") from None
        self._duckdb = duckdb
        self._registry = registry
        self._relations = relations

    def named_in(self, statement: str) -> list[Relation]:
        """The tables and views that a statement names, each once; of a view that lacks a table, those up to it.

        Raises `NotOneQuestion`, `OnlyQuestions`, `OutOfReach`, `NoSuchRelation`, and `StatementWrong` for what DuckDB
        cannot read, or for columns and functions that there are not.
        """
        found: dict[str, Relation] = {}
        empty = self._empty()
        with self._connected() as connection:
            self._demand_one_question(connection, statement)
            laid = _Laid(connection, self._registry)
            while (missed := self._missed(connection, statement)) is not None:
                written = _as_written(missed, statement)
                relation = self._relations.named(missed if written.casefold() in found else written, found)
                found[relation.path] = relation
                if relation.lacks:
                    break
                laid.add(relation, empty)
        return list(found.values())

    def rows(self, statement: str, named: Collection[Relation], frames: Frames) -> "pa.Table":
        """What the statement answers, over the rows of the tables that `named` need, as Arrow.

        A statement that names none, such as SHOW TABLES, is answered over all of them without rows. Raises
        `StatementWrong` and `StatementFailed`.
        """
        with self._connected() as connection:
            laid = _Laid(connection, self._registry)
            for relation in named or self._relations.whole:
                laid.add(relation, frames if named else self._empty())
            connection.execute("SET lock_configuration = true")
            answer = self._bound(connection, statement)
            try:
                return answer.to_arrow_table()
            except self._duckdb.PermissionException as refused:
                raise OutOfReach(_said(refused)) from None
            except self._duckdb.Error as failed:
                raise StatementFailed(_said(failed)) from None

    @contextmanager
    def _connected(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        with self._duckdb.connect(":memory:", config=_CLOSED) as connection:
            connection.execute(f"ATTACH ':memory:' AS {_LOADED}")
            for schema in SCHEMAS:
                connection.execute(f"CREATE SCHEMA {schema}; CREATE SCHEMA {_LOADED}.{schema}")
            for setting in (_ROUND, *_AS_POSTGRES, _SEARCHED):
                connection.execute(setting)
            yield connection

    def _empty(self) -> Frames:
        return {each.name: pl.DataFrame(schema=each.polars_schema) for each in self._registry.tables}

    def _demand_one_question(self, connection: "duckdb.DuckDBPyConnection", statement: str) -> None:
        try:
            kinds = [each.type.name for each in connection.extract_statements(statement)]
        except self._duckdb.Error as wrong:
            raise StatementWrong(_said(wrong)) from None
        if _PIVOT in kinds:
            raise StatementWrong("PIVOT has to name its values here: PIVOT ... ON column IN (value, ...) USING ...")
        for kind in kinds:
            if kind != _QUESTION:
                raise OnlyQuestions(kind)
        if len(kinds) != 1:
            raise NotOneQuestion(len(kinds))

    def _missed(self, connection: "duckdb.DuckDBPyConnection", statement: str) -> str | None:
        """The first table or view that the statement names and that is not there; None where none is missed."""
        try:
            self._bound(connection, statement)
        except _Missed as missed:
            return missed.name
        return None

    def _bound(self, connection: "duckdb.DuckDBPyConnection", statement: str) -> "duckdb.DuckDBPyRelation":
        try:
            return connection.sql(statement)
        except self._duckdb.CatalogException as wrong:
            if (named := _MISSED.search(str(wrong))) is not None:
                raise _Missed(named[1] or named[2]) from None
            raise StatementWrong(_said(wrong)) from None
        except self._duckdb.PermissionException as refused:
            raise OutOfReach(_said(refused)) from None
        except self._duckdb.Error as wrong:
            raise StatementWrong(_said(wrong)) from None


class _Missed(Exception):
    """DuckDB misses a table."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Laid:
    """The relations that lie before a connection."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", registry: Registry) -> None:
        self._connection = connection
        self._registry = registry
        self._made: set[str] = set()

    def add(self, relation: Relation, frames: Frames) -> None:
        """Lay a table, or a view with all that it needs, over the rows of tables."""
        if not relation.views:
            (table,) = relation.tables
            self._make(relation.path, frames[table.name])
            return
        for table in relation.tables:
            name = f"{_LOADED}.{GOLD}.{table.relation}"
            if name not in self._made:
                self._make(name, self._as_loaded(table, frames[table.name]))
        self._add_series([table for table in relation.tables if table.series is not None], frames)
        self._connection.execute(f"USE {_LOADED}")
        for view in relation.views:
            self._connection.execute(view.statement)
        self._connection.execute("USE memory")
        self._connection.execute(_SEARCHED)  # which USE has changed
        self._show(relation.path, f"{_LOADED}.{relation.path}")

    def _add_series(self, tables: Sequence[Table], frames: Frames) -> None:
        """Lay what stands behind these tables in Postgres; a series is named by its texts, which need no list."""
        for table in tables:
            name = f"{_LOADED}.{stored_table(table).name.replace('/', '.')}"
            if name not in self._made:
                self._make(name, named_rows(table, frames[table.name]))
        for path in {table.series.replace("/", ".") for table in tables if table.series is not None}:
            if (name := f"{_LOADED}.{path}") not in self._made:
                self._make(name, pl.concat([named_series(frames[table.name]) for table in tables]).unique())

    def _make(self, name: str, rows: pl.DataFrame) -> None:
        source = f"rows_{len(self._made)}"
        self._connection.register(source, rows.to_arrow())
        self._show(name, f"temp.main.{source}")
        self._made.add(name)

    def _show(self, name: str, source: str) -> None:
        self._connection.execute(f"CREATE VIEW {name} AS FROM {source}")

    def _as_loaded(self, table: Table, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows in the form that Postgres holds."""
        if not table.coded:
            return rows
        if rows.is_empty():
            return pl.DataFrame(schema=form_of(table).polars_schema)
        return encoded(table, rows, self._registry.dataset_of(table).name)


def _as_written(missed: str, statement: str) -> str:
    """A name with the schema that the statement writes before it: DuckDB leaves it out where it knows the schema."""
    written = re.search(rf'\b({"|".join(SCHEMAS)})"?\s*\.\s*"?{re.escape(missed)}\b', statement, re.IGNORECASE)
    return f"{written[1]}.{missed}" if written else missed


def _said(error: Exception) -> str:
    """What DuckDB says, in one sentence, without the kind of the error."""
    first = str(error).split("\n\n", maxsplit=1)[0]
    return " ".join(first.partition(" Error: ")[2].split()) or " ".join(first.split())
