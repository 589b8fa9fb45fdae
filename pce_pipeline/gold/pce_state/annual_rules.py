"""Rules of pce_state_annual: declaration, keys, explained NULLs, and no fact lost on the way."""

from dataclasses import dataclass

import polars as pl

from pce_pipeline.quality.frames import repeated_keys, unexplained, unlike_facts, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL

_CELL = ["geo_fips", "category_id", "year"]
_CELL_TEXT = "{category_id}, area {geo_fips}, {year}"


@dataclass(frozen=True)
class AnnualYears:
    """What the rules of pce_state_annual look at."""

    frame: pl.DataFrame
    """Its rows."""
    facts: pl.DataFrame
    """The facts of the same years."""


@rule("schema")
def schema_is_as_declared(years: AnnualYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(years.frame, GOLD_PCE_STATE_ANNUAL.columns)


@rule("key")
def primary_key_is_unique(years: AnnualYears) -> Finding:
    """No two rows share area, category and year."""
    return repeated_keys(years.frame, GOLD_PCE_STATE_ANNUAL)


@rule("meaning")
def no_unexplained_nulls(years: AnnualYears) -> Finding:
    """A figure is NULL exactly where its status says why."""
    return unexplained(
        years.frame,
        {"pce_millions_usd": "pce_status", "pce_per_capita_usd": "pce_per_capita_status"},
        _CELL_TEXT,
    )


@rule("meaning")
def every_fact_is_in_one_row(years: AnnualYears) -> Finding:
    """Each fact of the years, total or per capita, stands unchanged in the row of its area, category and year."""
    stacked = pl.concat(
        [
            years.frame.lazy().select(*_CELL, measure=pl.lit(measure), value=value, status=status)
            for measure, value, status in (
                ("pce", "pce_millions_usd", "pce_status"),
                ("pce_per_capita", "pce_per_capita_usd", "pce_per_capita_status"),
            )
        ]
    )
    fact = [*_CELL, "measure"]
    compared = unlike_facts(years.facts, stacked, fact)
    return finding(
        compared,
        holds="{facts} facts in {rows} rows",
        fails="figures are in one of the tables only, or differ",
        example=f"{{measure}} of {_CELL_TEXT}: {{value}} as a fact, {{value_there}} here",
        figures={"facts": years.facts.height, "rows": years.frame.height},
    )


annual_rules: tuple[Rule[AnnualYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    no_unexplained_nulls,
    every_fact_is_in_one_row,
)
