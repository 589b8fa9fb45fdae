"""Log lines: JSON, with the facts of the step they belong to, and never a secret."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.observability import logs

SECRET = 'p"a\\ss wörd/42'


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    logs.configure_logs("info")
    logs.hide(SECRET)
    yield
    structlog.reset_defaults()


def lines(run_id: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in logs.log_of(run_id).splitlines()]


def test_a_line_on_the_terminal_is_json_with_time_level_and_everything_bound(capsys):
    with logs.bound(run_id="a", dataset="pce_state", step="bronze/pce_state", partition=None):
        structlog.get_logger().info("done", rows=3, at=datetime(2026, 3, 1, tzinfo=UTC), where=Path("lake"))
    out = capsys.readouterr()
    assert out.out == ""
    said = json.loads(out.err)
    assert said | {"timestamp": ""} == {
        "event": "done", "level": "info", "timestamp": "", "run_id": "a", "dataset": "pce_state",
        "step": "bronze/pce_state", "rows": 3, "at": "2026-03-01 00:00:00+00:00", "where": "lake",
    }  # fmt: skip
    assert datetime.fromisoformat(said["timestamp"]).tzinfo is not None


@pytest.fixture
def run_id() -> str:
    return str(uuid.uuid4())


def test_lines_of_a_run_are_kept_and_those_outside_of_runs_are_not(run_id):
    log = structlog.get_logger()
    log.info("outside")
    with logs.bound(run_id=run_id):
        log.info("inside")
        log.debug("below the level")
    with logs.bound(run_id="another"):
        log.info("of another run")
    assert [line["event"] for line in lines(run_id)] == ["inside"]


def test_the_terminal_may_hear_less_than_the_run(capsys, run_id):
    logs.configure_logs("debug", terminal_level="error")
    log = structlog.get_logger()
    with logs.bound(run_id=run_id):
        log.debug("small")
        log.error("large")
    assert [line["event"] for line in lines(run_id)] == ["small", "large"]
    assert "small" not in capsys.readouterr().err


def test_a_logger_made_early_writes_to_the_stderr_of_now(capsys):
    log = structlog.get_logger()
    log.info("one")
    assert "one" in capsys.readouterr().err
    log.info("two")
    assert "two" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"postgresql://pce:{SECRET}@db/pce",
        f"postgresql://pce:{quote(SECRET, safe='')}@db/pce",
        [SECRET, {"deep": (SECRET,)}],
        {SECRET: 1},
        ValueError(SECRET),
        Path("/tmp") / SECRET,
        {SECRET},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_secret_is_blanked_wherever_it_stands(capsys, value, run_id):
    with logs.bound(run_id=run_id):
        structlog.get_logger().warning(f"with {SECRET}", value=value)
    said = capsys.readouterr().err + logs.log_of(run_id).decode()
    for spelling in (SECRET, json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1], quote(SECRET, safe="")):
        assert spelling not in said
    assert "***" in said


def test_a_traceback_is_part_of_its_line_and_holds_no_secret(capsys):
    try:
        int(SECRET)
    except ValueError:
        structlog.get_logger().exception("failed")
    said = json.loads(capsys.readouterr().err)
    assert "ValueError: invalid literal for int() with base 10: '***'" in said["exception"]
    assert "Traceback" in said["exception"]


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_every_line_is_one_line_of_json(value):
    run = str(uuid.uuid4())
    with logs.bound(run_id=run):
        structlog.get_logger().info("anything", value=value)
    (line,) = logs.log_of(run).splitlines()
    assert json.loads(line)["event"] == "anything"


def test_hiding_nothing_hides_nothing():
    logs.hide("")
    assert logs.without_secrets("a text") == "a text"


def test_who_asks_for_copies_gets_each_line_as_json_without_secrets_until_it_asks_no_more(run_id):
    taken: list[tuple[str, str | None]] = []

    def take(line: str, run: str | None) -> None:
        taken.append((line, run))

    logs.copy_to(take)
    try:
        structlog.get_logger().info("outside", password=SECRET)
        with logs.bound(run_id=run_id):
            structlog.get_logger().info("inside")
            structlog.get_logger().debug("below the level")
    finally:
        logs.copy_no_more(take)
    structlog.get_logger().info("after")
    assert [(json.loads(line)["event"], run) for line, run in taken] == [("outside", None), ("inside", run_id)]
    assert json.loads(taken[0][0])["password"] == "***"
    assert taken[1][0] == logs.log_of(run_id).decode().strip()
