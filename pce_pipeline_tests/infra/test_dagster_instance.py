"""The instance of staging and prod, loaded as Dagster loads it: history in Postgres, output of steps in S3."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
from sqlalchemy import Engine, event, make_url

from pce_pipeline.automation.runs import open_jobs
from pce_pipeline.definitions import build_definitions
from pce_pipeline.errors import SettingsError
from pce_pipeline.instance.storage import HistoryNotPrepared, PostgresHistory, _address, _Password
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.observability.logs import configure_logs
from pce_pipeline.settings import load_settings
from pce_pipeline.warehouse.login import DatabaseLogin
from pce_pipeline_tests.infra.operated import HOME, Operated, environment, operated
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3

RDS = "postgresql://pce_loader@pce-staging.abc.eu-west-1.rds.amazonaws.com:5432/pce?sslmode=verify-full"

pytestmark = [pytest.mark.postgres, pytest.mark.s3, pytest.mark.usefixtures("one_day")]


@pytest.fixture(scope="module")
def staging(server: PostgresServer, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    with operated(server, s3, tmp_path_factory.mktemp("machine")) as there:
        yield there


@dg.op
def speak() -> None:
    print("spoken by a step")  # noqa: T201 (what compute logs are for)


@dg.job(executor_def=dg.in_process_executor)
def spoken() -> None:
    speak()


def test_a_run_is_in_the_database_and_its_output_beside_the_lake(staging):
    before = sorted(HOME.rglob("*"))
    with dg.DagsterInstance.get() as instance:
        run = spoken.execute_in_process(instance=instance).run_id
        told = len(instance.all_logs(run))
    assert staging.query(f"SELECT count(*) FROM dagster.event_logs WHERE run_id = '{run}'") == [(told,)]
    assert staging.query(f"SELECT status FROM dagster.runs WHERE run_id = '{run}'") == [("SUCCESS",)]
    owners = staging.query("SELECT DISTINCT schemaname, tableowner FROM pg_tables WHERE tablename = 'alembic_version'")
    assert ("dagster", "pce_loader") in owners, "Dagster's migrations and ours know nothing of each other"
    written = staging.objects("staging/dagster/")
    assert {key.rsplit("/", 1)[0] for key in written} == {f"staging/dagster/storage/{run}/compute_logs"}
    assert "spoken by a step\n" in written.values()
    assert sorted(HOME.rglob("*")) == before, "the folder may be read-only"


def test_another_machine_sees_the_same_run_and_what_it_printed(staging):
    with dg.DagsterInstance.get() as here:
        run = spoken.execute_in_process(instance=here).run_id
    with dg.DagsterInstance.get() as elsewhere:
        (captured,) = elsewhere.all_logs(run, of_type=dg.DagsterEventType.LOGS_CAPTURED)
        assert captured.dagster_event is not None
        key = captured.dagster_event.logs_captured_data.file_key
        seen = elsewhere.compute_log_manager.get_log_data([run, "compute_logs", key])
        assert seen.stdout == b"spoken by a step\n"


def test_what_pce_runs_is_in_the_same_history(staging):
    configure_logs("info", terminal_level="error")  # as `pce` does
    opened: list[Any] = []

    def count(connection: Any, _record: Any) -> None:
        opened.append(connection)

    with open_jobs(load_settings(), build_definitions) as jobs:
        event.listen(Engine, "connect", count)
        try:
            extract = jobs.extract("pce_state", ExtractId(datetime.now(UTC).date()), why="a test")
            refresh = jobs.refresh(1997, 1998, why="a test")
        finally:
            event.remove(Engine, "connect", count)
    assert refresh.wrote
    assert len(opened) < 20, "Dagster's own way is a connection for each of hundreds of events"
    with dg.DagsterInstance.get() as page:
        assert [(run.run_id, run.status.value) for run in page.get_runs(limit=2)] == [
            (refresh.run_id, "SUCCESS"),
            (extract.run_id, "SUCCESS"),
        ]
        assert page.get_materialized_partitions(dg.AssetKey(["gold", "pce_state_annual"])) == {"1997", "1998"}
    kept = staging.objects(f"staging/dagster/storage/{refresh.run_id}")
    (log,) = (body for key, body in kept.items() if key.endswith(".err"))
    assert " info step started " in log, "its own log, without processes that capture what it prints"


def test_a_run_whose_machine_is_gone_is_marked_by_the_next_one(staging):
    with dg.DagsterInstance.get() as runner:
        gone, alive = (runner.create_run_for_job(spoken, status=dg.DagsterRunStatus.STARTED) for _ in range(2))
    staging.do(f"UPDATE dagster.runs SET update_timestamp = now() - interval '7 hours' WHERE run_id = '{gone.run_id}'")
    with open_jobs(load_settings(), build_definitions), dg.DagsterInstance.get() as page:
        statuses = {run.run_id: run.status.value for run in page.get_runs(limit=2)}
        assert statuses == {gone.run_id: "FAILURE", alive.run_id: "STARTED"}
        page.report_run_failed(alive)


def test_dagster_runs_one_run_at_a_time_and_gives_none_for_ever(staging):
    with dg.DagsterInstance.get() as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 1
        assert (instance.run_monitoring_enabled, instance.run_monitoring_max_runtime_seconds) == (True, 6 * 3600)
        assert (instance.run_retries_enabled, instance.telemetry_enabled, instance.nux_enabled) == (False, False, False)
        ticks = instance.get_tick_retention_settings(InstigatorType.SENSOR)
        assert (ticks[TickStatus.SKIPPED], ticks[TickStatus.FAILURE]) == (7, 30)


def test_the_instance_with_tasks_differs_by_its_launcher_only():
    one = yaml.safe_load((HOME / "dagster.yaml").read_text("utf-8"))
    tasks = yaml.safe_load((HOME / "ecs" / "dagster.yaml").read_text("utf-8"))
    assert tasks.pop("run_launcher")["class"] == "TaskPerRun"
    assert tasks == one


def test_the_region_that_workflows_and_tasks_are_given_is_the_one_boto3_uses(staging):
    with environment({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": None}):
        load_settings()
        assert boto3.Session().region_name == "eu-west-1"


def test_a_connection_carries_a_token_and_the_address_none(staging):
    with environment({"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}):
        login = DatabaseLogin(RDS, way="iam", env="staging")
        password = _Password(login)
        address = make_url(_address(login))
        assert (address.password, address.username) == (None, None)
        assert dict(address.query) == {
            "user": "pce_loader",
            "host": "pce-staging.abc.eu-west-1.rds.amazonaws.com",
            "port": "5432",
            "dbname": "pce",
            "sslmode": "verify-full",
            "options": "-csearch_path=dagster",
        }
        token, ends = password._fetch_token()
        assert "X-Amz-Signature=" in password.get_token()
    assert "X-Amz-Signature=" in token
    assert 0 < ends - time.time() <= 900, "what a token of RDS lives"


def test_a_long_run_outlives_the_password_it_began_with(staging):
    class Rotated(DatabaseLogin):
        def parameters(self) -> dict[str, Any]:
            return {**super().parameters(), "user": "rotated", "password": now["password"]}

    now = {"password": "first"}
    staging.do("CREATE ROLE rotated LOGIN PASSWORD 'first' IN ROLE pce_loader")
    login = Rotated(staging.variables["PCE_DATABASE_URL"])
    password = _Password(login)
    history = PostgresHistory(_address(login), token_provider=password)
    staging.do("ALTER ROLE rotated PASSWORD 'second'")
    now["password"] = "second"
    assert password.get_token() == "first", "it is used for as long as it is good"
    password._token_expiry = time.time() + 60  # its end is near
    assert history.run_storage.get_runs_count() >= 0
    assert password.get_token() == "second"
    staging.do("DROP ROLE rotated")


def test_a_database_that_is_not_prepared_says_what_to_do(staging, server):
    with (
        server.database(migrated=False) as url,
        environment({"PCE_DATABASE_URL": url}),
        pytest.raises(HistoryNotPrepared, match="pce db migrate"),
        dg.DagsterInstance.get(),
    ):
        pass
    with (
        environment({"PCE_DATABASE_URL": None}),
        pytest.raises(SettingsError, match="needs PCE_DATABASE_URL"),
        dg.DagsterInstance.get(),
    ):
        pass


def test_logs_beside_a_lake_in_a_directory_are_refused(staging, tmp_path):
    with (
        environment({"PCE_LAKE_URI": str(tmp_path)}),
        dg.DagsterInstance.get() as instance,
        pytest.raises(SettingsError, match="s3://bucket"),
    ):
        instance.compute_log_manager  # noqa: B018 (it is made when it is first asked for)
