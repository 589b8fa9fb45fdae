"""Which tables a table may be joined to: its columns that name a row of a dimension, each row exactly one.

Derived from the names of columns, which mean the same in every table. That each row finds its partner is a rule
(`references_resolve`); that it finds no second one is the primary key of the dimension.
"""

from dataclasses import dataclass

from pce_pipeline.tables.dimensions import CATEGORY_LINE, DIM_CATEGORY, DIM_GEOGRAPHY
from pce_pipeline.tables.table import Table
from pce_pipeline.tables.vintages import DIM_FIGURE


@dataclass(frozen=True)
class Join:
    """A many-to-one join: each row of a table finds one row of another."""

    columns: tuple[str, ...]
    """The columns of the table; a row in which one of them is NULL refers to nothing."""
    to: Table
    """The table that they lead to."""
    to_columns: tuple[str, ...]
    """The columns of that table, in the same order, which name one of its rows."""
    within: str = ""
    """What else has to be chosen so that there is only one; nothing where the columns are enough."""

    def __str__(self) -> str:
        return f"{', '.join(self.columns)} → {self.to.name}"


_JOINS = (
    Join(("geo_fips",), DIM_GEOGRAPHY, ("geo_fips",)),
    Join(("region_fips",), DIM_GEOGRAPHY, ("geo_fips",)),
    Join(("category_id",), DIM_CATEGORY, ("category_id",)),
    Join(("parent_id",), DIM_CATEGORY, ("category_id",)),
    Join(("bea_table", "line_code"), CATEGORY_LINE, ("bea_table", "line_code"), "the newest layout of each BEA table"),
    Join(("dataset", "measure", "category_id"), DIM_FIGURE, ("dataset", "measure", "category_id")),
)


def joins_of(table: Table) -> tuple[Join, ...]:
    """The joins that a table's columns make possible; none of a dimension to its own rows by their key.

    >>> [str(join) for join in joins_of(DIM_CATEGORY)]
    ['parent_id → gold/dim_category']
    """
    names = set(table.column_names)
    return tuple(
        join
        for join in _JOINS
        if names.issuperset(join.columns) and (table.name, join.columns) != (join.to.name, join.to_columns)
    )
