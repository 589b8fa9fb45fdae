"""Where an extract comes from: BEA's API, its bulk archive, its national series; `files` has what somebody kept.

A feed gathers what was asked for into a staging area, answer by answer, so that a killed extract resumes; and says
what it gathered. It decides nothing about whether the result is new, and looks into answers no further than to see
that they belong together: whatever else BEA changes is stored before it is judged.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol

import msgspec
import structlog

from pce_pipeline.bea.bulk import tables_in
from pce_pipeline.bea.client import BeaClient, RawAnswer
from pce_pipeline.bea.errors import BeaContentError, BeaRequestRejected
from pce_pipeline.bea.observations import ReleaseNote
from pce_pipeline.bea.protocol import decode_lines
from pce_pipeline.bronze.manifest import ObjectEntry
from pce_pipeline.bronze.store import BronzeStore, pack
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.decoding import decoded_json
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.observability import progress

_log = structlog.get_logger()

_TRIES_OF_A_MOVING_RELEASE = 3
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Files:
    """Files to take an extract of, instead of asking BEA."""

    paths: tuple[str, ...] = ()
    """Where they lie."""
    date_is: Literal["day", "month"] = "day"
    """Whether their day is known, or only their month."""
    derived: str = ""
    """Of derived values, where they come from."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of derived values, what the file calls area, line, year and value."""
    endpoint: str = ""
    """Where the files come from, as the manifest is to say it: BEA's address of them. Empty where nobody knows."""

    def config(self) -> dict[str, object]:
        """What the asset of Bronze is configured with."""
        said: dict[str, object] = {"files": list(self.paths)}
        if self.date_is != "day":
            said["date_is"] = self.date_is
        if self.endpoint:
            said["endpoint"] = self.endpoint
        return {**said, "derived": self.derived, "columns": dict(self.columns)} if self.derived else said


NO_FILES = Files()


@dataclass(frozen=True)
class Gathered:
    """What a feed has brought."""

    origin: str
    """Where it came from: `api`, `bulk`, `file`, `derived` or `sample`."""
    entries: Mapping[str, ObjectEntry]
    """What lies among the downloads, by name."""
    provenance: str | None = None
    """Of derived values, where they come from."""


class Feed(Protocol):
    """A source of extracts: what it brings lies among the downloads until it is judged and published.

    For example, a feed that has nothing to bring:

        >>> class Nothing:
        ...     def gather(self, bronze, extract, tables):
        ...         return Gathered("file", {})
        >>> feed: Feed = Nothing()
        >>> feed.gather(None, ExtractId.parse("2026-02-23"), ["SAINC1"]).entries
        {}
    """

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """Bring everything into staging."""


class ReleaseKeptMoving(BeaContentError):
    """BEA published a table anew each time it was taken."""


