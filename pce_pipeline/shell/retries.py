"""Which failed steps are tried again, how often and after how long: only what may pass by itself, never judged data.

A step that fails for such a reason asks Dagster to run it again, wherever it runs: in `pce`, in a run of the page, or
of the daemon. Every step may be killed and run again, so that nothing is done twice.
"""

import random
from collections.abc import Callable
from datetime import timedelta

import dagster as dg
import psycopg2
import structlog

from pce_pipeline.errors import PceError
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.settings import Settings

LONGEST_WAIT = timedelta(minutes=5)
"""The longest wait before one further try."""

_DISK_FULL = "53100"
_SPREAD = 0.5

_log = structlog.get_logger()


def passes_by_itself(error: BaseException) -> bool:
    """Whether the same step may succeed without anybody having done anything.

    Of our own errors each type says so (`retryable`). Of others these are a connection that is refused, broken or timed
    out, and what Postgres ends for reasons of its own (a restart, a collision), but not a full disk. Checks that block
    are none.

        >>> passes_by_itself(ConnectionResetError()), passes_by_itself(dg.Failure("a check blocked"))
        (True, False)
    """
    if isinstance(error, PceError):
        return error.retryable
    if isinstance(error, psycopg2.OperationalError):
        return error.pgcode != _DISK_FULL
    return isinstance(error, ConnectionError | TimeoutError | psycopg2.InterfaceError)


def seconds_before(number: int, first: float, chance: Callable[[], float] = random.random) -> float:
    """How long to wait before a further try, counted from 1: twice as long as before the last one, half more or less.

    `chance` gives a number from 0 to 1, so that what failed together is not tried again together.

        >>> [seconds_before(number, first=10, chance=lambda: 0.5) for number in (1, 2, 3, 9)]
        [10.0, 20.0, 40.0, 300.0]
    """
    spread = 1 - _SPREAD + 2 * _SPREAD * chance()
    return min(first * 2.0 ** (number - 1) * spread, LONGEST_WAIT.total_seconds())


def is_tried_again(error: BaseException, settings: Settings, *, tried: int) -> bool:
    """Whether a step that was tried again `tried` times before is tried once more after this error."""
    return tried < settings.retries and passes_by_itself(error)


def raise_or_try_again(error: Exception, settings: Settings, *, tried: int, step: str) -> None:
    """Raise what makes Dagster try the step again, where that may help; else return, so that the caller raises."""
    if not is_tried_again(error, settings, tried=tried):
        return
    wait = seconds_before(tried + 1, settings.retry_wait_seconds)
    _log.warning(
        "step is tried again",
        step=step,
        attempt=tried + 2,
        of=settings.retries + 1,
        seconds=round(wait, 1),
        error=without_secrets(f"{type(error).__name__}: {error}"),
    )
    raise dg.RetryRequested(max_retries=settings.retries, seconds_to_wait=wait) from error
