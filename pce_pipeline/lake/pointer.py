"""The records of a published table: what a partition is, and where its pointer and manifests lie. No I/O.

    <prefix>/_latest.json                          the pointer: which objects are the table now
            /_versions/year=2024/<sha256>.parquet  immutable objects, named by their content, one for each partition
            /year=2024/part-000.parquet            the same bytes at fixed keys, for readers without our code,
            /year=2024/state=XX/part-000.parquet   or the same rows, cut by area
            /year=2024/_manifest.json              which partition these files are, written after them

A table in one piece has no folder: its only partition is `all`. "Path" is a key below the prefix.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from pce_pipeline.lake.errors import UnsafeKey
from pce_pipeline.lake.layout import checked_key, join
from pce_pipeline.lake.records import Record, decode_record

FILE_FORMAT = 2
"""How files of tables are written. 2: one version for each partition, columns with field ids and NOT NULL.

Raised whenever the bytes of the same rows change in a way that readers rely on; files of before are written again
once, and no content hash changes by it.
"""

WHOLE = "all"
"""The key of the only partition of a table without partitions."""
MANIFEST = "_manifest.json"
VERSIONS = "_versions"
SUFFIX = ".parquet"
_FORMAT_WITH_CUTS = 3


@dataclass(frozen=True)
class NewPartition:
    """A partition to publish: frames by path below the table (`year=2024/part-000.parquet`), in reading order.

    Raises `ValueError` without files, `UnsafeKey` for a path that is not in the folder of the partition, or that the
    grammar refuses.
    """

    key: str
    """The partition's key: a year, or `all`."""
    files: Mapping[str, pl.DataFrame]
    """Its rows, by path."""
    inputs: Mapping[str, str]
    """Hashes by name of what it was computed from."""
    code_version: str
    """The version of the code that computed it."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Any further provenance (JSON)."""
    parts_by: str | None = None
    """The column by whose values others read parts of it; None for a partition that is read whole."""

    def __post_init__(self) -> None:
        if not self.files:
            raise ValueError(f"partition {self.key} has no files")
        for path in self.files:
            if path not in files_by_folder([checked_key(path)])[folder_of(self.key)]:
                raise UnsafeKey(path)


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """One version: its key and the fixed key of its copy, both below the table's prefix; sha256, size and rows.

    Where the partition is cut, no copy of it lies at `path`, but its cuts at theirs.
    """

    path: str
    version_key: str
    sha256: str
    bytes: int
    rows: int


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A file at a fixed key that has so many rows of the partition's version, those after the cuts before it."""

    path: str
    rows: int


class Partition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One published partition: its files in reading order, its content, and where it came from.

    Of file format 2 it has one version; before, one for each file at a fixed key.
    """

    key: str
    objects: tuple[StoredObject, ...]
    rows: int
    content_sha256: str
    inputs: dict[str, str]
    code_version: str
    details: dict[str, Any]
    run_id: str
    published_at: datetime
    parts: dict[str, str] = {}
    cuts: tuple[Cut, ...] = ()
    file_format: int = 1

    @property
    def files(self) -> list[tuple[str, int]]:
        """The path of each file at a fixed key and its rows, in reading order."""
        return [(each.path, each.rows) for each in self.cuts or self.objects]

    @property
    def paths(self) -> list[str]:
        """The paths of these."""
        return [path for path, _ in self.files]

    def part_sha256(self, part: str | None) -> str | None:
        """The content hash of a part, or of all; None for a part that it does not have.

        A partition that names no parts was published when the table had one alone.
        """
        return self.parts.get(part) if part is not None and self.parts else self.content_sha256

    def says_the_same_as(self, other: "Partition | None") -> bool:
        """Equal but for the run that wrote it."""
        return other is not None and (
            (self.objects, self.cuts, self.content_sha256, self.inputs, self.code_version)
            == (other.objects, other.cuts, other.content_sha256, other.inputs, other.code_version)
        )


class Pointer(Record, frozen=True, kw_only=True):
    """The table as it is now."""

    table: str
    partitions: dict[str, Partition]


class FixedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file at a fixed key as it was put: its hash, size and rows, and the e-tag that listings showed then."""

    sha256: str
    bytes: int
    rows: int
    e_tag: str


class PartitionManifest(Record, frozen=True, kw_only=True):
    """Beside a partition's files: what they are, by path; written once they were complete."""

    table: str
    partition: Partition
    files: dict[str, FixedFile]


class _ManifestOfBefore(Record, frozen=True, kw_only=True):
    """What lake formats 1 and 2 had in its place: e-tags of files that were all copies of versions."""

    table: str
    partition: Partition
    e_tags: dict[str, str]


def decode_manifest(key: str, body: bytes) -> PartitionManifest:
    """The manifest read from `key`, of any format until now; raises what `decode_record` does."""
    if decode_record(key, body, Record).format >= _FORMAT_WITH_CUTS:
        return decode_record(key, body, PartitionManifest)
    before = decode_record(key, body, _ManifestOfBefore)
    files = {
        each.path: FixedFile(sha256=each.sha256, bytes=each.bytes, rows=each.rows, e_tag=before.e_tags[each.path])
        for each in before.partition.objects
        if each.path in before.e_tags
    }
    return PartitionManifest(format=before.format, table=before.table, partition=before.partition, files=files)


def folder_of(partition: str) -> str:
    """The folder of a partition below its table; none for a table in one piece. Raises `UnsafeKey`."""
    return "" if partition == WHOLE else join(f"year={partition}")


@dataclass(frozen=True)
class TableKeys:
    """Where a table's objects lie: paths below its prefix, which `full` makes keys of the lake."""

    prefix: str
    """The table's prefix."""

    def full(self, path: str) -> str:
        return join(self.prefix, path)

    @property
    def pointer(self) -> str:
        return self.full("_latest.json")

    def version(self, partition: str, sha256: str) -> str:
        return join(VERSIONS, folder_of(partition), f"{sha256}{SUFFIX}")

    def manifest(self, partition: str) -> str:
        return join(folder_of(partition), MANIFEST)


def files_by_folder(paths: Iterable[str]) -> dict[str, set[str]]:
    """Data files by the folder of their partition: Parquet where globs find it.

    Records, versions and whatever else lies below the table's prefix are none, and nobody's to delete.
    """
    files: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, _, file = path.partition("/") if path.startswith("year=") else ("", "", path)
        in_folder = bool(file) and not file.startswith("_") and (bool(folder) or "/" not in file)
        if in_folder and file.endswith(SUFFIX):
            files[folder].add(path)
    return files
