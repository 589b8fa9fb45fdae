"""What has no meaning cannot be had: growth of price levels, sums of what does not add up, mixtures of base years."""

from decimal import Decimal

import polars as pl
import pytest

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.meaning import Meaningless, growth, sum_over_areas, sum_over_categories

DATASETS = load_datasets("full")
PRICES, SUMMARY, SPENDING, INCOME = (
    DATASETS[name] for name in ("prices_state", "summary_state", "pce_state", "income_state")
)
Row = tuple[str, str, str, int, float | None, int | None]
LEVELS = {"00000": "nation", "91000": "region", "01000": "state", "06000": "state"}


def rows(*of: Row) -> pl.DataFrame:
    """Figures by measure, category, area, year, value and base year."""
    columns = ["measure", "category_id", "geo_fips", "year", "value", "base_year"]
    types = [pl.col("year", "base_year").cast(pl.Int32), pl.col("value").cast(pl.Decimal(18, 3))]
    frame = pl.DataFrame([dict(zip(columns, row, strict=True)) for row in of], schema_overrides={"value": pl.Float64})
    return frame.with_columns(*types, geo_level=pl.col("geo_fips").replace_strict(LEVELS))


def real(
    area: str, year: int, value: float | None, base: int | None = 2017
) -> tuple[str, str, str, int, float | None, int | None]:
    return ("real_pce", "product.pce", area, year, value, base)


def test_growth_is_on_the_year_before_of_the_same_figure() -> None:
    of = growth(rows(real("01000", 2020, 100), real("01000", 2021, 110), real("06000", 2021, 50)), PRICES)
    assert of["yoy_pct"].to_list() == [None, 10.0, None]
    none = "there is no figure of the year before"
    assert of["why_null"].to_list() == [none, None, none]


def test_growth_has_six_decimals_and_no_negative_zero() -> None:
    of = growth(
        rows(real("01000", 2020, 0.3), real("01000", 2021, 0.4), real("06000", 2020, 5), real("06000", 2021, 5)), PRICES
    )
    assert of["yoy_pct"].to_list() == [None, 33.333333, None, 0.0]
    a_little_less = growth(rows(real("01000", 2020, 100_000_000), real("01000", 2021, 99_999_999.999)), PRICES)
    assert str(a_little_less["yoy_pct"][1]) == "0.0"


def test_growth_over_two_base_years_is_null_with_the_reason() -> None:
    of = growth(rows(real("01000", 2020, 100, 2012), real("01000", 2021, 110, 2017)), PRICES)
    assert (of["yoy_pct"][1], of["why_null"][1]) == (None, "the year before is of another base year")


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (0.0, 5.0, "the figure of the year before is not above zero"),
        (-1.0, 5.0, "the figure of the year before is not above zero"),
        (None, 5.0, "there is no figure of the year before"),
        (5.0, None, "there is no figure"),
    ],
)
def test_growth_that_cannot_be_computed_is_null_with_the_reason(
    before: float | None, now: float | None, why: str
) -> None:
    of = growth(rows(real("01000", 2020, before), real("01000", 2021, now)), PRICES)
    assert (of["yoy_pct"][1], of["why_null"][1]) == (None, why)


def test_the_growth_of_a_price_level_is_refused_with_what_to_use() -> None:
    level = ("regional_price_parity", "prices.all_items", "01000", 2021, 88.0, None)
    with pytest.raises(Meaningless, match="estimated by itself") as refused:
        growth(rows(level), PRICES)
    assert refused.value.remedy == "Use the growth of regional_price_deflator."


