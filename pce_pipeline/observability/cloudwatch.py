"""Log lines to CloudWatch Logs, for where nobody reads stderr.

Lines wait in a queue of watchtower's and leave from its thread, in batches, a moment after they were logged; what is
left leaves when the process ends. A log group is never made here, and no trouble with CloudWatch reaches a run: one
warning, and a rest before the next try. The lines of each run have a stream of their own.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

import structlog

from pce_pipeline.observability import logs
from pce_pipeline.settings import Settings

_log = structlog.get_logger()

_SEND_EVERY_SECONDS = 2
_REST_SECONDS = 60.0
_LONGEST_WAIT_AT_EXIT_SECONDS = 10
_LONGEST_LINE_BYTES = 250_000  # CloudWatch and watchtower take 262,144 with what surrounds it


class LogsClient(Protocol):
    """The two of boto3's calls that the pipeline's role allows, and that are enough."""

    exceptions: Any

    def put_log_events(self, **request: Any) -> object: ...  # noqa: ANN401 (boto3's own shape)

    def create_log_stream(self, **request: Any) -> object: ...  # noqa: ANN401


def _aws() -> LogsClient:
    """CloudWatch, asked briefly: a run must not wait for its log."""
    import boto3  # noqa: PLC0415 (most processes send no lines)
    from botocore.config import Config  # noqa: PLC0415

    # a session of its own: boto3's default one is not for several threads
    client: LogsClient = boto3.Session().client(
        "logs",
        config=Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"}),
    )
    return client


class _Patient:
    """CloudWatch as watchtower calls it: makes the streams it lacks, never raises, rests after a failure.

    Watchtower alone would lose what is logged while a stream is being made, and would answer failures by warnings and
    repetitions that an exiting process has to wait for.
    """

    def __init__(self, make_client: Callable[[], LogsClient], rest_seconds: float) -> None:
        self._make_client = make_client
        self._rest_seconds = rest_seconds
        self._rests_until = 0.0
        self._lock = threading.Lock()

    @cached_property
    def _client(self) -> LogsClient:
        return self._make_client()

    def put_log_events(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 (boto3's own shape)
        with self._lock:
            if time.monotonic() >= self._rests_until:
                try:
                    self._put(request)
                except Exception as problem:  # noqa: BLE001 (whatever it is, the run goes on)
                    self._rests_until = time.monotonic() + self._rest_seconds
                    _log.warning(
                        "log lines do not reach CloudWatch; they lie in the lake and on stderr",
                        log_group=request["logGroupName"],
                        problem=f"{type(problem).__name__}: {problem}",
                    )
        return {}

    def _put(self, request: dict[str, Any]) -> None:
        client = self._client
        try:
            client.put_log_events(**request)
        except client.exceptions.ResourceNotFoundException:
            where = {name: request[name] for name in ("logGroupName", "logStreamName")}
            with suppress(client.exceptions.ResourceAlreadyExistsException):
                client.create_log_stream(**where)
            client.put_log_events(**request)


class CloudWatchLines:
    """Takes log lines for one log group; `env` is part of the names of its streams.

    `make_client` and `rest_seconds` (after a failure) are for where it is not AWS that is asked.
    """

    def __init__(
        self,
        log_group: str,
        env: str,
        *,
        make_client: Callable[[], LogsClient] = _aws,
        rest_seconds: float = _REST_SECONDS,
    ) -> None:
        self.log_group = log_group
        self.env = env
        self._make_client = make_client
        self._rest_seconds = rest_seconds
        self._handlers: dict[int, Any] = {}
        self._names: dict[str, str] = {}

    def __call__(self, line: str, run_id: str | None) -> None:
        """Queue a line."""
        handler = self._handler()
        # what its own threads have to say must not wait for whoever waits for them
        if threading.current_thread() not in handler.threads:
            handler.handle(logging.LogRecord(self._stream(run_id), logging.INFO, "", 0, _short(line), (), None))

    def close(self) -> None:
        """Send what is left; a line that comes later is lost."""
        handler = self._handlers.pop(os.getpid(), None)
        if handler is not None:
            handler.close()

    def _handler(self) -> Any:  # noqa: ANN401 (watchtower's class is typed in parts only)
        """The handler of this process: one that was forked has neither the thread nor the connection of its parent.

        Without a lock, because a fork might find it taken; a second handler that was made for nothing holds nothing.
        """
        handler = self._handlers.get(os.getpid())
        if handler is None:
            from watchtower import CloudWatchLogHandler  # noqa: PLC0415 (imports boto3)

            client: Any = _Patient(self._make_client, self._rest_seconds)
            handler = CloudWatchLogHandler(
                log_group_name=self.log_group,
                log_stream_name="{logger_name}",
                send_interval=_SEND_EVERY_SECONDS,
                create_log_group=False,
                boto3_client=client,
            )
            handler.FLUSH_TIMEOUT = _LONGEST_WAIT_AT_EXIT_SECONDS
            handler = self._handlers.setdefault(os.getpid(), handler)
        return handler

    def _stream(self, run_id: str | None) -> str:
        """`<date>/<env>/<run>`, with host and process where there is no run; the date is that of its first line."""
        who = run_id or f"{socket.gethostname()}-{os.getpid()}"
        return self._names.setdefault(who, f"{datetime.now(UTC):%Y-%m-%d}/{self.env}/{who}")


def _short(line: str) -> str:
    """The line, cut where CloudWatch would refuse it."""
    if len(line) * 4 <= _LONGEST_LINE_BYTES:
        return line
    return line.encode()[:_LONGEST_LINE_BYTES].decode(errors="ignore")


_sending: dict[tuple[str, str], CloudWatchLines] = {}


def send_to_cloudwatch(settings: Settings) -> None:
    """Let every log line from now on go to the settings' log group as well, if they name one; again is no matter."""
    wanted = (settings.log_group, settings.env) if settings.log_group else None
    for key in [key for key in _sending if key != wanted]:
        lines = _sending.pop(key)
        logs.copy_no_more(lines)
        lines.close()
    if wanted is not None and wanted not in _sending:
        _sending[wanted] = CloudWatchLines(*wanted)
        logs.copy_to(_sending[wanted])
