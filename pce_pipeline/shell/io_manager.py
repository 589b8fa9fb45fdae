"""Dagster's way in and out of the lake's yearly tables.

Out: years that a step has written range by range are published all at once, and each year that was really written is
reported as materialised, with its own content hash as data version. In: the years asked for come as one
frame, verified.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.lake.errors import MissingPartitions
from pce_pipeline.lake.pointer import NewPartition, Partition
from pce_pipeline.lake.resource import Lake, files_of_year
from pce_pipeline.lake.staging import Publication, Staging
from pce_pipeline.observability.audit import rows_quarantined
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.settings import Settings
from pce_pipeline.shell.audit import Read, audit_publication
from pce_pipeline.shell.page import shown
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.retries import raise_or_try_again
from pce_pipeline.shell.tags import reported_before
from pce_pipeline.tables.lineage import Derivation, FromTable
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import QUARANTINED, Table

RELEASES = "releases"
"""Under this name a partition's details hold the releases it was made of."""

REPORTED_BY_US = {"__source_asset_observation__": True}
"""Metadata of an output whose materialisations we report ourselves.

Dagster reports every partition of a run's range as materialised, written or not, with one data version for all. An
output with this mark is stored but not reported; tests hold Dagster to it.
"""


_ABSENT = "absent"

STANDS = "Left alone: inputs, code version and files are those of its publication."
"""What the page says of what a run found standing and reports because its history did not know it."""


def absent_year(key: dg.AssetKey, year: int, why: str) -> dg.AssetMaterialization:
    """The report of a year that there is nothing of: no rows, the reason, and one data version for all of its kind.

    Dagster would paint the year as missing for ever, and end a backfill that asks for it as failed.
    """
    return dg.AssetMaterialization(
        asset_key=key,
        partition=str(year),
        description=why,
        metadata={"dagster/partition_row_count": 0, "why": why},
        tags={"dagster/data_version": _ABSENT},
    )


