"""Today's code goes on with what earlier code has left: nothing is written again, nothing forgotten, nothing renamed.

`making.py` says what is in the archives, and of which commit. Everything here is asked of the command line, of the
files of the lake, of SQL and of Dagster, as a person would. The tests of the whole world share it, in this order.
"""

import hashlib
import importlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
import yaml

from pce_pipeline.lake.pointer import FILE_FORMAT
from pce_pipeline_tests.carried.making import BEFORE, DATABASE, SAID, UNFINISHED, WORLD
from pce_pipeline_tests.carried.published import PUBLISHED, hash_by_table
from pce_pipeline_tests.cli.conftest import Called, call
from pce_pipeline_tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres]

ROOT = Path(__file__).parents[2]
YEARS = [str(year) for year in range(1997, 2025)]
LOST = "2010"
_OF_PARTITION = "_manifest.json"
# By default tables are compared in full after 30 days, as the archive is older than that some day.
NEVER = {"PCE_FULL_COMPARISON_DAYS": "36500"}

LOG = "silver/pce_state_vintages"
BULLETINS = "gold/bulletins"
SINCE = {f"gold/{name}" for name in ("dim_figure", "dim_vintage", "revision_stats", "line_history")} | {
    f"gold/pce_state_{name}" for name in ("vintages", "revisions")
}
"""The tables of what was known when, which the worlds of before did not have."""
SINCE_AND_EMPTY = {"gold/price_releases"}
"""Those of what they have no dataset for."""
EXPLORER = "explorer"
CERTIFICATES = "gold/certificates"
ICEBERG = "gold/iceberg"
"""What the worlds of before did not have either, and is no table."""


@dataclass(frozen=True)
class Carried:
    """A world that was carried here."""

    home: Path
    url: str = ""

    def pce(self, *arguments: str, **environment: str) -> Called:
        where = {"PCE_HOME": str(self.home), "PCE_SOURCE": "sample", "PCE_PROFILE": "smoke"}
        return call(*arguments, **where, **({"PCE_DATABASE_URL": self.url} if self.url else {}), **environment)

    def document(self, *arguments: str, **environment: str) -> dict[str, Any]:
        called = self.pce(*arguments, "--json", **environment)
        assert called.code == 0, called.out + called.err
        return called.document

    @property
    def lake(self) -> Path:
        return self.home / WORLD / "lake"

    @property
    def bronze(self) -> Path:
        return self.lake / "local" / "bronze" / WORLD / "pce_state"

    def said(self, verb: str) -> dict[str, Any]:
        """What a verb answered before the world was carried."""
        found: dict[str, Any] = json.loads((self.home / SAID / f"{verb}.json").read_text("utf-8"))
        return found

    def written(self) -> dict[str, tuple[int, int]]:
        """Every object of the lake but the records of runs: which file it is, and when it was written."""
        return {
            str(file.relative_to(self.lake)): (file.stat().st_ino, file.stat().st_mtime_ns) for file in self._files()
        }

    def contents(self) -> dict[str, str]:
        """The hashes of the same objects; the e-tags that a partition's record holds are of the disk it lies on."""
        return {
            str(file.relative_to(self.lake)): _hash(file, leave_out="files" if file.name == _OF_PARTITION else "")
            for file in self._files()
        }

    def _files(self) -> list[Path]:
        return [
            Path(folder, name)
            for folder, _, names in os.walk(self.lake)
            if {"observability", "reports"}.isdisjoint(Path(folder).parts)
            for name in names
        ]

    def records(self) -> dict[str, dict[str, Any]]:
        """The records of runs, by run."""
        files = self.lake.glob("local/observability/runs/*/*/record.json")
        return {file.parent.name: json.loads(file.read_text("utf-8")) for file in files}

    def rows(self) -> list[tuple[Any, ...]]:
        """How many rows each table of gold has, and which transactions wrote them and their checkpoints.

        Of those that became views, which have no transactions, a hash of their rows.
        """
        tables = ["gold.category_line", "gold.dim_category", "gold.dim_geography", "meta.checkpoints", "meta.manifests"]
        each = [f"SELECT '{name}', count(*), array_agg(DISTINCT xmin::text ORDER BY xmin::text) FROM {name}"
                for name in tables]  # fmt: skip
        each += [f"SELECT '{name}', count(*), ARRAY[sum(hash_record_extended(held, 0))::text] FROM {name} AS held"
                 for name in ("gold.pce_state_annual", "gold.pce_state_metrics")]  # fmt: skip
        return self.query(" UNION ALL ".join(each))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()


