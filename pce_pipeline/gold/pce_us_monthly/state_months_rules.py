"""Rules of the months of states, and of how far they are off: declaration, keys, sums, means, weights, growth, bands.

A rule that needs what the estimates were made from has no subject where that is not at hand; one that needs the rows
alone looks at them in any case.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from pce_pipeline.gold.benchmarking import CANDIDATES, MONTHS_OF_A_YEAR, FloatArray, annual_means, months_of, weights
from pce_pipeline.gold.pce_us_monthly.state_months import NATION, Line, Panel
from pce_pipeline.quality.frames import repeated_keys, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.pce_us_monthly import (
    CAUSES,
    GOLD_PCE_MONTHLY_ERRORS,
    GOLD_PCE_STATE_MONTHLY,
    METHODS,
    STATE_MONTH_STATUSES,
)

_CELL = ["geo_fips", "category_id", "year", "month"]
_CELL_TEXT = "{category_id}, {geo_fips}, {year}M{month}"
_AMOUNT = "pce_millions_usd_saar"
_ROUNDING = 0.0005
_FLOATING = 1e-9
_OF_MILLIONS = 0.6
"""The nation's months are whole millions, and its years have one decimal: so far may their mean be off."""
_ALL_STATES = "all states"


@dataclass(frozen=True)
class StateMonths:
    """What the rules of the months of states look at."""

    frame: pl.DataFrame
    """The rows."""
    panel: Panel | None = None
    """What they were estimated from; None where it is not at hand, or there is nothing to estimate from."""
    phis: dict[str, float] = field(default_factory=dict)
    """The phi of each line."""

    def lines(self) -> Iterator[tuple[str, Line, FloatArray]]:
        """The lines that are not left out, each with its amounts as published, shape (months, states).

        NaN where there is none, or no row: other rules look for these.
        """
        if self.panel is None:
            return
        place = ["year", "month", "geo_fips"]
        states = pl.DataFrame({"geo_fips": self.panel.areas}, schema={"geo_fips": pl.String})
        places = self.panel.calendar.join(states, how="cross").select(place)
        for category, line in self.panel.lines.items():
            if line.problem is None:
                rows = self.frame.filter(category_id=category).unique(place, keep="first", maintain_order=True)
                of_places = places.join(rows.select(*place, _AMOUNT), on=place, how="left").sort(place)
                amounts = of_places[_AMOUNT].cast(pl.Float64).fill_null(np.nan).to_numpy()
                yield category, line, amounts.reshape(self.panel.months, len(self.panel.areas))

    def weights_of(self, category: str) -> FloatArray:
        """The matrix that the months of a line are made with."""
        assert self.panel is not None  # noqa: S101 (who asks has its lines)
        return weights(self.panel.lines[category].filled, self.panel.years, self.phis.get(category, 0.0))


@rule("schema")
def schema_is_as_declared(months: StateMonths) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(months.frame, GOLD_PCE_STATE_MONTHLY.columns)


@rule("key")
def primary_key_is_unique(months: StateMonths) -> Finding:
    """No two rows share state, category, year and month."""
    return repeated_keys(months.frame, GOLD_PCE_STATE_MONTHLY)


@rule("key")
def every_state_category_and_month_has_its_row(months: StateMonths) -> Finding:
    """What is estimated has a row for each month, which says how far it is after the last annual figures; no other."""
    panel = months.panel
    if panel is None:
        return _nothing_to_compare()
    row = [*_CELL, "horizon_years"]
    categories = pl.DataFrame({"category_id": list(panel.sums)}, schema={"category_id": pl.String})
    states = pl.DataFrame({"geo_fips": panel.areas}, schema={"geo_fips": pl.String})
    expected = panel.calendar.join(categories, how="cross").join(states, how="cross").select(row)
    rows = months.frame.select(row)
    off = pl.concat([expected.join(rows, on=row, how="anti"), rows.join(expected, on=row, how="anti")])
    return finding(
        off.sort(row),
        holds=f"{expected.height} rows, as there are states, categories and months",
        fails="rows are missing, or should not be there",
        example=f"{_CELL_TEXT}, horizon {{horizon_years}}",
        figures={"compared": expected.height},
    )


