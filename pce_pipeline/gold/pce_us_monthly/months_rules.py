"""Rules of pce_us_monthly: declaration, keys, explained NULLs, no cell lost, sums of parts, and growth computed again.

Growth is computed a second time from the cells of Silver, and in another way than Gold computes it: the earlier month
is looked up by its number where Gold shifts rows, and annual rates are of logarithms where Gold multiplies ratios.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.pce_us_monthly.months import CELL
from pce_pipeline.quality.completeness import without_numbers
from pce_pipeline.quality.frames import repeated_keys, unexplained, unlike_facts, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.pce_us_monthly import FIGURES, GOLD_PCE_US_MONTHLY, Figure

_CELL_TEXT = "{category_id}, {year}-{month:02}"
# How many months each rate looks back, and whether it is said as a rate of twelve.
_LOOKED_BACK = {
    "mom_pct": (1, False),
    "mom_annualised_pct": (1, True),
    "3m_annualised_pct": (3, True),
    "yoy_pct": (12, False),
}
_MOMENT = pl.col("year") * 12 + pl.col("month")
# Beside the six decimals of a rate, what floats lose of a very large one.
_ROUNDING, _FLOATING = 1e-6, 1e-9
_HALF_A_MILLION = 0.5


@dataclass(frozen=True)
class UsMonths:
    """What the rules of pce_us_monthly look at."""

    frame: pl.DataFrame
    """Its rows."""
    cells: pl.DataFrame
    """The cells of Silver (CELL, measure, value, status) that it was made from: of its years, and of those before."""
    dataset: Dataset
    """What categories there are, and which are deducted."""
    years: Sequence[int]
    """Its years."""

    @property
    def cells_of_years(self) -> pl.DataFrame:
        """The cells of its years alone."""
        return self.cells.filter(pl.col("year").is_in(list(self.years)))

    def rates_of(self, figure: Figure) -> pl.DataFrame:
        """The rates of a figure beside the same computed again: CELL, rate (its column), value, again (percent)."""
        levels = self.cells.filter(pl.col("measure") == figure.measure).select(
            "category_id", moment=_MOMENT, level=pl.col("value").cast(pl.Float64)
        )
        rows = self.frame.with_columns(moment=_MOMENT)
        found = []
        for change, (months, is_annualised) in _LOOKED_BACK.items():
            earlier = levels.select("category_id", pl.col("moment") + months, before="level")
            both = rows.join(levels, on=["category_id", "moment"], how="left").join(
                earlier, on=["category_id", "moment"], how="left"
            )
            ratio = pl.col("level") / pl.when(pl.col("before") > 0).then("before")
            again = ratio
            if is_annualised:
                again = (pl.when(ratio >= 0).then(ratio).log() * 12 / months).exp()
            column = figure.rate(change)
            found.append(both.select(*CELL, rate=pl.lit(column), value=column, again=100 * again - 100))
        return pl.concat(found)


@rule("schema")
def schema_is_as_declared(months: UsMonths) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(months.frame, GOLD_PCE_US_MONTHLY.columns)


@rule("key")
def primary_key_is_unique(months: UsMonths) -> Finding:
    """No two rows share category, year and month."""
    return repeated_keys(months.frame, GOLD_PCE_US_MONTHLY)


@rule("meaning")
def no_unexplained_nulls(months: UsMonths) -> Finding:
    """A figure is NULL exactly where its status says why."""
    return unexplained(months.frame, {figure.column: figure.status for figure in FIGURES}, _CELL_TEXT)


@rule("key")
def every_published_month_has_one_row(months: UsMonths) -> Finding:
    """Every category and month of the years that BEA publishes any figure of has a row, and no other has."""
    published = months.cells_of_years.select(*CELL).unique()
    rows = months.frame.select(*CELL)
    off = pl.concat([published.join(rows, on=CELL, how="anti"), rows.join(published, on=CELL, how="anti")])
    return finding(
        off.sort(CELL),
        holds="{rows} rows, as BEA publishes",
        fails="categories and months are in one of the tables only",
        example=_CELL_TEXT,
        figures={"rows": rows.height},
    )


@rule("meaning")
def every_cell_is_in_one_column(months: UsMonths) -> Finding:
    """Each cell of Silver stands unchanged in the row of its category and month, in the column of its measure."""
    stacked = pl.concat(
        [
            months.frame.lazy().select(*CELL, measure=pl.lit(figure.measure), value=figure.column, status=figure.status)
            for figure in FIGURES
        ]
    )
    cells = months.cells_of_years
    return finding(
        unlike_facts(cells, stacked, [*CELL, "measure"]),
        holds="{compared} cells in {rows} rows",
        fails="figures are in one of the tables only, or differ",
        example=f"{{measure}} of {_CELL_TEXT}: {{value}} ({{status}}) in Silver, "
        "{value_there} ({status_there}) here",
        figures={"compared": cells.height, "rows": months.frame.height},
    )


@rule("threshold", tolerance="Half a million for each term and for the sum: months are published in whole millions.")
def monthly_products_add_up(months: UsMonths) -> Finding:
    """In current dollars the parts of a product add up to it in every month, a deducted part subtracted.

    Within half a million for each term and for the sum; one with a figure missing is not checked, and counted as such.
    """
    parts = months.dataset.categories.filter((pl.col("scheme") == "product") & pl.col("parent_id").is_not_null())
    amounts = months.frame.select(*CELL, amount=pl.col("pce_millions_usd_saar").cast(pl.Float64))
    sums = (
        amounts.join(parts.select("category_id", "parent_id", "sign"), on="category_id")
        .group_by("parent_id", "year", "month")
        .agg(
            added_up=(pl.col("amount") * pl.col("sign")).sum(),
            terms=pl.len(),
            unknown=pl.col("amount").null_count(),
        )
        .join(parts.group_by("parent_id").agg(all_terms=pl.len()), on="parent_id")
        .rename({"parent_id": "category_id"})
        .join(amounts.rename({"amount": "published"}), on=CELL, how="left")
        .with_columns(
            deviation=(pl.col("added_up") - pl.col("published")).round(3),
            tolerance=_HALF_A_MILLION * (pl.col("terms") + 1),
        )
    )
    checked = sums.filter(
        (pl.col("unknown") == 0) & (pl.col("terms") == pl.col("all_terms")) & pl.col("published").is_not_null()
    )
    off = checked.filter(pl.col("deviation").abs() > pl.col("tolerance"))
    return finding(
        off.sort(CELL),
        holds="all {checked} sums are kept",
        fails="of {checked} sums are not kept",
        example=f"{_CELL_TEXT}: published {{published:.0f}}, but added up {{added_up:.0f}}, off by {{deviation:.1f}} "
        "(tolerance {tolerance:.1f})",
        figures={
            "checked": checked.height,
            "not_checked": sums.height - checked.height,
            "largest_rounding": max(checked.join(off, on=CELL, how="anti")["deviation"].abs(), default=0.0),
        },
    )


@rule(
    "threshold",
    tolerance="5 % of the months of a figure and year: BEA publishes every line of a month, or not that month yet.",
)
def nulls_are_few(months: UsMonths) -> Finding:
    """Of each figure and year that BEA publishes, few months are without a number."""
    cells = months.cells_of_years
    nulls = cells["value"].null_count()
    return finding(
        without_numbers(cells, ["measure", "year"]),
        holds="{nulls} of {rows} published figures are without a number",
        fails="figures and years have too many months without a number",
        example="{measure}, {year}: {nulls} of {figures} months ({share_pct:.1f} %)",
        figures={"rows": cells.height, "nulls": nulls},
    )


@rule("meaning")
def growth_is_recomputed(months: UsMonths) -> Finding:
    """Each rate of growth is what the cells of its two months give again, and there is none without both of them."""
    rates = pl.concat([months.rates_of(figure) for figure in FIGURES])
    value, again = pl.col("value"), pl.col("again")
    compared = rates.filter(value.is_not_null() | again.is_not_null())
    off = compared.filter(
        (value.is_null() != again.is_null())
        | ((value - again).abs() > _ROUNDING + _FLOATING * again.abs())
        | value.is_nan()
    )
    return finding(
        off.sort(*CELL, "rate"),
        holds="{compared} rates of growth are right",
        fails="of {compared} rates of growth are not those of their months",
        example=f"{{rate}} of {_CELL_TEXT}: {{value}}, but {{again}} computed again",
        figures={"compared": compared.height},
    )


months_rules: tuple[Rule[UsMonths], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    no_unexplained_nulls,
    every_published_month_has_one_row,
    every_cell_is_in_one_column,
    monthly_products_add_up,
    nulls_are_few,
    growth_is_recomputed,
)
