"""The verbs that look after what is stored: verify, heal, prune, pin, reset."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.automation.diagnosis import cells_not_there, not_there
from pce_pipeline.automation.next_step import LakeState, stale_years
from pce_pipeline.bronze.deciding import check_pin
from pce_pipeline.bulletins.store import BULLETINS, BulletinStore
from pce_pipeline.cli import copying, shown
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.explorer.store import EXPLORER, ExplorerStore
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.integrity import Damage
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.stacks import how_to_restore
from pce_pipeline.local import world
from pce_pipeline.observability import progress
from pce_pipeline.open_tables.pruning import prune_table
from pce_pipeline.reports.store import REPORTS, ReportStore
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.years import parse_years, years_text

_DAMAGES_SHOWN = 20
_LAST_OF_DAY = 999_999
_HOW_TO_RESTORE_EARLIER = (
    "Restore them from the bucket's earlier versions, or from a backup. Until then only the days on which these "
    "versions held have no answer; everything that is published stands."
)
_RUNS_ARE_KEPT_ONCE = (
    "What runs recorded is kept once: restore it from a backup or an earlier version in the bucket. No figure is in it."
)


def verify(
    session: Session,
    years: Annotated[str | None, typer.Option(help="Of the tables only these years: 2023, 2015...2018.")] = None,
    copy: Annotated[
        str | None, typer.Option(metavar="URI", help="Compare Bronze with its second copy there, byte by byte.")
    ] = None,
) -> Answer:
    """Compare every stored byte with its record, and the tables with Bronze; exits 1 where something is amiss."""
    place = copying.place_for(session, copy) if copy is not None else None
    answer = _verified(session, years)
    if place is None:
        return answer
    found = copying.compared(session, place)
    return replace(
        answer,
        document={**answer.document, "copy": copying.document_of(found)},
        shown=[*answer.shown, *copying.comparison_shown(session, found)],
        exit_code=answer.exit_code or (FAILED if copying.amiss(found) else 0),
    )


def _verified(session: Session, years: str | None) -> Answer:
    """The lake alone: every stored byte against its record, and the tables against Bronze."""
    with session.watched():
        extracts = extracts_held(session)
        of_bronze = damages_of_bronze(session, extracts)
        damages = [*of_bronze]
        tables = 0
        for table in tables_of(session):
            progress.stage(table.name)
            store = session.lake.table(table)
            held = store.latest()
            chosen = None
            if years is not None and table.is_yearly and held:
                first, last = parse_years(years, newest=int(max(held)))
                chosen = [year for year in held if first <= int(year) <= last]
            tables += bool(held)
            damages += store.verify(chosen)
        damages += BulletinStore(session.lake).damages() + ExplorerStore(session.lake).damages()
        damages += ReportStore(session.lake).damages()
        of_runs = session.journal.damages()
        damages += of_runs
        absent, lacks = ({}, {}) if damages else _not_there(session, years)
    names = [str(extract) for _, extract in extracts]
    stored = f"{shown.counted(len(names), 'extract')} and {shown.counted(tables, 'table')}"
    document = {"damages": damages, "not_there": absent, "lacks": lacks, "extracts": names, "tables": tables}
    if damages:
        nexts: list[RenderableType] = [Text(_how_to_restore(session, of_bronze))] if of_bronze else []
        if of_runs:
            nexts.append(Text(_RUNS_ARE_KEPT_ONCE))
        if len(of_bronze) + len(of_runs) < len(damages):
            nexts.append(shown.next_step(session.command("heal")))
        return Answer(
            {**document, "restore": _how_to_restore(session, of_bronze) if of_bronze else None},
            [
                Text.assemble((f"{shown.counted(len(damages), 'object')} damaged ", "bold red"), f"in {stored}"),
                _damages_shown(damages),
                *nexts,
            ],
            exit_code=FAILED,
        )
    intact = Text.assemble(("Intact: ", "bold green"), f"every byte of {stored} is as recorded.")
    if not absent and not lacks:
        return Answer(document, [intact])
    named = [Text(f"{table} {years_text(which)}".strip()) for table, which in absent.items()]
    named += [
        Text(f"{table} {years_text(which)}: {words}")
        for table, by_year in lacks.items()
        for words, which in _by_words(by_year).items()
    ]
    lacking = [year for by_year in lacks.values() for year in by_year]
    mend = session.command("refresh") if absent else session.command(f"refresh --years {min(lacking)}...{max(lacking)}")
    return Answer(document, [intact, Text("Not there:", "bold red"), *named, shown.next_step(mend)], exit_code=FAILED)


def tables_of(session: Session) -> list[Table]:
    """The tables of the lake that are made of the datasets of the call, and the dimensions."""
    return [*(each.table for each in session.registry.derivations_of(session.chosen)), *session.registry.in_one_piece]


def extracts_held(session: Session) -> list[tuple[str, ExtractId]]:
    """Every extract of the datasets of the call, with its dataset."""
    return [(name, extract) for name in session.datasets for extract in session.bronze(name).extracts()]


def _not_there(session: Session, years: str | None) -> tuple[dict[str, list[int]], dict[str, dict[int, str]]]:
    """What Bronze covers and the tables do not hold: years by table, and cells of tables of Silver by year."""
    state = session.state()
    covered = state.covered_years
    if not covered:
        return {}, {}
    first, last = parse_years(years, newest=covered[-1]) if years is not None else (covered[0], covered[-1])
    asked = [year for year in covered if first <= year <= last]
    return not_there(state, asked), lacks_of_silver(session, state, asked)


def lacks_of_silver(session: Session, state: LakeState, years: Sequence[int]) -> dict[str, dict[int, str]]:
    """For tables of Silver, the years that lack cells which the current extracts speak of, and which cells.

    Stale years are left out.
    """
    stale = stale_years(state, None)
    found: dict[str, dict[int, str]] = {}
    for name, now in session.held().items():
        table = session.registry.silver[name].table
        held = [year for year in years if year not in stale and str(year) in state.partitions[table.name]]
        if held:
            silver = session.lake.table(table).read([str(year) for year in held], table.key)
            found[table.name] = cells_not_there(now, silver, held)
    return {table: lacks for table, lacks in found.items() if lacks}


def _by_words(lacks: Mapping[int, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for year, words in lacks.items():
        found.setdefault(words, []).append(year)
    return found


def heal(session: Session) -> Answer:
    """Restore damaged objects of the tables from their second copies; withdraw what has no good copy left."""
    with session.watched():
        restored, withdrawn, of_dimensions = heal_tables(session)
        of_bronze = damages_of_bronze(session, extracts_held(session))
        of_runs = session.journal.damages()
    lost = [*of_dimensions, *of_bronze]
    said: list[RenderableType] = []
    if restored:
        said += [Text(f"{shown.counted(len(restored), 'object')} restored", "bold"), _damages_shown(restored)]
    if withdrawn:
        partitions = [(name, ", ".join(keys)) for name, keys in withdrawn.items()]
        said += [
            Text("Withdrawn, because no good copy was left", "bold"),
            shown.facts(partitions),
            shown.next_step(session.command("run")),
        ]
    if of_dimensions:
        said += [
            Text("Earlier versions of dimensions are kept once and cannot be healed", "bold red"),
            _damages_shown(of_dimensions),
            Text(_HOW_TO_RESTORE_EARLIER),
        ]
    if of_bronze:
        said += [
            Text("Bronze is kept once and cannot be healed", "bold red"),
            _damages_shown(of_bronze),
            Text(_how_to_restore(session, of_bronze)),
        ]
    if of_runs:
        said += [Text(_RUNS_ARE_KEPT_ONCE, "bold red"), _damages_shown(of_runs)]
    return Answer(
        {"restored": restored, "withdrawn": withdrawn, "lost": [*lost, *of_runs]},
        said or [Text("Nothing is damaged.", "bold green")],
        exit_code=FAILED if lost or of_runs else 0,
    )


def heal_tables(session: Session) -> tuple[list[Damage], dict[str, list[str]], list[Damage]]:
    """Restore what has a good copy left.

    Gives what was restored, the partitions that were withdrawn, by table, and earlier versions of dimensions that are
    lost.
    """
    restored: list[Damage] = []
    lost: list[Damage] = []
    withdrawn: dict[str, list[str]] = {}
    for table in tables_of(session):
        progress.stage(table.name)
        healed = session.lake.table(table).heal()
        restored += healed.restored
        lost += healed.lost
        if healed.withdrawn:
            withdrawn[table.name] = healed.withdrawn
    if bulletins := BulletinStore(session.lake).forget_damaged():
        withdrawn[BULLETINS] = bulletins
    if files := ExplorerStore(session.lake).forget_damaged():
        withdrawn[EXPLORER] = files
    if reports := ReportStore(session.lake).forget_damaged():
        withdrawn[REPORTS] = reports
    return restored, withdrawn, lost


def prune(session: Session) -> Answer:
    """Delete versions that are no longer current and older than PCE_KEEP_VERSIONS_DAYS."""
    days = session.settings.keep_versions_days
    gone = prune_versions(session)
    return Answer(
        {"versions_pruned": gone, "keep_versions_days": days},
        [Text(f"{shown.counted(gone, 'version')} older than {shown.counted(days, 'day')} deleted.")],
    )


def prune_versions(session: Session) -> int:
    """Delete the versions that are old and not current, and downloads that were never finished; how many versions."""
    older = timedelta(days=session.settings.keep_versions_days)
    now = datetime.now(UTC)
    # downloads of an earlier day are never gone on with: BEA may publish something else by now
    for bronze in map(session.bronze, session.datasets):
        for extract in bronze.unfinished():
            if extract.day < now.date():
                bronze.discard_staging(extract)
    of_tables = sum(prune_table(session.lake, table, older, now) for table in tables_of(session))
    return of_tables + len(ExplorerStore(session.lake).prune(older, now))


def pin(
    session: Session,
    day: Annotated[str | None, typer.Argument(metavar="DATE", help="Ignore extracts later than this one.")] = None,
    why: Annotated[str, typer.Option("--why", "--reason", help="Why, for those who find the pin later.")] = "",
    *,
    clear: Annotated[bool, typer.Option("--clear", help="Let the newest extracts count again.")] = False,
) -> Answer:
    """Ignore extracts later than DATE (a rollback), or let the newest count again."""
    if (day is None) != clear:
        raise UsageError(
            "A pin needs either a DATE or --clear.", remedy="Write: pce pin 2026-02-23 --why ..., or pce pin --clear"
        )
    if day is None:
        was = {name: held.extract for name in session.datasets if (held := session.bronze(name).pin()) is not None}
        for name in was:
            session.bronze(name).clear_pin(now=datetime.now(UTC))
        document = {"pin": None, "was": next(iter(was.values()), None), "datasets": list(was)}
        if not was:
            return Answer(document, [Text("There was no pin: the newest extracts count.")])
        text = f"The pin on {', '.join(sorted(set(was.values())))} is gone: the newest extracts count."
        return Answer(document, [Text(text), _then_refresh(session)])
    chosen = _pinned({name: session.bronze(name).extracts() for name in session.datasets}, day)
    if not why.strip():
        raise UsageError("A pin needs a reason.", remedy="Add --why with a sentence for those who find it later.")
    counting = session.held()
    for name, extract in chosen.items():
        check_pin(counting[name], extract)
    for name, extract in chosen.items():
        session.bronze(name).write_pin(extract, now=datetime.now(UTC), reason=why)
    newest = max(chosen.values())
    said = ", ".join(f"{name} to {extract}" for name, extract in chosen.items()) if len(chosen) > 1 else f"to {newest}"
    return Answer(
        {"pin": newest, "reason": why, "datasets": chosen},
        [
            Text(f"Pinned {said}: later extracts do not count."),
            _then_refresh(session),
        ],
    )


def reset(
    session: Session,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Answer:
    """Drop this world of the laptop: lake, Postgres and Dagster's history."""
    settings = session.settings
    world.check_droppable(settings)
    home = settings.world_home
    if not yes:
        if session.as_json or not sys.stdin.isatty():
            raise UsageError(f"This would delete {home}.", remedy="Add --yes if that is what you want.")
        if not typer.confirm(f"Delete {home} with lake, Postgres and Dagster's history?", err=True):
            return Answer({"deleted": []}, [Text("Nothing was deleted.")], exit_code=FAILED)
    gone = world.drop(settings)
    said = f"Deleted {', '.join(shown.beside(str(path)) for path in gone)}" if gone else f"There is nothing at {home}"
    return Answer({"deleted": gone}, [Text(f"{said}.")])


