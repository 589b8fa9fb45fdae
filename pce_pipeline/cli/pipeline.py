"""The verbs that move data: check, extract, refresh, run."""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.automation.next_step import Step
from pce_pipeline.automation.standing import what_does_not_stand
from pce_pipeline.bronze.archive_pull import last_day
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.extract import Place, next_extract_id, places
from pce_pipeline.bronze.feeds import Files
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.watermarks import watermarks_of
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.cli import deciding, heartbeat, opening, shown, summary
from pce_pipeline.cli.decisions import Decision, decide, documents_of_pins, pins_shown
from pce_pipeline.cli.keeping import prune_versions
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.cli.sources import check_sources
from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.open_tables.projecting import Opened
from pce_pipeline.tables.years import parse_years, years_text
from pce_pipeline.warehouse.lineage import record_watermarks
from pce_pipeline.warehouse.records import record_run, run_row

if TYPE_CHECKING:
    from pce_pipeline.automation.runs import ExtractRun, Jobs, RefreshRun


_FORCED = "pce run --force"
_NOTHING_FAILED: Mapping[str, str] = MappingProxyType({})


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


class NothingExtracted(PceError):
    """There is no extract to refresh from."""

    def __init__(self, command: str) -> None:
        super().__init__("There is no extract yet.", remedy=f"Take one and load it with: {command}")


def check(
    session: Session,
    *,
    sources: Annotated[
        bool,
        typer.Option(
            "--sources",
            help="Instead: do BEA's API, its keyless files, kept files and tables that repeat figures say the same?",
        ),
    ] = False,
) -> Answer:
    """Is there something new at BEA? Says what and why, and writes nothing."""
    if sources:
        return check_sources(session)
    with session.watched():
        decision = decide(session)
    tables = [_compared(decision, dataset, table) for dataset in session.datasets.values() for table in dataset.tables]
    stale = decision.stale
    step = decision.step
    document = {
        "action": step.action,
        "reasons": step.reasons,
        "tables": [table for tables in step.tables.values() for table in tables],
        "first_year": step.first_year,
        "last_year": step.last_year,
        "warnings": step.warnings,
        "compared": tables,
        "stale_years": stale,
        **documents_of_pins(decision.pins),
    }
    return Answer(
        document,
        [
            shown.table(
                ["Table", "We have", "of", f"{session.settings.publisher} says", "Verdict"],
                [
                    (
                        each["table"],
                        each["extract"] or "nothing",
                        each["last_updated"] or "",
                        each["bea"],
                        each["verdict"],
                    )
                    for each in tables
                ],
            ),
            *([shown.table(["Stale years", "Because"], shown.reasons_by_years(stale))] if stale else []),
            *shown.warnings_shown(step.warnings),
            Text(),
            *pins_shown(decision.pins),
            _next_shown(session, decision),
        ],
    )


