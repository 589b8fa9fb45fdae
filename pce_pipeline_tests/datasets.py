"""The dataset that most tests speak of, whole and as the smoke profile narrows it."""

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets


def pce_state(profile: str) -> Dataset:
    """PCE by state under a profile."""
    return load_datasets(profile)["pce_state"]


PCE_STATE = pce_state("full")
"""PCE by state, with everything that the catalogue has of it."""
