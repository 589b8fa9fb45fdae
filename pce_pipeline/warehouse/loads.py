"""One load: its tables, their lineage, checkpoints and the record of its run in a single transaction, or nothing.

Loads of one database happen one after the other (MERGE is not safe against concurrent inserts of a key), and no reader
can keep one from its turn. A killed load leaves no trace; the same load again writes nothing but its run's row.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.warehouse.audit import entries_of_load, record_untold
from pce_pipeline.warehouse.comments import apply_comments
from pce_pipeline.warehouse.contents import Content, Key, contents_of
from pce_pipeline.warehouse.delta import DeltaLoad, apply
from pce_pipeline.warehouse.errors import LoadCollided, LoadFailed, RightsMissing, WarehouseConnectionLost
from pce_pipeline.warehouse.lineage import (
    HeldManifest,
    Lineage,
    ManifestRow,
    held_manifests,
    record_manifests,
    record_raw_objects,
    record_watermarks,
)
from pce_pipeline.warehouse.merge import Incoming, LateLoad, LoadResult, TableLoad, merge, prepare
from pce_pipeline.warehouse.migrate import require_migrated
from pce_pipeline.warehouse.postgres import require_supported
from pce_pipeline.warehouse.records import (
    RunRow,
    RunStatus,
    claim_world,
    record_checkpoints,
    record_quarantine,
    record_run,
)
from pce_pipeline.warehouse.turns import LOADS, Patience, holders, take_turn

__all__ = ["DeltaLoad", "LateLoad", "Lineage", "LoadResult", "ManifestRow", "RunRow", "TableLoad", "load"]

_NOT_TO_BE_HAD = "55P03"
_COLLISIONS = ("40", _NOT_TO_BE_HAD)  # serialization and deadlock; a lock

# Loads have their turn at the table that says whose the database is. Readers have no right to it; a load of the
# version before, which used another lock, writes to it first of all and waits here.
_TURN = ("meta", "world")

_PREPARE = """
SET LOCAL work_mem = '128MB';
SET LOCAL temp_buffers = '64MB';
SET LOCAL client_encoding = 'UTF8';
"""


def load(
    connection: Connection,
    tables: Sequence[TableLoad | LateLoad | DeltaLoad],
    *,
    world: str,
    env: str,
    run: RunRow,
    manifests: Sequence[ManifestRow],
    lineage: Lineage | None = None,
    quarantine: Sequence[Mapping[str, Any]] | None = None,
    status: RunStatus = "succeeded",
    patience: Patience = LOADS,
) -> list[LoadResult]:
    """Make each table equal to its frame within its years, record it, commit; what was written per table.

    A table without years is made equal as a whole. Manifests of loaded tables become their checkpoints; a loaded
    year without one loses its checkpoint. `lineage` says where figures come from; None leaves what is recorded of it.
    `quarantine` are all cells that could not be read, of whatever year; None
    leaves those that are recorded. `status` is what the run comes to once this is committed. `patience` bounds how
    long other sessions are waited for.

    Raises `WarehouseTooOld`, `WarehouseNotMigrated`, `WarehouseNewer`, `WrongWorld`, `LoadRefused`, `SchemaViolation`,
    `LoadFailed` or `WarehouseConnectionLost`, nothing written.
    """
    require_supported(connection.server_version)
    began = time.perf_counter()
    with (
        ThreadPoolExecutor(1) as ahead,
        _explained(connection, "the load"),
        connection,
        connection.cursor() as cursor,
    ):
        # The next table is read, checked and written as CSV while the server works on this one.
        incoming = _one_ahead(ahead, [table for table in tables if not isinstance(table, DeltaLoad)])
        require_migrated(connection)
        cursor.execute(_PREPARE)
        with _explained(connection, "the turn of a load", table=".".join(_TURN)):
            take_turn(cursor, _TURN, patience)
        require_migrated(connection)  # another session may have migrated while this one waited
        claim_world(cursor, world=world, env=env)
        apply_comments(connection, is_sample=world.startswith("sample"))
        results: list[LoadResult] = []
        contents: dict[Key, Content] = {}
        for table in tables:
            with _explained(connection, table.table.name, table=table.table.name.replace("/", ".")):
                if isinstance(table, DeltaLoad):
                    result, held = apply(cursor, table)
                else:
                    result = merge(cursor, next(incoming))
                    held = contents_of(cursor, [table.table], table.years)
            results.append(replace(result, held=sum(content.rows for content in held.values())))
            contents |= held
        before, loaded = held_manifests(cursor), [(each.table.name, key) for each in tables for key in each.partitions]
        of_lake = lineage or Lineage()
        every = [*manifests, *of_lake.manifests]
        record_manifests(cursor, every, before, whole=of_lake.tables, loaded=loaded, run_id=run.run_id)
        record_checkpoints(cursor, tables, contents, run.run_id)
        results = _with_trail(results, loaded, every, before, contents, seconds=time.perf_counter() - began)
        if lineage is not None:
            record_raw_objects(cursor, lineage.raw_objects)
            record_watermarks(cursor, lineage.watermarks, window=lineage.full_comparison, run_id=run.run_id)
        if quarantine is not None:
            record_quarantine(cursor, quarantine)
        trail = [*run.trail, *(entry for result in results for entry in result.trail)]
        record_run(connection, replace(run, trail=trail), world=world, env=env, status=status, results=results)
        if lineage is not None:
            record_untold(cursor, lineage.history)
    return results


def _one_ahead(ahead: ThreadPoolExecutor, loads: Sequence[TableLoad | LateLoad]) -> Iterator[Incoming]:
    """The loads as COPY wants them, in order; the first is begun at once, each further one when its turn is next."""
    waiting = deque(ahead.submit(_prepared, load) for load in loads[:1])

    def following() -> Iterator[Incoming]:
        for number in range(len(loads)):
            ready = waiting.popleft().result()
            waiting.extend(ahead.submit(_prepared, load) for load in loads[number + 1 : number + 2])
            yield ready

    return following()


def _prepared(load: TableLoad | LateLoad) -> Incoming:
    return prepare(load.now() if isinstance(load, LateLoad) else load)


def _with_trail(
    results: Sequence[LoadResult],
    loaded: Sequence[Key],
    manifests: Sequence[ManifestRow],
    before: Mapping[Key, HeldManifest],
    contents: Mapping[Key, Content],
    *,
    seconds: float,
) -> list[LoadResult]:
    """The results with what the audit trail says of each partition."""
    given = {manifest.key: manifest for manifest in manifests}
    return [
        replace(
            result,
            trail=entries_of_load(
                result,
                [key for key in loaded if key[0] == result.table],
                given,
                before,
                contents,
                seconds=seconds,
            ),
        )
        for result in results
    ]


def _kind_of(failed: psycopg2.Error) -> type[LoadFailed]:
    if isinstance(failed, psycopg2.errors.InsufficientPrivilege):
        return RightsMissing
    return LoadCollided if (failed.pgcode or "").startswith(_COLLISIONS) else LoadFailed


@contextmanager
def _explained(connection: Connection, doing: str, *, table: str | None = None) -> Iterator[None]:
    """Turn the driver's errors into ours. `table` is the one that is waited for, where it is one."""
    try:
        yield
    except psycopg2.Error as failed:
        reason, sqlstate = failed.diag.message_primary or str(failed).strip(), failed.pgcode
        if connection.closed:
            raise WarehouseConnectionLost(f"loading {doing}", reason) from failed
        if sqlstate == _NOT_TO_BE_HAD:
            found = holders(connection, None if table is None else [table])
            raise LoadCollided(doing, sqlstate=sqlstate, reason=reason, holders=found) from failed
        raise _kind_of(failed)(doing, sqlstate=sqlstate, reason=reason) from failed
