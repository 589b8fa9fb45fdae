"""Making the years of a yearly table: range by range, so that memory does not grow with the years of a run.

A range is read, computed, judged and handed over before the next one is read; rules tell of all ranges together at the
end. A dataset that fails is found out by making each alone.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

import dagster as dg
import polars as pl

from pce_pipeline.bronze.current import Current, decided_since
from pce_pipeline.bronze.history import History, covered_years, inputs_of_bronze
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import Step
from pce_pipeline.quality.rows import LastVersion, TableRows
from pce_pipeline.quality.rules import RuleResult, Seen, Subject
from pce_pipeline.settings import Settings
from pce_pipeline.shell.audit import Read
from pce_pipeline.shell.checks import refuse
from pce_pipeline.shell.io_manager import LakeFrame, LakeIOManager, MadeYears
from pce_pipeline.tables.lineage import Derivation, FromBronze
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

_Common = TypeVar("_Common")


@dataclass(frozen=True)
class YearlyRun:
    """What a yearly table is computed from."""

    years: Sequence[int]
    """The years to compute: a range of those of the run that the current figures cover."""
    tables: Mapping[str, LakeFrame]
    """The rows of each input that is a table, by its name: of these years and of those it reaches back to."""
    held: Mapping[str, Current]
    """What counts of each dataset that the table is made of, by name."""
    settings: Settings
    """How the environment is set."""
    step: Step
    """The record of this step."""
    lake: Lake
    """The lake."""
    every_year: Sequence[int]
    """The years of all its ranges."""
    common: dict[str, Any] = field(default_factory=dict)
    """What the ranges have in common, by name."""

    def once(self, name: str, make: Callable[[], _Common]) -> _Common:
        """What all ranges need, made for the first of them."""
        if name not in self.common:
            self.common[name] = make()
        found: _Common = self.common[name]
        return found

    def add_up(self, name: str, counts: Mapping[str, int]) -> dict[str, int]:
        """Counts of this range, added to those of the ranges before it."""
        before: dict[str, int] = self.common.get(name, {})
        self.common[name] = {each: before.get(each, 0) + count for each, count in counts.items()}
        found: dict[str, int] = self.common[name]
        return found

    @property
    def histories(self) -> Mapping[str, History]:
        """Every vintage of each dataset."""
        return self.once("histories", lambda: {name: History(now) for name, now in self.held.items()})

    def inputs_of_bronze(self, source: FromBronze, year: int) -> Mapping[str, str]:
        """What a year of Silver is made from."""
        return inputs_of_bronze(source, year, self.held[source.dataset], self.histories[source.dataset])

    def inputs(self, derivation: Derivation, year: int) -> dict[str, str]:
        """What a year of the table is made from."""

        def part_hash(table: Table, earlier: int, part: str | None) -> str | None:
            del part  # what is read of a table is that part
            return self.tables[table.name].hashes.get(str(earlier)) if table.name in self.tables else None

        return derivation.inputs_of(year, part_hash, self.inputs_of_bronze)

    def of(self, table: Table) -> pl.DataFrame:
        """The rows of an input."""
        return self.tables[table.name].frame

    def of_year(self, table: Table, year: int) -> pl.DataFrame:
        """The rows of one year of an input that is read a year at a time."""
        held = self.tables[table.name].partitions.get(str(year))
        return self.lake.table(table).read_partition(held) if held else pl.DataFrame(schema=table.polars_schema)

    @property
    def now(self) -> Current:
        """What counts of the dataset that the table is made of, if that is one."""
        (now,) = self.held.values()
        return now

    @property
    def dataset(self) -> Dataset:
        """That dataset."""
        return self.now.dataset


@dataclass(frozen=True)
class Made(Generic[Subject]):
    """What a compute function made of a run."""

    rows: pl.DataFrame | Mapping[int, pl.DataFrame]
    """The rows of all its years, or of each."""
    subject: Subject
    """What the table's rules look at."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the manifests of the years say."""
    details_of_years: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """What else the manifest of one year says."""
    read: Read | None = None
    """The rows that went into each year, where these are not the rows of other tables."""

    def by_year(self, years: Sequence[int]) -> dict[int, pl.DataFrame]:
        """The rows of each of these years; a year may have none."""
        if isinstance(self.rows, Mapping):
            return {year: self.rows[year] for year in years}
        none, found = self.rows.clear(), self._of_years
        return {year: found.get(year, none) for year in years}

    @cached_property
    def _of_years(self) -> Mapping[int, pl.DataFrame]:
        """The rows by year: both the rules and the publication ask for them."""
        if isinstance(self.rows, Mapping):
            return self.rows
        parts = self.rows.partition_by("year", as_dict=True, maintain_order=True)
        return {int(str(year)): rows for (year,), rows in parts.items()}


