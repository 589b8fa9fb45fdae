"""Rules of prices_state_annual: declaration, keys, explained NULLs, no fact lost, and the base year confirmed."""

from dataclasses import dataclass

import polars as pl

from pce_pipeline.quality.frames import repeated_keys, unexplained, unlike_facts, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.prices_state import FIGURES, GOLD_PRICES_STATE_ANNUAL, status_of

_CELL = ["geo_fips", "year"]
_CELL_TEXT = "area {geo_fips}, {year}"
_ROUNDED_TWICE = 0.0011


@dataclass(frozen=True)
class AnnualYears:
    """What the rules of prices_state_annual look at."""

    frame: pl.DataFrame
    """Its rows."""
    facts: pl.DataFrame
    """The facts of the same years."""


@rule("schema")
def schema_is_as_declared(years: AnnualYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(years.frame, GOLD_PRICES_STATE_ANNUAL.columns)


@rule("key")
def primary_key_is_unique(years: AnnualYears) -> Finding:
    """No two rows share area and year."""
    return repeated_keys(years.frame, GOLD_PRICES_STATE_ANNUAL)


@rule("meaning")
def no_unexplained_nulls(years: AnnualYears) -> Finding:
    """A figure is NULL exactly where its status says why."""
    return unexplained(years.frame, {column: status_of(column) for column, *_ in FIGURES}, _CELL_TEXT)


@rule("meaning")
def every_fact_is_in_one_row(years: AnnualYears) -> Finding:
    """Each fact of the years stands unchanged in the row of its area and year, in the column of its measure."""
    stacked = pl.concat(
        [
            years.frame.lazy().select(
                *_CELL,
                measure=pl.lit(measure),
                category_id=pl.lit(category),
                value=column,
                status=status_of(column),
            )
            for column, measure, category, *_ in FIGURES
        ]
    )
    fact = [*_CELL, "measure", "category_id"]
    compared = unlike_facts(years.facts, stacked, fact)
    return finding(
        compared,
        holds="{facts} facts in {rows} rows",
        fails="figures are in one of the tables only, or differ",
        example=f"{{measure}} of {{category_id}}, {_CELL_TEXT}: {{value}} as a fact, {{value_there}} here",
        figures={"facts": years.facts.height, "rows": years.frame.height},
    )


@rule("threshold", tolerance="0.0011 index points: two figures are rounded to three decimals.")
def base_year_is_confirmed(years: AnnualYears) -> Finding:
    """The year that units name as the base is the one in which deflator and price level of every state are equal."""
    apart = (pl.col("irpd") - pl.col("rpp_all_items")).abs().cast(pl.Float64)
    by_year = (
        years.frame.filter(pl.col("geo_level") == "state")
        .drop_nulls(["irpd", "rpp_all_items"])
        .group_by("year")
        .agg(pl.col("base_year").first(), apart=apart.max(), states=pl.len())
        .with_columns(is_base=pl.col("apart") <= _ROUNDED_TWICE)
        .sort("year")
    )
    is_named = pl.col("year") == pl.col("base_year")
    off = by_year.filter(pl.col("base_year").is_not_null() & (pl.col("is_base") != is_named))
    named = by_year["base_year"].drop_nulls().unique().sort().to_list()
    return finding(
        off,
        holds=lambda found: (
            f"units name {', '.join(sorted(found.named['base_years'])) or 'no base year'}, and deflators agree"
        ),
        fails="years are the base by their deflators or by the units, but not by both",
        example="{year}: deflators and price levels are up to {apart:.3f} apart, and units name {base_year}",
        figures={"compared": by_year.drop_nulls("base_year").height},
        named={"base_years": tuple(map(str, named))},
    )


annual_rules: tuple[Rule[AnnualYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    no_unexplained_nulls,
    every_fact_is_in_one_row,
    base_year_is_confirmed,
)
