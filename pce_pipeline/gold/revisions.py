"""What was revised: each change of a figure over the vintages, and how far figures usually move within a year.

Pure functions over the log of figures. A stretch that says nothing (an empty cell, or a part that does not speak of the
figure) is passed over: what comes after it is compared with what was known before, and the same number again is no
change.
"""

from collections.abc import Iterable

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.gold.changes import FROM_AND_TO, SAID, with_kind
from pce_pipeline.gold.rounding import rounded
from pce_pipeline.tables.columns import FIGURE
from pce_pipeline.tables.vintages import (
    BANDS,
    COUNTED,
    DERIVED,
    LEAST_RELEASES,
    REVISION_STATS,
    SILENT,
    revisions_table,
)

_BEFORE = (*SAID, "basis", "since")
_LINE = ["measure", "category_id", "geo_level", "age_years", "is_comprehensive"]


def revisions(log: pl.DataFrame, vintages: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The rows of `revisions_table` of the rows of `gold_vintages`, of any years.

    Values that count are compared with one another. Derived values are compared with what was known before and after
    them, and such changes have the basis `derived`; partial ones are left out. `vintages` (VINTAGES) are all of the
    dataset, whatever years they have: what the first vintage of a table has is its beginning and no change, and what a
    later one has for the first time is new. A year alone could not tell.
    """
    table = revisions_table(dataset)
    counted = log.filter(pl.col("basis") == COUNTED).with_columns(since="valid_from")
    of_counted = vintages.filter(pl.col("basis") == COUNTED)
    with_derived = _with_derived(log, counted, of_counted)
    of_both = vintages.filter(pl.col("basis").is_in([COUNTED, DERIVED]))
    is_derived = (pl.col("basis") == DERIVED) | (pl.col("basis_before") == DERIVED)
    found = [
        _compared(counted, of_counted),
        _compared(with_derived, of_both).filter(is_derived).with_columns(basis=pl.lit(DERIVED)),
    ]
    return (
        pl.concat(found)
        .with_columns(
            *FROM_AND_TO,
            changed_from="since_before",
            age_years=pl.col("released_on").dt.year() - pl.col("year"),
        )
        .select(table.column_names)
        .sort(table.key)
    )


def _with_derived(log: pl.DataFrame, counted: pl.DataFrame, vintages: pl.DataFrame) -> pl.DataFrame:
    """What was known of figures that have derived values, those included: a row for each time at which it changed.

    Where a derived value ends without a new one, the one that counts is known again.
    """
    derived = log.filter(pl.col("basis") == DERIVED).with_columns(since="valid_from")
    counted = counted.join(derived, on=FIGURE, how="semi")
    ends = (
        derived.select(*FIGURE, "bea_table", valid_from="valid_to")
        .drop_nulls("valid_from")
        .join(pl.concat([counted, derived]), on=[*FIGURE, "valid_from"], how="anti")
        .join(
            vintages.select("bea_table", "released_on", valid_from="at"),
            on=["bea_table", "valid_from"],
        )
    )
    again = (
        ends.drop("bea_table")
        .sort("valid_from")
        .join_asof(counted.drop("released_on").sort("valid_from"), on="valid_from", by=FIGURE, check_sortedness=False)
        .drop_nulls("basis")
    )
    known = pl.concat([derived, again.select(derived.columns), counted])
    return known.unique([*FIGURE, "valid_from"], keep="last", maintain_order=True)


def _compared(states: pl.DataFrame, vintages: pl.DataFrame) -> pl.DataFrame:
    """The states that differ from the one before, with that one (`_before`) and the kind of change."""
    says = states.filter(~pl.col("status").is_in(SILENT)).sort(*FIGURE, "valid_from")
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in FIGURE)
    pairs = says.with_columns(pl.when(same).then(pl.col(name).shift()).alias(f"{name}_before") for name in _BEFORE)
    begins = vintages.group_by("bea_table").agg(begins=pl.col("at").min())
    is_beginning = pl.col("status_before").is_null() & (pl.col("valid_from") == pl.col("begins"))
    return (
        with_kind(pairs)
        .filter(pl.col("kind").is_not_null())
        .join(begins, on="bea_table", how="left", maintain_order="left")
        .filter(~is_beginning)
    )


def revision_stats(logs: Iterable[pl.DataFrame], vintages: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The rows of REVISION_STATS of a dataset, from the rows of `gold_vintages` of its years, one after the other.

    `vintages` (VINTAGES) are all of the dataset. Only values that count are compared.
    """
    steps = _steps(vintages, dataset)
    moves = pl.concat([_moves(log, steps) for log in logs])
    has_band = pl.col("n_releases") >= LEAST_RELEASES
    ok, too_few = BANDS
    size = pl.col("pct").abs()
    return (
        moves.group_by(_LINE)
        .agg(
            pl.col("release_year").n_unique().cast(pl.Int32).alias("n_releases"),
            pl.len().cast(pl.Int32).alias("n_figures"),
            rounded(pl.col("pct").mean()).alias("mean_pct"),
            rounded(size.mean()).alias("mean_abs_pct"),
            rounded(pl.col("pct").quantile(0.05, "linear")).alias("pct05"),
            rounded(pl.col("pct").quantile(0.95, "linear")).alias("pct95"),
            rounded(size.quantile(0.90, "linear")).alias("abs_pct90"),
        )
        .with_columns(
            pl.when(has_band).then(pl.col("pct05", "pct95", "abs_pct90")),
            band_is=pl.when(has_band).then(pl.lit(ok)).otherwise(pl.lit(too_few)),
            dataset=pl.lit(dataset.name),
        )
        .select(REVISION_STATS.column_names)
        .sort(REVISION_STATS.key)
    )


def _steps(vintages: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """From the last vintage of each release year to the last one of the next, by table; where a year has none, no step.

    Its columns are bea_table, at_before, at, release_year and is_comprehensive.
    """
    last = (
        vintages.filter(pl.col("basis") == COUNTED)
        .with_columns(release_year=pl.col("released_on").dt.year())
        .sort("bea_table", "at")
        .unique(["bea_table", "release_year"], keep="last", maintain_order=True)
    )
    earlier = last.select("bea_table", pl.col("release_year") + 1, at_before="at", released_before="released_on")
    updates = [
        (pl.col("released_before") < day) & (pl.col("released_on") >= day) for day in dataset.comprehensive_updates
    ]
    return last.join(earlier, on=["bea_table", "release_year"]).select(
        "bea_table",
        "at_before",
        "at",
        "release_year",
        is_comprehensive=pl.any_horizontal(pl.lit(value=False), *updates),
    )


def _moves(log: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """How far each figure moved in each step, in percent: _LINE, release_year and pct, which is 0 for none."""
    numbers = log.filter((pl.col("basis") == COUNTED) & (pl.col("status") == "reported"))
    later = numbers.join(steps, on="bea_table").filter(_holds_at("at"))
    pairs = (
        later.select(*FIGURE, "geo_level", *SAID, "at_before", "release_year", "is_comprehensive")
        .join(numbers.select(*FIGURE, *SAID, "valid_from", "valid_to"), on=FIGURE, suffix="_before")
        .filter(_holds_at("at_before") & (pl.col("value_before") > 0))
    )
    return (
        with_kind(pairs)
        .filter(pl.col("kind").ne_missing("redefined"))
        .with_columns(
            pl.col("change_pct").fill_null(0).alias("pct"),
            (pl.col("release_year") - pl.col("year")).alias("age_years"),
        )
        .select(*_LINE, "release_year", "pct")
    )


def _holds_at(at: str) -> pl.Expr:
    """Whether a row of a log holds at a vintage, whose number is in a column."""
    return (pl.col("valid_from") <= pl.col(at)) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > pl.col(at)))
