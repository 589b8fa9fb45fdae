"""The Gold of PCE by state: the two figures side by side, and what follows from them."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.made import GoldTable
from pce_pipeline.gold.pce_state.annual import annual
from pce_pipeline.gold.pce_state.annual_rules import AnnualYears, annual_rules
from pce_pipeline.gold.pce_state.metrics import metrics
from pce_pipeline.gold.pce_state.metrics_rules import MetricYears, metrics_rules
from pce_pipeline.tables.pce_state import ANNUAL, METRICS


def _annual(facts: pl.DataFrame, _: Dataset, __: Sequence[int]) -> tuple[pl.DataFrame, AnnualYears]:
    """Levels of the years that the facts hold."""
    rows = annual(facts)
    return rows, AnnualYears(rows, facts)


def _metrics(facts: pl.DataFrame, dataset: Dataset, years: Sequence[int]) -> tuple[pl.DataFrame, MetricYears]:
    """Metrics of the years, from their facts and those of the four years before."""
    rows = metrics(facts, dataset, list(years))
    return rows, MetricYears(rows, annual(facts), dataset, list(years))


TABLES: tuple[GoldTable[Any], ...] = (
    GoldTable(ANNUAL, _annual, annual_rules),
    GoldTable(METRICS, _metrics, metrics_rules),
)
"""Its tables."""
