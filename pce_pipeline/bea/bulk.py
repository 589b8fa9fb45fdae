"""BEA's regional CSV files and the zip archives that hold them.

An archive holds several tables, each once for all areas and once per area, under names that changed over the years:
a member is what its TableName column says, and the one with the most areas counts. Archives come from outside, so
nothing is unpacked to disk, and names, sizes and compression are checked before anything is read.

Assumed: "Billions", "Millions" and "Thousands" at the start of a unit stand for 10^9, 10^6 and 10^3 as in the API's
UNIT_MULT, everything else for 1 (verified for the units of the tables ingested, not for all of BEA's).
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pce_pipeline.bea.errors import BeaContentError, BeaFileRefused, BeaUnknownField
from pce_pipeline.bea.observations import (
    LINE_SCHEMA,
    OBSERVATION_SCHEMA,
    Observations,
    ReleaseNote,
    clean_description,
    combined,
)
from pce_pipeline.bea.releases import newest_note

MOST_UNPACKED_BYTES = 512 * 1024 * 1024
_MOST_MEMBERS = 10_000
_MOST_RATIO = 200  # BEA's files shrink about six-fold
_RATIO_MATTERS_FROM = 1024 * 1024
_ENCRYPTED = 0x1

_FIXED = ("GeoFIPS", "GeoName", "Region", "TableName", "LineCode", "IndustryClassification", "Description", "Unit")
_YEAR = re.compile(r"[12][0-9]{3}")
_UNSAFE_NAME = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\\|\x00")


@dataclass(frozen=True)
class _Csv:
    """A parsed file: one tuple per line with a field per column of `header`, and the footer's texts."""

    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    footer: tuple[str, ...]

    def column(self, name: str) -> list[str]:
        position = self.header.index(name)
        return [row[position].strip() for row in self.rows]

    @property
    def tables(self) -> set[str]:
        return set(self.column("TableName"))

    @property
    def note(self) -> ReleaseNote | None:
        return newest_note(self.footer)


def read_csv(content: bytes, tables: Iterable[str] | None = None, *, tolerate_unknown: bool = False) -> Observations:
    """The observations of one regional CSV file (UTF-8 or latin-1, CRLF or LF), of some or all of its tables.

    Raises `BeaFileRefused` for a file that is no regional table or lacks a table asked for, `BeaUnknownField` for
    unknown columns unless they are tolerated, and `BeaContentError` for lines of another length than the header.
    """
    parsed = _parse(content, tolerate_unknown=tolerate_unknown)
    _refuse_missing(tables, parsed.tables)
    return _observations(parsed, set(tables) if tables is not None else parsed.tables)


def read_archive(
    content: bytes, tables: Iterable[str] | None = None, *, tolerate_unknown: bool = False
) -> Observations:
    """The observations of the tables asked for (all annual ones if None), each from its member with the most areas.

    Raises `BeaFileRefused` for an unsafe or broken archive, a table it does not hold, and two members that both
    could be a table's newest and differ; and what `read_csv` raises.
    """
    wanted = set(tables) if tables is not None else None
    candidates: dict[str, list[tuple[str, _Csv]]] = {}
    with _opened(content) as archive:
        held: set[str] = set()
        for member in _tables_by_member(archive):
            held |= member.tables
            chosen = member.tables if wanted is None else member.tables & wanted
            if chosen and (wanted is not None or member.is_annual):
                parsed = _parse(_unpack(archive, member.info), tolerate_unknown=tolerate_unknown)
                for table in chosen:
                    candidates.setdefault(table, []).append((member.info.filename, parsed))
    _refuse_missing(wanted, held)
    return combined(_fullest(table, candidates[table]) for table in sorted(candidates))


def tables_in(content: bytes) -> tuple[str, ...]:
    """The names of all tables an archive holds, by what is inside its members; `BeaFileRefused` as `read_archive`."""
    with _opened(content) as archive:
        return tuple(sorted({table for member in _tables_by_member(archive) for table in member.tables}))


def check_archive(content: bytes) -> None:
    """Make sure that an archive is safe and whole (every checksum holds); `BeaFileRefused` where it is not."""
    with _opened(content) as archive:
        for info in archive.infolist():
            _unpack(archive, info)


@dataclass(frozen=True)
class _Member:
    info: zipfile.ZipInfo
    tables: frozenset[str]
    is_annual: bool