def _hash(file: Path, *, leave_out: str = "") -> str:
    body = file.read_bytes()
    if leave_out:
        body = json.dumps({**json.loads(body), leave_out: None}, sort_keys=True).encode()
    return hashlib.sha256(body).hexdigest()


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _unpack(archive: Path, home: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(home, filter="fully_trusted")  # our own, and three thousand files


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[Carried]:
    home = tmp_path_factory.mktemp("carried")
    _unpack(BEFORE, home)
    # roles belong to a server, so they are made by the migration of any database of it
    with server.database(), server.database(migrated=False) as url:
        connection = psycopg2.connect(url)
        with connection, connection.cursor() as cursor:
            cursor.execute((home / DATABASE).read_text("utf-8"))
        connection.close()
        yield Carried(home, url)


def test_the_carried_lake_publishes_what_is_published_today(carried: Carried) -> None:
    assert hash_by_table(carried.lake) == PUBLISHED[WORLD]


def test_a_table_by_an_earlier_code_version_is_made_again_and_where_it_comes_out_equal_nothing_is_written(
    carried: Carried,
) -> None:
    hashes, rows = hash_by_table(carried.lake), carried.rows()
    assert list(carried.document("years")["stale_years"]) == YEARS
    stages = {stage["name"]: stage for stage in carried.document("refresh")["stages"]}
    made = stages["gold/pce_state_metrics"]
    assert (made["written"], made["refreshed"], made["withdrawn"]) == ([], YEARS, [])
    # the files of tables were written again in the format of today: nothing that is said of their rows changed by that
    assert hashes.items() <= hash_by_table(carried.lake).items()
    assert _of_gold(rows) == _of_gold(carried.rows())
    for table in hashes:
        layer, _, name = table.partition("/")
        pointer = json.loads((carried.lake / "local" / layer / WORLD / name / "_latest.json").read_text("utf-8"))
        of_year = [(each["file_format"], len(each["objects"])) for each in pointer["partitions"].values()]
        assert set(of_year) == {(FILE_FORMAT, 1)}


def _of_gold(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row for row in rows if row[0].startswith("gold.")]


def test_status_verify_and_years_say_what_they_said_and_look_only(carried: Carried) -> None:
    written, rows = carried.written(), carried.rows()
    status, verify = carried.said("status"), carried.said("verify")
    assert (len(status["extracts"]), status["stale_years"], status["pin"]) == (2, {}, None)
    assert (verify["damages"], verify["not_there"], carried.said("years")["range"]) == ([], {}, "")
    for verb in ("status", "verify", "years", "quarantine"):
        said, says = carried.said(verb), carried.document(verb)
        if verb == "status":
            # where it lies now, and that the database is not the embedded one
            assert says.pop("lake") != said.pop("lake")
            rows_now = says.pop("postgres")["rows"]
            # tables of later datasets are there since the refresh, and empty; what was known when is told since then
            before = said.pop("postgres")["rows"]
            assert {table: count for table, count in rows_now.items() if table in before} == before
            assert {table for table, count in rows_now.items() if count} - set(before) == SINCE
            assert {table for table, years in says["years"].items() if years} - set(said["years"]) == {LOG, *SINCE} - {
                "gold/dim_figure",
                "gold/dim_vintage",
                "gold/line_history",
                "gold/revision_stats",
            }
            says["years"] = {table: years for table, years in says["years"].items() if table in said["years"]}
            # there was one dataset then, which went without saying
            assert {each.pop("dataset") for each in says["extracts"]} == {"pce_state"}
        if verb == "verify":
            assert says.pop("tables") == said.pop("tables") + len({LOG, *SINCE, *SINCE_AND_EMPTY})
        if verb == "quarantine":
            assert says["states"].pop("read elsewhere") == 0
        assert {name: says.get(name) for name in said} == said
    assert (carried.written(), carried.rows()) == (written, rows)


def test_a_run_and_a_refresh_find_nothing_to_do(carried: Carried) -> None:
    written, rows = carried.written(), carried.rows()
    ran = carried.document("run", **NEVER)
    assert (ran["outcome"], ran["extracts"], ran["refreshes"]) == ("nothing new", [], [])
    assert carried.document("refresh")["outcome"] == "nothing stale"
    assert (carried.written(), carried.rows()) == (written, rows)


def test_a_full_comparison_finds_that_the_newest_extract_is_what_is_published(carried: Carried) -> None:
    written = carried.written()
    extracts = carried.said("status")["extracts"]
    taken = carried.document("extract")
    assert (taken["outcome"], taken["equals"]) == ("unchanged", {"SAPCE1": extracts[-1]["extract"]})
    assert {key.rpartition("/")[2] for key in _changed(written, carried.written())} == {"_verified.json"}


def test_a_refresh_of_one_year_computes_that_year_and_writes_neither_object_nor_row(carried: Carried) -> None:
    contents, rows, records = carried.contents(), carried.rows(), carried.records()
    before = min(
        (record for record in records.values() if record["job"] == "refresh"), key=lambda each: str(each["started_at"])
    )
    refreshed = carried.document("refresh", "--years", "2024", "--force")
    assert [
        stage for stage in refreshed["stages"] if stage["written"] or stage["refreshed"] or stage["withdrawn"]
    ] == []
    assert (carried.contents(), carried.rows()) == (contents, rows)
    (now,) = (record for run, record in carried.records().items() if run not in records)
    steps = {step["step"]: step["partitions"] for step in now["steps"]}
    assert steps.items() >= {step["step"]: ["2024"] for step in before["steps"]}.items()
    assert steps.keys() - {step["step"] for step in before["steps"]} == {
        LOG,
        BULLETINS,
        CERTIFICATES,
        EXPLORER,
        ICEBERG,
        *SINCE,
        *SINCE_AND_EMPTY,
    }
    assert _checks(before) <= _checks(now)


def _checks(record: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(check["asset"], check["name"]) for step in record["steps"] for check in step["checks"]}


def test_dagsters_history_goes_on_under_the_same_names(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    exports = carried.document("env")
    for name, value in exports.items():
        if name.isupper():
            monkeypatch.setenv(name, str(value))
    definitions: dg.Definitions = importlib.import_module(exports["DAGSTER_MODULE_NAME"]).defs()
    graph = definitions.resolve_asset_graph()
    with dg.DagsterInstance.from_config(exports["DAGSTER_HOME"]) as instance:
        known = set(instance.all_asset_keys())
        new = SINCE | SINCE_AND_EMPTY
        since = {
            LOG,
            BULLETINS,
            CERTIFICATES,
            EXPLORER,
            ICEBERG,
            *new,
            *(f"postgres/{name.removeprefix('gold/')}" for name in new),
        }
        assert {key.to_user_string() for key in known} - since == {
            "bronze/pce_state", "silver/pce_state", "gold", "gold/pce_state_annual", "gold/pce_state_metrics",
            "gold/dim_geography", "gold/dim_category", "gold/category_line", "postgres/dim_geography",
            "postgres/dim_category", "postgres/category_line", "postgres/pce_state_annual",
            "postgres/pce_state_metrics",
        }  # fmt: skip
        assert known <= graph.get_all_asset_keys()
        for table in ("silver/pce_state", "gold", "gold/pce_state_annual", "gold/pce_state_metrics"):
            assert instance.get_materialized_partitions(dg.AssetKey(table.split("/"))) == set(YEARS)
        held = [extract["extract"] for extract in carried.said("status")["extracts"]]
        assert list(instance.get_dynamic_partitions("pce_state_extracts")) == held
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
        (switched_on,) = instance.all_instigator_state()
    assert switched_on.instigator_name in {sensor.name for sensor in definitions.sensors or ()}
    (place,) = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))["load_from"]
    location = switched_on.origin.repository_origin.code_location_origin.location_name
    assert (switched_on.status.value, location) == ("RUNNING", place["python_module"]["location_name"])


