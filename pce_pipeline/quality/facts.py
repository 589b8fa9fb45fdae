"""Rules of the conformed facts: declaration, keys, completeness, explained NULLs, accounting identities."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from pce_pipeline.quality.completeness import completeness_rules
from pce_pipeline.quality.frames import expected_cells, repeated_keys, unexplained, violations_of_schema
from pce_pipeline.quality.identities import (
    FactYears,
    children_add_up_to_parents,
    per_capita_times_population_is_the_total,
    states_add_up_to_regions,
    states_add_up_to_the_nation,
)
from pce_pipeline.quality.prices import prices_rules
from pce_pipeline.quality.rules import EXAMPLES, Figure, Finding, Rule, rule
from pce_pipeline.tables.facts import GOLD_FACTS

MIXED_WITH = " with "
"""Between the releases of a table whose figures are of several."""

_FACT_TEXT = "{measure} of {category_id}, area {geo_fips}, {year}"


@rule("threshold", tolerance="None: what the held tables and years publish is known to the row.")
def row_count_is_as_expected(facts: FactYears) -> Finding:
    """There is one fact for every quantity that the tables and years at hand publish, and no other."""
    quantity = ["measure", "category_id", "geo_fips", "year"]
    cells = expected_cells(facts.dataset, facts.held) if facts.spoken_of is None else facts.spoken_of
    expected = cells.select(quantity).unique()
    missing = expected.join(facts.frame, on=quantity, how="anti").sort(quantity)
    at_times = facts.dataset.cells_at_times.select(quantity[:3]).unique()
    surplus = (
        facts.frame.join(expected, on=quantity, how="anti").join(at_times, on=quantity[:3], how="anti").sort(quantity)
    )
    return Finding(
        passed=missing.is_empty() and surplus.is_empty(),
        summary="{rows} facts of {expected} expected",
        figures={
            "rows": facts.frame.height,
            "expected": expected.height,
            "missing": missing.height,
            "unexpected": surplus.height,
        },
        examples=tuple(
            f"{what}: {_FACT_TEXT.format(**row)}"
            for what, rows in (("missing", missing), ("unexpected", surplus))
            for row in rows.head(EXAMPLES).iter_rows(named=True)
        ),
    )


def tables_by_release(releases: Mapping[str, str]) -> list[str]:
    """`SAPCE1, SAPCE2 of 2024-10-03` for each release, from the release of each table."""
    by_release: dict[str, list[str]] = {}
    for table, release in sorted(releases.items()):
        by_release.setdefault(release, []).append(table)
    return [f"{', '.join(tables)} of {release}" for release, tables in sorted(by_release.items())]


@rule("threshold", tolerance="None: tables of two releases are two clocks.")
def tables_are_of_one_release(facts: FactYears) -> Finding:
    """All BEA tables are of one release: per-capita figures of one and totals of another do not belong together."""
    named = tables_by_release(facts.releases)
    releases = sorted({release for text in facts.releases.values() for release in text.split(MIXED_WITH)})
    mixed = len(releases) > 1
    told = "; ".join(named)
    return Finding(
        passed=not mixed,
        summary=f"{len(releases)} releases are mixed: {told}" if mixed else told or "unknown",
        figures={"releases": frozenset(releases), "violations": frozenset(releases[1:])},
        examples=tuple(named) if mixed else (),
    )


@dataclass(frozen=True)
class Facts:
    """What the rules of the facts look at."""

    frame: pl.DataFrame
    """The facts of some years, of all datasets."""
    of: tuple[FactYears, ...]
    """The facts of each dataset that has any."""


def of_each(per_dataset: Rule[FactYears]) -> Rule[Facts]:
    """A rule of one dataset's facts as a rule of all: what it finds of each is told together."""

    def find(facts: Facts) -> Finding:
        return _of_datasets({each.dataset.name: per_dataset.find(each) for each in facts.of})

    return Rule(
        per_dataset.name, per_dataset.description, per_dataset.kind, find, per_dataset.tolerance, per_dataset.own_remedy
    )


