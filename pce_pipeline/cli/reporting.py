"""The verbs of a workflow: which years come next, and what happened, as Markdown and as files to keep.

A workflow runs bare commands, each in a process of its own; what they did they have left in the lake as run records,
and what `pce --json` said as files in one folder. `report` reads both, asks nobody else and changes nothing, so that it
works after any failure and where only the records may be read. Called bare, it gives a person the report of a run.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from pce_pipeline.bulletins.bulletin import Bulletin
from pce_pipeline.bulletins.feed import newest_first
from pce_pipeline.bulletins.store import BULLETINS, BulletinStore
from pce_pipeline.cli import markdown
from pce_pipeline.cli.decisions import decide
from pce_pipeline.cli.markdown import Failure, Said
from pce_pipeline.cli.page import opened, page_of, write_page
from pce_pipeline.cli.pipeline import NothingExtracted
from pce_pipeline.cli.run_report import newest_call, report_of_run
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.decoding import decoded_json
from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.lake.layout import join
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.observability.records import RunRecord
from pce_pipeline.tables.years import parse_years

_CLOCKS_DIFFER = timedelta(minutes=5)  # a store's clock and ours
_FAILURE = "failure.json"
_MOST_BULLETINS = 6


def years(
    session: Session,
    asked: Annotated[str | None, typer.Option(help="These years in any case: 2023, 2015...2018 or 2015...")] = None,
) -> Answer:
    """Print the years to bring to Postgres, as a range for `dagster --partition-range`; nothing where all is fresh."""
    decision = decide(session, ask_bea=False)
    covered = decision.covered
    if asked and not covered:
        raise NothingExtracted(session.command("run"))
    first, last = (
        parse_years(asked, newest=covered[-1]) if asked else (decision.step.first_year, decision.step.last_year)
    )
    found = "" if first is None or last is None else f"{first}...{last}"
    because = decision.stale or dict(decision.step.reasons)
    return Answer({"range": found, "stale_years": because}, as_is=f"{found}\n" if found else "")


def report(
    session: Session,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where `pce --json` was kept; records and logs are put beside it. Default: none."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="When the workflow began, such as 2026-02-23T14:17:00Z. Default: the newest run."
        ),
    ] = None,
    steps: Annotated[
        str, typer.Option(help="What became of the workflow's steps: its `steps` context as JSON.")
    ] = "{}",
    title: Annotated[str, typer.Option(help="Of a workflow's summary, the heading.")] = "Ingest",
    run: Annotated[str | None, typer.Option(metavar="ID", help="The report of this run. Default: the newest.")] = None,
    *,
    is_opened: Annotated[bool, typer.Option("--open", help="Open it as a page in a browser.")] = False,
) -> Answer:
    """Say what the newest run did and how good it is: reconciliation, identities, drift, missing figures, every check.

    With --folder or --since it is the summary of a workflow instead, and the files of its runs are collected.
    """
    if folder is None and since is None:
        return report_of_run(session, run, is_opened=is_opened)
    if run is not None:
        raise UsageError(
            "--run names one run, and --folder and --since those of a workflow.", remedy="Leave out --run."
        )
    began = None if since is None else _moment(since)
    said: Said = {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        said = _said(folder)
    problem: PceError | None = None
    records: list[RunRecord] = []
    bulletins: list[Bulletin] = []
    try:
        records = newest_call(session) if began is None else _records(session, began)
        if folder is not None:
            _keep_files(session, records, folder)
        bulletins = _bulletins(session, records)
    except PceError as unreadable:
        problem = unreadable
    failure = _failure(_conclusions(steps), said, records)
    if failure is not None and folder is not None:
        (folder / _FAILURE).write_text(json.dumps(vars(failure), indent=2, ensure_ascii=False), "utf-8")
    text = without_secrets(markdown.report(title, said, records, failure, problem, bulletins))
    document = {"title": title, "runs": [record.run_id for record in records], "failure": failure and vars(failure)}
    if not is_opened:
        return Answer(document, as_is=text, of_world=False)
    return opened(document, write_page(page_of(title, text, is_sample=session.settings.is_sample)))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no moment.", remedy="Write it as 2026-02-23T14:17:00Z.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _said(folder: Path) -> Said:
    """What `pce --json` left in the folder, by the name of its step; other files are not for us."""
    documents: dict[str, Mapping[str, Any]] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            document = decoded_json(file.read_bytes(), object)
        except msgspec.DecodeError:
            continue
        if isinstance(document, dict) and file.name != _FAILURE:
            documents[file.stem] = document
    return documents


def _records(session: Session, began: datetime) -> list[RunRecord]:
    """The runs of this world that began since, oldest first."""
    lake, journal = session.lake, session.journal
    folder = f"{lake.layout.runs}/{lake.layout.world}"
    touched = {
        info.key.removeprefix(f"{folder}/").partition("/")[0]
        for info in lake.store.list(folder)
        if info.last_modified >= began - _CLOCKS_DIFFER
    }
    found = [record for run in touched if (record := journal.read(run)) is not None and record.started_at >= began]
    return sorted(found, key=lambda record: record.started_at)


def _bulletins(session: Session, records: Sequence[RunRecord]) -> list[Bulletin]:
    """The bulletins that the runs have written, newest first; older ones that were made again at once are left out."""
    steps = [step for record in records for step in record.steps if step.step == BULLETINS]
    written = {(name, extract) for step in steps for name, _, extract in map(_parted, step.outputs.get("written", ()))}
    store = BulletinStore(session.lake)
    there = store.index().entries
    return [store.read(*key) for key in newest_first(written)[:_MOST_BULLETINS] if key in there]


def _parted(name: str) -> tuple[str, str, str]:
    return name.partition("/")


def _keep_files(session: Session, records: Sequence[RunRecord], folder: Path) -> None:
    """Put each run's record and log, and the manifests of the extracts it used, into the folder."""
    lake = session.lake
    keys = {
        f"{lake.run_folder(record.run_id)}/{name}": f"runs/{record.job}-{record.run_id[:8]}/{name}"
        for record in records
        for name in ("record.json", "log.jsonl")
    }
    keys |= {
        join(lake.layout.dataset("bronze", name), extract, "manifest.json"): _manifest_file(session, name, extract)
        for record in records
        for extract in record.extracts
        for name in session.registry.datasets
    }
    for key, body in lake.store.get_many(keys, missing_ok=True).items():
        file = folder / keys[key]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


