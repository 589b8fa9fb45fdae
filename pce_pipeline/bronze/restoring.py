"""Restoring damaged objects of Bronze: what says which bytes are right, what is recorded, and what people are told.

Bronze is written once, so its bucket lets nobody write over an object, whatever happened to it. On AWS a program with a
role of its own does it (`infra/restore_object.py`), and reads here what lies where and how it is recorded. Nothing here
reads or writes a lake.
"""

from dataclasses import dataclass
from datetime import datetime

from pce_pipeline.bronze.archived_releases import RECORD, ArchivedFile
from pce_pipeline.bronze.manifest import Manifest
from pce_pipeline.bronze.store import MANIFEST, REWRITTEN, SCOPE
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import DOWNLOADS_OF_BEFORE, ExtractId, Layout, checked_key, join
from pce_pipeline.lake.records import Record, decode_record

_SEGMENTS = 5


class Restoration(Record, frozen=True, kw_only=True):
    """Written before a damaged object is restored: what is about to be done, by whom, and why."""

    key: str
    """The object's key."""
    sha256: str
    """Of the right bytes."""
    named_by: str | None
    """The record that names this hash; None where none does, so that the oldest version was taken for the right one."""
    found: str
    """The hash of the bytes that lay there; "nothing" where the object was gone."""
    found_version: str | None
    """The version that lay there, or the delete marker."""
    source: str
    """Where the right bytes were: a version of the object, or a second copy."""
    bucket: str
    """The bucket."""
    reason: str
    """Why, in the words of whoever restored it."""
    by: str
    """The AWS identity of that person."""
    begun_at: datetime
    """When (UTC)."""
    code_version: str
    """The version of this package."""


class RestorationDone(Record, frozen=True, kw_only=True):
    """Written after it: that the right bytes lie there."""

    key: str
    """The object's key."""
    version: str
    """The version that holds the right bytes."""
    done_at: datetime
    """When this was seen (UTC)."""


@dataclass(frozen=True)
class BronzeObject:
    """Where an object of Bronze lies, read from its key."""

    key: str
    """The key."""
    layout: Layout
    """Its environment and world."""
    dataset: str
    """Its dataset, or `archive`, or `webhook_events`."""
    rest: str
    """What follows the dataset."""

    @classmethod
    def of(cls, key: str) -> "BronzeObject":
        """Raises `UsageError` for a key that is none of Bronze's, or that may be written again by the pipeline."""
        parts = checked_key(key).split("/", _SEGMENTS - 1)
        if len(parts) < _SEGMENTS or parts[1] != "bronze":
            raise UsageError(
                f"{key} is not an object of Bronze.",
                remedy="Name it as `pce verify` does: staging/bronze/bea/... . All other layers are made again by "
                "`pce heal` and `pce refresh`.",
            )
        env, _, world, dataset, rest = parts
        if rest in REWRITTEN or rest.startswith(f"{DOWNLOADS_OF_BEFORE}/"):
            raise UsageError(f"{key} may be written again: the pipeline makes it anew.", remedy="Run `pce run`.")
        return cls(key, Layout(env, world), dataset, rest)

    @property
    def extract(self) -> ExtractId | None:
        """The extract that it is of; None for what is of none."""
        try:
            return ExtractId.parse(self.rest.partition("/")[0])
        except ValueError:
            return None

    @property
    def named_by(self) -> str | None:
        """The record that names the hash of its bytes, if there is to be one."""
        if self.extract is not None:
            manifest = join(self.layout.extract(self.dataset, self.extract), MANIFEST)
            return None if self.rest.partition("/")[2] in {MANIFEST, SCOPE} else manifest
        is_file = self.layout.dataset("bronze", self.dataset) == self.layout.archived_releases
        name = self.rest.rpartition("/")[2]
        return self.key + RECORD if is_file and not name.startswith("_") and not name.endswith(".json") else None

    def hash_in(self, record: bytes) -> str | None:
        """The hash that the record `named_by` names for it; None where it names none.

        Raises `DamagedObject` or `NewerLakeFormat` for a record that cannot be read.
        """
        named_by = self.named_by or ""
        remedy = "Restore it first: name it instead."
        if self.extract is None:
            return decode_record(named_by, record, ArchivedFile, remedy=remedy).sha256
        name = self.rest.partition("/")[2]
        objects = decode_record(named_by, record, Manifest, remedy=remedy).objects
        return next((entry.sha256 for entry in objects if entry.key == name), None)

    def is_unfit(self, body: bytes) -> str | None:
        """What speaks against bytes of an object whose hash nothing names: a record has to be one; None where nothing.

        Raises `DamagedObject` or `NewerLakeFormat` for a manifest that cannot be read.
        """
        if self.extract is None or not self.rest.endswith(f"/{MANIFEST}"):
            decode_record(self.key, body, Record)
            return None
        manifest = decode_record(self.key, body, Manifest)
        said = (manifest.world, manifest.dataset, manifest.extract_date)
        if said != (self.layout.world, self.dataset, str(self.extract)):
            return f"it is of {' '.join(said)}"
        return None

    def record_of(self, when: datetime) -> str:
        """Where it is recorded that it is restored; `done_of` where it is recorded that it was."""
        name = f"{when:%Y%m%dT%H%M%S.%fZ}-{sha256_of(self.key.encode())[:16]}.json"
        return join(self.layout.restored(self.dataset), name)


def done_of(record: str) -> str:
    """Where it is recorded that what this record announces was done."""
    return record.removesuffix(".json") + ".done.json"
