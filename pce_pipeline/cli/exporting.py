"""The verb that takes tables away: tidy files with names beside ids, each with what it is and how to cite it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.asking.choosing import Choice, chosen
from pce_pipeline.automation.next_step import LakeState, stale_dimensions, stale_years
from pce_pipeline.cli import shown
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.exports.errors import NothingToExport, TooManyRows
from pce_pipeline.exports.export import Export
from pce_pipeline.exports.files import made_folder
from pce_pipeline.exports.forms import FileForm, form_of
from pce_pipeline.exports.spreadsheet import MOST_ROWS
from pce_pipeline.exports.tables import (
    about_of_table,
    analyst_tables,
    chosen_rows,
    datasets_of,
    export_of,
    table_named,
    wanted_partitions,
)
from pce_pipeline.exports.writing import Written, write
from pce_pipeline.lake.errors import PartitionsDisagree
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.publication import TableStore
from pce_pipeline.observability import progress
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.years import years_text

_SAMPLE = "SAMPLE_"


def export(
    session: Session,
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="TABLE", help="Tables, by their names in the data dictionary; without gold/ as well."),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All tables of Gold that analysts read.")] = False,
    to: Annotated[Path | None, typer.Option(metavar="DIR|FILE", help="A folder, or a file.")] = None,
    form: Annotated[
        FileForm | None, typer.Option("--format", help="Default: what the file's name says; parquet in a folder.")
    ] = None,
    state: Annotated[
        str | None, typer.Option("--state", "--area", help="Only these areas: CA,TX, US, states, a region, FIPS codes.")
    ] = None,
    category: Annotated[str | None, typer.Option(help="Only these categories, by id or name.")] = None,
    years: Annotated[str | None, typer.Option(help="Only these years: 2023, 2015...2018, 2015...")] = None,
    citation: Annotated[bool, typer.Option("--cite", help="Print the citation of each table as well.")] = False,
) -> Answer:
    """Tables as files to take away: Parquet, CSV, XLSX, SQLite or DuckDB, each with what it is and how to cite it."""
    wanted = _wanted(session, tables or [], every=every)
    if to is None:
        raise UsageError("It is not said where to.", remedy="Name a folder or a file: --to figures.xlsx")
    is_folder = to.is_dir() or not to.suffix
    of_file = form or FileForm.PARQUET if is_folder else form_of(to, form)
    if len(wanted) > 1 and not is_folder and not of_file.holds_several:
        raise UsageError(
            f"A {of_file.value} file holds one table, and {len(wanted)} are asked for.",
            remedy="Name a folder, or a file of .xlsx, .sqlite or .duckdb.",
        )
    choice = chosen(
        list(session.registry.datasets.values()),
        areas=state,
        categories=category,
        years=years,
        newest=datetime.now(UTC).year,
    )
    left_out: dict[str, str] | None = {} if every else None
    written: list[Written] = []
    with session.watched():
        lake = session.state()
        planned = _planned(wanted, lake, choice, of_file, left_out)
        exports = _exports(session, lake, choice, planned, left_out)
        citations: dict[str, str] = {}
        if is_folder:
            for each in exports:
                written += write([each], made_folder(to) / _file_name(each, of_file), of_file)
                citations |= _citation(each)
        elif together := list(exports):
            progress.stage(f"writing {to.name}")
            written = write(together, to, of_file)
            citations = {name: said for each in together for name, said in _citation(each).items()}
    if not written:
        raise NothingToExport("The lake", "none of its tables has such rows", "Make them: pce run")
    return Answer(
        {"files": written, "left_out": left_out or {}, "citations": citations},
        _shown(written, left_out or {}, citations if citation else {}),
    )


def _file_name(export: Export, form: FileForm) -> str:
    """What the file of a table is called where the caller names a folder: that of the sample says so."""
    mark = _SAMPLE if export.about is not None and export.about.is_sample else ""
    return f"{mark}{export.name}{form.suffix}"


def _citation(export: Export) -> dict[str, str]:
    return {export.name: export.about.citation} if export.about is not None else {}


def _wanted(session: Session, names: Sequence[str], *, every: bool) -> list[Table]:
    """The tables that are asked for, each once. Raises `UsageError` where none is named."""
    if every and names:
        raise UsageError("--all and the name of a table exclude each other.", remedy="Leave one of them out.")
    if not every and not names:
        one = analyst_tables(session.registry)[0].relation
        raise UsageError("It is not said which table.", remedy=f"Name one, such as {one}, or take all with --all.")
    named = [table_named(session.registry, name) for name in names]
    tables = analyst_tables(session.registry) if every else named
    if session.chosen is not None and every:
        tables = [each for each in tables if not set(datasets_of(session.registry, each)).isdisjoint(session.chosen)]
    return list({table.name: table for table in tables}.values())


def _planned(
    tables: Sequence[Table], state: LakeState, choice: Choice, form: FileForm, left_out: dict[str, str] | None
) -> list[tuple[Table, list[Partition]]]:
    """The partitions to read of each table, found before anything is written.

    Raises `TooManyRows`, and `NothingToExport` for a table without any; or puts it into `left_out`, if that is given.
    """
    planned: list[tuple[Table, list[Partition]]] = []
    for table in tables:
        try:
            partitions = wanted_partitions(table, state.partitions[table.name], choice.years)
        except NothingToExport as nothing:
            if left_out is None:
                raise
            left_out[table.name] = nothing.message
            continue
        rows = sum(partition.rows for partition in partitions)
        # a choice of areas or categories may leave few enough
        if form is FileForm.XLSX and rows > MOST_ROWS and not (choice.areas or choice.categories):
            raise TooManyRows(table.name, rows, MOST_ROWS)
        planned.append((table, partitions))
    return planned


def _exports(
    session: Session,
    state: LakeState,
    choice: Choice,
    planned: Sequence[tuple[Table, list[Partition]]],
    left_out: dict[str, str] | None,
) -> Iterator[Export]:
    """The tables one after the other, read as they were published when `state` was looked at."""
    for table, partitions in planned:
        progress.stage(f"exporting {table.name}")
        try:
            rows = chosen_rows(
                table,
                _read(session.lake.table(table), table, partitions),
                years=choice.years,
                areas=choice.areas,
                categories=choice.categories,
            )
        except NothingToExport as nothing:
            if left_out is None:
                raise
            left_out[table.name] = nothing.message
            continue
        about = about_of_table(
            session.registry,
            table,
            rows,
            partitions,
            state.partitions,
            is_sample=session.settings.is_sample,
            today=datetime.now(UTC).date(),
            notes=notes_of_table(session, state, table),
        )
        yield export_of(table, rows, about, session.registry.datasets.values())


def _read(store: TableStore, table: Table, partitions: Sequence[Partition]) -> pl.DataFrame:
    frames = []
    for done, partition in enumerate(partitions):
        progress.advance(done, len(partitions), "years" if table.is_yearly else "files")
        frames.append(store.read_partition(partition))
    try:
        return pl.concat(frames)
    except pl.exceptions.PolarsError:
        raise PartitionsDisagree(table.name, [partition.key for partition in partitions]) from None


def notes_of_table(session: Session, state: LakeState, table: Table) -> list[str]:
    """What is to be known of a table beside its rows: that it waits for a refresh, or is pinned."""
    names = datasets_of(session.registry, table)
    late: list[str] = []
    if table.is_yearly and (stale := stale_years(state, None, names)):
        late = [f"The lake waits for `pce refresh` in {years_text(stale)}: these rows may be of an earlier extract."]
    elif not table.is_yearly and (why := stale_dimensions(state, None).get(table.name)):
        late = [f"The table waits for `pce refresh`: {why}."]
    return [*late, *(f"{name} is pinned to an earlier vintage." for name in names if name in state.is_pinned)]


def _shown(
    written: Sequence[Written], left_out: Mapping[str, str], citations: Mapping[str, str]
) -> list[RenderableType]:
    rows = [
        (shown.beside(each.file), shown.number(each.rows) if each.tables else "", shown.number(each.bytes))
        for each in written
    ]
    return [
        shown.table(["File", ">Rows", ">Bytes"], rows),
        *(Text(f"Left out: {why}") for why in left_out.values()),
        *(Text(f"\n{said}") for said in citations.values()),
    ]
