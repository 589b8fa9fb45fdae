"""The verb that answers SQL over the lake: a thin shell of `sql.answering`."""

import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.cli import shown
from pce_pipeline.cli.choosing import Form, as_text, refuse_on_terminal, write_rows
from pce_pipeline.cli.exporting import notes_of_table
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.sql.answering import Answered, answer, writable
from pce_pipeline.texts import number_text

_SHOWN = 40
_NULL = "NULL"
_FROM_STDIN = "-"
_NAME = "answer"


def sql(
    session: Session,
    statement: Annotated[
        str, typer.Argument(metavar="STATEMENT", help="One statement that asks; - reads it from standard input.")
    ],
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Over what was known at the end of this day; now if left out.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to write the rows.")] = Form.TABLE,
    to: Annotated[Path | None, typer.Option(help="Write the rows into this file.")] = None,
    *,
    citation: Annotated[bool, typer.Option("--cite", help="Print what to cite the rows by as well.")] = False,
) -> Answer:
    """SQL over the lake, without a database: its tables and Postgres' views by their names, only to be read."""
    refuse_on_terminal(form, to, what=_NAME)
    asked = sys.stdin.read() if statement == _FROM_STDIN else statement
    with session.watched():
        found = answer(session.lake, session.registry, asked, as_of=as_of, is_sample=session.settings.is_sample)
        late = _late(session, found) if as_of is None else []
    rows, about = found.frame, found.about
    notes = [*late, *(about.notes if about is not None else [])]
    known: dict[str, Any] = {
        "as_of": str(found.day),
        "tables": [table.name for table in found.tables],
        "vintages": list(about.vintages) if about is not None else [],
        "notes": notes,
        "citation": about.citation if about is not None else "",
        "columns": {name: str(dtype) for name, dtype in rows.schema.items()},
    }
    beside = [Text(each) for each in (*notes, *([f"\n{known['citation']}"] if citation else []))]
    if to is not None:
        write_rows(to, writable(rows), form, found.about_with(late), name=_NAME, columns={})
        said = f"{shown.counted(rows.height, 'row')} as known on {found.day} are in {to}."
        return Answer({**known, "rows": rows.height, "file": str(to)}, [Text(said), *beside])
    if form in {Form.CSV, Form.JSON}:
        return Answer({}, as_is=as_text(writable(rows), form))
    return Answer({**known, "rows": rows.to_dicts()}, [*_shown(found), *beside])


def _late(session: Session, found: Answered) -> list[str]:
    """What is to be known of the tables: that one waits for a refresh, or is pinned."""
    if not found.tables:
        return []
    state = session.state()
    return list(dict.fromkeys(note for table in found.tables for note in notes_of_table(session, state, table)))


def _shown(found: Answered) -> list[RenderableType]:
    rows = found.frame
    head = rows.head(_SHOWN)
    headings = [f"{shown.RIGHT if dtype.is_numeric() else ''}{name}" for name, dtype in rows.schema.items()]
    said = f"{shown.counted(rows.height, 'row')} as known on {found.day}"
    if rows.height > _SHOWN:
        said += f", of which {_SHOWN} are shown: --format csv prints all, --to FILE writes them"
    cells = zip(*(map(_cell, head[name]) for name in head.columns), strict=True)
    return [shown.table(headings, list(cells)), Text(f"{said}.")]


def _cell(value: object) -> RenderableType:
    if value is None:
        return Text(_NULL, "dim")
    if isinstance(value, Decimal | float):
        return number_text(value)
    return str(list(value) if isinstance(value, pl.Series) else value)
