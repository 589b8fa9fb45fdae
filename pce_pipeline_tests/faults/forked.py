"""`pce` in processes of their own that are forked from a warm one: what it imports is imported once, not at each call.

Each is a whole process with a pid that can be killed. The warm one only imports: no thread, connection or setting is
there that a fork could inherit.
"""

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from pce_pipeline.cli import main

_IMPORTED = (
    "pce_pipeline.cli.app",
    "pce_pipeline.cli.copying",
    "pce_pipeline.cli.pipeline",
    "pce_pipeline.definitions",
)
_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload([*_IMPORTED])


@dataclass(frozen=True)
class Running:
    """A call of `pce` that goes on."""

    _process: ForkServerProcess
    _output: Path

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process.pid is not None
        return self._process.pid

    def ended(self) -> int:
        """Wait for its end; its exit code, or less than zero for the signal that killed it."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    @property
    def said(self) -> str:
        """What it has printed so far, on stdout and stderr."""
        return self._output.read_text("utf-8", "replace")


@contextmanager
def called(verbs: tuple[str, ...], environment: Mapping[str, str], output: Path) -> Iterator[Running]:
    """`pce` with these verbs and no other variables than these; what it prints goes to a file.

    It is killed where it goes on at the end of the context.
    """
    process = _WARM.Process(target=_call, args=(verbs, dict(environment), str(output)))
    output.touch()
    process.start()
    try:
        yield Running(process, output)
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()


def _call(verbs: tuple[str, ...], environment: Mapping[str, str], output: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    written = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(written, stream)
    main(verbs)
