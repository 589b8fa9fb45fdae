"""What an answer says of itself: whatever leaves the lake takes this along.

A figure without its unit, base, vintage and source is one that nobody can cite or repeat. So every answer carries them
beside its rows, and every form in which rows leave (a header sheet, a sidecar, metadata of Parquet) writes the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class About:
    """What rows are, from where, as known when, and how to cite them."""

    title: str
    """What the rows are, in one line."""
    units: Mapping[str, str]
    """The unit of each measure or column of numbers, by its name."""
    base_years: Mapping[str, int | None]
    """The year in whose prices each of them is, by its name; None where prices play no part."""
    as_of: date | None
    """The day on whose end the rows were known; None where they are read as published now."""
    vintages: Sequence[str]
    """The vintages that the rows are from, oldest first: a dataset and the day of its vintage each."""
    source: str
    """Who published the figures, in one line."""
    is_sample: bool
    """Whether they are the sample's synthetic figures, which nobody published."""
    citation: str
    """One line to cite the rows by."""
    notes: Sequence[str]
    """What a reader must know beside the rows, a sentence each."""
