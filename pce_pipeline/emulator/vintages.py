"""The sample's releases: when each one was "published", which years it brings and which it revises.

Numbers change between releases exactly in the years said here; the notes in answers and files are rendered from it.
"""

from dataclasses import dataclass
from datetime import date

PER_CAPITA_TABLE = "SAPCE2"


@dataclass(frozen=True)
class Vintage:
    """One release: `new_year` is the year it adds, `revised` the first and last year it changes.

    `revised_per_capita` is the same for SAPCE2 where population was revised further back than expenditures.
    """

    number: int
    last_updated: date
    first_year: int
    last_year: int
    revised: tuple[int, int]
    new_year: int | None = None
    revised_per_capita: tuple[int, int] | None = None

    @property
    def years(self) -> range:
        return range(self.first_year, self.last_year + 1)

    @property
    def updated_text(self) -> str:
        return f"{self.last_updated:%B} {self.last_updated.day}, {self.last_updated.year}"

    def revised_years(self, table: str) -> range:
        """The years of one table that this release changes, the new one apart."""
        first, last = self.revised_per_capita or self.revised if table == PER_CAPITA_TABLE else self.revised
        return range(first, last + 1)

    def note(self, table: str) -> str:
        """BEA's "Last updated" line of one table."""
        revised = self.revised_years(table)
        parts = [f"new statistics for {self.new_year}"] if self.new_year else []
        parts.append(f"revised statistics for {revised.start}-{revised.stop - 1}")
        return f"Last updated: {self.updated_text}-- {'; '.join(parts)}."


VINTAGES = (
    Vintage(1, date(2024, 10, 3), 1997, 2023, revised=(2019, 2022), new_year=2023),
    Vintage(2, date(2025, 9, 26), 1997, 2024, revised=(2019, 2023), new_year=2024),
    Vintage(3, date(2026, 9, 30), 1997, 2025, revised=(2021, 2024), new_year=2025, revised_per_capita=(2016, 2024)),
    Vintage(4, date(2026, 10, 29), 1997, 2025, revised=(2023, 2025)),
)
DEFAULT_RELEASE = 2


def vintage(number: int) -> Vintage:
    """The release of that number; raises `LookupError` where the sample has none."""
    found = next((one for one in VINTAGES if one.number == number), None)
    if found is None:
        raise LookupError(f"The sample has releases 1 to {VINTAGES[-1].number}, not {number}.")
    return found


def edition(year: int, table: str, release: int) -> int:
    """The number of the release that set the figures of one year, as they stand in `release`."""
    setting = (one.number for one in VINTAGES[1:release] if year == one.new_year or year in one.revised_years(table))
    return max(setting, default=1)
