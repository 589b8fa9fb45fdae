"""Bringing the Iceberg tables in line with the pointers: by a verb, and where a run finds that one is behind."""

from collections import Counter
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.cli import shown
from pce_pipeline.cli.decisions import Decision
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.lake.iceberg.glue import Glue
from pce_pipeline.lake.iceberg.projection import Outcome
from pce_pipeline.open_tables.ledger import tables_behind
from pce_pipeline.open_tables.projecting import Opened, open_tables

_BY_HAND = "pce iceberg"
"""What snapshots say in the place of a run."""

_OUTCOMES: dict[Outcome, str] = {
    "written": "have a new snapshot",
    "rebuilt": "begin a new history",
    "tagged": "got new tags",
    "unchanged": "were in line",
    "empty": "are not published yet",
}


def iceberg(
    session: Session,
    *,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Begin every table's history anew: earlier snapshots and tags are gone."),
    ] = False,
) -> Answer:
    """Bring the Apache Iceberg tables of the lake in line with what is published; refreshes do it by themselves."""
    with session.watched():
        opened = open_tables(
            session.lake,
            session.registry,
            session.held(),
            run_id=_BY_HAND,
            glue=Glue.of(session.settings),
            rebuild=rebuild,
        )
    return Answer(
        {"tables": list(opened.tables.values()), "told_to_glue": opened.told, "failed": opened.failed},
        _said(opened),
        exit_code=FAILED if opened.failed else 0,
    )


def bring_in_line(session: Session, decision: Decision, *, run_id: str) -> Opened | None:
    """Project what is behind, where nothing else is to be done: a kill may have come between data and Iceberg tables.

    None where nothing is. What fails is told and fails nothing.
    """
    situation = decision.situation
    glue = Glue.of(session.settings)
    behind = tables_behind(
        session.lake,
        session.registry,
        situation.held,
        situation.lake.partitions,
        glue=glue.database if glue is not None else None,
    )
    if not behind:
        return None
    with session.watched():
        return open_tables(session.lake, session.registry, situation.held, run_id=run_id, glue=glue, only=behind.keys())


def document_of(opened: Opened | None) -> dict[str, object]:
    """What machines are told of it: nothing where nothing was behind."""
    if opened is None:
        return {}
    return {"iceberg": {"in_line": list(opened.tables), "told_to_glue": opened.told, "failed": opened.failed}}


def in_line_shown(opened: Opened | None) -> list[RenderableType]:
    """What people are told of it."""
    if opened is None:
        return []
    done = [Text(f"{shown.counted(len(opened.tables), 'Iceberg table')} brought in line with what is published.")]
    return [*(done if opened.tables else []), *_failures_shown(opened)]


def _failures_shown(opened: Opened) -> list[Text]:
    return [Text.assemble(("Not in line: ", "bold red"), f"{name}: {why}") for name, why in opened.failed.items()]


def _said(opened: Opened) -> list[RenderableType]:
    counts = Counter(each.outcome for each in opened.tables.values())
    lines = [
        f"{shown.counted(counts[outcome], 'table')} {words}" for outcome, words in _OUTCOMES.items() if counts[outcome]
    ]
    rows = [
        (name, ", ".join(each.tags) or "none", Text(each.location, overflow="fold"))
        for name, each in opened.tables.items()
        if each.number
    ]
    return [
        *(Text(line) for line in lines),
        *([shown.table(["Table", "Newest tags", "Address"], rows)] if rows else []),
        *([Text(f"Glue was told of {shown.counted(len(opened.told), 'table')}.")] if opened.told else []),
        *_failures_shown(opened),
    ]
