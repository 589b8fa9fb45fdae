"""Deciding what a publication has to write: nothing that is there already. Pure: frames and listings in, a plan out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import join
from pce_pipeline.lake.parquet import in_threads, to_parquet
from pce_pipeline.lake.pointer import (
    FILE_FORMAT,
    Cut,
    NewPartition,
    Partition,
    StoredObject,
    TableKeys,
    folder_of,
)
from pce_pipeline.tables.table import content_sha256


@dataclass(frozen=True)
class Plan:
    """What is to change."""

    changes: dict[str, Partition]
    """The partitions that the pointer shall name, by key."""
    bodies: dict[str, bytes]
    """Those of their versions that were serialised, by version key."""
    to_write: list[str]
    """The version keys among them that have to be written."""
    written: list[str]
    """The partitions with new content."""
    refreshed: list[str]
    """The partitions with the same content, made from other inputs or by other code."""
    unchanged: list[str]
    """The other partitions."""


def plan(
    new: Sequence[NewPartition],
    published: Mapping[str, Partition],
    listing: Mapping[str, ObjectInfo],
    keys: TableKeys,
    *,
    run_id: str,
    now: datetime,
    required: Collection[str] = (),
) -> Plan:
    """Compares contents with what is published; only what differs, or whose versions are gone, is serialised.

    `required` are the columns that are never NULL.
    """
    found = dict(zip((each.key for each in new), in_threads(_content, new), strict=True))
    contents = {key: content for key, (content, _) in found.items()}
    provenance: dict[str, dict[str, Any]] = {
        each.key: {
            "inputs": dict(each.inputs),
            "code_version": each.code_version,
            "details": dict(each.details),
            "parts": found[each.key][1],
            "run_id": run_id,
            "published_at": now,
        }
        for each in new
    }
    # Rows are compared before anything is serialised, because equal rows are the rule and making Parquet is what costs.
    rewritten = [each for each in new if not _stands(each, contents[each.key], published, listing)]
    made = in_threads(lambda each: version_of(each.key, each.files, keys, required), rewritten)
    changes = {
        each.key: Partition(
            key=each.key,
            objects=(stored,),
            cuts=cuts_of(each.files),
            rows=stored.rows,
            content_sha256=contents[each.key],
            file_format=FILE_FORMAT,
            **provenance[each.key],
        )
        for each, (stored, _) in zip(rewritten, made, strict=True)
    }
    bodies = {stored.version_key: body for stored, body in made}
    # what only an older publication or a killed one left is written again: its bytes are not verified by anybody,
    # and a new date keeps it from being pruned before the pointer names it
    current = {o.version_key: o.bytes for partition in published.values() for o in partition.objects}
    to_write = [key for key in bodies if key not in listing or current.get(key) != listing[key].size]
    # The same rows from other inputs change no byte, but the record must say so, or they would count as stale for ever.
    refreshed = [
        each.key
        for each in new
        if each.key not in changes and (each.inputs, each.code_version) != _origin(published[each.key])
    ]
    for key in refreshed:
        changes[key] = msgspec.structs.replace(published[key], **provenance[key])
    return Plan(
        changes=changes,
        bodies=bodies,
        to_write=to_write,
        written=[each.key for each in rewritten],
        refreshed=refreshed,
        unchanged=[each.key for each in new if each.key not in changes],
    )


def version_of(
    partition: str, files: Mapping[str, pl.DataFrame], keys: TableKeys, required: Collection[str]
) -> tuple[StoredObject, bytes]:
    """The one version of a partition, whatever files its rows are cut into, and its bytes."""
    rows = pl.concat(list(files.values()))
    body = to_parquet(rows, required)
    digest = sha256_of(body)
    stored = StoredObject(
        path=next(iter(files)) if len(files) == 1 else join(folder_of(partition), "part-000.parquet"),
        version_key=keys.version(partition, digest),
        sha256=digest,
        bytes=len(body),
        rows=rows.height,
    )
    return stored, body


def cuts_of(files: Mapping[str, pl.DataFrame]) -> tuple[Cut, ...]:
    """What the version of a partition with several files is cut into; nothing for one whose file is a copy."""
    if len(files) == 1:
        return ()
    return tuple(Cut(path=path, rows=frame.height) for path, frame in files.items())


def _content(new: NewPartition) -> tuple[str, dict[str, str]]:
    """The hash of a partition's rows, and of each of its parts."""
    rows = pl.concat(list(new.files.values()))
    content = content_sha256(rows)
    if new.parts_by is None:
        return content, {}
    parts = rows.partition_by(new.parts_by, as_dict=True, maintain_order=True)
    return content, {str(part): content if len(parts) == 1 else content_sha256(of) for (part,), of in parts.items()}


def _origin(partition: Partition) -> tuple[Mapping[str, str], str]:
    return partition.inputs, partition.code_version


def _stands(
    new: NewPartition,
    content: str,
    published: Mapping[str, Partition],
    listing: Mapping[str, ObjectInfo],
) -> bool:
    """Whether what is published has this content in these files, and its versions are there, as written today."""
    current = published.get(new.key)
    return (
        current is not None
        and current.content_sha256 == content
        and current.file_format == FILE_FORMAT
        and current.files == [(path, frame.height) for path, frame in new.files.items()]
        and versions_are_there(current, listing)
    )


def versions_are_there(partition: Partition, listing: Mapping[str, ObjectInfo]) -> bool:
    """Whether a listing shows every version of a partition, with its size."""
    return all(o.version_key in listing and listing[o.version_key].size == o.bytes for o in partition.objects)
