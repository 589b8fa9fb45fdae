"""Rules of the wide annual tables: declaration, keys, explained NULLs, and no fact lost on the way."""

from dataclasses import dataclass

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.quality.frames import repeated_keys, unexplained, unlike_facts, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.wide import status_column, value_column


@dataclass(frozen=True)
class WideYears:
    """What the rules of a wide annual table look at."""

    frame: pl.DataFrame
    """Its rows."""
    facts: pl.DataFrame
    """The facts of the same years and the same dataset."""
    dataset: Dataset
    """The dataset."""
    table: Table
    """The table's declaration."""

    @property
    def cell(self) -> str:
        """A row in words, as a format string."""
        return ", ".join(f"{name} {{{name}}}" for name in self.table.key)


@rule("schema")
def schema_is_as_declared(years: WideYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(years.frame, years.table.columns)


@rule("key")
def primary_key_is_unique(years: WideYears) -> Finding:
    """No two rows share the key."""
    return repeated_keys(years.frame, years.table)


@rule("meaning")
def no_unexplained_nulls(years: WideYears) -> Finding:
    """A figure is NULL exactly where its status says why."""
    columns = {value_column(each): status_column(each) for each in years.dataset.measures.values()}
    return unexplained(years.frame, columns, years.cell)


@rule("meaning")
def every_fact_is_in_one_row(years: WideYears) -> Finding:
    """Each fact of the years stands unchanged in the row of its key, under its measure."""
    key = list(years.table.key)
    stacked = pl.concat(
        [
            years.frame.lazy().select(
                *key, measure=pl.lit(each.name), value=value_column(each), status=status_column(each)
            )
            for each in years.dataset.measures.values()
        ]
    )
    fact = [*key, "measure"]
    compared = unlike_facts(years.facts, stacked, fact)
    return finding(
        compared,
        holds="{facts} facts, each in its row",
        fails="facts are missing, changed or made up",
        example="{measure} of " + years.cell + ": {value} ({status}) became {value_there} ({status_there})",
        figures={"facts": years.facts.height, "rows": years.frame.height},
    )


wide_rules: tuple[Rule[WideYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    no_unexplained_nulls,
    every_fact_is_in_one_row,
)
