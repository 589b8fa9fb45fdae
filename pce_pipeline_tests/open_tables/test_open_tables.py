"""Tables are open after a refresh: tags name what a table is made of, and what goes wrong fails no run.

The tests share one world and go through its history in this order: a release, the next one taken but brought to one
year alone, the same brought to all by a run that is killed before the Iceberg tables, and damage.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from pce_pipeline.automation.jobs import REFRESH, range_tags
from pce_pipeline.bronze.current import current_of
from pce_pipeline.lake.earlier import dated_versions, details_of_next
from pce_pipeline.lake.iceberg.catalogue import LakeCatalogue
from pce_pipeline.lake.iceberg.places import IcebergPlace
from pce_pipeline.lake.pointer import WHOLE, NewPartition
from pce_pipeline.open_tables.ledger import read_ledger, write_ledger
from pce_pipeline.open_tables.projecting import open_tables
from pce_pipeline.open_tables.tags import Tags
from pce_pipeline.shell.keys import ICEBERG_KEY
from pce_pipeline.shell.tags import WHY
from pce_pipeline.tables.table import Table, content_sha256
from pce_pipeline_tests.automation.daemon import Daemon
from pce_pipeline_tests.explorer.small_set import NO_DATABASE, take, to_gold
from pce_pipeline_tests.worlds import QUIET, World, command_line_of

LAST = 2024
SCOPES = {
    "pce_state": "SAPCE1 = [1]\nSAPCE3 = [1]",
    "prices_state": "SARPP = []\nSARPI = []\nSAIRPD = []",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("open")
    catalog = folder / "catalog"
    for name, scope in SCOPES.items():
        (catalog / name).mkdir(parents=True)
        (catalog / name / "dataset.toml").write_text(f'name = "{name}"\n\n[profiles.lean]\n{scope}\n')
    world = World(folder / "home", NO_DATABASE, profile="lean", catalog=catalog, load_postgres=False)
    take(world, 2)
    to_gold(world, 1997, LAST)
    return world


ANNUAL, FACTS, AREAS, LOG = "gold/pce_state_annual", "gold", "gold/dim_geography", "gold/pce_state_vintages"


def table(world: World, name: str) -> Table:
    return next(each for each in world.registry.tables if each.name == name)


def refs(world: World, name: str) -> dict[str, int]:
    """The snapshot of each tag."""
    place = IcebergPlace.of(world.lake, table(world, name))
    found = LakeCatalogue(place, place.newest()).load_table(name).metadata.refs
    return {tag: ref.snapshot_id for tag, ref in found.items() if tag != "main"}


def rows(world: World, name: str, tag: str | None = None) -> pl.DataFrame:
    """The rows of an Iceberg table, as of a tag or now, in the order of its key."""
    of = table(world, name)
    place = IcebergPlace.of(world.lake, of)
    iceberg = LakeCatalogue(place, place.newest()).load_table(name)
    snapshot = iceberg.metadata.current_snapshot_id if tag is None else iceberg.metadata.refs[tag].snapshot_id
    found = iceberg.metadata.snapshot_by_id(snapshot or 0)
    assert found is not None
    files = [
        entry.data_file.file_path
        for manifest in found.manifests(iceberg.io)
        for entry in manifest.fetch_manifest_entry(iceberg.io, discard_deleted=True)
    ]
    return pl.concat(pl.read_parquet(iceberg.io.new_input(file).open().read()) for file in files).sort(of.key)


def published(world: World, name: str) -> pl.DataFrame:
    of = table(world, name)
    return world.lake.table(of).read().sort(of.key)


def check_of(world: World, result: Any) -> Any:
    step = world.record(result).step("gold/iceberg")
    assert step is not None
    return next(check for check in step.checks if check.name == "tables_are_open")


@pytest.fixture(scope="module")
def before(world: World) -> dict[str, pl.DataFrame]:
    """What was published of the first release."""
    return {each.name: published(world, each.name) for each in world.registry.tables if world.lake.table(each).latest()}


def test_a_refresh_opens_every_table_and_tags_extract_and_release(
    world: World, before: dict[str, pl.DataFrame]
) -> None:
    first = str(world.bronze.extracts()[0])
    for name, frame in before.items():
        if frame.height:
            assert rows(world, name).equals(frame), name
    release = refs(world, ANNUAL).keys() - {f"extract-{first}"}
    assert [tag.rpartition("-")[0][:8] for tag in release] == ["release-"]
    assert {tag.removeprefix("pce_state-") for tag in refs(world, FACTS) if tag.startswith("pce_state-")} == refs(
        world, ANNUAL
    ).keys()
    assert {tag.partition("-")[0] for tag in refs(world, AREAS)} == {"pce_state", "prices_state"}


def test_a_release_that_was_brought_to_some_years_only_is_tagged_nowhere(
    world: World, before: dict[str, pl.DataFrame]
) -> None:
    first, tags = str(world.bronze.extracts()[0]), refs(world, ANNUAL)
    take(world, 3)
    to_gold(world, LAST, LAST)
    assert rows(world, ANNUAL).equals(published(world, ANNUAL))
    assert not published(world, ANNUAL).equals(before[ANNUAL])
    assert refs(world, ANNUAL) == tags
    for name in (ANNUAL, FACTS, LOG):
        tag = f"extract-{first}" if name != FACTS else f"pce_state-extract-{first}"
        assert rows(world, name, tag).equals(before[name])


def published_and_killed(world: World, first: int, last: int) -> None:
    """A refresh of years that gets as far as Gold, and not to the Iceberg tables."""
    graph = world.definitions.resolve_asset_graph()
    keys = dg.AssetSelection.groups("silver", "gold").resolve(graph) - {ICEBERG_KEY}
    result = world.definitions.resolve_job_def(REFRESH).execute_in_process(
        instance=world.instance, tags=range_tags(first, last), run_config=QUIET, asset_selection=list(keys)
    )
    assert result.success


def test_the_sensor_launches_what_a_kill_left_behind_and_nothing_else(world: World, tmp_path: Path) -> None:
    published_and_killed(world, 1997, LAST + 2)
    assert not rows(world, ANNUAL).equals(published(world, ANNUAL))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        requests, skipped = Daemon(world, instance).tick()
        (request,) = requests
        assert skipped is None
        assert (request.job_name, request.asset_selection) == (REFRESH, [ICEBERG_KEY])
        assert request.tags[WHY].startswith("Iceberg tables are behind what is published: ")
        result = world.definitions.resolve_job_def(REFRESH).execute_in_process(
            instance=world.instance, tags=request.tags, run_config=QUIET, asset_selection=[ICEBERG_KEY]
        )
        assert [each.step for each in world.record(result).steps] == ["gold/iceberg"]
        assert Daemon(world, instance).tick() == ([], "Nothing is new.")
    assert rows(world, ANNUAL).equals(published(world, ANNUAL))


def test_once_all_years_are_brought_there_the_tag_says_so_and_the_earlier_one_answers_as_ever(
    world: World, before: dict[str, pl.DataFrame]
) -> None:
    first, second = map(str, world.bronze.extracts())
    assert {f"extract-{first}", f"extract-{second}"} <= refs(world, ANNUAL).keys()
    assert rows(world, ANNUAL, f"extract-{second}").equals(published(world, ANNUAL))
    assert rows(world, ANNUAL, f"extract-{first}").equals(before[ANNUAL])


def test_the_same_again_makes_no_snapshot_and_no_metadata(world: World) -> None:
    objects = world.lake.store.list(world.lake.layout.iceberg_tables)
    held = current_of(world.lake, world.registry.datasets)
    done = open_tables(world.lake, world.registry, held, run_id="again")
    assert {each.outcome for each in done.tables.values()} <= {"unchanged", "empty"}
    assert (done.failed, done.told) == ({}, [])
    assert world.lake.store.list(world.lake.layout.iceberg_tables) == objects


@pytest.mark.parametrize("verb", ["refresh", "run"])
def test_a_command_that_finds_nothing_new_projects_what_a_kill_left_behind(world: World, verb: str) -> None:
    pce, lake = command_line_of(world), world.lake
    # as a kill leaves it that came after the data and before a table was projected at all
    entries = read_ledger(lake).tables
    write_ledger(lake, {name: each for name, each in entries.items() if name != LOG})
    place = IcebergPlace.of(lake, table(world, LOG))
    lake.store.delete_many([info.key for info in lake.store.list(place.prefix)])
    document = pce(verb, "--json", PCE_LOAD_POSTGRES="false").document
    assert document["iceberg"] == {"in_line": [LOG], "told_to_glue": [], "failed": {}}
    assert rows(world, LOG).equals(published(world, LOG))
    told = pce(verb, "--json", PCE_LOAD_POSTGRES="false").document
    assert "iceberg" not in told
    assert told["outcome"] == document["outcome"]


def test_under_a_pin_current_tables_are_of_the_pinned_extract_and_logs_of_the_newest(world: World) -> None:
    first, second = world.bronze.extracts()
    world.bronze.write_pin(first, now=datetime.now(UTC), reason="to see")
    try:
        held = current_of(world.lake, world.registry.datasets)
        latest = {each.name: world.lake.table(each).latest() for each in world.registry.tables}
        tags = Tags(world.registry, held, latest)
        assert tags.of(table(world, ANNUAL)) == []
        assert f"extract-{second}" in tags.of(table(world, LOG))
    finally:
        world.bronze.clear_pin(now=datetime.now(UTC))


def test_an_earlier_version_of_a_dimension_that_is_lost_is_named_by_verify_and_heal(world: World) -> None:
    pce, of = command_line_of(world), table(world, AREAS)
    store = world.lake.table(of)
    there = store.latest()[WHOLE]
    for rows_then in (store.read().reverse(), store.read()):
        details = details_of_next(store.latest()[WHOLE], content_sha256(rows_then), datetime.now(UTC))
        new = NewPartition(WHOLE, {"part-000.parquet": rows_then}, there.inputs, there.code_version, details)
        store.publish([new], run_id="a-run")
    (reversed_then,) = dated_versions(store.latest()[WHOLE])[1].partition.objects
    key = f"{world.lake.prefix(of)}/{reversed_then.version_key}"
    body = world.lake.store.get(key)
    world.lake.store.delete_many([key])
    verified = pce("verify", "--years", str(LAST), "--json", PCE_LOAD_POSTGRES="false")
    assert (verified.code, [each["key"] for each in verified.document["damages"]]) == (1, [key])
    healed = pce("heal", PCE_LOAD_POSTGRES="false")
    assert healed.code == 1
    assert "Earlier versions of dimensions are kept once" in healed.out
    world.lake.store.put(key, body)
    assert pce("heal", "--json", PCE_LOAD_POSTGRES="false").document["lost"] == []


def test_a_damaged_iceberg_table_is_told_and_neither_the_run_nor_another_table_fails(world: World) -> None:
    place = IcebergPlace.of(world.lake, table(world, ANNUAL))
    newest = place.metadata_key(place.newest())
    body = world.lake.store.get(newest)
    world.lake.store.put(newest, b"{")
    result = to_gold(world, LAST, LAST)
    assert result.success
    check = check_of(world, result)
    assert (check.passed, check.severity, check.figures["violations"]) == (False, "warn", 1)
    assert ANNUAL in check.summary
    pce = command_line_of(world)
    called = pce("iceberg", "--json")
    assert called.code == 1
    assert list(called.document["failed"]) == [ANNUAL]
    assert "pce iceberg --rebuild" in called.document["failed"][ANNUAL]
    world.lake.store.put(newest, body)
    said = pce("iceberg")
    assert (said.code, "were in line" in said.out) == (0, True)
    rebuilt = pce("iceberg", "--rebuild", "--json").document
    assert {each["outcome"] for each in rebuilt["tables"]} == {"rebuilt", "empty"}
    assert rows(world, ANNUAL).equals(published(world, ANNUAL))
