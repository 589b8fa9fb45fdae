"""The explorer's set in a lake: it equals Gold and what was known at each extract, cell by cell, and is made once."""

import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import polars as pl
import pytest

from pce_pipeline.asking.query import Question, query
from pce_pipeline.asking.reading import Reader, made_of, table_as_known
from pce_pipeline.automation.next_step import stale_explorer
from pce_pipeline.automation.state import lake_state
from pce_pipeline.bronze.current import current_of
from pce_pipeline.explorer import index as document
from pce_pipeline.explorer.cells import CELL
from pce_pipeline.explorer.checks import CHECKS, Checks
from pce_pipeline.explorer.histories import as_known_at
from pce_pipeline.explorer.measures import ShownMeasure, shown_measures
from pce_pipeline.explorer.store import EXPLORER, INDEX, ExplorerSet, ExplorerStore
from pce_pipeline.gold.known import AsOf
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.errors import DamagedObject
from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.lake.resource import Lake
from pce_pipeline.lake.store import Store
from pce_pipeline_tests.explorer.small_set import NO_CHECKS, made
from pce_pipeline_tests.lake.observed_backend import Killed, ObservedBackend
from pce_pipeline_tests.worlds import World

MOST_OF_INDEX = 100_000


class ObservedLake(Lake):
    """A lake on a backend of the test's."""

    def __init__(self, lake: Lake, folder: Path, **how: Any) -> None:
        super().__init__(str(folder), lake.layout)
        self.backend = ObservedBackend(DirectoryBackend(folder), **how)
        self.store = Store(self.backend)


@pytest.fixture(scope="module")
def world(two_releases: World) -> World:
    """Spending, prices and months of two releases, as Dagster's job of a refresh makes them."""
    return two_releases


@pytest.fixture
def lake(world: World, tmp_path: Path) -> ObservedLake:
    """A copy of its lake, to change."""
    shutil.copytree(world.lake.uri, tmp_path / "lake", copy_function=os.link)  # the lake never writes into a file
    return ObservedLake(world.lake, tmp_path / "lake")


@pytest.fixture(scope="module")
def whole(world: World) -> ExplorerSet:
    found = ExplorerStore(world.lake).current()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def index(whole: ExplorerSet) -> document.Index:
    return msgspec.json.decode(whole.read(INDEX), type=document.Index)


def again(lake: Lake, world: World) -> tuple[str, ...]:
    """What the next refresh writes, where no check says anything else."""
    current = ExplorerStore(lake).current()
    said = NO_CHECKS if current is None else said_in(current)
    return made(world, lake, checks=lambda: said).written


def said_in(found: ExplorerSet) -> Checks:
    return msgspec.json.decode(found.read(CHECKS), type=Checks)


def files(lake: Lake) -> dict[str, bytes]:
    folder = Path(lake.uri) / lake.layout.explorer
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def parquet(whole: ExplorerSet, path: str) -> pl.DataFrame:
    return pl.read_parquet(whole.read(path))


def rows_of(table: pl.DataFrame, measure: ShownMeasure) -> dict[tuple[str, str, int], float | None]:
    """The numbers of a column of Gold as a reader takes them, by category, area and period."""
    column = measure.column
    (alone, *others) = column.categories
    found: dict[tuple[str, str, int], float | None] = {}
    for row in table.iter_rows(named=True):
        category = row.get("category_id", alone)
        if category not in (alone, *others):
            continue
        period = row["year"] * 100 + row["month"] if column.is_of_months else row["year"]
        number = row[column.name]
        found[category, row.get("geo_fips", "00000"), period] = None if number is None else float(number)
    return found


