"""Why a number cannot be traced.

PceError
└── NotYetRefreshed      an extract counts that Silver was not made of yet
"""

from collections.abc import Sequence

from pce_pipeline.errors import PceError
from pce_pipeline.tables.years import years_text


class NotYetRefreshed(PceError):
    """An extract counts that Silver and Gold were not made of yet, so that they must say something else."""

    def __init__(self, dataset: str, years: Sequence[int]) -> None:
        self.dataset = dataset
        self.years = list(years)
        super().__init__(
            f"Silver of {dataset}, {years_text(years)}, was not made of what counts now.",
            remedy="Run `pce refresh` and trace again; or trace what was known on a day with --as-of.",
        )
