"""The verbs that record a person's decision about an extract: use, and extract --drop. They ask before a loss."""

import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.deciding import Planned, plan_drop, plan_undo, plan_use
from pce_pipeline.cli import shown
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId


def use(
    session: Session,
    day: Annotated[str, typer.Argument(metavar="DATE", help="The extract, as `pce status` names it.")],
    why: Annotated[str, typer.Option(help="Why, for those who find it later; needed but for --undo.")] = "",
    tables: Annotated[
        str | None, typer.Option(help="Only these tables of BEA, by name, with commas between them.")
    ] = None,
    *,
    over: Annotated[bool, typer.Option("--over", help="Lay it over the current figures.")] = False,
    instead: Annotated[bool, typer.Option("--instead", help="Let it replace the current figures.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take either back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before figures are lost.")] = False,
) -> Answer:
    """Let an extract count that does not by itself: lay it over the current figures, or let it replace them.

    One of --over, --instead and --undo is needed, and --why with the first two. For example:
    pce use 2024-10-03 --over --why "the newest years, until BEA's whole file is here"
    """
    if over + instead + undo != 1:
        raise UsageError(
            "Say one of --over, --instead and --undo.",
            remedy=f"Write: pce use {day} --over --why 'what it is good for'",
        )
    if not why.strip() and not undo:
        raise UsageError("A decision needs a reason.", remedy="Add --why with a sentence for those who find it later.")
    extract, at = _parsed(day), datetime.now(UTC)
    wanted = [name.strip().upper() for name in (tables or "").split(",") if name.strip()]
    now = _holding(session, extract, wanted)
    if undo:
        planned = plan_undo(now, extract, why=why, at=at)
    else:
        planned = plan_use(
            now.bronze,
            now.dataset,
            now,
            extract,
            "over" if over else "instead",
            tables=now.dataset.chosen_tables(wanted) if wanted else (),
            why=why,
            at=at,
        )
    return _decided(session, now, planned, yes=yes)


def drop(session: Session, day: str, *, why: str, yes: bool) -> Answer:
    """Let an imported file's extract count no more; its bytes stay."""
    extract = _parsed(day)
    now = _holding(session, extract, ())
    planned = plan_drop(now.bronze, now.dataset, now, extract, why=why, at=datetime.now(UTC))
    return _decided(session, now, planned, yes=yes)


def _holding(session: Session, extract: ExtractId, tables: Collection[str]) -> Current:
    """What counts of the one dataset that has this extract, or that the tables are of.

    Raises `UsageError` where several have it; where none has, the first is given, and says so itself.
    """
    held = session.held()
    of_tables = {name: now for name, now in held.items() if tables and set(tables) & now.dataset.tables.keys()} or held
    found = {name: now for name, now in of_tables.items() if extract in now.manifests}
    if len(found) > 1:
        raise UsageError(
            f"{' and '.join(found)} each have an extract {extract}.", remedy=f"Add --dataset {next(iter(found))}."
        )
    return next(iter((found or of_tables).values()))


def _parsed(day: str) -> ExtractId:
    try:
        return ExtractId.parse(day)
    except ValueError:
        raise UsageError(f"{day!r} is not an extract date.", remedy="Write it as 2026-02-23 or 2026-02-23.2.") from None


def _decided(session: Session, now: Current, planned: Planned, *, yes: bool) -> Answer:
    """Record the decision, after asking where it takes published cells away."""
    decision = planned.decision
    losses = planned.losses
    becomes = {table: str(vintage) if vintage else None for table, vintage in planned.becomes.items()}
    document = {"decision": decision, "becomes": becomes, "loses": losses}
    if losses and not yes:
        if session.as_json or not sys.stdin.isatty():
            raise UsageError(
                f"This would take away what is published: {'; '.join(losses)}.",
                remedy="Add --yes if that is what you want.",
            )
        for loss in losses:
            session.err.print(Text.assemble(("Would be gone  ", "bold red"), loss), soft_wrap=True)
        if not typer.confirm("Take these cells away?", err=True):
            return Answer({**document, "recorded": False}, [Text("Nothing was decided.")], exit_code=FAILED)
    now.bronze.decisions.add(decision)
    said: list[RenderableType] = [
        Text(f"{table}: {'nothing counts any more' if vintage is None else f'made of {vintage} from now on'}.")
        for table, vintage in becomes.items()
    ] or [Text(_stays(now))]
    return Answer(
        {**document, "recorded": True},
        [
            Text.assemble(("Recorded: ", "bold green"), f"{decision.kind} {decision.extract}."),
            *said,
            *([shown.next_step(session.command("refresh"))] if becomes else []),
        ],
    )


def _stays(now: Current) -> str:
    pin = now.pin
    held = f" while {pin.extract} is pinned; the decision holds from when the pin is cleared" if pin else ""
    return f"What is current stays as it is{held}."
