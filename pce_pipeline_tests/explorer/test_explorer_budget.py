"""What a page has to fetch at full size: the footer of a file once, then one row group for each question.

Numbers are drawn like spending: a level for each area that grows by a few percent a year, and what follows from it.
"""

import numpy as np
import polars as pl
import pytest

from pce_pipeline.explorer.cells import FIGURES, cells_schema
from pce_pipeline.explorer.files import by_category, footer_bytes
from pce_pipeline.explorer.histories import HISTORY, history_schema
from pce_pipeline.explorer.measures import shown_measures
from pce_pipeline.explorer.statuses import STATUS
from pce_pipeline_tests.datasets import EVERYTHING

A_QUESTION = 300_000
YEARS = range(1997, 2026)
MONTHS = [year * 100 + month for year in YEARS for month in range(1, 13)]
VINTAGES = 12
"""More comprehensive updates than BEA has made since 1997."""


def numbers(count: int, decimals: int) -> np.ndarray:
    """Numbers that do not repeat, with so many decimals."""
    draw = np.random.default_rng(20260223)
    return np.round(np.exp(draw.normal(8, 2, count)), decimals)


def largest(name: str) -> pl.DataFrame:
    """The figures of the category that has all measures of a dataset, in all areas and periods that BEA has."""
    dataset = EVERYTHING.datasets[name]
    measures = shown_measures(EVERYTHING, dataset)
    schema = cells_schema(dataset, measures)
    areas = ["00000"] if dataset.is_monthly else dataset.areas["geo_fips"].sort().to_list()
    periods = MONTHS if dataset.is_monthly else list(YEARS)
    category = dataset.lines["category_id"][0]
    parts = [
        pl.DataFrame({"area": areas})
        .join(pl.DataFrame({"period": periods}), how="cross")
        .select(
            category=pl.lit(category).cast(schema["category"]),
            measure=pl.lit(each.id).cast(schema["measure"]),
            area=pl.col("area").cast(schema["area"]),
            period=pl.col("period").cast(pl.Int32),
            value=pl.Series(numbers(len(areas) * len(periods), each.decimals)),
            status=pl.lit("reported").cast(STATUS),
        )
        for each in measures
    ]
    return pl.concat(parts)


def a_row_of_each_category(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """One row of each category of a dataset, so that its file has all row groups."""
    taken = rows.schema["category"].categories.to_list()  # type: ignore[attr-defined]  # it is an enum
    return pl.concat([rows.head(1).with_columns(category=pl.lit(each).cast(rows.schema["category"])) for each in taken])


@pytest.mark.parametrize("name", EVERYTHING.datasets)
def test_a_question_about_another_dataset_costs_its_footer_and_one_row_group(name):
    rows = largest(name)
    footer = footer_bytes(by_category([a_row_of_each_category(rows, name)], FIGURES))
    group = len(by_category([rows], FIGURES))
    assert footer + group < A_QUESTION, (footer, group)


@pytest.mark.parametrize("name", EVERYTHING.logs)
def test_moving_back_in_time_costs_the_footer_of_one_measure_and_one_row_group(name):
    rows = largest(name)
    measure = rows["measure"][0]
    of_one = rows.filter(pl.col("measure") == measure).drop("measure")
    every = pl.concat([of_one.with_columns(extract=pl.lit(at, dtype=pl.Int32)) for at in range(VINTAGES)])
    varied = every.with_columns(value=pl.Series(numbers(every.height, 1))).select(list(history_schema({**rows.schema})))
    footer = footer_bytes(by_category([a_row_of_each_category(varied, name)], HISTORY))
    group = len(by_category([varied.sort("area", "period", "extract")], HISTORY))
    assert footer + group < A_QUESTION, (footer, group)
