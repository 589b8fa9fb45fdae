"""A column of Gold says of what it is made: status, vintage and release are those of the figures of its formula."""

from datetime import date

import polars as pl
import pytest

from pce_pipeline.asking.choosing import Choice
from pce_pipeline.asking.columns import GoldColumn, column_rows, columns_of
from pce_pipeline_tests.datasets import EVERYTHING

COLUMNS = columns_of(EVERYTHING, list(EVERYTHING.datasets), of_months=False)
OCTOBER, SEPTEMBER = date(2024, 10, 3), date(2025, 9, 26)


def figures(*rows: tuple[object, ...], key: tuple[str, ...] = ("category_id", "geo_fips", "year")) -> pl.DataFrame:
    """Figures that were known: measure, key, status, table and vintage of each."""
    names = ["measure", *key, "status", "bea_table", "vintage"]
    dtypes = {name: pl.Int32 if name in {"year", "month"} else pl.String for name in names} | {"vintage": pl.Date}
    return pl.DataFrame(rows, schema=dtypes, orient="row").with_columns(
        basis=pl.lit("counted"), base_year=pl.lit(2017, dtype=pl.Int32), released_on=pl.col("vintage")
    )


def row_of(column: GoldColumn, figures: pl.DataFrame, value: float | None, **cell: object) -> dict[str, object]:
    """The answer of a column that has one row."""
    table = pl.DataFrame(
        {**{name: [of] for name, of in cell.items()}, column.name: pl.Series([value], dtype=pl.Float64)}
    )
    (row,) = column_rows(column, table, figures, Choice()).to_dicts()
    return row


def pce(year: int, status: str = "reported", category: str = "product.goods", at: date = OCTOBER) -> tuple[object, ...]:
    return "pce", category, "06000", year, status, "SAPCE1", at


CALIFORNIA = {"geo_fips": "06000", "category_id": "product.goods", "year": 2023}


def test_growth_is_of_the_newest_vintage_of_its_two_figures() -> None:
    known = figures(pce(2022, at=SEPTEMBER), pce(2023))
    row = row_of(COLUMNS["pce_yoy_pct"], known, 5.0, **CALIFORNIA)
    assert (row["vintage"], row["released_on"], row["status"]) == (SEPTEMBER, SEPTEMBER, "reported")
    assert (row["geo_name"], row["category_name"], row["unit"]) == ("California", "Goods", "percent")
    assert row["base_year"] is None


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ([pce(2023), pce(2022, "suppressed")], "suppressed"),
        ([pce(2023, "not_available"), pce(2022, "suppressed")], "not_available"),
        ([pce(2023)], "not_published"),
        ([pce(2023), pce(2022)], "no_number"),
    ],
)
def test_a_rate_that_is_null_has_the_status_of_the_figure_that_is_missing(
    known: list[tuple[object, ...]], status: str
) -> None:
    assert row_of(COLUMNS["pce_yoy_pct"], figures(*known), None, **CALIFORNIA)["status"] == status


def test_a_share_is_made_of_the_total_of_its_scheme() -> None:
    known = figures(pce(2023), pce(2023, "suppressed", "product.pce", SEPTEMBER))
    row = row_of(COLUMNS["pce_share_of_total_pct"], known, None, **CALIFORNIA)
    assert (row["status"], row["vintage"]) == ("suppressed", SEPTEMBER)


def test_the_month_before_january_is_december_of_the_year_before() -> None:
    key = ("category_id", "geo_fips", "year", "month")
    known = figures(
        ("pce_annual_rate", "product.goods", "00000", 2024, 1, "reported", "T20805", OCTOBER),
        ("pce_annual_rate", "product.goods", "00000", 2023, 12, "suppressed", "T20805", SEPTEMBER),
        key=key,
    )
    row = row_of(COLUMNS["pce_mom_pct"], known, None, category_id="product.goods", year=2024, month=1)
    assert (row["status"], row["vintage"], row["geo_name"]) == ("suppressed", SEPTEMBER, "United States")


def test_constant_dollars_have_their_base_year_and_the_category_that_they_are_of() -> None:
    known = figures(("real_pce", "product.pce", "06000", 2023, "reported", "SARPI", OCTOBER))
    row = row_of(COLUMNS["real_pce_millions_constant_usd"], known, 1.0, geo_fips="06000", year=2023)
    assert (row["base_year"], row["category_id"], row["bea_table"]) == (2017, "product.pce", "SARPI")
