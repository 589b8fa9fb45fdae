"""The parts of a page, and how they are written as Markdown and as HTML: both escape every text.

Texts of blocks are plain; nobody who makes one has to know what a page would make of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pce_pipeline.markup import for_markdown, for_xml, markdown_table, plain

WIDEST_BAR = 24
"""The characters of the longest bar of a chart in text."""


@dataclass(frozen=True)
class Heading:
    """A heading of a section; the page's title is one level above."""

    text: str
    """What it says."""


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str
    """What they say."""


@dataclass(frozen=True)
class Items:
    """A list."""

    texts: Sequence[str]
    """A text for each item."""


@dataclass(frozen=True)
class Grid:
    """A table."""

    headings: Sequence[str]
    """The headings of its columns."""
    rows: Sequence[Sequence[str]]
    """Its cells, row by row."""
    right: frozenset[int] = frozenset()
    """The columns that are set to the right."""


@dataclass(frozen=True)
class Bar:
    """A bar of a chart."""

    label: str
    """What it is of."""
    percent: float
    """How long it is, and whether up or down."""
    said: str
    """What stands behind it."""


@dataclass(frozen=True)
class Bars:
    """A chart of percentages, one bar below the other."""

    bars: Sequence[Bar]
    """Its bars."""


Block = Heading | Paragraph | Items | Grid | Bars


def as_markdown(title: str, blocks: Iterable[Block], *, depth: int = 1) -> str:
    """The page as Markdown, its title a heading of that depth; GitHub and terminals show it."""
    parts = [f"{'#' * depth} {for_markdown(title)}", *(_markdown(block, depth + 1) for block in blocks)]
    return "\n\n".join(parts) + "\n"


def as_html(blocks: Iterable[Block]) -> str:
    """The page below its title as simple HTML, which is XML as well."""
    return "\n".join(_html(block) for block in blocks)


def bar_lines(bars: Sequence[Bar]) -> list[str]:
    """A chart as lines of text of one width for each column: full blocks go up, light ones down.

    >>> bar_lines([Bar("DE", 8.0, "2024"), Bar("ND", -1.0, "2023")])
    ['DE  +8.00 %  ████████████████████████  2024', 'ND  -1.00 %  ░░░                       2023']
    """
    longest = max((abs(bar.percent) for bar in bars), default=0.0) or 1.0
    label = max((len(plain(bar.label)) for bar in bars), default=0)
    number = max((len(f"{bar.percent:+,.2f}") for bar in bars), default=0)
    lines = []
    for bar in bars:
        length = max(round(WIDEST_BAR * abs(bar.percent) / longest), 1)
        drawn = ("░" if bar.percent < 0 else "█") * length
        lines.append(
            f"{plain(bar.label):<{label}}  {f'{bar.percent:+,.2f}':>{number}} %  {drawn:<{WIDEST_BAR}}  "
            f"{plain(bar.said)}".rstrip()
        )
    return lines


def _markdown(block: Block, depth: int) -> str:
    match block:
        case Heading(text):
            return f"{'#' * depth} {for_markdown(text)}"
        case Paragraph(text):
            return for_markdown(text)
        case Items(texts):
            return "\n".join(f"- {for_markdown(text)}" for text in texts)
        case Grid(headings, rows, right):
            escaped = [[for_markdown(cell) for cell in row] for row in rows]
            return markdown_table([for_markdown(each) for each in headings], escaped, right=right)
        case Bars(bars):
            # nothing is escaped within a fence, and only a fence ends it
            lines = [line.replace("`", "'") for line in bar_lines(bars)]
            return "\n".join(["```text", *lines, "```"])


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{for_xml(text)}</h2>"
        case Paragraph(text):
            return f"<p>{for_xml(text)}</p>"
        case Items(texts):
            return f"<ul>{''.join(f'<li>{for_xml(text)}</li>' for text in texts)}</ul>"
        case Grid(headings, rows, right):
            lines = [_row("th", headings, right), *(_row("td", row, right) for row in rows)]
            return f"<table>{''.join(lines)}</table>"
        case Bars(bars):
            lines = [_entities(line) for line in bar_lines(bars)]
            return f"<pre>{chr(10).join(lines)}</pre>"


def _row(tag: str, cells: Sequence[str], right: frozenset[int]) -> str:
    written = [
        f"<{tag}{' align=' + chr(34) + 'right' + chr(34) if column in right else ''}>{for_xml(cell)}</{tag}>"
        for column, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(written)}</tr>"


def _entities(line: str) -> str:
    """A line whose blanks count, for HTML: word by word, because blanks between words are kept."""
    return " ".join(for_xml(word) for word in line.split(" "))
