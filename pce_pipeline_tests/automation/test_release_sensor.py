"""The sensor as the daemon meets it: a real instance, real runs in its history, a real BEA look-alike on loopback."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pce_pipeline.automation.jobs import EXTRACT, RANGE_END, RANGE_START, REFRESH
from pce_pipeline.automation.sensor import WHY, wait_after_failures
from pce_pipeline.bea.emulator.app import create_app
from pce_pipeline.bea.emulator.faults import Fault, FaultKind
from pce_pipeline.bea.emulator.serve import running
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline_tests.automation.conftest import LiveWorld
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("sensor")]

EXTRACTS = "pce_state_extracts"
MINUTE = timedelta(minutes=1)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


class Daemon:
    """Evaluates the sensor on an instance as Dagster's daemon does, and keeps its history."""

    def __init__(self, world: LiveWorld, instance: dg.DagsterInstance) -> None:
        self.world = world
        self.instance = instance
        self._repository = world.definitions.get_repository_def()
        self._sensor = self._repository.get_sensor_def("release_sensor")
        self._resources = {
            name: each for name, each in (world.definitions.resources or {}).items() if name != "lake_io"
        }

    def tick(self) -> tuple[list[dg.RunRequest], str | None]:
        """Evaluate; what it asks of the partitions is done, what it asks to run is only told, as is why it skips."""
        with dg.SensorEvaluationContext(
            instance_ref=self.instance.get_ref(), repository_def=self._repository, resources=self._resources
        ) as context:
            told = self._sensor.evaluate_tick(context)
        for request in told.dynamic_partitions_requests or ():
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)
        return list(told.run_requests or ()), told.skip_message

    def run(self, job: str, *events: dg.DagsterEventType, at: datetime | None = None) -> str:
        """A run in the history that has got as far as the events say."""
        run_id = str(uuid.uuid4())
        self.instance.run_storage.add_run(dg.DagsterRun(job, run_id))
        for event in events:
            self.instance.run_storage.handle_run_event(
                run_id, dg.DagsterEvent(event.value, job), update_timestamp=at or datetime.now(UTC)
            )
        return run_id

    def ended(self, job: str, *, succeeded: bool, ago: timedelta = timedelta(0)) -> None:
        last = dg.DagsterEventType.RUN_SUCCESS if succeeded else dg.DagsterEventType.RUN_FAILURE
        self.run(job, dg.DagsterEventType.RUN_START, last, at=datetime.now(UTC) - ago)

    @property
    def registered(self) -> list[str]:
        return list(self.instance.get_dynamic_partitions(EXTRACTS))


