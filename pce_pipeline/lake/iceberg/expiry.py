"""Letting go of what is old: snapshots that nobody named, and files of Iceberg's own that nothing names any more.

Snapshots of tags and the current one stay, whatever their age, and so do the versions that they hold: `held_versions`
says which, and pruning asks it before it deletes any.
"""

from datetime import datetime, timedelta
from itertools import pairwise

from pce_pipeline.lake.iceberg.commits import data_files
from pce_pipeline.lake.iceberg.places import IcebergPlace
from pce_pipeline.lake.resource import Lake
from pce_pipeline.tables.table import Table

_LEAST_AGE = timedelta(days=1)
"""What nothing names yet may be of a commit that is on its way."""


def expire(lake: Lake, table: Table, older_than: timedelta, now: datetime) -> int:
    """Drops the snapshots of a table that ceased to be current longer ago and are not tagged; how many.

    Where somebody else commits at the same time nothing is dropped: the next call does it. Raises what reading does.
    """
    place = IcebergPlace.of(lake, table)
    newest = place.newest_metadata()
    number = newest.number
    if not number:
        return 0
    document = place.document(number, newest.body)
    named = {ref["snapshot-id"] for ref in document.get("refs", {}).values()}
    before = (now - older_than).timestamp() * 1000
    snapshots = sorted(document.get("snapshots", ()), key=lambda each: each["sequence-number"])
    old = [
        each["snapshot-id"]
        for each, successor in pairwise(snapshots)
        if successor["timestamp-ms"] < before and each["snapshot-id"] not in named
    ]
    if not old or document.get("location") != place.location:
        return 0
    from pyiceberg.exceptions import CommitFailedException  # noqa: PLC0415 (0.6 seconds)

    from pce_pipeline.lake.iceberg.catalogue import LakeCatalogue  # noqa: PLC0415

    try:
        LakeCatalogue(place, number, newest.body).load_table(table.name).maintenance.expire_snapshots().by_ids(
            old
        ).commit()
    except CommitFailedException:
        return 0
    return len(old)


def held_versions(lake: Lake, table: Table) -> set[str]:
    """The version keys of a table that its live snapshots name: those of tags, and those that are not expired yet.

    Raises what reading does: who cannot read what is held must not delete.
    """
    place = IcebergPlace.of(lake, table)
    number = place.newest()
    if not number or place.document(number).get("location") != place.location:
        return set()  # of a lake that was moved: its snapshots are of files elsewhere
    prefix = f"{lake.prefix(table)}/"
    keys = (place.addresses.key_of(address) for address in _named(place, number, table)[1])
    return {key.removeprefix(prefix) for key in keys if key.startswith(prefix)}


def sweep(lake: Lake, table: Table, older_than: timedelta, now: datetime) -> list[str]:
    """Deletes files of Iceberg's own that are older and that the newest metadata does not lead to; their keys."""
    place = IcebergPlace.of(lake, table)
    before = now - max(older_than, _LEAST_AGE)
    listing = [info for info in lake.store.list(place.prefix) if info.last_modified < before]
    number = place.newest()
    if not number or not listing:
        return []
    is_ours = place.document(number).get("location") == place.location
    named = {place.addresses.key_of(each) for each in _named(place, number, table)[0]} if is_ours else set()
    kept = {place.hint, place.metadata_key(number), *named}
    gone = [info.key for info in listing if info.key not in kept]
    lake.store.delete_many(gone)
    return gone


def _named(place: IcebergPlace, number: int, table: Table) -> tuple[set[str], set[str]]:
    """The addresses of Iceberg's own files that a metadata leads to, and of the data files."""
    from pce_pipeline.lake.iceberg.catalogue import LakeCatalogue  # noqa: PLC0415

    loaded = LakeCatalogue(place, number).load_table(table.name)
    own = {each.metadata_file for each in loaded.metadata.metadata_log}
    data: set[str] = set()
    for snapshot in loaded.metadata.snapshots:
        manifests = snapshot.manifests(loaded.io)
        own |= {snapshot.manifest_list, *(each.manifest_path for each in manifests)}
        data |= {each.file_path for each in data_files(loaded, snapshot)}
    return own, data
