"""Running the jobs in this process, on the history that the settings name; what a run did, for its caller.

Whatever Dagster wraps around an error comes off again here, so that callers see the pipeline's own errors. A run that
died with its process is noticed by the next one and marked as failed, so that nobody waits for it.
"""

import logging
import os
import socket
import uuid
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import dagster as dg
import psutil

from pce_pipeline.automation.diagnosis import HistorySeen
from pce_pipeline.automation.jobs import (
    LONGEST_RUN,
    REFRESH,
    assets_of,
    extract_config,
    extract_job_name,
    range_tags,
)
from pce_pipeline.automation.newest_release import evaluations, newest_releases
from pce_pipeline.automation.sensor import register_extracts
from pce_pipeline.automation.state import Situation
from pce_pipeline.bronze.feeds import NO_FILES, Files
from pce_pipeline.bronze.manifest import TableEntry
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.errors import PceError
from pce_pipeline.instance.private import PROCESS_TAG, execute_here, overrides
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.local.world import alone, is_as_prepared, prepared_dagster_home
from pce_pipeline.observability.records import CheckOutcome, RunJournal, RunRecord, StepRecord
from pce_pipeline.settings import Settings
from pce_pipeline.shell.deferring import DatasetsPutOff
from pce_pipeline.shell.partitions import extracts_of
from pce_pipeline.shell.tags import forced_tag, why_tag, world_tag
from pce_pipeline.tables.registry import Registry, load_registry

_PROCESS_TAGS = (PROCESS_TAG, "pce/process")  # and the one of histories of before
_CLOCK_DRIFT_SECONDS = 10.0  # when a process began is told by a clock that may be set meanwhile
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


Build = Callable[[Settings], dg.Definitions]
"""What makes the code location of some settings."""


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
    """What the checks of a run said."""

    passed: int
    """How many passed."""
    failed: int
    """How many failed, and block."""
    warned: int
    """How many did not pass, and only warn."""
    problems: tuple[CheckOutcome, ...]
    """Those that did not pass."""

    @classmethod
    def of(cls, record: RunRecord) -> "Checks":
        problems = tuple(check for check in record.checks if not check.passed)
        failed = sum(check.severity == "error" for check in problems)
        return cls(len(record.checks) - len(problems), failed, len(problems) - failed, problems)


@dataclass(frozen=True)
class ExtractRun:
    """What an extract run came to."""

    run_id: str
    """Dagster's id of the run."""
    dataset: str
    """The dataset it is of."""
    outcome: str
    """`new`, `unchanged` or `verified`."""
    extract: str | None
    """The extract that exists now; None where nothing was new."""
    origin: str
    """Where it came from: `api`, `bulk`, `file`, `derived` or `sample`."""
    tables: Mapping[str, TableEntry]
    """What it holds, or what it equals."""
    changed: tuple[str, ...]
    """The tables that say something new."""
    equals: Mapping[str, str]
    """For the other tables, the extract that says the same."""
    counts: Mapping[str, bool]
    """Whether each table counts."""
    why: Mapping[str, str]
    """Why each table counts or does not."""
    refused: Mapping[str, str]
    """The tables of BEA's answer that do not count, each with the reason: somebody has to decide."""
    unusable: tuple[str, ...]
    """Those of them that Silver cannot be made of, so that no decision helps."""
    contradicts: Mapping[str, int]
    """For tables of a file, how many figures of its own release it contradicts."""
    stack_lacks: tuple[str, ...]
    """Places of the lake that the environment's stack lets nothing be written below, because it is older."""
    checks: Checks
    """What the checks said."""
    seconds: float
    """Of the whole run."""

    @property
    def rows(self) -> int:
        """The cells taken, verified or compared."""
        return sum(entry.rows for entry in self.tables.values())


