"""What must not be answered is refused with why, and with what to ask instead."""

import polars as pl
import pytest

from pce_pipeline.asking.choosing import Choice
from pce_pipeline.asking.columns import columns_of
from pce_pipeline.asking.errors import NotPublished
from pce_pipeline.asking.guard import notes_of_levels, refuse_growth_by_name, refuse_what_is_not_published
from pce_pipeline.gold.meaning import Meaningless
from pce_pipeline_tests.datasets import EVERYTHING

DATASETS = EVERYTHING.datasets
COLUMNS = columns_of(EVERYTHING, list(DATASETS), of_months=False)


@pytest.mark.parametrize(
    "word", ["rpp_yoy_pct", "rpp_all_items_growth", "regional_price_parity_yoy_pct", "rpp_inflation"]
)
def test_the_growth_of_a_price_level_is_refused_by_whatever_name(word: str) -> None:
    with pytest.raises(Meaningless, match="two years cannot be compared") as refused:
        refuse_growth_by_name(word, DATASETS.values(), COLUMNS)
    assert refused.value.remedy == "Use the growth of regional_price_deflator."


@pytest.mark.parametrize("word", ["pce_yoy_pct", "real_pce_yoy_pct", "inflation_pct", "pce_growth", "irpd_yoy_pct"])
def test_growth_that_has_a_meaning_is_not_refused(word: str) -> None:
    refuse_growth_by_name(word, DATASETS.values(), COLUMNS)


def test_real_spending_of_a_category_is_refused_with_three_things_to_ask_instead() -> None:
    choice = Choice(measures=("real_pce",), categories=("product.health_care",))
    with pytest.raises(NotPublished, match="deflates the total as a whole") as refused:
        refuse_what_is_not_published(choice, DATASETS.values(), COLUMNS)
    assert refused.value.categories == ("product.health_care",)
    for instead in (
        "real_pce of product.pce,",
        "pce or pce_per_capita of product.health_care in current dollars",
        "real_pce_annual_rate of the nation by month",
        "serving.v_pce_at_all_items_prices",
    ):
        assert instead in refused.value.remedy


def test_real_spending_by_column_is_refused_alike() -> None:
    choice = Choice(measures=("real_pce_millions_constant_usd",), categories=("product.goods",))
    with pytest.raises(NotPublished, match="deflates the total as a whole"):
        refuse_what_is_not_published(choice, DATASETS.values(), COLUMNS)


def test_a_price_level_of_spending_names_what_there_is() -> None:
    choice = Choice(measures=("regional_price_parity",), categories=("product.goods",))
    with pytest.raises(NotPublished) as refused:
        refuse_what_is_not_published(choice, DATASETS.values(), COLUMNS)
    assert "prices.all_items" in refused.value.remedy
    assert "constant" not in refused.value.remedy


def test_a_measure_of_some_of_the_categories_is_answered_with_a_note() -> None:
    choice = Choice(measures=("real_pce", "pce"), categories=("product.pce", "product.goods"))
    assert refuse_what_is_not_published(choice, DATASETS.values(), COLUMNS) == [
        "real_pce is published of product.pce: there is none of product.goods."
    ]


@pytest.mark.parametrize(
    ("name", "years", "is_told"),
    [("rpp_all_items", (2020, 2021), True), ("rpp_all_items", (2020,), False), ("irpd", (2020, 2021), False),
     ("value_of_100_usd", (2020, 2021), True), ("inflation_pct", (2020, 2021), False)],
)  # fmt: skip
def test_levels_of_several_years_that_cannot_be_compared_are_told(
    name: str, years: tuple[int, ...], is_told: bool
) -> None:
    rows = pl.DataFrame({"dataset": "prices_state", "measure": name, "year": years})
    assert bool(notes_of_levels(rows, DATASETS, COLUMNS)) is is_told


def test_a_column_of_both_grains_is_of_the_one_that_is_meant() -> None:
    of_months = columns_of(EVERYTHING, list(DATASETS), of_months=True)
    for name in ("real_pce_yoy_pct", "pce_yoy_pct"):
        assert (COLUMNS[name].is_of_months, of_months[name].is_of_months) == (False, True)
    assert COLUMNS["pce_millions_usd"].dataset.name == "pce_state"
    assert COLUMNS["pce_annual_rate"].name == "pce_millions_usd_saar"
