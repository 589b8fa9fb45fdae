"""Copies of one small table as people have them: how each is written, and what is read or said of it."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bea.values import content_hashes, typed

MILLIONS = "Millions of current dollars"
HEADER = ["GeoFIPS", "GeoName", "Region", "TableName", "LineCode", "IndustryClassification", "Description", "Unit"]
REMARKS = (
    "Note: See the included footnote file.",
    "SAPCE1: Personal consumption expenditures (PCE) by major type of product 1/",
    "Last updated: October 3, 2024-- new statistics for 2023; revised statistics for 2019-2022.",
    "U.S. Bureau of Economic Analysis",
)
CELLS: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("00000", 1): ("14437543.0", "14225657.2"),
    ("00000", 2): ("4532816.6", "(NA)"),
    ("01000", 1): ("177059.6", "175833.9"),
    ("01000", 2): ("(D)", "-10.0"),
    ("98000", 1): ("854.4", "(L)"),
    ("98000", 2): ("0.0", "3"),
}


@dataclass(frozen=True)
class Copy:
    """How one copy of a table is written."""

    table: str = "SAPCE1"
    unit: str = MILLIONS
    years: tuple[str, ...] = ("2022", "2023")
    separator: str = ","
    line_end: str = "\r\n"
    encoding: str = "utf-8"
    bom: bytes = b""
    header: str = "as is"
    index: str | None = None
    float_codes: bool = False
    area: str = "quoted"
    padding: int = 0
    trailing: int = 0
    thousands: bool = False
    drop_zero: bool = False
    blank_codes: bool = False
    remarks: tuple[str, ...] = REMARKS


def area_of(code: str, way: str) -> str:
    return {
        "quoted": code,
        "bare": str(int(code)),
        "float": f"{int(code)}.0",
        "quotes inside": f' "{code}"',
        "apostrophe": f"'{code}",
        "formula": f'="{code}"',
    }[way]


def value_of(text: str, copy: Copy) -> str:
    if text.startswith("("):
        return "" if copy.blank_codes else text
    if copy.drop_zero:
        text = text.removesuffix(".0")
    whole, point, decimals = text.removeprefix("-").partition(".")
    sign = "-" if text.startswith("-") else ""
    return f"{sign}{int(whole):,}{point}{decimals}" if copy.thousands else text


SPELLED: Mapping[str, Callable[[str], str]] = {
    "as is": str,
    "upper": str.upper,
    "lower": str.lower,
    "blanks": lambda name: f"  {name.replace('F', ' F')} ",
}


def rendered(copy: Copy, cells: Mapping[tuple[str, int], tuple[str, ...]] = CELLS) -> bytes:
    """The table as the copy writes it."""
    header = [SPELLED[copy.header](name) for name in (*HEADER, *copy.years)]
    rows = [
        [
            area_of(area, copy.area),
            "Doña Ana, NM" if area == "01000" else "Somewhere",
            " ",
            copy.table,
            f"{line}.0" if copy.float_codes else str(line),
            "...",
            "  Goods " if line == 2 else "Personal consumption expenditures ",
            copy.unit,
            *(value_of(value, copy) for value in values),
        ]
        for (area, line), values in cells.items()
    ]
    lines = [header, *rows]
    if copy.index is not None:
        lines = [[copy.index, *header], *([str(number), *row] for number, row in enumerate(rows))]
    lines = [[*line, *[""] * copy.trailing] for line in lines]
    width = len(lines[0]) if copy.padding < 0 else 2 + copy.padding
    number = [] if copy.index is None else [str(len(rows))]
    lines += [[*number, remark, *[""] * (width - len(number) - 1)] for remark in copy.remarks]
    stream = io.StringIO()
    csv.writer(stream, delimiter=copy.separator, lineterminator=copy.line_end).writerows(lines)
    text = stream.getvalue()
    if copy.area == "quoted" and copy.index is None:
        for area in {area for area, _ in cells}:
            text = text.replace(f"{copy.line_end}{area}{copy.separator}", f'{copy.line_end} "{area}"{copy.separator}')
    return copy.bom + text.encode(copy.encoding)


def hashes(content: bytes) -> dict[str, dict[int, str]]:
    return content_hashes(typed(read_document(content).frame))


ORIGINAL = hashes(rendered(Copy()))


def refusal(content: bytes) -> str:
    with pytest.raises(BeaFileRefused) as refused:
        read_document(content)
    return f"{refused.value.message} {refused.value.remedy}"
