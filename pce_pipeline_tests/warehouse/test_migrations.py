"""The frozen steps lead from an empty database to what `py` declares."""

import json
import threading
from datetime import UTC, datetime

import polars as pl
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import pce_pipeline.warehouse.migrations
from pce_pipeline.tables.table import LOG_POINTS, MONEY, Table
from pce_pipeline.tables.vintages import INSTANT
from pce_pipeline.warehouse.contents import published_tables, tables_of_series
from pce_pipeline.warehouse.errors import RelationsMissing, ViewBlocked, WarehouseNewer
from pce_pipeline.warehouse.meta_tables import META_TABLES
from pce_pipeline.warehouse.migrate import found_revision, newest_revision
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.warehouse.steps import take_steps

SQL_TYPES = {
    pl.String(): "text",
    pl.Int16(): "smallint",
    pl.Int32(): "integer",
    pl.Date(): "date",
    INSTANT: "timestamp with time zone",
    pl.Float64(): "double precision",
    pl.Boolean(): "boolean",
    MONEY: "numeric(18,3)",
    LOG_POINTS: "numeric(18,6)",
}

PUBLISHED = published_tables()
SHOWN = [table for table in PUBLISHED if table.series is not None]
HELD = [*(table for table in PUBLISHED if table.series is None), *tables_of_series()]


def _rows(postgres, statement, parameters=None):
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def migrated(server):
    with server.database() as url:
        yield PostgresResource(url)


@pytest.mark.postgres
@pytest.mark.parametrize("table", HELD, ids=lambda table: table.name)
def test_a_migrated_table_is_the_declared_one(migrated, table: Table):
    name = table.name.replace("/", ".")
    columns = _rows(
        migrated,
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (name,),
    )
    key = _rows(
        migrated,
        "SELECT a.attname FROM pg_index AS i, unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, position), "
        "pg_attribute AS a WHERE i.indrelid = %s::regclass AND i.indisprimary AND a.attrelid = i.indrelid "
        "AND a.attnum = k.attnum ORDER BY k.position",
        (name,),
    )
    declared = pl.DataFrame(schema=table.polars_schema).schema
    assert columns == [(column.name, SQL_TYPES[declared[column.name]], column.nullable) for column in table.columns]
    # a log of millions of rows has no index that only guards: its rows are those that the lake's rules have judged
    assert key == ([] if table.coded else [(column,) for column in table.key])


@pytest.mark.postgres
@pytest.mark.parametrize("table", SHOWN, ids=lambda table: table.name)
def test_a_table_that_is_shown_as_a_view_has_the_declared_columns_and_types(migrated, table: Table):
    columns = _rows(
        migrated,
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        (table.name.replace("/", "."),),
    )
    declared = pl.DataFrame(schema=table.polars_schema).schema
    assert columns == [(column.name, SQL_TYPES[declared[column.name]]) for column in table.columns]


@pytest.mark.postgres
def test_gold_holds_the_declared_tables_and_no_other(migrated):
    held = _rows(migrated, "SELECT 'gold/' || tablename FROM pg_tables WHERE schemaname = 'gold' ORDER BY 1")
    assert [name for (name,) in held] == sorted(table.name for table in HELD)


@pytest.mark.postgres
def test_schema_meta_holds_the_declared_columns_each_with_its_comment(migrated):
    migrated.establish(is_sample=False)
    held = _rows(
        migrated,
        "SELECT c.relname, a.attname, col_description(c.oid, a.attnum) FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid "
        "WHERE n.nspname = 'meta' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped",
    )
    declared = {(table.name, column): text for table in META_TABLES for column, text in table.columns.items()}
    assert {(table, column): comment for table, column, comment in held} == declared


