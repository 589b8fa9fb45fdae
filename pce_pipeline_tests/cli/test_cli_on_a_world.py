"""The verbs on a world that has run: what they say, and that those that only look change nothing."""

import os
import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline_tests.cli.conftest import Called, Pce
from pce_pipeline_tests.datasets import pce_state

pytestmark = [pytest.mark.postgres]

LAST_YEAR = 2024


def _data(home: Path) -> dict[str, int]:
    """Every object of the lake but run records, with the time it was written."""
    lake = home / "sample-smoke" / "lake"
    return {
        str(file.relative_to(lake)): file.stat().st_mtime_ns
        for file in lake.rglob("*")
        if file.is_file() and {"observability", "reports"}.isdisjoint(file.parts)
    }


def _runs(home: Path) -> list[tuple[str, str | None]]:
    statement = "SELECT job, record #>> '{steps,-1,outputs,outcome}' FROM meta.ingest_runs ORDER BY started_at"
    postgres = PostgresResource(directory=home / "sample-smoke" / "postgres")
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return [(str(job), outcome) for job, outcome in cursor.fetchall()]


def test_the_first_run_ends_with_rows_checks_growth_and_a_way_in(first_run: Called) -> None:
    assert re.search(r"SAMPLE .*invented numbers", first_run.out)
    assert re.search(r"gold/pce_state_metrics +5,040 +28 years written", first_run.out)
    assert re.search(r"postgres +15,458 +15,458 inserted", first_run.out)
    assert re.search(r"Checks +\d+ passed, 0 warned, 0 failed", first_run.out)
    assert "Fastest growth of PCE, 2024 on 2023" in first_run.out
    assert all(re.match(r" *\d+ s  ", line) for line in first_run.err.splitlines()), "progress, and nothing else"


