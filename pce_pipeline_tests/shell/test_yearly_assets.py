"""Yearly assets in Dagster: what fails, what is reported of years without figures, and checks that run alone."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import dagster as dg
import pytest

from pce_pipeline.automation.jobs import range_tags
from pce_pipeline.shell.tags import forced_tag
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline_tests.history import history_in_memory
from pce_pipeline_tests.worlds import QUIET, World

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
THIS_YEAR = datetime.now(UTC).year


def run(
    world: World,
    keys: Sequence[str],
    years: tuple[int, int] | None,
    *,
    checks: Sequence[tuple[str, str]] = (),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> dg.ExecuteInProcessResult:
    """Run assets, or checks alone, as the page would."""
    assets = [each for each in world.definitions.assets or [] if isinstance(each, dg.AssetsDefinition)]
    selection = (
        dg.AssetSelection.checks(*(dg.AssetCheckKey(dg.AssetKey(key.split("/")), name) for key, name in checks))
        if checks
        else dg.AssetSelection.assets(*(key.split("/") for key in keys))
    )
    return dg.materialize(
        assets,
        selection=selection,
        resources=world.definitions.resources,
        instance=world.instance,
        run_config=QUIET,
        tags={**(range_tags(*years) if years else {}), **tags},
        raise_on_error=False,
    )


def said(result: dg.ExecuteInProcessResult) -> str:
    return " ".join(
        str(event.step_failure_data.error)
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.STEP_FAILURE
    )


def reported(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], dg.AssetMaterialization]:
    """What the run reported as materialised, by asset and partition."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {(each.asset_key.to_user_string(), each.partition): each for each in events}


