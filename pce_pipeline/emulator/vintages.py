"""The sample's releases: when each one was "published", which years it brings and which it revises.

Numbers change between releases exactly in the years said here; the notes in answers and files are rendered from it.
Prices and real figures have a clock of their own: those of a release may still go with the amounts of an earlier one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Literal

Clock = Literal["spending", "residents", "prices"]
"""What is revised on its own: residents are counted anew further back than amounts, and prices follow later."""


@dataclass(frozen=True)
class Vintage:
    """One release."""

    number: int
    """Its number, from 1."""
    last_updated: date
    """The day it is of."""
    last_year: int
    """The newest year it has."""
    revised: tuple[int, int]
    """The first and the last year that it changes."""
    new_year: int | None = None
    """The year it adds; None where it only revises."""
    revised_residents: tuple[int, int] | None = None
    """The same as `revised` for numbers of residents; None where those are revised alike."""
    prices_of: int | None = None
    """The number of the earlier release whose prices and real figures it still has; None where it brings its own."""

    @property
    def updated_text(self) -> str:
        """The day as BEA writes it."""
        return f"{self.last_updated:%B} {self.last_updated.day}, {self.last_updated.year}"

    def revised_years(self, clock: Clock) -> range:
        """The years that this release changes, the new one apart."""
        first, last = self.revised_residents or self.revised if clock == "residents" else self.revised
        return range(first, last + 1)

    def note(self, clocks: Collection[Clock]) -> str:
        """BEA's "Last updated" line of a table whose figures follow these clocks; of one that follows none, the day."""
        if not clocks:
            return f"Last updated: {self.updated_text}."
        if "prices" in clocks:
            return _note_of_prices(self.with_prices, clocks)
        revised = [self.revised_years(clock) for clock in clocks]
        parts = [f"new statistics for {self.new_year}"] if self.new_year else []
        first, last = min(each.start for each in revised), max(each.stop for each in revised) - 1
        parts.append(f"revised statistics for {first}-{last}")
        return f"Last updated: {self.updated_text}-- {'; '.join(parts)}."

    @property
    def with_prices(self) -> "Vintage":
        """The release whose amounts and residents its prices and real figures go with."""
        return self if self.prices_of is None else vintage(self.prices_of)

    @property
    def last_year_of_prices(self) -> int:
        """The newest year of its prices, which come months after amounts."""
        return self.with_prices.last_year - 1


VINTAGES = (
    Vintage(1, date(2024, 10, 3), 2023, revised=(2019, 2022), new_year=2023),
    Vintage(2, date(2025, 9, 26), 2024, revised=(2019, 2023), new_year=2024),
    Vintage(
        3, date(2026, 9, 30), 2025, revised=(2021, 2024), new_year=2025, revised_residents=(2016, 2024), prices_of=2
    ),
    Vintage(4, date(2026, 10, 29), 2025, revised=(2023, 2025)),
)
DEFAULT_RELEASE = 2


def vintage(number: int) -> Vintage:
    """The release of that number; raises `LookupError` where the sample has none."""
    found = next((one for one in VINTAGES if one.number == number), None)
    if found is None:
        raise LookupError(f"The sample has releases 1 to {VINTAGES[-1].number}, not {number}.")
    return found


def _note_of_prices(shown: Vintage, clocks: Collection[Clock]) -> str:
    """The line of a table of prices: all that was revised since the release that brought prices before."""
    earlier = [one for one in VINTAGES if one.number < shown.number and one.prices_of is None]
    since = VINTAGES[earlier[-1].number if earlier else 0 : shown.number]
    of_amounts: tuple[Clock, ...] = ("spending", "residents") if "residents" in clocks else ("spending",)
    first = min(one.revised_years(clock).start for one in since for clock in of_amounts)
    known = earlier[-1].last_year_of_prices if earlier else shown.last_year_of_prices - 1
    parts = [f"new statistics for {year}" for year in range(known + 1, shown.last_year_of_prices + 1)]
    return f"Last updated: {shown.updated_text}-- {'; '.join([*parts, f'revised statistics for {first}-{known}'])}."


def edition(year: int, clock: Clock, release: int) -> int:
    """The number of the release that set the figures of one year, as they stand in `release`."""
    setting = (one.number for one in VINTAGES[1:release] if year == one.new_year or year in one.revised_years(clock))
    return max(setting, default=1)
