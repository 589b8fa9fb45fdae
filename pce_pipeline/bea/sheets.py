"""A text file of columns as people have it: the lines above its header, the header, the data and the lines below.

BEA's own files, copies that a spreadsheet or a program saved again, other separators, line ends and encodings: all
become the same `Sheet`. What is dropped on the way (a column of row numbers, empty columns at the end, empty lines,
the padding of remarks) says nothing; anything else that does not fit is refused with its line.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from pce_pipeline.bea.errors import ZIP_INSTEAD, BeaFileRefused
from pce_pipeline.bea.layouts import TODAY, Layout, fold, layout_of

_BOM = b"\xef\xbb\xbf"
_SEPARATORS = ",\t;|"
_HEADER_WITHIN = 30  # lines; the titles of an interactive table are three or four
GLANCE = 64 * 1024
_MOST_FILLED = 4  # cells of a remark whose own commas were taken for separators

_UNNAMED = re.compile(r"|unnamed:\d+(?:\.\d+)?")
_ROW_NUMBER = re.compile(r"\s*\d+(?:\.0)?\s*")
_CODE = re.compile(r"[\s\"'=]*\d+(?:\.0)?[\s\"']*")
_SEPARATOR_LINE = re.compile(r'\A"?sep=.?"?\r?\n', re.IGNORECASE)


@dataclass(frozen=True)
class Sheet:
    """A parsed file of a known layout."""

    layout: Layout
    """The layout that its header has."""

    separator: str
    """What stands between its columns."""

    titles: tuple[str, ...]
    """The lines above the header."""

    columns: tuple[tuple[int, str], ...]
    """Position and spelling of every column that has a name."""

    rows: Sequence[Sequence[str]]
    """The data lines, each with a field for every column."""

    lines: Sequence[int]
    """Which line of the file each row is."""

    remarks: tuple[str, ...]
    """The lines below the data."""

    def position(self, column: str) -> int | None:
        """Where one of our columns stands."""
        return next((at for at, name in self.columns if self.layout.column(fold(name)) == column), None)

    def cells(self, column: str) -> list[str]:
        """The fields of one of our columns; empty ones where the file lacks it."""
        at = self.position(column)
        return [""] * len(self.rows) if at is None else [row[at] for row in self.rows]


def read_sheet(content: bytes) -> Sheet:
    """The sheet in a file, every line of it accounted for.

    Raises `BeaFileRefused` where the file has no header of a known layout, no data, or broken quotes, and with the
    line where one has another length than the header.
    """
    text = _text(content)
    separator, layout, top = _header(text[:GLANCE])
    try:
        numbers, rows = _lines(text, separator)
    except csv.Error as broken:
        raise BeaFileRefused(
            f"The file's quotation marks do not match, or a field is far too long ({broken}).", remedy=ZIP_INSTEAD
        ) from None
    header = _fields(rows[top], separator)
    data = [_fields(row, separator, len(header)) if len(row) == 1 else row for row in rows[top + 1 :]]
    lead = _lead(header)
    remarks: list[str] = []
    if layout.shape == "years across" and layout.column(fold(header[lead])) == "geo_fips":
        while data and _is_remark(data[-1], lead):
            remarks.insert(0, _remark(data.pop(), lead))
    if not data:
        raise BeaFileRefused("The file holds a header and no data.")
    for number, row in zip(numbers, rows[:top], strict=False):
        if not _is_remark(row, lead):
            raise BeaFileRefused(
                f"Line {number} of the file stands above the header, but is not a title.",
                remedy="Was the table sorted? Put its header first, or download BEA's zip.",
            )
    lines = numbers[top + 1 : top + 1 + len(data)]
    return Sheet(
        layout,
        separator,
        titles=tuple(_remark(row, lead) for row in rows[:top]),
        columns=_columns(header, lead, data, lines),
        rows=data,
        lines=lines,
        remarks=tuple(remarks),
    )


def glance(start: bytes) -> Sheet | None:
    """The first row of the sheet that begins with these bytes; None where they are none of a known layout."""
    text = _text(start)
    try:
        separator, layout, top = _header(text)
        rows = list(islice(_beginning(text, separator), top + 2))
    except (BeaFileRefused, csv.Error):
        return None
    if len(rows) < top + 2:
        return None
    header, row = (_fields(row, separator, top + 2) for row in rows[top:])
    named = tuple((at, name.strip()) for at, name in enumerate(header[: len(row)]) if not _is_unnamed(name))
    sheet = Sheet(layout, separator, tuple(_remark(row) for row in rows[:top]), named, [row], [top + 2], ())
    return sheet if all(sheet.position(column) is not None for column in layout.columns.values()) else None


def _text(content: bytes) -> str:
    """The text with one kind of line ends, whatever its encoding (UTF-8 or latin-1)."""
    bare = content.removeprefix(_BOM)
    try:
        text = bare.decode("utf-8")
    except UnicodeDecodeError:
        text = bare.decode("latin-1")
    if text.count("\r") > text.count("\r\n"):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SEPARATOR_LINE.sub("\n", text, count=1)


def _lines(text: str, separator: str) -> tuple[Sequence[int], list[list[str]]]:
    """The fields of every line that says something, and which line of the file each is."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
    rows = list(reader)
    numbers: Sequence[int] = range(1, len(rows) + 1)
    if reader.line_num > len(rows):  # a field with a line end in it
        reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
        numbers = [reader.line_num for _ in reader]
    empty = {at for at, row in enumerate(rows) if not (row and row[0]) and not any(map(str.strip, row))}
    if empty:
        numbers = [number for at, number in enumerate(numbers) if at not in empty]
        rows = [row for at, row in enumerate(rows) if at not in empty]
    return numbers, rows


