"""The logs of every value in Dagster: an asset for each dataset in Silver, and what Gold makes of it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.bronze.current import Holdings
from pce_pipeline.bronze.history import FOLDED, History, PublishedLog, decoded_of, fold_year, inputs_of_stats
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.revisions import revision_stats, revisions
from pce_pipeline.gold.vintages import figures
from pce_pipeline.lake.parquet import in_threads
from pce_pipeline.lake.pointer import WHOLE, NewPartition, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.quality.revision_stats import stats_rules
from pce_pipeline.quality.revisions import RevisionYears, revisions_rules
from pce_pipeline.quality.rules import judge
from pce_pipeline.quality.vintages import LogYears, log_rules
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.keys import key_of
from pce_pipeline.shell.page import declared, describe, preview
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.yearly import Made, YearlyRun, yearly_asset
from pce_pipeline.tables.lineage import Derivation
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import content_sha256
from pce_pipeline.tables.vintages import REVISION_STATS, STATS_CODE_VERSION

_YEARS_AT_ONCE = 2
"""How many years are worked on at the same time: each holds all vintages of its year."""


def log_asset(dataset: Dataset, registry: Registry) -> dg.AssetsDefinition:
    """The asset of the log of a dataset's cells, in Silver."""
    derivation = registry.logs[dataset.name]

    def compute(run: YearlyRun) -> Made[LogYears]:
        decoded = cache(decoded_of(run.now))
        published = PublishedLog(run.lake, derivation)
        history = run.histories[dataset.name]
        folded = in_threads(
            lambda year: fold_year(history, year, decoded, published.of_year(year)), run.years, at_once=_YEARS_AT_ONCE
        )
        found = dict(zip(run.years, folded, strict=True))
        logs = {year: each.log for year, each in found.items()}
        return Made(
            logs,
            subject=LogYears(derivation.table, logs),
            details_of_years={year: {FOLDED: each.keys} for year, each in found.items()},
        )

    return yearly_asset(derivation, registry, log_rules, compute)


def figures_asset(derivation: Derivation, registry: Registry) -> dg.AssetsDefinition:
    """The asset of the log of a dataset's figures, in Gold."""
    (source,) = derivation.tables

    def compute(run: YearlyRun) -> Made[LogYears]:
        vintages = run.histories[run.dataset.name].vintages
        made = in_threads(
            lambda year: figures(run.of_year(source.table, year), vintages, run.dataset),
            run.years,
            at_once=_YEARS_AT_ONCE,
        )
        logs = dict(zip(run.years, made, strict=True))
        return Made(logs, subject=LogYears(derivation.table, logs))

    return yearly_asset(derivation, registry, log_rules, compute)


def revisions_asset(derivation: Derivation, registry: Registry) -> dg.AssetsDefinition:
    """The asset of what was revised of a dataset."""
    (source,) = derivation.tables

    def compute(run: YearlyRun) -> Made[RevisionYears]:
        vintages = run.histories[run.dataset.name].vintages
        logs = {year: run.of_year(source.table, year) for year in run.years}
        found = {year: revisions(log, vintages, run.dataset) for year, log in logs.items()}
        return Made(found, subject=RevisionYears(derivation.table, found, logs))

    return yearly_asset(derivation, registry, revisions_rules, compute)


def stats_asset(registry: Registry) -> dg.AssetsDefinition:
    """The asset of how far figures usually move, of all datasets and years."""
    key = key_of(REVISION_STATS)

    # as the yearly assets: a rule that has nothing to look at gives no result
    @dg.multi_asset(
        name=key.to_python_identifier(),
        specs=[
            dg.AssetSpec(
                key,
                deps=[key_of(each.table) for each in registry.figures.values()],
                kinds={"polars", "parquet"},
                code_version=STATS_CODE_VERSION,
                description=describe(REVISION_STATS),
                metadata=declared(REVISION_STATS),
                skippable=True,
            )
        ],
        check_specs=check_specs(stats_rules, key),
        backfill_policy=ONE_RUN,
        can_subset=True,
    )
    def stats(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        with recorded_step(context, journal, REVISION_STATS.name, registry.datasets) as step:
            held = holdings.of_run(context.run.run_id)
            histories = {name: History(now) for name, now in held.items()}
            published = {each.table.name: lake.table(each.table).latest() for each in registry.figures.values()}
            inputs = inputs_of_stats(registry, published, histories)
            store = lake.table(REVISION_STATS)
            there = store.latest().get(WHOLE)
            if there is not None and (there.inputs, there.code_version) == (inputs, STATS_CODE_VERSION):
                frame = store.read_partition(there)
            else:
                frame = pl.concat(_stats_of(name, registry, lake, published, histories) for name in held)
            yield from report(
                judge(stats_rules, REVISION_STATS.name, frame), key, step, thresholds=settings.threshold_checks
            )
            publication = store.publish(
                [NewPartition(WHOLE, {"part-000.parquet": frame}, inputs=inputs, code_version=STATS_CODE_VERSION)],
                run_id=context.run.run_id,
                now=datetime.now(UTC),
            )
            step.rows(**{REVISION_STATS.name: frame.height})
            step.outputs(written=publication.written, unchanged=publication.unchanged)
            content = content_sha256(frame)
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "dagster/row_count": frame.height,
                    "content_sha256": content,
                    "uri": lake.uri_of(lake.prefix(REVISION_STATS)),
                    "preview": dg.MetadataValue.md(preview(frame)),
                },
                data_version=dg.DataVersion(content),
            )

    return stats


def _stats_of(
    name: str,
    registry: Registry,
    lake: Lake,
    published: Mapping[str, Mapping[str, Partition]],
    histories: Mapping[str, History],
) -> pl.DataFrame:
    table = registry.figures[name].table
    years = published[table.name]
    if not years:
        return pl.DataFrame(schema=REVISION_STATS.polars_schema)
    logs = (lake.table(table).read_partition(each) for each in years.values())
    return revision_stats(logs, histories[name].vintages, registry.datasets[name])
