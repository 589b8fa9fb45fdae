"""A dataset as it was known at the end of a day: the vintages that counted by then, read back from Bronze."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.counting import Vintage
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.bronze.judgement import spoken_of
from pce_pipeline.bronze.scope import together
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.changes import AsKnown, known_cells
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.years import FIRST_YEAR


@dataclass(frozen=True)
class KnownVintages:
    """What was known of a dataset, and from which vintages."""

    vintages: Mapping[str, Vintage]
    """The vintage of each of BEA's tables."""
    known: AsKnown
    """Its cells."""


def as_known(now: Current, at: ExtractId) -> KnownVintages:
    """A dataset as known at the end of a day, or with the extract of a day that is named by its number.

    Whatever is pinned, the vintages that count are those that were decided on when they were taken, or made to count on
    purpose. Raises `NotKnownYet` for a time before the first of them.
    """
    chosen = vintages_known(now, at)
    content = read_extracts(
        now.bronze,
        {table: vintage.extracts for table, vintage in chosen.items()},
        now.manifests,
        now.dataset,
        tolerate_unknown=True,
    )
    normal = normalise(content.cells.filter(pl.col("year") >= FIRST_YEAR), content.lines, now.dataset)
    cells = known_cells(normal.frame, normal.base_years, now.dataset)
    return KnownVintages(chosen, AsKnown(cells, spoken_of_all(chosen, now.dataset)))


def vintages_known(now: Current, at: ExtractId) -> dict[str, Vintage]:
    """The vintage of each table that was known at that time. Raises `NotKnownYet` for a time before the first."""
    counting = {table: now.vintages(table) for table in now.dataset.tables}
    chosen = {
        table: held[-1]
        for table, vintages in counting.items()
        if (held := [each for each in vintages if each.at <= at])
    }
    if not chosen:
        first = min((each.at for vintages in counting.values() for each in vintages), default=None)
        raise NotKnownYet(str(at.day), {now.dataset.name: str(first)} if first else {})
    return chosen


def spoken_of_all(vintages: Mapping[str, Vintage], dataset: Dataset) -> pl.DataFrame:
    """The cells that vintages of several tables should have, as figures."""
    return together(
        spoken_of(vintage, dataset, [year for year in vintage.years if year >= FIRST_YEAR])
        for vintage in vintages.values()
    )
