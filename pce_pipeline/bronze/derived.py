"""Derived vintages: values that somebody took from BEA's files, such as a data set of an R package, as a long CSV.

Bronze keeps the file as received and, beside it, the same cells in BEA's own layout, as which they are read. They never
count: no figure that is published comes from them, and they answer only where they are asked for.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pce_pipeline.bea.documents import refuse_cut_lines, sole_csv
from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bea.tables import area_code
from pce_pipeline.bea.values import said, typed
from pce_pipeline.bronze.feeds import Gathered, file_entry, stored_name
from pce_pipeline.bronze.manifest import DERIVED
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.texts import clean_text, is_open, same

_AS_BEA = "002-in-the-layout-of-bea.csv"
_CELL = ["geo_fips", "line_code", "year"]
_NO_VALUE = ["NA", "NaN", "nan", "NULL", "null"]
_WANTED = {
    "area": "areas are FIPS codes such as 01000, postal codes or BEA's names",
    "line": "lines are BEA's codes or texts",
    "year": "years have four digits",
}
_HEADER = ("GeoFIPS", "GeoName", "Region", "TableName", "LineCode", "IndustryClassification", "Description", "Unit")


@dataclass(frozen=True)
class LongColumns:
    """What the columns of a long CSV are called."""

    area: str = "area"
    """The area: FIPS code, postal code, or BEA's name."""
    line: str = "line"
    """The line: its code in the catalogue's layout, or BEA's text."""
    year: str = "year"
    """The calendar year."""
    value: str = "value"
    """The published text of the value."""


class DerivedFeed:
    """A long CSV of one of BEA's tables, plain, compressed, or alone in a zip."""

    def __init__(self, path: Path, columns: LongColumns, dataset: Dataset, provenance: str) -> None:
        self._path = path
        self._columns = columns
        self._dataset = dataset
        self._provenance = provenance

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """Raises `BeaFileRefused` for what cannot be read, `UsageError` for more than one table."""
        if self._dataset.is_monthly:
            raise UsageError("Derived values are of a table by year.", remedy="Give BEA's own files of months.")
        if len(tables) != 1:
            first = next(iter(self._dataset.tables))
            raise UsageError("Derived values are of one table.", remedy=f"Name it, as in --tables {first}.")
        received = _read(self._path)
        table, now = tables[0], datetime.now(UTC)
        made = in_layout_of_bea(self._path.name, received, self._columns, self._dataset, table)
        name = stored_name(1, self._path.name)
        how = {"made_from": name, **asdict(self._columns)}
        bronze.stage(extract, name, received)
        bronze.stage(extract, _AS_BEA, made)
        return Gathered(
            DERIVED,
            {
                name: file_entry(name, received, [], endpoint=DERIVED, extracted_at=now),
                _AS_BEA: file_entry(_AS_BEA, made, [table], endpoint=DERIVED, extracted_at=now, parameters=how),
            },
            provenance=self._provenance,
        )


def in_layout_of_bea(name: str, content: bytes, columns: LongColumns, dataset: Dataset, table: str) -> bytes:
    """The cells of a long CSV as a file of BEA's with a column for each year.

    Raises `BeaFileRefused`, which names row and column, for an area, line or year that is not one, for a cell that is
    there twice and differently, for a file without any number, and for one that may be cut off.
    """
    file = _File(name, table, columns)
    rows = _long(file, content)
    cells = rows.select(
        "row",
        "value",
        geo_fips=_each(file, rows, "area", _areas(dataset)),
        line_code=_each(file, rows, "line", _lines(dataset, table)),
        year=_each(file, rows, "year", _year),
    )
    _refuse_no_number(file, cells)
    each = _once(file, cells).sort("year")
    wide = each.pivot("year", index=["geo_fips", "line_code"], values="value", maintain_order=True)
    return _written(wide.sort("geo_fips", "line_code"), dataset, table)


@dataclass(frozen=True)
class _File:
    """What errors name."""

    name: str
    """The file's name."""
    table: str
    """The table its values are of."""
    columns: LongColumns
    """What it calls its columns."""

    def refused(
        self, rows: str, what: str, problem: str, remedy: str, *, line: int | None = None, area: str | None = None
    ) -> BeaFileRefused:
        """The refusal of a text of a column, in one row or several."""
        where = f"{self.name}, {rows}, column {asdict(self.columns)[what]}"
        return BeaFileRefused(f"{where}: {problem}.", remedy=remedy, table=self.table, line=line, area=area)


def _refuse_no_number(file: _File, cells: pl.DataFrame) -> None:
    if typed(cells.select(value_text="value"))["value"].is_null().all():
        row, text = cells.select("row", "value").row(0)
        remedy = "Name the column of the values with --value-column; numbers have a decimal point."
        raise file.refused(f"row {row}", "value", f"{text!r} is no number, and no other row has one", remedy)


