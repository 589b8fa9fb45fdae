"""A whole world for tests: the graph of production on a lake and a database of the test's own."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from pce_pipeline.automation.jobs import REFRESH, extract_config, extract_job_name, range_tags
from pce_pipeline.bronze.extract import next_extract_id
from pce_pipeline.bronze.feeds import Files
from pce_pipeline.bronze.store import BronzeStore, bronze_of
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.definitions import build_definitions
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal, RunRecord
from pce_pipeline.settings import Settings
from pce_pipeline.shell.tags import forced_tag
from pce_pipeline.tables.dimensions import PIECES_OF_LOGS
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.vintages import DIM_VINTAGE
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.cli.conftest import Called, call
from pce_pipeline_tests.history import history_in_memory
from pce_pipeline_tests.postgres_server import PostgresServer

PLACES_OF_AN_ENVIRONMENT: Mapping[str, Any] = {
    "chosen_lake_uri": "s3://pce-nowhere",
    "chosen_database_url": "postgresql://pce@127.0.0.1:1/pce",
}
"""What staging and prod must be told to be chosen at all; nothing is there."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class World:
    """Runs the jobs in process and says what they recorded."""

    def __init__(self, home: Path, database_url: str, **settings: Any) -> None:
        self.settings = Settings(
            home=home,
            chosen_database_url=database_url,
            **{"chosen_source": "sample", "retry_wait_seconds": 0, **settings},
        )
        self.definitions = build_definitions(self.settings)
        self.instance = history_in_memory(home)
        resources = dict(self.definitions.resources or {})
        self.lake: Lake = resources["lake"]
        self.postgres: PostgresResource = resources["postgres"]
        self.journal: RunJournal = RunJournal(self.lake)
        self.registry: Registry = resources["registry"]
        self.dataset: Dataset = self.registry.datasets["pce_state"]

    @property
    def bronze(self) -> BronzeStore:
        """The extracts of pce_state."""
        return self.bronze_of(self.dataset.name)

    def bronze_of(self, dataset: str) -> BronzeStore:
        """The extracts of a dataset."""
        return bronze_of(self.lake, self.registry.datasets[dataset])

    def extract(
        self,
        day: str | None = None,
        *,
        tables: Sequence[str] = (),
        files: Sequence[Path] = (),
        dataset: str = "pce_state",
        must_succeed: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """Take the next extract of a day (today by default)."""
        on = ExtractId.parse(day).day if day else datetime.now(UTC).date()
        extract = str(next_extract_id(self.bronze_of(dataset), on))
        self.instance.add_dynamic_partitions(f"{dataset}_extracts", [extract])
        return self.definitions.resolve_job_def(extract_job_name(dataset)).execute_in_process(
            instance=self.instance,
            partition_key=extract,
            run_config={**extract_config(dataset, tables, Files(tuple(str(file) for file in files))), **QUIET},
            raise_on_error=must_succeed,
        )

    def refresh(
        self, first: int, last: int, *, must_succeed: bool = True, force: bool = False
    ) -> dg.ExecuteInProcessResult:
        """Refresh a range of years, with `force` also those that stand."""
        return self.definitions.resolve_job_def(REFRESH).execute_in_process(
            instance=self.instance,
            tags={**range_tags(first, last), **(forced_tag() if force else {})},
            run_config=QUIET,
            raise_on_error=must_succeed,
        )

    def record(self, result: dg.ExecuteInProcessResult) -> RunRecord:
        """What the run recorded in the lake."""
        record = self.journal.read(result.run_id)
        assert record is not None
        return record

    def records(self) -> list[RunRecord]:
        """What every run recorded."""
        ids = {info.key.split("/")[-2] for info in self.lake.store.list(self.lake.layout.runs)}
        return [record for run_id in sorted(ids) if (record := self.journal.read(run_id)) is not None]

    def hashes(self) -> dict[tuple[str, str], str]:
        """The content hash of every published partition, by table and partition."""
        return {
            (table.name, key): partition.content_sha256
            for table in self.registry.tables
            for key, partition in self.lake.table(table).latest().items()
        }

    def current_hashes(self) -> dict[tuple[str, str], str]:
        """Those of the tables that follow from the current figures alone: a log also says when they were taken."""
        of_vintages = {each.table.name for each in self.registry.derivations if each.covers_all_vintages}
        of_vintages |= {DIM_VINTAGE.name, *(each.table.name for each in PIECES_OF_LOGS)}
        return {key: digest for key, digest in self.hashes().items() if key[0] not in of_vintages}

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.postgres.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()


@contextmanager
def lean_world(
    server: PostgresServer, folder: Path, profiles: Mapping[str, str], years: tuple[int, int]
) -> Iterator[World]:
    """A world of a profile that takes of each dataset what is said of it in TOML, brought to Postgres."""
    catalog = folder / "catalog"
    for name, scope in profiles.items():
        (catalog / name).mkdir(parents=True)
        (catalog / name / "dataset.toml").write_text(f'name = "{name}"\n\n[profiles.lean]\n{scope}\n')
    with server.database(migrated=False) as url:
        world = World(folder / "home", url, profile="lean", catalog=catalog)
        for dataset in world.registry.datasets:
            world.extract(dataset=dataset)
        world.refresh(*years)
        yield world


@dataclass(frozen=True)
class Prepared:
    """A world that is there to be copied: whoever asks of it has one of its own, in a moment."""

    home: Path
    """Its PCE_HOME."""
    catalog: Path
    """The folder with its profile."""
    server: PostgresServer
    """The server that has its database."""
    database: str
    """The name of its database, to which nobody is connected."""

    @contextmanager
    def copied(self, folder: Path) -> Iterator[World]:
        """A world of one's own, as this one is. What happened in Dagster is not known there."""
        copy_home(self.home, folder / "home")
        with self.server.copy_of(self.database) as url:
            yield World(folder / "home", url, profile="lean", catalog=self.catalog)


def copy_home(home: Path, target: Path) -> None:
    """Copy a PCE_HOME in a moment: the lake never writes into a file, so that its files can be linked."""

    def linked_or_copied(source: str, to: str) -> None:
        (os.link if "lake" in Path(source).relative_to(home).parts else shutil.copy2)(source, to)

    shutil.copytree(home, target, copy_function=linked_or_copied)


OF_ALL_DATASETS = {
    "pce_state": "SAPCE1 = [1, 2, 13, 16]\nSAPCE2 = [1]",
    "income_state": "SAINC1 = []",
    "prices_state": "SARPP = []\nSARPI = []\nSAIRPD = []",
    "summary_state": "SASUMMARY = []",
    "pce_us_monthly": "T20804 = [1, 2]\nT20805 = [1, 2]",
}
"""What a lean profile takes of each dataset where all of them matter, and not how much each has."""


@contextmanager
def prepared_world(server: PostgresServer, folder: Path) -> Iterator[Prepared]:
    """All datasets with few lines: the newest release, then what the sample's archive has, brought to Postgres."""
    with lean_world(server, folder, OF_ALL_DATASETS, (1997, 1997)) as world:
        pulled = command_line_of(world)("archive", "pull")
        assert pulled.code == 0, pulled.err
        world.refresh(1997, 2025)
        url = world.settings.chosen_database_url
        assert url is not None
        yield Prepared(folder / "home", folder / "catalog", server, url.get_secret_value().rpartition("/")[2])


def command_line_of(world: World) -> Callable[..., Called]:
    """`pce` in a lean world."""
    url = world.settings.chosen_database_url
    assert url is not None
    settings = {
        "PCE_HOME": str(world.settings.home),
        "PCE_PROFILE": world.settings.profile,
        "PCE_CATALOG": str(world.settings.catalog),
        "PCE_DATABASE_URL": url.get_secret_value(),
    }
    return lambda *arguments, **environment: call(*arguments, **{**settings, **environment})
