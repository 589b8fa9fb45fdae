"""Rules of pce_state_metrics: declaration, keys, and metrics that agree with their levels and with each other.

Every metric is computed a second time from the levels, and in another way than Gold computes it, so that a slip in
one of the two shows: earlier years are looked up by their number where Gold shifts rows, changes are ratios where
Gold has differences, ranks count who is ahead. Both ways get the same figures, so they differ by rounding alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.quality.frames import repeated_keys, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.table import NOT_PUBLISHED, QUARANTINED

_CELL = ["geo_fips", "category_id", "year"]
_CELL_TEXT = "{category_id}, area {geo_fips}, {year}"
_US_INDEX = 100.0
_LONGEST_MEAN = 5
# Half a unit of the sixth decimal and what floats lose: a slip in a definition is far outside.
_ROUNDING, _FLOATING = 1e-6, 1e-9
# A series in a year as one number: the year before is the number before, whatever rows lie between.
_MOMENT = (pl.col("series").cast(pl.Int64) * 10_000 + pl.col("year")).alias("moment")
_FLOATS = [column.name for column in GOLD_PCE_STATE_METRICS.columns if column.dtype == pl.Float64]
_OF_PER_CAPITA = [column for column in GOLD_PCE_STATE_METRICS.column_names if column.startswith("pce_per_capita_")]
_OF_TOTAL = [
    column
    for column in GOLD_PCE_STATE_METRICS.column_names
    if column.startswith("pce_") and column not in _OF_PER_CAPITA
]


@dataclass(frozen=True)
class MetricYears:
    """What the rules of pce_state_metrics look at."""

    frame: pl.DataFrame
    """Its rows."""
    levels: pl.DataFrame
    """The levels (pce_state_annual) that it was made from: of the same years, and of those before that it reaches."""
    dataset: Dataset
    """What categories there are, and which are deducted."""
    years: Sequence[int]
    """The years that metrics were wanted of."""

    @cached_property
    def again(self) -> pl.DataFrame:
        """The frame, and every metric computed a second time from the levels as `again_` and its name."""
        series = self.levels.select("geo_fips", "category_id").unique().with_row_index("series").lazy()
        levels = self._levels().join(series, on=["geo_fips", "category_id"]).with_columns(_MOMENT)
        second = levels.filter(pl.col("year").is_in(list(self.years)))
        for back in range(1, _LONGEST_MEAN):
            figures = pl.col("level", "each", "total").name.suffix(f"_{back}")
            second = second.join(levels.select(pl.col("moment") + back, figures), on="moment", how="left")
        level, each, total_before = pl.col("level"), pl.col("each"), pl.col("total_1")
        return (
            self.frame.lazy()
            .join(series, on=["geo_fips", "category_id"], how="left")
            .with_columns(_MOMENT)
            .join(
                second.select(
                    "moment",
                    again_pce_yoy_pct=100 * _ratio(level, pl.col("level_1")) - 100,
                    again_pce_per_capita_yoy_pct=100 * _ratio(each, pl.col("each_1")) - 100,
                    again_pce_mean_3y_millions_usd=_mean(3),
                    again_pce_mean_5y_millions_usd=_mean(_LONGEST_MEAN),
                    again_pce_share_of_total_pct=pl.col("sign") * 100 * _ratio(level, pl.col("total")),
                    again_pce_contribution_to_growth_pp=pl.col("sign")
                    * (100 * _ratio(level, total_before) - 100 * _ratio(pl.col("level_1"), total_before)),
                    again_pce_rank_among_states=_place(level, self.knows_all_states("pce_status")),
                    again_pce_per_capita_rank_among_states=_place(each, self.knows_all_states("pce_per_capita_status")),
                    again_pce_per_capita_index_us100=100 * _ratio(each, pl.col("nation")),
                ),
                on="moment",
                how="left",
            )
            .collect()
        )

    def knows_all_states(self, status: str) -> pl.Expr:
        """Whether rows have, for each state of the catalogue, what BEA says: a figure, or why there is none."""
        states = self.dataset.areas.filter(pl.col("geo_level") == "state")["geo_fips"]
        told = pl.col("geo_fips").is_in(states.to_list()) & ~pl.col(status).is_in([QUARANTINED, NOT_PUBLISHED])
        return told.sum() == states.len()

    def _levels(self) -> pl.LazyFrame:
        """The levels as floats (level, each), with the area's total of the scheme and the nation's figure per head."""
        categories = self.dataset.categories.lazy().select("category_id", "scheme", "role", "sign")
        levels = (
            self.levels.lazy()
            .select(
                *_CELL,
                "geo_level",
                "pce_status",
                "pce_per_capita_status",
                level=pl.col("pce_millions_usd").cast(pl.Float64),
                each=pl.col("pce_per_capita_usd").cast(pl.Float64),
            )
            .join(categories, on="category_id", how="left")
        )
        totals = levels.filter(pl.col("role") == "total").select("scheme", "geo_fips", "year", total="level")
        nation = levels.filter(pl.col("geo_level") == "nation").select("category_id", "year", nation="each")
        return levels.join(totals, on=["scheme", "geo_fips", "year"], how="left").join(
            nation, on=["category_id", "year"], how="left"
        )

    @cached_property
    def of_the_total(self) -> pl.DataFrame:
        """Those of `all_totals` that are known with all their parts."""
        return self.all_totals.filter((pl.col("unknown") == 0) & (pl.col("total") > 0))

    @cached_property
    def unread_totals(self) -> int:
        """How many totals cannot be checked because one of their figures could not be read."""
        return self.all_totals.filter(pl.col("unread") > 0).height

    @cached_property
    def all_totals(self) -> pl.DataFrame:
        """Shares and contributions of the finest categories at hand, added up for each scheme, area and year.

        Columns scheme, geo_fips, year, terms, unknown (terms without a figure), unread (quarantined ones, the total
        among them), unknown_before (terms that have a figure, but no contribution), share, contribution, total
        (millions), growth and rounding (percent).
        """
        categories = self.dataset.categories.lazy()
        rows = (
            self.frame.lazy()
            .join(self.levels.lazy().select(*_CELL, "pce_millions_usd", "pce_status"), on=_CELL)
            .join(categories.select("category_id", "parent_id", "scheme", "role"), on="category_id")
        )
        parents = rows.select("geo_fips", "year", category_id="parent_id").unique()
        total = rows.filter(pl.col("role") == "total").select(
            "scheme",
            "geo_fips",
            "year",
            total=pl.col("pce_millions_usd").cast(pl.Float64),
            growth="pce_yoy_pct",
            total_status="pce_status",
        )
        return (
            rows.join(parents, on=["geo_fips", "year", "category_id"], how="anti")
            .group_by("scheme", "geo_fips", "year")
            .agg(
                terms=pl.len(),
                unknown=pl.col("pce_status").is_in(["reported", "below_50k", "near_zero"]).not_().sum(),
                unread=(pl.col("pce_status") == QUARANTINED).sum(),
                unknown_before=(
                    (pl.col("pce_status") == "reported") & pl.col("pce_contribution_to_growth_pp").is_null()
                ).sum(),
                share=pl.col("pce_share_of_total_pct").sum(),
                contribution=pl.col("pce_contribution_to_growth_pp").sum(),
            )
            .join(total, on=["scheme", "geo_fips", "year"])
            .with_columns(
                unread=pl.col("unread") + (pl.col("total_status") == QUARANTINED),
                # Twice what rounding to a tenth of a million can do to a part, which also covers cells coded as too
                # small and older figures in whole millions; and the six decimals of each result.
                rounding=pl.col("terms") * (0.1 / pl.col("total") * 100 + 1e-6),
            )
            .collect()
        )


def _ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return above / pl.when(below > 0).then(below)


def _mean(years: int) -> pl.Expr:
    levels = [pl.col("level"), *(pl.col(f"level_{back}") for back in range(1, years))]
    return pl.mean_horizontal(levels, ignore_nulls=False)


def _place(figure: pl.Expr, knows_all: pl.Expr) -> pl.Expr:
    """One more than the states with a larger figure: all there are, without those up to this one.

    None where the figure of any state could not be read or is not held: it may be larger.
    """
    of_states = pl.when(pl.col("geo_level") == "state").then(figure)
    return pl.when(knows_all).then(of_states.count() - of_states.rank("max") + 1).over("category_id", "year")


@rule("schema")
def schema_is_as_declared(years: MetricYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(years.frame, GOLD_PCE_STATE_METRICS.columns)


@rule("key")
def primary_key_is_unique(years: MetricYears) -> Finding:
    """No two rows share area, category and year."""
    return repeated_keys(years.frame, GOLD_PCE_STATE_METRICS)


@rule("key")
def metrics_have_one_row_per_level(years: MetricYears) -> Finding:
    """There is a row for each area, category and wanted year that has levels, and no other."""
    wanted = years.levels.filter(pl.col("year").is_in(list(years.years))).select(_CELL, here=True)
    unmatched = (
        years.frame.select(_CELL, there=True)
        .join(wanted, on=_CELL, how="full", coalesce=True)
        .filter(pl.col("here").is_null() | pl.col("there").is_null())
        .sort(_CELL)
    )
    return finding(
        unmatched,
        holds="{rows} rows of metrics for as many levels",
        fails="rows have no counterpart",
        example=_CELL_TEXT,
        figures={"rows": years.frame.height, "expected": wanted.height},
    )


@rule("meaning")
def metrics_are_null_without_their_level(years: MetricYears) -> Finding:
    """A missing figure has no metrics, and every metric is a finite number."""
    rows = years.frame.lazy().join(
        years.levels.lazy().select(*_CELL, "pce_millions_usd", "pce_per_capita_usd"), on=_CELL, how="left"
    )
    wrong = pl.any_horizontal(
        pl.col("pce_millions_usd").is_null() & pl.any_horizontal(pl.col(_OF_TOTAL).is_not_null()),
        pl.col("pce_per_capita_usd").is_null() & pl.any_horizontal(pl.col(_OF_PER_CAPITA).is_not_null()),
        pl.any_horizontal(~pl.col(_FLOATS).is_finite()).fill_null(value=False),
    )
    return finding(
        rows.filter(wrong).sort(_CELL).collect(),
        holds="every metric is a finite number with a figure behind it",
        fails="rows have metrics of missing figures, or metrics that are not numbers",
        example=_CELL_TEXT,
        figures={"rows": years.frame.height},
    )


@rule("meaning")
def ranks_count_the_states(years: MetricYears) -> Finding:
    """In every category and year all states with a figure are ranked, from 1 to their number, and nothing else is.

    Where the figure of a state could not be read or is not held, no state is.
    """
    state = pl.col("geo_level") == "state"
    levels = ["pce_millions_usd", "pce_status", "pce_per_capita_usd", "pce_per_capita_status"]
    rows = years.frame.lazy().join(years.levels.lazy().select(*_CELL, *levels), on=_CELL, how="left")
    counted = pl.concat(
        [
            rows.group_by("category_id", "year").agg(
                metric=pl.lit(rank),
                reported=pl.when(years.knows_all_states(status))
                .then((state & pl.col(level).is_not_null()).sum())
                .otherwise(0),
                ranked=pl.col(rank).count(),
                ranked_states=(state & pl.col(rank).is_not_null()).sum(),
                best=pl.col(rank).min(),
                worst=pl.col(rank).max(),
            )
            for rank, level, status in (
                ("pce_rank_among_states", "pce_millions_usd", "pce_status"),
                ("pce_per_capita_rank_among_states", "pce_per_capita_usd", "pce_per_capita_status"),
            )
        ]
    )
    wrong = (
        (pl.col("ranked") != pl.col("reported"))
        | (pl.col("ranked_states") != pl.col("reported"))
        | (pl.col("best") != 1)
        | (pl.col("worst") > pl.col("reported"))
    )
    return finding(
        counted.filter(wrong).sort("metric", "category_id", "year").collect(),
        holds="all states with a figure are ranked",
        fails="rankings are not over the states with a figure",
        example="{metric} of {category_id}, {year}: {ranked} ranked of {reported} states, from {best} to {worst}",
    )


@rule(
    "threshold",
    tolerance="Twice what rounding to a tenth of a million does to each part, which covers cells too small to show.",
)
def shares_of_the_parts_are_100_percent(years: MetricYears) -> Finding:
    """The shares of the finest categories add up to 100 percent in every area, scheme and year, within rounding."""
    off = years.of_the_total.with_columns(deviation=(pl.col("share") - 100).abs())
    return finding(
        off.filter(pl.col("deviation") > pl.col("rounding")).sort("scheme", "geo_fips", "year"),
        holds="{checked} totals of 100 percent",
        fails="totals are not 100 percent",
        example="{scheme}, area {geo_fips}, {year}: {terms} shares add up to {share:.4f}",
        figures={"checked": off.height, "not_checked": years.unread_totals},
    )


@rule("threshold", tolerance="What rounding in two years does to each part, relative to the total of the year before.")
def contributions_add_up_to_growth(years: MetricYears) -> Finding:
    """The contributions of the finest categories add up to the growth of the total, within rounding."""
    # Two years are rounded, and contributions are relative to the total of the year before.
    allowed = 2 * pl.col("rounding") * (1 + pl.col("growth").abs() / 100)
    checked = years.of_the_total.drop_nulls("growth").filter(pl.col("unknown_before") == 0)
    off = checked.with_columns(deviation=(pl.col("contribution") - pl.col("growth")).abs())
    return finding(
        off.filter(pl.col("deviation") > allowed).sort("scheme", "geo_fips", "year"),
        holds="{checked} growth rates from their contributions",
        fails="growth rates are not the sum of their contributions",
        example="{scheme}, area {geo_fips}, {year}: contributions {contribution:.4f}, growth {growth:.4f}",
        figures={"checked": off.height, "not_checked": years.unread_totals},
    )


@rule("meaning")
def the_us_index_is_100(years: MetricYears) -> Finding:
    """The per-capita index of the US itself is 100 wherever there is one."""
    index = pl.col("pce_per_capita_index_us100")
    nation = years.frame.filter((pl.col("geo_level") == "nation") & index.is_not_null())
    return finding(
        nation.filter(index != _US_INDEX).sort(_CELL),
        holds="{checked} indexes of the US are 100",
        fails="indexes of the US are not 100",
        example=f"{_CELL_TEXT}: {{pce_per_capita_index_us100}}",
        figures={"checked": nation.height},
    )


@rule("meaning")
def growth_is_over_the_year_before(years: MetricYears) -> Finding:
    """Growth, in total and per capita, is what the figures of the year and of the year before give."""
    return _as_computed_again(years, "pce_yoy_pct", "pce_per_capita_yoy_pct")


@rule("meaning")
def means_are_of_consecutive_years(years: MetricYears) -> Finding:
    """Means are of three and of five years in a row that all have a figure."""
    return _as_computed_again(years, "pce_mean_3y_millions_usd", "pce_mean_5y_millions_usd")


@rule("meaning")
def shares_are_of_the_areas_total(years: MetricYears) -> Finding:
    """A share is of total PCE of its scheme, area and year, below zero where the category is deducted."""
    return _as_computed_again(years, "pce_share_of_total_pct")


@rule("meaning")
def contributions_are_of_the_total_before(years: MetricYears) -> Finding:
    """A contribution is the change of the figure in percent of the total of the year before."""
    return _as_computed_again(years, "pce_contribution_to_growth_pp")


@rule("meaning")
def ranks_count_who_is_ahead(years: MetricYears) -> Finding:
    """A state's rank is one more than the number of states with a larger figure, in total and per capita."""
    return _as_computed_again(years, "pce_rank_among_states", "pce_per_capita_rank_among_states")


