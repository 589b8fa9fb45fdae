"""Reports of real runs say what a reader counts himself in the lake and in Postgres, however a run ended."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.local.world import move_sample
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.reports.errors import ReportMissing
from pce_pipeline.reports.publishing import Publisher
from pce_pipeline.reports.report import LayerPart, Report, ReportManifest
from pce_pipeline.reports.store import ReportStore, runs_of
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline_tests.datasets import REGISTRY, SILVER_PCE_STATE
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.worlds import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[World]:
    """One table and three lines, of two releases, brought to Postgres each time; and once more with nothing new."""
    with server.database(migrated=False) as url:
        world = World(tmp_path_factory.mktemp("reported"), url, profile="smoke")
        world.extract()
        world.refresh(1997, 2024)
        move_sample(world.settings, 3)
        world.extract()
        world.refresh(1997, 2025, force=True)
        yield world


@pytest.fixture
def refreshed(world: World) -> Report:
    """The report of the refresh of the newest release."""
    return ReportStore(world.lake).read(_newest(world, "refresh"))


def _newest(world: World, job: str) -> str:
    return next(run.run_id for run in runs_of(world.lake).runs if run.job == job)


def _part(report: Report, layer: str) -> LayerPart:
    (found,) = (part for part in report.parts if part.layer == layer)
    return found


@pytest.mark.postgres
def test_each_run_has_a_report_and_none_is_left_open(world: World) -> None:
    store = ReportStore(world.lake)
    for record in world.records():
        manifest = store.manifest(record.run_id)
        assert manifest is not None
        assert manifest.head.status == record.status == "succeeded"
        for name, file in manifest.files.items():
            body = store.file(record.run_id, name)
            assert body is not None
            assert len(body) == file.bytes
            assert manifest.text_of(body, name) == body.decode()
    assert store.opened() == []
    assert {run.run_id for run in runs_of(world.lake).runs} == {record.run_id for record in world.records()}


@pytest.mark.postgres
def test_rows_of_each_layer_are_those_that_a_reader_counts(world: World, refreshed: Report) -> None:
    silver = world.lake.table(SILVER_PCE_STATE).read()
    facts = world.lake.table(GOLD_FACTS).read()
    newest = max(world.bronze.manifests().items())[1]
    held = sum(entry.rows for entry in newest.tables.values())
    whole, read = _part(refreshed, "silver").balances
    assert (whole.given, whole.difference) == (held, 0)
    assert (read.became["rows of Silver"], read.difference) == (silver.height, 0)
    of_facts, of_wide = _part(refreshed, "gold").balances
    assert (of_facts.given, of_facts.became["facts"], of_facts.difference) == (silver.height, facts.height, 0)
    assert (of_wide.given, of_wide.difference) == (facts.height, 0)


@pytest.mark.postgres
def test_rows_of_postgres_are_those_of_gold(world: World, refreshed: Report) -> None:
    balances = _part(refreshed, "postgres").balances
    assert {balance.of for balance in balances} == {
        f"postgres/{table.name.partition('/')[2]}" for table in world.registry.in_postgres
    }
    for balance in balances:
        ((counted,),) = world.query(f"SELECT count(*) FROM gold.{balance.of.partition('/')[2]}")
        assert (balance.given, list(balance.became.values()), balance.difference) == (counted, [counted], 0)


@pytest.mark.postgres
def test_figures_without_a_value_are_those_of_the_facts(world: World, refreshed: Report) -> None:
    facts = world.lake.table(GOLD_FACTS).read()
    missing = facts.filter(pl.col("value").is_null()).group_by("status").len()
    found = {gap.status: gap.cells for gap in _part(refreshed, "gold").missing}
    assert found == dict(missing.iter_rows())
    assert all(gap.of_cells == facts.height for gap in _part(refreshed, "gold").missing)


@pytest.mark.postgres
def test_checks_and_identities_are_those_of_the_record(world: World, refreshed: Report) -> None:
    record = world.journal.read(refreshed.head.run_id)
    assert record is not None
    told = [(check.asset, check.name) for part in refreshed.parts for check in part.checks]
    assert sorted(told) == sorted((check.asset, check.name) for check in record.checks)
    (parts,) = (each for each in _part(refreshed, "gold").identities if each.identity == "children_add_up_to_parents")
    assert parts.checked > 0
    assert (parts.violations, parts.not_checked) == (0, 0)
    assert all(abs(each.deviation) <= each.tolerance for each in parts.largest)


@pytest.mark.postgres
def test_what_a_release_is_shaped_otherwise_is_told_with_what_it_is_compared_with(world: World) -> None:
    first, second = sorted(world.bronze.extracts())
    extract = ReportStore(world.lake).read(_newest(world, "extract_pce_state"))
    (compared,) = _part(extract, "bronze").compared
    assert (compared.now, compared.before) == (f"extract {second}", f"extract {first}")
    assert [(each.of, each.kind, each.what) for each in compared.differences] == [("SAPCE1", "year new", "2025")]


@pytest.mark.postgres
def test_columns_are_compared_with_those_of_the_run_before(world: World, refreshed: Report) -> None:
    (compared,) = _part(refreshed, "gold").compared
    before = [run.run_id for run in runs_of(world.lake).runs if run.job == "refresh"][1]
    assert (compared.before, compared.differences) == (f"run {before}", ())
    assert "gold/pce_state_annual" in _part(refreshed, "gold").columns


@pytest.mark.postgres
def test_what_was_materialised_leads_to_the_report(world: World, refreshed: Report) -> None:
    records = world.instance.all_logs(refreshed.head.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [record.asset_materialization for record in records if record.asset_materialization is not None]
    links = [each.metadata["report"].value for each in events if "why" not in each.metadata]
    assert links
    assert set(links) == {world.lake.uri_of(ReportStore(world.lake).key(refreshed.head.run_id))}
    assert all("SAMPLE" in Path(str(link)).read_text("utf-8") for link in set(links))


@pytest.mark.postgres
def test_a_run_of_one_year_speaks_of_that_year_and_of_missing_figures_everywhere(
    world: World, refreshed: Report
) -> None:
    report = ReportStore(world.lake).read(world.refresh(2024, 2024, force=True).run_id)
    (read,) = _part(report, "silver").balances
    assert read.given == world.lake.table(SILVER_PCE_STATE).read(["2024"]).height
    assert _part(report, "gold").missing == _part(refreshed, "gold").missing
    assert report.head.outcome == "2024 to postgres, nothing changed"


def test_a_run_that_failed_says_what_failed_and_what_to_do(tmp_path: Path) -> None:
    world = World(tmp_path / "home", "postgresql://nobody@127.0.0.1:1/none", profile="smoke")
    result = world.refresh(2024, 2024, must_succeed=False)
    assert not result.success
    head = ReportStore(world.lake).read(result.run_id).head
    assert (head.status, head.outcome) == ("failed", "failed in silver/pce_state")
    assert [failure.step for failure in head.failures] == ["silver/pce_state", "silver/pce_state_vintages"]
    assert all(failure.what.startswith("NothingHeld: ") for failure in head.failures)
    assert all("pce refresh --years 2024" in failure.what_to_do for failure in head.failures)
    page = ReportStore(world.lake).file(result.run_id, "report.html")
    assert page is not None
    assert b"What went wrong, and what to do" in page


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), Layout("local", "sample-smoke"))


@pytest.fixture
def publisher(lake: Lake) -> Publisher:
    return Publisher(lake, REGISTRY, RunJournal(lake), lambda _run: {})


_KILLED = """
import os, sys
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.reports.store import ReportStore

