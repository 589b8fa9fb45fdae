"""Running the two jobs in this process, on the history that the settings name; what a run did, for its caller.

Whatever Dagster wraps around an error comes off again here, so that callers see the pipeline's own errors. A run that
died with its process is noticed by the next one and marked as failed, so that nobody waits for it.
"""

import os
import socket
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
import psutil

from pce_pipeline.automation.jobs import EXTRACT, REFRESH, range_tags
from pce_pipeline.automation.sensor import extract_config, register_extracts
from pce_pipeline.catalog import load_catalog
from pce_pipeline.errors import PceError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.local.world import prepared_dagster_home
from pce_pipeline.observability.records import CheckOutcome, RunJournal, RunRecord
from pce_pipeline.settings import Settings

_PROCESS = "pce/process"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# Capturing output forks two processes per run; the run's own log lies in the lake.
_WITHOUT_CAPTURE = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class ChecksBlocked(PceError):
    """Checks stopped a run before it published: `checks` are those that failed, `examples` what they found."""

    def __init__(self, run_id: str, message: str, checks: Sequence[CheckOutcome], examples: Sequence[str]) -> None:
        self.run_id = run_id
        self.checks = tuple(checks)
        self.examples = tuple(examples)
        super().__init__(
            message,
            remedy="\n".join(
                [*examples, "What was published before stands. `make dev` shows the run with all checks."]
            ),
        )


@dataclass(frozen=True)
class Checks:
    """How many checks of a run passed, failed (they block) and warned, and those that did not pass."""

    passed: int
    failed: int
    warned: int
    problems: tuple[CheckOutcome, ...]

    @classmethod
    def of(cls, record: RunRecord) -> "Checks":
        problems = tuple(check for check in record.checks if not check.passed)
        failed = sum(check.severity == "error" for check in problems)
        return cls(len(record.checks) - len(problems), failed, len(problems) - failed, problems)


@dataclass(frozen=True)
class ExtractRun:
    """What an extract run came to.

    `outcome` is new, unchanged or verified; `extract` exists now, and is None where nothing was new; `equals` names
    the extract that each unchanged table equals. `rows` are cells by BEA table; `seconds` are of the whole run.
    """

    run_id: str
    outcome: str
    extract: str | None
    origin: str
    rows: Mapping[str, int]
    changed: tuple[str, ...]
    equals: Mapping[str, str]
    checks: Checks
    seconds: float


