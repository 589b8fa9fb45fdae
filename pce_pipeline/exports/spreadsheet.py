"""Rows as a spreadsheet: a sheet that says what they are, then a sheet of rows for each table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import xlsxwriter
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from pce_pipeline.exports.errors import TooManyRows
from pce_pipeline.exports.export import Export, facts
from pce_pipeline.observability.progress import advance

MOST_ROWS = 1_048_576 - 1
"""A sheet has so many below its header."""

ABOUT = "About"
_LONGEST_SHEET_NAME = 31
_WIDEST = 60
_LOOKED_AT = 500
_OPTIONS = {
    # each row goes to the disk when the next one begins: a million rows as cells would take gigabytes
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_ROWS_AT_ONCE = 20_000


def check_rows(exports: Sequence[Export]) -> None:
    """Raises `TooManyRows` for the first of the exports that no sheet holds."""
    for export in exports:
        if export.frame.height > MOST_ROWS:
            raise TooManyRows(export.name, export.frame.height, MOST_ROWS)


def write_xlsx(exports: Sequence[Export], path: Path) -> None:
    """The exports as sheets with a frozen header, after one that says what they are.

    Numbers are numbers, and a NULL is an empty cell: the status column beside it says why. Texts stay texts, whatever
    they look like. Raises `TooManyRows`.
    """
    check_rows(exports)
    names = sheet_names([export.name for export in exports])
    with xlsxwriter.Workbook(path, _OPTIONS) as book:
        # the time of writing would make other bytes of the same rows
        known = [export.about.as_of for export in exports if export.about and export.about.as_of]
        day = max(known, default=None) or datetime.now(UTC).date()
        book.set_properties({"created": datetime(day.year, day.month, day.day), "title": ", ".join(names.values())})  # noqa: DTZ001 (a spreadsheet has no time zones)
        if any(export.about for export in exports):
            _about_sheet(book, exports, names)
        for export in exports:
            _sheet_of_rows(book, names[export.name], export.frame)


def sheet_names(names: Sequence[str]) -> Mapping[str, str]:
    """A sheet's name for each export: no two alike whatever their case, and 31 characters at most.

    >>> sheet_names(["pce_state_annual", "About"])
    {'pce_state_annual': 'pce_state_annual', 'About': 'About 2'}
    """
    taken = {ABOUT.casefold()}
    found: dict[str, str] = {}
    for name in names:
        given, number = name[:_LONGEST_SHEET_NAME], 1
        while given.casefold() in taken:
            number += 1
            mark = f" {number}"
            given = name[: _LONGEST_SHEET_NAME - len(mark)] + mark
        taken.add(given.casefold())
        found[name] = given
    return found


def _about_sheet(book: Workbook, exports: Sequence[Export], names: Mapping[str, str]) -> None:
    sheet = book.add_worksheet(ABOUT)
    bold, wrapped = book.add_format({"bold": True, "valign": "top"}), book.add_format({"text_wrap": True})
    loud = book.add_format({"bold": True, "bg_color": "#FFEB3B", "text_wrap": True})
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 100)
    for row, (name, text) in enumerate(_about_rows(exports, names)):
        sheet.write_string(row, 0, name, bold)
        sheet.write_string(row, 1, text, loud if name == "SAMPLE" else wrapped)
    sheet.hide_gridlines(2)


def _about_rows(exports: Sequence[Export], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The lines of the first sheet: of each export what is to be said of it, then of its columns."""
    for export in exports:
        if export.about is None:
            continue
        yield "sheet", names[export.name]
        yield from facts(export.about)
        for each in export.column_facts():
            base = f"prices of {each.base_year}" if each.base_year else ""
            said = "; ".join(part for part in (each.meaning, each.unit, base) if part)
            if said:
                yield f"column {each.name}", said
        yield "", ""


def _sheet_of_rows(book: Workbook, name: str, frame: pl.DataFrame) -> None:
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    header = book.add_format({"bold": True, "bottom": 1})
    formats = [book.add_format({"num_format": _format(dtype)}) for dtype in frame.dtypes]
    plain = _for_cells(frame)
    writers = [_writer(sheet, dtype) for dtype in plain.dtypes]
    for column, (width, of_column) in enumerate(zip(_widths(frame), formats, strict=True)):
        sheet.set_column(column, column, width, of_column)
    if frame.width:
        sheet.autofilter(0, 0, frame.height, frame.width - 1)
    sheet.write_row(0, 0, frame.columns, header)
    for first in range(0, plain.height, _ROWS_AT_ONCE):
        advance(first, plain.height, f"rows of {name}")
        for row, values in enumerate(plain.slice(first, _ROWS_AT_ONCE).iter_rows(), start=first + 1):
            for column, value in enumerate(values):
                if value is not None:
                    writers[column](row, column, value, formats[column])


def _writer(sheet: Worksheet, dtype: pl.DataType) -> Callable[..., object]:
    """What writes a value of a type into a cell, as what it is."""
    if dtype.is_numeric():
        write: Callable[..., object] = sheet.write_number
    elif dtype == pl.Boolean:
        write = sheet.write_boolean
    else:
        write = sheet.write_datetime if dtype.is_temporal() else sheet.write_string
    return write


def _for_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows as cells can hold them: doubles for decimals, and times without their zone, which is always UTC."""
    return frame.with_columns(
        pl.col(pl.Datetime("us", "UTC")).dt.replace_time_zone(None),
        pl.col([name for name, dtype in frame.schema.items() if dtype.is_decimal()]).cast(pl.Float64),
    )


def _format(dtype: pl.DataType) -> str:
    """How numbers of a type are shown; what a cell holds is the whole number."""
    if dtype.is_integer():
        return "0"
    if dtype == pl.Date:
        return "yyyy-mm-dd"
    if isinstance(dtype, pl.Datetime):
        return "yyyy-mm-dd hh:mm:ss"
    return "#,##0.0##" if dtype.is_decimal() else "General"


def _widths(frame: pl.DataFrame) -> list[int]:
    """The width of each column in characters, by its header and its first values."""
    widths = []
    for name, values in frame.head(_LOOKED_AT).to_dict().items():
        longest = max((len(text) for text in values.cast(pl.String).drop_nulls()), default=0)
        widths.append(min(max(longest, len(name) + 3), _WIDEST) + 1)
    return widths