@dataclass(frozen=True)
class Stage:
    """One step of a refresh."""

    name: str
    """The step's name."""
    seconds: float
    """How long it took."""
    rows: int
    """The rows it made."""
    written: tuple[str, ...]
    """The partitions with new content."""
    refreshed: tuple[str, ...]
    """The partitions with the same content from other inputs or code."""
    unchanged: tuple[str, ...]
    """The partitions that were made again, and came out as they were."""
    standing: tuple[str, ...]
    """The partitions that were left alone: nothing that they are made from has changed."""
    withdrawn: tuple[str, ...]
    """The partitions that no extract covers any more."""
    loaded: Mapping[str, Mapping[str, int]]
    """By table, how many rows a load inserted, updated, deleted and found unchanged."""


@dataclass(frozen=True)
class RefreshRun:
    """What a refresh did."""

    run_id: str
    """Dagster's id of the run."""
    first: int
    """The first year refreshed."""
    last: int
    """The last year refreshed."""
    stages: tuple[Stage, ...]
    """Its steps."""
    checks: Checks
    """What the checks said."""
    seconds: float
    """Of the whole run."""
    put_off: Mapping[str, str]
    """The datasets that failed, each with the reason, while the others were loaded."""
    stack_lacks: tuple[str, ...]
    """Places of the lake that the environment's stack lets nothing be written below, because it is older."""

    @property
    def wrote(self) -> bool:
        """Whether anything but records was written."""
        return any(
            stage.written
            or stage.refreshed
            or stage.withdrawn
            or any(counts[what] for counts in stage.loaded.values() for what in ("inserted", "updated", "deleted"))
            for stage in self.stages
        )


def look_at_history(settings: Settings, lake: Lake, registry: Registry) -> HistorySeen | None:
    """What Dagster's history says, and nothing is changed in it; None where there is none."""
    if settings.env != "local" and settings.chosen_dagster_home is None:
        return None
    if not (settings.dagster_home / "dagster.yaml").exists():
        return None
    with open_instance(settings, marks_dead_runs=False) as instance:
        dead = [run.run_id for run, _ in _dead_runs(instance)]
        running = [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))]
        of = {name: f"{name} " if len(registry.datasets) > 1 else "" for name in registry.datasets}
        held = {
            f"{of[name]}{extract}"
            for name, dataset in registry.datasets.items()
            for extract in bronze_of(lake, dataset).extracts()
        }
        known = {
            f"{of[name]}{key}"
            for name in registry.datasets
            for key in instance.get_dynamic_partitions(extracts_of(name).name or "")
        }
        return HistorySeen(
            tuple(dead),
            tuple(run for run in running if run not in dead),
            tuple(sorted(held - known)),
            tuple(sorted(known - held)),
        )


@contextmanager
def open_instance(settings: Settings, *, marks_dead_runs: bool = True) -> Iterator[dg.DagsterInstance]:
    """Dagster's history: of DAGSTER_HOME, of the laptop's world, or, elsewhere, none that outlives the process."""
    if settings.env != "local" and settings.chosen_dagster_home is None:
        with dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}) as instance:
            yield instance
        return
    home = prepared_dagster_home(settings)
    # Ctrl-C while a file of the history is being closed is told as Ctrl-C, and not with a stack beside it.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    with dg.DagsterInstance.local_temp(str(home), overrides=_overrides(home)) as instance:
        if marks_dead_runs:
            _mark_dead_runs(instance)
        yield instance


def _overrides(home: Path) -> dict[str, object]:
    """What a run in this process has otherwise than its history's dagster.yaml says."""
    if not is_as_prepared(home):
        return overrides(home)
    kept_open = {
        "module": "pce_pipeline.instance.sqlite",
        "class": "KeptOpenEventLog",
        "config": {"base_dir": str(home / "history" / "runs")},
    }
    return {**overrides(home), "event_log_storage": kept_open}


