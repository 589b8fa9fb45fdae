"""What was projected last, in one small record: it tells which Iceberg tables are behind without reading any of them.

    <env>/iceberg/<world>/_projected.json

An entry is taken out before its table is worked on and written once the table is in line and Glue knows it. So a kill
leaves a table behind, never one that is wrongly taken for done; and a lost record costs one look at every table.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

from pce_pipeline.bronze.current import Current
from pce_pipeline.lake.errors import DamagedObject, MissingObject
from pce_pipeline.lake.iceberg.commits import columns_said
from pce_pipeline.lake.iceberg.projection import digest_of
from pce_pipeline.lake.layout import join
from pce_pipeline.lake.records import Record, decode_record, encode_record
from pce_pipeline.lake.resource import Lake
from pce_pipeline.open_tables.tags import Published, Tags
from pce_pipeline.tables.registry import Registry


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One table as it was projected last, or could not be."""

    digest: str
    """Of the files and columns that the Iceberg table has, or was to have."""
    tags: tuple[str, ...] = ()
    """The tags of what was newest."""
    glue: str = ""
    """The database of Glue that was told; empty where none was."""
    failed_at: datetime | None = None
    """When (UTC) it could not be brought in line; None where it was."""

    def is_in_line(self, wanted: "Entry") -> bool:
        """Whether it was projected as it should be: with these files, all these tags, and told to this database."""
        return (
            self.failed_at is None
            and self.digest == wanted.digest
            and set(self.tags) >= set(wanted.tags)
            and wanted.glue in ("", self.glue)
        )


Entries = Mapping[str, Entry]
"""The entries by the table's name."""


class Ledger(Record, frozen=True, kw_only=True):
    """The record."""

    tables: dict[str, Entry] = msgspec.field(default_factory=dict)
    """What was projected last, by the table's name."""
    made_of: str = ""
    """A hash of all that it follows from (`basis_of`), where every table was in line; else empty."""


def read_ledger(lake: Lake) -> Ledger:
    """The record; without entries where there is none, or one that cannot be read. Raises `NewerLakeFormat`."""
    key = _key(lake)
    try:
        return decode_record(key, lake.store.get(key), Ledger)
    except (MissingObject, DamagedObject):
        return Ledger()


def write_ledger(lake: Lake, entries: Entries, made_of: str = "") -> None:
    """Records the entries in the place of those before."""
    lake.store.put(_key(lake), encode_record(Ledger(tables=dict(sorted(entries.items())), made_of=made_of)))


def basis_of(lake: Lake, registry: Registry, held: Mapping[str, Current], published: Published, *, glue: str) -> str:
    """A hash of all that decides what tables have to be projected as: a look at it spares a look at each of them."""
    said = [lake.uri, glue]
    for table in registry.tables:
        said += [table.name, *columns_said(table)]
        for key, each in published[table.name].items():
            versions = " ".join(stored.version_key for stored in each.objects)
            said.append(f"{key} {each.file_format} {each.code_version} {versions} {each.inputs}")
    for name, now in held.items():
        said += [f"{name} {extract}" for extract in now.manifests]
        said += [f"{each.kind} {each.extract} {each.decided_at}" for each in now.decisions]
        for sources in (now.sources, now.unpinned):
            said += [
                f"{table} {layer.extract} {layer.release}"
                for table, source in sources.items()
                for layer in source.newest.layers
            ]
    return sha256("\n".join(said).encode()).hexdigest()


def wanted_entries(lake: Lake, registry: Registry, tags: Tags, published: Published, *, glue: str) -> Entries:
    """What each table has to be projected as, `glue` being the database to tell, or empty."""
    return {
        table.name: Entry(
            digest=digest_of(lake, table, published[table.name]),
            tags=tuple(tags.of(table)),
            glue=glue if published[table.name] else "",
        )
        for table in registry.tables
    }


def tables_behind(
    lake: Lake, registry: Registry, held: Mapping[str, Current], published: Published, *, glue: str | None
) -> dict[str, datetime | None]:
    """The tables whose Iceberg table is not known to be in line, each with when it could last not be brought there.

    One small read. A table that nothing was ever published of is not behind. Raises what reading does.
    """
    ledger = read_ledger(lake)
    if ledger.made_of and ledger.made_of == basis_of(lake, registry, held, published, glue=glue or ""):
        return {}
    entries = ledger.tables
    wanted = wanted_entries(lake, registry, Tags(registry, held, published), published, glue=glue or "")
    found: dict[str, datetime | None] = {}
    for name, each in wanted.items():
        entry = entries.get(name)
        if entry is None and not published[name]:
            continue
        if entry is None or not entry.is_in_line(each):
            found[name] = None if entry is None or entry.digest != each.digest else entry.failed_at
    return found


def _key(lake: Lake) -> str:
    return join(lake.layout.iceberg_tables, "_projected.json")
