"""Whether two answers of one release say the same, cell by cell, and whether tables that repeat figures do.

Pure functions over what was read of extracts. BEA gives a release more than once: by its API, in its keyless files, and
some figures in several tables. Where two of these differ nothing is chosen here: both are told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.bea.observations import cell_of
from pce_pipeline.bea.values import decimals
from pce_pipeline.bronze.reading import Content
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.changes import BLANK, SAID, lines_with_base_years, with_kind
from pce_pipeline.gold.price_releases import fitting
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.table import MONEY, QUARANTINED

EQUAL = "equal"
PRECISION = "precision"
DIFFERENT = "different"
MISSING = "missing"
AGREEMENTS = {
    EQUAL: "both say the same",
    PRECISION: "the same number with more or fewer decimals",
    DIFFERENT: "another number, another reason why there is none, or another base year",
    MISSING: "a number in one of them, and nothing in the other, although both are whole",
}
"""What becomes of a cell that is compared."""

FEW = 0.05
"""Figures of other days that repeat each other may differ in no more than this share: more of them are a revision."""

_LINE = ["bea_table", "line_code"]
_FIGURE = ["measure", "category_id", "geo_fips", "year"]
_STATES: Mapping[str, pl.DataType | type[pl.DataType]] = {"value": MONEY, "status": pl.String, "text": pl.String}
_SIDES = [f"{side}_{name}" for side in ("one", "other") for name in _STATES]


@dataclass(frozen=True)
class Tally:
    """How many cells were compared, and what became of them."""

    cells: int
    """The cells that were compared."""
    equal: int
    """Those that are equal."""
    precision: int
    """Those that have more or fewer decimals and are the same number."""
    different: int
    """Those that differ, missing ones included."""

    @classmethod
    def of(cls, cells: pl.DataFrame) -> "Tally":
        """The tally of cells with their `agreement`."""
        found = dict(cells.group_by("agreement").len().iter_rows())
        equal, precision = found.get(EQUAL, 0), found.get(PRECISION, 0)
        return cls(cells.height, equal, precision, cells.height - equal - precision)


def stated(content: Content, dataset: Dataset, table: str) -> pl.DataFrame:
    """What was read of a table says of the lines that the catalogue pins; empty cells say nothing and are left out.

    One row per cell: its columns (`cell_of`), measure, category_id, `changes.SAID`, and the text of what could not be
    read. Units are those of the measures. Raises `SilverRefused` where lines or units do not mean what is pinned.
    """
    of_table = pl.col("bea_table") == table
    normal = normalise(content.cells.filter(of_table), content.lines.filter(of_table), dataset)
    units = {measure.name: measure.unit for measure in dataset.measures.values()}
    lines = lines_with_base_years(normal.base_years, dataset).with_columns(
        unit=pl.col("measure").replace_strict(units, return_dtype=pl.String)
    )
    text = pl.col("value_text").str.strip_chars()
    return (
        normal.frame.filter(pl.col("status") != BLANK)
        .drop("unit")
        .join(lines, on=_LINE, maintain_order="left")
        .with_columns(
            decimals=pl.when(pl.col("status") == "reported").then(decimals(text)),
            text=pl.when(pl.col("status") == QUARANTINED).then(text),
        )
        .select(*cell_of(normal.frame), "measure", "category_id", *SAID, "text")
    )


def compared(one: pl.DataFrame, other: pl.DataFrame, *, optional: pl.DataFrame | None = None) -> pl.DataFrame:
    """The cells of a table that both sides (`stated`) speak of, with their `agreement`.

    Where both are whole answers, a number of a line they share that one of them lacks is missing; `optional` has the
    cells (bea_table, line_code, geo_fips) that nobody misses, and None says that not both are whole. Columns are those
    of the cell, value, status and text of each side, and agreement.
    """
    cell = cell_of(one)
    found = [_judged(other.join(one.select(*cell, *SAID, "text"), on=cell, suffix="_before"), cell)]
    if optional is not None:
        found += [_lacking(one, other, cell, optional, "one"), _lacking(other, one, cell, optional, "other")]
    return pl.concat(found).sort(cell)


def _judged(pairs: pl.DataFrame, keep: Sequence[str]) -> pl.DataFrame:
    """Pairs of states with their agreement; a base year that only one of them tells is that of both."""
    either = pl.coalesce("base_year", "base_year_before"), pl.coalesce("base_year_before", "base_year")
    told = pairs.with_columns(either[0].alias("base_year"), either[1].alias("base_year_before"))
    agreement = (
        pl.when(pl.col("kind") == PRECISION)
        .then(pl.lit(PRECISION))
        .when(pl.col("kind").is_not_null() | pl.col("text").ne_missing(pl.col("text_before")))
        .then(pl.lit(DIFFERENT))
        .otherwise(pl.lit(EQUAL))
    )
    return with_kind(told).select(
        *keep,
        *(pl.col(f"{name}_before").alias(f"one_{name}") for name in _STATES),
        *(pl.col(name).alias(f"other_{name}") for name in _STATES),
        agreement=agreement,
    )


def _lacking(
    has: pl.DataFrame, lacks: pl.DataFrame, cell: Sequence[str], optional: pl.DataFrame, side: str
) -> pl.DataFrame:
    """The numbers of one side, of lines that both have, that the other says nothing of."""
    gone = (
        has.filter(pl.col("status") == "reported")
        .join(lacks, on=_LINE, how="semi")
        .join(lacks, on=cell, how="anti")
        .join(optional, on=[*_LINE, "geo_fips"], how="anti")
        .rename({name: f"{side}_{name}" for name in _STATES})
    )
    absent = [
        pl.lit(None, dtype=_STATES[name.partition("_")[2]]).alias(name) for name in _SIDES if name not in gone.columns
    ]
    return gone.with_columns(*absent, agreement=pl.lit(MISSING)).select(*cell, *_SIDES, "agreement")


@dataclass(frozen=True)
class Repeat:
    """Two tables that publish the same figures."""

    dataset: str
    """The dataset of the table that repeats them."""
    table: str
    """The table that repeats them."""
    source: str
    """The dataset that publishes them first."""
    source_table: str
    """Its table."""
    lines: pl.DataFrame
    """measure, category_id, and the line_code and source_line that have the figure."""


def repeats(datasets: Mapping[str, Dataset]) -> list[Repeat]:
    """The tables by year that repeat figures of others, each with the table that its measure is at home in.

    Of several tables of that dataset it is the first that has the figure.
    """
    order = {table: number for each in datasets.values() for number, table in enumerate(each.tables)}
    homes = {measure.name: measure.home for each in datasets.values() for measure in each.measures.values()}
    lines = pl.concat(
        [_NO_LINES]
        + [
            each.lines.select(*_LINE, "measure", "category_id", dataset=pl.lit(name))
            for name, each in datasets.items()
            if not each.is_monthly
        ]
    ).with_columns(
        home=pl.col("measure").replace_strict(homes, return_dtype=pl.String),
        order=pl.col("bea_table").replace_strict(order, return_dtype=pl.Int32),
    )
    figure = ["measure", "category_id"]
    first = (
        lines.filter(pl.col("dataset") == pl.col("home"))
        .sort("order", "line_code")
        .unique(figure, keep="first", maintain_order=True)
        .select(*figure, source="dataset", source_table="bea_table", source_line="line_code")
    )
    both = lines.join(first, on=figure).filter(pl.col("bea_table") != pl.col("source_table"))
    places = ["dataset", "bea_table", "source", "source_table"]
    found = []
    for of_pair in both.sort(*places, "line_code").partition_by(places, maintain_order=True):
        dataset, table, source, source_table = of_pair.select(places).row(0)
        lines_of_pair = of_pair.select(*figure, "line_code", "source_line")
        found.append(Repeat(dataset, table, source, source_table, lines_of_pair))
    return found


_NO_LINES = pl.DataFrame(
    schema={
        "bea_table": pl.String,
        "line_code": pl.Int32,
        "measure": pl.String,
        "category_id": pl.String,
        "dataset": pl.String,
    }
)


@dataclass(frozen=True)
class Candidate:
    """A vintage of a table whose figures may be those that another table repeats."""

    vintage_id: int
    """Its number."""
    is_of_same_day: bool
    """Whether BEA released both on one day: then they are of one release, however much of them differs."""
    stated: pl.DataFrame
    """What it says, as `stated` gives it."""


def repeated(
    mine: pl.DataFrame, candidates: Sequence[Candidate], repeat: Repeat
) -> dict[str, tuple[int, pl.DataFrame]]:
    """The numbers that a table repeats, beside those of the release that each measure is of.

    Measures have clocks of their own: residents are revised when spending is not, and prices follow months later. So
    the release is found for each measure by itself: one of the same day, else the one whose figures are the same, but
    for a FEW and in no year for most. A measure that repeats none of the candidates is left out. By measure the vintage
    and its cells, as `compared` has them, with `source_line`.
    """
    said = [*SAID, "text"]
    numbers = (
        mine.filter(pl.col("status") == "reported")
        .join(repeat.lines, on=["measure", "category_id", "line_code"])
        .rename({name: f"{name}_before" for name in said})
    )
    keep = [*cell_of(mine), "measure", "source_line", "vintage_id", "is_of_same_day"]
    found = [
        _judged(
            each.stated.filter(pl.col("status") == "reported")
            .select(*_FIGURE, *said, source_line="line_code")
            .join(numbers, on=[*_FIGURE, "source_line"])
            .with_columns(vintage_id=pl.lit(each.vintage_id), is_of_same_day=pl.lit(each.is_of_same_day)),
            keep,
        )
        for each in candidates
    ]
    if not found:
        return {}
    both = pl.concat(found)
    is_off = both.with_columns(is_off=pl.col("agreement") == DIFFERENT)
    share = is_off.group_by("measure", "vintage_id").agg(off=pl.col("is_off").mean())
    few = fitting(is_off, ["measure"], ["vintage_id"]).join(
        share.filter(pl.col("off") <= FEW), on=["measure", "vintage_id"], how="semi"
    )
    same_day = both.filter("is_of_same_day").group_by("measure").agg(pl.col("vintage_id").max())
    chosen = pl.concat([same_day, few]).unique("measure", keep="first", maintain_order=True)
    return {
        measure: (
            vintage,
            both.filter(measure=measure, vintage_id=vintage).drop("measure", "vintage_id", "is_of_same_day"),
        )
        for measure, vintage in chosen.sort("measure").iter_rows()
    }
