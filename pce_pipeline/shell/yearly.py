"""The factory of yearly assets: declared derivation, rules, and a function that computes the rows.

It takes from a run what the function needs, lets the rules judge what it made, and hands over only what may be
published: for years that the current figures do not cover, it says why there is nothing. A rule that has nothing to
look at gives no result. A year that stands is left alone, unless the run is forced. Checks that are run alone judge all
years and publish nothing. A dataset that fails is put off where the run also loads others.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Generic

import dagster as dg
import polars as pl

from pce_pipeline.bronze.current import Current, Holdings, absence, decided_since, lost_extracts
from pce_pipeline.bronze.errors import ExtractLost, NothingHeld
from pce_pipeline.bronze.history import History, covered_years, inputs_of_bronze
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal, Step
from pce_pipeline.quality.rows import LastVersion, TableRows
from pce_pipeline.quality.rules import RuleResult, Subject, judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.audit import Read
from pce_pipeline.shell.checks import check_specs, refuse, report
from pce_pipeline.shell.deferring import datasets_of_run, loads_others
from pce_pipeline.shell.io_manager import LakeFrame, LakeIOManager, YearlyOutput, yearly_output
from pce_pipeline.shell.keys import bronze_key, key_of
from pce_pipeline.shell.page import declared, describe
from pce_pipeline.shell.partitions import ALL_EXTRACTS, ONE_RUN, YEARS, mapping_of, partition_keys_of
from pce_pipeline.shell.retries import is_tried_again
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.tags import is_forced, refresh_tags, tag_run
from pce_pipeline.tables.lineage import Derivation, FromBronze, FromTable
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

_OUTPUT = "result"


@dataclass(frozen=True)
class YearlyRun:
    """What a yearly table is computed from."""

    years: Sequence[int]
    """The years to compute: those of the run that the current figures cover."""
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

    @cached_property
    def histories(self) -> Mapping[str, History]:
        """Every vintage of each dataset."""
        return {name: History(now) for name, now in self.held.items()}

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


@dataclass(frozen=True)
class _Attempt(Generic[Subject]):
    """Making a table in one run, of all its datasets or of some."""

    derivation: Derivation
    contracts: Contracts
    chosen: Collection[str]
    compute: Callable[[YearlyRun], Made[Subject]]
    held: Mapping[str, Current]
    asked: Sequence[int]
    standing: Collection[int]
    settings: Settings
    step: Step
    lake: Lake
    lake_io: LakeIOManager

    def make(self, datasets: Collection[str]) -> tuple[YearlyRun, Made[Subject] | None]:
        """What is made of these datasets, and from what; None where they cover no year of the run."""
        of = {name: self.held[name] for name in datasets}
        covered = covered_years(self.derivation, of)
        years = [year for year in self.asked if year in covered and year not in self.standing]
        tables = _read(self.lake_io, self.derivation, years, self.contracts.registry, of) if years else {}
        run = YearlyRun(years, tables, of, self.settings, self.step, self.lake)
        return run, self.compute(run) if years else None

    def judged(self, run: YearlyRun, made: Made[Subject]) -> list[RuleResult]:
        """What the chosen rules say of it."""
        table = self.derivation.table
        contract = self.contracts.of(table.name)
        own = [rule for rule in contract.rules if rule.name in self.chosen]
        of_rows = [rule for rule in contract.of_rows if rule.name in self.chosen]
        rows = TableRows(
            table,
            {str(year): frame for year, frame in made.by_year(run.years).items()},
            self.contracts.keys_of(table),
            self.settings.references_resolved_pct,
            # a part of a table is not held against all of it
            last=self._last(run) if len(run.held) == len(self.held) else {},
        )
        return [*judge(own, table.name, made.subject), *judge(of_rows, table.name, rows)]

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
            run, made = self.make([dataset])
            if made is not None:
                refuse(self.judged(run, made), thresholds=self.settings.threshold_checks)
        except Exception as problem:  # noqa: BLE001 (whatever it is, the other datasets go on)
            return problem
        return None


def yearly_asset(
    derivation: Derivation,
    contracts: Contracts,
    compute: Callable[[YearlyRun], Made[Subject]],
) -> dg.AssetsDefinition:
    """The asset of a yearly table, with a check for each rule of its contract.

    For example, a table that repeats the facts:

        yearly_asset(derivation, contracts, lambda run: Made(run.of(GOLD_FACTS), subject=run.of(GOLD_FACTS)))
    """
    registry, table, key = contracts.registry, derivation.table, key_of(derivation.table)
    datasets = registry.datasets_of(derivation)

    # Dagster takes no result for less than it was asked for from an asset with one output that must be there.
    @dg.multi_asset(
        name=key.to_python_identifier(),
        outs={
            _OUTPUT: dg.AssetOut(
                key=key,
                io_manager_key="lake_io",
                is_required=False,
                kinds={"polars", "parquet"},
                code_version=derivation.code_version,
                description=describe(table),
                metadata=declared(table),
            )
        },
        deps=_deps(derivation),
        partitions_def=YEARS,
        backfill_policy=ONE_RUN,
        check_specs=check_specs(contracts.of(table.name).gate, key),
        can_subset=True,
    )
    def yearly(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        lake_io: dg.ResourceParam[LakeIOManager],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        with recorded_step(context, journal, table.name, datasets, settings) as step:
            everything = holdings.of_run(context.run.run_id)
            tag_run(context, refresh_tags(settings, partition_keys_of(context), everything))
            if not any(now.manifests for now in everything.values()):
                raise NothingHeld(lake.uri)
            held = {name: everything[name] for name in datasets}
            _demand_whole_bronze(derivation, held, lake)
            covered = covered_years(derivation, held)
            asked = [int(year) for year in partition_keys_of(context)] or sorted(covered)
            chosen = {check.name for check in context.selected_asset_check_keys}
            left_alone = key in context.selected_asset_keys and not is_forced(context)
            standing = _standing(derivation, held, set(asked) & covered, lake) if left_alone else {}
            attempt = _Attempt(
                derivation, contracts, chosen, compute, held, asked, standing, settings, step, lake, lake_io
            )
            of_run = datasets_of_run(context, registry, datasets)
            going = [name for name in of_run if name not in step.run.put_off]
            try:
                run, made = attempt.make(going)
                if made is not None:
                    yield from report(attempt.judged(run, made), key, step, thresholds=settings.threshold_checks)
            except Exception as problem:
                if is_tried_again(problem, settings, tried=context.retry_number):
                    raise  # a dataset is not put off for what may have passed in a moment
                failing = attempt.failing(going, problem)
                there = [name for name, now in everything.items() if now.manifests]
                if not failing or not loads_others(context, registry, there, {*step.run.put_off, *failing}):
                    raise
                for name, why in failing.items():
                    step.put_off(name, why)
                run, made = attempt.make([name for name in going if name not in failing])
            if key in context.selected_asset_keys:
                kept = [name for name in datasets if name not in of_run or name in step.run.put_off]
                # of years that nobody could look at, nothing is said
                absent = {year: absence(held, year) for year in asked if year not in covered and kept != [*datasets]}
                output = replace(_output(derivation, run, made, absent), standing=standing)
                yield yearly_output(_with_what_stands(output, kept, registry, lake, lake_io), _OUTPUT)

    return yearly


def _standing(
    derivation: Derivation, held: Mapping[str, Current], years: Collection[int], lake: Lake
) -> dict[int, Partition]:
    """The years that are published as what they would be made from now, and lie in the lake as they were published."""
    histories = {name: History(now) for name, now in held.items()}
    of_tables = {each.table.name: lake.table(each.table).latest() for each in derivation.tables}

    def part_hash(table: Table, year: int, part: str | None) -> str | None:
        partition = of_tables[table.name].get(str(year))
        return partition.part_sha256(part) if partition is not None else None

    def of_bronze(source: FromBronze, year: int) -> Mapping[str, str]:
        return inputs_of_bronze(source, year, held[source.dataset], histories[source.dataset])

    made_of = {str(year): (derivation.inputs_of(year, part_hash, of_bronze), derivation.code_version) for year in years}
    return {int(year): each for year, each in lake.table(derivation.table).standing(made_of).items()}


def _demand_whole_bronze(derivation: Derivation, held: Mapping[str, Current], lake: Lake) -> None:
    """Raise `ExtractLost` where a table is made of extracts and one that it was made of is there no more."""
    for each in derivation.inputs:
        if isinstance(each, FromBronze):
            published = lake.table(derivation.table).latest()
            now = held[each.dataset]
            if lost := lost_extracts(now, published):
                remedy = now.bronze.how_to_restore_extracts(lost)
                raise ExtractLost(each.dataset, lost, derivation.table.name, remedy=remedy)


def _with_what_stands(
    output: YearlyOutput, datasets: Sequence[str], registry: Registry, lake: Lake, lake_io: LakeIOManager
) -> YearlyOutput:
    """The output, with what is published of datasets that the run leaves alone, and what that was made from."""
    table, years = output.derivation.table, [str(year) for year in output.inputs]
    published = lake.table(table).latest() if datasets else {}
    for name in datasets:
        stands = lake_io.read(FromTable(table, part=name), years, needed=())
        of_it = [
            each
            for each in output.derivation.tables
            if registry.datasets_of(registry.derivation_of(each.table)) == (name,)
        ]
        names = tuple(f"{each.table.name}/" for each in of_it)
        inputs = {
            year: {
                **{each: digest for each, digest in published[str(year)].inputs.items() if each.startswith(names)},
                **now,
            }
            if str(year) in published
            else now
            for year, now in output.inputs.items()
        }
        of_bea = registry.datasets[name].tables
        releases = {
            year: {**{each: of for each, of in stands.releases.get(str(year), {}).items() if each in of_bea}, **now}
            for year, now in output.releases.items()
        }
        frames = {
            year: pl.concat([made, stands.frame.filter(pl.col("year") == year)]).sort(table.key)
            for year, made in output.frames.items()
        }
        output = replace(output, frames=frames, inputs=inputs, releases=releases, read=Read())
    return output


def _deps(derivation: Derivation) -> list[dg.AssetDep]:
    inputs = [*derivation.inputs, *(FromTable(each) for each in derivation.follows)]
    return [
        dg.AssetDep(bronze_key(each.dataset), partition_mapping=ALL_EXTRACTS)
        if isinstance(each, FromBronze)
        else dg.AssetDep(key_of(each.table), partition_mapping=mapping_of(each))
        for each in inputs
    ]


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


def _output(derivation: Derivation, run: YearlyRun, made: Made[Any] | None, absent: Mapping[int, str]) -> YearlyOutput:
    if made is None:
        return YearlyOutput(derivation, {}, {}, absent=absent)
    inputs = {year: run.inputs(derivation, year) for year in run.years}
    releases = {year: _releases(derivation, run, year) for year in run.years}
    vintages = {table: str(source.vintage) for now in run.held.values() for table, source in now.known_sources.items()}
    details = {year: {**made.details, **made.details_of_years.get(year, {})} for year in run.years}
    read = made.read or _rows_read(derivation, run)
    return YearlyOutput(derivation, made.by_year(run.years), inputs, details, releases, vintages, absent, read)


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
