"""The audit trail and the results of checks in the database, and what a load itself has to add to the trail."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)
from psycopg2.extras import Json

from pce_pipeline.bronze.lineage import is_rolled_back
from pce_pipeline.observability.audit import AuditEntry, Event
from pce_pipeline.observability.records import CheckOutcome
from pce_pipeline.warehouse.contents import Content, Key
from pce_pipeline.warehouse.lineage import HeldManifest, ManifestRow
from pce_pipeline.warehouse.merge import LoadResult, RowCounts

_RECORD_TRAIL = """
INSERT INTO meta.audit_trail (
    run_id, asset, partition, table_name, event, happened_at, content_sha256, content_before, extracts, inputs,
    code_version, rows_in, rows_out, rows_quarantined, rows_inserted, rows_updated, rows_deleted, checks_passed,
    checks_failed, step_seconds
)
SELECT %(run_id)s, asset, partition, "table", event, at, content_sha256, content_before, coalesce(extracts, '{}'),
    coalesce(inputs, '{}'), code_version, rows_in, rows_out, rows_quarantined, rows_inserted, rows_updated,
    rows_deleted, coalesce(checks_passed, 0), coalesce(checks_failed, 0), step_seconds
FROM jsonb_to_recordset(%(entries)s) AS given(
    asset text, "table" text, partition text, event text, at timestamptz, content_sha256 text, content_before text,
    extracts jsonb, inputs jsonb, code_version text, rows_in bigint, rows_out bigint, rows_quarantined bigint,
    rows_inserted bigint, rows_updated bigint, rows_deleted bigint, checks_passed integer, checks_failed integer,
    step_seconds double precision
)
ON CONFLICT (run_id, asset, partition) DO UPDATE SET
    event = excluded.event, happened_at = excluded.happened_at, content_sha256 = excluded.content_sha256,
    content_before = excluded.content_before, extracts = excluded.extracts, inputs = excluded.inputs,
    code_version = excluded.code_version, rows_in = excluded.rows_in, rows_out = excluded.rows_out,
    rows_quarantined = excluded.rows_quarantined, rows_inserted = excluded.rows_inserted,
    rows_updated = excluded.rows_updated, rows_deleted = excluded.rows_deleted,
    checks_passed = excluded.checks_passed, checks_failed = excluded.checks_failed,
    step_seconds = excluded.step_seconds
WHERE excluded.event <> 'unchanged' AND audit_trail.happened_at < excluded.happened_at
"""

_RECORD_CHECKS = """
INSERT INTO meta.check_results (
    run_id, asset, check_name, table_name, passed, severity, summary, figures, checked_at
)
SELECT %(run_id)s, asset, name, regexp_replace(asset, '^postgres/', 'gold/'), passed, severity, summary, figures,
    checked_at
FROM jsonb_to_recordset(%(checks)s) AS given(
    asset text, name text, passed boolean, severity text, summary text, figures jsonb, checked_at timestamptz
)
ON CONFLICT (run_id, asset, check_name) DO UPDATE SET
    passed = excluded.passed, severity = excluded.severity, summary = excluded.summary, figures = excluded.figures,
    checked_at = excluded.checked_at
WHERE (check_results.passed, check_results.severity, check_results.summary, check_results.figures,
    check_results.checked_at)
    IS DISTINCT FROM (excluded.passed, excluded.severity, excluded.summary, excluded.figures, excluded.checked_at)
"""

_TOLD = """
SELECT told.run_id, told.asset, told.partition
FROM meta.audit_trail AS told WHERE told.run_id = ANY(%s) AND told.event <> 'unchanged'
"""


def record_trail(cursor: Cursor, run_id: str, entries: Sequence[AuditEntry]) -> None:
    """Add what a run made of partitions; of two tries of one run the last that changed a partition is told."""
    if entries:
        plain = Json(msgspec.to_builtins(list(entries)))
        cursor.execute(_RECORD_TRAIL, {"run_id": run_id, "entries": plain})


def record_checks(cursor: Cursor, run_id: str, outcomes: Iterable[CheckOutcome], *, checked_at: datetime) -> None:
    """Write what the checks of a run said; `checked_at` is when those did that do not say so themselves."""
    last = {(each.asset, each.name): each for each in outcomes}
    if last:
        plain = [
            msgspec.to_builtins(msgspec.structs.replace(each, checked_at=each.checked_at or checked_at), enc_hook=str)
            for each in last.values()
        ]
        cursor.execute(_RECORD_CHECKS, {"run_id": run_id, "checks": Json(plain)})


def record_untold(cursor: Cursor, entries: Sequence[tuple[str, AuditEntry]]) -> None:
    """Add entries, each with its run, that the trail lacks: of runs that left none, or were killed before they did."""
    cursor.execute(_TOLD, ([*{run_id for run_id, _ in entries}],))
    told = set(cursor.fetchall())
    untold: dict[str, list[AuditEntry]] = {}
    for run_id, entry in entries:
        if (run_id, entry.asset, entry.partition) not in told:
            untold.setdefault(run_id, []).append(entry)
    for run_id, each in untold.items():
        record_trail(cursor, run_id, each)


def entries_of_load(
    result: LoadResult,
    keys: Sequence[Key],
    given: Mapping[Key, ManifestRow],
    before: Mapping[Key, HeldManifest],
    held: Mapping[Key, Content],
    *,
    seconds: float,
) -> list[AuditEntry]:
    """What a load made of each partition of a table; none where it wrote nothing and all content is as before."""
    asset, now = f"postgres/{result.table.partition('/')[2]}", datetime.now(UTC)
    entries = []
    for key in keys:
        counts = result.by_partition.get(key[1], RowCounts())
        manifest, earlier = given.get(key), before.get(key)
        rows_in = manifest.rows if manifest is not None else 0
        entries.append(
            AuditEntry(
                asset=asset,
                table=result.table,
                partition=key[1],
                event=_event(manifest, earlier, counts),
                at=now,
                content_sha256=manifest.content_sha256 if manifest is not None else None,
                content_before=earlier.content_sha256 if earlier is not None else None,
                extracts={table: list(each) for table, each in ((manifest and manifest.extracts) or {}).items()},
                inputs={f"{result.table}/{key[1]}": manifest.content_sha256} if manifest is not None else {},
                code_version=manifest.code_version if manifest is not None else None,
                rows_in=rows_in,
                rows_out=held[key].rows if key in held else 0,
                rows_inserted=counts.inserted,
                rows_updated=counts.updated,
                rows_deleted=counts.deleted,
                step_seconds=round(seconds, 3),
            )
        )
    return [] if all(not entry.has_changed for entry in entries) else entries


def _event(manifest: ManifestRow | None, before: HeldManifest | None, counts: RowCounts) -> Event:
    if manifest is None:
        return "withdrawn" if before is not None or counts.deleted else "unchanged"
    if before is None:
        return "loaded"
    if before.content_sha256 == manifest.content_sha256:
        return "restored" if counts.written else "unchanged"
    return "rolled_back" if is_rolled_back(before.extracts or {}, manifest.extracts or {}) else "loaded"
