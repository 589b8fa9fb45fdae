"""What rules of several layers look at in the same way: schemas, explained NULLs, expected cells, facts kept."""

from collections.abc import Mapping, Sequence

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.quality.rules import EXAMPLES, Finding, finding
from pce_pipeline.tables.table import NOT_PUBLISHED, STATUSES, Column, Table


def violations_of_schema(frame: pl.DataFrame, columns: Sequence[Column]) -> Finding:
    """Whether the frame has exactly the declared columns, in order, with their types and required values."""
    problems, nulls = [], 0
    if frame.columns != [column.name for column in columns]:
        problems.append(f"the columns are {', '.join(frame.columns)}")
    for column in columns:
        if column.name not in frame.columns:
            continue
        found = frame.schema[column.name]
        if found != column.dtype:
            problems.append(f"{column.name} is {found}, not {column.dtype}")
        if not column.nullable and (found_nulls := frame[column.name].null_count()):
            problems.append(f"{column.name} is NULL")
            nulls += found_nulls
    return Finding(
        passed=not problems,
        summary="{violations} differences from the declaration" if problems else "as declared",
        figures={
            "columns": frozenset(frame.columns),
            "rows": frame.height,
            "violations": frozenset(problems),
            **({"values_missing": nulls} if nulls else {}),
        },
        examples=tuple(problems[:EXAMPLES]),
    )


def repeated_keys(frame: pl.DataFrame, table: Table) -> Finding:
    """Whether each row has its own key."""
    key = list(table.key)
    repeated = frame.filter(frame.select(key).is_duplicated()).unique(key).sort(key)
    return finding(
        repeated,
        holds="{rows} rows, each with its own key",
        fails="keys are repeated",
        example=", ".join(f"{name} {{{name}}}" for name in key),
        figures={"rows": frame.height},
    )


def unexplained(frame: pl.DataFrame, statuses: Mapping[str, str], example: str) -> Finding:
    """Whether each value is NULL exactly where its status column says something else than `reported`."""
    wrong = pl.any_horizontal(
        (pl.col(value).is_null() == (pl.col(status) == "reported")) | ~pl.col(status).is_in(list(STATUSES))
        for value, status in statuses.items()
    )
    nulls = sum(frame[value].null_count() for value in statuses)
    shown = "; ".join(f"{value} is {{{value}}} with status {{{status}}}" for value, status in statuses.items())
    return finding(
        frame.filter(wrong),
        holds="{nulls} values are NULL and say why",
        fails="rows have a NULL without a reason, or a value with one",
        example=f"{example}: {shown}",
        figures={"nulls": nulls, "rows": frame.height},
    )


def expected_cells(dataset: Dataset, held: Mapping[str, Sequence[int]]) -> pl.DataFrame:
    """Every cell that the catalogue expects in the tables and years held: the columns of `Dataset.cells`, and year.

    Of a monthly dataset, all twelve months of each year.
    """
    years = pl.LazyFrame(
        [(table, year) for table, covered in held.items() for year in covered],
        schema={"bea_table": pl.String, "year": pl.Int32},
        orient="row",
    )
    cells = dataset.cells.lazy().join(years, on="bea_table")
    if dataset.is_monthly:
        cells = cells.join(pl.LazyFrame({"month": range(1, 13)}, schema={"month": pl.Int32}), how="cross")
    return cells.collect()


def unlike_facts(facts: pl.DataFrame, stacked: pl.LazyFrame, key: Sequence[str]) -> pl.DataFrame:
    """The facts that are not in their row, and figures of rows that are no facts; none where all are there unchanged.

    Both have `key`, value and status; `stacked` are the figures of a wide table, one below the other. The columns are
    those of the facts, beside them `value_there` and `status_there`.
    """
    return (
        facts.lazy()
        .select(*key, "value", "status", here=True)
        .join(
            stacked.filter(pl.col("status") != NOT_PUBLISHED).with_columns(there=True),
            on=list(key),
            how="full",
            coalesce=True,
            suffix="_there",
        )
        .filter(
            pl.col("here").is_null()
            | pl.col("there").is_null()
            | pl.col("value").ne_missing(pl.col("value_there"))
            | (pl.col("status") != pl.col("status_there"))
        )
        .sort(key)
        .collect()
    )
