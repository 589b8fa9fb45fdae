"""The forms in which rows leave, and which of them a file's name means."""

from enum import StrEnum
from pathlib import Path

from pce_pipeline.exports.errors import WrongFileName


class FileForm(StrEnum):
    """What a file is."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"
    SQLITE = "sqlite"
    DUCKDB = "duckdb"

    @property
    def suffix(self) -> str:
        """How the names of its files end."""
        return f".{self.value}"

    @property
    def holds_several(self) -> bool:
        """Whether one file takes several tables."""
        return self in {FileForm.XLSX, FileForm.SQLITE, FileForm.DUCKDB}


_BY_SUFFIX = {form.suffix: form for form in FileForm} | {".sqlite3": FileForm.SQLITE, ".db": FileForm.SQLITE}


def form_of(path: Path, asked: FileForm | None = None) -> FileForm:
    """The form of a file: the one asked for, else what its name says, else CSV.

    Raises `WrongFileName` where its name says another form than the one asked for.

    >>> form_of(Path("figures.xlsx")).value, form_of(Path("figures.txt")).value
    ('xlsx', 'csv')
    """
    named = _BY_SUFFIX.get(path.suffix.lower())
    if asked is not None and named not in {None, asked}:
        raise WrongFileName(path, asked.value)
    return asked or named or FileForm.CSV
