"""Years as columns: no number is lost, none is made up, and every empty cell says why."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from pce_pipeline.asking.wide import wide
from pce_pipeline.errors import UsageError
from pce_pipeline.tables.table import MONEY


def answer(*figures: tuple[int, str | None, str], **columns: pl.Expr) -> pl.DataFrame:
    """An answer about one area and measure: year, value and status of each figure."""
    rows = pl.DataFrame(
        [(year, value and Decimal(value), status) for year, value, status in figures],
        schema={"year": pl.Int32, "value": MONEY, "status": pl.String},
        orient="row",
    )
    same = {
        "dataset": "d", "measure": "pce", "category_id": "product.goods", "category_name": "Goods",
        "geo_fips": "06000", "geo_name": "California", "state": "CA", "unit": "usd", "basis": "counted",
    }  # fmt: skip
    return rows.with_columns(
        **{name: pl.lit(text) for name, text in same.items()},
        base_year=pl.lit(None, dtype=pl.Int32),
        vintage=pl.lit(date(2024, 10, 3)),
    ).with_columns(**columns)


def test_a_missing_cell_is_null_and_its_reason_is_told_beside_it() -> None:
    found = wide(answer((2022, "1.5", "reported"), (2023, None, "suppressed"), (2024, None, "not_available")))
    (row,) = found.to_dicts()
    assert (row["2022"], row["2023"], row["2024"]) == (Decimal("1.5"), None, None)
    assert row["missing"] == "2023: suppressed; 2024: not_available"


def test_a_year_that_another_row_has_alone_is_told_as_not_published() -> None:
    other = answer((2023, "2", "reported"), measure=pl.lit("population"))
    found = wide(pl.concat([answer((2022, "1", "reported")), other]))
    assert found["missing"].to_list() == ["2023: not_published", "2022: not_published"]
    assert found.columns[-4:] == ["2022", "2023", "missing", "vintages"]


def test_figures_of_two_vintages_and_of_derived_values_name_them() -> None:
    of_two = pl.when(pl.col("year") == 2022).then(pl.lit(date(2023, 10, 5))).otherwise("vintage")
    beside = pl.when(pl.col("year") == 2022).then(pl.lit("derived")).otherwise("basis")
    found = wide(answer((2022, "1", "reported"), (2023, "2", "reported"), vintage=of_two, basis=beside))
    assert found["vintages"].to_list() == ["2023-10-05 (derived), 2024-10-03"]


def test_two_base_years_are_two_rows() -> None:
    base = pl.col("year") - 10
    found = wide(answer((2022, "1", "reported"), (2023, "2", "reported"), base_year=base))
    assert found["base_year"].to_list() == [2012, 2013]


def test_months_are_columns_of_year_and_month() -> None:
    found = wide(answer((2024, "1", "reported"), month=pl.lit(7)))
    assert "2024-07" in found.columns


def test_growth_beside_values_is_refused() -> None:
    with pytest.raises(UsageError, match="growth is a second"):
        wide(answer((2022, "1", "reported"), yoy_pct=pl.lit(1.0)))
