"""No reader keeps a load from its turn, every wait ends, and who is in the way is named with what to do about it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.tables.dimensions import DIM_GEOGRAPHY
from pce_pipeline.warehouse.errors import LoadCollided, MigrationBlocked
from pce_pipeline.warehouse.loads import RunRow, TableLoad, load
from pce_pipeline.warehouse.migrate import found_revision, newest_revision, upgrade
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.records import record_run
from pce_pipeline.warehouse.turns import LOADS, MIGRATIONS, Patience
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.postgres_server import PostgresServer, postgres_server
from pce_pipeline_tests.warehouse.steps import take_steps

pytestmark = pytest.mark.postgres

BRIEF = timedelta(milliseconds=300)
IMPATIENT = Patience(turn=BRIEF, lock=BRIEF, tries=2)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server of one's own, because roles and their passwords are of a whole server."""
    with postgres_server() as server, server.database() as url:
        for user in ("pce_owner", "pce_loader", "pce_reader"):
            administer(url, f"ALTER ROLE {user} PASSWORD '{user}-password'")
        yield server


@pytest.fixture
def url(own_server: PostgresServer) -> Iterator[str]:
    """A migrated, empty database."""
    with own_server.database() as url:
        PostgresResource(url).establish(is_sample=False)  # a copy of a database has none of the rights on it
        yield url


@pytest.fixture(scope="module")
def shared(own_server: PostgresServer) -> Iterator[str]:
    """A migrated database for tests that are refused everything."""
    with own_server.database() as url:
        PostgresResource(url).establish(is_sample=False)
        yield url


def as_(user: str, url: str) -> str:
    return f"postgresql://{user}:{user}-password@{url.partition('@')[2]}"


@contextmanager
def session(url: str, *statements: str, **parameters: Any) -> Iterator[Connection]:
    """A session that has executed statements and stays in its transaction."""
    connection = psycopg2.connect(url, **parameters)
    try:
        for statement in statements:
            connection.cursor().execute(statement)
        yield connection
    finally:
        connection.close()


def administer(url: str, statement: str) -> None:
    with session(url, statement) as superuser:
        superuser.commit()


def limits_of_readers(url: str) -> tuple[int, str]:
    """How many connections readers may have, and how much of the disk one of them may take for a while."""
    with session(url) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT rolconnlimit, rolconfig FROM pg_roles WHERE rolname = 'pce_reader'")
        connections, settings = cursor.fetchone() or (0, [])
        return connections, dict(each.split("=") for each in settings)["temp_file_limit"]


def a_load(url: str, *, patience: Patience = LOADS, geo_name: str | None = None) -> int:
    """Load the areas as pce_loader; how many rows were written."""
    areas = PCE_STATE.areas
    if geo_name is not None:
        areas = areas.with_columns(geo_name=areas["geo_name"] + geo_name)
    with PostgresResource(as_("pce_loader", url)).connect() as connection:
        results = load(
            connection,
            [TableLoad(DIM_GEOGRAPHY, areas)],
            world="bea",
            env="local",
            run=RunRow("run", "pce_state", datetime.now(UTC)),
            manifests=[],
            patience=patience,
        )
    return sum(result.written for result in results)


def test_a_reader_who_holds_all_it_may_keeps_no_load_waiting(url):
    everything = "SELECT count(*) FROM gold.dim_geography"
    with session(as_("pce_reader", url), everything, "LOCK TABLE gold.dim_geography IN ACCESS SHARE MODE") as reader:
        assert a_load(url, patience=IMPATIENT) == 60
        assert a_load(url, patience=IMPATIENT, geo_name="!") == 60
        reader.cursor().execute(everything)


