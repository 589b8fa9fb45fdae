"""Where in a document of BEA's the text of one cell stands: to the byte, so that a person can look it up.

A document is searched here by itself and not as the decoders read it: a row of an answer by its own fields, a field of
a file by the separators before it. What stands there is then read as any other text of a cell is.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any

import polars as pl

from pce_pipeline.bea.bulk import member, sheets_of
from pce_pipeline.bea.documents import kind_of, unpacked
from pce_pipeline.bea.layouts import canonical
from pce_pipeline.bea.national import NATION, codes_of_line
from pce_pipeline.bea.sheets import Sheet, read_sheet
from pce_pipeline.bea.tables import area_code, rows_of, years_of
from pce_pipeline.bea.values import coded

_LONGEST_ROW = 400
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT_OBJECT = re.compile(rb'\{(?:[^{}"]++|' + _STRING + rb")*+\}")
_VALUE = re.compile(rb'"DataValue"\s*+:\s*+(?:(' + _STRING + rb")|([^,}\s]++))")
_CODE = re.compile(r"(\w+)-0*(\d+)")
_PERIOD = re.compile(r"(\d{4})(?:M(\d{2}))?")


@dataclass(frozen=True)
class PublishedCell:
    """A cell as BEA named it in the document that is searched."""

    table: str
    """The table, by the name that it has today where BEA renamed it whole: SAEXP1 is SAPCE1."""
    line: int
    """The line's code, or of a national table its number."""
    area: str
    """The area's code of five digits; national tables name none."""
    year: int
    """The year."""
    month: int | None = None
    """The month, of what is published by month."""

    @property
    def period(self) -> str:
        """BEA's TimePeriod: 2021, or 2026M07."""
        return str(self.year) if self.month is None else f"{self.year}M{self.month:02}"


@dataclass(frozen=True)
class Place:
    """Where the text of a cell stands."""

    text: str
    """What the document says of the cell: its number or code, as `value_text` has it."""
    offset: int
    """The first byte of that text, counted from 0: of the member, or of the document without its compression."""
    length: int
    """How many bytes it has."""
    row: str
    """The row it stands in, cut where it is long."""
    line: int | None = None
    """The line of the file, counted from 1; None in JSON."""
    member: str | None = None
    """The member of an archive that it stands in."""
    is_packed: bool = False
    """Whether the stored bytes are compressed, so that offsets are of what is inside."""


def place_of(document: bytes, cell: PublishedCell) -> Place | None:
    """Where a document says something of a cell; None where it says nothing, or in a form that has no rows.

    Raises `BeaFileRefused` for what is no document of BEA's.
    """
    plain = unpacked(document)
    match kind_of(plain):
        case "json":
            found = _in_json(plain, cell)
        case "zip":
            return _in_archive(plain, cell)
        case "csv":
            found = _in_sheet(plain, read_sheet(plain), cell)
        case "series":
            found = _in_series(plain, cell)
    return replace(found, is_packed=plain is not document) if found is not None else None


def _in_json(plain: bytes, cell: PublishedCell) -> Place | None:
    places = [place for start, row in _rows(plain).get(cell, ()) if (place := _of_row(start, row, cell)) is not None]
    texts = sorted({place.text for place in places})
    return replace(places[0], text=" | ".join(texts)) if places else None


@lru_cache(maxsize=8)
def _rows(plain: bytes) -> Mapping[PublishedCell, Sequence[tuple[int, bytes]]]:
    """The rows of an answer by the cell that each is about, with the byte where each begins; the last few are kept."""
    found: dict[PublishedCell, list[tuple[int, bytes]]] = {}
    for row in _FLAT_OBJECT.finditer(plain):
        cell = _about(_fields(row[0]))
        if cell is not None:
            found.setdefault(cell, []).append((row.start(), row[0]))
    return found


def _of_row(start: int, row: bytes, cell: PublishedCell) -> Place | None:
    fields, value = _fields(row), _VALUE.search(row)
    if value is None:
        return None
    first, last = (value.start(1) + 1, value.end(1) - 1) if value[1] is not None else value.span(2)
    text, note = (str(fields.get(name) or "") for name in ("DataValue", "NoteRef"))
    said = pl.select(coded(pl.lit(text), pl.lit(note))).item() if cell.month is None else text.strip()
    return Place(text=said, offset=start + first, length=last - first, row=_shortened(row))