def test_the_psql_line_of_the_summary_works_and_shows_no_password(first_run: Called, home: Path) -> None:
    (line,) = (line for line in first_run.out.splitlines() if "/psql " in line)
    password = (home / "sample-smoke" / "postgres" / "password").read_text().strip().rpartition(":")[2]
    assert password not in first_run.out
    command = [*shlex.split(line), "--tuples-only", "-c", "SELECT count(*) FROM gold.pce_state_annual"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "5040"


def test_a_second_run_says_that_nothing_is_new_and_writes_only_its_own_record(pce: Pce, home: Path) -> None:
    data, runs = _data(home), _runs(home)
    again = pce("run", "--json")
    assert again.code == 0
    assert again.document["outcome"] == "nothing new"
    assert "1997...2024" in again.document["why"]
    assert len(again.document["fastest_growth"]) == 5
    assert _data(home) == data
    assert _runs(home) == [*runs, ("pce run", "nothing new")]
    assert all(re.match(r" *\d+ s  ", line) for line in again.err.splitlines()), "progress, and nothing else"


def test_check_says_what_we_have_what_bea_says_and_what_follows(pce: Pce, home: Path) -> None:
    data = _data(home)
    checked = pce("check", "--json").document
    assert checked["action"] == "nothing"
    assert checked["stale_years"] == {}
    (table,) = checked["compared"]
    assert (table["table"], table["last_updated"], table["verdict"]) == ("SAPCE1", "2025-09-26", "nothing new")
    assert "Nothing is new" in pce("check").out
    assert _data(home) == data


def test_status_shows_extracts_years_rows_and_what_is_stale(pce: Pce, home: Path) -> None:
    data = _data(home)
    document = pce("status", "--json").document
    assert [extract["origin"] for extract in document["extracts"]] == ["sample"]
    assert document["years"]["gold/pce_state_annual"] == list(range(1997, LAST_YEAR + 1))
    assert document["postgres"]["rows"]["gold/pce_state_annual"] == 5040
    assert (document["stale_years"], document["pin"], document["sample_release"]) == ({}, None, 2)
    shown = pce("status").out
    assert "1997...2024 in all 7 yearly tables" in shown
    assert _data(home) == data


def test_an_extract_that_exists_is_verified(pce: Pce) -> None:
    (held,) = pce("status", "--json").document["extracts"]
    document = pce("extract", "--date", held["extract"], "--json").document
    assert (document["outcome"], document["extract"], document["rows"]) == ("verified", held["extract"], 5040)
    assert document["checks"]["failed"] == 0


def test_an_extract_of_what_is_there_already_says_so(pce: Pce) -> None:
    said = pce("extract", "--tables", "sapce1")
    assert said.code == 0
    assert "Nothing new, equals" in said.out
    assert len(pce("status", "--json").document["extracts"]) == 1


def test_refresh_without_stale_years_does_nothing(pce: Pce) -> None:
    assert pce("refresh", "--json").document["outcome"] == "nothing stale"


def test_refresh_of_chosen_years_runs_them_and_names_those_not_published_yet(pce: Pce, home: Path) -> None:
    data = _data(home)
    this_year = datetime.now(UTC).year
    document = pce("refresh", "--years", f"{LAST_YEAR}...{this_year}", "--force", "--json").document
    assert (document["first"], document["last"]) == (LAST_YEAR, LAST_YEAR)
    assert document["not_published"] == list(range(LAST_YEAR + 1, this_year + 1))
    assert {stage["name"] for stage in document["stages"]} >= {"silver/pce_state", "gold", "postgres"}
    assert all(not stage["written"] for stage in document["stages"])
    assert _data(home) == data


def test_refresh_of_years_that_stand_starts_no_run(pce: Pce, home: Path) -> None:
    runs = len(list((home / "sample-smoke" / "lake").glob("local/observability/runs/*/*")))
    document = pce("refresh", "--years", "2020...2021", "--json").document
    assert (document["outcome"], document["standing"]) == ("all stands", [2020, 2021])
    assert "2020...2021 stand." in pce("refresh", "--years", "2020...2021").out
    assert len(list((home / "sample-smoke" / "lake").glob("local/observability/runs/*/*"))) == runs


def test_refresh_of_a_year_that_is_not_published_yet_is_no_error(pce: Pce) -> None:
    this_year = str(datetime.now(UTC).year)
    said = pce("refresh", "--years", this_year)
    assert said.code == 0
    assert f"Not published yet: {this_year}" in said.out


def test_verify_and_prune_find_nothing_in_a_sound_world(pce: Pce) -> None:
    assert pce("verify", "--json").document["damages"] == []
    assert "is as recorded" in pce("verify", "--years", "2020...2021").out
    assert pce("prune", "--json").document["versions_pruned"] == 0


def test_prune_drops_downloads_of_earlier_days_that_were_never_finished(pce: Pce, home: Path) -> None:
    lake = home / "sample-smoke" / "lake" / "local"
    places = [lake / "downloads/sample-smoke/pce_state", lake / "bronze/sample-smoke/pce_state/_staging"]
    for place in places:
        (place / "2020-01-01" / "SAPCE1").mkdir(parents=True)
        (place / "2020-01-01" / "SAPCE1" / "1.json.gz").write_bytes(b"cut off")
    assert pce("prune").code == 0
    assert [file for place in places for file in place.rglob("*.gz")] == []


def test_the_extracts_of_lake_and_dagster_are_the_same_after_each_verb(pce: Pce, home: Path) -> None:
    held = [extract["extract"] for extract in pce("status", "--json").document["extracts"]]
    pce("extract")
    with dg.DagsterInstance.from_config(str(home / "sample-smoke" / "dagster")) as instance:
        assert list(instance.get_dynamic_partitions("pce_state_extracts")) == held
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}


