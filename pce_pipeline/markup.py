"""Texts that cannot break a page: what comes from BEA, a catalogue or an error, escaped for Markdown, HTML and XML.

Pure: text in, text out. What a page says is not known here.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
_NOBODY_SEES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""The categories of characters that pages may not hold, or that turn the text around them."""


def plain(text: str) -> str:
    r"""The text on one line, without characters that XML forbids or that nobody sees.

    >>> plain("a\x00 \n b")
    'a b'
    """
    visible = "".join(sign for sign in text if sign.isspace() or unicodedata.category(sign) not in _NOBODY_SEES)
    return " ".join(visible.split())


def for_markdown(text: str) -> str:
    """The text with everything escaped that means something to Markdown or HTML, on one line."""
    flat = _with_entities(plain(text)).replace("|", "&#124;")
    return re.sub(r"([\\`*\[\]])", r"\\\1", flat)


def for_xml(text: str) -> str:
    """The text as XML and HTML may hold it, between tags and inside quotes, on one line."""
    return _with_entities(plain(text)).replace('"', "&quot;").replace("'", "&#39;")


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """A Markdown table of texts that are escaped already; the columns in `right` are set to the right."""
    rules = ["---:" if column in right else "---" for column in range(len(headings))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rules, *rows))


def _with_entities(text: str) -> str:
    for sign, entity in _ENTITIES:
        text = text.replace(sign, entity)
    return text
