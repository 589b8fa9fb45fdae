"""Months of a state from its annual figures and the months of the nation, and how far such estimates are off.

The estimates are proportional Denton benchmarking in first differences, with extrapolation by a forecast of the annual
ratio. Pure functions over numpy arrays. No lines, areas or tables are known here, nothing is rounded, and totals are
not benchmarked: whoever calls adds them up from their parts. No sum is left to a library of linear algebra, whose last
digits depend on the machine and its threads: the systems are narrow enough to be solved row by row.

    ValueError
    └── NotBenchmarkable    the numbers handed in allow no estimate

Sources: IMF, Quarterly National Accounts Manual, 2017 edition, chapter 6; Marini and Di Fonzo, "On the Extrapolation
with the Denton Proportional Benchmarking Method", IMF Working Paper 12/169, 2012.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MONTHS_OF_A_YEAR = 12

FIRST_CUT = 5
"""How many years of figures an estimate of the back-test has before it, unless the caller says otherwise."""

HORIZONS = (1, 2)
"""How many years after the last annual figure the back-test looks: BEA publishes states about a year late."""

CANDIDATES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The values of phi among which the back-test chooses."""

_NOISE = 12
_YEARS_OF_A_CHANGE = 2


class NotBenchmarkable(ValueError):
    """The numbers handed in allow no estimate: the message says which, and what they must be."""


@dataclass(frozen=True)
class Summary:
    """How far the estimates of a back-test are off, in percent of the published figure; None where there are none."""

    bias_pct: float | None
    """The mean error: above zero where estimates are too high."""
    p50_pct: float | None
    """The median of the absolute errors."""
    p90_pct: float | None
    """The 90th percentile of the absolute errors, interpolated linearly."""
    count: int
    """The number of errors."""


def weights(months: FloatArray, years: int, phi: float) -> FloatArray:
    """The matrix that makes months out of annual figures: `months of a state = weights @ annual figures of the state`.

    `months` are the nation's, at annual rates and positive, from January of the first of the `years` with annual
    figures up to any month after the last; shape (months,). The result has shape (months, years) and no unit: months
    come in the unit of the annual figures, at annual rates. `phi`, from 0 to 1, is the share of the last change of the
    annual ratio that goes on in the next year (`extrapolated_ratio`).

    The ratios of a state's months to the nation's change as little as possible from month to month, in the sum of
    squares, while their mean of each year, weighted with the nation's months, is the annual ratio: the known one, or
    after the last annual figure the extrapolated one.

    Raises `NotBenchmarkable` for months that are not positive numbers or fewer than the years have, for less than one
    year, and for a phi outside its range.

    Source: the manual, chapter 6, on the proportional Denton method and its enhancement for extrapolation.

    >>> weights(np.full(14, 100.0), years=1, phi=0.5)[[0, 11, 13], 0].round(9).tolist()
    [1.0, 1.0, 1.0]
    """
    _refuse_phi(phi)
    _refuse_months(months, years)
    level = months / months.max()  # a solution does not depend on the scale, but sums of huge numbers overflow
    known = annual_means(level, years)
    all_years = _complete(level).reshape(-1, MONTHS_OF_A_YEAR)
    ratios = annual_ratios(np.eye(years), known)
    beyond = [extrapolated_ratio(ratios, phi, horizon) for horizon in range(1, len(all_years) - years + 1)]
    targets = np.vstack([ratios.T, *beyond])
    ratios_of_months = _smoothest(all_years, targets)[: len(level)]
    found: FloatArray = level[:, np.newaxis] * ratios_of_months
    return found


def months_of(of_weights: FloatArray, annual: FloatArray) -> FloatArray:
    """The months of areas, shape (months, areas): `weights` times their annual figures, shape (areas, years).

    An area that lacks a year has no months: NaN.
    """
    found = np.zeros((len(of_weights), len(annual)))
    for year in range(annual.shape[1]):
        found = found + of_weights[:, year, np.newaxis] * annual[np.newaxis, :, year]
    return found


def annual_means(months: FloatArray, years: int) -> FloatArray:
    """What months at annual rates, shape (..., months), come to in each of the first years: shape (..., years)."""
    whole = months[..., : years * MONTHS_OF_A_YEAR].reshape(*months.shape[:-1], years, MONTHS_OF_A_YEAR)
    found: FloatArray = whole.sum(axis=-1) / MONTHS_OF_A_YEAR
    return found


def annual_ratios(annual: FloatArray, national: FloatArray) -> FloatArray:
    """The ratios of annual figures, shape (..., years), to the nation's, shape (years,): no unit.

    Where the nation has no figure above zero there is no ratio: NaN.
    """
    ratios: FloatArray = annual / np.where(national > 0, national, np.nan)
    return ratios