def assert_same(
    cells: pl.DataFrame, expected: Mapping[tuple[str, str, int], float | None], measure: ShownMeasure
) -> None:
    """Cells are those that are expected, rounded to the decimals that are shown."""
    states = {
        row["geo_fips"] for row in measure.column.dataset.areas.iter_rows(named=True) if row["geo_level"] == "state"
    }
    expected = {key: value for key, value in expected.items() if not measure.is_of_states or key[1] in states}
    there = {
        (c, a, p): (v, s) for c, a, p, v, s in cells.select("category", "area", "period", "value", "status").iter_rows()
    }
    assert there.keys() == expected.keys()
    for key, value in expected.items():
        shown, status = there[key]
        assert (status == "reported") == (value is not None), key
        if value is not None:
            assert abs(shown - value) <= 0.5000001 * 10**-measure.decimals, key
            assert shown == round(shown, measure.decimals), key
        else:
            assert shown is None, key


def test_figures_are_those_of_every_table_of_gold_cell_by_cell(world: World, whole: ExplorerSet) -> None:
    compared = 0
    for name, dataset in world.registry.datasets.items():
        figures = parquet(whole, f"figures/{name}.parquet")
        tables = {each.table.name: world.lake.table(each.table).read() for each in world.registry.gold[name]}
        for measure in shown_measures(world.registry, dataset):
            expected = rows_of(tables[measure.column.made.table.name], measure)
            assert_same(figures.filter(measure=measure.id), expected, measure)
            compared += len(expected)
    assert compared > 50_000


def test_a_cell_without_a_number_says_why_as_gold_and_the_query_do(world: World, whole: ExplorerSet) -> None:
    dataset = world.registry.datasets["pce_state"]
    figures = parquet(whole, "figures/pce_state.parquet")
    levels = world.lake.table(world.registry.gold["pce_state"][0].table).read()
    said = {
        (c, a, p): s
        for c, a, p, s in figures.filter(measure="pce_millions_usd")
        .select("category", "area", "period", "status")
        .iter_rows()
    }
    of_gold = {
        (c, a, p): s for c, a, p, s in levels.select("category_id", "geo_fips", "year", "pce_status").iter_rows()
    }
    assert said == of_gold
    assert {"below_50k", "not_available", "reported"} <= set(said.values())
    measures = [each for each in shown_measures(world.registry, dataset) if not each.is_of_states]
    asked = query(
        world.lake,
        world.registry,
        Question(measures=[each.id for each in measures]),
        is_sample=True,
        datasets=["pce_state"],
    ).frame
    of_measure = {each.id: each.column.categories for each in measures}
    answered = {
        (category, measure, *cell): status
        for category, measure, *cell, status in asked.select(
            "category_id", "measure", "geo_fips", "year", "status"
        ).iter_rows()
        if category in of_measure[measure]
    }
    rows = figures.filter(pl.col("measure").is_in(list(of_measure)))
    shown = {tuple(cell): status for *cell, status in rows.select(*CELL, "status").iter_rows()}
    assert shown == answered
    assert {"reported", "not_published", "below_50k", "not_available"} <= set(shown.values())


def test_what_was_known_at_each_extract_is_what_the_tables_would_have_been(
    world: World, whole: ExplorerSet, index: document.Index
) -> None:
    reader = Reader(world.lake, world.registry)
    of_years = [each for each in index.datasets if each.cadence == "year"]
    assert [len(each.extracts) for each in of_years] == [2, 1]
    for dataset in of_years:
        measures = shown_measures(world.registry, world.registry.datasets[dataset.id])
        for place, extract in enumerate(dataset.extracts):
            at = ExtractId.parse(extract.extract)
            tables = {
                each.table.name: table_as_known(
                    reader, *made_of(world.registry, each.table), None, AsOf(at.day, at.number)
                )
                for each in world.registry.gold[dataset.id]
            }
            for measure in measures:
                history = parquet(whole, f"history/{dataset.id}/{measure.id}.parquet")
                expected = rows_of(tables[measure.column.made.table.name], measure)
                assert_same(as_known_at(history, place), expected, measure)
    changed = parquet(whole, "history/pce_state/pce_yoy_pct.parquet")
    assert changed["extract"].unique().sort().to_list() == [0, 1]
    assert changed.filter(extract=1)["period"].min() == 2021


