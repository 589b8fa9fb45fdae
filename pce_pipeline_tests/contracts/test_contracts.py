"""What every asset promises is declared once, completely, and is what Dagster, gates and documents say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.definitions import build_definitions
from pce_pipeline.quality.rules import BLOCKS, KINDS, REMEDIES, Rule
from pce_pipeline.settings import Settings
from pce_pipeline.tables.joins import joins_of
from pce_pipeline_tests.cli.conftest import call
from pce_pipeline_tests.datasets import EVERYTHING

CONTRACTS = Contracts(EVERYTHING)
PROMISED = json.loads(Path(__file__).with_name("promised_columns.json").read_text("utf-8"))


def every_rule() -> Iterator[tuple[str, Rule[Any]]]:
    for contract in CONTRACTS.all.values():
        for rule in contract:
            yield contract.asset, rule


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(Settings(home=tmp_path_factory.mktemp("home"), chosen_source="sample"))


def test_the_checks_of_every_asset_are_the_rules_of_its_contract(definitions):
    graph = definitions.resolve_asset_graph()
    found: dict[str, set[str]] = {}
    for key in graph.asset_check_keys:
        found.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    declared = {contract.asset: {rule.name for rule in contract} for contract in CONTRACTS.all.values()}
    assert found == declared


def test_the_description_of_every_check_is_the_promise_of_its_rule(definitions):
    graph = definitions.resolve_asset_graph()
    for key in graph.asset_check_keys:
        rule = CONTRACTS.rule(key.asset_key.to_user_string(), key.name)
        assert rule is not None
        assert graph.get_check_spec(key).description == rule.description


def test_every_asset_but_the_bulletins_and_the_explorer_has_a_contract(definitions):
    """Neither is a table: both only show what tables hold."""
    assets = {key.to_user_string() for key in definitions.resolve_asset_graph().materializable_asset_keys}
    assert assets - set(CONTRACTS.all) == {"gold/bulletins", "explorer"}
    assert set(CONTRACTS.all) - assets == set()


def test_no_asset_has_two_rules_of_one_name():
    for contract in CONTRACTS.all.values():
        names = [rule.name for rule in contract]
        assert sorted(set(names)) == sorted(names)


def test_a_rule_says_its_promise_what_to_do_and_how_far_off_is_right():
    for asset, rule in every_rule():
        said = (asset, rule.name)
        assert rule.description.endswith("."), said
        assert rule.remedy.endswith("."), said
        assert bool(rule.tolerance) == (rule.kind == "threshold"), said
        assert not rule.tolerance or rule.tolerance.endswith("."), said


def test_every_kind_says_where_it_blocks_and_what_to_do():
    assert set(KINDS) == set(BLOCKS) == set(REMEDIES)
    assert {kind for kind, blocks in BLOCKS.items() if blocks == "always"} == {"schema", "key", "hash", "meaning"}


def test_every_table_judges_its_schema_and_its_key_before_it_is_published():
    for contract in CONTRACTS.all.values():
        if contract.table is not None and contract.layer != "postgres":
            assert {"schema", "key"} <= {rule.kind for rule in contract.gate}, contract.asset


def test_every_table_that_may_be_joined_looks_whether_its_references_resolve():
    for contract in CONTRACTS.all.values():
        names = {rule.name for rule in contract.of_rows}
        if contract.layer in ("silver", "gold"):
            assert ("references_resolve" in names) == bool(contract.joins), contract.asset


def test_joins_lead_to_one_row_of_columns_of_the_same_type():
    for table in EVERYTHING.tables:
        for join, keys in CONTRACTS.keys_of(table).items():
            assert keys.height > 0
            assert not keys.is_duplicated().any()
            for name, to in zip(join.columns, join.to_columns, strict=True):
                assert table.polars_schema[name] == keys.schema[to]


def test_facts_join_areas_categories_and_figures():
    assert [str(join) for join in joins_of(EVERYTHING.facts.table)] == [
        "geo_fips → gold/dim_geography",
        "category_id → gold/dim_category",
        "dataset, measure, category_id → gold/dim_figure",
    ]


def test_columns_that_were_promised_keep_their_place_name_and_type():
    """Whoever appends a column appends it in promised_columns.json too; nothing there is ever changed or removed."""
    for table in EVERYTHING.tables:
        now = [[column.name, str(column.dtype), column.nullable] for column in table.columns]
        assert now == PROMISED[table.name], "columns are only appended, here and in promised_columns.json"


def test_no_promised_table_has_gone():
    assert set(PROMISED) == {table.name for table in EVERYTHING.tables}


def test_the_verb_prints_contracts_for_people_and_machines():
    document = call("catalog", "contracts", "--json", "--profile", "smoke").document
    facts = next(each for each in document["contracts"] if each["asset"] == "gold")
    rule = next(each for each in facts["rules"] if each["name"] == "one_population_per_area_and_year")
    assert (rule["kind"], rule["blocks"]) == ("threshold", "threshold")
    assert document["environments"]["prod"] == {
        "threshold_checks": "block",
        "references_resolved_pct": 100,
        "retries": 3,
        "retry_wait_seconds": 10,
        "load_postgres": True,
    }
    assert call("catalog", "contracts", "--profile", "smoke").out.startswith("# Contracts\n")


def test_keys_of_the_lines_are_those_of_the_newest_layouts():
    (join,) = (each for each in joins_of(EVERYTHING.silver["prices_state"].table) if each.within)
    keys = CONTRACTS.keys_of(EVERYTHING.silver["prices_state"].table)[join]
    expected = pl.concat([each.lines.select("bea_table", "line_code") for each in EVERYTHING.datasets.values()])
    assert keys.sort("bea_table", "line_code").equals(expected.sort("bea_table", "line_code"))
