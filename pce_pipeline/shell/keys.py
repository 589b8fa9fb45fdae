"""The keys of assets: those of tables are their names."""

import dagster as dg

from pce_pipeline.bulletins.store import BULLETINS
from pce_pipeline.explorer.store import EXPLORER
from pce_pipeline.tables.table import Table

BULLETINS_KEY = dg.AssetKey(BULLETINS.split("/"))
"""The asset that says what each release changed."""

EXPLORER_KEY = dg.AssetKey(EXPLORER.split("/"))
"""The asset that makes the set of files that a page of the data is drawn from."""

CERTIFICATES = dg.AssetKey(["gold", "certificates"])
"""The asset that makes the certificates of releases, which are files and no table."""

ICEBERG_KEY = dg.AssetKey(["gold", "iceberg"])
"""The asset that projects all tables into Iceberg tables."""


def key_of(table: Table) -> dg.AssetKey:
    """The asset that publishes a table in the lake."""
    return dg.AssetKey(table.name.split("/"))


def postgres_key(table: Table) -> dg.AssetKey:
    """The asset that loads a table into Postgres."""
    return dg.AssetKey(["postgres", table.relation])


def bronze_key(dataset: str) -> dg.AssetKey:
    """The asset that takes extracts of a dataset."""
    return dg.AssetKey(["bronze", dataset])