def test_as_known_at_the_newest_extract_is_what_the_figures_are(whole: ExplorerSet, index: document.Index) -> None:
    for dataset in index.datasets:
        figures = parquet(whole, dataset.figures)
        for measure in dataset.measures:
            if measure.history is not None:
                newest = as_known_at(parquet(whole, measure.history), len(dataset.extracts) - 1)
                assert newest.rows() == figures.filter(measure=measure.id).drop("measure").rows()
            else:
                assert dataset.cadence == "month"


def test_the_index_names_every_file_and_what_it_was_made_of(
    world: World, whole: ExplorerSet, index: document.Index, tmp_path: Path
) -> None:
    whole.write_to(tmp_path)
    there = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()}
    assert there == {*index.files, INDEX, "checks.json"}
    for path, file in index.files.items():
        body = (tmp_path / path).read_bytes()
        assert (len(body), sha256_of(body)) == (file.bytes, file.sha256)
        if file.footer is not None:
            assert body[-file.footer :][-4:] == b"PAR1"
            assert pl.read_parquet(body).height == file.rows
    assert index.version == whole.version
    assert index.is_sample
    assert index.source.startswith("SAMPLE")
    assert all(each.citation.startswith("SAMPLE") for each in index.datasets)
    assert set(index.gold) == {each.table.name for tables in world.registry.gold.values() for each in tables}
    spending = next(each for each in index.datasets if each.id == "pce_state")
    assert [each.released.isoformat() for each in spending.extracts if each.released] == ["2025-09-26", "2026-09-30"]
    newest = json.loads(whole.read(str(spending.extracts[-1].bulletin)))
    assert newest["extract"] == spending.extracts[-1].extract
    prices = next(each for each in index.datasets if each.id == "prices_state")
    level = next(each for each in prices.measures if each.id == "rpp_all_items")
    assert level.why_no_line is not None
    assert level.base_year is None
    real = next(each for each in prices.measures if each.id == "real_pce_millions_constant_usd")
    assert (real.base_year, real.base_years) == (2017, [2017])
    statuses = {s for d in index.datasets for s in parquet(whole, d.figures)["status"].unique()} - {"reported"}
    assert statuses <= index.statuses.keys()


def test_missing_cells_are_counted_by_measure_area_year_and_status(whole: ExplorerSet) -> None:
    missing = json.loads(whole.read("missing/pce_state.json"))
    figures = parquet(whole, "figures/pce_state.parquet").filter(
        pl.col("value").is_null() & pl.col("measure").is_in(["pce_millions_usd", "pce_per_capita_usd"])
    )
    assert sum(missing["cells"]) == figures.height > 0
    first = [
        missing[f"{name}s" if name != "status" else "statuses"][missing[name][0]]
        for name in ("measure", "area", "status")
    ]
    assert (
        figures.filter(measure=first[0], area=first[1], status=first[2], period=missing["year"][0]).height
        == missing["cells"][0]
    )


def test_where_nothing_came_nothing_is_written_and_only_the_records_are_read(world: World, lake: ObservedLake) -> None:
    before = files(lake)
    lake.backend.reads.clear()
    assert again(lake, world) == ()
    assert lake.backend.writes == []
    assert files(lake) == before
    assert not [key for key in lake.backend.reads if key.endswith(".parquet")]


def test_the_same_inputs_give_the_same_bytes(world: World, lake: ObservedLake) -> None:
    before = ExplorerStore(lake).current()
    assert before is not None
    said, before_body = said_in(before), whole_index(world)
    shutil.rmtree(Path(lake.uri) / lake.layout.explorer)
    made(world, lake, checks=lambda: said)
    after = ExplorerStore(lake).current()
    assert after is not None
    assert after.version == before.version
    assert after.read(INDEX) == before_body
    assert after.parts == before.parts


def whole_index(world: World) -> bytes:
    found = ExplorerStore(world.lake).current()
    assert found is not None
    return found.read(INDEX)


