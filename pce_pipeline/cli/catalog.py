"""The verbs of the catalogue: draft a dataset from what BEA says of a table, and check what is declared."""

import asyncio
import re
import shlex
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from pce_pipeline.bea.describing import Described, describe_by_api, describe_by_archive, describe_file
from pce_pipeline.bea.errors import BeaRequestRejected
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bea.layouts import canonical
from pce_pipeline.catalog.checking import ARCHIVE_NAME
from pce_pipeline.catalog.declared import Catalogue, tables_of
from pce_pipeline.catalog.drafting import Draft, Metadata, draft_of
from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.catalog.reading import read_catalogue
from pce_pipeline.cli import shown
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import PceError, UsageError

_DEFAULT_FOLDER = Path("catalog")
_LETTERS = re.compile(r"[A-Z]*")
_NATIONAL_TABLE = re.compile(r"[TU]\d{5}[A-Z]?")  # T20804, U20405: chapter, table and its form
_UNITS = "units.csv"


class CatalogDoesNotHold(PceError):
    """A file of the catalogue says something that cannot be, or leaves it open; `file` and `line` say where."""

    def __init__(self, mistake: CatalogMistake) -> None:
        self.file = mistake.file
        self.line = mistake.line
        self.problem = mistake.problem
        super().__init__(mistake.message, remedy=mistake.remedy)


class ArchiveNotThere(UsageError):
    """BEA has no archive of that name; `is_guess` where the table's letters suggested it."""

    def __init__(self, archive: str, table: str, *, is_guess: bool) -> None:
        self.archive = archive
        self.is_guess = is_guess
        super().__init__(
            f"BEA has no archive {archive}{f', which the letters of {table} suggest' if is_guess else ''}.",
            remedy="Name the archive that holds the table with --archive, or give the zip with --file.",
        )


class FileIsThere(UsageError):
    """A draft would overwrite a file; nothing was written."""

    def __init__(
        self, file: Path, *, remedy: str = "Give the draft another name with --name, or move the file."
    ) -> None:
        self.file = str(file)
        super().__init__(f"{file} is there already, and a draft overwrites nothing.", remedy=remedy)


def draft(
    session: Session,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="BEA's name of the table.")],
    file: Annotated[
        Path | None, typer.Option(metavar="ZIP", help="Read this zip or CSV of BEA's; default: ask the source.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The folder of datasets; default: PCE_CATALOG, or ./catalog.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Default: the table in small letters, and _state.")
    ] = None,
    archive: Annotated[
        str | None, typer.Option(metavar="NAME", help="The archive of BEA's that holds the table, as X.zip.")
    ] = None,
) -> Answer:
    """Write the files of a new dataset from what BEA says of a table; marks what a person must decide."""
    today = canonical(table)
    if _NATIONAL_TABLE.fullmatch(today):
        raise UsageError(
            f"{today} is a table of the nation: a draft is of tables of areas.",
            remedy="Write its files by hand: docs/adding-a-table.md says what is in them.",
        )
    if archive is not None and not ARCHIVE_NAME.fullmatch(archive):
        raise UsageError(f"{archive!r} is not the name of an archive.", remedy="Give a name that ends with .zip.")
    folder = into or session.settings.catalog or _DEFAULT_FOLDER
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", remedy="Give another one with --into.")
    dataset = name or f"{today.lower()}_state"
    _refuse_existing(folder / dataset)
    known, unread = _known(folder)
    described, confirmed = _described(session, today, file, archive)
    made = draft_of(_metadata(described, confirmed), known, dataset)
    remarks = [*unread, *made.remarks]
    if described.undefined:
        listed = ", ".join(map(str, described.undefined))
        remarks.append(f"The definition of {today} has lines that the table lacks: {listed}.")
    written = _write(folder, made)
    is_declared = any(today in tables_of(parts) for parts in known.parts.values())
    return _answer(session, folder, today, made, written, remarks, of_world=file is None, is_declared=is_declared)


def check(
    session: Session,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The folder of datasets; default: PCE_CATALOG.")
    ] = None,
) -> Answer:
    """Read all files of the catalogue and of your own folder: a mistake is told with file and line."""
    own = folder or session.settings.catalog
    try:
        catalogue = read_catalogue(own)
    except CatalogMistake as mistake:
        raise CatalogDoesNotHold(mistake) from None
    datasets = {
        name: {
            "tables": len(tables_of(parts)),
            "lines": sum(part.lines.height for part in parts),
            "measures": sum(len(part.declared.measures) for part in parts),
            "categories": sum(part.categories.height for part in parts),
        }
        for name, parts in catalogue.parts.items()
    }
    counts = {"datasets": len(datasets)} | {
        what: sum(each[what] for each in datasets.values()) for what in ("tables", "lines", "measures", "categories")
    }
    rows = [(name, *(shown.number(count) for count in each.values())) for name, each in datasets.items()]
    return Answer(
        {"folder": str(own) if own else None, "counts": counts, "datasets": datasets},
        [
            shown.table(["Dataset", ">Tables", ">Lines", ">Measures", ">Categories"], rows),
            Text(
                f"The catalogue holds: {shown.counted(counts['datasets'], 'dataset')}, "
                f"{shown.counted(counts['tables'], 'table')}, {shown.counted(counts['lines'], 'line')}."
            ),
        ],
        of_world=False,
    )


