"""How levels and rates of growth follow from the figures of months."""

from pce_pipeline.gold.formulas import Formula, growth, level
from pce_pipeline.tables.pce_us_monthly import FIGURES

_MONTHS = 12
_QUARTERS = 4


def of_months() -> dict[str, Formula]:
    """The formulas of figures and of their rates of growth."""
    found: dict[str, Formula] = {}
    rates = {"mom_pct": (1, 1), "mom_annualised_pct": (1, _MONTHS), "3m_annualised_pct": (3, _QUARTERS)}
    for figure in FIGURES:
        found[figure.column] = level(figure.measure)
        for change, (back, power) in {**rates, "yoy_pct": (_MONTHS, 1)}.items():
            found[figure.rate(change)] = growth(figure.measure, back=back, power=power)
    return found
