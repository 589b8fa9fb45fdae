"""The verbs of the second copy of Bronze: copy to it, restore from it; and how a comparison with it is shown."""

import shlex
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.bronze.copy_place import CopyStore, place_of_copy, shares_bucket
from pce_pipeline.bronze.copying import (
    Comparison,
    Copied,
    Difference,
    Restored,
    compare_bronze,
    copy_bronze,
    restore_bronze,
)
from pce_pipeline.cli import shown
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.session import Answer, Session

URI = "A directory, or s3://bucket/prefix."

_SHOWN = 20
_RESTORE_DAMAGED = "python infra/restore_object.py"


def copy(session: Session, uri: Annotated[str, typer.Argument(metavar="URI", help=URI)]) -> Answer:
    """Bring to a second copy what it lacks of Bronze, each object verified by its hash; nothing is deleted there."""
    place = place_for(session, uri)
    with session.watched():
        done = copy_bronze(session.lake.store, place, session.lake.layout)
    lost = [each for each in done.found.differences if each.problem in {"not in the lake", "damaged in both"}]
    refused = [each for each in done.refused if each not in lost]
    said = _said_copied(done)
    if shares_bucket(session.lake.store, place):
        said.append(Text("It lies in the lake's own bucket, and is gone with it.", "yellow"))
    if refused:
        said += [Text("Not copied, because the lake's own is damaged", "bold red"), differences_shown(refused)]
    if lost:
        said += [Text("The lake has lost what the copy may still have", "bold red"), differences_shown(lost)]
    if lost or refused:
        said.append(shown.next_step(session.world_command(f"verify --copy {shlex.quote(done.found.place)}")))
    document = {**_of(done.found), "written": done.written, "bytes": done.bytes, "refused": refused, "lost": lost}
    return Answer(document, said, exit_code=FAILED if lost or refused else 0)


def restore(session: Session, uri: Annotated[str, typer.Argument(metavar="URI", help=URI)]) -> Answer:
    """Bring back from a second copy what Bronze lacks or holds damaged, if its hash is the one that is named."""
    place = place_for(session, uri)
    with session.watched():
        done = restore_bronze(session.lake.store, place, session.lake.layout)
    document = {
        **_of(done.found),
        "added": done.added,
        "mended": done.mended,
        "refused": done.refused,
        "denied": done.denied,
    }
    return Answer(document, _said_restored(session, done), exit_code=FAILED if done.refused or done.denied else 0)


def place_for(session: Session, uri: str) -> CopyStore:
    """The place of a second copy of this lake's Bronze. Raises `CopyPlaceRefused`."""
    return place_of_copy(uri, session.lake.store, endpoint_url=session.settings.aws_endpoint_url)


def compared(session: Session, place: CopyStore) -> Comparison:
    """Lake and copy, every byte of both."""
    with session.watched():
        return compare_bronze(session.lake.store, place, session.lake.layout)


def amiss(found: Comparison) -> list[Difference]:
    """What a comparison found that somebody must look at: an older pin or an older last comparison is no loss."""
    return [each for each in found.differences if each.problem != "outdated in the copy"]


def comparison_shown(session: Session, found: Comparison) -> list[RenderableType]:
    """What a comparison found, and what to do about it."""
    wrong = amiss(found)
    if not wrong:
        return [
            Text.assemble(
                ("The copy agrees: ", "bold green"), shown.counted(found.objects, "object"), f" at {found.place}"
            )
        ]
    problems = {each.problem for each in wrong}
    todo = []
    if problems & {"not in the lake", "damaged in the lake"}:
        todo.append(shown.next_step(session.world_command(f"bronze restore {shlex.quote(found.place)}")))
    if problems == {"not in the copy"}:
        todo.append(shown.next_step(session.world_command(f"bronze copy {shlex.quote(found.place)}")))
    return [
        Text.assemble((f"{shown.counted(len(wrong), 'object')} not as in the copy ", "bold red"), f"at {found.place}"),
        differences_shown(wrong),
        *todo,
    ]


def differences_shown(differences: Iterable[Difference]) -> RenderableType:
    """The first of them, as a table."""
    every = [*differences]
    rows = [(each.problem, Text(each.key, overflow="fold")) for each in every[:_SHOWN]]
    more = [("", f"and {len(every) - _SHOWN} more")] if len(every) > _SHOWN else []
    return shown.table(["Problem", "Object"], [*rows, *more])


def document_of(found: Comparison) -> dict[str, Any]:
    """A comparison for machines."""
    return {**_of(found), "differences": [*found.differences]}


def _of(found: Comparison) -> dict[str, Any]:
    return {
        "place": found.place,
        "objects": found.objects,
        "unnamed": [*found.unnamed],
        "written_again": found.state,
        "downloads_left": found.downloads,
    }


def _said_copied(done: Copied) -> list[RenderableType]:
    stood = shown.counted(done.found.objects - done.written, "object")
    if not done.written:
        said: list[RenderableType] = [Text.assemble(("Nothing new: ", "bold green"), f"{stood} at {done.found.place}")]
    else:
        new = f"{shown.counted(done.written, 'object')}, {shown.number(done.bytes)} bytes, to {done.found.place}"
        said = [Text.assemble(("Copied ", "bold"), f"{new}; {stood} stood there.")]
    if done.found.unnamed:
        what = shown.counted(len(done.found.unnamed), "object")
        said.append(Text(f"{what} left out that no manifest names: being written, or strangers."))
    if done.found.downloads:
        what = shown.counted(done.found.downloads, "unfinished download")
        said.append(Text(f"{what} of an earlier version left out."))
    return said


def _said_restored(session: Session, done: Restored) -> list[RenderableType]:
    said: list[RenderableType] = []
    for what, keys in (("restored that the lake lacked", done.added), ("mended in the lake", done.mended)):
        if keys:
            said.append(Text.assemble((f"{shown.counted(len(keys), 'object')} ", "bold"), what))
    if done.refused:
        said += [Text("Not restored, because the copy's own is damaged", "bold red"), differences_shown(done.refused)]
    if done.denied:
        said += [Text("The lake lets nobody write over these", "bold red"), _keys_shown(done.denied)]
        said.append(shown.next_step(_RESTORE_DAMAGED))
    elif done.added or done.mended:
        said.append(shown.next_step(session.world_command("refresh")))
    return said or [
        Text.assemble(("Nothing to restore: ", "bold green"), "the lake has all that the copy has, intact.")
    ]


def _keys_shown(keys: Sequence[str]) -> RenderableType:
    more = [(f"and {len(keys) - _SHOWN} more",)] if len(keys) > _SHOWN else []
    return shown.table(["Object"], [*((Text(key, overflow="fold"),) for key in keys[:_SHOWN]), *more])
