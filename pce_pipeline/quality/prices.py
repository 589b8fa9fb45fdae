"""What links price levels, deflators and real figures to one another, and to what they were made with.

The rules here look at the facts of any dataset that has the measures, within one release of prices. The comparisons
with nominal figures, income and residents, each of a release of its own, serve to tell that release, and the rules on
it in `price_releases`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.rules import Finding, Rule, finding, rule

LEVEL = "regional_price_parity"
DEFLATOR = "regional_price_deflator"
REAL_PCE = "real_pce"
REAL_INCOME = "real_personal_income"

PCE_TOLERANCE = 0.0011
"""How far 100 x nominal / real may be from the deflator: three figures are rounded."""

_CELL = ["geo_fips", "year"]
_US = 100.0
_ALL_ITEMS = "prices.all_items"


@dataclass(frozen=True)
class Subject:
    """What is released by a clock of its own, and the measures that are made with it."""

    measure: str
    """Its measure."""
    category_id: str
    """Its category."""
    made_with_it: tuple[str, ...]
    """The measures of prices that are made with it."""


PCE = Subject("pce", "product.pce", (REAL_PCE, DEFLATOR, LEVEL))
INCOME = Subject("personal_income", "income.all_sources", (REAL_INCOME,))
RESIDENTS = Subject(
    "population",
    "population.all_residents",
    ("real_pce_per_capita", "real_personal_income_per_capita"),
)
SUBJECTS = (PCE, INCOME, RESIDENTS)


def compared(rows: pl.DataFrame, subject: Subject, by: Sequence[str] = ()) -> pl.DataFrame:
    """The rows of states (the measures of prices beside `nominal`) with `found`, `expected` and the `tolerance`.

    A row that cannot be compared is left out. `by` are columns that keep comparisons apart.
    """
    states = rows.filter(pl.col("geo_level") == "state").drop_nulls("nominal")
    if subject is RESIDENTS:
        each = [
            states.select(
                *by,
                *_CELL,
                found=pl.col(total) * 1e6 / pl.col("nominal"),
                expected=pl.col(f"{total}_per_capita"),
                tolerance=0.5 + 0.06e6 / pl.col("nominal"),
            )
            for total in (REAL_PCE, REAL_INCOME)
        ]
        return pl.concat(each).drop_nulls()
    if subject is PCE:
        by_deflator = states.select(
            *by,
            *_CELL,
            found=100 * pl.col("nominal") / pl.col(REAL_PCE),
            expected=pl.col(DEFLATOR),
            tolerance=pl.lit(PCE_TOLERANCE),
        ).drop_nulls()
        by_level = over_real_and_level(states, REAL_PCE, by).join(by_deflator, on=[*by, *_CELL], how="anti")
        return pl.concat([by_deflator, by_level])
    return over_real_and_level(states, REAL_INCOME, by)


def over_real_and_level(rows: pl.DataFrame, real: str, by: Sequence[str] = ()) -> pl.DataFrame:
    """Nominal / (real x price level) of each row, and the one number that it should be in all of them of a year.

    That number is the price index of the nation; for income, which BEA scales so that the states add up to the nation,
    it is a little less. What is expected is the median of the rows.
    """
    rounding = 0.0005 / pl.col(LEVEL) + 0.05 / pl.col(real) + 0.05 / pl.col("nominal")
    return (
        rows.select(
            *by,
            *_CELL,
            found=1e4 * pl.col("nominal") / (pl.col(real) * pl.col(LEVEL)),
            rounding=rounding,
        )
        .drop_nulls()
        .with_columns(expected=pl.col("found").median().over(*by, "year"))
        .select(*by, *_CELL, "found", "expected", tolerance=pl.col("expected") * (1.2 * pl.col("rounding") + 2e-6))
    )


@rule("threshold", tolerance="None: it is 100 by definition.")
def price_level_of_the_us_is_100(facts: FactYears) -> Finding:
    """The regional price parity of all items of the US is 100."""
    of_all_items = _of(facts, LEVEL).filter(pl.col("category_id") == _ALL_ITEMS)  # parts of the US are near it, not 100
    levels = of_all_items.filter(pl.col("geo_level") == "nation").drop_nulls("amount")
    return finding(
        levels.filter(pl.col("amount") != _US).sort("category_id", "year"),
        holds="the price level of the US is 100 in {compared} years",
        fails="price levels of the US are not 100",
        example="all items of the US, {year}: {amount}",
        figures={"compared": levels.height},
    )


@rule("threshold", tolerance="None: a mean lies between its terms.")
def price_levels_of_parts_bracket_the_total(facts: FactYears) -> Finding:
    """The price level of all items lies between the lowest and the highest of its parts."""
    levels = _of(facts, LEVEL)
    parts = (
        levels.filter(pl.col("category_id") != _ALL_ITEMS)
        .group_by(_CELL)
        .agg(
            lowest=pl.col("amount").min(),
            highest=pl.col("amount").max(),
            complete=pl.col("amount").is_not_null().all(),
        )
    )
    both = levels.filter(pl.col("category_id") == _ALL_ITEMS).drop_nulls("amount").join(parts, on=_CELL)
    both = both.filter("complete")
    off = both.filter((pl.col("amount") < pl.col("lowest")) | (pl.col("amount") > pl.col("highest")))
    return finding(
        off.sort(_CELL),
        holds="{compared} price levels lie between those of their parts",
        fails="price levels lie outside of those of their parts",
        example="area {geo_fips}, {year}: all items {amount}, parts {lowest} to {highest}",
        figures={"compared": both.height},
    )


@rule(
    "threshold",
    tolerance="1.2 times what rounding to three decimals does, and 2e-6 for the rounding of the median.",
)
def deflators_are_price_levels_times_one_index(facts: FactYears) -> Finding:
    """The deflator of each state is its price level times one number per year, the price index of the nation."""
    ratio = 100 * pl.col("amount") / pl.col("level")
    rounding = 0.0005 / pl.col("amount") + 0.0005 / pl.col("level")
    levels = _of(facts, LEVEL).filter(pl.col("category_id") == _ALL_ITEMS).select(*_CELL, level="amount")
    both = (
        _of(facts, DEFLATOR)
        .filter(pl.col("geo_level") == "state")
        .join(levels, on=_CELL)
        .select(*_CELL, "amount", "level", found=ratio, rounding=rounding)
        .drop_nulls()
        .with_columns(expected=pl.col("found").median().over("year"))
    )
    if not _of_one_release(facts, LEVEL, DEFLATOR):
        both = both.clear()  # `tables_are_of_one_release` tells it
    off = both.filter(
        (pl.col("found") / pl.col("expected") - 1).abs() > 1.2 * pl.col("rounding") + 2e-6  # the median is rounded, too
    )
    return finding(
        off.sort(_CELL),
        holds="{compared} deflators are price levels times one index a year",
        fails="deflators are not their price level times the index of the others",
        example="area {geo_fips}, {year}: deflator {amount}, price level {level}: index {found:.4f}, "
        "and {expected:.4f} elsewhere",
        figures={"compared": both.height},
    )


@rule("threshold", tolerance="1.05 times what rounding to the published unit does.")
def real_figures_imply_one_population(facts: FactYears) -> Finding:
    """Real PCE and real income, each in total and per resident, imply the same number of residents."""
    of = {
        name: _of(facts, measure).select(*_CELL, pl.col("amount").alias(name))
        for name, measure in (
            ("pce", REAL_PCE),
            ("pce_head", f"{REAL_PCE}_per_capita"),
            ("income", REAL_INCOME),
            ("income_head", f"{REAL_INCOME}_per_capita"),
        )
    }
    both = of["pce"].join(of["pce_head"], on=_CELL).join(of["income"], on=_CELL).join(of["income_head"], on=_CELL)
    heads = 0.5 / pl.col("pce_head") + 0.5 / pl.col("income_head")
    totals = 0.05 / pl.col("pce") + 0.05 / pl.col("income")
    both = both.drop_nulls().with_columns(
        by_pce=1e6 * pl.col("pce") / pl.col("pce_head"),
        by_income=1e6 * pl.col("income") / pl.col("income_head"),
        rounding=heads + totals,
    )
    off = both.filter((pl.col("by_pce") / pl.col("by_income") - 1).abs() > 1.05 * pl.col("rounding"))
    return finding(
        off.sort(_CELL),
        holds="{compared} pairs imply the same number of residents",
        fails="pairs of real figures imply different numbers of residents",
        example="area {geo_fips}, {year}: {by_pce:.0f} residents by real PCE, {by_income:.0f} by real income",
        figures={"compared": both.height},
    )


def _of_one_release(facts: FactYears, *measures: str) -> bool:
    """Whether the tables of these measures are of one release, or nothing is known of theirs."""
    tables = facts.dataset.lines.filter(pl.col("measure").is_in(measures))["bea_table"].unique()
    return len({facts.releases[table] for table in tables if table in facts.releases}) <= 1


def _of(facts: FactYears, measure: str) -> pl.DataFrame:
    return facts.cells.filter(pl.col("measure") == measure)


prices_rules: tuple[Rule[FactYears], ...] = (
    price_level_of_the_us_is_100,
    price_levels_of_parts_bracket_the_total,
    deflators_are_price_levels_times_one_index,
    real_figures_imply_one_population,
)
