"""Writing exports into files: whole or not at all, with what is to be said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pce_pipeline.exports.columnar import write_parquet
from pce_pipeline.exports.databases import write_duckdb, write_sqlite
from pce_pipeline.exports.export import Export
from pce_pipeline.exports.files import forget, replacing, sha256_of_file
from pce_pipeline.exports.forms import FileForm
from pce_pipeline.exports.plain import sidecar, sidecar_of, write_csv, write_json
from pce_pipeline.exports.spreadsheet import write_xlsx


@dataclass(frozen=True)
class Written:
    """A file that was written."""

    file: str
    """Its path, as it was given."""
    tables: tuple[str, ...]
    """What is in it, by name; nothing of a sidecar."""
    rows: int
    """How many rows are in it."""
    bytes: int
    """Its size."""
    sha256: str
    """Its hash."""


def write(exports: Sequence[Export], path: Path, form: FileForm) -> list[Written]:
    """Write exports into one file; the files written, a sidecar after its file.

    Raises `CannotBeWritten`, `TooManyRows`, `ExtraMissing`, and `ValueError` for several exports in a form that holds
    one. An earlier file of the name is replaced by a whole one or stays as it was.
    """
    if len(exports) != 1 and not form.holds_several:
        raise ValueError(f"a {form.value} file holds one table, not {len(exports)}")
    beside = sidecar_of(path)
    with replacing(path) as part:
        match form:
            case FileForm.PARQUET:
                write_parquet(exports[0], part)
            case FileForm.CSV:
                write_csv(exports[0].frame, part)
            case FileForm.JSON:
                write_json(exports[0].frame, part)
            case FileForm.XLSX:
                write_xlsx(exports, part)
            case FileForm.SQLITE:
                write_sqlite(exports, part)
            case FileForm.DUCKDB:
                write_duckdb(exports, part)
        # killed between the two, a file without a sidecar is left, and never one with the sidecar of another
        if form in {FileForm.CSV, FileForm.JSON}:
            forget(beside)
    written = [_written(path, [each.name for each in exports], sum(each.frame.height for each in exports))]
    if form in {FileForm.CSV, FileForm.JSON} and exports[0].about is not None:
        with replacing(beside) as part:
            part.write_bytes(sidecar(exports[0], path, written[0].sha256))
        written.append(_written(beside, (), 0))
    return written


def _written(path: Path, tables: Sequence[str], rows: int) -> Written:
    return Written(str(path), tuple(tables), rows, path.stat().st_size, sha256_of_file(path))
