"""How each column of Gold follows from published figures: in words, by its terms, and computed apart from Gold.

What is declared here is what a person would do with a pocket calculator. It shares no code with what makes the tables,
so that a trace does not ask the same function twice.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables import pce_us_monthly, prices_state
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline.tables.table import NOT_PUBLISHED, QUARANTINED, Table
from pce_pipeline.tables.wide import value_column

_DECIMALS = 6
_MONTHS = 12
_QUARTERS = 4


@dataclass(frozen=True)
class Known:
    """What is known of one figure."""

    value: Decimal | None
    """The number; None where there is none."""
    status: str
    """Why there is none, or `reported`."""
    base_year: int | None = None
    """The year in whose prices it is, where it is in prices of one."""


Terms = Mapping[str, Sequence[Known]]
"""What is known of each term of a formula, by its name: one figure, or those of all states."""


@dataclass(frozen=True)
class Term:
    """A figure that a formula takes, as it stands to the figure that is asked for."""

    name: str
    """What the formula calls it."""
    measure: str
    """The measure."""
    category: str | None = None
    """The category; None for the one that is asked for."""
    of: Literal["itself", "its total", "the US", "all states"] = "itself"
    """Whose figure it is: of the area and category asked for, of its scheme's total, or of other areas. Those of all
    states are a term of a state alone."""
    back: int = 0
    """How many years it lies back, or months where the table is of months."""


@dataclass(frozen=True)
class Formula:
    """How a column follows from figures."""

    text: str
    """The formula, with the names of its terms."""
    terms: tuple[Term, ...]
    """The figures that it takes."""
    compute: Callable[[Terms, int], float | Decimal | None]
    """The value of the terms, and of the sign with which the category counts in its parent; None for no number."""

    @property
    def reach(self) -> int:
        """How far back it looks."""
        return max(term.back for term in self.terms)


def formulas_of(table: Table, dataset: Dataset) -> dict[str, Formula]:
    """The formulas of a table of Gold that is of one dataset, by column; none for a table that is not of figures."""
    if table.name == GOLD_PCE_STATE_ANNUAL.name:
        return {"pce_millions_usd": _level("pce"), "pce_per_capita_usd": _level("pce_per_capita")}
    if table.name == GOLD_PCE_STATE_METRICS.name:
        return _of_spending()
    if table.name == prices_state.GOLD_PRICES_STATE_ANNUAL.name:
        return {column: _level(measure, category) for column, measure, category, *_ in prices_state.FIGURES}
    if table.name == prices_state.GOLD_STATE_PRICE_METRICS.name:
        return _of_prices()
    if table.name == pce_us_monthly.GOLD_PCE_US_MONTHLY.name:
        return _of_months()
    columns = {value_column(measure): name for name, measure in dataset.measures.items()}
    return {column: _level(columns[column]) for column in table.column_names if column in columns}


def _of_spending() -> dict[str, Formula]:
    pce, per_capita = Term("pce", "pce"), Term("pce_per_capita", "pce_per_capita")
    before, total = Term("pce_before", "pce", back=1), Term("total", "pce", of="its total")
    total_before = Term("total_before", "pce", of="its total", back=1)
    nation = Term("us_pce_per_capita", "pce_per_capita", of="the US")

    def contribution(terms: Terms, sign: int) -> float | None:
        now, earlier = _value(terms, "pce"), _value(terms, "pce_before")
        return None if now is None or earlier is None else _percent(sign * (now - earlier), _value(terms, total_before))

    return {
        "pce_yoy_pct": _growth("pce"),
        "pce_per_capita_yoy_pct": _growth("pce_per_capita"),
        "pce_mean_3y_millions_usd": _mean("pce", 3),
        "pce_mean_5y_millions_usd": _mean("pce", 5),
        "pce_share_of_total_pct": Formula(
            "100 x sign x pce / total",
            (pce, total),
            lambda terms, sign: _percent(_times(_value(terms, "pce"), sign), _value(terms, total)),
        ),
        "pce_contribution_to_growth_pp": Formula(
            "100 x sign x (pce - pce_before) / total_before", (pce, before, total_before), contribution
        ),
        "pce_rank_among_states": _rank("pce"),
        "pce_per_capita_rank_among_states": _rank("pce_per_capita"),
        "pce_per_capita_index_us100": Formula(
            "100 x pce_per_capita / us_pce_per_capita",
            (per_capita, nation),
            lambda terms, _: _percent(_value(terms, "pce_per_capita"), _value(terms, nation)),
        ),
    }


def _of_prices() -> dict[str, Formula]:
    figures = {column: (measure, category) for column, measure, category, *_ in prices_state.FIGURES}
    grow = {
        "inflation_pct": "irpd",
        "real_pce_yoy_pct": "real_pce_millions_constant_usd",
        "real_pce_per_capita_yoy_pct": "real_pce_per_capita_constant_usd",
        "real_personal_income_yoy_pct": "real_personal_income_millions_constant_usd",
        "real_personal_income_per_capita_yoy_pct": "real_personal_income_per_capita_constant_usd",
    }
    compared = {
        "real_pce_per_capita_index_us100": "real_pce_per_capita_constant_usd",
        "real_personal_income_per_capita_index_us100": "real_personal_income_per_capita_constant_usd",
    }
    prices, quantities = _pair(*figures["irpd"]), _pair(*figures["real_pce_millions_constant_usd"])
    four = (*prices, *quantities)
    price, quantity = (f"ln({now.name} / {before.name})" for now, before in (prices, quantities))

    def parts(terms: Terms, _: int) -> tuple[Decimal, Decimal] | None:
        found = [_log_points(terms, *pair) for pair in (prices, quantities)]
        return None if None in found else (found[0], found[1])  # type: ignore[return-value]  # neither is None

    def part(which: int) -> Callable[[Terms, int], Decimal | None]:
        return lambda terms, sign: None if (found := parts(terms, sign)) is None else found[which]

    def both(terms: Terms, sign: int) -> Decimal | None:
        return None if (found := parts(terms, sign)) is None else sum(found, Decimal(0))

    rpp = Term("rpp_all_items", *figures["rpp_all_items"])
    return {
        **{column: _growth(*figures[of]) for column, of in grow.items()},
        "price_contribution_log_points": Formula(f"100 x {price}", four, part(0)),
        "quantity_contribution_log_points": Formula(f"100 x {quantity}", four, part(1)),
        "nominal_pce_growth_log_points": Formula(f"100 x {price} + 100 x {quantity}", four, both),
        "value_of_100_usd": Formula(
            "10,000 / rpp_all_items", (rpp,), lambda terms, _: _percent(Decimal(100), _value(terms, rpp))
        ),
        **{column: _index(*figures[of]) for column, of in compared.items()},
    }


def _of_months() -> dict[str, Formula]:
    found: dict[str, Formula] = {}
    rates = {"mom_pct": (1, 1), "mom_annualised_pct": (1, _MONTHS), "3m_annualised_pct": (3, _QUARTERS)}
    for figure in pce_us_monthly.FIGURES:
        found[figure.column] = _level(figure.measure)
        for change, (back, power) in {**rates, "yoy_pct": (_MONTHS, 1)}.items():
            found[figure.rate(change)] = _growth(figure.measure, back=back, power=power)
    return found


def _level(measure: str, category: str | None = None) -> Formula:
    term = Term(measure, measure, category)
    return Formula(measure, (term,), lambda terms, _: _value(terms, term))


def _pair(measure: str, category: str | None = None, back: int = 1) -> tuple[Term, Term]:
    return Term(measure, measure, category), Term(f"{measure}_before", measure, category, back=back)


def _growth(measure: str, category: str | None = None, *, back: int = 1, power: int = 1) -> Formula:
    now, before = _pair(measure, category, back)

    def compute(terms: Terms, _: int) -> float | None:
        value, earlier = _value(terms, now), _value(terms, before)
        (known,), (known_before,) = terms[now.name], terms[before.name]
        if value is None or earlier is None or earlier <= 0 or known.base_year != known_before.base_year:
            return None
        if power > 1 and value < 0:
            return None
        return _rounded(100 * ((float(value) / float(earlier)) ** power - 1))

    ratio = f"{now.name} / {before.name}"
    return Formula(f"100 x (({ratio})^{power} - 1)" if power > 1 else f"100 x ({ratio} - 1)", (now, before), compute)


def _mean(measure: str, years: int) -> Formula:
    terms = tuple(
        Term(measure if not back else f"{measure}_{back}_before", measure, back=back) for back in range(years)
    )

    def compute(known: Terms, _: int) -> float | None:
        values = [_value(known, term) for term in terms]
        reported = [value for value in values if value is not None]
        return _rounded(float(sum(reported)) / years) if len(reported) == years else None

    return Formula(f"({' + '.join(term.name for term in terms)}) / {years}", terms, compute)


def _index(measure: str, category: str | None = None) -> Formula:
    own, nation = Term(measure, measure, category), Term(f"us_{measure}", measure, category, of="the US")
    return Formula(
        f"100 x {own.name} / {nation.name}",
        (own, nation),
        lambda terms, _: _percent(_value(terms, own), _value(terms, nation)),
    )


def _rank(measure: str) -> Formula:
    own, states = Term(measure, measure), Term("states", measure, of="all states")

    def compute(terms: Terms, _: int) -> Decimal | None:
        value, others = _value(terms, own), terms[states.name]
        if value is None or not others or any(each.status in {QUARANTINED, NOT_PUBLISHED} for each in others):
            return None
        return Decimal(1 + sum(each.value > value for each in others if each.value is not None))

    return Formula(f"1 + how many states have more {measure}", (own, states), compute)


def _value(terms: Terms, term: Term | str) -> Decimal | None:
    (known,) = terms[term if isinstance(term, str) else term.name]
    return known.value


def _times(value: Decimal | None, sign: int) -> Decimal | None:
    return None if value is None else value * sign


def _percent(numerator: Decimal | None, denominator: Decimal | None) -> float | None:
    if numerator is None or denominator is None or denominator <= 0:
        return None
    return _rounded(100 * float(numerator) / float(denominator))


def _log_points(terms: Terms, now: Term, before: Term) -> Decimal | None:
    (known,), (known_before,) = terms[now.name], terms[before.name]
    if known.value is None or known_before.value is None or min(known.value, known_before.value) <= 0:
        return None
    if known.base_year != known_before.base_year:
        return None
    change = 100 * (math.log(float(known.value)) - math.log(float(known_before.value)))
    return Decimal(f"{change:.{_DECIMALS}f}")


def _rounded(value: float) -> float:
    return round(value, _DECIMALS) + 0.0
