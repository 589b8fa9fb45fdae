"""Finding damage in a published table, and the good copies to undo it with.

All rows lie twice, in a partition's version and at its fixed keys, and every partition's record twice, in the pointer
and in the partition's manifest: one restores the other. Files at fixed keys that are cuts of the version have hashes of
their own, in the manifest; together they are the version again if their rows have the partition's content hash. Earlier
versions of a dimension lie once, and are only mended by another version with the same rows.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import polars as pl

from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.earlier import earlier_objects, has_history, with_copies, without_rows
from pce_pipeline.lake.integrity import NOTHING, Damage, damages, undeclared
from pce_pipeline.lake.parquet import from_parquet
from pce_pipeline.lake.planning import version_of
from pce_pipeline.lake.pointer import (
    FILE_FORMAT,
    Partition,
    PartitionManifest,
    StoredObject,
    TableKeys,
    files_by_folder,
    folder_of,
)
from pce_pipeline.lake.promotion import Manifests, Seen
from pce_pipeline.lake.store import Store
from pce_pipeline.tables.table import content_sha256

_A_CUT = "a cut of the version"


@dataclass(frozen=True)
class Healed:
    """What `heal` did."""

    restored: list[Damage]
    """The damage it undid."""
    withdrawn: list[str]
    """The partitions it withdrew, because no good copy was left."""
    lost: list[Damage] = field(default_factory=list)
    """Earlier versions of a dimension of which no good copy is left: only a copy of the lake brings them back."""


def find_damage(
    store: Store, keys: TableKeys, published: Mapping[str, Partition], chosen: Collection[str], seen: Seen
) -> list[Damage]:
    """Reads every byte of the partitions: versions, earlier ones too, fixed keys and manifests; and strangers."""
    partitions = [published[key] for key in chosen]
    found: list[Damage] = []
    files: dict[str, str] = {}
    present = files_by_folder(seen.listing)
    for partition in partitions:
        path = keys.manifest(partition.key)
        manifest, _ = seen.manifests.get(path, (None, ""))
        if path not in seen.manifests:
            found.append(Damage(keys.full(path), "missing", "the record in the pointer", NOTHING))
        elif manifest is None or not _is_of(manifest, partition):
            found.append(Damage(keys.full(path), "changed", "the record in the pointer", "another record"))
        versions = [*earlier_objects(partition), *partition.objects]
        files |= {keys.full(each.version_key): each.sha256 for each in versions}
        files |= {keys.full(each): digest for each, digest in hashes_of_files(partition, manifest).items()}
        # what no manifest vouches for can only be missing
        found += [
            Damage(keys.full(each), "missing", _A_CUT, NOTHING)
            for each in partition.paths
            if keys.full(each) not in files and each not in seen.listing
        ]
        declared = {keys.full(each) for each in partition.paths}
        found += undeclared([keys.full(each) for each in present[folder_of(partition.key)]], declared)
    found = [*damages(store, files), *found]
    if chosen == published.keys():
        found += undeclared([keys.full(each) for each in withdrawn_files(keys, published, seen)], ())
    return found


def glance_at(
    keys: TableKeys, partitions: Iterable[Partition], listing: Mapping[str, ObjectInfo], manifests: Manifests
) -> list[Damage]:
    """Objects that by a listing (by key of the lake) are gone or of another size."""
    expected: dict[str, tuple[str, int | None]] = {}
    for partition in partitions:
        versions = [*earlier_objects(partition), *partition.objects]
        expected |= {keys.full(o.version_key): (o.sha256, o.bytes) for o in versions}
        if not partition.cuts:
            expected |= {keys.full(o.path): (o.sha256, o.bytes) for o in partition.objects}
            continue
        manifest, _ = manifests.get(keys.manifest(partition.key), (None, ""))
        hashes = hashes_of_files(partition, manifest)
        for path in partition.paths:
            size = manifest.files[path].bytes if manifest is not None and path in hashes else None
            expected[keys.full(path)] = (hashes.get(path, _A_CUT), size)
    return [
        Damage(
            key,
            "changed" if key in listing else "missing",
            digest,
            f"{listing[key].size:,} bytes instead of {size:,}" if key in listing else NOTHING,
        )
        for key, (digest, size) in expected.items()
        if key not in listing or (size is not None and listing[key].size != size)
    ]


def hashes_of_files(partition: Partition, manifest: PartitionManifest | None) -> dict[str, str]:
    """The hash of each file at a fixed key, by path; of cuts those that the manifest of this very partition names."""
    if not partition.cuts:
        return {each.path: each.sha256 for each in partition.objects}
    if manifest is None or not _is_of(manifest, partition):
        return {}
    return {path: manifest.files[path].sha256 for path in partition.paths}


def _is_of(manifest: PartitionManifest, partition: Partition) -> bool:
    return manifest.partition == partition and set(partition.paths) == manifest.files.keys()


def withdrawn_files(keys: TableKeys, published: Mapping[str, Partition], seen: Seen) -> list[str]:
    """Paths in folders of partitions that the pointer does not hold: nothing gets there before its commit."""
    known = {folder_of(key) for key in published} | {""}
    files = {path for folder, paths in files_by_folder(seen.listing).items() if folder not in known for path in paths}
    return sorted(files | (seen.manifests.keys() - {keys.manifest(key) for key in published}))


@dataclass(frozen=True)
class Copies:
    """What damaged versions can be written again from."""

    bodies: dict[str, bytes]
    """Bodies by key."""
    remade: dict[str, Partition]
    """Partitions whose version became another one, because today's writer makes other bytes of the same rows."""
    hopeless: list[str]
    """The partitions for which no good copy is left."""


