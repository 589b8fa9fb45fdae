"""The verbs that only look: status, quarantine, dictionary."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.bronze.counting import dropped, in_use, verdict_of
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.judgement import is_complete, missing_of_catalogue
from pce_pipeline.bronze.manifest import DERIVED, Manifest
from pce_pipeline.bronze.quarantine import STATES, listed
from pce_pipeline.bronze.scope import in_words
from pce_pipeline.cli import shown, summary
from pce_pipeline.cli.decisions import Decision, decide, documents_of_pins
from pce_pipeline.cli.dictionary import markdown
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.emulator.vintages import VINTAGES
from pce_pipeline.errors import UsageError
from pce_pipeline.hooks.events import EventStore
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.local.errors import LocalPostgresError
from pce_pipeline.quality.facts import MIXED_WITH, tables_by_release
from pce_pipeline.tables.table import STATUSES
from pce_pipeline.tables.years import years_text
from pce_pipeline.warehouse.errors import WarehouseError

_MOST_SHOWN = 50
_MOST_FILES = 5


def status(session: Session) -> Answer:
    """What is there: extracts, years, rows, what is stale. Writes nothing; exits 1 where something needs a person."""
    held = session.held()
    extracts = [_extract(now, manifest) for now in held.values() for manifest in now.manifests.values()]
    releases = {table: release for now in held.values() for table, release in now.releases.items()}
    made_of = {table: words for now in held.values() for table, words in _made_of(now).items()}
    mixed = "; ".join(filter(None, map(_mixed, held.values())))
    lacks = {
        table: in_words(absent)
        for now in held.values()
        for table, source in now.known_sources.items()
        if not is_complete(source.newest, now.dataset)
        and (absent := missing_of_catalogue(source.newest, now.dataset)).height
    }
    postgres = _postgres(session)
    decision = decide(session, ask_bea=False, ask_postgres=postgres["problem"] is None)
    years = {
        table.name: [int(year) for year in decision.state.partitions.get(table.name, {})]
        for table in (each.table for each in session.registry.derivations_of(session.chosen))
    }
    compared = max(
        (known.checked_at for now in held.values() if (known := now.bronze.verified()) is not None), default=None
    )
    pins, event = decision.pins, EventStore.of(session.lake).newest()
    needed = _needs_a_person(session, decision, postgres["problem"])
    document = {
        "extracts": extracts,
        "releases": releases,
        "mixed": mixed,
        "made_of": made_of,
        "lacks": lacks,
        "years": years,
        "postgres": postgres,
        "stale_years": decision.stale,
        "warnings": decision.step.warnings,
        **documents_of_pins(pins),
        "needs_a_person": needed,
        "compared_at": compared,
        "event": event,
        "unanswered_event": decision.state.event,
        "sample_release": session.bea.sample_release() if session.settings.is_sample else None,
        "lake": session.lake.uri,
    }
    stale = shown.reasons_by_years(decision.stale)
    facts: list[tuple[str, RenderableType]] = [
        ("Years", _years_shown(years)),
        ("Stale", "\n".join(f"{which}: {reason}" for which, reason in stale) or "nothing"),
        ("Postgres", _postgres_shown(postgres)),
        ("Lake", shown.beside(session.lake.uri)),
    ]
    if mixed:
        facts.append(("Mixed", Text(f"{mixed}: figures of several tables do not belong together", "yellow")))
    if made_of:
        facts.append(("Made of", "\n".join(f"{table}: {words}" for table, words in made_of.items())))
    if lacks:
        facts.append(("Not there", "\n".join(f"{table}: {words}" for table, words in lacks.items())))
    if compared:
        facts.append(("Compared", f"{compared:%Y-%m-%d %H:%M} UTC, nothing was new"))
    if event:
        answered = "no comparison since" if decision.state.event else "compared since"
        facts.append(("Event", f"{event.name}, received {event.at:%Y-%m-%d %H:%M} UTC, {answered}"))
    facts += [("Pin", str(pin)) for pin in pins]
    if document["sample_release"]:
        facts.append(("Sample", f"publishes release {document['sample_release']} of {len(VINTAGES)}"))
    if needed:
        facts.append(("To do", "\n".join(f"{what}: {how}" for what, how in needed.items())))
    return Answer(
        document,
        [
            _extracts_shown(extracts, has_several=len(held) > 1),
            shown.facts(facts),
            *shown.warnings_shown(decision.step.warnings),
        ],
        exit_code=FAILED if needed else 0,
    )


def _when(cell: Mapping[str, Any]) -> str:
    return str(cell["year"]) if cell["month"] is None else f"{cell['year']}-{cell['month']:02}"


def quarantine(
    session: Session,
    extract: Annotated[str | None, typer.Option(metavar="DATE", help="Only of this extract.")] = None,
    *,
    current_only: Annotated[
        bool,
        typer.Option(
            "--current", help="Only what is missing in the figures of today: not what has healed or is read elsewhere."
        ),
    ] = False,
) -> Answer:
    """The cells that could not be read: what BEA published, where it stands, and why it is set aside."""
    currents = session.held()
    held = sorted({str(each) for now in currents.values() for each in now.manifests})
    if extract is not None and extract not in held:
        raise UsageError(f"There is no extract {extract}.", remedy=f"There is {', '.join(held) or 'none yet'}.")
    cells = [
        {**cell, "stored": now.bronze.key_of(ExtractId.parse(cell["extract"]), cell["object_key"])}
        for now in currents.values()
        for cell in listed(now).to_dicts()
        if extract in {None, cell["extract"]} and (cell["state"] == "current" or not current_only)
    ]
    states = {state: sum(cell["state"] == state for cell in cells) for state in STATES}
    if not cells:
        return Answer({"cells": [], "states": states}, [Text("Nothing is in quarantine.")])
    rows = [
        (
            cell["extract"],
            cell["state"],
            f"{cell['bea_table']} line {cell['line_code']}, area {cell['geo_fips']}, {_when(cell)}",
            str(cell["value_text"]),
            cell["reason"],
        )
        for cell in cells
    ]
    said = ", ".join(f"{count:,} {state}" for state, count in states.items() if count)
    return Answer(
        {"cells": cells, "states": states},
        [
            shown.table(["Extract", "State", "Cell", "Published text", "Why it is set aside"], rows[:_MOST_SHOWN]),
            *(
                [Text(f"... and {len(rows) - _MOST_SHOWN:,} more: --json lists them all")]
                if len(rows) > _MOST_SHOWN
                else []
            ),
            Text(f"{shown.counted(len(cells), 'cell')}: {said}."),
            *_files_shown(session, cells),
        ],
    )


def _files_shown(session: Session, cells: list[dict[str, Any]]) -> list[RenderableType]:
    """Where the texts stand: BEA's answer or the file, as it was received."""
    stored = list(dict.fromkeys(cell["stored"] for cell in cells))
    return [Text(f"In {session.lake.uri_of(key)}", no_wrap=True, overflow="ignore") for key in stored[:_MOST_FILES]]


