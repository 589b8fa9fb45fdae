"""A run asks the lake for no more than it needs: each manifest once, and nothing is written that did not change."""

from collections import Counter
from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def observed(
    tmp_path_factory: pytest.TempPathFactory, server: PostgresServer
) -> Iterator[tuple[World, ObservedBackend]]:
    """A world of two datasets with two extracts each, refreshed once; what it asks the lake for is listed."""
    catalog = declare(tmp_path_factory.mktemp("catalog"))
    with server.database(migrated=False) as url:
        world = World(tmp_path_factory.mktemp("home"), url, profile="smoke", catalog=catalog)
        backend = ObservedBackend(DirectoryBackend(Path(world.lake.uri)))
        world.lake.store = Store(backend)
        for dataset in DATASETS:
            world.extract(dataset=dataset)
        world.refresh(1997, 2024)
        yield world, backend


def asked(backend: ObservedBackend, world: World) -> tuple[Counter[str], list[tuple[str, str]]]:
    """What a refresh of all years reads and writes."""
    backend.reads.clear()
    backend.writes.clear()
    world.refresh(1997, 2024)
    return Counter(backend.reads), list(backend.writes)


def test_a_refresh_reads_each_manifest_of_bronze_once(observed: tuple[World, ObservedBackend]) -> None:
    world, backend = observed
    reads, _ = asked(backend, world)
    manifests = {key: count for key, count in reads.items() if "/bronze/" in key and key.endswith("/manifest.json")}
    assert len(manifests) == len(DATASETS)
    assert set(manifests.values()) == {1}


def test_a_refresh_that_changes_nothing_writes_its_own_record_and_nothing_else(
    observed: tuple[World, ObservedBackend],
) -> None:
    world, backend = observed
    _, writes = asked(backend, world)
    assert {operation for operation, _ in writes} == {"put"}
    assert {key.rpartition("/")[2] for _, key in writes} == {"record.json", "log.jsonl"}
    steps = len(world.records()[-1].steps)
    # once when a step starts and once when it ends
    assert len(writes) == 2 * 2 * steps


def test_a_pointer_is_read_a_few_times_however_many_years_there_are(observed: tuple[World, ObservedBackend]) -> None:
    world, backend = observed
    reads, _ = asked(backend, world)
    pointers = {key: count for key, count in reads.items() if key.endswith("/_latest.json")}
    assert len(pointers) == len(world.registry.tables)
    assert max(pointers.values()) < 10