@pytest.mark.parametrize(
    "statement",
    [
        "LOCK TABLE meta.world IN ACCESS SHARE MODE",
        "LOCK TABLE meta.world IN SHARE ROW EXCLUSIVE MODE",
        "LOCK TABLE meta.alembic_version IN ACCESS SHARE MODE",
        "LOCK TABLE gold.dim_geography IN ROW SHARE MODE",
        "LOCK TABLE serving.v_pce_state_latest IN SHARE MODE",
        "SELECT * FROM gold.dim_geography FOR KEY SHARE",
        "SELECT * FROM meta.checkpoints FOR UPDATE",
        "SELECT pg_advisory_lock(n) FROM generate_series(1, 1000000) AS n",
        "SELECT pg_advisory_lock_shared(1)",
        "SELECT pg_advisory_xact_lock(1, 2)",
        "SELECT pg_try_advisory_lock(8097855776932749668)",
        "CREATE TEMPORARY TABLE mine AS SELECT * FROM gold.dim_geography",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'many')",
        "SELECT lo_put(1, 0, 'many')",
        "SET temp_file_limit = -1",
        "ALTER ROLE pce_reader CONNECTION LIMIT -1",
        "ALTER ROLE pce_reader RESET temp_file_limit",
    ],
)
def test_a_reader_takes_no_lock_and_no_room_that_loads_need(shared, statement: str):
    with (
        session(as_("pce_reader", shared), options="-c default_transaction_read_only=off") as reader,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        reader.cursor().execute(statement)


def test_a_reader_gives_back_locks_as_drivers_do_when_they_reset_a_session(url):
    with session(as_("pce_reader", url), "SELECT pg_advisory_unlock_all()") as reader:
        reader.rollback()
        reader.autocommit = True
        reader.cursor().execute("DISCARD ALL")


def test_a_sort_of_a_reader_ends_before_it_fills_the_disk(url):
    with session(as_("pce_reader", url)) as reader, reader.cursor() as cursor:
        cursor.execute("SHOW temp_file_limit")
        assert cursor.fetchone() == ("2GB",)
    administer(url, "ALTER ROLE pce_reader SET temp_file_limit = '1MB'")
    with (
        session(as_("pce_reader", url), "SET work_mem = '64kB'") as reader,
        pytest.raises(errors.ConfigurationLimitExceeded),
    ):
        reader.cursor().execute("SELECT n, repeat('x', 100) FROM generate_series(1, 100000) AS n ORDER BY 2, 1")
    PostgresResource(url).establish(is_sample=False)
    assert limits_of_readers(url) == (20, "1MB"), "what somebody has chosen stays"
    administer(url, "ALTER ROLE pce_reader RESET temp_file_limit")
    assert PostgresResource(url).open_to_readers() == ["fill the disk by a sort or join"]
    PostgresResource(url).establish(is_sample=False)
    assert limits_of_readers(url) == (20, "2GB")


def test_readers_take_no_more_connections_than_are_left_over_for_them(url):
    administer(url, "ALTER ROLE pce_reader CONNECTION LIMIT 2")
    PostgresResource(url).establish(is_sample=False)
    reader = as_("pce_reader", url)
    with session(reader), session(reader):
        with pytest.raises(psycopg2.OperationalError, match="too many connections"):
            psycopg2.connect(reader)
        assert a_load(url) == 60
    administer(url, "ALTER ROLE pce_reader CONNECTION LIMIT -1")
    PostgresResource(url).establish(is_sample=False)
    assert limits_of_readers(url) == (20, "2GB")


def test_a_load_waits_for_another_and_names_it_where_that_takes_too_long(url):
    a_load(url)
    turn = "LOCK TABLE meta.world IN SHARE ROW EXCLUSIVE MODE"
    with session(as_("pce_loader", url), turn, application_name="elsewhere") as other:
        pid = other.info.backend_pid
        with pytest.raises(LoadCollided) as refused:
            a_load(url, patience=IMPATIENT, geo_name="!")
        (holder,) = refused.value.holders
        assert (holder.pid, holder.user, holder.application) == (pid, "pce_loader", "elsewhere")
        assert holder.since is not None
        assert datetime.now(UTC) - holder.since < timedelta(minutes=1)
        assert f"process {pid} (user pce_loader, application elsewhere, in a transaction since" in str(refused.value)
        assert f"SELECT pg_terminate_backend({pid});" in refused.value.remedy
        assert refused.value.retryable
        loading = threading.Thread(target=a_load, args=(url,), kwargs={"geo_name": "!"})
        loading.start()
        loading.join(0.5)
        assert loading.is_alive(), "it waits"
        other.rollback()
        loading.join(20)
    with session(url) as superuser, superuser.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM gold.dim_geography WHERE geo_name LIKE '%!'")
        assert cursor.fetchone() == (60,)


def test_a_load_of_the_version_before_and_one_of_this_wait_for_each_other(url):
    a_load(url)
    of_before = "INSERT INTO meta.world (world, env) SELECT 'bea', 'local' WHERE false"
    with session(as_("pce_loader", url), of_before), pytest.raises(LoadCollided):
        a_load(url, patience=IMPATIENT)
    with (
        session(as_("pce_loader", url), "LOCK TABLE meta.world IN SHARE ROW EXCLUSIVE MODE"),
        session(as_("pce_loader", url), "SET lock_timeout = '300ms'") as before,
        pytest.raises(errors.LockNotAvailable),
    ):
        before.cursor().execute(of_before)


def test_a_row_that_somebody_keeps_locked_is_waited_for_as_long_as_said(url):
    a_load(url)
    changed = "UPDATE gold.dim_geography SET geo_name = 'mine' WHERE geo_fips = '06000'"
    with session(url, changed, application_name="psql") as person:
        with pytest.raises(LoadCollided) as refused:
            a_load(url, patience=IMPATIENT, geo_name="!")
        assert [(each.pid, each.application) for each in refused.value.holders] == [(person.info.backend_pid, "psql")]
    assert "holds gold.dim_geography" in str(refused.value)
    assert refused.value.doing == "gold/dim_geography"
    assert a_load(url) == 0, "nothing of the load that gave up was kept"


def test_what_a_run_that_loads_nothing_records_does_not_wait_for_a_load(url):
    a_load(url)
    with (
        session(as_("pce_loader", url), "LOCK TABLE meta.world IN SHARE ROW EXCLUSIVE MODE"),
        session(as_("pce_loader", url), "SET lock_timeout = '300ms'") as another,
    ):
        run = RunRow("another", "pce_state", datetime.now(UTC))
        record_run(another, run, world="bea", env="local", status="succeeded")
        another.commit()


def test_a_migration_names_the_reader_in_its_way_and_goes_on_after_it(url):
    administer(url, "ALTER VIEW serving.v_pce_state_latest RENAME COLUMN geo_name TO name")
    owner = PostgresResource(as_("pce_owner", url))
    with session(
        as_("pce_reader", url), "SELECT 1 FROM serving.v_pce_state_latest", application_name="a BI tool"
    ) as reader:
        with pytest.raises(MigrationBlocked) as refused:
            upgrade(owner._open, patience=IMPATIENT)
        (holder,) = refused.value.holders
        assert (holder.pid, holder.user, holder.application) == (reader.info.backend_pid, "pce_reader", "a BI tool")
        assert holder.since is not None
        assert "serving.v_pce_state_latest" in holder.tables
        assert f"pg_terminate_backend({holder.pid})" in refused.value.remedy
        migrating = threading.Thread(
            target=upgrade, args=(owner._open,), kwargs={"patience": replace(IMPATIENT, tries=50)}
        )
        migrating.start()
        reader.rollback()
        migrating.join(30)
    with session(as_("pce_reader", url)) as reader:
        reader.cursor().execute("SELECT geo_name FROM serving.v_pce_state_latest LIMIT 1")


def test_a_database_of_before_gets_the_rights_that_loads_need_to_take_turns(own_server: PostgresServer, url):
    with own_server.database(migrated=False) as older:
        take_steps(older, "0014", "INSERT INTO meta.world (world, env) VALUES ('bea', 'local')")
        with session(as_("pce_reader", older), "SELECT pg_advisory_lock(8097855776932749668)"):
            assert PostgresResource(older).establish(is_sample=False)
            assert a_load(older, patience=IMPATIENT) == 60
        with PostgresResource(older).connect() as connection:
            assert found_revision(connection) == newest_revision()
        assert PostgresResource(older).open_to_readers() == []


def test_no_wait_is_without_an_end():
    longest = MIGRATIONS.tries * (2 * MIGRATIONS.turn + MIGRATIONS.lock + MIGRATIONS.pause)
    assert longest < timedelta(minutes=15)
    assert max(MIGRATIONS.turn, MIGRATIONS.lock) <= timedelta(seconds=5), "readers wait behind a lock that waits"
    assert LOADS.turn + LOADS.lock < timedelta(minutes=15)
