"""The summaries of runs: rows and seconds by stage, checks, the fastest growth, and where everything lies."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.automation.next_step import LakeState
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.deciding import fuller_before
from pce_pipeline.bronze.judgement import missing_of_catalogue
from pce_pipeline.bronze.manifest import DERIVED, FROM_FILES
from pce_pipeline.bronze.scope import cells_of, in_words
from pce_pipeline.cli import shown
from pce_pipeline.cli.session import Session
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.stacks import how_to_update
from pce_pipeline.tables.dimensions import CATEGORY_LINE
from pce_pipeline.tables.years import years_text
from pce_pipeline.warehouse.migrate import found_revision
from pce_pipeline.warehouse.reading import Growth, fastest_growth, row_counts

if TYPE_CHECKING:
    from pce_pipeline.automation.runs import Checks, ExtractRun, RefreshRun, Stage

POSTGRES = "postgres"


def rows_held(session: Session) -> dict[str, int]:
    """Rows by stage: cells of the current extracts, rows of the lake's tables, rows in Postgres."""
    state, registry = session.state(), session.registry
    bronze = dict.fromkeys(map(_bronze, registry.datasets), 0)
    for table, known in state.tables.items():
        bronze[_bronze(registry.bea_tables[table])] += known.vintage.rows
    lake = {
        table.name: sum(partition.rows for partition in state.partitions.get(table.name, {}).values())
        for table in registry.tables
    }
    loaded = {POSTGRES: sum(rows_in_postgres(session).values())} if session.settings.load_postgres else {}
    return {**bronze, **lake, **loaded}


def _bronze(dataset: str) -> str:
    return f"bronze/{dataset}"


def rows_in_postgres(session: Session) -> dict[str, int]:
    """Rows by table; none where there is no database yet."""
    if not session.has_database:
        return {}
    with session.postgres.connect() as connection:
        return row_counts(connection) if found_revision(connection) else {}


def growth(session: Session) -> list[Growth]:
    """The five states with the fastest growth in the newest year; none where there is no database yet."""
    if not session.has_database:
        return []
    with session.postgres.connect() as connection:
        return fastest_growth(connection) if found_revision(connection) else []


def places(session: Session) -> dict[str, Any]:
    """Where the lake is, and how to open Postgres; never a password."""
    if not session.settings.load_postgres:
        return {"lake": session.lake.uri, "postgres": None, "psql": None}
    embedded = session.postgres.embedded
    return {
        "lake": session.lake.uri,
        "postgres": session.postgres.server,
        "psql": embedded.psql_arguments() if embedded is not None and embedded.is_running() else None,
    }


def places_shown(session: Session) -> list[RenderableType]:
    """Where the lake is, and lines to open Postgres with."""
    where = places(session)
    if where["postgres"] is None:
        return [shown.facts([("Lake", shown.beside(where["lake"]))])]
    lines: list[RenderableType] = [
        shown.facts(
            [
                ("Lake", shown.beside(where["lake"])),
                ("Postgres", f"{session.world_command('db psql')}   or, from anywhere:"),
            ]
        )
        if where["psql"]
        else shown.facts([("Lake", shown.beside(where["lake"])), ("Postgres", session.world_command("db psql"))])
    ]
    return [*lines, shown.command_line(where["psql"])] if where["psql"] else lines


def lake_only_shown(session: Session, state: LakeState) -> list[RenderableType]:
    """Which tables of the chosen datasets Postgres has no table for, where the lake has rows of them."""
    found = [
        each.table.name
        for name in (session.datasets if session.settings.load_postgres else ())
        for each in session.registry.gold[name]
        if not each.table.in_postgres and state.partitions.get(each.table.name)
    ]
    if not found:
        return []
    return [
        Text.assemble(
            (f"Postgres has no table for {', '.join(found)}", "bold yellow"),
            ": the lake alone holds it. docs/adding-a-table.md shows how to give it one.",
        )
    ]


def stages_shown(
    held: dict[str, int], extracts: Sequence["ExtractRun"], refreshes: Sequence["RefreshRun"]
) -> RenderableType:
    """Rows held, what the runs did, and seconds, by stage."""
    did: dict[str, list[str]] = {}
    took: dict[str, float] = {}
    for extract in extracts:
        stage_name = _bronze(extract.dataset)
        did.setdefault(stage_name, []).append(outcome_of(extract))
        took[stage_name] = took.get(stage_name, 0.0) + extract.seconds
    for refresh in refreshes:
        for stage in refresh.stages:
            did.setdefault(stage.name, []).append(_outcome_of_stage(stage))
            took[stage.name] = took.get(stage.name, 0.0) + stage.seconds
    if not did:
        return shown.table(["Stage", ">Rows"], [(name, shown.number(rows)) for name, rows in held.items()])
    return shown.table(
        ["Stage", ">Rows", "This run", ">Seconds"],
        [
            (
                name,
                shown.number(rows),
                ", ".join(did.get(name, ["not needed"])),
                f"{took[name]:.1f}" if name in took else "",
            )
            for name, rows in held.items()
        ],
    )


