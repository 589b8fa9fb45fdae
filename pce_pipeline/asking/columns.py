"""Columns of Gold that follow from figures by a formula: which there are, and their rows with what they are made of.

A rate, a share or a rank has no cell of BEA's. Its status, vintage and release are those of the figures that its
formula takes: the first that is missing says why there is no number, and the newest vintage is the one that it is of.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pce_pipeline.asking.choosing import Choice
from pce_pipeline.catalog.dataset import Dataset, Measure
from pce_pipeline.gold.formulas import Formula, Term
from pce_pipeline.gold.made import GoldTable
from pce_pipeline.gold.packages import tables_of
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import NOT_PUBLISHED
from pce_pipeline.tables.vintages import COUNTED
from pce_pipeline.tracing.asking import traceable

NO_NUMBER = "no_number"
"""The status of a column that is NULL although the figures of its formula are all there: two base years, nothing above
zero, or an area that is not ranked."""
WITHOUT_UNIT = "number"
"""What stands for the unit of a column that has none: a rank."""

_REPORTED = "reported"
_MONTHS = 12
_PERIOD = ("year", "month")
_SAID = ("status", "basis", "bea_table", "base_year", "released_on", "vintage")


@dataclass(frozen=True)
class GoldColumn:
    """A column of a table of Gold that can be asked for."""

    dataset: Dataset
    """The dataset."""
    made: GoldTable[Any]
    """How its table is made."""
    name: str
    """Its name."""
    formula: Formula
    """How it follows from figures."""

    @property
    def is_of_months(self) -> bool:
        return "month" in self.made.table.key

    @property
    def measure(self) -> Measure:
        """The measure that its formula begins with."""
        return self.dataset.measures[self.formula.terms[0].measure]

    @property
    def is_level(self) -> bool:
        """Whether it is a published figure itself."""
        return len(self.formula.terms) == 1 and self.formula.text == self.measure.name

    @property
    def is_at_home(self) -> bool:
        """Whether its dataset is the one that publishes the measure first."""
        return self.measure.home == self.dataset.name

    @property
    def compares_years(self) -> bool:
        """Whether it is itself a comparison with earlier figures."""
        return any(term.back for term in self.formula.terms)

    @property
    def categories(self) -> list[str]:
        """The categories that it is of."""
        own = self.formula.terms[0].category
        if own is not None:
            return [own]
        lines = self.dataset.lines.filter(measure=self.measure.name)
        return lines["category_id"].unique(maintain_order=True).to_list()

    @property
    def unit(self) -> str:
        """Its unit, in words."""
        (declared,) = (each for each in self.made.table.columns if each.name == self.name)
        return declared.unit or WITHOUT_UNIT


def columns_of(registry: Registry, datasets: Collection[str], *, of_months: bool) -> dict[str, GoldColumn]:
    """The columns of Gold that can be asked for, by name; a measure that only months have goes by its own name as well.

    Where several tables have one, it is that of the grain that is meant, and of the dataset that publishes it first.
    """
    found: dict[str, list[GoldColumn]] = {}
    made = {each.table.name: each for name in datasets for each in tables_of(registry.datasets[name], registry)}
    for dataset, table, name, formula in traceable(registry, datasets):
        column = GoldColumn(dataset, made[table.name], name, formula)
        found.setdefault(name, []).append(column)
        if dataset.is_monthly and column.is_level:
            found.setdefault(column.measure.name, []).append(column)
    return {
        name: min(each, key=lambda column: (column.is_of_months != of_months, not column.is_at_home))
        for name, each in found.items()
    }


def column_rows(column: GoldColumn, rows: pl.DataFrame, figures: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """The chosen rows of a column, one per figure, each with the status, vintage and release of what it is made of.

    `rows` are those of its table; `figures` has measure, category_id, geo_fips, year (and month), status, basis,
    bea_table, base_year, released_on and vintage of every figure that its formula takes.
    """
    nation = column.dataset.areas.filter(geo_level="nation")["geo_fips"][0]
    lacking = {"geo_fips": nation, "category_id": column.categories[0]}
    cells = rows.with_columns(pl.lit(value).alias(name) for name, value in lacking.items() if name not in rows.columns)
    key = ["category_id", "geo_fips", *(name for name in _PERIOD if name in cells.columns)]
    cells = choice.of_cells(cells.select(*key, value=column.name)).sort(key)
    names = column.dataset.areas.select("geo_fips", "geo_name", "geo_level", "state")
    parts = [_of_term(cells.select(key), term, figures, column.dataset, nation, _SAID) for term in _own_terms(column)]
    return (
        cells.with_columns(
            *_made_of(parts),
            dataset=pl.lit(column.dataset.name),
            measure=pl.lit(column.name),
            unit=pl.lit(column.unit),
            base_year=parts[0]["base_year"] if "base_year" in column.unit else pl.lit(None, dtype=pl.Int32),
        )
        .with_columns(
            status=pl.when(pl.col("value").is_not_null())
            .then(pl.lit(_REPORTED))
            .otherwise(pl.col("status").fill_null(NO_NUMBER))
        )
        .join(names, on="geo_fips", how="left", maintain_order="left")
        .join(
            column.dataset.categories.select("category_id", category_name="name"),
            on="category_id",
            how="left",
            maintain_order="left",
        )
    )


def why_no_number(column: GoldColumn, cells: pl.DataFrame, figures: pl.DataFrame) -> pl.Series:
    """The status of cells of a column that are NULL, in their order: that of the first figure which is missing.

    `cells` has category_id, geo_fips and year (and month); `figures` has measure and status beside these, of every
    figure that the column's formula takes.
    """
    nation = column.dataset.areas.filter(geo_level="nation")["geo_fips"][0]
    parts = [_of_term(cells, term, figures, column.dataset, nation, ["status"]) for term in _own_terms(column)]
    missing = [pl.when(part["status"] != _REPORTED).then(part["status"]) for part in parts]
    return cells.select(status=pl.coalesce(*missing, pl.lit(NO_NUMBER))).to_series()


def _own_terms(column: GoldColumn) -> list[Term]:
    """The terms that are one figure: all but those of all states."""
    return [term for term in column.formula.terms if term.of != "all states"]


def _made_of(parts: Collection[pl.DataFrame]) -> list[pl.Series]:
    """What the figures of several terms say together, row by row."""
    every = pl.concat(
        [part.rename({name: f"{name} {at}" for name in part.columns}) for at, part in enumerate(parts)],
        how="horizontal",
    )
    places = range(len(parts))

    def all_of(name: str) -> list[pl.Expr]:
        return [pl.col(f"{name} {at}") for at in places]

    missing = [pl.when(each != _REPORTED).then(each) for each in all_of("status")]
    beside = [pl.when(each != COUNTED).then(each) for each in all_of("basis")]
    tables = pl.concat_list(all_of("bea_table")).list.drop_nulls().list.unique(maintain_order=True).list.join(", ")
    return every.select(
        status=pl.coalesce(missing),
        basis=pl.coalesce(*beside, *all_of("basis")),
        bea_table=pl.when(tables != "").then(tables),
        released_on=pl.max_horizontal(all_of("released_on")),
        vintage=pl.max_horizontal(all_of("vintage")),
    ).get_columns()


def _of_term(
    cells: pl.DataFrame, term: Term, figures: pl.DataFrame, dataset: Dataset, nation: str, said: Sequence[str]
) -> pl.DataFrame:
    """What is `said` of the figure that a term means for each cell, in the order of the cells."""
    if term.category is not None:
        cells = cells.with_columns(category_id=pl.lit(term.category))
    elif term.of == "its total":
        cells = cells.with_columns(pl.col("category_id").replace(totals_of(dataset)))
    if term.of == "the US":
        cells = cells.with_columns(geo_fips=pl.lit(nation))
    if term.back and "month" in cells.columns:
        moment = pl.col("year") * _MONTHS + pl.col("month") - 1 - term.back
        cells = cells.with_columns(year=moment // _MONTHS, month=moment % _MONTHS + 1)
    elif term.back:
        cells = cells.with_columns(pl.col("year") - term.back)
    known = figures.filter(measure=term.measure).select(*cells.columns, *said)
    same_types = cells.cast({name: known.schema[name] for name in cells.columns})
    return (
        same_types.join(known, on=cells.columns, how="left", maintain_order="left")
        .with_columns(pl.col("status").fill_null(NOT_PUBLISHED))
        .drop(cells.columns)
    )


def totals_of(dataset: Dataset) -> Mapping[str, str]:
    """The category that is all of the scheme of each, by the id of each."""
    totals = (
        dataset.categories.filter(role="total").select("scheme", total="category_id").unique("scheme", keep="first")
    )
    return dict(dataset.categories.join(totals, on="scheme").select("category_id", "total").iter_rows())
