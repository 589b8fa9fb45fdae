"""Months out of annual figures: what must hold of them, the same by other ways, on BEA's figures, and in the document.

The other ways are the first-order conditions in exact fractions, statsmodels, and the document's own lines of numpy.
"""

import io
import re
from collections.abc import Mapping
from contextlib import redirect_stdout
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.tsa.interp.denton import dentonm

import pce_pipeline
from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.gold.benchmarking import (
    CANDIDATES,
    FIRST_CUT,
    FloatArray,
    NotBenchmarkable,
    Summary,
    annual_ratios,
    backtest,
    choose_phi,
    errors_of,
    extrapolated_ratio,
    extrapolated_years,
    summary,
    weights,
)
from pce_pipeline_tests.examples import examples

DOCUMENT = Path(pce_pipeline.__file__).parents[1] / "docs" / "monthly-estimates.md"

amounts = st.floats(min_value=0.1, max_value=10)
phis = st.floats(min_value=0, max_value=1)


@st.composite
def nations(draw: st.DrawFn, most_after: int = 30) -> tuple[FloatArray, int]:
    """Months of a nation, and how many of its first years have annual figures."""
    years = draw(st.integers(min_value=1, max_value=5))
    after = draw(st.integers(min_value=0, max_value=most_after))
    return draw(arrays(np.float64, 12 * years + after, elements=amounts)), years


def figures(data: st.DataObject, years: int, areas: int | None = None) -> FloatArray:
    drawn: FloatArray = data.draw(arrays(np.float64, years if areas is None else (areas, years), elements=amounts))
    return drawn


def means(months: FloatArray, years: int) -> FloatArray:
    of_years: FloatArray = months[: 12 * years].reshape(years, 12).mean(axis=1)
    return of_years


@settings(max_examples=examples(60))
@given(nations(), phis)
def test_the_annual_figures_of_the_nation_give_back_its_months(nation: tuple[FloatArray, int], phi: float) -> None:
    months, years = nation
    assert weights(months, years, phi) @ means(months, years) == pytest.approx(months, rel=1e-9)


@settings(max_examples=examples(60))
@given(nations(), phis, st.data())
def test_the_months_of_a_year_have_the_mean_that_the_annual_figure_says(
    nation: tuple[FloatArray, int], phi: float, data: st.DataObject
) -> None:
    months, years = nation
    annual = figures(data, years)
    assert means(weights(months, years, phi) @ annual, years) == pytest.approx(annual, rel=1e-9)


@settings(max_examples=examples(60))
@given(nations(most_after=0), phis, st.data())
def test_whole_years_after_the_last_figure_have_the_mean_of_the_back_test(
    nation: tuple[FloatArray, int], phi: float, data: st.DataObject
) -> None:
    months, years = nation
    following = data.draw(arrays(np.float64, 24, elements=amounts))
    longer = np.concatenate([months, following])
    annual, national = figures(data, years), means(longer, years + 2)
    found = means(weights(longer, years, phi) @ annual, years + 2)[years:]
    ratios = annual_ratios(annual, national[:years])
    expected = [extrapolated_ratio(ratios, phi, horizon) * national[years + horizon - 1] for horizon in (1, 2)]
    assert found == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9)
    if years > 1:
        of_area = np.append(annual, [np.nan, np.nan])[np.newaxis]
        same = extrapolated_years(national, of_area, phi, first_cut=years)
        assert [same[0, 0, 0], same[1, 0, 0]] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=examples(60))
@given(nations(), phis, st.data())
def test_the_months_of_areas_add_up_to_those_of_their_sum(
    nation: tuple[FloatArray, int], phi: float, data: st.DataObject
) -> None:
    months, years = nation
    matrix, annual = weights(months, years, phi), figures(data, years, areas=4)
    together = (matrix @ annual.T).sum(axis=1)
    assert together == pytest.approx(matrix @ annual.sum(axis=0), rel=1e-9, abs=1e-9)


