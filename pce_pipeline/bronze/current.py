"""What counts now: the manifests, decisions and pin of one dataset, read once, and the current figures they name.

Everything that asks "which extract is current" asks here: Silver, the loads, change detection and the command line.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from pce_pipeline.bronze.counting import Manifests, Source, Vintage, sources, vintages
from pce_pipeline.bronze.decisions import Decision
from pce_pipeline.bronze.judgement import judged_before, spoken_of
from pce_pipeline.bronze.manifest import Pin
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.quality.facts import MIXED_WITH
from pce_pipeline.quality.frames import expected_cells


@dataclass(frozen=True)
class Current:
    """The extracts of a dataset and what follows from them."""

    manifests: Manifests
    """Every extract that exists, with the cells and verdict of each table."""
    decisions: Sequence[Decision]
    """What people decided, oldest first."""
    pin: Pin | None
    """The hold on an earlier extract, if there is one."""

    @cached_property
    def sources(self) -> dict[str, Source]:
        """For each BEA table, where its current figures come from; extracts later than the pin do not count."""
        pin = ExtractId.parse(self.pin.extract) if self.pin else None
        return sources(self.manifests, self.decisions, pin=pin)

    @cached_property
    def unpinned(self) -> dict[str, Source]:
        """The sources if there were no pin: what BEA was last seen to publish."""
        return sources(self.manifests, self.decisions) if self.pin else self.sources

    @cached_property
    def covered_years(self) -> set[int]:
        """The years for which the current figures have any cell."""
        return {year for source in self.sources.values() for year in source.vintage.years}

    def absence(self, year: int) -> str:
        """Why there is nothing of a year that the current figures do not cover: withdrawn, not held, not published."""
        parts = [
            manifest.extract_date
            for manifest in self.manifests.values()
            if any(year in entry.years for entry in manifest.tables.values())
        ]
        tables = {table for manifest in self.manifests.values() for table in manifest.tables}
        # as it was before anybody pinned or decided otherwise
        if any(year in vintage.years for table in tables for vintage in vintages(self.manifests, [], table)):
            return f"withdrawn: what counts now has nothing of {year}; {', '.join(parts)} had"
        if parts:
            return f"not held: of {year} only parts are here, which do not count ({', '.join(parts)})"
        return f"not published: no extract has anything of {year}"

    def spoken_of(self, dataset: Dataset, years: Collection[int]) -> pl.DataFrame:
        """The cells of these years that the current figures should have, as `expected_cells` gives them."""
        tables = [source.vintage for table, source in self.sources.items() if table in dataset.tables]
        return pl.concat([expected_cells(dataset, {}), *(spoken_of(vintage, dataset, years) for vintage in tables)])

    @property
    def releases(self) -> dict[str, str]:
        """The release that each table's current figures are of, as far as it is known; several where they are mixed."""
        return releases_of(self.sources)

    def vintages(self, table: str) -> list[Vintage]:
        """The vintages of a table that count, in order, whatever is pinned."""
        return vintages(self.manifests, self.decisions, table)


def releases_of(sources: Mapping[str, Source]) -> dict[str, str]:
    """The release that each table's figures are of, as far as it is known; several where they are mixed."""
    known = {
        table: sorted({str(layer.release) for layer in each.newest.layers if layer.release is not None})
        for table, each in sources.items()
    }
    return {table: MIXED_WITH.join(found) for table, found in known.items() if found}


def current(bronze: BronzeStore, dataset: Dataset) -> Current:
    """What counts now. Extracts of before this was recorded are read once, and what they speak of is kept."""
    manifests = bronze.manifests()
    if any(manifest.verdicts is None for manifest in manifests.values()):
        manifests = judged_before(bronze, dataset, manifests)
    return Current(manifests, bronze.decisions.all(), bronze.pin())