def _needs_a_person(session: Session, decision: Decision, problem: str | None) -> dict[str, str]:
    """What does not come right by itself, each with what to do; a world in which nothing ran yet needs nobody."""
    needed: dict[str, str] = {}
    if problem:
        needed["Postgres does not answer"] = session.command("doctor")
    if decision.step.action == "refresh":
        what = f"{years_text(decision.stale)} are" if decision.stale else f"{', '.join(decision.step.reasons)} are"
        needed[f"{what} stale"] = session.command("refresh")
    for name in session.datasets:
        for extract in _refused(decision.situation.held[name]):
            needed[f"the answer of {extract} does not count"] = session.command(f"use {extract} --instead --why ...")
    after = timedelta(days=session.settings.pin_alert_days)
    if any(pin.is_older_than(after, datetime.now(UTC)) for pin in decision.pins):
        needed[f"pinned for more than {after.days} days"] = session.command("pin --clear")
    return needed


def _refused(now: Current) -> list[ExtractId]:
    """BEA's newest answer, if it is later than what counts and any table of it does not count."""
    answers = [extract for extract, manifest in now.manifests.items() if manifest.is_live]
    if not answers:
        return []
    newest = max(answers)
    verdicts = now.manifests[newest].verdicts or {}
    waits = any(
        not verdict.counts and verdict.usable and newest > source.newest.at and newest not in source.newest.extracts
        for table, verdict in verdicts.items()
        if (source := now.unpinned.get(table)) is not None
    )
    return [newest] if waits else []


def _mixed(now: Current) -> str:
    """The releases of a dataset's tables, where there are several; else nothing."""
    releases = tables_by_release(now.releases)
    return "; ".join(releases) if len(releases) > 1 or any(MIXED_WITH in each for each in releases) else ""


