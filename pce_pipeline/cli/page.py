"""A text in Markdown as a page that stands alone: no script, no font and no picture from elsewhere."""

import html
import tempfile
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from rich.text import Text

from pce_pipeline.cli.session import Answer

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top; }
.sample { background: #fd6; padding: .4rem .6rem; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } .sample { color: #111; } }
"""
_SAMPLE = '<p class="sample"><b>SAMPLE</b> invented numbers, not statistics of BEA</p>\n'


def page_of(title: str, text: str, *, is_sample: bool) -> str:
    """The page of a text in Markdown; HTML in the text is shown and not obeyed."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{_SAMPLE if is_sample else ''}{body}</body>\n</html>\n"
    )


def write_page(page: str) -> Path:
    """Write the page into a temporary file that stays, for a browser to read after this program has ended."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="pce-", suffix=".html", delete=False) as file:
        file.write(page)
    return Path(file.name)


def opened(document: Mapping[str, Any], page: Path) -> Answer:
    """Open a page in a browser, where there is one; the document says which page, and whether it is open."""
    is_open = webbrowser.open(page.as_uri())
    what = "It is open in a browser" if is_open else "There is no browser here. Open it yourself"
    return Answer({**document, "page": str(page), "opened": is_open}, [Text(f"{what}: {page}")])