def test_what_pce_runs_is_on_dagsters_page_as_a_run_of_our_jobs(pce: Pce, home: Path) -> None:
    del pce
    with dg.DagsterInstance.from_config(str(home / "sample-smoke" / "dagster")) as instance:
        refresh, extract = [run for run in instance.get_runs() if run.job_name != "extract_none"][-2:]
        assert (extract.job_name, refresh.job_name) == ("extract_pce_state", "refresh")
        for run in (refresh, extract):
            assert run.remote_job_origin is not None
            assert run.remote_job_origin.location_name == "pce_pipeline"
            assert run.tags["pce/world"] == "SAMPLE-SMOKE"
            assert run.tags["pce/why"]
            shown_on_the_page = {tag for tag in run.tags if not tag.startswith((".dagster/", "dagster/"))}
            assert shown_on_the_page <= {"pce/world", "pce/why", "pce/years", "pce/release", "pce/extract"}
            (captured,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
            assert captured.dagster_event is not None
            key = [run.run_id, "compute_logs", captured.dagster_event.logs_captured_data.file_key]
            said = (instance.compute_log_manager.get_log_data(key).stderr or b"").decode().splitlines()
            assert " info step started " in said[0]
            assert " status=succeeded " in said[-1]
        assert extract.tags["pce/release"]
        assert refresh.tags["pce/years"] == "1997...2024"
        assert refresh.tags["pce/release"] == f"pce_state {extract.tags['pce/release']}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("2026-13-01", "2026-12-31"), "'2026-13-01' is not a date"),
        (("2026-12-31", "2026-01-01"), "2026-12-31 is later than 2026-01-01"),
        (("1990-01-01", "2026-12-31"), "Nothing that counts was known on 1990-01-01"),
        (("2026-12-31", "2026-12-31", "--state", "XX"), "There is no state XX"),
        (("2026-12-31", "2026-12-31", "--format", "parquet"), "Parquet is not for a terminal"),
        (("2999-12-31", "2999-12-31", "--to", "/nowhere/changes.csv"), "cannot be written"),
    ],
)
def test_vintages_that_cannot_be_compared_are_refused_with_a_remedy(
    pce: Pce, arguments: tuple[str, ...], said: str
) -> None:
    called = pce("diff", *arguments, "--json")
    assert called.code == 2
    assert said in called.document["error"]["message"]
    assert called.document["error"]["remedy"]


def test_env_exports_what_bare_dagster_needs_and_no_secret(pce: Pce, home: Path) -> None:
    key = "K" * 36
    exports = pce("env", BEA_API_KEY=key, PCE_SOURCE="sample")
    assert key not in exports.out
    told = subprocess.run(
        ["/bin/sh", "-c", f"{exports.out}\nenv"], check=True, capture_output=True, text=True, env={"PATH": os.defpath}
    ).stdout.splitlines()
    assert f"DAGSTER_HOME={home / 'sample-smoke' / 'dagster'}" in told
    assert {"DAGSTER_MODULE_NAME=pce_pipeline.definitions", "PCE_SOURCE=sample", "PCE_PROFILE=smoke"} <= set(told)


def test_env_of_another_world_is_not_taken_for_a_choice_of_history(pce: Pce, home: Path) -> None:
    exported = pce("env", "--json").document["DAGSTER_HOME"]
    other = pce("env", "--json", "--profile", "full", DAGSTER_HOME=exported).document["DAGSTER_HOME"]
    chosen = pce("env", "--json", DAGSTER_HOME=str(home / "mine")).document["DAGSTER_HOME"]
    assert other == str(home / "sample" / "dagster")
    assert chosen == str(home / "mine")


def test_db_gives_url_and_psql_and_starts_again_after_a_stop(pce: Pce) -> None:
    assert pce("db", "url").out.startswith("postgresql://pce:")
    command = pce("db", "psql", "--json", "--", "-c", "select 1").document["psql"]
    assert command[-2:] == ["-c", "select 1"]
    assert pce("db", "stop", "--json").document["running"] is False
    assert pce("db", "start", "--json").document["running"] is True
    assert pce("status", "--json").document["postgres"]["rows"]["gold/pce_state_annual"] == 5040


def test_the_dictionary_names_every_table_and_is_the_same_each_time(pce: Pce) -> None:
    text = pce("dictionary").out
    assert text.startswith("# Data dictionary\n")
    assert all(f"## {name}\n" in text for name in ("silver/pce_state", "gold", "gold/pce_state_metrics"))
    assert "serving.v_pce_state_yoy" in text
    assert pce("dictionary").out == text
    assert len(pce("dictionary", "--json").document["tables"]) == 15


def test_smoke_covers_only_its_own_tables(pce: Pce) -> None:
    assert [table["table"] for table in pce("check", "--json").document["compared"]] == list(pce_state("smoke").tables)
