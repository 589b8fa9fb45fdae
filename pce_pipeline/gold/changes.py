"""What changed between two vintages of a dataset: one row per cell, with the kind of its change.

Pure functions over what was known at two times. A cell is a measure of a category in an area and a year, whichever of
BEA's tables or layouts publishes it. An empty cell of a copy says nothing, and what a vintage does not speak of (a part
of a file) was not withdrawn by it.
"""

from dataclasses import dataclass

import polars as pl

from pce_pipeline.bea.values import decimals
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.rounding import rounded
from pce_pipeline.tables.columns import figure_of
from pce_pipeline.tables.table import MONEY, QUARANTINED

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

SIZE_BOUNDS = (0.1, 0.5, 1, 5)
"""The lower bounds of all degrees of size but the first, in percent; a degree does not have its upper bound."""

SIZES = ("under 0.1 %", "0.1 to 0.5 %", "0.5 to 1 %", "1 to 5 %", "5 % and more")
"""The degrees of size of a revision."""

SAID = ["value", "status", "decimals", "unit", "base_year"]
"""What two states of a figure are compared by."""

FROM_AND_TO = (
    pl.col("value_before").alias("from_value"),
    pl.col("value").alias("to_value"),
    pl.col("status_before").alias("from_status"),
    pl.col("status").alias("to_status"),
)
"""Both states of a pair under the names that tables have them by."""

BLANK = "blank"
"""The status of a cell that says nothing."""

WITHDRAWN = "withdrawn"
"""The status of a figure that a vintage should have and does not, and the kind of a change that takes a number away."""

_BY_STATUS = {"suppressed": "newly_suppressed", QUARANTINED: "unreadable"}
_HALF_A_UNIT = {0: 500, 1: 50, 2: 5}
"""Half a unit of the last digit in thousandths, by the number of decimals."""


@dataclass(frozen=True)
class AsKnown:
    """What was known of a dataset at one time."""

    cells: pl.DataFrame
    """One row per cell: its figure (`tables.columns.figure_of`), geo_level, state, bea_table and SAID."""
    spoken_of: pl.DataFrame
    """The cells that it should have, as figures."""


