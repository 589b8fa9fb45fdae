"""How answers look: tables, numbers, ranges of years, and where things lie. Knows no verbs."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pce_pipeline.tables.years import years_text

RIGHT = ">"
"""A heading that begins with it stands over numbers."""


def table(headings: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> RenderableType:
    """A table without frame; columns whose heading begins with ">" are set to the right.

    Where the terminal is too narrow for it, its rows stand below one another, each as names and values, so that no
    number is cut and no word is broken that a wider terminal would show whole.
    """
    return _Table(headings, [[_as_it_is(cell) for cell in row] for row in rows])


class _Table:
    """Rows below headings, or each row by itself where they do not fit."""

    _BETWEEN = 2
    _BREAKABLE = 30
    """Words longer than this, such as paths and hashes, may be broken within a column."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[RenderableType]]) -> None:
        self._headings = headings
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = [self._widths(console, column) for column in range(len(self._headings))]
        spare = options.max_width - sum(least + self._BETWEEN + 1 for least, _ in columns) + 1
        yield Padding(self._below_headings(columns, spare) if spare >= 0 else Group(*self._by_row()), (1, 0, 0, 0))

    def _widths(self, console: Console, column: int) -> tuple[int, int]:
        """The least width at which the column can be read, and that at which nothing in it is wrapped."""
        heading = self._headings[column]
        cells = [Text(heading.removeprefix(RIGHT)), *(row[column] for row in self._rows)]
        measured = [console.measure(cell) for cell in cells]
        whole = max(each.maximum for each in measured)
        if heading.startswith(RIGHT):
            return whole, whole
        return min(max(each.minimum for each in measured), self._BREAKABLE), whole

    def _below_headings(self, columns: Sequence[tuple[int, int]], spare: int) -> RenderableType:
        shown = Table(
            box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", padding=(0, self._BETWEEN, 0, 0)
        )
        more = _shared(spare, [whole - least for least, whole in columns])
        for heading, (least, _), extra in zip(self._headings, columns, more, strict=True):
            shown.add_column(
                heading.removeprefix(RIGHT),
                width=least + extra,
                justify="right" if heading.startswith(RIGHT) else "left",
                no_wrap=heading.startswith(RIGHT),
                overflow="fold",
            )
        for row in self._rows:
            shown.add_row(*row)
        return shown

    def _by_row(self) -> Iterable[RenderableType]:
        names = [heading.removeprefix(RIGHT) for heading in self._headings]
        for number, row in enumerate(self._rows):
            yield Padding(_named(zip(names, row, strict=True)), (1 if number else 0, 0, 0, 0))


def _shared(spare: int, wanted: Sequence[int]) -> list[int]:
    """What each gets of what there is to spare: those that want little all of it, the others equal parts."""
    got = [0] * len(wanted)
    for left, each in zip(range(len(wanted), 0, -1), sorted(range(len(wanted)), key=wanted.__getitem__), strict=True):
        got[each] = min(wanted[each], spare // left)
        spare -= got[each]
    return got


def facts(rows: Iterable[tuple[str, RenderableType]]) -> RenderableType:
    """Names and what is to be said of each."""
    return Padding(_named(rows), (1, 0, 0, 0))


def _named(rows: Iterable[tuple[str, RenderableType]]) -> RenderableType:
    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, fact in rows:
        shown.add_row(_as_it_is(name), _as_it_is(fact))
    return shown


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
