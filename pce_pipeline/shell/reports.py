"""Reports of runs in Dagster: a run that needs the journal begins and ends its report with it, however it is started.

Dagster sets resources up before the first step of a run and takes them down after the last, also where one failed or
the run was interrupted; that holds because all steps of a run share one process.
"""

from collections.abc import Iterator

import dagster as dg

from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.reports.publishing import Publisher
from pce_pipeline.reports.store import ReportStore


def journal_with_reports(journal: RunJournal, publisher: Publisher) -> dg.ResourceDefinition:
    """The journal as a resource that publishes the report of each run that it is set up for."""

    def for_one_run(context: dg.InitResourceContext) -> Iterator[RunJournal]:
        run = context.run
        if run is None:  # a sensor's, a schedule's or a test's: there is no run to report on
            yield journal
            return
        publisher.begin(run.run_id)
        try:
            yield journal
        finally:
            journal.stopped(run.run_id)
            publisher.end(run.run_id)

    return dg.ResourceDefinition(for_one_run, description="Records of runs, and their reports.")


def report_link(lake: Lake, run_id: str) -> dict[str, dg.MetadataValue]:
    """Where the report of a run lies when the run has ended, as metadata: a file to open, or its address on S3."""
    address = lake.uri_of(ReportStore(lake).key(run_id))
    return {"report": dg.MetadataValue.text(address) if "://" in address else dg.MetadataValue.path(address)}
