"""The lake in Python: `open_lake()` gives its tables as Polars, Arrow or DuckDB, and answers as `pce query` does.

It reads what the pipeline has published, and writes nothing into the lake. Neither Dagster nor Postgres is needed or
started.
"""

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pce_pipeline.asking.about import About
from pce_pipeline.asking.choosing import Numbers, Words, day_of, listed, years_of
from pce_pipeline.asking.errors import ExtraMissing
from pce_pipeline.asking.published import SumOver
from pce_pipeline.asking.query import Question, Result, query
from pce_pipeline.asking.reading import Reader
from pce_pipeline.asking.tables_as_of import TablesAsOf
from pce_pipeline.charts.file import plot_file
from pce_pipeline.errors import UsageError
from pce_pipeline.exports.export import Export
from pce_pipeline.exports.forms import form_of
from pce_pipeline.exports.tables import OF_ANSWERS
from pce_pipeline.exports.writing import write
from pce_pipeline.finding.searching import find
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.known import Clock
from pce_pipeline.lake.earlier import dated_versions
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import hide
from pce_pipeline.settings import Settings, Source, load_settings
from pce_pipeline.tables.registry import Registry, load_registry
from pce_pipeline.tables.table import Table

if TYPE_CHECKING:
    import duckdb

_LAYERS = ("", "gold/", "silver/")
_LOOKED_AT = ("geo_name", "category_name", "measure", "year", "month", "value", "status", "unit")


def open_lake(
    *,
    source: Source | None = None,
    profile: str | None = None,
    home: Path | str | None = None,
    uri: str | None = None,
    **settings: Any,  # noqa: ANN401 (one value per field of Settings)
) -> "OpenLake":
    """Open a lake: the one that `pce` would work on, from `.env` and the environment, or as said here.

    `source` is `api`, `bulk` or `sample`, `profile` `full` or one of yours, `home` the folder of a laptop's worlds
    (`.pce` below the working directory), `uri` a directory or `s3://...`. Nothing is read or made before it is asked
    for. Raises `SettingsError`.
    """
    given = {"chosen_source": source, "profile": profile, "home": home, "chosen_lake_uri": uri, **settings}
    return OpenLake(load_settings(**{name: value for name, value in given.items() if value is not None}))


