"""What changed between two vintages of a dataset: one row per cell, with the kind of its change.

Pure functions over what was known at two times. A cell is a measure of a category in an area and a year, whichever of
BEA's tables or layouts publishes it. An empty cell of a copy says nothing, and what a vintage does not speak of (a part
of a file) was not withdrawn by it.
"""

from dataclasses import dataclass

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.tables.table import QUARANTINED

FIGURE = ["measure", "category_id", "geo_fips", "year"]

KINDS = {
    "new": "the later vintage has it, the earlier one does not speak of it",
    "revision": "another number",
    "precision": "the same number with more or fewer decimals",
    "newly_published": "a number where there was a reason why there is none",
    "newly_suppressed": "withheld now to avoid disclosure",
    "withdrawn": "the later vintage should have it, and has no number",
    "redefined": "a number of another base year",
    "unreadable": "BEA publishes something that could not be read",
    "restated": "another reason why there is no number",
}
"""The kinds of change, and what each means."""

_BLANK = "blank"
_BY_STATUS = {"suppressed": "newly_suppressed", QUARANTINED: "unreadable"}
_HALF_A_UNIT = {0: 500, 1: 50, 2: 5}
"""Half a unit of the last digit in thousandths, by the number of decimals."""


@dataclass(frozen=True)
class AsKnown:
    """What was known of a dataset at one time."""

    cells: pl.DataFrame
    """One row per cell: FIGURE, geo_level, state, bea_table, value, value_text, status, unit, base_year."""
    spoken_of: pl.DataFrame
    """The cells that it should have: FIGURE."""


def known_cells(silver: pl.DataFrame, base_years: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The cells of Silver rows as `AsKnown` has them; of two tables with the same figure, as the facts take it.

    `base_years` are those that `normalise` found, by table and line.
    """
    lines = dataset.lines.select("bea_table", "line_code", "measure").join(
        base_years.select("bea_table", "line_code", "base_year").unique(["bea_table", "line_code"]),
        on=["bea_table", "line_code"],
        how="left",
    )
    published = silver.join(lines, on=["bea_table", "line_code"])
    taken = conform_facts(silver, dataset).select(*FIGURE, "value", "status")
    same = [*FIGURE, "value", "status"]
    return (
        published.join(taken, on=same, how="semi", nulls_equal=True)
        .unique(FIGURE, keep="first", maintain_order=True)
        .select(*FIGURE, "geo_level", "state", "bea_table", "value", "value_text", "status", "unit", "base_year")
        .sort(FIGURE)
    )


def changes(before: AsKnown, after: AsKnown) -> pl.DataFrame:
    """What changed, sorted by FIGURE: FIGURE, geo_level, state, bea_table, unit, kind, from_ and to_ value and status.

    `change` is in the measure's unit and `change_pct` in percent of the earlier number; both are NULL unless the kind
    is a revision.
    """
    earlier, later = (each.cells.filter(pl.col("status") != _BLANK) for each in (before, after))
    both = earlier.join(later, on=FIGURE, how="full", coalesce=True, suffix="_later").join(
        after.spoken_of.select(FIGURE).unique().with_columns(is_spoken_of=True), on=FIGURE, how="left"
    )
    was, now = pl.col("status"), pl.col("status_later")
    value, new_value = pl.col("value").cast(pl.Float64), pl.col("value_later").cast(pl.Float64)
    decimals, new_decimals = _decimals("value_text"), _decimals("value_text_later")
    half_a_unit = pl.min_horizontal(decimals, new_decimals).replace_strict(_HALF_A_UNIT, default=0)
    thousandths = ((pl.col("value") - pl.col("value_later")).abs() * 1000).cast(pl.Int64)
    is_rounded = (decimals != new_decimals) & (thousandths <= half_a_unit)
    had_number, has_number = was == "reported", now == "reported"
    kind = (
        pl.when(was.is_null())
        .then(pl.lit("new"))
        .when(now.is_null())
        .then(pl.when(pl.col("is_spoken_of")).then(pl.lit("withdrawn")))
        .when(had_number & has_number & pl.col("base_year").ne_missing(pl.col("base_year_later")))
        .then(pl.lit("redefined"))
        .when(had_number & has_number)
        .then(
            pl.when(value == new_value)
            .then(None)
            .when(is_rounded)
            .then(pl.lit("precision"))
            .otherwise(pl.lit("revision"))
        )
        .when(has_number)
        .then(pl.lit("newly_published"))
        .when(had_number)
        .then(now.replace_strict(_BY_STATUS, default="withdrawn", return_dtype=pl.String))
        .when(was != now)
        .then(pl.lit("restated"))
    )
    is_revision = pl.col("kind") == "revision"
    return (
        both.with_columns(kind=kind)
        .filter(pl.col("kind").is_not_null())
        .with_columns(
            *(pl.coalesce(f"{name}_later", name).alias(name) for name in ("geo_level", "state", "bea_table", "unit")),
            change=pl.when(is_revision).then(pl.col("value_later") - pl.col("value")),
            change_pct=pl.when(is_revision & (value > 0)).then((new_value / value - 1) * 100).round(6),
        )
        .select(
            *FIGURE,
            *("geo_level", "state", "bea_table", "unit", "kind"),
            pl.col("value").alias("from_value"),
            pl.col("value_later").alias("to_value"),
            pl.col("status").alias("from_status"),
            pl.col("status_later").alias("to_status"),
            "change",
            "change_pct",
        )
        .sort(FIGURE)
    )


def _decimals(text: str) -> pl.Expr:
    """How many decimals a published text has."""
    return pl.col(text).str.extract(r"\.([0-9]+)\s*$", 1).str.len_chars().fill_null(0).cast(pl.Int32)
