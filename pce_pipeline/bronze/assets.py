"""Bronze in Dagster: one asset, partitioned by extract date."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.extract import (
    Prepared,
    next_extract_id,
    note_unchanged,
    places,
    prepare,
    publish,
    stored_subject,
)
from pce_pipeline.bronze.feeds import ApiFeed, BulkFeed, Feed, FileFeed
from pce_pipeline.bronze.manifest import FROM_FILES, Manifest
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal, Step
from pce_pipeline.quality.bronze import bronze_rules, counting_rules, stored_rules
from pce_pipeline.quality.rules import judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.partitions import EXTRACTS
from pce_pipeline.shell.steps import recorded_step

BRONZE = dg.AssetKey(["bronze", "pce_state"])


class ExtractConfig(dg.Config):
    """What to extract: tables (all in scope if empty), and files to read instead of asking BEA."""

    tables: list[str] = Field(default_factory=list)
    files: list[str] = Field(default_factory=list)


@dg.asset(
    key=BRONZE,
    partitions_def=EXTRACTS,
    output_required=False,
    check_specs=check_specs(bronze_rules, BRONZE),
    kinds={"json", "gzip"},
    pool="bea",
    code_version="1",
)
def bronze_pce_state(
    context: dg.AssetExecutionContext,
    config: ExtractConfig,
    lake: dg.ResourceParam[Lake],
    bea: dg.ResourceParam[BeaGateway],
    dataset: dg.ResourceParam[Dataset],
    settings: dg.ResourceParam[Settings],
    journal: dg.ResourceParam[RunJournal],
) -> Iterator[Any]:
    """BEA's answers as received, one extract per vintage, write-once, with a manifest of where each came from.

    Materialising an extract that exists verifies it and never fetches again. A run that finds nothing new writes no
    extract, only that BEA was compared. An answer of BEA that lacks what counts is kept and does not count.
    """
    extract = ExtractId.parse(context.partition_key)
    origin = FROM_FILES if config.files else bea.origin
    requested = {"extract": str(extract), "origin": origin, **config.model_dump()}
    with recorded_step(context, journal, "bronze/pce_state", requested=requested) as step:
        if extract in lake.bronze.extracts():
            lake.bronze.discard_staging(extract)
            results = judge(bronze_rules, stored_subject(lake.bronze, dataset, extract))
            yield from report(results, BRONZE, step, thresholds=settings.threshold_checks)
            _materialised(context, lake, step, lake.bronze.manifest(extract), "verified")
            return
        free = next_extract_id(lake.bronze, extract.day)
        if extract != free:
            raise UsageError(f"{extract} is not the next extract date of its day.", remedy=f"Use {free}.")
        feed = feed_of(bea, dataset, config.files)
        prepared = prepare(
            lake.bronze,
            feed,
            dataset,
            extract,
            _tables_at(feed, dataset, lake, dataset.chosen_tables(config.tables), extract),
            world=lake.layout.world,
            run_id=context.run.run_id,
            tolerate_unknown=settings.tolerate_unknown_fields,
        )
        step.inputs(origin=prepared.manifest.origin, objects=len(prepared.objects))
        try:
            results = judge(stored_rules, prepared.subject)
            yield from report(results, BRONZE, step, thresholds=settings.threshold_checks)
        except dg.Failure:
            # what was judged wrong is not resumed: the next try asks BEA again
            lake.bronze.discard_staging(extract)
            raise
        _publish(context, lake, step, prepared)
        yield from report(
            judge(counting_rules, prepared.subject),
            BRONZE,
            step,
            thresholds=settings.threshold_checks,
            consequence="BEA's answer is kept and what was published before stands",
        )


def _tables_at(feed: Feed, dataset: Dataset, lake: Lake, tables: list[str], extract: ExtractId) -> list[str]:
    """The tables to take: all of them live; of files, those they hold, if they belong to that day."""
    if not isinstance(feed, FileFeed):
        return tables
    found = places(feed, tables, extract.day, current(lake.bronze, dataset))
    elsewhere = [place for place in found if place.day != extract.day]
    if elsewhere:
        place = elsewhere[0]
        raise UsageError(
            f"BEA published {', '.join(place.tables)} of these files on {place.day}, and something newer before "
            f"{extract.day}.",
            remedy=f"Use {next_extract_id(lake.bronze, place.day)}.",
        )
    return [table for place in found for table in place.tables]


def _publish(context: dg.AssetExecutionContext, lake: Lake, step: Step, prepared: Prepared) -> None:
    verdicts = prepared.manifest.verdicts or {}
    step.outputs(
        equals={table: str(extract) for table, extract in prepared.equals.items()},
        counts={table: verdict.counts for table, verdict in verdicts.items()},
        why={table: verdict.why for table, verdict in verdicts.items()},
        refused=prepared.refused,
        unusable=[table for table, verdict in verdicts.items() if not verdict.usable],
        contradicts={table: verdict.contradicts for table, verdict in verdicts.items() if verdict.contradicts},
    )
    if prepared.changed:
        published = publish(lake.bronze, prepared)
        step.outputs(changed=list(prepared.changed))
        _materialised(context, lake, step, lake.bronze.manifest(published), "new")
        return
    note_unchanged(lake.bronze, prepared)
    equals = {table: str(extract) for table, extract in prepared.equals.items()}
    step.outputs(outcome="unchanged", compared=sorted(equals))
    context.log.info("Nothing is new, so there is no new extract. What the tables equal: %s", equals)


def feed_of(bea: BeaGateway, dataset: Dataset, files: list[str]) -> Feed:
    """Where the extract comes from: the files if there are any, else the source that the settings name."""
    if files:
        return FileFeed([Path(file) for file in files])
    if bea.origin == "bulk":
        return BulkFeed(bea.client, dataset)
    return ApiFeed(bea.client, dataset, bea.origin)


def _materialised(context: dg.AssetExecutionContext, lake: Lake, step: Step, manifest: Manifest, outcome: str) -> None:
    rows = sum(table.rows for table in manifest.tables.values())
    step.extract(manifest.extract_date)
    step.rows(**{"bronze/pce_state": rows})
    quarantined = sum(table.quarantined for table in manifest.tables.values())
    step.outputs(
        outcome=outcome,
        extract=manifest.extract_date,
        content_sha256=manifest.content_sha256,
        **({"quarantined": quarantined} if quarantined else {}),
    )
    context.log_event(
        dg.AssetMaterialization(
            asset_key=BRONZE,
            partition=manifest.extract_date,
            metadata={
                "outcome": outcome,
                "origin": manifest.origin,
                "dagster/partition_row_count": rows,
                "objects": len(manifest.objects),
                "quarantined": quarantined,
                "content_sha256": manifest.content_sha256,
                "uri": lake.uri_of(lake.layout.extract(manifest.dataset, manifest.extract)),
                "tables": dg.MetadataValue.table(
                    [
                        dg.TableRecord(
                            {
                                "table": name,
                                "last_updated": str(entry.last_updated or "unknown"),
                                "lines": len(entry.lines),
                                "rows": entry.rows,
                                "quarantined": entry.quarantined,
                                "years": f"{min(entry.years)}...{max(entry.years)}",
                            }
                        )
                        for name, entry in sorted(manifest.tables.items())
                    ]
                ),
            },
            tags={"dagster/data_version": manifest.content_sha256},
        )
    )
