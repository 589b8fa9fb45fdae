"""Why rows cannot leave as they were asked to.

UsageError
├── WrongFileName        the name of a file contradicts the form
├── CannotBeWritten      the file system refuses
├── NotHere              the place is an address and no path
├── TooManyRows          a spreadsheet has not so many
├── ExtraMissing         the form needs a package that is not installed
├── NoSuchTable          no table of the lake is called so
└── NothingToExport      the table has none of the rows that were asked for
"""

from collections.abc import Sequence
from pathlib import Path

from pce_pipeline.errors import UsageError


class WrongFileName(UsageError):
    """A file's name says one form, the call another."""

    def __init__(self, path: Path, form: str) -> None:
        self.file = str(path)
        self.form = form
        super().__init__(
            f"{path.name} is not the name of a {form} file.", remedy="Leave --format out, or change the name."
        )


class CannotBeWritten(UsageError):
    """The file system does not take the file."""

    def __init__(self, path: Path, reason: str) -> None:
        self.file = str(path)
        self.reason = reason
        super().__init__(
            f"{path} cannot be written: {self.reason}.", remedy="Name a place that exists and that you may write to."
        )


class NotHere(UsageError):
    """The place is an address, and files are written to this machine."""

    def __init__(self, path: Path) -> None:
        self.file = str(path)
        super().__init__(
            f"{path} is an address, and files are written to this machine.",
            remedy="Name a path here, and copy the file there afterwards.",
        )


class TooManyRows(UsageError):
    """More rows than a sheet has below its header."""

    def __init__(self, name: str, rows: int, most: int) -> None:
        self.table = name
        self.rows = rows
        self.most = most
        super().__init__(
            f"{name} has {rows:,} rows, and a sheet of a spreadsheet holds {most:,} below its header.",
            remedy="Choose fewer with --years, --state or --category, or write Parquet, CSV, SQLite or DuckDB.",
        )


class ExtraMissing(UsageError):
    """A package of the extra `ask` is needed."""

    def __init__(self, what: str, package: str) -> None:
        self.package = package
        super().__init__(
            f"{what} needs {package}, which is not installed.",
            remedy="Install it: python -m pip install 'pce_pipeline[ask]' (`make run` does).",
        )


class NoSuchTable(UsageError):
    """No table has this name."""

    def __init__(self, name: str, close: Sequence[str]) -> None:
        self.table = name
        meant = f"Did you mean {', '.join(close)}? " if close else ""
        super().__init__(f"There is no table {name!r}.", remedy=f"{meant}docs/data-dictionary.md lists all tables.")


class NothingToExport(UsageError):
    """No row is left."""

    def __init__(self, name: str, why: str, remedy: str) -> None:
        self.table = name
        super().__init__(f"{name} has nothing to export: {why}.", remedy=remedy)
