"""What the rest of the package needs of Dagster that Dagster does not export."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.events import DagsterEvent
from dagster._core.execution.api import execute_run
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.execute_in_process import merge_run_tags
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from pce_pipeline.instance.interrupts import never_lost

CODE_LOCATION = "pce_pipeline"
"""The name that workspace.yaml gives our code location."""

AssetJob = UnresolvedAssetJobDefinition
"""What `dagster.define_asset_job` gives."""

_REPOSITORY = "__repository__"  # what Dagster calls that of a code location made of `Definitions`
_HIDDEN = ".dagster/"

PROCESS_TAG = f"{_HIDDEN}pce_process"
"""The tag that says which process executes a run; the page hides tags of this prefix."""


def overrides(home: Path) -> dict[str, object]:
    """What runs that are executed in this process have otherwise than the dagster.yaml of their history says.

    Their output is their own log, where the history keeps that of others: capturing what a process prints forks two
    more for each run. A history that keeps output where we know of none keeps none of theirs.
    """
    kept = InstanceRef.from_dir(str(home)).compute_logs_data
    if kept.class_name == "LocalComputeLogManager":
        own = {"module": "pce_pipeline.instance.own_logs", "class": "OwnLogs", "config": {**kept.config_dict}}
    elif kept.class_name == "LakeComputeLogs":
        own = {"module": "pce_pipeline.instance.compute_logs", "class": "OwnLogsInLake", "config": {}}
    else:
        own = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    return {"compute_logs": own}


class _ToldAsCanceled(InProcessExecutor):
    """Executes steps in this process; a run that is interrupted ends as canceled, and not as failed."""

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        try:
            yield from super().execute(plan_context, execution_plan)
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            plan_context.instance.report_run_canceling(plan_context.dagster_run, "This run was interrupted.")
            raise


@dg.executor(name="in_this_process")
def _in_this_process(_: dg.InitExecutorContext) -> _ToldAsCanceled:
    return _ToldAsCanceled(retries=RetryMode.ENABLED)


def execute_here(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    run_id: str,
    partition_key: str | None,
    tags: Mapping[str, str],
    run_config: Mapping[str, Any],
    selection: Sequence[dg.AssetKey] | None,
) -> None:
    """Execute a job in this process, known to the page as a run of that job of our code location.

    `JobDefinition.execute_in_process` does the same, but its runs are of no job that the page has, and one that is
    interrupted counts as failed. Raises what the job raises, and `KeyboardInterrupt` for an interrupt that came too
    late to stop it.
    """
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(CODE_LOCATION), _REPOSITORY)
    here = job.with_executor_def(_in_this_process)
    run = instance.create_run_for_job(
        job_def=here.get_subset(asset_selection=frozenset(selection)) if selection else here,
        run_id=run_id,
        run_config=run_config,
        tags=merge_run_tags(
            job_def=job,
            partition_key=partition_key,
            tags=tags,
            asset_selection=selection or [],
            instance=instance,
            run_config=run_config,
        ),
        asset_selection=frozenset(selection) if selection else None,
        remote_job_origin=RemoteJobOrigin(repository, job.name),
    )
    with never_lost():
        execute_run(InMemoryJob(here), run, instance, raise_on_error=True)
