"""Earlier versions of a table in one piece that hardly ever changes: kept for ever, each with when it was published.

Every publication writes immutable versions, which are pruned once nobody needs them. For a dimension they are its
history: the pointer's partition names those that came before it, oldest first, and what it names is never pruned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from pce_pipeline.lake.pointer import Partition

_EARLIER = "earlier_versions"
_SINCE = "since"


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


def _since(partition: Partition) -> datetime:
    """When a partition's content was published first; of one of earlier code, when it was last."""
    said = partition.details.get(_SINCE)
    return partition.published_at if said is None else datetime.fromisoformat(said)
