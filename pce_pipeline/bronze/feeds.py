"""Where an extract comes from: BEA's API, its bulk archive, or files somebody kept.

A feed gathers what was asked for into a staging area, answer by answer, so that a killed extract resumes; and says
what it gathered. It decides nothing about whether the result is new, and looks into answers no further than to see
that they belong together: whatever else BEA changes is stored before it is judged.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol, Self

import msgspec
import polars as pl
import structlog

from pce_pipeline.bea.bulk import members_of, tables_in
from pce_pipeline.bea.client import BeaClient, RawAnswer
from pce_pipeline.bea.documents import read_document, storable, unpacked
from pce_pipeline.bea.errors import BeaContentError, BeaFileRefused, BeaRequestRejected
from pce_pipeline.bea.national import (
    has_values,
    is_register,
    is_series,
    series_document,
    series_in_archive,
)
from pce_pipeline.bea.observations import Observations, ReleaseNote, cell_of
from pce_pipeline.bea.protocol import decode_lines
from pce_pipeline.bronze.manifest import FROM_FILES, ObjectEntry
from pce_pipeline.bronze.reading import notes_of
from pce_pipeline.bronze.store import BronzeStore, pack
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.observability import progress
from pce_pipeline.silver.layouts import as_today, moves

_log = structlog.get_logger()

_TRIES_OF_A_MOVING_RELEASE = 3
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME = 100
_COMPRESSED = {".gz", ".bz2", ".xz"}
_ZIP = b"PK"
_SHOWN = 5


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

    def config(self) -> dict[str, object]:
        """What the asset of Bronze is configured with."""
        said: dict[str, object] = {"files": list(self.paths)}
        if self.date_is != "day":
            said["date_is"] = self.date_is
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


class ApiFeed:
    """BEA's API, or its look-alike: one answer per table and line, and the list of each table's lines."""

    def __init__(self, client: Callable[[], BeaClient], dataset: Dataset, origin: str) -> None:
        self._client = client
        self._dataset = dataset
        self._origin = origin

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        return asyncio.run(self._gather(bronze, extract, tables))

    async def _gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """All answers of one release: lists before and after the data agree, and no answer is older than another."""
        async with self._client() as client:
            lists = await self._lists(client, tables)
            wanted = self._wanted(lists)
            entries = await _left_by_a_killed_extract(client, self._dataset, bronze.staged(extract), wanted)
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
                    return Gathered(self._origin, entries)
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
                others = set(self._dataset.names_of([table])) - {table}
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
        return self._dataset.profile == "full" or line in self._dataset.line_codes(table)


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


async def _left_by_a_killed_extract(
    client: BeaClient, dataset: Dataset, staged: Mapping[str, bytes], wanted: Sequence[tuple[str, int]]
) -> dict[str, ObjectEntry]:
    """Answers that a killed extract has left, if they are whole and known to be of the release BEA publishes now."""
    names = {_name(table, line): table for table, line in wanted}
    left = {
        name: msgspec.json.decode(staged[_passport(name)], type=ObjectEntry)
        for name in names
        if name in staged and _passport(name) in staged
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


class MonthsFeed:
    """National tables by month from BEA's API, or its look-alike: one answer for each table."""

    def __init__(self, client: Callable[[], BeaClient], dataset: Dataset, origin: str) -> None:
        self._client = client
        self._dataset = dataset
        self._origin = origin

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        return asyncio.run(self._gather(bronze, extract, tables))

    async def _gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """The tables of one release: what was taken first is still what BEA publishes when the last one came."""
        async with self._client() as client:
            for _ in range(_TRIES_OF_A_MOVING_RELEASE):
                answers = await asyncio.gather(*(client.months(table) for table in tables))
                notes = await asyncio.gather(*(_note(client, table, self._dataset) for table in tables))
                if all(answer.last_updated == note for answer, note in zip(answers, notes, strict=True)):
                    entries = [
                        _stage(bronze, extract, table, None, answer, name=f"{table}/months.json.gz")
                        for table, answer in zip(tables, answers, strict=True)
                    ]
                    return Gathered(self._origin, {entry.key: entry for entry in entries})
                _log.warning("a release came out midway; taking tables again", tables=list(tables))
        raise _kept_moving()


