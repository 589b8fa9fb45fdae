"""A run asks the lake for no more than it needs: each manifest once, and nothing is written that did not change."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.lake.observed_backend import ObservedBackend
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.tables.a_dataset import NAME, declare
from pce_pipeline_tests.worlds import World

pytestmark = pytest.mark.postgres

DATASETS = ("pce_state", NAME)


@dataclass(frozen=True)
class Asked:
    """What a refresh of all years, of which nothing is stale, asked the lake for."""

    reads: Mapping[str, int]
    """How often each object was read."""
    writes: Sequence[tuple[str, str]]
    """What was written: operation and key."""
    steps: int
    """How many steps the run had."""
    tables: int
    """How many tables there are."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Asked:
    """A world of two datasets, refreshed once, and then again."""
    catalog = declare(tmp_path_factory.mktemp("catalog"))
    with server.database(migrated=False) as url:
        world = World(tmp_path_factory.mktemp("home"), url, profile="smoke", catalog=catalog)
        backend = ObservedBackend(DirectoryBackend(Path(world.lake.uri)))
        world.lake.store = Store(backend)
        for dataset in DATASETS:
            world.extract(dataset=dataset)
        world.refresh(1997, 2024)
        backend.reads.clear()
        backend.writes.clear()
        record = world.record(world.refresh(1997, 2024))
        reads, writes = Counter(backend.reads), list(backend.writes)
    return Asked(reads, writes, len(record.steps), len(world.registry.tables))


def test_a_refresh_reads_each_manifest_of_bronze_once(asked: Asked) -> None:
    manifests = {key: count for key, count in asked.reads.items() if "/bronze/" in key and "manifest.json" in key}
    assert len(manifests) == len(DATASETS)
    assert set(manifests.values()) == {1}


def test_a_refresh_that_changes_nothing_writes_its_own_record_and_report_and_nothing_else(asked: Asked) -> None:
    of_reports = [(operation, key) for operation, key in asked.writes if "/reports/" in key]
    of_records = [each for each in asked.writes if each not in of_reports]
    assert {operation for operation, _ in of_records} == {"put"}
    assert {key.rpartition("/")[2] for _, key in of_records} == {"record.json", "log.jsonl"}
    # once when a step starts and once when it ends
    assert len(of_records) == 2 * 2 * asked.steps
    # the mark of the run comes and goes, and each file is written once
    assert [operation for operation, key in of_reports if "/_open/" in key] == ["put", "delete"]
    # of Bronze it says nothing: all years stand, and nothing was read of it
    assert sorted(key.rpartition("/")[2] for _, key in of_reports if "/_open/" not in key) == [
        *("gold.json", "manifest.json", "postgres.json"),
        *("report.html", "report.md", "runs.json", "silver.json"),
    ]


def test_a_pointer_is_read_a_few_times_however_many_years_there_are(asked: Asked) -> None:
    pointers = {
        key: count for key, count in asked.reads.items() if key.endswith("/_latest.json") and "/explorer/" not in key
    }
    assert len(pointers) == asked.tables
    # that of the facts most often: once for each table that is made of them, and for their lineage, the comparison with
    # the version before, the explorer, and the Iceberg table
    assert max(pointers.values()) <= 14
