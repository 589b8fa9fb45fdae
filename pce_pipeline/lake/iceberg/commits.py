"""One commit that makes an Iceberg table, whatever catalogue it is in, hold exactly the files that a pointer names.

What is committed goes on from the table as it was loaded; who keeps the metadata, and what becomes of a commit that
lost its race, is the catalogue's and the caller's business.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pce_pipeline
from pce_pipeline.errors import PceError
from pce_pipeline.lake.iceberg.places import Addresses
from pce_pipeline.lake.parquet import in_threads
from pce_pipeline.lake.pointer import Partition, TableKeys
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.table import Table

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction
    from pyiceberg.table.snapshots import Snapshot

FILES = "pce.files-sha256"
"""Under this name a snapshot says of which files and columns it is."""
RUN, TAGS, CODE = "pce.run", "pce.tags", "pce.version"
"""Under these names: which run made it, what was newest then, and which version of this package wrote it."""


class FilesDoNotFit(PceError):
    """A table's files were written with other columns than it is declared with by now."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(
            f"{table}: files were written with other columns, or other ones that may be NULL, than it has now.",
            remedy="Publish all its years again: raise the code version of a table whose columns change.",
        )


@dataclass(frozen=True)
class Wanted:
    """What an Iceberg table has to hold."""

    table: Table
    """The table that is projected."""
    addresses: Addresses
    """How objects of the lake are addressed."""
    prefix: str
    """Where its own files lie."""
    partitions: Mapping[str, Partition]
    """What its pointer names."""
    tags: frozenset[str]
    """The tags of what is newest."""

    @classmethod
    def of(cls, lake: Lake, table: Table, partitions: Mapping[str, Partition], tags: Collection[str] = ()) -> "Wanted":
        """What the table has to hold where the pointer of `table` names these partitions."""
        return cls(table, Addresses.of(lake), lake.prefix(table), partitions, frozenset(tags))

    @cached_property
    def files(self) -> set[str]:
        """The addresses of its data files; a file without rows says nothing, not even of which year it is."""
        keys = TableKeys(self.prefix)
        found = (stored for each in self.partitions.values() for stored in each.objects)
        return {self.addresses.of_key(keys.full(stored.version_key)) for stored in found if stored.rows}

    @cached_property
    def digest(self) -> str:
        """Of the files and the columns."""
        return sha256("\n".join([*sorted(self.files), *columns_said(self.table)]).encode()).hexdigest()

    def is_said_by(self, document: Mapping[str, Any]) -> bool:
        """Whether this metadata already has all of it."""
        current = current_snapshot(document)
        held = {name for name, ref in document.get("refs", {}).items() if ref.get("snapshot-id") == id_of(current)}
        return current is not None and current["summary"].get(FILES) == self.digest and held >= self.tags


def columns_said(table: Table) -> list[str]:
    """All of a table's columns that its Iceberg table has, a line each."""
    ids = table.field_ids
    return [f"{ids[each.name]} {each.name} {each.dtype} {each.nullable}" for each in table.columns]


def commit(table: "IcebergTable", wanted: Wanted, run_id: str) -> bool:
    """Make a table hold what is wanted, in one commit of at most one snapshot; whether there is a new one.

    Nothing is committed to a table that has all of it. Raises `FilesDoNotFit`, and what its catalogue and files raise:
    `CommitFailedException` or `ValidationException` where somebody else committed first, `FileNotFoundError`.
    """
    from pyiceberg.table.update.snapshot import ManageSnapshots  # noqa: PLC0415 (0.6 seconds)

    has_new_snapshot = False
    with table.transaction() as transaction:
        current = transaction.table_metadata.current_snapshot()
        if current is None or current.summary is None or current.summary.get(FILES) != wanted.digest:
            _take_columns(transaction, wanted.table)
            _take_files(transaction, table, wanted, run_id)
            has_new_snapshot = True
        metadata = transaction.table_metadata
        refs = {name: ref.snapshot_id for name, ref in metadata.refs.items()}
        missing = [name for name in sorted(wanted.tags) if refs.get(name) != metadata.current_snapshot_id]
        if missing and metadata.current_snapshot_id is not None:
            with ManageSnapshots(transaction) as manage:
                for name in missing:
                    manage.create_tag(metadata.current_snapshot_id, name)
    return has_new_snapshot


def _take_columns(transaction: "Transaction", declared: Table) -> None:
    """The table's columns, where they are others by now."""
    from pyiceberg.schema import Schema  # noqa: PLC0415
    from pyiceberg.table.update import AddSchemaUpdate, SetCurrentSchemaUpdate  # noqa: PLC0415

    from pce_pipeline.lake.iceberg.schemas import schema_of  # noqa: PLC0415

    metadata = transaction.table_metadata
    held = metadata.schema()
    columns = schema_of(declared, {field.field_id for field in held.fields if field.required})
    if columns.as_struct() == held.as_struct():
        return
    number = max(each.schema_id for each in metadata.schemas) + 1
    new = Schema(*columns.fields, schema_id=number)
    # what is public adds columns with numbers of Iceberg's own choice
    transaction._apply((AddSchemaUpdate(schema_=new), SetCurrentSchemaUpdate(schema_id=-1)))  # noqa: SLF001


def _take_files(transaction: "Transaction", table: "IcebergTable", wanted: Wanted, run_id: str) -> None:
    """One snapshot that drops and adds what differs."""
    from pyiceberg.io.pyarrow import parquet_file_to_data_file  # noqa: PLC0415

    metadata = transaction.table_metadata
    current = metadata.current_snapshot()
    held = {} if current is None else {each.file_path: each for each in data_files(table, current)}
    new = sorted(wanted.files - held.keys())
    try:
        added = in_threads(lambda address: parquet_file_to_data_file(table.io, metadata, address), new)
    except ValueError:
        raise FilesDoNotFit(wanted.table.name) from None
    properties = {
        FILES: wanted.digest,
        RUN: run_id,
        TAGS: ",".join(sorted(wanted.tags)),
        CODE: pce_pipeline.__version__,
    }
    with transaction.update_snapshot(snapshot_properties=properties).overwrite() as snapshot:
        for address in held.keys() - wanted.files:
            snapshot.delete_data_file(held[address])
        for each in added:
            snapshot.append_data_file(each)


def data_files(table: "IcebergTable", snapshot: "Snapshot") -> list["DataFile"]:
    """The files of a snapshot."""
    return [
        entry.data_file
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]


def current_snapshot(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The current snapshot of a metadata, as it is written; None where there is none."""
    number = document.get("current-snapshot-id")
    return next((each for each in document.get("snapshots", ()) if each["snapshot-id"] == number), None)


def id_of(snapshot: Mapping[str, Any] | None) -> int | None:
    """The number of a snapshot, as it is written; None for none."""
    return None if snapshot is None else int(snapshot["snapshot-id"])