@pytest.fixture(scope="module")
def _empty(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[LiveWorld]:
    app = create_app(1)
    with server.database(migrated=False) as url, running(app) as bea_url:
        yield LiveWorld(tmp_path_factory.mktemp("empty"), url, app.state.emulator, bea_url)


@pytest.fixture(scope="module")
def _with_extract(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[LiveWorld]:
    app = create_app(1)
    with server.database(migrated=False) as url, running(app) as bea_url:
        world = LiveWorld(tmp_path_factory.mktemp("taken"), url, app.state.emulator, bea_url)
        world.extract()
        yield world


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as fresh:
        yield fresh


@pytest.fixture
def empty(_empty: LiveWorld, instance: dg.DagsterInstance) -> Iterator[Daemon]:
    """A daemon beside an empty lake."""
    yield Daemon(_empty, instance)
    _empty.emulator.set_faults()


@pytest.fixture
def taken(_with_extract: LiveWorld, instance: dg.DagsterInstance) -> Iterator[Daemon]:
    """A daemon with a fresh history beside a lake that holds an extract of which nothing was made yet."""
    yield Daemon(_with_extract, instance)
    _with_extract.emulator.set_faults()
    _with_extract.emulator.set_release(1)


def test_an_empty_lake_makes_it_launch_an_extract_of_today_which_it_registers(empty):
    (request,), skipped = empty.tick()
    assert skipped is None
    assert (request.job_name, request.partition_key) == (EXTRACT, today())
    assert request.run_config["ops"]["bronze__pce_state"]["config"] == {"tables": ["SAPCE1"], "files": []}
    assert request.tags[WHY] == "SAPCE1: no extract holds it yet"
    assert empty.registered == [today()]


def test_stale_years_make_it_launch_a_refresh_of_their_range_in_one_run(taken):
    (request,), _ = taken.tick()
    assert request.job_name == REFRESH
    assert request.partition_key is None
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("1997", "2023")
    assert len(request.tags[WHY]) <= 250


def test_on_a_fresh_instance_it_registers_the_extracts_of_the_lake(taken):
    assert taken.registered == []
    taken.tick()
    assert taken.registered == [str(each) for each in taken.world.lake.bronze.extracts()] == [today()]


def test_a_new_release_makes_it_launch_the_next_extract_of_the_day(taken):
    taken.world.emulator.set_release(2)
    (request,), _ = taken.tick()
    assert request.partition_key == f"{today()}.2"
    assert "BEA updated it on 2025-09-26" in request.tags[WHY]
    assert taken.registered == [today(), f"{today()}.2"]


@pytest.mark.parametrize(
    "events",
    [
        (),
        (dg.DagsterEventType.RUN_ENQUEUED,),
        (dg.DagsterEventType.RUN_STARTING,),
        (dg.DagsterEventType.RUN_START,),
        (dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_CANCELING),
    ],
    ids=["not started", "queued", "starting", "running", "canceling"],
)
@pytest.mark.parametrize("job", [EXTRACT, REFRESH, "__ASSET_JOB"])
def test_it_skips_while_a_run_is_under_way_and_leaves_the_partitions_alone(empty, job, events):
    empty.run(job, *events)
    empty.instance.add_dynamic_partitions(EXTRACTS, ["2020-01-01"])
    assert empty.tick() == ([], "A run is under way.")
    assert empty.registered == ["2020-01-01"]


def test_it_does_not_wait_for_ever_for_a_run_that_died_with_its_machine(empty):
    empty.run(REFRESH, dg.DagsterEventType.RUN_START, at=datetime.now(UTC) - timedelta(hours=5))
    assert empty.tick()[1] == "A run is under way."


def test_a_run_nobody_heard_of_for_hours_counts_as_dead(empty):
    empty.run(REFRESH, dg.DagsterEventType.RUN_START, at=datetime.now(UTC) - timedelta(hours=7))
    assert len(empty.tick()[0]) == 1


def test_two_evaluations_in_a_row_never_launch_twice(empty):
    (request,), _ = empty.tick()
    empty.run(str(request.job_name), dg.DagsterEventType.RUN_ENQUEUED)
    assert empty.tick() == ([], "A run is under way.")
    assert empty.registered == [today()]


@pytest.mark.parametrize(("failures", "minutes"), [(1, 5), (2, 10), (3, 20), (7, 320), (8, 360), (12, 360)])
def test_after_failures_it_waits_ever_longer_up_to_six_hours_and_tries_again(empty, failures, minutes):
    empty.ended(EXTRACT, succeeded=True)
    for _ in range(failures):
        empty.ended(EXTRACT, succeeded=False, ago=(minutes - 2) * MINUTE)
    requests, skipped = empty.tick()
    assert requests == []
    assert skipped == "The last extract run failed; the next try is in 2 minutes."


def test_the_try_after_the_wait_comes_and_a_success_starts_anew(empty):
    empty.ended(EXTRACT, succeeded=False, ago=20 * MINUTE)
    empty.ended(EXTRACT, succeeded=False, ago=11 * MINUTE)
    assert len(empty.tick()[0]) == 1
    empty.ended(EXTRACT, succeeded=True)
    assert len(empty.tick()[0]) == 1


def test_failures_of_one_job_do_not_hold_up_the_other(taken):
    taken.ended(EXTRACT, succeeded=False)
    assert taken.tick()[0][0].job_name == REFRESH
    taken.ended(REFRESH, succeeded=False)
    assert taken.tick()[0] == []


def test_waiting_is_a_matter_of_the_failures_since_the_last_success():
    now = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
    assert wait_after_failures([], now) is None
    assert wait_after_failures([(True, now), (False, now)], now) is None
    assert wait_after_failures([(False, now - MINUTE), (True, now), (False, now)], now) == 4 * MINUTE
    assert wait_after_failures([(False, now - 5 * MINUTE)], now) is None


def test_dates_that_the_lake_does_not_hold_are_removed_once_no_run_is_under_way(taken):
    taken.instance.add_dynamic_partitions(EXTRACTS, ["2020-01-01", today(), f"{today()}.7"])
    taken.tick()
    assert taken.registered == [today()]


def test_the_date_of_an_extract_that_failed_is_tried_again_the_same_day(empty):
    empty.tick()
    empty.ended(EXTRACT, succeeded=False, ago=6 * MINUTE)
    assert empty.registered == [today()]
    (request,), _ = empty.tick()
    assert request.partition_key == today()
    assert empty.registered == [today()]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(FaultKind.API_ERROR, code="4"), "BEA answered error 4"),
        (Fault(FaultKind.TABLE_RENAMED), "error 40"),
        (Fault(FaultKind.TOO_MANY, seconds=3600), "locked this key"),
    ],
    ids=["key rejected", "table renamed", "locked"],
)
def test_what_bea_refuses_is_a_skip_that_says_why_and_never_the_key(taken, fault, said):
    taken.world.emulator.set_faults(fault)
    requests, skipped = taken.tick()
    assert requests == []
    assert skipped is not None
    assert said in skipped
    assert taken.world.key not in skipped
    assert taken.registered == [today()]


def test_a_lake_that_cannot_be_read_is_a_skip_too(taken):
    record = Path(taken.world.lake.uri) / "local/bronze/bea-smoke/pce_state/_verified.json"
    record.write_text('{"format": 99}')
    try:
        requests, skipped = taken.tick()
    finally:
        record.unlink()
    assert requests == []
    assert "Upgrade pce_pipeline" in str(skipped)


def test_an_extract_it_asked_for_is_one_that_the_job_takes(empty, tmp_path):
    (request,), _ = empty.tick()
    result = empty.world.definitions.resolve_job_def(EXTRACT).execute_in_process(
        instance=empty.instance,
        partition_key=request.partition_key,
        run_config={**request.run_config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    (refresh,), _ = empty.tick()
    assert refresh.job_name == REFRESH
    assert empty.world.lake.bronze.extracts() == [ExtractId.parse(str(request.partition_key))]