def _of_datasets(found: Mapping[str, Finding]) -> Finding:
    """One finding of those of datasets, each by its name."""
    largest = tuple(row for name, each in found.items() for row in _largest_of_each_kind(name, each))
    if len(found) == 1:
        return replace(next(iter(found.values())), largest=largest, of_each=found, of_datasets=_of_datasets)
    told = {name: each for name, each in found.items() if each.has_subject}
    figures: dict[str, Figure] = {}
    for each in found.values():
        for name, figure in each.counted.items():
            figures[name] = _together(figures.get(name), figure)
    return Finding(
        passed=all(each.passed for each in found.values()),
        summary="; ".join(f"{name}: {each.told}" for name, each in told.items()) or "nothing to look at",
        figures=figures,
        examples=tuple(f"{name}: {text}" for name, each in told.items() for text in each.spelled_out)[: 2 * EXAMPLES],
        largest=largest,
        of_each=found,
        of_datasets=_of_datasets,
    )


def _largest_of_each_kind(dataset: str, found: Finding) -> Iterator[Mapping[str, Figure]]:
    """The first of a finding's largest deviations that has each explanation, with the dataset that it is of."""
    kinds = set()
    for row in found.largest:
        if row["explained_by"] not in kinds:
            kinds.add(row["explained_by"])
            yield {"dataset": dataset, **row}


def _together(one: Figure | None, other: Figure) -> Figure:
    """Counts add up; of anything else the largest is kept."""
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    if one is None or isinstance(one, str) or isinstance(other, str):
        return other
    return max(one, other)


@rule("schema")
def schema_is_as_declared(facts: Facts) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(facts.frame, GOLD_FACTS.columns)


@rule("key")
def primary_key_is_unique(facts: Facts) -> Finding:
    """No two rows share dataset, measure, category, area and year."""
    return repeated_keys(facts.frame, GOLD_FACTS)


@rule("meaning")
def no_unexplained_nulls(facts: Facts) -> Finding:
    """A value is NULL exactly where its status says why."""
    return unexplained(facts.frame, {"value": "status"}, _FACT_TEXT)


@rule("comparison")
def sources_agree(facts: Facts) -> Finding:
    """A figure that several datasets publish is the same in all whose releases are of one day.

    BEA revises at different times what spending, prices and residents feed into, so that figures of other days may
    differ; and where two of one day do, no rule can say which is wrong.
    """
    figure = ["measure", "category_id", "geo_fips", "year"]
    by_day: dict[str, list[pl.DataFrame]] = {}
    for each in facts.of:
        days = set(each.releases.values())
        if len(days) == 1:
            reported = each.frame.filter(pl.col("value").is_not_null())
            by_day.setdefault(days.pop(), []).append(reported.select(*figure, "dataset", "value"))
    several = {day: pl.concat(frames) for day, frames in by_day.items() if len(frames) > 1}
    compared = [
        frame.group_by(figure)
        .agg("dataset", "value", values=pl.col("value").n_unique())
        .filter(pl.col("dataset").list.len() > 1)
        .with_columns(day=pl.lit(day))
        for day, frame in several.items()
    ]
    if not compared:
        return Finding(passed=True, summary=_agreement, figures={"compared": 0, "violations": 0})
    found = pl.concat(compared)
    off = found.filter(pl.col("values") > 1).sort("year", *figure)
    return Finding(
        passed=off.is_empty(),
        summary=_agreement,
        figures={"compared": found.height, "violations": off.height},
        examples=tuple(
            f"{_FACT_TEXT.format(**row)}, of {row['day']}: "
            + ", ".join(f"{value} in {dataset}" for dataset, value in zip(row["dataset"], row["value"], strict=True))
            for row in off.head(EXAMPLES).iter_rows(named=True)
        ),
    )


def _agreement(found: Finding) -> str:
    """How many figures of several datasets were compared, in words."""
    counted = found.counted
    if not counted["compared"]:
        return "no two datasets are of one release"
    return f"{counted['violations']} of {counted['compared']} figures that several datasets publish differ"


facts_rules: tuple[Rule[Facts], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    of_each(row_count_is_as_expected),
    of_each(tables_are_of_one_release),
    no_unexplained_nulls,
    of_each(children_add_up_to_parents),
    of_each(states_add_up_to_regions),
    of_each(states_add_up_to_the_nation),
    of_each(per_capita_times_population_is_the_total),
    *map(of_each, prices_rules),
    *map(of_each, completeness_rules),
    sources_agree,
)
