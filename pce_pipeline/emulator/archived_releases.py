"""The look-alike's archive of releases: an index, a folder for each earlier release and kind, and the zips beside it.

The addresses are those that were seen of BEA's own; the pages are made up, because nobody here has seen one. They have
what a reader of pages must bear: a kind of release that nobody takes, links upwards and elsewhere, a workbook.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.archive import archive
from pce_pipeline.emulator.series import written_at
from pce_pipeline.emulator.vintages import VINTAGES, Vintage

_FOLDERS = "releases"
_INDEX = "index.cfm"
_OF_UNKNOWN_KIND = "1223gdpcounty"
_NOT_OF_BEA = "Synthetic numbers of a look-alike; not statistics of the Bureau of Economic Analysis."


@dataclass(frozen=True)
class Archived:
    """A page or file of the archive."""

    body: bytes
    """Its bytes."""
    media_type: str
    """What it is."""
    written_at: datetime
    """When it was written (UTC)."""


def archived(path: str, release: int, catalog: Path | None = None) -> Archived | None:
    """What lies at a path below the archive ("releases/1024pce/index.cfm") while `release` is the newest one.

    None where nothing lies. Only releases before the newest are in the archive.
    """
    earlier = [each for each in VINTAGES if each.number < release]
    if path in {"", _INDEX}:
        folders = [f"{each.last_updated:%m%y}{kind}" for each in earlier for kind in _kinds(catalog)]
        return _page(
            "Previously published estimates",
            [f"{_FOLDERS}/{each}/{_INDEX}" for each in [_OF_UNKNOWN_KIND, *folders]],
            release,
        )
    parts = path.split("/")
    if len(parts) != 3 or parts[0] != _FOLDERS:  # noqa: PLR2004 (the folder of releases, a release, a file)
        return None
    for shown in earlier:
        for kind, datasets in _kinds(catalog).items():
            if parts[1] == f"{shown.last_updated:%m%y}{kind}":
                return _of_release(parts[2], shown, kind, datasets, catalog)
    return None


def _kinds(catalog: Path | None) -> dict[str, list[Dataset]]:
    """The datasets whose archives each kind of release has: the first kind that they name."""
    kinds: dict[str, list[Dataset]] = {}
    for dataset in load_datasets("full", catalog).values():
        for kind in dataset.archived_as[:1]:
            kinds.setdefault(kind, []).append(dataset)
    return kinds


def _of_release(name: str, shown: Vintage, kind: str, datasets: list[Dataset], catalog: Path | None) -> Archived | None:
    zips = dict(_zips(shown, kind, datasets))
    if name in {"", _INDEX}:
        title = f"Released {shown.updated_text}"
        return _page(title, [*zips, f"{kind}{shown.last_updated:%m%y}.xlsx"], shown.number)
    packed = archive(zips[name], shown.number, catalog=catalog) if name in zips else None
    if packed is None:
        return None
    return Archived(packed, "application/x-zip-compressed", written_at(shown.number))


def _zips(shown: Vintage, kind: str, datasets: list[Dataset]) -> Iterator[tuple[str, str]]:
    """The names of a release's zips, each with the archive that it is: the first release names one as BEA once did."""
    for number, name in enumerate(dict.fromkeys(dataset.archive for dataset in datasets)):
        is_old = shown is VINTAGES[0] and number == 0
        yield f"{kind}{shown.last_updated:%m%y}.zip" if is_old else name, name


def _page(title: str, links: list[str], release: int) -> Archived:
    listed = "".join(f'<li><a href="{link}">{link}</a></li>\r\n' for link in links)
    text = (
        f"<html><head><title>{title}</title></head><body>\r\n"
        '<p><a href="https://www.bea.gov/">BEA</a> | <a href="/regional/downloadzip.cfm">Download</a> | '
        f'<a href="#top">Top</a></p>\r\n<h1>{title}</h1><p>{_NOT_OF_BEA}</p>\r\n'
        f"<ul>\r\n{listed}</ul></body></html>\r\n"
    )
    return Archived(text.encode("ascii"), "text/html", written_at(release))
