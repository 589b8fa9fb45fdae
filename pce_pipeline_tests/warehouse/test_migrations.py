"""The frozen steps lead from an empty database to what `schemas.py` declares."""

import threading

import polars as pl
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import pce_pipeline.warehouse.migrations
from pce_pipeline import schemas
from pce_pipeline.warehouse.errors import WarehouseNewer
from pce_pipeline.warehouse.migrate import found_revision, newest_revision
from pce_pipeline.warehouse.postgres import PostgresResource

SQL_TYPES = {
    pl.String(): "text",
    pl.Int32(): "integer",
    pl.Float64(): "double precision",
    pl.Boolean(): "boolean",
    schemas.MONEY: "numeric(18,3)",
}

PUBLISHED = [table for table in schemas.TABLES if table.name.startswith("gold/")]


def _rows(postgres, statement, parameters=None):
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def migrated(server):
    with server.database() as url:
        yield PostgresResource(url)


@pytest.mark.postgres
@pytest.mark.parametrize("table", PUBLISHED, ids=lambda table: table.name)
def test_a_migrated_table_is_the_declared_one(migrated, table: schemas.Table):
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
    assert key == [(column,) for column in table.key]


@pytest.mark.postgres
def test_gold_holds_the_declared_tables_and_no_other(migrated):
    held = _rows(migrated, "SELECT 'gold/' || tablename FROM pg_tables WHERE schemaname = 'gold' ORDER BY 1")
    assert [name for (name,) in held] == sorted(table.name for table in PUBLISHED)


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
