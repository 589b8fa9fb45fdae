"""Rules of how much the facts of a dataset say: few figures without a number, and one number of residents per area.

Both look at what one dataset publishes within one release.
"""

from collections.abc import Sequence

import polars as pl

from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.rules import Finding, Rule, finding, rule

MOST_NULLS = 0.05
"""The share of figures of one measure and year that may be without a number."""

_PLACE = ["geo_fips", "year"]
_OWN = "own"
_FLOATING = 1e-9


def without_numbers(figures: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Where too many of the figures (value, and the columns `by`) have no number: by, figures, nulls, share_pct.

    Where none has a number BEA does not publish the figures, or not yet: nothing is wrong with them. One figure alone
    is never too many, because of less than twenty it is more than 5 %.
    """
    return (
        figures.lazy()
        .group_by(by)
        .agg(figures=pl.len(), nulls=pl.col("value").null_count())
        .filter(
            (pl.col("nulls") > 1)
            & (pl.col("nulls") > MOST_NULLS * pl.col("figures"))
            & (pl.col("nulls") < pl.col("figures"))
        )
        .with_columns(share_pct=100 * pl.col("nulls") / pl.col("figures"))
        .sort(by)
        .collect()
    )


@rule(
    "threshold",
    tolerance="5 % of the figures of a measure and year. BEA withholds 0.04 % of spending by state at most, and of 52 "
    "areas it leaves out one (1.9 %); years of which it publishes no figure at all yet are none of them.",
)
def nulls_are_few(facts: FactYears) -> Finding:
    """Of each measure and year that BEA publishes, few figures are without a number."""
    off = without_numbers(facts.frame, ["measure", "year"])
    nulls = facts.frame["value"].null_count()
    return finding(
        off,
        holds="{nulls} of {rows} figures are without a number",
        fails="measures and years have too many figures without a number",
        example="{measure}, {year}: {nulls} of {figures} figures ({share_pct:.1f} %)",
        figures={"rows": facts.frame.height, "nulls": nulls},
    )


@rule(
    "threshold",
    tolerance="Half a unit of each published figure, and nothing else: the number of residents that every pair of a "
    "total and its per-capita figure allows is a range, and all ranges of an area and year have a number in common.",
)
def one_population_per_area_and_year(facts: FactYears) -> Finding:
    """Totals over per-capita figures, and residents that are published, give one number of residents per area and year.

    Measures that another dataset declares first keep to its clock: they are held against each other alone.
    """
    ranges = pl.concat([*_implied(facts), *_published(facts)], how="diagonal")
    both = (
        ranges.group_by("clock", *_PLACE)
        .agg(
            pairs=pl.len(),
            least=pl.col("least").max(),
            most=pl.col("most").min(),
            least_by=pl.col("said_by").get(pl.col("least").arg_max()),
            most_by=pl.col("said_by").get(pl.col("most").arg_min()),
        )
        .filter(pl.col("pairs") > 1)
    )
    return finding(
        both.filter(pl.col("least") > pl.col("most") * (1 + _FLOATING)).sort("clock", *_PLACE),
        holds="{compared} areas and years have one number of residents",
        fails="areas and years have no number of residents that all figures allow",
        example="area {geo_fips}, {year}: {least:.0f} residents at least by {least_by}, "
        "and {most:.0f} at most by {most_by}",
        figures={"compared": both.height},
    )


def _implied(facts: FactYears) -> list[pl.DataFrame]:
    """The residents that each pair of a total and its per-capita figure allows: clock, place, said_by, least, most."""
    measures = facts.dataset.measures
    found = []
    for per_capita in measures.values():
        total = measures.get(per_capita.per_capita_of or "")
        if total is None:
            continue
        people = 10.0 ** (total.unit_multiplier - per_capita.unit_multiplier)
        figures = [
            facts.cells.filter((pl.col("measure") == each.name) & (pl.col("amount") > 0))
            for each in (total, per_capita)
        ]
        whole, rounding = pl.col("amount") * people, pl.col("half_unit") * people
        each, of_each = pl.col("amount_per_capita"), pl.col("half_unit_per_capita")
        found.append(
            figures[0]
            .join(figures[1], on=["category_id", *_PLACE], suffix="_per_capita")
            .filter(each > of_each)
            .select(
                *_PLACE,
                clock=pl.lit(_clock_of(facts, per_capita.home)),
                said_by=pl.format("{} of {}", pl.lit(total.name), "category_id"),
                least=(whole - rounding) / (each + of_each),
                most=(whole + rounding) / (each - of_each),
            )
        )
    return found


def _published(facts: FactYears) -> list[pl.DataFrame]:
    """The residents that the dataset publishes, in the same columns."""
    amount, rounding = pl.col("amount"), pl.col("half_unit")
    return [
        facts.cells.filter(pl.col("measure") == each.name)
        .drop_nulls("amount")
        .select(
            *_PLACE,
            clock=pl.lit(_clock_of(facts, each.home)),
            said_by=pl.lit(f"the published {each.name}"),
            least=amount - rounding,
            most=amount + rounding,
        )
        for each in facts.dataset.measures.values()
        if each.unit == "persons"
    ]


def _clock_of(facts: FactYears, home: str) -> str:
    return _OWN if home in ("", facts.dataset.name) else home


completeness_rules: tuple[Rule[FactYears], ...] = (nulls_are_few, one_population_per_area_and_year)
