"""The factory of yearly assets: declared derivation, rules, and a function that computes the rows.

It makes the years of a run range by range (`shell.ranges`), lets the rules judge what it made, and hands over only what
may be published: for years that the current figures do not cover, it says why there is nothing. What a range made is
written and forgotten; the table's pointer moves when all ranges were judged. A rule that has nothing to look at gives
no result. A year that stands is left alone, unless the run is forced. Checks that are run alone judge all years and
publish nothing. A dataset that fails is put off where the run also loads others.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.bronze.current import Current, Holdings, absence, lost_extracts
from pce_pipeline.bronze.errors import ExtractLost, NothingHeld
from pce_pipeline.bronze.history import History, covered_years, inputs_of_bronze
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.quality.rules import RuleResult, Subject
from pce_pipeline.settings import Settings
from pce_pipeline.shell.audit import Read
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.deferring import datasets_of_run, loads_others
from pce_pipeline.shell.io_manager import LakeIOManager, MadeYears, StagedYears, YearlyOutput, yearly_output
from pce_pipeline.shell.keys import bronze_key, key_of
from pce_pipeline.shell.page import declared, describe
from pce_pipeline.shell.partitions import ALL_EXTRACTS, ONE_RUN, YEARS, mapping_of, partition_keys_of
from pce_pipeline.shell.ranges import Attempt, Made, NotMade, YearlyRun
from pce_pipeline.shell.retries import is_tried_again
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.tags import is_forced, refresh_tags, tag_run
from pce_pipeline.tables.lineage import Derivation, FromBronze, FromTable
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

_OUTPUT = "result"


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
            attempt = Attempt(
                derivation, contracts, chosen, compute, held, asked, standing, settings, step, lake, lake_io
            )
            of_run = datasets_of_run(context, registry, datasets)
            going = [name for name in of_run if name not in step.run.put_off]
            is_published = key in context.selected_asset_keys

            def through(names: Collection[str]) -> tuple[StagedYears, list[RuleResult]]:
                kept = [name for name in datasets if name not in of_run or name in step.run.put_off]
                staged = lake_io.staged(derivation, context.run.run_id)
                beside = partial(_with_what_stands, derivation, kept, registry, lake, lake_io)
                return staged, attempt.through(names, (lambda made: staged.add(beside(made))) if is_published else None)

            try:
                staged, results = through(going)
                yield from report(results, key, step, thresholds=settings.threshold_checks)
            except (NotMade, dg.Failure) as failure:
                problem = failure.problem if isinstance(failure, NotMade) else failure
                if is_tried_again(problem, settings, tried=context.retry_number):
                    raise problem from None  # a dataset is not put off for what may have passed in a moment
                failing = attempt.failing(going, problem)
                there = [name for name, now in everything.items() if now.manifests]
                if not failing or not loads_others(context, registry, there, {*step.run.put_off, *failing}):
                    raise problem from None
                for name, why in failing.items():
                    step.put_off(name, why)
                going = [name for name in going if name not in failing]
                staged, _ = through(going)
            if is_published:
                kept = [name for name in datasets if name not in of_run or name in step.run.put_off]
                # of years that nobody could look at, nothing is said
                absent = {year: absence(held, year) for year in asked if year not in covered and kept != [*datasets]}
                vintages = {
                    table: str(source.vintage) for name in going for table, source in held[name].known_sources.items()
                }
                yield yearly_output(YearlyOutput(derivation, staged, vintages, absent, standing), _OUTPUT)

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
    derivation: Derivation,
    datasets: Sequence[str],
    registry: Registry,
    lake: Lake,
    lake_io: LakeIOManager,
    made: MadeYears,
) -> MadeYears:
    """Years, with what is published of datasets that the run leaves alone, and what that was made from."""
    table, years = derivation.table, [str(year) for year in made.inputs]
    published = lake.table(table).latest() if datasets else {}
    for name in datasets:
        stands = lake_io.read(FromTable(table, part=name), years, needed=())
        of_it = [
            each for each in derivation.tables if registry.datasets_of(registry.derivation_of(each.table)) == (name,)
        ]
        names = tuple(f"{each.table.name}/" for each in of_it)
        inputs = {
            year: {
                **{each: digest for each, digest in published[str(year)].inputs.items() if each.startswith(names)},
                **now,
            }
            if str(year) in published
            else now
            for year, now in made.inputs.items()
        }
        of_bea = registry.datasets[name].tables
        releases = {
            year: {**{each: of for each, of in stands.releases.get(str(year), {}).items() if each in of_bea}, **now}
            for year, now in made.releases.items()
        }
        frames = {
            year: pl.concat([rows, stands.frame.filter(pl.col("year") == year)]).sort(table.key)
            for year, rows in made.frames.items()
        }
        made = replace(made, frames=frames, inputs=inputs, releases=releases, read=Read())
    return made


def _deps(derivation: Derivation) -> list[dg.AssetDep]:
    inputs = [*derivation.inputs, *(FromTable(each) for each in derivation.follows)]
    return [
        dg.AssetDep(bronze_key(each.dataset), partition_mapping=ALL_EXTRACTS)
        if isinstance(each, FromBronze)
        else dg.AssetDep(key_of(each.table), partition_mapping=mapping_of(each))
        for each in inputs
    ]
