"""The verbs around BEA's own archive of earlier releases: what it has, and bringing that into extracts.

The archive's pages were never seen by who wrote this, so the verbs say all that they met: what they took, what they
left, and why.
"""

import asyncio
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from pce_pipeline.bea.archive_walk import ArchiveWalk, Pace
from pce_pipeline.bea.archived_releases import Release
from pce_pipeline.bronze.archive_pull import Downloads, download
from pce_pipeline.bronze.archived_releases import ArchiveStore, release_segment
from pce_pipeline.cli import shown
from pce_pipeline.cli.archive_import import ArchiveImport, Told
from pce_pipeline.cli.archived_files import Kinds, kinds_of, of_archive, of_folder
from pce_pipeline.cli.output import FAILED
from pce_pipeline.cli.pipeline import choose_world_of_files
from pce_pipeline.cli.session import Answer, Session
from pce_pipeline.errors import UsageError
from pce_pipeline.observability import progress

_Since = Annotated[
    str | None, typer.Option(metavar="YYYY-MM", help="Only releases from this month on; default: all of them.")
]
_From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Read the zips and CSV files of this folder instead of BEA's archive.",
    ),
]
_SHOWN = 5


def list_releases(session: Session, since: _Since = None, folder: _From = None) -> Answer:
    """What BEA's archive of releases has, by its index, and what is held of it; or what a folder has."""
    first = _month(since)
    if folder is not None:
        return _folder_listed(session, folder, first)
    with session.watched():
        progress.stage("reading the index of BEA's archive")
        index = asyncio.run(_index(session, first))
    kinds = kinds_of(session.datasets)
    held = Counter(file.release for file in ArchiveStore.of(session.lake).files())
    known, unknown = _by_kind(index.releases, kinds)
    documents = [_release_document(each, kinds, held) for each in known]
    return Answer(
        {"address": index.root, "releases": documents, **_left_documents(unknown, index.elsewhere)},
        [
            shown.table(
                ["Release", "Month", "Kind", "May hold", ">Files held"],
                [
                    (each["release"], each["month"], each["kind"], ", ".join(each["datasets"]), str(each["files_held"]))
                    for each in documents
                ],
            ),
            *_left_shown(unknown, index.elsewhere),
            *([shown.next_step(session.command("archive pull"))] if documents else []),
        ],
    )


def pull(session: Session, since: _Since = None, folder: _From = None) -> Answer:
    """Bring releases of BEA's archive into extracts, each at its day; what is held is not asked for again."""
    first = _month(since)
    if folder is not None:
        choose_world_of_files(session)
    store = ArchiveStore.of(session.lake)
    if folder is not None:
        candidates, left = of_folder(folder, session.datasets, first)
        told = ArchiveImport(session, store, first).run(candidates)
        return _pulled(
            session, {"folder": str(folder), "left": left}, told, Downloads(), _reasons_shown("Not read", left)
        )
    kinds = kinds_of(session.datasets)
    with session.watched():
        progress.stage("asking BEA's archive")
        index, did = asyncio.run(_download(session, store, kinds, first))
    told = ArchiveImport(session, store, first).run(of_archive(store.files(), store, kinds, first))
    known, unknown = _by_kind(index.releases, kinds)
    return _pulled(
        session,
        {"address": index.root, "releases": len(known), **_left_documents(unknown, [*did.elsewhere, *index.elsewhere])},
        told,
        did,
        _left_shown(unknown, [*did.elsewhere, *index.elsewhere]),
    )


@dataclass(frozen=True)
class _Index:
    """What the pages of the archive link to."""

    root: str
    releases: Sequence[Release]
    elsewhere: Sequence[str]


async def _index(session: Session, since: date | None) -> _Index:
    async with session.bea.client() as client:
        return await _read_index(ArchiveWalk(client, Pace(session.bea.pause)), since)


