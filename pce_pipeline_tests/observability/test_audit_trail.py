"""Steps leave in the lake what they made of partitions: where anything changed, and whatever became of the run."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import structlog

from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.audit import AuditEntry, Event, of_changed_tables, rows_quarantined
from pce_pipeline.observability.records import CheckOutcome, RunJournal, Step

TABLE = "silver/pce_state"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), Layout("local", "sample-smoke"))


def entry(year: int, event: Event, table: str = TABLE) -> AuditEntry:
    return AuditEntry(asset=table, table=table, partition=str(year), event=event, at=datetime.now(UTC))


def files_of(lake: Lake, run_id: str) -> list[str]:
    return [info.key.rpartition("/")[2] for info in lake.store.list(lake.run_folder(run_id))]


def work(journal: RunJournal, run_id: str, *entries: AuditEntry, fails: bool = False) -> None:
    def do(step: Step) -> None:
        for passed in (True, True, False):
            name = f"check {len(step.record.checks)}"
            step.check(CheckOutcome(asset=TABLE, name=name, passed=passed, severity="warn", summary="it was looked at"))
        step.audit(entries)
        if fails:
            raise ValueError("no more")

    with journal.step(
        run_id, TABLE, datasets=["pce_state"], partitions=["2023", "2024"], job="refresh", requested={}
    ) as step:
        do(step)


def test_a_step_leaves_its_entries_with_its_checks_and_seconds(lake: Lake) -> None:
    journal = RunJournal(lake)
    work(journal, "trail-one", entry(2023, "unchanged"), entry(2024, "written"))
    record = journal.read("trail-one")
    assert record is not None
    assert record.steps[0].audited == 2
    found = RunJournal(lake).trail(record)
    assert [(each.partition, each.event, each.checks_passed, each.checks_failed) for each in found] == [
        ("2023", "unchanged", 2, 1),
        ("2024", "written", 2, 1),
    ]
    assert all(each.step_seconds == record.steps[0].seconds for each in found)
    document = json.loads(lake.store.get(f"{lake.run_folder('trail-one')}/audit.silver.pce_state.json"))
    assert (document["run_id"], document["step"], len(document["entries"])) == ("trail-one", TABLE, 2)
    assert all(check.checked_at is not None for check in record.checks)


def test_a_step_that_changed_nothing_leaves_nothing(lake: Lake) -> None:
    journal = RunJournal(lake)
    work(journal, "trail-two", entry(2023, "unchanged"), entry(2024, "unchanged"))
    assert files_of(lake, "trail-two") == ["log.jsonl", "record.json"]
    record = journal.read("trail-two")
    assert record is not None
    assert journal.trail(record) == []


def test_what_a_failing_step_had_changed_is_told(lake: Lake) -> None:
    journal = RunJournal(lake)
    with pytest.raises(ValueError, match="no more"):
        work(journal, "trail-three", entry(2024, "rolled_back"), fails=True)
    (record,) = RunJournal(lake).earlier(besides=())
    assert record.status == "failed"
    assert record.steps[0].rolled_back == [f"{TABLE}/2024"]
    assert [each.event for each in journal.trail(record)] == ["rolled_back"]


def test_what_the_first_try_of_a_step_had_changed_is_told_when_the_second_finds_it_done(lake: Lake) -> None:
    with pytest.raises(ValueError, match="no more"):
        work(RunJournal(lake), "trail-four", entry(2023, "unchanged"), entry(2024, "rolled_back"), fails=True)
    again = RunJournal(lake)
    work(again, "trail-four", entry(2023, "written"), entry(2024, "unchanged"))
    work(again, "trail-four", entry(2023, "unchanged"), entry(2024, "unchanged"))
    record = again.read("trail-four")
    assert record is not None
    assert {each.partition: each.event for each in again.trail(record)} == {"2023": "written", "2024": "rolled_back"}
    assert record.steps[0].rolled_back == [f"{TABLE}/2024"]


def test_other_runs_are_found_and_one_that_cannot_be_read_is_named_in_the_log(lake: Lake) -> None:
    journal = RunJournal(lake)
    for run_id in ("trail-four", "trail-five", "trail-six"):
        work(journal, run_id)
    lake.store.put(f"{lake.run_folder('trail-five')}/record.json", b"{")
    with structlog.testing.capture_logs() as lines:
        assert [record.run_id for record in journal.earlier(besides={"trail-four"})] == ["trail-six"]
    (line,) = [line for line in lines if line["log_level"] == "warning"]
    assert line["key"].endswith("/trail-five/record.json")


def test_a_lake_without_runs_has_no_earlier_ones(lake: Lake) -> None:
    assert list(RunJournal(lake).earlier(besides=())) == []


def test_each_table_is_told_of_as_a_whole_or_not_at_all() -> None:
    other = "gold/pce_state_annual"
    entries = [entry(2023, "unchanged"), entry(2023, "unchanged", other), entry(2024, "withdrawn", other)]
    assert [(each.table, each.partition) for each in of_changed_tables(entries)] == [(other, "2023"), (other, "2024")]


def test_a_row_with_two_figures_that_could_not_be_read_counts_once() -> None:
    rows = pl.DataFrame(
        {
            "pce_status": ["quarantined", "reported", "reported"],
            "pce_per_capita_status": ["quarantined", "quarantined", "suppressed"],
        }
    )
    assert rows_quarantined(rows) == 2
    assert rows_quarantined(pl.DataFrame({"year": [2024]})) is None
