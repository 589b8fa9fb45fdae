"""Tests run against one mutant at a time, in processes forked from one that has loaded every library.

A mutant is written into a copy of the checkout, never into the checkout itself: whatever ends a run, no file of
anybody's is left changed. Nothing of the project is loaded before the fork, so that a child reads its copy; no frame
is computed either, because the threads of polars do not survive a fork.
"""

import compileall
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Literal

from pce_pipeline_tests.mutants.making import Mutant

ROOT = Path(__file__).parents[2]
_OURS = ("pce_pipeline", "pce_pipeline_tests", "infra")
_LIBRARIES = (
    *("pytest", "hypothesis", "polars", "pyarrow.parquet", "msgspec", "obstore", "httpx", "rich.console", "typer"),
    *("dagster", "sqlalchemy", "psycopg2", "pydantic_settings", "starlette.applications", "stamina", "structlog"),
    *("boto3", "uvicorn", "psutil", "dotenv", "duckdb", "yaml"),
)
# What needs a server, BEA's own files or much time is not for a thousand runs.
_QUICK = "not real and not live and not long and not postgres and not s3 and not system"
_SLACK_SECONDS = 10.0
_PATIENCE = 4.0
_ALL_PASSED, _TESTS_FAILED, _INTERRUPTED = 0, 1, 2

Outcome = Literal["killed", "survived", "timed out"]


class TestsFailUnchanged(Exception):
    """The tests of a module fail, or there are none, before anything is changed."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    mutant: Mutant
    outcome: Outcome


@dataclass
class _Copy:
    """A copy of the checkout, for one process at a time."""

    root: Path
    pid: int = 0
    mutant: Mutant | None = None
    original: str = ""
    until: float = 0.0

    @property
    def log(self) -> Path:
        return self.root / "pytest.log"


class Runner:
    """Runs tests in a few copies of the checkout at once."""

    def __init__(self, folder: Path, jobs: int) -> None:
        for library in _LIBRARIES:
            importlib.import_module(library)
        self._copies = [_Copy(_copied(folder / f"copy-{number}")) for number in range(jobs)]

    def source(self, module: str) -> str:
        """A module as the copies have it, whatever becomes of the checkout meanwhile."""
        return (self._copies[0].root / module).read_text("utf-8")

    def seconds_unchanged(self, tests: Sequence[str]) -> float:
        """How long the tests take when nothing is changed; `TestsFailUnchanged` where they do not all pass."""
        copy = self._copies[0]
        started = time.monotonic()
        copy.pid = _forked(copy, tests)
        code = os.waitstatus_to_exitcode(os.waitpid(copy.pid, 0)[1])
        copy.pid = 0
        if code != _ALL_PASSED:
            raise TestsFailUnchanged(f"{' '.join(tests)} without a change: exit {code}\n{copy.log.read_text()[-4000:]}")
        return time.monotonic() - started

    def results(self, mutants: Iterable[Mutant], tests: Sequence[str], seconds: float) -> Iterator[Result]:
        """What becomes of each mutant, as it becomes known; `seconds` is how long the tests take unchanged."""
        waiting = iter(mutants)
        idle, busy = list(self._copies), list[_Copy]()
        allowed = _SLACK_SECONDS + _PATIENCE * seconds
        while True:
            while idle and (mutant := next(waiting, None)) is not None:
                copy = idle.pop()
                _start(copy, mutant, tests, allowed)
                busy.append(copy)
            if not busy:
                return
            for copy in [*busy]:
                outcome = _outcome(copy)
                if outcome is not None and copy.mutant is not None:
                    busy.remove(copy)
                    idle.append(copy)
                    (copy.root / copy.mutant.name.module).write_text(copy.original, "utf-8")
                    yield Result(copy.mutant, outcome)
            time.sleep(0.01)

    def stop(self) -> None:
        """End what is still running."""
        for copy in self._copies:
            if copy.pid:
                _kill(copy.pid)
                copy.pid = 0


@contextmanager
def runner(jobs: int) -> Iterator[Runner]:
    """A runner with its copies in a temporary folder, which goes when it is done."""
    with tempfile.TemporaryDirectory(prefix="pce-mutants-") as folder:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
        running = Runner(Path(folder), jobs)
        try:
            yield running
        finally:
            running.stop()


def _copied(root: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".venv", ".git", ".pce", ".*_cache", ".hypothesis", "*.egg-info")
    shutil.copytree(ROOT, root, ignore=ignored)
    for name in _OURS:  # by hash, because a mutant can be as long and as old as what it stands for
        compileall.compile_dir(root / name, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    return root


def _start(copy: _Copy, mutant: Mutant, tests: Sequence[str], allowed: float) -> None:
    path = copy.root / mutant.name.module
    copy.mutant, copy.original = mutant, path.read_text("utf-8")
    path.write_text(mutant.source, "utf-8")
    copy.until = time.monotonic() + allowed
    copy.pid = _forked(copy, tests)


def _outcome(copy: _Copy) -> Outcome | None:
    """What became of the mutant of a copy; None while its tests run."""
    pid, status = os.waitpid(copy.pid, os.WNOHANG)
    if pid == 0:
        if time.monotonic() < copy.until:
            return None
        _kill(copy.pid)
        copy.pid = 0
        return "timed out"
    copy.pid = 0
    code = os.waitstatus_to_exitcode(status)
    if code == _ALL_PASSED:
        return "survived"
    if code in (_TESTS_FAILED, _INTERRUPTED) or code < 0:
        return "killed"
    raise RuntimeError(f"pytest ended with {code}:\n{copy.log.read_text()[-4000:]}")


def _kill(pid: int) -> None:
    """End a process that leads its own group, and all it started."""
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _forked(copy: _Copy, tests: Sequence[str]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = _INTERRUPTED
        try:
            code = _test(copy, tests)
        except BaseException:  # noqa: BLE001 (whatever it is, this process must not go on as its parent)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def _test(copy: _Copy, tests: Sequence[str]) -> int:
    """In the child: the tests of this copy, with nothing of the project loaded from elsewhere."""
    os.setsid()
    log = os.open(copy.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(copy.root)
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    sys.path[:] = [str(copy.root), *(place for place in sys.path if place and Path(place).resolve() != ROOT)]
    importlib.invalidate_caches()
    sys.dont_write_bytecode = True
    os.environ |= {
        "PYTHONPATH": os.pathsep.join([str(copy.root), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "POLARS_MAX_THREADS": "1",
        "PCE_REAL_DATA": str(copy.root / "no-such-folder"),
    }
    import pytest  # noqa: PLC0415 (long loaded, by the parent)

    options = ["-x", "-q", "--no-header", "--tb=line", "--assert=plain", "--hypothesis-profile=mutants"]
    plugins = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"]
    return int(pytest.main([*options, *plugins, f"--basetemp={copy.root}/.tmp", "-m", _QUICK, *tests]))