def _compared(decision: Decision, dataset: Dataset, table: str) -> dict[str, Any]:
    """What the lake holds of a table, what BEA says of it, and what follows."""
    release, step = decision.releases.get(dataset.name), decision.step
    known = decision.state.tables.get(table) or decision.state.beyond_pin.get(table)
    # what BEA says is of its newest figures, and so must be what it is held against: a pin decides what counts alone
    newest = decision.situation.held[dataset.name].unpinned.get(table)
    note = release.notes.get(table) if release is not None and release.notes is not None else None
    announced = release.latest_announced() if release is not None else None
    if note is not None:
        says = f"updated {note.last_updated}"
    else:
        says = f"release of {announced:%Y-%m-%d} (calendar)" if announced else "no date"
    return {
        "dataset": dataset.name,
        "table": table,
        "extract": str(newest.vintage) if newest else None,
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
        str | None,
        typer.Option(
            "--date",
            help="The extract's day, such as 2026-02-23, or of a file a month, 2016-10; default: today, or what a file "
            "says it is of.",
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            exists=True,
            dir_okay=False,
            help="Read this zip, CSV or JSON, also compressed, instead of asking BEA. Repeatable.",
        ),
    ] = None,
    tables: Annotated[
        str | None, typer.Option(help="Only these tables of BEA, by name, with commas between them.")
    ] = None,
    drop: Annotated[
        str | None, typer.Option(metavar="DATE", help="Instead: let the extract of an imported file count no more.")
    ] = None,
    why: Annotated[
        str, typer.Option(help="With --drop: why. With --derived: where the values come from. For those who find it.")
    ] = "",
    area_column: Annotated[str, typer.Option(help="With --derived: what the file calls the area.")] = "area",
    line_column: Annotated[str, typer.Option(help="With --derived: what it calls the line.")] = "line",
    year_column: Annotated[str, typer.Option(help="With --derived: what it calls the year.")] = "year",
    value_column: Annotated[str, typer.Option(help="With --derived: what it calls the value.")] = "value",
    *,
    derived: Annotated[
        bool,
        typer.Option(
            "--derived",
            help="The file is not BEA's but has values of one table (--tables), as a long CSV: kept, never current.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --drop: do not ask.")] = False,
) -> Answer:
    """Take an extract of what BEA publishes, or of files; for the date of one that exists, verify it."""
    if drop is not None:
        if day or files or tables or derived:
            raise UsageError("--drop goes with --why and --yes only.", remedy=f"Write: pce extract --drop {drop}")
        return deciding.drop(session, drop, why=why, yes=yes)
    columns = {"area": area_column, "line": line_column, "year": year_column, "value": value_column}
    if not derived and any(column != what for what, column in columns.items()):
        raise UsageError(
            "The names of columns are of derived values: BEA's own files say what is what.",
            remedy="Add --derived if the file is not BEA's, or leave the options out.",
        )
    if files:
        choose_world_of_files(session)
    wanted = [name.strip().upper() for name in (tables or "").split(",") if name.strip()]
    of_datasets = _tables_by_dataset(session, wanted)
    if derived:
        return _derived(session, files or [], of_datasets if wanted else {}, day, why, columns)
    if not files:
        asked = {name: _extract_asked_for(session, name, day) for name in of_datasets}
        did = _Did()
        with session.jobs() as jobs:
            for name, tables_of_dataset in of_datasets.items():
                did.extract(jobs, name, asked[name], tables_of_dataset, why="pce extract", among=of_datasets)
        return _extracted(session, did.extracts, [], did.failed)
    where = _places_of_files(session, files, of_datasets, day)
    with session.jobs() as jobs:
        done = [
            jobs.extract(
                name,
                next_extract_id(session.bronze(name), place.day),
                why="pce extract --file",
                tables=place.tables,
                files=Files(tuple(str(path) for path in place.files), date_is=place.date_is),
            )
            for name, places_of_dataset in where.items()
            for place in places_of_dataset
        ]
    return _extracted(session, done, [place for each in where.values() for place in each])


def _derived(
    session: Session,
    files: Sequence[Path],
    tables: Mapping[str, Sequence[str]],
    day: str | None,
    why: str,
    columns: Mapping[str, str],
) -> Answer:
    """Keep derived values, which never count."""
    named = [(name, table) for name, of_dataset in tables.items() for table in of_dataset]
    if len(files) != 1 or len(named) != 1:
        table = next(table for dataset in session.datasets.values() for table in dataset.tables)
        raise UsageError(
            "Derived values come as one file, of one table of BEA.",
            remedy=f"Write: pce extract --derived --file F --tables {table} --date 2018-10 --why WHERE-FROM",
        )
    if day is None or not why.strip():
        raise UsageError(
            "Derived values need their day and where they come from.",
            remedy='Add --date 2018-10-04 (or 2018-10), and --why "data set X of package Y, version Z".',
        )
    ((name, table),) = named
    of_day, date_is = _day_or_month(day)
    with session.jobs() as jobs:
        done = jobs.extract(
            name,
            next_extract_id(session.bronze(name), of_day),
            why="pce extract --derived",
            tables=[table],
            files=Files((str(files[0]),), date_is=date_is, derived=why.strip(), columns=columns),
        )
    return _extracted(session, [done], [])


def _tables_by_dataset(session: Session, wanted: Sequence[str]) -> dict[str, list[str]]:
    """The tables asked for by dataset, and only datasets that have any; all of theirs where none is asked for.

    Raises `UsageError` for a table that no dataset has.
    """
    datasets = session.datasets
    known = [table for dataset in datasets.values() for table in dataset.tables]
    if unknown := [table for table in wanted if table not in known]:
        raise UsageError(f"There is no table {', '.join(unknown)}.", remedy=f"Use some of {', '.join(known)}.")
    chosen = {name: [table for table in dataset.tables if table in wanted] for name, dataset in datasets.items()}
    return {name: tables for name, tables in chosen.items() if tables or not wanted}