@rule("meaning")
def indexes_are_relative_to_the_nation(years: MetricYears) -> Finding:
    """The per-capita index is 100 times the figure over that of the US in the same category and year."""
    return _as_computed_again(years, "pce_per_capita_index_us100")


def _as_computed_again(years: MetricYears, *metrics: str) -> Finding:
    """Whether metrics are what the levels give when they are computed a second time."""
    differing = pl.concat(
        years.again.filter(_differs(metric)).select(
            *_CELL,
            metric=pl.lit(metric),
            found=pl.col(metric).cast(pl.Float64),
            again=pl.col(f"again_{metric}").cast(pl.Float64),
        )
        for metric in metrics
    )
    return finding(
        differing.sort(*_CELL, "metric"),
        holds="{rows} rows are what their levels give",
        fails="metrics are not what their levels give",
        example=f"{{metric}} of {_CELL_TEXT}: {{found}}, but the levels give {{again}}",
        figures={"rows": years.frame.height},
    )


def _differs(metric: str) -> pl.Expr:
    found, again = pl.col(metric).cast(pl.Float64), pl.col(f"again_{metric}").cast(pl.Float64)
    too_far = (found - again).abs() > _ROUNDING + _FLOATING * again.abs()
    return too_far | (found.is_null() != again.is_null())


metrics_rules: tuple[Rule[MetricYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    metrics_have_one_row_per_level,
    metrics_are_null_without_their_level,
    ranks_count_the_states,
    shares_of_the_parts_are_100_percent,
    contributions_add_up_to_growth,
    the_us_index_is_100,
    growth_is_over_the_year_before,
    means_are_of_consecutive_years,
    shares_are_of_the_areas_total,
    contributions_are_of_the_total_before,
    ranks_count_who_is_ahead,
    indexes_are_relative_to_the_nation,
)
