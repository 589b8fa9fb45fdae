"""Progress of long work: bars on a terminal, and elsewhere (a log, a pipe) a line every few seconds.

Both go to stderr, so that what a verb prints on stdout stays whole.
"""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

EVERY_SECONDS = 5.0
"""How often a line is written where there is no terminal."""


class Lines:
    """A watcher of stages that writes where the work is, every few seconds for as long as a `with` lasts.

    It writes whether or not anything has moved, because a silent program looks like one that hangs. What is done sooner
    writes nothing.
    """

    def __init__(self, console: Console, every: float = EVERY_SECONDS) -> None:
        self._console = console
        self._every = every
        self._began = time.monotonic()
        self._stage, self._how_far = "starting", ""
        self._is_over = threading.Event()
        self._writer = threading.Thread(target=self._write, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._writer.join()

    def stage(self, name: str) -> None:
        self._stage, self._how_far = name, ""

    def advance(self, done: int, total: int, what: str) -> None:
        self._how_far = f" {done}/{total} {what}"

    def _write(self) -> None:
        while not self._is_over.wait(self._every):
            passed = round(time.monotonic() - self._began)
            self._console.print(f"{passed:>4} s  {self._stage}{self._how_far}", markup=False, soft_wrap=True)


class Bars:
    """A watcher of stages that draws them on the console for as long as a `with` lasts."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("[dim]{task.fields[what]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._current: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        self.stage("starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, name: str) -> None:
        if self._current is not None:
            self._progress.update(self._current, total=1, completed=1, what="")
        self._current = self._progress.add_task(name, total=None, what="")

    def advance(self, done: int, total: int, what: str) -> None:
        if self._current is not None:
            self._progress.update(self._current, completed=done, total=total, what=f"{done}/{total} {what}")