class Jobs:
    """The jobs of one world; `open_jobs` makes one."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, build: Build) -> None:
        self._settings = settings
        self._instance = instance
        self._build = build
        self._registry = load_registry(settings.profile, settings.catalog)
        self._lake = Lake.of(settings)
        self._journal = RunJournal(self._lake)

    def settle(self) -> None:
        """Make the extract dates of Dagster's history those of the lake; dead runs were marked as it was opened."""
        self._register()

    def extract(
        self,
        dataset: str,
        extract: ExtractId,
        *,
        why: Mapping[str, str] | str,
        tables: Sequence[str] = (),
        files: Files = NO_FILES,
    ) -> ExtractRun:
        """Materialise one extract of a dataset: taken if it is the next of its day, verified if it exists.

        Tables of BEA's answer that do not count are in `refused`. Raises what the pipeline raised, or `ChecksBlocked`.
        """
        self._registry.datasets[dataset].chosen_tables(tables)
        self._register(planned={dataset: str(extract)})
        try:
            record = self._run(
                extract_job_name(dataset),
                partition_key=str(extract),
                tags=why_tag(why),
                config=extract_config(dataset, tables, files),
            )
        except ChecksBlocked as blocked:
            left = self._journal.read(blocked.run_id)
            if left is None or not left.steps[-1].outputs.get("refused"):
                raise
            record = left  # what BEA answered is kept, and does not count: the other tables go on
        finally:
            self._register()
        step = record.steps[-1]
        taken: str | None = step.outputs.get("extract")
        equals: dict[str, str] = step.outputs.get("equals", {})
        held = bronze_of(self._lake, self._registry.datasets[dataset]).manifests()
        tables_of = held[ExtractId.parse(taken)].tables if taken else {}
        return ExtractRun(
            run_id=record.run_id,
            dataset=dataset,
            outcome=step.outputs["outcome"],
            extract=taken,
            origin=held[ExtractId.parse(taken)].origin if taken else record.requested["origin"],
            tables=tables_of or {table: held[ExtractId.parse(equal)].tables[table] for table, equal in equals.items()},
            changed=tuple(step.outputs.get("changed", ())),
            equals=equals,
            counts=step.outputs.get("counts", {}),
            why=step.outputs.get("why", {}),
            refused=step.outputs.get("refused", {}),
            unusable=tuple(step.outputs.get("unusable", ())),
            contradicts=step.outputs.get("contradicts", {}),
            stack_lacks=_stack_lacks(record),
            checks=Checks.of(record),
            seconds=_seconds(record),
        )

    def refresh(
        self,
        first: int,
        last: int,
        *,
        why: Mapping[str, str] | str,
        datasets: Collection[str] | None = None,
        force: bool = False,
    ) -> RefreshRun:
        """Bring the years `first` to `last` from Bronze to Postgres in one run, of all datasets or of these.

        What stands is left alone; with `force` all is read, computed, judged and loaded again.

        Raises what the pipeline raised, or `ChecksBlocked`; datasets that failed beside others are told, not raised.
        """
        self._register()
        chosen = None if datasets is None else assets_of(self._registry, datasets)
        try:
            forced = forced_tag() if force else {}
            record = self._run(REFRESH, tags={**range_tags(first, last), **why_tag(why), **forced}, selection=chosen)
        except DatasetsPutOff as put_off:
            left = self._journal.read(put_off.run_id)
            if left is None:
                raise
            record = left
        return RefreshRun(
            run_id=record.run_id,
            first=first,
            last=last,
            stages=tuple(_stage(step) for step in record.steps),
            checks=Checks.of(record),
            seconds=_seconds(record),
            put_off=record.put_off,
            stack_lacks=_stack_lacks(record),
        )

    def tell_releases(self, found: Situation) -> None:
        """Report on the page whether the tables are made of the newest release, as the sensor does."""
        for each in evaluations(newest_releases(found, grace=timedelta(hours=self._settings.late_after_hours))):
            self._instance.report_runless_asset_event(each)

    def _run(
        self,
        job: str,
        *,
        partition_key: str | None = None,
        tags: Mapping[str, str],
        config: Mapping[str, object] | None = None,
        selection: Sequence[dg.AssetKey] | None = None,
    ) -> RunRecord:
        run_id = str(uuid.uuid4())
        try:
            with warnings.catch_warnings():
                # Dagster calls parameters that we use on purpose beta, each time one is used.
                warnings.simplefilter("ignore", dg.BetaWarning)
                execute_here(
                    self._definitions.resolve_job_def(job),
                    self._instance,
                    run_id=run_id,
                    partition_key=partition_key,
                    tags={**tags, **world_tag(self._settings), PROCESS_TAG: _this_process()},
                    run_config={**(config or {}), **_QUIET},
                    selection=selection,
                )
        except dg.DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None
        except Exception as error:
            raise _unwrapped(error, run_id, self._journal.read(run_id)) from error
        record = self._journal.read(run_id)
        if record is None:
            raise PceError(f"The run {run_id} left no record.", remedy="Run the same command again.")
        return record

    @cached_property
    def _definitions(self) -> dg.Definitions:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            return self._build(self._settings)

    def _register(self, *, planned: Mapping[str, str] | None = None) -> None:
        """Make the instance's extract dates those of the lake; what another run may be taking just now stays."""
        alone = self._instance.get_runs_count(dg.RunsFilter(statuses=_UNFINISHED)) == 0
        for request in register_extracts(self._instance, self._lake, self._registry, planned=planned):
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self._instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
            elif alone:
                for key in request.partition_keys:
                    self._instance.delete_dynamic_partition(request.partitions_def_name, key)