class SeriesFeed:
    """BEA's keyless file of all monthly series: those that national tables have."""

    def __init__(self, client: Callable[[], BeaClient], dataset: Dataset) -> None:
        self._client = client
        self._dataset = dataset

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        answer = asyncio.run(self._download(tables))
        name = self._dataset.archive
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
        async with self._client() as client:
            return await client.series(self._dataset.archive, tables)


class BulkFeed:
    """BEA's keyless archive: one file that holds every table."""

    def __init__(self, client: Callable[[], BeaClient], dataset: Dataset) -> None:
        self._client = client
        self._dataset = dataset

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        answer = asyncio.run(self._download())
        name = self._dataset.archive
        present = tables_in(answer.body)
        held = [name for name in self._dataset.names_of(tables) if name in present]
        bronze.stage(extract, name, answer.body)
        entry = file_entry(name, answer.body, held, endpoint=answer.endpoint, extracted_at=answer.fetched_at)
        return Gathered("bulk", {name: entry})

    async def _download(self) -> RawAnswer:
        async with self._client() as client:
            return await client.bulk(self._dataset.archive)


@dataclass(frozen=True)
class _Kept:
    """One file: the name and bytes it is stored with, the tables in it, and what it says of those asked for.

    `tables` are called as they are today, `published` are those that were read, as the file calls them.
    """

    name: str
    body: bytes
    tables: frozenset[str]
    published: tuple[str, ...]
    content: Observations


class FileFeed:
    """Files somebody kept: BEA's archive, its CSV files, its national series, or answers of its API, also compressed.

    BEA's register of series is no file by itself: it says what the codes in the files of values mean.
    """

    def __init__(self, paths: Sequence[Path], datasets: Collection[Dataset]) -> None:
        registers = [path for path in paths if _is_register_alone(path)]
        values = [path for path in paths if path not in registers]
        self._register = registers[-1] if registers and values else None
        self._paths = values or registers
        self._datasets = datasets
        self._read: dict[frozenset[str], list[_Kept]] = {}

    def own_days(self, tables: Sequence[str]) -> list[tuple[Path, str, date | None]]:
        """Each file and table of these that it holds, with the "Last updated" that it says of the table.

        Raises `BeaFileRefused` for a file that holds none of the tables.
        """
        found = []
        for path, kept in zip(self._paths, self._files(tables), strict=True):
            held = [table for table in tables if table in kept.tables]
            if not held:
                raise _holds_none(path, kept, tables)
            for table in held:
                note = kept.content.notes.get(table)
                found.append((path, table, note.last_updated if note else None))
        return found

    def holding(self, tables: Sequence[str]) -> tuple[Self, list[str]]:
        """Only the files that hold any of the tables, and those of the tables that they hold."""
        files = self._files(tables)
        held = {table for kept in files for table in kept.tables}
        wanted = zip(self._paths, files, strict=True)
        holding = [path for path, kept in wanted if not kept.tables.isdisjoint(tables)]
        return type(self)([*holding, *self.beside], self._datasets), [table for table in tables if table in held]

    @property
    def beside(self) -> tuple[Path, ...]:
        """The files that are none by themselves, and that the others are read with."""
        return () if self._register is None else (self._register,)

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """Raises `BeaFileRefused` for a file without any of the tables, and for cells that two files both hold."""
        now = datetime.now(UTC)
        files = self._files(tables)
        entries: dict[str, ObjectEntry] = {}
        for path, kept in zip(self._paths, files, strict=True):
            held = [table for table in tables if table in kept.tables]
            if not held:
                raise _holds_none(path, kept, tables)
            entry = file_entry(kept.name, kept.body, held, endpoint=FROM_FILES, extracted_at=now)
            is_of_before = not set(kept.published) >= set(held)
            entries[kept.name] = msgspec.structs.replace(entry, published_as=kept.published) if is_of_before else entry
        _refuse_overlaps(files, tables)
        for kept in files:
            bronze.stage(extract, kept.name, kept.body)
        return Gathered(FROM_FILES, entries)

    def _files(self, tables: Sequence[str]) -> list[_Kept]:
        wanted = frozenset(tables)
        if wanted not in self._read:
            self._read[wanted] = [
                _keep(number, path, wanted, self._datasets, self._register)
                for number, path in enumerate(self._paths, start=1)
            ]
        return self._read[wanted]


