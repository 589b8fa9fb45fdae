"""Finding damage in a published table, and the good copies to undo it with.

Every file lies twice, as a version and at its fixed key, and every partition's record twice, in the pointer and in
the partition's manifest: one restores the other.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pce_pipeline.lake.integrity import NOTHING, Damage, damages, undeclared
from pce_pipeline.lake.pointer import Partition, TableKeys, files_by_folder, folder_of
from pce_pipeline.lake.promotion import Seen
from pce_pipeline.lake.store import Store


@dataclass(frozen=True)
class Healed:
    """What `heal` did."""

    restored: list[Damage]
    """The damage it undid."""
    withdrawn: list[str]
    """The partitions it withdrew, because no good copy was left."""


def find_damage(
    store: Store, keys: TableKeys, published: Mapping[str, Partition], chosen: Collection[str], seen: Seen
) -> list[Damage]:
    """Reads every byte of the partitions: versions, fixed keys and manifests not as recorded, strangers."""
    partitions = [published[key] for key in chosen]
    files = {
        keys.full(key): stored.sha256
        for partition in partitions
        for stored in partition.objects
        for key in (stored.version_key, stored.path)
    }
    found = damages(store, files)
    present = files_by_folder(seen.listing)
    for partition in partitions:
        path = keys.manifest(partition.key)
        manifest, _ = seen.manifests.get(path, (None, ""))
        if path not in seen.manifests:
            found.append(Damage(keys.full(path), "missing", "the record in the pointer", NOTHING))
        elif manifest is None or manifest.partition != partition:
            found.append(Damage(keys.full(path), "changed", "the record in the pointer", "another record"))
        found += undeclared([keys.full(each) for each in present[folder_of(partition.key)]], files)
    if chosen == published.keys():
        found += undeclared([keys.full(each) for each in withdrawn_files(keys, published, seen)], ())
    return found


def withdrawn_files(keys: TableKeys, published: Mapping[str, Partition], seen: Seen) -> list[str]:
    """Paths in folders of partitions that the pointer does not hold: nothing gets there before its commit."""
    known = {folder_of(key) for key in published} | {""}
    files = {path for folder, paths in files_by_folder(seen.listing).items() if folder not in known for path in paths}
    return sorted(files | (seen.manifests.keys() - {keys.manifest(key) for key in published}))


def good_copies(
    store: Store, keys: TableKeys, partitions: Iterable[Partition], bad: Collection[str]
) -> tuple[dict[str, bytes], list[str]]:
    """Bodies for damaged versions, by key, and the partitions for which one cannot be had."""
    sources: dict[str, str] = {}
    hopeless: set[str] = set()
    for partition in partitions:
        damaged = {keys.full(o.version_key) for o in partition.objects} & set(bad)
        good = {keys.full(o.version_key): keys.full(o.path) for o in partition.objects if keys.full(o.path) not in bad}
        sources |= {version: good[version] for version in damaged if version in good}
        if not damaged <= good.keys():
            hopeless.add(partition.key)
    bodies = store.get_many(sources.values())
    return {version: bodies[source] for version, source in sources.items()}, sorted(hopeless)


def partitions_of_manifests(seen: Seen) -> dict[str, Partition]:
    """What the pointer said, as far as the partitions' manifests know it."""
    manifests = (manifest for manifest, _ in seen.manifests.values() if manifest is not None)
    return {manifest.partition.key: manifest.partition for manifest in manifests}
