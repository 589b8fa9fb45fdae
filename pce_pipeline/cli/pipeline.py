"""The verbs that move data: check, extract, refresh, run."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from pce_pipeline.automation.next_step import Step
from pce_pipeline.cli import shown, summary
from pce_pipeline.cli.decisions import Decision, decide
from pce_pipeline.cli.keeping import prune_versions
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.warehouse.records import record_run, run_row
from pce_pipeline.years import parse_years

if TYPE_CHECKING:
    import dagster as dg

    from pce_pipeline.automation.runs import ExtractRun, RefreshRun

_MOST_STEPS = 6


class NoRest(PceError):
    """After a step was done it is still what comes next: doing it again would not help."""

    def __init__(self, step: Step) -> None:
        self.action = step.action
        self.reasons = dict(step.reasons)
        why = "; ".join(f"{name}: {reason}" for name, reason in list(step.reasons.items())[:5])
        super().__init__(
            f"Another {step.action} would be due at once, for the same reasons: {why}.",
            remedy="`pce status` and `pce verify` show what is there; the log of the run lies in the lake.",
        )


def check(session: Session) -> Answer:
    """Is there something new at BEA? Says what and why, and writes nothing."""
    with session.watched():
        decision = decide(session)
    tables = [_compared(session, decision, table) for table in session.catalog.tables]
    stale = decision.stale
    step = decision.step
    document = {
        "action": step.action,
        "reasons": step.reasons,
        "tables": step.tables,
        "first_year": step.first_year,
        "last_year": step.last_year,
        "warnings": step.warnings,
        "compared": tables,
        "stale_years": stale,
    }
    return Answer(
        document,
        [
            shown.table(
                ["Table", "We have", "of", "BEA says", "Verdict"],
                [
                    (each["table"], each["extract"] or "nothing", each["last_updated"] or "", each["bea"], each["verdict"])
                    for each in tables
                ],
            ),
            *([shown.table(["Stale years", "Because"], shown.reasons_by_years(stale))] if stale else []),
            *shown.warnings_shown(step.warnings),
            Text(),
            _next_shown(session, decision),
        ],
    )


def _compared(session: Session, decision: Decision, table: str) -> dict[str, Any]:
    """What the lake holds of a table, what BEA says of it, and what follows."""
    release, step = decision.release, decision.step
    known = decision.state.tables.get(table) or decision.state.beyond_pin.get(table)
    note = release.notes.get(table) if release is not None and release.notes is not None else None
    announced = release.latest_announced() if release is not None else None
    if note is not None:
        says = f"updated {note.last_updated}"
    else:
        says = f"release of {announced:%Y-%m-%d} (calendar)" if announced else "no date"
    return {
        "table": table,
        "extract": str(known.extract) if known else None,
        "last_updated": str(known.last_updated) if known and known.last_updated else None,
        "compared_at": known.compared_at if known else None,
        "bea": says,
        "verdict": step.reasons.get(table, "nothing new") if step.action == "extract" else "nothing new",
    }


def _next_shown(session: Session, decision: Decision) -> Text:
    step = decision.step
    if step.action == "nothing":
        return Text.assemble(("Nothing is new. ", "bold green"), decision.why_nothing)
    what = "an extract" if step.action == "extract" else f"a refresh of {step.first_year}...{step.last_year}"
    return Text.assemble((f"Next is {what}. ", "bold"), "Do it with: ", (session.command("run"), "bold"))


def extract(
    session: Session,
    day: Annotated[
        str | None, typer.Option("--date", help="The extract's day, such as 2026-02-23; default: today (UTC).")
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", help="Read this zip, CSV or JSON, also compressed, instead of asking BEA. Repeatable."),
    ] = None,
    tables: Annotated[str | None, typer.Option(help="Only these tables, such as SAPCE1,SAPCE4.")] = None,
) -> Answer:
    """Take an extract of what BEA publishes, or verify one that exists."""
    if files:
        _choose_world_of_files(session, files)
    wanted = [name.strip().upper() for name in (tables or "").split(",") if name.strip()]
    chosen = _extract_asked_for(session, day, from_files=bool(files))
    with session.watched():
        from pce_pipeline.automation import runs  # noqa: PLC0415 (Dagster costs a second, and most calls need none)

        with runs.open_instance(session.settings) as instance:
            done = runs.run_extract(
                session.settings, instance, chosen, tables=wanted, files=[str(path) for path in files or ()]
            )
    rows = [(table, shown.number(cells), _of_table(done, table)) for table, cells in done.rows.items()]
    return Answer(
        {**_document(done), "total_rows": sum(done.rows.values())},
        [
            Text(),
            Text.assemble((f"{_HEADLINES[done.outcome]} ", "bold"), f"{summary.outcome_of(done)}, {_origin(done.origin)}, "),
            shown.table(["Table", ">Rows", ""], [*rows, ("all", shown.number(sum(done.rows.values())), "")]),
            *summary.checks_shown([done.checks]),
            Text(f"{shown.seconds(done.seconds)}"),
        ],
    )
