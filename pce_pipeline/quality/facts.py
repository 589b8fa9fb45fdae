"""Rules of the conformed facts: declaration, keys, completeness, explained NULLs, accounting identities."""

from collections.abc import Mapping

from pce_pipeline.quality.frames import expected_cells, repeated_keys, unexplained, violations_of_schema
from pce_pipeline.quality.identities import (
    FactYears,
    children_add_up_to_parents,
    per_capita_times_population_is_the_total,
    states_add_up_to_regions,
    states_add_up_to_the_nation,
)
from pce_pipeline.quality.rules import EXAMPLES, Finding, Rule, rule
from pce_pipeline.tables.facts import GOLD_FACTS

MIXED_WITH = " with "
"""Between the releases of a table whose figures are of several."""

_FACT_TEXT = "{measure} of {category_id}, area {geo_fips}, {year}"


@rule(GOLD_FACTS.name, "always")
def schema_is_as_declared(facts: FactYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(facts.frame, GOLD_FACTS)


@rule(GOLD_FACTS.name, "always")
def primary_key_is_unique(facts: FactYears) -> Finding:
    """No two rows share dataset, measure, category, area and year."""
    return repeated_keys(facts.frame, GOLD_FACTS)


@rule(GOLD_FACTS.name, "threshold")
def row_count_is_as_expected(facts: FactYears) -> Finding:
    """There is one fact for every quantity that the tables and years at hand publish, and no other."""
    quantity = ["measure", "category_id", "geo_fips", "year"]
    cells = expected_cells(facts.dataset, facts.held) if facts.spoken_of is None else facts.spoken_of
    expected = cells.select(quantity).unique()
    missing = expected.join(facts.frame, on=quantity, how="anti").sort(quantity)
    surplus = facts.frame.join(expected, on=quantity, how="anti").sort(quantity)
    return Finding(
        passed=missing.is_empty() and surplus.is_empty(),
        summary=f"{facts.frame.height} facts of {expected.height} expected",
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


@rule(GOLD_FACTS.name, "always")
def no_unexplained_nulls(facts: FactYears) -> Finding:
    """A value is NULL exactly where its status says why."""
    return unexplained(facts.frame, {"value": "status"}, _FACT_TEXT)


def tables_by_release(releases: Mapping[str, str]) -> list[str]:
    """`SAPCE1, SAPCE2 of 2024-10-03` for each release, from the release of each table."""
    by_release: dict[str, list[str]] = {}
    for table, release in sorted(releases.items()):
        by_release.setdefault(release, []).append(table)
    return [f"{', '.join(tables)} of {release}" for release, tables in sorted(by_release.items())]


@rule(GOLD_FACTS.name, "threshold")
def tables_are_of_one_release(facts: FactYears) -> Finding:
    """All BEA tables are of one release: per-capita figures of one and totals of another do not belong together."""
    named = tables_by_release(facts.releases)
    releases = {release for text in facts.releases.values() for release in text.split(MIXED_WITH)}
    mixed = len(releases) > 1
    return Finding(
        passed=not mixed,
        summary=f"{len(releases)} releases are mixed: {'; '.join(named)}" if mixed else "; ".join(named) or "unknown",
        figures={"releases": len(releases), "violations": max(len(releases) - 1, 0)},
        examples=tuple(named) if mixed else (),
    )


facts_rules: tuple[Rule[FactYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    row_count_is_as_expected,
    tables_are_of_one_release,
    no_unexplained_nulls,
    children_add_up_to_parents,
    states_add_up_to_regions,
    states_add_up_to_the_nation,
    per_capita_times_population_is_the_total,
)
