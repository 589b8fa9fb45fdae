"""Manifests lead from any partition to extracts, as long as the hashes that they name are those that are there."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.bronze.current import EXTRACTS
from pce_pipeline.bronze.lineage import ExtractsBehind, in_order, is_rolled_back
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.tables.dimensions import DIM_GEOGRAPHY
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.tables.pce_us_monthly import GOLD_PCE_MONTHLY_ERRORS, GOLD_PCE_STATE_MONTHLY
from pce_pipeline.tables.registry import load_registry

REGISTRY = load_registry("full", None)
SILVER, INCOME = REGISTRY.silver["pce_state"].table, REGISTRY.silver["income_state"].table
METRICS = next(each.table for each in REGISTRY.gold["pce_state"] if each.table.name == "gold/pce_state_metrics")


def partition(year: int, content: str, inputs: Mapping[str, str], **rest: Any) -> Partition:
    return Partition(
        key=str(year),
        objects=(),
        rows=1,
        content_sha256=content,
        inputs=dict(inputs),
        code_version="1",
        details=rest.pop("details", {}),
        run_id="run",
        published_at=datetime(2026, 1, 1, tzinfo=UTC),
        **rest,
    )


def lake_of(vintages: Mapping[int, str]) -> dict[str, dict[str, Partition]]:
    """Silver of spending and of income, and the facts made of both, of these years at these vintages."""
    silver = {
        str(year): partition(year, f"s{year}", {"SAPCE1": "b"}, details={EXTRACTS: {"SAPCE1": vintage}})
        for year, vintage in vintages.items()
    }
    income = {
        str(year): partition(year, f"i{year}", {"SAINC1": "b"}, details={EXTRACTS: {"SAINC1": "2026-03-01"}})
        for year in vintages
    }
    facts = {
        str(year): partition(
            year,
            f"f{year}",
            {f"{SILVER.name}/{year}": f"s{year}", f"{INCOME.name}/{year}": f"i{year}"},
            parts={"pce_state": f"p{year}", "income_state": f"q{year}"},
        )
        for year in vintages
    }
    return {SILVER.name: silver, INCOME.name: income, GOLD_FACTS.name: facts}


def test_the_facts_follow_from_the_extracts_of_all_datasets() -> None:
    lake = lake_of({2024: "2026-02-23"})
    found = ExtractsBehind(REGISTRY, lake).of(GOLD_FACTS, lake[GOLD_FACTS.name]["2024"])
    assert found == {"SAINC1": ["2026-03-01"], "SAPCE1": ["2026-02-23"]}


def test_a_table_of_one_dataset_names_the_extracts_of_that_one_alone() -> None:
    lake = lake_of({2024: "2026-02-23"})
    metrics = partition(2024, "m", {"gold/2024": "p2024"})
    assert ExtractsBehind(REGISTRY, lake).of(METRICS, metrics) == {"SAPCE1": ["2026-02-23"]}


def test_what_looks_years_back_names_the_extracts_of_each_year_in_order() -> None:
    lake = lake_of({2022: "2026-02-23.10", 2023: "2026-02-23.9 with 2025-10-02", 2024: "2026-02-23.10"})
    metrics = partition(2024, "m", {f"gold/{year}": f"p{year}" for year in (2022, 2023, 2024)})
    assert ExtractsBehind(REGISTRY, lake).of(METRICS, metrics) == {
        "SAPCE1": ["2025-10-02", "2026-02-23.9", "2026-02-23.10"]
    }


@pytest.mark.parametrize("inputs", [{"gold/2024": "another"}, {"gold/2025": "p2024"}, {}])
def test_nothing_is_said_of_what_is_not_there_as_the_manifest_names_it(inputs: Mapping[str, str]) -> None:
    lake = lake_of({2024: "2026-02-23"})
    assert ExtractsBehind(REGISTRY, lake).of(METRICS, partition(2024, "m", inputs)) == {}


def test_a_log_of_all_vintages_follows_from_none_in_particular() -> None:
    log = REGISTRY.logs["pce_state"].table
    held = partition(2024, "l", {"SAPCE1": "of its vintages"})
    assert ExtractsBehind(REGISTRY, {log.name: {"2024": held}}).of(log, held) == {}


def test_a_table_in_one_piece_names_the_extracts_of_what_it_is_made_of() -> None:
    lake = lake_of({2023: "2026-02-23", 2024: "2026-04-09"})
    annual = {str(year): partition(year, f"a{year}", {f"gold/{year}": f"p{year}"}) for year in (2023, 2024)}
    lake[GOLD_PCE_STATE_ANNUAL.name] = annual
    inputs = {f"{GOLD_PCE_STATE_ANNUAL.name}/{year}": f"a{year}" for year in annual}
    errors = lake[GOLD_PCE_MONTHLY_ERRORS.name] = {"all": partition(0, "e", inputs)}
    behind = ExtractsBehind(REGISTRY, lake)
    expected = {"SAPCE1": ["2026-02-23", "2026-04-09"]}
    assert behind.of(GOLD_PCE_MONTHLY_ERRORS, errors["all"]) == expected
    # and so does one that is made of that
    months = partition(1, "m", {f"{GOLD_PCE_MONTHLY_ERRORS.name}/all": "e"})
    assert behind.of(GOLD_PCE_STATE_MONTHLY, months) == expected
    assert behind.of(DIM_GEOGRAPHY, partition(2, "x", {})) == {}


extracts = st.lists(
    st.builds(ExtractId, st.dates(), st.integers(1, 12)).map(str), min_size=1, max_size=4, unique=True
).map(lambda names: in_order(set(names)))


@given(extracts, extracts)
def test_of_two_vintages_one_at_most_is_a_rollback_of_the_other(one: list[str], other: list[str]) -> None:
    there, back = is_rolled_back({"T": one}, {"T": other}), is_rolled_back({"T": other}, {"T": one})
    assert there + back == (one[-1] != other[-1])
    assert not is_rolled_back({"T": one}, {"U": other})
