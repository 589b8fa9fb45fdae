"""Rules of state_price_metrics: declaration, keys, and each metric against the levels that it is said to be of."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.quality.frames import repeated_keys, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.prices_state import GOLD_STATE_PRICE_METRICS

_CELL = ["geo_fips", "year"]
_CELL_TEXT = "area {geo_fips}, {year}"
_ROUNDING = 1e-5
_OF_10_000 = 1e-2
_PARTS = ("price_contribution_log_points", "quantity_contribution_log_points")


@dataclass(frozen=True)
class MetricYears:
    """What the rules of state_price_metrics look at."""

    frame: pl.DataFrame
    """Its rows."""
    levels: pl.DataFrame
    """GOLD_PRICES_STATE_ANNUAL of the same years and of the year before."""
    years: Sequence[int]
    """Its years."""

    def beside(self, level: str) -> pl.DataFrame:
        """The metrics beside a level of the same year, and of the year before as `before`, of one base year."""
        before = self.levels.select("geo_fips", pl.col("year") + 1, "base_year", before=pl.col(level).cast(pl.Float64))
        now = self.levels.select(*_CELL, now=pl.col(level).cast(pl.Float64))
        return self.frame.join(now, on=_CELL).join(before, on=[*_CELL, "base_year"], how="left", nulls_equal=True)


@rule("schema")
def schema_is_as_declared(years: MetricYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(years.frame, GOLD_STATE_PRICE_METRICS.columns)


@rule("key")
def primary_key_is_unique(years: MetricYears) -> Finding:
    """No two rows share area and year."""
    return repeated_keys(years.frame, GOLD_STATE_PRICE_METRICS)


@rule("key")
def metrics_have_one_row_per_level(years: MetricYears) -> Finding:
    """Every area and year that has levels has metrics, and no other."""
    levels = years.levels.filter(pl.col("year").is_in(list(years.years)))
    off = pl.concat(
        [
            levels.join(years.frame, on=_CELL, how="anti").select(*_CELL),
            years.frame.join(levels, on=_CELL, how="anti").select(*_CELL),
        ]
    ).sort(_CELL)
    return finding(
        off,
        holds="{rows} rows, as levels",
        fails="areas and years are in one of the tables only",
        example=_CELL_TEXT,
        figures={"rows": years.frame.height},
    )


@rule("meaning")
def inflation_is_the_change_of_the_deflator(years: MetricYears) -> Finding:
    """Inflation is the change of the deflator on the year before, and there is none without both."""
    return _is_growth(years, "inflation_pct", "irpd")


@rule("meaning")
def real_growth_is_over_the_year_before(years: MetricYears) -> Finding:
    """Real growth is the change of real PCE on the year before, at the prices of one base year."""
    return _is_growth(years, "real_pce_yoy_pct", "real_pce_millions_constant_usd")


@rule("meaning")
def contributions_add_up_exactly(years: MetricYears) -> Finding:
    """What prices and quantities contribute is together the growth of nominal PCE, to the last decimal."""
    price, quantity = map(pl.col, _PARTS)
    growth = pl.col("nominal_pce_growth_log_points")
    off = years.frame.filter(growth.ne_missing(price + quantity) | (price.is_null() != quantity.is_null()))
    return finding(
        off.sort(_CELL),
        holds="contributions add up to the growth of nominal PCE",
        fails="contributions do not add up",
        example=f"{_CELL_TEXT}: {{{_PARTS[0]}}} + {{{_PARTS[1]}}} is not {{nominal_pce_growth_log_points}}",
        figures={"compared": years.frame["nominal_pce_growth_log_points"].count()},
    )


@rule("meaning")
def purchasing_power_is_of_the_price_level(years: MetricYears) -> Finding:
    """What 100 dollars buy, times the price level, is 10,000, and there is none without a price level."""
    both = years.beside("rpp_all_items")
    product = pl.col("value_of_100_usd") * pl.col("now")
    off = both.filter(
        ((product - 1e4).abs() > _OF_10_000) | (pl.col("value_of_100_usd").is_null() != pl.col("now").is_null())
    )
    return finding(
        off.sort(_CELL),
        holds="{compared} price levels say what 100 dollars buy",
        fails="figures of what 100 dollars buy are not of their price level",
        example=f"{_CELL_TEXT}: {{value_of_100_usd}} at a price level of {{now}}",
        figures={"compared": both["value_of_100_usd"].count()},
    )


@rule("meaning")
def the_us_index_is_100(years: MetricYears) -> Finding:
    """Real indexes of the US are 100."""
    nation = years.frame.filter(pl.col("geo_level") == "nation")
    columns = ["real_pce_per_capita_index_us100", "real_personal_income_per_capita_index_us100"]
    indexes = nation.unpivot(columns, index=_CELL).drop_nulls("value")
    return finding(
        indexes.filter(pl.col("value") != 100).sort(_CELL),  # noqa: PLR2004 (the name says it)
        holds="{compared} indexes of the US are 100",
        fails="indexes of the US are not 100",
        example="{variable}, {year}: {value}",
        figures={"compared": indexes.height},
    )


def _is_growth(years: MetricYears, metric: str, level: str) -> Finding:
    both = years.beside(level).with_columns(
        again=pl.when(pl.col("before") > 0).then((pl.col("now") / pl.col("before") - 1) * 100)
    )
    value, again = pl.col(metric), pl.col("again")
    off = both.filter((value.is_null() != again.is_null()) | ((value - again).abs() > _ROUNDING))
    return finding(
        off.sort(_CELL),
        holds="{compared} rates of growth are right",
        fails="rates of growth are not those of their levels",
        example=f"{_CELL_TEXT}: {{{metric}}}, but {{again}} computed again",
        figures={"compared": both[metric].count()},
    )


metrics_rules: tuple[Rule[MetricYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    metrics_have_one_row_per_level,
    inflation_is_the_change_of_the_deflator,
    real_growth_is_over_the_year_before,
    contributions_add_up_exactly,
    purchasing_power_is_of_the_price_level,
    the_us_index_is_100,
)
