"""The verb that looks at all of a world at once, says what is wrong and what mends it, and mends it when asked to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.automation.diagnosis import Finding, HistorySeen, LakeSeen, PostgresSeen, diagnose
from pce_pipeline.automation.next_step import LakeState
from pce_pipeline.automation.pinning import pinned
from pce_pipeline.automation.state import load_state_of
from pce_pipeline.bronze.current import Current, lost_extracts
from pce_pipeline.bronze.errors import ExtractLost
from pce_pipeline.bulletins.store import BULLETINS, BulletinStore
from pce_pipeline.cli import shown
from pce_pipeline.cli.keeping import (
    damages_of_bronze,
    extracts_held,
    heal_tables,
    lacks_of_silver,
    prune_versions,
    tables_of,
)
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import PceError
from pce_pipeline.explorer.store import EXPLORER, ExplorerStore
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.integrity import Damage
from pce_pipeline.observability import progress
from pce_pipeline.tables.years import hull_with_reach
from pce_pipeline.warehouse.contents import contents_held, missing_relations
from pce_pipeline.warehouse.migrate import found_revision, newest_revision
from pce_pipeline.warehouse.parity import parity
from pce_pipeline.warehouse.reading import checkpoints, without_manifest, world_held
from pce_pipeline.warehouse.views import differing_views

# What was healed is refreshed in the second round, what a refresh needs first is there by then; a third shows no more.
_ROUNDS = 3


def doctor(
    session: Session,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Read no stored object: pointers, rows and hashes.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended.")] = False,
) -> Answer:
    """Look at lake, Postgres and Dagster's history; exits 1 where something is wrong, and says what mends it."""
    with session.watched():
        findings = _examined(session, quick=quick)
    mended: list[Finding] = []
    for _ in range(_ROUNDS if fix else 0):
        todo = [each for each in findings if each.mend is not None]
        if not todo:
            break
        _mend(session, todo)
        with session.watched():
            after = _examined(session, quick=quick)
        mended += [each for each in todo if each not in after]
        if after == findings:
            break
        findings = after
    wrong = [each for each in findings if each.is_wrong]
    return Answer(
        {
            "healthy": not wrong,
            "quick": quick,
            "findings": [_document(session, each) for each in findings],
            "mended": [_document(session, each) for each in mended],
        },
        _shown(session, findings, mended, quick=quick),
        exit_code=FAILED if wrong else 0,
    )


def _examined(session: Session, *, quick: bool) -> list[Finding]:
    """Everything that is found, in all three places; a place that does not answer is a finding of its own."""
    lake = _look_at_lake(session, quick=quick)
    silent: list[Finding] = []
    postgres: PostgresSeen | None = None
    history: HistorySeen | None = None
    try:
        if session.settings.load_postgres:
            progress.stage("postgres")
            postgres = _look_at_postgres(session, lake.state)
    except PceError as problem:
        silent.append(Finding("postgres", problem.message.removesuffix("."), advice=problem.remedy))
    try:
        progress.stage("dagster")
        from pce_pipeline.automation.runs import look_at_history  # noqa: PLC0415 (Dagster costs a second to import)

        history = look_at_history(session.settings, session.lake, session.registry)
    except PceError as problem:
        silent.append(Finding("dagster", problem.message.removesuffix("."), advice=problem.remedy))
    settings = session.settings
    loaded, state = postgres.loaded if postgres else None, lake.state
    held = session.held() if state else {}
    pins = [pinned(now, state, loaded) for now in held.values()] if state else []
    told = [Finding("lake", str(pin), "pin --clear", is_wrong=False) for pin in pins if pin is not None]
    found = [*diagnose(lake, postgres, history, world=(settings.world, settings.env)), *silent]
    lost = _lost(session, held, state)
    if lost:  # what follows from the loss is not to be mended, but the loss
        found = [replace(each, mend=None) if each.mend in {"refresh", "settle"} else each for each in found]
    return [*told, *lost, *found]


def _lost(session: Session, held: Mapping[str, Current], state: LakeState | None) -> list[Finding]:
    """The extracts that Silver was made of, and whose manifests are gone."""
    if state is None:
        return []
    return [
        Finding("lake", problem.message.removesuffix("."), advice=problem.remedy)
        for name, now in held.items()
        for table in [session.registry.silver[name].table]
        if (lost := lost_extracts(now, state.partitions.get(table.name, {})))
        for problem in [ExtractLost(name, lost, table.name, remedy=now.bronze.how_to_restore_extracts(lost))]
    ]


