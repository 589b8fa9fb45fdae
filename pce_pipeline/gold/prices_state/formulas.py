"""How the columns of its tables follow from price levels, deflators and real figures."""

from collections.abc import Callable
from decimal import Decimal

from pce_pipeline.gold.formulas import (
    Formula,
    Term,
    Terms,
    growth,
    index_of_us,
    level,
    log_points,
    pair,
    percent,
    value_of,
)
from pce_pipeline.tables.prices_state import FIGURES

LEVELS = {column: level(measure, category) for column, measure, category, *_ in FIGURES}
"""The formulas of the figures."""


def of_metrics() -> dict[str, Formula]:
    """The formulas of what follows from prices and real figures."""
    figures = {column: (measure, category) for column, measure, category, *_ in FIGURES}
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
    prices, quantities = pair(*figures["irpd"]), pair(*figures["real_pce_millions_constant_usd"])
    four = (*prices, *quantities)
    price, quantity = (f"ln({now.name} / {before.name})" for now, before in (prices, quantities))

    def parts(terms: Terms, _: int) -> tuple[Decimal, Decimal] | None:
        found = [log_points(terms, *pair) for pair in (prices, quantities)]
        return None if None in found else (found[0], found[1])  # type: ignore[return-value]  # neither is None

    def part(which: int) -> Callable[[Terms, int], Decimal | None]:
        return lambda terms, sign: None if (found := parts(terms, sign)) is None else found[which]

    def both(terms: Terms, sign: int) -> Decimal | None:
        return None if (found := parts(terms, sign)) is None else sum(found, Decimal(0))

    rpp = Term("rpp_all_items", *figures["rpp_all_items"])
    return {
        **{column: growth(*figures[of]) for column, of in grow.items()},
        "price_contribution_log_points": Formula(f"100 x {price}", four, part(0)),
        "quantity_contribution_log_points": Formula(f"100 x {quantity}", four, part(1)),
        "nominal_pce_growth_log_points": Formula(f"100 x {price} + 100 x {quantity}", four, both),
        "value_of_100_usd": Formula(
            "10,000 / rpp_all_items", (rpp,), lambda terms, _: percent(Decimal(100), value_of(terms, rpp))
        ),
        **{column: index_of_us(*figures[of]) for column, of in compared.items()},
    }
