"""How the tables of Gold of each dataset are made: as a package of its name says, or from the declarations alone."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.made import GoldPiece, GoldTable
from pce_pipeline.gold.wide import wide_table
from pce_pipeline.tables.registry import Registry


def tables_of(dataset: Dataset, registry: Registry) -> Sequence[GoldTable[Any]]:
    """How the tables of a dataset are made."""
    package = package_of(dataset.name)
    if package is not None:
        found: Sequence[GoldTable[Any]] = package.TABLES
        return found
    return [wide_table(derivation.table, dataset) for derivation in registry.gold[dataset.name]]


def own_pieces(registry: Registry) -> Mapping[str, tuple[str, GoldPiece[Any]]]:
    """How the tables in one piece are made that packages of datasets have, with the dataset, by the table's name."""
    return {
        each.table.name: (name, each)
        for name in registry.datasets
        for each in getattr(package_of(name), "PIECES", ())
        if each.table.name in registry.pieces
    }


def package_of(dataset: str) -> ModuleType | None:
    """The package of a dataset in this room; None where it has none."""
    package = f"{__package__}.{dataset}"
    return None if find_spec(package) is None else import_module(package)