def test_a_rollback_to_the_vintage_before_would_refresh_what_differs_and_can_be_taken_back(carried: Carried) -> None:
    first, _ = carried.said("status")["extracts"]
    assert carried.pce("pin", first["extract"], "--why", "to see what differs").code == 0
    assert carried.document("years")["range"] == "2019...2024"
    assert carried.pce("pin", "--clear").code == 0
    assert carried.document("years")["range"] == ""
    kept = [json.loads(file.read_text("utf-8"))["kind"] for file in carried.lake.glob("local/decisions/*/*/*.json")]
    assert sorted(kept) == ["pin", "pin", "unpin", "unpin"]


def test_a_year_that_was_lost_is_made_again_of_the_carried_bronze_and_no_other_year(carried: Carried) -> None:
    contents, rows = carried.contents(), carried.rows()
    tables = ["silver/pce_state", "gold/pce_state_annual"]
    for table in tables:
        layer, _, name = table.partition("/")
        folder = carried.lake / "local" / layer / WORLD / name
        for year in (folder / f"year={LOST}", folder / "_versions" / f"year={LOST}"):
            shutil.rmtree(year)
    assert carried.document("heal")["withdrawn"] == {table: [LOST] for table in tables}
    assert list(carried.document("years")["stale_years"]) == [LOST]
    refreshed = carried.document("refresh", "--years", LOST)
    assert {stage["name"]: stage["written"] for stage in refreshed["stages"] if stage["written"]} == {
        table: [LOST] for table in tables
    }
    now = carried.contents()
    # versions of before today's file format are named by no pointer any more, and not made again
    gone = contents.keys() - now.keys()
    assert {key for key in gone if f"/_versions/year={LOST}/" not in key} == set()
    changed = _changed({key: contents[key] for key in contents.keys() - gone}, now)
    said_anew = {"_latest.json", "_projected.json", _OF_PARTITION}
    assert {key for key in changed if key.rpartition("/")[2] not in said_anew} == set()
    assert {key.split("/")[-2] for key in changed if key.endswith(_OF_PARTITION)} == {f"year={LOST}"}
    assert PUBLISHED[WORLD].items() <= hash_by_table(carried.lake).items()
    assert [row[:2] for row in carried.rows()] == [row[:2] for row in rows]
    assert carried.document("years")["range"] == ""


