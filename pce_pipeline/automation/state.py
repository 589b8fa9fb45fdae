"""The states that `next_step` decides on, read from the lake and from Postgres."""

from collections.abc import Mapping

from pce_pipeline import schemas
from pce_pipeline.automation.next_step import KnownTable, LakeState
from pce_pipeline.bronze.extract import taken_at
from pce_pipeline.catalog import Catalog
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.manifest import Manifest, TableEntry, Verified, newest_by_table, source_of_table
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lineage import DERIVATIONS, DIMENSION_CODE_VERSION, DIMENSIONS
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import checkpoints


def lake_state(lake: Lake, catalog: Catalog) -> LakeState:
    """What the lake holds: a few small reads, no data.

    A pin decides which figures count; what was compared with BEA, and when, does not depend on it. Nor do events, of
    which those are looked for that came after the comparison longest ago.
    """
    manifests = lake.bronze.manifests()
    verified = lake.bronze.verified()
    pin = lake.bronze.pin()
    counting = source_of_table(manifests, pin=ExtractId.parse(pin.extract) if pin else None)
    known = {
        table: _known(manifests, verified, table, *counting.get(table, newest))
        for table, newest in source_of_table(manifests).items()
        if table in catalog.tables
    }
    partitions = {
        table.name: lake.table(table).latest()
        for table in (*(derivation.table for derivation in DERIVATIONS), *DIMENSIONS)
    }
    return LakeState(
        tables={table: each for table, each in known.items() if table in counting},
        partitions=partitions,
        stale_dimensions=tuple(
            table.name for table in DIMENSIONS if _is_stale(catalog, table, partitions[table.name].get(WHOLE))
        ),
        beyond_pin={table: each for table, each in known.items() if table not in counting},
        event=lake.events.newest_since(min(each.compared_at for each in known.values()))
        if known
        else lake.events.newest(),
    )


def loaded_hashes(postgres: PostgresResource) -> Mapping[tuple[str, str], str]:
    """The content hash that Postgres holds of each (table, year)."""
    with postgres.connect() as connection:
        return {key: checkpoint.content_sha256 for key, checkpoint in checkpoints(connection).items()}


def _known(
    manifests: Mapping[ExtractId, Manifest],
    verified: Verified | None,
    table: str,
    extract: ExtractId,
    entry: TableEntry,
) -> KnownTable:
    newest = newest_by_table(manifests)[table]
    last_updated, compared_at = manifests[newest].tables[table].last_updated, taken_at(manifests[newest], table)
    check = verified.tables.get(table) if verified else None
    # a comparison with another extract than the newest says nothing of what came after it
    if check is not None and check.extract == str(newest) and check.checked_at > compared_at:
        last_updated, compared_at = check.last_updated, check.checked_at
    first, _ = source_of_table(manifests)[table]
    return KnownTable(extract, entry, last_updated, compared_at, changed_at=taken_at(manifests[first], table))


def _is_stale(catalog: Catalog, table: schemas.Table, held: Partition | None) -> bool:
    return (
        held is None
        or held.code_version != DIMENSION_CODE_VERSION
        or held.content_sha256 != schemas.content_sha256(DIMENSION_FRAMES[table.name](catalog))
    )
