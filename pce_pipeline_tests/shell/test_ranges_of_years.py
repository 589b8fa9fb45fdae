"""A run that goes range by range makes, says and records what one makes that takes all its years at once."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import polars as pl
import pytest

from pce_pipeline.automation.jobs import range_tags
from pce_pipeline.lake.pointer import NewPartition
from pce_pipeline.lake.resource import files_of_year
from pce_pipeline.observability.records import StepRecord
from pce_pipeline.shell.keys import key_of
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.table import Table
from pce_pipeline_tests.worlds import QUIET, World

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
YEARS = (1997, 2010)
PROFILES = {
    "pce_state": "SAPCE1 = [1, 2, 3, 4]\nSAPCE3 = [1]",
    "income_state": "SAINC1 = []",
    "prices_state": "SARPP = []\nSAIRPD = []",
    "pce_us_monthly": "T20805 = [1, 2]",
    "summary_state": "SASUMMARY = []",
}
NOT_TAKEN = "summary_state"


def world_of(home: Path, catalog: Path, years_at_once: int) -> World:
    return World(home, NOWHERE, profile="lean", catalog=catalog, years_at_once=years_at_once, load_postgres=False)


def made(world: World, *, must_succeed: bool = True, only: Sequence[Table] = ()) -> dg.ExecuteInProcessResult:
    """All yearly tables of the world, or some, of YEARS."""
    tables = only or [each.table for each in world.registry.derivations]
    assets = [each for each in world.definitions.assets or [] if isinstance(each, dg.AssetsDefinition)]
    return dg.materialize(
        assets,
        selection=dg.AssetSelection.assets(*map(key_of, tables)),
        resources=world.definitions.resources,
        instance=world.instance,
        run_config=QUIET,
        tags=range_tags(*YEARS),
        raise_on_error=must_succeed,
    )


@pytest.fixture(scope="module")
def extracts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home with an extract of all datasets but one, and the catalogue that they are of."""
    home, catalog = tmp_path_factory.mktemp("extracts"), tmp_path_factory.mktemp("catalog")
    for name, scope in PROFILES.items():
        (catalog / name).mkdir()
        (catalog / name / "dataset.toml").write_text(f'name = "{name}"\n\n[profiles.lean]\n{scope}\n')
    world = world_of(home, catalog, 1)
    for dataset in world.registry.datasets.keys() - {NOT_TAKEN}:
        world.extract(dataset=dataset)
    return home, catalog


@pytest.fixture(scope="module")
def worlds(extracts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[World, Any]]:
    """The same extracts made into tables by ranges of one year, of five, and of all years; each with its run."""
    home, catalog = extracts
    found = {}
    for years_at_once in (1, 5, 100):
        own = tmp_path_factory.mktemp(f"ranges of {years_at_once}")
        shutil.copytree(home, own, dirs_exist_ok=True)
        world = world_of(own, catalog, years_at_once)
        found[years_at_once] = (world, world.record(made(world)))
    return found


def as_told(step: StepRecord) -> dict[str, Any]:
    """What a step says of itself, apart from when it did what."""
    told: dict[str, Any] = msgspec.to_builtins(step)
    for check in told["checks"]:
        del check["checked_at"]
    return {name: each for name, each in told.items() if name not in {"started_at", "seconds"}}


def manifests(world: World) -> dict[tuple[str, str], Any]:
    """Every published partition, apart from when it was published and by which run."""
    return {
        (each.table.name, key): (partition.content_sha256, partition.objects, partition.inputs, partition.details)
        for each in world.registry.derivations
        for key, partition in world.lake.table(each.table).latest().items()
    }


@pytest.mark.parametrize("years_at_once", [1, 5])
def test_ranges_make_what_all_years_at_once_make(worlds, years_at_once):
    (by_ranges, _), (at_once, _) = worlds[years_at_once], worlds[100]

    made_of = [each.table.name for each in at_once.registry.derivations if NOT_TAKEN not in each.table.name]
    assert {table for table, _ in manifests(at_once)} == set(made_of)
    assert manifests(by_ranges) == manifests(at_once)


@pytest.mark.parametrize("years_at_once", [1, 5])
def test_ranges_are_judged_and_recorded_as_one(worlds, years_at_once):
    by_ranges, at_once = ({each.step: as_told(each) for each in worlds[key][1].steps} for key in (years_at_once, 100))

    assert by_ranges.keys() == at_once.keys()
    for step, told in at_once.items():
        assert by_ranges[step] == told, step


def test_every_rule_gives_one_result_for_all_ranges(worlds):
    _, record = worlds[1]
    for step in record.steps:
        names = [check.name for check in step.checks]
        assert len(names) == len(set(names))
    assert [step.step for step in record.steps if len(step.checks) > 10] != []


def test_a_range_that_fails_keeps_the_ranges_before_it_from_being_published(extracts, tmp_path):
    home, catalog = extracts
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    world = world_of(tmp_path, catalog, 2)
    silver = [each.table for each in world.registry.silver.values()]
    made(world, only=silver)
    (table,) = (each.table for name, each in world.registry.silver.items() if name == "pce_state")
    store = world.lake.table(table)
    last = store.read_partition(store.latest()["2009"])
    damaged = last.with_columns(status=pl.lit("reported"), value=pl.lit(None, dtype=last.schema["value"]))
    _publish(world, table, 2009, damaged)

    result = made(world, only=[GOLD_FACTS], must_succeed=False)

    assert not result.success
    assert world.lake.table(GOLD_FACTS).latest() == {}
    written = [info.key for info in world.lake.store.list(world.lake.prefix(GOLD_FACTS)) if "_versions" in info.key]
    assert written, "versions come first, and nothing names them"


def _publish(world: World, table: Table, year: int, rows: pl.DataFrame) -> None:
    before = world.lake.table(table).latest()[str(year)]
    world.lake.table(table).publish(
        [
            NewPartition(
                str(year),
                files_of_year(
                    table, year, rows, dict(world.dataset.areas.select("geo_fips", "path_segment").iter_rows())
                ),
                inputs=before.inputs,
                code_version=before.code_version,
            )
        ],
        run_id="damage",
    )
