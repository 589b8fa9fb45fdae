"""An interrupt that Python or Dagster would drop stops the program all the same."""

import os
import signal
import time
import weakref
from collections.abc import Iterator

import dagster as dg
import pytest

from pce_pipeline.instance.interrupts import never_lost


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class _Thing:
    pass


def _interrupted_in_a_callback(error: type[BaseException]) -> None:
    """As where the garbage collector runs just then: Python can only ignore what a weak reference's callback raises."""

    def callback(_: object) -> None:
        raise error

    thing = _Thing()
    kept = weakref.ref(thing, callback)
    del thing
    assert kept() is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, dg.DagsterExecutionInterruptedError])
def test_an_interrupt_in_a_callback_stops_the_work_at_once(error: type[BaseException]) -> None:
    done: list[str] = []

    def work() -> None:
        with never_lost():
            _interrupted_in_a_callback(error)
            time.sleep(5)
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not done


def test_an_interrupt_in_a_callback_at_the_very_end_is_raised_there() -> None:
    with pytest.raises(KeyboardInterrupt), never_lost():
        _interrupted_in_a_callback(KeyboardInterrupt)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_handler_only_notes_is_raised_at_the_end(number: signal.Signals) -> None:
    before = signal.signal(number, lambda *_: None)
    done: list[str] = []

    def work() -> None:
        with never_lost():
            os.kill(os.getpid(), number)
            done.append("all of it")

    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        signal.signal(number, before)
    assert done


def test_work_that_nobody_interrupts_ends_as_it_would() -> None:
    with never_lost():
        os.kill(os.getpid(), signal.SIGCHLD)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_another_error_in_a_callback_is_told_as_ever() -> None:
    with never_lost():
        _interrupted_in_a_callback(ValueError)
