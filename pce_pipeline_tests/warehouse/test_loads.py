"""Loading is exact, idempotent and all or nothing."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.table import SchemaViolation, Table
from pce_pipeline.warehouse.errors import (
    LoadFailed,
    LoadRefused,
    WarehouseConnectionLost,
    WarehouseNotMigrated,
    WrongWorld,
)
from pce_pipeline.warehouse.loads import Lineage, LoadResult, ManifestRow, RunRow, TableLoad, load
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import checkpoints, fastest_growth, row_counts
from pce_pipeline.warehouse.records import record_run
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres

ANNUAL = GOLD_PCE_STATE_ANNUAL
TOTAL = PCE_STATE.categories.filter(role="total", scheme="product")["category_id"].item()

Cells = dict[tuple[str, int], str | None]


def annual(cells: Cells, category: str = TOTAL) -> TableLoad:
    """Rows of the annual table from `(area, year) -> millions`."""
    rows = [
        {
            "geo_fips": geo_fips,
            "geo_level": "state",
            "state": None if geo_fips == "00000" else geo_fips[:2],
            "category_id": category,
            "year": year,
            "pce_millions_usd": None if value is None else Decimal(value),
            "pce_status": "not_available" if value is None else "reported",
            "pce_per_capita_usd": None,
            "pce_per_capita_status": "not_published",
        }
        for (geo_fips, year), value in cells.items()
    ]
    return TableLoad(ANNUAL, pl.DataFrame(rows, schema=ANNUAL.polars_schema))


def dimensions() -> list[TableLoad]:
    dataset = PCE_STATE
    return [
        TableLoad(DIM_GEOGRAPHY, dataset.areas),
        TableLoad(DIM_CATEGORY, dataset.categories),
        TableLoad(CATEGORY_LINE, dataset.lines),
    ]


def manifest(year: int, sha: str, table: Table = ANNUAL) -> ManifestRow:
    return ManifestRow(table.name, str(year), content_sha256=sha, rows=1, code_version="1", inputs={"a": sha})


def run_load(
    postgres: PostgresResource,
    tables: Sequence[TableLoad],
    years: Sequence[int],
    *,
    manifests: Sequence[ManifestRow] = (),
    run_id: str = "run",
    world: str = "sample",
    quarantine: Sequence[Mapping[str, Any]] | None = None,
) -> list[LoadResult]:
    with postgres.connect() as connection:
        return load(
            connection,
            [replace(table, years=years) if table.table.is_yearly else table for table in tables],
            world=world,
            env="local",
            run=RunRow(run_id, "pce_state", datetime.now(UTC), parameters={"years": list(years)}, extracts=["x"]),
            manifests=manifests,
            quarantine=quarantine,
        )


def rows(postgres: PostgresResource, statement: str) -> list[tuple[Any, ...]]:
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def values(postgres: PostgresResource) -> dict[tuple[str, int], Decimal | None]:
    held = rows(postgres, "SELECT geo_fips, year, pce_millions_usd FROM gold.pce_state_annual ORDER BY 1, 2")
    return {(geo_fips, year): value for geo_fips, year, value in held}


def counts(result: LoadResult) -> tuple[int, int, int, int]:
    return result.inserted, result.updated, result.deleted, result.unchanged


def test_the_same_load_again_writes_no_row(postgres):
    tables = [*dimensions(), annual({("06000", 2022): "1.5", ("06000", 2023): None})]
    first = run_load(postgres, tables, [2022, 2023], manifests=[manifest(2022, "a"), manifest(2023, "b")])
    before = rows(postgres, "SELECT xmin::text, * FROM gold.pce_state_annual_stored ORDER BY year")
    again = run_load(
        postgres, tables, [2022, 2023], manifests=[manifest(2022, "a"), manifest(2023, "b")], run_id="later"
    )
    assert [result.written for result in first] == [60, 247, 295, 2]
    assert [counts(result) for result in again] == [(0, 0, 0, n) for n in (60, 247, 295, 2)]
    assert rows(postgres, "SELECT xmin::text, * FROM gold.pce_state_annual_stored ORDER BY year") == before
    assert rows(postgres, "SELECT DISTINCT run_id FROM meta.manifests") == [("run",)]
    assert rows(postgres, "SELECT DISTINCT run_id FROM meta.checkpoints") == [("run",)]
    assert rows(postgres, "SELECT run_id, status FROM meta.ingest_runs ORDER BY started_at") == [
        ("run", "succeeded"),
        ("later", "succeeded"),
    ]


def test_what_could_not_be_read_is_replaced_whole_and_written_only_where_it_differs(postgres):
    def cell(year: int, text: str) -> dict[str, Any]:
        place = {"extract": "2024-10-03", "bea_table": "SAPCE1", "line_code": 16, "geo_fips": "02000", "year": year}
        told = {
            "unit": "Dollars",
            "object_key": "a.csv",
            "rule": "code_is_unknown",
            "reason": f"'{text}' is not a known code.",
        }
        return {**place, **told, "value_text": text, "state": "current"}

    def held() -> list[tuple[Any, ...]]:
        return rows(postgres, "SELECT year, value_text, xmin::text FROM meta.quarantine ORDER BY year")

    tables = [annual({("06000", 2022): "1.5"})]
    run_load(postgres, tables, [2022], quarantine=[cell(2020, "(T)"), cell(2021, "(T)")])
    first = held()
    assert [row[:2] for row in first] == [(2020, "(T)"), (2021, "(T)")]
    run_load(postgres, tables, [2022], quarantine=[cell(2020, "(T)"), cell(2021, "(T)")])
    run_load(postgres, tables, [2022])
    assert held() == first
    run_load(postgres, tables, [2022], quarantine=[cell(2020, "(T)"), cell(2021, "(X)"), cell(2022, "1/")])
    assert [row[:2] for row in held()] == [(2020, "(T)"), (2021, "(X)"), (2022, "1/")]
    assert held()[0] == first[0]
    run_load(postgres, tables, [2022], quarantine=[])
    assert held() == []


def test_changed_new_and_vanished_rows_are_told_apart_and_other_years_stay(postgres):
    run_load(
        postgres,
        [annual({("01000", 2021): "9", ("01000", 2022): "1", ("02000", 2022): "2", ("04000", 2022): "3"})],
        [2021, 2022],
    )
    (result,) = run_load(
        postgres, [annual({("01000", 2022): "1", ("02000", 2022): "2.001", ("05000", 2022): "5"})], [2022]
    )
    assert counts(result) == (1, 1, 1, 1)
    assert values(postgres) == {
        ("01000", 2021): Decimal(9),
        ("01000", 2022): Decimal(1),
        ("02000", 2022): Decimal("2.001"),
        ("05000", 2022): Decimal(5),
    }


def test_a_table_without_years_is_made_equal_as_a_whole(postgres):
    areas = PCE_STATE.areas
    run_load(postgres, [TableLoad(DIM_GEOGRAPHY, areas)], [])
    changed = areas.head(59).with_columns(
        geo_name=pl.col("geo_name") + pl.when(pl.col("state") == "CA").then(pl.lit("!")).otherwise(pl.lit(""))
    )
    (result,) = run_load(postgres, [TableLoad(DIM_GEOGRAPHY, changed)], [])
    assert counts(result) == (0, 1, 1, 58)


def test_missing_and_empty_texts_stay_apart_and_numbers_stay_exact(postgres):
    nasty = ["", None, "\\N", "NULL", 'say "so", twice\r\n', "Ünïcode, 数", " ", "\\.", "a\tb"]
    frame = PCE_STATE.areas.head(len(nasty)).with_columns(state=pl.Series(nasty))
    for table in (frame, frame.reverse().with_columns(state=pl.Series(nasty))):
        run_load(postgres, [TableLoad(DIM_GEOGRAPHY, table)], [])
        held = rows(postgres, "SELECT geo_fips, state FROM gold.dim_geography")
        assert sorted(held) == sorted(zip(table["geo_fips"], nasty, strict=True))
    exact = {("01000", 2020): "123456789012345.678", ("02000", 2020): "-0.001", ("04000", 2020): None}
    run_load(postgres, [annual(exact)], [2020])
    assert values(postgres) == {key: None if value is None else Decimal(value) for key, value in exact.items()}


def test_floats_come_back_bit_for_bit(postgres):
    floats = [0.1 + 0.2, -1e-300, 1e22, 5e-324, float("nan"), None, float("inf")]
    metrics = GOLD_PCE_STATE_METRICS
    frame = pl.DataFrame(
        [
            {"geo_fips": f"{n:05}", "geo_level": "state", "category_id": TOTAL, "year": 2020, "pce_yoy_pct": value}
            for n, value in enumerate(floats)
        ],
        schema=metrics.polars_schema,
    )
    (first,) = run_load(postgres, [TableLoad(metrics, frame)], [2020])
    (again,) = run_load(postgres, [TableLoad(metrics, frame)], [2020])
    held = rows(postgres, "SELECT pce_yoy_pct FROM gold.pce_state_metrics ORDER BY geo_fips")
    assert [repr(value) for (value,) in held] == [repr(value) for value in floats]
    assert counts(again) == (0, 0, 0, first.inserted)


def test_a_load_that_fails_leaves_nothing(postgres):
    good = annual({("01000", 2022): "1"})
    poison = PCE_STATE.areas.with_columns(geo_name=pl.lit("a\x00b"))
    with pytest.raises(LoadFailed) as refused:
        run_load(postgres, [good, TableLoad(DIM_GEOGRAPHY, poison)], [2022], manifests=[manifest(2022, "a")])
    assert refused.value.doing == "gold/dim_geography"
    assert refused.value.sqlstate == "22021"
    for table in ("gold.pce_state_annual", "meta.ingest_runs", "meta.manifests", "meta.checkpoints", "meta.world"):
        assert rows(postgres, f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_connection_cut_in_the_middle_leaves_nothing_and_can_be_tried_again(postgres):
    lost: list[WarehouseConnectionLost] = []

    def try_to_load() -> None:
        try:
            run_load(postgres, [*dimensions(), annual({("01000", 2022): "1"})], [2022])
        except WarehouseConnectionLost as error:
            lost.append(error)

    run_load(postgres, [], [])
    loading = threading.Thread(target=try_to_load)
    with postgres.connect() as blocker, blocker.cursor() as blocking, postgres.connect() as killer:
        blocking.execute("LOCK TABLE gold.pce_state_annual_stored IN ACCESS EXCLUSIVE MODE")
        loading.start()
        killer.autocommit = True
        with killer.cursor() as killing:
            deadline = time.monotonic() + 20
            while killing.rowcount < 1 and time.monotonic() < deadline:
                killing.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
    loading.join()
    assert [error.retryable for error in lost] == [True]
    assert rows(postgres, "SELECT count(*) FROM gold.dim_geography") == [(0,)]
    run_load(postgres, [*dimensions(), annual({("01000", 2022): "1"})], [2022])
    assert values(postgres) == {("01000", 2022): Decimal(1)}


def test_two_loads_of_the_same_years_at_once_end_as_one_after_the_other(postgres):
    first = annual({(f"{n:05}", 2022): str(n) for n in range(500)})
    second = annual({(f"{n:05}", 2022): str(n + 1) for n in range(250, 750)})
    started = threading.Barrier(2)
    results: dict[str, LoadResult] = {}

    def run(name: str, table: TableLoad) -> None:
        started.wait()
        (results[name],) = run_load(postgres, [table], [2022], manifests=[manifest(2022, name)], run_id=name)

    threads = [threading.Thread(target=run, args=arguments) for arguments in (("first", first), ("second", second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with postgres.connect() as connection:
        winner = checkpoints(connection)[ANNUAL.name, "2022"].content_sha256
    expected = {"first": first, "second": second}[winner].frame
    assert values(postgres) == {
        (key, 2022): value for key, value in expected.select("geo_fips", "pce_millions_usd").iter_rows()
    }
    assert sorted(map(counts, results.values())) == [(250, 250, 250, 0), (500, 0, 0, 0)]


def test_a_database_is_of_one_world_for_ever(postgres):
    run_load(postgres, [annual({("01000", 2022): "1"})], [2022])
    with pytest.raises(WrongWorld) as refused:
        run_load(postgres, [annual({("01000", 2022): "2"})], [2022], world="bea")
    assert refused.value.held == ("sample", "local")
    assert refused.value.loading == ("bea", "local")
    assert values(postgres) == {("01000", 2022): Decimal(1)}


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda frame: frame.with_columns(year=pl.lit(2021, pl.Int32)), LoadRefused),
        (lambda frame: pl.concat([frame, frame]), SchemaViolation),
        (lambda frame: frame.drop("pce_status"), SchemaViolation),
        (lambda frame: frame.with_columns(pce_status=pl.lit(None, pl.String)), SchemaViolation),
    ],
    ids=["another year", "a key twice", "a column missing", "NULL where none may be"],
)
def test_a_frame_that_is_not_what_is_loaded_is_refused(
    postgres, spoil: Callable[[pl.DataFrame], pl.DataFrame], error: type[Exception]
):
    good = annual({("01000", 2022): "1"}).frame
    with pytest.raises(error):
        run_load(postgres, [TableLoad(ANNUAL, spoil(good))], [2022])
    assert values(postgres) == {}


def test_an_unmigrated_database_is_named(server: PostgresServer):
    with server.database(migrated=False) as url:
        postgres = PostgresResource(url)
        with pytest.raises(WarehouseNotMigrated):
            run_load(postgres, [], [])
        with postgres.connect() as connection:
            assert checkpoints(connection) == {}


def test_checkpoints_follow_what_the_tables_hold(postgres):
    both = annual({("01000", 2021): "1", ("01000", 2022): "1"})
    extract = ManifestRow("bronze/pce_state", "2026-02-23", content_sha256="e", rows=5, code_version="1")
    run_load(postgres, [both], [2021, 2022], manifests=[manifest(2021, "a"), manifest(2022, "b"), extract])
    run_load(postgres, [annual({})], [2022], manifests=[], run_id="withdrawn")
    with postgres.connect() as connection:
        held = checkpoints(connection)
        assert {key: (value.content_sha256, value.run_id) for key, value in held.items()} == {
            (ANNUAL.name, "2021"): ("a", "run")
        }
        assert row_counts(connection)[ANNUAL.name] == 1
    assert rows(postgres, "SELECT table_name, partition FROM meta.manifests ORDER BY 1") == [
        ("bronze/pce_state", "2026-02-23"),
        (ANNUAL.name, "2021"),
    ]


def trail(postgres: PostgresResource, run_id: str) -> list[tuple[Any, ...]]:
    return rows(
        postgres,
        "SELECT partition, event, content_before, content_sha256, rows_inserted, rows_updated, rows_deleted, rows_out "
        f"FROM meta.audit_trail WHERE run_id = '{run_id}' ORDER BY partition",
    )


def test_the_trail_counts_the_rows_of_each_year_and_says_what_became_of_it(postgres):
    cells: Cells = {("01000", 2021): "1", ("02000", 2021): "2", ("01000", 2022): "1", ("01000", 2023): "1"}
    years = [2021, 2022, 2023]
    manifests = [manifest(2021, "a"), manifest(2022, "b"), manifest(2023, "c")]
    run_load(postgres, [annual(cells)], years, manifests=manifests)
    assert trail(postgres, "run") == [
        ("2021", "loaded", None, "a", 2, 0, 0, 2),
        ("2022", "loaded", None, "b", 1, 0, 0, 1),
        ("2023", "loaded", None, "c", 1, 0, 0, 1),
    ]
    del cells["02000", 2021]
    cells |= {("01000", 2021): "3", ("04000", 2021): "4"}
    revised = [manifest(2021, "d"), manifest(2022, "b"), manifest(2023, "c")]
    run_load(postgres, [annual(cells)], years, manifests=revised, run_id="revised")
    assert trail(postgres, "revised") == [
        ("2021", "loaded", "a", "d", 1, 1, 1, 2),
        ("2022", "unchanged", "b", "b", 0, 0, 0, 1),
        ("2023", "unchanged", "c", "c", 0, 0, 0, 1),
    ]
    del cells["01000", 2023]
    run_load(postgres, [annual(cells)], years, manifests=revised[:2], run_id="withdrawn")
    assert trail(postgres, "withdrawn")[2] == ("2023", "withdrawn", "c", None, 0, 0, 1, 0)


def test_a_run_that_loads_twice_tells_what_it_changed_last(postgres):
    def told() -> list[tuple[Any, ...]]:
        return rows(postgres, "SELECT partition, content_sha256, rows_updated FROM meta.audit_trail ORDER BY 1")

    def once(value: str, sha: str) -> None:
        cells: Cells = {("01000", 2021): "1", ("01000", 2022): value}
        run_load(postgres, [annual(cells)], [2021, 2022], manifests=[manifest(2021, "a"), manifest(2022, sha)])

    once("1", "b")
    assert told() == [("2021", "a", 0), ("2022", "b", 0)]
    once("2", "c")
    assert told() == [("2021", "a", 0), ("2022", "c", 1)]
    once("2", "c")
    assert told() == [("2021", "a", 0), ("2022", "c", 1)]


def test_rows_that_somebody_had_changed_are_told_to_be_restored(postgres):
    cells: Cells = {("01000", 2021): "1", ("01000", 2022): "1"}
    manifests = [manifest(2021, "a"), manifest(2022, "b")]
    run_load(postgres, [annual(cells)], [2021, 2022], manifests=manifests)
    with postgres.connect() as connection:
        connection.cursor().execute("UPDATE gold.pce_state_annual SET pce_millions_usd = 7 WHERE year = 2022")
        connection.commit()
    run_load(postgres, [annual(cells)], [2021, 2022], manifests=manifests, run_id="mending")
    assert trail(postgres, "mending") == [
        ("2021", "unchanged", "a", "a", 0, 0, 0, 1),
        ("2022", "restored", "b", "b", 0, 1, 0, 1),
    ]


def test_an_earlier_vintage_is_told_to_be_a_rollback_and_the_same_again_leaves_no_trail(postgres):
    def of(vintage: str, sha: str) -> ManifestRow:
        return replace(manifest(2022, sha), extracts={"SAPCE1": [vintage]})

    for run_id, sha, vintage in (("one", "a", "2025-10-02"), ("two", "b", "2026-02-23"), ("back", "a", "2025-10-02")):
        run_load(postgres, [annual({("01000", 2022): "1"})], [2022], manifests=[of(vintage, sha)], run_id=run_id)
    run_load(postgres, [annual({("01000", 2022): "1"})], [2022], manifests=[of("2025-10-02", "a")], run_id="again")
    assert rows(postgres, "SELECT run_id, event, extracts FROM meta.audit_trail ORDER BY happened_at") == [
        ("one", "loaded", {"SAPCE1": ["2025-10-02"]}),
        ("two", "loaded", {"SAPCE1": ["2026-02-23"]}),
        ("back", "rolled_back", {"SAPCE1": ["2025-10-02"]}),
    ]


def test_of_a_table_that_only_the_lake_has_the_manifests_follow_the_lake(postgres):
    def silver(year: int, sha: str) -> ManifestRow:
        told = {
            "published_at": "2026-02-23T14:00:00Z",
            "run_id": "writer",
            "objects": [{"version_key": f"{sha}.parquet"}],
        }
        return ManifestRow("silver/pce_state", str(year), sha, 1, "1", manifest=told)

    def held() -> list[tuple[Any, ...]]:
        return rows(
            postgres, "SELECT partition, content_sha256, files, written_by, run_id FROM meta.manifests ORDER BY 1"
        )

    def run(run_id: str, *manifests: ManifestRow) -> None:
        lineage = Lineage(manifests=manifests, tables=["silver/pce_state"])
        with postgres.connect() as connection:
            row = RunRow(run_id, "pce_state", datetime.now(UTC))
            load(connection, [], world="sample", env="local", run=row, manifests=[], lineage=lineage)

    run("first", silver(2022, "a"), silver(2023, "b"))
    run("second", silver(2022, "a"), silver(2023, "c"))
    assert held() == [
        ("2022", "a", ["a.parquet"], "writer", "first"),
        ("2023", "c", ["c.parquet"], "writer", "second"),
    ]
    run("third", silver(2022, "a"))
    assert held() == [("2022", "a", ["a.parquet"], "writer", "first")]


def test_a_failed_run_is_recorded_without_rows_and_succeeds_under_the_same_id(postgres):
    run = RunRow("r1", "pce_state", datetime.now(UTC), job="refresh", checks={"keys": True}, seconds={"silver": 0.5})
    with postgres.connect() as connection:
        record_run(connection, run, world="sample", env="local", status="failed")
        connection.commit()
    assert rows(postgres, "SELECT status, rows, checks, job FROM meta.ingest_runs") == [
        ("failed", {}, {"keys": True}, "refresh")
    ]
    run_load(postgres, [annual({("01000", 2022): "1"})], [2022], run_id="r1")
    assert rows(postgres, "SELECT status, rows, finished_at >= started_at FROM meta.ingest_runs") == [
        ("succeeded", {ANNUAL.name: {"inserted": 1, "updated": 0, "deleted": 0, "unchanged": 0}}, True)
    ]


def test_the_fastest_growing_states_come_first_and_the_nation_never(postgres):
    fips = PCE_STATE.areas.filter(geo_level="state")["geo_fips"].head(7).to_list()
    cells: Cells = {}
    for n, geo_fips in enumerate(fips):
        cells |= {(geo_fips, 2021): "100", (geo_fips, 2022): str(100 + n), (geo_fips, 2023): "100"}
    cells[fips[6], 2021] = "0"
    cells |= {("00000", 2021): "100", ("00000", 2022): "900"}
    frame = annual(cells).frame.with_columns(
        geo_level=pl.when(pl.col("geo_fips") == "00000").then(pl.lit("nation")).otherwise(pl.lit("state"))
    )
    run_load(postgres, [*dimensions(), TableLoad(ANNUAL, frame)], [2021, 2022, 2023])
    with postgres.connect() as connection:
        fastest = fastest_growth(connection, 2022, limit=3)
        assert [round(growth.pce_yoy_pct, 6) for growth in fastest] == [5.0, 4.0, 3.0]
        assert {growth.year for growth in fastest_growth(connection)} == {2023}


def test_tables_say_that_their_numbers_are_synthetic_in_a_sample_world_only(server: PostgresServer):
    for world, is_marked in (("sample", True), ("sample-smoke", True), ("bea", False)):
        with server.database() as url:
            postgres = PostgresResource(url)
            run_load(postgres, [], [], world=world)
            (comment,) = rows(postgres, "SELECT obj_description('gold.pce_state_annual'::regclass)")[0]
            assert comment.startswith("SAMPLE, synthetic numbers. ") is is_marked
            assert ANNUAL.hazard in comment


def test_every_table_view_and_column_of_gold_and_serving_is_explained(postgres):
    run_load(postgres, [], [])
    unexplained = rows(
        postgres,
        """
        SELECT c.oid::regclass::text, a.attname FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('gold', 'serving', 'meta')
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relkind IN ('r', 'v') AND (obj_description(c.oid) IS NULL
            OR n.nspname <> 'meta' AND col_description(c.oid, a.attnum) IS NULL)
        """,
    )
    assert unexplained == []
    assert rows(postgres, "SELECT col_description('gold.pce_state_annual'::regclass, 6)") == [
        ("personal consumption expenditures [millions of current dollars]",)
    ]


def test_a_reader_sees_a_load_whole_or_not_at_all(postgres):
    run_load(postgres, [annual({("01000", 2022): "1"})], [2022])
    with postgres.connect() as reader, reader.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT sum(pce_millions_usd) FROM gold.pce_state_annual")
        assert cursor.fetchone() == (Decimal("1.000"),)
        run_load(postgres, [annual({("01000", 2022): "7"})], [2022])
        cursor.execute("SELECT sum(pce_millions_usd) FROM gold.pce_state_annual")
        assert cursor.fetchone() == (Decimal("1.000"),)
    assert values(postgres) == {("01000", 2022): Decimal(7)}