@dataclass(frozen=True)
class ApiFeed:
    """BEA's API, or its look-alike: one answer per table and line, and the list of each table's lines."""

    client: Callable[[], BeaClient]
    """How a client is made."""
    dataset: Dataset
    """The dataset."""
    origin: str
    """What its extracts say where they came from: `api` or `sample`."""

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        return asyncio.run(self._gather(bronze, extract, tables))

    async def _gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """All answers of one release: lists before and after the data agree, and no answer is older than another."""
        async with self.client() as client:
            lists = await self._lists(client, tables)
            wanted = self._wanted(lists)
            entries = await _left_by_a_killed_extract(client, self.dataset, bronze.staged(extract), wanted)
            for _ in range(_TRIES_OF_A_MOVING_RELEASE):
                await _fetch(client, bronze, extract, [each for each in wanted if _name(*each) not in entries], entries)
                listed_before, lists = wanted, await self._lists(client, tables)
                wanted = self._wanted(lists)
                gone = {_name(*each) for each in listed_before} - {_name(*each) for each in wanted}
                outdated = {*_of_another_release(entries), *gone}
                if not outdated and wanted == listed_before:
                    entries |= {
                        _name(table, None): _stage(bronze, extract, table, None, answer)
                        for table, answer in lists.items()
                    }
                    return Gathered(self.origin, entries)
                _log.warning("a release came out midway; taking tables again", answers=len(outdated))
                for name in outdated & entries.keys():
                    del entries[name]
        raise _kept_moving()

    def _wanted(self, lists: Mapping[str, RawAnswer]) -> list[tuple[str, int]]:
        return [
            (table, line)
            for table, answer in lists.items()
            for line in decode_lines(answer.body, tolerate_unknown=True)["line_code"].to_list()
            if self._in_scope(table, line)
        ]

    async def _lists(self, client: BeaClient, tables: Sequence[str]) -> dict[str, RawAnswer]:
        """The lists of lines of the tables that BEA has; one may be gone if another once had its lines."""
        asked = await asyncio.gather(*(client.lines(table) for table in tables), return_exceptions=True)
        found: dict[str, RawAnswer] = {}
        for table, answer in zip(tables, asked, strict=True):
            if isinstance(answer, BaseException):
                others = set(self.dataset.names_of([table])) - {table}
                if not isinstance(answer, BeaRequestRejected) or others.isdisjoint(tables):
                    raise answer
                _log.warning(
                    "BEA has no such table; another one may hold its lines", table=table, others=sorted(others)
                )
            else:
                found[table] = answer
        return found

    def _in_scope(self, table: str, line: int) -> bool:
        # under the full profile a line that BEA has added is kept, so that nothing it published is lost
        return self.dataset.profile == "full" or line in self.dataset.line_codes(table)