def _look_at_lake(session: Session, *, quick: bool) -> LakeSeen:
    damages: dict[str, list[Damage]] = {}
    for table in tables_of(session):
        progress.stage(table.name)
        store = session.lake.table(table)
        try:
            found = store.glance()
            if not quick and not any(each.expected == "a pointer" for each in found):
                found = store.verify()
        except DamagedObject as unreadable:
            found = [Damage(unreadable.key, "changed", unreadable.expected, unreadable.found)]
        if found:
            damages[table.name] = found
    if not quick and (of_bulletins := BulletinStore(session.lake).damages()):
        damages[BULLETINS] = of_bulletins
    if not quick and (of_explorer := ExplorerStore(session.lake).damages()):
        damages[EXPLORER] = of_explorer
    lost = [] if quick else damages_of_bronze(session, extracts_held(session))
    try:
        state = session.state()
    except DamagedObject as unreadable:
        named = {damage.key for found in (lost, *damages.values()) for damage in found}
        if unreadable.key not in named:
            lost.append(Damage(unreadable.key, "changed", unreadable.expected, unreadable.found))
        return LakeSeen(None, damages, lost, address=str(session.lake.store))
    silver = {session.registry.silver[name].table.name for name in session.datasets}
    looks_into_silver = not quick and not lost and silver.isdisjoint(damages)
    lacks = lacks_of_silver(session, state, state.covered_years) if looks_into_silver else {}
    return LakeSeen(state, damages, lost, lacks, str(session.lake.store))


def _look_at_postgres(session: Session, state: LakeState | None) -> PostgresSeen:
    gold = state.partitions if state is not None else {}
    if not session.has_database:
        newest = newest_revision()
        return PostgresSeen(
            (newest, newest),
            None,
            (),
            [parity(table, gold.get(table.name, {}), {}, {}) for table in session.registry.in_postgres],
        )
    with session.postgres.connect() as connection, connection.cursor() as cursor:
        connection.isolation_level = ISOLATION_LEVEL_REPEATABLE_READ  # a load may commit meanwhile
        missing = missing_relations(connection)
        held, contents = checkpoints(connection), contents_held(connection)
        rows = {key: content.rows for key, content in contents.items()}
        return PostgresSeen(
            loaded=load_state_of(held, rows),
            revision=(found_revision(connection), newest_revision()),
            world=world_held(connection),
            missing=missing,
            without_manifest=without_manifest(connection),
            outdated=[name for name in differing_views(cursor) if name not in missing],
            parities=[parity(table, gold.get(table.name, {}), held, contents) for table in session.registry.in_postgres]
            if state
            else [],
        )


def _mend(session: Session, findings: Sequence[Finding]) -> None:
    """Do what mends them, in the order in which one needs the other. Raises what the pipeline raises."""
    kinds = {each.mend for each in findings}
    if "heal" in kinds:
        with session.watched():
            heal_tables(session)
    if "migrate" in kinds:
        session.postgres.establish(is_sample=session.settings.is_sample)
    if not kinds & {"refresh", "settle"}:
        return
    with session.jobs() as jobs:
        jobs.settle()
        covered = session.state().covered_years
        years = {year for each in findings if each.mend == "refresh" for year in each.years or covered[-1:]}
        if years and covered:
            reach = session.registry.reach_of()
            hull = hull_with_reach(years, newest=covered[-1], reach=reach)
            force = any(each.force for each in findings)
            done = jobs.refresh(*hull, why="pce doctor --fix", force=force)
            if done.wrote:
                prune_versions(session)


def _document(session: Session, finding: Finding) -> dict[str, Any]:
    return {
        "where": finding.where,
        "what": finding.what,
        "command": session.command(finding.command) if finding.command else None,
        "advice": finding.advice,
        "years": finding.years,
        "is_wrong": finding.is_wrong,
        "can_be_fixed": finding.mend is not None,
    }


def _shown(
    session: Session, findings: Sequence[Finding], mended: Sequence[Finding], *, quick: bool
) -> list[RenderableType]:
    said: list[RenderableType] = []
    if mended:
        said += [
            Text("Mended", "bold green"),
            shown.table(["Where", "What"], [(each.where, each.what) for each in mended]),
        ]
    wrong = [each for each in findings if each.is_wrong]
    if not wrong:
        looked = "pointers, rows and hashes" if quick else "every stored byte, every row"
        places = "lake, Postgres and Dagster" if session.settings.load_postgres else "lake and Dagster"
        said.append(Text.assemble(("Healthy: ", "bold green"), f"{places} hold what they should ({looked})."))
    if findings:
        rows = [
            (
                Text(each.where, "bold red" if each.is_wrong else "bold"),
                each.what,
                session.command(each.command) if each.command else each.advice,
            )
            for each in findings
        ]
        said.append(shown.table(["Where", "What", "What to do"], rows))
    if any(each.is_run_under_way for each in findings):
        said.append(Text("A run is under way, and may be about to make what is missing: look again when it has ended."))
    elif any(each.mend for each in findings):
        said.append(shown.next_step(session.command("doctor --fix")))
    return said
