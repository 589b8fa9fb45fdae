"""Schema meta answers where a figure is from and who changed a year, whatever happened to runs, lake or database."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pce_pipeline
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.serve import running
from pce_pipeline.observability.audit import EVENTS
from pce_pipeline.tables.pce_state import GOLD_PCE_STATE_ANNUAL
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.automation.live_world import LiveWorld
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.worlds import World

pytestmark = pytest.mark.postgres

DOCUMENT = (Path(pce_pipeline.__file__).parents[1] / "docs" / "operability.md").read_text("utf-8")
OF_LINEAGE = ("audit_trail", "check_results", "raw_objects", "watermarks", "manifests", "checkpoints")

Rows = list[tuple[Any, ...]]


def statements() -> list[str]:
    """The statements that the document shows below the heading, in order."""
    section = DOCUMENT.partition("\n### Lineage and audit trail in SQL\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sql\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def versions_of(world: World) -> dict[str, Rows]:
    """Each row of the tables of lineage, with the transaction that wrote it."""
    return {
        name: world.query(f"SELECT xmin::text, held::text FROM meta.{name} AS held ORDER BY 2") for name in OF_LINEAGE
    }


def events_of(world: World, run_id: str) -> dict[tuple[str, str], set[str]]:
    """The partitions of each asset that each event of a run is of."""
    found: dict[tuple[str, str], set[str]] = {}
    for asset, event, partition in world.query(
        f"SELECT asset, event, partition FROM meta.audit_trail WHERE run_id = '{run_id}'"
    ):
        found.setdefault((asset, event), set()).add(partition)
    return found


@dataclass(frozen=True)
class Told:
    """A world in which one vintage was loaded, loaded again, followed by a second one, and taken back to."""

    world: LiveWorld
    """The world, as it is at the end."""
    first: str
    """The run that loaded the first vintage."""
    first_trace: Rows
    """What the documented statement said of a figure then."""
    before: Mapping[str, Rows]
    """The rows of lineage after it."""
    again: Mapping[str, Rows]
    """The same after the same load once more."""
    second: str
    """The run that loaded the second vintage, of all years."""
    back: str
    """The run that loaded the first one again, because it was pinned."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[Told]:
    app = create_app()
    with server.database(migrated=False) as url, running(app) as bea_url:
        world = LiveWorld(tmp_path_factory.mktemp("told"), url, app.state.emulator, bea_url)
        world.extract()
        first = world.refresh(1997, 2024).run_id
        first_trace, before = world.query(statements()[1]), versions_of(world)
        world.refresh(1997, 2024, force=True)
        again = versions_of(world)
        world.emulator.set_release(3)
        world.extract()
        second = world.refresh(1997, 2025).run_id
        held = world.bronze.extracts()
        world.bronze.write_pin(held[0], now=world.bronze.manifest(held[-1]).ingested_at, reason="to see it taken back")
        back = world.refresh(1997, 2025, force=True).run_id
        yield Told(world, first, first_trace, before, again, second, back)


def test_the_same_load_again_writes_no_row_of_lineage(told: Told) -> None:
    assert {name: len(rows) for name, rows in told.before.items() if not rows} == {}
    again = {**told.again, "check_results": []}
    assert {name: again[name] == rows for name, rows in told.before.items() if name != "check_results"} == {
        name: True for name in OF_LINEAGE if name != "check_results"
    }
    # what the checks of the second run said is new
    assert set(told.before["check_results"]) < set(told.again["check_results"])


def test_the_first_load_tells_of_each_partition_from_bronze_to_postgres(told: Told) -> None:
    years = {str(year) for year in range(1997, 2025)}
    events = events_of(told.world, told.first)
    assert events["silver/pce_state", "written"] == years
    assert events["gold", "written"] == years
    assert events["gold/pce_state_annual", "written"] == years
    assert events["postgres/pce_state_annual", "loaded"] == years
    assert events["postgres/dim_geography", "loaded"] == {"all"}
    assert {event for _, event in events} == {"written", "loaded"}
    ((event, rows_out, extract),) = told.world.query(
        "SELECT event, rows_out, partition FROM meta.audit_trail WHERE asset = 'bronze/pce_state' "
        "ORDER BY happened_at LIMIT 1"
    )
    assert (event, rows_out, extract) == ("extracted", 5040, str(told.world.bronze.extracts()[0]))


def test_rows_in_and_out_checks_and_seconds_stand_beside_each_partition(told: Told) -> None:
    found = told.world.query(
        "SELECT asset, rows_in, rows_out, rows_quarantined, rows_inserted, checks_passed > 0, checks_failed, "
        f"step_seconds > 0 FROM meta.audit_trail WHERE run_id = '{told.first}' AND partition = '2020'"
    )
    counts = {asset: counted for asset, *counted in found}
    assert counts["silver/pce_state"] == [180, 180, 0, None, True, 0, True]
    assert counts["gold/pce_state_annual"] == [180, 180, 0, None, True, 0, True]
    # it looks four years back
    assert counts["gold/pce_state_metrics"] == [5 * 180, 180, None, None, True, 0, True]
    assert counts["postgres/pce_state_annual"] == [180, 180, None, 180, False, 0, True]


