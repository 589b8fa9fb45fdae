"""The Gold of PCE by state in Dagster: the two figures side by side, and what follows from them."""

import dagster as dg

from pce_pipeline.gold.annual import annual
from pce_pipeline.gold.metrics import metrics
from pce_pipeline.quality.annual import AnnualYears, annual_rules
from pce_pipeline.quality.metrics import MetricYears, metrics_rules
from pce_pipeline.shell.yearly import Made, YearlyRun, yearly_asset
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import ANNUAL, METRICS
from pce_pipeline.tables.registry import Registry


def assets(registry: Registry) -> list[dg.AssetsDefinition]:
    """Its assets."""
    return [
        yearly_asset(ANNUAL, registry, annual_rules, _annual),
        yearly_asset(METRICS, registry, metrics_rules, _metrics),
    ]


def _annual(run: YearlyRun) -> Made[AnnualYears]:
    """Levels of the years that the facts hold."""
    facts = run.of(GOLD_FACTS)
    rows = annual(facts)
    return Made(rows, subject=AnnualYears(rows, facts))


def _metrics(run: YearlyRun) -> Made[MetricYears]:
    """Metrics of the years that the facts hold, from these and the four before."""
    facts, years = run.of(GOLD_FACTS), list(run.years)
    rows = metrics(facts, run.dataset, years)
    return Made(rows, subject=MetricYears(rows, annual(facts), run.dataset, years))