def _beginning(text: str, separator: str) -> Iterator[list[str]]:
    """The lines that say something one by one, whatever comes after them."""
    for row in csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True):
        if any(map(str.strip, row)):
            yield row


def _fields(row: list[str], separator: str, least: int = 2) -> list[str]:
    """A line's fields, also where a spreadsheet took the whole line for one cell and put it in quotes."""
    if len(row) > 1 or separator not in row[0]:
        return row
    try:
        inside = next(csv.reader(row, delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error:
        return row
    return inside if len(inside) >= least else row


def _header(text: str) -> tuple[str, Layout, int]:
    """The separator, layout and position of the header among the lines that say something."""
    widest: list[str] = []
    for separator in _SEPARATORS:
        try:
            for at, row in enumerate(islice(_beginning(text, separator), _HEADER_WITHIN)):
                layout = layout_of(_fields(row, separator), below_titles=at > 0)
                if layout is not None:
                    return separator, layout, at
                widest = row if at == 0 and len(row) > len(widest) else widest
        except csv.Error:
            continue
    raise _no_header(widest)


def _no_header(header: Sequence[str]) -> BeaFileRefused:
    names = {fold(name) for name in header}
    spelled = {"geofips": "GeoFIPS", "tablename": "TableName", "linecode": "LineCode"}
    lacking = [spelled.get(name, name.capitalize()) for name in TODAY.columns if name not in names]
    return BeaFileRefused(
        f"The file is not a regional table of BEA: its header lacks {', '.join(lacking)}.", remedy=ZIP_INSTEAD
    )


@lru_cache(4096)
def _is_unnamed(name: str) -> bool:
    return _UNNAMED.fullmatch(fold(name)) is not None


def _lead(header: Sequence[str]) -> int:
    """How many columns without a name stand first."""
    return next(at for at, name in enumerate(header) if not _is_unnamed(name))


def _is_remark(row: Sequence[str], lead: int) -> bool:
    """Whether a line is a title, a footnote or the like: a few cells at its beginning, the first no code."""
    fields = _without_number(row, lead)
    filled = [at for at, field in enumerate(fields) if field.strip()]
    return bool(filled) and filled[-1] + 1 == len(filled) <= _MOST_FILLED and not _CODE.fullmatch(fields[0])


def _remark(row: Sequence[str], lead: int = 0) -> str:
    texts = (field.strip(' ",') for field in _without_number(row, lead))
    return ", ".join(text for text in texts if text)


def _without_number(row: Sequence[str], lead: int) -> Sequence[str]:
    """A line without the row numbers before it, where it has them."""
    return row[lead:] if all(not field.strip() or _ROW_NUMBER.fullmatch(field) for field in row[:lead]) else row


def _columns(
    header: Sequence[str], lead: int, rows: Sequence[Sequence[str]], lines: Sequence[int]
) -> tuple[tuple[int, str], ...]:
    """Every column with a name, once all lines are as long as the header and columns without a name say nothing."""
    named = tuple((at, name.strip()) for at, name in enumerate(header) if not _is_unnamed(name))
    length = named[-1][0] + 1
    if {len(row) for row in rows} != {length}:
        width = max(len(rows[0]), length)
        for number, row in zip(lines, rows, strict=True):
            if len(row) != width or any(map(str.strip, row[length:])):
                raise BeaFileRefused(
                    f"Line {number} of the file has {len(row)} fields, its header {length}.",
                    remedy="A comma too many or too few, as in numbers with a decimal comma, shifts what follows. "
                    + ZIP_INSTEAD,
                )
    folded = [fold(name) for _, name in named]
    if repeated := sorted({name for (_, name), key in zip(named, folded, strict=True) if folded.count(key) > 1}):
        raise BeaFileRefused(f"The file has two columns of one name: {', '.join(repeated)}.", remedy=ZIP_INSTEAD)
    for at in sorted(set(range(length)) - {at for at, _ in named}):
        cells = [row[at] for row in rows]
        numbers_rows = at < lead and all(map(_ROW_NUMBER.fullmatch, cells)) and len(set(cells)) == len(cells)
        if not numbers_rows and any(map(str.strip, cells)):
            raise BeaFileRefused(
                f"Column {at + 1} of the file has no name in the header, but says {next(filter(None, cells))!r}.",
                remedy="Give it its name or take it out, or download BEA's zip.",
            )
    return named
