"""How answers look: tables, numbers, ranges of years, and where things lie. Knows no verbs."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pce_pipeline.tables.years import years_text

RIGHT = ">"
"""A heading that begins with it stands over numbers."""


def table(headings: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> RenderableType:
    """A table without frame; columns whose heading begins with ">" are set to the right."""
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        shown.add_column(
            heading.removeprefix(RIGHT),
            justify="right" if heading.startswith(RIGHT) else "left",
            no_wrap=heading.startswith(RIGHT),
            overflow="fold",
        )
    for row in rows:
        shown.add_row(*map(_as_it_is, row))
    return Padding(shown, (1, 0, 0, 0))


def facts(rows: Iterable[tuple[str, RenderableType]]) -> RenderableType:
    """Names and what is to be said of each."""
    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, fact in rows:
        shown.add_row(_as_it_is(name), _as_it_is(fact))
    return Padding(shown, (1, 0, 0, 0))


def _as_it_is(cell: RenderableType) -> RenderableType:
    """A text without a meaning of its own: a file may be called [bold]."""
    return Text(cell) if isinstance(cell, str) else cell


def number(count: int) -> str:
    """`545,740`."""
    return f"{count:,}"


def seconds(duration: float) -> str:
    """`6.1 s`."""
    return f"{duration:.1f} s"


def counted(count: int, noun: str) -> str:
    """`1 year`, `28 years`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def span(first: int, last: int) -> str:
    """`1997...2024`, or `2024`."""
    return str(first) if first == last else f"{first}...{last}"


def reasons_by_years(reasons: Mapping[int, str]) -> list[tuple[str, str]]:
    """Years with the same reason as one range, in order of their first year."""
    by_reason: dict[str, list[int]] = {}
    for year, reason in sorted(reasons.items()):
        by_reason.setdefault(reason, []).append(year)
    return [(years_text(years), reason) for reason, years in by_reason.items()]


def warnings_shown(warnings: Iterable[str]) -> list[RenderableType]:
    """A line for each."""
    return [Text.assemble(("Warning  ", "yellow"), warning) for warning in warnings]


def next_step(command: str) -> Text:
    """What to call next."""
    return Text.assemble("\nNext: ", (command, "bold"))


def beside(path: str) -> str:
    """The path from here if it lies below, else as it is."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def command_line(arguments: Sequence[str]) -> Text:
    """A command to copy: never wrapped, whatever the width."""
    return Text(shlex.join(arguments), no_wrap=True, overflow="ignore")
