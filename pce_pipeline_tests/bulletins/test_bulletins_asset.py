"""The asset of the bulletins in a run: what its page shows, what it reads, and that nothing else depends on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.current import current_of
from pce_pipeline.bulletins.making import Made, make_bulletins
from pce_pipeline.bulletins.store import BULLETINS, BulletinStore
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import StepRecord
from pce_pipeline.shell.keys import EXPLORER_KEY
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.worlds import World

pytestmark = [pytest.mark.postgres]

KEY = dg.AssetKey(["gold", "bulletins"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[World]:
    """Two releases of one table and three lines of the sample; the second is not refreshed yet."""
    with server.database(migrated=False) as url:
        world = World(tmp_path_factory.mktemp("bulletins"), url, profile="smoke")
        world.extract()
        world.refresh(1997, 2024)
        BeaGateway(world.settings).sample_release_file.write_text("3")
        world.extract()
        yield world


def step_of(world: World, result: dg.ExecuteInProcessResult, name: str = BULLETINS) -> StepRecord:
    step = world.record(result).step(name)
    assert step is not None
    return step


def test_a_refresh_makes_the_bulletin_of_a_new_release_and_shows_it_on_the_assets_page(world: World) -> None:
    (first, second) = map(str, world.bronze.extracts())
    done = world.refresh(2020, 2025)
    step = step_of(world, done)
    assert (step.outputs["written"], step.outputs["unchanged"]) == ([f"pce_state/{second}"], [f"pce_state/{first}"])
    (shown,) = [each for each in done.get_asset_materialization_events() if each.asset_key == KEY]
    page = shown.materialization.metadata["pce_state"].value
    assert isinstance(page, str)
    assert page.startswith("# SAMPLE (synthetic): pce_state: released 2026-09-30")
    assert page == BulletinStore(world.lake).page("pce_state", second)
    assert step_of(world, world.refresh(2020, 2025)).outputs["written"] == []


def test_the_logs_as_published_and_folded_on_the_spot_give_the_same_bulletins(world: World, tmp_path: Path) -> None:
    layout = world.lake.layout
    shutil.copytree(world.lake.uri, tmp_path / "lake")
    for prefix in (layout.bulletins, layout.dataset("silver", ""), layout.dataset("gold", "")):
        shutil.rmtree(tmp_path / "lake" / prefix, ignore_errors=True)
    bare = Lake(str(tmp_path / "lake"), layout)
    held = current_of(bare, world.registry.datasets)
    made = make_bulletins(bare, world.registry, held, list(held), is_sample=True)
    assert len(made.written) == 2

    def files(lake: Lake) -> dict[str, bytes]:
        return lake.store.get_many([info.key for info in lake.store.list(layout.bulletins)])

    assert files(bare) == files(world.lake)
    assert make_bulletins(bare, world.registry, held, [], is_sample=True) == Made((), (), made.written, ())


def test_no_figures_are_downstream_of_the_bulletins_and_they_are_of_gold(world: World) -> None:
    """The explorer's page shows them, and nothing comes after it."""
    graph = world.definitions.resolve_asset_graph()
    assert dg.AssetSelection.assets(KEY).downstream(include_self=False).resolve(graph) == {EXPLORER_KEY}
    assert dg.AssetSelection.assets(EXPLORER_KEY).downstream(include_self=False).resolve(graph) == set()
    assert KEY in dg.AssetSelection.groups("gold").resolve(graph)


def test_bulletins_that_cannot_be_made_keep_nothing_from_postgres(world: World) -> None:
    index = f"{world.lake.layout.bulletins}/_index.json"
    good = world.lake.store.get(index)
    world.lake.store.put(index, b'{"format": 99}')
    failed = world.refresh(2024, 2025, must_succeed=False)
    assert not failed.success
    assert step_of(world, failed).status == "failed"
    assert step_of(world, failed, "postgres").status == "succeeded"
    world.lake.store.put(index, good)
    assert world.refresh(2024, 2025).success
