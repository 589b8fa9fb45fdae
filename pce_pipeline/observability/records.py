"""One record per run: what was asked, what went in, what came out, what the checks said, how long it took.

A run's steps add to its record as they start and finish, so a killed run leaves the record of what it did. The record
lies in the lake beside the run's log, and the load into Postgres carries it in the same transaction as the data. A
run may be continued by another process, but not worked on by two at once.
"""

import logging
import platform
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
import structlog

from pce_pipeline import __version__
from pce_pipeline.decoding import decoded_json
from pce_pipeline.errors import PceError
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.integrity import Damage
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import logs, progress
from pce_pipeline.observability.audit import AuditEntry, StepTrail, latest_changes, of_changed_tables

_log = structlog.get_logger()


class CheckOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one asset check said in a run."""

    asset: str
    name: str
    passed: bool
    severity: str
    summary: str
    figures: dict[str, Any] = {}
    largest: list[dict[str, Any]] = []
    """The largest deviation of each dataset and explanation, of a check that measures some."""
    checked_at: datetime | None = None
    """When (UTC); None in records of before this was kept."""


class StepRecord(msgspec.Struct, kw_only=True):
    """One step of a run: its partitions, inputs, outputs and seconds."""

    step: str
    partitions: list[str]
    started_at: datetime
    status: str = "running"
    seconds: float = 0.0
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    rows: dict[str, int] = {}
    checks: list[CheckOutcome] = []
    error: str | None = None
    put_off: dict[str, str] = {}
    """The datasets that failed in this step, each with the reason, while the run went on with the others."""
    rolled_back: list[str] = []
    """The partitions that an earlier vintage took over, as `<table>/<partition>`."""
    audited: int = 0
    """How many entries of the audit trail it left; they lie beside the record."""


class RunRecord(msgspec.Struct, kw_only=True):
    """One run, as stored in the lake and in meta.ingest_runs."""

    run_id: str
    env: str
    world: str
    dataset: str
    """The datasets that its steps are of, in their order."""
    job: str
    requested: dict[str, Any]
    started_at: datetime
    updated_at: datetime
    extracts: list[str] = []
    steps: list[StepRecord] = []
    versions: dict[str, str] = {}

    @property
    def status(self) -> str:
        """The worst of what the steps say so far: failed, running, else succeeded."""
        said = {step.status for step in self.steps} | ({"failed"} if self.put_off else set())
        return next((status for status in ("failed", "running") if status in said), "succeeded")

    @property
    def put_off(self) -> dict[str, str]:
        """The datasets that failed, each with the reason, while the run went on with the others."""
        return {dataset: why for step in self.steps for dataset, why in step.put_off.items()}

    @property
    def checks(self) -> list[CheckOutcome]:
        return [check for step in self.steps for check in step.checks]

    def step(self, name: str) -> StepRecord | None:
        return next((step for step in self.steps if step.step == name), None)


@dataclass
class Step:
    """The running step, for the code that does its work."""

    record: StepRecord
    """Its record."""
    run: RunRecord
    """The record of its run."""
    facts: Mapping[str, str]
    """What stands on each of its log lines."""
    entries: list[AuditEntry] = field(default_factory=list)
    """What it made of the partitions that it worked on."""
    _started: float = field(default_factory=time.perf_counter)

    def inputs(self, **facts: object) -> None:
        self.record.inputs.update(facts)

    def outputs(self, **facts: object) -> None:
        self.record.outputs.update(facts)

    def rows(self, **counts: int) -> None:
        self.record.rows.update(counts)

    def check(self, outcome: CheckOutcome) -> None:
        """Keep what a check says, which it says now."""
        self.record.checks.append(msgspec.structs.replace(outcome, checked_at=datetime.now(UTC)))

    def audit(self, entries: Iterable[AuditEntry]) -> None:
        """Keep what the step made of partitions; its checks and seconds are added at its end."""
        self.entries.extend(entries)
        gone_back = [f"{entry.table}/{entry.partition}" for entry in self.entries if entry.event == "rolled_back"]
        self.record.rolled_back = list(dict.fromkeys([*self.record.rolled_back, *gone_back]))

    @property
    def trail(self) -> list[AuditEntry]:
        """The entries of the tables that have changed, with the checks and seconds of the step, which has ended."""
        passed = sum(check.passed for check in self.record.checks)
        return [
            msgspec.structs.replace(
                entry,
                checks_passed=passed,
                checks_failed=len(self.record.checks) - passed,
                step_seconds=self.record.seconds,
            )
            for entry in of_changed_tables(self.entries)
        ]

    def put_off(self, dataset: str, error: Exception) -> None:
        """Record that a dataset failed in this step, and that the run goes on without it."""
        self.record.put_off[dataset] = logs.without_secrets(_told(error))
        _log.error("dataset put off", dataset=dataset, error=self.record.put_off[dataset])

    def extract(self, extract: str) -> None:
        if extract not in self.run.extracts:
            self.run.extracts.append(extract)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


_RECORD = "record.json"
_AUDIT = "audit.{}.json"
_LOG = "log.jsonl"
_BETWEEN = ", "

_VERSIONS = {
    "pce_pipeline": __version__,
    "python": platform.python_version(),
    "polars": pl.__version__,
}


def _read_through(name: str, body: bytes) -> None:
    """Read a file of a run. Raises `msgspec.DecodeError`."""
    if name == _LOG:
        for line in body.splitlines():
            decoded_json(line, dict)
    else:
        decoded_json(body, RunRecord if name == _RECORD else StepTrail)


class RunJournal:
    """Keeps the records of this process's runs and writes each to the lake as it grows."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._runs: dict[str, RunRecord] = {}
        self._logs_before: dict[str, bytes] = {}
        self._steps: dict[tuple[str, str], Step] = {}
        self._lock = threading.Lock()

    def open(self, run_id: str, *, job: str, requested: Mapping[str, Any]) -> RunRecord:
        """The run's record: the one of this process, else the one another process of this run has left, else new."""
        with self._lock:
            if run_id not in self._runs:
                left = self.read(run_id)
                self._logs_before[run_id] = self._log_of_others(run_id) if left else b""
                self._runs[run_id] = left or RunRecord(
                    run_id=run_id,
                    env=self._lake.layout.env,
                    world=self._lake.layout.world,
                    dataset="",
                    job=job,
                    requested={},
                    started_at=datetime.now(UTC),
                    updated_at=datetime.now(UTC),
                    versions=dict(_VERSIONS),
                )
            run = self._runs[run_id]
            run.requested = {**requested, **run.requested}
            return run

    def _log_of_others(self, run_id: str) -> bytes:
        """What other processes have logged of the run: `logs` keeps the lines of this one, whichever journal wrote."""
        own = set(logs.log_of(run_id).splitlines(keepends=True))
        stored = (self._read(run_id, _LOG) or b"").splitlines(keepends=True)
        return b"".join(line for line in stored if line not in own)

    @contextmanager
    def step(
        self,
        run_id: str,
        step: str,
        *,
        datasets: Sequence[str],
        partitions: list[str],
        job: str,
        requested: Mapping[str, Any],
    ) -> Iterator[Step]:
        """Record and log one step of some datasets; what it raises is recorded and raised on.

        The partitions of the run's first step that has any are recorded as asked for, beside `requested`.
        """
        span = f"{partitions[0]}...{partitions[-1]}" if len(partitions) > 1 else "".join(partitions)
        run = self.open(run_id, job=job, requested={**requested, **({"partitions": span} if span else {})})
        record = StepRecord(step=step, partitions=partitions, started_at=datetime.now(UTC))
        if (first_try := run.step(step)) is not None:  # what it has changed stays changed
            record.audited, record.rolled_back = first_try.audited, list(first_try.rolled_back)
        run.steps = [other for other in run.steps if other.step != step] + [record]
        known = run.dataset.split(_BETWEEN) if run.dataset else []
        run.dataset = _BETWEEN.join([*known, *(each for each in datasets if each not in known)])
        facts = {"run_id": run_id, "dataset": _BETWEEN.join(datasets), "step": step, "partition": span or WHOLE}
        running = Step(record, run, facts)
        self._steps[run_id, step] = running
        progress.stage(step)
        with logs.bound(**running.facts):
            _log.info("step started")
            self.write(run)
            try:
                yield running
            except GeneratorExit as dropped:
                # Dagster drops a step whose output it could not store; what went wrong there is recorded already
                if self.running(run_id, step) is running:
                    self._end(running, dropped)
                return
            except BaseException as error:
                self._end(running, error)
                raise
            self._end(running, None)

    def stopped(self, run_id: str) -> None:
        """Record that a run is over although steps of it have not ended: it was interrupted, which they never learn."""
        for step in [each for (run, _), each in self._steps.items() if run == run_id]:
            self._end(step, InterruptedError("the run was stopped before the step had ended"))

    def stored_badly(self, run_id: str, step: str, error: BaseException) -> None:
        """Record that a step's output could not be stored, which the step itself never learns."""
        running = self.running(run_id, step)
        if running is not None:
            self._end(running, error)

    def _end(self, step: Step, error: BaseException | None) -> None:
        record = step.record
        record.seconds = round(step.seconds, 3)
        record.status = "succeeded" if error is None else "failed"
        record.error = None if error is None else logs.without_secrets(_told(error))
        self._steps.pop((step.run.run_id, record.step), None)
        with logs.bound(**step.facts):
            _log.log(
                logging.INFO if error is None else logging.ERROR,
                "step finished",
                status=record.status,
                seconds=record.seconds,
                rows=record.rows,
                error=record.error,
            )
            try:
                self._keep_trail(step)
                self.write(step.run)
            except PceError as unwritten:
                if error is None:
                    raise
                # the first error is the one to report
                _log.warning("the run's record could not be written", problem=str(unwritten))

    def running(self, run_id: str, step: str) -> Step | None:
        """The step that is running now, for code that Dagster calls on its behalf (the IO manager)."""
        return self._steps.get((run_id, step))

    def write(self, run: RunRecord) -> None:
        """Put the record and the log of a run into the lake."""
        run.updated_at = datetime.now(UTC)
        record = logs.without_secrets(msgspec.json.encode(run, enc_hook=str).decode())
        self._lake.store.put_many(
            {
                self._key(run.run_id, _RECORD): record.encode(),
                self._key(run.run_id, _LOG): self._logs_before.get(run.run_id, b"") + logs.log_of(run.run_id),
            }
        )

    def read(self, run_id: str) -> RunRecord | None:
        """A run's record from the lake, if it has one. Raises `DamagedObject`."""
        body = self._read(run_id, _RECORD)
        if body is None:
            return None
        try:
            return decoded_json(body, RunRecord)
        except msgspec.DecodeError as wrong:
            key = self._key(run_id, _RECORD)
            raise DamagedObject(
                key,
                "a run's record",
                str(wrong),
                remedy="Restore it from a backup or an earlier version in the bucket: the run's history is in it.",
            ) from None

    def earlier(self, *, besides: Collection[str]) -> Iterator[RunRecord]:
        """The records of the other runs of this world; one that cannot be read is left out, and the log says so."""
        layout = self._lake.layout
        runs = self._lake.store.list_dirs(f"{layout.runs}/{layout.world}")
        keys = [self._key(run_id, _RECORD) for run_id in runs if run_id not in besides]
        for key, body in self._lake.store.get_many(keys, missing_ok=True).items():
            try:
                yield decoded_json(body, RunRecord)
            except msgspec.DecodeError as unreadable:
                _log.warning("a run's record cannot be read", key=key, problem=str(unreadable))

    def damages(self) -> list[Damage]:
        """What of the runs of this world cannot be read: records, parts of the audit trail, lines of logs."""
        layout = self._lake.layout
        keys = [info.key for info in self._lake.store.list(f"{layout.runs}/{layout.world}")]
        found = []
        for key, body in self._lake.store.get_many(keys, missing_ok=True).items():
            try:
                _read_through(key.rpartition("/")[2], body)
            except msgspec.DecodeError as unreadable:
                found.append(Damage(key, "changed", "what a run recorded", str(unreadable)))
        return found

    def trail(self, run: RunRecord) -> list[AuditEntry]:
        """What the steps of a run that have ended made of partitions, in their order."""
        return self._entries(run.run_id, [step.step for step in run.steps if step.audited])

    def _entries(self, run_id: str, steps: Sequence[str]) -> list[AuditEntry]:
        bodies = self._lake.store.get_many([self._audit_key(run_id, step) for step in steps], missing_ok=True)
        return [entry for body in bodies.values() for entry in decoded_json(body, StepTrail).entries]

    def _keep_trail(self, step: Step) -> None:
        """Put the step's part of the audit trail into the lake, beside what an earlier try of it left."""
        entries, record = step.trail, step.record
        if record.audited:
            entries = latest_changes([*self._entries(step.run.run_id, [record.step]), *entries])
        if entries:
            body = msgspec.json.encode(StepTrail(run_id=step.run.run_id, step=record.step, entries=entries))
            self._lake.store.put(self._audit_key(step.run.run_id, record.step), body)
        record.audited = len(entries)

    def _audit_key(self, run_id: str, step: str) -> str:
        return self._key(run_id, _AUDIT.format(step.replace("/", ".")))

    def newest(self, most: int) -> list[RunRecord]:
        """The records of the newest runs of this world, the newest first, so many at most."""
        folder = f"{self._lake.layout.runs}/{self._lake.layout.world}"
        touched: dict[str, datetime] = {}
        for info in self._lake.store.list(folder):
            run = info.key.removeprefix(f"{folder}/").partition("/")[0]
            touched[run] = max(info.last_modified, touched.get(run, info.last_modified))
        chosen = sorted(touched, key=lambda each: touched[each], reverse=True)[:most]
        bodies = self._lake.store.get_many([self._key(run, _RECORD) for run in chosen], missing_ok=True)
        return [decoded_json(body, RunRecord) for body in bodies.values()]

    def _read(self, run_id: str, name: str) -> bytes | None:
        key = self._key(run_id, name)
        return self._lake.store.get_many([key], missing_ok=True).get(key)

    def _key(self, run_id: str, name: str) -> str:
        return f"{self._lake.run_folder(run_id)}/{name}"
