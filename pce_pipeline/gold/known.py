"""What was known at a time: from the log of a dataset's cells, the cells and facts as they were known then.

Three clocks tell when something was known: when BEA released it, when it was BEA's current publication (the extract's
date), and when the pipeline took it. A day means its end. What does not count is known only where it is asked for.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.silver import YEARLY_KEY, silver_table
from pce_pipeline.tables.vintages import COUNTED, ENDINGS, INSTANT

Clock = Literal["extract", "release", "ingest"]

BESIDE = ("partial", "derived")
"""The bases of values that answer only where they are asked for, those nearer to BEA first."""


VINTAGES: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "basis": pl.String,
    "at": pl.Int32,
    "released_on": pl.Date,
    "ingested_at": INSTANT,
    "release": pl.String,
}
"""One row per vintage of a BEA table: its number, when it was known by each clock, and what releases it is of."""


@dataclass(frozen=True)
class AsOf:
    """A time, and by which clock.

    >>> AsOf(date(2024, 12, 31)).vintage_id
    2024123199
    """

    day: date
    """The day: its end is meant."""
    number: int | None = None
    """Of the day's extracts the one up to which is meant; None for all."""
    clock: Clock = "extract"
    """By which clock: BEA's current publication (`extract`), its release, or when the pipeline took it (`ingest`)."""
    include: Collection[str] = ()
    """What answers beside what counts: `partial`, `derived`."""

    @property
    def vintage_id(self) -> int:
        """The last number, yyyymmddnn, that an extract of the day can have."""
        return ExtractId(self.day, self.number or ExtractId.MOST_OF_A_DAY).vintage_id

    def knows_any_of(self, vintages: pl.DataFrame) -> bool:
        """Whether any of the vintages (VINTAGES) that may answer is known by then."""
        lanes = [COUNTED, *self.include]
        return vintages.filter(pl.col("basis").is_in(lanes) & self.is_known("at")).height > 0

    def is_known(self, at: str) -> pl.Expr:
        """Whether a vintage is known by then: `at` names the column with its number, beside the two other times."""
        if self.clock == "release":
            return pl.col("released_on") <= self.day
        if self.clock == "ingest":
            return pl.col("ingested_at") < datetime.combine(self.day + timedelta(days=1), time.min, UTC)
        return pl.col(at) <= self.vintage_id


def known_cells(log: pl.DataFrame, vintages: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """The rows of a log (`silver_vintages`) that hold at a time: one per cell that was known then.

    A value that does not count ends with the next of the `vintages` (VINTAGES) of its table that does, once that is
    known.
    """
    lanes = [COUNTED, *(basis for basis in BESIDE if basis in as_of.include)]
    held = log.filter(pl.col("basis").is_in(lanes) & as_of.is_known("valid_from"))
    if len(lanes) > 1:
        newest = _counting(vintages, as_of).select("bea_table", newest="at")
        is_over = (pl.col("basis") != COUNTED) & (pl.col("valid_from") < pl.col("newest").fill_null(0))
        held = held.join(newest, on="bea_table", how="left", maintain_order="left").filter(~is_over).drop("newest")
    precedence = pl.col("basis").replace_strict({name: -place for place, name in enumerate([COUNTED, *BESIDE])})
    return (
        held.sort(*YEARLY_KEY, "valid_from", precedence)
        .unique(list(YEARLY_KEY), keep="last", maintain_order=True)
        .filter(~pl.col("status").is_in(list(ENDINGS)))
    )


def log_until(log: pl.DataFrame, last: int) -> pl.DataFrame:
    """The rows of a log that vintages up to the number `last` gave: what came later is not there, and ends nothing."""
    ends = pl.when(pl.col("valid_to") <= last).then("valid_to")
    return log.filter(pl.col("valid_from") <= last).with_columns(valid_to=ends)


def as_known(log: pl.DataFrame, vintages: pl.DataFrame, dataset: Dataset, as_of: AsOf) -> pl.DataFrame:
    """The facts (GOLD_FACTS) of a dataset as they were known at a time, of the years of the log.

    They are what a pipeline would have published then that had only the extracts up to that time.
    """
    return facts_of_known(known_cells(log, vintages, as_of), vintages, dataset, as_of)


def facts_of_known(cells: pl.DataFrame, vintages: pl.DataFrame, dataset: Dataset, as_of: AsOf) -> pl.DataFrame:
    """The facts that `as_known` gives, from the cells (`known_cells`) that were known then."""
    releases = dict(_counting(vintages, as_of).drop_nulls("release").select("bea_table", "release").iter_rows())
    return conform_facts(cells.select(silver_table(dataset).column_names), dataset, releases)


def with_cells(facts: pl.DataFrame, cells: pl.DataFrame, dataset: Dataset, columns: Collection[str]) -> pl.DataFrame:
    """Facts (`as_known`) with columns of the cell that gives each, of those that were known (`known_cells`).

    Where several of BEA's tables publish a figure alike, the first in the catalogue's order has it.
    """
    tables = pl.DataFrame({"bea_table": list(dataset.tables)}).with_row_index("order")
    of_cells = (
        cells.join(tables, on="bea_table")
        .sort("order", maintain_order=True)
        .select(*FIGURE, "value", "status", *columns)
    )
    return facts.join(
        of_cells, on=[*FIGURE, "value", "status"], how="left", nulls_equal=True, maintain_order="left"
    ).unique(FIGURE, keep="first", maintain_order=True)


def _counting(vintages: pl.DataFrame, as_of: AsOf) -> pl.DataFrame:
    """The newest vintage of each table that counts and is known at a time."""
    known = vintages.filter((pl.col("basis") == COUNTED) & as_of.is_known("at"))
    return known.sort("at").unique("bea_table", keep="last")
