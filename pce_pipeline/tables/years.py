"""Ranges of calendar years: how people write them, and how far a change reaches.

Free of Dagster, so that the command line can decide without loading it; `partitions` makes Dagster's years of these.
"""

from collections.abc import Iterable
from itertools import groupby

from pce_pipeline.errors import UsageError

FIRST_YEAR = 1997
"""The first year of every yearly table. What BEA publishes of years before it stays in Bronze, counted and named."""

_HOW_TO_WRITE = "Write 2023, 2015...2018 or 2015..."


def parse_years(text: str, *, newest: int) -> tuple[int, int]:
    """`2015...2018` or `2023` as first and last year; `newest` closes an open end (`2015...`).

    Raises `UsageError` for anything else, and for years before the first one BEA publishes.
    """
    first, separator, last = text.strip().partition("...")
    try:
        start = int(first) if first else FIRST_YEAR
        end = (int(last) if last else newest) if separator else start
    except ValueError:
        raise UsageError(f"{text!r} is no range of years.", remedy=_HOW_TO_WRITE) from None
    if not FIRST_YEAR <= start <= end:
        raise UsageError(f"{text!r} is no range of years from {FIRST_YEAR} on.", remedy=_HOW_TO_WRITE)
    return start, end


def hull_with_reach(years: Iterable[int], *, newest: int, reach: int) -> tuple[int, int]:
    """The range to run so that every window over a changed year, `reach` years long, is computed again."""
    changed = sorted(years)
    return changed[0], max(changed[-1], min(changed[-1] + reach, newest))


def years_text(years: Iterable[int | str]) -> str:
    """`1997...2024, 2026`; other partitions than years stand as they are."""
    ordered = sorted(int(year) for year in years if str(year).isdecimal())
    runs = [
        [year for _, year in run] for _, run in groupby(enumerate(ordered), key=lambda indexed: indexed[1] - indexed[0])
    ]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}...{run[-1]}" for run in runs)
