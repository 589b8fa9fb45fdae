"""Publishing a run's report when the run ends, and those of runs that never got so far.

A report is told of a run and is no part of it: where it cannot be written, the run is none the worse, and a log line
says so.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog

from pce_pipeline.bronze.current import Current
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import heartbeat
from pce_pipeline.observability.records import RunJournal, RunRecord
from pce_pipeline.reports.errors import ReportMissing
from pce_pipeline.reports.gathering import Gatherer
from pce_pipeline.reports.making import report_of
from pce_pipeline.reports.pages import html_of, markdown_of
from pce_pipeline.reports.report import Head, LayerName, LayerPart, Report
from pce_pipeline.reports.runs import Runs, run_of
from pce_pipeline.reports.steps import layer_of, outcome_of, status_of
from pce_pipeline.reports.store import PAGE, TEXT, ReportStore
from pce_pipeline.tables.registry import Registry

_log = structlog.get_logger()

_COMPARED: tuple[LayerName, ...] = ("silver", "gold")
"""The layers whose part is compared with that of an earlier report."""


@dataclass(frozen=True)
class Shown:
    """A report to show."""

    head: Head
    """What it says of the run as a whole."""
    text: str
    """All of it as Markdown."""
    page: str
    """All of it as HTML that stands alone."""
    is_stored: bool
    """Whether this lies in the lake."""


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
        """Publish the report of a run that has ended, and those of runs that left their mark and no report.

        That a run failed is logged here, where the end of each is heard, whoever started it.
        """
        try:
            left = [each for each in self.store.opened() if each != run_id]
        except Exception as problem:  # noqa: BLE001 (whatever it is, the run is over and what it did stands)
            _warn(run_id, problem)
            left = []
        for each in (*left, run_id):
            try:
                record = self._journal.read(each)
                if record is not None:
                    if each == run_id and status_of(record) == "failed":
                        heartbeat.failed(self._lake.layout, outcome_of(record), by=record.job, run_id=run_id)
                    self._publish(record)
                self.store.close([each])
            except Exception as problem:  # noqa: BLE001 (whatever it is, the run is over and what it did stands)
                _warn(each, problem)

    def shown(self, run_id: str) -> Shown:
        """A run's report as its record is now: what lies there if it is of that record, else made, and not written.

        Raises `ReportMissing`.
        """
        record, store = self._journal.read(run_id), self.store
        if record is None:
            raise ReportMissing(run_id)
        there = store.manifest(run_id)
        if there is not None and there.of_record == _hash_of(record):
            text, page = (there.text_of(store.file(run_id, name), name) for name in (TEXT, PAGE))
            if text is not None and page is not None:
                return Shown(there.head, text, page, is_stored=True)
        report = self._made(record)
        return Shown(report.head, markdown_of(report), html_of(report), is_stored=False)

    def _publish(self, record: RunRecord) -> None:
        report = self._made(record)
        self.store.write(report, _hash_of(record), _texts(report))
        self.store.add([run_of(report, self.store.key(record.run_id))])

    def _made(self, record: RunRecord) -> Report:
        earlier = self._earlier(record, self.store.runs())
        beside = Gatherer(self._lake, self._registry, lambda: self._held(record.run_id), earlier).beside(record)
        return report_of(record, beside, is_sample=self._lake.layout.world.startswith("sample"))

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


def _texts(report: Report) -> dict[str, str]:
    """The report as Markdown and as HTML, by the names of its files; secrets were blanked as the record was written."""
    return {TEXT: markdown_of(report), PAGE: html_of(report)}


def _hash_of(record: RunRecord) -> str:
    return hashlib.sha256(msgspec.json.encode(record, enc_hook=str, order="deterministic")).hexdigest()


def _warn(run_id: str, problem: Exception) -> None:
    _log.warning("the run's report could not be written", report=run_id, problem=str(problem))
