"""The errors of the catalogue.

SettingsError
└── CatalogMistake     a data file of the catalogue says something that cannot be
UsageError
└── DraftRefused       a dataset cannot be drafted from that table, or under that name
"""

from pce_pipeline.errors import SettingsError, UsageError


class CatalogMistake(SettingsError):
    """A data file of the catalogue says something that cannot be; `file` and `line` say where."""

    def __init__(self, file: str, line: int | None, problem: str, *, remedy: str = "") -> None:
        self.file = file
        self.line = line
        self.problem = problem
        where = f"{file}, line {line}" if line is not None else file
        super().__init__(f"{where}: {problem}.", remedy=remedy or "Correct the file.")


class DraftRefused(UsageError):
    """A dataset cannot be drafted: a table that is not by state, a name that cannot be or is taken."""
