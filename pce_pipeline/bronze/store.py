"""Bronze: write-once extracts with a manifest, downloads in progress, and the records of what was compared and pinned.

An extract exists once its `manifest.json` does; that is written last and names every object with its hash, the cells
that each table holds and whether the table counts. What an answer means is not known here: objects are bytes.
"""

import gzip
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from pce_pipeline.bronze.decisions import Decision, DecisionStore
from pce_pipeline.bronze.manifest import ExtractScope, Manifest, ObjectEntry, Pin, Verified, with_scope
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.errors import DamagedObject, MissingObject, ObjectExists
from pce_pipeline.lake.integrity import NOTHING, Damage, damages, sha256_of, undeclared
from pce_pipeline.lake.layout import ExtractId, Layout, join
from pce_pipeline.lake.records import decode_record, encode_record
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import Store

MANIFEST = "manifest.json"
"""The record of an extract, written last."""
SCOPE = "scope.json"
"""What an extract of before covers, beside its manifest."""
REWRITTEN = VERIFIED, PIN = "_verified.json", "_pin.json"
"""All that is ever written again below Bronze: the last comparison with BEA, and the pin."""
_QUARANTINE = "part-000.parquet"
CELL_FILES = ("cells.parquet", "record.json")
"""The files in which decoded cells are kept, in the order in which they are written."""

_RESTORE = (
    "Bronze is kept once: restore the object from the bucket's earlier versions or a backup, or pin an earlier extract."
)


