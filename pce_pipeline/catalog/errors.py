"""The errors of the catalogue.

SettingsError
└── CatalogMistake     a data file of the catalogue says something that cannot be
"""

from pce_pipeline.errors import SettingsError


class CatalogMistake(SettingsError):
    """A data file of the catalogue says something that cannot be; `file` and `line` say where."""

    def __init__(self, file: str, line: int | None, problem: str, *, remedy: str = "") -> None:
        self.file = file
        self.line = line
        self.problem = problem
        where = f"{file}, line {line}" if line is not None else file
        super().__init__(f"{where}: {problem}.", remedy=remedy or "Correct the file.")
