"""A catalogue of one Iceberg table without a service: metadata is numbered, and who writes the next number commits.

Imports pyiceberg, and is therefore itself imported only where something is to be done.
"""

import uuid
from typing import TYPE_CHECKING

from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil, TableMetadataV2
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import TableRequirement, TableUpdate, update_table_metadata

from pce_pipeline.lake.errors import DamagedObject, ObjectExists
from pce_pipeline.lake.iceberg.files import LakeFiles
from pce_pipeline.lake.iceberg.places import REBUILD, IcebergPlace
from pce_pipeline.lake.iceberg.schemas import schema_of, spec_of
from pce_pipeline.tables.table import Table as Declared

if TYPE_CHECKING:
    from pyiceberg.typedef import Identifier

# A table is committed to on what was loaded of it, or not at all: who lost a race looks at the pointer again.
_PROPERTIES = {
    "commit.retry.num-retries": "0",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}


class LakeCatalogue(NoopCatalog):
    """One table as it was loaded, and the one commit that may follow."""

    def __init__(self, place: IcebergPlace, number: int) -> None:
        """`number` is that of the metadata to go on from; 0 where there is none."""
        super().__init__("lake", type="noop")
        self._place = place
        self.number = number

    def load_table(self, identifier: "str | Identifier") -> Table:
        """The table as of that number. Raises `MissingObject`, and `DamagedObject` for metadata that cannot be read."""
        key = self._place.metadata_key(self.number)
        body = self._place.store.get(key)
        try:
            metadata = TableMetadataUtil.parse_raw(body.decode())
        except (ValueError, KeyError) as error:
            raise DamagedObject(key, "metadata of Iceberg", type(error).__name__, remedy=REBUILD) from None
        return self._table(identifier, metadata, self._place.addresses.of_key(key))

    def new_table(self, declared: Declared) -> Table:
        """A table without history in place of whatever was there; nothing is written before its first commit."""
        schema, spec = schema_of(declared), spec_of(declared)
        metadata = TableMetadataV2(
            location=self._place.location,
            table_uuid=uuid.uuid4(),
            schemas=[schema],
            current_schema_id=schema.schema_id,
            last_column_id=schema.highest_field_id,
            partition_specs=[spec],
            default_spec_id=spec.spec_id,
            last_partition_id=spec.last_assigned_field_id,
            sort_orders=[UNSORTED_SORT_ORDER],
            default_sort_order_id=UNSORTED_SORT_ORDER.order_id,
            properties=dict(_PROPERTIES),
        )
        return self._table(declared.name, metadata, "")

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Writes the next metadata and then the hint. Raises `CommitFailedException` where somebody else was faster."""
        for requirement in requirements:
            requirement.validate(table.metadata)
        metadata = update_table_metadata(table.metadata, updates, metadata_location=table.metadata_location or None)
        key = self._place.metadata_key(self.number + 1)
        try:
            self._place.store.create(key, metadata.model_dump_json(exclude_none=True).encode())
        except ObjectExists:
            raise CommitFailedException(f"{key} was written by somebody else") from None
        self.number += 1
        self._place.write_hint(self.number)
        return CommitTableResponse(metadata=metadata, metadata_location=self._place.addresses.of_key(key))

    def _table(self, identifier: "str | Identifier", metadata: TableMetadata, location: str) -> Table:
        files = LakeFiles(self._place.store, self._place.addresses)
        return Table(self.identifier_to_tuple(identifier), metadata, location, files, self)
