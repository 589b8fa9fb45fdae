"""Deciding what a publication has to write: nothing that is there already. Pure: frames and listings in, a plan out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from pce_pipeline.lake.backends import ObjectInfo
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.parquet import in_threads, to_parquet
from pce_pipeline.lake.pointer import NewPartition, Partition, StoredObject, TableKeys
from pce_pipeline.tables.table import content_sha256


@dataclass(frozen=True)
class Plan:
    """What is to change."""

    changes: dict[str, Partition]
    """The partitions that the pointer shall name, by key."""
    bodies: dict[str, bytes]
    """Those of their files that were serialised, by version key."""
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
) -> Plan:
    """Compares contents with what is published; only what differs, or whose versions are gone, is serialised."""
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
    files = [(each.key, path, frame) for each in rewritten for path, frame in each.files.items()]
    bodies: dict[str, bytes] = {}
    objects: dict[str, list[StoredObject]] = {each.key: [] for each in rewritten}
    for (key, path, frame), body in zip(files, in_threads(to_parquet, [frame for *_, frame in files]), strict=True):
        digest = sha256_of(body)
        stored = StoredObject(
            path=path,
            version_key=keys.version(key, digest),
            sha256=digest,
            bytes=len(body),
            rows=frame.height,
        )
        bodies[stored.version_key] = body
        objects[key].append(stored)
    changes = {
        key: Partition(
            key=key,
            objects=tuple(stored),
            rows=sum(each.rows for each in stored),
            content_sha256=contents[key],
            **provenance[key],
        )
        for key, stored in objects.items()
    }
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
        written=list(objects),
        refreshed=refreshed,
        unchanged=[each.key for each in new if each.key not in changes],
    )


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
    """Whether what is published has this content in these files, and the versions of them are there."""
    current = published.get(new.key)
    return (
        current is not None
        and current.content_sha256 == content
        and [(o.path, o.rows) for o in current.objects] == [(path, frame.height) for path, frame in new.files.items()]
        and versions_are_there(current, listing)
    )


def versions_are_there(partition: Partition, listing: Mapping[str, ObjectInfo]) -> bool:
    """Whether a listing shows every version of a partition, with its size."""
    return all(o.version_key in listing and listing[o.version_key].size == o.bytes for o in partition.objects)
