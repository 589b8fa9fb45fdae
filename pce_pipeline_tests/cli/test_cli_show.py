"""`pce show bulletin`: the newest, of a day, as JSON, and where there is none; and a workflow's summary."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pce_pipeline.cli.page import page_of
from pce_pipeline.cli.run_report import of_newest_call, told_of
from pce_pipeline.observability.records import RunRecord, StepRecord
from pce_pipeline_tests.cli.conftest import Called, Pce

pytestmark = [pytest.mark.postgres]


def test_the_newest_bulletin_is_shown_as_text_and_as_json(pce: Pce) -> None:
    today = datetime.now(UTC).date().isoformat()
    shown = pce("show", "bulletin")
    assert shown.code == 0
    assert "SAMPLE (synthetic): pce_state: released 2025-09-26" in shown.out
    assert "compared with nothing" in " ".join(shown.out.split())
    document = pce("show", "bulletin", "--json").document
    assert document["sample"] is True
    (bulletin,) = document["bulletins"]
    assert (bulletin["extract"], bulletin["compared_with"], bulletin["kinds"]) == (today, None, {})
    assert pce("show", "bulletin", today, "--json").document == document
    assert pce("show", "bulletin", "--dataset", "pce_state", "--json").document == document


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2020-01-01", "No extract of 2020-01-01 has a bulletin."),
        ("yesterday", "'yesterday' is not the date of an extract."),
        (f"{datetime.now(UTC).date()}.2", "has a bulletin."),
    ],
)
def test_a_day_without_a_bulletin_is_wrong_usage_and_what_there_is_is_named(pce: Pce, day: str, said: str) -> None:
    wrong = pce("show", "bulletin", day)
    assert wrong.code == 2
    assert said in wrong.err


def test_where_there_is_no_bulletin_the_command_that_makes_one_is_named(empty: Pce) -> None:
    none = empty("show", "bulletin")
    assert none.code == 1
    assert "There is no bulletin yet. Make it with:" in none.out
    assert empty("show", "bulletin", "--json").document["bulletins"] == []


def test_a_run_with_nothing_new_makes_no_bulletin_and_all_are_intact(pce: Pce, first_run: Called) -> None:
    assert first_run.code == 0
    assert pce("check", "--json").document["action"] == "nothing"
    assert pce("verify").code == 0


def test_the_summary_of_a_workflow_has_the_bulletins_of_its_runs(pce: Pce, tmp_path: Path) -> None:
    said = pce("report", "--folder", str(tmp_path / "a"), "--since", "2020-01-01T00:00:00Z")
    assert said.code == 0
    assert "\n### SAMPLE (synthetic): pce\\_state" in said.out or "\n### SAMPLE (synthetic): pce_state" in said.out
    later = pce("report", "--folder", str(tmp_path / "b"), "--since", "2999-01-01T00:00:00Z")
    assert "SAMPLE (synthetic)" not in later.out


def runs_at_first(home: Path) -> list[str]:
    """The runs that made the shared world: an extract and a refresh. Other tests look at it by runs of their own."""
    records = [json.loads(file.read_bytes()) for file in home.glob("*/lake/*/observability/runs/*/*/record.json")]
    return [str(record["run_id"]) for record in sorted(records, key=lambda record: record["started_at"])][:2]


def test_a_report_without_options_is_of_the_newest_run_and_keeps_no_files(pce: Pce, home: Path) -> None:
    assert pce("report").code == 0
    of_refresh = pce("report", "--run", runs_at_first(home)[1]).out
    assert "# SAMPLE: refresh: 1997...2024 to postgres" in of_refresh
    assert "balances hold: nothing was lost or made on the way" in of_refresh
    document = pce("report", "--json").document
    assert document["runs"][-1] == document["run"]["run_id"]
    assert (document["run"]["status"], document["failure"]) == ("succeeded", None)
    assert Path(document["report"]).name == "report.html"


def test_a_report_of_a_run_by_its_id_is_of_that_run(pce: Pce, home: Path) -> None:
    first, _ = runs_at_first(home)
    said = pce("report", "--run", first)
    assert said.code == 0
    assert said.out.startswith("# SAMPLE: extract")
    assert first in said.out
    assert pce("report", "--run", "nowhere").code == 2
    assert pce("report", "--run", first, "--since", "2020-01-01T00:00:00Z").code == 2


def test_the_newest_call_is_what_ran_at_once_and_nothing_of_before() -> None:
    def run(name: str, began: str, ended: str) -> RunRecord:
        moments = (datetime.fromisoformat(f"2026-02-23T{each}:00Z") for each in (began, ended))
        started, updated = moments
        return RunRecord(
            run_id=name,
            env="local",
            world="sample",
            dataset="",
            job=name,
            requested={},
            started_at=started,
            updated_at=updated,
        )

    newest_first = [run("refresh", "14:21", "14:40"), run("extract", "14:17", "14:20"), run("before", "13:00", "14:00")]
    assert [record.run_id for record in of_newest_call(newest_first)] == ["extract", "refresh"]
    assert of_newest_call([]) == []


def test_of_a_call_the_last_run_that_did_something_is_shown() -> None:
    began = datetime(2026, 2, 23, tzinfo=UTC)

    def run(name: str, status: str = "succeeded", **outputs: object) -> RunRecord:
        step = StepRecord(step="bronze/pce_state", partitions=[], started_at=began, status=status, outputs=outputs)
        return RunRecord(
            run_id=name,
            env="local",
            world="sample",
            dataset="",
            job=name,
            requested={},
            started_at=began,
            updated_at=began,
            steps=[step],
        )

    new, refresh = run("extract", outcome="new"), run("refresh", written=["2024"])
    same, failed = run("again", outcome="unchanged"), run("failed", "failed")
    assert told_of([new, refresh, same]).run_id == "refresh"
    assert told_of([new, same]).run_id == "extract"
    assert told_of([refresh, failed, same]).run_id == "failed"
    assert told_of([same]).run_id == "again"


def test_a_report_where_nothing_ran_says_what_to_begin_with(empty: Pce) -> None:
    said = empty("report")
    assert said.code == 1
    assert "pce run" in said.out


def test_an_opened_report_is_a_page_that_a_browser_is_given(home: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/given\n')
    browser.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", "from pce_pipeline.cli import main; main(['report', '--open', '--json'])"],
        env={**os.environ, "PCE_HOME": str(home), "PCE_PROFILE": "smoke", "BROWSER": f"{browser} %s"}
        | {"TMPDIR": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    document = json.loads(done.stdout)
    page = Path(document["page"])
    assert document["opened"] is True
    assert (tmp_path / "given").read_text().strip() == page.as_uri()
    text = page.read_text("utf-8")
    assert page.name == "report.html"
    assert '<p class="sample">SAMPLE: ' in text


def test_html_in_a_report_is_shown_and_not_obeyed() -> None:
    page = page_of("<i>", "# A\n\n<script>alert(1)</script>\n\n| a |\n|---|\n| b |\n", is_sample=False)
    assert "<script>" not in page
    assert "<td>b</td>" in page
    assert "<title>&lt;i&gt;</title>" in page
    assert "SAMPLE" not in page


def test_a_damaged_bulletin_is_found_by_verify_and_made_again_after_heal(own: Pce, tmp_path: Path) -> None:
    (page,) = (tmp_path / "sample-smoke" / "lake").rglob("bulletin.md")
    good = page.read_bytes()
    page.write_bytes(b"something else")
    found = own("verify", "--json")
    assert found.code == 1
    assert [each["key"].rpartition("/")[2] for each in found.document["damages"]] == ["bulletin.md"]
    healed = own("heal", "--json").document
    (name,) = healed["withdrawn"]["gold/bulletins"]
    assert name.startswith("pce_state ")
    assert own("refresh", "--years", "2024", "--json").code == 0
    assert page.read_bytes() == good
    assert own("verify").code == 0


def test_what_is_here_is_told_with_releases_rows_and_the_newest_figure(pce: Pce) -> None:
    document = pce("show", "--json").document
    (dataset,) = document["datasets"].values()
    assert dataset["tables"] == {"gold/pce_state_annual": 5040, "gold/pce_state_metrics": 5040}
    assert (dataset["years"], dataset["released"]) == ("1997...2024", ["2025-09-26"])
    assert dataset["next_release"] == "2035-09-27"
    assert dataset["headline"]["period"] == "2024"
    assert document["checks"]["passed"] > 50
    assert document["checks"]["failed"] == 0
    shown = pce("show").out
    assert "SAMPLE" in shown
    assert "5,040 rows" in shown
    assert pce("show", "data").out == shown


def test_quality_names_every_check_that_did_not_pass_when_it_last_ran(pce: Pce) -> None:
    document = pce("show", "quality", "--json").document
    assert document["not_passed"] == []
    assert document["quarantined"] == {"pce_state": 0}
    assert document["identities"]["pce_state"].endswith("hold")
    assert sum(sum(each.values()) for each in document["by_asset"].values()) == sum(document["checks"].values())
    assert "gold/pce_state_metrics" in pce("show", "quality").out


def test_an_empty_world_says_how_to_fill_it(empty: Pce) -> None:
    for verb in (["show"], ["show", "quality"]):
        told = empty(*verb)
        assert told.code == 1
        assert "pce run" in told.out
