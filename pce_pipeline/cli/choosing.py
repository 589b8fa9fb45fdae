"""What people choose figures by: areas, categories, measures, years, in their own words; and where rows go."""

import difflib
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.parquet import to_parquet
from pce_pipeline.tables.years import parse_years


class Form(StrEnum):
    """What rows are written as."""

    TABLE = "table"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def day_of(text: str) -> date:
    """A day; raises `UsageError` for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date.", remedy="Write it as 2024-12-31.") from None


def listed(text: str | None) -> list[str]:
    """The words of an option that takes several, with commas between them."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


@dataclass(frozen=True)
class Choice:
    """The figures that a call is about; everything where nothing is chosen."""

    areas: tuple[str, ...] = ()
    """FIPS codes."""
    categories: tuple[str, ...] = ()
    """Ids of categories."""
    measures: tuple[str, ...] = ()
    """Names of measures."""
    years: range | None = None
    """The years."""

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows (with geo_fips, category_id, measure and year) that are chosen."""
        chosen = {"geo_fips": self.areas, "category_id": self.categories, "measure": self.measures}
        for column, values in chosen.items():
            rows = rows.filter(pl.col(column).is_in(values)) if values else rows
        return self.of_years(rows)

    def of_years(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows (with year) whose year is chosen."""
        return rows if self.years is None else rows.filter(pl.col("year").is_in(list(self.years)))


def chosen(
    datasets: Collection[Dataset],
    *,
    state: str | None = None,
    category: str | None = None,
    measure: str | None = None,
    years: str | None = None,
    newest: int,
) -> Choice:
    """What the options say, each with commas between its words; raises `UsageError` for a word that nothing has.

    Areas go by postal code, US, BEA's short name of a region, FIPS code or name; `states` and `regions` mean all of
    them. Categories go by id or name.
    """
    areas = pl.concat([each.areas for each in datasets])
    categories = pl.concat([each.categories for each in datasets])
    of_areas = _names(areas, ["geo_name", "path_segment", "state", "geo_fips"], "geo_fips")
    words = [of_level for word in listed(state) for of_level in _of_level(word, areas)]
    of_categories = _names(categories, ["name", "category_id"], "category_id")
    of_measures = {name: name for each in datasets for name in each.measures}
    span = None
    if years is not None:
        first, last = parse_years(years, newest=newest)
        span = range(first, last + 1)
    return Choice(
        _each_known(words, of_areas, "area", "Use postal codes, such as CA,TX, or US, states or regions."),
        _each_known(listed(category), of_categories, "category", "docs/data-dictionary.md lists them."),
        _each_known(listed(measure), of_measures, "measure", f"There are {', '.join(of_measures)}."),
        span,
    )


def _of_level(word: str, areas: pl.DataFrame) -> list[str]:
    """The codes of all areas of a level, where a word means them; else the word."""
    level = {"states": "state", "regions": "region"}.get(word.casefold())
    return [word] if level is None else areas.filter(geo_level=level)["geo_fips"].unique().sort().to_list()


def _names(rows: pl.DataFrame, columns: Sequence[str], what: str) -> dict[str, str]:
    """What each word in any of these columns means; a later column goes before an earlier one."""
    known: dict[str, str] = {}
    for column in columns:
        named = rows.drop_nulls(column)
        known |= {str(word).casefold(): str(each) for word, each in zip(named[column], named[what], strict=True)}
    return known


def _each_known(words: Sequence[str], known: Mapping[str, str], what: str, remedy: str) -> tuple[str, ...]:
    for word in words:
        if word.casefold() not in known:
            close = difflib.get_close_matches(word.casefold(), known, n=3)
            meant = f"Did you mean {', '.join(close)}? " if close else ""
            raise UsageError(f"There is no {what} {word!r}.", remedy=f"{meant}{remedy}")
    return tuple(dict.fromkeys(known[word.casefold()] for word in words))


def write_rows(path: Path, rows: pl.DataFrame, form: Form) -> None:
    """Write rows into a file: as the form says, else as its name says, else as CSV. Raises `UsageError`."""
    by_name = {".parquet": Form.PARQUET, ".json": Form.JSON}
    chosen = by_name.get(path.suffix, Form.CSV) if form is Form.TABLE else form
    if by_name.get(path.suffix, chosen) is not chosen:
        raise UsageError(
            f"{path.name} is not the name of a {chosen.value} file.", remedy="Leave --format out, or change the name."
        )
    try:
        path.write_bytes(as_bytes(rows, chosen))
    except OSError as problem:
        raise UsageError(f"{path} cannot be written: {problem.strerror}.", remedy="Name another file.") from None


def as_bytes(rows: pl.DataFrame, form: Form) -> bytes:
    """Rows as CSV, Parquet or a JSON list."""
    if form is Form.PARQUET:
        return to_parquet(rows)
    out = io.BytesIO()
    if form is Form.JSON:
        decimals = [name for name, dtype in rows.schema.items() if dtype.is_decimal()]
        rows.with_columns(pl.col(decimals).cast(pl.Float64)).write_json(out)
    else:
        rows.write_csv(out)
    return out.getvalue()
