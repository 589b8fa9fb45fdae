"""Dagster's page of one world on this machine: `dagster dev` started, watched and ended.

Dagster's own command says little where a port is in use, much where nothing is wrong, and leaves its servers behind
when it is terminated. Here one page at a time is open for a world, on a port that was tried before, and ends as a
whole at Ctrl-C and TERM.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from pce_pipeline.errors import UsageError
from pce_pipeline.local.errors import PageEnded
from pce_pipeline.local.world import exports, prepared_dagster_home
from pce_pipeline.settings import Settings

HOST = "127.0.0.1"

_LOCK = "page.lock"
_WORKSPACE = """\
# Our code location, for the Dagster that `pce dev` starts from any folder.
load_from:
  - python_module:
      module_name: pce_pipeline.definitions
      location_name: pce_pipeline
"""
_LOOK_AGAIN_SECONDS = 0.5
_END_SECONDS = 70  # Dagster itself gives each of its servers a minute


def open_page(settings: Settings, port: int, *, is_open: Callable[[str], None]) -> None:
    """Open the page and keep it open until this process is interrupted or terminated; `is_open` is told its address.

    Raises `UsageError` where the world has a page already or the port is in use, `PageEnded` where it ends by itself.
    """
    home = prepared_dagster_home(settings)
    address = f"http://{HOST}:{port}"
    with _only_page(home, address) as lock:
        _demand_free(port)
        # Both are handled in any case: what a shell starts in the background would ignore the first for ever.
        before = {which: signal.signal(which, _interrupt) for which in (signal.SIGINT, signal.SIGTERM)}
        # in a session of its own, so that Ctrl-C reaches this process alone, which then ends Dagster in its own way
        running = subprocess.Popen(  # noqa: S603 (our own command)
            _command(home, port), env=_environment(settings), start_new_session=True, pass_fds=[lock]
        )
        try:
            _until_it_answers(running, address)
            is_open(address)
            code = running.wait()
        except KeyboardInterrupt:
            return
        finally:
            for which in before:
                signal.signal(which, signal.SIG_IGN)  # it is ending already
            _end(running)
            for which, handler in before.items():
                signal.signal(which, handler)
        raise PageEnded(code)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _command(home: Path, port: int) -> list[str]:
    workspace = home / "workspace.yaml"
    workspace.write_text(_WORKSPACE, "utf-8")
    # Services at this level keep quiet while all is well; what runs do, their steps say in lines of their own.
    level = ["--log-level", "error", "--code-server-log-level", "error"]
    return [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", HOST, "-p", str(port), *level]


def _environment(settings: Settings) -> dict[str, str]:
    ours = exports(settings)
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    named = {name: value for name, value in ours.items() if name != "DAGSTER_MODULE_NAME"}
    form = "text" if settings.log_format == "auto" else settings.log_format
    return {**inherited, **named, "PYTHONWARNINGS": "ignore", "PCE_LOG_FORMAT": form}


@contextmanager
def _only_page(home: Path, address: str) -> Iterator[int]:
    """Hold the world's page, also for as long as the Dagster lives that is given the lock."""
    lock = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = os.pread(lock, 200, 0).decode() or "somewhere"
            raise UsageError(
                f"This world's page is open already, at {where}.",
                remedy="Open it there, or end it first (Ctrl-C where it runs).",
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, address.encode(), 0)
        yield lock
    finally:
        os.close(lock)


def _demand_free(port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as refused:
            raise UsageError(
                f"Port {port} cannot be used: {refused.strerror}.",
                remedy=f"Choose another one: make dev PORT={port + 1}, or pce dev --port {port + 1}",
            ) from None


def _until_it_answers(running: subprocess.Popen[bytes], address: str) -> None:
    while running.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{address}/server_info", timeout=2).is_success:
                return
        time.sleep(_LOOK_AGAIN_SECONDS)
    raise PageEnded(running.returncode)


def _end(running: subprocess.Popen[bytes]) -> None:
    """End Dagster as Ctrl-C would; its servers follow it, and whatever does not is killed."""
    if running.poll() is None:
        running.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        running.wait(_END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