def _places_of_files(
    session: Session, files: Sequence[Path], of_datasets: Mapping[str, Sequence[str]], day: str | None
) -> dict[str, list[Place]]:
    """Where the files go, by dataset: to the days they are of, or to the day asked for where that can be.

    A file may hold tables of several datasets, each of which gets an extract.
    """
    asked: date | None = None
    date_is: Literal["day", "month"] = "day"
    if day:
        asked, date_is = _day_or_month(day)
    feed, held = FileFeed(files, session.datasets.values()), session.held()
    chosen = {name: session.registry.datasets[name].chosen_tables(tables) for name, tables in of_datasets.items()}
    feed.own_days([table for tables in chosen.values() for table in tables])  # raises for a file that holds none
    holding = {name: feed.holding(tables) for name, tables in chosen.items()}
    found = {name: places(own, tables, asked, held[name], date_is) for name, (own, tables) in holding.items() if tables}
    placed = {table for each in found.values() for place in each for table in place.tables}
    missing = [table for tables in of_datasets.values() for table in tables if table not in placed]
    if missing:
        raise UsageError(f"The files hold no {', '.join(missing)}.", remedy=f"They hold {', '.join(sorted(placed))}.")
    return found


def _extracted(
    session: Session, done: "Sequence[ExtractRun]", where: Sequence[Place], failed: Mapping[str, str] = _NOTHING_FAILED
) -> Answer:
    """What taking extracts came to: the newest one, and all of them."""
    held = session.held()
    documents = [{**vars(each), "rows": each.rows} for each in done]
    shown_of_each: list[RenderableType] = []
    for each in done:
        shown_of_each += [
            Text.assemble((summary.headline_of(each), "bold"), f": {summary.details_of(each)}"),
            summary.tables_shown(each),
            *summary.verdicts_shown(session, each, held[each.dataset]),
            *summary.quarantine_shown(session, each),
            *summary.checks_shown([each.checks]),
        ]
    moved = [
        Text(
            f"Put at {place.day}, not at {place.asked}: BEA last updated {', '.join(place.tables)} of these files on "
            f"{place.day}, and published something newer before {place.asked}."
        )
        for place in where
        if place.asked is not None
    ]
    has_news = any(
        each.outcome == "new"
        and each.extract
        in {str(one) for source in held[each.dataset].unpinned.values() for one in source.newest.extracts}
        for each in done
    )
    return Answer(
        {
            **(documents[-1] if documents else {"outcome": "failed"}),
            "extracts": documents,
            "missing": summary.missing_of(done, held),
            "failed": failed,
        },
        [
            *shown_of_each,
            *moved,
            *summary.stack_shown(session, {place for each in done for place in each.stack_lacks}),
            *summary.failed_shown(failed),
            *([shown.next_step(session.command("refresh"))] if has_news else []),
        ],
        exit_code=FAILED if failed or any(each.refused for each in done) else 0,
    )


def _newest(now: Current) -> set[str]:
    """The extracts that BEA's newest figures come from, whatever is pinned."""
    return {str(extract) for source in now.unpinned.values() for extract in source.newest.extracts}


def choose_world_of_files(session: Session) -> None:
    """Files hold BEA's data, so they never go into the sample's world."""
    if session.settings.chosen_source == "sample":
        raise UsageError(
            "Files hold BEA's data, and the source chosen is the sample: these never meet.",
            remedy="Add --source bulk, which means the world of BEA's data.",
        )
    if session.settings.is_sample:
        session.move_to("bulk")


def _next_of_today(session: Session, dataset: str) -> ExtractId:
    return next_extract_id(session.bronze(dataset), datetime.now(UTC).date())


