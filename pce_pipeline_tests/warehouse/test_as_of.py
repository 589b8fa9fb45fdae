"""The functions of a day show what Gold computes of the facts as they were known then, or say why they cannot."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import psycopg2
import pytest
from psycopg2 import errors

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.dimensions import dim_category, dim_figure, dim_geography
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_state.metrics import metrics
from pce_pipeline.gold.wide import wide
from pce_pipeline.tables.dimensions import DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.table import Table, content_sha256
from pce_pipeline.tables.vintages import DIM_FIGURE, DIM_VINTAGE, gold_vintages
from pce_pipeline.warehouse.coding import encoded, form_of
from pce_pipeline.warehouse.loads import DeltaLoad, RunRow, TableLoad, load
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.datasets import EVERYTHING
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.warehouse.logs import (
    History,
    day_of,
    dim_vintage_of,
    facts_at,
    figures_of,
    log_of,
    said_at_random,
)

pytestmark = pytest.mark.postgres

DATASETS = EVERYTHING.datasets
PCE_STATE = DATASETS["pce_state"]
YEARS = range(2015, 2022)
VINTAGES = (2022100601, 2023100401, 2023100402, 2024100301)
DAYS = [*sorted({day_of(at) for at in VINTAGES}), date(2023, 10, 3), date(2026, 1, 1)]
CATEGORIES = ("product.pce", "product.goods", "product.expenditures_in_the_us_by_nonresidents")
FIGURES = {
    "pce_state": figures_of(PCE_STATE, YEARS, categories=CATEGORIES)
    + figures_of(PCE_STATE, YEARS, areas=("00000", "91000")),
    "income_state": figures_of(DATASETS["income_state"], YEARS, areas=("00000", "01000", "06000")),
    "summary_state": figures_of(DATASETS["summary_state"], YEARS, areas=("00000", "01000", "06000")),
}


def _history(dataset: Dataset) -> History:
    """Vintages of which the first one knows all areas but the last year, so that some years are ranked and some not."""
    draw = random.Random(dataset.name)
    history = {at: said_at_random(draw, FIGURES[dataset.name], missing=0.02) for at in VINTAGES}
    for figure in [figure for figure in history[VINTAGES[0]] if figure[3] == YEARS[-1]]:
        del history[VINTAGES[0]][figure]
    for said in history.values():
        said |= {figure: ("12.5", "reported") for figure in FIGURES[dataset.name] if figure[3] == YEARS[0]}
    return history


@pytest.fixture(scope="module")
def logs() -> dict[str, pl.DataFrame]:
    """The log of each dataset."""
    return {name: log_of(DATASETS[name], _history(DATASETS[name])) for name in FIGURES}


@pytest.fixture(scope="module")
def loaded(server: PostgresServer, logs: dict[str, pl.DataFrame]) -> Iterator[PostgresResource]:
    """A database that holds these logs."""
    with server.database() as url:
        postgres = PostgresResource(url)
        vintages = pl.concat(dim_vintage_of(DATASETS[name], dict.fromkeys(VINTAGES)) for name in FIGURES)
        dimensions = [
            TableLoad(DIM_GEOGRAPHY, dim_geography(DATASETS)),
            TableLoad(DIM_CATEGORY, dim_category(DATASETS)),
            TableLoad(DIM_FIGURE, dim_figure(DATASETS)),
            TableLoad(DIM_VINTAGE, vintages),
        ]
        with postgres.connect() as connection:
            load(
                connection,
                [*dimensions, *(_whole(DATASETS[name], log) for name, log in logs.items())],
                world="sample",
                env="local",
                run=RunRow("run", "pce_state", datetime.now(UTC)),
                manifests=[],
            )
        yield postgres


def _whole(dataset: Dataset, log: pl.DataFrame) -> DeltaLoad:
    table = gold_vintages(dataset)

    def rows(year: int) -> pl.DataFrame:
        return encoded(table, log.filter(year=year), dataset.name)

    contents = {year: content_sha256(rows(year)) for year in YEARS}
    return DeltaLoad(form_of(table), list(YEARS), contents, rows, lambda _: None)


def _rows(postgres: PostgresResource, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def shown(postgres: PostgresResource, function: str, table: Table, day: date) -> pl.DataFrame:
    """What a function shows of a day, with the types of the table that it goes back for."""
    rows = _rows(postgres, f"SELECT {', '.join(table.column_names)} FROM serving.{function}(%s)", day)
    return pl.DataFrame(rows, schema=table.polars_schema, orient="row").sort(table.key)


def test_levels_of_a_day_are_those_of_the_facts_as_they_were_known(loaded, logs):
    (table, *_) = (each.table for each in EVERYTHING.gold["pce_state"])
    for day in DAYS[:-2]:
        found = shown(loaded, "pce_state_as_of", table, day)
        assert found.equals(annual(facts_at(PCE_STATE, logs["pce_state"], day))), day
    assert set(found["pce_status"]) > {"reported", "suppressed", "quarantined", "not_published"}


@pytest.mark.parametrize("name", ["income_state", "summary_state"])
def test_wide_tables_of_a_day_are_those_of_the_facts_as_they_were_known(loaded, logs, name: str):
    ((table,),) = [[each.table for each in EVERYTHING.gold[name]]]
    for day in DAYS[:-2]:
        found = shown(loaded, f"{name}_as_of", table, day)
        assert found.equals(wide(facts_at(DATASETS[name], logs[name], day), DATASETS[name], table)), day
        assert found.height > len(YEARS)


def test_metrics_of_a_day_are_those_of_the_facts_as_they_were_known(loaded, logs):
    table = GOLD_PCE_STATE_METRICS
    for day in DAYS[:-2]:
        found = shown(loaded, "pce_state_metrics_as_of", table, day)
        expected = metrics(facts_at(PCE_STATE, logs["pce_state"], day), PCE_STATE, YEARS)
        assert found.select(table.key).equals(expected.select(table.key))
        for name in table.column_names[5:]:
            assert found[name].is_null().equals(expected[name].is_null()), (day, name)
            assert ((found[name] - expected[name]).abs() <= 0.0000011).all(), (day, name)
    # each metric is there, and each is missing somewhere
    assert min(found.select(table.column_names[5:]).null_count().row(0)) > 0
    assert max(found.select(table.column_names[5:]).null_count().row(0)) < found.height


def test_a_day_without_an_extract_is_answered_by_the_last_one_before(loaded):
    for day, vintage in ((date(2023, 10, 3), day_of(VINTAGES[0])), (date(2026, 1, 1), day_of(VINTAGES[-1]))):
        of_day, of_vintage = (
            _rows(loaded, "SELECT * FROM serving.pce_state_as_of(%s) ORDER BY 1, 4, 5", each) for each in (day, vintage)
        )
        assert of_day == of_vintage != []


FUNCTIONS = ("pce_state_as_of", "pce_state_metrics_as_of", "income_state_as_of", "summary_state_as_of")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("where", ["", "WHERE state = 'ZZ'", "WHERE geo_fips = '01000' AND year = 2020"])
@pytest.mark.parametrize(
    ("day", "error", "says"),
    [
        (day_of(VINTAGES[0]) - timedelta(days=1), errors.DatetimeFieldOverflow, "its first vintage is of 2022-10-06"),
        (None, errors.NullValueNotAllowed, "Say as of which day"),
    ],
)
def test_a_day_before_the_first_vintage_or_none_is_an_error_and_no_empty_answer(
    loaded, function: str, where: str, day: date | None, error: type[psycopg2.Error], says: str
):
    with pytest.raises(error, match=says):
        _rows(loaded, f"SELECT count(*) FROM serving.{function}(%s) {where}", day)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_database_without_vintages_says_so(postgres, function: str):
    with pytest.raises(errors.NoDataFound, match=r"No vintage of \w+ is loaded"):
        _rows(postgres, f"SELECT count(*) FROM serving.{function}('2024-12-31')")


def _plan(postgres: PostgresResource, query: str) -> str:
    with postgres.connect() as connection, connection.cursor() as cursor:
        # tables of a test are so small that reading all of them costs nothing
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN (COSTS OFF) {query}")
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.parametrize(
    ("query", "looked_up"),
    [
        ("SELECT * FROM serving.pce_state_as_of('2024-12-31') WHERE state = 'AL'", "geo_id = (geography"),
        ("SELECT * FROM serving.income_state_as_of('2024-12-31') WHERE state = 'AL'", "geo_id = (geography"),
        ("SELECT * FROM serving.summary_state_as_of('2024-12-31') WHERE state = 'AL'", "geo_id = (geography"),
        ("SELECT * FROM serving.pce_state_as_of('2024-12-31') WHERE category_id = 'product.goods'", "figure_id = fig"),
        (
            "SELECT * FROM serving.pce_state_metrics_as_of('2024-12-31') WHERE category_id = 'product.goods'",
            "Filter: (category_id = 'product.goods'::text)",
        ),
    ],
)
def test_a_function_is_planned_as_part_of_the_query_so_that_what_is_asked_for_is_looked_up(loaded, query, looked_up):
    plan = _plan(loaded, query)
    assert "Function Scan" not in plan
    assert looked_up in plan