lake = Lake(sys.argv[1], Layout("local", "sample-smoke"))
ReportStore(lake).open("killed")
with RunJournal(lake).step("killed", "gold/x", datasets=["x"], partitions=["2024"], job="refresh", requested={}):
    os._exit(9)
"""


def _work(lake: Lake, run_id: str, step: str = "check") -> None:
    with RunJournal(lake).step(run_id, step, datasets=["x"], partitions=[], job="pce run", requested={}) as running:
        running.outputs(outcome="nothing new")


def test_a_run_that_was_killed_gets_its_report_at_the_next(lake: Lake, publisher: Publisher) -> None:
    ended = subprocess.run([sys.executable, "-c", _KILLED, lake.uri], check=False)
    assert ended.returncode == 9
    assert publisher.store.manifest("killed") is None
    _work(lake, "next")
    publisher.end("next")
    manifest = publisher.store.manifest("killed")
    assert manifest is not None
    assert (manifest.head.status, manifest.head.outcome) == ("unfinished", "stopped in gold/x")
    assert publisher.store.opened() == []
    assert [run.run_id for run in runs_of(lake).runs] == ["next", "killed"]


def test_a_run_that_was_only_slow_has_the_last_word(lake: Lake, publisher: Publisher) -> None:
    publisher.begin("slow")
    with RunJournal(lake).step("slow", "check", datasets=["x"], partitions=[], job="j", requested={}):
        _work(lake, "quick")
        publisher.end("quick")
        early = publisher.store.manifest("slow")
    publisher.end("slow")
    late = publisher.store.manifest("slow")
    assert early is not None
    assert late is not None
    assert (early.head.status, late.head.status) == ("unfinished", "succeeded")


def test_a_mark_without_a_record_is_taken_away(lake: Lake, publisher: Publisher) -> None:
    publisher.begin("never-began")
    _work(lake, "next")
    publisher.end("next")
    assert publisher.store.opened() == []
    assert publisher.store.manifest("never-began") is None


def test_a_report_that_cannot_be_written_spoils_no_run(tmp_path: Path) -> None:
    blocked = Lake(str(tmp_path / "lake"), Layout("local", "sample-smoke"))
    _work(blocked, "one")
    (tmp_path / "lake" / "local" / "reports").write_text("not a folder")
    publisher = Publisher(blocked, REGISTRY, RunJournal(blocked), lambda _run: {})
    publisher.begin("one")
    publisher.end("one")
    assert (tmp_path / "lake" / "local" / "reports").is_file()


def test_what_is_shown_is_as_the_record_is_now(lake: Lake, publisher: Publisher) -> None:
    _work(lake, "one")
    assert publisher.shown("one").is_stored is False
    publisher.end("one")
    assert publisher.shown("one").is_stored is True
    with RunJournal(lake).step("one", "another", datasets=["x"], partitions=[], job="j", requested={}):
        pass
    shown = publisher.shown("one")
    assert (shown.is_stored, "another" in shown.text) == (False, True)


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_a_file_that_was_changed_is_not_shown(lake: Lake, publisher: Publisher, name: str) -> None:
    _work(lake, "one")
    publisher.end("one")
    lake.store.put(publisher.store.key("one", name), b"something else")
    shown = publisher.shown("one")
    assert shown.is_stored is False
    assert "something else" not in shown.text + shown.page


def test_a_damaged_manifest_or_file_of_runs_is_made_anew(lake: Lake, publisher: Publisher) -> None:
    _work(lake, "one")
    publisher.end("one")
    lake.store.put(publisher.store.key("one", "manifest.json"), b"{")
    lake.store.put(f"{lake.layout.reports}/runs.json", b"{")
    assert runs_of(lake).runs == ()
    _work(lake, "two")
    publisher.end("two")
    publisher.end("one")
    assert [run.run_id for run in runs_of(lake).runs] == ["two", "one"]
    assert isinstance(publisher.store.manifest("one"), ReportManifest)


def test_a_run_that_is_not_known_is_said_to_be_so(publisher: Publisher) -> None:
    with pytest.raises(ReportMissing, match="no run nowhere"):
        publisher.shown("nowhere")
    with pytest.raises(ReportMissing):
        publisher.store.read("nowhere")


def test_the_same_record_gives_the_same_bytes(lake: Lake, publisher: Publisher) -> None:
    _work(lake, "one")
    publisher.end("one")
    before = {info.key: lake.store.get(info.key) for info in lake.store.list(lake.layout.reports)}
    publisher.end("one")
    assert {info.key: lake.store.get(info.key) for info in lake.store.list(lake.layout.reports)} == before
    assert json.loads(before[f"{lake.layout.reports}/runs.json"])["world"] == "sample-smoke"
