"""The nation's spending by month: current and chained dollars of the lines of BEA's national tables, in one release.

They are of the economy that the annual figures of the same release are of. The months of a year add up to twelve times
what the year has, exactly, in tenths of millions of dollars at annual rates; other lines are sums of the lowest ones,
as those of the year are. A month depends on the figures of its own year and on what no release revises, so a release
changes the months of the years that it revises and those after its last year, and no others.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType

import polars as pl

from pce_pipeline.emulator import economy
from pce_pipeline.emulator.figures import price_index
from pce_pipeline.emulator.vintages import VINTAGES, Vintage, vintage

FIRST_YEAR = 1959
"""The first year of the figures."""

_MONTHS = range(1, 13)
_TOTAL = 1
_BASE_YEAR = 2017
_NEIGHBOURS = 2
"""The years on either side that the path through a year depends on."""
_STEADY = "1"
"""The revision that paths are drawn through: what a release revises moves all months of a year alike, or nearly so."""
_PART_OF_REVISIONS = 0.15
_UNREST_OF_PRICES = 0.0002
_PRICES_AT_THE_END_OF = {2020: 1.018, 2021: 0.982}
"""How far prices between two years are from a smooth path.

Real spending rose steeply in 2021. If prices did so too, the mean of the months' indexes would not be that of the year.
"""
# What nonprofits sell moves with what they produce, else what is left between the two would jump.
_MOVES_WITH = {"DNPS": "DNPE"}

_ENERGY_PER_MILLION, _HOUSING_PER_MILLION = 97_000, 860_000  # of housing and utilities
_WITHOUT_PRICES_PER_MILLION = 550_000  # of financial services and insurance

_UNMOVED: Mapping[int, float] = MappingProxyType({})

Amounts = Mapping[int, list[int]]
"""The twelve months of each line, in tenths of millions of dollars at annual rates."""


@dataclass(frozen=True)
class Line:
    """One line of the national tables; it is the same in all of them."""

    number: int
    """Its number."""
    parent: int | None
    """The line that it is a part of; None for the total and for addenda."""
    sign: int
    """-1 for what is deducted there, else 1."""
    series: str
    """What the codes of its series begin with: `DPCE`."""
    category_id: str | None
    """The category of the annual figures that it is of; None for addenda."""
    unrest: float
    """How far a month may be off its path, as a part of it; of lowest lines only, which the others are made of."""
    price_drift: float
    """How much faster than those of the total its prices rise in a year: 0.01 for one percent."""
    price_unrest: float
    """How far the prices of a month may be off their path, as a part of them."""
    description: str
    """BEA's text."""


@cache
def lines() -> tuple[Line, ...]:
    """The lines of the national tables, by number."""
    rows = pl.read_csv(files(__package__).joinpath("national.csv").read_bytes())
    return tuple(
        Line(number, parent, sign, series, category, unrest / 1e6, drift / 1e6, price_unrest / 1e6, text)
        for number, parent, sign, series, category, unrest, drift, price_unrest, text in rows.iter_rows()
    )


def last_month(release: Vintage) -> tuple[int, int]:
    """Year and number of the newest month of a release: the one before that of its day."""
    day = release.last_updated
    return (day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)


@lru_cache(maxsize=8)
def months(release: int, *, silently: bool = False) -> pl.DataFrame:
    """The figures of one release: line_code, year, month, current, chained; sorted by these.

    Both amounts are in tenths of millions of dollars at annual rates, `chained` in dollars of 2017; 100 times the ratio
    of the two is the price index. `silently` gives other numbers for the two newest years of annual figures and for the
    months after them, as a revision that no note tells. The last few are kept. Raises `LookupError` for a release the
    sample does not have.
    """
    shown = vintage(release)
    last_year, last = last_month(shown)
    years = range(FIRST_YEAR, last_year + 1)
    revisions = {year: _revision(year, shown, silently=silently) for year in years}
    spending = _spending({year: revision for year, revision in revisions.items() if year >= economy.FIRST_YEAR})
    parts = []
    for year in years:
        annual = spending.get(year) or _steady()[year]
        current = _with_sums(
            {line.number: _months_of(line, year, annual[line.number], revisions[year]) for line in _lowest()}
        )
        whole = sum(annual[line.number] * _sign_in_total(line) for line in _lowest())
        chained = _chained(year, current, whole, revisions[year])
        parts += [(line.number, year, [*_MONTHS], current[line.number], chained[line.number]) for line in lines()]
    schema = ["line_code", "year", "month", "current", "chained"]
    whole_years = (
        pl.DataFrame(parts, schema=schema, orient="row")
        .explode("month", "current", "chained")
        .cast({"line_code": pl.Int32, "year": pl.Int32, "month": pl.Int32})
    )
    published = whole_years.filter((pl.col("year") < last_year) | (pl.col("month") <= last))
    return published.sort("line_code", "year", "month")


