"""The heartbeat: who beats, what a failure says instead, and that no setting of the log silences either."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import logs
from pce_pipeline.observability.heartbeat import beat, failed, newest_beat
from pce_pipeline_tests.cli.conftest import Called, call
from pce_pipeline_tests.worlds import World


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """The lines that whoever listens gets."""
    found: list[dict[str, Any]] = []

    def take(line: str, run_id: str | None) -> None:
        found.append(json.loads(line))

    logs.copy_to(take)
    yield found
    logs.copy_no_more(take)
    structlog.reset_defaults()


def told(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] in {"heartbeat", "run failed"}]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_heartbeat_is_one_line_whatever_is_logged_besides_and_a_record(level, lines, tmp_path: Path):
    logs.configure_logs(level)
    lake = Lake(str(tmp_path), Layout("prod", "bea"))
    assert newest_beat(lake) is None
    before = datetime.now(UTC)
    beat(lake, by="pce run")
    (line,) = lines
    assert {name: line[name] for name in ("event", "env", "world", "by")} == {
        "event": "heartbeat", "env": "prod", "world": "bea", "by": "pce run",
    }  # fmt: skip
    found = newest_beat(lake)
    assert found is not None
    assert before <= found.at <= datetime.now(UTC)
    beat(lake, by="ingest")
    assert (newest_beat(lake) or found).by == "ingest", "the newest is kept"
    assert newest_beat(Lake(str(tmp_path), Layout("prod", "sample"))) is None


def test_a_lake_that_takes_nothing_silences_the_heartbeat(lines, tmp_path: Path):
    (tmp_path / "lake").write_text("a file in the place of the folder")
    with pytest.raises(Exception, match="lake"):
        beat(Lake(str(tmp_path / "lake"), Layout("prod", "bea")), by="pce run")
    assert lines == []


def test_a_damaged_record_says_so(tmp_path: Path):
    lake = Lake(str(tmp_path), Layout("prod", "bea"))
    lake.store.put(lake.layout.heartbeat, b"{")
    with pytest.raises(DamagedObject):
        newest_beat(lake)


def test_a_failure_is_told_without_secrets(lines):
    logs.configure_logs("error")
    logs.hide("a-very-secret-word")
    failed(Layout("prod", "bea"), "Refused: a-very-secret-word", by="refresh", run_id="r1")
    (line,) = lines
    assert (line["error"], line["run_id"], line["world"], line["level"]) == ("Refused: ***", "r1", "bea", "error")


def test_the_last_step_of_a_workflow_beats_and_says_where_it_is_heard(lines, tmp_path: Path):
    def pce(*arguments: str, **environment: str) -> Called:
        return call(*arguments, PCE_HOME=str(tmp_path), PCE_PROFILE="smoke", PCE_LOG_LEVEL="error", **environment)

    said = pce("heartbeat", "--by", "ingest")
    assert said.code == 0
    assert "Said that ingest succeeded, and nobody listens, because PCE_LOG_GROUP is not set." in said.out
    document = pce("heartbeat", "--json").document
    assert (document["heartbeat"]["by"], document["log_group"], document["world"]) == (
        "a workflow",
        None,
        "sample-smoke",
    )
    assert [(line["by"], line["world"]) for line in told(lines)] == [
        ("ingest", "sample-smoke"),
        ("a workflow", "sample-smoke"),
    ]


def test_a_run_that_fails_before_it_begins_is_a_failure_and_no_heartbeat(lines, tmp_path: Path):
    (tmp_path / "lake").write_text("a file in the place of the folder")
    said = call("run", PCE_HOME=str(tmp_path), PCE_PROFILE="smoke", PCE_LAKE_URI=str(tmp_path / "lake"))
    assert said.code == 2, "what a setting makes impossible fails a scheduled run as anything else does"
    (line,) = told(lines)
    assert (line["event"], line["world"], line["by"]) == ("run failed", "sample-smoke", "pce run")
    assert "run failed" not in said.err, "the error itself is what a person is told"


def test_a_run_of_dagsters_that_fails_says_so_once_whoever_started_it(lines, tmp_path: Path):
    logs.configure_logs("error")
    world = World(tmp_path, "postgresql://pce@127.0.0.1:1/pce", profile="smoke")
    run = world.extract(files=[Path("no-such-file.zip")], must_succeed=False)
    world.instance.dispose()
    (line,) = told(lines)
    assert (line["run_id"], line["by"]) == (run.run_id, "extract_pce_state")
    assert line["error"] == "failed in bronze/pce_state"