class NotMade(Exception):
    """Carries the problem of making or judging years past those of writing them."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem
        super().__init__(str(problem))


@dataclass(frozen=True)
class Attempt(Generic[Subject]):
    """Making the years of a table in one run, range by range, of all its datasets or of some."""

    derivation: Derivation
    """The table and how it derives."""
    contracts: Contracts
    """What its rows keep."""
    chosen: Collection[str]
    """The names of the rules that are asked for."""
    compute: Callable[[YearlyRun], Made[Subject]]
    """What computes a range."""
    held: Mapping[str, Current]
    """What counts of each dataset that the table is made of, by name."""
    asked: Sequence[int]
    """The years of the run."""
    standing: Collection[int]
    """Those of them that are left alone."""
    settings: Settings
    """How the environment is set."""
    step: Step
    """The record of this step."""
    lake: Lake
    """The lake."""
    lake_io: LakeIOManager
    """How the tables are read that it is made of."""

    def through(self, datasets: Collection[str], keep: Callable[[MadeYears], None] | None = None) -> list[RuleResult]:
        """Make and judge what these datasets cover, one range after the other, and hand each range over.

        Returns what the chosen rules say of all ranges together. Raises `NotMade` for what making or judging raises,
        and what `keep` raises.
        """
        seen = Seen()
        for run in self._ranges(datasets):
            try:
                made = self.compute(run)
                self._look(seen, run, made)
                years = _years_of(self.derivation, run, made)
            except Exception as problem:
                raise NotMade(problem) from problem
            if keep is not None:
                keep(years)
        return seen.results(self.derivation.table.name)

    def _ranges(self, datasets: Collection[str]) -> Iterator[YearlyRun]:
        """The ranges of years of these datasets, each with the rows that it is computed from."""
        of = {name: self.held[name] for name in datasets}
        covered = covered_years(self.derivation, of)
        years = sorted(year for year in self.asked if year in covered and year not in self.standing)
        common: dict[str, Any] = {}
        for first in range(0, len(years), self.settings.years_at_once):
            some = years[first : first + self.settings.years_at_once]
            try:
                tables = _read(self.lake_io, self.derivation, some, self.contracts.registry, of)
            except Exception as problem:
                raise NotMade(problem) from problem
            yield YearlyRun(some, tables, of, self.settings, self.step, self.lake, years, common)

    def _look(self, seen: Seen, run: YearlyRun, made: Made[Subject]) -> None:
        """Let the chosen rules look at a range."""
        table = self.derivation.table
        contract = self.contracts.of(table.name)
        rows = TableRows(
            table,
            {str(year): frame for year, frame in made.by_year(run.years).items()},
            self.contracts.keys_of(table),
            self.settings.references_resolved_pct,
            # a part of a table is not held against all of it
            last=self._last(run) if len(run.held) == len(self.held) else {},
        )
        seen.look([rule for rule in contract.rules if rule.name in self.chosen], made.subject)
        seen.look([rule for rule in contract.of_rows if rule.name in self.chosen], rows)

    def _last(self, run: YearlyRun) -> dict[str, LastVersion]:
        """What is published of the years of a run until now."""
        store = self.lake.table(self.derivation.table)
        published = store.latest()
        return {
            str(year): LastVersion(
                f"the version of {last.published_at:%Y-%m-%d %H:%M} (run {last.run_id[:8]})",
                last.rows,
                (last.inputs, last.code_version) == (run.inputs(self.derivation, year), self.derivation.code_version),
                partial(store.read_partition, last),
                tuple(decided_since(run.held, last.published_at)),
            )
            for year in run.years
            if (last := published.get(str(year))) is not None
        }

    def failing(self, datasets: Sequence[str], problem: Exception) -> dict[str, Exception]:
        """Which of the datasets fail, each with its problem, where making the table of all of them has this one."""
        if len(datasets) == 1:
            return {datasets[0]: problem}
        found = {name: self._problem_of(name) for name in datasets}
        return {name: why for name, why in found.items() if why is not None}

    def _problem_of(self, dataset: str) -> Exception | None:
        try:
            refuse(self.through([dataset]), thresholds=self.settings.threshold_checks)
        except NotMade as failed:
            return failed.problem
        except dg.Failure as refused:
            return refused
        return None


def _read(
    lake_io: LakeIOManager,
    derivation: Derivation,
    years: Sequence[int],
    registry: Registry,
    held: Mapping[str, Current],
) -> dict[str, LakeFrame]:
    """The rows of each input that is a table; a year that its datasets cover must be there.

    `held` may leave out datasets, which are then not read.
    """
    found = {}
    for each in derivation.tables:
        of = registry.datasets_of(registry.derivation_of(each.table)) if each.part is None else (each.part,)
        covered = covered_years(registry.derivation_of(each.table), {name: held[name] for name in of if name in held})
        if set(of).isdisjoint(held):
            continue
        wanted = sorted({str(earlier) for year in years for earlier in each.years(year)})
        found[each.table.name] = lake_io.read(each, wanted, needed=covered, hashes_only=each.by_year)
    return found


def _releases(derivation: Derivation, run: YearlyRun, year: int) -> dict[str, str]:
    """The releases that a year is made of, by BEA table, through the years that it reaches back to."""
    of_table: dict[str, set[str]] = {}
    if not derivation.tables:
        of_table = {table: {release} for now in run.held.values() for table, release in now.releases.items()}
    known = {table for now in run.held.values() for table in now.dataset.tables}
    for each in (each for each in derivation.tables if each.table.name in run.tables):
        for earlier in each.years(year):
            for table, release in run.tables[each.table.name].releases.get(str(earlier), {}).items():
                if table in known:
                    of_table.setdefault(table, set()).add(release)
    return {table: ", ".join(sorted(releases)) for table, releases in sorted(of_table.items())}


def _years_of(derivation: Derivation, run: YearlyRun, made: Made[Any]) -> MadeYears:
    """A range as it is published."""
    return MadeYears(
        made.by_year(run.years),
        inputs={year: run.inputs(derivation, year) for year in run.years},
        details={year: {**made.details, **made.details_of_years.get(year, {})} for year in run.years},
        releases={year: _releases(derivation, run, year) for year in run.years},
        read=made.read or _rows_read(derivation, run),
    )


def _rows_read(derivation: Derivation, run: YearlyRun) -> Read:
    """The rows of other tables that went into each year, those of the years that it reaches back to included."""
    of_year: dict[str, Mapping[str, int]] = {}
    for each in (each for each in derivation.tables if each.table.name in run.tables):
        given = run.tables[each.table.name]
        of_year[each.table.name] = (
            {year: partition.rows for year, partition in given.partitions.items()}
            if given.frame.is_empty()
            else {str(year): rows for year, rows in given.frame.group_by("year").len().iter_rows()}
        )
    return Read(
        {
            str(year): sum(
                of_year[each.table.name].get(str(earlier), 0)
                for each in derivation.tables
                if each.table.name in of_year
                for earlier in each.years(year)
            )
            for year in (run.years if of_year else ())
        }
    )
