"""How the tables of Gold of each dataset are made: as a package of its name says, or from the declarations alone."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.made import GoldTable
from pce_pipeline.gold.wide import wide_table
from pce_pipeline.tables.registry import Registry


def tables_of(dataset: Dataset, registry: Registry) -> Sequence[GoldTable[Any]]:
    """How the tables of a dataset are made."""
    package = package_of(dataset.name)
    if package is not None:
        found: Sequence[GoldTable[Any]] = package.TABLES
        return found
    return [wide_table(derivation.table, dataset) for derivation in registry.gold[dataset.name]]


def package_of(dataset: str) -> ModuleType | None:
    """The package of a dataset in this room; None where it has none."""
    package = f"{__package__}.{dataset}"
    return None if find_spec(package) is None else import_module(package)
