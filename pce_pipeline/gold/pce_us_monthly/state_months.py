"""Months of states, estimated: BEA publishes none, and `docs/monthly-estimates.md` says what these are and are not.

The nation's months of each line whose parts are not all here are benchmarked to the annual figures of each state;
totals are added up from such lines. How far such estimates are off is told from annual means of years that BEA has
published: of years that were cut off and extrapolated, and apart from that, of what BEA itself has revised.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.benchmarking import (
    HORIZONS,
    MONTHS_OF_A_YEAR,
    BoolArray,
    FloatArray,
    Summary,
    annual_means,
    choose_phi,
    errors_of,
    extrapolated_years,
    months_of,
    summary,
    weights,
)
from pce_pipeline.gold.rounding import rounded
from pce_pipeline.tables.pce_us_monthly import GOLD_PCE_MONTHLY_ERRORS, GOLD_PCE_STATE_MONTHLY
from pce_pipeline.tables.table import MONEY
from pce_pipeline.tables.vintages import COUNTED

MONTHS_MEASURE, ANNUAL_MEASURE = "pce_annual_rate", "pce"
"""What the nation's months and the states' years are, by their measures in the catalogue."""

NATION = "00000"
"""The US, by its code."""

_THOUSANDTHS = 1000
_ESTIMATED = "estimated"


@dataclass(frozen=True)
class Line:
    """A line without parts: what there is of it."""

    months: FloatArray
    """The nation's months from January of the first year, at annual rates: millions of dollars, NaN where missing."""
    annual: FloatArray
    """The years of each state, shape (states, years): millions of dollars, NaN for a missing one."""
    nation: FloatArray
    """The years of the US row of the same table, shape (years,)."""

    @property
    def gaps(self) -> BoolArray:
        """Which of the months are missing."""
        return ~np.isfinite(self.months)

    @property
    def until(self) -> int:
        """How many months there are up to the last one that is not missing."""
        known = np.flatnonzero(~self.gaps)
        return int(known[-1]) + 1 if known.size else 0

    @property
    def filled(self) -> FloatArray:
        """The months up to the last one; for a missing one stands the straight line between its neighbours."""
        place, known = np.arange(self.until), ~self.gaps[: self.until]
        return np.interp(place, place[known], self.months[: self.until][known])

    @cached_property
    def problem(self) -> str | None:
        """Why it is left out for all states and months; None where it is not."""
        if not self.until or self.gaps[0] or self.until < self.annual.shape[1] * MONTHS_OF_A_YEAR:
            return "months_missing"
        return "not_positive" if (self.months <= 0).any() or (self.annual <= 0).any() else None

    @property
    def means(self) -> FloatArray:
        """What the nation's months come to in each year with annual figures."""
        return annual_means(self.months, self.annual.shape[1])


