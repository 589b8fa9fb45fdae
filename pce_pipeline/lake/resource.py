"""The lake of one environment and world, as the rest of the package sees it: open it, ask for a dataset or a table.

Opening is lazy and creates nothing. A plain object and not a configurable resource, like everything that may hold a
secret: Dagster's page shows the configuration of its resources.
"""

from collections.abc import Mapping
from functools import cached_property

import polars as pl

from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.hooks.events import EventStore
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.publication import TableStore
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline.settings import Settings
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import SILVER_PCE_STATE
from pce_pipeline.tables.table import Table

FACTS_FOLDER = "facts"


class Lake:
    """Everything stored for one environment and world."""

    def __init__(self, uri: str, layout: Layout, *, dataset: str, endpoint_url: str | None = None) -> None:
        self.uri = uri
        self.layout = layout
        self.dataset = dataset
        self._endpoint_url = endpoint_url

    @classmethod
    def of(cls, settings: Settings, dataset: str) -> "Lake":
        return cls(
            settings.lake_uri,
            Layout(settings.env, settings.world),
            dataset=dataset,
            endpoint_url=settings.aws_endpoint_url,
        )

    @cached_property
    def store(self) -> Store:
        return open_store(self.uri, endpoint_url=self._endpoint_url)

    @cached_property
    def bronze(self) -> BronzeStore:
        return BronzeStore(self.store, self.layout, self.dataset)

    @cached_property
    def events(self) -> EventStore:
        return EventStore(self.store, self.layout)

    def prefix(self, table: Table) -> str:
        """Where a table lies: the conformed facts have the asset key `gold` and the folder `facts`."""
        if table is GOLD_FACTS:
            return self.layout.dataset("gold", FACTS_FOLDER)
        layer, _, dataset = table.name.partition("/")
        return self.layout.dataset("silver" if layer == "silver" else "gold", dataset)

    def table(self, table: Table) -> TableStore:
        return TableStore(self.store, self.prefix(table), table.name)

    def run_folder(self, run_id: str) -> str:
        """Where a run's record and log lie."""
        return f"{self.layout.runs}/{self.layout.world}/{run_id}"

    def uri_of(self, key: str) -> str:
        return f"{self.uri.rstrip('/')}/{key}"


def files_of_year(table: Table, year: int, frame: pl.DataFrame, segments: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    """One year of a table as the files it is published in, by path.

    Silver has one file per area, all other tables one. `segments` maps geo_fips to the area's path segment.
    """
    if table is not SILVER_PCE_STATE:
        return {f"year={year}/part-000.parquet": frame}
    by_area = frame.partition_by("geo_fips", as_dict=True, maintain_order=True)
    return {f"year={year}/state={segments[str(fips)]}/part-000.parquet": rows for (fips,), rows in by_area.items()}
