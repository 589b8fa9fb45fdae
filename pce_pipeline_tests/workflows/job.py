"""One job of a workflow, run here step by step as GitHub's runner does: conditions, expressions, files, exit codes.

`run` steps are run as they are written, by bash, in a workspace of their own. `uses` steps are done by stand-ins; an
action without one fails the test.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pce_pipeline_tests.workflows.expressions import Context

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"

_CHECKED_OUT = ("Makefile", "pyproject.toml", "requirements.txt", "requirements-uv.txt", "infra", "pce_pipeline")
_SHELLS = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}


def workflow(name: str) -> dict[Any, Any]:
    """A workflow as YAML; the key `on` is read as True."""
    read: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text("utf-8"))
    return read


@dataclass
class Ran:
    """What became of a job: the steps that ran with their outcome and output, the summary, and what was kept."""

    folder: Path
    outcomes: dict[str, str] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def summary(self) -> str:
        return (self.folder / "summary").read_text("utf-8")

    @property
    def kept(self) -> Path:
        """The one artifact that was uploaded."""
        (artifact,) = (self.folder / "artifacts").iterdir()
        return artifact

    @property
    def done(self) -> list[str]:
        """The steps that ran and ended well."""
        return [step for step, outcome in self.outcomes.items() if outcome == "success"]

    @property
    def failed(self) -> list[str]:
        return [step for step, outcome in self.outcomes.items() if outcome == "failure"]

    def __str__(self) -> str:
        return "\n".join(
            f"=== {step}: {outcome}\n{self.output.get(step, '')}" for step, outcome in self.outcomes.items()
        )


class ActionFailed(Exception):
    """What a stand-in raises where the action would fail its step."""


Action = Callable[[Ran, Mapping[str, str]], Mapping[str, str]]
"""What stands in for an action: gets the job and the step's `with`, gives variables for all later steps."""


def checked_out(ran: Ran, given: Mapping[str, str]) -> Mapping[str, str]:
    """The code as a clean checkout has it, and, so that nothing is installed twice, this very virtual environment."""
    assert given["persist-credentials"] == "false"
    for name in _CHECKED_OUT:
        (ran.workspace / name).symlink_to(ROOT / name)
    environment = ran.workspace / ".venv"
    environment.mkdir()
    (environment / "bin").symlink_to(sysconfig.get_path("scripts"))
    for name in ("pyvenv.cfg", "lib"):
        if (Path(sys.prefix) / name).exists():
            (environment / name).symlink_to(Path(sys.prefix) / name)
    (environment / ".run").touch()
    return {}


def kept(ran: Ran, given: Mapping[str, str]) -> Mapping[str, str]:
    """Copy what would be uploaded; there must be something."""
    found = ran.workspace / given["path"]
    assert any(found.iterdir()), f"nothing to upload at {given['path']}"
    shutil.copytree(found, ran.folder / "artifacts" / given["name"])
    return {}


def run_job(
    job: Mapping[str, Any],
    folder: Path,
    *,
    inputs: Mapping[str, object],
    variables: Mapping[str, str],
    secrets: Mapping[str, str],
    matrix: Mapping[str, str],
    machine: Mapping[str, str],
    actions: Mapping[str, Action],
    event: str = "workflow_dispatch",
    needs: Mapping[str, Mapping[str, object]] | None = None,
    schedule: str = "",
) -> Ran:
    """Run all steps of a job in a new folder, whose name in hexadecimal is the run's number.

    `variables` are the `vars` context, `machine` what the machine itself sets, `needs` the outputs of the jobs before,
    `schedule` the cron line that started the run.
    """
    ran, run_id = Ran(folder), str(int(folder.name, 16))
    ran.workspace.mkdir(parents=True)
    for name in ("summary", "env", "path"):
        (folder / name).touch()
    contexts: dict[str, Any] = {
        "inputs": inputs,
        "vars": variables,
        "secrets": secrets,
        "matrix": matrix,
        "steps": {},
        "needs": {name: {"outputs": outputs} for name, outputs in (needs or {}).items()},
        "runner": {"temp": str(folder)},
        "github": {
            "workspace": str(ran.workspace),
            "event_name": event,
            "event": {"schedule": schedule},
            "token": "the-token-of-the-job",
            "run_id": run_id,
            "run_attempt": "1",
            "server_url": "https://github.example",
            "repository": "octo/pce",
        },
    }
    of_job = {name: Context(contexts).text(value) for name, value in job.get("env", {}).items()}
    default_shell = job.get("defaults", {}).get("run", {}).get("shell")
    status = "success"
    for number, step in enumerate(job["steps"]):
        name = step.get("id", f"step-{number}")
        context = Context(contexts, status)
        if not context.holds(step.get("if")):
            contexts["steps"][name] = {"outcome": "skipped", "conclusion": "skipped", "outputs": {}}
            ran.outcomes[name] = "skipped"
            continue
        outputs = folder / f"output-{number}"
        outputs.touch()
        environment = {
            **machine,
            **of_job,
            **_pairs(folder / "env"),
            **{key: context.text(value) for key, value in step.get("env", {}).items()},
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_RUN_ID": run_id,
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_ENV": str(folder / "env"),
            "GITHUB_PATH": str(folder / "path"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "RUNNER_TEMP": str(folder),
            "PATH": os.pathsep.join([*reversed((folder / "path").read_text().split()), _path_without_us()]),
        }
        if "uses" in step:
            action = step["uses"].partition("@")[0]
            given = {key: context.text(value) for key, value in step.get("with", {}).items()}
            try:
                left, code = actions[action](ran, given), 0
            except ActionFailed as failed:
                left, code, ran.output[name] = {}, 1, str(failed)
            with (folder / "env").open("a") as exported:
                exported.writelines(f"{key}={value}\n" for key, value in left.items())
        else:
            code, ran.output[name] = _run(step, default_shell, ran.workspace, environment)
        outcome = "success" if code == 0 else "failure"
        conclusion = "success" if step.get("continue-on-error") else outcome
        status = status if conclusion == "success" else "failure"
        ran.outcomes[name] = outcome
        contexts["steps"][name] = {"outcome": outcome, "conclusion": conclusion, "outputs": _pairs(outputs)}
    return ran


def _run(
    step: Mapping[str, Any], shell: str | None, workspace: Path, environment: Mapping[str, str]
) -> tuple[int, str]:
    script = workspace.parent / "script.sh"
    script.write_text(step["run"], "utf-8")
    done = subprocess.run(
        [*_SHELLS[step.get("shell", shell)], str(script)],
        cwd=workspace,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * step.get("timeout-minutes", 5),
        check=False,
    )
    return done.returncode, done.stdout


def _pairs(file: Path) -> dict[str, str]:
    """What steps wrote as NAME=value, one a line."""
    lines = (line.partition("=") for line in file.read_text("utf-8").splitlines())
    return {name: value for name, _, value in lines}


def _path_without_us() -> str:
    """The machine's PATH without this virtual environment, so that only what a step adds is found in it."""
    ours = Path(sysconfig.get_path("scripts")).resolve()
    return os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part).resolve() != ours)
