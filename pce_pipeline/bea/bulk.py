"""BEA's regional CSV files and the zip archives that hold them.

An archive holds several tables, each once for all areas and once per area, under names that changed over the years:
a member is what its own lines say, and the one with the most areas counts. Archives come from outside, so nothing is
unpacked to disk, and names, sizes and compression are checked before anything is read.
"""

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bea.layouts import canonical
from pce_pipeline.bea.observations import Observations, combined, of_tables, refuse_missing
from pce_pipeline.bea.releases import newest_note
from pce_pipeline.bea.sheets import GLANCE, Sheet, glance, read_sheet
from pce_pipeline.bea.tables import area_code, read_table, tables_of, years_of
from pce_pipeline.bea.values import said

MOST_UNPACKED_BYTES = 512 * 1024 * 1024
_MOST_MEMBERS = 10_000
_MOST_RATIO = 200  # BEA's files shrink about six-fold
_RATIO_MATTERS_FROM = 1024 * 1024
_ENCRYPTED = 0x1

_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, OSError, NotImplementedError, RuntimeError, ValueError, OverflowError, LookupError,
)  # fmt: skip
"""What `zipfile` raises of a damaged archive, depending on which byte it is."""

_OF_A_MAC = "__MACOSX/"
_SHOWN = 5
_ENDINGS = (".csv", ".txt", ".tsv", ".tab")
_CELL = ["line_code", "geo_fips", "year"]
_UNSAFE_NAME = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\\|\x00")


def read_csv(
    content: bytes,
    tables: Iterable[str] | None = None,
    *,
    tolerate_unknown: bool = False,
    tolerate_repeats: bool = False,
) -> Observations:
    """The observations of one file of columns in any known layout, of some or all of its tables.

    Raises `BeaFileRefused` for a file that is not a regional table, lacks a table asked for, has a line that does not
    fit or could mean two things, and `BeaUnknownField` for unknown columns unless they are tolerated. A cell that is
    there twice and differently is refused, or left for `values.once_each` where repeats are tolerated.
    """
    read = read_table(read_sheet(content), tolerate_unknown=tolerate_unknown, tolerate_repeats=tolerate_repeats)
    return of_tables(read, tables)


def read_archive(
    content: bytes,
    tables: Iterable[str] | None = None,
    *,
    tolerate_unknown: bool = False,
    tolerate_repeats: bool = False,
) -> Observations:
    """The observations of the tables asked for (all annual ones if None), each from its member with the most areas.

    Raises `BeaFileRefused` for an unsafe or broken archive, a table it does not hold, and two members that both
    could be a table's newest and contradict each other; and what `read_csv` raises.
    """
    wanted = set(tables) if tables is not None else None
    candidates: dict[str, list[tuple[str, Sheet]]] = {}
    with _opened(content) as archive:
        held: set[str] = set()
        for member in _tables_by_member(archive):
            held |= member.tables
            chosen = member.tables if wanted is None else member.tables & wanted
            if chosen and (wanted is not None or member.is_annual):
                whole = member.start if len(member.start) < GLANCE else _unpack(archive, member.info)
                sheet = read_sheet(whole)
                for table in tables_of(sheet) if wanted is None else tables_of(sheet) & wanted:
                    candidates.setdefault(table, []).append((member.info.filename, sheet))
        texts = _texts(archive)
        if not held and len(texts) == 1:  # what is wrong with the only file says more than that it holds no table
            read_table(read_sheet(_unpack(archive, texts[0])))
    refuse_missing(wanted, held)
    if wanted is None and not candidates:
        raise BeaFileRefused(
            f"The zip holds no table of BEA's by year{': ' if held else ''}{', '.join(sorted(held))}.",
            remedy="Wanted: BEA's own zip, or CSV files of its regional tables in one.",
        )
    return combined(
        _fullest(table, candidates[table], tolerate_unknown=tolerate_unknown, tolerate_repeats=tolerate_repeats)
        for table in sorted(candidates)
    )


def fullest_sheet(content: bytes, table: str) -> Sheet:
    """The sheet of a table with the most areas, as an archive has it; `BeaFileRefused` as `read_archive`."""
    with _opened(content) as archive:
        held: set[str] = set()
        sheets: list[Sheet] = []
        for member in _tables_by_member(archive):
            held |= member.tables
            if table in member.tables and member.is_annual:
                sheets.append(read_sheet(_unpack(archive, member.info)))
    refuse_missing({table}, held)
    if not sheets:
        raise BeaFileRefused("The archive has the table, but not by year.", table=table)
    return max(sheets, key=_rank)