@pytest.mark.parametrize(
    ("dataset", "measure", "category", "remedy"),
    [
        (PRICES, "regional_price_parity", "prices.all_items", "compare areas within one year"),
        (PRICES, "regional_price_deflator", "prices.all_items", "compare areas within one year"),
        (PRICES, "real_pce_per_capita", "product.pce", "Sum real_pce and the residents, and divide"),
        (INCOME, "personal_income_per_capita", "income.all_sources", "Sum personal_income and the residents"),
        (SUMMARY, "real_gdp", "industry.all_industries", "sum current dollars"),
    ],
)
def test_what_does_not_add_up_over_areas_is_refused_with_what_to_use(
    dataset: Dataset, measure: str, category: str, remedy: str
) -> None:
    two = rows(*((measure, category, area, 2021, 1.0, 2017) for area in ("01000", "06000")))
    with pytest.raises(Meaningless, match=f"A sum of {measure} .* over areas has no meaning") as refused:
        sum_over_areas(two, dataset)
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    ("measure", "categories"),
    [
        ("real_pce", ("product.pce", "product.goods")),
        ("regional_price_parity", ("prices.goods", "prices.housing")),
        ("real_personal_income", ("income.all_sources",)),
    ],
)
def test_levels_of_constant_dollars_and_indexes_are_not_added_up_over_categories(
    measure: str, categories: tuple[str, ...]
) -> None:
    with pytest.raises(Meaningless, match=f"A sum of {measure} .* over categories has no meaning"):
        sum_over_categories(rows(*((measure, each, "01000", 2021, 1.0, 2017) for each in categories)), PRICES)


def test_chained_dollars_are_not_added_up_over_categories() -> None:
    of_gdp = rows(("real_gdp", "industry.all_industries", "01000", 2021, 1.0, 2017))
    with pytest.raises(Meaningless, match="their weights change from year to year"):
        sum_over_categories(of_gdp, SUMMARY)


@pytest.mark.parametrize("other", ["00000", "91000"])
def test_the_us_and_regions_are_never_added_to_states(other: str) -> None:
    with pytest.raises(Meaningless, match="counts people twice") as refused:
        sum_over_areas(rows(real("01000", 2021, 1), real(other, 2021, 2)), PRICES)
    assert "--state states" in refused.value.remedy


def test_figures_of_two_base_years_are_never_added_up() -> None:
    of_two_years = [
        *(real("01000", 2021, 1, 2012), real("06000", 2021, 2, 2017)),
        *(real("01000", 2022, 1, 2009), real("06000", 2022, 2, 2012)),
    ]
    with pytest.raises(Meaningless, match=r"different base years \(2012, 2017\)"):
        sum_over_areas(rows(*of_two_years), PRICES)


def test_real_spending_adds_up_over_states() -> None:
    of = sum_over_areas(rows(real("01000", 2021, 1.5), real("06000", 2021, 2.25), real("01000", 2020, 7)), PRICES)
    assert of.select("year", "value", "base_year", "areas").rows() == [
        (2020, Decimal("7.000"), 2017, 1),
        (2021, Decimal("3.750"), 2017, 2),
    ]


def test_a_sum_with_a_missing_figure_is_null() -> None:
    of = sum_over_areas(rows(real("01000", 2021, 1.5), real("06000", 2021, None)), PRICES)
    assert of["value"].to_list() == [None]


def pce(category: str, value: float) -> Row:
    return ("pce", category, "01000", 2021, value, None)


def test_spending_adds_up_over_categories_and_what_is_deducted_is_subtracted() -> None:
    of = sum_over_categories(
        rows(pce("product.npish_gross_output", 10), pce("product.npish_receipts_from_sales", 4)), SPENDING
    )
    assert of.select("value", "categories").rows() == [(Decimal("6.000"), 2)]


@pytest.mark.parametrize(
    ("categories", "why"),
    [
        (("product.pce", "product.goods"), "the second is a part of the first"),
        (("product.goods", "product.motor_vehicles_and_parts"), "the second is a part of the first"),
        (("product.goods", "function.health"), "over the schemes function, product"),
    ],
)
def test_totals_are_never_added_to_their_parts_nor_one_scheme_to_another(categories: tuple[str, ...], why: str) -> None:
    with pytest.raises(Meaningless, match=why):
        sum_over_categories(rows(*(pce(each, 1) for each in categories)), SPENDING)
