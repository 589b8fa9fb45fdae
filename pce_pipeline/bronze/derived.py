"""Derived vintages: values that somebody took from BEA's files, such as a data set of an R package, as a long CSV.

Bronze keeps the file as received and, beside it, the same cells in BEA's own layout, as which they are read. They never
count: no figure that is published comes from them, and they answer only where they are asked for.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pce_pipeline.bea.errors import BeaFileRefused
from pce_pipeline.bronze.feeds import Gathered, file_entry, stored_name
from pce_pipeline.bronze.manifest import DERIVED
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.texts import is_open, same

_AS_BEA = "002-in-the-layout-of-bea.csv"
_NO_VALUE = ["NA", "NaN", "nan", "NULL", "null"]
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
    """A long CSV, plain or alone in a zip, of one of BEA's tables."""

    def __init__(self, path: Path, columns: LongColumns, dataset: Dataset, provenance: str) -> None:
        self._path = path
        self._columns = columns
        self._dataset = dataset
        self._provenance = provenance

    def gather(self, bronze: BronzeStore, extract: ExtractId, tables: Sequence[str]) -> Gathered:
        """Raises `BeaFileRefused` for what cannot be read, `UsageError` for more than one table."""
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

    Raises `BeaFileRefused`, which names row and column, for an area, line or year that is not one, and for a cell that
    is there twice and differently.
    """
    rows = _long(name, content, columns)
    cells = pl.DataFrame(
        {
            "geo_fips": _each(name, rows[columns.area], columns.area, _areas(dataset)),
            "line_code": _each(name, rows[columns.line], columns.line, _lines(dataset, table)),
            "year": _each(name, rows[columns.year], columns.year, _year),
            "value": rows[columns.value].fill_null("").str.strip_chars().replace(_NO_VALUE, ""),
        }
    ).unique(maintain_order=True)
    twice = cells.filter(cells.select("geo_fips", "line_code", "year").is_duplicated())
    if twice.height:
        area, line, year, _ = twice.row(0)
        raise BeaFileRefused(
            f"{name} gives line {line}, area {area}, {year} twice and differently.", remedy="Take one of them out."
        )
    wide = cells.sort("year").pivot("year", index=["geo_fips", "line_code"], values="value", maintain_order=True)
    return _written(wide.sort("geo_fips", "line_code"), dataset, table)


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


def _long(name: str, content: bytes, columns: LongColumns) -> pl.DataFrame:
    """The rows of the CSV as texts."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            members = [each for each in packed.namelist() if each.lower().endswith(".csv")]
            if len(members) != 1:
                raise BeaFileRefused(f"{name} holds {len(members)} CSV files.", remedy="Unpack it, and give one.")
            content = packed.read(members[0])
    try:
        rows = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as problem:
        raise BeaFileRefused(f"{name} is no CSV: {problem}.", remedy="Save it as CSV with commas.") from None
    missing = [column for column in asdict(columns).values() if column not in rows.columns]
    if missing:
        raise UsageError(
            f"{name} has no column {', '.join(missing)}, but {', '.join(rows.columns)}.",
            remedy="Name its columns with --area-column, --line-column, --year-column and --value-column.",
        )
    if rows.is_empty():
        raise BeaFileRefused(f"{name} has no rows.", remedy="Give a file with values.")
    return rows


def _each(name: str, texts: pl.Series, column: str, meaning: Callable[[str], str | int | None]) -> pl.Series:
    """What each text means, each distinct one asked once."""
    meanings = {text: meaning((text or "").strip()) for text in texts.unique().to_list()}
    for row, text in enumerate(texts.to_list(), start=2):
        if meanings[text] is None:
            raise BeaFileRefused(
                f"{name}, row {row}, column {column}: {text!r} is not known.",
                remedy="Mend it or take the row out: areas are codes or names, lines are codes or BEA's texts.",
            )
    return pl.Series(texts.name, [meanings[text] for text in texts.to_list()])


def _areas(dataset: Dataset) -> Callable[[str], str | None]:
    known: dict[str, str] = {}
    names = dataset.areas.select("geo_fips", "geo_name", "state", "path_segment")
    for fips, title, state, segment in names.iter_rows():
        words = {fips, fips.lstrip("0") or "0", title, segment, *([state] if state else [])}
        known |= {word.casefold(): fips for word in words}
    return lambda text: known.get(text.casefold())


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