@rule("meaning")
def every_row_says_that_it_is_an_estimate(months: StateMonths) -> Finding:
    """Every row is an estimate; an amount is NULL exactly where its status says why; zero and below there is none."""
    known = pl.col("status") == "estimated"
    off = months.frame.filter(
        ~pl.col("is_estimate")
        | (pl.col(_AMOUNT).is_null() == known)
        | ~pl.col("status").is_in(list(STATE_MONTH_STATUSES))
        | (pl.col(_AMOUNT) <= 0).fill_null(value=False)
        | (pl.col("is_extrapolated") != (pl.col("horizon_years") > 0))
    )
    return finding(
        off.sort(_CELL),
        holds=f"{months.frame.height} rows, {months.frame[_AMOUNT].null_count()} without an estimate",
        fails="rows do not say what they are",
        example=f"{_CELL_TEXT}: {{{_AMOUNT}}}, {{status}}, horizon {{horizon_years}}",
        figures={"rows": months.frame.height, "left_out": months.frame[_AMOUNT].null_count()},
    )


@rule("meaning")
def what_is_left_out_is_what_cannot_be_estimated(months: StateMonths) -> Finding:
    """The reason of a line is that of its months and years, and a sum lacks a part exactly where it says so."""
    panel = months.panel
    if panel is None:
        return _nothing_to_compare()
    place = ["geo_fips", "year", "month"]
    reasons = pl.DataFrame(
        [
            (category, area, line.problem or ("figure_missing" if not np.isfinite(years).all() else None))
            for category, line in panel.lines.items()
            for area, years in zip(panel.areas, line.annual, strict=True)
        ],
        schema={"category_id": pl.String, "geo_fips": pl.String, "reason": pl.String},
        orient="row",
    )
    gaps = pl.concat(
        panel.calendar.select("year", "month", category_id=pl.lit(category), gap=pl.lit("months_missing")).filter(
            line.gaps
        )
        for category, line in panel.lines.items()
    )
    of_lines = (
        months.frame.join(reasons, on=["category_id", "geo_fips"])
        .join(gaps, on=["category_id", "year", "month"], how="left")
        .with_columns(
            reason=pl.coalesce("reason", pl.when(pl.col("status") != "negative_month").then("gap")),
        )
        .select(*_CELL, "status", "reason")
    )
    lacking = (
        of_lines.filter(pl.col("status") != "estimated")
        .join(_terms(panel), on="category_id")
        .select(*place, category_id="total_id", reason=pl.lit("part_left_out"))
        .unique()
    )
    of_sums = (
        months.frame.join(_terms(panel), left_on="category_id", right_on="total_id", how="semi")
        .join(lacking, on=[*place, "category_id"], how="left")
        .select(*_CELL, "status", "reason")
    )
    compared = pl.concat([of_lines, of_sums])
    # whether a month comes out below zero is told by the amounts, of which other rules tell whether they are right
    by_amount = pl.col("reason").is_null() & pl.col("status").is_in(["estimated", "negative_month"])
    off = compared.filter(~by_amount & pl.col("status").ne_missing(pl.col("reason")))
    return finding(
        off.sort(_CELL),
        holds=f"{compared.height} rows are left out for the reason that they say, or not at all",
        fails="rows have another reason, or none",
        example=f"{_CELL_TEXT}: {{status}}, but {{reason}}",
        figures={"compared": compared.height},
    )