@pytest.mark.postgres
def test_a_database_of_before_lineage_says_when_and_by_whom_its_partitions_were_written(server):
    manifest = {
        "run_id": "the-run",
        "published_at": "2026-02-23T14:00:00.5Z",
        "objects": [{"version_key": "_versions/b.parquet"}, {"version_key": "_versions/a.parquet"}],
    }
    insert = (
        "INSERT INTO meta.manifests (table_name, partition, content_sha256, rows, inputs, code_version, manifest, "
        "loaded_at, run_id) VALUES ('{}', '2024', 'sha', 1, '{{}}', '1', '{}', now(), 'the-load')"
    )
    with server.database(migrated=False) as url:
        # a colon before a name would be a parameter of SQLAlchemy
        told = json.dumps(manifest).replace(":", "\\:")
        take_steps(url, "0013", insert.format("gold", told), insert.format("bronze/x", "{}"))
        postgres = PostgresResource(url)
        postgres.migrate()
        assert _rows(
            postgres, "SELECT table_name, written_at, written_by, files, extracts FROM meta.manifests ORDER BY 1"
        ) == [
            ("bronze/x", None, None, None, None),
            (
                "gold",
                datetime(2026, 2, 23, 14, 0, 0, 500_000, tzinfo=UTC),
                "the-run",
                ["_versions/b.parquet", "_versions/a.parquet"],
                None,
            ),
        ]


def test_steps_form_one_line_that_ends_at_the_newest():
    config = Config()
    config.set_main_option("script_location", pce_pipeline.warehouse.migrations.__path__[0])
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [newest_revision()]
    assert [step.revision for step in scripts.walk_revisions()] == sorted(
        (step.revision for step in scripts.walk_revisions()), reverse=True
    )


