"""The factory of yearly assets: declared derivation, rules, and a function that computes the rows.

It takes from a run what the function needs, lets the rules judge what it made, and hands over only what may be
published: for years that the current figures do not cover, it says why there is nothing. A rule that has nothing to
look at gives no result. Checks that are run alone judge all years and publish nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import dagster as dg
import polars as pl

from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.errors import NothingHeld
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal, Step
from pce_pipeline.quality.rules import Rule, Subject, judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.io_manager import LakeFrame, LakeIOManager, YearlyOutput, yearly_output
from pce_pipeline.shell.page import declared, describe
from pce_pipeline.shell.partitions import ONE_RUN, YEARS, mapping_of, partition_keys_of
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.tables.lineage import Derivation, inputs_of

_OUTPUT = "result"


@dataclass(frozen=True)
class YearlyRun:
    """What a yearly table is computed from."""

    years: Sequence[int]
    """The years to compute: those of the run that the current figures cover."""
    upstream: LakeFrame
    """The rows of the upstream table, of these years and of those it reaches back to; none where Bronze is upstream."""
    now: Current
    """What counts now."""
    lake: Lake
    """Where the extracts lie."""
    dataset: Dataset
    """What is expected of BEA's tables."""
    settings: Settings
    """How the environment is set."""
    step: Step
    """The record of this step."""


@dataclass(frozen=True)
class Made(Generic[Subject]):
    """What a compute function made of a run."""

    frame: pl.DataFrame
    """The rows of all its years."""
    subject: Subject
    """What the table's rules look at."""
    inputs: Mapping[int, Mapping[str, str]] | None = None
    """What each year was made from; None where that follows from the upstream table."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the manifests of the years say."""
    releases: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """The releases that each year was made of, by BEA table."""


def yearly_asset(
    derivation: Derivation,
    rules: Sequence[Rule[Subject]],
    compute: Callable[[YearlyRun], Made[Subject]],
    *,
    deps: Sequence[dg.AssetDep] = (),
) -> dg.AssetsDefinition:
    """The asset of a yearly table, with a check for each rule.

    `deps` stand in for the upstream table where Bronze is upstream. For example, a table that repeats the facts:

        yearly_asset(DERIVATION, rules, lambda run: Made(run.upstream.frame, subject=run.upstream.frame))
    """
    table, key = derivation.table, dg.AssetKey(derivation.table.name.split("/"))
    if derivation.upstream is not None:
        upstream = dg.AssetKey(derivation.upstream.name.split("/"))
        deps = [dg.AssetDep(upstream, partition_mapping=mapping_of(derivation))]

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
        deps=deps,
        partitions_def=YEARS,
        backfill_policy=ONE_RUN,
        check_specs=check_specs(rules, key),
        can_subset=True,
    )
    def yearly(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        lake_io: dg.ResourceParam[LakeIOManager],
        dataset: dg.ResourceParam[Dataset],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        with recorded_step(context, journal, table.name) as step:
            now = current(lake.bronze, dataset)
            if not now.manifests:
                raise NothingHeld(lake.uri)
            asked = [int(year) for year in partition_keys_of(context)] or sorted(now.covered_years)
            years = [year for year in asked if year in now.covered_years]
            run = YearlyRun(years, _upstream(lake_io, derivation, years), now, lake, dataset, settings, step)
            made = compute(run) if years else None
            if made is not None:
                selected = {check.name for check in context.selected_asset_check_keys}
                yield from report(
                    judge((rule for rule in rules if rule.name in selected), made.subject),
                    key,
                    step,
                    thresholds=settings.threshold_checks,
                )
            if key in context.selected_asset_keys:
                absent = {year: now.absence(year) for year in asked if year not in now.covered_years}
                yield yearly_output(_output(derivation, run, made, absent), _OUTPUT)

    return yearly


def releases_of(derivation: Derivation, run: YearlyRun) -> Mapping[int, Mapping[str, str]]:
    """The releases that each year is made of, by BEA table, through the upstream years that it reaches back to."""
    found: dict[int, dict[str, str]] = {}
    for year in run.years:
        of_table: dict[str, set[str]] = {}
        for earlier in derivation.upstream_years(year):
            for table, release in run.upstream.releases.get(str(earlier), {}).items():
                of_table.setdefault(table, set()).add(release)
        found[year] = {table: ", ".join(sorted(releases)) for table, releases in sorted(of_table.items())}
    return found


def _upstream(lake_io: LakeIOManager, derivation: Derivation, years: Sequence[int]) -> LakeFrame:
    if derivation.upstream is None:
        return LakeFrame(pl.DataFrame(), {})
    wanted = sorted({str(earlier) for year in years for earlier in derivation.upstream_years(year)})
    return lake_io.read(derivation.upstream, wanted)


def _output(derivation: Derivation, run: YearlyRun, made: Made[Any] | None, absent: Mapping[int, str]) -> YearlyOutput:
    if made is None:
        return YearlyOutput(derivation, pl.DataFrame(schema=derivation.table.polars_schema), {}, absent=absent)
    inputs = made.inputs
    if inputs is None:
        inputs = {year: inputs_of(derivation, year, run.upstream.hashes) for year in run.years}
    return YearlyOutput(derivation, made.frame, inputs, made.details, made.releases, absent)
