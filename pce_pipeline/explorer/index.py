"""The index of a set: everything that a page needs besides figures, small enough to be read first.

It names every file with its size and hash, so that a reader knows what it has, and holds no time of day: the same
inputs give the same bytes. docs/explorer.md describes it for readers in other languages.
"""

from datetime import date

import msgspec

FORMAT = 1
"""Raised whenever an older reader would misunderstand a set."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what the index is made of; a field that has its default is left out."""


class File(_Part, frozen=True, kw_only=True):
    """One file of the set."""

    bytes: int
    """Its size."""
    sha256: str
    """The hash of its bytes, in hexadecimal."""
    footer: int | None = None
    """How many bytes at its end a reader of Parquet needs first; None for a file that is no Parquet."""
    rows: int | None = None
    """Its rows; None for a file that is no Parquet."""


class Area(_Part, frozen=True, kw_only=True):
    """A state, a region of BEA's, or the nation."""

    id: str
    """Its FIPS code, as `area` in figures: `06000`."""
    name: str
    """Its name."""
    level: str
    """What it is: `nation`, `region`, `state` (the District of Columbia is one)."""
    abbreviation: str
    """The postal code of a state, BEA's short name of a region, `US`."""
    region: str | None = None
    """The id of the region that a state is in; None for others."""


class Category(_Part, frozen=True, kw_only=True):
    """What is bought, earned or counted."""

    id: str
    """Its id, as `category` in figures: `product.health_care`."""
    title: str
    """Its name."""
    parent: int | None = None
    """The place in the list of the category that it is a part of; None for a total."""
    scheme: str
    """The division that it belongs to: two schemes divide the same total."""
    role: str
    """What it is within it: `total`, `subtotal`, `part`, ..."""
    depth: int = 0
    """How deep it lies, from 0."""
    is_deducted: bool = False
    """Whether it is subtracted from its parent."""


class Measure(_Part, frozen=True, kw_only=True):
    """A number of each category, area and period."""

    id: str
    """Its name, as `measure` in figures: the column of Gold."""
    title: str
    """What it is, in words."""
    about: str = ""
    """All that the data dictionary says of it, where that is more than the title."""
    unit: str | None = None
    """Its unit, in words; None for a rank."""
    decimals: int
    """The decimals that are shown; values are rounded to them."""
    is_published: bool = False
    """Whether BEA publishes it; else it is computed from what BEA publishes."""
    formula: str | None = None
    """How it is computed; None for what is published."""
    base_year: int | None = None
    """The year in whose prices, or relative to which, it is now; None where it has none."""
    base_years: list[int | None] | None = None
    """The same as known at each extract of the dataset; None where it has none at any."""
    why_no_line: str | None = None
    """Why two periods of it may not be compared, nor drawn as a line; None where they may."""
    history: str | None = None
    """The path of what was known of it at each extract; None where only the newest is known."""
    adds_up_over: list[str] = []
    """What a sum of it has a meaning over: `categories`, `areas`."""
    is_estimated: bool = False
    """Whether it is an estimate of ours, and neither BEA's figure nor arithmetic on such."""
    is_of_states: bool = False
    """Whether only states have it."""
    categories: list[int] | None = None
    """The categories that have it, by place in the dataset's list; None where all have."""


class Extract(_Part, frozen=True, kw_only=True):
    """A vintage of a dataset: what was known from its day on."""

    extract: str
    """Its name: the day on which this was what BEA published, and its number on that day."""
    released: date | None = None
    """The day on which BEA last updated any of its tables; None where nothing says."""
    tables: list[str]
    """BEA's tables that it has a vintage of."""
    origins: list[str]
    """Where it came from: `api`, `bulk`, `file`, `sample`, ..."""
    is_comprehensive: bool = False
    """Whether the release was a comprehensive update: all years are revised, and what figures mean may change."""
    bulletin: str | None = None
    """The path of the file that says what it changed; None where there is none."""


class Dataset(_Part, frozen=True, kw_only=True):
    """One dataset."""

    id: str
    """Its name."""
    title: str
    """What it is, in words."""
    cadence: str
    """`year`, or `month`: then a period is written as 202405."""
    first: int | None = None
    """The first period that has a row; None where there are none."""
    last: int | None = None
    """The last period that has a row."""
    newest_release: date | None = None
    """The day of the newest release that counts; None where nothing says."""
    pinned: str | None = None
    """The extract that a person pinned, so that later ones do not count; None where the newest counts."""
    citation: str
    """One line to cite its figures by."""
    extracts: list[Extract]
    """The vintages in order; `extract` in a history is a place in this list."""
    measures: list[Measure]
    """Its numbers, published ones first."""
    categories: list[Category]
    """Its categories, in the order of row groups."""
    figures: str
    """The path of its figures as they are in Gold."""
    missing: str
    """The path of the counts of its cells without a number."""


class Index(_Part, frozen=True, kw_only=True):
    """The index."""

    format: int
    """The number of this format."""
    version: str
    """What set this is: a hash of all that follows."""
    env: str
    """The environment that it was made in."""
    world: str
    """The world that it was made of: `bea`, `sample`, ..."""
    is_sample: bool
    """Whether the figures are the sample's: synthetic, and no statistics."""
    source: str
    """Who published the figures, in one line."""
    licence: str
    """What anybody may do with them."""
    gold: dict[str, str]
    """The tables of Gold that it was made of, each with a hash of its content."""
    statuses: dict[str, str]
    """Why a cell may have no number, a sentence for each status."""
    areas: list[Area]
    """All areas: the nation, regions, states."""
    datasets: list[Dataset]
    """All datasets that hold anything."""
    quality: dict[str, int]
    """How many checks passed, warned and failed when they last ran."""
    files: dict[str, File]
    """Every other file of the set by path, but for those that change without the figures: checks and runs."""
