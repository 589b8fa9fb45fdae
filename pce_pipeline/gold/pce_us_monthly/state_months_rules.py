"""Rules of the months of states, and of how far they are off: declaration, keys, sums, means, weights, growth, bands.

What an estimate is made from is there only where it was computed in this run: a rule that needs it has no subject
otherwise, and one that needs the rows alone looks at them in any case.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from pce_pipeline.gold.benchmarking import CANDIDATES, MONTHS_OF_A_YEAR, FloatArray, annual_means, months_of, weights
from pce_pipeline.gold.pce_us_monthly.state_months import Line, Panel
from pce_pipeline.quality.frames import repeated_keys, violations_of_schema
from pce_pipeline.quality.rules import Finding, Rule, finding, rule
from pce_pipeline.tables.pce_us_monthly import GOLD_PCE_MONTHLY_ERRORS, GOLD_PCE_STATE_MONTHLY, STATE_MONTH_STATUSES

_CELL = ["geo_fips", "category_id", "year", "month"]
_CELL_TEXT = "{category_id}, {geo_fips}, {year}M{month}"
_AMOUNT = "pce_millions_usd_saar"
_ROUNDING = 0.0005
_FLOATING = 1e-9
_OF_MILLIONS = 0.6
"""The nation's months are whole millions, and its years have one decimal: so far may their mean be off."""
_TOTAL = "total"


@dataclass(frozen=True)
class StateMonths:
    """What the rules of the months of states look at."""

    frame: pl.DataFrame
    """The rows."""
    panel: Panel | None = None
    """What they were estimated from; None where nothing was computed in this run."""
    phis: dict[str, float] = field(default_factory=dict)
    """The phi of each line."""

    def lines(self) -> Iterator[tuple[str, Line, FloatArray]]:
        """The lines that are not left out, each with its amounts as published, shape (months, states)."""
        if self.panel is None:
            return
        for category, line in self.panel.lines.items():
            if line.problem is None:
                rows = self.frame.filter(category_id=category).sort("year", "month", "geo_fips")
                amounts = rows[_AMOUNT].cast(pl.Float64).to_numpy()
                yield category, line, amounts.reshape(self.panel.months, len(self.panel.areas))

    def weights_of(self, category: str) -> FloatArray:
        """The matrix that the months of a line are made with."""
        assert self.panel is not None  # noqa: S101 (who asks has its lines)
        return weights(self.panel.lines[category].months, self.panel.years, self.phis.get(category, 0.0))


@rule("always")
def schema_is_as_declared(months: StateMonths) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(months.frame, GOLD_PCE_STATE_MONTHLY.columns)


@rule("always")
def primary_key_is_unique(months: StateMonths) -> Finding:
    """No two rows share state, category, year and month."""
    return repeated_keys(months.frame, GOLD_PCE_STATE_MONTHLY)


@rule("always")
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


@rule("always")
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


@rule("always")
def sums_are_those_of_their_parts_exactly(months: StateMonths) -> Finding:
    """Subtotals and totals are the sums of the lines without parts, to the last decimal."""
    sums = {} if months.panel is None else {name: each for name, each in months.panel.sums.items() if len(each) > 1}
    terms = pl.DataFrame(
        [(name, part, sign) for name, parts in sums.items() for part, sign in parts.items()],
        schema={"total_id": pl.String, "category_id": pl.String, "sign": pl.Int64},
        orient="row",
    )
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


@rule("always")
def twelve_months_average_to_the_year(months: StateMonths) -> Finding:
    """The mean of twelve months of each line and state is the annual figure that BEA published."""
    off, compared = [], 0
    for category, line, amounts in months.lines():
        years = line.annual.shape[1]
        means = annual_means(amounts.T, years)
        here = np.isfinite(means)
        compared += int(here.sum())
        wrong = here & ~(np.abs(means - line.annual) <= _ROUNDING + _FLOATING * np.abs(line.annual))
        off += [(category, place, year) for place, year in np.argwhere(wrong).tolist()]
    return _of_lines(months, off, "means of months are the annual figures", compared)


