"""Where an extract comes from: BEA's API, its bulk archive, or files somebody kept.

A feed gathers what was asked for into a staging area, answer by answer, so that a killed extract resumes; and says
what it gathered. It decides nothing about whether the result is new.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from pce_pipeline.bea.bulk import tables_in
from pce_pipeline.bea.client import BeaClient, RawAnswer
from pce_pipeline.bea.documents import read_document, storable
from pce_pipeline.bea.errors import BeaContentError
from pce_pipeline.bea.observations import ReleaseNote
from pce_pipeline.bea.protocol import decode_lines
from pce_pipeline.catalog import Catalog
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.manifest import BronzeStore, ObjectEntry, pack
from pce_pipeline.observability import progress

_log = structlog.get_logger()

_TRIES_OF_A_MOVING_RELEASE = 3


@dataclass(frozen=True)
class Gathered:
    """What lies in staging: each object's entry, and the origin (`api`, `bulk`, `file` or `sample`)."""

    origin: str
    entries: Mapping[str, ObjectEntry]


class Feed(Protocol):
    """A source of extracts."""

    is_live: bool
    """Whether it says what BEA publishes now, so that only today's extract can come from it."""

    def earliest_day(self) -> date | None:
        """The first day this can be the extract of, where the content says one."""

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """Bring everything into staging."""


class ReleaseKeptMoving(BeaContentError):
    """BEA published a table anew each time it was taken."""


class ApiFeed:
    """BEA's API, or its look-alike: one answer per table and line, and the list of each table's lines."""

    is_live = True

    def __init__(self, client: Callable[[], BeaClient], catalog: Catalog, origin: str) -> None:
        self._client = client
        self._catalog = catalog
        self._origin = origin

    def earliest_day(self) -> date | None:
        return None

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        return asyncio.run(self._gather(bronze, extract, tables))

    async def _gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        entries: dict[str, ObjectEntry] = {}
        async with self._client() as client:
            wanted: dict[str, list[int]] = {}
            for table in tables:
                answer = await client.lines(table)
                listed = decode_lines(answer.body)["line_code"].to_list()
                wanted[table] = [line for line in listed if self._in_scope(table, line)]
                entries[_name(table, None)] = _stage(bronze, extract, table, None, answer)
            entries.update(await self._resumed(client, bronze.staged(extract), wanted))
            for _ in range(_TRIES_OF_A_MOVING_RELEASE):
                todo = [
                    (table, line)
                    for table, lines in wanted.items()
                    for line in sorted(lines)
                    if _name(table, line) not in entries
                ]
                await self._fetch(client, bronze, extract, todo, entries)
                outdated = _of_an_older_release(entries)
                if not outdated:
                    return Gathered(self._origin, entries)
                _log.warning("a release came out midway; taking tables again", answers=len(outdated))
                for name in outdated:
                    del entries[name]
        raise ReleaseKeptMoving(
            f"BEA published tables anew during each of {_TRIES_OF_A_MOVING_RELEASE} tries.",
            remedy="Run the same command again in an hour.",
        )

    async def _fetch(
        self,
        client: BeaClient,
        bronze: BronzeStore,
        extract: ExtractId,
        todo: Sequence[tuple[str, int]],
        entries: dict[str, ObjectEntry],
    ) -> None:
        total = len(todo)
        done = 0

        async def keep(table: str, line: int, answer: RawAnswer) -> None:
            nonlocal done
            entries[_name(table, line)] = _stage(bronze, extract, table, line, answer)
            done += 1
            progress.advance(done, total, f"{table} line {line}")

        await client.fetch_lines(todo, keep)

    async def _resumed(
        self, client: BeaClient, staged: Mapping[str, bytes], wanted: Mapping[str, Sequence[int]]
    ) -> dict[str, ObjectEntry]:
        """Answers that a killed extract has left, if they are whole and still of the release BEA publishes."""
        names = {_name(table, line): table for table, lines in wanted.items() for line in lines}
        left = {
            name: msgspec.json.decode(staged[_passport(name)], type=ObjectEntry)
            for name in names
            if name in staged and _passport(name) in staged
        }
        whole = {name: entry for name, entry in left.items() if sha256_of(staged[name]) == entry.sha256}
        current: dict[str, ReleaseNote | None] = {}
        for table in sorted({names[name] for name in whole}):
            current[table] = await client.last_updated(table)
        fresh = {
            name: entry
            for name, entry in whole.items()
            if (note := current[names[name]]) is None or entry.last_updated == note.last_updated
        }
        if fresh:
            _log.info("going on with a killed extract", answers=len(fresh))
        return fresh

    def _in_scope(self, table: str, line: int) -> bool:
        # under the full profile a line that BEA has added is kept, so that nothing it published is lost
        return self._catalog.profile == "full" or line in self._catalog.line_codes(table)


