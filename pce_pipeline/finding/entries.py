"""What can be found, and by which texts: one `Entry` for each category, measure, column, table and table of BEA's.

How well words fit an entry is not decided here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pce_pipeline.bea.layouts import names_before
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.packages import tables_of
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Column, Table
from pce_pipeline.texts import BASE_YEAR, OR, clean_description, meaning, usual

Kind = Literal["category", "measure", "column", "table", "BEA table"]

_LEVELS = {"nation": "US", "region": "regions", "state": "states"}

_OF_ID, _OF_NAME, _OF_BEFORE, _OF_LINES, _OF_MEASURES, _OF_PATH, _OF_DESCRIPTION = 3.0, 3.0, 2.5, 1.5, 1.0, 0.5, 1.0


@dataclass(frozen=True)
class Text:
    """A text by which an entry is found."""

    words: str
    """The text."""
    weight: float
    """How much it counts that words are found in it."""
    said: str = ""
    """Why the entry answers, where only this text does: it is not what the entry is called here."""


@dataclass(frozen=True)
class Figure:
    """A line of one of BEA's tables that has an entry's figures."""

    dataset: str
    """The dataset."""
    measure: str
    """The measure."""
    title: str
    """What the measure is, in words."""
    unit: str
    """The unit in words."""
    bea_table: str
    """BEA's table as it is called today."""
    line_code: int
    """The line's code in it today."""
    category: str
    """The id of the category."""
    first_year: int
    """The first year that BEA publishes."""
    areas: str
    """Which areas have figures: `US, regions, states`."""
    by_month: bool
    """Whether the figures are of months."""


@dataclass(frozen=True)
class Entry:
    """Something that can be found."""

    kind: Kind
    """What it is."""
    id: str
    """Its name in options and tables: `product.health_care`, `pce_yoy_pct`, `gold/dim_geography`."""
    name: str
    """What it is called, in words."""
    path: str
    """What it is part of, from the top: the categories above it, or the tables of Gold that a column is in."""
    unit: str
    """Its unit in words; empty where it has none, or where `figures` have several."""
    scheme: str
    """The scheme of a category: product, function, ..."""
    datasets: tuple[str, ...]
    """The datasets that have it."""
    figures: tuple[Figure, ...]
    """The lines with its figures; of a column of Gold, those that it is computed from."""
    column: str
    """The column of Gold that `pce query --measure` takes, where it is one with a formula; else empty."""
    texts: tuple[Text, ...]
    """The texts by which it is found."""


def entries(registry: Registry) -> tuple[Entry, ...]:
    """Everything of these datasets that can be found, categories first."""
    figures = [figure for dataset in registry.datasets.values() for figure in _figures(dataset)]
    return (
        *_categories(registry, figures),
        *_measures(registry, figures),
        *_columns(registry, figures),
        *_tables(registry),
        *_bea_tables(registry, figures),
    )


def _figures(dataset: Dataset) -> Iterator[Figure]:
    of_nation = set(dataset.categories.filter("nation_only")["category_id"])
    for line in dataset.lines.iter_rows(named=True):
        measure, table = dataset.measures[line["measure"]], dataset.tables[line["bea_table"]]
        levels = {"nation"} if line["category_id"] in of_nation else table.levels
        yield Figure(
            dataset.name,
            measure.name,
            measure.title,
            measure.unit_title,
            table.name,
            line["line_code"],
            line["category_id"],
            dataset.first_year_of(table.name),
            ", ".join(word for level, word in _LEVELS.items() if level in levels),
            dataset.is_monthly,
        )


def _categories(registry: Registry, figures: Iterable[Figure]) -> Iterator[Entry]:
    lines = _by(figures, "category")
    wordings = _wordings(registry)
    rows = pl.concat([dataset.categories for dataset in registry.datasets.values()]).unique(maintain_order=True)
    named = {row["category_id"]: row for row in rows.iter_rows(named=True)}
    for category, row in named.items():
        own = lines.get(category, ())
        if not own:
            continue
        above = list(_above(row, named))
        yield Entry(
            "category",
            category,
            row["name"],
            " > ".join([*above, row["name"]]),
            _one({figure.unit for figure in own}),
            row["scheme"],
            _distinct(figure.dataset for figure in own),
            own,
            "",
            (
                Text(category, _OF_ID),
                Text(row["name"], _OF_NAME),
                *(
                    Text(text, _OF_BEFORE, f'BEA also writes, or wrote, "{text}".')
                    for text in wordings.get(category, ())
                    if meaning(text) != meaning(row["name"])
                ),
                *(Text(name, _OF_PATH) for name in above),
                *_of_lines(own),
            ),
        )


def _above(row: Mapping[str, str | None], named: Mapping[str, Mapping[str, str | None]]) -> Iterator[str]:
    """The names of the categories that one is part of, from the top."""
    parent = named.get(row["parent_id"] or "")
    if parent is not None:
        yield from _above(parent, named)
        yield str(parent["name"])


