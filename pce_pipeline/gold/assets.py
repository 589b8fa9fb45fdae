"""Gold in Dagster: the conformed facts under the key `gold`, the tables and dimensions downstream of them."""

from datetime import UTC, datetime

import dagster as dg

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.annual import annual
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.metrics import metrics
from pce_pipeline.lake.pointer import WHOLE, NewPartition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.quality.annual import AnnualYears, annual_rules
from pce_pipeline.quality.facts import facts_rules
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.metrics import MetricYears, metrics_rules
from pce_pipeline.shell.io_manager import preview
from pce_pipeline.shell.page import declared, describe
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.yearly import Made, YearlyRun, releases_of, yearly_asset
from pce_pipeline.silver.observations import table_years
from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.lineage import ANNUAL, DIMENSION_CODE_VERSION, FACTS, METRICS
from pce_pipeline.tables.table import Table, content_sha256

FACTS_KEY = dg.AssetKey(["gold"])


def _facts(run: YearlyRun) -> Made[FactYears]:
    """The conformed facts of the years that Silver holds."""
    silver, releases = run.upstream.frame, run.now.releases
    facts = conform_facts(silver, run.dataset, releases)
    return Made(
        facts,
        subject=FactYears(
            facts,
            run.dataset,
            table_years(silver),
            spoken_of=run.now.spoken_of(run.dataset, run.years),
            releases=releases,
        ),
        releases=dict.fromkeys(run.years, releases),
    )


def _annual(run: YearlyRun) -> Made[AnnualYears]:
    """Levels of the years that the facts hold."""
    rows = annual(run.upstream.frame)
    return Made(rows, subject=AnnualYears(rows, run.upstream.frame), releases=releases_of(ANNUAL, run))


def _metrics(run: YearlyRun) -> Made[MetricYears]:
    """Metrics of the years that the facts hold, from these and the four before."""
    facts, years = run.upstream.frame, list(run.years)
    rows = metrics(facts, run.dataset, years)
    subject = MetricYears(rows, annual(facts), run.dataset, years)
    return Made(rows, subject=subject, releases=releases_of(METRICS, run))


gold_facts = yearly_asset(FACTS, facts_rules, _facts)
gold_pce_state_annual = yearly_asset(ANNUAL, annual_rules, _annual)
gold_pce_state_metrics = yearly_asset(METRICS, metrics_rules, _metrics)


def _dimension(table: Table) -> dg.AssetsDefinition:
    """The asset of one dimension: from the catalogue, downstream of the facts that refer to it."""
    key = dg.AssetKey(table.name.split("/"))

    @dg.asset(
        key=key,
        deps=[FACTS_KEY],
        backfill_policy=ONE_RUN,
        kinds={"polars", "parquet"},
        code_version=DIMENSION_CODE_VERSION,
        description=describe(table),
        metadata=declared(table),
    )
    def dimension(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        dataset: dg.ResourceParam[Dataset],
        journal: dg.ResourceParam[RunJournal],
    ) -> dg.MaterializeResult[None]:
        with recorded_step(context, journal, table.name) as step:
            frame = DIMENSION_FRAMES[table.name](dataset)
            publication = lake.table(table).publish(
                [NewPartition(WHOLE, {"part-000.parquet": frame}, inputs={}, code_version=DIMENSION_CODE_VERSION)],
                run_id=context.run.run_id,
                now=datetime.now(UTC),
            )
            step.rows(**{table.name: frame.height})
            step.outputs(written=publication.written, unchanged=publication.unchanged)
            content = content_sha256(frame)
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": frame.height,
                    "content_sha256": content,
                    "uri": lake.uri_of(lake.prefix(table)),
                    "preview": dg.MetadataValue.md(preview(frame)),
                },
                data_version=dg.DataVersion(content),
            )

    return dimension


dimension_assets = [_dimension(table) for table in (DIM_GEOGRAPHY, DIM_CATEGORY, CATEGORY_LINE)]
