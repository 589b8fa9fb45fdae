"""What the page consists of: its static files, and one version of the explorer's set in a folder of that name.

    index.html                       names the version of the set: written last, it is what switches
    page-<hash>.js, page-<hash>.css  named by their content
    third-party.txt                  licences of what the script is made with
    data/<version>/…                 the set
    data/<version>/checks.json, …    files that follow what happens: the only ones here that change under their name

The static files are built from `page/` and lie in `site/` as they were built. Pure functions.
"""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import PurePosixPath

INDEX_HTML = "index.html"
DATA = "data"
"""The folder of sets."""

_SET = '<meta name="set" content="data/">'
_NAMES_A_SET = re.compile(rb'<meta name="set" content="data/(?P<version>[0-9a-f]*)/?">')
_VERSION = r"[0-9a-f]{8,64}"
_OURS = re.compile(rf"page-[0-9a-f]+\.(?:js|css)|{DATA}/(?P<version>{_VERSION})/.+")
_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


def static_files() -> dict[str, bytes]:
    """The files of the page beside the set and but for index.html, by name."""
    return {
        file.name: file.read_bytes()
        for file in sorted((resources.files("pce_pipeline.look") / "site").iterdir(), key=lambda each: each.name)
        if file.name != INDEX_HTML
    }


def index_html(version: str) -> bytes:
    """The page itself, which reads the set of this version."""
    text = (resources.files("pce_pipeline.look") / "site" / INDEX_HTML).read_text("utf-8")
    return text.replace(_SET, f'<meta name="set" content="{DATA}/{version}/">').encode()


def version_shown(html: bytes) -> str | None:
    """The version that a page reads; an empty text for the page without a set, None for what is not our page."""
    found = _NAMES_A_SET.search(html)
    return found["version"].decode() if found else None


def headers_of(path: str, *, changes: bool = False) -> dict[str, str]:
    """What a server should say of a file; one that `changes` under its name is asked for again each time.

    >>> headers_of("index.html")
    {'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-cache'}
    """
    kept = _OURS.fullmatch(path) is not None and not changes
    return {
        "Content-Type": _TYPES.get(PurePosixPath(path).suffix, "application/octet-stream"),
        "Cache-Control": _FOR_EVER if kept else _ASK_AGAIN,
    }


def version_of(path: str) -> str | None:
    """The version of the set that a file belongs to; None for what is no file of a set.

    >>> version_of("data/6b6d3bfa0d93b1a7/figures/some.parquet")
    '6b6d3bfa0d93b1a7'
    """
    found = _OURS.fullmatch(path)
    return found["version"] if found else None
