"""Where revisions lie: a map of years and categories for a terminal, by the degrees of their size.

A cell of the map is a sign and a degree, two characters wide, so that all years fit in 80 columns and nothing is lost
where there are no colours.
"""

import polars as pl
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.changes import SIZE_BOUNDS, SIZES, mean_revisions

_UP = ("black on #deebf7", "black on #9ecae1", "black on #6baed6", "bright_white on #3182bd", "bright_white on #08519c")
_DOWN = (
    "black on #fee0d2",
    "black on #fc9272",
    "black on #fb6a4a",
    "bright_white on #de2d26",
    "bright_white on #a50f15",
)
_NONE = " ·"
_WIDTH = 80
_LABEL = 40
_TOP = 1
_EVERY = 5


def heat(changed: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Mean revisions of the states by year, in each measure of the categories at the top (`mean_revisions`)."""
    top = dataset.categories.filter(pl.col("depth") <= _TOP)["category_id"]
    of_states = changed.filter((pl.col("geo_level") == "state") & pl.col("category_id").is_in(top.implode()))
    return mean_revisions(of_states, "measure", "category_id", "year")


def heat_map(found: pl.DataFrame, dataset: Dataset) -> RenderableType:
    """What `heat` has found, as a map: a line for each measure and category, a cell for each year."""
    revised = found["year"].to_list()
    years = range(min(revised), max(revised) + 1)
    order = dataset.categories["category_id"].to_list()
    label = min(_WIDTH - 2 * len(years), _LABEL)
    lines = [Text("Mean revision of the states by year", style="bold"), _scale(years, label)]
    for measure in dataset.measures.values():
        of_measure = found.filter(pl.col("measure") == measure.name)
        categories = [each for each in order if each in set(of_measure["category_id"])]
        if len(categories) > 1:
            lines.append(Text(measure.title))
        for category in categories:
            said = measure.name if len(categories) == 1 else f"  {category}"
            means = dict(of_measure.filter(pl.col("category_id") == category).select("year", "mean_pct").iter_rows())
            cells = [_cell(means.get(year)) for year in years]
            lines.append(Text.assemble(_shortened(said, label - 2).ljust(label), *cells))
    for line in lines:
        line.no_wrap, line.overflow = True, "ignore"
    degrees = ", ".join(f"{degree} <{bound} %" for degree, bound in enumerate(SIZE_BOUNDS, start=1))
    legend = Text(f"+ up, - down,{_NONE} none: {degrees}, {len(SIZES)} above", style="dim")
    return Padding(Group(*lines, legend), (1, 0, 0, 0))


def _cell(mean: float | None) -> tuple[str, str]:
    if mean is None:
        return _NONE, "dim"
    degree = sum(abs(mean) >= bound for bound in SIZE_BOUNDS)
    sign, styles = ("-", _DOWN) if mean < 0 else ("+", _UP)
    return f"{sign}{degree + 1}", styles[degree]


def _scale(years: range, label: int) -> Text:
    """Every fifth year above its cells, or the first where there is none."""
    text = ""
    for year in [each for each in years if each % _EVERY == 0] or years[:1]:
        text = f"{text.ljust(label + 2 * (year - years[0]))}{year}"
    return Text(text)


def _shortened(text: str, most: int) -> str:
    """A text that is too long without its middle: beginnings alone are often the same."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"
