"""The nation's months: what is spent, at which prices, and how much that is at constant ones.

They go with the years of the same release as BEA's do: dollars of twelve months average to the year, lines add up as
those of the states do, and what a month costs at constant prices is what it costs now over the prices of its time.
After the last year that states have, months go on along the way that the economy takes. Amounts are whole numbers
(tenths of millions of dollars), and draws depend on line, year and revision alone.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.emulator import economy
from pce_pipeline.emulator.figures import price_index
from pce_pipeline.emulator.vintages import Vintage

_NATION = "00000"
_MONTHS = 12
_FINE = 1000
_ROUNDS = 40
_BASE_YEAR = 2017
_REVISION_OF_BEFORE = "1"

PRICES, DOLLARS, CHAINED = "pce_price_index", "pce_annual_rate", "real_pce_annual_rate"
"""The measures that the catalogue has of months."""

_ENERGY_OF_HOUSING, _HOUSING, _MARKET = 170, 640, 870
"""In thousandths: of housing and utilities what is energy, and what is housing; of all spending what has a market."""


@dataclass(frozen=True)
class Addendum:
    """A line below the table that is made of others, in thousandths of each."""

    line: int
    """Its number."""
    text: str
    """BEA's text of it."""
    stem: str
    """What the codes of its series begin with."""
    made_of: Mapping[int, int]
    """The lines that it is made of."""


