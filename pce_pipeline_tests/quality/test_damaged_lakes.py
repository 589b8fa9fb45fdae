"""A damaged lake makes exactly the check go red that is there for it, and nothing of it is published."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pce_pipeline.automation.jobs import range_tags
from pce_pipeline.automation.newest_release import NEWEST_RELEASE
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline.lake.pointer import NewPartition
from pce_pipeline.lake.publication import TableStore
from pce_pipeline.lake.resource import files_of_year
from pce_pipeline.shell.tags import forced_tag
from pce_pipeline.tables.table import MONEY
from pce_pipeline_tests.bronze.look_alike import archive_of
from pce_pipeline_tests.datasets import PCE_STATE, SILVER, SILVER_PCE_STATE
from pce_pipeline_tests.worlds import QUIET, World

NOTICE_IT_TOO = {
    "schema_is_as_declared": {"states_add_up_to_the_nation"},
    "per_capita_times_population_is_the_total": {"one_population_per_area_and_year"},
}
"""For some rules of the facts, which others see the same damage."""

YEAR = "2024"
CALIFORNIA, FAR_WEST, NATION = "06000", "98000", "00000"
CLOTHING, ABOVE_CLOTHING = 10, [1, 2, 8]
MEDICINE, ABOVE_MEDICINE = 40, [1, 2, 37, 38, 39]


def materialise(world: World, *keys: str, first: str = YEAR, force: bool = False) -> dg.ExecuteInProcessResult:
    """Run assets with their checks over years up to YEAR, as the page would."""
    assets = [each for each in world.definitions.assets or [] if isinstance(each, dg.AssetsDefinition)]
    checks = list(world.definitions.asset_checks or [])
    return dg.materialize(
        [*assets, *checks],
        selection=dg.AssetSelection.assets(*(key.split("/") for key in keys)),
        resources=world.definitions.resources,
        instance=world.instance,
        run_config=QUIET,
        tags={**range_tags(int(first), int(YEAR)), **(forced_tag() if force else {})},
        raise_on_error=False,
    )


def run_check(world: World, asset: str, check: str) -> dg.ExecuteInProcessResult:
    """Run one standalone check alone."""
    return dg.materialize(
        [*(world.definitions.assets or []), *(world.definitions.asset_checks or [])],  # type: ignore[list-item]
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(asset.split("/")), check)),
        resources=world.definitions.resources,
        instance=world.instance,
        run_config=QUIET,
        raise_on_error=False,
    )


def red(result: dg.ExecuteInProcessResult) -> set[str]:
    """The checks of the rows that failed; whether a newer release is out says nothing of them."""
    failed = {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}
    return failed - {NEWEST_RELEASE}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three tables of the sample in Silver and Gold, in an environment whose thresholds block."""
    world = World(tmp_path_factory.mktemp("damaged"), "postgresql://nobody@127.0.0.1:1/none", threshold_checks="block")
    world.extract(tables=["SAPCE1", "SAPCE2", "SAPCE4"])
    result = materialise(world, "silver/pce_state", "gold")
    assert result.success
    assert red(result) == set()
    return world


@pytest.fixture
def silver(world: World) -> Iterator[pl.DataFrame]:
    """Silver of the year; whatever a test publishes in its place is put right afterwards."""
    frame = world.lake.table(SILVER_PCE_STATE).read([YEAR])
    yield frame
    publish(world, frame)


def publish(world: World, frame: pl.DataFrame) -> None:
    segments = dict(world.dataset.areas.select("geo_fips", "path_segment").iter_rows())
    files = files_of_year(SILVER.table, int(YEAR), frame, segments)
    partition = NewPartition(YEAR, files, inputs={"damaged": "by a test"}, code_version="test")
    # by a writer that does not know which columns are never NULL
    lake = world.lake
    TableStore(lake.store, lake.prefix(SILVER_PCE_STATE), SILVER_PCE_STATE.name).publish([partition], run_id="test")


def cells(table: str, lines: list[int], areas: list[str]) -> pl.Expr:
    return (pl.col("bea_table") == table) & pl.col("line_code").is_in(lines) & pl.col("geo_fips").is_in(areas)


def fifty_more(where: pl.Expr) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.with_columns(
        pl.when(where).then(pl.col("value") + 50).otherwise("value").cast(MONEY).alias("value")
    )


