"""The report of `make test-live`, made by asking the look-alike: what it confirms, refutes and leaves open."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.live.assumptions import UNASKED

ROOT = Path(__file__).parents[2]
KEY = "0a1b2c3d-0000-4000-8000-00000000abcd"
OF_BEA_ALONE = "the look-alike has releases of its own"


def report(home: Path, *arguments: str, faults: tuple[Fault, ...] = ()) -> dict[str, dict[str, str]]:
    """By sentence, what a run against the look-alike says: its verdict and why. It is kept below `home`."""
    folder = home / "report"
    with running(create_app(faults=faults)) as url:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "live"]
        subprocess.run(
            [*command, f"--said-by-bea={folder}", *(arguments or ["pce_pipeline_tests/live"])],
            cwd=ROOT,
            env={**os.environ, "BEA_API_KEY": KEY, "PCE_BEA_URL": url, "TMPDIR": str(home)},
            capture_output=True,
            check=False,
            timeout=300,
        )
    said = json.loads((folder / "assumptions.json").read_bytes())
    assert "look-alike" in said["asked"]
    return {each["sentence"]: each for each in said["assumptions"]}


@pytest.mark.long
def test_the_look_alike_is_as_bea_is_assumed_to_be(tmp_path: Path) -> None:
    said = report(tmp_path)
    left = {each["sentence"]: each["why"] for each in said.values() if each["verdict"] != "confirmed"}
    assert left.keys() >= {each.sentence for each in UNASKED}
    assert [each for each, why in left.items() if said[each]["verdict"] == "refuted" or OF_BEA_ALONE not in why] == [
        each.sentence for each in UNASKED
    ]
    kept = [file for file in (tmp_path / "report").rglob("*") if file.is_file()]
    assert len(kept) > len(said) / 2
    assert not [file.name for file in kept if KEY.encode() in file.read_bytes().lower()]


def test_what_bea_answers_otherwise_is_refuted_and_what_it_does_not_answer_is_left_open(tmp_path: Path) -> None:
    file = "pce_pipeline_tests/live/test_live_requests.py"
    pinned = "state_stands_for_exactly_the_areas_that_are_pinned"
    said = report(
        tmp_path,
        *(f"{file}::test_{pinned}[{table}]" for table in ("SAINC1", "SARPP", "SARPI")),
        faults=(
            Fault(FaultKind.CELLS_DROPPED, tables=("SARPP",)),
            Fault(FaultKind.SERVER_ERROR, tables=("SARPI",)),
        ),
    )
    found = {sentence: each["verdict"] for sentence, each in said.items() if "[" in sentence}
    assert found == {
        f"{pinned.replace('_', ' ')}[{table}]": verdict
        for table, verdict in (("SAINC1", "confirmed"), ("SARPP", "refuted"), ("SARPI", "unanswered"))
    }


def test_an_answer_that_cannot_be_used_is_refuted_once_and_leaves_open_what_rests_on_it(tmp_path: Path) -> None:
    said = report(
        tmp_path,
        "pce_pipeline_tests/live/test_live_bea.py",
        faults=(Fault(FaultKind.API_ERROR, code="40"), Fault(FaultKind.API_ERROR, code="40", on=("archive",))),
    )
    refuted = [each["sentence"] for each in said.values() if each["verdict"] == "refuted"]
    assert refuted
    assert set(refuted) == {"all answers have the form that is assumed"}
    assert "confirmed" not in {each["verdict"] for each in said.values()}