async def _read_index(walk: ArchiveWalk, since: date | None) -> _Index:
    found = await walk.index()
    wanted = [each for each in found if since is None or each.said is None or each.said.month >= since]
    return _Index(walk.root, wanted, list(walk.elsewhere))


async def _download(
    session: Session, store: ArchiveStore, kinds: Kinds, since: date | None
) -> tuple[_Index, Downloads]:
    async with session.bea.client() as client:
        walk = ArchiveWalk(client, Pace(session.bea.pause))
        index = await _read_index(walk, since)
        known, _ = _by_kind(index.releases, kinds)
        return index, await download(walk, store, known)


def _by_kind(releases: Iterable[Release], kinds: Kinds) -> tuple[list[Release], list[Release]]:
    """The releases whose kind some dataset has, and the others."""
    known: list[Release] = []
    unknown: list[Release] = []
    for each in releases:
        (known if each.said is not None and each.said.kind in kinds else unknown).append(each)
    return known, unknown


def _month(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(f"{text}-01")  # strptime would take 2018-1 as well
    except ValueError:
        raise UsageError(f"{text!r} is not a month.", remedy="Write it as 2019-10.") from None


def _release_document(release: Release, kinds: Kinds, held: Mapping[str, int]) -> dict[str, Any]:
    assert release.said is not None  # noqa: S101 (only releases of a known kind come here)
    return {
        "release": release.name,
        "month": f"{release.said.month:%Y-%m}",
        "kind": release.said.kind,
        "datasets": list(kinds[release.said.kind]),
        "files_held": held.get(release_segment(release.name), 0),
    }


def _folder_listed(session: Session, folder: Path, since: date | None) -> Answer:
    candidates, left = of_folder(folder, session.datasets, since)
    documents = [
        {
            "file": each.name,
            "month": f"{each.said.month:%Y-%m}" if each.said is not None else None,
            "kind": each.said.kind if each.said is not None else None,
            "datasets": list(each.datasets),
        }
        for each in candidates
    ]
    return Answer(
        {"folder": str(folder), "files": documents, "left": left},
        [
            shown.table(
                ["File", "Month", "Kind", "May hold"],
                [
                    (
                        each.name,
                        str(document["month"] or "in the file"),
                        str(document["kind"] or ""),
                        ", ".join(each.datasets),
                    )
                    for each, document in zip(candidates, documents, strict=True)
                ],
            ),
            *_reasons_shown("Not read", left),
            *(
                [shown.next_step(f"{session.command('archive pull')} --from {shlex.quote(str(folder))}")]
                if candidates
                else []
            ),
        ],
    )


def _pulled(
    session: Session, where: Mapping[str, Any], told: Sequence[Told], did: Downloads, left: Sequence[RenderableType]
) -> Answer:
    """What a pull came to."""
    news = [each for each in told if each.outcome == "new"]
    wrong = [each for each in told if each.outcome in {"failed", "undated"}]
    held = {each.file for each in told if each.outcome == "held"} - {each.file for each in news}
    nothing = _holding_nothing(told)
    next_step = session.command("refresh")
    return Answer(
        {
            "outcome": "new" if news else "incomplete" if wrong or did.failed or did.stopped else "unchanged",
            **where,
            "downloaded": [file.address for file in did.files],
            "not_downloaded": did.failed,
            "other_files": did.others,
            "stopped": did.stopped,
            "files": [vars(each) for each in told],
        },
        [
            Text(_headline(news, held, did)),
            *_news_shown(news),
            *_reasons_shown("Nothing of these datasets is in it", nothing),
            *_reasons_shown("Not taken", dict.fromkeys(map(_file_of, did.others), "neither a zip nor a CSV")),
            *left,
            *_wrong_shown("BEA did not give", did.failed.items()),
            *([Text(did.stopped, "bold red")] if did.stopped else []),
            *_wrong_shown("Not taken", _by_file(wrong).items()),
            *([shown.next_step(next_step)] if news else []),
        ],
        exit_code=FAILED if wrong or did.failed or did.stopped else 0,
    )


def _headline(news: Sequence[Told], held: Iterable[str], did: Downloads) -> str:
    extracts = shown.counted(len({(each.dataset, one) for each in news for one in each.extracts}), "extract")
    files = shown.counted(len({each.file for each in news}), "file")
    said = f"{extracts} from {files}" if news else "Nothing is new"
    downloaded = f"; {shown.counted(len(did.files), 'file')} downloaded" if did.files else ""
    already = f"; {shown.counted(len(set(held)), 'file')} held already" if held else ""
    return f"{said}{downloaded}{already}."


def _news_shown(news: Sequence[Told]) -> list[RenderableType]:
    if not news:
        return []
    return [
        shown.table(
            ["File", "Dataset", "Extract", "Tables", ""],
            [
                (
                    each.file,
                    each.dataset,
                    ", ".join(each.extracts),
                    ", ".join(each.tables),
                    f"a part, which changes nothing: {', '.join(each.partial)}" if each.partial else "",
                )
                for each in news
            ],
        )
    ]


def _holding_nothing(told: Sequence[Told]) -> dict[str, str]:
    """The files that came to nothing in every dataset, each with what it holds instead."""
    useful = {each.file for each in told if each.outcome != "nothing"}
    return {
        each.file: ", ".join(each.tables) if each.tables else "no table of BEA in a layout that is known"
        for each in told
        if each.file not in useful
    }


def _wrong_shown(heading: str, wrong: Iterable[tuple[str, str]]) -> list[RenderableType]:
    return [Text.assemble((f"{heading}  ", "bold red"), f"{what}: {why}") for what, why in wrong]


def _by_file(wrong: Sequence[Told]) -> dict[str, str]:
    """What went wrong by file and its datasets: what is broken for one dataset is broken for all."""
    datasets: dict[tuple[str, str], list[str]] = {}
    for each in wrong:
        datasets.setdefault((each.file, each.why), []).append(each.dataset)
    return {f"{file} ({', '.join(dict.fromkeys(names))})": why for (file, why), names in datasets.items()}


def _file_of(address: str) -> str:
    return address.rpartition("/")[2]


def _reasons_shown(heading: str, reasons: Mapping[str, str]) -> list[RenderableType]:
    """One line for each reason, with the first names that have it; --json has all of them."""
    names_by_reason: dict[str, list[str]] = {}
    for name, why in reasons.items():
        names_by_reason.setdefault(why, []).append(name)
    return [
        Text.assemble(
            (f"{heading} ", "yellow"), f"({why}): {', '.join(names[:_SHOWN])}{_and_more(len(names) - _SHOWN, 'file')}"
        )
        for why, names in names_by_reason.items()
    ]


def _and_more(count: int, noun: str) -> str:
    return f" and {count:,} more {noun}{'' if count == 1 else 's'}" if count > 0 else ""


def _left_documents(unknown: Sequence[Release], elsewhere: Sequence[str]) -> dict[str, Any]:
    return {"unknown_kinds": _kinds_left(unknown), "links_elsewhere": list(elsewhere)}


def _kinds_left(unknown: Sequence[Release]) -> dict[str, list[str]]:
    """The releases that no dataset takes, by kind; those whose names say none are under an empty one."""
    left: dict[str, list[str]] = {}
    for each in unknown:
        left.setdefault(each.said.kind if each.said is not None else "", []).append(each.name)
    return dict(sorted(left.items()))


def _left_shown(unknown: Sequence[Release], elsewhere: Sequence[str]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if unknown:
        said = ", ".join(
            f"{kind or 'of a name without kind or month'} ({shown.counted(len(names), 'release')})"
            for kind, names in _kinds_left(unknown).items()
        )
        lines.append(Text.assemble(("Kinds that no dataset takes  ", "yellow"), said))
    if elsewhere:
        more = _and_more(len(elsewhere) - 1, "link")
        lines.append(Text(f"Not followed, because it leads out of the archive: {elsewhere[0]}{more}.", "dim"))
    return lines
