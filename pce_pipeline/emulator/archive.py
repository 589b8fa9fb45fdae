"""BEA's bulk archive and release calendar, rendered from a publication.

An archive has the members, layout and quirks of BEA's own: a CSV of all areas and one per area for each table, a
definition and footnotes, and the CSV of all areas of each table that repeats its figures. Equal publications give equal
bytes.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.faults import Fault
from pce_pipeline.emulator.publication import Publication, publish
from pce_pipeline.emulator.render import CODE_NOTES, unit_note
from pce_pipeline.emulator.vintages import VINTAGES, Vintage

_COLUMNS = "GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit"
_NEWLINE = "\r\n"
_BUREAU = "U.S. Bureau of Economic Analysis"
_STYLE = (
    "UL{text-indent:-1em;list-style-type:none;list-style-image:none;} LI{padding-bottom: 0.25em;} BODY{margin:1in;}"
)
_MADE_BEFORE_RELEASE = timedelta(days=11)
_NEXT_RELEASE = date(2035, 9, 27)
_NEXT_PRICES = date(2036, 2, 20)
_REAL_PCE = "Real Personal Consumption Expenditures by State and Real Personal Income by State"


@lru_cache(maxsize=4)
def archive(
    name: str, release: int, faults: frozenset[Fault] = frozenset(), catalog: Path | None = None
) -> bytes | None:
    """The zip of that name of one release under the given faults of publication; None where BEA has none.

    The last few are kept.
    """
    publication = publish(release, faults, catalog)
    if name not in {each.dataset.archive for each in publication.tables.values()}:
        return None
    made = publication.vintage.last_updated - _MADE_BEFORE_RELEASE
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for of_member, text in _members(publication, name):
            member = zipfile.ZipInfo(of_member, (made.year, made.month, made.day, 10, 51, 36))
            member.create_system = 0
            packed.writestr(member, text.encode("ascii"), zipfile.ZIP_DEFLATED, compresslevel=1)
    return buffer.getvalue()


def _members(publication: Publication, archive_name: str) -> Iterator[tuple[str, str]]:
    """The members of an archive: its own tables first, then what it holds of tables that repeat their figures."""
    held = [table for table, published in publication.tables.items() if archive_name in published.archives]
    for table in sorted(held, key=lambda each: (publication.tables[each].dataset.archive != archive_name, each)):
        members = _table_members(publication, table)
        yield from members if publication.tables[table].dataset.archive == archive_name else islice(members, 1)


def _table_members(publication: Publication, table: str) -> Iterator[tuple[str, str]]:
    published = publication.tables[table]
    years = published.years
    span = f"{years[0]}_{years[-1]}"
    header = ",".join([_COLUMNS, *map(str, years)])
    mark = "" if published.is_guest else "1/"
    footer = _footer(table, f"{published.title} {mark}", published.note)
    rows = _csv_rows(publication, table)
    of_states = not published.is_guest and "region" not in published.levels
    name = f"{table}_STATE_{span}.csv" if of_states else f"{table}__ALL_AREAS_{span}.csv"
    yield name, _NEWLINE.join([header, *rows["row"], *footer])
    yield f"{table}__definition.xml", _definition(publication, table)
    yield f"{table}__Footnotes.html", _footnotes(publication, table)
    if of_states:
        return  # BEA has one file of a table that has no regions
    for (segment,), of_area in sorted(rows.group_by("path_segment", maintain_order=True)):
        yield f"{table}_{segment}_{span}.csv", _NEWLINE.join([header, *of_area["row"], *footer])


def _csv_rows(publication: Publication, table: str) -> pl.DataFrame:
    """Columns path_segment and row, by area and line."""
    areas = publication.areas.with_columns(
        pl.coalesce("region_fips", pl.when(pl.col("geo_fips") != "00000").then("geo_fips"))
        .str.slice(1, 1)
        .fill_null(" ")
        .alias("region")
    )
    # BEA's rows start with a blank, indent the description by depth and end it with a blank.
    row = pl.concat_str(
        pl.lit(' "'),
        "geo_fips",
        pl.lit('","'),
        "geo_name",
        pl.lit('",'),
        "region",
        pl.lit(f",{table},"),
        "line_code",
        pl.lit(',"...","'),
        pl.lit(" ").repeat_by("depth").list.join(""),
        "description",
        pl.lit(' ","'),
        "unit",
        pl.lit('",'),
        "values",
    )
    return (
        publication.cells[table]
        .frame.group_by("line_code", "geo_fips", maintain_order=True)
        .agg(pl.col("value_text").str.join(",").alias("values"))
        .join(publication.lines.filter(pl.col("bea_table") == table), on="line_code")
        .join(areas, on="geo_fips")
        .sort("geo_fips", "line_code")
        .select("path_segment", row.alias("row"))
    )


def _footer(table: str, title: str, note: str) -> tuple[str, ...]:
    return (
        '"Note: See the included footnote file."',
        f'"{table}: {title}"',
        f'"{note}"',
        f'"{_BUREAU}"',
        "",
    )


def _definition(publication: Publication, table: str) -> str:
    lines = "".join(
        f"<LINE><Code>{line}</Code><Description>{escape(text[0], quote=False)}</Description></LINE>"
        for line, text in publication.line_texts[table].items()
    )
    name = escape(publication.tables[table].title)
    return (
        f'<TABLE_DEFINITIONS Table="{table}" Name="{name}" Source="USDOC/BEA/RD">{lines}</TABLE_DEFINITIONS>{_NEWLINE}'
    )


def _footnotes(publication: Publication, table: str) -> str:
    first_line = next(iter(publication.line_texts[table]))
    cells = publication.cells[table].frame["value_text"]
    codes = sorted(set(cells.filter(cells.str.starts_with("("))))
    marks = [("1/", unit_note(publication.measure(table, first_line))), *((code, CODE_NOTES[code]) for code in codes)]
    marks.append((" ", publication.tables[table].note))
    entries = _NEWLINE.join(f"<LI>{mark}&nbsp;{escape(text, quote=False)}</LI>" for mark, text in marks)
    return (
        f"<HTML><HEAD><TITLE>{table} Footnotes</TITLE><STYLE>{_STYLE}</STYLE></HEAD><BODY>{_NEWLINE}"
        f"<DIV>{table} Footnotes</DIV><DIV><UL>{_NEWLINE}{_NEWLINE}{entries}{_NEWLINE}"
        f"</UL></DIV><DIV>{_BUREAU}</DIV></BODY></HTML>{_NEWLINE}"
    )


def calendar(release: int, catalog: Path | None = None, *, with_names: bool = True) -> str:
    """The release calendar as JSON text: this release, those before it (some said twice) and one to come.

    `with_names=False` leaves out every name under which the catalogue looks for a dataset.
    """
    datasets = load_datasets("full", catalog).values()
    looked_for = {name for dataset in datasets for name in dataset.release_names}
    published = [one for one in VINTAGES if one.number <= release]
    days = [_moment(one.last_updated) for one in published]
    states = {"release_dates": [*days, days[-1], _moment(_NEXT_RELEASE)]}
    real = {
        "release_dates": [
            *(_moment(one.last_updated) for one in published if one.prices_of is None),
            _moment(_NEXT_PRICES),
        ]
    }
    entries: dict[str, Any] = {
        "Gross Domestic Product": {**states, "url": "https://www.bea.gov/data/gdp/gross-domestic-product"},
        _REAL_PCE: {**real, "to_be_rescheduled": []},
    }
    for dataset in datasets:
        of_dataset = real if _REAL_PCE in dataset.release_names[:1] else states
        entries |= {name: of_dataset for name in dataset.release_names[:2] if name not in entries}
    if not with_names:
        entries = {name: entry for name, entry in entries.items() if name not in looked_for}
    return json.dumps({**entries, "file_last_updated": _file_date(published[-1])})


def _moment(day: date) -> str:
    return f"{day.isoformat()}T12:30:00+00:00"


def _file_date(newest: Vintage) -> str:
    return f"{newest.last_updated.isoformat()}T08:00:00"