@settings(max_examples=examples(60))
@given(nations(), phis, st.sampled_from([1e-6, 12.0, 1e9, 1e300]))
def test_the_unit_of_the_nation_is_of_no_matter(nation: tuple[FloatArray, int], phi: float, unit: float) -> None:
    months, years = nation
    assert weights(months * unit, years, phi) == pytest.approx(weights(months, years, phi), rel=1e-9, abs=1e-12)


@settings(max_examples=examples(60))
@given(nations(most_after=0), phis, phis)
def test_phi_changes_nothing_where_no_month_is_after_the_last_figure(
    nation: tuple[FloatArray, int], phi: float, another: float
) -> None:
    months, years = nation
    assert np.array_equal(weights(months, years, phi), weights(months, years, another))


@given(arrays(np.float64, 30, elements=amounts), phis)
def test_a_single_annual_figure_gives_every_month_the_same_share_of_the_nation(months: FloatArray, phi: float) -> None:
    share = 1 / months[:12].mean()
    assert weights(months, 1, phi)[:, 0] == pytest.approx(months * share, rel=1e-9)


@settings(max_examples=examples(60))
@given(nations(), phis, st.data())
def test_no_other_months_with_the_same_means_change_their_ratio_less(
    nation: tuple[FloatArray, int], phi: float, data: st.DataObject
) -> None:
    months, years = nation
    whole = np.pad(months, (0, -len(months) % 12), mode="edge")
    solved = weights(whole, years, phi) @ figures(data, years) / whole
    direction = data.draw(arrays(np.float64, (len(whole) // 12, 12), elements=st.floats(-1, 1)))
    shares = whole.reshape(-1, 12) / whole.reshape(-1, 12).sum(axis=1, keepdims=True)
    others = solved + (direction - (direction * shares).sum(axis=1, keepdims=True)).ravel()
    assert (np.diff(solved) ** 2).sum() <= (np.diff(others) ** 2).sum() + 1e-9


@pytest.mark.parametrize("published", [1, 5, 11])
def test_months_not_yet_published_change_nothing_but_the_weights_of_their_year(published: int) -> None:
    months = np.concatenate([np.linspace(100, 130, 36), np.full(published, 131.0)])
    filled_up = np.concatenate([months, np.full(12 - published, 131.0)])
    found = weights(months, 3, 0.5)
    assert found.shape == (36 + published, 3)
    assert found == pytest.approx(weights(filled_up, 3, 0.5)[: len(months)], rel=1e-12)


def test_a_year_that_has_just_begun_starts_without_a_step() -> None:
    annual = np.array([10.0, 11.0, 12.0])
    ratios = weights(np.full(37, 100.0), 3, 1.0) @ annual / 100
    steps = np.diff(ratios)
    assert 0 < steps[-1] < 1.1 * steps[-2]
    assert ratios[-1] < 0.13  # what the mean of the whole year is to be


def fractions_solved(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """The solution of linear equations by elimination, without rounding."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for place in range(len(rows)):
        pivot = next(nth for nth in range(place, len(rows)) if rows[nth][place])
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [each / rows[place][place] for each in rows[place]]
        for nth, row in enumerate(rows):
            if nth != place and row[place]:
                rows[nth] = [
                    each - row[place] * other if other else each for each, other in zip(row, rows[place], strict=True)
                ]
    return [row[-1] for row in rows]


def test_a_state_by_hand_from_the_first_order_conditions_in_exact_fractions() -> None:
    nation = [
        *(1000, 1004, 1011, 1009, 1015, 1020, 1018, 1027, 1030, 1041, 1039, 1050),
        *(1049, 1058, 1066, 1071, 1069, 1080, 1093, 1090, 1102, 1111, 1108, 1120),
        *(1131, 1127, 1140),
    ]
    alabama = [14, 15]
    phi = Fraction(1, 2)
    months = [Fraction(each) for each in [*nation, *[nation[-1]] * 9]]  # the last published month, for nine more
    first, second, third = months[:12], months[12:24], months[24:]
    ratio_1, ratio_2 = 12 * alabama[0] / sum(first, Fraction()), 12 * alabama[1] / sum(second, Fraction())
    ratio_3 = ratio_2 + phi * (ratio_2 - ratio_1)

    # Lagrange: of each month, (r[t] - r[t-1]) - (r[t+1] - r[t]) + m[t] * multiplier of its year = 0 ...
    conditions = [[Fraction(0)] * 39 for _ in range(39)]
    for t in range(36):
        for beside in (t - 1, t + 1):
            if 0 <= beside < 36:
                conditions[t][t] += 1
                conditions[t][beside] -= 1
        conditions[t][36 + t // 12] = months[t]
        # ... and of each year, the sum of m[t] * r[t] is twelve times the mean that it must have
        conditions[36 + t // 12][t] = months[t]
    of_years = [12 * Fraction(alabama[0]), 12 * Fraction(alabama[1]), ratio_3 * sum(third, Fraction())]
    ratios = fractions_solved(conditions, [Fraction(0)] * 36 + of_years)[:36]

    by_hand = [float(m * r) for m, r in zip(months, ratios, strict=True)][:27]
    found = weights(np.array(nation, dtype=np.float64), 2, 0.5) @ np.array(alabama, dtype=np.float64)
    assert found == pytest.approx(by_hand, rel=1e-9)
    assert sum(by_hand[:12]) / 12 == pytest.approx(14)


@settings(max_examples=examples(25))
@given(nations(most_after=0), phis, st.data())
def test_statsmodels_interpolates_the_same_months(
    nation: tuple[FloatArray, int], phi: float, data: st.DataObject
) -> None:
    months, years = nation
    annual = figures(data, years)
    by_others = dentonm(months, 12 * annual, freq="other", k=12)  # it wants sums, and we have means
    assert weights(months, years, phi) @ annual == pytest.approx(by_others, rel=1e-6, abs=1e-9)


def test_twenty_nine_years_of_months_are_solved_to_the_last_digits() -> None:
    months = np.exp(np.linspace(0, 2, 348) + 0.05 * np.sin(np.arange(348)))
    matrix = weights(months, 28, 0.5)
    assert matrix.shape == (348, 28)
    assert matrix @ means(months, 28) == pytest.approx(months, rel=1e-12)


@pytest.mark.parametrize(
    ("months", "years", "phi", "said"),
    [
        (np.full(23, 1.0), 2, 0.5, "2 years with annual figures need 24 months"),
        (np.full((24, 1), 1.0), 2, 0.5, r"and there are \(24, 1\)"),
        (np.full(12, 1.0), 0, 0.5, "at least one annual figure"),
        (np.append(np.full(23, 1.0), 0.0), 1, 0.5, r"Month 24 of the nation is 0.0.*1 of 24"),
        (np.append(-1.0, np.full(11, 1.0)), 1, 0.5, "Month 1 of the nation is -1.0"),
        (np.append(np.nan, np.full(11, np.inf)), 1, 0.5, r"Month 1 of the nation is nan.*12 of 12"),
        (np.full(12, 1.0), 1, 1.01, "Phi is 1.01 and must be from 0 to 1"),
        (np.full(12, 1.0), 1, -0.1, "Phi is -0.1"),
        (np.full(12, 1.0), 1, np.nan, "Phi is nan"),
    ],
)
def test_numbers_that_allow_no_months_are_refused(months: FloatArray, years: int, phi: float, said: str) -> None:
    with pytest.raises(NotBenchmarkable, match=said):
        weights(months, years, phi)


@given(arrays(np.float64, 4, elements=amounts), phis, st.integers(min_value=1, max_value=6))
def test_the_change_of_the_ratio_fades_by_phi_from_year_to_year(ratios: FloatArray, phi: float, horizon: int) -> None:
    path = list(ratios)
    for _ in range(horizon):
        path.append(path[-1] + phi * (path[-1] - path[-2]))
    assert extrapolated_ratio(ratios, phi, horizon) == pytest.approx(path[-1], rel=1e-9, abs=1e-9)
    assert extrapolated_ratio(np.stack([ratios, ratios]), phi, horizon) == pytest.approx([path[-1]] * 2, abs=1e-9)


def test_the_ratio_of_a_single_year_stays_and_one_without_a_nation_is_none() -> None:
    assert extrapolated_ratio(np.array([0.3]), 1.0, 2) == pytest.approx(0.3)
    found = annual_ratios(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([2.0, 0.0, np.nan, -8.0]))
    assert found.tolist() == [[0.5, pytest.approx(np.nan, nan_ok=True), *[pytest.approx(np.nan, nan_ok=True)] * 2]]


cells = st.one_of(amounts, st.sampled_from([np.nan, 0.0, -1.0]))


@settings(max_examples=examples(40))
@given(st.data(), phis, st.integers(min_value=2, max_value=9), st.sampled_from([(1,), (1, 2), (3, 1)]))
def test_the_back_test_cuts_after_each_year_and_compares_what_followed(
    data: st.DataObject, phi: float, first_cut: int, horizons: tuple[int, ...]
) -> None:
    national = data.draw(arrays(np.float64, 7, elements=cells))
    annual = data.draw(arrays(np.float64, (3, 7), elements=cells))
    found = backtest(national, annual, phi, horizons, first_cut)
    assert found.shape == (len(horizons), max(7 - first_cut, 0), 3)
    for (nth, cut, area), error in np.ndenumerate(found):
        year = first_cut + cut + horizons[nth] - 1  # the cut is after so many years, of which this is the number + 1
        last = first_cut + cut - 1
        if year >= 7 or not all(
            amount > 0 for each in (last - 1, last, year) for amount in (national[each], annual[area, each])
        ):
            assert np.isnan(error)
            continue
        before, now = (annual[area, each] / national[each] for each in (last - 1, last))
        for _ in range(horizons[nth]):
            before, now = now, now + phi * (now - before)
        assert error == pytest.approx(now * national[year] / annual[area, year] - 1, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("amount", [0.0, -0.5, np.nan])
@pytest.mark.parametrize("year", [0, 1, 2])
def test_a_figure_that_is_not_above_zero_gives_no_error(year: int, amount: float) -> None:
    whole, broken = np.full(3, 5.0), np.full(3, 5.0)
    broken[year] = amount
    assert backtest(whole, whole[np.newaxis], 0.5, (1,), first_cut=2).tolist() == [[[0.0]]]
    assert np.isnan(backtest(whole, broken[np.newaxis], 0.5, (1,), first_cut=2)).all()
    assert np.isnan(backtest(broken, whole[np.newaxis], 0.5, (1,), first_cut=2)).all()


def test_the_back_test_begins_after_five_years_and_looks_two_years_ahead() -> None:
    found = backtest(np.ones(7), np.ones((1, 7)), 0.5)[:, :, 0]
    assert np.array_equal(found, [[0.0, 0.0], [0.0, np.nan]], equal_nan=True)


def test_estimates_of_lines_add_up_to_one_of_their_total_that_is_compared() -> None:
    national = np.array([100.0, 100.0, 100.0, 100.0])
    goods, services = np.array([[10.0, 11.0, 12.0, 12.0]]), np.array([[10.0, 10.0, 10.0, 13.0]])
    of_parts = sum(extrapolated_years(national, part, 1.0, (1,), first_cut=2) for part in (goods, services))
    found = errors_of(np.asarray(of_parts), goods + services, (1,), first_cut=2)
    assert found[0, :, 0] == pytest.approx([22 / 22 - 1, 23 / 25 - 1])


@pytest.mark.parametrize(
    ("national", "annual", "first_cut", "said"),
    [
        (np.ones(4), np.ones((2, 3)), 2, r"not \(2, 3\) and \(4,\)"),
        (np.ones(4), np.ones(4), 2, r"not \(4,\) and \(4,\)"),
        (np.ones((4, 1)), np.ones((2, 4)), 2, r"not \(2, 4\) and \(4, 1\)"),
        (np.ones(4), np.ones((2, 4)), 1, "The first cut of a back-test is 1"),
    ],
)
def test_figures_that_allow_no_back_test_are_refused(
    national: FloatArray, annual: FloatArray, first_cut: int, said: str
) -> None:
    with pytest.raises(NotBenchmarkable, match=said):
        backtest(national, annual, 0.5, first_cut=first_cut)
    with pytest.raises(NotBenchmarkable, match="Phi is 2"):
        backtest(np.ones(4), np.ones((1, 4)), 2.0, first_cut=2)


@pytest.mark.parametrize("phi", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_phi_that_ratios_follow_is_chosen(phi: float) -> None:
    moves = [phi**year for year in range(9)] if phi else [0.0] * 9
    ratios = 0.02 + 0.001 * np.cumsum([0.0, 1.0, *moves])
    annual = np.stack([ratios, 2 * ratios]) * 500.0
    assert choose_phi(np.full(11, 500.0), annual, tuple(reversed(CANDIDATES)), first_cut=2) == phi


def test_of_equally_good_candidates_the_smallest_is_chosen() -> None:
    national = np.linspace(70.0, 100.0, 12)
    assert choose_phi(national, np.stack([national / 7, national / 11]), (1.0, 0.25, 0.75)) == 0.25
    too_few = np.ones((3, FIRST_CUT))
    assert choose_phi(np.ones(FIRST_CUT), too_few, (0.5, 0.25)) == 0.25


def test_a_summary_is_in_percent_and_of_what_is_there() -> None:
    found = summary(np.array([[0.01, -0.02, np.nan], [0.03, -0.04, 0.07]]))
    assert [found.bias_pct, found.p50_pct, found.p90_pct] == pytest.approx([1.0, 3.0, 5.8])
    assert found.count == 5
    assert summary(np.full((2, 2), np.nan)) == Summary(None, None, None, 0)


LOWEST = (4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 17, 18, 19, 20, 21, 23, 24)
GOODS = (4, 5, 6, 7, 9, 10, 11, 12)
NONPROFITS = 22
SIGNED = tuple(-line if line == 24 else line for line in LOWEST)
PARTS: Mapping[int, tuple[int, ...]] = {
    1: SIGNED,
    2: GOODS,
    3: GOODS[:4],
    8: GOODS[4:],
    13: tuple(line for line in SIGNED if line not in GOODS),
    14: (15, 16, 17, 18, 19, 20, 21),
    NONPROFITS: (23, -24),
}
"""The lines of SAPCE1 that no line is part of, and of which of them each total is made."""

Lines = Mapping[int, tuple[FloatArray, FloatArray]]
"""The figures of the nation, shape (years,), and of the states, shape (51, years), by line."""


def lines_of(archive: Path) -> Lines:
    amount = pl.col("value_text").str.replace_all(",", "").cast(pl.Float64, strict=False)
    cells = read_archive(archive.read_bytes(), ["SAPCE1"]).frame.with_columns(amount=amount)
    states = cells.filter(~pl.col("geo_fips").str.starts_with("9"))
    found = {}
    for (line,), rows in states.partition_by("line_code", as_dict=True).items():
        wide = rows.pivot("year", index="geo_fips", values="amount").sort("geo_fips").drop("geo_fips").to_numpy()
        found[line] = wide[0], wide[1:]
    return found


@pytest.fixture(scope="module")
def spending(real_data: Path) -> Lines:
    """BEA's figures of 1997 to 2021, released on 6 October 2022."""
    return lines_of(real_data / "SAPCE_2022-10-06.zip")


def profile(national: FloatArray, after: int) -> FloatArray:
    """Months without seasons that have the nation's figures as means, and some more that go on like the last year."""
    years = len(national)
    smooth = np.interp(np.arange(12 * years), 12 * np.arange(years) + 5.5, national)
    months = smooth * np.repeat(national / means(smooth, years), 12)
    growth = (national[-1] / national[-2]) ** (np.arange(1, after + 1) / 12)
    return np.concatenate([months, months[-1] * growth])


@pytest.mark.real
def test_all_months_of_all_states_are_above_zero_and_add_up(spending: Lines) -> None:
    months = {}
    for line in LOWEST:
        national, states = spending[line]
        of_nation = profile(national, after=20)
        matrix = weights(of_nation, len(national), choose_phi(national, states))
        assert matrix @ national == pytest.approx(of_nation, rel=1e-9)
        months[line] = matrix @ states.T
        assert months[line].shape == (25 * 12 + 20, 51)
        assert (months[line] > 0).all()
        assert months[line].sum(axis=1) == pytest.approx(matrix @ states.sum(axis=0), rel=1e-9)
    for total, parts in PARTS.items():
        added: FloatArray = sum(np.sign(line) * months[abs(line)] for line in parts)
        # a difference of two extrapolations may be below zero, and is nowhere else
        assert (added[:300] > 0).all()
        assert (added > 0).all() or total == NONPROFITS
        of_years = added[:300].reshape(25, 12, 51).mean(axis=1).T
        assert of_years == pytest.approx(spending[total][1], abs=0.6)  # BEA rounds each line by itself


@pytest.mark.real
def test_one_year_of_one_state_has_the_mean_that_bea_published(spending: Lines) -> None:
    national, states = spending[11]
    months = weights(profile(national, after=8), 25, 0.25) @ states[0]
    assert months[-20:-8].mean() == pytest.approx(states[0, -1])
    assert (states[0, 0], states[0, -1]) == (2485.3, 6122.4)  # Alabama, 1997 and 2021


def table(heading: str) -> list[list[str]]:
    """The rows of the table that follows a line of the document."""
    _, after = DOCUMENT.read_text("utf-8").split(heading, 1)
    rows = re.search(r"\n\|.*\n\|[-:| ]+\n((?:\|.*\n)+)", after)
    assert rows
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1].splitlines()]


def shown(errors: FloatArray) -> list[str]:
    found = [summary(errors[horizon]) for horizon in (0, 1)]
    percents = [value for each in found for value in (each.bias_pct, each.p50_pct, each.p90_pct) if value is not None]
    return [f"{round(value, 2) + 0.0:.2f}" for value in percents]  # never -0.00


@pytest.mark.real
def test_the_document_says_what_the_back_test_of_2022_finds(spending: Lines) -> None:
    estimated, expected = {}, {}
    for line in LOWEST:
        national, states = spending[line]
        phi = choose_phi(national, states)
        estimated[line] = extrapolated_years(national, states, phi)
        expected[line] = [f"{phi:g}", *shown(errors_of(estimated[line], states))]
    for total, parts in PARTS.items():
        added: FloatArray = sum(np.sign(line) * estimated[abs(line)] for line in parts)
        expected[total] = ["sum", *shown(errors_of(added, spending[total][1]))]
    rows = table("**Back-test of the release of 6 October 2022.**")
    assert {int(row[0]): row[2:] for row in rows} == expected


@pytest.mark.real
def test_the_document_says_how_far_bea_revised_gasoline(spending: Lines, real_data: Path) -> None:
    _, then = lines_of(real_data / "SAEXP1_2019-10-03_excel-resaved.zip")[11]
    national, now = spending[11]
    known = then.shape[1]
    revised = np.abs(then[:, -1] / now[:, known - 1] - 1).mean() * 100
    ratios = annual_ratios(then, national[:known])
    following = extrapolated_ratio(ratios, choose_phi(national, now), 1) * national[known]
    off = np.abs(following / now[:, known] - 1).mean() * 100
    assert f"by {revised:.1f} % in the mean" in DOCUMENT.read_text("utf-8")
    assert f"off by {off:.1f} %" in DOCUMENT.read_text("utf-8")


def test_the_code_of_the_document_prints_what_it_says_and_agrees() -> None:
    code, printed = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)[0]
    names: dict[str, FloatArray] = {}
    with redirect_stdout(io.StringIO()) as out:
        exec(compile(code, DOCUMENT.name, "exec"), names)
    assert out.getvalue() == printed
    assert weights(names["nation"], 2, 0.5) @ names["state"] == pytest.approx(names["estimates"], rel=1e-9)


def test_the_calculator_example_of_the_document_is_right() -> None:
    months = weights(np.full(24, 1_200_000.0), 2, 0.5) @ np.array([12_000.0, 12_240.0])
    rows = table("**With a calculator.**")
    assert [int(row[0]) for row in rows] == [1, 12, 13, 24]
    assert [float(row[2].replace(",", "")) for row in rows] == [round(months[int(row[0]) - 1], 1) for row in rows]
