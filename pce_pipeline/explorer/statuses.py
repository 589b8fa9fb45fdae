"""Why a cell of the set has no number: the statuses that there are, each with a sentence."""

import polars as pl

from pce_pipeline.asking.columns import NO_NUMBER
from pce_pipeline.tables.table import STATUSES

REPORTED = "reported"
"""The status of a cell that has a number."""

WITHDRAWN = "withdrawn"
"""The status of a cell that was there at an earlier extract and is not at this one."""

REASONS = {
    **{status: sentence for status, sentence in STATUSES.items() if status != REPORTED},
    NO_NUMBER: "the figures that it follows from are there, and give no number: they are of two base years, or it "
    "would be divided by what is not above zero",
    WITHDRAWN: "an earlier vintage has a figure here, and this one has none",
}
"""Why a cell has no number, by status."""

STATUS = pl.Enum([REPORTED, *REASONS])
"""The type of a column of statuses."""
