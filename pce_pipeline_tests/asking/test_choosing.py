"""Words that people choose by become ids; what nothing or several things have is told with what to write."""

import pytest

from pce_pipeline.asking.choosing import Numbers, Words, chosen, day_of, months_of, years_of
from pce_pipeline.errors import UsageError
from pce_pipeline_tests.datasets import EVERYTHING

DATASETS = list(EVERYTHING.datasets.values())


@pytest.mark.parametrize(
    ("words", "means"),
    [
        ("CA,tx", ("06000", "48000")),
        (["California", "US"], ("06000", "00000")),
        ("New England", ("91000",)),
        ("06000,CA", ("06000",)),
    ],
)
def test_areas_go_by_code_postal_code_or_name(words: Words, means: tuple[str, ...]) -> None:
    assert chosen(DATASETS, areas=words, newest=2025).areas == means


def test_all_states_are_51() -> None:
    assert len(chosen(DATASETS, areas="states", newest=2025).areas) == 51


@pytest.mark.parametrize(
    ("words", "means"),
    [
        ("health care", "product.health_care"),
        ("health_care", "product.health_care"),
        ("PRODUCT.health_care", "product.health_care"),
        (["Less: Receipts from sales of goods and services by nonprofit institutions"], None),
    ],
)
def test_categories_go_by_id_tail_or_name(words: Words, means: str | None) -> None:
    if means is None:
        with pytest.raises(UsageError, match="is the name of 2 of them"):
            chosen(DATASETS, categories=words, newest=2025)
    else:
        assert chosen(DATASETS, categories=words, newest=2025).categories == (means,)


def test_a_name_of_two_categories_is_refused_with_both_ids() -> None:
    with pytest.raises(UsageError) as refused:
        chosen(DATASETS, categories="group housing", newest=2025)
    assert refused.value.remedy == "Name one: product.group_housing, function.group_housing."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"areas": "Califronia"}, "Did you mean california"),
        ({"categories": "helth care"}, "Did you mean health care"),
        ({"measures": "pce_per_head"}, "There are"),
        ({"measures": "pce_yoy"}, "Did you mean pce_yoy_pct"),
    ],
)
def test_a_word_that_nothing_has_is_told_with_the_nearest(given: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(DATASETS, **given, columns=["pce_yoy_pct"], newest=2025)
    assert said in refused.value.remedy


@pytest.mark.parametrize(
    ("given", "years"),
    [("2023", (2023,)), (2023, (2023,)), ("2023...", (2023, 2024, 2025)), ([2021, 2019], (2019, 2021)), (None, None)],
)
def test_years_are_texts_numbers_or_ranges(given: Numbers, years: tuple[int, ...] | None) -> None:
    assert years_of(given, newest=2025) == years


@pytest.mark.parametrize("given", ["13", "0", "5...2", "July", "1...13"])
def test_what_is_no_month_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="is not a month"):
        months_of(given)


def test_what_is_no_day_is_refused_with_how_to_write_one() -> None:
    with pytest.raises(UsageError, match=r"Write it as 2024-12-31\."):
        day_of("March 2025")