# What the years have.


@cache
def _lowest() -> tuple[Line, ...]:
    """The lines that all others are made of."""
    parents = {line.parent for line in lines()}
    return tuple(line for line in lines() if line.category_id is not None and line.number not in parents)


def _sign_in_total(line: Line) -> int:
    by_number = {each.number: each for each in lines()}
    sign = line.sign
    while line.parent is not None:
        line = by_number[line.parent]
        sign *= line.sign
    return sign


def _revision(year: int, release: Vintage, *, silently: bool) -> str:
    """The revision of a year; what comes after the last year of a release is foreseen, by each of them anew."""
    made_in = economy.made_in(year, "spending", release, silently=silently)
    return made_in if year <= release.last_year else f"{made_in} foreseen in {release.number}"


def _spending(revisions: Mapping[int, str]) -> dict[int, dict[int, int]]:
    """What the nation spent in the years of the sheets, by year and lowest line, in tenths of millions of dollars."""
    rows = economy.spending_of_nation(revisions).iter_rows(named=True)
    return {row["year"]: {line.number: row[f"{line.category_id}"] for line in _lowest()} for row in rows}


@cache
def _steady() -> dict[int, dict[int, int]]:
    """The same in the steady revision, from two years before the first one on until after all releases.

    The years before the sheets have the shares of their first year.
    """
    first = economy.FIRST_YEAR
    # What a release foresees is a year ahead of it.
    until = VINTAGES[-1].last_year + 1 + _NEIGHBOURS
    found = _spending(dict.fromkeys(range(first, until + 1), _STEADY))
    shares = found[first]
    whole = sum(shares[line.number] * _sign_in_total(line) for line in _lowest())
    for year in range(FIRST_YEAR - _NEIGHBOURS, first):
        spent = sum(economy.spending_before(year))
        found[year] = {number: spent * share // whole for number, share in shares.items()}
    return found


# What the months have of it.


def _path(level: Callable[[int], float], year: int, moved: Mapping[int, float] = _UNMOVED) -> list[float]:
    """The twelve months of a year on a path through the years' levels: their mean is that of the year.

    It is a parabola that meets those of the years beside it, so no January begins with a step. `moved` changes by a
    factor where they meet, by the year that ends there.
    """
    before, last, this, following, after = (level(year + away) for away in range(-_NEIGHBOURS, _NEIGHBOURS + 1))
    start = (7 * (last + this) - (before + following)) / 12 * moved.get(year - 1, 1.0)
    end = (7 * (this + following) - (last + after)) / 12 * moved.get(year, 1.0)
    bend = 6 * (this - (start + end) / 2)
    path = []
    for month in _MONTHS:
        since, until = (month - 1) / 12, month / 12
        mean, mean_of_squares = (since + until) / 2, (since * since + since * until + until * until) / 3
        path.append(start + (end - start) * mean + bend * (mean - mean_of_squares))
    return path


def _shaken(path: Sequence[float], unrest: float, what: str, revision: str) -> list[float]:
    """A path with a draw for each month, most of which no revision changes."""
    steady = random.Random(what)  # noqa: S311 (numbers of a sample, no secrets)
    revised = random.Random(f"{what} {revision}")  # noqa: S311 (numbers of a sample, no secrets)
    draws = [2 * steady.random() - 1 + _PART_OF_REVISIONS * (2 * revised.random() - 1) for _ in path]
    return [level * (1 + unrest * draw) for level, draw in zip(path, draws, strict=True)]


def _allotted(amount: int, weights: Sequence[int]) -> list[int]:
    """An amount in whole parts that add up to it, each as large as its weight demands or one off."""
    whole = sum(weights)
    parts = []
    weighed = given = 0
    for weight in weights:
        weighed += weight
        parts.append(amount * weighed // whole - given)
        given += parts[-1]
    return parts


def _months_of(line: Line, year: int, amount: int, revision: str) -> list[int]:
    """The months of a lowest line, whose mean is what the year has."""
    path = _path(lambda each: _steady()[each][line.number], year)
    what = f"{_MOVES_WITH.get(line.series, line.series)} {year}"
    # Whole numbers, because sums of floats differ between Python versions.
    weights = [int(1000 * level) for level in _shaken(path, line.unrest, what, revision)]
    return _allotted(len(_MONTHS) * amount, weights)


def _with_sums(lowest: Amounts) -> Amounts:
    """All lines: the lowest, what is made of them, and the addenda."""
    known = {line.number: [0] * len(_MONTHS) for line in lines()} | dict(lowest)
    # A part has a higher number than what it is a part of.
    for line in reversed(lines()):
        if line.parent is not None:
            parts = zip(known[line.parent], known[line.number], strict=True)
            known[line.parent] = [whole + line.sign * part for whole, part in parts]
    for month in range(len(_MONTHS)):
        total, food, fuels, services, at_home, finance, nonprofits = (
            known[number][month] for number in (_TOTAL, 9, 11, 13, 15, 20, 22)
        )
        power, housing = (at_home * part // 1_000_000 for part in (_ENERGY_PER_MILLION, _HOUSING_PER_MILLION))
        energy = fuels + power
        market_based = total - nonprofits - finance * _WITHOUT_PRICES_PER_MILLION // 1_000_000
        core = total - food - energy
        addenda = (core, food, energy, core - housing, services - power - housing, market_based)
        for number, amount in enumerate((*addenda, market_based - food - energy), start=25):
            known[number][month] = amount
    return known


# What they are at constant prices.


def _chained(year: int, current: Amounts, amount: int, revision: str) -> Amounts:
    """All lines in dollars of the base year."""
    total = _chained_total(year, current[_TOTAL], amount, revision)
    index = [100 * spent / real for spent, real in zip(current[_TOTAL], total, strict=True)]
    found = {_TOTAL: total}
    for line in lines()[1:]:
        against = _against_the_total(line, year)
        found[line.number] = [
            _rounded(100 * spent / (level * ratio))
            for spent, level, ratio in zip(current[line.number], index, against, strict=True)
        ]
    return found


def _chained_total(year: int, current: Sequence[int], amount: int, revision: str) -> list[int]:
    """The months of the total, whose mean is the year's real spending."""
    whole = _rounded(100 * amount / price_index(year))
    prices = _shaken(_path_of_prices(year), _UNREST_OF_PRICES, f"prices {year}", revision)
    weights = [int(1_000_000 * spent / price) for spent, price in zip(current, prices, strict=True)]
    return _allotted(len(_MONTHS) * whole, weights)


def _path_of_prices(year: int) -> list[float]:
    return _path(price_index, year, _PRICES_AT_THE_END_OF)


def _against_the_total(line: Line, year: int) -> list[float]:
    """The price index of a line in each month, as a ratio to that of the total; no release revises it."""
    base = _unscaled_ratios(line, _BASE_YEAR)
    index = _path_of_prices(_BASE_YEAR)
    mean = sum(level * ratio for level, ratio in zip(index, base, strict=True)) / len(base)
    return [ratio * 100 / mean for ratio in _unscaled_ratios(line, year)]


def _unscaled_ratios(line: Line, year: int) -> list[float]:
    draw = random.Random(f"prices of {line.series} {year}")  # noqa: S311 (numbers of a sample, no secrets)
    return [
        (1 + line.price_drift) ** (year - _BASE_YEAR + (month - 6.5) / 12)
        * (1 + line.price_unrest * (2 * draw.random() - 1))
        for month in _MONTHS
    ]


def _rounded(number: float) -> int:
    return int(number + 0.5)