def _staged_on(day: str, home: Path) -> tuple[Carried, dict[str, str]]:
    """A lake with a killed extract of that day: when each answer that it has left was received, by name."""
    _unpack(UNFINISHED, home)
    killed = Carried(home)
    (staging,) = (killed.bronze / "_staging").iterdir()
    staged = staging.rename(staging.with_name(day))
    entries = [json.loads(file.read_text("utf-8")) for file in staged.rglob("*.entry.json")]
    return killed, {entry["key"]: entry["extracted_at"] for entry in entries}


def _received(killed: Carried, extract: str) -> dict[str, str]:
    manifest = json.loads((killed.bronze / extract / "manifest.json").read_text("utf-8"))
    return {entry["key"]: entry["extracted_at"] for entry in manifest["objects"] if entry["line"] is not None}


@pytest.mark.usefixtures("one_day")
def test_an_extract_that_earlier_code_was_killed_in_is_gone_on_with(tmp_path: Path) -> None:
    killed, left = _staged_on(datetime.now(UTC).date().isoformat(), tmp_path)
    taken = killed.document("extract")
    received = _received(killed, taken["extract"])
    assert (len(left), len(received), taken["outcome"]) == (2, 3, "new")
    assert {key: at for key, at in received.items() if key in left} == left
    assert [file for file in (killed.bronze / "_staging").rglob("*") if file.is_file()] == []
    assert killed.pce("verify", "--json").document["damages"] == []


def test_an_extract_of_another_day_that_was_killed_is_left_alone_and_pruned(tmp_path: Path) -> None:
    killed, left = _staged_on("2020-01-01", tmp_path)
    received = _received(killed, killed.document("extract")["extract"])
    assert {key for key, at in received.items() if at in left.values()} == set()
    assert len([file for file in (killed.bronze / "_staging").rglob("*") if file.is_file()]) == 2 * len(left)
    assert killed.pce("prune").code == 0
    assert [file for file in (killed.bronze / "_staging").rglob("*") if file.is_file()] == []
