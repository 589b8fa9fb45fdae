"""Dagster's way in and out of the lake's yearly tables.

Out: one frame for a whole range of years is split and published, and each year that was really written is reported
as materialised, with its own content hash as data version. In: the years asked for come as one frame, verified.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.lake.errors import MissingPartitions
from pce_pipeline.lake.pointer import NewPartition, Partition
from pce_pipeline.lake.resource import Lake, files_of_year
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
class YearlyOutput:
    """What a yearly asset hands over."""

    derivation: Derivation
    """The table and how it derives."""
    frames: Mapping[int, pl.DataFrame]
    """Its rows, by year."""
    inputs: Mapping[int, Mapping[str, str]]
    """What each year was made from; only these years are published."""
    details: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """What else the manifest of each year says."""
    releases: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """The releases that each year was made of, by BEA table."""
    vintages: Mapping[str, str] = field(default_factory=dict)
    """The vintage, by BEA table, that the datasets were at when this was made."""
    absent: Mapping[int, str] = field(default_factory=dict)
    """The years of the run that there is nothing to publish of, each with the reason."""
    read: Read = field(default_factory=Read)
    """The rows that went into each year, as far as they were counted."""
    standing: Mapping[int, Partition] = field(default_factory=dict)
    """The years of the run that were left alone, as they are published."""


def yearly_output(output: YearlyOutput, name: str = "result") -> dg.Output[YearlyOutput]:
    """The output of a yearly asset; the years in `inputs` are published, and all years of the run are reported."""
    return dg.Output(output, output_name=name, metadata=REPORTED_BY_US)


class LakeIOManager(dg.IOManager):
    """Publishes and reads yearly tables of one lake."""

    def __init__(self, lake: Lake, registry: Registry, journal: RunJournal, settings: Settings) -> None:
        self._lake = lake
        self._registry = registry
        areas = pl.concat([dataset.areas for dataset in registry.datasets.values()])
        self._segments = dict(areas.select("geo_fips", "path_segment").iter_rows())
        self._journal = journal
        self._settings = settings

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
        by_year = obj.frames
        step = self._journal.running(context.run_id, table.name)
        if step is not None and obj.standing:
            step.outputs(standing=sorted(map(str, obj.standing)))
        self._report_standing(context, obj)
        # also where all stands: it finishes what a killed run left of other years
        publication = self._lake.table(table).publish(
            [
                NewPartition(
                    key=str(year),
                    files=files_of_year(table, year, by_year[year], self._segments),
                    inputs=dict(inputs),
                    code_version=obj.derivation.code_version,
                    details=_details(obj, year),
                    parts_by=table.parts_by,
                )
                for year, inputs in sorted(obj.inputs.items())
            ],
            run_id=context.run_id,
            now=datetime.now(UTC),
        )
        published = publication.partitions
        withdrawn = self._lake.table(table).withdraw([str(year) for year in obj.absent]) if obj.absent else {}
        frames = {str(year): rows for year, rows in by_year.items()}
        audit_publication(step, table, publication, frames, withdrawn, obj.read)
        if step is not None:
            step.rows(**{table.name: sum(rows.height for rows in by_year.values())})
            step.outputs(
                written=publication.written,
                refreshed=publication.refreshed,
                unchanged=publication.unchanged,
                withdrawn=list(withdrawn),
                objects_written=publication.objects_written,
                content_sha256={str(year): published[str(year)].content_sha256 for year in obj.inputs},
            )
        for year in sorted(obj.inputs):
            became = "unchanged" if str(year) in publication.unchanged else "written"
            context.log_event(
                self._materialisation(
                    context,
                    obj,
                    published[str(year)],
                    by_year[year],
                    publication=became,
                    more=self._of_the_whole(obj.derivation, by_year[year], publication.rows_in_all)
                    if year == max(obj.inputs)
                    else {},
                )
            )
        for year, why in sorted(obj.absent.items()):
            context.log.info("%s %s: %s", table.name, year, why)
            context.log_event(absent_year(context.asset_key, year, why))

    def _materialisation(
        self,
        context: dg.OutputContext,
        obj: YearlyOutput,
        partition: Partition,
        rows: pl.DataFrame,
        *,
        publication: str,
        more: Mapping[str, Any],
    ) -> dg.AssetMaterialization:
        year = int(partition.key)
        folder = f"{self._lake.prefix(obj.derivation.table)}/year={year}"
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
                **_quarantined(rows),
                "code_version": partition.code_version,
                "inputs": dg.MetadataValue.json(dict(obj.inputs[year])),
                **({"vintage": dg.MetadataValue.json(dict(obj.vintages))} if obj.vintages else {}),
                **({"releases": dg.MetadataValue.json(dict(obj.releases[year]))} if year in obj.releases else {}),
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

    def _of_the_whole(self, derivation: Derivation, rows: pl.DataFrame, rows_in_all: int) -> dict[str, Any]:
        """What the newest year of a run says of the table: its rows of all years, and what a person looks at first."""
        dataset = self._registry.datasets[self._registry.datasets_of(derivation)[0]]
        total = str(dataset.categories.filter(pl.col("role") == "total")["category_id"][0])
        return {
            "dagster/row_count": rows_in_all,
            **shown(derivation.table, rows, total),
        }

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


def _details(output: YearlyOutput, year: int) -> dict[str, Any]:
    return {
        **output.details.get(year, {}),
        **({RELEASES: dict(output.releases[year])} if year in output.releases else {}),
    }


def _quarantined(frame: pl.DataFrame) -> dict[str, int]:
    """How many cells could not be read, of tables that have a status."""
    return {"quarantined": int((frame["status"] == QUARANTINED).sum())} if "status" in frame.columns else {}


def _selection(table: Table) -> str:
    return f'key:"{table.name}"'
