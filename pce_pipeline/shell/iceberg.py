"""The Iceberg tables in Dagster: one asset downstream of all tables, which no load waits for.

What goes wrong with one table is told by the asset's check and keeps nothing else from being done.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from pce_pipeline.bronze.current import Holdings
from pce_pipeline.contracts.declared import ICEBERG, Contracts
from pce_pipeline.lake.iceberg.glue import Glue
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.open_tables.projecting import open_tables
from pce_pipeline.quality.rules import judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.keys import ICEBERG_KEY, key_of
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step

_DESCRIPTION = (
    "Every table of Silver and Gold as an Apache Iceberg table, for Spark, Athena, Trino, DuckDB and others: its data "
    "files are the versions that the pointer names, its snapshots their history, its tags the extracts and releases. "
    "The pointers stay the truth, and this can be made again at any time."
)


def iceberg_asset(contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of all Iceberg tables, downstream of every table of the lake."""
    registry, rules = contracts.registry, contracts.of(ICEBERG).rules

    @dg.multi_asset(
        name=ICEBERG_KEY.to_python_identifier(),
        specs=[
            dg.AssetSpec(
                ICEBERG_KEY,
                deps=[key_of(table) for table in registry.tables if table.layer == "gold"],
                kinds={"iceberg"},
                description=_DESCRIPTION,
                skippable=True,
            )
        ],
        check_specs=check_specs(rules, ICEBERG_KEY),
        backfill_policy=ONE_RUN,
        can_subset=True,
    )
    def iceberg(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        with recorded_step(context, journal, ICEBERG, registry.datasets, settings) as step:
            run = context.run.run_id
            opened = open_tables(lake, registry, holdings.of_run(run), run_id=run, glue=Glue.of(settings))
            changed = [name for name, each in opened.tables.items() if each.outcome in {"written", "rebuilt"}]
            step.outputs(written=changed, told=opened.told, failed=opened.failed)
            yield from report(judge(rules, ICEBERG, opened), ICEBERG_KEY, step, thresholds=settings.threshold_checks)
            yield dg.MaterializeResult(
                asset_key=ICEBERG_KEY,
                metadata={
                    "tables": len(opened.tables),
                    "changed": len(changed),
                    **report_link(lake, run),
                    "uri": lake.uri_of(lake.layout.iceberg_tables),
                },
            )

    return iceberg