def damages_of_bronze(session: Session, extracts: Sequence[tuple[str, ExtractId]]) -> list[Damage]:
    """Read every byte of these extracts, each with its dataset; what is not as recorded."""
    damages: list[Damage] = []
    for name, extract in extracts:
        progress.stage(f"extract {extract}")
        try:
            damages += session.bronze(name).verify(extract)
        except DamagedObject as unreadable:
            damages.append(Damage(unreadable.key, "changed", unreadable.expected, unreadable.found))
    return damages


def _how_to_restore(session: Session, lost: Sequence[Damage]) -> str:
    """What to do about damaged objects of Bronze, which nothing here writes over."""
    keys = [each.key for each in lost if each.problem != "undeclared"]
    if not keys:
        return "No extract names these objects of Bronze, and nothing reads them: leave them, or find out who put them."
    restore = how_to_restore(session.settings.env, session.settings.lake_uri, keys)
    return f"{restore}\nOr ignore their extract: {session.command('pin DATE --why ...')}"


def _damages_shown(damages: Sequence[Damage]) -> RenderableType:
    rows = [(damage.problem, Text(damage.key, overflow="fold")) for damage in damages[:_DAMAGES_SHOWN]]
    more = len(damages) - len(rows)
    return shown.table(["Problem", "Object"], [*rows, *([("", f"and {more} more")] if more else [])])


def _pinned(held: Mapping[str, Sequence[ExtractId]], day: str) -> dict[str, ExtractId]:
    """Of each dataset that has any, the extract of that name, else the last one up to that day."""
    try:
        asked = ExtractId.parse(day)
    except ValueError:
        raise UsageError(f"{day!r} is no date.", remedy="Write it as 2026-02-23.") from None
    named = any(asked in extracts for extracts in held.values())
    found = {}
    for name, extracts in held.items():
        until = [extract for extract in extracts if extract <= ExtractId(asked.day, _LAST_OF_DAY)]
        if asked in extracts:
            found[name] = asked
        elif until and (named or asked.number == 1):
            found[name] = max(until)
    if not found:
        there = sorted({extract for extracts in held.values() for extract in extracts})
        raise UsageError(
            f"There is no extract {asked}.", remedy=f"There is {', '.join(map(str, there)) or 'none at all'}."
        )
    return found


def _then_refresh(session: Session) -> Text:
    return shown.next_step(session.command("refresh"))
