"""Making an Iceberg table hold exactly the files that a table's pointer names, and nothing be done where it does.

The pointer is read after the table's metadata, and a commit goes on from that metadata or fails: so a run that comes
late cannot take a table back to what a pointer said before. A kill leaves at worst files that no metadata names, or a
hint that lags; the next call puts both right. Tags name what was newest: an extract of a dataset, a release of BEA.
"""

import random
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import pce_pipeline
from pce_pipeline.errors import PceError
from pce_pipeline.lake.errors import DamagedObject, LostRace, MissingObject
from pce_pipeline.lake.iceberg.places import IcebergPlace, Newest
from pce_pipeline.lake.parquet import in_threads
from pce_pipeline.lake.pointer import FILE_FORMAT, Partition, TableKeys
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.table import Table

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction
    from pyiceberg.table.snapshots import Snapshot

_ATTEMPTS = 40
_LONGEST_PAUSE_SECONDS = 0.1

FILES = "pce.files-sha256"
"""Under this name a snapshot says of which files and columns it is."""
RUN, TAGS, CODE = "pce.run", "pce.tags", "pce.version"
"""Under these names: which run made it, what was newest then, and which version of this package wrote it."""

Outcome = Literal["unchanged", "tagged", "written", "rebuilt", "empty"]


@dataclass(frozen=True)
class Projected:
    """What became of one table."""

    table: str
    """The table."""
    outcome: Outcome
    """Nothing, new tags alone, a new snapshot, a table without the history before, or nothing published yet."""
    location: str
    """The address of the Iceberg table."""
    number: int = 0
    """The number of its newest metadata; 0 where there is none."""
    snapshot_id: int | None = None
    """Its current snapshot."""
    files: int = 0
    """The data files of it."""
    tags: tuple[str, ...] = ()
    """The tags that name it."""
    digest: str = ""
    """Of the files and columns that it has: `digest_of` the partitions that it was made of."""


def digest_of(lake: Lake, table: Table, partitions: Mapping[str, Partition]) -> str:
    """What the Iceberg table of `table` has to hold where its pointer names these partitions, as one hash.

    It covers the addresses of the files, so that a lake that was moved has others, and the columns. Nothing is read.
    """
    return _Wanted(table, IcebergPlace.of(lake, table), lake.prefix(table), partitions, frozenset()).digest


def project(lake: Lake, table: Table, tags: Collection[str], *, run_id: str, rebuild: bool = False) -> Projected:
    """Makes the Iceberg table of `table` hold what its pointer names, tagged with what is newest now.

    `rebuild` begins a new history, as does a lake that was moved. Raises `LostRace` where others are always faster,
    `DamagedObject` for metadata or versions that cannot be read, `FilesDoNotFit`, and what the store raises.
    """
    place, store = IcebergPlace.of(lake, table), lake.table(table)
    was_brought_to_format = False
    for _ in range(_ATTEMPTS):
        newest = place.newest_metadata()
        number = newest.number
        partitions = store.latest()
        if _of_before(partitions) and not was_brought_to_format:
            was_brought_to_format = True
            store.bring_to_format()
            continue
        document = {} if rebuild or not number else place.document(number, newest.body)
        anew = document.get("location") != place.location
        wanted = _Wanted(table, place, lake.prefix(table), partitions, frozenset(tags))
        if lost := _of_before(partitions):
            # only damage keeps a partition from being written again
            raise DamagedObject(f"{wanted.prefix}/{lost[0].objects[0].version_key}", "a version", "files of before")
        if number and not anew and wanted.is_said_by(document):
            if newest.hinted != number:
                place.write_hint(number)
            return _projected(wanted, number, document, "unchanged")
        if not wanted.files and not number:
            return Projected(table.name, "empty", place.location, digest=wanted.digest)
        try:
            return _commit(wanted, newest, run_id, anew=anew)
        except _TakenByOthers:
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 (no secret)
    raise LostRace(place.prefix)


