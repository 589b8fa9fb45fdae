"""The records of Bronze: an extract's passport with what each table holds, the last comparison, and the pin."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from pce_pipeline.bronze.decisions import Verdict
from pce_pipeline.bronze.scope import Block
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.records import Record

FROM_FILES = "file"
"""The origin of extracts that say nothing of what BEA publishes now."""

DERIVED = "derived"
"""The origin of extracts that are no files of BEA's, but values that somebody took from them: they never count."""


class TableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What an extract holds of one BEA table.

    `years` has a content hash per year; `content_sha256` is that of the whole table. Both cover key, value, status
    and unit only, so that the same figures from the API and from a file are equal.
    """

    last_updated: date | None
    note: str
    rows: int
    lines: tuple[int, ...]
    years: dict[int, str]
    content_sha256: str
    holds: tuple[Block, ...] | None = None
    """The cells that say something, of the lines that the catalogue pins; None in manifests of before."""
    quarantined: int = 0
    """How many of its cells could not be read or are of no area that the catalogue holds; they lie in quarantine."""


class ObjectEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One stored answer or file: `key` is relative to the extract, `bytes` and `sha256` are of what is stored.

    `line` is None where the object holds more than one; `parameters` never include the API key. `tables` are called as
    they are today, `published_as` as they were when BEA published the object, where that is otherwise.
    """

    key: str
    tables: tuple[str, ...]
    line: int | None
    endpoint: str
    parameters: dict[str, str]
    extracted_at: datetime
    sha256: str
    bytes: int
    rows: int
    last_updated: date | None
    published_as: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The tables by the names that they have inside the object."""
        return self.published_as or self.tables


class Manifest(Record, frozen=True, kw_only=True):
    """The passport of one extract. `scope` is what was asked for: lines by table; `origin` is api, bulk, file, ..."""

    dataset: str
    world: str
    extract_date: str
    ingested_at: datetime
    origin: str
    run_id: str
    code_version: str
    scope: dict[str, tuple[int, ...]]
    tables: dict[str, TableEntry]
    objects: tuple[ObjectEntry, ...]
    content_sha256: str
    verdicts: dict[str, Verdict] | None = None
    """Whether each table counts; None in manifests of before, whose verdicts lie beside them."""
    provenance: str | None = None
    """Of derived values, where they come from, in the words of whoever imported them."""
    date_is: Literal["day", "month"] = "day"
    """Whether its day is known, or is the last one of the month that was given."""

    @property
    def is_live(self) -> bool:
        """Whether BEA itself gave it, so that it speaks of whole tables; a file speaks of the cells it holds."""
        return self.origin not in {FROM_FILES, DERIVED}

    @property
    def extract(self) -> ExtractId:
        return ExtractId.parse(self.extract_date)


class TableScope(msgspec.Struct, frozen=True, kw_only=True):
    """What one table of an extract of before holds, and whether it counts."""

    holds: tuple[Block, ...]
    verdict: Verdict


class ExtractScope(Record, frozen=True, kw_only=True):
    """Beside a manifest of before: what its objects hold, read once, and what counts of them."""

    tables: dict[str, TableScope]


class VerifiedTable(msgspec.Struct, frozen=True, kw_only=True):
    """The last comparison of one table with BEA that found nothing new: it equals `extract`."""

    checked_at: datetime
    last_updated: date | None
    extract: str


class Verified(Record, frozen=True, kw_only=True):
    """The last comparison with BEA, and the last one of each table."""

    checked_at: datetime
    tables: dict[str, VerifiedTable]


class Pin(Record, frozen=True, kw_only=True):
    """A decision to ignore extracts later than `extract`."""

    extract: str
    pinned_at: datetime
    reason: str


def with_scope(manifest: Manifest, scope: ExtractScope) -> Manifest:
    """A manifest of before, with the cells and verdicts that were found out later."""
    return msgspec.structs.replace(
        manifest,
        tables={
            table: msgspec.structs.replace(entry, holds=scope.tables[table].holds) if table in scope.tables else entry
            for table, entry in manifest.tables.items()
        },
        verdicts={table: each.verdict for table, each in scope.tables.items()},
    )


def content_sha256_of_tables(tables: Mapping[str, TableEntry]) -> str:
    """One hash of an extract's content, for `Manifest.content_sha256`."""
    digest = hashlib.sha256()
    for table in sorted(tables):
        digest.update(f"{table}:{tables[table].content_sha256}\n".encode())
    return digest.hexdigest()
