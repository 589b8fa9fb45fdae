"""BEA's summary of the states: one wide annual table, in Postgres too."""

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.tables import wide
from pce_pipeline.tables.lineage import Derivation


def gold(dataset: Dataset) -> tuple[Derivation, ...]:
    """Its tables in Gold."""
    return (wide.annual(dataset, in_postgres=True),)