@rule("meaning")
def bands_are_of_extrapolated_estimates(months: StateMonths) -> Finding:
    """Bands and phi stand with estimates after the last annual figures alone: phi of lines, one band per horizon."""
    p50, p90, phi = (pl.col(name) for name in ("annual_error_p50_pct", "annual_error_p90_pct", "phi"))
    may_have = (pl.col("status") == "estimated") & pl.col("is_extrapolated")
    is_line = pl.col("method") == "denton"
    several = pl.any_horizontal(
        name.drop_nulls().n_unique().over("category_id", "horizon_years") > 1 for name in (p50, p90)
    )
    off = months.frame.filter(
        (~may_have & pl.any_horizontal(name.is_not_null() for name in (p50, p90, phi)))
        | (p50.is_null() != p90.is_null())
        | ~((p50 >= 0) & (p50 <= p90)).fill_null(value=True)
        | (may_have & (phi.is_null() == is_line))
        | ~phi.is_in(list(CANDIDATES)).fill_null(value=True)
        | ~pl.col("method").is_in(list(METHODS))
        | several
    )
    return finding(
        off.sort(_CELL),
        holds=f"{months.frame['annual_error_p50_pct'].count()} rows have a band",
        fails="rows have a band or a phi that cannot be",
        example=f"{_CELL_TEXT}: {{annual_error_p50_pct}} and {{annual_error_p90_pct}}, "
        "phi {phi}, horizon {horizon_years}",
        figures={"rows": months.frame.height},
    )


@rule("meaning")
def growth_is_of_the_month_before_and_of_the_year_before(months: StateMonths) -> Finding:
    """Both rates of growth are those of the rows' own amounts, looked up by month."""
    moment = (pl.col("year") * MONTHS_OF_A_YEAR + pl.col("month")).alias("moment")
    place = ["geo_fips", "category_id", "moment"]
    amounts = months.frame.lazy().select("geo_fips", "category_id", moment, amount=pl.col(_AMOUNT).cast(pl.Float64))
    rows = months.frame.lazy().select(*_CELL, "mom_pct", "yoy_pct", moment).join(amounts, on=place, how="left")
    for name, back in (("mom_pct", 1), ("yoy_pct", MONTHS_OF_A_YEAR)):
        earlier = amounts.with_columns(moment=pl.col("moment") + back).rename({"amount": f"before_{name}"})
        before = pl.when(pl.col(f"before_{name}") > 0).then(f"before_{name}")
        rows = rows.join(earlier, on=place, how="left").with_columns(
            ((pl.col("amount") / before - 1) * 100).alias(f"again_{name}")
        )
    off = rows.filter(
        pl.any_horizontal(
            (pl.col(name).is_null() != pl.col(f"again_{name}").is_null())
            | ((pl.col(name) - pl.col(f"again_{name}")).abs() > 1e-6 + _FLOATING * pl.col(name).abs())
            for name in ("mom_pct", "yoy_pct")
        )
    ).collect()
    compared = months.frame["mom_pct"].count() + months.frame["yoy_pct"].count()
    return finding(
        off.sort(_CELL),
        holds=f"{compared} rates of growth are right",
        fails="rates of growth are not those of their months",
        example=f"{_CELL_TEXT}: {{mom_pct}} and {{yoy_pct}}, but {{again_mom_pct}} and {{again_yoy_pct}} again",
        figures={"compared": compared},
    )


@rule("meaning")
def sums_are_those_of_their_parts_exactly(months: StateMonths) -> Finding:
    """Subtotals and totals are the sums of the lines without parts, to the last decimal."""
    if months.panel is None:
        return _nothing_to_compare()
    terms = _terms(months.panel)
    thousandths = (pl.col(_AMOUNT) * 1000).cast(pl.Int64)
    place = ["geo_fips", "year", "month"]
    amounts = months.frame.lazy().select(*_CELL, amount=thousandths)
    again = (
        amounts.join(terms.lazy(), on="category_id")
        .group_by("total_id", *place)
        .agg(again=(pl.col("amount") * pl.col("sign")).sum(), unknown=pl.col("amount").null_count())
        .rename({"total_id": "category_id"})
    )
    compared = again.join(amounts, on=["category_id", *place]).collect()
    off = compared.filter(
        pl.when((pl.col("unknown") > 0) | (pl.col("again") <= 0))
        .then(pl.col("amount").is_not_null())
        .otherwise(pl.col("amount").ne_missing(pl.col("again")))
    )
    return finding(
        off.sort(_CELL),
        holds=f"{compared.height} sums are exact",
        fails="sums are not those of their parts",
        example=f"{_CELL_TEXT}: {{amount}} thousandths of a million, but {{again}} added up",
        figures={"checked": compared.height},
    )


