"""What BEA says of a table that nobody has declared yet: its title, lines, units, areas and years.

From a file: the sheet's rows, the title below them, the indentation of the lines' texts, and the definition beside it.
From the API: the list of lines, all cells of the first line, and the cells of two areas of each other line, which is
enough to see its unit; the API does not indent.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape

from pce_pipeline.bea.bulk import definition_in, fullest_sheet
from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.documents import kind_of
from pce_pipeline.bea.errors import BeaContentError, BeaFileRefused
from pce_pipeline.bea.layouts import canonical
from pce_pipeline.bea.observations import Observations, combined, of_tables
from pce_pipeline.bea.protocol import DataAnswer, decode_data, decode_lines
from pce_pipeline.bea.sheets import Sheet, read_sheet
from pce_pipeline.bea.tables import read_table
from pce_pipeline.texts import clean_text

_TITLE = re.compile(r"(\w+): *(\S.*)")
_NAME = re.compile(r'<TABLE_DEFINITIONS\b[^>]*\bName="([^"]*)"')
_LINE = re.compile(r"<LINE>\s*<Code>\s*(\d+)\s*</Code>\s*<Description>(.*?)</Description>", re.DOTALL)
_WHOLE = re.compile(r"\D*(\d+)")


@dataclass(frozen=True)
class Described:
    """What BEA says of a table."""

    table: str
    """Its name today."""
    title: str | None
    """Its title; None where nothing says it."""
    observations: Observations
    """Its cells, lines and release note; from the API all areas of the first line only."""
    descriptions: Mapping[int, str]
    """The text of each line."""
    indents: Mapping[int, int]
    """By how many blanks the text of each line is indented, where that is known."""
    undefined: tuple[int, ...] = ()
    """Lines that the definition has, but not the sheet."""


def describe_file(content: bytes, table: str) -> Described:
    """A table as a zip or CSV has it; raises `BeaFileRefused` for a file without it, and what `read_table` raises."""
    kind = kind_of(content)
    if kind == "json":
        raise BeaFileRefused("Answers of BEA's API do not tell the lines of a table.", remedy="Give BEA's zip.")
    sheet = fullest_sheet(content, table) if kind == "zip" else read_sheet(content)
    definition = definition_in(content, table) if kind == "zip" else ""
    observations = of_tables(read_table(sheet, tolerate_repeats=True), {table})
    defined = {int(code): clean_text(unescape(text)) for code, text in _LINE.findall(definition)}
    named = _NAME.search(definition)
    seen = set(observations.frame["line_code"].unique())
    return Described(
        table,
        _title(sheet, table) or (clean_text(unescape(named[1])) if named else None),
        observations,
        {**defined, **_descriptions(observations)},
        _indents(sheet, table),
        undefined=tuple(sorted(defined.keys() - seen)),
    )


async def describe_by_api(client: BeaClient, table: str) -> Described:
    """A table as BEA's API answers; raises `BeaError` where it does not."""
    listed = decode_lines((await client.lines(table)).body, table=table, tolerate_unknown=True)
    codes = listed["line_code"].to_list()
    if not codes:
        raise BeaContentError("BEA lists no lines.", table=table)
    first = decode_data((await client.data(table, codes[0])).body, tolerate_unknown=True)
    areas = first.observations.frame["geo_fips"].unique().sort().to_list()
    if not areas:
        raise BeaContentError("BEA has no cells of the table's first line by state.", table=table, line=codes[0])
    two = ",".join(areas[:2])
    others = [decode_data((await client.data(table, code, geo=two)).body, tolerate_unknown=True) for code in codes[1:]]
    texts = listed["description"].to_list()
    return Described(
        table,
        _public_title(first),
        combined(answer.observations for answer in (first, *others)),
        dict(zip(codes, _without_statistic(texts), strict=True)),
        {},
    )


async def describe_by_archive(client: BeaClient, table: str, archive: str) -> Described:
    """A table as BEA's keyless archive has it."""
    return describe_file((await client.bulk(archive)).body, table)


def _descriptions(observations: Observations) -> dict[int, str]:
    """The first text of each line."""
    lines = observations.lines.unique("line_code", keep="first", maintain_order=True)
    return dict(lines.select("line_code", "description").iter_rows())


def _title(sheet: Sheet, table: str) -> str | None:
    """What a line around the data says behind the table's name."""
    found = (_TITLE.fullmatch(text) for text in (*sheet.titles, *sheet.remarks))
    return next((clean_text(each[2]) for each in found if each and canonical(each[1]) == table), None)


def _indents(sheet: Sheet, table: str) -> dict[int, int]:
    """By how many blanks each line's text is indented, in the table's rows."""
    indents: dict[int, int] = {}
    has_names = sheet.position("bea_table") is not None
    for name, code, text in zip(
        sheet.cells("bea_table"), sheet.cells("line_code"), sheet.cells("description"), strict=True
    ):
        number = _WHOLE.match(code)
        if number and (not has_names or canonical(name.strip(" \"'")) == table):
            indents.setdefault(int(number[1]), len(text) - len(text.lstrip()))
    return indents


def _public_title(answer: DataAnswer) -> str | None:
    """What the answer says behind the table's name."""
    return clean_text(answer.title.removeprefix(answer.bea_table).lstrip(": ")) or None


def _without_statistic(texts: Sequence[str]) -> list[str]:
    """The texts without the statistic's name, where all begin with the same one."""
    statistic, colon, _ = texts[0].partition(": ")
    common = f"{statistic}{colon}"
    has_one = bool(colon) and len(texts) > 1 and all(text.startswith(common) for text in texts)
    return [text.removeprefix(common) for text in texts] if has_one else list(texts)
