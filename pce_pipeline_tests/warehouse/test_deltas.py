"""A delta leaves what a load of everything would leave, and writes no row that is right already."""

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from pce_pipeline.gold.dimensions import dim_category, dim_figure, dim_geography
from pce_pipeline.gold.revisions import revisions
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.tables.dimensions import DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.table import Table, content_sha256
from pce_pipeline.tables.vintages import DIM_FIGURE, DIM_VINTAGE, gold_vintages, revisions_table
from pce_pipeline.warehouse.coding import encoded, form_of
from pce_pipeline.warehouse.contents import contents_held
from pce_pipeline.warehouse.loads import DeltaLoad, LoadResult, ManifestRow, RunRow, TableLoad, load
from pce_pipeline.warehouse.parity import Parity, parity
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import checkpoints
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.examples import is_thorough
from pce_pipeline_tests.warehouse.logs import (
    History,
    dim_vintage_of,
    figures_of,
    log_of,
    said_at_random,
    vintages_of,
)

pytestmark = pytest.mark.postgres

YEARS = (2019, 2020, 2021)
FIGURES = figures_of(PCE_STATE, YEARS, areas=("00000", "01000", "06000"), categories=("product.pce", "function.pce"))
VALUES, CHANGES = gold_vintages(PCE_STATE), revisions_table(PCE_STATE)
HELD = "gold.pce_state_vintages"

Logs = Mapping[str, Mapping[int, pl.DataFrame]]
"""The rows of each table by year, by the table's name."""


def logs_of(history: History) -> Logs:
    """Both logs of a history, by year; a year of which no vintage says anything is not there."""
    values = log_of(PCE_STATE, history)
    of_years = {year: values.filter(year=year) for year in YEARS if not values.filter(year=year).is_empty()}
    vintages = vintages_of(PCE_STATE, history)
    return {
        VALUES.name: of_years,
        CHANGES.name: {year: revisions(rows, vintages, PCE_STATE) for year, rows in of_years.items()},
    }


@dataclass
class Lake:
    """Every version that there was, by its content hash."""

    versions: dict[str, pl.DataFrame] = field(default_factory=dict)

    def part(self, table: Table, years: Mapping[int, pl.DataFrame]) -> tuple[DeltaLoad, list[ManifestRow]]:
        contents = {year: content_sha256(rows) for year, rows in years.items()}
        self.versions |= {contents[year]: rows for year, rows in years.items()}

        def rows_of(content: str) -> pl.DataFrame:
            return encoded(table, self.versions[content], PCE_STATE.name)

        def earlier(manifest: Mapping[str, Any]) -> pl.DataFrame | None:
            return rows_of(manifest["content"]) if manifest["content"] in self.versions else None

        manifests = [
            ManifestRow(table.name, str(year), content, years[year].height, "1", manifest={"content": content})
            for year, content in contents.items()
        ]
        return DeltaLoad(form_of(table), YEARS, contents, lambda year: rows_of(contents[year]), earlier), manifests


def run_load(postgres: PostgresResource, lake: Lake, logs: Logs) -> dict[str, LoadResult]:
    parts = [lake.part(table, logs[table.name]) for table in (VALUES, CHANGES)]
    with postgres.connect() as connection:
        results = load(
            connection,
            [*dimensions(), *(each for each, _ in parts)],
            world="sample",
            env="local",
            run=RunRow("run", "pce_state", datetime.now(UTC)),
            manifests=[manifest for _, manifests in parts for manifest in manifests],
        )
    return {result.table: result for result in results}


def dimensions(history: History | None = None) -> list[TableLoad]:
    datasets = {PCE_STATE.name: PCE_STATE}
    return [
        TableLoad(DIM_GEOGRAPHY, dim_geography(datasets)),
        TableLoad(DIM_CATEGORY, dim_category(datasets)),
        TableLoad(DIM_FIGURE, dim_figure(datasets)),
        TableLoad(DIM_VINTAGE, dim_vintage_of(PCE_STATE, history or {})),
    ]


def _rows(postgres: PostgresResource, statement: str) -> list[tuple[Any, ...]]:
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def _execute(postgres: PostgresResource, statement: str) -> None:
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()


def shown(postgres: PostgresResource, table: Table) -> pl.DataFrame:
    """What people read of a table: the rows of its view, with the types of the lake."""
    view = f"serving.v_{table.relation}"
    found = _rows(postgres, f"SELECT attname FROM pg_attribute WHERE attrelid = '{view}'::regclass AND attnum > 0")
    columns = [name for (name,) in found]
    schema = {name: table.polars_schema[name] for name in columns}
    rows = _rows(postgres, f"SELECT {', '.join(columns)} FROM {view}")
    return pl.DataFrame(rows, schema=schema, orient="row").sort(table.key)