@pytest.mark.parametrize(
    ("check", "damage"),
    [
        ("schema_is_as_declared", lambda frame: frame.with_columns(geo_level=pl.lit(None, pl.String))),
        ("row_count_is_as_expected", lambda frame: frame.filter(~cells("SAPCE1", [CLOTHING], [CALIFORNIA]))),
        (
            "no_unexplained_nulls",
            lambda frame: frame.with_columns(
                value=pl.when(cells("SAPCE1", [CLOTHING], [CALIFORNIA])).then(None).otherwise("value")
            ),
        ),
        ("children_add_up_to_parents", fifty_more(cells("SAPCE4", [MEDICINE], [CALIFORNIA, FAR_WEST, NATION]))),
        ("states_add_up_to_regions", fifty_more(cells("SAPCE4", [MEDICINE, *ABOVE_MEDICINE], [FAR_WEST]))),
        ("states_add_up_to_the_nation", fifty_more(cells("SAPCE4", [MEDICINE, *ABOVE_MEDICINE], [NATION]))),
        (
            "per_capita_times_population_is_the_total",
            fifty_more(cells("SAPCE2", [CLOTHING, *ABOVE_CLOTHING], [CALIFORNIA])),
        ),
    ],
)
def test_damage_in_silver_turns_one_check_of_the_facts_red(
    world: World, silver: pl.DataFrame, check: str, damage: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    before = world.hashes()["gold", YEAR]
    publish(world, damage(silver))
    result = materialise(world, "gold")
    assert not result.success
    assert check in red(result)
    assert red(result) - {check} <= NOTICE_IT_TOO.get(check, set())
    assert world.hashes()["gold", YEAR] == before


def test_figures_far_from_the_last_version_are_not_published_and_it_is_named(
    world: World, silver: pl.DataFrame
) -> None:
    """What is published is made three times as large, so that the right figures seem to have drifted."""
    is_clothing = pl.col("line_code") == CLOTHING
    publish(world, silver.with_columns(value=pl.when(is_clothing).then(pl.col("value") * 3).otherwise("value")))
    before = world.hashes()["silver/pce_state", YEAR]
    result = materialise(world, "silver/pce_state")
    assert not result.success
    assert red(result) == {"figures_are_near_the_last_version"}
    (found,) = (each for each in result.get_asset_check_evaluations() if not each.passed)
    assert "held against the version of " in str(found.description)
    assert "(run test)" in str(found.description)
    assert world.hashes()["silver/pce_state", YEAR] == before


def test_flipped_bytes_in_the_lake_are_found_by_the_stored_check_and_stop_the_next_reader(
    world: World, silver: pl.DataFrame
) -> None:
    store = world.lake.table(SILVER_PCE_STATE)
    version = store.latest()[YEAR].objects[0].version_key
    path = Path(world.lake.uri) / world.lake.prefix(SILVER_PCE_STATE) / version
    body = path.read_bytes()
    path.write_bytes(bytes([body[0] ^ 1]) + body[1:])
    try:
        result = materialise(world, "gold", force=True)  # a year that stands is not read
        assert not result.success
        assert red(run_check(world, "silver/pce_state", "stored_bytes_are_intact")) == {"stored_bytes_are_intact"}
    finally:
        path.write_bytes(body)


def _csv(table: str, *, keep: Callable[[str], bool]) -> bytes:
    """The sample's file of one table, without the lines that `keep` refuses."""
    with zipfile.ZipFile(io.BytesIO(archive_of(2))) as opened:
        name = next(name for name in opened.namelist() if name.startswith(f"{table}__ALL_AREAS"))
        text = opened.read(name).decode()
    return "".join(line for line in text.splitlines(keepends=True) if keep(line)).encode()


def cut_world(folder: Path, keep: Callable[[str], bool], thresholds: str) -> World:
    """A world whose first answer of BEA itself lacks some of SAPCE1."""
    world = World(folder, "postgresql://nobody@127.0.0.1:1/none", threshold_checks=thresholds, chosen_source="bulk")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr("SAPCE1__ALL_AREAS_1997_2024.csv", _csv("SAPCE1", keep=keep))
    app = create_app(2)
    app.state.emulator.archives[PCE_STATE.archive] = packed.getvalue()
    with running(app) as url:
        resources = dict(world.definitions.resources or {})
        settings = world.settings.model_copy(update={"bea_url": url})
        resources["bea"]._settings = settings
        world.extract(tables=["SAPCE1"])
    return world


@pytest.mark.parametrize(
    ("check", "keep"),
    [
        ("expected_areas_are_present", lambda line: f'"{CALIFORNIA}"' not in line),
        ("expected_lines_are_present", lambda line: f'"{CALIFORNIA}"' not in line or ",SAPCE1,10," not in line),
    ],
)
def test_an_answer_with_missing_cells_turns_one_check_of_silver_red(
    tmp_path: Path, check: str, keep: Callable[[str], bool]
) -> None:
    world = cut_world(tmp_path, keep, "block")
    result = materialise(world, "silver/pce_state")
    assert not result.success
    assert red(result) == {check}
    assert world.lake.table(SILVER_PCE_STATE).latest() == {}


def test_where_thresholds_only_warn_the_damage_is_shown_and_published(tmp_path: Path) -> None:
    world = cut_world(tmp_path, lambda line: f'"{CALIFORNIA}"' not in line, "warn")
    result = materialise(world, "silver/pce_state")
    assert result.success
    assert red(result) == {"expected_areas_are_present"}
    assert YEAR in world.lake.table(SILVER_PCE_STATE).latest()


def test_a_first_file_that_holds_some_areas_only_passes_every_check_for_what_it_speaks_of(tmp_path: Path) -> None:
    world = World(tmp_path, "postgresql://nobody@127.0.0.1:1/none", threshold_checks="block")
    file = tmp_path / "received.csv"
    file.write_bytes(_csv("SAPCE1", keep=lambda line: not line.startswith(' "') or '"06000"' in line))
    world.extract("2025-09-26", tables=["SAPCE1"], files=[file])
    result = materialise(
        world, "silver/pce_state", "gold", "gold/pce_state_annual", "gold/pce_state_metrics", first="1997"
    )
    assert result.success
    assert red(result) == set()


def test_per_capita_figures_alone_pass_every_check(tmp_path: Path) -> None:
    world = World(tmp_path, "postgresql://nobody@127.0.0.1:1/none", threshold_checks="block")
    world.extract(tables=["SAPCE2"])
    result = materialise(
        world, "silver/pce_state", "gold", "gold/pce_state_annual", "gold/pce_state_metrics", first="1997"
    )
    assert result.success
    assert red(result) == set()