def _made_of(now: Current) -> dict[str, str]:
    """The tables whose current figures somebody decided on, or come from several extracts, and which."""
    found = {}
    for table, source in now.sources.items():
        vintage = source.newest
        if vintage.decided is not None:
            found[table] = f"{vintage} (pce use --{vintage.decided.kind}: {vintage.decided.why})"
        elif len(vintage.layers) > 1:
            found[table] = f"{vintage}, parts of one release"
    return found


def _standing(now: Current, manifest: Manifest) -> str:
    """Whether an extract counts, in a word or two."""
    if manifest.extract in dropped(now.decisions):
        return "dropped"
    if manifest.origin == DERIVED:
        return DERIVED
    used = in_use(now.decisions).get(manifest.extract)
    if used is not None:
        return f"used {used.kind}"
    partial = [
        table
        for table in sorted(manifest.tables)
        if not verdict_of(now.manifests, now.decisions, manifest.extract, table).counts
    ]
    if not partial:
        return "yes"
    return "partial" if len(partial) == len(manifest.tables) else f"partial: {' '.join(partial)}"


def _extract(now: Current, manifest: Manifest) -> dict[str, Any]:
    return {
        "dataset": manifest.dataset,
        "extract": manifest.extract_date,
        "counts": _standing(now, manifest),
        "origin": manifest.origin,
        "tables": sorted(manifest.tables),
        "last_updated": max(
            (each.last_updated for each in manifest.tables.values() if each.last_updated), default=None
        ),
        "rows": sum(each.rows for each in manifest.tables.values()),
        "ingested_at": manifest.ingested_at,
    }


def _postgres(session: Session) -> dict[str, Any]:
    """Rows by table, or why they cannot be told; an embedded server that was never started stays so."""
    if not session.settings.load_postgres:
        return {"is_loaded": False, "embedded": False, "made": False, "rows": {}, "problem": None}
    embedded = session.postgres.embedded
    found: dict[str, Any] = {
        "is_loaded": True,
        "embedded": embedded is not None,
        "made": session.has_database,
        "rows": {},
        "problem": None,
    }
    try:
        found["rows"] = summary.rows_in_postgres(session)
    except (WarehouseError, LocalPostgresError) as problem:
        found["problem"] = problem.message
    return found


def _extracts_shown(extracts: list[dict[str, Any]], *, has_several: bool) -> RenderableType:
    """The extracts; with their dataset where there are several."""
    if not extracts:
        return Text("No extract yet.")
    return shown.table(
        [*(["Dataset"] if has_several else []), "Extract", "Counts", "From", "Tables", "Last updated", ">Rows"],
        [
            (
                *([each["dataset"]] if has_several else []),
                each["extract"],
                each["counts"],
                each["origin"],
                " ".join(each["tables"]),
                str(each["last_updated"] or "unknown"),
                shown.number(each["rows"]),
            )
            for each in extracts
        ],
    )


def _years_shown(years: dict[str, list[int]]) -> str:
    """Tables with the same years in one line."""
    by_years: dict[str, list[str]] = {}
    for name, held in years.items():
        by_years.setdefault(years_text(held) or "none", []).append(name)
    if len(by_years) == 1:
        return f"{next(iter(by_years))} in all {len(years)} yearly tables"
    return "\n".join(f"{held} in {', '.join(names)}" for held, names in by_years.items())


def _postgres_shown(postgres: dict[str, Any]) -> str:
    if postgres["problem"]:
        return str(postgres["problem"])
    if not postgres["is_loaded"]:
        return "not loaded: PCE_LOAD_POSTGRES is false"
    if not postgres["made"]:
        return "not started yet"
    rows: dict[str, int] = postgres["rows"]
    return "\n".join(f"{shown.number(count):>9}  {name}" for name, count in rows.items()) or "empty"


def dictionary(session: Session) -> Answer:
    """The data dictionary as Markdown."""
    declared = session.registry.tables
    tables = [
        {
            "name": table.name,
            "grain": table.grain,
            "key": table.key,
            "hazard": table.hazard,
            "columns": [
                {
                    "name": column.name,
                    "type": str(column.dtype),
                    "nullable": column.nullable,
                    "unit": column.unit,
                    "description": column.description,
                }
                for column in table.columns
            ],
        }
        for table in declared
    ]
    return Answer({"tables": tables, "statuses": STATUSES}, as_is=markdown(declared), of_world=False)
