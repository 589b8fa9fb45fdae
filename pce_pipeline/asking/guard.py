"""The semantic guard: what a question must not get an answer to, and what to ask instead.

What may be done with a measure is declared in the catalogue and kept in `gold.meaning`; here it meets what people ask:
measures of categories that BEA does not publish, growth by the name that a growth would have, levels over years.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from pce_pipeline.asking.choosing import Choice, Words, listed
from pce_pipeline.asking.columns import GoldColumn
from pce_pipeline.asking.errors import NotPublished
from pce_pipeline.catalog.dataset import Dataset, Measure
from pce_pipeline.gold.meaning import demand_growth

_GROWTH = re.compile(r"(?P<of>\w+?)_(?:growth|yoy|mom|inflation)(?:_pct)?")
_AT_CONSTANT_PRICES = "constant_usd"
_CHAINED = "chained"
_CURRENT = {"millions_usd", "usd"}
_FEW = 4


def refuse_growth_by_name(words: Words, datasets: Collection[Dataset], columns: Mapping[str, GoldColumn]) -> None:
    """Raise `Meaningless` for a word such as `rpp_yoy_pct` that would be the growth of what has none."""
    measures = {name: measure for each in datasets for name, measure in each.measures.items()}
    for word in listed(words):
        named = _GROWTH.fullmatch(word.casefold())
        if named is None or word.casefold() in columns or word.casefold() in measures:
            continue
        of = named["of"]
        levels = [each.measure for name, each in columns.items() if each.is_level and name.startswith(of)]
        meant = measures.get(of) or next((each for each in levels if not each.growth_is_meaningful), None)
        if meant is not None:
            demand_growth(meant)


def refuse_what_is_not_published(
    choice: Choice, datasets: Collection[Dataset], columns: Mapping[str, GoldColumn]
) -> list[str]:
    """What to be told of measures that BEA publishes of some of the chosen categories alone.

    Raises `NotPublished` for a measure that it publishes of none of them.
    """
    notes = []
    for name in choice.measures if choice.categories else ():
        there = _published(name, datasets, columns)
        lacking = [each for each in choice.categories if each not in there]
        if there and len(lacking) == len(choice.categories):
            raise _not_published(name, lacking, there, datasets, columns)
        if there and lacking:
            notes.append(f"{name} is published of {_some(there)}: there is none of {_some(lacking)}.")
    return notes


def _published(name: str, datasets: Collection[Dataset], columns: Mapping[str, GoldColumn]) -> list[str]:
    """The categories that a measure or column is published of; none where the profile takes nothing of it."""
    of_measure = [each.lines.filter(measure=name)["category_id"] for each in datasets]
    found = list(dict.fromkeys(category for each in of_measure for category in each))
    return found or (columns[name].categories if name in columns else [])


def _not_published(
    name: str,
    lacking: Sequence[str],
    there: Sequence[str],
    datasets: Collection[Dataset],
    columns: Mapping[str, GoldColumn],
) -> NotPublished:
    measure = _measure(name, datasets, columns)
    what = f"{name} ({measure.title}) of {_some(lacking)}"
    schemes = {_scheme(each) for each in there}
    if _AT_CONSTANT_PRICES not in measure.unit or not schemes.issuperset(map(_scheme, lacking)):
        return NotPublished(name, lacking, f"BEA publishes no {what}.", remedy=f"It publishes it of {_some(there)}.")
    there_too = {
        each.name: (each.unit, of.is_monthly)
        for of in datasets
        for each in of.measures.values()
        if set(lacking).issubset(_published(each.name, datasets, columns))
    }
    current = [each for each, (unit, is_monthly) in there_too.items() if unit in _CURRENT and not is_monthly]
    chained = [each for each, (unit, is_monthly) in there_too.items() if _CHAINED in unit and is_monthly]
    instead = f", {' or '.join(current)} of {_some(lacking)} in current dollars" if current else ""
    instead += f", {' or '.join(chained)} of the nation by month" if chained else ""
    return NotPublished(
        name,
        lacking,
        f"BEA publishes no {what} for states: it deflates the total as a whole, and no parts of it.",
        remedy=f"Ask for {name} of {_some(there)}{instead}, or take the estimate "
        "serving.v_pce_at_all_items_prices for what it says it is: each category at the prices of all items.",
    )


def _measure(name: str, datasets: Collection[Dataset], columns: Mapping[str, GoldColumn]) -> Measure:
    return next((each.measures[name] for each in datasets if name in each.measures), None) or columns[name].measure


def _scheme(category: str) -> str:
    return category.partition(".")[0]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _FEW
    return f"{', '.join(names[:_FEW])}{f' and {more} more' if more > 0 else ''}"


def notes_of_levels(
    rows: pl.DataFrame, datasets: Mapping[str, Dataset], columns: Mapping[str, GoldColumn]
) -> list[str]:
    """What is to be known of figures of several years that cannot be compared over years."""
    years = rows.group_by("dataset", "measure").agg(pl.col("year").n_unique()).filter(pl.col("year") > 1)
    found = []
    for dataset, name in years.select("dataset", "measure").sort(pl.all()).iter_rows():
        of = datasets[dataset].measures.get(name)
        if of is None and not columns[name].compares_years:
            of = columns[name].measure
        if of is not None and "years" not in of.comparable_over:
            found.append(f"{name} compares areas within one year: two years of it cannot be compared.")
    return list(dict.fromkeys(found))
