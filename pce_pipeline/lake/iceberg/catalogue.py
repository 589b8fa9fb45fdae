"""A catalogue of one Iceberg table without a service: metadata is numbered, and who writes the next number commits.

Imports pyiceberg, and is therefore itself imported only where something is to be done.
"""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import CommitTableResponse, Table, Transaction
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

    def __init__(self, place: IcebergPlace, number: int, body: bytes | None = None) -> None:
        """`number` is that of the metadata to go on from, 0 where there is none; `body` are its bytes, if at hand."""
        super().__init__("lake", type="noop")
        self._place = place
        self._body = body
        self.number = number

    def load_table(self, identifier: "str | Identifier") -> Table:
        """The table as of that number. Raises `MissingObject`, and `DamagedObject` for metadata that cannot be read."""
        key = self._place.metadata_key(self.number)
        body = self._place.store.get(key) if self._body is None else self._body
        try:
            metadata = TableMetadataUtil.parse_raw(body.decode())
        except (ValueError, KeyError) as error:
            raise DamagedObject(key, "metadata of Iceberg", type(error).__name__, remedy=REBUILD) from None
        return self._table(identifier, metadata, self._place.addresses.of_key(key))

    def document(self) -> Mapping[str, Any]:
        """The metadata of that number, or of the commit that followed, parsed without pyiceberg."""
        return self._place.document(self.number, self._body)

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
        body = metadata.model_dump_json(exclude_none=True).encode()
        try:
            self._place.store.create(key, body)
        except ObjectExists:
            raise CommitFailedException(f"{key} was written by somebody else") from None
        self.number, self._body = self.number + 1, body
        self._place.write_hint(self.number)
        return CommitTableResponse(metadata=metadata, metadata_location=self._place.addresses.of_key(key))

    def _table(self, identifier: "str | Identifier", metadata: TableMetadata, location: str) -> Table:
        files = LakeFiles(self._place.store, self._place.addresses)
        return _Table(self.identifier_to_tuple(identifier), metadata, location, files, self)


class _Table(Table):
    """A table whose transactions build their metadata once per change."""

    def transaction(self) -> Transaction:
        return _Transaction(self)


class _Transaction(Transaction):
    """A transaction that remembers the metadata as it will be.

    pyiceberg copies all of it each time somebody looks, two dozen times a commit: that was half of the projection.
    """

    _seen: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        of, updates = self._table.metadata, self._updates
        if self._seen is None or self._seen[0] is not of or self._seen[1] is not updates:
            self._seen = of, updates, super().table_metadata
        return self._seen[2]