@contextmanager
def open_jobs(settings: Settings, build: Build) -> Iterator[Jobs]:
    """The jobs of the world that the settings name, on its history; a laptop's world has them for one at a time.

    `build` makes the code location: this room is below it.
    """
    with alone(settings) if settings.env == "local" else nullcontext(), open_instance(settings) as instance:
        yield Jobs(settings, instance, build)


def _stack_lacks(record: RunRecord) -> tuple[str, ...]:
    return tuple(sorted({place for step in record.steps for place in step.outputs.get("stack_lacks", ())}))


def _stage(step: StepRecord) -> Stage:
    return Stage(
        name=step.step,
        seconds=step.seconds,
        rows=sum(step.rows.values()),
        written=tuple(step.outputs.get("written", ())),
        refreshed=tuple(step.outputs.get("refreshed", ())),
        unchanged=tuple(step.outputs.get("unchanged", ())),
        standing=tuple(step.outputs.get("standing", ())),
        withdrawn=tuple(step.outputs.get("withdrawn", ())),
        loaded={
            table: counts for table, counts in step.outputs.items() if isinstance(counts, dict) and "inserted" in counts
        },
    )


def _unwrapped(error: Exception, run_id: str, record: RunRecord | None) -> Exception:
    """The pipeline's own error inside what Dagster raised; what it raised where there is none."""
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        if isinstance(inner, PceError):
            return inner
        if isinstance(inner, dg.Failure):
            return ChecksBlocked(
                run_id,
                inner.description or "A check failed.",
                Checks.of(record).problems if record else (),
                [line for found in inner.metadata.values() for line in str(found.value).splitlines()],
            )
        seen.append(inner)
        inner = inner.__cause__ or inner.__context__
    return error


def _dead_runs(instance: dg.DagsterInstance) -> list[tuple[dg.DagsterRun, str]]:
    """The runs that nobody will end any more, and why."""
    dead = {
        run.run_id: (run, "The process of this run was killed; running again goes on.")
        for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
        if _is_dead(next((run.tags[tag] for tag in _PROCESS_TAGS if tag in run.tags), None))
    }
    unheard_of = dg.RunsFilter(statuses=_UNFINISHED, updated_before=datetime.now(UTC) - LONGEST_RUN)
    for run in instance.get_runs(unheard_of):
        dead.setdefault(run.run_id, (run, "The machine of this run is gone; running again goes on."))
    return list(dead.values())


def _mark_dead_runs(instance: dg.DagsterInstance) -> None:
    for run, why in _dead_runs(instance):
        instance.report_run_failed(run, why)


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
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > _CLOCK_DRIFT_SECONDS
    except psutil.NoSuchProcess:
        return True


def _seconds(record: RunRecord) -> float:
    return round(sum(step.seconds for step in record.steps), 3)
