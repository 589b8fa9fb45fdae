"""The rows of schema `meta`: whose database this is, runs and what they said, checkpoints, what could not be read.

They are written in the transaction of the load they describe; rows that already say so are not written again, except
the run's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)
from psycopg2.extras import Json

from pce_pipeline.observability.audit import AuditEntry
from pce_pipeline.observability.records import CheckOutcome, RunRecord
from pce_pipeline.warehouse.audit import record_checks, record_trail
from pce_pipeline.warehouse.contents import Content, Key
from pce_pipeline.warehouse.delta import DeltaLoad
from pce_pipeline.warehouse.errors import WrongWorld
from pce_pipeline.warehouse.merge import LateLoad, LoadResult, TableLoad

RunStatus = Literal["running", "succeeded", "failed"]


@dataclass(frozen=True)
class RunRow:
    """What a run was asked and did. Moments are aware; mappings become jsonb."""

    run_id: str
    """Dagster's id of the run."""
    dataset: str
    """The datasets it worked on."""
    started_at: datetime
    """When it began."""
    job: str | None = None
    """The job."""
    trigger: str | None = None
    """What launched it."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What was asked."""
    extracts: Sequence[str] = ()
    """The extracts it took or read."""
    checks: Mapping[str, Any] = field(default_factory=dict)
    """What the checks said."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each step took."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """The versions of code and libraries."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """The whole record."""
    finished_at: datetime | None = None
    """When it ended; None for a run that ends with what is recorded of it now."""
    outcomes: Sequence[CheckOutcome] = ()
    """What the checks said, each as a row of its own."""
    trail: Sequence[AuditEntry] = ()
    """What its steps made of partitions."""


_CLAIM = "INSERT INTO meta.world (world, env) VALUES (%(world)s, %(env)s) ON CONFLICT DO NOTHING"
_CLAIMED = "SELECT world, env FROM meta.world"

_RECORD_RUN = """
INSERT INTO meta.ingest_runs (
    run_id, env, world, dataset, job, trigger, parameters, extracts, started_at, finished_at, status, rows, checks,
    seconds, versions, record
) VALUES (
    %(run_id)s, %(env)s, %(world)s, %(dataset)s, %(job)s, %(trigger)s, %(parameters)s, %(extracts)s, %(started_at)s,
    CASE WHEN %(status)s <> 'running' THEN coalesce(%(finished_at)s, clock_timestamp()) END, %(status)s, %(rows)s,
    %(checks)s, %(seconds)s, %(versions)s, %(record)s
)
ON CONFLICT (run_id) DO UPDATE SET
    job = excluded.job, trigger = excluded.trigger, parameters = excluded.parameters, extracts = excluded.extracts,
    started_at = excluded.started_at, finished_at = excluded.finished_at, status = excluded.status,
    rows = ingest_runs.rows || excluded.rows, checks = excluded.checks, seconds = excluded.seconds,
    versions = excluded.versions, record = excluded.record
"""

_RECORD_CHECKPOINTS = """
MERGE INTO meta.checkpoints AS held
USING (
    SELECT loaded.table_name, loaded.partition, loaded.content_sha256, loaded.rows, loaded.code_version,
        contents.held_hash
    FROM meta.manifests AS loaded
    LEFT JOIN jsonb_to_recordset(%(contents)s) AS contents(table_name text, partition text, held_hash text)
        ON contents.table_name = loaded.table_name AND contents.partition = loaded.partition
    WHERE loaded.table_name || '/' || loaded.partition = ANY(%(loaded)s)
) AS given ON held.table_name = given.table_name AND held.partition = given.partition
WHEN MATCHED AND (held.content_sha256, held.rows, held.code_version, held.held_hash)
    IS DISTINCT FROM (given.content_sha256, given.rows, given.code_version, given.held_hash)
THEN UPDATE SET
    content_sha256 = given.content_sha256, rows = given.rows, code_version = given.code_version,
    held_hash = given.held_hash, run_id = %(run_id)s, loaded_at = clock_timestamp()
WHEN NOT MATCHED BY TARGET THEN INSERT (
    table_name, partition, content_sha256, rows, code_version, held_hash, run_id, loaded_at
) VALUES (
    given.table_name, given.partition, given.content_sha256, given.rows, given.code_version, given.held_hash,
    %(run_id)s, clock_timestamp()
)
WHEN NOT MATCHED BY SOURCE AND held.table_name || '/' || held.partition = ANY(%(loaded)s)
THEN DELETE
"""

_RECORD_QUARANTINE = """
MERGE INTO meta.quarantine AS held
USING (
    SELECT * FROM jsonb_to_recordset(%(quarantine)s) AS given(
        extract text, bea_table text, line_code integer, geo_fips text, year integer, month integer, unit text,
        object_key text, value_text text, rule text, reason text
    )
) AS given ON (held.extract, held.bea_table, held.line_code, held.geo_fips, held.year)
    = (given.extract, given.bea_table, given.line_code, given.geo_fips, given.year)
    AND held.month IS NOT DISTINCT FROM given.month
