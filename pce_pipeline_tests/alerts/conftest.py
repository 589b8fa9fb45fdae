"""A receiver, an alert, a lake of the test's own, and AWS on loopback."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from pce_pipeline.automation.alerts.alert import Alert
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import logs
from pce_pipeline_tests.alerts.aws import aws_on_loopback, environment
from pce_pipeline_tests.alerts.receiver import Receiver, receiver


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    logs.configure_logs("info")
    yield
    structlog.reset_defaults()


@pytest.fixture
def heard() -> Iterator[Receiver]:
    with receiver() as listening:
        yield listening


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), Layout("staging", "bea"))


@pytest.fixture(scope="session")
def _moto() -> Iterator[str]:
    with aws_on_loopback() as address:
        yield address


@pytest.fixture
def aws(_moto: str) -> Iterator[str]:
    """The address of AWS, which this process takes for the real one."""
    with environment(_moto):
        yield _moto


def an_alert(**changes: Any) -> Alert:
    facts: dict[str, Any] = {
        "kind": "run_failed",
        "key": "4711",
        "severity": "error",
        "env": "staging",
        "world": "bea",
        "title": "pce_state: refresh failed (1997...2024)",
        "happened": "Step gold failed. UnexpectedAnswer: <b> & so on.",
        "remedy": "Look: `pce status`.",
        "facts": {"dataset": "pce_state", "run": "4711"},
        "at": datetime(2026, 10, 2, 13, 0, tzinfo=UTC),
    }
    return Alert(**{**facts, **changes})