def _known(folder: Path) -> tuple[Catalogue, list[str]]:
    """The catalogue with the folder's datasets; the packaged one, and why, where those cannot be read yet."""
    if not folder.is_dir():
        return read_catalogue(), []
    try:
        return read_catalogue(folder), []
    except CatalogMistake as mistake:
        return read_catalogue(), [f"The datasets in {folder} were not compared with: {mistake.message}"]


def _described(session: Session, table: str, file: Path | None, archive: str | None) -> tuple[Described, str | None]:
    """What BEA says of the table, and the archive that is known to hold it."""
    likely = _likely_archive(table)
    if file is not None:
        try:
            content = file.read_bytes()
        except OSError as problem:
            raise UsageError(f"{file} cannot be read: {problem.strerror}.", remedy="Give a file with --file.") from None
        return describe_file(content, table), archive or (likely if file.name == likely else None)
    if archive is not None or session.bea.origin == "bulk":
        chosen = archive or likely
        try:
            return asyncio.run(_by_archive(session.bea, table, chosen)), chosen
        except BeaRequestRejected as rejected:
            if rejected.code == str(HTTPStatus.NOT_FOUND.value):
                raise ArchiveNotThere(chosen, table, is_guess=archive is None) from None
            raise
    try:
        return asyncio.run(_by_api(session.bea, table)), None
    except BeaRequestRejected:
        if not session.settings.is_sample:
            raise
        raise UsageError(
            f"The sample has no table {table}: it has those of the catalogue.",
            remedy="Give BEA's zip with --file, or ask BEA itself: --source bulk, or BEA_API_KEY.",
        ) from None


async def _by_archive(bea: BeaGateway, table: str, archive: str) -> Described:
    async with bea.client() as client:
        return await describe_by_archive(client, table, archive)


async def _by_api(bea: BeaGateway, table: str) -> Described:
    async with bea.client() as client:
        return await describe_by_api(client, table)


def _likely_archive(table: str) -> str:
    """BEA's archives are called by the letters that their tables begin with."""
    letters = _LETTERS.match(table)
    return f"{letters[0] if letters else ''}.zip"


def _metadata(described: Described, archive: str | None) -> Metadata:
    note = described.observations.notes.get(described.table)
    return Metadata(
        table=described.table,
        title=described.title,
        cells=described.observations.frame,
        descriptions=described.descriptions,
        indents=described.indents,
        last_updated=note.last_updated if note else None,
        archive=archive,
        likely_archive=_likely_archive(described.table),
    )


def _refuse_existing(folder: Path) -> None:
    for name in ("dataset.toml", "lines.csv", "categories.csv"):
        if (folder / name).exists():
            raise FileIsThere(folder / name)


def _write(folder: Path, made: Draft) -> list[Path]:
    """Write the files, none over another."""
    targets: Mapping[Path, str] = {folder / path: text for path, text in made.files.items()}
    for target, text in targets.items():
        if target.exists() and target.name == _UNITS:
            rows = " and ".join(repr(row) for row in text.splitlines()[1:])
            raise FileIsThere(target, remedy=f"Add to it {rows}, then draft again.")
    for target, text in targets.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8", newline="") as opened:
                opened.write(text)
        except FileExistsError:
            raise FileIsThere(target) from None
        except OSError as problem:
            raise UsageError(f"{target} cannot be written: {problem.strerror}.", remedy="Choose --into.") from None
    return list(targets)


def _answer(
    session: Session,
    folder: Path,
    table: str,
    made: Draft,
    written: list[Path],
    remarks: list[str],
    *,
    of_world: bool,
    is_declared: bool,
) -> Answer:
    decisions = [(str(folder / each.file), each.line, each.what) for each in made.decisions]
    facts = [
        ("Dataset", made.name),
        ("Table", f"{table}, {shown.counted(made.lines, 'line')}"),
        ("Measures", ", ".join(made.measures) or "none of its own"),
        ("Of others", ", ".join(made.measures_of_others) or "none"),
        ("Files", "\n".join(map(str, written))),
    ]
    rows = [(f"{file}, line {line}", what) for file, line, what in decisions]
    return Answer(
        {
            "dataset": made.name,
            "table": table,
            "folder": str(folder),
            "files": [str(each) for each in written],
            "lines": made.lines,
            "measures": made.measures,
            "measures_of_others": made.measures_of_others,
            "decisions": [{"file": file, "line": line, "what": what} for file, line, what in decisions],
            "remarks": remarks,
        },
        [
            shown.facts(facts),
            *shown.warnings_shown(remarks),
            *([shown.table(["To decide", "What"], rows)] if rows else []),
            Text(f"These files are to be read, not used: {table} is in the catalogue already.", "bold yellow")
            if is_declared
            else shown.next_step(f"{session.world_command('catalog check')} --folder {shlex.quote(str(folder))}"),
        ],
        of_world=of_world,
    )