def _opened(content: bytes) -> zipfile.ZipFile:
    """The archive, once its directory is known to be harmless."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as broken:
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
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError) as broken:
        raise BeaFileRefused(
            f"The archive's member {info.filename} is damaged: {broken}.", remedy="Download it again."
        ) from None


def _tables_by_member(archive: zipfile.ZipFile) -> Iterator[_Member]:
    """Every CSV member that is a regional table, with the table its first data line names."""
    for info in archive.infolist():
        if info.is_dir() or not info.filename.lower().endswith(".csv"):
            continue
        lines = _text(_unpack(archive, info, size=64 * 1024)).splitlines()[:2]
        header, *first = csv.reader(lines, skipinitialspace=True) if lines else [[]]
        if "TableName" not in header or not first:
            continue
        position = header.index("TableName")
        if len(first[0]) > position:
            is_annual = all(_YEAR.fullmatch(name) for name in header if name not in _FIXED)
            yield _Member(info, frozenset({first[0][position].strip()}), is_annual)


def _fullest(table: str, candidates: Sequence[tuple[str, _Csv]]) -> Observations:
    """The table from the candidate with the most areas; of equals the newest, unless they say the same anyway."""

    def rank(parsed: _Csv) -> tuple[int, date, int]:
        areas = {row[0] for row in parsed.rows}
        return len(areas), parsed.note.last_updated if parsed.note else date.min, len(parsed.header)

    best = max(rank(parsed) for _, parsed in candidates)
    equals = [(name, _observations(parsed, {table})) for name, parsed in candidates if rank(parsed) == best]
    (name, first), *others = equals
    for other, observations in others:
        if not first.frame.sort(pl.all()).equals(observations.frame.sort(pl.all())):
            raise BeaFileRefused(f"The archive holds {table} twice, and differently: {name} and {other}.", table=table)
    return first


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _parse(content: bytes, *, tolerate_unknown: bool) -> _Csv:
    """Header, data lines and footer of a regional file, every data line as long as the header."""
    try:
        lines = [line for line in csv.reader(io.StringIO(_text(content)), skipinitialspace=True, strict=True) if line]
    except csv.Error as broken:
        raise BeaFileRefused(f"The file is no readable CSV: {broken}.") from None
    header = tuple(name.strip() for name in lines[0]) if lines else ()
    missing = [name for name in _FIXED if name not in header]
    if missing:
        raise BeaFileRefused(f"The file is no regional table of BEA: its header lacks {', '.join(missing)}.")
    unknown = tuple(name for name in header if name not in _FIXED and not _YEAR.fullmatch(name))
    if unknown and not tolerate_unknown:
        raise BeaUnknownField(unknown)
    end = len(lines)
    while end > 1 and len(lines[end - 1]) == 1:
        end -= 1
    rows = lines[1:end]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise BeaContentError(f"Line {number} of the file has {len(row)} fields, its header {len(header)}.")
    if not rows or len(header) == len(_FIXED) + len(unknown):
        raise BeaFileRefused("The file holds a header and no data.")
    return _Csv(header, rows, tuple(line[0].strip() for line in lines[end:]))


def _observations(parsed: _Csv, tables: set[str]) -> Observations:
    years = [name for name in parsed.header if _YEAR.fullmatch(name)]
    wide = pl.DataFrame(
        {name: parsed.column(name) for name in parsed.header}, schema=dict.fromkeys(parsed.header, pl.String)
    )
    wide = wide.filter(pl.col("TableName").is_in(tables)).with_columns(
        pl.col("LineCode").cast(pl.Int32, strict=False),
        pl.when(pl.col("Unit").str.starts_with("Billions"))
        .then(9)
        .when(pl.col("Unit").str.starts_with("Millions"))
        .then(6)
        .when(pl.col("Unit").str.starts_with("Thousands"))
        .then(3)
        .otherwise(0)
        .cast(pl.Int32)
        .alias("unit_multiplier"),
    )
    if wide["LineCode"].null_count():
        raise BeaContentError("The file has a line code that is no number.", table=", ".join(sorted(tables)))
    names = {"TableName": "bea_table", "LineCode": "line_code", "GeoFIPS": "geo_fips", "Unit": "unit"}
    frame = (
        wide.unpivot(years, index=[*names, "unit_multiplier"], variable_name="year", value_name="value_text")
        .rename(names)
        .with_columns(pl.col("year").cast(pl.Int32))
        .select(list(OBSERVATION_SCHEMA))
    )
    lines = (
        wide.select("TableName", "LineCode", "Description")
        .unique(maintain_order=True)
        .rename({"TableName": "bea_table", "LineCode": "line_code", "Description": "description"})
    )
    cleaned = lines.with_columns(
        pl.Series("description", [clean_description(text) for text in lines["description"]], dtype=pl.String)
    ).unique(maintain_order=True)
    note = parsed.note
    return Observations(frame, cleaned.select(list(LINE_SCHEMA)), {table: note for table in tables if note is not None})


def _refuse_missing(wanted: Iterable[str] | None, held: Iterable[str]) -> None:
    missing = sorted(set(wanted or ()) - set(held))
    if missing:
        raise BeaFileRefused(
            f"The file holds no table {', '.join(missing)}; it holds {', '.join(sorted(held)) or 'none'}."
        )
