"""The logs of every value in Dagster: an asset for each dataset in Silver, and what Gold makes of it."""

from functools import cache

import dagster as dg

from pce_pipeline.bronze.history import FOLDED, PublishedLog, decoded_of, fold_year
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.vintages import figures
from pce_pipeline.quality.vintages import LogYears, log_rules
from pce_pipeline.shell.yearly import Made, YearlyRun, yearly_asset
from pce_pipeline.tables.lineage import Derivation
from pce_pipeline.tables.registry import Registry


def log_asset(dataset: Dataset, registry: Registry) -> dg.AssetsDefinition:
    """The asset of the log of a dataset's cells, in Silver."""
    derivation = registry.logs[dataset.name]

    def compute(run: YearlyRun) -> Made[LogYears]:
        decoded = cache(decoded_of(run.now))
        published = PublishedLog(run.lake, derivation)
        history = run.histories[dataset.name]
        found = {year: fold_year(history, year, decoded, published.of_year(year)) for year in run.years}
        logs = {year: each.log for year, each in found.items()}
        return Made(
            logs,
            subject=LogYears(derivation.table, logs),
            details_of_years={year: {FOLDED: each.keys} for year, each in found.items()},
        )

    return yearly_asset(derivation, registry, log_rules, compute)


def figures_asset(derivation: Derivation, registry: Registry) -> dg.AssetsDefinition:
    """The asset of the log of a dataset's figures, in Gold."""
    (source,) = derivation.tables

    def compute(run: YearlyRun) -> Made[LogYears]:
        vintages = run.histories[run.dataset.name].vintages
        logs = {year: figures(run.of_year(source.table, year), vintages, run.dataset) for year in run.years}
        return Made(logs, subject=LogYears(derivation.table, logs))

    return yearly_asset(derivation, registry, log_rules, compute)