def _date(text: str) -> ExtractId:
    try:
        return ExtractId.parse(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a date.", remedy="Write it as 2026-02-23.") from None


def _day_or_month(text: str) -> tuple[date, Literal["day", "month"]]:
    """A day, or the last one of a month that has ended: what BEA will publish until then is not known."""
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        return _date(text).day, "day"
    last, today = last_day(first), datetime.now(UTC).date()
    if last >= today:
        raise UsageError(f"{text} has not ended.", remedy=f"Give the day, which is at most --date {today}.")
    return last, "month"


def _extract_asked_for(session: Session, dataset: str, text: str | None) -> ExtractId:
    """The extract of that name if it is to be verified, else the next free one of today."""
    bronze = session.bronze(dataset)
    if text is None:
        return _next_of_today(session, dataset)
    today = datetime.now(UTC).date()
    asked, held = _date(text), bronze.extracts()
    if asked in held:
        return asked
    if asked.number > 1 or asked.day != today:
        raise UsageError(
            f"There is no extract {asked}, and its source says only what it publishes today ({today}).",
            remedy=f"There is {', '.join(map(str, held)) or 'none yet'}; --file takes what was published earlier.",
        )
    return next_extract_id(bronze, asked.day)


def refresh(
    session: Session,
    years: Annotated[
        str | None, typer.Option(help="See that these years are as they should be: 2023, 2015...2018 or 2015...")
    ] = None,
    *,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Read, compute, check and load again what stands, too; without --years all years."
        ),
    ] = False,
) -> Answer:
    """Bring years from Bronze to Silver, Gold and Postgres; without --years those that are stale. What stands stays."""
    started = time.perf_counter()
    decision = decide(session, ask_bea=False)
    covered = decision.covered
    if not covered and not decision.stale:
        raise NothingExtracted(session.command("run"))
    if years is None and not force:
        step = decision.step
        if step.action == "nothing":
            opened = opening.bring_in_line(session, decision, run_id="pce refresh")
            return Answer(
                {"outcome": "nothing stale", "warnings": step.warnings, **opening.document_of(opened)},
                [
                    Text(f"Nothing is stale: {decision.why_nothing}"),
                    *opening.in_line_shown(opened),
                    *shown.warnings_shown(step.warnings),
                ],
            )
        asked = range(step.first_year or 0, (step.last_year or 0) + 1)
    else:
        newest = max([*covered, *decision.stale])
        first, last = parse_years(years, newest=newest) if years else (min([*covered, *decision.stale]), newest)
        if last > datetime.now(UTC).year:
            raise UsageError(f"{last} is in the future.", remedy=f"The newest year published is {newest}.")
        asked = range(first, last + 1)
    # beside the years that extracts cover: those that none covers any more, which are withdrawn
    inside = [year for year in asked if year in covered or year in decision.stale]
    beyond = [year for year in asked if year not in inside]
    notes = [Text(f"Not published yet: {years_text(beyond)}")] if beyond else []
    if not inside:
        return Answer({"outcome": "not published yet", "not_published": beyond}, notes)
    why: Mapping[str, str] | str = decision.step.reasons
    if years is not None or force:
        why = " ".join(["pce refresh", *([f"--years {years}"] if years else []), *(["--force"] if force else [])])
        if not force and (stands := _all_stands(session, decision, inside)) is not None:
            opened = opening.bring_in_line(session, decision, run_id="pce refresh")
            document = {**stands.document, **opening.document_of(opened)}
            return replace(stands, document=document, shown=[*stands.shown, *opening.in_line_shown(opened), *notes])
    with session.jobs() as jobs:
        done = jobs.refresh(inside[0], inside[-1], why=why, datasets=session.chosen, force=force)
    pruned = prune_versions(session) if done.wrote else 0
    held, took = summary.rows_held(session), time.perf_counter() - started
    return Answer(
        {
            "outcome": "refreshed",
            **vars(done),
            "not_published": beyond,
            "rows": held,
            "versions_pruned": pruned,
            "seconds": round(took, 3),
        },
        [
            Text.assemble((f"Refreshed {shown.span(inside[0], inside[-1])} ", "bold"), f"in {shown.seconds(took)}"),
            *notes,
            summary.stages_shown(held, [], [done]),
            *summary.checks_shown([done.checks]),
            *summary.failed_shown(done.put_off),
            *summary.stack_shown(session, done.stack_lacks),
        ],
        exit_code=FAILED if done.put_off or done.stack_lacks else 0,
    )


def _all_stands(session: Session, decision: Decision, years: Sequence[int]) -> Answer | None:
    """The answer to a refresh of years that has nothing to do; None where something does not stand."""
    database = session.postgres if session.has_database else None
    if database is None and session.settings.load_postgres:
        return None
    if what_does_not_stand(decision.situation, session.lake, database, session.settings, years) is not None:
        return None
    also = ", and Postgres holds the rows that were loaded" if database else ""
    return Answer(
        {"outcome": "all stands", "standing": list(years)},
        [
            Text.assemble(
                (f"{shown.span(years[0], years[-1])} {'stand' if len(years) > 1 else 'stands'}. ", "bold green"),
                f"Inputs, code versions and files are those of their publication{also}.",
            ),
            Text(f"Make them again in any case: {session.command('refresh')} --years … --force", "dim"),
        ],
    )


