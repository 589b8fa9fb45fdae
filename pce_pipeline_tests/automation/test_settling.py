"""Doing what comes next in a real, small world comes to rest, and touches only what has changed."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pce_pipeline.automation.next_step import Step, stale_years
from pce_pipeline.automation.state import load_state
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.deciding import plan_undo, plan_use
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import WHOLE
from pce_pipeline.observability.heartbeat import newest_beat
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS
from pce_pipeline_tests.automation.daemon import Daemon
from pce_pipeline_tests.automation.live_world import LiveWorld
from pce_pipeline_tests.bronze.look_alike import archive_of, member_of
from pce_pipeline_tests.datasets import SILVER_PCE_STATE
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres]

OF_VINTAGES = ["silver/pce_state_vintages", "gold/pce_state_vintages", "gold/pce_state_revisions"]
YEARLY = [SILVER_PCE_STATE, GOLD_FACTS, GOLD_PCE_STATE_ANNUAL, GOLD_PCE_STATE_METRICS]


@dataclass(frozen=True)
class Begun:
    """A world brought to rest once, and the steps that took."""

    world: LiveWorld
    steps: list[Step]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[Begun]:
    app = create_app(1)
    with server.database(migrated=False) as url, running(app) as bea_url:
        world = LiveWorld(tmp_path_factory.mktemp("world"), url, app.state.emulator, bea_url)
        yield Begun(world, world.settle())


@pytest.fixture
def world(begun: Begun) -> Iterator[LiveWorld]:
    """A world at rest that holds what BEA publishes; what a test does to the figures is undone after it.

    Requests are spared: BEA's limit for a key in a minute holds here as well, and would be waited out.
    """
    world = begun.world
    yield world
    world.bronze.clear_pin(now=datetime.now(UTC))
    newest = max(world.bronze.manifests().items())[1]
    if world.emulator.faults or newest.origin == "file":
        world.emulator.set_faults()
        world.extract()
        world.settle()


def data_objects(world: LiveWorld) -> dict[str, object]:
    """Every data object of the lake as its listing shows it: tag and time of its last write."""
    store, layout = world.lake.store, world.lake.layout
    return {
        info.key: (info.e_tag, info.last_modified)
        for layer in ("bronze", "silver", "gold")
        for info in store.list(f"{layout.env}/{layer}")
        if not info.key.rpartition("/")[2].startswith("_")
    }


def years_written(before: dict[str, object], after: dict[str, object]) -> set[int]:
    """The years of Silver and Gold in which any object was written or appeared."""
    keys = [key for key, listed in after.items() if before.get(key) != listed and "/year=" in key]
    return {int(key.partition("/year=")[2][:4]) for key in keys}


def without_logs(objects: dict[str, object]) -> dict[str, object]:
    """The objects of tables that follow from the current figures alone."""
    logs = tuple(f"/{table.partition('/')[2]}/" for table in OF_VINTAGES)
    return {key: listed for key, listed in objects.items() if not any(log in key for log in logs)}


def logs_of(world: LiveWorld) -> dict[tuple[str, str], str]:
    """The content hashes of what was known and when."""
    return dict(world.hashes().items() - world.current_hashes().items())


def test_a_new_world_settles_after_one_extract_and_one_refresh_of_all_years(begun):
    extract, refresh = begun.steps
    assert (extract.action, extract.tables) == ("extract", {"pce_state": ("SAPCE1",)})
    assert (refresh.action, refresh.first_year, refresh.last_year) == ("refresh", 1997, 2023)


def test_in_a_settled_world_nothing_is_done_and_the_sensor_skips(world, tmp_path):
    before = data_objects(world)
    assert world.settle() == []
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        daemon = Daemon(world, instance)
        assert daemon.tick() == ([], "Nothing is new.")
        assert newest_beat(world.lake) is None, "nobody waits for it"
        daemon._resources["settings"] = world.settings.model_copy(update={"log_group": "/pce/staging/pipeline"})
        assert daemon.tick() == ([], "Nothing is new.")
        beaten = newest_beat(world.lake)
        assert beaten is not None
        assert beaten.by == "release_sensor"
    assert data_objects(world) == before


def test_each_release_changes_its_years_and_no_others(world):
    for number, changed in ((3, range(2019, 2026)), (4, range(2023, 2026))):
        world.emulator.set_release(number)
        before = data_objects(world)
        extract, refresh = world.settle()
        assert (extract.action, refresh.action) == ("extract", "refresh")
        assert (refresh.first_year, refresh.last_year) == (changed.start, changed[-1])
        assert years_written(before, data_objects(world)) == set(changed)


@pytest.mark.long
def test_where_bea_goes_back_nothing_is_withdrawn_until_somebody_says_so(world):
    world.emulator.set_release(4)
    world.settle()
    before, hashes, figures = data_objects(world), world.hashes(), world.current_hashes()
    world.emulator.set_release(2)
    assert world.decide().action == "extract"
    assert not world.extract(must_succeed=False).success
    refused = world.bronze.extracts()[-1]
    # nobody knows yet what BEA means by it, so it is asked again
    assert world.decide().action == "extract"
    assert world.hashes() == hashes
    now = current(world.bronze, world.dataset)
    planned = plan_use(
        world.bronze, world.dataset, now, refused, "instead", why="BEA withdrew 2025", at=datetime.now(UTC)
    )
    (loss,) = planned.losses
    assert loss.startswith("SAPCE1: 180 cells of pce: 3 categories (product.goods, product.pce, product.services)")
    assert loss.endswith("60 areas, 2025")
    world.bronze.decisions.add(planned.decision)
    (refresh,) = world.settle()
    # the release was never taken before, and is the one that revised 2019 and 2020: the logs know now when that was
    assert (refresh.first_year, refresh.last_year) == (2019, 2025)
    after = data_objects(world)
    assert years_written(without_logs(before), without_logs(after)) == set(range(2021, 2025))
    assert years_written(before, after) == set(range(2019, 2026))
    gone = before.keys() - after.keys()
    assert {year for year in range(1997, 2027) if any(f"/year={year}/" in key for key in gone)} == {2025}
    now = current(world.bronze, world.dataset)
    world.bronze.decisions.add(plan_undo(now, refused, why="it was a mistake", at=datetime.now(UTC)).decision)
    world.emulator.set_release(4)
    world.settle()
    assert world.current_hashes() == figures


@pytest.mark.long
def test_a_silently_revised_number_is_found_by_the_full_comparison_and_undone_by_a_pin(world):
    before, figures = data_objects(world), world.current_hashes()
    pinned = world.bronze.extracts()[-1]
    world.emulator.set_faults(Fault(FaultKind.SILENT_REVISION, lines=(13,)))
    assert world.decide().action == "nothing"
    asked = world.ask()
    due = world.decide(replace(asked, asked_at=asked.asked_at + timedelta(days=30)))
    assert due.reasons == {"SAPCE1": "not compared in full for 30 days"}
    world.follow(due)
    newest = world.state().covered_years[-1]
    (refresh,) = world.settle()
    assert (refresh.first_year, refresh.last_year) == (newest - 1, newest)
    assert years_written(before, data_objects(world)) == {newest - 1, newest}
    revised, logs = world.current_hashes(), logs_of(world)
    assert revised != figures
    world.bronze.write_pin(pinned, now=datetime.now(UTC), reason="a test")
    assert [step.action for step in world.settle()] == ["refresh"]
    assert world.current_hashes() == figures
    assert logs_of(world) == logs, "a pin changes nothing of what was known"
    world.bronze.clear_pin(now=datetime.now(UTC))
    assert [step.action for step in world.settle()] == ["refresh"]
    assert world.current_hashes() == revised
    assert logs_of(world) == logs


def test_a_comparison_that_finds_nothing_is_remembered_in_the_lake(world):
    started = datetime.now(UTC)
    world.extract()
    state = world.state()
    assert state.tables["SAPCE1"].compared_at >= started
    assert world.settle() == []


def test_a_year_revised_long_ago_reaches_the_windows_of_the_next_four_years_and_nothing_else(world, tmp_path):
    archive = archive_of(world.emulator.release)
    rows = list(csv.reader(io.StringIO(member_of(archive, "SAPCE1__ALL").decode()), skipinitialspace=True))
    column = rows[0].index("2010")
    for row in rows[1:]:
        if len(row) > column and row[4] == "13" and row[0] == "06000":
            row[column] = f"{float(row[column]) + 1000:.1f}"
    path = tmp_path / "revised.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    before, hashes = data_objects(world), world.hashes()
    world.extract(files=[path])
    assert stale_years(world.state(), load_state(world.postgres)).keys() == {2010}
    step = world.decide()
    # the file says nothing of what BEA publishes today, and its figures are not BEA's
    assert (step.action, step.first_year, step.last_year) == ("refresh", 2010, 2014)
    world.follow(step)
    assert years_written(before, data_objects(world)) == set(range(2010, 2015))
    changed = {key for key, digest in world.hashes().items() if hashes[key] != digest}
    assert changed == {
        *((table.name, "2010") for table in YEARLY),
        *((GOLD_PCE_STATE_METRICS.name, str(year)) for year in range(2011, 2015)),
        *((name, "2010") for name in OF_VINTAGES),
        ("gold/dim_vintage", WHOLE),
        ("gold/line_history", WHOLE),  # the file prints lines that the profile does not ask for
    }


def test_a_dimension_that_postgres_has_lost_is_loaded_again(world):
    with world.postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM meta.checkpoints WHERE table_name = 'gold/dim_geography'")
        connection.commit()
    before = data_objects(world)
    (load,) = world.settle()
    assert (load.reasons, load.first_year) == ({"gold/dim_geography": "Postgres holds none"}, load.last_year)
    assert data_objects(world) == before


def test_an_archived_extract_of_the_past_changes_what_was_known_and_nothing_of_today(world, tmp_path):
    path = tmp_path / "SAPCE.zip"
    path.write_bytes(archive_of(1))
    world.extract("2024-10-04", files=[path])
    assert world.bronze.extracts()[0] == ExtractId.parse("2024-10-04")
    before = world.hashes()
    (step,) = world.settle()
    assert step.action == "refresh"
    assert step.reasons["2010"] == "silver/pce_state_vintages was made from another SAPCE1"
    changed = {table for (table, _), digest in world.hashes().items() if before.get((table, _)) != digest}
    assert changed == {*OF_VINTAGES, "gold/dim_vintage", "gold/line_history"}
