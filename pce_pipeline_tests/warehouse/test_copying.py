"""What is copied into Postgres, and what is seen of it on stderr when the server goes away."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.warehouse.copying import copy_in

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


class _Cursor:
    """A cursor that prints an error as psycopg2 does before it raises one."""

    def __init__(self, printed: BaseException) -> None:
        self._printed = printed

    def copy_expert(self, _statement: object, _body: object) -> None:
        sys.excepthook(type(self._printed), self._printed, None)
        raise psycopg2.OperationalError("server closed the connection unexpectedly")


def copied(printed: BaseException) -> None:
    copy_in(cast("Cursor", _Cursor(printed)), sql.Identifier("t"), ["a"], [b"1\n"])


@pytest.fixture
def told() -> Any:
    """What the hook of before is told."""
    errors: list[BaseException] = []
    before: Hook = sys.excepthook
    sys.excepthook = lambda _kind, error, _trace: errors.append(error)
    yield errors
    sys.excepthook = before


def test_a_server_that_goes_away_is_told_once(told: list[BaseException]) -> None:
    printed = SystemError("<function decode> returned a result with an exception set")
    printed.__cause__ = psycopg2.errors.AdminShutdown("terminating connection")
    with pytest.raises(psycopg2.OperationalError):
        copied(printed)
    assert told == []


def test_every_other_error_is_still_told(told: list[BaseException]) -> None:
    others = [SystemError("of something else"), KeyError("x")]
    for each in others:
        hook = sys.excepthook
        with pytest.raises(psycopg2.OperationalError):
            copied(each)
        assert sys.excepthook is hook
    assert told == others
