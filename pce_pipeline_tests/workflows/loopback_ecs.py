"""ECS and CloudWatch on loopback, as far as one task goes: the container's command really runs, here, as a process.

What it prints becomes log events of the stream that ECS names after the task, both streams in one, as a container's do.
"""

import itertools
import os
import subprocess
from collections.abc import Mapping
from threading import Thread
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_CLUSTER = "arn:aws:ecs:us-east-1:123456789012"


class LoopbackEcs:
    """`environment` is what the task definition and the image give a container. `asked` are the calls of RunTask."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.asked: list[Mapping[str, Any]] = []
        self.stopped: list[str] = []
        self.refuses: str | None = None
        self.never_starts: str | None = None
        self.hides_logs: str | None = None
        self.tagged: str | None = "sha256:0a"
        self.runs = "sha256:0a"
        self._numbers = itertools.count(1)
        self._lines: dict[str, list[str]] = {}
        self._codes: dict[str, int | None] = {}
        self.app = Starlette(routes=[Route("/", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        given = await request.json()
        match request.headers["x-amz-target"].rpartition(".")[2]:
            case "RunTask":
                return JSONResponse(self._run(given))
            case "DescribeTasks":
                return JSONResponse({"tasks": [self._described(arn) for arn in given["tasks"]], "failures": []})
            case "BatchGetImage":
                assert given == {"repositoryName": "pce-staging", "imageIds": [{"imageTag": "current"}]}
                images = [{"imageId": {"imageDigest": self.tagged}}] if self.tagged else []
                return JSONResponse({"images": images, "failures": []})
            case "StopTask":
                self.stopped.append(given["task"])
                return JSONResponse({"task": {}})
            case "GetLogEvents":
                return self._events(given)
            case other:
                raise NotImplementedError(other)

    def _run(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(given)
        if self.refuses:
            return {"tasks": [], "failures": [{"arn": _CLUSTER, "reason": self.refuses}]}
        number = next(self._numbers)
        arn = f"{_CLUSTER}:task/{given['cluster']}/task{number}"
        self._codes[arn] = None
        if not self.never_starts:
            Thread(target=self._container, args=(arn, given["overrides"]["containerOverrides"][0]), daemon=True).start()
        return {"tasks": [{"taskArn": arn, "lastStatus": "PROVISIONING"}], "failures": []}

    def _container(self, arn: str, override: Mapping[str, Any]) -> None:
        handed = {each["name"]: each["value"] for each in override["environment"]}
        with subprocess.Popen(
            override["command"],
            env={"PATH": os.environ["PATH"], **self.environment, **handed},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self._lines.setdefault(arn.rpartition("/")[2], []).append(line.removesuffix("\n"))
        self._codes[arn] = process.returncode

    def _described(self, arn: str) -> Mapping[str, Any]:
        container: dict[str, Any] = {"name": "pce", "imageDigest": self.runs}
        if self.never_starts:
            return {"lastStatus": "STOPPED", "stoppedReason": self.never_starts, "containers": [container]}
        code = self._codes[arn]
        if code is None:
            return {"lastStatus": "RUNNING", "containers": [container]}
        return {"lastStatus": "STOPPED", "containers": [{**container, "exitCode": code}]}

    def _events(self, given: Mapping[str, Any]) -> Response:
        """Two lines a page, and the same token again at the end, as CloudWatch does."""
        prefix, container, task = given["logStreamName"].split("/")
        assert (prefix, container, given["logGroupName"]) == ("run", "pce", "/pce/staging/task")
        if self.hides_logs:
            return JSONResponse({"__type": "AccessDeniedException", "message": self.hides_logs}, 400)
        lines = self._lines.get(task)
        if lines is None:
            return JSONResponse({"__type": "ResourceNotFoundException", "message": "no stream"}, 400)
        begin = int(str(given.get("nextToken", "f/0")).partition("/")[2])
        page = lines[begin : begin + 2]
        token = f"f/{begin + len(page)}"
        return JSONResponse(
            {"events": [{"message": line} for line in page], "nextForwardToken": token, "nextBackwardToken": "b/0"}
        )