def checks_shown(checks: Sequence["Checks"]) -> list[RenderableType]:
    """One line of counts, and one for each check that did not pass."""
    if not checks:
        return []
    passed, failed, warned = (sum(getattr(each, what) for each in checks) for what in ("passed", "failed", "warned"))
    counts = Text.assemble(("Checks  ", "bold"), (f"{passed} passed", "green"), f", {warned} warned, {failed} failed")
    problems = [problem for each in checks for problem in each.problems]
    return [
        Text(),
        counts,
        *(
            Text.assemble(
                ("  ", ""), (problem.severity, "yellow"), f"  {problem.asset} {problem.name}: {problem.summary}"
            )
            for problem in problems
        ),
    ]


def growth_shown(states: Sequence[Growth]) -> list[RenderableType]:
    """The fastest states, if there are figures."""
    if not states:
        return []
    year = states[0].year
    return [
        shown.table(
            [f"Fastest growth of PCE, {year} on {year - 1} (current dollars)", ">Percent"],
            [(state.geo_name, f"{state.pce_yoy_pct:.2f}") for state in states],
        )
    ]


def tables_shown(extract: "ExtractRun") -> RenderableType:
    """The tables of an extract run, and what was found of each."""
    return shown.table(
        ["Table", ">Rows", "Years", "Last updated", ""],
        [
            (
                table,
                shown.number(entry.rows),
                years_text(entry.years),
                str(entry.last_updated or "unknown"),
                _found(extract, table),
            )
            for table, entry in extract.tables.items()
        ],
    )


def _found(extract: "ExtractRun", table: str) -> str:
    if extract.outcome == "verified":
        return "as stored"
    if table in extract.changed:
        not_counting = DERIVED if extract.origin == DERIVED else "partial"
        return "new" if extract.counts.get(table, True) else not_counting
    return f"equals {extract.equals.get(table, 'the extract before')}"


def verdicts_shown(session: Session, extract: "ExtractRun", now: Current) -> list[RenderableType]:
    """What counts of an extract and what does not, why, and what can be done about it."""
    partial = [table for table in extract.tables if not extract.counts.get(table, True)]
    lines: list[RenderableType] = [
        Text(f"{table}: not there yet is {words}.")
        for table, words in missing_of([extract], {extract.dataset: now}).items()
    ]
    earlier = [
        f"{table} (current is {now.unpinned[table].newest})"
        for table in extract.changed
        if extract.counts.get(table)
        and extract.extract
        and now.unpinned[table].newest.at > ExtractId.parse(extract.extract)
    ]
    lines += [
        Text.assemble(
            (f"{table} contradicts what is held of its own release", "bold yellow"),
            f" in {count:,} cells. It counts, as the newer one; if it is a copy that somebody changed: ",
            (session.command(f"extract --drop {extract.extract} --why ..."), "bold"),
        )
        for table, count in extract.contradicts.items()
        if extract.extract
    ]
    if earlier:
        lines.append(Text(f"Kept as an earlier vintage, which changes nothing today: {', '.join(earlier)}."))
    lines += [
        Text.assemble(
            f"{table} of it holds more than the current figures; to lay these over it: ",
            (session.command(f"use {now.unpinned[table].newest.at} --over --why ..."), "bold"),
        )
        for table in extract.changed
        if earlier and fuller_before(now, table) is not None
    ]
    if extract.refused or not partial:
        return [*lines, *refused_shown(session, [extract])]
    if extract.origin == DERIVED:
        return [*lines, *_derived_shown(session, extract, now)]
    kept = extract.extract or next(iter(extract.equals.values()), "")
    for table in partial:
        holds = extract.tables[table].holds
        covers = in_words(cells_of(holds)) if holds else "nothing that the catalogue knows"
        lines += [
            Text.assemble(
                (f"{table} is partial", "bold yellow"),
                f": it is kept and changes nothing, because {extract.why[table]}.",
            ),
            Text(f"It covers {covers}."),
        ]
    use = session.command(f"use {kept}")
    return [
        *lines,
        Text.assemble("To lay it over the current figures: ", (f"{use} --over --why ...", "bold")),
        Text.assemble("To let it replace them: ", (f"{use} --instead --why ...", "bold")),
    ]


def quarantine_shown(session: Session, extract: "ExtractRun") -> list[RenderableType]:
    """How many cells of an extract could not be read, if there are any, and what lists them."""
    count = sum(entry.quarantined for entry in extract.tables.values())
    if not count:
        return []
    return [
        Text.assemble(
            (f"{shown.counted(count, 'cell')} could not be read", "bold yellow"),
            " and set aside: NULL, with its text kept. All others go on. Which and why: ",
            (session.command("quarantine"), "bold"),
        )
    ]


