"""The sensors on a real instance: a failing run of the real graph, channels that are down, a release nobody took."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from pce_pipeline.automation.alerts.errors import AlertNotSent
from pce_pipeline.automation.alerts.sensors import NO_CHANNEL
from pce_pipeline.observability import logs
from pce_pipeline_tests.alerts.receiver import Receiver, Reply
from pce_pipeline_tests.worlds import World

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DATABASE = "postgresql://pce:a-long-password@127.0.0.1:1/pce"


class Evaluated(World):
    """A world whose alert sensors are evaluated as the daemon does."""

    def __init__(self, home: Path, **settings: Any) -> None:
        super().__init__(home, DATABASE, profile="smoke", **settings)
        for secret in self.settings.secrets:
            logs.hide(secret)
        self._repository = self.definitions.get_repository_def()
        self._resources = {name: each for name, each in (self.definitions.resources or {}).items() if name != "lake_io"}
        self._cursor: str | None = None

    def tick(self, sensor: str) -> Any:
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=self._repository,
            resources=self._resources,
            cursor=self._cursor if sensor == "run_failure_sensor" else None,
        ) as context:
            told = self._repository.get_sensor_def(sensor).evaluate_tick(context)
        if sensor == "run_failure_sensor":
            self._cursor = told.cursor
        return told

    def fail(self) -> str:
        """A run that fails because a file to extract from does not exist."""
        result = self.extract(files=[Path("no-such-a-long-password-file.zip")], must_succeed=False)
        assert not result.success
        return result.run_id


Make = Callable[..., Evaluated]


@pytest.fixture
def make(tmp_path: Path, heard: Receiver) -> Iterator[Make]:
    made: list[Evaluated] = []

    def with_channel(**settings: Any) -> Evaluated:
        channel = {"alert_webhook_url": SecretStr(heard.url), "alert_webhook_secret": SecretStr(SECRET)}
        made.append(Evaluated(tmp_path, **{**channel, **settings}))
        return made[-1]

    yield with_channel
    for world in made:
        world.instance.dispose()


def test_a_failed_run_is_told_with_step_error_and_link_once(make, heard):
    world = make(dagster_url="https://dagster.example.org/")
    assert "Initiating" in world.tick("run_failure_sensor").skip_message
    run_id = world.fail()
    (reaction,) = world.tick("run_failure_sensor").dagster_run_reactions
    assert reaction.error is None
    (request,) = heard.received
    event = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert request.headers["webhook-id"] == f"local-sample-smoke-run_failed-{run_id}"
    told = event["data"]
    assert told["title"].startswith("pce_state: extract_pce_state failed (20")
    assert told["what_happened"].startswith("Step bronze/pce_state failed. UsageError: ")
    assert "no-such-***-file.zip" in told["what_happened"]
    assert "Traceback" not in told["what_happened"]
    assert told["link"] == f"https://dagster.example.org/runs/{run_id}"
    assert "pce status" in told["what_to_do"]
    assert "a-long-password" not in request.body.decode()
    world.tick("run_failure_sensor")
    world.tick("late_release_sensor")
    assert len([each for each in heard.received if each.document["type"] == "alert.run_failed"]) == 1


def test_what_the_failure_sensor_could_not_send_the_hourly_one_sends(make, heard):
    world = make()
    world.tick("run_failure_sensor")
    run_id = world.fail()
    heard.replies = [Reply(400)]
    (reaction,) = world.tick("run_failure_sensor").dagster_run_reactions
    assert "AlertNotSent" in str(reaction.error)
    assert "whsec" not in str(reaction.error)
    assert world.tick("run_failure_sensor").dagster_run_reactions == [], "Dagster does not come back to it"
    world.tick("late_release_sensor")
    failed = [each.headers["webhook-id"] for each in heard.received]
    assert failed[:2] == [f"local-sample-smoke-run_failed-{run_id}"] * 2


def test_a_channel_that_refuses_the_alert_of_a_run_still_hears_of_the_release_and_the_page_of_the_refusal(make, heard):
    world = make()
    world.fail()
    heard.replies = [Reply(400)]
    with pytest.raises(AlertNotSent, match="extract_pce_state failed"):
        world.tick("late_release_sensor")
    assert [each.document["type"] for each in heard.received] == ["alert.run_failed", "alert.release_late"]


def test_a_release_that_an_empty_lake_lacks_is_told_once_and_no_more_when_it_is_there(make, heard):
    world = make()
    assert "is late" in world.tick("late_release_sensor").skip_message
    world.tick("late_release_sensor")
    (request,) = heard.received
    assert request.document["type"] == "alert.release_late"
    assert request.document["data"]["tables"] == "SAPCE1"
    world.extract()
    assert world.tick("late_release_sensor").skip_message == "No release is late."
    assert len(heard.received) == 1


def test_all_being_well_nothing_is_sent_recorded_or_logged(make, heard, capsys):
    world = make()
    world.tick("run_failure_sensor")
    world.extract()
    capsys.readouterr()
    assert not world.tick("run_failure_sensor").dagster_run_reactions
    assert world.tick("late_release_sensor").skip_message == "No release is late."
    assert capsys.readouterr() == ("", "")
    assert heard.received == []
    assert not (Path(world.lake.uri) / world.lake.layout.alerts).exists()


def test_a_calendar_that_cannot_be_read_is_no_lateness(make, heard):
    world = make(chosen_source="bulk", bea_url="http://127.0.0.1:1", errors_per_minute=30)
    assert "could not be read" in world.tick("late_release_sensor").skip_message
    assert heard.received == []


def test_without_a_channel_both_skip_and_say_so(make, heard):
    world = make(alert_webhook_url=None)
    world.tick("run_failure_sensor")
    world.fail()
    assert world.tick("run_failure_sensor").skip_message == NO_CHANNEL
    assert world.tick("late_release_sensor").skip_message == NO_CHANNEL
    assert heard.received == []


def test_they_are_off_until_switched_on_as_the_release_sensor_is(make):
    repository = make().definitions.get_repository_def()
    for name in ("run_failure_sensor", "late_release_sensor", "release_sensor"):
        assert repository.get_sensor_def(name).default_status is dg.DefaultSensorStatus.STOPPED


def test_a_pin_that_is_old_is_told_once_beside_the_releases(make, heard):
    world = make()
    world.extract()
    (held,) = world.bronze.extracts()
    now = datetime.now(UTC)
    world.bronze.write_pin(held, now=now - timedelta(days=13), reason="a rollback")
    assert world.tick("late_release_sensor").skip_message == "No release is late."
    assert heard.received == []
    world.bronze.write_pin(held, now=now - timedelta(days=15), reason="a rollback")
    for _ in range(2):
        assert world.tick("late_release_sensor").skip_message == "No release is late."
    (request,) = heard.received
    assert request.document["type"] == "alert.pin_old"
    told = request.document["data"]
    assert "pinned to" in told["title"]
    assert "(a rollback); what counts is of 2025-09-26" in told["what_happened"]
    assert "pce pin --clear" in told["what_to_do"]
