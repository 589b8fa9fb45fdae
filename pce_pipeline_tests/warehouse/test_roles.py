"""The owner owns, the loader loads, the reader reads, and none of them can do more."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from structlog.testing import capture_logs

from pce_pipeline.cli.services import db_migrate
from pce_pipeline.cli.session import Session
from pce_pipeline.settings import Settings
from pce_pipeline.warehouse.comments import SAMPLE_PREFIX, apply_comments
from pce_pipeline.warehouse.errors import (
    CommentsOutdated,
    RightsMissing,
    ViewsOutdated,
    WarehouseForbidden,
    WarehouseNotMigrated,
)
from pce_pipeline.warehouse.meta_tables import META_TABLES
from pce_pipeline.warehouse.migrate import found_revision, newest_revision
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.postgres_server import postgres_server
from pce_pipeline_tests.warehouse.steps import take_steps
from pce_pipeline_tests.worlds import World

pytestmark = pytest.mark.postgres

USERS = ("pce_master", "pce_owner", "pce_loader", "pce_reader")


@dataclass(frozen=True)
class Rds:
    """A server as RDS gives it: a master who is no superuser owns the database and may make roles."""

    admin_url: str

    def url(self, user: str, database: str = "env") -> str:
        return f"postgresql://{user}:{user}-password@{self.admin_url.partition('@')[2].rpartition('/')[0]}/{database}"

    def as_(self, user: str, database: str = "env") -> PostgresResource:
        return PostgresResource(self.url(user, database))

    def administer(self, *statements: str) -> None:
        _run(self.admin_url, *statements)

    @classmethod
    def made_on(cls, url: str) -> "Rds":
        rds = cls(url)
        rds.administer(
            "CREATE ROLE rds_iam NOLOGIN",
            "CREATE ROLE pce_master LOGIN CREATEROLE CREATEDB PASSWORD 'pce_master-password'",
            "GRANT rds_iam TO pce_master WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
            "CREATE DATABASE env OWNER pce_master",
        )
        return rds


def _run(url: str, *statements: str) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        for statement in statements:
            connection.cursor().execute(statement)
    finally:
        connection.close()


def _rows(postgres: PostgresResource, statement: str) -> list[tuple[Any, ...]]:
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def rds() -> Iterator[Rds]:
    """Migrated by its master for sample data; each role with a password, in place of RDS's tokens."""
    with postgres_server() as server, server.database(migrated=False) as url:
        made = Rds.made_on(url)
        assert made.as_("pce_master").establish(is_sample=True)
        made.administer(*(f"ALTER ROLE {user} PASSWORD '{user}-password'" for user in USERS[1:]))
        yield made


