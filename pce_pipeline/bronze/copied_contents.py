"""What of a world's Bronze belongs into a second copy, and which hash each object must have.

Told by keys, manifests and records of one place, lake or copy alike: nothing else is read. What people decided about
extracts belongs to it, because it cannot be made again either; downloads in progress do not, and neither does what no
manifest names yet.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from pce_pipeline.bronze.archived_releases import RECORD, ArchivedFile
from pce_pipeline.bronze.manifest import Manifest
from pce_pipeline.bronze.store import MANIFEST, REWRITTEN, SCOPE
from pce_pipeline.decoding import decoded_json
from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.errors import DamagedObject, UnsafeKey
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import DOWNLOADS_OF_BEFORE, ExtractId, Layout, is_key, join
from pce_pipeline.lake.records import decode_record
from pce_pipeline.lake.store import Store

Role = Literal["object", "record", "state", "download"]
"""Written once; written once, after what it names; written again and again; in progress."""

PHASES: Sequence[Role] = ("object", "record", "state")
"""What is copied, in the order in which it is written: killed at any point, no record names what is not there."""

_MOST_KEYS = 256
_MOST_BYTES = 64_000_000


@dataclass(frozen=True)
class Contents:
    """What one place holds of a world's Bronze."""

    listing: Mapping[str, ObjectInfo]
    """Every object there, by key."""
    roles: Mapping[str, Role]
    """What belongs into a copy, by key, with its role."""
    declared: Mapping[str, str]
    """The sha256 that manifests and records name, by key; also of objects that are not there."""
    named_by: Mapping[str, Sequence[str]]
    """The keys that a record names, by the record's key."""
    unreadable: Sequence[str]
    """Keys of records that are not what a record is."""
    unnamed: Sequence[str]
    """Keys that no record names: of an extract or a file that is being written, or strangers."""
    downloads: int
    """How many downloads in progress lie where they lay up to version 0.2."""

    def is_intact(self, key: str, body: bytes, declared: str | None = None) -> bool:
        """Whether these bytes are what lies at this key: by its hash where one is declared, else a readable record."""
        if key in self.unreadable:
            return False
        if (expected := self.declared.get(key, declared)) is not None:
            return sha256_of(body) == expected
        return not key.endswith(".json") or _is_json(body)


def contents_of(store: Store, layout: Layout) -> Contents:
    """What a place holds of a world's Bronze, and what people decided about it.

    Raises `NewerLakeFormat` where a later version has written there.
    """
    listing = listing_of(store, layout)
    roles = {key: role_of(layout, key) for key in listing}
    bodies = store.get_many([key for key in listing if _kind_of_record(layout, key)], missing_ok=True)
    named: dict[str, dict[str, str]] = {}
    unreadable = []
    for key, body in bodies.items():
        try:
            named[key] = _names(key, body)
        except (DamagedObject, UnsafeKey):
            unreadable.append(key)
    declared = {key: digest for each in named.values() for key, digest in each.items()}
    unnamed = [
        key
        for key in listing
        if not is_key(key) or (roles[key] == "object" and _needs_record(layout, key) and key not in declared)
    ]
    left_out = {*unnamed, *(key for key, role in roles.items() if role == "download")}
    return Contents(
        listing=listing,
        roles={key: role for key, role in roles.items() if key not in left_out},
        declared=declared,
        named_by={key: list(each) for key, each in named.items()},
        unreadable=unreadable,
        unnamed=unnamed,
        downloads=sum(role == "download" for role in roles.values()),
    )


def listing_of(store: Store, layout: Layout) -> dict[str, ObjectInfo]:
    """Every object of a world's Bronze and of what people decided about it, by key."""
    return {info.key: info for prefix in (layout.bronze, layout.all_decisions) for info in store.list(prefix)}


def role_of(layout: Layout, key: str) -> Role:
    """What an object below Bronze or decisions is.

    >>> lake = Layout("prod", "bea")
    >>> role_of(lake, "prod/bronze/bea/d/2026-02-23/manifest.json"), role_of(lake, "prod/bronze/bea/d/_pin.json")
    ('record', 'state')
    >>> role_of(lake, "prod/decisions/bea/d/_pin.json")
    'object'
    """
    if not key.startswith(f"{layout.bronze}/"):
        return "object"
    within = key.removeprefix(f"{layout.bronze}/").split("/")[1:]
    if within and within[0] == DOWNLOADS_OF_BEFORE:
        return "download"
    if len(within) == 1 and within[0] in REWRITTEN:
        return "state"
    is_beside = within and within[-1] == SCOPE
    return "record" if is_beside or _kind_of_record(layout, key) else "object"


def in_batches(keys: Iterable[str], sizes: Mapping[str, ObjectInfo]) -> Iterator[list[str]]:
    """Keys in groups whose bodies fit into memory together; each group has one at least."""
    batch: list[str] = []
    held = 0
    for key in keys:
        size = sizes[key].size if key in sizes else 0
        if batch and (len(batch) == _MOST_KEYS or held + size > _MOST_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(key)
        held += size
    if batch:
        yield batch


def _kind_of_record(layout: Layout, key: str) -> type[Manifest] | type[ArchivedFile] | None:
    """What a record that names hashes is decoded as; None for everything else."""
    if key.startswith(f"{layout.archived_releases}/"):
        return ArchivedFile if key.endswith(RECORD) else None
    within = key.removeprefix(f"{layout.bronze}/").split("/")[1:] if key.startswith(f"{layout.bronze}/") else []
    is_manifest = len(within) == 2 and within[1] == MANIFEST and _is_extract(within[0])  # noqa: PLR2004 (folder, name)
    return Manifest if is_manifest else None


def _needs_record(layout: Layout, key: str) -> bool:
    """Whether an object counts only once a record names it: those of extracts, and files of BEA's archive."""
    if key.startswith(f"{layout.archived_releases}/"):
        within = key.removeprefix(f"{layout.archived_releases}/").split("/")
        return not any(part.startswith("_") for part in within)
    if not key.startswith(f"{layout.bronze}/"):
        return False
    within = key.removeprefix(f"{layout.bronze}/").split("/")[1:]
    return len(within) > 1 and _is_extract(within[0])


def _names(key: str, body: bytes) -> dict[str, str]:
    """The hashes that a record names, by key. Raises `DamagedObject`, `UnsafeKey`, `NewerLakeFormat`."""
    if key.endswith(RECORD):
        return {key.removesuffix(RECORD): decode_record(key, body, ArchivedFile).sha256}
    folder = key.rpartition("/")[0]
    return {join(folder, entry.key): entry.sha256 for entry in decode_record(key, body, Manifest).objects}


def _is_extract(name: str) -> bool:
    try:
        ExtractId.parse(name)
    except ValueError:
        return False
    return True


def _is_json(body: bytes) -> bool:
    try:
        decoded_json(body, object)
    except msgspec.DecodeError:
        return False
    return True