@dataclass(frozen=True)
class Panel:
    """All that months of states are estimated from."""

    first_year: int
    """The first year with annual figures and all months of the nation."""
    years: int
    """How many years have both."""
    months: int
    """How many months of the nation there are since January of the first year."""
    areas: tuple[str, ...]
    """The states, by FIPS code, ascending."""
    states: tuple[str, ...]
    """Their postal codes."""
    lines: Mapping[str, Line]
    """The lines without parts, by category."""
    sums: Mapping[str, Mapping[str, int]]
    """All categories, and the lines without parts that each is made of, with their signs: such a line of itself."""
    total: Line
    """What is published of the category that most lines are part of: it tells in which years the nation's months and
    years are of one release."""

    @property
    def total_category(self) -> str:
        """The category that most lines are part of."""
        return _total_of(self.sums)

    @property
    def last_year(self) -> int:
        """The last year with annual figures."""
        return self.first_year + self.years - 1

    @cached_property
    def calendar(self) -> pl.DataFrame:
        """The months: year, month, horizon_years."""
        place = pl.int_range(self.months, dtype=pl.Int32, eager=True)
        return pl.DataFrame({"place": place}).select(
            year=self.first_year + pl.col("place") // MONTHS_OF_A_YEAR,
            month=pl.col("place") % MONTHS_OF_A_YEAR + 1,
            horizon_years=(pl.col("place") // MONTHS_OF_A_YEAR - (self.years - 1)).clip(lower_bound=0),
        )


@dataclass(frozen=True)
class Estimated:
    """The months of a line of all states."""

    amounts: FloatArray
    """Millions of dollars, at annual rates, shape (months, states)."""
    statuses: tuple[str, ...]
    """Whether each state has them, and why not."""
    gaps: BoolArray
    """The months that no state has, because the nation's are missing."""


def panel_of(months: pl.DataFrame, annual: pl.DataFrame, dataset: Dataset) -> Panel | None:
    """What months of states can be estimated from; None where there is no year with both.

    `months` are rows of GOLD_PCE_US_MONTHLY, `annual` of GOLD_PCE_STATE_ANNUAL, `dataset` is that of the months.
    """
    sums = _sums(dataset)
    amounts = months.filter(pl.col("category_id").is_in(list(sums)), pl.col("pce_millions_usd_saar").is_not_null())
    years = annual.filter(pl.col("category_id").is_in(list(sums)), pl.col("pce_millions_usd").is_not_null())
    states = years.filter(geo_level="state").select("geo_fips", "state").unique().sort("geo_fips")
    whole = amounts.group_by("year").agg(pl.col("month").n_unique()).filter(month=MONTHS_OF_A_YEAR)["year"]
    both = sorted(set(whole) & set(years.filter(geo_level="state")["year"]))
    if not both:
        return None
    first = max(year for year in both if year - 1 not in both)  # years without a gap, up to the newest
    newest = amounts.select((pl.col("year") * MONTHS_OF_A_YEAR + pl.col("month") - 1).max()).item()
    count = newest - first * MONTHS_OF_A_YEAR + 1
    areas = tuple(states["geo_fips"])
    span = range(first, both[-1] + 1)
    lowest = [category for category, parts in sums.items() if parts == {category: 1}]

    def line(category: str) -> Line:
        of_years = years.filter(category_id=category)
        return Line(
            _row_of_months(amounts.filter(category_id=category), first, count),
            _rows_of_years(of_years, areas, span),
            _rows_of_years(of_years, (NATION,), span)[0],
        )

    return Panel(
        first_year=first,
        years=len(span),
        months=count,
        areas=areas,
        states=tuple(states["state"]),
        lines={category: line(category) for category in lowest},
        sums=sums,
        total=line(_total_of(sums)),
    )


def _total_of(sums: Mapping[str, Mapping[str, int]]) -> str:
    return max(sums, key=lambda category: len(sums[category]))


def _sums(dataset: Dataset) -> dict[str, dict[str, int]]:
    """The categories of products that have months, each with the lines without parts that it is made of.

    One that lacks a part here, as a profile may leave lines out, is no sum: it is a line itself.
    """
    products = dataset.categories.filter((pl.col("scheme") == "product") & ~pl.col("nation_only"))
    held = set(dataset.lines.filter(measure=MONTHS_MEASURE)["category_id"]) & set(products["category_id"])
    below: dict[str | None, dict[str, int]] = {}
    for name, parent, sign in products.select("category_id", "parent_id", "sign").iter_rows():
        below.setdefault(parent, {})[name] = sign

    def made_of(category: str) -> dict[str, int]:
        parts = below.get(category, {})
        if not parts or not parts.keys() <= held:
            return {category: 1}
        return {line: sign * own for part, sign in parts.items() for line, own in made_of(part).items()}

    return {name: dict(sorted(made_of(name).items())) for name in sorted(held)}


def _row_of_months(amounts: pl.DataFrame, first_year: int, count: int) -> FloatArray:
    row = np.full(count, np.nan)
    place = amounts.select((pl.col("year") - first_year) * MONTHS_OF_A_YEAR + pl.col("month") - 1).to_series()
    within = place >= 0
    values = amounts["pce_millions_usd_saar"].cast(pl.Float64)
    row[place.filter(within).to_numpy()] = values.filter(within).to_numpy()
    return row


def _rows_of_years(years: pl.DataFrame, areas: Sequence[str], span: range) -> FloatArray:
    rows = np.full((len(areas), len(span)), np.nan)
    of = years.filter(pl.col("geo_fips").is_in(list(areas)), pl.col("year").is_in(list(span)))
    order = {area: place for place, area in enumerate(areas)}
    places = [order[area] for area in of["geo_fips"]]
    rows[places, (of["year"] - span.start).to_numpy()] = of["pce_millions_usd"].cast(pl.Float64).to_numpy()
    return rows


def estimated(line: Line, phi: float) -> Estimated:
    """The months of all states of a line; of a state that lacks a year, or whose months would not be positive, none."""
    count, states = len(line.months), len(line.annual)
    amounts = np.full((count, states), np.nan)
    if line.problem is not None:
        return Estimated(amounts, (line.problem,) * states, np.zeros(count, dtype=np.bool_))
    amounts[: line.until] = months_of(weights(line.filled, line.annual.shape[1], phi), line.annual)
    amounts[line.gaps] = np.nan
    lacks = np.asarray(~np.isfinite(line.annual).all(axis=1))
    fails = np.asarray((_thousandths(amounts) <= 0).any(axis=0))  # as they are published: a month of 0.000 is none
    statuses = tuple(
        "figure_missing" if lacks[place] else "negative_month" if fails[place] else _ESTIMATED
        for place in range(states)
    )
    return Estimated(np.where(lacks | fails, np.nan, amounts), statuses, line.gaps)


def state_months(panel: Panel | None, errors: pl.DataFrame) -> pl.DataFrame:
    """The rows of GOLD_PCE_STATE_MONTHLY; `errors` are those of GOLD_PCE_MONTHLY_ERRORS of the same panel."""
    if panel is None:
        return pl.DataFrame(schema=GOLD_PCE_STATE_MONTHLY.polars_schema)
    tested = errors.filter(cause="extrapolation")
    found: dict[str, float] = dict(tested.drop_nulls("phi").select("category_id", "phi").unique().iter_rows())
    phis = {category: found.get(category, 0.0) for category in panel.lines}
    lines = {category: estimated(line, phis[category]) for category, line in panel.lines.items()}
    thousandths = {category: _thousandths(each.amounts) for category, each in lines.items()}
    rows = pl.concat(_rows_of(panel, category, lines, thousandths) for category in panel.sums)
    is_extrapolated = pl.col("horizon_years") > 0
    bands = tested.select("category_id", "horizon_years", "annual_error_p50_pct", "annual_error_p90_pct")
    levels = pl.DataFrame(list(phis.items()), schema={"category_id": pl.String, "phi": pl.Float64}, orient="row")
    known = pl.col("status") == _ESTIMATED
    return (
        rows.join(bands, on=["category_id", "horizon_years"], how="left")
        .join(levels, on="category_id", how="left")
        .with_columns(
            pl.when(known & is_extrapolated).then("phi"),
            pl.when(known).then(pl.col("annual_error_p50_pct", "annual_error_p90_pct")),
            is_estimate=pl.lit(value=True),
            is_extrapolated=is_extrapolated,
        )
        .select(GOLD_PCE_STATE_MONTHLY.column_names)
        .sort(GOLD_PCE_STATE_MONTHLY.key)
    )


def _thousandths(amounts: FloatArray) -> FloatArray:
    """Whole thousandths of a million: sums of what is published are then exact."""
    found: FloatArray = np.rint(amounts * _THOUSANDTHS)
    return found


def _rows_of(
    panel: Panel, category: str, lines: Mapping[str, Estimated], thousandths: Mapping[str, FloatArray]
) -> pl.DataFrame:
    """The months of a category of all states, with their growth."""
    parts = panel.sums[category]
    is_line = parts == {category: 1}
    total = np.zeros((panel.months, len(panel.areas)))
    for part, sign in parts.items():
        total = total + sign * thousandths[part]
    total = np.where(total > 0, total, np.nan)
    statuses = [
        lines[category].statuses[place]
        if is_line
        else _ESTIMATED
        if all(lines[part].statuses[place] == _ESTIMATED for part in parts)
        else "part_left_out"
        for place in range(len(panel.areas))
    ]
    gaps = np.any([lines[part].gaps for part in parts], axis=0)
    columns = {
        "thousandths": total,
        "mom_pct": _growth(total, 1),
        "yoy_pct": _growth(total, MONTHS_OF_A_YEAR),
    }
    places = pl.DataFrame(
        {"geo_fips": panel.areas, "state": panel.states, "status": statuses},
        schema={"geo_fips": pl.String, "state": pl.String, "status": pl.String},
    )
    return (
        places.join(panel.calendar, how="cross")
        .with_columns(pl.Series(name, values.T.ravel()).fill_nan(None) for name, values in columns.items())
        .with_columns(pl.Series("is_gap", np.tile(gaps, len(panel.areas))))
        .with_columns(
            mom_pct=rounded(pl.col("mom_pct")),
            yoy_pct=rounded(pl.col("yoy_pct")),
            category_id=pl.lit(category),
            method=pl.lit("denton" if is_line else "sum"),
            status=pl.when(pl.col("thousandths").is_null() & (pl.col("status") == _ESTIMATED))
            .then(
                pl.when("is_gap")
                .then(pl.lit("months_missing" if is_line else "part_left_out"))
                .otherwise(pl.lit("negative_month"))
            )
            .otherwise("status"),
            pce_millions_usd_saar=(pl.col("thousandths") / _THOUSANDTHS).cast(MONEY),
        )
        .drop("thousandths", "is_gap")
    )


def _growth(amounts: FloatArray, months: int) -> FloatArray:
    """The change on so many months before, in percent, of amounts above zero or NaN; NaN where one of the two is."""
    found = np.full(amounts.shape, np.nan)
    found[months:] = (amounts[months:] / amounts[:-months] - 1) * 100
    return found


def monthly_errors(panel: Panel | None, log: pl.DataFrame) -> pl.DataFrame:
    """The rows of GOLD_PCE_MONTHLY_ERRORS; `log` has the rows of `gold_vintages` of annual spending by state."""
    rows = [] if panel is None else [*_of_extrapolation(panel), *_of_revisions(panel, log)]
    frame = pl.DataFrame(rows, schema=GOLD_PCE_MONTHLY_ERRORS.polars_schema, orient="row")
    return frame.with_columns(
        rounded(pl.col(name)).alias(name) for name in ("bias_pct", "annual_error_p50_pct", "annual_error_p90_pct")
    ).sort(GOLD_PCE_MONTHLY_ERRORS.key)


_Row = tuple[str, str, int, float | None, int, int, float | None, float | None, float | None]


def _of_extrapolation(panel: Panel) -> Iterator[_Row]:
    """The back-test: of each line, and of each sum of lines all of which can be estimated."""
    usable = {category: line for category, line in panel.lines.items() if line.problem is None}
    phis = {category: choose_phi(line.means, line.annual) for category, line in usable.items()}
    years = {category: extrapolated_years(line.means, line.annual, phis[category]) for category, line in usable.items()}
    for category, parts in panel.sums.items():
        if parts.keys() <= usable.keys():
            estimate = sum(sign * years[part] for part, sign in parts.items())
            published = sum(sign * usable[part].annual for part, sign in parts.items())
            errors = errors_of(np.asarray(estimate), np.asarray(published))
            phi = phis[category] if parts == {category: 1} else None
            for horizon, of_horizon in zip(HORIZONS, errors, strict=True):
                compared = int(np.isfinite(of_horizon).any(axis=1).sum())
                yield from _row(category, "extrapolation", horizon, phi, compared, summary(of_horizon))


def _of_revisions(panel: Panel, log: pl.DataFrame) -> Iterator[_Row]:
    """How far figures of the newest year of a vintage are from today's, where a later vintage came.

    That year is the one from which months are extrapolated. Older ones, of which most are not revised any more, would
    make the error look small.
    """
    figure = ["category_id", "geo_fips", "year"]
    counted = log.filter(basis=COUNTED)
    own = counted.filter(
        pl.col("category_id").is_in(list(panel.sums)),
        pl.col("status") == "reported",
        pl.col("geo_fips").is_in(list(panel.areas)),
    )
    newest = pl.lit(counted["valid_from"].max(), dtype=pl.Int32)
    both = (
        own.sort("valid_from")
        .group_by(figure)
        .agg(
            since=pl.col("valid_from").first(),
            first=pl.col("value").first().cast(pl.Float64),
            today=pl.col("value").filter(pl.col("valid_to").is_null()).last().cast(pl.Float64),
        )
        .with_columns(newest_year=pl.col("year").max().over("since"))
        .filter((pl.col("since") < newest) & (pl.col("today") > 0) & (pl.col("year") == pl.col("newest_year")))
        .sort(figure)
    )
    for (category,), of_category in both.partition_by("category_id", as_dict=True, maintain_order=True).items():
        errors = (of_category["first"] / of_category["today"] - 1).to_numpy()
        compared = of_category["year"].n_unique()
        yield from _row(str(category), "benchmark_revision", 0, None, compared, summary(errors))


def _row(category: str, cause: str, horizon: int, phi: float | None, years: int, found: Summary) -> Iterator[_Row]:
    if found.count:
        yield (category, cause, horizon, phi, years, found.count, found.bias_pct, found.p50_pct, found.p90_pct)