@pytest.fixture(scope="module")
def loaded(rds: Rds, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A whole run of the pipeline as pce_loader, and the same load once more."""
    world = World(tmp_path_factory.mktemp("world"), rds.url("pce_loader"), profile="smoke")
    world.extract()
    world.refresh(1997, 2024)
    world.refresh(2024, 2024)
    return world


def test_the_loader_runs_the_whole_pipeline(rds, loaded):
    runs = _rows(rds.as_("pce_loader"), "SELECT status, rows FROM meta.ingest_runs ORDER BY started_at DESC")
    assert {status for status, _ in runs} == {"succeeded"}
    assert all(counts["inserted"] == counts["updated"] == counts["deleted"] == 0 for counts in runs[0][1].values())
    assert _rows(rds.as_("pce_loader"), "SELECT world FROM meta.world") == [("sample-smoke",)]


def test_the_reader_reads_what_is_published(rds, loaded):
    reader = rds.as_("pce_reader")
    ((annual,),) = _rows(reader, "SELECT count(*) FROM gold.pce_state_annual")
    ((latest,),) = _rows(reader, "SELECT count(*) FROM serving.v_pce_state_latest")
    assert (annual, latest) == (5040, 180)
    assert _rows(reader, "SHOW default_transaction_read_only") == [("on",)]
    assert _rows(reader, "SHOW statement_timeout") == [("5min",)]
    comments = _rows(reader, "SELECT obj_description('gold.pce_state_annual'::regclass)")
    assert comments[0][0].startswith(SAMPLE_PREFIX)


def test_the_reader_follows_a_figure_to_its_raw_objects_and_changes_nothing_of_it(rds, loaded):
    reader = rds.as_("pce_reader")
    for table in META_TABLES:
        if table.for_readers:
            assert _rows(reader, f"SELECT count(*) > 0 FROM meta.{table.name}") == [(True,)], table.name
        else:
            with pytest.raises(RightsMissing):
                _rows(reader, f"SELECT count(*) FROM meta.{table.name}")
    rights = _rows(
        reader,
        "SELECT DISTINCT privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = 'pce_reader' AND table_schema = 'meta'",
    )
    assert rights == [("SELECT",)]


def test_the_reader_asks_for_a_day_and_gets_for_today_what_is_published(rds, loaded):
    reader = rds.as_("pce_reader")
    for function, table in (("pce_state_as_of", "pce_state_annual"), ("pce_state_metrics_as_of", "pce_state_metrics")):
        compared = _rows(
            reader,
            f"WITH known AS (SELECT * FROM serving.{function}((now() AT TIME ZONE 'UTC')::date)), "
            f"published AS (SELECT * FROM gold.{table}) "
            "SELECT (SELECT count(*) FROM published), "
            "(SELECT count(*) FROM known JOIN published USING (geo_fips, category_id, year)), "
            "(SELECT count(*) FROM (TABLE known EXCEPT TABLE published) AS others)",
        )
        ((published, known, others),) = compared
        assert (known, others) == (published, 0), function
        assert published > 0
    ((is_granted,),) = _rows(
        rds.as_("pce_master"),
        "SELECT bool_and(proacl::text LIKE '%pce_reader=X/pce_owner%') FROM pg_proc "
        "WHERE pronamespace = 'serving'::regnamespace",
    )
    assert is_granted, "where a server takes from everybody what Postgres lets everybody do, too"


@pytest.mark.parametrize(
    ("user", "statement"),
    [
        ("pce_reader", "INSERT INTO gold.category_line SELECT * FROM gold.category_line"),
        ("pce_reader", "DELETE FROM gold.pce_state_annual"),
        ("pce_reader", "UPDATE gold.dim_geography SET geo_name = ''"),
        ("pce_reader", "UPDATE gold.pce_state_annual SET pce_millions_usd = 0"),
        ("pce_reader", "TRUNCATE gold.pce_state_annual_stored"),
        ("pce_reader", "SELECT * FROM meta.ingest_runs"),
        ("pce_reader", "SELECT * FROM meta.world"),
        ("pce_reader", "SELECT * FROM dagster.runs"),
        ("pce_reader", "CREATE TABLE dagster.mine (n integer)"),
        ("pce_reader", "CREATE TABLE public.mine (n integer)"),
        ("pce_reader", "CREATE TABLE gold.mine (n integer)"),
        ("pce_reader", "CREATE VIEW serving.mine AS SELECT 1"),
        ("pce_reader", "CREATE FUNCTION serving.mine() RETURNS integer LANGUAGE sql RETURN 1"),
        ("pce_reader", "ALTER FUNCTION serving.vintage_at SECURITY DEFINER"),
        ("pce_reader", "CREATE TEMPORARY TABLE mine (n integer)"),
        ("pce_reader", "CREATE SCHEMA mine"),
        ("pce_reader", "SELECT * FROM public.somebodys"),
        ("pce_reader", "SET ROLE pce_loader"),
        ("pce_loader", "DROP VIEW gold.pce_state_annual"),
        ("pce_loader", "ALTER TABLE gold.pce_state_annual_stored ADD COLUMN more integer"),
        ("pce_loader", "CREATE INDEX ON gold.pce_state_annual_stored (year)"),
        ("pce_loader", "COMMENT ON VIEW gold.pce_state_annual IS ''"),
        ("pce_loader", "CREATE TABLE gold.mine (n integer)"),
        ("pce_loader", "CREATE OR REPLACE VIEW serving.v_pce_state_latest AS SELECT 1"),
        ("pce_loader", "DROP FUNCTION serving.vintage_at"),
        ("pce_loader", "CREATE TABLE meta.mine (n integer)"),
        ("pce_loader", "CREATE TABLE public.mine (n integer)"),
        ("pce_loader", "CREATE SCHEMA mine"),
        ("pce_loader", "DROP SCHEMA gold CASCADE"),
        ("pce_loader", "GRANT pce_loader TO pce_reader"),
        ("pce_loader", "UPDATE meta.alembic_version SET version_num = '9999'"),
        ("pce_loader", "DELETE FROM meta.views"),
        ("pce_loader", "UPDATE meta.world SET world = 'bea'"),
        ("pce_loader", "DELETE FROM meta.world"),
        ("pce_loader", "TRUNCATE meta.ingest_runs"),
        ("pce_loader", "SELECT * FROM public.somebodys"),
        ("pce_loader", "SELECT * FROM pg_authid"),
        ("pce_loader", "SET ROLE pce_owner"),
        ("pce_loader", "CREATE ROLE friend"),
        ("pce_owner", "CREATE ROLE friend"),
        ("pce_owner", "ALTER ROLE pce_owner SUPERUSER"),
        ("pce_owner", "SET ROLE pce_master"),
        ("pce_owner", "SELECT * FROM public.somebodys"),
        ("pce_owner", "SELECT * FROM pg_authid"),
        ("pce_owner", "SELECT pg_read_file('/etc/passwd')"),
        ("pce_owner", "DROP DATABASE env"),
    ],
)
def test_nobody_does_what_is_not_theirs(rds, loaded, user: str, statement: str):
    owner, master = rds.as_("pce_loader"), rds.url("pce_master")
    if _rows(owner, "SELECT to_regclass('dagster.runs') IS NULL") == [(True,)]:
        _run(rds.url("pce_loader"), "CREATE TABLE dagster.runs (n integer)")
        _run(master, "CREATE TABLE public.somebodys (n integer)")
    connection = psycopg2.connect(rds.url(user), options="-c default_transaction_read_only=off")
    try:
        connection.autocommit = True
        with pytest.raises(errors.InsufficientPrivilege) as denied, connection.cursor() as cursor:
            cursor.execute(statement)
        assert denied.value.pgcode == "42501"
    finally:
        connection.close()


def test_a_table_added_later_is_read_and_filled_at_once(rds):
    _run(rds.url("pce_owner"), "CREATE TABLE gold.later (n integer)", "CREATE VIEW serving.later AS SELECT 1 AS n")
    try:
        _run(rds.url("pce_loader"), "INSERT INTO gold.later VALUES (1)", "ANALYZE gold.later", "TRUNCATE gold.later")
        assert _rows(rds.as_("pce_reader"), "SELECT n FROM gold.later") == []
        assert _rows(rds.as_("pce_reader"), "SELECT n FROM serving.later") == [(1,)]
    finally:
        _run(rds.url("pce_owner"), "DROP TABLE gold.later", "DROP VIEW serving.later")


def test_everything_belongs_to_the_owner_and_its_history_to_the_loader(rds):
    owners = _rows(
        rds.as_("pce_master"),
        "SELECT DISTINCT n.nspname, pg_get_userbyid(n.nspowner), pg_get_userbyid(c.relowner) FROM pg_namespace AS n "
        "LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND n.nspname <> 'dagster' "
        "WHERE n.nspname IN ('meta', 'gold', 'serving', 'dagster') ORDER BY 1",
    )
    assert owners == [
        ("dagster", "pce_loader", None),
        ("gold", "pce_owner", "pce_owner"),
        ("meta", "pce_owner", "pce_owner"),
        ("serving", "pce_owner", "pce_owner"),
    ]


def test_who_signs_in_by_token_and_that_the_master_is_no_member_of_them(rds):
    """RDS refuses the password of whoever is a member of a member of rds_iam."""
    members = _rows(
        rds.as_("pce_master"),
        "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members "
        "WHERE roleid::regrole::text LIKE ANY ('{pce%,rds%}') AND (inherit_option OR set_option) ORDER BY 1, 2",
    )
    assert members == [("pce_loader", "pce_owner"), ("rds_iam", "pce_loader"), ("rds_iam", "pce_owner")]


def test_the_owner_and_the_master_migrate_again(rds, loaded):
    before = _rows(rds.as_("pce_master"), "SELECT relname, relacl::text FROM pg_class ORDER BY oid")
    for user in ("pce_owner", "pce_master"):
        settings = Settings(chosen_database_url=rds.url(user), chosen_source="sample")
        session = Session()
        session.settings = settings
        answer = db_migrate(session)
        assert answer.document["roles"] is True
        assert answer.document["migration"] == newest_revision()
        assert "fill the disk by large objects" in answer.document["open_to_readers"]
        assert f"{user}-password" not in str(answer)
    assert _rows(rds.as_("pce_master"), "SELECT relname, relacl::text FROM pg_class ORDER BY oid") == before


def test_what_no_user_of_rds_may_close_to_readers_is_named_and_the_rest_is_closed(rds):
    left = [
        "fill the disk by a sort or join",
        "fill the disk by large objects",
        "use up the memory of locks by advisory ones",
    ]
    for user in ("pce_master", "pce_owner"):
        with capture_logs() as lines:
            assert rds.as_(user).establish(is_sample=True)
        assert [line["they_can"] for line in lines] == [left]
        assert rds.as_(user).open_to_readers() == left
    rds.administer("ALTER SYSTEM SET temp_file_limit = '4GB'", "SELECT pg_reload_conf()")
    try:  # as a parameter group does, for all users
        assert rds.as_("pce_reader").open_to_readers() == left[1:]
    finally:
        rds.administer("ALTER SYSTEM RESET temp_file_limit", "SELECT pg_reload_conf()")
    assert _rows(rds.as_("pce_master"), "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'pce_reader'") == [(20,)]


def test_a_loader_leaves_an_outdated_database_to_its_owner(rds):
    loader, owner = rds.as_("pce_loader"), rds.as_("pce_owner")
    loader.migrate()
    _run(
        rds.url("pce_owner"),
        "UPDATE meta.alembic_version SET version_num = '0001'; DROP TABLE meta.quarantine, meta.views, "
        "gold.income_state_annual, gold.summary_state_annual, gold.dim_figure, gold.dim_vintage, gold.revision_stats, "
        "gold.pce_state_vintages, gold.income_state_vintages, gold.summary_state_vintages, gold.pce_state_revisions, "
        "gold.income_state_revisions, gold.summary_state_revisions, gold.prices_state_annual, "
        "gold.state_price_metrics, gold.price_releases, gold.prices_state_vintages, gold.prices_state_revisions, "
        "gold.pce_us_monthly, gold.pce_monthly_errors, gold.pce_state_monthly, gold.line_history, meta.raw_objects, "
        "meta.watermarks, meta.check_results, meta.audit_trail CASCADE",
        "ALTER TABLE meta.manifests DROP COLUMN written_at, DROP COLUMN written_by, DROP COLUMN files, "
        "DROP COLUMN extracts",
    )
    try:
        with pytest.raises(WarehouseNotMigrated, match=r"Run `pce db migrate` as .* pce_owner") as refused:
            loader.migrate()
        assert refused.value.found == "0001"
    finally:
        owner.migrate()
    loader.migrate()
    with pytest.raises(WarehouseForbidden, match="pce_reader may not"):
        rds.as_("pce_reader").migrate()


def test_views_that_are_not_as_their_files_say_are_left_to_the_owner_too_and_read_by_readers_again(rds):
    loader, owner, reader = rds.as_("pce_loader"), rds.as_("pce_owner"), rds.as_("pce_reader")
    _run(
        rds.url("pce_owner"),
        "DROP VIEW serving.v_pce_state_latest",
        "CREATE VIEW serving.v_pce_state_latest AS SELECT 1 AS n",
        "REVOKE SELECT ON serving.v_pce_state_latest FROM pce_reader",
    )
    with pytest.raises(ViewsOutdated, match=r"serving\.v_pce_state_latest") as refused:
        loader.migrate()
    assert "pce db migrate" in refused.value.remedy
    assert owner.establish(is_sample=True)
    loader.migrate()
    assert len(_rows(reader, "SELECT year, pce_yoy_pct FROM serving.v_pce_state_latest LIMIT 1")) <= 1
    ((comment,),) = _rows(reader, "SELECT obj_description('serving.v_pce_state_latest'::regclass)")
    assert comment.startswith(SAMPLE_PREFIX)


def test_who_may_not_write_comments_loads_no_other_kind_of_numbers(rds, loaded):
    with rds.as_("pce_loader").connect() as connection:
        assert apply_comments(connection, is_sample=True) == 0
        with pytest.raises(CommentsOutdated, match="Run `pce db migrate` as pce_owner"):
            apply_comments(connection, is_sample=False)


def test_a_database_of_the_first_step_is_brought_up_to_date_with_its_data(rds):
    _run(rds.url("pce_master"), "CREATE DATABASE older")
    try:
        take_steps(
            rds.url("pce_master", "older"),
            "0001",
            "INSERT INTO meta.world (world, env) VALUES ('bea', 'prod')",
            "INSERT INTO gold.category_line VALUES ('SAPCE1', '2', 1, 'all', 'All', 'Dollars', 6)",
        )
        older = rds.as_("pce_master", "older")
        with pytest.raises(WarehouseForbidden):
            rds.as_("pce_owner", "older").establish(is_sample=True)
        assert older.establish(is_sample=True)
        held = _rows(rds.as_("pce_reader", "older"), "SELECT description FROM gold.category_line")
        assert held == [("All",)]
        with rds.as_("pce_owner", "older").connect() as connection:
            assert found_revision(connection) == newest_revision()
        ((comment,),) = _rows(rds.as_("pce_reader", "older"), "SELECT obj_description('gold.category_line'::regclass)")
        assert not comment.startswith(SAMPLE_PREFIX), "the world that holds the database decides"
    finally:
        rds.administer("DROP DATABASE older WITH (FORCE)")


def test_where_nobody_may_make_roles_the_database_works_without_until_somebody_may():
    with postgres_server() as server, server.database(migrated=False) as url:
        made = Rds(url)
        made.administer(
            "CREATE ROLE somebody LOGIN PASSWORD 'somebody-password'",
            "CREATE DATABASE own OWNER somebody",
        )
        own = made.as_("somebody", "own")
        with capture_logs() as lines:
            own.migrate()
        assert [line["event"] for line in lines] == ["the database stays without roles"]
        assert own.open_to_readers() == []
        assert "pce db migrate" in lines[0]["remedy"]
        assert not own.establish(is_sample=True)
        assert _rows(own, "SELECT count(*) FROM gold.pce_state_annual") == [(0,)]
        administrator = PostgresResource(f"{url.rpartition('/')[0]}/own")
        assert administrator.establish(is_sample=True)
        made.administer("ALTER ROLE pce_reader PASSWORD 'pce_reader-password'")
        assert _rows(made.as_("pce_reader", "own"), "SELECT count(*) FROM gold.pce_state_annual") == [(0,)]


def test_a_person_in_the_role_of_readers_reads(rds):
    _run(rds.url("pce_master"), "CREATE ROLE anna LOGIN PASSWORD 'anna-password' IN ROLE pce_reader")
    anna = rds.as_("anna")
    assert len(_rows(anna, "SELECT * FROM serving.v_pce_state_yoy LIMIT 1")) <= 1
    with pytest.raises(RightsMissing):
        _rows(anna, "SELECT * FROM meta.world")