@dataclass(frozen=True)
class LakeFrame:
    """Years of a table as one frame."""

    frame: pl.DataFrame
    """The rows of all the years."""
    hashes: Mapping[str, str]
    """The content hash of each year that is published."""
    releases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The releases that each year was made of, by BEA table."""
    partitions: Mapping[str, Partition] = field(default_factory=dict)
    """The years as they are published."""


@dataclass(frozen=True)
class MadeYears:
    """Years of a table as they were made and judged."""

    frames: Mapping[int, pl.DataFrame]
    """The rows of each."""
    inputs: Mapping[int, Mapping[str, str]]
    """What each was made from."""
    details: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """What else the manifest of each says."""
    releases: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """The releases that each was made of, by BEA table."""
    read: Read = field(default_factory=Read)
    """The rows that went into each, as far as they were counted."""


@dataclass(frozen=True)
class StagedYear:
    """What is told of a year whose rows are written, and published with the others."""

    rows: int
    """Its rows."""
    quarantined: int | None
    """How many of them have a figure that could not be read; None in a table without statuses."""
    unread: Mapping[str, int]
    """How many cells could not be read, of tables that have a status."""
    inputs: Mapping[str, str]
    """What it was made from."""
    releases: Mapping[str, str] | None
    """The releases that it was made of, by BEA table."""


class StagedYears:
    """The years of a table that a step has made: written one range after the other, published by its output."""

    def __init__(self, lake: Lake, registry: Registry, derivation: Derivation, run_id: str) -> None:
        areas = pl.concat([dataset.areas for dataset in registry.datasets.values()])
        self._segments = dict(areas.select("geo_fips", "path_segment").iter_rows())
        self._registry = registry
        self._derivation = derivation
        self._lake = lake
        self._run_id = run_id
        self.years: dict[int, StagedYear] = {}
        self.shown: Mapping[str, Any] = {}
        """What the page says of the newest of them: what a person looks at first."""
        self.read = Read()
        """The rows that went into each, as far as they were counted."""
        self._cannot_be_written: pl.exceptions.SchemaError | None = None

    @cached_property
    def _staging(self) -> Staging:
        return self._lake.table(self._derivation.table).staging(run_id=self._run_id)

    def add(self, made: MadeYears) -> None:
        """Writes further years, as far as they are not there; raises what `TableStore.staging` and `Staging.add` do.

        Rows that no file of the table can hold are told by the rules, which have all ranges to look at first: such a
        publication fails where nobody has stopped it before.
        """
        table = self._derivation.table
        new = [
            NewPartition(
                key=str(year),
                files=files_of_year(table, year, made.frames[year], self._segments),
                inputs=dict(inputs),
                code_version=self._derivation.code_version,
                details=_details(made, year),
                parts_by=table.parts_by,
            )
            for year, inputs in sorted(made.inputs.items())
        ]
        try:
            self._staging.add(new)
        except pl.exceptions.SchemaError as problem:
            self._cannot_be_written = problem
        self.years |= {
            year: StagedYear(
                made.frames[year].height,
                rows_quarantined(made.frames[year]),
                _quarantined(made.frames[year]),
                inputs,
                made.releases.get(year),
            )
            for year, inputs in made.inputs.items()
        }
        self.read = Read({**self.read.rows, **made.read.rows}, {**self.read.set_aside, **made.read.set_aside})
        if (newest := max(self.years)) in made.frames:
            dataset = self._registry.datasets[self._registry.datasets_of(self._derivation)[0]]
            total = str(dataset.categories.filter(pl.col("role") == "total")["category_id"][0])
            self.shown = shown(table, made.frames[newest], total)

    def publish(self) -> Publication:
        """Publishes them; raises what `Staging.publish` does, and `SchemaError` for what no file can hold."""
        if self._cannot_be_written is not None:
            raise self._cannot_be_written
        return self._staging.publish()


@dataclass(frozen=True)
class YearlyOutput:
    """What a yearly asset hands over."""

    derivation: Derivation
    """The table and how it derives."""
    staged: StagedYears
    """The years that are to be published."""
    vintages: Mapping[str, str] = field(default_factory=dict)
    """The vintage, by BEA table, that the datasets were at when this was made."""
    absent: Mapping[int, str] = field(default_factory=dict)
    """The years of the run that there is nothing to publish of, each with the reason."""
    standing: Mapping[int, Partition] = field(default_factory=dict)
    """The years of the run that were left alone, as they are published."""


def yearly_output(output: YearlyOutput, name: str = "result") -> dg.Output[YearlyOutput]:
    """The output of a yearly asset; the staged years are published, and all years of the run are reported."""
    return dg.Output(output, output_name=name, metadata=REPORTED_BY_US)


class LakeIOManager(dg.IOManager):
    """Publishes and reads yearly tables of one lake."""

    def __init__(self, lake: Lake, registry: Registry, journal: RunJournal, settings: Settings) -> None:
        self._lake = lake
        self._registry = registry
        self._journal = journal
        self._settings = settings

    def staged(self, derivation: Derivation, run_id: str) -> StagedYears:
        """A publication of years of a table, without any so far."""
        return StagedYears(self._lake, self._registry, derivation, run_id)

    def handle_output(self, context: dg.OutputContext, obj: YearlyOutput) -> None:
        try:
            self._publish(context, obj)
        except Exception as error:
            name = obj.derivation.table.name
            self._journal.stored_badly(context.run_id, name, error)
            step = context.step_context
            raise_or_try_again(error, self._settings, tried=step.previous_attempt_count, step=name)
            raise

    def _publish(self, context: dg.OutputContext, obj: YearlyOutput) -> None:
        table = obj.derivation.table
        staged = obj.staged
        step = self._journal.running(context.run_id, table.name)
        if step is not None and obj.standing:
            step.outputs(standing=sorted(map(str, obj.standing)))
        self._report_standing(context, obj)
        # also where all stands: it finishes what a killed run left of other years
        publication = staged.publish()
        published = publication.partitions
        withdrawn = self._lake.table(table).withdraw([str(year) for year in obj.absent]) if obj.absent else {}
        quarantined = {str(year): each.quarantined for year, each in staged.years.items()}
        audit_publication(step, table, publication, quarantined, withdrawn, staged.read)
        if step is not None:
            step.rows(**{table.name: sum(each.rows for each in staged.years.values())})
            step.outputs(
                written=publication.written,
                refreshed=publication.refreshed,
                unchanged=publication.unchanged,
                withdrawn=list(withdrawn),
                objects_written=publication.objects_written,
                content_sha256={str(year): published[str(year)].content_sha256 for year in staged.years},
            )
        for year, each in sorted(staged.years.items()):
            became = "unchanged" if str(year) in publication.unchanged else "written"
            is_newest = year == max(staged.years)
            of_the_whole = {"dagster/row_count": publication.rows_in_all, **staged.shown} if is_newest else {}
            context.log_event(
                self._materialisation(context, obj, published[str(year)], each, publication=became, more=of_the_whole)
            )
        for year, why in sorted(obj.absent.items()):
            context.log.info("%s %s: %s", table.name, year, why)
            context.log_event(absent_year(context.asset_key, year, why))

    def _materialisation(
        self,
        context: dg.OutputContext,
        obj: YearlyOutput,
        partition: Partition,
        staged: StagedYear,
        *,
        publication: str,
        more: Mapping[str, Any],
    ) -> dg.AssetMaterialization:
        folder = f"{self._lake.prefix(obj.derivation.table)}/year={partition.key}"
        return dg.AssetMaterialization(
            asset_key=context.asset_key,
            partition=partition.key,
            metadata={
                "dagster/partition_row_count": partition.rows,
                "uri": dg.MetadataValue.text(self._lake.uri_of(folder)),
                "content_sha256": partition.content_sha256,
                "publication": publication,
                "objects": len(partition.objects),
                **report_link(self._lake, context.run_id),
                **staged.unread,
                "code_version": partition.code_version,
                "inputs": dg.MetadataValue.json(dict(staged.inputs)),
                **({"vintage": dg.MetadataValue.json(dict(obj.vintages))} if obj.vintages else {}),
                **({} if staged.releases is None else {"releases": dg.MetadataValue.json(dict(staged.releases))}),
                **more,
            },
            # With a code version too, Dagster would ask for the versions of all inputs, and paint as unsynced
            # what lacks them; what is stale, `next_step` says from the inputs in the lake's manifests.
            tags={"dagster/data_version": partition.content_sha256},
        )

    def _report_standing(self, context: dg.OutputContext, obj: YearlyOutput) -> None:
        """Report the years that stand and that this history has never seen: its page would paint them as missing."""
        if not obj.standing:
            return
        run, instance = context.step_context.dagster_run, context.step_context.instance
        known = reported_before(run, lambda: instance.get_materialized_partitions(context.asset_key))
        for year, partition in sorted(obj.standing.items()):
            if str(year) not in known:
                context.log_event(
                    dg.AssetMaterialization(
                        asset_key=context.asset_key,
                        partition=str(year),
                        description=STANDS,
                        metadata={
                            "dagster/partition_row_count": partition.rows,
                            "content_sha256": partition.content_sha256,
                            "publication": "standing",
                            "code_version": partition.code_version,
                        },
                        tags={"dagster/data_version": partition.content_sha256},
                    )
                )

    def load_input(self, context: dg.InputContext) -> LakeFrame | pl.DataFrame:
        name = context.asset_key.to_user_string()
        table = next(table for table in self._registry.tables if table.name == name)
        read = self.read(FromTable(table), list(context.asset_partition_keys), needed=())
        return read.frame if context.dagster_type.typing_type is pl.DataFrame else read

    def read(
        self, source: FromTable, years: Sequence[str], *, needed: Collection[int], hashes_only: bool = False
    ) -> LakeFrame:
        """Those of the years that a table holds; raises `MissingPartitions` if it lacks one that is needed.

        With `hashes_only` no rows are read.
        """
        table = source.table
        store = self._lake.table(table)
        held = store.latest()
        wanted = [year for year in years if year in held]
        missing = [year for year in sorted(set(years) - set(held), key=int) if int(year) in needed]
        if missing:
            raise MissingPartitions(
                table.name,
                missing,
                remedy=f"Materialise them first: `pce refresh --years {missing[0]}...{missing[-1]}`, or "
                f"`dagster asset materialize --select '{_selection(table)}' "
                f"--partition-range {missing[0]}...{missing[-1]}`.",
            )
        frame = store.read(wanted) if wanted and not hashes_only else pl.DataFrame(schema=table.polars_schema)
        if source.part is not None and table.parts_by is not None:
            frame = frame.filter(pl.col(table.parts_by) == source.part)
        hashes = {year: held[year].part_sha256(source.part) for year in wanted}
        return LakeFrame(
            frame,
            {year: digest for year, digest in hashes.items() if digest is not None},
            {year: held[year].details.get(RELEASES, {}) for year in wanted},
            {year: held[year] for year in wanted},
        )


def _details(made: MadeYears, year: int) -> dict[str, Any]:
    return {
        **made.details.get(year, {}),
        **({RELEASES: dict(made.releases[year])} if year in made.releases else {}),
    }


def _quarantined(frame: pl.DataFrame) -> dict[str, int]:
    """How many cells could not be read, of tables that have a status."""
    return {"quarantined": int((frame["status"] == QUARANTINED).sum())} if "status" in frame.columns else {}


def _selection(table: Table) -> str:
    return f'key:"{table.name}"'
