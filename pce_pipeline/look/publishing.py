"""Copying the page with one version of the set to a folder or a bucket, so that whoever reads it sees one version.

Files under names that no other version has come first, index.html last: killed at any point, what was published before
is still shown, and the same call again goes on. The version before stays for those who have it open; earlier ones go.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pce_pipeline.explorer.store import ExplorerSet
from pce_pipeline.lake.backends import DirectoryBackend, S3Backend
from pce_pipeline.lake.errors import LakeError, MissingObject, UnsafeKey
from pce_pipeline.lake.layout import checked_key
from pce_pipeline.look.errors import NotPublished, PlaceRefused
from pce_pipeline.look.site import DATA, INDEX_HTML, headers_of, index_html, static_files, version_of, version_shown
from pce_pipeline.observability import progress

Place = DirectoryBackend | S3Backend
"""Where a page may be published."""

_ADDRESSES = "Name a folder, or s3://bucket/prefix."


@dataclass(frozen=True)
class Published:
    """What `publish` did."""

    place: str
    """Where the page is now."""
    version: str
    """The version of the set that it shows."""
    files: int
    """How many files it consists of."""
    bytes: int
    """How many bytes they are."""
    written: int
    """How many of them were not there yet, or follow what happens."""
    removed: int
    """How many files of earlier versions are gone."""


def place_at(address: str, *, endpoint_url: str | None = None) -> Place:
    """A folder, or `s3://bucket[/prefix]`, to publish to; nothing is contacted. Raises `PlaceRefused`."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        if not address or (Path(address).exists() and not Path(address).is_dir()):
            raise PlaceRefused(address or "nowhere", "it is not a folder", remedy=_ADDRESSES)
        return DirectoryBackend(Path(address))
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        problem = f"{scheme}:// is not supported" if scheme != "s3" else "the bucket is missing"
        raise PlaceRefused(address, problem, remedy=_ADDRESSES)
    try:
        return S3Backend(bucket, checked_key(prefix.strip("/")) if prefix.strip("/") else "", endpoint_url=endpoint_url)
    except UnsafeKey as unsafe:
        raise PlaceRefused(address, f"{unsafe.key} is no prefix for it", remedy=unsafe.remedy) from unsafe


def publish(found: ExplorerSet, place: Place, *, beside: Mapping[str, bytes] | None = None) -> Published:
    """Copy the page and this set there; `beside` are files by path that follow what happens and not the figures.

    Raises `PlaceRefused` where another page lies at the place, `NotPublished`, and what reading the set raises.
    """
    with _speaking_of(place):
        before = _page_at(place)
        lies = {info.key: info.size for info in place.list(DATA)}
    shown = version_shown(before)
    if before and shown is None:
        raise PlaceRefused(
            place.describe(),
            "another page lies there",
            remedy="Name an empty folder or prefix, or remove its index.html.",
        )
    html, bodies, written = index_html(found.version), 0, 0
    files = _files(found, beside or {})
    for number, (path, body, changes) in enumerate(files):
        progress.advance(number, len(found.parts), "files")
        bodies += len(body)
        if changes or lies.get(path) != len(body):
            written += 1
            with _speaking_of(place):
                place.put_for_browsers(path, body, headers_of(path, changes=changes))
    gone = [path for path in lies if version_of(path) not in {None, found.version, shown}]
    with _speaking_of(place):
        place.put_for_browsers(INDEX_HTML, html, headers_of(INDEX_HTML))
        place.delete(gone)
    return Published(place.describe(), found.version, number + 2, bodies + len(html), written + 1, len(gone))


def publish_beside(version: str, place: Place, beside: Mapping[str, bytes]) -> None:
    """Put files that follow what happens beside a version that lies there already. Raises `NotPublished`."""
    with _speaking_of(place):
        for path, body in beside.items():
            place.put_for_browsers(f"{DATA}/{version}/{path}", body, headers_of(path, changes=True))


def _page_at(place: Place) -> bytes:
    """The index.html that lies there; nothing where there is none."""
    try:
        return place.get(INDEX_HTML)
    except MissingObject:
        return b""


def _files(found: ExplorerSet, beside: Mapping[str, bytes]) -> Iterator[tuple[str, bytes, bool]]:
    """All files but index.html, each with its path and whether it changes under its name."""
    for name, body in static_files().items():
        yield name, body, False
    of_the_set = ((path, body) for path, body in found.files() if path not in beside)
    for path, body in chain(of_the_set, beside.items()):
        yield f"{DATA}/{found.version}/{path}", body, path not in found.parts or not found.parts[path].inputs


@contextmanager
def _speaking_of(place: Place) -> Iterator[None]:
    """Errors of the place as ours: the lake's speak of the lake."""
    try:
        yield
    except LakeError as failed:
        raise NotPublished(place.describe(), failed.message) from failed
