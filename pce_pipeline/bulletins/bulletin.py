"""What a bulletin says, as a record: everything that its pages are written from, and what machines read of it.

Numbers of BEA are decimals, which JSON holds as texts with all their digits; percentages are floats.
"""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from pce_pipeline.lake.records import Record

BULLETIN_CODE_VERSION = "1"
"""Raised when the same input should give another bulletin."""


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what a bulletin is made of."""


class TableOf(_Part, frozen=True, kw_only=True):
    """One of BEA's tables as the extract has it."""

    bea_table: str
    """BEA's name of it."""
    title: str
    """BEA's title of it."""
    vintage: str
    """The extracts that its figures are of, later ones laid over earlier ones."""
    vintage_before: str | None
    """Those of the vintage that it is compared with; None where there was none."""
    last_updated: date | None
    """BEA's "Last updated"; None where the extract says none."""
    note: str
    """BEA's release note."""
    note_before: str
    """That of the vintage before."""
    decided: str | None
    """Where a person decided what counts, how and why; else None."""


class Figure(_Part, frozen=True, kw_only=True):
    """A cell: a measure of a category in an area and a year, or a month."""

    measure: str
    """The measure's name in the catalogue."""
    measure_title: str
    """What it is, in words."""
    unit: str
    """Its unit in words."""
    category_id: str
    """The category."""
    category: str
    """Its name."""
    area: str
    """The area's name."""
    state: str | None
    """Its postal code; None for the nation and regions."""
    year: int
    """The year."""
    month: int | None
    """The month; None where the cell is of a whole year."""


class Change(Figure, frozen=True, kw_only=True):
    """What became of a cell."""

    kind: str
    """A kind of `gold.changes.KINDS`."""
    from_value: Decimal | None
    """The earlier number, in `unit`; None where there was none."""
    to_value: Decimal | None
    """The later number."""
    from_status: str | None
    """The earlier status; None where the vintage before does not speak of the cell."""
    to_status: str
    """The later status."""
    change_pct: float | None
    """The change in percent of the earlier number; None unless the kind is a revision of a number above zero."""
    decimals: int
    """How many decimals BEA publishes of the measure."""


class Named(_Part, frozen=True, kw_only=True):
    """Cells of one kind of change, the first of them named."""

    kind: str
    """The kind."""
    total: int
    """How many there are."""
    cells: tuple[Change, ...]
    """The first of them."""


class OfArea(_Part, frozen=True, kw_only=True):
    """The revisions of an area, of totals only: parts of spending may move by any percentage."""

    area: str
    """The area's name."""
    state: str | None
    """Its postal code; None for the nation."""
    revised: int
    """How many figures were revised."""
    mean_abs_pct: float
    """The mean size of these revisions, whatever their direction, in percent."""
    largest: Change
    """The largest of them by percent."""


class OfCategory(_Part, frozen=True, kw_only=True):
    """The revisions of a measure of a category, in all areas of the level."""

    measure: str
    """The measure's name in the catalogue."""
    measure_title: str
    """What it is, in words."""
    category_id: str
    """The category."""
    category: str
    """Its name."""
    revised: int
    """How many figures were revised."""
    mean_pct: float
    """Their mean, in percent."""
    mean_abs_pct: float
    """Their mean size, whatever their direction, in percent."""
    largest: Change
    """The largest of them by percent."""


class LineOf(_Part, frozen=True, kw_only=True):
    """A line of one of BEA's tables that the vintage before does not list."""

    bea_table: str
    """The table."""
    line_code: int
    """The line's code."""
    text: str
    """BEA's text."""
    is_held: bool
    """Whether the catalogue holds it; one that it does not is kept in Bronze alone."""


class News(_Part, frozen=True, kw_only=True):
    """What the vintage before has nothing of."""

    years: tuple[int, ...] = ()
    """Years, ascending."""
    months: tuple[str, ...] = ()
    """Months such as 2025M07, ascending."""
    areas: tuple[str, ...] = ()
    """Names of areas."""
    lines: tuple[LineOf, ...] = ()
    """Lines of tables that it has."""
    tables: tuple[str, ...] = ()
    """Tables."""
    cells: int = 0
    """Cells."""


