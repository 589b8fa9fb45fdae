"""What counts now: the manifests, decisions and pin of a dataset, read once, and the current figures they name.

Everything that asks "which extract is current" asks here: Silver, the loads, change detection and the command line.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from pce_pipeline.bronze.counting import Manifests, Source, Vintage, sources, vintages
from pce_pipeline.bronze.decisions import Decision
from pce_pipeline.bronze.judgement import judged_before, spoken_of
from pce_pipeline.bronze.manifest import Pin
from pce_pipeline.bronze.store import BronzeStore, bronze_of
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.quality.facts import MIXED_WITH
from pce_pipeline.quality.frames import expected_cells
from pce_pipeline.tables.years import FIRST_YEAR

EXTRACTS = "extracts"
"""Under this name the details of a partition of Silver hold the vintage of each of BEA's tables that it was made of."""


@dataclass(frozen=True)
class Current:
    """The extracts of a dataset and what follows from them."""

    dataset: Dataset
    """The dataset."""
    bronze: BronzeStore
    """Where its extracts lie."""
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
        """The years that tables may have and for which the current figures have any cell."""
        years = {year for source in self.sources.values() for year in source.vintage.years}
        return {year for year in years if year >= FIRST_YEAR}

    def absence(self, year: int) -> str:
        """Why there is nothing of a year that the current figures do not cover: withdrawn, not held, not published."""
        if year < self.dataset.first_year:
            return f"no such year: BEA publishes {self.dataset.name} from {self.dataset.first_year} on"
        if not self.manifests:
            return f"not held: there is no extract of {self.dataset.name} yet"
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

    def spoken_of(self, years: Collection[int]) -> pl.DataFrame:
        """The cells of these years that the current figures should have, as `expected_cells` gives them."""
        found = [spoken_of(source.vintage, self.dataset, years) for source in self.known_sources.values()]
        return pl.concat([expected_cells(self.dataset, {}), *found])

    @property
    def known_sources(self) -> dict[str, Source]:
        """The sources of the tables that the catalogue has of this dataset."""
        return {table: source for table, source in sorted(self.sources.items()) if table in self.dataset.tables}

    def inputs(self, year: int) -> dict[str, str]:
        """What Silver's year is or would be made from: content hashes of the cells of that year, by BEA table."""
        return {
            name: digest
            for source in self.known_sources.values()
            for name, digest in source.vintage.inputs(year).items()
        }

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
    return Current(dataset, bronze, manifests, bronze.decisions.all(), bronze.pin())


def lost_extracts(now: Current, partitions: Mapping[str, Partition]) -> list[str]:
    """The extracts that published partitions of a dataset's Silver were made of, and that Bronze has no manifest of."""
    named = {
        extract
        for partition in partitions.values()
        for vintage in partition.details.get(EXTRACTS, {}).values()
        for extract in str(vintage).split(" with ")
    }
    return sorted(named - {str(extract) for extract in now.manifests})


def absence(held: Mapping[str, Current], year: int) -> str:
    """Why there is nothing of a year, of every dataset that the table is made of."""
    reasons = {name: now.absence(year) for name, now in held.items()}
    if len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def decided_since(held: Mapping[str, Current], moment: datetime) -> list[str]:
    """What people decided about which figures are current after a moment, in words."""
    return [
        f"{name}: {each.kind} {each.extract}{f' ({each.why})' if each.why else ''}"
        for name, now in held.items()
        for each in now.decisions
        if each.decided_at > moment
    ]


def current_of(lake: Lake, datasets: Mapping[str, Dataset]) -> dict[str, Current]:
    """What counts now of every dataset in a lake, read anew."""
    return {name: current(bronze_of(lake, each), each) for name, each in datasets.items()}


class Holdings:
    """What counts of every dataset in one lake, for the steps of a run."""

    def __init__(self, lake: Lake, datasets: Mapping[str, Dataset]) -> None:
        self._lake = lake
        self._datasets = datasets
        self._of_run: tuple[str, Mapping[str, Current]] | None = None

    def of_run(self, run_id: str) -> Mapping[str, Current]:
        """What counted when the run first asked: all its steps work on the same extracts."""
        if self._of_run is None or self._of_run[0] != run_id:
            self._of_run = run_id, current_of(self._lake, self._datasets)
        return self._of_run[1]
