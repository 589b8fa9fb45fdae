"""One record per run: whatever happens to a run, the lake says what it was asked and what it did."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import structlog

from pce_pipeline import __version__
from pce_pipeline.lake.errors import LakeUnavailable
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import logs
from pce_pipeline.observability.audit import AuditEntry
from pce_pipeline.observability.records import CheckOutcome, RunJournal, RunRecord, Step
from pce_pipeline.settings import Settings
from pce_pipeline.shell.io_manager import LakeIOManager, StagedYears, YearlyOutput, yearly_output
from pce_pipeline.shell.partitions import ONE_RUN, YEARS
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline_tests.datasets import REGISTRY, SILVER

SECRET = "a-very-secret-password"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(autouse=True)
def _configured() -> Iterator[None]:
    logs.configure_logs("info", terminal_level="error")
    logs.hide(SECRET)
    yield
    structlog.reset_defaults()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), Layout("local", "sample-smoke"))


@pytest.fixture
def journal(lake: Lake) -> RunJournal:
    return RunJournal(lake)


def log_lines(lake: Lake, run_id: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in lake.store.get(f"{lake.run_folder(run_id)}/log.jsonl").splitlines()]


def stored(journal: RunJournal, run_id: str) -> RunRecord:
    record = journal.read(run_id)
    assert record is not None
    return record


def work(journal: RunJournal, run_id: str, name: str, do: Callable[[Step], object] = str) -> None:
    with journal.step(
        run_id, name, datasets=["pce_state"], partitions=["2023", "2024"], job="refresh", requested={"why": "a test"}
    ) as step:
        do(step)


def test_a_run_has_one_record_with_all_its_steps(lake, journal):
    def read(step: Step) -> None:
        step.inputs(extracts={"SAPCE1": "2026-03-01"})
        step.extract("2026-03-01")
        step.extract("2026-03-01")
        step.rows(**{"silver/pce_state": 5})
        step.outputs(written=["2023"])
        step.check(CheckOutcome(asset="silver/pce_state", name="a_rule", passed=True, severity="error", summary="fine"))

    work(journal, "one", "silver/pce_state", read)
    work(journal, "one", "gold")
    record = stored(journal, "one")
    assert (record.env, record.world, record.dataset, record.job) == ("local", "sample-smoke", "pce_state", "refresh")
    assert record.requested == {"why": "a test", "partitions": "2023...2024"}
    assert record.extracts == ["2026-03-01"]
    assert record.versions["pce_pipeline"] == __version__
    assert record.versions.keys() == {"pce_pipeline", "python", "polars"}
    silver = record.step("silver/pce_state")
    assert silver is not None
    assert silver.inputs == {"extracts": {"SAPCE1": "2026-03-01"}}
    assert (silver.rows, silver.outputs) == ({"silver/pce_state": 5}, {"written": ["2023"]})
    assert (silver.status, silver.error, silver.partitions) == ("succeeded", None, ["2023", "2024"])
    assert silver.seconds >= 0
    assert [check.name for check in record.checks] == ["a_rule"]
    assert [step.step for step in record.steps] == ["silver/pce_state", "gold"]
    assert record.status == "succeeded"
    assert record.started_at <= silver.started_at <= record.updated_at
    assert [info.key.rpartition("/")[2] for info in lake.store.list(lake.run_folder("one"))] == [
        "log.jsonl",
        "record.json",
    ]


def test_every_line_of_the_log_names_run_dataset_step_and_partition(lake, journal):
    def talk(step: Step) -> None:
        structlog.get_logger().info("halfway", rows=2)

    work(journal, "two", "silver/pce_state", talk)
    with journal.step("two", "gold/dim_category", datasets=["pce_state"], partitions=[], job="refresh", requested={}):
        pass
    lines = log_lines(lake, "two")
    assert [(line["event"], line["step"], line["partition"]) for line in lines] == [
        ("step started", "silver/pce_state", "2023...2024"),
        ("halfway", "silver/pce_state", "2023...2024"),
        ("step finished", "silver/pce_state", "2023...2024"),
        ("step started", "gold/dim_category", "all"),
        ("step finished", "gold/dim_category", "all"),
    ]
    assert {(line["run_id"], line["dataset"]) for line in lines} == {("two", "pce_state")}
    assert lines[2]["status"] == "succeeded"
    assert "seconds" in lines[2]


def test_a_failed_step_is_recorded_and_its_error_raised_on_without_secrets(lake, journal):
    def fail(step: Step) -> None:
        step.outputs(url=f"postgresql://pce:{SECRET}@db")
        raise ValueError(f"cannot connect with {SECRET}")

    with pytest.raises(ValueError, match="cannot connect"):
        work(journal, "three", "postgres", fail)
    record = stored(journal, "three")
    (step,) = record.steps
    assert (record.status, step.status) == ("failed", "failed")
    assert step.error == "ValueError: cannot connect with ***"
    for info in lake.store.list(lake.run_folder("three")):
        assert SECRET.encode() not in lake.store.get(info.key)


def test_a_killed_run_leaves_the_record_of_what_it_was_doing(journal, lake):
    seen: list[RunRecord] = []
    work(journal, "four", "silver/pce_state", lambda _: seen.append(stored(RunJournal(lake), "four")))
    (record,) = seen
    assert record.status == "running"
    assert record.steps[0].step == "silver/pce_state"
    assert log_lines(lake, "four")[0]["event"] == "step started"


_FIRST_PROCESS = """
import sys
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import logs
from pce_pipeline.observability.audit import AuditEntry
from pce_pipeline.observability.records import RunJournal
logs.configure_logs("info", terminal_level="error")
journal = RunJournal(Lake(sys.argv[1], Layout("local", "sample-smoke")))
years = ["2023", "2024"]
with journal.step("five", "silver/pce_state", datasets=["pce_state"], partitions=years, job="refresh", requested={}):
    pass