ADDENDA = (
    Addendum(25, "PCE excluding food and energy", "DPCC", {1: 1000, 9: -1000, 11: -1000, 15: -_ENERGY_OF_HOUSING}),
    Addendum(26, "Food", "DFOO", {9: 1000}),
    Addendum(27, "Energy goods and services", "DNRG", {11: 1000, 15: _ENERGY_OF_HOUSING}),
    Addendum(
        28,
        "PCE excluding food, energy, and housing",
        "DPCH",
        {1: 1000, 9: -1000, 11: -1000, 15: -_ENERGY_OF_HOUSING - _HOUSING},
    ),
    Addendum(29, "PCE services excluding energy and housing", "DSXH", {13: 1000, 15: -_ENERGY_OF_HOUSING - _HOUSING}),
    Addendum(30, "Market-based PCE", "DPCM", {1: _MARKET}),
    Addendum(
        31,
        "Market-based PCE excluding food and energy",
        "DPCX",
        {1: _MARKET, 9: -_MARKET, 11: -_MARKET, 15: -_MARKET * _ENERGY_OF_HOUSING // 1000},
    ),
)
"""The lines that come after those of the products. The catalogue pins some of them."""


def last_month(release: Vintage) -> date:
    """The first day of the newest month that a release has: the one before its own."""
    return (release.last_updated.replace(day=1) - timedelta(days=1)).replace(day=1)


def cells_of(release: Vintage, dataset: Dataset, table: str, *, silently: bool) -> pl.DataFrame:
    """The cells of a table in a release: bea_table, line_code, geo_fips, year, month, value_text; sorted by these."""
    (measure,) = dataset.lines.filter(bea_table=table)["measure"].unique()
    first = dataset.first_year_of(table)
    products = dataset.lines.filter(pl.col("bea_table") == table, pl.col("category_id").str.starts_with("product."))
    lines = dict(products.select("line_code", "category_id").iter_rows())
    amounts = _amounts(release, tuple(sorted(lines.items())), dataset.first_year, silently=silently)
    newest = last_month(release)
    rows = [
        (table, line, _NATION, year, month, _text(amount, measure))
        for line, years in sorted(amounts.items())
        for year, months in years.items()
        if year >= first
        for month, amount in enumerate(months, start=1)
        if (year, month) <= (newest.year, newest.month)
    ]
    schema = {"bea_table": pl.String, "line_code": pl.Int32, "geo_fips": pl.String, "year": pl.Int32}
    return pl.DataFrame(rows, schema={**schema, "month": pl.Int32, "value_text": pl.String}, orient="row")


@dataclass(frozen=True)
class _Amount:
    """What a line comes to in one month: tenths of millions now, and at the prices of the base year."""

    nominal: int
    real: float


def _text(amount: _Amount, measure: str) -> str:
    if measure == PRICES:
        return f"{100 * amount.nominal / amount.real:.3f}"
    tenths = amount.nominal if measure == DOLLARS else amount.real
    return f"{_whole(tenths):,}"


def _whole(tenths: float) -> int:
    """Whole millions of tenths, halves upwards."""
    return int((tenths + 5) // 10)


_Line = dict[int, list[_Amount]]


@lru_cache(maxsize=4)
def _amounts(
    release: Vintage, lines: tuple[tuple[int, str], ...], first_year: int, *, silently: bool
) -> dict[int, _Line]:
    """The months of each line, by year."""
    annual = _years(release, [category for _, category in lines], first_year, silently=silently)
    categories = dict(lines)
    parts = _parts(categories)
    nominal: dict[int, dict[int, list[int]]] = {}
    for line, of_parts in sorted(parts.items(), key=lambda each: len(each[1])):
        if of_parts == {line: 1}:
            nominal[line] = _spread(categories[line], annual[categories[line]], release, silently=silently)
        else:
            nominal[line] = _added(nominal, {part: 1000 * sign for part, sign in of_parts.items()})
    for each in ADDENDA:
        nominal[each.line] = _added(nominal, each.made_of)
    return {line: _at_constant_prices(line, months) for line, months in nominal.items()}


def _parts(categories: Mapping[int, str]) -> dict[int, dict[int, int]]:
    """The lines without parts that each line is made of, each with its sign; such a line is made of itself."""
    tree = economy.tree().filter(pl.col("category_id").is_in(list(categories.values())))
    above = {name: (parent, sign) for name, parent, sign in tree.select("category_id", "parent_id", "sign").iter_rows()}
    parents = {parent for parent, _ in above.values()}
    numbers = {category: line for line, category in categories.items()}
    found: dict[int, dict[int, int]] = {line: {} for line in categories}
    for line, category in categories.items():
        if category in parents:
            continue
        sign, at = 1, category
        while at in numbers:
            found[numbers[at]][line] = sign
            parent, own = above[at]
            sign, at = sign * own, parent
    return found


def _years(
    release: Vintage, categories: Sequence[str], first_year: int, *, silently: bool
) -> dict[str, dict[int, int]]:
    """What the nation spends in each year on each category, and what it would in the year after the last."""
    goes_on = replace(release, last_year=release.last_year + 1)
    sheets = pl.concat(
        [
            economy.spending_by_category(release, silently=silently).filter(geo_fips=_NATION),
            economy.spending_by_category(goes_on, silently=False).filter(geo_fips=_NATION, year=goes_on.last_year),
        ]
    ).sort("year")
    first = sheets.row(0, named=True)
    found: dict[str, dict[int, int]] = {name: {} for name in categories}
    for year in range(first_year, economy.FIRST_YEAR):
        total = sum(economy.spending_before(year))
        for name in categories:
            found[name][year] = total * first[name] // first[economy.TOTAL_SPENDING]
    for row in sheets.iter_rows(named=True):
        for name in categories:
            found[name][row["year"]] = row[name]
    return found


def _spread(category: str, years: Mapping[int, int], release: Vintage, *, silently: bool) -> dict[int, list[int]]:
    """Twelve months of each year that come to it on average, without a step from one year to the next."""
    levels = _through(years)
    found: dict[int, list[int]] = {}
    for year, amount in years.items():
        revision = (
            _REVISION_OF_BEFORE
            if year < economy.FIRST_YEAR
            else economy.made_in(year, "spending", release, silently=silently and year <= release.last_year)
        )
        draw = random.Random(f"months {category} {year} {revision}")  # noqa: S311 (numbers of a sample, no secrets)
        months = [level * (998_000 + draw.randrange(4001)) // (1_000_000 * _FINE) for level in levels[year]]
        each, rest = divmod(_MONTHS * amount - sum(months), _MONTHS)
        found[year] = [month + each + (place < rest) for place, month in enumerate(months)]
    return found


def _through(years: Mapping[int, int]) -> dict[int, list[int]]:
    """Levels of each month, in thousandths, on straight lines from year to year; their mean is about the year's."""
    order = sorted(years)
    aim = [years[year] * _FINE for year in order]
    knots = list(aim)
    for _ in range(_ROUNDS):
        levels = [_between(knots, place) for place in range(len(knots))]
        knots = [knot + aim[place] - sum(levels[place]) // _MONTHS for place, knot in enumerate(knots)]
    return {year: _between(knots, place) for place, year in enumerate(order)}


def _between(knots: Sequence[int], place: int) -> list[int]:
    """The months of a year on the lines from the middle of the year before to its own, and on to that after it."""
    now = knots[place]
    before = knots[place - 1] if place else 2 * now - knots[place + 1]
    after = knots[place + 1] if place + 1 < len(knots) else 2 * now - knots[place - 1]
    from_middle = [2 * month - 13 for month in range(1, _MONTHS + 1)]
    return [now + (after - now if step > 0 else now - before) * step // 24 for step in from_middle]


def _added(nominal: Mapping[int, Mapping[int, Sequence[int]]], made_of: Mapping[int, int]) -> dict[int, list[int]]:
    """The months of a line that is made of others, in thousandths of each."""
    years = next(iter(nominal.values()))
    return {
        year: [
            sum(nominal[part][year][month] * thousandths for part, thousandths in made_of.items()) // 1000
            for month in range(_MONTHS)
        ]
        for year in years
    }


def _at_constant_prices(line: int, nominal: Mapping[int, Sequence[int]]) -> _Line:
    """The months beside what they are at the prices of the base year, which average to the year at its prices."""
    drift = random.Random(f"prices of line {line}").randint(-15, 15) / 1000 if line > 1 else 0.0  # noqa: S311
    prices = {year: round(price_index(year) * (1 + drift) ** (year - _BASE_YEAR) * 1_000_000) for year in nominal}
    found: _Line = {}
    for year, levels in _through(prices).items():
        months = nominal[year]
        real = [100.0 * amount * 1_000_000 * _FINE / level for amount, level in zip(months, levels, strict=True)]
        whole, total = 0, 0.0
        for amount, at_constant in zip(months, real, strict=True):
            whole, total = whole + amount, total + at_constant
        scale = 100.0 * whole * 1_000_000 / prices[year] / total
        found[year] = [_Amount(amount, each * scale) for amount, each in zip(months, real, strict=True)]
    return found
