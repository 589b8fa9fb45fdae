"""The Gold of PCE by state: the two figures side by side, and what follows from them."""

from typing import Any

import polars as pl

from pce_pipeline.gold.made import GoldTable, Inputs
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_state.annual_rules import AnnualYears, annual_rules
from pce_pipeline.gold.pce_state.formulas import LEVELS, of_metrics
from pce_pipeline.gold.pce_state.metrics import metrics_of
from pce_pipeline.gold.pce_state.metrics_rules import MetricYears, metrics_rules
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS


def _annual(inputs: Inputs) -> tuple[pl.DataFrame, AnnualYears]:
    """Levels of the years that the facts hold."""
    rows = annual(inputs.facts)
    return rows, AnnualYears(rows, inputs.facts)


def _metrics(inputs: Inputs) -> tuple[pl.DataFrame, MetricYears]:
    """Metrics of the years, from their facts and those of the four years before."""
    levels, years = annual(inputs.facts), list(inputs.years)
    rows = metrics_of(levels, inputs.dataset, years)
    return rows, MetricYears(rows, levels, inputs.dataset, years)


TABLES: tuple[GoldTable[Any], ...] = (
    GoldTable(GOLD_PCE_STATE_ANNUAL, _annual, annual_rules, LEVELS),
    GoldTable(GOLD_PCE_STATE_METRICS, _metrics, metrics_rules, of_metrics()),
)
"""Its tables."""
