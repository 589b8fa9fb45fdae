"""The dataset that most tests speak of, whole and as the smoke profile narrows it."""

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.tables.registry import load_registry, registry_of


def pce_state(profile: str) -> Dataset:
    """PCE by state under a profile."""
    return load_datasets(profile)["pce_state"]


PCE_STATE = pce_state("full")
"""PCE by state, with everything that the catalogue has of it."""

REGISTRY = registry_of({PCE_STATE.name: PCE_STATE})
"""The tables of this dataset alone, whatever other datasets the catalogue has."""

EVERYTHING = load_registry("full", None)
"""The tables of all datasets."""

SILVER = REGISTRY.silver[PCE_STATE.name]
"""How its table in Silver derives."""

SILVER_PCE_STATE = SILVER.table
"""Its table in Silver."""

FACTS = REGISTRY.facts
"""How the facts derive."""
