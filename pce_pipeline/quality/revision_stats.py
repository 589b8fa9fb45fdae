"""Rules of how far figures usually move: a band only of enough releases, and in order."""

import polars as pl

from pce_pipeline.quality.frames import repeated_keys, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.vintages import BANDS, LEAST_RELEASES, REVISION_STATS

_LINE = "{measure} of {category_id}, {geo_level}, age {age_years}"


@rule("schema")
def schema_is_as_declared(stats: pl.DataFrame) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(stats, REVISION_STATS.columns)


@rule("key")
def primary_key_is_unique(stats: pl.DataFrame) -> Finding:
    """No two rows share the key."""
    return repeated_keys(stats, REVISION_STATS)


@rule("meaning")
def bands_need_enough_releases(stats: pl.DataFrame) -> Finding:
    """There is a band exactly where there are enough releases, and `band_is` says which it is."""
    enough = pl.col("n_releases") >= LEAST_RELEASES
    ok, too_few = BANDS
    says = pl.when(enough).then(pl.lit(ok)).otherwise(pl.lit(too_few))
    has_band = [pl.col(name).is_not_null() for name in ("pct05", "pct95", "abs_pct90")]
    fits = pl.all_horizontal(*(each == enough for each in has_band), pl.col("band_is") == says)
    return finding(
        stats.filter(~fits),
        holds=f"{stats.filter(enough).height} of {stats.height} rows have a band",
        fails="rows have a band of too few releases, or none of enough",
        example=f"{_LINE}: {{n_releases}} releases, {{band_is}}, from {{pct05}} to {{pct95}}",
        figures={"rows": stats.height},
    )


@rule("meaning")
def bands_are_in_order(stats: pl.DataFrame) -> Finding:
    """The band goes from less to more, no size is below zero, and the mean lies within what sizes allow."""
    fits = pl.all_horizontal(
        (pl.col("pct05") <= pl.col("pct95")).fill_null(value=True),
        (pl.col("abs_pct90") >= 0).fill_null(value=True),
        pl.col("mean_abs_pct") + 1e-6 >= pl.col("mean_pct").abs(),
        pl.col("n_figures") >= pl.col("n_releases"),
        pl.col("n_releases") > 0,
    )
    return finding(
        stats.filter(~fits),
        holds=f"{stats.height} rows in order",
        fails="rows have a band or mean that cannot be",
        example=f"{_LINE}: from {{pct05}} to {{pct95}}, {{abs_pct90}} either way, mean {{mean_pct}}",
        figures={"rows": stats.height},
    )


stats_rules: tuple[Rule[pl.DataFrame], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    bands_need_enough_releases,
    bands_are_in_order,
)
