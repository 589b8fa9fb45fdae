"""Where two datasets publish a measure, the first has it; nothing is mixed, and what is left out is told."""

from datetime import date

import polars as pl

from pce_pipeline.asking.query import _at_home
from pce_pipeline_tests.datasets import EVERYTHING

HOME, OTHER = "prices_state", "summary_state"


def rows(*figures: tuple[str, str, int, float | None]) -> pl.DataFrame:
    """Figures of real_pce: dataset, area, year and value of each."""
    names = ["dataset", "geo_fips", "year", "value"]
    return pl.DataFrame(figures, schema=names, orient="row").with_columns(
        measure=pl.lit("real_pce"), category_id=pl.lit("product.pce"), vintage=pl.lit(date(2025, 9, 26))
    )


def test_an_area_that_home_has_is_of_home_alone_and_the_years_beyond_are_told() -> None:
    found, told = _at_home(
        rows((HOME, "06000", 2021, 1.0), (OTHER, "06000", 2021, 1.0), (OTHER, "06000", 2022, 2.0)), EVERYTHING.datasets
    )
    assert found.select("dataset", "year").rows() == [(HOME, 2021)]
    (said,) = told
    assert said.startswith("summary_state has real_pce as well, of its vintage 2025-09-26, and alone has 2022:")


def test_an_area_that_home_lacks_is_answered_by_the_other() -> None:
    found, told = _at_home(rows((HOME, "06000", 2021, 1.0), (OTHER, "48000", 2021, 2.0)), EVERYTHING.datasets)
    assert found["dataset"].to_list() == [HOME, OTHER]
    assert told == []


def test_a_year_that_the_other_only_says_it_has_not_is_not_told() -> None:
    _, told = _at_home(rows((HOME, "06000", 2021, 1.0), (OTHER, "06000", 2022, None)), EVERYTHING.datasets)
    assert "alone" not in told[0]
