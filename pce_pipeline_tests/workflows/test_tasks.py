"""Commands as tasks of the private network: started, followed and ended as if they ran here."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.provisioning.errors import UsageRefused
from infra.provisioning.task import Place, handed_over
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.workflows.job import ROOT
from pce_pipeline_tests.workflows.loopback_ecs import LoopbackEcs

pytestmark = [pytest.mark.system]

VARIABLES = {
    "PCE_ECS_CLUSTER": "pce-staging",
    "PCE_ECS_TASK_DEFINITION": "pce-staging",
    "PCE_ECS_SUBNETS": "subnet-a,subnet-b",
    "PCE_ECS_SECURITY_GROUP": "sg-tasks",
    "PCE_ECS_LOG_GROUP": "/pce/staging/task",
}


@dataclass
class Aws:
    """The stand-in, and how this machine is led to it."""

    ecs: LoopbackEcs
    variables: Mapping[str, str]

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, ROOT / "infra" / "run_task.py", *command],
            env={"PATH": os.environ["PATH"], **self.variables, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **more: str) -> tuple[int, str, str]:
        process = self.start(*command, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def aws() -> Iterator[Aws]:
    ecs = LoopbackEcs({"PCE_ENV": "staging"})
    with running(ecs.app) as url:
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
        yield Aws(ecs, {**VARIABLES, **keys, "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"})


def test_output_errors_and_exit_code_come_back_as_from_a_command_here(aws: Aws) -> None:
    script = 'echo "{\\"a\\":"; echo careful >&2; echo 1}; echo "$PCE_ENV $PCE_PROFILE"; exit 3'
    assert aws.run("bash", "-c", script, PCE_PROFILE="smoke", GITHUB_RUN_ID="77") == (
        3,
        '{"a":\n1}\nstaging smoke\n',
        "careful\n",
    )
    (asked,) = aws.ecs.asked
    assert asked["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-a", "subnet-b"],
        "securityGroups": ["sg-tasks"],
        "assignPublicIp": "ENABLED",
    }
    assert (asked["startedBy"], asked["launchType"]) == ("github-77", "FARGATE")


def test_a_task_that_does_not_start_says_why(aws: Aws) -> None:
    aws.ecs.refuses = "Capacity is unavailable at this time"
    code, _, err = aws.run("true")
    assert code == 1
    assert "Capacity is unavailable" in err
    aws.ecs.refuses, aws.ecs.never_starts = None, "CannotPullContainerError: pce-staging:current: not found"
    code, out, err = aws.run("true")
    assert (code, out) == (1, "")
    assert "CannotPullContainerError" in err
    assert "`image`" in err


def test_whoever_stops_the_program_stops_the_task(aws: Aws) -> None:
    process = aws.start("sleep", "5")
    deadline = time.monotonic() + 30
    while not aws.ecs.asked and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert aws.ecs.stopped == ["arn:aws:ecs:us-east-1:123456789012:task/pce-staging/task1"]


def test_a_task_that_cannot_be_followed_is_stopped(aws: Aws) -> None:
    aws.ecs.hides_logs = "not authorized to perform: logs:GetLogEvents"
    code, out, err = aws.run("sleep", "5")
    assert (code, out) == (1, "")
    assert aws.ecs.stopped == ["arn:aws:ecs:us-east-1:123456789012:task/pce-staging/task1"]
    assert "The task was stopped: it could not be followed." in err
    assert "AccessDeniedException, not authorized to perform: logs:GetLogEvents" in err
    assert "Traceback" not in err


IMAGES = {"PCE_IMAGE_REPOSITORY": "123456789012.dkr.ecr.us-east-1.amazonaws.com/pce-staging"}


def test_a_run_keeps_to_the_image_it_began_with(aws: Aws) -> None:
    assert aws.run("--image", **IMAGES) == (0, "PCE_IMAGE_DIGEST=sha256:0a\n", "")
    began = {**IMAGES, "PCE_IMAGE_DIGEST": "sha256:0a"}
    assert aws.run("echo", "done", **began) == (0, "done\n", "")
    aws.ecs.tagged = "sha256:0b"
    code, _, err = aws.run("echo", "done", **began)
    assert code == 1
    assert "began with the image sha256:0a, and `current` is sha256:0b now" in err
    assert len(aws.ecs.asked) == 1, "nothing was started"
    assert aws.run("echo", "done", **IMAGES) == (0, "done\n", ""), "by hand what is current runs"


def test_a_task_that_was_given_another_image_meanwhile_is_stopped(aws: Aws) -> None:
    aws.ecs.runs = "sha256:0b"
    code, out, err = aws.run("sleep", "5", **IMAGES, PCE_IMAGE_DIGEST="sha256:0a")
    assert (code, out) == (1, "")
    assert len(aws.ecs.stopped) == 1
    assert "two versions would work on one run" in err


def test_without_an_image_it_is_said_before_anything_starts(aws: Aws) -> None:
    aws.ecs.tagged = None
    code, out, err = aws.run("--image", **IMAGES)
    assert (code, out) == (1, "")
    assert "has no image under the tag `current`" in err
    assert aws.run("--image")[2].startswith("PCE_IMAGE_REPOSITORY not set.")


def test_a_password_is_never_handed_to_a_task() -> None:
    assert handed_over({"PCE_DATABASE_URL": "postgresql://pce_owner@db/pce", "BEA_API_KEY": "k", "PCE_SOURCE": ""}) == {
        "PCE_DATABASE_URL": "postgresql://pce_owner@db/pce"
    }
    with pytest.raises(UsageRefused, match="has a password"):
        handed_over({"PCE_DATABASE_URL": "postgresql://pce_owner:secret@db/pce"})
    with pytest.raises(UsageRefused, match="PCE_ECS_SUBNETS not set"):
        Place.of({**VARIABLES, "PCE_ECS_SUBNETS": ""})


@pytest.mark.parametrize("name", ["pce", "dagster"])
def test_the_programs_that_stand_first_in_path_run_their_namesakes_as_tasks(
    aws: Aws, name: str, tmp_path: Path
) -> None:
    programs = ROOT / "infra" / "on_task"
    (tmp_path / name).write_text('#!/bin/sh\nprintf "%s|" "$0" "$@"\n')
    (tmp_path / name).chmod(0o755)
    aws.ecs.environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [programs / name, "--select", "gold*", "two words"],
        env={**aws.variables, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path / name}|--select|gold*|two words|\n"
