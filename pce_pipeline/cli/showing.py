"""The verbs that show what there is to read: the bulletins of releases."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.markdown import Markdown
from rich.text import Text

from pce_pipeline.bulletins.store import BulletinStore, Key
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.lake.layout import ExtractId

_LISTED = 5


def bulletin(
    session: Session,
    day: Annotated[
        str | None,
        typer.Argument(metavar="[DATE]", help="Of the extracts of this day, such as 2025-09-26; default: the newest."),
    ] = None,
) -> Answer:
    """What the newest release changed, or that of the extract of a day: its bulletin, to be read."""
    store = BulletinStore(session.lake)
    there = [key for key in store.index().entries if key[0] in session.datasets]
    if not there:
        return Answer(
            {"bulletins": []},
            [Text.assemble("There is no bulletin yet. Make it with: ", (session.command("run"), "bold"))],
            exit_code=FAILED,
        )
    chosen = _newest(there) if day is None else _of_day(there, day)
    return Answer(
        {"bulletins": [store.document(*key) for key in chosen]},
        [part for key in chosen for part in _shown(store.page(*key))],
    )


def _newest(there: Sequence[Key]) -> list[Key]:
    """The newest extract of each dataset that has one on the newest day."""
    day = max(ExtractId.parse(extract).day for _, extract in there)
    newest: dict[str, ExtractId] = {}
    for name, extract in there:
        found = ExtractId.parse(extract)
        if found.day == day:
            newest[name] = max(newest.get(name, found), found)
    return [(name, str(extract)) for name, extract in sorted(newest.items())]


def _of_day(there: Sequence[Key], text: str) -> list[Key]:
    """The extracts of a day, or the one that is named with its number; raises `UsageError` where there is none."""
    try:
        wanted = ExtractId.parse(text)
    except ValueError:
        raise UsageError(f"{text!r} is not the date of an extract.", remedy="Write it as 2025-09-26.") from None
    parsed = [(name, ExtractId.parse(extract)) for name, extract in there]
    is_named = wanted.number > 1
    found = [(name, each) for name, each in parsed if each == wanted or (not is_named and each.day == wanted.day)]
    if not found:
        newest = sorted({str(each) for _, each in sorted(parsed, key=lambda item: item[1])[-_LISTED:]}, reverse=True)
        raise UsageError(f"No extract of {text} has a bulletin.", remedy=f"The newest are of {', '.join(newest)}.")
    return [(name, str(each)) for name, each in sorted(found)]


def _shown(page: str) -> list[RenderableType]:
    return [Text(), Markdown(page)]