def run(
    session: Session,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Compare every table with BEA and refresh every year in any case.")
    ] = False,
) -> Answer:
    """Check, extract and refresh what is new, and show what there is."""
    return heartbeat.told(session, lambda: _bring(session, force=force))


def _bring(session: Session, *, force: bool) -> Answer:
    """Do what comes next until nothing does."""
    started = time.perf_counter()
    did = _Did()
    with session.watched():
        decision = decide(session)
    warnings = decision.step.warnings
    if force or decision.step.action != "nothing":
        with session.jobs() as jobs:
            if force:
                for name in session.datasets:
                    did.extract(jobs, name, _next_of_today(session, name), why=_FORCED, among=session.datasets)
                if covered := decide(session, ask_bea=False, ask_postgres=False).covered:
                    did.refresh(jobs, covered[0], covered[-1], why=_FORCED, datasets=session.chosen, force=True)
            decision = _until_nothing_is_new(session, jobs, did)
    extracts, refreshes = did.extracts, did.refreshes
    wrote = any(each.wrote for each in refreshes)
    refused = {table: why for each in extracts for table, why in each.refused.items()}
    is_new = wrote or any(each.outcome == "new" for each in extracts)
    opened = None
    if not is_new and not did.failed:
        opened = _record_that_nothing_was_new(session, decision, force=force)
    pruned = prune_versions(session) if wrote else 0
    took = time.perf_counter() - started
    held, states = summary.rows_held(session), summary.growth(session)
    return Answer(
        {
            "outcome": "new data" if is_new else "failed" if did.failed else "nothing new",
            "why": None if is_new or did.failed else decision.why_nothing,
            "refused": refused,
            "failed": did.failed,
            "stack_lacks": sorted(did.stack_lacks),
            "extracts": [{**vars(each), "rows": each.rows} for each in extracts],
            "refreshes": [vars(each) for each in refreshes],
            "rows": held,
            "fastest_growth": states,
            **summary.places(session),
            "versions_pruned": pruned,
            "warnings": warnings,
            **opening.document_of(opened),
            **documents_of_pins(decision.pins),
            "seconds": round(took, 3),
        },
        [
            _headline(decision, did, is_new=is_new, took=took),
            *opening.in_line_shown(opened),
            *summary.failed_shown(did.failed),
            *pins_shown(decision.pins),
            *shown.warnings_shown(warnings),
            summary.stages_shown(held, extracts, refreshes),
            *summary.lake_only_shown(session, decision.state),
            *summary.checks_shown([*(each.checks for each in extracts), *(each.checks for each in refreshes)]),
            *summary.refused_shown(session, extracts),
            *summary.stack_shown(session, did.stack_lacks),
            *summary.growth_shown(states),
            *summary.places_shown(session),
        ],
        exit_code=FAILED if refused or did.failed or did.stack_lacks else 0,
    )


@dataclass
class _Did:
    """What a command did so far."""

    extracts: "list[ExtractRun]" = field(default_factory=list)
    """The extracts taken."""
    refreshes: "list[RefreshRun]" = field(default_factory=list)
    """The refreshes made."""
    failed: dict[str, str] = field(default_factory=dict)
    """The datasets that failed, each with the reason, while the others went on."""

    def extract(
        self,
        jobs: "Jobs",
        dataset: str,
        extract: ExtractId,
        tables: Sequence[str] = (),
        *,
        why: Mapping[str, str] | str,
        among: Collection[str],
    ) -> None:
        """Take an extract; where it fails, the other datasets go on."""
        try:
            self.extracts.append(jobs.extract(dataset, extract, why=why, tables=tables))
        except PceError as problem:
            if len(among) == 1:
                raise
            self.failed[dataset] = str(problem)

    def refresh(
        self,
        jobs: "Jobs",
        first: int,
        last: int,
        *,
        why: Mapping[str, str] | str,
        datasets: Collection[str] | None,
        force: bool = False,
    ) -> None:
        """Refresh years, with `force` also those that stand; a dataset that fails is told."""
        self.refreshes.append(jobs.refresh(first, last, why=why, datasets=datasets, force=force))
        self.failed |= self.refreshes[-1].put_off

    @property
    def stack_lacks(self) -> set[str]:
        """Places of the lake that the environment's stack lets nothing be written below."""
        of_extracts = {place for each in self.extracts for place in each.stack_lacks}
        return of_extracts | {place for each in self.refreshes for place in each.stack_lacks}

    def left_out(self, session: Session) -> set[str]:
        """The tables that are not asked for again: those of an answer that does not count, and of what failed."""
        refused = {table for each in self.extracts for table in each.refused}
        return refused | {table for name in self.failed for table in session.registry.datasets[name].tables}


