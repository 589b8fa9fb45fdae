"""How each column of Gold follows from published figures: in words, by its terms, and computed apart from Gold.

What is declared here is what a person would do with a pocket calculator. It shares no code with what makes the tables,
so that a trace does not ask the same function twice.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pce_pipeline.tables.table import NOT_PUBLISHED, QUARANTINED

_DECIMALS = 6


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


def level(measure: str, category: str | None = None) -> Formula:
    """A figure itself."""
    term = Term(measure, measure, category)
    return Formula(measure, (term,), lambda terms, _: value_of(terms, term))


def pair(measure: str, category: str | None = None, back: int = 1) -> tuple[Term, Term]:
    """A figure, and the same so many years (or months) before."""
    return Term(measure, measure, category), Term(f"{measure}_before", measure, category, back=back)


def growth(measure: str, category: str | None = None, *, back: int = 1, power: int = 1) -> Formula:
    """The change of a figure in percent, its ratio to a power; none over two base years, or on nothing above zero."""
    now, before = pair(measure, category, back)

    def compute(terms: Terms, _: int) -> float | None:
        value, earlier = value_of(terms, now), value_of(terms, before)
        (known,), (known_before,) = terms[now.name], terms[before.name]
        if value is None or earlier is None or earlier <= 0 or known.base_year != known_before.base_year:
            return None
        if power > 1 and value < 0:
            return None
        return _rounded(100 * ((float(value) / float(earlier)) ** power - 1))

    ratio = f"{now.name} / {before.name}"
    return Formula(f"100 x (({ratio})^{power} - 1)" if power > 1 else f"100 x ({ratio} - 1)", (now, before), compute)


def mean(measure: str, years: int) -> Formula:
    """The mean of a figure over so many years that all have it."""
    terms = tuple(
        Term(measure if not back else f"{measure}_{back}_before", measure, back=back) for back in range(years)
    )

    def compute(known: Terms, _: int) -> float | None:
        values = [value_of(known, term) for term in terms]
        reported = [value for value in values if value is not None]
        return _rounded(float(sum(reported)) / years) if len(reported) == years else None

    return Formula(f"({' + '.join(term.name for term in terms)}) / {years}", terms, compute)


def index_of_us(measure: str, category: str | None = None) -> Formula:
    """A figure in percent of that of the US."""
    own, nation = Term(measure, measure, category), Term(f"us_{measure}", measure, category, of="the US")
    return Formula(
        f"100 x {own.name} / {nation.name}",
        (own, nation),
        lambda terms, _: percent(value_of(terms, own), value_of(terms, nation)),
    )


def rank(measure: str) -> Formula:
    """The place of a state among all states, the largest first; none where the figure of one is not known."""
    own, states = Term(measure, measure), Term("states", measure, of="all states")

    def compute(terms: Terms, _: int) -> Decimal | None:
        value, others = value_of(terms, own), terms[states.name]
        if value is None or not others or any(each.status in {QUARANTINED, NOT_PUBLISHED} for each in others):
            return None
        return Decimal(1 + sum(each.value > value for each in others if each.value is not None))

    return Formula(f"1 + how many states have more {measure}", (own, states), compute)


def value_of(terms: Terms, term: Term | str) -> Decimal | None:
    """The number of a term that is one figure; None where it has none."""
    (known,) = terms[term if isinstance(term, str) else term.name]
    return known.value


def times(value: Decimal | None, sign: int) -> Decimal | None:
    """A number times a sign."""
    return None if value is None else value * sign


def percent(numerator: Decimal | None, denominator: Decimal | None) -> float | None:
    """One number in percent of another that is above zero."""
    if numerator is None or denominator is None or denominator <= 0:
        return None
    return _rounded(100 * float(numerator) / float(denominator))


def log_points(terms: Terms, now: Term, before: Term) -> Decimal | None:
    """100 times the change of the logarithm; None over two base years, and of what is not above zero."""
    (known,), (known_before,) = terms[now.name], terms[before.name]
    if known.value is None or known_before.value is None or min(known.value, known_before.value) <= 0:
        return None
    if known.base_year != known_before.base_year:
        return None
    change = 100 * (math.log(float(known.value)) - math.log(float(known_before.value)))
    return Decimal(f"{change:.{_DECIMALS}f}")


def _rounded(value: float) -> float:
    return round(value, _DECIMALS) + 0.0