@pytest.mark.postgres
def test_many_who_migrate_at_once_take_each_step_once(server):
    with server.database(migrated=False) as url:
        failures: list[Exception] = []

        def migrate() -> None:
            try:
                PostgresResource(url).migrate()
            except Exception as failure:  # noqa: BLE001 (whatever it is, the test must show it)
                failures.append(failure)

        threads = [threading.Thread(target=migrate) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        with PostgresResource(url).connect() as connection:
            assert found_revision(connection) == newest_revision()


@pytest.mark.postgres
def test_a_database_migrated_by_newer_code_is_left_alone(server):
    with server.database() as url:
        postgres = PostgresResource(url)
        with postgres.connect() as connection:
            connection.cursor().execute("UPDATE meta.alembic_version SET version_num = '9999'")
            connection.commit()
        with pytest.raises(WarehouseNewer) as refused:
            postgres.migrate()
        assert (refused.value.found, refused.value.known) == ("9999", newest_revision())


SHAPE = """
SELECT format('%s.%s', n.nspname, c.relname), c.relkind::text, pg_get_userbyid(c.relowner), c.relacl::text,
    array_agg(format('%s %s %s', a.attname, a.atttypid::regtype, a.attnotnull) ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE n.nspname IN ('meta', 'gold', 'serving') GROUP BY 1, 2, 3, 4 ORDER BY 1
"""


def _execute(postgres, *statements):
    with postgres.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


@pytest.mark.postgres
@pytest.mark.parametrize(
    "lost",
    [
        "DROP TABLE gold.pce_state_metrics_stored CASCADE",
        "DROP TABLE gold.dim_geography, gold.pce_state_annual_stored CASCADE",
        "DROP TABLE gold.pce_state_series CASCADE",
        "DROP VIEW gold.pce_state_annual CASCADE",
        "DROP TABLE meta.checkpoints, meta.manifests, meta.world, meta.ingest_runs",
        "DROP SCHEMA serving, gold CASCADE",
        "DROP VIEW serving.v_pce_state_latest",
        "DROP TABLE meta.alembic_version",
        "DROP TABLE meta.audit_trail, meta.raw_objects, meta.watermarks, meta.check_results",
    ],
)
def test_what_somebody_has_dropped_is_made_again_and_what_others_made_stays(server, lost):
    with server.database(migrated=False) as url:
        postgres = PostgresResource(url)
        postgres.establish(is_sample=True)
        shape = _rows(postgres, SHAPE)
        _execute(
            postgres,
            "INSERT INTO gold.category_line VALUES ('T', 'l', 1, 'c', 'd', 'u', 0)",
            "CREATE VIEW public.theirs AS SELECT * FROM gold.category_line",
        )
        survives = "gold CASCADE" not in lost
        _execute(postgres, lost)
        assert _rows(postgres, SHAPE) != shape
        postgres.establish(is_sample=True)
        assert _rows(postgres, SHAPE) == shape
        if survives:
            assert _rows(postgres, "SELECT bea_table FROM public.theirs") == [("T",)]
        postgres.migrate()


@pytest.mark.postgres
def test_one_who_may_not_make_tables_is_told_which_are_missing(server):
    with server.database(migrated=False) as url:
        postgres = PostgresResource(url)
        postgres.establish(is_sample=True)
        _execute(postgres, "DROP TABLE gold.pce_state_metrics_stored CASCADE", "ALTER ROLE pce_loader PASSWORD 'p'")
        host = url.rpartition("@")[2]
        with pytest.raises(RelationsMissing, match=r"gold\.pce_state_metrics_stored") as refused:
            PostgresResource(f"postgresql://pce_loader:p@{host}").migrate()
        assert "pce db migrate" in refused.value.remedy


LEVELS = """
INSERT INTO gold.pce_state_annual VALUES
    ('06000', 'state', 'CA', 'product.pce', 2023, 1.5, 'reported', 2.5, 'reported'),
    ('06000', 'state', 'CA', 'product.pce', 2024, NULL, 'suppressed', NULL, 'not_published'),
    ('00000', 'nation', NULL, 'product.pce', 2024, 7, 'reported', NULL, 'not_published')
"""
HELD_ROWS = "SELECT held.*, hash_record_extended(held, 0) FROM gold.pce_state_annual AS held ORDER BY geo_fips, year"
THEIRS = "CREATE VIEW public.theirs WITH (security_barrier) AS SELECT state, sum(pce_millions_usd) FROM {} GROUP BY 1"


@pytest.mark.postgres
def test_a_table_that_becomes_a_view_keeps_rows_hashes_rights_and_what_others_built_on_it(server):
    with server.database(migrated=False) as url:
        theirs = THEIRS.format("gold.pce_state_annual")
        take_steps(url, "0016", LEVELS, theirs, "GRANT SELECT ON gold.pce_state_annual TO pg_monitor")
        postgres = PostgresResource(url)
        before, summed = _rows(postgres, HELD_ROWS), _rows(postgres, "SELECT * FROM public.theirs ORDER BY 1")
        postgres.migrate()
        assert _rows(postgres, HELD_ROWS) == before
        assert _rows(postgres, "SELECT * FROM public.theirs ORDER BY 1") == summed
        assert _rows(postgres, "SELECT reloptions FROM pg_class WHERE relname = 'theirs'") == [
            (["security_barrier=true"],)
        ]
        assert _rows(postgres, "SELECT has_table_privilege('pg_monitor', 'gold.pce_state_annual', 'SELECT')") == [
            (True,)
        ]
        _execute(postgres, "UPDATE gold.pce_state_annual SET pce_millions_usd = 9 WHERE year = 2023")
        assert _rows(postgres, "SELECT sum(pce_millions_usd) FROM gold.pce_state_annual") == [(16,)]


@pytest.mark.postgres
def test_what_cannot_be_carried_over_to_a_view_is_named_and_nothing_is_changed(server):
    with server.database(migrated=False) as url:
        theirs = THEIRS.format("gold.pce_state_annual").replace(" WITH (security_barrier)", "")
        take_steps(url, "0016", LEVELS, theirs.replace("VIEW", "MATERIALIZED VIEW"))
        postgres = PostgresResource(url)
        before = _rows(postgres, HELD_ROWS)
        with pytest.raises(ViewBlocked, match=r"materialized view .*theirs depends on table gold\.pce_state_annual\b"):
            postgres.migrate()
        assert _rows(postgres, HELD_ROWS) == before
