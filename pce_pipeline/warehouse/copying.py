"""Rows on their way into Postgres: COPY from CSV, and what psycopg2 prints when the server goes away amid it.

What rows are copied, and what becomes of them, is said where it is called.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from types import TracebackType

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class with a lower-case name)

NULL = "\\N"
"""How a missing value is written in the CSV."""


def copy_in(cursor: Cursor, into: sql.Identifier, columns: Sequence[str], parts: Iterable[bytes]) -> None:
    """Copy CSV without a header into these columns of a table, one COPY for each part.

    Raises what psycopg2 raises: an `OperationalError` where the server goes away.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, NULL {})").format(into, names, sql.Literal(NULL))
    with _one_error_at_a_time():
        for part in parts:
            cursor.copy_expert(statement, BytesIO(part))


@contextmanager
def _one_error_at_a_time() -> Iterator[None]:
    """Keep from stderr what psycopg2 prints there beside what it raises.

    A server that stops amid COPY answers twice. psycopg2 makes an error of each, and while the first is still set, its
    text of the second comes out as a `SystemError` that it prints through `sys.excepthook`; it has no setting for that.
    """
    before = sys.excepthook

    def unless_raised(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not (kind is SystemError and isinstance(error.__cause__, psycopg2.Error)):
            before(kind, error, trace)

    sys.excepthook = unless_raised
    try:
        yield
    finally:
        sys.excepthook = before