class OpenLake:
    """A lake that is open for reading: `find` what there is, `table` for whole tables, `query` for figures."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        for secret in settings.secrets:
            hide(secret)

    def __repr__(self) -> str:
        return f"<lake of the world {self.settings.world} at {self.settings.lake_uri}>"

    @property
    def is_sample(self) -> bool:
        """Whether its figures are the sample's: invented, and no statistics of BEA."""
        return self.settings.is_sample

    @cached_property
    def registry(self) -> Registry:
        """All datasets, and the tables that derive from them."""
        return load_registry(self.settings.profile, self.settings.catalog)

    @property
    def tables(self) -> list[str]:
        """The names of all tables: those of Gold as `pce_state_annual`, others with their layer."""
        return [table.name.removeprefix("gold/") for table in self.registry.tables]

    def table(self, name: str, *, years: Numbers = None, as_of: str | date | None = None) -> "OpenTable":
        """A table by its name: `pce_state_annual`, `silver/pce_state`; of some years, or as it was on a day.

        As of a day a table is computed from what was known at its end, and a dimension of the catalogue is the version
        that was published then. Raises `UsageError` for a name that no table has, and for a day to come.
        """
        table = self._named(name)
        today = datetime.now(UTC).date()
        chosen = years_of(years, newest=today.year)
        if chosen is not None and not table.is_yearly:
            raise UsageError(f"{table.name} is one piece, without years.", remedy="Leave the years out.")
        if as_of is None:
            return OpenTable(self._lake, self.registry, table, chosen, None)
        day = day_of(as_of)
        if day > today:
            raise UsageError(f"{day} is in the future.", remedy=f"The latest day is {today}.")
        return OpenTable(self._lake, self.registry, table, chosen, day)

    def find(self, words: str, *, limit: int | None = None) -> pl.DataFrame:
        """What there is by people's words, best first: categories, measures, columns and tables, as `pce find` shows.

        The columns are those of `finding.searching.SCHEMA`. Raises `UsageError` where there is no word to look for.
        """
        return find(words, self.registry, limit)

    def query(
        self,
        *,
        states: Words = None,
        areas: Words = None,
        categories: Words = None,
        measures: Words = None,
        years: Numbers = None,
        months: Numbers = None,
        as_of: str | date | None = None,
        clock: Clock = "extract",
        include: Words = None,
        growth: bool = False,
        sum_over: SumOver | None = None,
        datasets: Words = None,
    ) -> "Figures":
        """Figures as they are known now, or were at the end of a day: what `pce query` answers, as a frame.

        Words are a text with commas or a list: `states="CA,TX"`, `categories=["product.health_care"]`; `areas` is
        another name for `states`. Raises what `asking.query.query` raises.
        """
        chosen = listed(datasets)
        if unknown := [name for name in chosen if name not in self.registry.datasets]:
            raise UsageError(
                f"There is no dataset {unknown[0]!r}.", remedy=f"There are {', '.join(self.registry.datasets)}."
            )
        question = Question(
            areas=[*listed(states), *listed(areas)],
            categories=categories,
            measures=measures,
            years=years,
            months=months,
            as_of=as_of,
            clock=clock,
            include=include,
            growth=growth,
            sum_over=sum_over,
        )
        answer = query(self._lake, self.registry, question, datasets=chosen or None, is_sample=self.is_sample)
        return Figures(answer.frame, answer.about, answer.day)

    def sql(self, statement: str, *, as_of: str | date | None = None) -> "Rows":
        """One SQL statement over the tables of the lake and the views of Postgres, without a database.

        `as_of` answers over what was known at the end of a day. DuckDB runs it, and reads and writes nothing else.
        Raises what `sql.answering.answer` raises.
        """
        from pce_pipeline.sql.answering import answer  # noqa: PLC0415 (the SQL of views comes with Postgres' driver)

        answered = answer(self._lake, self.registry, statement, as_of=as_of, is_sample=self.is_sample)
        return Rows(answered.frame, answered.about, answered.day)

    @cached_property
    def _lake(self) -> Lake:
        return Lake.of(self.settings)

    def _named(self, name: str) -> Table:
        tables = {table.name: table for table in self.registry.tables}
        for layer in _LAYERS:
            if f"{layer}{name}" in tables:
                return tables[f"{layer}{name}"]
        close = difflib.get_close_matches(name, self.tables, n=3, cutoff=0.4)
        nearest = f"Did you mean {', '.join(close)}? " if close else ""
        raise UsageError(f"There is no table {name!r}.", remedy=f"{nearest}docs/data-dictionary.md lists them.")


@dataclass(frozen=True, repr=False)
class Figures(Result):
    """An answer to look at, to save and to draw."""

    def __repr__(self) -> str:
        told = [name for name in _LOOKED_AT if name in self.frame.columns]
        sample = "SAMPLE " if self.about.is_sample else ""
        return f"{sample}{self.about.title}\n{self.frame.select(told)}"

    def save(self, path: Path | str, *, wide: bool = False) -> list[Path]:
        """Write the rows, with what they are and how to cite them, into a file; the files written.

        Its name says which form: `.xlsx`, `.csv`, `.json`, `.parquet`, `.sqlite` or `.duckdb`, else CSV. `wide` gives a
        column per year or month. Raises `CannotBeWritten`, `TooManyRows` and `ExtraMissing`.
        """
        rows, to = self.wide() if wide else self.frame, Path(path)
        return [Path(each.file) for each in write([Export("figures", rows, self.about, OF_ANSWERS)], to, form_of(to))]

    def plot(self, path: Path | str) -> Path:
        """Draw the figures as lines into a file whose name ends with `.png` or `.svg`; the file.

        Raises `NotAChart`, `ChartsNotInstalled` where the extra `[ask]` is not installed, and `CannotBeWritten`.
        """
        plot_file(self.frame, self.about, Path(path))
        return Path(path)


