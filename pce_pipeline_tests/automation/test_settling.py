"""Doing what comes next in a real, small world comes to rest, and touches only what has changed."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pce_pipeline import schemas
from pce_pipeline.automation.next_step import stale_years
from pce_pipeline.automation.state import lake_state, loaded_hashes
from pce_pipeline.bea.emulator.app import create_app
from pce_pipeline.bea.emulator.faults import Fault, FaultKind
from pce_pipeline.bea.emulator.serve import running
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline_tests.automation.daemon import Daemon
from pce_pipeline_tests.automation.live_world import LiveWorld
from pce_pipeline_tests.bronze.look_alike import LookAlike, member_of
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("settling")]

YEARLY = [schemas.SILVER_PCE_STATE, schemas.GOLD_FACTS, schemas.GOLD_PCE_STATE_ANNUAL, schemas.GOLD_PCE_STATE_METRICS]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[LiveWorld]:
    """One world for all tests here, one after the other; BEA begins with its first release."""
    app = create_app(1)
    with server.database(migrated=False) as url, running(app) as bea_url:
        yield LiveWorld(tmp_path_factory.mktemp("world"), url, app.state.emulator, bea_url)


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


def test_a_new_world_settles_after_one_extract_and_one_refresh_of_all_years(world):
    extract, refresh = world.settle()
    assert (extract.action, extract.tables) == ("extract", ("SAPCE1",))
    assert (refresh.action, refresh.first_year, refresh.last_year) == ("refresh", 1997, 2023)
    before = data_objects(world)
    assert world.settle() == []
    assert data_objects(world) == before


def test_in_a_settled_world_the_sensor_skips_because_nothing_is_new(world, tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert Daemon(world, instance).tick() == ([], "Nothing is new.")


@pytest.mark.parametrize(
    ("number", "changed"),
    [(3, range(2019, 2026)), (4, range(2023, 2026)), (2, range(2021, 2025))],
    ids=["the third, after the first", "the fourth", "back to the second"],
)
def test_each_release_changes_its_years_and_no_others(world, number, changed):
    world.emulator.set_release(number)
    before = data_objects(world)
    extract, refresh = world.settle()
    assert (extract.action, refresh.action) == ("extract", "refresh")
    assert (refresh.first_year, refresh.last_year) == (changed.start, changed.stop - 1)
    after = data_objects(world)
    assert years_written(before, after) == set(changed)
    assert before.keys() <= after.keys()


def test_years_that_bea_no_longer_publishes_are_told(world):
    (warning,) = world.decide().warnings
    assert warning.startswith("2025 stay published")


def test_a_silently_revised_number_is_found_by_the_full_comparison(world):
    world.emulator.set_faults(Fault(FaultKind.SILENT_REVISION, lines=(13,)))
    assert world.decide().action == "nothing"
    asked = world.ask()
    later = type(asked)(asked.asked_at + timedelta(days=30), asked.notes, asked.calendar, asked.release_names)
    due = world.decide(later)
    assert due.reasons == {"SAPCE1": "not compared in full for 30 days"}
    before = data_objects(world)
    world.follow(due)
    (refresh,) = world.settle()
    assert (refresh.first_year, refresh.last_year) == (2023, 2024)
    assert years_written(before, data_objects(world)) == {2023, 2024}


def test_a_comparison_that_finds_nothing_is_remembered_in_the_lake(world):
    started = datetime.now(UTC)
    world.extract()
    state = lake_state(world.lake, world.catalog)
    assert state.tables["SAPCE1"].compared_at >= started
    assert world.settle() == []


def test_a_year_revised_long_ago_reaches_the_windows_of_the_next_four_years_and_nothing_else(world, tmp_path):
    archive = LookAlike(2, Fault(FaultKind.SILENT_REVISION, lines=(13,))).emulator.archive
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
    assert stale_years(lake_state(world.lake, world.catalog), loaded_hashes(world.postgres)).keys() == {2010}
    step = world.decide()
    # the file says nothing of what BEA publishes today, and its figures are not BEA's
    assert (step.action, step.first_year, step.last_year) == ("refresh", 2010, 2014)
    world.follow(step)
    assert years_written(before, data_objects(world)) == set(range(2010, 2015))
    changed = {key for key, digest in world.hashes().items() if hashes[key] != digest}
    assert changed == {
        *((table.name, "2010") for table in YEARLY),
        *((schemas.GOLD_PCE_STATE_METRICS.name, str(year)) for year in range(2011, 2015)),
    }


def test_a_pin_brings_older_figures_back_and_lifting_it_the_newer_ones(world):
    now = world.hashes()
    *_, before_the_newest, _ = world.lake.bronze.extracts()
    world.lake.bronze.write_pin(before_the_newest, now=datetime.now(UTC), reason="a test")
    (back,) = world.settle()
    assert back.action == "refresh"
    assert world.hashes() != now
    world.lake.bronze.clear_pin()
    world.settle()
    assert world.hashes() == now


def test_a_dimension_that_postgres_has_lost_is_loaded_again(world):
    with world.postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM meta.checkpoints WHERE table_name = 'gold/dim_geography'")
        connection.commit()
    before = data_objects(world)
    (load,) = world.settle()
    assert (load.reasons, load.first_year) == ({"gold/dim_geography": "Postgres holds none"}, 2024)
    assert data_objects(world) == before


def test_an_archived_extract_of_the_past_changes_nothing_today(world, tmp_path):
    path = tmp_path / "SAPCE.zip"
    path.write_bytes(LookAlike(1).emulator.archive)
    world.extract("2024-10-04", files=[path])
    assert world.lake.bronze.extracts()[0] == ExtractId.parse("2024-10-04")
    before = data_objects(world)
    assert world.settle() == []
    assert data_objects(world) == before
