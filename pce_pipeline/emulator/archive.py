"""BEA's bulk archive and release calendar, rendered from a publication.

The archive has the members, layout and quirks of BEA's own: a CSV of all areas and one per area for each table, a
definition, footnotes, and a summary table that is none of ours. Equal publications give equal bytes.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from html import escape
from typing import Any

import polars as pl

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.faults import Fault
from pce_pipeline.emulator.publication import Publication, publish
from pce_pipeline.emulator.render import CODE_NOTES, NOT_BEA, UNIT_NOTES
from pce_pipeline.emulator.vintages import VINTAGES, Vintage

_COLUMNS = "GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit"
_NEWLINE = "\r\n"
_BUREAU = "U.S. Bureau of Economic Analysis"
_STYLE = (
    "UL{text-indent:-1em;list-style-type:none;list-style-image:none;} LI{padding-bottom: 0.25em;} BODY{margin:1in;}"
)
_MADE_BEFORE_RELEASE = timedelta(days=11)
_NEXT_RELEASE = date(2035, 9, 27)
_REAL_PCE = "Real Personal Consumption Expenditures by State and Real Personal Income by State"


@lru_cache(maxsize=2)
def archive(release: int, faults: frozenset[Fault] = frozenset()) -> bytes:
    """The zip of one release under the given faults of publication; the last two are kept."""
    publication = publish(release, faults)
    made = publication.vintage.last_updated - _MADE_BEFORE_RELEASE
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, text in _members(publication):
            member = zipfile.ZipInfo(name, (made.year, made.month, made.day, 10, 51, 36))
            member.create_system = 0
            packed.writestr(member, text.encode("ascii"), zipfile.ZIP_DEFLATED, compresslevel=1)
    return buffer.getvalue()


def _members(publication: Publication) -> Iterator[tuple[str, str]]:
    for table in sorted(publication.titles):
        yield from _table_members(publication, table)
    yield from _summary_members(publication)


def _table_members(publication: Publication, table: str) -> Iterator[tuple[str, str]]:
    years = publication.vintage.years
    span = f"{years[0]}_{years[-1]}"
    header = ",".join([_COLUMNS, *map(str, years)])
    title = f"{publication.titles[table]} 1/"
    footer = _footer(table, title, publication.note(table))
    rows = _csv_rows(publication, table)
    yield f"{table}__ALL_AREAS_{span}.csv", _NEWLINE.join([header, *rows["row"], *footer])
    yield f"{table}__definition.xml", _definition(publication, table)
    yield f"{table}__Footnotes.html", _footnotes(publication, table)
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
        publication.cells.filter(pl.col("bea_table") == table)
        .group_by("line_code", "geo_fips", maintain_order=True)
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
    name = escape(publication.titles[table])
    return (
        f'<TABLE_DEFINITIONS Table="{table}" Name="{name}" Source="USDOC/BEA/RD">{lines}</TABLE_DEFINITIONS>{_NEWLINE}'
    )


def _footnotes(publication: Publication, table: str) -> str:
    multiplier = next(iter(publication.line_texts[table].values()))[2]
    cells = publication.cells.filter(pl.col("bea_table") == table)["value_text"]
    codes = sorted(set(cells.filter(cells.str.starts_with("("))))
    marks = [("1/", NOT_BEA + UNIT_NOTES[multiplier]), *((code, CODE_NOTES[code]) for code in codes)]
    marks.append((" ", publication.note(table)))
    entries = _NEWLINE.join(f"<LI>{mark}&nbsp;{escape(text, quote=False)}</LI>" for mark, text in marks)
    return (
        f"<HTML><HEAD><TITLE>{table} Footnotes</TITLE><STYLE>{_STYLE}</STYLE></HEAD><BODY>{_NEWLINE}"
        f"<DIV>{table} Footnotes</DIV><DIV><UL>{_NEWLINE}{_NEWLINE}{entries}{_NEWLINE}"
        f"</UL></DIV><DIV>{_BUREAU}</DIV></BODY></HTML>{_NEWLINE}"
    )


def _summary_members(publication: Publication) -> Iterator[tuple[str, str]]:
    """A table of the archive that is not asked for, with (NA) cells as BEA's summary has."""
    years = publication.vintage.years[1:]
    values = ",".join(["(NA)", *(str(100_000 + 700 * (year - years[0])) for year in years[1:])])
    row = (
        f' "00000","United States", ,SASUMMARY,15,"..."," Total employment (number of jobs) ","Number of jobs",{values}'
    )
    header = ",".join([_COLUMNS, *map(str, years)])
    footer = _footer(
        "SASUMMARY", "State annual summary statistics ", f"Last updated: {publication.vintage.updated_text}."
    )
    yield f"SASUMMARY__ALL_AREAS_{years[0]}_{years[-1]}.csv", _NEWLINE.join([header, row, *footer])


def calendar(release: int, *, with_names: bool = True) -> str:
    """The release calendar as JSON text: this release, those before it (some said twice) and one to come.

    `with_names=False` leaves out every name under which the catalogue looks for the dataset.
    """
    published = [one for one in VINTAGES if one.number <= release]
    days = [_moment(one.last_updated) for one in published]
    states = {"release_dates": [*days, days[-1], _moment(_NEXT_RELEASE)]}
    real = {"release_dates": [_moment(one.last_updated + timedelta(days=77)) for one in published]}
    entries: dict[str, Any] = {
        "Gross Domestic Product": {**states, "url": "https://www.bea.gov/data/gdp/gross-domestic-product"},
        _REAL_PCE: {**real, "to_be_rescheduled": []},
    }
    if with_names:
        entries |= dict.fromkeys(load_datasets("full")["pce_state"].release_names[:2], states)
    return json.dumps({**entries, "file_last_updated": _file_date(published[-1])})


def _moment(day: date) -> str:
    return f"{day.isoformat()}T12:30:00+00:00"


def _file_date(newest: Vintage) -> str:
    return f"{newest.last_updated.isoformat()}T08:00:00"
