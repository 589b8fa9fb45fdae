"""Which numbers of a dataset the set has, and what each is: the columns of Gold that have a formula.

What may be done with a number (drawn over years, added up, moved back in time) follows from the declarations of its
measure and its column, never from its name.
"""

import re
from dataclasses import dataclass

from pce_pipeline.asking.columns import WITHOUT_UNIT, GoldColumn
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.meaning import why_no_growth
from pce_pipeline.gold.packages import tables_of
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tracing.asking import traceable

_OF_STATES = "all states"
_YEARS = "years"

_DECIMALS = {
    "percent": 2,
    "percentage points": 3,
    "log points": 3,
    "index, US = 100": 1,
    WITHOUT_UNIT: 0,
}
"""The decimals that are shown of what is computed, by its unit; in the unit of a measure they are the measure's."""
_OTHERWISE = 2


@dataclass(frozen=True)
class ShownMeasure:
    """One number of a dataset, per category, area and period."""

    column: GoldColumn
    """The column of Gold that it is."""
    title: str
    """What it is, in words, beginning without a capital."""
    about: str
    """What the data dictionary says of the column."""

    @property
    def id(self) -> str:
        """Its name: the column's."""
        return self.column.name

    @property
    def is_published(self) -> bool:
        """Whether BEA publishes it; else it is computed from what BEA publishes."""
        return self.column.is_level

    @property
    def is_of_states(self) -> bool:
        """Whether only states have it: a rank among them."""
        return any(term.of == _OF_STATES for term in self.column.formula.terms)

    @property
    def is_in_its_unit(self) -> bool:
        """Whether it is in the unit of the measure that it follows from: that measure, or a mean of it."""
        return self.is_published or self.column.unit == self.column.measure.unit_title

    @property
    def decimals(self) -> int:
        """The decimals that BEA prints, or that are shown of what is computed."""
        if self.is_in_its_unit:
            return self.column.measure.decimals
        return _DECIMALS.get(self.column.unit, _OTHERWISE)

    @property
    def why_no_line(self) -> str | None:
        """Why two years of it cannot be compared; None where they can."""
        measure = self.column.measure
        if self.column.compares_years or _YEARS in measure.comparable_over:
            return None
        return f"{measure.title}: {why_no_growth(measure)}"

    @property
    def adds_up_over(self) -> list[str]:
        """What a sum of it has a meaning over: categories, areas."""
        return sorted(self.column.measure.adds_up_over) if self.is_published else []


def shown_measures(registry: Registry, dataset: Dataset) -> tuple[ShownMeasure, ...]:
    """The numbers of a dataset, published ones before computed ones, as its tables have them."""
    made = {each.table.name: each for each in tables_of(dataset, registry)}
    columns = [
        GoldColumn(dataset, made[table.name], name, formula)
        for _, table, name, formula in traceable(registry, [dataset.name])
    ]
    names = {each.name: _title(_description(each)) for each in columns if each.is_level}
    shown = [ShownMeasure(each, _in_words(_description(each), names), _description(each)) for each in columns]
    return tuple(sorted(shown, key=lambda each: not each.is_published))


def _description(column: GoldColumn) -> str:
    (declared,) = (each for each in column.made.table.columns if each.name == column.name)
    return declared.description


def _title(description: str) -> str:
    """The first part of a description, which says what a column is."""
    return re.split(r"[;:]", description, maxsplit=1)[0]


def _in_words(description: str, names: dict[str, str]) -> str:
    """A title in which the columns that it speaks of have their titles in place of their names."""
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), _title(description))