def assert_holds(postgres: PostgresResource, logs: Logs) -> None:
    for table in (VALUES, CHANGES):
        found = shown(postgres, table)
        expected = pl.concat([*logs[table.name].values(), pl.DataFrame(schema=table.polars_schema)])
        assert found.equals(expected.select(found.columns).sort(table.key)), table.name


def differing(table: Table, before: Logs, after: Logs) -> tuple[int, int, int]:
    """How many rows come, change and go, as Postgres holds them."""
    form = form_of(table)
    there, here = (
        pl.concat(
            [
                pl.DataFrame(schema=form.polars_schema),
                *(encoded(table, rows, PCE_STATE.name) for rows in logs[table.name].values()),
            ]
        )
        for logs in (before, after)
    )
    gone, come = (
        one.join(other, on=list(form.key), how="anti").height for one, other in ((there, here), (here, there))
    )
    return come, here.height - come - here.join(there, on=here.columns, how="semi", nulls_equal=True).height, gone


def parities(postgres: PostgresResource, logs: Logs) -> list[Parity]:
    gold = {
        table.name: {str(year): content_sha256(rows) for year, rows in logs[table.name].items()}
        for table in (VALUES, CHANGES)
    }
    with postgres.connect() as connection:
        held, contents = checkpoints(connection), contents_held(connection)
    return [
        parity(
            form_of(table),
            {year: _partition(year, content) for year, content in gold[table.name].items()},
            held,
            contents,
        )
        for table in (VALUES, CHANGES)
    ]


def _partition(year: str, content: str) -> Partition:
    return Partition(
        key=year,
        objects=(),
        rows=0,
        content_sha256=content,
        inputs={},
        code_version="1",
        details={},
        run_id="run",
        published_at=datetime.now(UTC),
    )


class Past:
    """A history to which something happens, and the lake and database that follow it."""

    def __init__(self, postgres: PostgresResource, seed: int) -> None:
        self.postgres, self.draw, self.lake = postgres, random.Random(seed), Lake()
        self.history: History = {2023100301: self._said(), 2024100301: self._said()}
        self.logs: Logs = {VALUES.name: {}, CHANGES.name: {}}

    def _said(self, *, like: int | None = None) -> dict[Any, Any]:
        """What a vintage says: other than another one in some figures only."""
        new = said_at_random(self.draw, FIGURES)
        if like is None:
            return new
        kept = {figure: said for figure, said in self.history[like].items() if self.draw.random() < 0.7}
        return new | kept

    def a_newer_vintage(self) -> None:
        newest = max(self.history)
        self.history[newest + self.draw.choice([1, 1_000_000])] = self._said(like=newest)

    def an_import_in_the_past(self) -> None:
        self.history[self.draw.randrange(2015, 2023) * 1_000_000 + 70401] = self._said(like=min(self.history))

    def a_vintage_counts_no_more(self) -> None:
        if len(self.history) > 1:
            del self.history[self.draw.choice(sorted(self.history))]

    def a_year_is_withdrawn(self) -> None:
        year = self.draw.choice(YEARS)
        for said in self.history.values():
            for figure in [figure for figure in said if figure[3] == year]:
                del said[figure]

    def a_year_is_published_again(self) -> None:
        newest = max(self.history)
        self.history[newest] = self._said() | self.history[newest]

    def somebody_changes_rows(self) -> None:
        statements = (
            f"UPDATE {HELD} SET value = value + 1 WHERE year = 2020 AND value > 0",
            f"DELETE FROM {HELD} WHERE year = 2021 AND geo_id = 1000",
            f"INSERT INTO {HELD} SELECT * FROM {HELD} WHERE year = 2019",
            f"TRUNCATE {HELD}",
        )
        _execute(self.postgres, self.draw.choice(statements))

    def earlier_versions_are_pruned(self) -> None:
        self.lake.versions.clear()

    def nobody_knows_what_was_loaded(self) -> None:
        _execute(self.postgres, "DELETE FROM meta.manifests WHERE partition = '2020'; DELETE FROM meta.checkpoints")

    def nothing(self) -> None: ...

    HAPPENINGS = (
        a_newer_vintage,
        a_newer_vintage,
        an_import_in_the_past,
        a_vintage_counts_no_more,
        a_year_is_withdrawn,
        a_year_is_published_again,
        somebody_changes_rows,
        earlier_versions_are_pruned,
        nobody_knows_what_was_loaded,
        nothing,
    )
    DAMAGING = (somebody_changes_rows, earlier_versions_are_pruned, nobody_knows_what_was_loaded)