def extrapolated_ratio(ratios: FloatArray, phi: float, horizon: int) -> FloatArray:
    """The annual ratio some years after the last of `ratios`, shape (..., years): shape (...).

    Each year the ratio changes by phi times its change of the year before, so that after `horizon` years it has moved
    by (phi + phi**2 + ... + phi**horizon) times its last known change. Of a single year there is no change: its ratio
    stays.

    Source: Marini and Di Fonzo take any forecast of the annual ratio; this one is a trend that fades with phi.

    >>> extrapolated_ratio(np.array([1.0, 1.2]), phi=0.5, horizon=2).round(9).item()
    1.35
    """
    last = ratios[..., -1]
    if ratios.shape[-1] == 1:
        return last
    moved = sum(phi**year for year in range(1, horizon + 1))
    return last + moved * (last - ratios[..., -2])


def backtest(
    national: FloatArray,
    annual: FloatArray,
    phi: float,
    horizons: Sequence[int] = HORIZONS,
    first_cut: int = FIRST_CUT,
) -> FloatArray:
    """How far extrapolated annual means were off the published figures, as shares of these: estimate / published - 1.

    `annual` has shape (areas, years), `national` shape (years,), and the result that of `extrapolated_years`, whose
    errors are raised too. NaN where the estimate or the published figure is absent or not above zero.
    """
    estimated = extrapolated_years(national, annual, phi, horizons, first_cut)
    return errors_of(estimated, annual, horizons, first_cut)


def extrapolated_years(
    national: FloatArray,
    annual: FloatArray,
    phi: float,
    horizons: Sequence[int] = HORIZONS,
    first_cut: int = FIRST_CUT,
) -> FloatArray:
    """What the first years of each area say of a year after them, in the unit of the figures, at annual rates.

    `national` has shape (years,), `annual` shape (areas, years), both in the same unit. The result has shape (horizons,
    cuts, areas): for each horizon, and for each number of first years from `first_cut` to all but one, the estimate of
    the year so many years later. NaN where there is no such year, or one of the two last ratios is absent or not above
    zero. Estimates of lines may be added up to those of their total, which `errors_of` compares.

    The mean of the estimated months of a year whose months are all known is its extrapolated ratio times the nation's
    figure, so that no months are needed here.

    Raises `NotBenchmarkable` for shapes that do not fit, a first cut below two years, and a phi outside its range.
    """
    _refuse_phi(phi)
    _refuse_annual(national, annual, first_cut)
    nation = np.where(national > 0, national, np.nan)
    ratios = annual_ratios(np.where(annual > 0, annual, np.nan), nation)
    estimated = _no_estimates(annual, horizons, first_cut)
    if not estimated.size:
        return estimated
    before_cuts = sliding_window_view(ratios, _YEARS_OF_A_CHANGE, axis=1)[:, first_cut - _YEARS_OF_A_CHANGE :]
    for nth, horizon in enumerate(horizons):
        of_years = nation[first_cut + horizon - 1 :]
        cuts = len(of_years)
        estimated[nth, :cuts] = (extrapolated_ratio(before_cuts[:, :cuts], phi, horizon) * of_years).T
    return estimated


def errors_of(
    estimated: FloatArray, annual: FloatArray, horizons: Sequence[int] = HORIZONS, first_cut: int = FIRST_CUT
) -> FloatArray:
    """The errors of `extrapolated_years` as shares of the published figures, `annual` of shape (areas, years).

    The result has the shape of the estimates. NaN where either is absent, or the published figure not above zero.
    """
    published = np.where(annual > 0, annual, np.nan)
    errors = _no_estimates(annual, horizons, first_cut)
    for nth, horizon in enumerate(horizons):
        then = published[:, first_cut + horizon - 1 :].T
        errors[nth, : len(then)] = estimated[nth, : len(then)] / then - 1
    return errors


def choose_phi(
    national: FloatArray,
    annual: FloatArray,
    candidates: Sequence[float] = CANDIDATES,
    first_cut: int = FIRST_CUT,
) -> float:
    """The candidate whose back-test has the smallest mean absolute error, over all areas, cuts and HORIZONS alike.

    Of candidates that are equally good, the smallest; where nothing can be compared, the smallest of all. Shapes, units
    and errors are those of `backtest`.
    """

    def loss(phi: float) -> float:
        found = _present(backtest(national, annual, phi, first_cut=first_cut))
        # the last digits of a float depend on the machine, and must not decide between equals
        return round(float(np.abs(found).mean()), _NOISE) if found.size else 0.0

    return min(sorted(candidates), key=loss)


def summary(errors: FloatArray) -> Summary:
    """What errors of `backtest`, of any shape and with NaN where there is none, come to in percent."""
    present = _present(errors) * 100
    if not present.size:
        return Summary(None, None, None, 0)
    p50, p90 = np.quantile(np.abs(present), [0.5, 0.9])
    return Summary(float(present.mean()), float(p50), float(p90), present.size)


