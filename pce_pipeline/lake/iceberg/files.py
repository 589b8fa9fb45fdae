"""The lake's objects as pyiceberg reads and writes them: through our own store, whatever it is and whoever signs in.

Imports pyiceberg, and is therefore itself imported only where something is to be done.
"""

import io
from typing import cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from pce_pipeline.lake.errors import MissingObject
from pce_pipeline.lake.iceberg.places import Addresses
from pce_pipeline.lake.store import Store


class LakeFile(InputFile, OutputFile):
    """One object, by its address."""

    def __init__(self, store: Store, addresses: Addresses, location: str) -> None:
        super().__init__(location)
        self._store = store
        self._key = addresses.key_of(location)
        self._read: bytes | None = None

    def __len__(self) -> int:
        return len(self._body())

    def exists(self) -> bool:
        return self._store.exists(self._key)

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002, FBT001, FBT002 (pyiceberg's)
        """Raises `FileNotFoundError`."""
        return cast("InputStream", io.BytesIO(self._body()))

    def to_input_file(self) -> "LakeFile":
        return self

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: FBT001, FBT002 (pyiceberg's signature)
        """A stream whose bytes become the object when it is closed. Raises `ObjectExists` then, unless `overwrite`."""
        return cast("OutputStream", _Written(self._store, self._key, overwrite=overwrite))

    def _body(self) -> bytes:
        """The bytes, read once: who opens a file asks for its length as well."""
        if self._read is None:
            try:
                self._read = self._store.get(self._key)
            except MissingObject as missing:
                raise FileNotFoundError(self.location) from missing
        return self._read


class LakeFiles(FileIO):
    """The objects of a lake."""

    def __init__(self, store: Store, addresses: Addresses) -> None:
        super().__init__({})
        self._store = store
        self._addresses = addresses

    def new_input(self, location: str) -> LakeFile:
        return LakeFile(self._store, self._addresses, location)

    def new_output(self, location: str) -> LakeFile:
        return LakeFile(self._store, self._addresses, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        address = location if isinstance(location, str) else location.location
        self._store.delete_many([self._addresses.key_of(address)])


class _Written(io.BytesIO):
    def __init__(self, store: Store, key: str, *, overwrite: bool) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._overwrite = overwrite

    def __exit__(self, kind: object, *about: object) -> None:
        # what could not be written to its end is no object
        if kind is None:
            self.close()
        else:
            super().close()

    def close(self) -> None:
        if self.closed:
            return
        body = self.getvalue()
        super().close()
        if self._overwrite:
            self._store.put(self._key, body)
        else:
            self._store.create(self._key, body)
