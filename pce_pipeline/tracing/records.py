"""What a trace consists of: the number asked for, its figures, the object each was read from, and what was checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pce_pipeline.bea.places import Place
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.formulas import Formula, Known
from pce_pipeline.tables.table import NOT_PUBLISHED, Table
from pce_pipeline.tracing.stored import StoredFile


@dataclass(frozen=True)
class Asked:
    """A number that is traced: a column of a row of Gold."""

    dataset: Dataset
    """The dataset."""
    table: Table
    """The table of Gold that has it."""
    column: str
    """The column."""
    formula: Formula
    """How it follows from figures."""
    geo_fips: str
    """The area."""
    category: str
    """The category; of a table without categories, that of its first figure."""
    year: int
    """The year."""
    month: int | None = None
    """The month, of a table of months."""

    @property
    def key(self) -> dict[str, Any]:
        """The row's key in its table."""
        said = {"geo_fips": self.geo_fips, "category_id": self.category, "year": self.year, "month": self.month}
        return {name: said[name] for name in self.table.key}

    @property
    def unit(self) -> str:
        """Its unit, in words; none for a rank."""
        return next(column.unit or "" for column in self.table.columns if column.name == self.column)


@dataclass(frozen=True)
class Check:
    """One step that was looked at again."""

    what: str
    """What was looked at."""
    holds: bool | None
    """Whether it agrees; None where there was nothing to look at."""
    said: str
    """What was found, in words."""


@dataclass(frozen=True)
class Raw:
    """The stored object that a figure was read from, and how it came."""

    uri: str
    """Where it lies."""
    sha256: str
    """The hash that its manifest names."""
    found: str
    """The hash that its bytes have now."""
    bytes: int
    """Its size."""
    endpoint: str
    """The address that gave it; of a file that somebody had, how it came."""
    parameters: Mapping[str, str]
    """What was asked for, without the key."""
    extracted_at: datetime
    """When (UTC) it was received."""
    extract: str
    """The extract that it belongs to."""
    origin: str
    """Where the extract came from."""
    released: date | None
    """BEA's "Last updated" of the table in it."""
    release_note: str
    """That line, whole."""
    run_id: str
    """The run that took it."""
    code_version: str
    """The version of the pipeline that took it."""
    published_as: str
    """The table and line as BEA called them then."""
    place: Place | None
    """Where in it the cell stands; None where it could not be located."""


@dataclass(frozen=True)
class Link:
    """One figure that a number is made of, down to the raw object; without `raw` it is one that nothing holds."""

    term: str
    """What the formula calls it."""
    measure: str
    """The measure."""
    category: str
    """The category."""
    geo_fips: str
    """The area."""
    year: int
    """The year."""
    month: int | None
    """The month, if it is of one."""
    value: Decimal | None = None
    """The value; None where there is none."""
    status: str = NOT_PUBLISHED
    """Why there is none, or `reported`."""
    unit: str = ""
    """BEA's label of the unit."""
    base_year: int | None = None
    """The year in whose prices it is; None where it is in none."""
    bea_table: str = ""
    """BEA's table, as it is called today."""
    line_code: int | None = None
    """BEA's line of it."""
    released_on: date | None = None
    """The day on which BEA released it."""
    raw: Raw | None = None
    """The object in which it was published first."""

    @property
    def known(self) -> Known:
        """It as formulas take it."""
        return Known(self.value, self.status, self.base_year)

    @property
    def figure(self) -> tuple[str, str, str, int, int | None]:
        """Which figure it is, whatever a formula calls it."""
        return self.measure, self.category, self.geo_fips, self.year, self.month

    @property
    def period(self) -> str:
        """The year, or the year and month."""
        return str(self.year) if self.month is None else f"{self.year}-{self.month:02}"

    def __str__(self) -> str:
        return f"{self.measure} {self.category} {self.geo_fips} {self.period}"


@dataclass(frozen=True)
class Trace:
    """What became of tracing one number."""

    asked: Asked
    """The number."""
    value: float | Decimal | None
    """What its figures give."""
    status: str
    """`reported`, or why there is none: the status of the first of its figures that lacks a value."""
    links: Sequence[Link]
    """Its figures."""
    gold: Sequence[StoredFile]
    """The file of Gold that holds it; none where an older vintage is traced."""
    checks: Sequence[Check]
    """Every step that was looked at again."""
    is_held: bool
    """Whether anything holds the figure of the very area, category and period that was asked for."""
    as_of: date | None
    """The day as of which it is; None for now."""

    @property
    def verdict(self) -> str:
        """`refuted` if any step does not agree, `nothing_held` where nothing holds the figure, else `confirmed`.

        It is `confirmed_in_lake` where Postgres could not be looked at.
        """
        if any(check.holds is False for check in self.checks):
            return "refuted"
        if not self.is_held:
            return "nothing_held"
        return "confirmed_in_lake" if any(check.holds is None for check in self.checks) else "confirmed"

    @property
    def unit(self) -> str:
        """The unit of the number in words, with the base year where it is in prices of one."""
        unit, base_year = self.asked.unit, next((link.base_year for link in self.links), None)
        if base_year is None or not unit or self.asked.formula.text != self.asked.formula.terms[0].name:
            return unit
        named = unit.replace("base_year", str(base_year))
        return named if str(base_year) in named else f"{unit} (base year {base_year})"
