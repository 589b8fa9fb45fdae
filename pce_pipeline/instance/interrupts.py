"""An interrupt is never lost: where Python or Dagster would drop it, it comes again.

Python ignores what is raised in a destructor or in a weak reference's callback, an interrupt included; Dagster notes
one that comes between two steps, and forgets it when the run ends. Either way Ctrl-C would have done nothing, and the
program would go on to its next run and end with 0.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_SOON = 0.02
"""Seconds until an ignored interrupt comes again: by then Python is out of the callback that lost it."""

_OF_INTERRUPTS = bytes((signal.SIGINT, signal.SIGTERM))


@contextmanager
def never_lost() -> Iterator[None]:
    """Inside, an interrupt that is ignored comes again; one that is still unheard at the end is raised there.

    Outside of the main thread, which alone hears interrupts, nothing is changed. Raises `KeyboardInterrupt`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _come_again(), _signals() as came:
        yield
        if any(number in _OF_INTERRUPTS for number in came()):
            raise KeyboardInterrupt


@contextmanager
def _come_again() -> Iterator[None]:
    before = sys.unraisablehook
    again: list[threading.Thread] = []

    def hook(ignored: "sys.UnraisableHookArgs") -> None:
        of_program = issubclass(ignored.exc_type, (Exception, GeneratorExit, SystemExit))
        if of_program or threading.current_thread() is not threading.main_thread():
            before(ignored)
        else:
            again.append(threading.Thread(target=_interrupt, args=(threading.get_ident(),), daemon=True))
            again[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for each in again:
            each.join()


def _interrupt(thread: int) -> None:
    time.sleep(_SOON)
    signal.pthread_kill(thread, signal.SIGINT)


@contextmanager
def _signals() -> Iterator[Callable[[], bytes]]:
    """What tells which signals came since: Python writes the number of each into a pipe, whoever handles it then."""
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def came() -> bytes:
        with suppress(BlockingIOError):
            return os.read(reading, 4096)
        return b""

    try:
        yield came
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)
