"""Bringing the fixed keys of a table in line with its pointer, whoever left them behind and at whatever point.

The pointer is the truth; promotion can be done again at any time, by anyone, and does nothing where nothing is amiss.
A partition's manifest is written after its files, by compare-and-swap, and remembers their e-tags: so a promotion
that was cut short, a slower writer that came late, and a file changed by hand all show in one listing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.errors import DamagedObject, LostRace
from pce_pipeline.lake.integrity import NOTHING, sha256_of
from pce_pipeline.lake.pointer import (
    MANIFEST,
    Partition,
    PartitionManifest,
    Pointer,
    StoredObject,
    TableKeys,
    files_by_folder,
    folder_of,
)
from pce_pipeline.lake.records import decode_record, encode_record
from pce_pipeline.lake.store import Store


@dataclass(frozen=True)
class Seen:
    """What lies there of a table."""

    listing: Mapping[str, ObjectInfo]
    """Its objects, by path."""
    manifests: Mapping[str, tuple[PartitionManifest | None, str]]
    """Its manifests by path, each with its token; None for one that cannot be read."""


@dataclass(frozen=True)
class _Behind:
    """One partition whose fixed keys are not what its pointer says."""

    partition: Partition
    """The partition as the pointer has it."""
    puts: list[StoredObject]
    """The files to put."""
    leftovers: set[str]
    """The paths to remove."""
    e_tags: dict[str, str]
    """The e-tags of the files that stay, by path."""
    manifest_token: str | None
    """The manifest to replace, as it was seen; None where there is none."""


class Promotion:
    """Promotes one table."""

    def __init__(self, store: Store, keys: TableKeys, table: str) -> None:
        self._store = store
        self._keys = keys
        self._table = table

    def look(self) -> Seen:
        """What lies there now.

        Look before reading the pointer: then a manifest that somebody else writes for a later pointer has another
        token than the one seen, and an outdated promotion loses its race instead of undoing the later one.
        """
        cut = len(self._keys.prefix) + 1
        listing = {info.key[cut:]: info for info in self._store.list(self._keys.prefix)}
        keys = [info.key for path, info in listing.items() if path.endswith(MANIFEST)]
        manifests: dict[str, tuple[PartitionManifest | None, str]] = {}
        for key, (body, token) in self._store.get_versioned_many(keys).items():
            try:
                manifests[key[cut:]] = (decode_record(key, body, PartitionManifest), token)
            except DamagedObject:
                manifests[key[cut:]] = (None, token)
        return Seen(listing, manifests)

    def promote(self, pointer: Pointer, seen: Seen, at_hand: Mapping[str, bytes]) -> tuple[int, int]:
        """Promotes what is behind; `at_hand` has bodies by version key. Returns files and bytes put.

        Raises `LostRace` where somebody else promoted at the same time (look again), and `DamagedObject` where a
        version is unusable; everything else is promoted by then.
        """
        behind = self._behind(pointer, seen)
        bodies, damaged = self._bodies(behind, at_hand)
        sound = [each for each in behind if all(stored.version_key in bodies for stored in each.puts)]
        puts = {self._keys.full(o.path): bodies[o.version_key] for each in sound for o in each.puts}
        written = self._store.put_many(puts)
        self._store.delete_many([self._keys.full(path) for each in sound for path in sorted(each.leftovers)])
        # The manifest comes after the files whose e-tags it holds: a kill in between leaves files that no manifest
        # vouches for, and the next promotion puts them again.
        manifests: dict[str, tuple[bytes, str | None]] = {}
        for each in sound:
            e_tags = each.e_tags | {o.path: written[self._keys.full(o.path)] for o in each.puts}
            manifest = PartitionManifest(table=self._table, partition=each.partition, e_tags=e_tags)
            key = self._keys.full(self._keys.manifest(each.partition.key))
            manifests[key] = (encode_record(manifest), each.manifest_token)
        lost = self._store.replace_many(manifests)
        # Raised last, so that what could be promoted is.
        if lost:
            raise LostRace(min(lost))
        if damaged:
            raise damaged[0]
        return len(puts), sum(map(len, puts.values()))

    def behind(self, pointer: Pointer, seen: Seen) -> set[str]:
        """The partitions whose fixed keys are not what the pointer says."""
        return {each.partition.key for each in self._behind(pointer, seen)}

    def _behind(self, pointer: Pointer, seen: Seen) -> list[_Behind]:
        present = files_by_folder(seen.listing)
        behind = []
        for key, partition in pointer.partitions.items():
            manifest, token = seen.manifests.get(self._keys.manifest(key), (None, None))
            untouched = {} if manifest is None else self._untouched(manifest, seen.listing)
            kept = {o.path: untouched[o] for o in partition.objects if o in untouched}
            puts = [stored for stored in partition.objects if stored.path not in kept]
            leftovers = present[folder_of(key)] - {stored.path for stored in partition.objects}
            if puts or leftovers or manifest is None or manifest.partition != partition:
                behind.append(_Behind(partition, puts, leftovers, kept, token))
        return behind

    @staticmethod
    def _untouched(manifest: PartitionManifest, listing: Mapping[str, ObjectInfo]) -> dict[StoredObject, str]:
        """E-tags of the files that nobody has written since the manifest."""
        return {
            stored: manifest.e_tags[stored.path]
            for stored in manifest.partition.objects
            if stored.path in listing and listing[stored.path].e_tag == manifest.e_tags.get(stored.path)
        }

    def _bodies(
        self, behind: list[_Behind], at_hand: Mapping[str, bytes]
    ) -> tuple[dict[str, bytes], list[DamagedObject]]:
        """Verified bodies of all that is to be put, and what is wrong with the others."""
        wanted = {stored.version_key: stored.sha256 for each in behind for stored in each.puts}
        bodies = {version: body for version, body in at_hand.items() if version in wanted}
        damaged = []
        fetch = {self._keys.full(version): version for version in wanted if version not in bodies}
        fetched = self._store.get_many(fetch, missing_ok=True)
        for key, version in fetch.items():
            found = sha256_of(fetched[key]) if key in fetched else NOTHING
            if found == wanted[version]:
                bodies[version] = fetched[key]
            else:
                damaged.append(DamagedObject(key, wanted[version], found))
        return bodies, damaged