@rule("always")
def states_add_up_to_the_weights_times_their_sum(months: StateMonths) -> Finding:
    """The months of all states of a line add up to its weights times the sum of the states' years."""
    off, compared = [], 0
    for category, line, amounts in months.lines():
        if not np.isfinite(amounts).all():
            continue  # of a line that some state lacks there is no sum of all
        total = months_of(months.weights_of(category), line.annual.sum(axis=0, keepdims=True))[:, 0]
        added = amounts.sum(axis=1)
        compared += len(total)
        wrong = ~(np.abs(added - total) <= _ROUNDING * amounts.shape[1] + _FLOATING * np.abs(total))
        off += [(category, 0, month // MONTHS_OF_A_YEAR) for (month,) in np.argwhere(wrong).tolist()]
    return _of_lines(months, off, "sums of states are the weights times the sum of their years", compared)


@rule("always")
def the_us_row_gives_back_the_nations_months(months: StateMonths) -> Finding:
    """The weights times the US row are BEA's own months, where both are of one release.

    That they are is told by the figures: BEA's months come to BEA's year in every year.
    """
    off, compared, not_checked = [], 0, 0
    for category, line, _ in months.lines():
        if not (np.abs(line.means - line.nation) <= _OF_MILLIONS).all():
            not_checked += 1
            continue
        again = months_of(months.weights_of(category), line.nation[np.newaxis])[:, 0]
        compared += len(again)
        # a year that is off by its rounding is off by about as much in its months, and more where the trend goes on
        wrong = ~(np.abs(again - line.months) <= 4 * _OF_MILLIONS)
        off += [(category, 0, month // MONTHS_OF_A_YEAR) for (month,) in np.argwhere(wrong).tolist()]
    return _of_lines(months, off, "months of the nation come back", compared, {"lines_not_checked": not_checked})


@rule("never")
def the_nations_months_average_to_its_year(months: StateMonths) -> Finding:
    """In years in which the months of total spending come to the US row, those of every line do.

    Between two releases they do not, and no rule can say which of them is wrong: years in which the total differs are
    counted, and not compared.
    """
    panel = months.panel
    lines = {} if panel is None else {name: line for name, line in panel.lines.items() if line.problem is None}
    if panel is None or not lines:
        return finding(pl.DataFrame(), holds="nothing to compare", fails="", example="", figures={"compared": 0})
    total = panel.sums[max(panel.sums, key=lambda name: len(panel.sums[name]))]
    differs = sum(
        (sign * (lines[part].means - lines[part].nation) for part, sign in total.items() if part in lines),
        np.zeros(panel.years),
    )
    agrees = np.abs(differs) <= _OF_MILLIONS * len(total)
    off = [
        (category, 0, year)
        for category, line in lines.items()
        for (year,) in np.argwhere(agrees & (np.abs(line.means - line.nation) > _OF_MILLIONS)).tolist()
    ]
    others = {"years_of_other_releases": int((~agrees).sum())}
    return _of_lines(months, off, "months of the nation come to its years", int(agrees.sum()) * len(lines), others)


def _of_lines(
    months: StateMonths, off: list[tuple[str, int, int]], holds: str, compared: int, more: dict[str, int] | None = None
) -> Finding:
    """A finding about lines, states and years by their places."""
    areas, first = (months.panel.areas, months.panel.first_year) if months.panel is not None else ((), 0)
    rows = [(category, areas[place], first + year) for category, place, year in off]
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
    every_row_says_that_it_is_an_estimate,
    growth_is_of_the_month_before_and_of_the_year_before,
    sums_are_those_of_their_parts_exactly,
    twelve_months_average_to_the_year,
    states_add_up_to_the_weights_times_their_sum,
    the_us_row_gives_back_the_nations_months,
    the_nations_months_average_to_its_year,
)


@rule("always")
def errors_are_as_declared(errors: pl.DataFrame) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(errors, GOLD_PCE_MONTHLY_ERRORS.columns)


@rule("always")
def errors_have_one_row_per_cause(errors: pl.DataFrame) -> Finding:
    """No two rows share category, cause and horizon."""
    return repeated_keys(errors, GOLD_PCE_MONTHLY_ERRORS)


@rule("always")
def bands_are_in_order(errors: pl.DataFrame) -> Finding:
    """Half of the errors are below what nine in ten are below, each row compared something, phi was tried."""
    extrapolates = pl.col("cause") == "extrapolation"
    fits = pl.all_horizontal(
        pl.col("error_p50_pct") <= pl.col("error_p90_pct"),
        pl.col("error_p50_pct") >= 0,
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
        example="{category_id}, {cause}, {horizon_years} years: {error_p50_pct} and {error_p90_pct}, phi {phi}",
        figures={"rows": errors.height},
    )


monthly_errors_rules: tuple[Rule[pl.DataFrame], ...] = (
    errors_are_as_declared,
    errors_have_one_row_per_cause,
    bands_are_in_order,
)
