"""Rules that link prices and real figures to the nominal figures that they were made with.

Each looks at the newest prices of each dataset beside the release that they belong to. Where that release is not held,
there is nothing to look at: the newest nominal figures would fail in whole years, and nothing would be wrong. They
never block, because two releases that contradict each other do not say which of them is wrong; what is wrong within one
release, the rules of the facts find.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pce_pipeline.quality.frames import repeated_keys, violations_of_schema
from pce_pipeline.quality.prices import (
    INCOME,
    LEVEL,
    PCE,
    REAL_PCE,
    RESIDENTS,
    Subject,
    compared,
    over_real_and_level,
)
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.price_releases import PRICE_RELEASES

_GAPS_APART = 1e-6
"""How far the shares may be apart that the states' sums lack of the nation: 51 figures are rounded."""

_CELL = ["geo_fips", "year"]


@dataclass(frozen=True)
class Belonging:
    """The prices of a dataset's vintage beside the figures of the releases that they belong to."""

    dataset: str
    """The dataset of the prices."""
    released: Mapping[str, date]
    """The day on which BEA released each measure of them."""
    prices: pl.DataFrame
    """geo_fips, geo_level, year and a column for each measure of prices: what was published."""
    nominal: Mapping[str, pl.DataFrame]
    """By what is released by another clock (`pce`), its figures as known then: geo_fips, year, nominal. Nothing of
    what is not held."""
    rows: pl.DataFrame
    """Its rows of PRICE_RELEASES."""

    @property
    def name(self) -> str:
        """The dataset and the newest of these days, for sentences."""
        return f"{self.dataset} of {max(self.released.values())}"


@dataclass(frozen=True)
class PriceReleases:
    """What the rules look at."""

    frame: pl.DataFrame
    """The rows of PRICE_RELEASES."""
    newest: Sequence[Belonging]
    """The newest prices of each dataset, with what they belong to."""
    repeated: pl.DataFrame | None
    """What summaries repeat, as `gold.price_releases.repeated` gives it, with `dataset`; None without a summary."""


@rule("schema")
def schema_is_as_declared(releases: PriceReleases) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(releases.frame, PRICE_RELEASES.columns)


@rule("key")
def primary_key_is_unique(releases: PriceReleases) -> Finding:
    """No two rows share the key."""
    return repeated_keys(releases.frame, PRICE_RELEASES)


@rule("comparison")
def deflators_are_nominal_over_real_spending(releases: PriceReleases) -> Finding:
    """The deflator is 100 x nominal PCE as known then / real PCE, within 0.0011, in every state and year."""
    return _linked(releases, PCE, lambda rows: compared(rows, PCE), "deflator {expected:.3f}, but {found:.3f} computed")


@rule("comparison")
def spending_over_real_times_level_is_one_number(releases: PriceReleases) -> Finding:
    """Nominal PCE / (real PCE x price level) is one number per year, the nation's price index, the US included."""
    return _linked(
        releases,
        PCE,
        lambda rows: over_real_and_level(rows, REAL_PCE),
        alike=(REAL_PCE, LEVEL),
        said="nominal / (real x price level) is {found:.4f}, and {expected:.4f} elsewhere",
    )


@rule("comparison")
def income_over_real_times_level_is_one_number(releases: PriceReleases) -> Finding:
    """Income / (real income x price level) is one number per year over the states; BEA scales these to the US."""
    return _linked(
        releases,
        INCOME,
        lambda rows: compared(rows, INCOME),
        "income / (real x price level) is {found:.4f}, and {expected:.4f} elsewhere",
    )


@rule("comparison")
def real_per_capita_is_real_over_residents(releases: PriceReleases) -> Finding:
    """Real figures per resident are the real totals / the residents as known then, within rounding."""
    return _linked(
        releases,
        RESIDENTS,
        lambda rows: compared(rows, RESIDENTS),
        "{expected:.0f} per resident, but {found:.1f} computed",
    )