async def _fetch(
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
        entries[_name(table, line)] = await asyncio.to_thread(_stage, bronze, extract, table, line, answer)
        done += 1
        progress.advance(done, total, f"{table} line {line}")

    await client.fetch_lines(todo, keep)


def _entry_in(passport: bytes) -> ObjectEntry | None:
    """What stands beside a staged answer; None where it was cut off or says something else."""
    try:
        return decoded_json(passport, ObjectEntry)
    except msgspec.DecodeError:
        return None


async def _left_by_a_killed_extract(
    client: BeaClient, dataset: Dataset, staged: Mapping[str, bytes], wanted: Sequence[tuple[str, int]]
) -> dict[str, ObjectEntry]:
    """Answers that a killed extract has left, if they are whole and known to be of the release BEA publishes now."""
    names = {_name(table, line): table for table, line in wanted}
    left = {
        name: entry
        for name in names
        if name in staged and (entry := _entry_in(staged.get(_passport(name), b""))) is not None
    }
    whole = {name: entry for name, entry in left.items() if sha256_of(staged[name]) == entry.sha256}
    tables = sorted({names[name] for name in whole})
    asked = (_note(client, table, dataset) for table in tables)
    notes = await asyncio.gather(*asked)
    current = {table: note.last_updated if note else None for table, note in zip(tables, notes, strict=True)}
    fresh = {
        name: entry
        for name, entry in whole.items()
        if entry.last_updated is not None and entry.last_updated == current[names[name]]
    }
    if fresh:
        _log.info("going on with a killed extract", answers=len(fresh))
    return fresh


async def _note(client: BeaClient, table: str, dataset: Dataset) -> ReleaseNote | None:
    """The release note that BEA has of a table now."""
    probe = dataset.probes[table]
    if isinstance(probe, int):
        return await client.months_last_updated(table, probe)
    return await client.last_updated(table, *probe)


@dataclass(frozen=True)
class MonthsFeed:
    """National tables by month from BEA's API, or its look-alike: one answer for each table."""

    client: Callable[[], BeaClient]
    """How a client is made."""
    dataset: Dataset
    """The dataset."""
    origin: str
    """What its extracts say where they came from: `api` or `sample`."""

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        return asyncio.run(self._gather(bronze, extract, tables))

    async def _gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """The tables of one release: what was taken first is still what BEA publishes when the last one came."""
        async with self.client() as client:
            for _ in range(_TRIES_OF_A_MOVING_RELEASE):
                answers = await asyncio.gather(*(client.months(table) for table in tables))
                notes = await asyncio.gather(*(_note(client, table, self.dataset) for table in tables))
                if all(answer.last_updated == note for answer, note in zip(answers, notes, strict=True)):
                    entries = [
                        _stage(bronze, extract, table, None, answer, name=f"{table}/months.json.gz")
                        for table, answer in zip(tables, answers, strict=True)
                    ]
                    return Gathered(self.origin, {entry.key: entry for entry in entries})
                _log.warning("a release came out midway; taking tables again", tables=list(tables))
        raise _kept_moving()


@dataclass(frozen=True)
class SeriesFeed:
    """BEA's keyless file of all monthly series: those that national tables have."""

    client: Callable[[], BeaClient]
    """How a client is made."""
    dataset: Dataset
    """The dataset."""

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        answer = asyncio.run(self._download(tables))
        name = self.dataset.archive
        bronze.stage(extract, name, answer.body)
        entry = file_entry(
            name,
            answer.body,
            tables,
            endpoint=answer.endpoint,
            extracted_at=answer.fetched_at,
            parameters=answer.parameters,
        )
        return Gathered("bulk", {name: entry})

    async def _download(self, tables: Sequence[str]) -> RawAnswer:
        async with self.client() as client:
            return await client.series(self.dataset.archive, tables)


@dataclass(frozen=True)
class BulkFeed:
    """BEA's keyless archive: one file that holds every table."""

    client: Callable[[], BeaClient]
    """How a client is made."""
    dataset: Dataset
    """The dataset."""

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        answer = asyncio.run(self._download())
        name = self.dataset.archive
        present = tables_in(answer.body)
        held = [name for name in self.dataset.names_of(tables) if name in present]
        bronze.stage(extract, name, answer.body)
        entry = file_entry(name, answer.body, held, endpoint=answer.endpoint, extracted_at=answer.fetched_at)
        return Gathered("bulk", {name: entry})

    async def _download(self) -> RawAnswer:
        async with self.client() as client:
            return await client.bulk(self.dataset.archive)


def _name(table: str, line: int | None) -> str:
    return f"{table}/{'lines' if line is None else line}.json.gz"


def _passport(name: str) -> str:
    return f"{name}.entry.json"


def _kept_moving() -> ReleaseKeptMoving:
    return ReleaseKeptMoving(
        f"BEA published tables anew during each of {_TRIES_OF_A_MOVING_RELEASE} tries.",
        remedy="Run the same command again in an hour.",
    )


def _stage(
    bronze: BronzeStore,
    extract: ExtractId,
    table: str,
    line: int | None,
    answer: RawAnswer,
    *,
    name: str | None = None,
) -> ObjectEntry:
    """Keep one answer and, after it, its entry: an answer without one does not count when the extract is resumed."""
    name = name or _name(table, line)
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


def _of_another_release(entries: Mapping[str, ObjectEntry]) -> list[str]:
    """Answers of another release than their table's last answer; one without a note says nothing and may stay."""
    current: dict[str, ObjectEntry] = {}
    dated = {
        name: entry for name, entry in entries.items() if entry.line is not None and entry.last_updated is not None
    }
    for entry in sorted(dated.values(), key=lambda one: one.extracted_at):
        current[entry.tables[0]] = entry
    return [name for name, entry in dated.items() if entry.last_updated != current[entry.tables[0]].last_updated]


def stored_name(number: int, name: str) -> str:
    """A file's name in Bronze: numbered, so that no two are equal and none is a record's."""
    return f"{number:03d}-{_UNSAFE.sub('_', name)[-_LONGEST_NAME:]}"


def file_entry(
    name: str,
    body: bytes,
    tables: Sequence[str],
    *,
    endpoint: str,
    extracted_at: datetime,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> ObjectEntry:
    """The entry of a file in a manifest: as received, of the tables that are read from it."""
    return ObjectEntry(
        key=name,
        tables=tuple(tables),
        line=None,
        endpoint=endpoint,
        parameters=dict(parameters),
        extracted_at=extracted_at,
        sha256=sha256_of(body),
        bytes=len(body),
        rows=0,
        last_updated=None,
    )
