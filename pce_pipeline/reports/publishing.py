"""Publishing a run's report when the run ends, and those of runs that never got so far.

A report is told of a run and is no part of it: where it cannot be written, the run is none the worse, and a log line
says so.
"""

import hashlib
from collections.abc import Callable, Mapping

import msgspec
import structlog

from pce_pipeline.bronze.current import Current
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.observability.records import RunJournal, RunRecord
from pce_pipeline.reports.errors import ReportMissing
from pce_pipeline.reports.gathering import Gatherer
from pce_pipeline.reports.making import report_of
from pce_pipeline.reports.pages import html_of, markdown_of
from pce_pipeline.reports.report import LayerName, LayerPart, ReportManifest
from pce_pipeline.reports.runs import Runs, run_of
from pce_pipeline.reports.steps import layer_of
from pce_pipeline.reports.store import PAGE, TEXT, ReportStore
from pce_pipeline.tables.registry import Registry

_log = structlog.get_logger()

_COMPARED: tuple[LayerName, ...] = ("silver", "gold")
"""The layers whose part is compared with that of an earlier report."""


class Publisher:
    """Writes the reports of one lake's runs.

    `held` gives what counts of each dataset for a run; it is asked only for runs that took extracts or used some.
    """

    def __init__(
        self,
        lake: Lake,
        registry: Registry,
        journal: RunJournal,
        held: Callable[[str], Mapping[str, Current]],
    ) -> None:
        self._lake = lake
        self._registry = registry
        self._journal = journal
        self._held = held

    @property
    def store(self) -> ReportStore:
        """The reports as they lie there."""
        return ReportStore(self._lake)

    def begin(self, run_id: str) -> None:
        """Leave the mark of a run that begins, so that it gets its report even if its process is killed."""
        try:
            self.store.open(run_id)
        except Exception as problem:  # noqa: BLE001 (whatever it is, the run goes on)
            _warn(run_id, problem)

    def end(self, run_id: str) -> None:
        """Publish the report of a run that has ended, and those of runs that left their mark and no report."""
        try:
            left = [each for each in self.store.opened() if each != run_id]
        except Exception as problem:  # noqa: BLE001 (whatever it is, the run is over and what it did stands)
            _warn(run_id, problem)
            left = []
        for each in (*left, run_id):
            try:
                record = self._journal.read(each)
                if record is not None:
                    self._publish(record)
                self.store.close([each])
            except Exception as problem:  # noqa: BLE001 (whatever it is, the run is over and what it did stands)
                _warn(each, problem)

    def report(self, run_id: str) -> ReportManifest:
        """A run's report as its record is now: what lies there, or made again. Raises `ReportMissing`."""
        record = self._journal.read(run_id)
        if record is None:
            raise ReportMissing(run_id)
        there = self.store.manifest(run_id)
        return there if there is not None and there.of_record == _hash_of(record) else self._publish(record)

    def _publish(self, record: RunRecord) -> ReportManifest:
        store, world = self.store, self._lake.layout.world
        earlier = self._earlier(record, store.runs())
        beside = Gatherer(self._lake, self._registry, lambda: self._held(record.run_id), earlier).beside(record)
        report = report_of(record, beside, is_sample=world.startswith("sample"))
        texts = {TEXT: without_secrets(markdown_of(report)), PAGE: without_secrets(html_of(report))}
        manifest = store.write(report, _hash_of(record), texts)
        store.add([run_of(report, store.key(record.run_id))])
        return manifest

    def _earlier(self, record: RunRecord, runs: Runs) -> dict[LayerName, tuple[str, LayerPart]]:
        """The parts of the newest earlier reports that the layers of a run are compared with, each with its run."""
        found: dict[LayerName, tuple[str, LayerPart]] = {}
        touched = {layer_of(step) for step in record.steps}
        for layer in (each for each in _COMPARED if each in touched):
            before = (
                run.run_id
                for run in runs.runs
                if layer in run.layers and run.run_id != record.run_id and run.started_at <= record.started_at
            )
            run_id = next(before, None)
            part = None if run_id is None else self.store.part(run_id, layer)
            if run_id is not None and part is not None:
                found[layer] = run_id, part
        return found


def _hash_of(record: RunRecord) -> str:
    return hashlib.sha256(msgspec.json.encode(record, enc_hook=str, order="deterministic")).hexdigest()


def _warn(run_id: str, problem: Exception) -> None:
    _log.warning("the run's report could not be written", report=run_id, problem=str(problem))
