"""The lake of one environment and world, as the rest of the package sees it: open it, ask for a table.

Opening is lazy and creates nothing. A plain object and not a configurable resource, like everything that may hold a
secret: Dagster's page shows the configuration of its resources.
"""

from collections.abc import Mapping
from functools import cached_property

import polars as pl

from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.publication import TableStore
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline.settings import Settings
from pce_pipeline.tables.table import Table


class Lake:
    """Everything stored for one environment and world."""

    def __init__(self, uri: str, layout: Layout, *, endpoint_url: str | None = None) -> None:
        self.uri = uri
        self.layout = layout
        self._endpoint_url = endpoint_url

    @classmethod
    def of(cls, settings: Settings) -> "Lake":
        return cls(settings.lake_uri, Layout(settings.env, settings.world), endpoint_url=settings.aws_endpoint_url)

    @cached_property
    def store(self) -> Store:
        return open_store(self.uri, endpoint_url=self._endpoint_url)

    def prefix(self, table: Table) -> str:
        """Where a table lies."""
        return self.layout.dataset(table.layer, table.relation)

    def table(self, table: Table) -> TableStore:
        return TableStore(self.store, self.prefix(table), table.name, table.required)

    def run_folder(self, run_id: str) -> str:
        """Where a run's record and log lie."""
        return f"{self.layout.runs}/{self.layout.world}/{run_id}"

    def uri_of(self, key: str) -> str:
        return f"{self.uri.rstrip('/')}/{key}"


def files_of_year(table: Table, year: int, frame: pl.DataFrame, segments: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    """One year of a table as the files it is published in, by path.

    A table that is cut by area has one file per area, all others one. `segments` maps geo_fips to the area's path
    segment. A year without rows is a file without rows.
    """
    if table.files_by is None or frame.is_empty():
        return {f"year={year}/part-000.parquet": frame}
    by_area = frame.partition_by(table.files_by, as_dict=True, maintain_order=True)
    return {f"year={year}/state={segments[str(fips)]}/part-000.parquet": rows for (fips,), rows in by_area.items()}
