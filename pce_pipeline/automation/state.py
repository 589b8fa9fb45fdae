"""The states that `next_step` decides on, read from the lake and from Postgres."""

from collections.abc import Mapping

from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from pce_pipeline.automation.next_step import KnownTable, LakeState, LoadState
from pce_pipeline.bronze.counting import Source
from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.extract import taken_at
from pce_pipeline.bronze.judgement import is_complete
from pce_pipeline.bronze.manifest import Verified
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.lineage import DERIVATIONS, DIMENSION_CODE_VERSION, DIMENSIONS
from pce_pipeline.tables.table import Table, content_sha256
from pce_pipeline.warehouse.contents import Key, rows_held
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import Checkpoint, checkpoints


def lake_state(lake: Lake, dataset: Dataset) -> LakeState:
    """What the lake holds: a few small reads, no data.

    A pin decides which figures count; what was compared with BEA, and when, does not depend on it. Nor do events, of
    which those are looked for that came after the comparison longest ago.
    """
    now = current(lake.bronze, dataset)
    verified = lake.bronze.verified()
    counting = now.sources
    known = {
        table: _known(now, verified, counting.get(table, newest), newest, dataset)
        for table, newest in now.unpinned.items()
        if table in dataset.tables
    }
    partitions = {
        table.name: lake.table(table).latest()
        for table in (*(derivation.table for derivation in DERIVATIONS), *DIMENSIONS)
    }
    return LakeState(
        tables={table: each for table, each in known.items() if table in counting},
        partitions=partitions,
        stale_dimensions=tuple(
            table.name for table in DIMENSIONS if _is_stale(dataset, table, partitions[table.name].get(WHOLE))
        ),
        beyond_pin={table: each for table, each in known.items() if table not in counting},
        has_extracts=bool(now.manifests),
        is_pinned=now.pin is not None,
        event=lake.events.newest_since(min(each.compared_at for each in known.values()))
        if known
        else lake.events.newest(),
    )


def load_state(postgres: PostgresResource) -> LoadState:
    """What Postgres holds: its checkpoints, and its rows counted; nothing is read out of it."""
    with postgres.connect() as connection:
        connection.isolation_level = ISOLATION_LEVEL_REPEATABLE_READ  # what is counted is what the checkpoints say
        held = checkpoints(connection)
        return load_state_of(held, rows_held(connection))


def load_state_of(held: Mapping[Key, Checkpoint], rows: Mapping[Key, int]) -> LoadState:
    """The same, of checkpoints and counts that were read already."""
    loaded = {key: checkpoint.rows for key, checkpoint in held.items()}
    return LoadState(
        {key: checkpoint.content_sha256 for key, checkpoint in held.items()},
        {
            key: (rows.get(key, 0), loaded.get(key, 0))
            for key in sorted(rows.keys() | loaded.keys())
            if rows.get(key, 0) != loaded.get(key, 0)
        },
    )


def _known(now: Current, verified: Verified | None, counting: Source, unpinned: Source, dataset: Dataset) -> KnownTable:
    """What counts of a table, and what BEA was last seen to publish: extracts that do not count say nothing of it."""
    table, newest = unpinned.newest.table, unpinned.newest
    base = newest.base
    last_updated = base.entry.last_updated
    compared_at = taken_at(now.manifests[base.extract], table)
    check = verified.tables.get(table) if verified else None
    # a comparison with another extract than the current one says nothing of what came after it
    same = {str(layer.extract) for vintage in (newest, unpinned.vintage) for layer in vintage.layers}
    if check is not None and check.extract in same and check.checked_at > compared_at:
        last_updated, compared_at = check.last_updated, check.checked_at
    first = unpinned.vintage.layers[0].extract
    return KnownTable(
        counting.vintage,
        last_updated,
        compared_at,
        changed_at=taken_at(now.manifests[first], table),
        is_complete=is_complete(newest, dataset),
    )


def _is_stale(dataset: Dataset, table: Table, held: Partition | None) -> bool:
    return (
        held is None
        or held.code_version != DIMENSION_CODE_VERSION
        or held.content_sha256 != content_sha256(DIMENSION_FRAMES[table.name](dataset))
    )