def test_a_second_vintage_shows_which_years_it_changed_and_of_what_they_are_made(told: Told) -> None:
    events = events_of(told.world, told.second)
    changed = {str(year) for year in range(2021, 2026)}
    for asset, event in (("silver/pce_state", "written"), ("postgres/pce_state_annual", "loaded")):
        assert events[asset, event] == changed
        assert (asset, "unchanged") not in events, "of years that stand the trail tells nothing"
    earlier, later = map(str, told.world.bronze.extracts())
    extracts = "SELECT DISTINCT asset, extracts FROM meta.audit_trail WHERE run_id = '{}' AND event <> 'unchanged'"
    of_current = {asset: of for asset, of in told.world.query(extracts.format(told.second)) if of}
    assert of_current.keys() >= {"silver/pce_state", "gold", "gold/pce_state_annual", "postgres/pce_state_annual"}
    assert of_current["silver/pce_state"] == of_current["postgres/pce_state_annual"] == {"SAPCE1": [later]}
    ((before, after),) = told.world.query(
        "SELECT content_before, content_sha256 FROM meta.audit_trail "
        f"WHERE run_id = '{told.second}' AND asset = 'silver/pce_state' AND partition = '2024'"
    )
    ((was,),) = told.world.query(
        "SELECT content_sha256 FROM meta.audit_trail "
        f"WHERE run_id = '{told.first}' AND asset = 'silver/pce_state' AND partition = '2024'"
    )
    assert before == was != after
    assert earlier < later


def test_a_pin_is_told_as_a_rollback_of_its_years_and_a_withdrawal_of_those_that_it_lacks(told: Told) -> None:
    events = events_of(told.world, told.back)
    for asset in ("silver/pce_state", "gold", "gold/pce_state_annual", "postgres/pce_state_annual"):
        assert events[asset, "rolled_back"] == {"2021", "2022", "2023", "2024"}, asset
        assert events[asset, "withdrawn"] == {"2025"}, asset
    held = "SELECT count(*) FROM meta.manifests WHERE partition = '2025' AND extracts IS NOT NULL"
    assert told.world.query(held) == [(0,)]


def test_every_event_that_is_told_has_a_meaning(told: Told) -> None:
    found = {event for (event,) in told.world.query("SELECT DISTINCT event FROM meta.audit_trail")}
    assert {"extracted", "written", "loaded", "unchanged", "rolled_back", "withdrawn"} <= found <= EVENTS.keys()


def test_who_changed_a_year_is_one_select(told: Told) -> None:
    found = told.world.query(statements()[0])
    story = [(event, asset.partition("/")[0], run) for _, event, asset, run, *_ in found]
    assert story == [
        ("written", "gold", told.first),
        ("loaded", "postgres", told.first),
        ("written", "gold", told.second),
        ("loaded", "postgres", told.second),
        ("rolled_back", "gold", told.back),
        ("rolled_back", "postgres", told.back),
    ]


def test_a_figure_leads_to_the_answer_of_bea_in_one_select(told: Told) -> None:
    ((value, loaded_by, _, written_by, _, files, tables, extract, endpoint, asked, _, sha256, lake_key),) = (
        told.first_trace
    )
    manifest = told.world.bronze.manifest(told.world.bronze.extracts()[0])
    (answer,) = [each for each in manifest.objects if each.line == 1]
    assert (loaded_by, written_by, tables, extract) == (told.first, told.first, ["SAPCE1"], manifest.extract_date)
    assert (endpoint, asked, sha256) == (answer.endpoint, answer.parameters, answer.sha256)
    assert told.world.lake.store.exists(lake_key)
    prefix = told.world.lake.prefix(GOLD_PCE_STATE_ANNUAL)
    assert len(told.world.lake.store.existing([f"{prefix}/{file}" for file in files])) == 1
    # pinned to the same vintage again, the figure is the same, and so is where it is from
    ((value_again, *_, sha256_again, _),) = told.world.query(statements()[1])
    assert (value_again, sha256_again) == (value, sha256)


def test_each_manifest_of_gold_leads_to_the_partitions_that_it_was_made_of(told: Told) -> None:
    found = {(table, partition, of) for table, partition, of, *_ in told.world.query(statements()[2])}
    years = range(1997, 2025)
    assert {("gold", str(year), f"silver/pce_state/{year}") for year in years} <= found
    assert {("gold/pce_state_annual", str(year), f"gold/{year}") for year in years} <= found
    assert ("gold/pce_state_metrics", "2024", "gold/2020") in found


def test_manifests_are_those_of_the_lake_and_no_others(told: Told) -> None:
    held = told.world.query("SELECT table_name, partition, content_sha256, written_by, run_id FROM meta.manifests")
    published = {
        (table.name, key): (partition.content_sha256, partition.run_id)
        for table in told.world.registry.tables
        for key, partition in told.world.lake.table(table).latest().items()
    }
    assert {(table, key): (content, by) for table, key, content, by, _ in held} == published