def _wordings(registry: Registry) -> dict[str, tuple[str, ...]]:
    """What BEA's tables of any layout call each category, without what a measure alone is called."""
    found: dict[str, dict[str, None]] = {}
    for dataset in registry.datasets.values():
        of_several = dataset.layouts.filter(pl.col("category_id").n_unique().over("measure") > 1)
        for category, pinned in of_several.select("category_id", "description").iter_rows():
            texts = (clean_description(text).replace(BASE_YEAR, "").strip() for text in pinned.split(OR))
            found.setdefault(category, {}).update(dict.fromkeys(texts))
    return {category: tuple(texts) for category, texts in found.items()}


def _measures(registry: Registry, figures: Iterable[Figure]) -> Iterator[Entry]:
    lines = _by(figures, "measure")
    measures = {name: measure for dataset in registry.datasets.values() for name, measure in dataset.measures.items()}
    for name, measure in measures.items():
        own = lines.get(name, ())
        if not own:
            continue
        at_home = sorted(own, key=lambda figure: figure.dataset != measure.home)
        wordings = _distinct(
            usual(text)
            for dataset in registry.datasets.values()
            for text in dataset.lines.filter(measure=name)["description"]
            if dataset.lines.filter(measure=name)["category_id"].n_unique() == 1
        )
        yield Entry(
            "measure",
            name,
            measure.title,
            "",
            measure.unit_title,
            "",
            _distinct(figure.dataset for figure in at_home),
            tuple(at_home),
            "",
            (
                Text(name, _OF_ID),
                Text(measure.title, _OF_NAME),
                *(Text(text.replace(BASE_YEAR, ""), _OF_BEFORE, f'BEA writes "{text}".') for text in wordings),
                Text(measure.unit_title, _OF_DESCRIPTION),
            ),
        )


def _columns(registry: Registry, figures: Iterable[Figure]) -> Iterator[Entry]:
    lines = _by(figures, "measure")
    computed: dict[str, list[tuple[str, str | None]]] = {}
    for column_name, measure, category in _computed(registry):
        computed.setdefault(column_name, []).append((measure, category))
    found: dict[str, list[tuple[Table, Column]]] = {}
    for table in _of_gold(registry):
        for column in table.columns:
            found.setdefault(column.name, []).append((table, column))
    for name, places in found.items():
        tables = [table for table, _ in places]
        described = _distinct(column.description for _, column in places)
        own = [
            figure
            for measure, category in computed.get(name, ())
            for figure in lines.get(measure, ())
            if category in {None, figure.category}
        ]
        units = {column.unit for _, column in places if column.unit}
        yield Entry(
            "column",
            name,
            described[0],
            ", ".join(table.name for table in tables),
            _one(units),
            "",
            _distinct(figure.dataset for figure in own),
            _distinct_figures(own),
            name if own else "",
            (
                Text(name, _OF_ID),
                *(Text(text, _OF_DESCRIPTION) for text in described),
                *(Text(unit, _OF_PATH) for unit in sorted(units)),
                *(Text(table.name, _OF_PATH) for table in tables[:1]),
            ),
        )


def _computed(registry: Registry) -> Iterator[tuple[str, str, str | None]]:
    """The columns of Gold that have a formula, each with the first measure of it, and of which category alone."""
    for dataset in registry.datasets.values():
        taken = set(dataset.lines["measure"])
        for made in tables_of(dataset, registry):
            for column, formula in made.formulas.items():
                if taken.issuperset(term.measure for term in formula.terms):
                    yield column, formula.terms[0].measure, formula.terms[0].category


def _tables(registry: Registry) -> Iterator[Entry]:
    for table in _of_gold(registry):
        texts = (
            Text(f"{table.name} {table.relation}", _OF_ID),
            Text(table.grain, _OF_NAME / 2),
            Text(table.hazard, _OF_PATH),
        )
        yield Entry("table", table.name, table.grain, "", "", "", (), (), "", texts)


def _bea_tables(registry: Registry, figures: Iterable[Figure]) -> Iterator[Entry]:
    lines = _by(figures, "bea_table")
    for dataset in registry.datasets.values():
        for name, table in dataset.tables.items():
            own = lines.get(name, ())
            yield Entry(
                "BEA table",
                name,
                table.title,
                "",
                _one({figure.unit for figure in own}),
                "",
                (dataset.name,),
                own,
                "",
                (
                    Text(name, _OF_ID),
                    Text(table.title, _OF_NAME / 2),
                    *(
                        Text(before, _OF_ID, f"{before} is BEA's earlier name of {name}.")
                        for before in names_before(name)
                    ),
                ),
            )


def _of_gold(registry: Registry) -> Iterator[Table]:
    return (table for table in registry.tables if table.layer == "gold")


def _of_lines(figures: Iterable[Figure]) -> Iterator[Text]:
    for text in _distinct(f"{figure.bea_table} line {figure.line_code}" for figure in figures):
        yield Text(text, _OF_LINES)
    for text in _distinct(f"{figure.measure} {figure.title} {figure.unit}" for figure in figures):
        yield Text(text, _OF_MEASURES)


def _by(figures: Iterable[Figure], what: Literal["category", "measure", "bea_table"]) -> dict[str, tuple[Figure, ...]]:
    found: dict[str, tuple[Figure, ...]] = {}
    for figure in figures:
        key = str(getattr(figure, what))
        found[key] = (*found.get(key, ()), figure)
    return found


def _one(units: set[str]) -> str:
    return next(iter(units)) if len(units) == 1 else ""


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _distinct_figures(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    return tuple(dict.fromkeys(figures))