"""


def test_a_record_and_its_log_survive_being_continued_by_another_process(lake):
    subprocess.run([sys.executable, "-c", _FIRST_PROCESS, lake.uri], check=True)
    started = stored(RunJournal(lake), "five").started_at
    other = RunJournal(lake)
    requested = {"partitions": "other"}
    with other.step("five", "gold", datasets=["pce_state"], partitions=["2024"], job="refresh", requested=requested):
        pass
    record = stored(other, "five")
    assert [step.step for step in record.steps] == ["silver/pce_state", "gold"]
    assert record.started_at == started
    assert record.requested["partitions"] == "2023...2024"
    assert [(line["step"], line["event"]) for line in log_lines(lake, "five")] == [
        ("silver/pce_state", "step started"),
        ("silver/pce_state", "step finished"),
        ("gold", "step started"),
        ("gold", "step finished"),
    ]


def test_a_second_journal_of_a_run_in_one_process_repeats_no_line(lake, journal):
    work(journal, "twice", "silver/pce_state", lambda _: None)
    work(RunJournal(lake), "twice", "gold", lambda _: None)
    assert [(line["step"], line["event"]) for line in log_lines(lake, "twice")] == [
        (step, event) for step in ("silver/pce_state", "gold") for event in ("step started", "step finished")
    ]


def test_a_step_done_again_takes_the_place_of_its_first_try(journal):
    def fail(step: Step) -> None:
        raise ValueError("once")

    with pytest.raises(ValueError, match="once"):
        work(journal, "six", "gold", fail)
    work(journal, "six", "gold")
    assert [(step.step, step.status) for step in stored(journal, "six").steps] == [("gold", "succeeded")]


def test_facts_of_any_type_can_be_recorded(journal):
    work(journal, "seven", "gold", lambda step: step.outputs(path=Path("a/b"), dtype=pl.Int32(), when=None))
    assert stored(journal, "seven").steps[0].outputs == {"path": "a/b", "dtype": "Int32", "when": None}


def test_where_the_lake_fails_the_first_error_is_the_one_raised(tmp_path):
    lake = Lake(str(tmp_path / "lake"), Layout("local", "sample-smoke"))
    journal = RunJournal(lake)

    def lose_the_lake(step: Step) -> None:
        folder = tmp_path / "lake" / lake.run_folder("eight")
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("no folder any more")
        raise LakeUnavailable("a/key", "the disk is gone")

    with pytest.raises(LakeUnavailable, match="the disk is gone"):
        work(journal, "eight", "gold", lose_the_lake)


def test_a_run_nobody_knows_has_no_record(journal):
    assert journal.read("never") is None
    assert journal.running("never", "gold") is None


def _run_an_asset(lake: Lake, journal: RunJournal, tmp_path: Path) -> dg.ExecuteInProcessResult:
    settings = Settings(home=tmp_path, retries=0)

    @dg.asset(
        key=["silver", "pce_state"],
        partitions_def=YEARS,
        backfill_policy=ONE_RUN,
        io_manager_key="lake_io",
        dagster_type=dg.Any,
    )
    def silver(context: dg.AssetExecutionContext) -> Iterator[dg.Output[YearlyOutput]]:
        with recorded_step(
            context, journal, SILVER.table.name, ["pce_state"], settings, requested={"by": "hand"}
        ) as step:
            step.inputs(extracts={"SAPCE1": "2026-03-01"})
            yield yearly_output(YearlyOutput(SILVER, StagedYears(lake, REGISTRY, SILVER, context.run.run_id)))

    instance = dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))
    return dg.materialize(
        [silver],
        instance=instance,
        resources={"lake_io": LakeIOManager(lake, REGISTRY, journal, settings)},
        tags={"dagster/asset_partition_range_start": "2023", "dagster/asset_partition_range_end": "2024"},
        run_config=QUIET,
        raise_on_error=False,
    )


def test_a_step_whose_output_could_not_be_stored_is_recorded_as_failed(lake, journal, tmp_path):
    (tmp_path / "lake" / "local").mkdir(parents=True)
    (tmp_path / "lake" / "local" / "silver").write_text("a file where a folder should be")
    result = _run_an_asset(lake, journal, tmp_path)
    assert not result.success
    record = stored(journal, result.run_id)
    (step,) = record.steps
    assert step.status == "failed"
    assert (step.error or "").startswith("LakeDirectoryRefused: The lake cannot be used at ")
    assert "local/silver/" in (step.error or "")
    assert record.requested == {"by": "hand", "partitions": "2023...2024"}
    assert step.inputs == {"extracts": {"SAPCE1": "2026-03-01"}}
    assert [(line["event"], line["step"], line["partition"]) for line in log_lines(lake, result.run_id)] == [
        ("step started", "silver/pce_state", "2023...2024"),
        ("step finished", "silver/pce_state", "2023...2024"),
    ]
    assert journal.running(result.run_id, "silver/pce_state") is None
    structlog.get_logger().info("nothing stays bound")
    assert structlog.contextvars.get_contextvars() == {}


def test_a_step_that_is_dropped_before_its_end_is_recorded_as_failed(journal):
    def dropped() -> Iterator[int]:
        with journal.step("nine", "gold", datasets=["pce_state"], partitions=[], job="refresh", requested={}):
            yield 1
            yield 2

    steps = dropped()
    next(steps)
    steps.close()  # type: ignore[attr-defined]  # a generator, as Dagster's assets are
    (step,) = stored(journal, "nine").steps
    assert (step.status, step.error) == ("failed", "GeneratorExit: ")


def test_a_run_that_was_stopped_ends_the_steps_that_never_learn_it(lake, journal):
    with journal.step("nine", "gold/x", datasets=["pce_state"], partitions=[], job="refresh", requested={}):
        journal.stopped("another")
        assert stored(journal, "nine").status == "running"
        journal.stopped("nine")
        (step,) = stored(journal, "nine").steps
        assert (step.status, str(step.error).partition(":")[0]) == ("failed", "InterruptedError")


@pytest.mark.parametrize("name", ["record.json", "log.jsonl", "audit.gold.json"])
def test_what_a_run_recorded_is_named_where_it_cannot_be_read(lake, journal, name):
    def change(step: Step) -> None:
        step.audit(
            [AuditEntry(asset="gold", table="gold/facts", partition="2023", event="written", at=datetime.now(UTC))]
        )

    work(journal, "one", "gold", change)
    assert journal.damages() == []
    file = Path(lake.uri) / lake.run_folder("one") / name
    body = file.read_bytes()
    file.write_bytes(body.replace(b'":', b'"\x1a', 1))
    (damage,) = journal.damages()
    assert (damage.key, damage.problem) == (f"{lake.run_folder('one')}/{name}", "changed")