@rule("meaning")
def twelve_months_average_to_the_year(months: StateMonths) -> Finding:
    """The mean of twelve months of each line and state is the annual figure that BEA published."""
    areas = months.panel.areas if months.panel is not None else ()
    off, compared = [], 0
    for category, line, amounts in months.lines():
        means = annual_means(amounts.T, line.annual.shape[1])
        here = np.isfinite(means)
        compared += int(here.sum())
        wrong = here & ~(np.abs(means - line.annual) <= _ROUNDING + _FLOATING * np.abs(line.annual))
        off += [(category, areas[place], year) for place, year in np.argwhere(wrong).tolist()]
    return _of_lines(months, off, "means of months are the annual figures", compared)


@rule("meaning")
def states_add_up_to_the_weights_times_their_sum(months: StateMonths) -> Finding:
    """The months of all states of a line add up to its weights times the sum of the states' years."""
    off, compared = [], 0
    for category, line, amounts in months.lines():
        total = months_of(months.weights_of(category), line.annual.sum(axis=0, keepdims=True))[:, 0]
        added = amounts[: line.until].sum(axis=1)
        whole = np.isfinite(added)  # of a month that some state lacks there is no sum of all
        compared += int(whole.sum())
        wrong = whole & ~(np.abs(added - total) <= _ROUNDING * amounts.shape[1] + _FLOATING * np.abs(total))
        off += [(category, _ALL_STATES, month // MONTHS_OF_A_YEAR) for (month,) in np.argwhere(wrong).tolist()]
    return _of_lines(months, off, "sums of states are the weights times the sum of their years", compared)


@rule("meaning")
def the_us_row_gives_back_the_nations_months(months: StateMonths) -> Finding:
    """The weights times the US row are BEA's own months, where both are of one release.

    That they are is told by the figures: BEA's months come to BEA's year in every year. By what they miss it, as they
    are rounded, the months may be off, in the proportions of the weights.
    """
    off, compared, not_checked = [], 0, 0
    for category, line, _ in months.lines():
        rounding = np.abs(line.means - line.nation)
        if not (rounding <= _OF_MILLIONS).all():
            not_checked += 1
            continue
        of_weights = months.weights_of(category)
        again = months_of(of_weights, line.nation[np.newaxis])[:, 0]
        allowed = months_of(np.abs(of_weights), rounding[np.newaxis])[:, 0]
        there = ~line.gaps[: line.until]
        compared += int(there.sum())
        wrong = there & ~(np.abs(again - line.filled) <= allowed + _FLOATING * line.filled)
        off += [(category, NATION, month // MONTHS_OF_A_YEAR) for (month,) in np.argwhere(wrong).tolist()]
    return _of_lines(months, off, "months of the nation come back", compared, {"lines_not_checked": not_checked})


@rule("comparison")
def the_nations_months_average_to_its_year(months: StateMonths) -> Finding:
    """In years in which the months of total spending come to the US row, those of every line do.

    Between two releases they do not, and no rule can say which of them is wrong: years in which the total differs are
    counted, and not compared.
    """
    panel = months.panel
    if panel is None:
        return _nothing_to_compare()
    agrees = np.abs(panel.total.means - panel.total.nation) <= _OF_MILLIONS
    off, compared = [], 0
    for category, line in panel.lines.items():
        differs = np.abs(line.means - line.nation)
        both = agrees & np.isfinite(differs)
        compared += int(both.sum())
        off += [(category, NATION, year) for (year,) in np.argwhere(both & (differs > _OF_MILLIONS)).tolist()]
    others = {"years_of_other_releases": int((~agrees).sum())}
    return _of_lines(months, off, "months of the nation come to its years", compared, others)


@rule("comparison")
def total_spending_is_estimated_everywhere(months: StateMonths) -> Finding:
    """Total spending has an estimate for every state and month; one line that lacks one takes it away."""
    panel = months.panel
    if panel is None:
        return _nothing_to_compare()
    rows = months.frame.filter(category_id=panel.total_category)
    lacking = rows.filter(pl.col(_AMOUNT).is_null())
    causes = (
        months.frame.filter(pl.col("category_id").is_in(list(panel.lines)), pl.col(_AMOUNT).is_null())
        .join(lacking.select("geo_fips", "year", "month"), on=["geo_fips", "year", "month"], how="semi")
        .group_by("category_id", "status")
        .agg(rows=pl.len(), first=pl.format("{}-{}", "year", pl.col("month").cast(pl.String).str.zfill(2)).min())
        .sort("category_id", "status")
    )
    return finding(
        causes,
        holds=f"{rows.height} months of states have an estimate of total spending",
        fails=f"lines are left out, so that {lacking.height} of {rows.height} months of states have no total",
        example="{category_id}: {status}, in {rows} rows, the first of {first}",
        figures={"compared": rows.height, "without": lacking.height},
    )


def _terms(panel: Panel) -> pl.DataFrame:
    """The lines of each sum: total_id, category_id, sign."""
    return pl.DataFrame(
        [
            (name, part, sign)
            for name, parts in panel.sums.items()
            if parts != {name: 1}
            for part, sign in parts.items()
        ],
        schema={"total_id": pl.String, "category_id": pl.String, "sign": pl.Int64},
        orient="row",
    )


def _nothing_to_compare() -> Finding:
    return finding(pl.DataFrame(), holds="nothing to compare", fails="", example="", figures={"compared": 0})


def _of_lines(
    months: StateMonths, off: list[tuple[str, str, int]], holds: str, compared: int, more: dict[str, int] | None = None
) -> Finding:
    """A finding about lines and areas in some years, counted from the first."""
    first = months.panel.first_year if months.panel is not None else 0
    rows = [(category, area, first + year) for category, area, year in off]
    frame = pl.DataFrame(rows, schema={"category_id": pl.String, "geo_fips": pl.String, "year": pl.Int64}, orient="row")
    return finding(
        frame.unique(maintain_order=True),
        holds=f"{compared} {holds}",
        fails=f"of {compared} are not so",
        example="{category_id}, {geo_fips}, {year}",
        figures={"compared": compared, **(more or {})},
    )


state_months_rules: tuple[Rule[StateMonths], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    every_state_category_and_month_has_its_row,
    every_row_says_that_it_is_an_estimate,
    what_is_left_out_is_what_cannot_be_estimated,
    bands_are_of_extrapolated_estimates,
    growth_is_of_the_month_before_and_of_the_year_before,
    sums_are_those_of_their_parts_exactly,
    twelve_months_average_to_the_year,
    states_add_up_to_the_weights_times_their_sum,
    the_us_row_gives_back_the_nations_months,
    the_nations_months_average_to_its_year,
    total_spending_is_estimated_everywhere,
)


@rule("schema")
def errors_are_as_declared(errors: pl.DataFrame) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(errors, GOLD_PCE_MONTHLY_ERRORS.columns)


@rule("key")
def errors_have_one_row_per_cause(errors: pl.DataFrame) -> Finding:
    """No two rows share category, cause and horizon."""
    return repeated_keys(errors, GOLD_PCE_MONTHLY_ERRORS)


@rule("meaning")
def bands_are_in_order(errors: pl.DataFrame) -> Finding:
    """Half of the errors are below what nine in ten are below, each row compared something, phi was tried."""
    extrapolates = pl.col("cause") == "extrapolation"
    fits = pl.all_horizontal(
        pl.col("cause").is_in(list(CAUSES)),
        pl.col("annual_error_p50_pct") <= pl.col("annual_error_p90_pct"),
        pl.col("annual_error_p50_pct") >= 0,
        pl.col("n_figures") >= pl.col("n_years"),
        pl.col("n_years") > 0,
        extrapolates == (pl.col("horizon_years") > 0),
        pl.col("phi").is_in(list(CANDIDATES)).fill_null(value=True),
        extrapolates | pl.col("phi").is_null(),
    )
    return finding(
        errors.filter(~fits),
        holds=f"{errors.height} rows in order",
        fails="rows say what cannot be",
        example="{category_id}, {cause}, {horizon_years} years: "
        "{annual_error_p50_pct} and {annual_error_p90_pct}, phi {phi}",
        figures={"rows": errors.height},
    )


monthly_errors_rules: tuple[Rule[pl.DataFrame], ...] = (
    errors_are_as_declared,
    errors_have_one_row_per_cause,
    bands_are_in_order,
)
