"""Bringing the fixed keys of a table in line with its pointer, whoever left them behind and at whatever point.

The pointer is the truth; promotion can be done again at any time, by anyone, and does nothing where nothing is amiss.
A partition's manifest is written after its files, by compare-and-swap, and remembers their e-tags: so a promotion
that was cut short, a slower writer that came late, and a file changed by hand all show in one listing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import polars as pl

from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.errors import DamagedObject, LostRace
from pce_pipeline.lake.integrity import NOTHING, sha256_of
from pce_pipeline.lake.parquet import from_parquet, in_threads, to_parquet
from pce_pipeline.lake.pointer import (
    MANIFEST,
    Cut,
    FixedFile,
    Partition,
    PartitionManifest,
    Pointer,
    StoredObject,
    TableKeys,
    decode_manifest,
    files_by_folder,
    folder_of,
)
from pce_pipeline.lake.records import encode_record
from pce_pipeline.lake.store import Store

Manifests = Mapping[str, tuple[PartitionManifest | None, str]]
"""A table's manifests by path, each with its token; None for one that cannot be read."""


@dataclass(frozen=True)
class Seen:
    """What lies there of a table."""

    listing: Mapping[str, ObjectInfo]
    """Its objects, by path."""
    manifests: Manifests
    """Its manifests."""


@dataclass(frozen=True)
class _Behind:
    """One partition whose fixed keys are not what its pointer says."""

    partition: Partition
    """The partition as the pointer has it."""
    kept: dict[str, FixedFile]
    """The files that stay, by path."""
    untouched: dict[str, FixedFile]
    """The files of its manifest that nobody has written since, by path: one whose bytes come out equal stays, too."""
    leftovers: set[str]
    """The paths to remove."""
    manifest_token: str | None
    """The manifest to replace, as it was seen; None where there is none."""

    @property
    def wanted(self) -> set[str]:
        """The paths of files to put."""
        return set(self.partition.paths) - self.kept.keys()

    @property
    def versions(self) -> list[StoredObject]:
        """The versions that these are made of."""
        if self.partition.cuts:
            return list(self.partition.objects) if self.wanted else []
        return [each for each in self.partition.objects if each.path in self.wanted]


class Promotion:
    """Promotes one table."""

    def __init__(self, store: Store, keys: TableKeys, table: str, required: Collection[str] = ()) -> None:
        """`required` are the columns that are never NULL."""
        self._store = store
        self._keys = keys
        self._table = table
        self._required = required

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
                manifests[key[cut:]] = (decode_manifest(key, body), token)
            except DamagedObject:
                manifests[key[cut:]] = (None, token)
        return Seen(listing, manifests)

    def promote(self, pointer: Pointer, seen: Seen, at_hand: Mapping[str, bytes]) -> tuple[int, int]:
        """Promotes what is behind; `at_hand` has bodies by version key. Returns files and bytes put.

        Raises `LostRace` where somebody else promoted at the same time (look again), and `DamagedObject` where a
        version is unusable; everything else is promoted by then.
        """
        behind = self._behind(pointer, seen)
        versions, damaged = self._versions(behind, at_hand)
        sound = [each for each in behind if all(o.version_key in versions for o in each.versions)]
        made = {each.partition.key: self._made(each, versions) for each in sound}
        puts = {self._keys.full(path): body for files in made.values() for path, (_, body) in files.items()}
        written = self._store.put_many(puts)
        self._store.delete_many([self._keys.full(path) for each in sound for path in sorted(each.leftovers)])
        # The manifest comes after the files whose e-tags it holds: a kill in between leaves files that no manifest
        # vouches for, and the next promotion puts them again.
        manifests: dict[str, tuple[bytes, str | None]] = {}
        for each in sound:
            new = {
                path: FixedFile(sha256=digest, bytes=len(body), rows=rows, e_tag=written[self._keys.full(path)])
                for path, rows in each.partition.files
                if path in made[each.partition.key]
                for digest, body in [made[each.partition.key][path]]
            }
            files = {
                path: new.get(path) or each.kept.get(path) or each.untouched[path] for path in each.partition.paths
            }
            manifest = PartitionManifest(table=self._table, partition=each.partition, files=files)
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
            if partition.cuts:
                was = None if manifest is None else manifest.partition
                of_same = was is not None and (was.objects, was.cuts) == (partition.objects, partition.cuts)
                kept = {path: untouched[path] for path in partition.paths if of_same and path in untouched}
            else:
                hashes = {each.path: each.sha256 for each in partition.objects}
                kept = {path: each for path, each in untouched.items() if hashes.get(path) == each.sha256}
            leftovers = present[folder_of(key)] - set(partition.paths)
            each = _Behind(partition, kept, untouched, leftovers, token)
            if each.wanted or leftovers or manifest is None or manifest.partition != partition:
                behind.append(each)
        return behind

    @staticmethod
    def _untouched(manifest: PartitionManifest, listing: Mapping[str, ObjectInfo]) -> dict[str, FixedFile]:
        """The files that nobody has written since the manifest."""
        return {
            path: file for path, file in manifest.files.items() if path in listing and listing[path].e_tag == file.e_tag
        }

    def _made(self, behind: _Behind, versions: Mapping[str, bytes]) -> dict[str, tuple[str, bytes]]:
        """The files to put, by path, each with its hash: copies of versions, or cuts of the one version."""
        partition = behind.partition
        if not partition.cuts:
            return {o.path: (o.sha256, versions[o.version_key]) for o in behind.versions}
        if not behind.wanted:
            return {}
        rows = from_parquet([versions[o.version_key] for o in behind.versions])
        wanted = {path: frame for path, frame in cut(rows, partition.cuts).items() if path in behind.wanted}
        bodies = in_threads(lambda frame: to_parquet(frame, self._required), wanted.values())
        made = {path: (sha256_of(body), body) for path, body in zip(wanted, bodies, strict=True)}
        same = {path for path, file in behind.untouched.items() if path in made and made[path][0] == file.sha256}
        return {path: each for path, each in made.items() if path not in same}

    def _versions(
        self, behind: list[_Behind], at_hand: Mapping[str, bytes]
    ) -> tuple[dict[str, bytes], list[DamagedObject]]:
        """Verified bodies of the versions of all that is to be put, and what is wrong with the others."""
        wanted = {stored.version_key: stored.sha256 for each in behind for stored in each.versions}
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


def cut(rows: pl.DataFrame, cuts: Sequence[Cut]) -> dict[str, pl.DataFrame]:
    """A partition's rows as its files, by path."""
    ends = list(accumulate(each.rows for each in cuts))
    return {each.path: rows.slice(end - each.rows, each.rows) for each, end in zip(cuts, ends, strict=True)}
