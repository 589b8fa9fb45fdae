"""The laptop's event log writes what Dagster's own reads."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest

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
