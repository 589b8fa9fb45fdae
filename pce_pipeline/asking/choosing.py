"""What people choose figures by, in their own words: areas, categories, measures, years, months and days.

The shell gives a text with commas, Python a text or a list; both become one `Choice`. A word that nothing has, or that
several things have, is an error with the nearest words.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.tables.years import parse_years

Words = str | Sequence[str] | None
"""Words as a text with commas between them, or one by one; None where nothing is chosen."""
Numbers = str | int | Iterable[int] | None
"""Numbers as a text with ranges, such as `2015...2018`, or one by one; None where nothing is chosen."""

_LAST_MONTH = 12


def day_of(given: str | date) -> date:
    """A day; raises `UsageError` for a text that is none."""
    if isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise UsageError(f"{given!r} is not a date.", remedy="Write it as 2024-12-31.") from None


def listed(words: Words) -> list[str]:
    """The words, one by one.

    >>> listed("CA, TX"), listed(["Glassware, tableware, and household utensils"]), listed(None)
    (['CA', 'TX'], ['Glassware, tableware, and household utensils'], [])
    """
    given = words.split(",") if isinstance(words, str) else words or ()
    return [word.strip() for word in given if word.strip()]


def years_of(given: Numbers, *, newest: int) -> tuple[int, ...] | None:
    """The years that are meant; `newest` closes an open end. Raises `UsageError` for what are none.

    >>> years_of("2019, 2021...2022", newest=2024), years_of(range(2020, 2022), newest=2024)
    ((2019, 2021, 2022), (2020, 2021))
    """
    if given is None:
        return None
    spans = [parse_years(word, newest=newest) for word in _texts(given)]
    return tuple(sorted({year for first, last in spans for year in range(first, last + 1)}))


def months_of(given: Numbers) -> tuple[int, ...]:
    """The months that are meant, from 1 to 12; none where none is chosen. Raises `UsageError` for what are none.

    >>> months_of("1...3,7"), months_of(12)
    ((1, 2, 3, 7), (12,))
    """
    found: set[int] = set()
    for word in _texts(given):
        first, separator, last = word.strip().partition("...")
        ends = [first, last if separator else first]
        if not all(end.isdecimal() and 1 <= int(end) <= _LAST_MONTH for end in ends) or int(ends[0]) > int(ends[1]):
            raise UsageError(f"{word!r} is not a month.", remedy="Write numbers from 1 to 12, such as --months 7.")
        found |= set(range(int(ends[0]), int(ends[1]) + 1))
    return tuple(sorted(found))


def _texts(given: Numbers) -> list[str]:
    if given is None or isinstance(given, str):
        return listed(given)
    return [str(given)] if isinstance(given, int) else [str(each) for each in given]


@dataclass(frozen=True)
class Choice:
    """The figures that a call is about; everything where nothing is chosen."""

    areas: tuple[str, ...] = ()
    """FIPS codes."""
    categories: tuple[str, ...] = ()
    """Ids of categories."""
    measures: tuple[str, ...] = ()
    """Names of measures, or of columns of Gold where these were allowed."""
    years: tuple[int, ...] | None = None
    """The years."""
    months: tuple[int, ...] = ()
    """The months."""

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows (with geo_fips, category_id, measure and year) that are chosen."""
        rows = rows.filter(pl.col("measure").is_in(self.measures)) if self.measures else rows
        return self.of_cells(rows)

    def of_cells(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows (with geo_fips, category_id, year, and month where it is of months) that are chosen."""
        for column, values in {"geo_fips": self.areas, "category_id": self.categories}.items():
            rows = rows.filter(pl.col(column).is_in(values)) if values else rows
        rows = rows.filter(pl.col("month").is_in(self.months)) if self.months and "month" in rows.columns else rows
        return self.of_years(rows)

    def of_years(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the rows (with year) whose year is chosen."""
        return rows if self.years is None else rows.filter(pl.col("year").is_in(self.years))


def chosen(
    datasets: Collection[Dataset],
    *,
    areas: Words = None,
    categories: Words = None,
    measures: Words = None,
    years: Numbers = None,
    months: Numbers = None,
    columns: Collection[str] = (),
    newest: int,
) -> Choice:
    """What is meant; raises `UsageError` for a word that nothing has, or that several categories have.

    Areas go by postal code, US, BEA's short name of a region, FIPS code or name; `states` and `regions` mean all of
    them. Categories go by id, by the id without its scheme, or by name; measures by name, and `columns` beside them.
    """
    all_areas = pl.concat([each.areas for each in datasets])
    all_categories = pl.concat([each.categories for each in datasets]).with_columns(
        tail=pl.col("category_id").str.split(".").list.last()
    )
    of_areas = _names(all_areas, ["geo_name", "path_segment", "state", "geo_fips"], "geo_fips")
    words = [of_level for word in listed(areas) for of_level in _of_level(word, all_areas)]
    of_categories = _names(all_categories, ["tail", "name", "category_id"], "category_id")
    names = dict.fromkeys([name for each in datasets for name in each.measures])
    of_measures = {name: [name] for name in [*columns, *names]}
    return Choice(
        _each_known(words, of_areas, "area", "Use postal codes, such as CA,TX, or US, states or regions."),
        _each_known(listed(categories), of_categories, "category", "`pce find WORDS` looks for them."),
        _each_known(
            listed(measures),
            of_measures,
            "measure",
            f"There are {', '.join(names)}{', and columns of Gold, such as pce_yoy_pct' if columns else ''}.",
        ),
        years_of(years, newest=newest),
        months_of(months),
    )


def _of_level(word: str, areas: pl.DataFrame) -> list[str]:
    """The codes of all areas of a level, where a word means them; else the word."""
    level = {"states": "state", "regions": "region"}.get(word.casefold())
    return [word] if level is None else areas.filter(geo_level=level)["geo_fips"].unique().sort().to_list()


def _names(rows: pl.DataFrame, columns: Sequence[str], what: str) -> dict[str, list[str]]:
    """What each word in any of these columns means; a later column goes before an earlier one."""
    known: dict[str, list[str]] = {}
    for column in columns:
        named = rows.drop_nulls(column).select(word=column, means=what).unique(maintain_order=True)
        of_column: dict[str, list[str]] = {}
        for word, each in named.iter_rows():
            of_column.setdefault(str(word).casefold(), []).append(str(each))
        known |= of_column
    return known


def _each_known(words: Sequence[str], known: Mapping[str, Sequence[str]], what: str, remedy: str) -> tuple[str, ...]:
    for word in words:
        meant = known.get(word.casefold(), ())
        if not meant:
            close = difflib.get_close_matches(word.casefold(), known, n=3)
            nearest = f"Did you mean {', '.join(close)}? " if close else ""
            raise UsageError(f"There is no {what} {word!r}.", remedy=f"{nearest}{remedy}")
        if len(meant) > 1:
            raise UsageError(f"{word!r} is the name of {len(meant)} of them.", remedy=f"Name one: {', '.join(meant)}.")
    return tuple(dict.fromkeys(known[word.casefold()][0] for word in words))
