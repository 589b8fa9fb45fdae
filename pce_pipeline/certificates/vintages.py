"""The vintages of a dataset as certificates are made of them, and what each is made of: extracts, objects, releases.

Pure over manifests and decisions; nothing is read.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pce_pipeline.bronze.counting import Layer, Source, Vintage
from pce_pipeline.bronze.current import Current, releases_of
from pce_pipeline.certificates.statement import InputExtract, RawObject, TableVintage
from pce_pipeline.lake.layout import ExtractId


@dataclass(frozen=True)
class DatasetVintage:
    """All that counted of a dataset up to and with one extract."""

    at: ExtractId
    """That extract."""
    tables: Mapping[str, Vintage]
    """The vintage of each of BEA's tables that was known then."""

    @cached_property
    def sha256(self) -> str:
        """A hash of what it is made of: equal where equal figures come from the same extracts."""
        return sha256_of_plain(
            {table: [str(each), list(each.content), _decided(each)] for table, each in self.tables.items()}
        )

    @property
    def releases(self) -> dict[str, str]:
        """The release of each table, as far as it is known."""
        return releases_of({table: Source(each, each) for table, each in self.tables.items()})

    @property
    def layers(self) -> dict[ExtractId, list[str]]:
        """The tables that each extract gives, the extracts in order."""
        found: dict[ExtractId, list[str]] = {}
        for table, vintage in self.tables.items():
            for extract in vintage.extracts:
                found.setdefault(extract, []).append(table)
        return dict(sorted(found.items()))


def vintages_of(now: Current) -> list[DatasetVintage]:
    """The vintages of a dataset that count, in order, whatever is pinned."""
    counting = {table: now.vintages(table) for table in now.dataset.tables}
    times = sorted({each.at for vintages in counting.values() for each in vintages})
    return [_known_at(counting, at) for at in times]


def current_vintage(now: Current) -> DatasetVintage | None:
    """The vintage that Silver is or should be made of: the newest, or the one that is pinned."""
    newest = {table: source.newest for table, source in now.known_sources.items()}
    return DatasetVintage(max(each.at for each in newest.values()), newest) if newest else None


def sha256_of_plain(plain: Any) -> str:  # noqa: ANN401 (whatever JSON can hold)
    """The hash of a value as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def tables_stated(vintage: DatasetVintage) -> dict[str, TableVintage]:
    """The vintage of each table."""
    return {
        table: TableVintage(
            vintage=str(each.at),
            extracts=tuple(map(str, each.extracts)),
            released_on=tuple(_release_of(layer) for layer in each.layers),
            decided=_decided(each),
        )
        for table, each in vintage.tables.items()
    }


def inputs_stated(vintage: DatasetVintage, now: Current, world: str) -> tuple[InputExtract, ...]:
    """The extracts with the stored objects that the vintage is made of."""
    return tuple(
        InputExtract(
            extract=str(extract),
            origin=now.manifests[extract].origin,
            taken_at=now.manifests[extract].ingested_at.isoformat(),
            objects=tuple(
                RawObject(
                    key=f"{world}/{now.dataset.name}/{extract}/{entry.key}",
                    address=entry.endpoint,
                    parameters=dict(entry.parameters),
                    sha256=entry.sha256,
                    bytes=entry.bytes,
                )
                for entry in sorted(now.manifests[extract].objects, key=lambda entry: entry.key)
                if not set(tables).isdisjoint(entry.tables)
            ),
        )
        for extract, tables in vintage.layers.items()
    )


def _known_at(counting: Mapping[str, Sequence[Vintage]], at: ExtractId) -> DatasetVintage:
    known = {
        table: until[-1] for table, vintages in counting.items() if (until := [one for one in vintages if one.at <= at])
    }
    return DatasetVintage(at, known)


def _decided(vintage: Vintage) -> str:
    return "" if vintage.decided is None else f"{vintage.decided.kind}: {vintage.decided.why}"


def _release_of(layer: Layer) -> str:
    return "" if layer.release is None else str(layer.release)
