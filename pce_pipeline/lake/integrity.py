"""Are the stored bytes the ones their record describes? Hashes are sha256 in hexadecimal."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from pce_pipeline.lake.store import Store

NOTHING = "nothing"


@dataclass(frozen=True)
class Damage:
    """One object that is not as recorded."""

    key: str
    """Its key."""
    problem: Literal["missing", "changed", "undeclared"]
    """What is wrong."""
    expected: str
    """The hash it should have; "nothing" for an undeclared one."""
    found: str
    """The hash it has; "nothing" for a missing one."""


def sha256_of(body: bytes) -> str:
    """In hexadecimal, as in every record."""
    return hashlib.sha256(body).hexdigest()


def damages(store: Store, expected: Mapping[str, str]) -> list[Damage]:
    """Reads every object of `expected` (hash by key) and tells those that are missing or changed."""
    bodies = store.get_many(expected, missing_ok=True)
    found = {key: sha256_of(body) for key, body in bodies.items()}
    return [
        Damage(key, "changed" if key in found else "missing", digest, found.get(key, NOTHING))
        for key, digest in expected.items()
        if found.get(key) != digest
    ]


def undeclared(present: Collection[str], declared: Collection[str]) -> list[Damage]:
    """Objects that lie where only declared ones may."""
    return [Damage(key, "undeclared", NOTHING, "an object") for key in sorted(set(present) - set(declared))]