def _once(file: _File, cells: pl.DataFrame) -> pl.DataFrame:
    """Each cell once, however its number is written."""
    once = cells.with_columns(said=said(pl.col("value"))).unique([*_CELL, "said"], keep="first", maintain_order=True)
    twice = once.filter(once.select(_CELL).is_duplicated()).sort(_CELL, maintain_order=True)
    if twice.height:
        first, second = twice.head(2).iter_rows(named=True)
        raise file.refused(
            f"rows {first['row']} and {second['row']}",
            "value",
            f"{first['value']!r} and {second['value']!r} are given for one cell of {first['year']}",
            "Take one of the rows out.",
            line=first["line_code"],
            area=first["geo_fips"],
        )
    return once


def _written(wide: pl.DataFrame, dataset: Dataset, table: str) -> bytes:
    names = dict(dataset.areas.select("geo_fips", "geo_name").iter_rows())
    lines = {row["line_code"]: row for row in dataset.lines.filter(pl.col("bea_table") == table).to_dicts()}
    years = [column for column in wide.columns if column not in {"geo_fips", "line_code"}]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_HEADER, *years])
    for row in wide.iter_rows(named=True):
        line = lines[row["line_code"]]
        said = [row["geo_fips"], names[row["geo_fips"]], "", table, row["line_code"], "...", line["description"]]
        writer.writerow([*said, line["unit"], *(row[year] for year in years)])
    return out.getvalue().encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}.", remedy="Name a file that exists.") from None


def _long(file: _File, content: bytes) -> pl.DataFrame:
    """The rows of the CSV as texts: area, line, year and value, and the number of each row, its header being 1."""
    plain = sole_csv(content)
    if plain == content:  # what came packed shows by itself that it is whole
        refuse_cut_lines(plain)
    try:
        read = pl.read_csv(io.BytesIO(plain), infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as problem:
        why = str(problem).partition("\n")[0].rstrip(".")
        raise BeaFileRefused(
            f"{file.name} is no CSV: {why}.", remedy="Save it as CSV with commas between its columns.", table=file.table
        ) from None
    named = asdict(file.columns)
    missing = [column for column in named.values() if column not in read.columns]
    if missing:
        raise UsageError(
            f"{file.name} has no column {', '.join(missing)}, but {', '.join(read.columns)}.",
            remedy="Name its columns with --area-column, --line-column, --year-column and --value-column, and have "
            "commas between them.",
        )
    texts = [pl.col(column).fill_null("").str.strip_chars().alias(what) for what, column in named.items()]
    rows = read.select(texts).with_row_index("row", offset=2).filter(pl.any_horizontal(pl.col(*named) != ""))
    if rows.is_empty():
        raise BeaFileRefused(f"{file.name} has no rows.", remedy="Give a file with values.", table=file.table)
    return rows.with_columns(pl.col("value").replace(_NO_VALUE, ""))


def _each(file: _File, rows: pl.DataFrame, what: str, meaning: Callable[[str], str | int | None]) -> pl.Series:
    """What each text of a column means, each distinct one asked once."""
    meanings = {text: meaning(text) for text in rows[what].unique().to_list()}
    for row, text in rows.select("row", what).iter_rows():
        if meanings[text] is None:
            remedy = f"Mend it or take the row out: {_WANTED[what]}."
            raise file.refused(f"row {row}", what, f"{text!r} is no {what} of {file.table}", remedy)
    return pl.Series(what, [meanings[text] for text in rows[what].to_list()])


def _areas(dataset: Dataset) -> Callable[[str], str | None]:
    known: dict[str, str] = {}
    for fips, *words in dataset.areas.select("geo_fips", "geo_name", "path_segment").iter_rows():
        known |= {word.casefold(): fips for word in (fips, *words)}
    return lambda text: known.get(area_code(text) or clean_text(text).casefold())


def _lines(dataset: Dataset, table: str) -> Callable[[str], int | None]:
    of_table = dataset.lines.filter(pl.col("bea_table") == table)
    lines = list(of_table.select("line_code", "description", "unit").iter_rows())
    if any(is_open(unit) for *_, unit in lines):
        raise UsageError(
            f"The units of {table} name a base year, which a file of values alone does not.",
            remedy="Take BEA's own file of it.",
        )

    def meaning(text: str) -> int | None:
        if (code := text.removesuffix(".0")).isdecimal():
            return int(code) if int(code) in {each for each, *_ in lines} else None
        found = [code for code, pinned, _ in lines if same(pinned, text)]
        return found[0] if len(found) == 1 else None

    return meaning


def _year(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) == len("1997") else None
