"""Bronze in Dagster: an asset for each dataset, partitioned by extract date."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.derived import DerivedFeed, LongColumns
from pce_pipeline.bronze.extract import (
    Prepared,
    next_extract_id,
    note_unchanged,
    places,
    prepare,
    publish,
    stored_subject,
)
from pce_pipeline.bronze.feeds import ApiFeed, BulkFeed, Feed, MonthsFeed, SeriesFeed
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.history import changed_since
from pce_pipeline.bronze.manifest import DERIVED, FROM_FILES, Manifest
from pce_pipeline.bronze.rules import Extract, bronze_rules, counting_rules, stored_rules
from pce_pipeline.bronze.store import BronzeStore, bronze_of
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal, Step
from pce_pipeline.quality.rules import Rule, judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.audit import audit_extract
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.keys import bronze_key
from pce_pipeline.shell.partitions import extracts_of
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.tags import EXTRACT, RELEASE, tag_run, world_tag

_DESCRIPTION = """{title}: BEA's answers as received, one extract per vintage, write-once, each with its origin.

Materialising an extract that exists verifies it and never fetches again. A run that finds nothing new writes no
extract, only that BEA was compared. An answer of BEA that lacks what counts is kept and does not count."""


class ExtractConfig(dg.Config):
    """What to extract: tables (all in scope if empty), and files to read instead of asking BEA.

    `date_is` says whether the day of files is known, or only their month. `derived` makes a file one of derived values,
    and says where these come from; `columns` are what it calls area, line, year and value. `endpoint` is where BEA
    publishes the files, where that is known.
    """

    tables: list[str] = Field(default_factory=list)
    files: list[str] = Field(default_factory=list)
    date_is: Literal["day", "month"] = "day"
    derived: str = ""
    columns: dict[str, str] = Field(default_factory=dict)
    endpoint: str = ""


def bronze_asset(dataset: Dataset) -> dg.AssetsDefinition:
    """The asset that takes extracts of a dataset."""
    key = bronze_key(dataset.name)

    @dg.asset(
        key=key,
        partitions_def=extracts_of(dataset.name),
        output_required=False,
        check_specs=check_specs(bronze_rules, key),
        kinds={"json", "gzip"},
        pool="bea",
        code_version="1",
        description=_DESCRIPTION.format(title=dataset.title),
    )
    def bronze(
        context: dg.AssetExecutionContext,
        config: ExtractConfig,
        lake: dg.ResourceParam[Lake],
        bea: dg.ResourceParam[BeaGateway],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        origin = DERIVED if config.derived else FROM_FILES if config.files else bea.origin
        requested = {"extract": context.partition_key, "origin": origin, **config.model_dump()}
        name = key.to_user_string()
        with recorded_step(context, journal, name, [dataset.name], settings, requested=requested) as step:
            tag_run(context, {**world_tag(settings), EXTRACT: context.partition_key})
            taking = _Taking(context, dataset, lake, bronze_of(lake, dataset), settings, step)
            yield from taking.extract(_extract_of(context.partition_key), config, bea)

    return bronze


def _extract_of(partition: str) -> ExtractId:
    """The extract that a partition names, which a person may have added by hand."""
    try:
        return ExtractId.parse(partition)
    except ValueError:
        raise UsageError(
            f"{partition!r} is not the date of an extract.",
            remedy=f"Delete that partition and add today's date: {datetime.now(UTC).date()}.",
        ) from None


@dataclass(frozen=True)
class _Taking:
    """One run of the asset."""

    context: dg.AssetExecutionContext
    dataset: Dataset
    lake: Lake
    bronze: BronzeStore
    settings: Settings
    step: Step

    def extract(self, extract: ExtractId, config: ExtractConfig, bea: BeaGateway) -> Iterator[Any]:
        """Take an extract, or verify the one that exists."""
        bronze, dataset = self.bronze, self.dataset
        if extract in bronze.extracts():
            bronze.discard_staging(extract)
            yield from self._report(bronze_rules, stored_subject(bronze, dataset, extract))
            self._materialised(bronze.manifest(extract), "verified")
            return
        free = next_extract_id(bronze, extract.day)
        if extract != free:
            raise UsageError(f"{extract} is not the next extract date of its day.", remedy=f"Use {free}.")
        feed = feed_of(bea, dataset, config)
        prepared = prepare(
            bronze,
            feed,
            dataset,
            extract,
            self._tables_at(feed, dataset.chosen_tables(config.tables), extract),
            world=self.lake.layout.world,
            run_id=self.context.run.run_id,
            tolerate_unknown=self.settings.tolerate_unknown_fields,
            date_is=config.date_is,
        )
        self.step.inputs(origin=prepared.manifest.origin, objects=len(prepared.objects))
        try:
            yield from self._report(stored_rules, prepared.subject)
        except dg.Failure:
            # what was judged wrong is not resumed: the next try asks BEA again
            bronze.discard_staging(extract)
            raise
        self._publish(prepared)
        if bronze.went_without:
            self.step.outputs(stack_lacks=sorted(bronze.went_without))
        yield from self._report(
            counting_rules,
            prepared.subject,
            consequence="BEA's answer is kept and what was published before stands",
        )

    def _report(
        self, rules: Sequence[Rule[Extract]], subject: Extract, consequence: str = "Nothing was published"
    ) -> Iterator[dg.AssetCheckResult]:
        key = bronze_key(self.dataset.name)
        results = judge(rules, key.to_user_string(), subject)
        yield from report(results, key, self.step, thresholds=self.settings.threshold_checks, consequence=consequence)

    def _tables_at(self, feed: Feed, tables: list[str], extract: ExtractId) -> list[str]:
        """The tables to take: all of them live; of files, those they hold, if they belong to that day."""
        if not isinstance(feed, FileFeed):
            return tables
        found = places(feed, tables, extract.day, current(self.bronze, self.dataset))
        elsewhere = [place for place in found if place.day != extract.day]
        if elsewhere:
            place = elsewhere[0]
            raise UsageError(
                f"BEA published {', '.join(place.tables)} of these files on {place.day}, and something newer before "
                f"{extract.day}.",
                remedy=f"Use {next_extract_id(self.bronze, place.day)}.",
            )
        return [table for place in found for table in place.tables]

    def _publish(self, prepared: Prepared) -> None:
        verdicts = prepared.manifest.verdicts or {}
        equals = {table: str(extract) for table, extract in prepared.equals.items()}
        self.step.outputs(
            equals=equals,
            counts={table: verdict.counts for table, verdict in verdicts.items()},
            why={table: verdict.why for table, verdict in verdicts.items()},
            refused=prepared.refused,
            unusable=[table for table, verdict in verdicts.items() if not verdict.usable],
            contradicts={table: verdict.contradicts for table, verdict in verdicts.items() if verdict.contradicts},
        )
        if prepared.changed:
            published = publish(self.bronze, prepared)
            self.step.outputs(changed=list(prepared.changed))
            manifest = self.bronze.manifest(published)
            audit_extract(self.step, manifest)
            self._materialised(manifest, "new")
            return
        note_unchanged(self.bronze, prepared)
        self.step.outputs(outcome="unchanged", compared=sorted(equals))
        self.context.log.info("Nothing is new, so there is no new extract. What the tables equal: %s", equals)

    def _materialised(self, manifest: Manifest, outcome: str) -> None:
        key = bronze_key(self.dataset.name)
        rows = sum(table.rows for table in manifest.tables.values())
        if releases := sorted({str(table.last_updated) for table in manifest.tables.values() if table.last_updated}):
            tag_run(self.context, {RELEASE: ", ".join(releases)})
        self.step.extract(manifest.extract_date)
        self.step.rows(**{key.to_user_string(): rows})
        quarantined = sum(table.quarantined for table in manifest.tables.values())
        since = changed_since(current(self.bronze, self.dataset), manifest.extract) if outcome == "new" else {}
        self.step.outputs(
            outcome=outcome,
            extract=manifest.extract_date,
            content_sha256=manifest.content_sha256,
            **({"quarantined": quarantined} if quarantined else {}),
        )
        self.context.log_event(
            dg.AssetMaterialization(
                asset_key=key,
                partition=manifest.extract_date,
                metadata={
                    "outcome": outcome,
                    "origin": manifest.origin,
                    "dagster/partition_row_count": rows,
                    "objects": len(manifest.objects),
                    "quarantined": quarantined,
                    "released": ", ".join(releases) or "unknown",
                    **{
                        f"cells_{what}": sum(counts[what] for counts in since.values())
                        for what in ("new", "changed", "gone")
                        if since
                    },
                    "content_sha256": manifest.content_sha256,
                    **report_link(self.lake, self.context.run.run_id),
                    "uri": self.lake.uri_of(self.lake.layout.extract(manifest.dataset, manifest.extract)),
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
                                    **{
                                        what: str(since.get(name, {}).get(what, ""))
                                        for what in ("new", "changed", "gone")
                                        if since
                                    },
                                }
                            )
                            for name, entry in sorted(manifest.tables.items())
                        ]
                    ),
                },
                tags={"dagster/data_version": manifest.content_sha256},
            )
        )


def feed_of(bea: BeaGateway, dataset: Dataset, config: ExtractConfig) -> Feed:
    """Where the extract comes from: the files if there are any, else the source that the settings name."""
    if config.derived:
        (file,) = config.files
        return DerivedFeed(Path(file), LongColumns(**config.columns), dataset, config.derived)
    if config.files:
        return FileFeed([Path(file) for file in config.files], [dataset], config.endpoint)
    if bea.origin == "bulk":
        return SeriesFeed(bea.client, dataset) if dataset.is_monthly else BulkFeed(bea.client, dataset)
    feed = MonthsFeed if dataset.is_monthly else ApiFeed
    return feed(bea.client, dataset, bea.origin)
