"""Which numbers of Gold somebody means: a measure or a column, of areas, categories and years, becomes `Asked`."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import UsageError
from pce_pipeline.gold.formulas import Formula
from pce_pipeline.gold.packages import tables_of
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.tracing.records import Asked

_SHOWN = 8


def asked(
    registry: Registry,
    datasets: Collection[str],
    *,
    what: str,
    areas: Sequence[str],
    categories: Sequence[str],
    years: Sequence[int],
    months: Sequence[int] = (),
) -> list[Asked]:
    """The numbers that are meant: `what` is a measure of the catalogue or a column of Gold.

    Where several datasets have it, it is that of the first that publishes the measure itself. Raises `UsageError` for
    a name that is neither, for a category where one is needed, and for months of a table that has none.
    """
    dataset, table, column, formula = _column(registry, datasets, what)
    if "month" in table.key and not months:
        raise UsageError(f"{column} of {table.name} is of months.", remedy="Name some: --months 7, or 1,2,3.")
    if months and "month" not in table.key:
        raise UsageError(f"{column} of {table.name} is of years.", remedy="Leave --months out.")
    if "geo_fips" not in table.key:
        areas = dataset.areas.filter(geo_level="nation")["geo_fips"].to_list()
    elif not areas:
        raise UsageError("It is not said of which area.", remedy="Name one: --state CA, or US.")
    return [
        Asked(dataset, table, column, formula, area, category, year, month)
        for area in areas
        for category in _categories(dataset, table, formula, categories)
        for year in years
        for month in (months or (None,))
    ]


def traceable(registry: Registry, datasets: Collection[str]) -> Iterator[tuple[Dataset, Table, str, Formula]]:
    """Every column of Gold that has a formula, table by table, as far as the profile takes its figures."""
    for name in datasets:
        dataset = registry.datasets[name]
        taken = set(dataset.lines["measure"])
        for made in tables_of(dataset, registry):
            for column, formula in made.formulas.items():
                if taken.issuperset(term.measure for term in formula.terms):
                    yield dataset, made.table, column, formula


def _column(registry: Registry, datasets: Collection[str], what: str) -> tuple[Dataset, Table, str, Formula]:
    every = list(traceable(registry, datasets))
    found = [each for each in every if each[2] == what] or [each for each in every if each[3].text == what]
    if not found:
        names = dict.fromkeys([*(each[2] for each in every), *(each[3].terms[0].measure for each in every)])
        close = difflib.get_close_matches(what, names, n=3) or list(names)[:_SHOWN]
        raise UsageError(
            f"No table of Gold has a measure or column {what!r} that can be traced.",
            remedy=f"Did you mean {', '.join(close)}? docs/data-dictionary.md lists all; what is estimated, counted or "
            "described there has no single figure of BEA behind it.",
        )
    at_home = [each for each in found if each[0].measures[each[3].terms[0].measure].home == each[0].name]
    return (at_home or found)[0]


def _categories(dataset: Dataset, table: Table, formula: Formula, wanted: Sequence[str]) -> list[str]:
    """The categories meant: those named, or of a table without categories the one that its figure is of."""
    measure, own = formula.terms[0].measure, formula.terms[0].category
    of_measure = dataset.lines.filter(measure=measure)["category_id"].unique(maintain_order=True).to_list()
    there = [own] if own is not None else of_measure
    if other := [each for each in wanted if each not in there]:
        raise UsageError(f"{table.name} has no {measure} of {', '.join(other)}.", remedy=f"It has {_some(there)}.")
    if len(there) == 1:
        return there
    if not wanted:
        raise UsageError(f"{measure} is published by category.", remedy=f"Name one with --category: {_some(there)}.")
    return list(wanted)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return f"{', '.join(names[:_SHOWN])}{f' and {more} more' if more > 0 else ''}"


def titles(dataset: Dataset, asked_for: Asked) -> Mapping[str, str]:
    """The area and the category of a number, by their names."""
    area = dataset.areas.filter(geo_fips=asked_for.geo_fips)["geo_name"]
    category = dataset.categories.filter(category_id=asked_for.category)["name"]
    return {"area": area[0], "category": category[0] if category.len() else asked_for.category}
