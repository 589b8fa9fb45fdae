"""The Gold of prices by state: levels, deflators and real figures side by side, and what follows from them."""

from typing import Any

import polars as pl

from pce_pipeline.gold.made import GoldTable, Inputs
from pce_pipeline.gold.prices_state.annual import annual
from pce_pipeline.gold.prices_state.annual_rules import AnnualYears, annual_rules
from pce_pipeline.gold.prices_state.formulas import LEVELS, of_metrics
from pce_pipeline.gold.prices_state.metrics import metrics
from pce_pipeline.gold.prices_state.metrics_rules import MetricYears, metrics_rules
from pce_pipeline.tables.prices_state import GOLD_PRICES_STATE_ANNUAL, GOLD_STATE_PRICE_METRICS
from pce_pipeline.tables.silver import silver_table


def _annual(inputs: Inputs) -> tuple[pl.DataFrame, AnnualYears]:
    """Figures of the years that the facts hold."""
    rows = _levels(inputs)
    return rows, AnnualYears(rows, inputs.facts)


def _metrics(inputs: Inputs) -> tuple[pl.DataFrame, MetricYears]:
    """What follows for the years, from their figures and those of the year before."""
    levels = _levels(inputs)
    rows = metrics(levels, inputs.years)
    return rows, MetricYears(rows, levels, inputs.years)


def _levels(inputs: Inputs) -> pl.DataFrame:
    return annual(inputs.facts, inputs.of(silver_table(inputs.dataset)), inputs.dataset)


TABLES: tuple[GoldTable[Any], ...] = (
    GoldTable(GOLD_PRICES_STATE_ANNUAL, _annual, annual_rules, LEVELS),
    GoldTable(GOLD_STATE_PRICE_METRICS, _metrics, metrics_rules, of_metrics()),
)
"""Its tables."""