def test_watermarks_say_what_was_seen_last_whatever_is_pinned(told: Told) -> None:
    newest = told.world.bronze.manifest(told.world.bronze.extracts()[-1])
    ((table, extract, released, within, due),) = told.world.query(
        "SELECT bea_table, extract, last_released_on, compare_within_days, "
        "compare_due_at = compared_at + compare_within_days * interval '1 day' FROM meta.watermarks"
    )
    assert (table, extract, within, due) == ("SAPCE1", newest.extract_date, 30, True)
    assert released == newest.tables["SAPCE1"].last_updated


def test_what_each_check_said_is_a_row_by_run(told: Told) -> None:
    recorded = {
        (record.run_id, check.asset, check.name): (check.passed, check.summary)
        for record in told.world.records()
        for check in record.checks
    }
    held = told.world.query("SELECT run_id, asset, check_name, passed, summary FROM meta.check_results")
    assert {tuple(row[:3]): tuple(row[3:]) for row in held} == recorded


def test_the_key_is_nowhere_in_the_database_nor_among_the_records_of_runs(told: Told) -> None:
    tables = told.world.query("SELECT tablename FROM pg_tables WHERE schemaname = 'meta'")
    for (table,) in tables:
        rows = told.world.query(f"SELECT held::text FROM meta.{table} AS held")
        assert [row for row in rows if told.world.key in str(row)] == [], table
    assert told.world.query("SELECT count(*) FROM meta.raw_objects WHERE endpoint LIKE 'http://127.0.0.1:%'") != [(0,)]
    folder = told.world.lake.layout.runs
    bodies = told.world.lake.store.get_many([info.key for info in told.world.lake.store.list(folder)])
    assert [key for key, body in bodies.items() if told.world.key.encode() in body] == []


def test_an_empty_database_gets_the_whole_history_from_the_lake(told: Told, server: PostgresServer) -> None:
    statement = "SELECT run_id, asset, partition, event, content_sha256 FROM meta.audit_trail ORDER BY 1, 2, 3"
    before = {tuple(row) for row in told.world.query(statement)}
    with server.database() as url:
        other = World(
            told.world.settings.home,
            url,
            **told.world.settings.model_dump(include={"profile", "chosen_source", "bea_api_key", "bea_url"}),
        )
        filling = other.refresh(2015, 2024).run_id
        found = {tuple(row) for row in other.query(statement)}
        assert before <= found
        assert {run for run, *_ in found - before} == {filling}
        assert {asset.partition("/")[0] for _, asset, *_ in found - before} == {"postgres"}
        # and once: what is known is not asked for again
        runs = other.query("SELECT xmin::text FROM meta.ingest_runs ORDER BY run_id")
        other.refresh(2015, 2024)
        assert len(set(other.query("SELECT xmin::text FROM meta.ingest_runs")) - set(runs)) == 1


def test_of_runs_that_left_no_trail_the_manifests_tell_once(told: Told, server: PostgresServer) -> None:
    store, layout = told.world.lake.store, told.world.lake.layout
    lost = [info.key for info in store.list(layout.runs)]
    bodies = store.get_many(lost)
    store.delete_many(lost)
    try:
        with server.database() as url:
            other = World(
                told.world.settings.home,
                url,
                **told.world.settings.model_dump(include={"profile", "chosen_source", "bea_api_key", "bea_url"}),
            )
            other.refresh(2015, 2024)
            of_lake = "FROM meta.audit_trail WHERE asset NOT LIKE 'postgres/%'"
            assert other.query(f"SELECT DISTINCT event {of_lake} ORDER BY 1") == [("extracted",), ("written",)]
            published = other.query("SELECT written_by, table_name, partition, content_sha256 FROM meta.manifests")
            assert set(published) <= set(other.query(f"SELECT run_id, table_name, partition, content_sha256 {of_lake}"))
            before = versions_of(other)["audit_trail"]
            other.refresh(2015, 2024)
            assert versions_of(other)["audit_trail"] == before
    finally:
        store.delete_many([info.key for info in store.list(layout.runs)])
        store.put_many(bodies)


def test_a_load_that_fails_leaves_no_row_of_lineage(told: Told, server: PostgresServer) -> None:
    with server.database() as url:
        postgres = PostgresResource(url)
        other = World(
            told.world.settings.home,
            url,
            **told.world.settings.model_dump(include={"profile", "chosen_source", "bea_api_key", "bea_url"}),
        )
        with postgres.connect() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE meta.audit_trail ADD CHECK (rows_out < 180)")
            connection.commit()
        assert not other.refresh(2024, 2024, must_succeed=False).success
        assert {name: len(rows) for name, rows in versions_of(other).items() if rows} == {}
        assert other.query("SELECT count(*) FROM gold.pce_state_annual") == [(0,)]