class FilesDoNotFit(PceError):
    """A table's files were written with other columns than it is declared with by now."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(
            f"{table}: files were written with other columns, or other ones that may be NULL, than it has now.",
            remedy="Publish all its years again: raise the code version of a table whose columns change.",
        )


class _TakenByOthers(Exception):
    """Somebody else committed first."""


@dataclass(frozen=True)
class _Wanted:
    """What an Iceberg table has to hold."""

    table: Table
    """The table that is projected."""
    place: IcebergPlace
    """Where to."""
    prefix: str
    """Where its own files lie."""
    partitions: Mapping[str, Partition]
    """What its pointer names."""
    tags: frozenset[str]
    """The tags of what is newest."""

    @cached_property
    def files(self) -> set[str]:
        """The addresses of its data files; a file without rows says nothing, not even of which year it is."""
        keys = TableKeys(self.prefix)
        found = (stored for each in self.partitions.values() for stored in each.objects)
        return {self.place.addresses.of_key(keys.full(stored.version_key)) for stored in found if stored.rows}

    @cached_property
    def digest(self) -> str:
        """Of the files and the columns."""
        columns = [
            f"{self.table.field_ids[each.name]} {each.name} {each.dtype} {each.nullable}" for each in self.table.columns
        ]
        return sha256("\n".join([*sorted(self.files), *columns]).encode()).hexdigest()

    def is_said_by(self, document: Mapping[str, Any]) -> bool:
        """Whether this metadata already has all of it."""
        current = _current_snapshot(document)
        held = {name for name, ref in document.get("refs", {}).items() if ref.get("snapshot-id") == _id_of(current)}
        return current is not None and current["summary"].get(FILES) == self.digest and held >= self.tags


def _of_before(partitions: Mapping[str, Partition]) -> list[Partition]:
    """Those whose files have no field ids yet."""
    return [each for each in partitions.values() if each.file_format < FILE_FORMAT]


def _commit(wanted: _Wanted, newest: Newest, run_id: str, *, anew: bool) -> Projected:
    """One commit on that metadata. Raises `_TakenByOthers`."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException  # noqa: PLC0415 (0.6 seconds)
    from pyiceberg.table.update.snapshot import ManageSnapshots  # noqa: PLC0415

    from pce_pipeline.lake.iceberg.catalogue import LakeCatalogue  # noqa: PLC0415

    number = newest.number
    catalogue = LakeCatalogue(wanted.place, number, newest.body)
    table = catalogue.new_table(wanted.table) if anew else catalogue.load_table(wanted.table.name)
    outcome: Outcome = "rebuilt" if anew and number else "tagged"
    try:
        with table.transaction() as transaction:
            current = transaction.table_metadata.current_snapshot()
            if current is None or current.summary is None or current.summary.get(FILES) != wanted.digest:
                _take_columns(transaction, wanted.table)
                _take_files(transaction, table, wanted, run_id)
                outcome = "rebuilt" if anew and number else "written"
            metadata = transaction.table_metadata
            refs = {name: ref.snapshot_id for name, ref in metadata.refs.items()}
            missing = [name for name in sorted(wanted.tags) if refs.get(name) != metadata.current_snapshot_id]
            if missing and metadata.current_snapshot_id is not None:
                with ManageSnapshots(transaction) as manage:
                    for name in missing:
                        manage.create_tag(metadata.current_snapshot_id, name)
    except (CommitFailedException, ValidationException) as lost:
        raise _TakenByOthers from lost
    except FileNotFoundError as gone:
        # what a pointer of before named may have been pruned meanwhile, and metadata may have lost what it names
        if wanted.place.newest() != number:
            raise _TakenByOthers from gone
        raise MissingObject(wanted.place.addresses.key_of(str(gone))) from None
    return _projected(wanted, catalogue.number, catalogue.document(), outcome)


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


def _take_files(transaction: "Transaction", table: "IcebergTable", wanted: _Wanted, run_id: str) -> None:
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


def _projected(wanted: _Wanted, number: int, document: Mapping[str, Any], outcome: Outcome) -> Projected:
    current = _current_snapshot(document)
    return Projected(
        wanted.table.name,
        outcome,
        wanted.place.location,
        number,
        _id_of(current),
        int(current["summary"].get("total-data-files", 0)) if current is not None else 0,
        tuple(
            sorted(
                name
                for name, ref in document.get("refs", {}).items()
                if ref.get("type") == "tag" and ref.get("snapshot-id") == _id_of(current)
            )
        ),
        wanted.digest,
    )


def _current_snapshot(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    number = document.get("current-snapshot-id")
    return next((each for each in document.get("snapshots", ()) if each["snapshot-id"] == number), None)


def _id_of(snapshot: Mapping[str, Any] | None) -> int | None:
    return None if snapshot is None else int(snapshot["snapshot-id"])