def _smoothest(months: FloatArray, targets: FloatArray) -> FloatArray:
    """The ratios that change least from month to month and whose weighted mean of each year is its target.

    `months`, shape (years, 12), are the weights; `targets` has shape (years, columns), each solved for by itself; the
    result has shape (12 * years, columns).

    The unknowns are the first ratio, which costs nothing, and the steps after it. A year's mean is the first ratio plus
    each step times the share of the year that comes at or after it. The difference of two adjoining years' means has
    only the steps in these two, and of all steps with given differences the smallest are a combination of these rows.
    Solving for differences keeps the system as small as the years and well conditioned, which that of all first-order
    conditions is not.
    """
    years, columns = targets.shape
    shares = months / months.sum(axis=1, keepdims=True)
    # a step before month m of a year moves what comes at or after it; the year after takes the rest of it over
    reach = np.cumsum(shares[:, ::-1], axis=1)[:, ::-1]
    rest = 1 - reach
    steps = np.zeros((years * MONTHS_OF_A_YEAR, columns))
    if years > 1:
        # rows of two adjoining differences share the steps of the year between them, others share none
        diagonal = (rest[:-1, 1:] ** 2).sum(axis=1) + (reach[1:] ** 2).sum(axis=1)
        beside = (reach[1:-1, 1:] * rest[1:-1, 1:]).sum(axis=1)
        multipliers = _solved(diagonal, beside, np.diff(targets, axis=0))
        for year in range(years):
            at = slice(year * MONTHS_OF_A_YEAR, (year + 1) * MONTHS_OF_A_YEAR)
            if year:
                steps[at] += reach[year][:, np.newaxis] * multipliers[year - 1]
            if year < years - 1:
                own = rest[year].copy()
                own[0] = 0.0  # the step into January moves all of the year alike
                steps[at] += own[:, np.newaxis] * multipliers[year]
    steps[0] = 0.0
    since_first = np.cumsum(steps, axis=0)
    ratios: FloatArray = targets[0] - _mean_of(shares[0], since_first[:MONTHS_OF_A_YEAR]) + since_first
    return ratios


def _mean_of(shares: FloatArray, months: FloatArray) -> FloatArray:
    """The weighted mean of twelve months, of each column."""
    found = np.zeros(months.shape[1])
    for share, row in zip(shares, months, strict=True):
        found = found + share * row
    return found


def _solved(diagonal: FloatArray, beside: FloatArray, right: FloatArray) -> FloatArray:
    """The solution of a symmetric system with three diagonals, row by row down and up again; for each column."""
    pivots, rows = diagonal.copy(), right.copy()
    for at in range(1, len(pivots)):
        factor = beside[at - 1] / pivots[at - 1]
        pivots[at] -= factor * beside[at - 1]
        rows[at] = rows[at] - factor * rows[at - 1]
    rows[-1] = rows[-1] / pivots[-1]
    for at in range(len(pivots) - 2, -1, -1):
        rows[at] = (rows[at] - beside[at] * rows[at + 1]) / pivots[at]
    return rows


def _complete(months: FloatArray) -> FloatArray:
    """The months to the end of their last year, those not yet published like the last that is."""
    return np.pad(months, (0, -len(months) % MONTHS_OF_A_YEAR), mode="edge")


def _no_estimates(annual: FloatArray, horizons: Sequence[int], first_cut: int) -> FloatArray:
    areas, years = annual.shape
    return np.full((len(horizons), max(years - first_cut, 0), areas), np.nan)


def _present(errors: FloatArray) -> FloatArray:
    return errors[np.isfinite(errors)]


def _refuse_phi(phi: float) -> None:
    if not 0 <= phi <= 1:
        raise NotBenchmarkable(f"Phi is {phi} and must be from 0 to 1: above 1, a trend grows without end.")


def _refuse_months(months: FloatArray, years: int) -> None:
    if years < 1:
        raise NotBenchmarkable(f"Months are made of at least one annual figure, not of {years}.")
    if months.ndim != 1 or len(months) < years * MONTHS_OF_A_YEAR:
        raise NotBenchmarkable(
            f"{years} years with annual figures need {years * MONTHS_OF_A_YEAR} months of the nation in one row, and "
            f"there are {months.shape}."
        )
    unusable = np.flatnonzero(~(np.isfinite(months) & (months > 0)))
    if unusable.size:
        first = unusable[0]
        raise NotBenchmarkable(
            f"Month {first + 1} of the nation is {months[first]}: ratios to the nation need positive numbers "
            f"({unusable.size} of {len(months)} months are not)."
        )


def _refuse_annual(national: FloatArray, annual: FloatArray, first_cut: int) -> None:
    if national.ndim != 1 or annual.shape[1:] != national.shape:
        raise NotBenchmarkable(
            f"Annual figures of areas have the shape (areas, years) and the nation's (years,), not {annual.shape} and "
            f"{national.shape}."
        )
    if first_cut < _YEARS_OF_A_CHANGE:
        raise NotBenchmarkable(f"The first cut of a back-test is {first_cut}: a change needs two years before it.")
