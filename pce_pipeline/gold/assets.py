"""Gold in Dagster: the conformed facts under the key `gold`, the tables and dimensions downstream of them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline import schemas
from pce_pipeline.bronze.current import current
from pce_pipeline.catalog import Catalog
from pce_pipeline.gold.annual import annual
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.metrics import metrics
from pce_pipeline.lake.io_managers import LakeFrame, YearlyOutput, preview, yearly_output
from pce_pipeline.lake.pointer import WHOLE, NewPartition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lineage import ANNUAL, DIMENSION_CODE_VERSION, FACTS, METRICS, Derivation, inputs_of
from pce_pipeline.metadata import declared, describe
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.observability.steps import recorded_step
from pce_pipeline.partitions import ONE_RUN, YEARS, mapping_of
from pce_pipeline.quality.annual import AnnualYears, annual_rules
from pce_pipeline.quality.checks import check_specs, report
from pce_pipeline.quality.facts import facts_rules
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.metrics import MetricYears, metrics_rules
from pce_pipeline.quality.rules import judge
from pce_pipeline.schemas import Table
from pce_pipeline.settings import Settings
from pce_pipeline.silver.observations import table_years

SILVER_KEY = dg.AssetKey(["silver", "pce_state"])
FACTS_KEY = dg.AssetKey(["gold"])
ANNUAL_KEY = dg.AssetKey(["gold", "pce_state_annual"])
METRICS_KEY = dg.AssetKey(["gold", "pce_state_metrics"])


def _years(context: dg.AssetExecutionContext, source: LakeFrame) -> list[int]:
    """The years of the run that the upstream table holds; the others are not published yet."""
    return [int(year) for year in context.partition_keys if year in source.hashes]


def _inputs(derivation: Derivation, years: list[int], source: LakeFrame) -> Mapping[int, Mapping[str, str]]:
    return {year: inputs_of(derivation, year, source.hashes) for year in years}


def _releases(derivation: Derivation, years: Iterable[int], source: LakeFrame) -> Mapping[int, Mapping[str, str]]:
    """The releases that each year is made of, by BEA table, through the years that it reaches back to."""
    found: dict[int, dict[str, str]] = {}
    for year in years:
        of_table: dict[str, set[str]] = {}
        for earlier in derivation.upstream_years(year):
            for table, release in source.releases.get(str(earlier), {}).items():
                of_table.setdefault(table, set()).add(release)
        found[year] = {table: ", ".join(sorted(releases)) for table, releases in sorted(of_table.items())}
    return found


@dg.asset(
    key=FACTS_KEY,
    partitions_def=YEARS,
    backfill_policy=ONE_RUN,
    ins={"silver": dg.AssetIn(SILVER_KEY, partition_mapping=mapping_of(FACTS), input_manager_key="lake_io")},
    check_specs=check_specs(facts_rules, FACTS_KEY),
    io_manager_key="lake_io",
    kinds={"polars", "parquet"},
    code_version=FACTS.code_version,
    description=describe(FACTS.table),
    metadata=declared(FACTS.table),
)
def gold_facts(
    context: dg.AssetExecutionContext,
    silver: LakeFrame,
    lake: dg.ResourceParam[Lake],
    catalog: dg.ResourceParam[Catalog],
    settings: dg.ResourceParam[Settings],
    journal: dg.ResourceParam[RunJournal],
) -> Iterator[Any]:
    """The conformed facts of the years that Silver holds."""
    with recorded_step(context, journal, FACTS.table.name) as step:
        now = current(lake.bronze, catalog)
        facts = conform_facts(silver.frame, catalog, now.releases)
        releases, held = now.releases, table_years(silver.frame)
        years = {year for of_table in held.values() for year in of_table}
        subject = FactYears(facts, catalog, held, spoken_of=now.spoken_of(catalog, years), releases=releases)
        yield from report(judge(facts_rules, subject), FACTS_KEY, step, thresholds=settings.threshold_checks)
        inputs = _inputs(FACTS, _years(context, silver), silver)
        yield yearly_output(YearlyOutput(FACTS, facts, inputs, releases=dict.fromkeys(inputs, releases)))


@dg.asset(
    key=ANNUAL_KEY,
    partitions_def=YEARS,
    backfill_policy=ONE_RUN,
    ins={"facts": dg.AssetIn(FACTS_KEY, partition_mapping=mapping_of(ANNUAL), input_manager_key="lake_io")},
    check_specs=check_specs(annual_rules, ANNUAL_KEY),
    io_manager_key="lake_io",
    kinds={"polars", "parquet"},
    code_version=ANNUAL.code_version,
    description=describe(ANNUAL.table),
    metadata=declared(ANNUAL.table),
)
def gold_pce_state_annual(
    context: dg.AssetExecutionContext,
    facts: LakeFrame,
    settings: dg.ResourceParam[Settings],
    journal: dg.ResourceParam[RunJournal],
) -> Iterator[Any]:
    """Levels of the years that the facts hold."""
    with recorded_step(context, journal, ANNUAL.table.name) as step:
        rows = annual(facts.frame)
        results = judge(annual_rules, AnnualYears(rows, facts.frame))
        yield from report(results, ANNUAL_KEY, step, thresholds=settings.threshold_checks)
        inputs = _inputs(ANNUAL, _years(context, facts), facts)
        yield yearly_output(YearlyOutput(ANNUAL, rows, inputs, releases=_releases(ANNUAL, inputs, facts)))


@dg.asset(
    key=METRICS_KEY,
    partitions_def=YEARS,
    backfill_policy=ONE_RUN,
    ins={"facts": dg.AssetIn(FACTS_KEY, partition_mapping=mapping_of(METRICS), input_manager_key="lake_io")},
    check_specs=check_specs(metrics_rules, METRICS_KEY),
    io_manager_key="lake_io",
    kinds={"polars", "parquet"},
    code_version=METRICS.code_version,
    description=describe(METRICS.table),
    metadata=declared(METRICS.table),
)
def gold_pce_state_metrics(
    context: dg.AssetExecutionContext,
    facts: LakeFrame,
    catalog: dg.ResourceParam[Catalog],
    settings: dg.ResourceParam[Settings],
    journal: dg.ResourceParam[RunJournal],
) -> Iterator[Any]:
    """Metrics of the years that the facts hold, from these and the four before."""
    with recorded_step(context, journal, METRICS.table.name) as step:
        years = _years(context, facts)
        rows = metrics(facts.frame, catalog, years)
        levels = annual(facts.frame.filter(pl.col("year").is_in(years)))
        results = judge(metrics_rules, MetricYears(rows, levels, catalog, years))
        yield from report(results, METRICS_KEY, step, thresholds=settings.threshold_checks)
        inputs = _inputs(METRICS, years, facts)
        yield yearly_output(YearlyOutput(METRICS, rows, inputs, releases=_releases(METRICS, inputs, facts)))


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
        catalog: dg.ResourceParam[Catalog],
        journal: dg.ResourceParam[RunJournal],
    ) -> dg.MaterializeResult[None]:
        with recorded_step(context, journal, table.name) as step:
            frame = DIMENSION_FRAMES[table.name](catalog)
            publication = lake.table(table).publish(
                [NewPartition(WHOLE, {"part-000.parquet": frame}, inputs={}, code_version=DIMENSION_CODE_VERSION)],
                run_id=context.run.run_id,
                now=datetime.now(UTC),
            )
            step.rows(**{table.name: frame.height})
            step.outputs(written=publication.written, unchanged=publication.unchanged)
            content = schemas.content_sha256(frame)
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


dimension_assets = [_dimension(table) for table in (schemas.DIM_GEOGRAPHY, schemas.DIM_CATEGORY, schemas.CATEGORY_LINE)]
