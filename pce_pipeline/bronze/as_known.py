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
from pce_pipeline.gold.changes import AsKnown, known_cells
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.years import FIRST_YEAR

_LINE = ["bea_table", "line_code"]


@dataclass(frozen=True)
class KnownVintages:
    """What was known of a dataset, and from which vintages."""

    vintages: Mapping[str, Vintage]
    """The vintage of each of BEA's tables."""
    known: AsKnown
    """Its cells."""
    lines: pl.DataFrame
    """BEA's words for each line: bea_table, line_code, description, and unit as Silver spells it; NULL where the
    catalogue does not hold the line."""


def as_known(now: Current, at: ExtractId) -> KnownVintages:
    """A dataset as known at the end of a day, or with the extract of a day that is named by its number.

    Whatever is pinned, the vintages that count are those that were decided on when they were taken, or made to count on
    purpose. Raises `NotKnownYet` for a time before the first of them.
    """
    counting = {table: now.vintages(table) for table in now.dataset.tables}
    chosen = {
        table: held[-1]
        for table, vintages in counting.items()
        if (held := [each for each in vintages if each.at <= at])
    }
    if not chosen:
        first = min((each.at for vintages in counting.values() for each in vintages), default=None)
        raise NotKnownYet(str(at.day), {now.dataset.name: str(first)} if first else {})
    content = read_extracts(
        now.bronze,
        {table: vintage.extracts for table, vintage in chosen.items()},
        now.manifests,
        now.dataset,
        tolerate_unknown=True,
    )
    normal = normalise(content.cells.filter(pl.col("year") >= FIRST_YEAR), content.lines, now.dataset)
    expected = [
        spoken_of(vintage, now.dataset, [year for year in vintage.years if year >= FIRST_YEAR])
        for vintage in chosen.values()
    ]
    return KnownVintages(
        chosen,
        AsKnown(
            known_cells(normal.frame, normal.base_years, now.dataset),
            together(expected),
        ),
        content.lines.join(
            normal.frame.select(*_LINE, "unit").unique(_LINE, keep="first", maintain_order=True), on=_LINE, how="left"
        ).sort(_LINE),
    )
