"""Where the set lies in the lake: its files under names of their content, and the pointer that says which are the set.

Files are written first and the pointer last, so that a reader sees all of a set or the one before. All of it can be
made again from Bronze and Gold; nothing is kept twice.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from pce_pipeline.lake.errors import DamagedObject, MissingObject
from pce_pipeline.lake.integrity import NOTHING, Damage, damages, sha256_of
from pce_pipeline.lake.layout import join
from pce_pipeline.lake.records import Record, decode_record, encode_record, unreadable
from pce_pipeline.lake.resource import Lake

EXPLORER = "explorer"
"""The name of the set, where tables are named."""

INDEX = "index.json"
"""The path of the index within the set."""

_POINTER = "_latest.json"
_VERSIONS = "_versions"
_MADE_AGAIN = "It is made again by the next `pce refresh`."
_AT_ONCE = 16


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of the set."""

    sha256: str
    """The hash of its bytes."""
    bytes: int
    """Its size."""
    inputs: str = ""
    """The hash of what it was made of; empty for one that follows what happens and not the figures."""
    footer: int | None = None
    """How many bytes at its end a reader of Parquet needs first."""
    rows: int | None = None
    """Its rows, if it is Parquet."""
    details: dict[str, Any] = {}
    """What the index says of it beside this."""


class Pointer(Record, frozen=True, kw_only=True):
    """The set as it is now: its files by path."""

    version: str = ""
    """The version that its index names; empty where there is no index, because something has to be made again."""
    parts: dict[str, Part] = msgspec.field(default_factory=dict)
    """The files by path: `figures/pce_state.parquet`."""


class ExplorerSet:
    """One set, as the pointer named it when it was read."""

    def __init__(self, store: "ExplorerStore", pointer: Pointer) -> None:
        self._store = store
        self.version = pointer.version
        """What set it is: a hash, as its index says."""
        self.parts: Mapping[str, Part] = pointer.parts
        """Its files by path, with size and hash."""

    def read(self, path: str) -> bytes:
        """A file of the set, its hash verified. Raises `DamagedObject` and `KeyError` for a path that it has not."""
        return self._store.read(path, self.parts[path])

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file with its path, the index last; some are read ahead. Raises `DamagedObject`."""
        paths = [*sorted(path for path in self.parts if path != INDEX), INDEX]
        for first in range(0, len(paths), _AT_ONCE):
            some = {path: self.parts[path] for path in paths[first : first + _AT_ONCE]}
            yield from self._store.read_many(some).items()

    def write_to(self, folder: Path) -> None:
        """Copy the set into a folder, the index last; files of the same names are written over.

        Raises `DamagedObject`.
        """
        for path, body in self.files():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)


class ExplorerStore:
    """The set of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._store = lake.store
        self._prefix = lake.layout.explorer

    def current(self) -> ExplorerSet | None:
        """The set as it is now; None where none was made yet, or where it has to be made again as a whole."""
        pointer = self.pointer()
        return ExplorerSet(self, pointer) if pointer.version and INDEX in pointer.parts else None

    def pointer(self) -> Pointer:
        """The pointer; one that is missing or cannot be read names nothing, so that all is made again."""
        return self.versioned()[0]

    def versioned(self) -> tuple[Pointer, str | None]:
        """The pointer with the token that `publish` compares; None where there is none."""
        key = self._full(_POINTER)
        try:
            body, token = self._store.get_versioned(key)
        except MissingObject:
            return Pointer(), None
        with suppress(DamagedObject):
            return decode_record(key, body, Pointer, remedy=_MADE_AGAIN), token
        return Pointer(), token

    def publish(self, bodies: Mapping[str, bytes], pointer: Pointer, expected: str | None) -> None:
        """Write the files of these paths, then the pointer that names them and others that lie there already.

        Raises `LostRace` where the pointer no longer has the token that is expected: another run has published.
        """
        self._store.put_many({self._key(path, pointer.parts[path]): body for path, body in bodies.items()})
        self._store.replace(self._full(_POINTER), encode_record(pointer), expected)

    def read(self, path: str, part: Part) -> bytes:
        """A file, its hash verified. Raises `DamagedObject`."""
        return self.read_many({path: part})[path]

    def read_many(self, parts: Mapping[str, Part]) -> dict[str, bytes]:
        """Files by path, their hashes verified. Raises `DamagedObject`."""
        keys = {path: self._key(path, part) for path, part in parts.items()}
        found = self._store.get_many(dict.fromkeys(keys.values()), missing_ok=True)
        for path, key in keys.items():
            digest = sha256_of(found[key]) if key in found else NOTHING
            if digest != parts[path].sha256:
                raise DamagedObject(key, parts[path].sha256, digest, remedy=_MADE_AGAIN)
        return {path: found[key] for path, key in keys.items()}

    def damages(self) -> list[Damage]:
        """A pointer that cannot be read, or what is missing or not as it says; reads every byte."""
        return unreadable(self._store, self._full(_POINTER), Pointer) or damages(
            self._store, {self._key(path, part): part.sha256 for path, part in self.pointer().parts.items()}
        )

    def forget_damaged(self) -> list[str]:
        """Let the pointer name no file that is damaged, so that it is made again; the paths of those.

        One that cannot be read itself names nothing any more, and is among them.
        """
        pointer, token = self.versioned()
        if unreadable(self._store, self._full(_POINTER), Pointer):
            self._store.replace(self._full(_POINTER), encode_record(Pointer()), token)
            return [_POINTER]
        bad = {damage.key for damage in self.damages()}
        gone = sorted(path for path, part in pointer.parts.items() if self._key(path, part) in bad)
        if gone:
            left = {path: part for path, part in pointer.parts.items() if path not in {*gone, INDEX}}
            self._store.replace(self._full(_POINTER), encode_record(Pointer(parts=left)), token)
        return gone

    def prune(self, older_than: timedelta, now: datetime) -> list[str]:
        """Delete files that are older and no part of the set now; returns their names.

        The listing comes before the pointer, so that what is published in between counts as part of the set.
        """
        infos = self._store.list(self._full(_VERSIONS))
        pointer, token = self.versioned()
        if token is None:
            return []
        kept = {self._key(path, part) for path, part in pointer.parts.items()}
        gone = [info.key for info in infos if info.last_modified < now - older_than and info.key not in kept]
        self._store.delete_many(gone)
        return [key.rpartition("/")[2] for key in gone]

    def _key(self, path: str, part: Part) -> str:
        return self._full(_VERSIONS, f"{part.sha256}.{path.rpartition('.')[2]}")

    def _full(self, *names: str) -> str:
        return join(self._prefix, *names)