@dataclass(frozen=True)
class Stage:
    """One step of a refresh.

    `written`, `refreshed` (same content from other inputs or code) and `unchanged` are partitions; `loaded` counts
    the rows a load inserted, updated, deleted and found unchanged, by table.
    """

    name: str
    seconds: float
    rows: int
    written: tuple[str, ...]
    refreshed: tuple[str, ...]
    unchanged: tuple[str, ...]
    loaded: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class RefreshRun:
    """What a refresh of the years `first` to `last` did; `seconds` are of the whole run."""

    run_id: str
    first: int
    last: int
    stages: tuple[Stage, ...]
    checks: Checks
    seconds: float

    @property
    def wrote(self) -> bool:
        """Whether anything but records was written."""
        return any(
            stage.written
            or stage.refreshed
            or any(counts[what] for counts in stage.loaded.values() for what in ("inserted", "updated", "deleted"))
            for stage in self.stages
        )


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's history: of DAGSTER_HOME, of the laptop's world, or, elsewhere, none that outlives the process."""
    if settings.env != "local" and settings.chosen_dagster_home is None:
        opened = dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}})
    else:
        opened = dg.DagsterInstance.local_temp(str(prepared_dagster_home(settings)), overrides=_WITHOUT_CAPTURE)
    with opened as instance:
        _mark_dead_runs(instance)
        yield instance


def run_extract(
    settings: Settings,
    instance: dg.DagsterInstance,
    extract: ExtractId,
    *,
    tables: Sequence[str] = (),
    files: Sequence[str] = (),
) -> ExtractRun:
    """Materialise one extract: taken if it is the next of its day, verified if it exists.

    Raises what the pipeline raised, or `ChecksBlocked`.
    """
    lake = Lake.of(settings, load_catalog(settings.profile).dataset)
    _register(instance, lake, planned=str(extract))
    try:
        record = _run(settings, instance, EXTRACT, partition_key=str(extract), config=extract_config(tables, files))
    finally:
        _register(instance, lake)
    step = record.steps[-1]
    taken = step.outputs.get("extract")
    equals = step.outputs.get("equals", {})
    holders = {ExtractId.parse(held) for held in ([taken] if taken else equals.values())}
    rows = {
        table: entry.rows
        for holder in sorted(holders)
        for table, entry in lake.bronze.manifest(holder).tables.items()
        if taken or equals.get(table) == str(holder)
    }
    return ExtractRun(
        run_id=record.run_id,
        outcome=step.outputs["outcome"],
        extract=taken,
        origin=lake.bronze.manifest(ExtractId.parse(taken)).origin if taken else str(record.requested["origin"]),
        rows=rows,
        changed=tuple(step.outputs.get("changed", ())),
        equals=equals,
        checks=Checks.of(record),
        seconds=_seconds(record),
    )


def run_refresh(settings: Settings, instance: dg.DagsterInstance, first: int, last: int) -> RefreshRun:
    """Bring the years `first` to `last` from Bronze to Postgres in one run.

    Raises what the pipeline raised, or `ChecksBlocked`.
    """
    _register(instance, Lake.of(settings, load_catalog(settings.profile).dataset))
    record = _run(settings, instance, REFRESH, tags=range_tags(first, last))
    return RefreshRun(
        run_id=record.run_id,
        first=first,
        last=last,
        stages=tuple(
            Stage(
                name=step.step,
                seconds=step.seconds,
                rows=sum(step.rows.values()),
                written=tuple(step.outputs.get("written", ())),
                refreshed=tuple(step.outputs.get("refreshed", ())),
                unchanged=tuple(step.outputs.get("unchanged", ())),
                loaded={table: counts for table, counts in step.outputs.items() if isinstance(counts, dict)}
                if step.step == "postgres"
                else {},
            )
            for step in record.steps
        ),
        checks=Checks.of(record),
        seconds=_seconds(record),
    )


def _run(
    settings: Settings,
    instance: dg.DagsterInstance,
    job: str,
    *,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
) -> RunRecord:
    run_id = str(uuid.uuid4())
    with warnings.catch_warnings():
        # Dagster calls parameters that we use on purpose beta, each time one is used.
        warnings.simplefilter("ignore", dg.BetaWarning)
        from pce_pipeline.definitions import build_definitions  # noqa: PLC0415 (warns while it is imported)

        definitions = build_definitions(settings)
        journal: RunJournal = (definitions.resources or {})["journal"]
        try:
            definitions.resolve_job_def(job).execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=partition_key,
                tags={**(tags or {}), _PROCESS: _this_process()},
                run_config={**(config or {}), **_QUIET},
            )
        except dg.DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None
        except Exception as error:
            raise _unwrapped(error, run_id, journal) from error
    record = journal.read(run_id)
    if record is None:
        raise PceError(f"The run {run_id} left no record.", remedy="Run the same command again.")
    return record


def _unwrapped(error: Exception, run_id: str, journal: RunJournal) -> Exception:
    """The pipeline's own error inside what Dagster raised; what it raised where there is none."""
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        if isinstance(inner, PceError):
            return inner
        if isinstance(inner, dg.Failure):
            record = journal.read(run_id)
            return ChecksBlocked(
                run_id,
                inner.description or "A check failed.",
                Checks.of(record).problems if record else (),
                [line for found in inner.metadata.values() for line in str(found.value).splitlines()],
            )
        seen.append(inner)
        inner = inner.__cause__ or inner.__context__
    return error


def _register(instance: dg.DagsterInstance, lake: Lake, *, planned: str | None = None) -> None:
    """Make the instance's extract dates those of the lake; what another run may be taking just now stays."""
    alone = instance.get_runs_count(dg.RunsFilter(statuses=_UNFINISHED)) == 0
    for request in register_extracts(instance, lake, planned=planned):
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        elif alone:
            for key in request.partition_keys:
                instance.delete_dynamic_partition(request.partitions_def_name, key)


def _mark_dead_runs(instance: dg.DagsterInstance) -> None:
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if _is_dead(run.tags.get(_PROCESS)):
            instance.report_run_failed(run, "The process of this run was killed; running again goes on.")


def _this_process() -> str:
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.2f}"


def _is_dead(process: str | None) -> bool:
    """Whether that process of this machine is gone; a process elsewhere, or unknown, is not known to be."""
    if process is None:
        return False
    host, pid, created = process.rsplit(" ", 2)
    if host != socket.gethostname():
        return False
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" != created
    except psutil.NoSuchProcess:
        return True


def _seconds(record: RunRecord) -> float:
    return round(sum(step.seconds for step in record.steps), 3)