def sheets_of(content: bytes, table: str) -> list[tuple[str, Sheet]]:
    """The members that hold a table by year, the one that `read_archive` goes by first; `BeaFileRefused` likewise.

    Each comes with its name in the archive.
    """
    with _opened(content) as archive:
        found = [
            (member.info.filename, read_sheet(_unpack(archive, member.info)))
            for member in _tables_by_member(archive)
            if table in member.tables and member.is_annual
        ]
    best = max((_rank(sheet) for _, sheet in found), default=None)

    def order(held: tuple[str, Sheet]) -> tuple[bool, tuple[int, int, int]]:
        is_best = _rank(held[1]) == best
        frame = read_table(held[1], tolerate_unknown=True, tolerate_repeats=True).frame if is_best else None
        return not is_best, (0, 0, 0) if frame is None else _wear(frame)

    return sorted(sorted(found, key=lambda held: _rank(held[1]), reverse=True), key=order)


def definition_in(content: bytes, table: str) -> str:
    """The text of an archive's definition of a table; empty where it has none."""
    with _opened(content) as archive:
        for info in archive.infolist():
            if info.filename.rpartition("/")[2].lower() == f"{table}__definition.xml".lower():
                return _unpack(archive, info).decode("latin-1")
    return ""


def tables_in(content: bytes) -> tuple[str, ...]:
    """The names of all tables an archive holds, by what is inside its members; `BeaFileRefused` as `read_archive`."""
    with _opened(content) as archive:
        return tuple(sorted({table for member in _tables_by_member(archive) for table in member.tables}))


def members_of(content: bytes) -> list[str]:
    """The names of an archive's members; `BeaFileRefused` as `read_archive`."""
    with _opened(content) as archive:
        return [info.filename for info in archive.infolist() if not info.is_dir()]


def member(content: bytes, name: str) -> bytes:
    """The bytes of one member of an archive; `BeaFileRefused` as `read_archive`."""
    with _opened(content) as archive:
        return _unpack(archive, archive.getinfo(name))


def sole_member(content: bytes, endings: tuple[str, ...]) -> bytes:
    """The only member of an archive whose name ends so; what a Mac adds to each file is none.

    Raises `BeaFileRefused` where there is none or are several, and as `read_archive`.
    """
    with _opened(content) as archive:
        names = [info for info in archive.infolist() if not info.filename.startswith(_OF_A_MAC)]
        found = [info for info in names if info.filename.lower().endswith(endings)]
        if len(found) != 1:
            held = ", ".join(info.filename for info in found[:_SHOWN])
            raise BeaFileRefused(
                f"The archive holds {len(found)} files of values{': ' if held else ''}{held}; one is wanted.",
                remedy="Unpack it, and give one of its files.",
            )
        return _unpack(archive, found[0])


def check_archive(content: bytes) -> None:
    """Make sure that an archive is safe and whole (every checksum holds); `BeaFileRefused` where it is not."""
    with _opened(content) as archive:
        for info in archive.infolist():
            _unpack(archive, info)


@dataclass(frozen=True)
class _Member:
    """A member that is a regional table."""

    info: zipfile.ZipInfo
    """Its place in the archive."""

    start: bytes
    """Its first `GLANCE` bytes; all of it if there are fewer."""

    tables: frozenset[str]
    """The tables that it holds, as far as they were looked for."""

    is_annual: bool
    """Whether it has columns of years."""


