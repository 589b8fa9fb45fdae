"""The root of the project's error tree.

    PceError             something the pipeline can explain
    ├── SystemRefused    the operating system does not do what is needed
    └── UsageError       the call itself cannot be answered
        └── SettingsError    the settings cannot work

Each room draws its own branch (`bea.errors`, `lake.errors`, ...). An error says what happened and what to do about
it, and carries its facts as attributes, so that callers branch on types and never on texts. Secrets are no facts.
"""

from typing import ClassVar


class PceError(Exception):
    """Something the pipeline can explain: `message` says what happened, `remedy` what to do."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SystemRefused(PceError):
    """The operating system refuses `what` for `reason`: a disk is full, a place read-only, a right missing.

    `number` is its error number, if it gave one.
    """

    def __init__(self, what: str, reason: str, *, remedy: str, number: int | None = None) -> None:
        self.what = what
        self.reason = reason
        self.number = number
        super().__init__(f"{what} cannot be used: {reason}.", remedy=remedy)


class UsageError(PceError):
    """The caller asked for something that cannot be: the command line exits with 2."""


class SettingsError(UsageError):
    """The environment does not describe a place the pipeline can run in."""
