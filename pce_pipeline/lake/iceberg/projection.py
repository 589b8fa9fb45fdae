"""Making an Iceberg table hold exactly the files that a table's pointer names, and nothing be done where it does.

The pointer is read after the table's metadata, and a commit goes on from that metadata or fails: so a run that comes
late cannot take a table back to what a pointer said before. A kill leaves at worst files that no metadata names, or a
hint that lags; the next call puts both right. Tags name what was newest: an extract of a dataset, a release of BEA.
"""

import random
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pce_pipeline.lake.errors import DamagedObject, LostRace, MissingObject
from pce_pipeline.lake.iceberg.commits import Wanted, commit, current_snapshot, id_of
from pce_pipeline.lake.iceberg.places import IcebergPlace, Newest
from pce_pipeline.lake.pointer import FILE_FORMAT, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.table import Table

_ATTEMPTS = 40
_LONGEST_PAUSE_SECONDS = 0.1

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
    return Wanted.of(lake, table, partitions).digest


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
        wanted = Wanted.of(lake, table, partitions, tags)
        if lost := _of_before(partitions):
            # only damage keeps a partition from being written again
            raise DamagedObject(f"{wanted.prefix}/{lost[0].objects[0].version_key}", "a version", "files of before")
        if number and not anew and wanted.is_said_by(document):
            if newest.hinted != number:
                place.write_hint(number)
            return _projected(wanted, place, number, document, "unchanged")
        if not wanted.files and not number:
            return Projected(table.name, "empty", place.location, digest=wanted.digest)
        try:
            return _commit(wanted, place, newest, run_id, anew=anew)
        except _TakenByOthers:
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 (no secret)
    raise LostRace(place.prefix)


class _TakenByOthers(Exception):
    """Somebody else committed first."""


def _of_before(partitions: Mapping[str, Partition]) -> list[Partition]:
    """Those whose files have no field ids yet."""
    return [each for each in partitions.values() if each.file_format < FILE_FORMAT]


def _commit(wanted: Wanted, place: IcebergPlace, newest: Newest, run_id: str, *, anew: bool) -> Projected:
    """One commit on that metadata. Raises `_TakenByOthers`."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException  # noqa: PLC0415 (0.6 seconds)

    from pce_pipeline.lake.iceberg.catalogue import LakeCatalogue  # noqa: PLC0415

    number = newest.number
    catalogue = LakeCatalogue(place, number, newest.body)
    table = catalogue.new_table(wanted.table) if anew else catalogue.load_table(wanted.table.name)
    try:
        has_new_snapshot = commit(table, wanted, run_id)
    except (CommitFailedException, ValidationException) as lost:
        raise _TakenByOthers from lost
    except FileNotFoundError as gone:
        # what a pointer of before named may have been pruned meanwhile, and metadata may have lost what it names
        if place.newest() != number:
            raise _TakenByOthers from gone
        raise MissingObject(place.addresses.key_of(str(gone))) from None
    outcome: Outcome = "rebuilt" if anew and number else "written" if has_new_snapshot else "tagged"
    return _projected(wanted, place, catalogue.number, catalogue.document(), outcome)


def _projected(
    wanted: Wanted, place: IcebergPlace, number: int, document: Mapping[str, Any], outcome: Outcome
) -> Projected:
    current = current_snapshot(document)
    return Projected(
        wanted.table.name,
        outcome,
        place.location,
        number,
        id_of(current),
        int(current["summary"].get("total-data-files", 0)) if current is not None else 0,
        tuple(
            sorted(
                name
                for name, ref in document.get("refs", {}).items()
                if ref.get("type") == "tag" and ref.get("snapshot-id") == id_of(current)
            )
        ),
        wanted.digest,
    )
