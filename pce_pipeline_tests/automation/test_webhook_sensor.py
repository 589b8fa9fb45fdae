"""From an event to what it brings: received by the endpoint, met by the sensors, answered by a comparison."""

import asyncio
import base64
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import httpx
import pytest
from standardwebhooks import Webhook

from pce_pipeline.automation.jobs import REFRESH, extract_job_name
from pce_pipeline.emulator.app import create_app as create_bea
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline.hooks.endpoint import PATH, create_app
from pce_pipeline.hooks.events import EventStore
from pce_pipeline.hooks.signatures import Verifier
from pce_pipeline.shell.tags import WHY
from pce_pipeline_tests.automation.daemon import Daemon
from pce_pipeline_tests.automation.live_world import LiveWorld
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres]

SECRET = base64.b64encode(bytes(32)).decode()
BODY = '{"type": "bea.release", "timestamp": "2026-02-23T14:01:00Z"}'

EXTRACT = extract_job_name("pce_state")


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[LiveWorld]:
    app = create_bea(1)
    with server.database(migrated=False) as url, running(app) as bea_url:
        world = LiveWorld(tmp_path_factory.mktemp("world"), url, app.state.emulator, bea_url)
        world.settle()
        yield world


@pytest.fixture
def world(_world: LiveWorld) -> Iterator[LiveWorld]:
    """A world at rest, of which every event is answered."""
    yield _world
    _world.emulator.set_faults()
    _world.settle()


@pytest.fixture
def sensors(world: LiveWorld, tmp_path: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """The webhook sensor and the release sensor, on a history of their own."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Daemon(world, instance, "webhook_sensor"), Daemon(world, instance)


def announce(world: LiveWorld, *, accepted: int = 202) -> str:
    """A sender tells the endpoint of a release; the event's id."""
    event, now = f"evt_{uuid.uuid4()}", datetime.now(UTC)

    async def send() -> httpx.Response:
        app = create_app(EventStore.of(world.lake), Verifier(SECRET))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hooks") as client:
            headers = {
                "webhook-id": event,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(SECRET).sign(event, now, BODY),
            }
            return await client.post(PATH, content=BODY, headers=headers)

    assert asyncio.run(send()).status_code == accepted
    return event


def test_without_an_event_nothing_is_done_and_nobody_asked(tmp_path):
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    nowhere = LiveWorld(tmp_path, url, None, "http://127.0.0.1:1")  # type: ignore[arg-type]  # there is no BEA to steer
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert Daemon(nowhere, instance, "webhook_sensor").tick() == ([], "No event has come.")


def test_an_event_makes_it_compare_with_bea_although_nothing_else_says_so_and_is_answered_then(world, sensors):
    webhook, release = sensors
    assert release.tick() == ([], "Nothing is new.")
    event = announce(world)
    (request,), _ = webhook.tick()
    assert request.job_name == EXTRACT
    assert f"SAPCE1: event {event} announced a release" in request.tags[WHY]
    assert request.partition_key in webhook.registered
    result = world.definitions.resolve_job_def(EXTRACT).execute_in_process(
        instance=webhook.instance,
        partition_key=request.partition_key,
        run_config={**request.run_config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert world.record(result).steps[-1].outputs["outcome"] == "unchanged"
    assert world.state().event is None
    assert webhook.tick() == release.tick() == ([], "Nothing is new.")


def test_what_the_comparison_has_found_is_refreshed_without_waiting_for_the_release_sensor(world, sensors):
    webhook, _ = sensors
    world.emulator.set_faults(Fault(FaultKind.SILENT_REVISION, lines=(13,)))
    assert world.decide().action == "nothing"
    announce(world)
    world.follow(world.decide())
    (request,), _ = webhook.tick()
    assert request.job_name == REFRESH
    assert [step.action for step in world.settle()] == ["refresh"]
    assert webhook.tick() == ([], "Nothing is new.")


def test_once_the_event_is_answered_bea_is_left_alone(world, sensors):
    webhook, release = sensors
    announce(world)
    world.settle()
    world.emulator.set_faults(Fault(FaultKind.API_ERROR, code="4"))
    assert webhook.tick() == ([], "Nothing is new.")
    assert "BEA answered error 4" in str(release.tick()[1])


def test_the_release_sensor_and_pce_run_meet_the_event_as_well(world, sensors):
    _, release = sensors
    event = announce(world)
    (request,), _ = release.tick()
    assert event in request.tags[WHY]
    (extract,) = world.settle()
    assert (extract.action, extract.tables) == ("extract", {"pce_state": ("SAPCE1",)})
    assert event in extract.reasons["SAPCE1"]


def test_after_a_failure_an_event_waits_as_everything_does(world, sensors):
    webhook, _ = sensors
    announce(world)
    webhook.ended(EXTRACT, succeeded=False, ago=timedelta(minutes=3))
    assert webhook.tick() == ([], "The last extract_pce_state run failed; the next try is in 2 minutes.")


def test_while_a_run_is_under_way_an_event_waits(world, sensors):
    webhook, _ = sensors
    announce(world)
    webhook.run(REFRESH, dg.DagsterEventType.RUN_START)
    assert webhook.tick() == ([], "A run is under way.")


def test_events_of_long_ago_are_left_to_the_release_sensor(world, sensors):
    webhook, _ = sensors
    folder = Path(world.lake.uri) / world.lake.layout.webhook_events
    announce(world)
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).timestamp()
    for file in folder.iterdir():
        os.utime(file, (long_ago, long_ago))
    assert webhook.tick() == ([], "No event has come.")


def test_an_event_in_an_empty_lake_makes_it_take_the_first_extract(world, tmp_path):
    url = world.settings.chosen_database_url.get_secret_value()
    empty = LiveWorld(tmp_path, url, world.emulator, world.settings.bea_url)
    announce(empty)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        (request,), _ = Daemon(empty, instance, "webhook_sensor").tick()
    assert request.job_name == EXTRACT
