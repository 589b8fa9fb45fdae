"""The layouts in which BEA's tables of states were published: what their columns are called and mean to us.

A layout is an entry of `LAYOUTS`, a table that was called otherwise one of tables_of_before.toml; nothing else knows of
them.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Literal

Shape = Literal["years across", "years down"]
Column = Literal[
    "geo_fips",
    "geo_name",
    "bea_table",
    "line_code",
    "description",
    "unit",
    "component",
    "component_name",
    "code",
    "year",
    "unit_multiplier",
    "value",
    "note_ref",
]

_YEAR = re.compile(r"x?([12][0-9]{3})(?:\.0)?")
_BEFORE = tomllib.loads((files(__package__) / "tables_of_before.toml").read_text("utf-8"))
_REWRITTEN = {(each["table"], each["before"]): each["today"] for each in _BEFORE["rewritten"]}


@dataclass(frozen=True)
class Component:
    """A table that a file names by a number, and whose unit a sentence below the data tells."""

    table: str
    """The table's name today."""

    name: re.Pattern[str]
    """What ComponentName says where the number means this table."""

    sentence: re.Pattern[str]
    """What a line below the data says where the unit is `unit`."""

    unit: str
    """The unit as the table writes it today."""


@dataclass(frozen=True)
class Layout:
    """One way of laying out a table."""

    name: str
    """What it is called in messages."""

    columns: Mapping[str, Column]
    """Our column for each header name, folded as `fold` does; a file of this layout has all of them."""

    optional: Mapping[str, Column] = field(default_factory=dict)
    """Columns that may be absent."""

    unused: frozenset[str] = frozenset()
    """Folded names of columns that tell nothing that is kept."""

    shape: Shape = "years across"
    """Whether a line holds all years of an area, or one."""

    titled: bool = False
    """Whether lines above the header name the table and its unit."""

    components: Mapping[str, Component] = field(default_factory=dict)
    """The tables of a layout without table names, by ComponentId."""

    rewritten: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Texts of lines as they read today, by table and text."""

    def column(self, folded: str) -> Column | None:
        """Our column of a header name, if it is kept."""
        return self.columns.get(folded) or self.optional.get(folded)

    def knows(self, folded: str) -> bool:
        """Whether a header name belongs to the layout; a year does where years stand across."""
        is_year = self.shape == "years across" and year_of(folded) is not None
        return is_year or self.column(folded) is not None or folded in self.unused


_BESIDE: frozenset[str] = frozenset({"region", "industryclassification"})
_NAMED: Mapping[str, Column] = {"geoname": "geo_name"}

TODAY = Layout(
    "regional table",
    {
        "geofips": "geo_fips",
        "tablename": "bea_table",
        "linecode": "line_code",
        "description": "description",
        "unit": "unit",
    },
    optional=_NAMED,
    unused=_BESIDE,
)
LAYOUTS = (
    TODAY,
    Layout(
        "regional table of before 2020",
        {
            "geofips": "geo_fips",
            "tablename": "bea_table",
            "line": "line_code",
            "description": "description",
            "unit": "unit",
        },
        optional=_NAMED,
        unused=_BESIDE | {"componentname"},
        rewritten=_REWRITTEN,
    ),
    Layout(
        "regional table of 2016",
        {
            "geofips": "geo_fips",
            "componentid": "component",
            "componentname": "component_name",
            "line": "line_code",
            "description": "description",
        },
        optional=_NAMED,
        unused=_BESIDE,
        components={
            number: Component(
                each["table"],
                name=re.compile(each["name"], re.IGNORECASE),
                sentence=re.compile(each["sentence"], re.IGNORECASE),
                unit=each["unit"],
            )
            for number, each in _BEFORE["components"].items()
        },
        rewritten=_REWRITTEN,
    ),
    Layout(
        "data frame of BEA's Python client",
        {
            "code": "code",
            "geofips": "geo_fips",
            "timeperiod": "year",
            "clunit": "unit",
            "unitmult": "unit_multiplier",
            "datavalue": "value",
        },
        optional={**_NAMED, "description": "description", "noteref": "note_ref"},
        shape="years down",
    ),
    Layout(
        "download of BEA's interactive tables",
        {"geofips": "geo_fips", "linecode": "line_code", "description": "description"},
        optional=_NAMED,
        titled=True,
    ),
)


@lru_cache(4096)
def fold(name: str) -> str:
    """A header name without case, blanks, quotation marks and underscores."""
    return "".join(character for character in name.casefold() if character.isalnum() or character in ".:")


def year_of(folded: str) -> int | None:
    """The year a folded header name stands for ("2021", and R's "x2021")."""
    found = _YEAR.fullmatch(folded)
    return int(found[1]) if found else None


def layout_of(header: Iterable[str], *, below_titles: bool) -> Layout | None:
    """The layout whose columns a header has; only one below titles may leave table and unit to them."""
    names = {fold(name) for name in header}
    for layout in LAYOUTS:
        fits = below_titles and all(map(layout.knows, names)) if layout.titled else True
        if fits and names.issuperset(layout.columns):
            return layout
    return None


def canonical(table: str) -> str:
    """The name a table has today."""
    name = table.strip().upper()
    return str(_BEFORE["renamed"].get(name, name))


def names_before(table: str) -> tuple[str, ...]:
    """The names that a table of today had before."""
    return tuple(before for before, today in _BEFORE["renamed"].items() if today == table)
