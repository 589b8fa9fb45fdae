"""An answer as lines of Braille dots: nothing but text, so that it needs no package and forty columns are enough."""

import itertools
from collections.abc import Sequence

import polars as pl
from rich.text import Text

from pce_pipeline.asking.about import About
from pce_pipeline.charts.lines import Line, Panel, panels

_COLORS = ("cyan", "yellow", "green", "magenta", "red", "blue")
_MARKS = "ABCDEFGHIJKL"
_ROWS = 13
_NARROWEST = 10
_DOTS_ACROSS, _DOTS_DOWN = 2, 4
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a Braille character, by column and row."""
_BLANK = 0x2800
_DECIMALS = ((100, 0), (1, 1))
"""How many decimals the axis has, by the least that it spans."""


def plot_in_terminal(frame: pl.DataFrame, about: About, *, width: int) -> Text:
    """The lines of an answer, so many characters wide: a panel for each unit, every line with a letter and its name.

    Raises what `panels` does.
    """
    parts = [Text(f"SAMPLE {about.title}" if about.is_sample else about.title, "bold")]
    parts += [part for panel in panels(frame, about) for part in _panel(panel, width)]
    parts.append(Text(about.citation, "dim"))
    return Text("\n").join(parts)


class _Canvas:
    """Characters of eight dots each, and the color of the line that was drawn last through each."""

    def __init__(self, width: int, height: int) -> None:
        self._bits = [[0] * width for _ in range(height)]
        self._colors = [[""] * width for _ in range(height)]
        self._marks: dict[tuple[int, int], str] = {}
        self.across, self.down = width * _DOTS_ACROSS - 1, height * _DOTS_DOWN - 1

    def dot(self, x: int, y: int, color: str) -> None:
        row, column = (self.down - y) // _DOTS_DOWN, x // _DOTS_ACROSS
        self._bits[row][column] |= _DOTS[x % _DOTS_ACROSS][(self.down - y) % _DOTS_DOWN]
        self._colors[row][column] = color

    def mark(self, x: int, y: int, letter: str) -> None:
        """Set a letter where a line ends, above or below another one that is there."""
        row, column = (self.down - y) // _DOTS_DOWN, x // _DOTS_ACROSS
        free = [(near, column) for near in sorted(range(len(self._bits)), key=lambda each: abs(each - row))]
        place = next((each for each in free if each not in self._marks), (row, column))
        self._marks[place] = letter
        self._colors[place[0]][place[1]] = _color(_MARKS.index(letter))

    def row(self, number: int) -> Text:
        line = Text()
        for column, bits in enumerate(self._bits[number]):
            line.append(self._marks.get((number, column), chr(_BLANK + bits)), self._colors[number][column])
        return line

    @property
    def rows(self) -> int:
        return len(self._bits)


def _panel(panel: Panel, width: int) -> list[Text]:
    points = [point for line in panel.lines for point in line.points]
    first, last = min(time for time, _ in points), max(time for time, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    labels = [_number(value, high - low) for value in (high, (high + low) / 2, low)]
    beside = max(map(len, labels))
    canvas = _Canvas(max(width - beside - 2, _NARROWEST), _ROWS)
    for number, line in enumerate(panel.lines):
        _draw(canvas, line, _MARKS[number], (first, last), (low, high))
    at = {0: labels[0], (canvas.rows - 1) // 2: labels[1], canvas.rows - 1: labels[2]}
    drawn = [Text.assemble(f"{at.get(row, ''):>{beside}} ┤", canvas.row(row)) for row in range(canvas.rows)]
    ends = f"{_time(first)}{_time(last):>{max(canvas.across // _DOTS_ACROSS + 1 - len(_time(first)), 0)}}"
    return [
        Text(f"\n{panel.title}", "italic"),
        *drawn,
        Text(" " * (beside + 2) + (ends if first != last else _time(first))),
        *(_legend(number, line) for number, line in enumerate(panel.lines)),
    ]


def _draw(canvas: _Canvas, line: Line, letter: str, times: tuple[float, float], values: tuple[float, float]) -> None:
    color = _color(_MARKS.index(letter))

    def place(point: tuple[float, float]) -> tuple[int, int]:
        return _scaled(point[0], times, canvas.across), _scaled(point[1], values, canvas.down)

    for segment in line.segments:
        places = [place(point) for point in segment]
        canvas.dot(*places[0], color)
        for (x, y), (to_x, to_y) in itertools.pairwise(places):
            steps = max(abs(to_x - x), abs(to_y - y), 1)
            for step in range(1, steps + 1):
                canvas.dot(round(x + (to_x - x) * step / steps), round(y + (to_y - y) * step / steps), color)
    canvas.mark(*place(line.points[-1]), letter)


def _legend(number: int, line: Line) -> Text:
    time, value = line.points[-1]
    gaps = f", {line.gaps} without a figure" if line.gaps else ""
    return Text.assemble((f"{_MARKS[number]} ", _color(number)), f"{line.label}: {value:,.10g} in {_time(time)}{gaps}")


def _scaled(value: float, ends: Sequence[float], most: int) -> int:
    low, high = ends
    return round((value - low) / (high - low) * most) if high > low else most // 2


def _number(value: float, span: float) -> str:
    """A number on the axis, with as many decimals as the span of the axis needs."""
    decimals = next((places for least, places in _DECIMALS if span >= least), 3)
    return f"{value:,.{decimals}f}"


def _time(time: float) -> str:
    year, month = divmod(round(time * 12), 12)
    return str(year) if month == 0 else f"{year}-{month + 1:02}"


def _color(number: int) -> str:
    return _COLORS[number % len(_COLORS)]
