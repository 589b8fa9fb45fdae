"""The set of files that a page of the data is drawn from, in Dagster: one asset, downstream of Gold and the bulletins.

Nothing is downstream of it. On a stack that does not know its place in the lake the run goes on without it, so that a
set that cannot be kept keeps no figure from Postgres.
"""

from collections.abc import Iterator

import dagster as dg
import structlog

from pce_pipeline.bronze.current import Holdings
from pce_pipeline.explorer.checks import MOST_RUNS, last_words
from pce_pipeline.explorer.inputs import EXPLORER_CODE_VERSION
from pce_pipeline.explorer.making import make_explorer
from pce_pipeline.explorer.store import EXPLORER
from pce_pipeline.lake.errors import StackOutdated
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.settings import Settings
from pce_pipeline.shell.deferring import datasets_of_run
from pce_pipeline.shell.keys import BULLETINS_KEY, EXPLORER_KEY, key_of
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.tables.registry import Registry

_log = structlog.get_logger()

_DESCRIPTION = (
    "The files that a page of the data is drawn from, without a server: figures of every table of Gold rounded to what "
    "is shown, what was known of each at every extract, why cells are missing, what the newest releases changed, what "
    "every check last said, and an index. `docs/explorer.md` describes them."
)


def explorer_asset(registry: Registry) -> dg.AssetsDefinition:
    """The asset of the set; it makes those of its files that are missing or out of date."""
    tables = [each.table for each in registry.derivations if each.table.layer == "gold"]

    @dg.asset(
        key=EXPLORER_KEY,
        deps=[*map(key_of, tables), BULLETINS_KEY],
        backfill_policy=ONE_RUN,
        output_required=False,
        kinds={"parquet", "json"},
        code_version=EXPLORER_CODE_VERSION,
        description=_DESCRIPTION,
    )
    def explorer(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[dg.MaterializeResult[None]]:
        with recorded_step(context, journal, EXPLORER, registry.datasets, settings) as step:
            of_run = datasets_of_run(context, registry, list(registry.datasets))
            chosen = [name for name in of_run if name not in step.run.put_off]
            try:
                made = make_explorer(
                    lake,
                    registry,
                    holdings.of_run(context.run.run_id),
                    chosen,
                    is_sample=settings.is_sample,
                    checks=lambda: last_words(journal.newest(MOST_RUNS)),
                    years_at_once=settings.years_at_once,
                )
            except StackOutdated as outdated:
                _log.warning("the explorer's set is not kept", place=outdated.place, todo=outdated.remedy)
                step.outputs(stack_lacks=[outdated.place])
                return
            step.rows(**{EXPLORER: sum(made.rows.values())})
            step.outputs(version=made.version, written=made.written, unchanged=made.unchanged)
            yield dg.MaterializeResult(
                metadata={
                    "version": made.version,
                    "files": len(made.written) + len(made.unchanged),
                    "written": len(made.written),
                    "dagster/row_count": sum(made.rows.values()),
                    "uri": lake.uri_of(lake.layout.explorer),
                    **report_link(lake, context.run.run_id),
                },
                data_version=dg.DataVersion(made.version or "none"),
            )

    return explorer
