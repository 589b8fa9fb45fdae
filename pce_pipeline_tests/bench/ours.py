"""Our way through each stage: the pipeline's own functions on the frames the stage before has left."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline import schemas
from pce_pipeline.bronze.reading import Content, read_extracts
from pce_pipeline.catalog import Catalog, load_catalog
from pce_pipeline.gold.annual import annual
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.metrics import metrics
from pce_pipeline.lake.publication import NewPartition
from pce_pipeline.lake.resource import Lake, files_of_year
from pce_pipeline.lineage import DIMENSIONS, LOADED
from pce_pipeline.quality.annual import AnnualYears, annual_rules
from pce_pipeline.quality.facts import facts_rules
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.metrics import MetricYears, metrics_rules
from pce_pipeline.quality.rules import RuleResult, judge
from pce_pipeline.quality.silver import SilverYears, silver_rules
from pce_pipeline.schemas import Table
from pce_pipeline.silver.observations import Normalised, normalise
from pce_pipeline.warehouse.loads import LoadResult, RunRow, TableLoad, load
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.bench.agreement import facts_of_database, facts_of_frame
from pce_pipeline_tests.bench.measure import Facts
from pce_pipeline_tests.bench.scratch import Scratch
from pce_pipeline_tests.bench.task import Task
from pce_pipeline_tests.bench.world import RUN_ID, settings_of
from pce_pipeline_tests.postgres_server import PostgresServer

_CELL = ["bea_table", "line_code", "geo_fips", "year"]
_YEARLY = (schemas.GOLD_FACTS, *LOADED)


class Way:
    """Our tasks by the name of their stage, for one bench; `server` is the Postgres that hands out databases."""

    def __init__(self, scratch: Scratch, server: str) -> None:
        self._scratch = scratch
        self._catalog: Catalog = load_catalog(scratch.profile)
        self._reference = scratch.reference()
        self._years: list[int] = self._reference["years"]
        self._server = PostgresServer(server)

    def task(self, stage: str) -> Task:
        make: Callable[[], Task] = getattr(self, f"_{stage}")
        return make()
