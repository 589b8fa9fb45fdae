"""`pce status --openmetrics`: what a collector sees of a world that is well, empty, pinned, unread or cut off."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.heartbeat import newest_beat
from pce_pipeline_tests.cli.conftest import Called, Pce
from pce_pipeline_tests.datasets import PCE_STATE

pytestmark = [pytest.mark.postgres]

OF = {"env": "local", "world": "sample-smoke"}
RELEASED = datetime(2025, 9, 26, tzinfo=UTC)


def measured(pce: Pce, **environment: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Each metric's values by the labels that its world does not have."""
    said = pce("status", "--openmetrics", **environment)
    assert said.code == 0, said.err
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(said.out):
        for sample in family.samples:
            assert OF.items() <= sample.labels.items(), "a label says whose numbers they are"
            own: Any = tuple(value for name, value in sample.labels.items() if name not in OF)
            found.setdefault(family.name, {})[own] = sample.value
    return found


def test_of_a_world_that_is_well(pce: Pce):
    began = time.time()
    found = measured(pce)
    assert began - 3600 < found["pce_last_success_timestamp_seconds"][()] < time.time()
    age = found["pce_newest_release_age_seconds"]["pce_state",]
    assert abs(age - (datetime.now(UTC) - RELEASED).total_seconds()) < 60
    assert found["pce_stale_years"] == {(): 0}
    assert found["pce_quarantined_cells"] == {("pce_state",): 0}
    assert found["pce_needs_a_person"] == {(): 0}
    assert found["pce_postgres_answers"] == {(): 1}
    assert 0 < found["pce_run_seconds"]["refresh",] < 600
    assert found["pce_run_succeeded"]["refresh",] == 1
    assert "pce_pin_age_seconds" not in found
    assert [*found["pce"].values()] == [1.0]


def test_of_a_world_in_which_nothing_ran_what_is_not_known_is_left_out(empty: Pce):
    found = measured(empty)
    assert set(found) == {"pce", "pce_stale_years", "pce_needs_a_person"}


def test_of_a_pin_and_of_years_that_it_makes_stale(own: Pce, tmp_path: Path):
    lake = Lake(str(tmp_path / "sample-smoke" / "lake"), Layout("local", "sample-smoke"))
    (held,) = bronze_of(lake, PCE_STATE).extracts()
    bronze_of(lake, PCE_STATE).write_pin(held, now=datetime.now(UTC) - timedelta(days=20), reason="a rollback")
    found = measured(own)
    assert abs(found["pce_pin_age_seconds"]["pce_state",] - timedelta(days=20).total_seconds()) < 120
    assert found["pce_stale_years"][()] == 28, "the database of this copy is empty"
    assert found["pce_needs_a_person"][()] == 2


def test_of_a_database_that_does_not_answer(pce: Pce):
    found = measured(pce, PCE_DATABASE_URL="postgresql://pce@127.0.0.1:9/pce")
    assert found["pce_postgres_answers"] == {(): 0}
    assert found["pce_needs_a_person"][()] >= 1


def test_it_is_no_json(pce: Pce):
    said = pce("status", "--openmetrics", "--json")
    assert said.code == 2
    assert "is a text of its own" in said.document["error"]["message"]


def test_a_run_beats_with_and_without_news_and_not_for_some_datasets_alone(first_run: Called, pce: Pce, home: Path):
    assert first_run.code == 0
    lake = Lake(str(home / "sample-smoke" / "lake"), Layout("local", "sample-smoke"))
    first = newest_beat(lake)
    assert first is not None
    assert first.by == "pce run"
    assert pce("run", "--dataset", "pce_state").code == 0
    assert newest_beat(lake) == first, "it says nothing of the others"
    assert pce("run", "--json").document["outcome"] == "nothing new"
    second = newest_beat(lake)
    assert second is not None
    assert second.at > first.at