def _holds_none(path: Path, kept: _Kept, tables: Sequence[str]) -> BeaFileRefused:
    if not kept.tables:
        names = members_of(kept.body) if kept.body.startswith(_ZIP) else []
        within = f", but {', '.join(names[:_SHOWN])}" if names else ", and no figure either"
        return BeaFileRefused(
            f"{path.name} holds no table of BEA{within}.",
            remedy="Unpack it, and give the files inside." if names else "Download it again, or leave it out.",
        )
    holds = ", ".join(sorted(kept.tables))
    return BeaFileRefused(
        f"{path.name} holds {holds}, but none of {', '.join(tables)}.",
        remedy="Leave it out, or name its tables with --tables if this pipeline takes them; `pce check` lists those.",
    )


def _keep(
    number: int, path: Path, wanted: frozenset[str], datasets: Collection[Dataset], register: Path | None
) -> _Kept:
    """Read a file, its tables as they are today; of all series only those of known tables are kept.

    Its stored name is numbered, so that no two are equal and none is a record's.
    """
    received = _bytes_of(path)
    national = {table for dataset in datasets if dataset.is_monthly for table in dataset.tables}
    body = (_series(received, register, national) if national else None) or storable(received)
    name = path.stem if path.suffix in _COMPRESSED and body != received else path.name
    present = frozenset(tables_in(body)) if body.startswith(_ZIP) else None
    names = {each for dataset in datasets for each in dataset.names_of(wanted & dataset.tables.keys())} | wanted
    came = read_document(body, None if present is None else names & present, tolerate_unknown=True)
    content, moved = _today(came, datasets)
    return _Kept(
        name=stored_name(number, name),
        body=body,
        tables=(present or frozenset(came.frame["bea_table"].unique())) | moved,
        published=tuple(sorted(came.frame["bea_table"].unique())),
        content=content,
    )


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}.", remedy="Name a file that exists.") from None


def _is_register_alone(path: Path) -> bool:
    """Whether it is BEA's register of series, without values; what cannot be read is told when it is wanted."""
    try:
        content = unpacked(path.read_bytes()) if path.is_file() else b""
    except (OSError, BeaFileRefused):
        return False
    return is_register(content) and not has_values(content)


def _series(received: bytes, register: Path | None, tables: Collection[str]) -> bytes | None:
    """The document to store of files of all series; None for any other file."""
    content = unpacked(received)
    if content.startswith(_ZIP):
        return series_in_archive(content, tables)
    if is_series(content) and not is_register(content) and register is not None:
        return series_document(unpacked(_bytes_of(register)), content, tables)
    return None


def _today(came: Observations, datasets: Collection[Dataset]) -> tuple[Observations, frozenset[str]]:
    """Observations by the tables and lines of today, and the tables that lines have moved into."""
    moved = pl.concat([moves(came.frame, came.lines, dataset) for dataset in datasets])
    if moved.is_empty():
        return came, frozenset()
    content = Observations(as_today(came.frame, moved), as_today(came.lines, moved), notes_of(came.notes, moved))
    return content, frozenset(moved["today_table"])


def _refuse_overlaps(files: Sequence[_Kept], tables: Sequence[str]) -> None:
    of_tables = pl.col("bea_table").is_in(tables)
    cells = pl.concat(
        [kept.content.frame.select(cell_of(kept.content.frame)).filter(of_tables) for kept in files], how="diagonal"
    )
    twice = cells.filter(cells.is_duplicated())
    if twice.height:
        table, line, *_ = twice.row(0)
        raise BeaFileRefused(
            f"The files hold {table} line {line} more than once.", remedy="Name each table's file once."
        )


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
