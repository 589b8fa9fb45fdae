"""When two results are the same: equal rows cell by cell, equal verdicts of rules, equal tables in Postgres."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import psycopg2
from psycopg2 import sql

from pce_pipeline.bea.observations import OBSERVATION_SCHEMA
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.table import MONEY, Table, content_sha256
from pce_pipeline.warehouse.merge import target_of
from pce_pipeline_tests.bench.measure import Facts
from pce_pipeline_tests.bench.plain_storage import NULL
from pce_pipeline_tests.bench.scratch import Row
from pce_pipeline_tests.datasets import REGISTRY

LOADED = (GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS)
"""The yearly tables that both ways make and load; what the pipeline makes beyond them has no plain counterpart."""

_FLOAT_DECIMALS = 5
"""Results are rounded to six decimals; the last may go either way."""

CELL = ("bea_table", "line_code", "geo_fips", "year")


def facts_of_frame(frame: pl.DataFrame, key: Sequence[str]) -> Facts:
    """How many rows a frame has, and a hash of all its cells whatever their order."""
    floats = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    comparable = frame.sort(key).with_columns(pl.col(floats).round(_FLOAT_DECIMALS) + 0.0)
    return {"rows": frame.height, "sha256": content_sha256(comparable)}


def facts_of_cells(cells: Iterable[Row]) -> Facts:
    """The same of typed cells."""
    schema = {**OBSERVATION_SCHEMA, "value": MONEY, "status": pl.String}
    return facts_of_frame(pl.DataFrame(list(cells), schema=schema), CELL)


def facts_of_rows(rows: Iterable[Row], name: str) -> Facts:
    """The same of rows of the table of that name."""
    table = _table(name)
    return facts_of_frame(pl.DataFrame(list(rows), schema=table.polars_schema), table.key)


def facts_of_csv(files: Sequence[Path], name: str) -> Facts:
    """The same of CSV files that hold rows of the table of that name."""
    table = _table(name)
    return facts_of_frame(pl.read_csv(list(files), schema=table.polars_schema, null_values=NULL), table.key)


def _table(name: str) -> Table:
    return next(table for table in REGISTRY.tables if table.name == name)


def facts_of_database(url: str, years: Sequence[int]) -> Facts:
    """A hash of the rows that the yearly tables of a database hold of these years."""
    facts: Facts = {}
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            for table in LOADED:
                statement = sql.SQL(
                    "SELECT count(*), md5(string_agg(held::text, '' ORDER BY {key})) FROM {table} AS held "
                    "WHERE year = ANY(%s)"
                ).format(key=sql.SQL(", ").join(map(sql.Identifier, table.key)), table=target_of(table))
                cursor.execute(statement, (list(years),))
                facts[table.name] = list(cursor.fetchone() or ())
    finally:
        connection.close()
    return facts


def differences(ours: Mapping[str, Any], plain: Mapping[str, Any]) -> list[str]:
    """Where two looks differ; ours may say more than the plain one."""
    found = []
    for name, said in plain.items():
        held = ours.get(name)
        if isinstance(held, Mapping) and isinstance(said, Mapping):
            found += [f"{name}: {difference}" for difference in differences(held, said)]
        elif held != said:
            found.append(f"{name} is {held} and {said}")
    return found
