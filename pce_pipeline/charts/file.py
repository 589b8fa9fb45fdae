"""An answer as a chart in a file, with its unit, base year and source on it; Matplotlib draws, without a display."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pce_pipeline.asking.about import About
from pce_pipeline.charts.errors import ChartsNotInstalled, NotAChart
from pce_pipeline.charts.lines import Panel, panels
from pce_pipeline.exports.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FORMS = {".png": "png", ".svg": "svg"}
_WIDTH_INCHES, _PANEL_INCHES, _AROUND_INCHES = 9.0, 3.4, 1.5
_DOTS_PER_INCH = 150
_TITLE_CHARACTERS, _FOOT_CHARACTERS = 90, 150


def chart_form(path: Path) -> str:
    """`png` or `svg`, as the file's name says; raises `NotAChart`."""
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise NotAChart(path.name)
    return form


def plot_file(frame: pl.DataFrame, about: About, path: Path) -> None:
    """Draw the lines of an answer into a PNG or SVG; of the sample SAMPLE is written across it.

    Raises `NotAChart`, `ChartsNotInstalled`, `CannotBeWritten`, and what `panels` does.
    """
    form = chart_form(path)
    drawn = panels(frame, about)
    try:
        import matplotlib as mpl  # noqa: PLC0415 (of an extra)
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise ChartsNotInstalled from None
    # a fixed salt and no date: the same figures give the same file; text stays text
    with mpl.rc_context({"svg.hashsalt": "pce_pipeline", "svg.fonttype": "none"}):
        figure = Figure(
            figsize=(_WIDTH_INCHES, _AROUND_INCHES + _PANEL_INCHES * len(drawn)),
            dpi=_DOTS_PER_INCH,
            layout="constrained",
        )
        title = f"SAMPLE: {about.title}" if about.is_sample else about.title
        figure.suptitle(textwrap.fill(title, _TITLE_CHARACTERS), fontsize=11, fontweight="bold")
        axes = figure.subplots(len(drawn), 1, squeeze=False, sharex=True)[:, 0]
        for axis, panel in zip(axes, drawn, strict=True):
            _draw(axis, panel)
        figure.supxlabel(textwrap.fill(_foot(about, drawn), _FOOT_CHARACTERS), fontsize=7, x=0.01, ha="left")
        if about.is_sample:
            figure.text(
                0.5, 0.5, "SAMPLE", fontsize=100, color="red", alpha=0.13, rotation=25, ha="center", va="center"
            )
        with replacing(path) as part:
            figure.savefig(part, format=form, metadata=_metadata(about, form))


def _draw(axis: "Axes", panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter  # noqa: PLC0415 (of an extra)

    for number, line in enumerate(panel.lines):
        for part, segment in enumerate(line.segments):
            axis.plot(
                [time for time, _ in segment],
                [value for _, value in segment],
                marker="o",
                markersize=3,
                linewidth=1.6,
                linestyle="-" if number < 10 else "--",  # noqa: PLR2004 (there are ten colors)
                color=f"C{number % 10}",
                label=line.label if part == 0 else "_same line",
            )
    axis.set_ylabel(textwrap.fill(panel.title, 40), fontsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.tick_params(labelsize=8, labelbottom=True)
    axis.grid(visible=True, alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=7, frameon=False, loc="best")


def _foot(about: About, drawn: list[Panel]) -> str:
    gaps = any(line.gaps for panel in drawn for line in panel.lines)
    return f"Source: {about.citation}{' Gaps: no figure.' if gaps else ''}"


def _metadata(about: About, form: str) -> dict[str, Any]:
    said = {"Title": about.title, "Description": about.citation, "Source": about.source}
    return {**said, "Date": None} if form == "svg" else said
