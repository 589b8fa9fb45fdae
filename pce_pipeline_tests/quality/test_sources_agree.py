"""A figure that two datasets publish is compared where both are of one release, and a difference names both."""

from dataclasses import replace

import polars as pl
import pytest

from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.quality.facts import Facts, sources_agree
from pce_pipeline.quality.identities import FactYears
from pce_pipeline.quality.rules import Finding
from pce_pipeline.tables.facts import GOLD_FACTS

DAY, OTHER_DAY = "2025-09-26", "2025-03-28"


def facts_of(dataset: str, value: str | None, *, day: str = DAY, year: int = 2023) -> FactYears:
    """One figure: what was spent in Alabama."""
    row = {
        "dataset": dataset,
        "measure": "pce",
        "category_id": "product.pce",
        "geo_fips": "01000",
        "geo_level": "state",
        "state": "AL",
        "year": year,
        "value": value,
        "status": "reported" if value else "not_available",
        "unit": "millions_usd",
    }
    frame = pl.DataFrame([row]).cast({"value": pl.Decimal(18, 3), "year": pl.Int32}).select(GOLD_FACTS.column_names)
    declared = load_datasets("full")[dataset]
    return FactYears(frame, declared, {}, releases=dict.fromkeys(declared.tables, day))


def found(*of: FactYears) -> Finding:
    return sources_agree.find(Facts(pl.concat([each.frame for each in of]), of))


def test_equal_figures_of_one_release_agree() -> None:
    said = found(facts_of("pce_state", "230469.1"), facts_of("summary_state", "230469.1"))
    assert (said.passed, said.figures["compared"], said.figures["violations"]) == (True, 1, 0)


def test_a_difference_names_the_figure_its_day_and_both_values() -> None:
    said = found(facts_of("pce_state", "230469.1"), facts_of("summary_state", "227475.0"))
    assert not said.passed
    (example,) = said.examples
    for word in ("pce of product.pce, area 01000, 2023", DAY, "230469.100 in pce_state", "227475.000 in summary_state"):
        assert word in example


@pytest.mark.parametrize(
    "other",
    [
        facts_of("summary_state", "227475.0", day=OTHER_DAY),
        facts_of("summary_state", None),
        facts_of("summary_state", "227475.0", year=2022),
    ],
    ids=["of another release", "not available", "of another year"],
)
def test_what_cannot_be_compared_says_nothing(other: FactYears) -> None:
    said = found(facts_of("pce_state", "230469.1"), other)
    assert said.passed
    assert not said.has_subject


def test_a_dataset_whose_tables_are_of_several_releases_is_not_compared() -> None:
    mixed = facts_of("pce_state", "230469.1")
    mixed = replace(mixed, releases={**mixed.releases, "SAPCE2": OTHER_DAY})
    assert not found(mixed, facts_of("summary_state", "227475.0")).has_subject


def test_a_difference_warns_and_blocks_nothing_in_any_environment() -> None:
    assert sources_agree.blocking == "never"
