"""The verbs that only look: status, dictionary."""

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from pce_pipeline import schemas
from pce_pipeline.bea.emulator.vintages import VINTAGES
from pce_pipeline.cli import shown, summary
from pce_pipeline.cli.decisions import decide
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.dictionary import markdown
from pce_pipeline.lake.manifest import Manifest
from pce_pipeline.local.errors import LocalPostgresError
from pce_pipeline.warehouse.errors import WarehouseError
from pce_pipeline.years import years_text


def status(session: Session) -> Answer:
    """What is there: extracts, years, rows, what is stale. Asks nobody outside and writes nothing."""
    bronze = session.lake.bronze
    extracts = [_extract(manifest) for manifest in bronze.manifests().values()]
    postgres = _postgres(session)
    decision = decide(session, ask_bea=False, ask_postgres=postgres["problem"] is None)
    years = {
        table.name: [int(year) for year in decision.state.partitions.get(table.name, {})]
        for table in schemas.TABLES
        if "year" in table.column_names
    }
    pin, compared, event = bronze.pin(), bronze.verified(), session.lake.events.newest()
    document = {
        "extracts": extracts,
        "years": years,
        "postgres": postgres,
        "stale_years": decision.stale,
        "warnings": decision.step.warnings,
        "pin": pin,
        "compared_at": compared.checked_at if compared else None,
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
    if compared:
        facts.append(("Compared", f"{compared.checked_at:%Y-%m-%d %H:%M} UTC, nothing was new"))
    if event:
        answered = "no comparison since" if decision.state.event else "compared since"
        facts.append(("Event", f"{event.name}, received {event.at:%Y-%m-%d %H:%M} UTC, {answered}"))
    if pin:
        facts.append(("Pin", f"extracts after {pin.extract} do not count ({pin.reason or 'no reason given'})"))
    if document["sample_release"]:
        facts.append(("Sample", f"publishes release {document['sample_release']} of {len(VINTAGES)}"))
    return Answer(
        document,
        [_extracts_shown(extracts), shown.facts(facts), *shown.warnings_shown(decision.step.warnings)],
    )


def _extract(manifest: Manifest) -> dict[str, Any]:
    return {
        "extract": manifest.extract_date,
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
    embedded = session.postgres.embedded
    found: dict[str, Any] = {
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


def _extracts_shown(extracts: list[dict[str, Any]]) -> RenderableType:
    if not extracts:
        return Text("No extract yet.")
    return shown.table(
        ["Extract", "From", "Tables", "Updated by BEA", ">Rows"],
        [
            (
                each["extract"],
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
    if not postgres["made"]:
        return "not started yet"
    rows: dict[str, int] = postgres["rows"]
    return "\n".join(f"{shown.number(count):>9}  {name}" for name, count in rows.items()) or "empty"


def dictionary(session: Session) -> Answer:
    """The data dictionary as Markdown."""
    del session
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
        for table in schemas.TABLES
    ]
    return Answer({"tables": tables, "statuses": schemas.STATUSES}, as_is=markdown(), of_world=False)
