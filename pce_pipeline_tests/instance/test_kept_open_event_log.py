"""The laptop's event log writes what Dagster's own reads."""

import re
import sqlite3
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from pce_pipeline.automation.runs import open_instance
from pce_pipeline.instance.sqlite import KeptOpenEventLog
from pce_pipeline.local.world import prepared_dagster_home
from pce_pipeline.settings import Settings, load_settings
from pce_pipeline.shell.partitions import YEARS


@dg.asset(check_specs=[dg.AssetCheckSpec("is_there", asset="figures")])
def figures(context: dg.AssetExecutionContext):
    context.log_event(dg.AssetMaterialization("figures", partition="2023", tags={"dagster/data_version": "a"}))
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def broken() -> None:
    raise ValueError("no figures today")


@dg.asset(
    partitions_def=YEARS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("adds_up", asset="yearly")],
)
def yearly():
    raise ValueError("planned, and never made")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "worlds", chosen_source="sample")


def test_dagster_reads_what_a_run_in_this_process_wrote(settings: Settings) -> None:
    with open_instance(settings) as ours:
        assert isinstance(ours.event_log_storage, KeptOpenEventLog)
        written = dg.materialize([figures], instance=ours)
        failed = dg.materialize([broken], instance=ours, raise_on_error=False)
    assert written.success
    assert not failed.success
    with dg.DagsterInstance.local_temp(str(settings.dagster_home)) as dagsters:
        assert not isinstance(dagsters.event_log_storage, KeptOpenEventLog)
        assert [entry.message for entry in dagsters.all_logs(written.run_id)]
        assert len(dagsters.fetch_materializations(dg.AssetKey("figures"), limit=10).records) == 2
        assert dagsters.get_materialized_partitions(dg.AssetKey("figures")) == {"2023"}
        assert dagsters.get_latest_data_version_record(dg.AssetKey("figures")) is not None
        checked = dagsters.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("figures"), "is_there"), limit=1
        )
        assert [each.status.value for each in checked] == ["SUCCEEDED"]
        ended = [
            run.status
            for run in (dagsters.get_run_by_id(written.run_id), dagsters.get_run_by_id(failed.run_id))
            if run is not None
        ]
        assert ended == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def test_a_history_that_somebody_configured_is_used_as_configured(settings: Settings, tmp_path: Path) -> None:
    home = prepared_dagster_home(settings)
    elsewhere = tmp_path / "elsewhere"
    (home / "dagster.yaml").write_text(f"storage:\n  sqlite:\n    base_dir: {elsewhere}\n", "utf-8")
    with open_instance(settings) as instance:
        assert not isinstance(instance.event_log_storage, KeptOpenEventLog)
        assert dg.materialize([figures], instance=instance).success
    assert list(elsewhere.rglob("*.db"))


def test_the_files_are_closed_when_the_run_is_over(settings: Settings) -> None:
    with open_instance(settings) as instance:
        dg.materialize([figures], instance=instance)
    assert not list(settings.dagster_home.rglob("*-wal"))


def test_a_check_is_planned_for_each_of_its_years_as_dagsters_own_log_plans_it(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "dagsters").mkdir()
    years = {"dagster/asset_partition_range_start": "2021", "dagster/asset_partition_range_end": "2022"}
    with (
        open_instance(settings) as ours,
        dg.DagsterInstance.local_temp(str(tmp_path / "dagsters")) as dagsters,
    ):
        for instance in (ours, dagsters):
            assert not dg.materialize([yearly], instance=instance, tags=years, raise_on_error=False).success
    found, as_dagster_has_it = (
        _checks(next(folder.rglob("index.db"))) for folder in (settings.dagster_home, tmp_path / "dagsters")
    )
    assert [row[:4] for row in found] == [('["yearly"]', "adds_up", year, "PLANNED") for year in ("2021", "2022")]
    assert [row[:4] for row in found] == [row[:4] for row in as_dagster_has_it]
    # ids of runs and times differ
    assert [[type(value) for value in row] for row in found] == [
        [type(value) for value in row] for row in as_dagster_has_it
    ]


@dg.asset(
    partitions_def=YEARS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec(name, asset="told") for name in ("adds_up", "is_there")],
)
def told(context: dg.AssetExecutionContext):
    for year in context.partition_keys:
        context.log_event(dg.AssetMaterialization("told", partition=year, tags={"dagster/data_version": year}))
    for name in ("adds_up", "is_there"):
        yield dg.AssetCheckResult(check_name=name, passed=name == "is_there")
    yield dg.MaterializeResult()