def failed_shown(failed: Mapping[str, str]) -> list[RenderableType]:
    """The datasets that failed while the others went on, each with the reason."""
    return [
        Text.assemble((f"{name} failed", "bold red"), f"; what was published of it stands: {why}")
        for name, why in failed.items()
    ]


def _derived_shown(session: Session, extract: "ExtractRun", now: Current) -> Iterator[RenderableType]:
    """What is said of derived values: that they change nothing and answer only when asked for, or who says them."""
    for table, equal in extract.equals.items():
        of_equal = "another derived extract" if now.manifests[ExtractId.parse(equal)].origin == DERIVED else "BEA's own"
        yield Text(f"{table} is not kept: {equal}, {of_equal}, says all of it already.")
    for table in extract.changed:
        yield Text.assemble(
            (f"{table} is kept as derived", "bold"),
            f": it changes nothing, and answers only when asked for, because {extract.why[table]}.",
        )
    if extract.extract:
        day = ExtractId.parse(extract.extract).day
        yield Text.assemble("To see it: ", (session.command(f"query --as-of {day} --include derived"), "bold"))


def refused_shown(session: Session, extracts: Sequence["ExtractRun"]) -> list[RenderableType]:
    """The tables of BEA's answers that do not count, what they lack, and how to accept that."""
    return [
        line
        for each in extracts
        for table, why in each.refused.items()
        for line in (
            Text.assemble(
                (f"{table} does not count", "bold red"),
                f": {why}. The answer is kept as {each.extract or each.equals.get(table)}; what was published before "
                "stands.",
            ),
            _what_to_do(session, each, table),
        )
    ]


def stack_shown(session: Session, lacks: Collection[str]) -> list[Text]:
    """What the stack of the environment lacks, which was done without, and what brings it."""
    return [Text(how_to_update(session.settings.env, lacks), "bold yellow")] if lacks else []


def _what_to_do(session: Session, extract: "ExtractRun", table: str) -> Text:
    if table in extract.unusable:
        return Text(
            "Where the source changed a text, unit or layout, correct the catalogue; the next `pce run` looks again."
        )
    use = f"use {extract.extract or extract.equals.get(table)} --instead --tables {table} --why ..."
    return Text.assemble("If that is right: ", (session.command(use), "bold"))


def missing_of(extracts: Sequence["ExtractRun"], held: Mapping[str, Current]) -> dict[str, str]:
    """What the catalogue expects of tables that files have just made current, and that is not held yet, in words."""
    found: dict[str, str] = {}
    for each in extracts:
        now = held[each.dataset]
        for table in each.changed:
            source = now.unpinned.get(table)
            is_current = source is not None and each.extract in [str(one) for one in source.newest.extracts]
            if source is not None and is_current and each.origin == FROM_FILES:
                absent = missing_of_catalogue(source.newest, now.dataset)
                if absent.height:
                    found[table] = in_words(absent)
    return found


def details_of(extract: "ExtractRun") -> str:
    """How many cells, where from, how long."""
    from_where = {
        "api": "BEA's API",
        "bulk": "BEA's archive",
        "file": "files",
        "sample": "the embedded sample",
        DERIVED: "a file that is not BEA's",
    }
    return (
        f"{shown.number(extract.rows)} cells of {shown.counted(len(extract.tables), 'table')} "
        f"from {from_where.get(extract.origin, extract.origin)} in {shown.seconds(extract.seconds)}"
    )


def headline_of(extract: "ExtractRun") -> str:
    """What an extract run came to, as the beginning of a sentence."""
    said = outcome_of(extract)
    return f"Nothing new, {said}" if extract.outcome == "unchanged" else f"{said[0].upper()}{said[1:]}"


def outcome_of(extract: "ExtractRun") -> str:
    """What an extract run came to, in words."""
    match extract.outcome:
        case "new":
            return f"new extract {extract.extract}"
        case "verified":
            return f"extract {extract.extract} verified"
        case _:
            return f"equals {', '.join(sorted(set(extract.equals.values())))}"


def _outcome_of_stage(stage: "Stage") -> str:
    if stage.name == POSTGRES:
        totals = {what: sum(counts[what] for counts in stage.loaded.values()) for what in _LOADED}
        return ", ".join(f"{count:,} {what}" for what, count in totals.items() if count) or "nothing to load"
    if not stage.name.startswith("gold/dim_") and stage.name != CATEGORY_LINE.name:
        counts = {
            "written": stage.written,
            "restamped": stage.refreshed,
            "unchanged": stage.unchanged,
            "left alone": stage.standing,
            "withdrawn": stage.withdrawn,
        }
        said = [f"{shown.counted(len(years), 'year')} {what}" for what, years in counts.items() if years]
        return ", ".join(said) or "no year"
    return "written" if stage.written else "left alone" if stage.standing else "unchanged"


_LOADED = ("inserted", "updated", "deleted", "unchanged")