def _fields(row: bytes) -> dict[str, Any]:
    try:
        text = row.decode("utf-8")
    except UnicodeDecodeError:
        text = row.decode("latin-1")
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _about(fields: dict[str, Any]) -> PublishedCell | None:
    """The cell that a row of an answer is about; None for any other object."""
    period = _PERIOD.fullmatch(str(fields.get("TimePeriod", "")).strip())
    if period is None:
        return None
    year, month = int(period[1]), int(period[2]) if period[2] else None
    if month is not None:
        table, line = str(fields.get("TableName", "")).strip(), str(fields.get("LineNumber", "")).strip()
        return PublishedCell(table, int(line), NATION, year, month) if line.isdecimal() else None
    code = _CODE.fullmatch(str(fields.get("Code", "")).strip())
    area = str(fields.get("GeoFips", "")).strip()
    return PublishedCell(canonical(code[1]), int(code[2]), area_code(area) or area, year) if code is not None else None


def _in_archive(plain: bytes, cell: PublishedCell) -> Place | None:
    for name, body, sheet in _members(plain, cell.table):
        found = _in_sheet(body, sheet, cell)
        if found is not None:
            return replace(found, member=name, is_packed=True)
    return None


@lru_cache(maxsize=4)
def _members(plain: bytes, table: str) -> Sequence[tuple[str, bytes, Sheet]]:
    """The members of an archive that hold a table; the last few are kept."""
    return [(name, member(plain, name), sheet) for name, sheet in sheets_of(plain, table)]


def _in_sheet(plain: bytes, sheet: Sheet, cell: PublishedCell) -> Place | None:
    """Where a sheet, read from these bytes, has the cell."""
    is_it = (pl.col("bea_table") == cell.table) & (pl.col("line_code") == cell.line) & (pl.col("geo_fips") == cell.area)
    rows = rows_of(sheet).with_row_index("row").filter(is_it)
    if sheet.layout.shape == "years down":
        rows = rows.filter(pl.col("year") == cell.year)
        at = sheet.position("value")
    else:
        at = next((at for at, year in years_of(sheet).items() if year == cell.year), None)
    if rows.is_empty() or at is None:
        return None
    row = rows["row"][0]
    number, text = sheet.lines[row], sheet.rows[row][at]
    if sheet.layout.shape == "years down" and (notes := sheet.position("note_ref")) is not None:
        text = pl.select(coded(pl.lit(text), pl.lit(sheet.rows[row][notes]))).item()
    lines = plain.splitlines(keepends=True)
    start, line = sum(map(len, lines[: number - 1])), lines[number - 1]
    first, last = _span(line, sheet.separator.encode(), at) or (0, len(line.rstrip(b"\r\n")))
    return Place(text=text.strip(), offset=start + first, length=last - first, row=_shortened(line), line=number)


def _span(line: bytes, separator: bytes, at: int) -> tuple[int, int] | None:
    """The first byte of a field and the one after it, without its quotation marks; None where there are fewer."""
    spans = list(_spans(line.rstrip(b"\r\n"), separator))
    return spans[at] if at < len(spans) else None


def _spans(line: bytes, separator: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at <= len(line):
        first = at
        while line[first : first + 1] == b" ":
            first += 1
        if line[first : first + 1] == b'"':
            first, last = first + 1, first + 1
            while last < len(line) and (line[last : last + 1] != b'"' or line[last : last + 2] == b'""'):
                last += 2 if line[last : last + 2] == b'""' else 1
            end = line.find(separator, last)
        else:
            end = line.find(separator, first)
            last = len(line) if end < 0 else end
        yield first, last
        if end < 0:
            return
        at = end + len(separator)


def _in_series(plain: bytes, cell: PublishedCell) -> Place | None:
    """Where a document of national series has the cell: in the line of its series and month."""
    codes = codes_of_line(plain, cell.table, cell.line)
    lines = plain.splitlines(keepends=True)
    starts = accumulate(map(len, lines), initial=0)
    for number, (start, line) in enumerate(zip(starts, lines, strict=False), start=1):
        spans = list(_spans(line.rstrip(b"\r\n"), b","))
        code, period, value = ([*spans, (0, 0), (0, 0), (0, 0)])[:3]
        if line[slice(*period)].strip() == cell.period.encode() and line[slice(*code)].strip().decode() in codes:
            text = line[slice(*value)].decode().strip()
            first, last = value
            return Place(text=text, offset=start + first, length=last - first, row=_shortened(line), line=number)
    return None


def _shortened(row: bytes) -> str:
    text = row.decode("utf-8", errors="replace").strip()
    return text if len(text) <= _LONGEST_ROW else f"{text[:_LONGEST_ROW]}..."