def test_the_history_of_a_run_is_that_of_dagsters_own_log(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "dagsters").mkdir()
    years = {"dagster/asset_partition_range_start": "2021", "dagster/asset_partition_range_end": "2022"}
    with (
        open_instance(settings) as ours,
        dg.DagsterInstance.local_temp(str(tmp_path / "dagsters")) as dagsters,
    ):
        for instance in (ours, dagsters):
            assert dg.materialize([told], instance=instance, tags=years).success
            assert not dg.materialize([told, broken], instance=instance, tags=years, raise_on_error=False).success
    found, as_dagster_has_it = (
        _everything(folder / "history" / "runs") for folder in (settings.dagster_home, tmp_path / "dagsters")
    )
    assert found == as_dagster_has_it
    assert {row[0] for row in found["index.db event_logs"]} > {"ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION"}


def test_who_reads_in_the_same_process_sees_what_waits(settings: Settings) -> None:
    seen = []

    @dg.asset(partitions_def=YEARS, backfill_policy=dg.BackfillPolicy.single_run())
    def looks_back(context: dg.AssetExecutionContext) -> None:
        context.log_event(dg.AssetMaterialization("looks_back", partition="2021"))
        seen.append(context.instance.get_materialized_partitions(dg.AssetKey("looks_back")))

    years = {"dagster/asset_partition_range_start": "2021", "dagster/asset_partition_range_end": "2022"}
    with open_instance(settings) as instance:
        assert dg.materialize([looks_back], instance=instance, tags=years).success
    assert seen == [{"2021"}]


def test_a_burst_of_events_is_one_transaction_of_the_index(settings: Settings) -> None:
    committed: list[sa.Connection] = []
    with open_instance(settings) as instance:
        log = instance.event_log_storage
        assert isinstance(log, KeptOpenEventLog)
        with log.index_connection() as connection:
            engine = connection.engine
        sa.event.listen(engine, "commit", committed.append)
        for year in range(2000, 2020):
            instance.report_runless_asset_event(dg.AssetMaterialization("figures", partition=str(year)))
        assert committed == []
        with log.index_connection():
            pass
        assert len(committed) == 2  # of the burst, and of this reader
        assert len(instance.get_materialized_partitions(dg.AssetKey("figures"))) == 20


_WHAT_IS_COMPARED = {
    "event_logs": "dagster_event_type, asset_key, partition, step_key, run_id, id, event",
    "asset_keys": "asset_key, last_run_id, asset_details, last_materialization",
    "asset_event_tags": "asset_key, key, value, event_id",
    "asset_check_executions": "asset_key, check_name, partition, execution_status, run_id, evaluation_event, "
    "evaluation_event_storage_id, materialization_event_storage_id",
}
_OF_ONE_RUN = re.compile(
    r"[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|in [\d.]+(ms|s)\b|\d+\.\d+(e-\d+)?|pid: \d+|"
    r'"log_key": "\w+"'
)


def _everything(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of every table of every file, without what differs from run to run: its id, times and durations."""
    index = sqlite3.connect(folder / "index.db")
    try:
        runs = index.execute("SELECT run_id FROM event_logs GROUP BY run_id ORDER BY min(id)").fetchall()
    finally:
        index.close()
    found = {}
    of_runs = [(f"run {number}", folder / f"{run}.db") for number, (run,) in enumerate(runs)]
    for name, file in [("index.db", folder / "index.db"), *of_runs]:
        connection = sqlite3.connect(file)
        try:
            for table, columns in _WHAT_IS_COMPARED.items():
                rows = connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
                found[f"{name} {table}"] = [
                    tuple(_OF_ONE_RUN.sub("_", each) if isinstance(each, str) else each for each in row) for row in rows
                ]
        finally:
            connection.close()
    return found


def _checks(file: Path) -> list[tuple[object, ...]]:
    """The rows about checks, by partition."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute(
            "SELECT asset_key, check_name, partition, execution_status, evaluation_event, evaluation_event_timestamp, "
            "evaluation_event_storage_id, materialization_event_storage_id "
            "FROM asset_check_executions ORDER BY partition"
        ).fetchall()
    finally:
        connection.close()
