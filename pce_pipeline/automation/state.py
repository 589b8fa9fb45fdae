"""The states that `next_step` decides on, read from the lake and from Postgres."""

from collections.abc import Mapping

from pce_pipeline import schemas
from pce_pipeline.automation.next_step import KnownTable, LakeState
from pce_pipeline.catalog import Catalog
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.lake.manifest import newest_by_table
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lineage import DERIVATIONS, DIMENSION_CODE_VERSION, DIMENSIONS
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import checkpoints


def lake_state(lake: Lake, catalog: Catalog) -> LakeState:
    """What the lake holds: a few small reads, no data."""
    manifests = lake.bronze.manifests()
    newest = newest_by_table(manifests)
    verified = lake.bronze.verified()
    tables: dict[str, KnownTable] = {}
    for table, (extract, entry) in lake.sources().items():
        if table not in catalog.tables:
            continue
        last = manifests[newest[table]]
        compared_at, last_updated = last.ingested_at, last.tables[table].last_updated
        check = verified.tables.get(table) if verified else None
        if check is not None and check.checked_at > compared_at:
            compared_at, last_updated = check.checked_at, check.last_updated
        tables[table] = KnownTable(extract, entry, last_updated, compared_at)
    return LakeState(
        tables=tables,
        partitions={derivation.table.name: lake.table(derivation.table).latest() for derivation in DERIVATIONS},
        stale_dimensions=tuple(table.name for table in DIMENSIONS if _is_stale(lake, catalog, table)),
    )


def loaded_hashes(postgres: PostgresResource) -> Mapping[tuple[str, str], str]:
    """The content hash that Postgres holds of each (table, year)."""
    with postgres.connect() as connection:
        return {key: checkpoint.content_sha256 for key, checkpoint in checkpoints(connection).items()}


def _is_stale(lake: Lake, catalog: Catalog, table: schemas.Table) -> bool:
    held = lake.table(table).latest().get(WHOLE)
    return (
        held is None
        or held.code_version != DIMENSION_CODE_VERSION
        or held.content_sha256 != schemas.content_sha256(DIMENSION_FRAMES[table.name](catalog))
    )
