"""Without a terminal a long run says where it is, on stderr, and a short one says nothing."""

import io
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from pce_pipeline.cli.progress import Lines
from pce_pipeline.cli.session import Session
from pce_pipeline.observability import progress
from pce_pipeline.observability.progress import watched_by


def wait_until(said: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_line_says_which_stage_and_how_far_it_is() -> None:
    out = io.StringIO()
    with Lines(Console(file=out, width=40), every=0.02) as lines, watched_by(lines):
        progress.stage("silver/pce_state")
        progress.advance(5, 28, "years")
        wait_until(lambda: "   0 s  silver/pce_state 5/28 years\n" in out.getvalue())
        progress.stage("gold [all]")
        wait_until(lambda: "   0 s  gold [all]\n" in out.getvalue())


def test_a_line_comes_again_though_nothing_moves() -> None:
    out = io.StringIO()
    with Lines(Console(file=out), every=0.02):
        wait_until(lambda: out.getvalue().count("starting") > 2)


def test_what_is_done_at_once_writes_nothing() -> None:
    out = io.StringIO()
    with Lines(Console(file=out)) as lines:
        lines.stage("gold")
    assert out.getvalue() == ""


def test_lines_end_with_the_work_also_where_it_fails() -> None:
    out = io.StringIO()

    def fail_after_a_line() -> None:
        with Lines(Console(file=out), every=0.02):
            wait_until(lambda: bool(out.getvalue()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_a_line()
    said = out.getvalue()
    time.sleep(0.1)
    assert out.getvalue() == said


def test_progress_goes_to_stderr_alone_and_also_with_json() -> None:
    out, err = io.StringIO(), io.StringIO()
    session = Session(as_json=True, out=Console(file=out), err=Console(file=err))
    with session.watched():
        progress.stage("gold")
        assert isinstance(progress._watcher.get(), Lines)
    assert out.getvalue() == ""