@rule("comparison")
def gaps_to_the_nation_are_the_same_share(releases: PriceReleases) -> Finding:
    """What the states' sum lacks of the US is the same share of real as of nominal PCE as known then."""

    def gaps(rows: pl.DataFrame) -> pl.DataFrame:
        both = rows.drop_nulls([REAL_PCE, "nominal"])
        level = pl.col("geo_level")

        def share(column: str) -> pl.Expr:
            of_states = pl.col(column).filter(level == "state").sum()
            return of_states / pl.col(column).filter(level == "nation").first() - 1

        return (
            both.group_by("year")
            .agg(found=share(REAL_PCE), expected=share("nominal"), states=(level == "state").sum())
            .filter(pl.col("states") == both.filter(level == "state")["geo_fips"].n_unique())
            .drop_nulls()
            .with_columns(geo_fips=pl.lit("00000"), tolerance=pl.lit(_GAPS_APART))
            .sort("year")
        )

    return _linked(releases, PCE, gaps, "the states lack {found:.8f} of real PCE, and {expected:.8f} of nominal")


@rule("comparison")
def summaries_agree_with_their_sources(releases: PriceReleases) -> Finding:
    """A summary's figures are, line by line, those of the release of the dataset that the line comes from."""
    if releases.repeated is None:
        return Finding(passed=True, summary="no summary is held", figures={"compared": 0, "violations": 0})
    off = releases.repeated.filter(pl.col("value") != pl.col("expected"))
    return finding(
        off.sort("dataset", "measure", *_CELL),
        holds=f"{releases.repeated.height} figures agree with {_sources(releases.repeated)}",
        fails="figures of a summary are not those of the release that they come from",
        example="{measure} of {dataset}, area {geo_fips}, {year}: {value}, and {expected} in {source} "
        "({source_vintage_id})",
        figures={"compared": releases.repeated.height},
    )


def _sources(repeated: pl.DataFrame) -> str:
    named = repeated.select(pl.format("{} ({})", "source", "source_vintage_id")).to_series().unique().sort()
    return ", ".join(named) or "no source"


def _linked(
    releases: PriceReleases,
    subject: Subject,
    compare: Callable[[pl.DataFrame], pl.DataFrame],
    said: str,
    alike: Sequence[str] = (),
) -> Finding:
    """What a comparison finds in the newest prices of all datasets whose nominal release is held.

    Measures that must be `alike` are compared only where they are of one release themselves.
    """
    cells, named = [], []
    for each in releases.newest:
        if len({each.released.get(measure) for measure in alike}) > 1:
            named.append(f"{each.name}: {' and '.join(alike)} are of different releases")
        elif subject.measure in each.nominal:
            rows = each.prices.join(each.nominal[subject.measure], on=_CELL)
            found = compare(rows)
            cells.append(found.select(pl.lit(each.dataset).alias("dataset"), *_CELL, "found", "expected", "tolerance"))
            named.append(f"{each.name}: {found.height} compared")
        else:
            named.append(f"{each.name}: the release of {subject.measure} that they belong to is not held")
    every = pl.concat(cells) if cells else _NOTHING
    off = every.filter((pl.col("found") - pl.col("expected")).abs() > pl.col("tolerance"))
    return finding(
        off.sort("dataset", *_CELL),
        holds="; ".join(named) or "no prices are held",
        fails=f"figures are not what those are that they were made with ({'; '.join(named)})",
        example="{dataset}, area {geo_fips}, {year}: " + said,
        figures={"compared": every.height},
    )


_NOTHING = pl.DataFrame(
    schema={
        "dataset": pl.String,
        "geo_fips": pl.String,
        "year": pl.Int32,
        "found": pl.Float64,
        "expected": pl.Float64,
        "tolerance": pl.Float64,
    }
)

price_releases_rules: tuple[Rule[PriceReleases], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    deflators_are_nominal_over_real_spending,
    spending_over_real_times_level_is_one_number,
    income_over_real_times_level_is_one_number,
    real_per_capita_is_real_over_residents,
    gaps_to_the_nation_are_the_same_share,
    summaries_agree_with_their_sources,
)
