"""Files somebody kept, as a source of extracts: BEA's archive, its CSV files, its national series, answers of its API.

What a file is, its content says. A file of before its table's layout of today reads as today's, and two files that
hold the same cells are refused.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

import msgspec
import polars as pl

from pce_pipeline.bea.bulk import members_of, tables_in
from pce_pipeline.bea.documents import read_document, refuse_cut, storable, unpacked
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bea.national import has_values, is_register, is_series, series_document, series_in_archive
from pce_pipeline.bea.observations import Observations, cell_of
from pce_pipeline.bronze.feeds import Gathered, file_entry, stored_name
from pce_pipeline.bronze.manifest import FROM_FILES, ObjectEntry
from pce_pipeline.bronze.reading import notes_of
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.silver.layouts import as_today, moves

_COMPRESSED = {".gz", ".bz2", ".xz"}
_ZIP = b"PK"
_SHOWN = 5


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

    BEA's register of series is no file by itself: it says what the codes in the files of values mean. `endpoint` is
    where the files come from, where that is known.
    """

    def __init__(self, paths: Sequence[Path], datasets: Collection[Dataset], endpoint: str = "") -> None:
        self._endpoint = endpoint or FROM_FILES
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
        return type(self)([*holding, *self.beside], self._datasets, self._endpoint), [
            table for table in tables if table in held
        ]

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
            entry = file_entry(kept.name, kept.body, held, endpoint=self._endpoint, extracted_at=now)
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
    body = _series(received, register, national) or storable(received)
    name = path.stem if path.suffix in _COMPRESSED and body != received else path.name
    present = frozenset(tables_in(body)) if body.startswith(_ZIP) else None
    names = {each for dataset in datasets for each in dataset.names_of(wanted & dataset.tables.keys())} | wanted
    came = read_document(body, None if present is None else names & present, tolerate_unknown=True)
    if body == received:  # ours is whole, and so is what came packed; what lies in Bronze is vouched for by its hash
        refuse_cut(body)
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
        return series_in_archive(content, tables) if tables else None
    if is_series(content) and not is_register(content) and register is not None:
        if not tables:
            raise BeaFileRefused(
                "This is BEA's file of all monthly series, and none of its tables is taken here.",
                remedy="Take the profile that has them, with --profile full.",
            )
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
