"""The verbs of the page of the data: open it on this machine, build it into a folder, publish it."""

import tempfile
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.cli import shown
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.explorer.checks import CHECKS, MOST_RUNS, last_words
from pce_pipeline.explorer.store import ExplorerSet, ExplorerStore
from pce_pipeline.lake.layout import join
from pce_pipeline.look.errors import NoSetYet, SetBehind
from pce_pipeline.look.publishing import Published, place_at, publish

_PORT = 8090
_RUNS = "runs.json"


def look_open(
    session: Session,
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 takes a free one.")] = _PORT,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
) -> None:
    """Open the page of the data on this machine until Ctrl-C: maps, lines, tables, revisions, quality."""
    from pce_pipeline.hooks.serve import serve  # noqa: PLC0415 (a server that other verbs do not need)
    from pce_pipeline.look.serving import HOST, ServedFolder, create_app, listen  # noqa: PLC0415

    found, behind = _current(session), _behind(session)
    store = ExplorerStore(session.lake)
    with tempfile.TemporaryDirectory(prefix="pce-look-", ignore_cleanup_errors=True) as folder:
        listening = listen(port)
        served = ServedFolder(Path(folder), store.current, lambda: _beside(session))
        with session.watched():
            served.refresh()
        url = f"http://{HOST}:{listening.getsockname()[1]}/"
        session.print(
            Answer(
                {"url": url, "world": session.settings.world, "version": found.version, "behind": list(behind)},
                _said_open(session, url, behind),
            )
        )
        if opened and not session.as_json:
            webbrowser.open(url)
        with suppress(KeyboardInterrupt):
            serve(create_app(served), listening)


def look_build(
    session: Session,
    to: Annotated[str | None, typer.Option(metavar="DIR", help="The folder; made where there is none.")] = None,
) -> Answer:
    """Write the page and its data into a folder that any static web server can serve."""
    if to is None:
        raise UsageError("It is not said where to.", remedy="Name a folder: pce look build --to site")
    if "://" in to:
        raise UsageError(f"{to} is not a folder.", remedy=f"Publish to it: pce look publish --to {to}")
    return _copied(session, to, "Built")


def look_publish(
    session: Session,
    to: Annotated[str | None, typer.Option(metavar="URI", help="A folder, or s3://bucket/prefix.")] = None,
) -> Answer:
    """Copy the page with the current version of its data to a folder or a bucket; the lake itself stays private."""
    if to is None:
        raise UsageError("It is not said where to.", remedy="Name a folder or a bucket: pce look publish --to s3://…")
    return _copied(session, to, "Published")


def _copied(session: Session, to: str, done: str) -> Answer:
    place = place_at(to, endpoint_url=session.settings.aws_endpoint_url)
    found = _current(session)
    if behind := _behind(session):
        raise SetBehind(behind, session.command("run"))
    with session.watched():
        published = publish(found, place, beside=_beside(session))
    return Answer({**vars(published)}, _said_copied(published, done))


def _current(session: Session) -> ExplorerSet:
    found = ExplorerStore(session.lake).current()
    if found is None:
        raise NoSetYet(session.lake.uri, session.command("run"))
    return found


def _behind(session: Session) -> tuple[str, ...]:
    """The files of the set that would say something else now."""
    return session.state().stale_explorer


def _beside(session: Session) -> Mapping[str, bytes]:
    """The files of the page that follow what happens and not the figures: words of checks, and the newest runs."""
    words = msgspec.json.encode(last_words(session.journal.newest(MOST_RUNS)))
    key = join(session.lake.layout.reports, _RUNS)
    body = session.lake.store.get_many([key], missing_ok=True).get(key)
    return {CHECKS: words} if body is None else {CHECKS: words, _RUNS: body}


def _said_open(session: Session, url: str, behind: tuple[str, ...]) -> list[RenderableType]:
    lines: list[RenderableType] = [Text.assemble(("The page ", "bold"), f"is open at {url} until Ctrl-C.")]
    if behind:
        lines += [
            Text(f"It is behind the lake: {len(behind)} of its files would say something else now.", style="yellow"),
            shown.next_step(session.command("run")),
        ]
    return lines


def _said_copied(published: Published, done: str) -> list[RenderableType]:
    return [
        Text.assemble((f"{done} ", "bold"), f"version {published.version} at {published.place}"),
        Text(
            f"{shown.number(published.files)} files, {shown.number(published.bytes)} bytes; "
            f"{shown.number(published.written)} written, {shown.number(published.removed)} of earlier versions removed."
        ),
    ]