def good_copies(
    store: Store, keys: TableKeys, partitions: Iterable[Partition], bad: Collection[str], required: Collection[str]
) -> Copies:
    """Good copies of damaged versions: files at fixed keys, or of a partition that is cut, all of these together."""
    found = Copies({}, {}, [])
    sources: dict[str, str] = {}
    for partition in partitions:
        damaged = {keys.full(o.version_key) for o in partition.objects} & set(bad)
        if not damaged:
            continue
        if partition.cuts:
            again = _put_together(store, keys, partition, required)
            if again is None:
                found.hopeless.append(partition.key)
                continue
            stored, body = again
            found.bodies[keys.full(stored.version_key)] = body
            if (stored,) != partition.objects:
                found.remade[partition.key] = msgspec.structs.replace(
                    partition, objects=(stored,), file_format=FILE_FORMAT
                )
            continue
        good = {keys.full(o.version_key): keys.full(o.path) for o in partition.objects if keys.full(o.path) not in bad}
        sources |= {version: good[version] for version in damaged if version in good}
        if not damaged <= good.keys():
            found.hopeless.append(partition.key)
    copies = store.get_many(sources.values())
    found.bodies.update({version: copies[source] for version, source in sources.items()})
    return found


def mended_records(found: Mapping[str, Partition], copies: Copies, still_bad: Collection[str]) -> dict[str, Partition]:
    """What the pointer has to say in the place of `found`, where the version keys `still_bad` have no good copy.

    Hopeless partitions are left out, unless they record a history, which would go with them: these count as stale.
    """
    mended = {key: with_copies(copies.remade.get(key, each), still_bad) for key, each in found.items()}
    for key in copies.hopeless:
        if has_history(mended[key]):
            mended[key] = without_rows(mended[key])
        else:
            del mended[key]
    return mended


def files_of_record(keys: TableKeys, partition: Partition) -> set[str]:
    """The keys of a partition's versions and of its files at fixed keys."""
    versions = {keys.full(stored.version_key) for stored in partition.objects}
    return versions | {keys.full(path) for path in partition.paths}


def _put_together(
    store: Store, keys: TableKeys, partition: Partition, required: Collection[str]
) -> tuple[StoredObject, bytes] | None:
    """The version of a partition, made of all its cuts; None where these are not its rows."""
    bodies = store.get_many([keys.full(path) for path in partition.paths], missing_ok=True)
    if len(bodies) < len(partition.paths):
        return None
    try:
        frames = {path: from_parquet([bodies[keys.full(path)]]) for path in partition.paths}
        rows = pl.concat(list(frames.values()))
    except (pl.exceptions.PolarsError, OSError, ValueError):
        return None
    return (
        version_of(partition.key, frames, keys, required) if content_sha256(rows) == partition.content_sha256 else None
    )


def partitions_of_manifests(seen: Seen) -> dict[str, Partition]:
    """What the pointer said, as far as the partitions' manifests know it."""
    manifests = (manifest for manifest, _ in seen.manifests.values() if manifest is not None)
    return {manifest.partition.key: manifest.partition for manifest in manifests}
