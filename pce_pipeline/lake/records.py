"""How the lake's own records (manifests, pointers) are written: typed, as indented JSON, with a format number.

A record of a later format is refused before anything else in it is believed; one that cannot be read is damage.
"""

from typing import TypeVar

import msgspec

from pce_pipeline.decoding import decoded_json
from pce_pipeline.lake.errors import DamagedObject, NewerLakeFormat
from pce_pipeline.lake.integrity import Damage
from pce_pipeline.lake.store import Store

LAKE_FORMAT = 3
"""Raised whenever an older reader would misunderstand what is written.

2: Bronze records which extracts count. 3: a partition has one version, of which the files at fixed keys may be cuts.
"""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every record."""

    format: int = LAKE_FORMAT


_R = TypeVar("_R", bound=Record)


def encode_record(record: Record) -> bytes:
    """Bytes that depend on nothing but the record."""
    plain = msgspec.to_builtins(record, str_keys=True)
    return msgspec.json.format(msgspec.json.encode(plain, order="deterministic"), indent=1) + b"\n"


def decode_record(key: str, body: bytes, kind: type[_R], *, remedy: str = "") -> _R:
    """The record read from `key`.

    Raises `NewerLakeFormat`, or `DamagedObject` with `remedy`.
    """
    try:
        found = decoded_json(body, Record).format
        if found > LAKE_FORMAT:
            raise NewerLakeFormat(key, found, LAKE_FORMAT)
        return decoded_json(body, kind)
    except msgspec.DecodeError as error:
        raise DamagedObject(key, f"a {kind.__name__}", str(error), remedy=remedy) from error


def unreadable(store: Store, key: str, kind: type[Record]) -> list[Damage]:
    """The damage of a record that cannot be read; none where it can, or where nothing lies at `key`.

    For records that their readers do without when they are damaged, since all that they name can be made again.
    """
    body = store.get_many([key], missing_ok=True).get(key)
    if body is None:
        return []
    try:
        decode_record(key, body, kind)
    except DamagedObject as damaged:
        return [Damage(key, "changed", damaged.expected, damaged.found)]
    return []
