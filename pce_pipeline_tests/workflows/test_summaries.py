"""The summary of a workflow: complete, safe as Markdown, and there whatever went wrong."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pce_pipeline.cli import markdown
from pce_pipeline.cli.markdown import Failure
from pce_pipeline.observability.records import CheckOutcome, RunRecord, StepRecord
from pce_pipeline_tests.bulletins.test_pages import FOUND
from pce_pipeline_tests.cli.conftest import call
from pce_pipeline_tests.workflows.job import workflow

NOW = datetime(2026, 11, 20, 14, 17, tzinfo=UTC)
BEGAN = "2026-11-20T14:17:00Z"


def _run(**outcome: object) -> RunRecord:
    check = CheckOutcome(asset="gold", name="a_check", passed=False, severity="warn", summary="1 | 2 <b>`x`</b>\n# no")
    step = StepRecord(
        step="gold", partitions=["2023"], started_at=NOW, status="succeeded", rows={"gold": 1234}, checks=[check]
    )
    step.outputs = dict(outcome)
    return RunRecord(
        run_id="r",
        env="staging",
        world="bea",
        dataset="pce_state",
        job="refresh",
        requested={"partitions": "2023"},
        started_at=NOW,
        updated_at=NOW,
        steps=[step],
    )


def test_what_comes_from_data_cannot_break_the_page() -> None:
    text = markdown.report("Ingest", {}, [_run(written=["2023"])], None, None)
    assert r"| warned | gold | a_check | 1 &#124; 2 &lt;b&gt;\`x\`&lt;/b&gt; # no |" in text
    assert "0 passed, 1 warned, 0 failed" in text
    assert "| gold | 1,234 | 1 partition written |" in text
    assert "<details open>" in text


def test_the_bulletins_of_the_run_are_in_the_summary_below_its_headings() -> None:
    text = markdown.report("Ingest", {}, [_run()], None, None, [FOUND])
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[:3] == ["## Ingest", "### pce_state: released 2025-09-26, extract 2025-09-26", "#### Tables"]
    assert headings[-2:] == ["### Rows by layer", "### Checks"]
    assert "AL  +5.00 %  ████████████████████████" in text


def test_every_step_that_can_fail_before_the_summary_has_a_remedy_of_its_own() -> None:
    steps = [step["id"] for step in workflow("ingest.yml")["jobs"]["ingest"]["steps"]]
    before = steps[: steps.index("close")]
    without = [step for step in before if markdown.remedy_of(step) == markdown.remedy_of("no such step")]
    assert without == ["checkout", "python", "tasks"]


def test_the_first_step_that_failed_is_named_with_its_error_and_remedy(tmp_path: Path) -> None:
    error = {"type": "X", "message": "BEA said no.", "remedy": "Wait."}
    (tmp_path / "extract.json").write_text(json.dumps({"error": error}))
    steps = {
        "check": {"conclusion": "success"},
        "extract": {"conclusion": "failure"},
        "gold": {"conclusion": "skipped"},
    }
    said = call(
        "report", "--folder", str(tmp_path), "--since", BEGAN, "--steps", json.dumps(steps), PCE_HOME=str(tmp_path)
    )
    assert said.code == 0, said.err
    assert "Failed in step `extract`" in said.out
    assert json.loads((tmp_path / "failure.json").read_text()) == {
        "step": "extract",
        "what": "BEA said no.",
        "remedy": "Wait.",
    }


def test_a_summary_is_there_although_the_lake_cannot_be_read(tmp_path: Path) -> None:
    steps = json.dumps({"migrated": {"conclusion": "failure"}})
    said = call("report", "--folder", str(tmp_path), "--since", BEGAN, "--steps", steps, PCE_ENV="prod")
    assert said.code == 0
    assert "The runs' records could not be read: " in said.out
    assert "prod needs BEA\\_API\\_KEY" in said.out or "prod needs BEA_API_KEY" in said.out
    assert "Is the database running" in said.out


def test_a_cut_answer_of_a_command_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "check.json").write_text('{"action": "ext')
    said = call("report", "--folder", str(tmp_path), "--since", BEGAN, PCE_HOME=str(tmp_path / "home"))
    assert (said.code, "Nothing was done." in said.out) == (0, True)


@pytest.mark.parametrize("arguments", [("--since", "yesterday"), ("--since", BEGAN, "--steps", "[1]")])
def test_wrong_usage_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert call("report", "--folder", str(tmp_path), *arguments, PCE_HOME=str(tmp_path)).code == 2


def test_years_that_are_no_years_are_refused(tmp_path: Path) -> None:
    asked = call("years", "--asked", "2022; rm -rf /", "--json", PCE_HOME=str(tmp_path))
    assert (asked.code, asked.document["error"]["type"]) == (1, "NothingExtracted")


def test_a_failure_that_says_nothing_still_says_what_to_do() -> None:
    text = markdown.report("Ingest", {}, [], Failure("python", "", markdown.remedy_of("python")), None)
    assert "**What to do**: Run the workflow again" in text
