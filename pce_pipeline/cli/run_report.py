"""The report of one run, for the person who asks: the newest one, or one by its id, in the terminal or in a browser.

And which runs there are: a call of `pce` may be several runs. The last that did something is shown, and all are named.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from rich.text import Text

from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.page import opened, write_page
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.markup import for_markdown, markdown_table
from pce_pipeline.observability.records import RunRecord
from pce_pipeline.reports.publishing import Shown
from pce_pipeline.reports.steps import did_something, outcome_of, status_of
from pce_pipeline.reports.store import PAGE

_ONE_CALL = timedelta(minutes=2)  # from the end of one run to the beginning of the next of the same call


def report_of_run(session: Session, run_id: str | None, *, is_opened: bool) -> Answer:
    """The report of a run, or of the newest one, with the other runs of its call; raises `ReportMissing`."""
    call = newest_call(session) if run_id is None else []
    if run_id is None and not call:
        said_so = Text.assemble("Nothing has run yet. Begin with: ", (session.command("run"), "bold"))
        return Answer({"runs": [], "run": None, "failure": None}, [said_so], exit_code=FAILED)
    chosen = run_id or told_of(call).run_id
    found = session.reports.shown(chosen)
    document = _document(session, chosen, found, call)
    if is_opened:
        return opened(document, _page(session, chosen, found))
    before = "\n".join([*_of_call(call, chosen), *_of_the_last_to_do_anything(session, found)])
    return Answer(document, as_is=f"{before}{found.text}", of_world=False)


def _document(session: Session, run_id: str, found: Shown, call: list[RunRecord]) -> dict[str, Any]:
    failure = next(iter(found.head.failures), None)
    address = session.lake.uri_of(session.reports.store.key(run_id)) if found.is_stored else None
    return {
        "run": to_builtins(found.head),
        "runs": [record.run_id for record in call] or [run_id],
        "failure": failure and {"step": failure.step, "what": failure.what, "remedy": failure.what_to_do},
        "report": address,
    }


def told_of(call: list[RunRecord]) -> RunRecord:
    """The run of a call that is shown: the last that did something, else the last."""
    return next((record for record in reversed(call) if did_something(record)), call[-1])


def _of_call(call: list[RunRecord], shown: str) -> list[str]:
    """The runs of the call in a table, where they are several, and which of them the report is of."""
    if len(call) < 2:  # noqa: PLR2004 (one run needs no table)
        return []
    rows = [
        [for_markdown(cell) for cell in (record.run_id, record.job, outcome_of(record), status_of(record))]
        for record in call
    ]
    said = (
        f"The newest call made {len(call)} runs; below is the report of {shown}. `pce report --run ID` has the others."
    )
    return [said, "", markdown_table(["Run", "Job", "What came of it", "Status"], rows), "", ""]


def _of_the_last_to_do_anything(session: Session, found: Shown) -> list[str]:
    """Which run touched a layer last, where the one shown touched none."""
    touched = [run.run_id for run in session.reports.store.runs().runs if run.layers]
    if found.head.others and touched and found.head.run_id not in touched:
        return [f"The newest run that did something: `{session.command(f'report --run {touched[0]}')}`", "", ""]
    return []


def _page(session: Session, run_id: str, found: Shown) -> Path:
    """A file that a browser can read: the report where it lies, or a copy of it."""
    uri = session.lake.uri_of(session.reports.store.key(run_id, PAGE))
    return write_page(found.page) if "://" in uri or not found.is_stored else Path(uri).absolute()


def newest_call(session: Session) -> list[RunRecord]:
    """What the newest call of this world ran, oldest first: runs that followed one another at once."""
    return of_newest_call(runs_newest_first(session))


def runs_newest_first(session: Session) -> Iterator[RunRecord]:
    """The records of the runs of this world, the newest first, each read when it is asked for."""
    lake, journal = session.lake, session.journal
    folder = f"{lake.layout.runs}/{lake.layout.world}"
    touched: dict[str, datetime] = {}
    for info in lake.store.list(folder):
        run = info.key.removeprefix(f"{folder}/").partition("/")[0]
        touched[run] = max(info.last_modified, touched.get(run, info.last_modified))
    for run in sorted(touched, key=lambda each: touched[each], reverse=True):
        record = journal.read(run)
        if record is not None:
            yield record


def of_newest_call(newest_first: Iterable[RunRecord]) -> list[RunRecord]:
    """The runs of the newest call, oldest first: those that followed one another at once. Reads no more than these."""
    found: list[RunRecord] = []
    for record in newest_first:
        if found and found[0].started_at - record.updated_at > _ONE_CALL:
            break
        found = sorted([record, *found], key=lambda each: each.started_at)
    return found
