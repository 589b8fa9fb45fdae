"""Progress on a terminal: one line per stage, with a bar where the stage says how far it is; gone when all is done."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


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
