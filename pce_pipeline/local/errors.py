"""What can go wrong with what the pipeline starts on this machine: the embedded Postgres, and Dagster's page.

    LocalPostgresError
    ├── UnsupportedPlatform      there are no programs for this machine
    ├── PostgresNotRunning       something needed the server while it was down
    ├── PostgresDidNotStart      the server or a tool of it gave up
    ├── PostgresDidNotStop       the server was asked to stop and is still there
    ├── DataIncomplete           parts of the data are gone
    ├── BelongsToAnotherUser     another user of the machine made the folder
    └── OtherMajorVersion        another major version of PostgreSQL wrote the data

    PageEnded                    Dagster's page ended by itself

Every error tells how to go on; where the server or its tools said something, `log_tail` holds their last lines.
"""

from collections.abc import Sequence
from pathlib import Path

from pce_pipeline.errors import PceError

_OTHER_SERVER = "PCE_DATABASE_URL can name a PostgreSQL 17 or newer of your own."


_MISSING_SHOWN = 5


def delete_and_load(directory: Path) -> str:
    """What may be deleted where a server's data is beyond mending, and how all of it comes back.

    >>> delete_and_load(Path("/home/me/.pce/sample/postgres/data"))
    'delete /home/me/.pce/sample/postgres/data: all in it is loaded again from the lake by: pce run'
    """
    return f"delete {directory}: all in it is loaded again from the lake by: pce run"


def _listed(missing: Sequence[str]) -> str:
    more = len(missing) - _MISSING_SHOWN
    return ", ".join(missing[:_MISSING_SHOWN]) + (f" and {more} more" if more > 0 else "")


class LocalPostgresError(PceError):
    """Anything about the embedded Postgres."""


class UnsupportedPlatform(LocalPostgresError):
    """The embedded Postgres has no programs for this machine."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The embedded Postgres cannot run here: {reason}.", remedy=_OTHER_SERVER)


class PostgresNotRunning(LocalPostgresError):
    """Something needed the server of a folder while it was down."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        super().__init__(f"The Postgres of {directory} is not running.", remedy="Start it with: pce db start")


class PostgresDidNotStart(LocalPostgresError):
    """A server or one of its tools gave up; `log_tail` holds its last words."""

    def __init__(self, directory: Path, reason: str, *, log_tail: str = "", remedy: str = "") -> None:
        self.directory = directory
        self.reason = reason
        self.log_tail = log_tail
        said = f" It said:\n{log_tail}\n" if log_tail else ""
        super().__init__(
            f"The Postgres of {directory} did not start: {reason}.{said}",
            remedy=remedy
            or f"Mend that and start it again with: pce db start; where it is beyond mending, "
            f"{delete_and_load(directory / 'data')}. {_OTHER_SERVER}",
        )


class PostgresDidNotStop(LocalPostgresError):
    """A server was asked to stop and is still there."""

    def __init__(self, directory: Path, pid: int, seconds: float) -> None:
        self.directory = directory
        self.pid = pid
        super().__init__(
            f"The Postgres of {directory} (process {pid}) has not stopped after {seconds:.0f} seconds.",
            remedy="Wait for its clients to end and run pce db stop again.",
        )


class BelongsToAnotherUser(LocalPostgresError):
    """The folder of the server was made by another user of this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        super().__init__(
            f"The Postgres in {directory} belongs to another user.",
            remedy=f"Run as that user, or set PCE_HOME to a folder of your own. {_OTHER_SERVER}",
        )


class OtherMajorVersion(LocalPostgresError):
    """The data was written by another major version of PostgreSQL than the one installed."""

    def __init__(self, directory: Path, *, found: str, installed: str) -> None:
        self.directory = directory
        self.found = found
        self.installed = installed
        super().__init__(
            f"{directory} was written by PostgreSQL {found}, installed is {installed}.",
            remedy=f"Install that version again, or {delete_and_load(directory)}",
        )


class DataIncomplete(LocalPostgresError):
    """Parts of a server's data are gone, so that it cannot start: `missing` names them, as paths within the data."""

    def __init__(self, directory: Path, missing: Sequence[str]) -> None:
        self.directory = directory
        self.missing = tuple(missing)
        super().__init__(
            f"{directory} is not whole: {_listed(self.missing)} {'is' if len(self.missing) == 1 else 'are'} missing.",
            remedy=f"Put back what was deleted, or {delete_and_load(directory)}",
        )


class PageEnded(PceError):
    """Dagster's page ended although nobody asked it to."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(
            f"Dagster's page has ended by itself (exit {code}).",
            remedy="What it said stands above; `pce doctor` looks at its history, too.",
        )