class Wording(_Part, frozen=True, kw_only=True):
    """A text of BEA's that changed its meaning; case, blanks and footnote marks make no difference."""

    bea_table: str
    """The table."""
    line_code: int
    """The line's code."""
    what: str
    """`title` or `unit` of the line, or `line` where the line is gone."""
    before: str
    """What BEA said before."""
    after: str
    """What it says now; empty where it lists the line no more."""


class Coverage(_Part, frozen=True, kw_only=True):
    """How much of a table is held."""

    bea_table: str
    """The table."""
    expected: int
    """The cells that the catalogue expects, from the table's first year to its newest year or month."""
    held: int
    """Those of them that the vintage says something of."""
    quarantined: int
    """The cells that could not be read, which are not lost: their texts are kept."""


class StandingOf(_Part, frozen=True, kw_only=True):
    """How prices or real figures stand to the nominal figures that they are made with."""

    dataset: str
    """The dataset of the prices."""
    measure: str
    """The measure of prices."""
    belongs_to: str
    """The nominal measure that it is made with."""
    years: tuple[int, ...]
    """The years of the cells, ascending."""
    cells: int
    """How many cells of the states were made with a nominal figure that BEA has revised since."""
    of_cells: int
    """Of how many cells of the measure."""


class UsualRevision(_Part, frozen=True, kw_only=True):
    """How far the newest figures of a total usually move within a year."""

    measure: str
    """The measure's name in the catalogue."""
    measure_title: str
    """What it is, in words."""
    category: str
    """The name of the category, which is a total."""
    year: int
    """The year of the figures."""
    n_releases: int
    """From how many releases that is known."""
    abs_pct90: float | None
    """Nine figures of states in ten move by no more than this, in percent; None where releases are too few."""


class Outlook(_Part, frozen=True, kw_only=True):
    """What revision is still to come."""

    not_yet_revised: tuple[StandingOf, ...] = ()
    """The real figures whose nominal figures BEA has revised since they were made."""
    usual: tuple[UsualRevision, ...] = ()
    """The usual revision of the newest figures of each total."""


class Held(_Part, frozen=True, kw_only=True):
    """What the vintage holds."""

    cells: int
    """Figures, each once, whichever table publishes it."""
    by_status: dict[str, int]
    """How many of them there are by status."""
    first: str
    """The first year or month."""
    last: str
    """The newest year or month."""
    areas: int
    """Areas."""
    lines: int
    """Lines that the catalogue holds."""


class Bulletin(Record, frozen=True, kw_only=True):
    """What one extract changed of a dataset, or holds where it is the first."""

    dataset: str
    """The dataset."""
    title: str
    """What it is, in words."""
    extract: str
    """The extract's date, and which of its day it is."""
    compared_with: str | None
    """The extract before it among those that count; None for the first, which is compared with nothing."""
    is_sample: bool
    """Whether the numbers are synthetic."""
    is_monthly: bool
    """Whether the figures are of months."""
    level: str
    """The level of areas whose revisions are listed: state, or nation where the dataset has no states."""
    origins: tuple[str, ...]
    """Where the extracts of its vintages came from: api, bulk, file, sample."""
    published_at: datetime
    """When (UTC) the pipeline took the extract."""
    updated_at: datetime
    """When (UTC) it took the last of all extracts that are compared here."""
    tables: tuple[TableOf, ...]
    """BEA's tables."""
    held: Held
    """What is held."""
    news: News
    """What is new."""
    kinds: dict[str, int]
    """How many cells changed, by kind, most first."""
    by_table: dict[str, int]
    """How many cells changed, by table, most first."""
    sizes: dict[str, int]
    """How many revisions there are of each degree of size."""
    largest: tuple[Change, ...]
    """The largest revisions of the level's areas, of all categories, by percent."""
    by_area: tuple[OfArea, ...]
    """The revisions of each area that has any, the largest first."""
    by_category: tuple[OfCategory, ...]
    """The revisions of each measure and category that has any, the largest mean size first."""
    named: tuple[Named, ...]
    """The cells that appeared, went or could not be read."""
    wording: tuple[Wording, ...]
    """The texts and units that changed."""
    coverage: tuple[Coverage, ...]
    """How much of each table is held."""
    outlook: Outlook
    """What is still to come."""

    @property
    def released_on(self) -> date | None:
        """The newest "Last updated" of its tables."""
        return max((each.last_updated for each in self.tables if each.last_updated), default=None)
