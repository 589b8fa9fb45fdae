"""One command as a task on ECS: started with the environment's task definition, followed by its log, to its exit code.

What the command prints comes back through CloudWatch line by line, its errors marked inside the container so that
both streams stay apart. Whoever stops this program stops the task. Nothing secret is handed over: the task's role and
definition hold what it needs.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TextIO
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from infra.provisioning.cloud import REFUSALS, Client, Cloud, error_code, refusal, session
from infra.provisioning.errors import ProvisioningError, UsageRefused
from infra.provisioning.image import Image, tagged
from infra.provisioning.options import known_variables, session_arguments
from infra.provisioning.side_by_side import SideBySide
from pce_pipeline.catalog.dataset import FULL
from pce_pipeline.tables.registry import load_registry

CONTAINER = "pce"
HANDED_OVER = (
    "PCE_PROFILE",
    "PCE_SOURCE",
    "PCE_DATABASE_LOGIN",
    "PCE_DATABASE_SECRET_ARN",
    "PCE_DATABASE_URL",
    "PCE_LOG_LEVEL",
)
"""Variables that whoever starts a task decides; all others are the task definition's."""

_PLACE = (
    "PCE_ECS_CLUSTER",
    "PCE_ECS_TASK_DEFINITION",
    "PCE_ECS_SUBNETS",
    "PCE_ECS_SECURITY_GROUP",
    "PCE_ECS_LOG_GROUP",
)
_ERROR_MARK = "! "
_END = "<the task has said all>"
# marks what the command writes to stderr, says when all of it is written, and ends with the command's code
_MARKING = (
    f'{{ "$@" 2>&1 >&3 3>&- | sed -u "s/^/{_ERROR_MARK}/"; code="${{PIPESTATUS[0]}}"; }} 3>&1; '
    f'echo "{_END}"; exit "$code"'
)
_LOOK_EVERY_SECONDS = 2.0
_LATE_LINES_SECONDS = 15.0
_STOPPED_FROM_OUTSIDE = 143


class TaskNotStarted(ProvisioningError):
    """ECS did not start the task, for `reason`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The task was not started: {reason}.",
            remedy="Is there an image under the tag `current`? The workflow `image` makes one. Otherwise run it again.",
        )


@dataclass(frozen=True)
class Place:
    """Where tasks run: the workflow's variables PCE_ECS_*."""

    cluster: str
    definition: str
    subnets: tuple[str, ...]
    security_group: str
    log_group: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "Place":
        """Raises `UsageRefused` for a variable that is not set."""
        missing = [name for name in _PLACE if not variables.get(name)]
        if missing:
            raise UsageRefused(
                f"{', '.join(missing)} not set.", remedy="provision_aws.py prints them, with private reach."
            )
        cluster, definition, subnets, security_group, log_group = (variables[name] for name in _PLACE)
        return cls(cluster, definition, tuple(subnets.split(",")), security_group, log_group)


