"""The check of the newest release: what a table lacks of it, what nobody can say, and who reports it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import dagster as dg
import msgspec
import pytest

from pce_pipeline.automation.newest_release import NEWEST_RELEASE, newest_releases
from pce_pipeline.automation.next_step import LoadState
from pce_pipeline.automation.state import Situation, ask
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bea.releases import Calendar
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.automation.daemon import Daemon
from pce_pipeline_tests.automation.live_world import LiveWorld
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres]

DAY = timedelta(days=1)
_OF_GOLD = ("annual", "metrics", "vintages", "revisions")
TABLES = {f"{where}pce_state_{table}" for where in ("gold/", "postgres/") for table in _OF_GOLD} | {"gold"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[LiveWorld]:
    """Release 1, from BEA to Postgres."""
    app = create_app(1)
    with server.database(migrated=False) as url, running(app) as bea_url:
        found = LiveWorld(tmp_path_factory.mktemp("world"), url, app.state.emulator, bea_url)
        found.settle()
        yield found


@pytest.fixture(scope="module")
def found(world: LiveWorld) -> Situation:
    return ask(world.lake, world.registry, world.bea, world.postgres, world.settings)


def said(found: Situation) -> dict[str, tuple[str, ...]]:
    results = newest_releases(found, grace=DAY)
    return {each.asset.to_user_string(): tuple(each.missing) for each in results}


def announced(found: Situation, at: datetime) -> Situation:
    """The situation two days after BEA's calendar has announced a release for that moment."""
    of_bea = found.releases["pce_state"]
    calendar = Calendar(MappingProxyType({of_bea.release_names[0]: (at,)}), MappingProxyType({}), (), None)
    return replace(found, releases={"pce_state": replace(of_bea, calendar=calendar, asked_at=at + 2 * DAY)})


def test_tables_that_are_made_of_what_bea_last_published_pass(found: Situation) -> None:
    assert said(found) == dict.fromkeys(TABLES, ())


def test_a_release_that_no_extract_holds_is_missing_from_every_table(found: Situation) -> None:
    tomorrow = datetime.now(UTC) + DAY
    lacks = f"pce_state: a release was announced for {tomorrow:%Y-%m-%d}, and no extract holds it"
    assert said(announced(found, tomorrow)) == dict.fromkeys(TABLES, (lacks,))


def test_where_the_calendar_cannot_be_read_nothing_is_said(found: Situation) -> None:
    silent = {"pce_state": replace(found.releases["pce_state"], calendar=None)}
    assert said(replace(found, releases=silent)) == {}


def test_years_that_postgres_does_not_hold_as_the_lake_does_are_told_of_postgres_alone(found: Situation) -> None:
    told = said(replace(found, loaded=LoadState()))
    assert told["gold/pce_state_annual"] == ()
    assert told["postgres/pce_state_annual"] == ("27 of its years in Postgres are not those of the lake",)
    assert {asset for asset in said(replace(found, loaded=None)) if asset.startswith("postgres/")} == set()


def test_an_extract_of_which_nothing_was_made_yet_is_told_by_its_release(found: Situation) -> None:
    older = {
        name: {
            key: msgspec.structs.replace(partition, details={"releases": {"SAPCE1": "2019-10-03"}})
            for key, partition in partitions.items()
        }
        for name, partitions in found.lake.partitions.items()
    }
    told = said(replace(found, lake=replace(found.lake, partitions=older)))
    assert {asset: lacks[0].partition(", and")[0] for asset, lacks in told.items()} == dict.fromkeys(
        TABLES, "SAPCE1 is of 2019-10-03"
    )


def test_the_sensor_reports_it_once_until_something_else_is_to_be_said(
    world: LiveWorld, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        daemon = Daemon(world, instance)
        first = daemon.evaluate()
        told = [event for event in first.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
        assert {event.asset_key.to_user_string() for event in told} == TABLES
        assert {(event.check_name, event.passed) for event in told} == {(NEWEST_RELEASE, True)}
        assert daemon.evaluate(cursor=first.cursor).asset_events == []


@pytest.mark.parametrize("bea_answers", [True, False])
def test_run_alone_it_asks_for_the_calendar_and_a_bea_that_is_gone_is_no_failure(
    world: LiveWorld,
    bea_answers: bool,
) -> None:
    check = next(each for each in world.definitions.asset_checks or [] if each.node_def.name == "compare_releases")
    before = len(world.emulator.requests)
    resources = dict(world.definitions.resources or {})
    if not bea_answers:
        resources["bea"] = BeaGateway(world.settings.model_copy(update={"bea_url": "http://127.0.0.1:1"}))
    result = dg.materialize(
        [*(world.definitions.assets or []), check],  # type: ignore[list-item]
        selection=dg.AssetSelection.checks(*check.check_keys),
        resources=resources,
    )
    told = {each.asset_key.to_user_string() for each in result.get_asset_check_evaluations()}
    assert told == (TABLES if bea_answers else set())
    asked = [request.target for request in world.emulator.requests[before:]]
    assert asked == (["calendar"] if bea_answers else []), "the calendar is enough: no table is asked for"
