"""The sensor as the daemon meets it: a real instance, real runs in its history, a real BEA look-alike on loopback."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pce_pipeline.automation.jobs import RANGE_END, RANGE_START, REFRESH, extract_job_name
from pce_pipeline.automation.sensor import wait_after_failures
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.shell.tags import WHY
from pce_pipeline_tests.automation.daemon import EXTRACTS, Daemon
from pce_pipeline_tests.automation.live_world import LiveWorld
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("one_day")]

MINUTE = timedelta(minutes=1)

EXTRACT = extract_job_name("pce_state")


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def held(taken: Daemon) -> str:
    """The one extract of its lake: of the day on which it was made."""
    (extract,) = taken.world.bronze.extracts()
    return str(extract)


@pytest.fixture(scope="module")
def _worlds(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[tuple[LiveWorld, LiveWorld]]:
    """An empty world, and one with an extract of which nothing was made yet."""
    app = create_app(1)
    with server.database(migrated=False) as url, running(app) as bea_url:
        empty, taken = (
            LiveWorld(tmp_path_factory.mktemp(name), url, app.state.emulator, bea_url) for name in ("empty", "taken")
        )
        taken.extract()
        yield empty, taken


@pytest.fixture(scope="module")
def _instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


@pytest.fixture
def instance(_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    """An instance without any history."""
    for record in _instance.get_run_records():
        _instance.delete_run(record.dagster_run.run_id)
    for key in _instance.get_dynamic_partitions(EXTRACTS):
        _instance.delete_dynamic_partition(EXTRACTS, key)
    return _instance


@pytest.fixture
def empty(_worlds: tuple[LiveWorld, LiveWorld], instance: dg.DagsterInstance) -> Iterator[Daemon]:
    """A daemon beside an empty lake."""
    yield Daemon(_worlds[0], instance)
    _worlds[0].emulator.set_faults()


@pytest.fixture
def taken(_worlds: tuple[LiveWorld, LiveWorld], instance: dg.DagsterInstance) -> Iterator[Daemon]:
    """A daemon with a fresh history beside a lake that holds an extract of which nothing was made yet."""
    yield Daemon(_worlds[1], instance)
    _worlds[1].emulator.set_faults()
    _worlds[1].emulator.set_release(1)


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
    assert taken.registered == [held(taken)]


def test_a_new_release_makes_it_launch_the_next_extract_of_the_day(taken):
    taken.world.emulator.set_release(2)
    (request,), _ = taken.tick()
    assert request.partition_key in {f"{held(taken)}.2", today()}
    assert "updated on 2025-09-26" in request.tags[WHY]
    assert taken.registered == [held(taken), request.partition_key]


@pytest.mark.parametrize(
    ("job", "events"),
    [
        (EXTRACT, ()),
        (EXTRACT, (dg.DagsterEventType.RUN_ENQUEUED,)),
        (REFRESH, (dg.DagsterEventType.RUN_STARTING,)),
        (REFRESH, (dg.DagsterEventType.RUN_START,)),
        (EXTRACT, (dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_CANCELING)),
        ("__ASSET_JOB", (dg.DagsterEventType.RUN_START,)),
    ],
    ids=["not started", "queued", "starting", "running", "canceling", "launched from the page"],
)
def test_it_skips_while_a_run_is_under_way_and_leaves_the_partitions_alone(empty, job, events):
    empty.run(job, *events)
    empty.instance.add_dynamic_partitions(EXTRACTS, ["2020-01-01"])
    assert empty.tick() == ([], "A run is under way.")
    assert empty.registered == ["2020-01-01"]


def test_a_run_nobody_has_heard_of_for_hours_died_with_its_machine_and_is_not_waited_for(empty):
    empty.run(REFRESH, dg.DagsterEventType.RUN_START, at=datetime.now(UTC) - timedelta(hours=5))
    assert empty.tick()[1] == "A run is under way."
    empty.instance.delete_run(empty.instance.get_run_records()[0].dagster_run.run_id)
    empty.run(REFRESH, dg.DagsterEventType.RUN_START, at=datetime.now(UTC) - timedelta(hours=7))
    assert len(empty.tick()[0]) == 1


def test_two_evaluations_in_a_row_never_launch_twice(empty):
    (request,), _ = empty.tick()
    empty.run(str(request.job_name), dg.DagsterEventType.RUN_ENQUEUED)
    assert empty.tick() == ([], "A run is under way.")
    assert empty.registered == [today()]


@pytest.mark.parametrize(("failures", "minutes"), [(1, 5), (2, 10), (3, 20), (12, 360)])
def test_after_failures_it_waits_ever_longer_up_to_six_hours_and_tries_again(empty, failures, minutes):
    empty.ended(EXTRACT, succeeded=True)
    for _ in range(failures):
        empty.ended(EXTRACT, succeeded=False, ago=(minutes - 2) * MINUTE)
    requests, skipped = empty.tick()
    assert requests == []
    assert skipped == "The last extract_pce_state run failed; the next try is in 2 minutes."


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


def test_while_an_answer_does_not_count_what_does_goes_on(taken):
    taken.world.emulator.set_release(2)
    taken.ended(EXTRACT, succeeded=False)
    (request,), _ = taken.tick()
    assert request.job_name == REFRESH
    taken.ended(REFRESH, succeeded=False)
    assert taken.tick() == ([], "The last extract_pce_state run failed; the next try is in 5 minutes.")


def test_waiting_is_a_matter_of_the_failures_since_the_last_success():
    now = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
    assert wait_after_failures([], now) is None
    assert wait_after_failures([(True, now), (False, now)], now) is None
    assert wait_after_failures([(False, now - MINUTE), (True, now), (False, now)], now) == 4 * MINUTE
    assert wait_after_failures([(False, now - 5 * MINUTE)], now) is None


def test_dates_that_the_lake_does_not_hold_are_removed_once_no_run_is_under_way(taken):
    taken.instance.add_dynamic_partitions(EXTRACTS, ["2020-01-01", held(taken), f"{held(taken)}.7"])
    taken.tick()
    assert taken.registered == [held(taken)]


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
    assert taken.registered == [held(taken)]


def test_a_lake_that_cannot_be_read_is_a_skip_too(taken):
    record = Path(taken.world.lake.uri) / "local/bronze/bea-smoke/pce_state/_verified.json"
    record.write_text('{"format": 99}')
    try:
        requests, skipped = taken.tick()
    finally:
        record.unlink()
    assert requests == []
    assert "Upgrade pce_pipeline" in str(skipped)


def test_an_extract_it_asked_for_is_one_that_the_job_takes(empty, instance, tmp_path):
    url = empty.world.settings.chosen_database_url.get_secret_value()
    own = Daemon(LiveWorld(tmp_path, url, empty.world.emulator, empty.world.settings.bea_url), instance)
    (request,), _ = own.tick()
    result = own.world.definitions.resolve_job_def(EXTRACT).execute_in_process(
        instance=instance,
        partition_key=request.partition_key,
        run_config={**request.run_config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    (refresh,), _ = own.tick()
    assert refresh.job_name == REFRESH
    assert own.world.bronze.extracts() == [ExtractId.parse(str(request.partition_key))]