def _until_nothing_is_new(session: Session, jobs: "Jobs", did: _Did) -> Decision:
    """Do what comes next until nothing does, adding what was done; the last decision.

    A table of BEA's answer that does not count is not asked for again here, nor is a dataset that failed; the others
    go on. Raises `NoRest` where the same would come next again.
    """
    done: list[tuple[str, Mapping[str, str]]] = []
    decision = decide(session, leave_out=did.left_out(session))  # again, because another pce may have moved first
    while decision.step.action != "nothing":
        step = decision.step
        if (step.action, step.reasons) in done:
            raise NoRest(step)
        done.append((step.action, step.reasons))
        if step.action == "extract":
            for name, tables in step.tables.items():
                reasons = {table: step.reasons[table] for table in tables if table in step.reasons}
                did.extract(jobs, name, _next_of_today(session, name), tables, why=reasons, among=session.datasets)
        else:
            first, last = step.first_year or 0, step.last_year or 0
            did.refresh(jobs, first, last, why=step.reasons, datasets=session.chosen)
        decision = decide(session, leave_out=did.left_out(session))
        if did.refreshes and (did.refreshes[-1].put_off or did.refreshes[-1].stack_lacks):
            break  # all but what failed, or what the stack does not let in, is done
    jobs.tell_releases(decision.situation)
    return decision


def _record_that_nothing_was_new(session: Session, decision: Decision, *, force: bool) -> Opened | None:
    """Leave the run's own record, in the lake and in Postgres where that is loaded, and its report.

    Iceberg tables that are behind are brought in line first; None where none is.
    """
    run_id = str(uuid.uuid4())
    with session.journal.step(
        run_id,
        "check",
        datasets=list(session.datasets),
        partitions=[],
        job="pce run",
        requested={"force": force},
    ) as step:
        opened = opening.bring_in_line(session, decision, run_id=run_id)
        step.outputs(outcome="nothing new", why=decision.why_nothing, **opening.document_of(opened))
        if not session.settings.load_postgres:
            return opened
        session.postgres.migrate()
        with session.postgres.connect() as connection:
            layout = session.lake.layout
            record_run(connection, run_row(step.run), world=layout.world, env=layout.env, status="succeeded")
            situation = decision.situation
            record_watermarks(
                connection.cursor(),
                [mark for now in situation.held.values() for mark in watermarks_of(now).values()],
                window=situation.full_comparison,
                run_id=step.run.run_id,
            )
            connection.commit()
    session.reports.end(run_id)
    return opened


def _headline(
    decision: Decision,
    did: _Did,
    *,
    is_new: bool,
    took: float,
) -> Text:
    refused = sorted({table for each in did.extracts for table in each.refused})
    if refused and not did.refreshes:
        kept = f"{', '.join(refused)} of the answer {'does' if len(refused) == 1 else 'do'} not count. "
        return Text.assemble((kept, "bold red"), f"What was published before stands ({shown.seconds(took)})")
    if did.failed and not is_new:
        return Text.assemble(("Not all was done", "bold red"), f" ({shown.seconds(took)}).")
    if not is_new:
        return Text.assemble(("Nothing is new. ", "bold green"), decision.why_nothing, f" ({shown.seconds(took)})")
    of = {each.dataset: f"{each.dataset}: " if len(did.extracts) > 1 else "" for each in did.extracts}
    words = [f"{of[each.dataset]}{summary.outcome_of(each)}" for each in did.extracts]
    words += [f"{shown.span(each.first, each.last)} refreshed" for each in did.refreshes]
    style = "bold red" if did.failed else "bold green"
    return Text.assemble(("Done: ", style), ", ".join(words), f", in {shown.seconds(took)}")