def checks_of(result: dg.ExecuteInProcessResult) -> set[tuple[str, str]]:
    return {(each.asset_key.to_user_string(), each.check_name) for each in result.get_asset_check_evaluations()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A small world with one extract, and Silver and the facts of two years."""
    world = World(tmp_path_factory.mktemp("yearly"), NOWHERE, profile="smoke")
    world.extract()
    assert run(world, ["silver/pce_state", "gold"], (2022, 2023)).success
    return world


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("empty"), NOWHERE, profile="smoke")


@pytest.mark.parametrize(
    "keys",
    [
        ["silver/pce_state"],
        ["gold"],
        ["gold/pce_state_metrics"],
        ["postgres/pce_state_annual"],
        ["gold", "gold/dim_category"],
    ],
)
def test_in_a_lake_without_any_extract_nothing_passes(empty: World, keys: list[str]) -> None:
    result = run(empty, keys, (2023, 2023))
    assert not result.success
    assert checks_of(result) == set()
    assert "holds no extract" in said(result)
    assert "`pce run`" in said(result)


@pytest.mark.parametrize(
    ("key", "upstream", "years"),
    [
        ("gold", "silver/pce_state", "2020"),
        ("gold/pce_state_annual", "gold", "2020"),
        ("gold/pce_state_metrics", "gold", "2018, 2019, 2020"),
    ],
)
def test_a_covered_year_that_is_not_materialised_stops_with_the_command_that_helps(
    world: World, key: str, upstream: str, years: str
) -> None:
    year = 2022 if key == "gold/pce_state_metrics" else 2020
    result = run(world, [key], (year, year))
    assert not result.success
    assert f"{upstream} is not published for {years}" in said(result)
    assert "pce refresh --years" in said(result)


def test_a_load_stops_at_a_covered_year_that_gold_lacks(world: World) -> None:
    result = run(world, ["postgres/pce_state_annual"], (2023, 2023))
    assert "gold/pce_state_annual is not published for 2023" in said(result)


def test_years_that_bea_has_not_published_are_reported_without_rows_and_spoil_nothing(world: World) -> None:
    result = run(world, ["silver/pce_state", "gold"], (2023, THIS_YEAR), tags=forced_tag())
    assert result.success
    found = reported(result)
    for key in ("silver/pce_state", "gold"):
        assert found[key, "2023"].metadata["dagster/partition_row_count"].value == 180
        for year in range(2025, THIS_YEAR + 1):
            absent = found[key, str(year)]
            assert absent.metadata["dagster/partition_row_count"].value == 0
            assert absent.description == f"not published: no extract has anything of {year}"
            assert absent.tags == {"dagster/data_version": "absent"}
    assert str(THIS_YEAR) not in world.lake.table(GOLD_FACTS).latest()


def test_a_run_of_nothing_but_such_years_succeeds_and_no_check_reports_on_its_rows(world: World) -> None:
    result = run(
        world, ["silver/pce_state", "gold", "gold/pce_state_annual", "gold/pce_state_metrics"], (THIS_YEAR, THIS_YEAR)
    )
    assert result.success
    assert checks_of(result) == set()
    assert {key for key, _ in reported(result)} == {
        "silver/pce_state", "gold", "gold/pce_state_annual", "gold/pce_state_metrics",
    }  # fmt: skip


def test_a_rule_that_has_nothing_to_look_at_gives_no_result(world: World) -> None:
    result = run(world, ["gold"], (2023, 2023), tags=forced_tag())
    names = {name for _, name in checks_of(result)}
    assert result.success
    assert "primary_key_is_unique" in names
    # the small world has one table, so there are no per-capita figures to compare with
    assert "per_capita_times_population_is_the_total" not in names


@pytest.mark.parametrize(
    ("tags", "is_told"), [({}, False), (forced_tag(), True), ({"dagster/backfill": "asked"}, True)]
)
def test_a_year_that_stands_is_told_again_to_a_backfill_and_where_it_is_forced(
    world: World, tags: dict[str, str], is_told: bool
) -> None:
    result = run(world, ["silver/pce_state", "gold"], (2022, 2022), tags=tags)
    assert result.success
    assert (("gold", "2022") in reported(result)) == is_told
    assert (checks_of(result) != set()) == (tags == forced_tag())


def test_a_year_that_stands_is_told_to_a_history_that_never_heard_of_it(tmp_path: Path, world: World) -> None:
    other = World(world.settings.home, NOWHERE, profile="smoke")
    other.instance = history_in_memory(tmp_path)
    result = run(other, ["silver/pce_state", "gold"], (2022, 2023))
    assert set(reported(result)) == {(key, year) for key in ("silver/pce_state", "gold") for year in ("2022", "2023")}
    assert checks_of(result) == set()


def test_a_year_does_not_stand_whose_file_somebody_has_touched(tmp_path: Path) -> None:
    world = World(tmp_path, NOWHERE, profile="smoke")
    world.extract()
    assert run(world, ["silver/pce_state", "gold"], (2022, 2023)).success
    published = {info.key: info.size for info in world.lake.store.list(world.lake.prefix(GOLD_FACTS))}
    key = f"{world.lake.prefix(GOLD_FACTS)}/year=2023/part-000.parquet"
    world.lake.store.put_many({key: b"somebody else's"})
    result = run(world, ["silver/pce_state", "gold"], (2022, 2023))
    assert {partition for key, partition in reported(result) if key == "gold"} == {"2023"}
    assert {info.key: info.size for info in world.lake.store.list(world.lake.prefix(GOLD_FACTS))} == published


@pytest.mark.parametrize("key", ["silver/pce_state", "gold"])
def test_checks_that_run_alone_judge_without_publishing(tmp_path: Path, key: str) -> None:
    world = World(tmp_path, NOWHERE, profile="smoke")
    world.extract()
    first, last = 1997, 2024
    assert run(world, ["silver/pce_state", "gold"], (first, last)).success
    before = {info.key: info.e_tag for info in world.lake.store.list("local/gold")}
    result = run(world, [], None, checks=[(key, "primary_key_is_unique")])
    assert result.success
    assert checks_of(result) == {(key, "primary_key_is_unique")}
    assert reported(result) == {}
    assert {info.key: info.e_tag for info in world.lake.store.list("local/gold")} == before


def test_a_check_of_stored_bytes_says_nothing_of_years_that_nothing_is_stored_of(world: World) -> None:
    checks = list(world.definitions.asset_checks or [])
    assets = [each for each in world.definitions.assets or [] if isinstance(each, dg.AssetsDefinition)]
    result = dg.materialize(
        [*assets, *checks],
        selection=dg.AssetSelection.assets(["silver", "pce_state"]),
        resources=world.definitions.resources,
        instance=world.instance,
        run_config=QUIET,
        tags=range_tags(THIS_YEAR, THIS_YEAR),
        raise_on_error=False,
    )
    assert result.success
    assert checks_of(result) == set()