def _manifest_file(session: Session, dataset: str, extract: str) -> str:
    """`manifests/2026-02-23.json`, with the dataset where there are several."""
    return f"manifests/{f'{dataset}-' if len(session.registry.datasets) > 1 else ''}{extract}.json"


def _conclusions(steps: str) -> dict[str, str]:
    """What became of each step, by id, in the workflow's order."""
    try:
        given = decoded_json(steps, dict[str, Any])
        return {name: str(step["conclusion"]) for name, step in given.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError("--steps is no `steps` context.", remedy="Give it toJSON(steps).") from None


def _failure(conclusions: Mapping[str, str], said: Said, records: Sequence[RunRecord]) -> Failure | None:
    """The first step that did not end well, with the best word there is on why."""
    bad = (name for name, conclusion in conclusions.items() if conclusion in {"failure", "cancelled"})
    step = next(bad, None)
    if step is None:
        return None
    error = said.get(step, {}).get("error")
    what = str(error["message"]) if isinstance(error, dict) else next(_errors(records), "")
    remedy = str(error.get("remedy", "")) if isinstance(error, dict) else ""
    return Failure(step, without_secrets(what), without_secrets(remedy) or markdown.remedy_of(step))


def _errors(records: Sequence[RunRecord]) -> Iterator[str]:
    """What stopped the runs, newest first."""
    return (
        f"{record.job} {step.step}: {step.error}" for record in reversed(records) for step in record.steps if step.error
    )