@pytest.mark.parametrize("seed", range(40 if is_thorough() else 4))
def test_whatever_was_there_postgres_holds_the_log_afterwards(postgres, seed: int):
    past = Past(postgres, seed)
    happened: Sequence[Any] = (Past.nothing, *past.draw.choices(Past.HAPPENINGS, k=9))
    for happens in happened:
        happens(past)
        before, past.logs = past.logs, logs_of(past.history)
        results = run_load(postgres, past.lake, past.logs)
        assert_holds(postgres, past.logs)
        assert [each.problems for each in parities(postgres, past.logs)] == [[], []]
        for result in results.values():
            of_years = result.by_partition.values()
            assert (
                sum(each.inserted for each in of_years),
                sum(each.updated for each in of_years),
                sum(each.deleted for each in of_years),
            ) == (result.inserted, result.updated, result.deleted)
        if happens in Past.DAMAGING:
            continue
        for table in (VALUES, CHANGES):
            result = results[table.name]
            written = (result.inserted, result.updated, result.deleted)
            assert written == differing(table, before, past.logs), (happens.__name__, table.name)
            assert result.unchanged == _count(past.logs, table) - result.inserted - result.updated


def _count(logs: Logs, table: Table) -> int:
    return sum(rows.height for rows in logs[table.name].values())


def _stretches(postgres: PostgresResource) -> dict[Any, str]:
    """Which transaction wrote each row."""
    return dict(_rows(postgres, f"SELECT (figure_id, geo_id, year, basis, valid_from)::text, xmin::text FROM {HELD}"))


def test_a_newer_vintage_closes_what_it_changes_and_adds_what_it_says_and_the_same_again_writes_nothing(postgres):
    changed, kept = FIGURES[0], FIGURES[1:]
    history: History = {2023100301: dict.fromkeys(FIGURES, ("1.5", "reported"))}
    lake = Lake()
    run_load(postgres, lake, logs_of(history))
    before = _stretches(postgres)
    history[2024100301] = {changed: ("2.5", "reported"), **dict.fromkeys(kept, ("1.5", "reported"))}
    result = run_load(postgres, lake, logs_of(history))[VALUES.name]
    # the value that ends, and the new one beside a derived one that the first now has
    assert (result.inserted, result.updated, result.deleted) == (2, 1, 0)
    after = _stretches(postgres)
    assert len([key for key, written_by in before.items() if after[key] != written_by]) == 1
    result = run_load(postgres, lake, logs_of(history))[VALUES.name]
    assert (result.written, result.unchanged) == (0, len(after))
    assert _stretches(postgres) == after


def test_a_load_that_breaks_off_leaves_what_was_there(postgres):
    first = logs_of({2023100301: dict.fromkeys(FIGURES, ("1.5", "reported"))})
    lake = Lake()
    run_load(postgres, lake, first)
    before = _stretches(postgres)
    second = logs_of({2023100301: dict.fromkeys(FIGURES, ("2.5", "reported"))})
    broken = {**second, CHANGES.name: {2020: pl.DataFrame({"measure": ["no table of ours"]})}}
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        run_load(postgres, lake, broken)
    assert _stretches(postgres) == before
    assert [each.problems for each in parities(postgres, first)] == [[], []]
    run_load(postgres, lake, second)
    assert_holds(postgres, second)


def test_a_reader_sees_one_state_or_the_other_and_no_mixture(postgres):
    history: History = {2023100301: dict.fromkeys(FIGURES, ("1", "reported"))}
    lake = Lake()
    run_load(postgres, lake, logs_of(history))
    is_done = threading.Event()
    seen: set[tuple[Any, ...]] = set()

    def read() -> None:
        with postgres.connect() as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not is_done.is_set():
                cursor.execute(f"SELECT count(*), sum(value)::integer FROM {HELD} WHERE valid_to IS NULL")
                seen.update(cursor.fetchall())

    reading = threading.Thread(target=read)
    reading.start()
    try:
        for value in range(2, 6):
            history[2023100301 + value] = dict.fromkeys(FIGURES, (str(value), "reported"))
            run_load(postgres, lake, logs_of(history))
    finally:
        is_done.set()
        reading.join()
    assert len(seen) > 1
    assert seen <= {(len(FIGURES), value * len(FIGURES)) for value in range(1, 6)}


def test_rows_that_somebody_changed_are_told_from_those_that_were_loaded(postgres):
    logs = logs_of({2023100301: dict.fromkeys(FIGURES, ("1", "reported"))})
    run_load(postgres, Lake(), logs)
    _execute(postgres, f"UPDATE {HELD} SET value = 2 WHERE year = 2020 AND geo_id = 1000")
    assert [each.changed for each in parities(postgres, logs)] == [("2020",), ()]
