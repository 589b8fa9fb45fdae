"""What people's words find: names, typos, old names, abbreviations, areas; and what each answer says."""

import tomllib
from importlib.resources import files

import polars as pl
import pytest

from pce_pipeline.asking.columns import columns_of
from pce_pipeline.errors import UsageError
from pce_pipeline.finding.entries import entries
from pce_pipeline.finding.searching import SCHEMA, find, nearest
from pce_pipeline_tests.datasets import EVERYTHING, REGISTRY


def first(words: str) -> dict[str, object]:
    return find(words, EVERYTHING, limit=1).row(0, named=True)


@pytest.mark.parametrize(
    ("words", "kind", "found"),
    [
        ("health care", "category", "product.health_care"),
        ("HEALTH-CARE", "category", "product.health_care"),
        ("helth crae", "category", "product.health_care"),
        ("product.health_care", "category", "product.health_care"),
        ("pce_yoy_pct", "column", "pce_yoy_pct"),
        ("gold/dim_geography", "table", "gold/dim_geography"),
        ("population", "measure", "population"),
        ("SAEXP1", "BEA table", "SAPCE1"),
        ("SAPCE2", "BEA table", "SAPCE2"),
        ("RPPs: Services: Rents", "category", "prices.housing"),
        ("rpp", "measure", "regional_price_parity"),
        ("rpp housing", "category", "prices.housing"),
        ("cost of living", "measure", "regional_price_parity"),
        ("cpi", "measure", "regional_price_deflator"),
        ("gdp", "measure", "gdp"),
        ("pce", "measure", "pce"),
        ("groceries", "category", "product.food_and_beverages_purchased_for_off_premises_consumption"),
        ("real spending", "measure", "real_pce"),
    ],
)
def test_people_find_it_by_their_own_words(words: str, kind: str, found: str) -> None:
    best = first(words)
    assert (best["kind"], best["id"]) == (kind, found)


def test_an_answer_says_where_the_category_stands_and_where_bea_publishes_it() -> None:
    row = first("health care")
    assert row["path"] == (
        "Personal consumption expenditures > Services > Household consumption expenditures (for services) > Health care"
    )
    assert (row["scheme"], row["first_year"], row["areas"]) == ("product", 1997, "US, regions, states")
    figures = row["figures"]
    assert isinstance(figures, list)
    assert {(each["bea_table"], each["line_code"], each["measure"], each["unit"]) for each in figures} >= {
        ("SAPCE1", 16, "pce", "millions of current dollars"),
        ("SAPCE2", 16, "pce_per_capita", "current dollars"),
    }
    assert row["query"] == "pce query --measure pce --category product.health_care --state US"


def test_words_on_the_measure_choose_it_in_the_line_that_asks() -> None:
    asked = first("health care per head")["query"]
    assert asked == "pce query --measure pce_per_capita --category product.health_care --state US"


@pytest.mark.parametrize(
    ("words", "areas"),
    [
        ("health care california", "CA"),
        ("health care West Virginia", "WV"),
        ("health care TX", "TX"),
        ("health care New England", "NENG"),
        ("health care CA TX", "CA,TX"),
    ],
)
def test_areas_among_the_words_go_into_the_line_that_asks(words: str, areas: str) -> None:
    row = first(words)
    assert row["id"] == "product.health_care"
    assert str(row["query"]).endswith(f" --state {areas}")


def test_a_postal_code_in_small_letters_is_a_word() -> None:
    assert str(first("spending in or on health care")["query"]).endswith("--state US")


def test_areas_alone_find_the_measures_that_there_are() -> None:
    found = find("Texas", EVERYTHING)
    assert set(found["kind"]) == {"measure"}
    assert all(query.endswith("--state TX") for query in found["query"])


def test_a_table_without_the_nation_is_asked_of_states() -> None:
    assert str(first("regional_price_deflator")["query"]).endswith("--state states")


def test_a_table_of_gold_is_exported() -> None:
    assert first("pce_state_metrics Texas")["query"] == (
        "pce export pce_state_metrics --to pce_state_metrics.csv --state TX"
    )


def test_an_old_name_is_answered_with_the_reason() -> None:
    assert first("SAEXP1")["why"] == "SAEXP1 is BEA's earlier name of SAPCE1."


def test_the_consumer_price_index_is_answered_with_what_bea_has_instead() -> None:
    row = first("cpi")
    assert "no consumer price index" in str(row["why"])


def test_every_word_must_be_found() -> None:
    assert find("health care spaceships", EVERYTHING).is_empty()
    assert find("health care spaceships", EVERYTHING).schema == pl.Schema(SCHEMA)
    assert "health" in nearest("health care spaceships", EVERYTHING)


def test_better_answers_come_first_and_the_limit_cuts_the_rest() -> None:
    found = find("health care", EVERYTHING)
    assert found["score"].is_sorted(descending=True)
    assert find("health care", EVERYTHING, limit=2).equals(found.head(2))


def test_no_word_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="not said what to look for"):
        find(" ?! ", EVERYTHING)


def test_only_what_the_datasets_have_is_found() -> None:
    assert find("regional_price_parity", REGISTRY).filter(kind="measure").is_empty()
    assert set(find("spending", REGISTRY).filter(kind="category")["datasets"].explode()) == {"pce_state"}


def test_every_abbreviation_is_answered_by_something_that_there_is() -> None:
    known = {entry.id for entry in entries(EVERYTHING)}
    text = (files("pce_pipeline.finding") / "abbreviations.toml").read_text("utf-8")
    declared = tomllib.loads(text)["abbreviations"]
    assert [each for every in declared for each in every["answers"] if each not in known] == []
    for every in declared:
        for words in every["says"]:
            assert not set(find(words, EVERYTHING)["id"]).isdisjoint(every["answers"]), words


def test_what_the_lines_that_ask_name_can_be_asked_for() -> None:
    names = list(EVERYTHING.datasets)
    columns = {name for months in (False, True) for name in columns_of(EVERYTHING, names, of_months=months)}
    known = columns | {measure for each in EVERYTHING.datasets.values() for measure in each.measures}
    named = {entry.column or figure.measure for entry in entries(EVERYTHING) for figure in entry.figures}
    assert named - known == set()
    assert {entry.id for entry in entries(EVERYTHING) if entry.column} <= columns
