"""The sample's releases: when each one was "published", which years it brings and which it revises.

Numbers change between releases exactly in the years said here; the notes in answers and files are rendered from it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Literal

Clock = Literal["spending", "residents"]
"""What is revised on its own: residents are counted anew further back than amounts of money."""


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
        revised = [self.revised_years(clock) for clock in clocks]
        parts = [f"new statistics for {self.new_year}"] if self.new_year else []
        first, last = min(each.start for each in revised), max(each.stop for each in revised) - 1
        parts.append(f"revised statistics for {first}-{last}")
        return f"Last updated: {self.updated_text}-- {'; '.join(parts)}."


VINTAGES = (
    Vintage(1, date(2024, 10, 3), 2023, revised=(2019, 2022), new_year=2023),
    Vintage(2, date(2025, 9, 26), 2024, revised=(2019, 2023), new_year=2024),
    Vintage(3, date(2026, 9, 30), 2025, revised=(2021, 2024), new_year=2025, revised_residents=(2016, 2024)),
    Vintage(4, date(2026, 10, 29), 2025, revised=(2023, 2025)),
)
DEFAULT_RELEASE = 2


def vintage(number: int) -> Vintage:
    """The release of that number; raises `LookupError` where the sample has none."""
    found = next((one for one in VINTAGES if one.number == number), None)
    if found is None:
        raise LookupError(f"The sample has releases 1 to {VINTAGES[-1].number}, not {number}.")
    return found


def edition(year: int, clock: Clock, release: int) -> int:
    """The number of the release that set the figures of one year, as they stand in `release`."""
    setting = (one.number for one in VINTAGES[1:release] if year == one.new_year or year in one.revised_years(clock))
    return max(setting, default=1)