class BulkFeed:
    """BEA's keyless archive: one file that holds every table."""

    is_live = True

    def __init__(self, client: Callable[[], BeaClient], catalog: Catalog) -> None:
        self._client = client
        self._catalog = catalog

    def earliest_day(self) -> date | None:
        return None

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        answer = asyncio.run(self._download())
        name = self._catalog.archive
        held = [table for table in tables if table in tables_in(answer.body)]
        bronze.stage(extract, name, answer.body)
        entry = _file_entry(name, answer.body, held, endpoint=answer.endpoint, extracted_at=answer.fetched_at)
        return Gathered("bulk", {name: entry})

    async def _download(self) -> RawAnswer:
        async with self._client() as client:
            return await client.bulk(self._catalog.archive)


class FileFeed:
    """Files somebody kept: BEA's archive, its CSV files, or answers of its API, also compressed."""

    is_live = False

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def earliest_day(self) -> date | None:
        """The newest "Last updated" inside: before that day the files cannot have been what BEA published."""
        days = [note.last_updated for path in self._paths for note in read_document(_read(path)).notes.values()]
        return max(days, default=None)

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        entries: dict[str, ObjectEntry] = {}
        for number, path in enumerate(self._paths, start=1):
            body = storable(_read(path))
            held = sorted(read_document(body).frame["bea_table"].unique())
            name = path.name if len(self._paths) == 1 else f"{number:03d}-{path.name}"
            name = "".join(character if character.isalnum() or character in "._-" else "_" for character in name)
            bronze.stage(extract, name, body)
            entries[name] = _file_entry(
                name,
                body,
                [table for table in tables if table in held],
                endpoint="file",
                extracted_at=datetime.now(UTC),
            )
        return Gathered("file", entries)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}.", remedy="Name a file that exists.") from None


def _name(table: str, line: int | None) -> str:
    return f"{table}/{'lines' if line is None else line}.json.gz"


def _passport(name: str) -> str:
    return f"{name}.entry.json"


def _stage(bronze: BronzeStore, extract: ExtractId, table: str, line: int | None, answer: RawAnswer) -> ObjectEntry:
    """Keep one answer and, after it, its entry: an answer without one does not count when the extract is resumed."""
    name = _name(table, line)
    packed = pack(answer.body)
    entry = ObjectEntry(
        key=name,
        tables=(table,),
        line=line,
        endpoint=answer.endpoint,
        parameters=dict(answer.parameters),
        extracted_at=answer.fetched_at,
        sha256=sha256_of(packed),
        bytes=len(packed),
        rows=0,
        last_updated=answer.last_updated.last_updated if answer.last_updated else None,
    )
    bronze.stage(extract, name, packed)
    bronze.stage(extract, _passport(name), msgspec.json.encode(entry))
    return entry


def _of_an_older_release(entries: Mapping[str, ObjectEntry]) -> list[str]:
    """Answers that were taken before their table's newest release came out."""
    newest: dict[str, date] = {}
    for entry in entries.values():
        if entry.line is not None and entry.last_updated is not None:
            table = entry.tables[0]
            newest[table] = max(entry.last_updated, newest.get(table, entry.last_updated))
    return [
        name
        for name, entry in entries.items()
        if entry.line is not None and entry.last_updated != newest.get(entry.tables[0], entry.last_updated)
    ]


def _file_entry(name: str, body: bytes, tables: Sequence[str], *, endpoint: str, extracted_at: datetime) -> ObjectEntry:
    return ObjectEntry(
        key=name,
        tables=tuple(tables),
        line=None,
        endpoint=endpoint,
        parameters={},
        extracted_at=extracted_at,
        sha256=sha256_of(body),
        bytes=len(body),
        rows=0,
        last_updated=None,
    )
