"""The report as pages: Markdown for terminals and forges, and HTML that stands alone. Pure.

The HTML needs nothing from anywhere: no script, no font, no picture and no style sheet but its own. It follows the
reader's choice of light or dark, wide or narrow, and prints.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from pce_pipeline.bulletins.blocks import Block, Grid, Items, Paragraph, as_markdown
from pce_pipeline.markup import for_markdown, for_xml
from pce_pipeline.reports.report import MissingOf, Report, StepOf
from pce_pipeline.reports.sections import (
    BALANCED,
    SAMPLE,
    UNBALANCED,
    Section,
    by_years,
    grid_of_steps,
    lines_of,
    sections_of,
    title_of,
    when_of,
)

_COMMAND = re.compile("`([^`<>]+)`")
_SHADES = 5
_LONG = 50
_NOT_ENDORSED = (
    "This product uses the Bureau of Economic Analysis (BEA) Data API but is not endorsed or certified by BEA."
)
_TONES = {
    "succeeded": "good",
    "passed": "good",
    BALANCED: "good",
    "warned": "warn",
    "unfinished": "warn",
    "failed": "bad",
}
"""The words that a page sets off, with their tone: the word says it, the tone repeats it."""


@cache
def _style() -> str:
    """The page's own style sheet, on fewer lines than it is written in."""
    written = (files("pce_pipeline.reports") / "page.css").read_text("utf-8")
    return " ".join(written.split())


def markdown_of(report: Report) -> str:
    """The report as Markdown."""
    parts = [f"# {for_markdown(title_of(report))}", *(for_markdown(line) for line in lines_of(report))]
    for section in sections_of(report):
        blocks = [*section.blocks, *([grid_of_steps(section.timed)] if section.timed else [])]
        parts.append(as_markdown(section.title, blocks, depth=2).rstrip())
        parts += [
            f"**{for_markdown(f'{each.dataset}: {each.status}')}**\n\n{_table_of(by_years(each))}"
            for each in section.gaps
        ]
        if section.folded:
            inner = "\n\n".join(_table_of(block) for block in section.folded)
            parts.append(f"<details><summary>{for_xml(section.folded_as)}</summary>\n\n{inner}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _table_of(block: Block) -> str:
    """A block without a heading above it."""
    return as_markdown("", [block]).partition("\n\n")[2].rstrip()


def html_of(report: Report) -> str:
    """The report as a page that stands alone."""
    sections = sections_of(report)
    head, title = report.head, for_xml(title_of(report))
    links = "".join(f'<li><a href="#{each.name}">{for_xml(each.title)}</a></li>' for each in sections)
    record = for_xml(f"{head.env}/observability/runs/{head.world}/{head.run_id}/record.json")
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{_style()}</style>",
        "</head>",
        "<body>",
        "<header>",
        *([f'<p class="sample">{for_xml(SAMPLE)}</p>'] if head.is_sample else []),
        f"<h1>{title}</h1>",
        f'<p class="lead">{_toned(head.status)} · {for_xml(when_of(head))}</p>',
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>',
        "</header>",
        "<main>",
        *(_section(each) for each in sections),
        "</main>",
        f"<footer><p>Made from the record of the run, {record}, and what lies beside it. {_NOT_ENDORSED}</p></footer>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> str:
    parts = [
        *(_block(block, f"{section.title}, part {at}") for at, block in enumerate(section.blocks, start=1)),
        *(_heat(each) for each in section.gaps),
        *([_timed(section.timed)] if section.timed else []),
    ]
    if section.folded:
        inner = "".join(
            _block(block, f"{section.folded_as}, part {at}") for at, block in enumerate(section.folded, start=1)
        )
        parts.append(f"<details><summary>{for_xml(section.folded_as)}</summary>{inner}</details>")
    return f'<section id="{section.name}"><h2>{for_xml(section.title)}</h2>{"".join(parts)}</section>'


def _block(block: Block, label: str) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Items(texts):
            return f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul>"
        case Grid(headings, rows, right):
            return _key_facts(rows) if not any(headings) else _grid(headings, rows, right, label)
        case _:
            raise TypeError(f"a report has no {type(block).__name__}")


def _key_facts(rows: Sequence[Sequence[str]]) -> str:
    lines = "".join(f'<tr><th scope="row">{for_xml(name)}</th><td>{for_xml(fact)}</td></tr>' for name, fact in rows)
    return f'<table class="key"><tbody>{lines}</tbody></table>'


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int], label: str) -> str:
    sides = [' class="r"' if column in right else "" for column in range(len(headings))]
    top = "".join(f'<th scope="col"{side}>{for_xml(each)}</th>' for each, side in zip(headings, sides, strict=True))
    lines = (
        f"<tr>{''.join(f'<td{side or _long(cell)}>{_toned(cell)}</td>' for cell, side in zip(row, sides, strict=True))}"
        "</tr>"
        for row in rows
    )
    return _scrolled(f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>", label)


def _long(cell: str) -> str:
    """A class for a cell that must not become a column of single words."""
    return ' class="long"' if len(cell) > _LONG else ""


def _scrolled(table: str, label: str) -> str:
    """A table that is scrolled sideways where the page is narrow, also by keyboard."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{for_xml(label)}">{table}</div>'


def _toned(word: str) -> str:
    """A text, with a tone where it is a word that has one, or a difference that a balance must not have."""
    tone = _TONES.get(word) or ("bad" if word.endswith(UNBALANCED) else None)
    return f'<span class="{tone}">{_text(word)}</span>' if tone else _text(word)


def _text(text: str) -> str:
    """A text of ours or of others: what stands between backticks is a command to type."""
    return _COMMAND.sub(r"<code>\1</code>", for_xml(text))


def _timed(steps: Sequence[StepOf]) -> str:
    grid = grid_of_steps(steps)
    longest = max((step.seconds for step in steps), default=0.0) or 1.0
    top = "".join(
        f'<th scope="col"{" class=r" if column in grid.right else ""}>{for_xml(each)}</th>'
        for column, each in enumerate(grid.headings)
    )
    lines = []
    for step, row in zip(steps, grid.rows, strict=True):
        cells = [
            f"<td{' class=r' if column in grid.right else ''}>{_toned(cell)}</td>" for column, cell in enumerate(row)
        ]
        bar = f'<td class="span"><span class="bar" style="width:{100 * step.seconds / longest:.1f}%"></span></td>'
        lines.append(f"<tr>{''.join(cells)}{bar}</tr>")
    table = f"<table><thead><tr>{top}<td></td></tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return _scrolled(table, "Steps with their seconds")


def _heat(gap: MissingOf) -> str:
    """How many figures each area lacks in each year, the darker the more."""
    largest = max(count for row in gap.counts for count in row)
    said = f"{gap.dataset}: {gap.status}"
    top = "".join(f'<th scope="col">{year}</th>' for year in gap.years)
    lines = "".join(
        f'<tr><th scope="row">{for_xml(area)}</th>{"".join(_shaded(counts, largest))}</tr>'
        for area, counts in zip(gap.areas, gap.counts, strict=True)
    )
    table = f'<table class="heat"><thead><tr><td></td>{top}</tr></thead><tbody>{lines}</tbody></table>'
    return (
        f"<details><summary>{for_xml(f'{said}, {gap.cells:,} figures by area and year')}</summary>"
        f"{_scrolled(table, said)}</details>"
    )


def _shaded(counts: Sequence[int], largest: int) -> Iterator[str]:
    for count in counts:
        shade = 1 + (_SHADES - 1) * count // largest if count else 0
        yield f'<td class="s{shade}">{count:,}</td>' if count else "<td></td>"
