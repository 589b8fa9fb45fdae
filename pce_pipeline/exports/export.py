"""What leaves: rows with what is to be said of them, as one value that every form writes in its own way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from pce_pipeline import __version__
from pce_pipeline.asking.about import About
from pce_pipeline.citation import SAMPLE, licence
from pce_pipeline.tables.table import Column


@dataclass(frozen=True)
class ColumnFacts:
    """What is to be said of one column."""

    name: str
    """Its name."""
    type: str
    """Its Polars type."""
    unit: str
    """Its unit in words; nothing where it has none."""
    base_year: int | None
    """The year in whose prices it is; None where prices play no part, or where a column says it row by row."""
    meaning: str
    """What it says; nothing where that is not known."""


@dataclass(frozen=True)
class Export:
    """Rows that leave, and what is to be said of them."""

    name: str
    """What they are called within a file: the table's name, or `figures` of an answer."""
    frame: pl.DataFrame
    """The rows."""
    about: About | None
    """What they are, from where, and how to cite them; None where the rows alone are written."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    """The declarations of their columns, by name, as far as there are any."""
    key: tuple[str, ...] = ()
    """The columns that name a row; none where rows have no key."""

    def column_facts(self) -> list[ColumnFacts]:
        """What is to be said of each column, in order."""
        units = self.about.units if self.about else {}
        bases = self.about.base_years if self.about else {}
        return [
            ColumnFacts(
                name,
                str(dtype),
                units.get(name) or (self.columns[name].unit if name in self.columns else None) or "",
                bases.get(name),
                self.columns[name].description if name in self.columns else "",
            )
            for name, dtype in self.frame.schema.items()
        ]


def facts(about: About) -> list[tuple[str, str]]:
    """What is to be said of rows, as names and texts in the order of reading; a unit or a note has a line of its own.

    >>> about = About("Spending", {"pce": "dollars"}, {"pce": None}, None, ["2024-10-31"], "BEA", False, "BEA.", [])
    >>> facts(about)[:3]
    [('title', 'Spending'), ('source', 'BEA'), ('as of', 'as published now')]
    """
    return [
        *([("SAMPLE", SAMPLE)] if about.is_sample else []),
        ("title", about.title),
        ("source", about.source),
        ("as of", str(about.as_of) if about.as_of else "as published now"),
        *(("vintage", vintage) for vintage in about.vintages),
        *(("unit", f"{name}: {unit}") for name, unit in about.units.items()),
        *(("base year", f"{name}: {year}") for name, year in about.base_years.items() if year is not None),
        *(("note", note) for note in about.notes),
        ("citation", about.citation),
        ("licence", licence(is_sample=about.is_sample)),
        ("written by", f"pce_pipeline {__version__}"),
    ]
