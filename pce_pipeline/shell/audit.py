"""The entries that the steps of the lake leave in the audit trail: one for each partition published or withdrawn."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pce_pipeline.bronze.current import EXTRACTS
from pce_pipeline.bronze.lineage import extracts_of, is_rolled_back
from pce_pipeline.bronze.manifest import Manifest
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.publication import Publication
from pce_pipeline.observability.audit import AuditEntry, Event
from pce_pipeline.observability.records import RunRecord, Step
from pce_pipeline.shell.keys import bronze_key
from pce_pipeline.tables.table import Table


@dataclass(frozen=True)
class Read:
    """The rows that went into partitions, by partition, as far as somebody counted them."""

    rows: Mapping[str, int] = field(default_factory=dict)
    """How many there were."""
    set_aside: Mapping[str, int] = field(default_factory=dict)
    """How many of them have no place in the table, and lie in quarantine alone."""


def audit_publication(
    step: Step | None,
    table: Table,
    publication: Publication,
    quarantined: Mapping[str, int | None],
    withdrawn: Mapping[str, Partition],
    read: Read,
) -> None:
    """Leave the entries of what a step published and withdrew of a table, by partition; without a step, none.

    `quarantined` says how many rows of each partition have a figure that could not be read (`rows_quarantined`).
    """
    if step is None or (len(publication.unchanged) == len(publication.partitions) and not withdrawn):
        return
    at, gone_back = datetime.now(UTC), rolled_back_in(step.run)
    entries = [
        AuditEntry(
            asset=table.name,
            table=table.name,
            partition=key,
            event=_event(publication, key, gone_back),
            at=at,
            content_sha256=after.content_sha256,
            content_before=publication.before[key].content_sha256 if key in publication.before else None,
            extracts=extracts_of(after.details.get(EXTRACTS, {})),
            inputs=after.inputs,
            code_version=after.code_version,
            rows_in=read.rows.get(key),
            rows_out=after.rows,
            rows_quarantined=_quarantined(quarantined.get(key), read.set_aside.get(key, 0)),
        )
        for key, after in publication.partitions.items()
    ]
    entries += [
        AuditEntry(
            asset=table.name,
            table=table.name,
            partition=key,
            event="withdrawn",
            at=at,
            content_before=before.content_sha256,
            rows_in=0,
            rows_out=0,
        )
        for key, before in withdrawn.items()
    ]
    step.audit(entries)


def audit_extract(step: Step, manifest: Manifest) -> None:
    """Leave the entry of a new extract."""
    step.audit([entry_of_extract(manifest)])


def entry_of_extract(manifest: Manifest) -> AuditEntry:
    """An extract, as the trail tells of it."""
    name = bronze_key(manifest.dataset).to_user_string()
    return AuditEntry(
        asset=name,
        table=name,
        partition=manifest.extract_date,
        event="extracted",
        at=manifest.ingested_at,
        content_sha256=manifest.content_sha256,
        extracts={table: [manifest.extract_date] for table in sorted(manifest.tables)},
        code_version=manifest.code_version,
        rows_in=sum(each.rows for each in manifest.objects),
        rows_out=sum(each.rows for each in manifest.tables.values()),
        rows_quarantined=sum(each.quarantined for each in manifest.tables.values()),
    )


def entry_of_partition(table: Table, partition: Partition, extracts: Mapping[str, list[str]]) -> AuditEntry:
    """A partition that is published, told by its manifest alone: where the run that wrote it left no entry."""
    return AuditEntry(
        asset=table.name,
        table=table.name,
        partition=partition.key,
        event="written",
        at=partition.published_at,
        content_sha256=partition.content_sha256,
        extracts=dict(extracts),
        inputs=partition.inputs,
        code_version=partition.code_version,
        rows_out=partition.rows,
    )


def rolled_back_in(run: RunRecord) -> set[str]:
    """The partitions that went back to an earlier vintage in a run, as `<table>/<partition>`."""
    return {each for step in run.steps for each in step.rolled_back}


def _event(publication: Publication, key: str, gone_back: Collection[str]) -> Event:
    if key in publication.unchanged:
        return "unchanged"
    if key in publication.refreshed:
        return "refreshed"
    before, after = publication.before.get(key), publication.partitions[key]
    if before is None:
        return "written"
    if before.content_sha256 == after.content_sha256:
        return "restored"
    went_back = is_rolled_back(
        extracts_of(before.details.get(EXTRACTS, {})), extracts_of(after.details.get(EXTRACTS, {}))
    )
    return "rolled_back" if went_back or any(name in gone_back for name in after.inputs) else "written"


def _quarantined(found: int | None, set_aside: int) -> int | None:
    return None if found is None else found + set_aside
