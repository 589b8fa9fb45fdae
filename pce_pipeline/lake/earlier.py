"""Earlier versions of a table in one piece that hardly ever changes: kept for ever, each with when it was published.

Every publication writes immutable versions, which are pruned once nobody needs them. For a dimension they are its
history: the pointer's partition names those that came before it, oldest first, and what it names is never pruned.

They lie once: what mends an earlier version is another one with the same rows, and there may be none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from pce_pipeline.lake.pointer import Partition, StoredObject

_EARLIER = "earlier_versions"
_SINCE = "since"
_LOST = "lost"
"""The code version of a partition that is kept for its history alone: no code has it, so it counts as stale."""


@dataclass(frozen=True)
class DatedVersion:
    """One version of a table."""

    since: datetime
    """When (UTC) it was published first."""
    partition: Partition
    """What was published: `TableStore.read_version` reads it."""


def dated_versions(partition: Partition) -> list[DatedVersion]:
    """The versions of a table that its pointer names, oldest first: those before, and the one that holds."""
    earlier = [
        DatedVersion(datetime.fromisoformat(each[_SINCE]), msgspec.convert(each["partition"], Partition))
        for each in partition.details.get(_EARLIER, ())
    ]
    return [*earlier, DatedVersion(_since(partition), partition)]


def kept_versions(partition: Partition) -> set[str]:
    """The version keys of a partition's files, and of the earlier ones that it names."""
    return {stored.version_key for each in dated_versions(partition) for stored in each.partition.objects}


def earlier_objects(partition: Partition) -> list[StoredObject]:
    """The files of the earlier versions that a partition names, oldest first."""
    return [stored for each in dated_versions(partition)[:-1] for stored in each.partition.objects]


def with_copies(partition: Partition, bad: Collection[str]) -> Partition:
    """The partition with its earlier versions read from others of the same rows, where their own files are `bad`.

    `bad` are version keys. A version whose rows no other one has stays as it is.
    """
    versions = dated_versions(partition)
    good = {each.partition.content_sha256: each.partition for each in versions if not _is_bad(each.partition, bad)}
    if not any(_is_bad(each.partition, bad) and each.partition.content_sha256 in good for each in versions[:-1]):
        return partition
    mended = []
    for each in versions[:-1]:
        copy = good.get(each.partition.content_sha256, each.partition) if _is_bad(each.partition, bad) else None
        was = each.partition if copy is None else msgspec.structs.replace(copy, details={})
        mended.append({_SINCE: each.since.isoformat(), "partition": msgspec.to_builtins(was)})
    return msgspec.structs.replace(partition, details={**partition.details, _EARLIER: mended})


def has_history(partition: Partition) -> bool:
    """Whether a partition records since when it holds, and so would take a history with it if it was withdrawn."""
    return _SINCE in partition.details


def without_rows(partition: Partition) -> Partition:
    """The record of a partition that has to be made again and whose history stays."""
    return msgspec.structs.replace(partition, code_version=_LOST)


def details_of_next(there: Partition | None, content_sha256: str, now: datetime) -> dict[str, Any]:
    """What the partition that is published next records of those before it: `there` is what is published now.

    The same content again adds no version. `now` is in UTC.
    """
    if there is None:
        return {_SINCE: now.isoformat()}
    earlier: list[Mapping[str, Any]] = list(there.details.get(_EARLIER, ()))
    since = _since(there)
    if there.content_sha256 != content_sha256:
        was = msgspec.structs.replace(there, details={})
        earlier.append({_SINCE: since.isoformat(), "partition": msgspec.to_builtins(was)})
        since = now
    return {_SINCE: since.isoformat(), **({_EARLIER: earlier} if earlier else {})}


def _is_bad(partition: Partition, bad: Collection[str]) -> bool:
    return any(stored.version_key in bad for stored in partition.objects)


def _since(partition: Partition) -> datetime:
    """When a partition's content was published first; of one of earlier code, when it was last."""
    said = partition.details.get(_SINCE)
    return partition.published_at if said is None else datetime.fromisoformat(said)
