"""The bulletins in Dagster: one asset that says what each release changed, downstream of the tables of Gold.

Nothing is downstream of it, so that a bulletin that cannot be made keeps no figure from Postgres.
"""

from collections.abc import Iterable

import dagster as dg

from pce_pipeline.bronze.current import Holdings
from pce_pipeline.bulletins.bulletin import BULLETIN_CODE_VERSION
from pce_pipeline.bulletins.making import make_bulletins
from pce_pipeline.bulletins.store import BULLETINS, FEED, BulletinStore
from pce_pipeline.lake.layout import ExtractId, join
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.settings import Settings
from pce_pipeline.shell.deferring import datasets_of_run
from pce_pipeline.shell.keys import BULLETINS_KEY, key_of
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

_DESCRIPTION = (
    "What each release changed, as a note to read: Markdown, JSON and a chart for each dataset and extract that "
    "counts, and an Atom feed. The newest of each dataset is shown below."
)


def bulletins_asset(registry: Registry) -> dg.AssetsDefinition:
    """The asset of all bulletins; it makes those that are missing or out of date."""

    @dg.asset(
        key=BULLETINS_KEY,
        deps=[key_of(table) for table in _read_of(registry)],
        backfill_policy=ONE_RUN,
        kinds={"markdown", "json"},
        code_version=BULLETIN_CODE_VERSION,
        description=_DESCRIPTION,
    )
    def bulletins(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> dg.MaterializeResult[None]:
        with recorded_step(context, journal, BULLETINS, registry.datasets) as step:
            of_run = datasets_of_run(context, registry, list(registry.datasets))
            chosen = [name for name in of_run if name not in step.run.put_off]
            held = holdings.of_run(context.run.run_id)
            made = make_bulletins(lake, registry, held, chosen, is_sample=settings.is_sample)
            step.rows(**{BULLETINS: len(made.written) + len(made.refreshed) + len(made.unchanged)})
            step.outputs(
                written=made.written, refreshed=made.refreshed, unchanged=made.unchanged, withdrawn=made.withdrawn
            )
            store = BulletinStore(lake)
            index = store.index()
            newest = {name: max(of, key=ExtractId.parse) for name, of in index.bulletins.items() if of}
            return dg.MaterializeResult(
                metadata={
                    "bulletins": sum(map(len, index.bulletins.values())),
                    "written": len(made.written),
                    **report_link(lake, context.run.run_id),
                    "feed": lake.uri_of(join(lake.layout.bulletins, FEED)),
                    **{name: dg.MetadataValue.md(store.page(name, extract)) for name, extract in newest.items()},
                },
                data_version=dg.DataVersion(index.feed or "none"),
            )

    return bulletins


def _read_of(registry: Registry) -> Iterable[Table]:
    """The tables of Gold that bulletins are read beside: the logs of figures, and the tables of months."""
    yield from (each.table for each in registry.figures.values())
    for name, tables in registry.gold.items():
        if name not in registry.figures:
            yield from (each.table for each in tables)