def _opened(content: bytes) -> zipfile.ZipFile:
    """The archive, once its directory is known to be harmless."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as broken:
        raise BeaFileRefused(f"The archive cannot be opened: {broken}.", remedy="Download it again.") from None
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise BeaFileRefused(f"The archive has {len(members)} members, more than {_MOST_MEMBERS}.")
    if sum(member.file_size for member in members) > MOST_UNPACKED_BYTES:
        raise BeaFileRefused(f"The archive would unpack to more than {MOST_UNPACKED_BYTES >> 20} MB.")
    for member in members:
        if _UNSAFE_NAME.search(member.orig_filename):
            raise BeaFileRefused(f"The archive has a member with an unsafe name: {member.orig_filename!r}.")
        if member.flag_bits & _ENCRYPTED:
            raise BeaFileRefused(f"The archive's member {member.filename} is encrypted.")
        packed = max(member.compress_size, 1)
        if member.file_size > _RATIO_MATTERS_FROM and member.file_size > _MOST_RATIO * packed:
            raise BeaFileRefused(
                f"The archive's member {member.filename} would grow {member.file_size // packed}-fold."
            )
    return archive


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int = -1) -> bytes:
    try:
        with archive.open(info) as member:
            return member.read(size)
    except _BROKEN as broken:
        raise BeaFileRefused(
            f"The archive's member {info.filename} is damaged: {broken}.", remedy="Download it again."
        ) from None


def _texts(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [info for info in archive.infolist() if info.filename.lower().endswith(_ENDINGS)]


def _tables_by_member(archive: zipfile.ZipFile) -> Iterator[_Member]:
    """Every member that is a regional table, with the tables it holds: as a rule the one its first data line names."""
    for info in _texts(archive):
        start = _unpack(archive, info, size=GLANCE)
        sheet = glance(start)
        if sheet is None:
            continue
        if sheet.layout.shape == "years down":
            sheet = read_sheet(_unpack(archive, info))
        try:
            tables = tables_of(sheet)
        except BeaFileRefused:
            continue
        yield _Member(info, start, tables, sheet.layout.shape == "years down" or bool(years_of(sheet)))


def _fullest(
    table: str, candidates: Sequence[tuple[str, Sheet]], *, tolerate_unknown: bool, tolerate_repeats: bool
) -> Observations:
    """The table from the candidate with the most areas, and what others hold beside it.

    Of equals it is the newest, then what BEA wrote before a copy of it: a copy says no more than the original and may
    have lost codes to empty cells. A candidate that holds nothing beside it is not looked at further unless it is its
    equal. Refused are those that contradict each other, and those of another release that hold something of their own.
    """

    def read(sheet: Sheet) -> Observations:
        return of_tables(
            read_table(sheet, tolerate_unknown=tolerate_unknown, tolerate_repeats=tolerate_repeats), {table}
        )

    ranked = sorted(((_rank(sheet), name, sheet) for name, sheet in candidates), key=lambda one: one[0], reverse=True)
    best = ranked[0][0]
    equals = [(name, sheet, read(sheet)) for rank, name, sheet in ranked if rank == best]
    (name, sheet, whole), *others = sorted(equals, key=lambda one: _wear(one[2].frame))
    held = _Outline.of(sheet, table)
    others += [
        (other, sheet, read(sheet))
        for rank, other, sheet in ranked
        if rank != best and not _Outline.of(sheet, table).is_within(held)
    ]
    for other, _, observations in others:
        if _contradict(whole.frame, observations.frame):
            raise BeaFileRefused(
                f"The archive holds {table} twice, and differently: {name} and {other}.",
                remedy="Keep the one that counts, or download BEA's zip again.",
                table=table,
            )
        beside = observations.frame.join(whole.frame, on=_CELL, how="anti")
        if beside.is_empty():
            continue
        if observations.notes.get(table) != whole.notes.get(table):
            raise BeaFileRefused(
                f"The archive holds parts of {table} of different releases: {name} and {other}.",
                remedy="Give each of them by itself.",
                table=table,
            )
        lines = pl.concat([whole.lines, observations.lines]).unique(maintain_order=True)
        whole = Observations(pl.concat([whole.frame, beside]), lines, whole.notes)
    return whole


@dataclass(frozen=True)
class _Outline:
    """What the cells of a table in a sheet are about: enough to see whether another one holds more."""

    rows: frozenset[tuple[str, ...]]
    """Area and line of each row, and its year where years stand down."""

    years: frozenset[int]
    """The years that stand across."""

    @classmethod
    def of(cls, sheet: Sheet, table: str) -> "_Outline":
        areas = [area_code(text) or text for text in sheet.cells("geo_fips")]
        if sheet.layout.shape == "years down":
            return cls(frozenset(zip(areas, sheet.cells("code"), sheet.cells("year"), strict=True)), frozenset())
        tables = [canonical(text) for text in sheet.cells("bea_table")]
        lines = [text.strip(" \t\"'=").removesuffix(".0") for text in sheet.cells("line_code")]
        rows = zip(tables, areas, lines, strict=True)
        of_table = frozenset((area, line) for name, area, line in rows if name in {table, ""})
        return cls(of_table, frozenset(years_of(sheet).values()))

    def is_within(self, other: "_Outline") -> bool:
        return self.rows <= other.rows and self.years <= other.years


def _rank(sheet: Sheet) -> tuple[int, date, int]:
    note = newest_note((*sheet.titles, *sheet.remarks))
    down = sheet.layout.shape == "years down"
    years = len(set(sheet.cells("year"))) if down else len(years_of(sheet))
    return len(set(sheet.cells("geo_fips"))), note.last_updated if note else date.min, years


def _wear(frame: pl.DataFrame) -> tuple[int, int, int]:
    """How far a frame is from BEA's own writing: empty cells, commas between thousands, zeros dropped."""
    text = frame["value_text"]
    return (
        int((text == "").sum()),
        int(text.str.count_matches(",", literal=True).sum()),
        -int(text.str.len_bytes().sum()),
    )


def _contradict(original: pl.DataFrame, copy: pl.DataFrame) -> bool:
    """Whether a copy says something else of a cell than the original; an empty cell of a copy says nothing."""
    parts = [*_CELL, "unit", "unit_multiplier"]
    both = original.select(*parts, original=said(pl.col("value_text"))).join(
        copy.select(*parts, copy=said(pl.col("value_text"))), on=_CELL, how="inner", suffix="_of_copy"
    )
    other_unit = (pl.col("unit") != pl.col("unit_of_copy")) | (
        pl.col("unit_multiplier") != pl.col("unit_multiplier_of_copy")
    )
    other = other_unit | (pl.col("original").ne_missing(pl.col("copy")) & (pl.col("copy") != ""))
    return both.select(other.any()).item() is True
