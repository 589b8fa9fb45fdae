"""What is drawn of an answer: a panel for each unit, a line for each area, category and measure, its gaps kept.

Nothing is drawn here; the terminal and files draw the same panels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.asking.about import About
from pce_pipeline.charts.errors import NothingToDraw, TooManyLines

MOST_LINES = 12
_MONTHS = 12
_NAMED_BY = ("geo_name", "category", "measure", "dataset", "basis")
"""What tells lines apart, in the order in which a label says it."""

Point = tuple[float, float]
"""A time in years, and the figure."""


@dataclass(frozen=True)
class Line:
    """The figures of one area, category and measure over time."""

    label: str
    """What tells it from the others."""
    segments: tuple[tuple[Point, ...], ...]
    """Its figures in runs without a gap, in order of time."""
    gaps: int
    """How many periods between its first and last figure have none."""

    @property
    def points(self) -> list[Point]:
        """All figures that it has."""
        return [point for segment in self.segments for point in segment]


@dataclass(frozen=True)
class Panel:
    """Lines of one unit, which share an axis."""

    title: str
    """What is measured, and its unit in words with the year in whose prices it is."""
    lines: tuple[Line, ...]
    """The lines."""


def panels(frame: pl.DataFrame, about: About) -> list[Panel]:
    """The panels of an answer (measure, category_id, geo_name, year and perhaps month, value), in its order.

    Raises `TooManyLines`, and `NothingToDraw` where no figure is a number.
    """
    rows = _with_times(frame, about)
    names = [name for name in _NAMED_BY if name in rows.columns]
    parts = rows.partition_by("unit_said", maintain_order=True)
    drawn = [Panel(_title(each), lines) for each in parts if (lines := _lines(each, names))]
    if not drawn:
        raise NothingToDraw
    count = sum(len(panel.lines) for panel in drawn)
    if count > MOST_LINES:
        raise TooManyLines(count, MOST_LINES)
    return drawn


def _title(rows: pl.DataFrame) -> str:
    return f"{', '.join(rows['measure'].unique(maintain_order=True))}: {rows['unit_said'][0]}"


def _lines(rows: pl.DataFrame, names: Sequence[str]) -> tuple[Line, ...]:
    """The lines of a panel that have any figure, each labelled by what tells it from the others."""
    held = [each.drop_nulls("value").sort("period") for each in rows.partition_by(names, maintain_order=True)]
    kept = [each for each in held if each.height]
    several = [name for name in names if len({each[name][0] for each in kept}) > 1] or ["geo_name"]
    return tuple(_line(" · ".join(str(each[name][0]) for name in several), each) for each in kept)


def _with_times(frame: pl.DataFrame, about: About) -> pl.DataFrame:
    """The rows with the number of their period, the unit of their panel, and a name for each category."""
    has_months = "month" in frame.columns
    month = pl.col("month").fill_null(1) - 1 if has_months else pl.lit(0)
    each = _MONTHS if has_months else 1
    said = {name: _unit(name, about) for name in frame["measure"].unique()}
    category = pl.coalesce("category_name", "category_id") if "category_name" in frame.columns else "category_id"
    return frame.with_columns(
        period=(pl.col("year") * each + month).cast(pl.Int32) if has_months else pl.col("year").cast(pl.Int32),
        per_year=pl.lit(each),
        unit_said=pl.col("measure").replace_strict(said, return_dtype=pl.String),
        category=category,
        value=pl.col("value").cast(pl.Float64),
    )


def _unit(measure: str, about: About) -> str:
    base = about.base_years.get(measure)
    return f"{about.units.get(measure, '')}{f', prices of {base}' if base is not None else ''}"


def _line(label: str, rows: pl.DataFrame) -> Line:
    """A line of rows that have a figure, in order of time."""
    times = (rows["period"] / rows["per_year"]).to_list()
    points = list(zip(rows["period"].to_list(), times, rows["value"].to_list(), strict=True))
    segments = tuple(tuple((time, value) for _, time, value in run) for run in _runs(points))
    return Line(label, segments, gaps=points[-1][0] - points[0][0] + 1 - len(points))


def _runs(points: Sequence[tuple[int, float, float]]) -> Iterator[list[tuple[int, float, float]]]:
    """The points in runs of periods that follow one another."""
    run: list[tuple[int, float, float]] = []
    for point in points:
        if run and point[0] != run[-1][0] + 1:
            yield run
            run = []
        run.append(point)
    if run:
        yield run
