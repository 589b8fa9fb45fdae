"""Where the Iceberg tables of a lake lie, and which of their metadata is the newest. No pyiceberg here.

    <env>/iceberg/<world>/<layer>/<table>/metadata/v<N>.metadata.json   written once, N by N: who writes N+1 commits
                                                  /version-hint.text    which N is the newest, for readers by path
                                                  /*.avro               manifests and their lists

Data files are the versions of our own tables, named by absolute addresses: a lake that
was moved has to be projected anew.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pce_pipeline.decoding import decoded_json
from pce_pipeline.lake.errors import DamagedObject, MissingObject
from pce_pipeline.lake.layout import checked_key, join
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import Store
from pce_pipeline.tables.table import Table

REBUILD = "Run `pce iceberg --rebuild`: the tables are made anew, and their tags are gone."
_METADATA = re.compile(r"v([1-9][0-9]*)\.metadata\.json")


@dataclass(frozen=True)
class Addresses:
    """Absolute addresses of a lake's objects, as Iceberg's metadata names them."""

    root: str
    """The address of the lake: `s3://bucket/prefix` or `file:///folder`."""

    @classmethod
    def of(cls, lake: Lake) -> "Addresses":
        return cls(lake.uri.rstrip("/") if "://" in lake.uri else f"file://{Path(lake.uri).absolute()}")

    def of_key(self, key: str) -> str:
        return f"{self.root}/{key}"

    def key_of(self, address: str) -> str:
        """The lake's key of an address. Raises `ValueError` for one outside the lake, `UnsafeKey`."""
        if not address.startswith(f"{self.root}/"):
            raise ValueError(f"{address} is not in the lake at {self.root}")
        return checked_key(address.removeprefix(f"{self.root}/"))


@dataclass(frozen=True)
class Newest:
    """The newest metadata of one table."""

    number: int
    """Its number; 0 where there is none."""
    body: bytes
    """Its bytes; none where there is none."""
    hinted: int
    """What the hint says; 0 where there is none, or nothing that can be believed."""


@dataclass(frozen=True)
class IcebergPlace:
    """Where one table is projected to."""

    store: Store
    """The lake's objects."""
    addresses: Addresses
    """Their addresses."""
    prefix: str
    """The prefix of the Iceberg table."""

    @classmethod
    def of(cls, lake: Lake, table: Table) -> "IcebergPlace":
        return cls(lake.store, Addresses.of(lake), lake.layout.iceberg(table.layer, table.relation))

    @property
    def location(self) -> str:
        """The address of the table: what engines are given."""
        return self.addresses.of_key(self.prefix)

    @property
    def folder(self) -> str:
        return join(self.prefix, "metadata")

    def metadata_key(self, number: int) -> str:
        return join(self.folder, f"v{number}.metadata.json")

    @property
    def hint(self) -> str:
        return join(self.folder, "version-hint.text")

    def newest(self) -> int:
        """The number of the newest metadata; 0 where there is none."""
        return self.newest_metadata().number

    def newest_metadata(self) -> Newest:
        """The newest metadata, in three small reads as a rule.

        The hint may lag behind, because a kill may have come before it: what follows it is looked for.
        """
        hinted = number = self.hinted()
        body = self._body(number) if number else None
        if body is None:
            names = (info.key.rpartition("/")[2] for info in self.store.list(self.folder))
            number = max((int(found[1]) for found in map(_METADATA.fullmatch, names) if found), default=0)
            body = self._body(number) if number else b""
        while number and (later := self._body(number + 1)) is not None:
            number, body = number + 1, later
        if body is None:
            raise MissingObject(self.metadata_key(number))
        return Newest(number, body, hinted)

    def _body(self, number: int) -> bytes | None:
        try:
            return self.store.get(self.metadata_key(number))
        except MissingObject:
            return None

    def hinted(self) -> int:
        """What the hint says; 0 where there is none, or nothing that can be believed."""
        try:
            text = self.store.get(self.hint).decode("ascii", "replace").strip()
        except MissingObject:
            return 0
        return int(text) if re.fullmatch(r"[1-9][0-9]{0,9}", text) else 0

    def write_hint(self, number: int) -> None:
        """Says which metadata is the newest: `number`, or what others have written since."""
        self.store.put(self.hint, f"{number}".encode())
        # one who was slower must not leave the hint behind one who was faster
        while self.store.exists(self.metadata_key(number + 1)):
            number += 1
            self.store.put(self.hint, f"{number}".encode())

    def document(self, number: int, body: bytes | None = None) -> Mapping[str, Any]:
        """A metadata file, parsed without pyiceberg; read unless its bytes are given.

        Raises `MissingObject`, `DamagedObject`.
        """
        key = self.metadata_key(number)
        try:
            found = decoded_json(self.store.get(key) if body is None else body, dict[str, Any])
        except msgspec.DecodeError as error:
            raise DamagedObject(key, "metadata of Iceberg", str(error), remedy=REBUILD) from None
        if not isinstance(found.get("location"), str):
            raise DamagedObject(key, "metadata of Iceberg", "an object without a location", remedy=REBUILD)
        return found