WHEN MATCHED AND (held.unit, held.object_key, held.value_text, held.rule, held.reason)
    IS DISTINCT FROM (given.unit, given.object_key, given.value_text, given.rule, given.reason)
THEN UPDATE SET
    unit = given.unit, object_key = given.object_key, value_text = given.value_text, rule = given.rule,
    reason = given.reason
WHEN NOT MATCHED BY TARGET THEN INSERT (
    extract, bea_table, line_code, geo_fips, year, month, unit, object_key, value_text, rule, reason
) VALUES (
    given.extract, given.bea_table, given.line_code, given.geo_fips, given.year, given.month, given.unit,
    given.object_key,
    given.value_text, given.rule, given.reason
)
WHEN NOT MATCHED BY SOURCE THEN DELETE
"""


def run_row(run: RunRecord, trail: Sequence[AuditEntry] = (), *, has_ended: bool = False) -> RunRow:
    """The run so far, as schema meta keeps it, with its part of the audit trail; a running step counts up to now."""
    now = datetime.now(UTC)
    return RunRow(
        run_id=run.run_id,
        dataset=run.dataset,
        started_at=run.started_at,
        job=run.job,
        parameters=run.requested,
        extracts=run.extracts,
        checks={f"{check.asset}:{check.name}": msgspec.to_builtins(check) for check in run.checks},
        seconds={
            step.step: round((now - step.started_at).total_seconds(), 3) if step.status == "running" else step.seconds
            for step in run.steps
        },
        versions=run.versions,
        record=msgspec.to_builtins(run),
        finished_at=run.updated_at if has_ended else None,
        outcomes=run.checks,
        trail=trail,
    )


def run_status(run: RunRecord) -> RunStatus:
    """What a run came to, as far as its record says."""
    return "failed" if run.status == "failed" else "running" if run.status == "running" else "succeeded"


def claim_world(cursor: Cursor, *, world: str, env: str) -> None:
    """Make the database this world's if it is nobody's yet; raises `WrongWorld` if it is another's."""
    # Writing to the table would wait for a load that is under way, and reading it does not.
    cursor.execute(_CLAIMED)
    held = cursor.fetchone()
    if held is None:
        cursor.execute(_CLAIM, {"world": world, "env": env})
        cursor.execute(_CLAIMED)
        held = cursor.fetchone()
    if held is not None and tuple(held) != (world, env):
        raise WrongWorld(held=(str(held[0]), str(held[1])), loading=(world, env))


def record_run(
    connection: Connection,
    run: RunRow,
    *,
    world: str,
    env: str,
    status: RunStatus,
    results: Sequence[LoadResult] = (),
) -> None:
    """Write the run's row over an earlier one of the same run, what its checks said, and its trail; the caller commits.

    Rows counted per table are added to those already there, so that a run may load in several transactions.
    Raises `WrongWorld`.
    """
    with connection.cursor() as cursor:
        claim_world(cursor, world=world, env=env)
        cursor.execute(
            _RECORD_RUN,
            {
                "run_id": run.run_id,
                "env": env,
                "world": world,
                "dataset": run.dataset,
                "job": run.job,
                "trigger": run.trigger,
                "parameters": Json(dict(run.parameters)),
                "extracts": list(run.extracts),
                "started_at": run.started_at,
                "status": status,
                "rows": Json({result.table: result.counts() for result in results}),
                "checks": Json(dict(run.checks)),
                "seconds": Json(dict(run.seconds)),
                "versions": Json(dict(run.versions)),
                "record": Json(dict(run.record)),
                "finished_at": run.finished_at,
            },
        )
        record_checks(cursor, run.run_id, run.outcomes, checked_at=run.started_at)
        record_trail(cursor, run.run_id, run.trail)


def record_checkpoints(
    cursor: Cursor, loads: Sequence[TableLoad | LateLoad | DeltaLoad], contents: Mapping[Key, Content], run_id: str
) -> None:
    """Make checkpoints say what the loaded tables now hold; a partition without a manifest has none."""
    given = {
        "contents": Json(
            [
                {"table_name": table, "partition": partition, "held_hash": content.hash}
                for (table, partition), content in contents.items()
            ]
        ),
        "loaded": [f"{load.table.name}/{partition}" for load in loads for partition in load.partitions],
        "run_id": run_id,
    }
    cursor.execute(_RECORD_CHECKPOINTS, given)


def record_quarantine(cursor: Cursor, cells: Sequence[Mapping[str, Any]]) -> None:
    """Make meta.quarantine these cells, each with the columns of the table."""
    cursor.execute(_RECORD_QUARANTINE, {"quarantine": Json([dict(cell) for cell in cells])})