def lines_with_base_years(base_years: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The lines of a dataset with the base year of each, NULL without one: bea_table, line_code, measure, base_year.

    `base_years` are those that `normalise` found, by table and line; a measure whose unit names none has that of the
    measure that it follows.
    """
    followed = {each.name: each.base_year_of for each in dataset.measures.values() if each.base_year_of}
    lines = (
        dataset.lines.select("bea_table", "line_code", "measure")
        .join(
            base_years.select("bea_table", "line_code", "base_year").unique(["bea_table", "line_code"]),
            on=["bea_table", "line_code"],
            how="left",
        )
        .with_columns(followed=pl.col("measure").replace_strict(followed, default=None, return_dtype=pl.String))
    )
    of_measures = lines.group_by(followed="measure").agg(followed_base_year=pl.col("base_year").max())
    return (
        lines.join(of_measures, on="followed", how="left")
        .with_columns(pl.coalesce("base_year", "followed_base_year").alias("base_year"))
        .drop("followed", "followed_base_year")
    )


def known_cells(silver: pl.DataFrame, base_years: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The cells of Silver rows as `AsKnown` has them; of two tables with the same figure, as the facts take it.

    `base_years` are those that `normalise` found.
    """
    lines = lines_with_base_years(base_years, dataset)
    published = silver.join(lines, on=["bea_table", "line_code"]).with_columns(
        decimals=pl.when(pl.col("status") == "reported").then(decimals(pl.col("value_text")))
    )
    figure = figure_of(published)
    if not dataset.is_monthly:  # figures of months are in one table each
        same = [*figure, "value", "status"]
        published = published.join(conform_facts(silver, dataset).select(same), on=same, how="semi", nulls_equal=True)
    return (
        published.unique(figure, keep="first", maintain_order=True)
        .select(*figure, "geo_level", "state", "bea_table", *SAID)
        .sort(figure)
    )


def changes(before: AsKnown, after: AsKnown) -> pl.DataFrame:
    """What changed, by figure: its columns, geo_level, state, bea_table, unit, kind, from_ and to_ value and status.

    `change` is in the measure's unit and `change_pct` in percent of the earlier number; both are NULL unless the kind
    is a revision.
    """
    figure = figure_of(after.cells)
    earlier, later = (each.cells.filter(pl.col("status") != BLANK) for each in (before, after))
    gone = (
        earlier.join(later, on=figure, how="anti")
        .join(after.spoken_of, on=figure, how="semi")
        .with_columns(
            pl.lit(WITHDRAWN).alias("status"),
            *(pl.lit(None, dtype=earlier.schema[name]).alias(name) for name in ("value", "decimals", "base_year")),
        )
    )
    pairs = pl.concat([later, gone]).join(earlier.select(*figure, *SAID), on=figure, how="left", suffix="_before")
    return (
        with_kind(pairs)
        .filter(pl.col("kind").is_not_null())
        .select(
            *figure,
            *("geo_level", "state", "bea_table", "unit", "kind"),
            *FROM_AND_TO,
            *("change", "change_pct"),
        )
        .sort(figure)
    )


def with_kind(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs of states with the `kind` of change between them, NULL for none, and `change` and `change_pct`.

    A row has a figure's later state (SAID) and beside it the earlier one, each name with `_before` at its end: NULL for
    a figure that was never there.
    """
    was, now = pl.col("status_before"), pl.col("status")
    value, value_before = pl.col("value"), pl.col("value_before")
    coarser = pl.min_horizontal("decimals", "decimals_before")
    thousandths = ((value - value_before).abs() * 1000).cast(pl.Int64)
    is_rounded = (pl.col("decimals") != pl.col("decimals_before")) & (
        thousandths <= coarser.replace_strict(_HALF_A_UNIT, default=0)
    )
    of_another_unit = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in ("unit", "base_year")
    )
    between_numbers = (
        pl.when(of_another_unit)
        .then(pl.lit("redefined"))
        .when(value == value_before)
        .then(None)
        .when(is_rounded)
        .then(pl.lit("precision"))
        .otherwise(pl.lit("revision"))
    )
    had_number, has_number = was == "reported", now == "reported"
    kind = (
        pl.when(had_number & has_number)
        .then(between_numbers)
        .when(was == now)
        .then(None)
        .when(was.is_null() | (was == WITHDRAWN))
        .then(pl.lit("new"))
        .when(now == WITHDRAWN)
        .then(pl.lit(WITHDRAWN))
        .when(has_number)
        .then(pl.lit("newly_published"))
        .when(had_number)
        .then(now.replace_strict(_BY_STATUS, default=WITHDRAWN, return_dtype=pl.String))
        .otherwise(pl.lit("restated"))
    )
    is_revision = pl.col("kind") == "revision"
    growth = value.cast(pl.Float64) / value_before.cast(pl.Float64) - 1
    return pairs.with_columns(kind=kind).with_columns(
        change=pl.when(is_revision).then(value - value_before).cast(MONEY),
        change_pct=pl.when(is_revision & (value_before > 0)).then(rounded(growth * 100)),
    )


def mean_revisions(changed: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Mean revisions by any columns of `changes` or `revisions`, sorted by them: `revised`, `mean_pct`, `mean_abs_pct`.

    By year of the figure and age it is a revision triangle. Only figures that were revised, and from a number above
    zero, are in it.
    """
    return (
        changed.filter(pl.col("change_pct").is_not_null())
        .group_by(by)
        .agg(
            revised=pl.len(),
            mean_pct=rounded(pl.col("change_pct").mean()),
            mean_abs_pct=rounded(pl.col("change_pct").abs().mean()),
        )
        .sort(by)
    )


def counts_by(changed: pl.DataFrame, column: str) -> dict[str, int]:
    """How many of the changes there are of each value of a column (kind, bea_table, state, ...), most first."""
    counted = changed.drop_nulls(column).group_by(column).len()
    return dict(counted.sort("len", column, descending=[True, False]).iter_rows())


def sizes(changed: pl.DataFrame) -> dict[str, int]:
    """How many revisions there are of each degree of size, those without a percentage left out."""
    degree = pl.sum_horizontal((pl.col("change_pct").abs() >= bound).cast(pl.Int32) for bound in SIZE_BOUNDS)
    degrees = changed.drop_nulls("change_pct").select(degree=degree)["degree"].to_list()
    return {name: degrees.count(place) for place, name in enumerate(SIZES)}


def largest(changed: pl.DataFrame, most: int, level: str = "state") -> pl.DataFrame:
    """The largest revisions of the areas of a level, by percent."""
    return (
        changed.filter((pl.col("geo_level") == level) & pl.col("change_pct").is_not_null())
        .sort(pl.col("change_pct").abs(), descending=True, maintain_order=True)
        .head(most)
    )