class BronzeStore:
    """The Bronze of one dataset in one lake."""

    def __init__(self, store: Store, layout: Layout, dataset: str) -> None:
        self._store = store
        self._layout = layout
        self._dataset = dataset
        self._prefix = layout.dataset("bronze", dataset)
        self._verified_key = join(self._prefix, VERIFIED)
        self._pin_key = join(self._prefix, PIN)
        self.decisions = DecisionStore(store, layout, dataset)

    def extracts(self) -> list[ExtractId]:
        """Those that exist, in order of date and number."""
        folders = {self._key(extract, MANIFEST): extract for extract in self._folders()}
        return [folders[key] for key in self._store.existing(folders)]

    def manifest(self, extract: ExtractId) -> Manifest:
        """Raises `MissingObject` where there is no such extract, `DamagedObject`, `NewerLakeFormat`."""
        key = self._key(extract, MANIFEST)
        return decode_record(key, self._store.get(key), Manifest, remedy=_RESTORE)

    def manifests(self) -> dict[ExtractId, Manifest]:
        """Of all extracts that exist, in order. A folder without a manifest is not an extract.

        What lies beside a manifest of before (`write_scope`) is filled in: its cells and verdicts.
        """
        keys = {self._key(extract, MANIFEST): extract for extract in self._folders()}
        bodies = self._store.get_many(keys, missing_ok=True)
        found = {keys[key]: decode_record(key, body, Manifest, remedy=_RESTORE) for key, body in bodies.items()}
        before = {self._key(each, SCOPE): each for each, manifest in found.items() if manifest.verdicts is None}
        for key, body in (self._store.get_many(before, missing_ok=True) if before else {}).items():
            scope = decode_record(key, body, ExtractScope, remedy=f"Delete {key}: it is made again.")
            found[before[key]] = with_scope(found[before[key]], scope)
        return found

    def write_scope(self, extract: ExtractId, scope: ExtractScope) -> None:
        """Keeps beside a manifest of before what its objects hold; what is kept already stays."""
        self._store.create_many({self._key(extract, SCOPE): encode_record(scope)})

    def read_objects(
        self, extract: ExtractId, tables: Collection[str] | None = None, *, manifest: Manifest | None = None
    ) -> list[tuple[ObjectEntry, bytes]]:
        """The stored bytes (packed, where they were stored so) of all objects, or of those with any of `tables`.

        The extract's manifest is read where it is not given. Raises `DamagedObject` for a missing or changed object.
        """
        wanted = [
            entry
            for entry in (manifest or self.manifest(extract)).objects
            if tables is None or not set(tables).isdisjoint(entry.tables)
        ]
        bodies = self._store.get_many([self._key(extract, entry.key) for entry in wanted], missing_ok=True)
        read = []
        for entry in wanted:
            key = self._key(extract, entry.key)
            found = sha256_of(bodies[key]) if key in bodies else NOTHING
            if found != entry.sha256:
                raise DamagedObject(key, entry.sha256, found, remedy=_RESTORE)
            read.append((entry, bodies[key]))
        return read

    def staged(self, extract: ExtractId) -> dict[str, bytes]:
        """What earlier, unfinished runs have gathered, by name."""
        found: dict[str, bytes] = {}
        for downloads in self._downloads:
            prefix = join(downloads, str(extract))
            bodies = self._store.get_many([info.key for info in self._store.list(prefix)], missing_ok=True)
            found |= {key.removeprefix(f"{prefix}/"): body for key, body in bodies.items()}
        return found

    def stage(self, extract: ExtractId, name: str, body: bytes) -> None:
        """Keeps one finished download, all or nothing, over an earlier one of that name."""
        self._store.put(join(self._layout.downloads(self._dataset), str(extract), name), body)

    def discard_staging(self, extract: ExtractId) -> None:
        staged = [each.key for prefix in self._downloads for each in self._store.list(join(prefix, str(extract)))]
        self._store.delete_many(staged)

    def unfinished(self) -> list[ExtractId]:
        """Extracts that have something in staging, in order."""
        keys = [info.key.removeprefix(f"{prefix}/") for prefix in self._downloads for info in self._store.list(prefix)]
        return _extract_ids({key.partition("/")[0] for key in keys})

    def publish(
        self, extract: ExtractId, manifest: Manifest, objects: Mapping[str, bytes], quarantine: bytes | None = None
    ) -> None:
        """Makes the extract exist: objects first, its quarantine if any, the manifest last; after a kill, it goes on.

        Raises `ObjectExists` where this extract holds something else (take `extract.next_of_day`), and `DamagedObject`
        where the objects are not those that the manifest declares.
        """
        declared = {entry.key: entry.sha256 for entry in manifest.objects}
        given = {name: sha256_of(body) for name, body in objects.items()}
        for name in sorted(declared.keys() | given.keys()):
            if declared.get(name) != given.get(name):
                raise DamagedObject(
                    name, declared.get(name, NOTHING), given.get(name, NOTHING), remedy="Pull it again."
                )
        bodies = {self._key(extract, name): body for name, body in objects.items()}
        taken = self._store.create_many(bodies)
        for key, found in self._store.get_many(sorted(taken)).items():
            if found != bodies[key]:
                raise ObjectExists(key)
        if quarantine is not None:
            self.write_quarantine(extract, quarantine)
        key, body = self._key(extract, MANIFEST), encode_record(manifest)
        try:
            self._store.create(key, body)
        except ObjectExists:
            if self._store.get(key) != body:
                raise

    def write_quarantine(self, extract: ExtractId, body: bytes) -> None:
        """Keeps what could not be read of an extract, over what was kept of it: it is made again from its objects."""
        self._store.put(self.quarantine_key(extract), body)

    def quarantine(self, extract: ExtractId) -> bytes | None:
        """What was kept of an extract in quarantine; None where nothing was."""
        key = self.quarantine_key(extract)
        return self._store.get_many([key], missing_ok=True).get(key)

    def cells(self, extract: ExtractId) -> dict[str, bytes]:
        """What is kept of the decoded cells of an extract, by file name."""
        keys = {self._cells_key(extract, name): name for name in CELL_FILES}
        return {keys[key]: body for key, body in self._store.get_many(keys, missing_ok=True).items()}

    def write_cells(self, extract: ExtractId, bodies: Mapping[str, bytes]) -> None:
        """Keeps decoded cells of an extract, the record last, over what was kept: they are made again from Bronze."""
        for name in CELL_FILES:
            self._store.put(self._cells_key(extract, name), bodies[name])

    def _cells_key(self, extract: ExtractId, name: str) -> str:
        return join(self._layout.cells(self._dataset), str(extract), name)

    def quarantine_key(self, extract: ExtractId) -> str:
        return join(self._layout.quarantine(self._dataset), str(extract), _QUARANTINE)

    def key_of(self, extract: ExtractId, name: str) -> str:
        """Where an object of an extract lies in the lake."""
        return self._key(extract, name)

    def verify(self, extract: ExtractId) -> list[Damage]:
        """Reads the whole extract: missing and changed objects, and objects that nobody declared."""
        declared = {self._key(extract, entry.key): entry.sha256 for entry in self.manifest(extract).objects}
        present = [info.key for info in self._store.list(self._key(extract))]
        records = {self._key(extract, MANIFEST), self._key(extract, SCOPE)}
        return damages(self._store, declared) + undeclared(present, {*declared, *records})

    def verified(self) -> Verified | None:
        """The record of the last comparison; None before the first."""
        try:
            body = self._store.get(self._verified_key)
        except MissingObject:
            return None
        return decode_record(self._verified_key, body, Verified, remedy=f"Delete {self._verified_key}.")

    def write_verified(self, verified: Verified) -> None:
        self._store.put(self._verified_key, encode_record(verified))

    def pin(self) -> Pin | None:
        try:
            body = self._store.get(self._pin_key)
        except MissingObject:
            return None
        return decode_record(self._pin_key, body, Pin, remedy=f"Write the pin again, or delete {self._pin_key}.")

    def write_pin(self, extract: ExtractId, *, now: datetime, reason: str) -> None:
        """Raises `MissingObject` where there is no such extract."""
        self.manifest(extract)
        self.decisions.add(Decision(kind="pin", extract=str(extract), why=reason, decided_at=now))
        self._store.put(self._pin_key, encode_record(Pin(extract=str(extract), pinned_at=now, reason=reason)))

    def clear_pin(self, *, now: datetime) -> None:
        """Let later extracts count again; calling it without a pin is harmless."""
        was = self.pin()
        if was is not None:
            self.decisions.add(Decision(kind="unpin", extract=was.extract, why="", decided_at=now))
        self._store.delete_many([self._pin_key])

    @property
    def _downloads(self) -> tuple[str, str]:
        """Where unfinished downloads lie: those of before first, so that newer ones of the same name win."""
        return self._layout.downloads_of_before(self._dataset), self._layout.downloads(self._dataset)

    def _key(self, extract: ExtractId, name: str = "") -> str:
        return join(self._layout.extract(self._dataset, extract), name)

    def _folders(self) -> list[ExtractId]:
        return _extract_ids(self._store.list_dirs(self._prefix))


def bronze_of(lake: Lake, dataset: Dataset) -> BronzeStore:
    """The Bronze of a dataset in a lake."""
    return BronzeStore(lake.store, lake.layout, dataset.name)


def pack(body: bytes) -> bytes:
    """Gzip without time and name: equal bodies pack alike. Beyond level 5 BEA's JSON hardly shrinks."""
    return gzip.compress(body, 5, mtime=0)


def unpack(body: bytes) -> bytes:
    """Raises `gzip.BadGzipFile`, `EOFError` or `zlib.error` for what `pack` did not make."""
    return gzip.decompress(body)


def _extract_ids(names: Iterable[str]) -> list[ExtractId]:
    found = []
    for name in names:
        try:
            found.append(ExtractId.parse(name))
        except ValueError:
            continue  # `_staging`, or something that is none of ours
    return sorted(found)