@dataclass
class Task:
    """One command in one place. `out` and `err` take what it prints; `stopping` says that this program shall end.

    `image` is the one that the run began with, where that is known: no other one shall work on it.
    """

    ecs: Client
    logs: Client
    place: Place
    out: Callable[[str], object]
    err: Callable[[str], object]
    stopping: Callable[[], bool]
    image: Image | None = None
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _arn: str = field(default="", init=False)
    _token: str | None = field(default=None, init=False)
    _is_whole: bool = field(default=False, init=False)

    def run(self, command: Sequence[str], variables: Mapping[str, str], by: str) -> int:
        """Start the command, follow it to its end; its exit code. Raises `TaskNotStarted`, and what hindered following.

        A task that cannot be followed is stopped: nobody would learn how it ended, and the next step would begin.
        """
        if self.image is not None:
            self.image.check_tag()
        self._start(command, variables, by)
        try:
            ended = self._follow()
        except BaseException:
            self._stop("it could not be followed")
            raise
        if ended is None:
            self._stop("the workflow was stopped")
            return _STOPPED_FROM_OUTSIDE
        container = next(each for each in ended["containers"] if each["name"] == CONTAINER)
        if "exitCode" not in container:
            raise TaskNotStarted(str(container.get("reason") or ended.get("stoppedReason") or "no reason given"))
        return int(container["exitCode"])

    def _stop(self, reason: str) -> None:
        try:
            self.ecs.stop_task(cluster=self.place.cluster, task=self._arn, reason=reason)
        except (ProvisioningError, *REFUSALS) as error:
            said = str(error) if isinstance(error, ProvisioningError) else refusal(error)
            self.err(f"The task {self._arn} may still run, because stopping it failed, too ({said}). Stop it by hand:")
            self.err(f"aws ecs stop-task --cluster {self.place.cluster} --task {self._arn}")
        else:
            self.err(f"The task was stopped: {reason}.")

    def _start(self, command: Sequence[str], variables: Mapping[str, str], by: str) -> None:
        answer = self.ecs.run_task(
            cluster=self.place.cluster,
            taskDefinition=self.place.definition,
            launchType="FARGATE",
            startedBy=by[:36],
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": list(self.place.subnets),
                    "securityGroups": [self.place.security_group],
                    "assignPublicIp": "ENABLED",
                }
            },
            overrides={
                "containerOverrides": [
                    {
                        "name": CONTAINER,
                        "command": ["bash", "-c", _MARKING, "bash", *command],
                        "environment": [
                            {"name": name, "value": value} for name, value in sorted(handed_over(variables).items())
                        ],
                    }
                ]
            },
        )
        if not answer.get("tasks"):
            reasons = "; ".join(f"{each.get('arn')}: {each.get('reason')}" for each in answer.get("failures", ()))
            raise TaskNotStarted(reasons or "the answer names neither a task nor a reason")
        self._arn = str(answer["tasks"][0]["taskArn"])

    def _follow(self) -> Mapping[str, Any] | None:
        """Print the log as it comes until the task has stopped and its last lines have arrived; what ECS says of it.

        None where somebody wants this program to stop.
        """
        while not self.stopping():
            task = self._described()
            if self.image is not None:
                self.image.check_task(task)
            self._print_new()
            if task["lastStatus"] == "STOPPED":
                self._print_late(task)
                return task
            self.sleep(_LOOK_EVERY_SECONDS)
        return None

    def _print_late(self, task: Mapping[str, Any]) -> None:
        """CloudWatch may have the last lines a moment after ECS has the exit code."""
        give_up_at = self.clock() + (_LATE_LINES_SECONDS if any("exitCode" in one for one in task["containers"]) else 0)
        while not self._is_whole and self.clock() < give_up_at:
            self.sleep(_LOOK_EVERY_SECONDS)
            self._print_new()

    def _described(self) -> Mapping[str, Any]:
        answer = self.ecs.describe_tasks(cluster=self.place.cluster, tasks=[self._arn])
        if not answer.get("tasks"):  # ECS may not know yet what it has just started
            return {"lastStatus": "PENDING"}
        found: Mapping[str, Any] = answer["tasks"][0]
        return found

    def _print_new(self) -> None:
        """Print the lines that have arrived since."""
        for message in self._messages():
            self._is_whole = message.endswith(_END)  # beside the last line, if that did not end
            line = message.removesuffix(_END)
            if line.startswith(_ERROR_MARK):
                self.err(line.removeprefix(_ERROR_MARK))
            elif line or not self._is_whole:
                self.out(line)

    def _messages(self) -> Iterator[str]:
        stream = f"run/{CONTAINER}/{self._arn.rpartition('/')[2]}"
        while True:
            asked = {"nextToken": self._token} if self._token else {}
            try:
                page = self.logs.get_log_events(
                    logGroupName=self.place.log_group, logStreamName=stream, startFromHead=True, **asked
                )
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":  # nothing was printed yet
                    return
                raise
            yield from (str(event["message"]) for event in page["events"])
            if page["nextForwardToken"] == self._token:
                return
            self._token = str(page["nextForwardToken"])


def handed_over(variables: Mapping[str, str]) -> dict[str, str]:
    """What the task is told beside its definition. Raises `UsageRefused` for a URL with a password: ECS shows it."""
    chosen = {name: variables[name] for name in HANDED_OVER if variables.get(name)}
    if urlsplit(chosen.get("PCE_DATABASE_URL", "")).password:
        raise UsageRefused(
            "PCE_DATABASE_URL has a password, which everybody who may describe tasks could read.",
            remedy="Sign in by IAM: PCE_DATABASE_LOGIN=iam and a URL without password.",
        )
    return chosen


def main() -> int:
    """Run with the command line of this process; the command's exit code, 1 where it was not started, 2 refused."""
    stopping = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        return _run(sys.argv[1:], known_variables(os.environ), stopping)
    except ProvisioningError as error:
        sys.stderr.write(f"{error}\n{error.remedy}\n")
        return error.exit_code
    except REFUSALS as error:
        sys.stderr.write(f"AWS refused: {refusal(error)}\nCheck the role's permissions and PCE_ECS_*, and run again.\n")
        return 1


def _repository(variables: Mapping[str, str]) -> str:
    repository = variables.get("PCE_IMAGE_REPOSITORY")
    if not repository:
        raise UsageRefused("PCE_IMAGE_REPOSITORY not set.", remedy="provision_aws.py prints it, with private reach.")
    return repository


def _run(command: Sequence[str], variables: Mapping[str, str], stopping: Event) -> int:
    if not command:
        raise UsageRefused("No command.", remedy="For example: python infra/run_task.py pce check --json")
    cloud = Cloud(session(session_arguments(variables)))
    if list(command) == ["--image"]:
        sys.stdout.write(f"PCE_IMAGE_DIGEST={tagged(cloud.client('ecr'), _repository(variables))}\n")
        return 0
    place, ecs, logs = Place.of(variables), cloud.client("ecs"), cloud.client("logs")
    image = Image.of_run(cloud.client("ecr"), variables)

    def to(stream: TextIO, before: str) -> Callable[[str], None]:
        def write(line: str) -> None:
            stream.write(f"{before}{line}\n")
            stream.flush()

        return write

    def run(before: str, command: Sequence[str]) -> int:
        task = Task(
            ecs,
            logs,
            place,
            out=to(sys.stdout, before),
            err=to(sys.stderr, before),
            stopping=stopping.is_set,
            sleep=stopping.wait,
            image=image,
        )
        return task.run(command, variables, by=f"github-{variables.get('GITHUB_RUN_ID', 'by-hand')}")

    if command[0] == "--side-by-side":
        return SideBySide.of(command).run(load_registry(variables.get("PCE_PROFILE", FULL), None), run)
    return run("", command)
