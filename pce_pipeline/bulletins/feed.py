"""The newest bulletins as an Atom feed (RFC 4287).

Pure: names are made of world, dataset and extract, times are those of the extracts, so that equal bulletins give equal
bytes wherever and whenever the feed is written.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from pce_pipeline.bulletins.bulletin import Bulletin
from pce_pipeline.bulletins.pages import SAMPLE, html_of, summary_of, title_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.markup import for_xml

MOST_ENTRIES = 50
"""How many bulletins a feed has; older ones lie in the lake."""

_NAMES = uuid.uuid5(uuid.NAMESPACE_DNS, "bulletins.pce_pipeline")


def newest_first(bulletins: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The datasets and extracts of bulletins in the order of a feed, as many as it has."""
    by_name = sorted(bulletins)
    return sorted(by_name, key=lambda each: ExtractId.parse(each[1]), reverse=True)[:MOST_ENTRIES]


def feed_of(bulletins: Iterable[Bulletin], *, env: str, world: str) -> bytes:
    """The feed of bulletins that are in its order; at least one is needed."""
    entries = list(bulletins)
    is_sample = any(each.is_sample for each in entries)
    whose = "its" if is_sample else "BEA's"
    title = f"What {whose} releases changed: US state-level consumption and prices"
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<id>{_name(env, world)}</id>",
        f"<title>{for_xml(f'{SAMPLE}: {title}' if is_sample else title)}</title>",
        f"<updated>{_moment(max(each.updated_at for each in entries))}</updated>",
        "<author><name>pce_pipeline</name></author>",
        *(line for each in entries for line in _entry(each, world)),
        "</feed>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _entry(bulletin: Bulletin, world: str) -> Iterator[str]:
    yield "<entry>"
    yield f"<id>{_name(world, bulletin.dataset, bulletin.extract)}</id>"
    yield f"<title>{for_xml(title_of(bulletin))}</title>"
    yield f"<published>{_moment(bulletin.published_at)}</published>"
    yield f"<updated>{_moment(bulletin.updated_at)}</updated>"
    yield f'<category term="{for_xml(bulletin.dataset)}"/>'
    yield f"<summary>{for_xml(summary_of(bulletin))}</summary>"
    yield f'<content type="html">{escape(html_of(bulletin))}</content>'
    yield "</entry>"


def _name(*parts: str) -> str:
    """A name that is the same for ever."""
    return uuid.uuid5(_NAMES, "/".join(parts)).urn


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