@pytest.mark.parametrize("years_at_once", [1, 3])
def test_years_at_a_time_give_the_same_bytes(
    world: World, whole: ExplorerSet, tmp_path: Path, years_at_once: int
) -> None:
    shutil.copytree(world.settings.lake_uri, tmp_path, dirs_exist_ok=True)
    lake = Lake(str(tmp_path), world.lake.layout)
    shutil.rmtree(tmp_path / lake.layout.explorer)

    made(world, lake, years_at_once=years_at_once)

    again = ExplorerStore(lake).current()
    assert again is not None
    # the words of checks are those of another moment
    beside = {CHECKS, INDEX}
    assert {path: part for path, part in again.parts.items() if path not in beside} == {
        path: part for path, part in whole.parts.items() if path not in beside
    }


def test_a_kill_at_any_write_leaves_no_half_a_set_and_the_next_run_makes_it(world: World, lake: ObservedLake) -> None:
    store, folder = ExplorerStore(lake), Path(lake.uri) / lake.layout.explorer
    shutil.rmtree(folder)
    made(world, lake)
    writes = len(lake.backend.writes)
    assert writes > 30
    for survived in (0, writes // 2, writes - 1):
        shutil.rmtree(folder, ignore_errors=True)
        with pytest.raises(Killed):
            made(world, ObservedLake(world.lake, Path(lake.uri), dies_after=survived))
        assert store.current() is None
    made(world, lake)
    assert store.current() is not None
    assert store.damages() == []


def test_a_kill_before_the_pointer_leaves_the_set_of_before(
    world: World, lake: ObservedLake, whole: ExplorerSet
) -> None:
    store = ExplorerStore(lake)
    lake.table(world.registry.gold["prices_state"][1].table).withdraw(["2020"])
    with pytest.raises(Killed):
        made(world, ObservedLake(world.lake, Path(lake.uri), dies_after=2))
    left = store.current()
    assert left is not None
    assert left.version == whole.version
    assert dict(left.files()).keys() == whole.parts.keys()
    made(world, lake)
    after = store.current()
    assert after is not None
    assert after.version != whole.version


def test_a_damaged_file_is_found_forgotten_and_made_again(world: World, lake: ObservedLake, whole: ExplorerSet) -> None:
    store = ExplorerStore(lake)
    path = "history/pce_state/pce_yoy_pct.parquet"
    key = f"{lake.layout.explorer}/_versions/{whole.parts[path].sha256}.parquet"
    (Path(lake.uri) / key).unlink()
    (Path(lake.uri) / key).write_bytes(b"something else")
    assert [damage.key for damage in store.damages()] == [key]
    current = store.current()
    assert current is not None
    with pytest.raises(DamagedObject):
        current.read(path)
    assert store.forget_damaged() == [path]
    assert store.current() is None
    assert set(stale(world, lake)) == {path, INDEX}
    said = said_in(whole)
    assert made(world, lake, checks=lambda: said).written == (path, INDEX)
    healed = store.current()
    assert healed is not None
    assert healed.version == whole.version
    assert store.damages() == []
    assert stale(world, lake) == []


def test_a_pointer_that_cannot_be_read_is_found_forgotten_and_made_again(
    world: World, lake: ObservedLake, whole: ExplorerSet
) -> None:
    store, key = ExplorerStore(lake), f"{lake.layout.explorer}/_latest.json"
    pointer = Path(lake.uri) / key
    body = pointer.read_bytes()
    pointer.unlink()
    pointer.write_bytes(body.replace(b'"parts"', b'"parts', 1))
    assert store.current() is None
    assert [(damage.key, damage.problem) for damage in store.damages()] == [(key, "changed")]
    assert store.forget_damaged() == ["_latest.json"]
    assert store.damages() == []
    said = said_in(whole)
    made(world, lake, checks=lambda: said)
    healed = store.current()
    assert healed is not None
    assert healed.version == whole.version


def stale(world: World, lake: Lake) -> list[str]:
    state = lake_state(lake, world.registry, current_of(lake, world.registry.datasets))
    return list(state.stale_explorer)


def test_a_set_that_is_behind_gold_is_noticed_and_only_what_changed_is_made(world: World, lake: ObservedLake) -> None:
    assert stale(world, lake) == []
    table = lake.table(world.registry.gold["prices_state"][1].table)
    table.withdraw(["2020"])
    behind = stale(world, lake)
    assert set(behind) == {"figures/prices_state.parquet", "missing/prices_state.json", INDEX}
    state = lake_state(lake, world.registry, current_of(lake, world.registry.datasets))
    assert stale_explorer(state, ["prices_state"]) == {"explorer files": "missing, or behind Gold: prices_state"}
    assert list(stale_explorer(state, ["pce_state"])) == ["explorer files"]
    assert stale_explorer(state, []) == {"explorer files": "missing, or behind Gold: its index"}
    written = again(lake, world)
    assert written == ("figures/prices_state.parquet", INDEX)
    assert stale(world, lake) == []
    left = parquet(ExplorerStore(lake).current() or pytest.fail("no set"), "figures/prices_state.parquet")
    assert 2020 not in left.filter(measure="inflation_pct")["period"]
    assert 2020 in left.filter(measure="irpd")["period"]


def test_a_history_takes_nothing_from_a_table_that_lacks_a_year(world: World, lake: ObservedLake) -> None:
    before = ExplorerStore(lake).pointer().parts
    shutil.rmtree(Path(lake.uri) / lake.layout.explorer)
    for derivation in world.registry.gold["pce_state"]:
        lake.table(derivation.table).withdraw(["2020"])
    again(lake, world)
    after = ExplorerStore(lake).pointer().parts
    histories = [path for path in before if path.startswith("history/pce_state/")]
    assert len(histories) > 5
    assert {path: after[path].sha256 for path in histories} == {path: before[path].sha256 for path in histories}
    figures = parquet(ExplorerStore(lake).current() or pytest.fail("no set"), "figures/pce_state.parquet")
    assert 2020 not in figures["period"]


def test_versions_that_are_no_longer_the_set_are_pruned_when_they_are_old(world: World, lake: ObservedLake) -> None:
    store = ExplorerStore(lake)
    lake.table(world.registry.gold["prices_state"][1].table).withdraw(["2020"])
    written = again(lake, world)
    later = datetime.now(UTC) + timedelta(days=2)
    assert store.prune(timedelta(days=3), later) == []
    gone = store.prune(timedelta(days=1), later)
    assert len(gone) >= len(written)
    assert store.damages() == []
    assert store.prune(timedelta(days=1), later) == []


def test_nothing_is_downstream_of_the_set_and_it_follows_gold_and_the_bulletins(world: World) -> None:
    graph = world.definitions.resolve_asset_graph()
    key = dg.AssetKey(["explorer"])
    assert dg.AssetSelection.assets(key).downstream(include_self=False).resolve(graph) == set()
    above = dg.AssetSelection.assets(key).upstream(depth=1, include_self=False).resolve(graph)
    gold = {
        dg.AssetKey(each.table.name.split("/")) for each in world.registry.derivations if each.table.layer == "gold"
    }
    assert above == {*gold, dg.AssetKey(["gold", "bulletins"])}


def test_the_run_records_what_it_wrote_and_what_checks_said_so_far(world: World, whole: ExplorerSet) -> None:
    record = max(world.records(), key=lambda each: each.started_at)
    step = record.step(EXPLORER)
    assert step is not None
    assert step.outputs["version"] == whole.version
    assert set(step.outputs["written"]) | set(step.outputs["unchanged"]) == whole.parts.keys()
    assert step.rows[EXPLORER] == sum(part.rows or 0 for part in whole.parts.values())
    words = json.loads(whole.read("checks.json"))
    assert words["counts"] == json.loads(whole.read(INDEX))["quality"]
    assert sum(words["counts"].values()) == len(words["checks"]) > 50
    assert {"asset", "name", "said", "summary", "when", "run"} == set(words["checks"][0])
    assert {each["asset"] for each in words["checks"]} >= {"bronze/pce_state", "gold/pce_state_annual"}
