"""Progress of long work, for whoever watches: the code that works says where it is, a watcher may show it.

Nothing is shown unless a watcher is set (the command line sets one with bars; a Dagster run has its own page).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Watcher(Protocol):
    """Somebody who wants to see progress."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def advance(self, done: int, total: int, what: str) -> None:
        """Within the stage, `done` of `total` are ready."""


class _Nobody:
    def stage(self, name: str) -> None:
        del name

    def advance(self, done: int, total: int, what: str) -> None:
        del done, total, what


_NOBODY = _Nobody()
_watcher: ContextVar[Watcher] = ContextVar("watcher", default=_NOBODY)


def stage(name: str) -> None:
    """Say that a stage begins."""
    _watcher.get().stage(name)


def advance(done: int, total: int, what: str) -> None:
    """Say how far the stage is."""
    _watcher.get().advance(done, total, what)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Let `watcher` see all progress made inside."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)