@dataclass(frozen=True, repr=False)
class Rows:
    """The answer of an SQL statement, to work with and to save."""

    frame: pl.DataFrame
    """Its rows."""
    about: About | None
    """What the rows are made of, and how to cite it; None for a statement that names no table."""
    day: date
    """The day at whose end they were known: the one that was asked for, or today."""

    def __repr__(self) -> str:
        if self.about is None:
            return str(self.frame)
        return f"{'SAMPLE ' if self.about.is_sample else ''}{self.about.title}\n{self.frame}"

    def save(self, path: Path | str) -> list[Path]:
        """Write the rows, with what they are and how to cite them, into a file; the files written.

        Its name says which form, as of `Figures.save`. Raises `CannotBeWritten`, `TooManyRows` and `ExtraMissing`.
        """
        from pce_pipeline.sql.answering import writable  # noqa: PLC0415 (as above)

        to = Path(path)
        written = write([Export("answer", writable(self.frame), self.about)], to, form_of(to))
        return [Path(each.file) for each in written]


@dataclass(frozen=True)
class OpenTable:
    """A table of an open lake; nothing is read before one of its forms is asked for."""

    lake: Lake
    """The lake."""
    registry: Registry
    """Its datasets and their tables."""
    declared: Table
    """What the table is: grain, columns with units and descriptions, hazards."""
    years: Collection[int] | None
    """The years that are read; None for all."""
    as_of: date | None
    """The day as of whose end the table is; None as it is published now."""

    def pl(self) -> pl.DataFrame:
        """Its rows as a Polars frame, every byte verified.

        Raises `MissingPartitions` where it, or one of its years, is not there, `NotKnownYet` for a day before the first
        vintage, `UsageError` for one of which no version of a dimension is kept, and `DamagedObject`.
        """
        if self.as_of is None:
            keys = None if self.years is None else [str(year) for year in self.years]
            return self.lake.table(self.declared).read(keys)
        if self.declared.name in DIMENSION_FRAMES:
            return _version_of(self.lake, self.declared, self.as_of)
        return TablesAsOf(Reader(self.lake, self.registry), self.as_of, self.years).rows(self.declared)

    def arrow(self) -> Any:  # noqa: ANN401 (pyarrow has no types)
        """Its rows as a `pyarrow.Table`; raises what `pl` raises."""
        return self.pl().to_arrow()

    def duckdb(self) -> "duckdb.DuckDBPyRelation":
        """Its rows as a relation of DuckDB, to be asked in SQL; raises what `pl` raises.

        Raises `ExtraMissing` where DuckDB is not installed.
        """
        try:
            import duckdb  # noqa: PLC0415 (an extra that most calls do without)
        except ImportError:
            raise ExtraMissing("DuckDB", "ask") from None
        return duckdb.from_arrow(self.arrow())


def _version_of(lake: Lake, table: Table, day: date) -> pl.DataFrame:
    """The rows of the newest version of a dimension that was published by the end of a day."""
    store = lake.table(table)
    there = store.latest().get(WHOLE)
    if there is None:
        return store.read()
    versions = dated_versions(there)
    found = [each.partition for each in versions if each.since.date() <= day]
    if not found:
        raise UsageError(
            f"Of {table.name} no version of {day} is kept.", remedy=f"The first one is of {versions[0].since.date()}."
        )
    rows = store.read_version(found[-1])
    if rows is None:
        lost = found[-1].objects[0]
        raise DamagedObject(lost.version_key, lost.sha256, "nothing, or something else")
    return rows
