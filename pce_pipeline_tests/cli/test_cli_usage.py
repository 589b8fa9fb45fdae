"""Wrong calls: exit code 2, one message with a remedy, a JSON object where one was asked for; nothing is made."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pce_pipeline_tests.cli.conftest import Pce

WRONG: Sequence[tuple[str, ...]] = (
    ("run", "--source", "nowhere"),
    ("run", "--profile", "huge"),
    ("check", "--source", "api"),
    ("check", "surplus"),
    ("extract", "--date", "yesterday"),
    ("extract", "--date", "2020-02-30"),
    ("extract", "--date", "2020-01-01"),
    ("extract", "--file", "no-such-file.zip"),
    ("extract", "--tables", "SAPCE9"),
    ("status", "--surplus"),
    ("verify", "--surplus"),
    ("heal", "surplus"),
    ("prune", "surplus"),
    ("pin",),
    ("pin", "2026-01-01"),
    ("pin", "2026-01-01", "--clear"),
    ("pin", "someday"),
    ("reset",),
    ("env", "surplus"),
    ("emulate", "--port", "70000"),
    ("emulate", "--release", "99"),
    ("dictionary", "surplus"),
    ("sample", "release"),
    ("sample", "release", "five"),
    ("sample", "release", "9"),
    ("db", "start", "surplus"),
    ("db", "stop", "surplus"),
    ("db", "url", "surplus"),
    ("db", "psql", "--surplus"),
    ("no-such-verb",),
)


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_wrong_call_exits_with_two_and_says_how_to_do_it_right(
    empty: Pce, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    said = empty(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("Error  ")
    as_json = empty(*arguments, "--json")
    assert as_json.code == 2
    assert as_json.document["error"]["message"]
    assert as_json.document["error"]["remedy"]
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("years", ["x", "2024...2020", "1990", "2020...x", "9999"])
def test_years_that_are_none_are_wrong_usage(pce: Pce, years: str) -> None:
    assert pce("refresh", "--years", years).code == 2


def test_a_refresh_before_any_extract_says_what_to_call(empty: Pce) -> None:
    said = empty("refresh")
    assert said.code == 1
    assert "pce run" in said.err


def test_without_a_verb_the_help_is_shown(empty: Pce) -> None:
    said = empty()
    assert said.code == 2
    assert "extract" in said.out + said.err
    assert empty("--help").code == 0


def test_files_are_refused_for_the_sample(empty: Pce, tmp_path: Path) -> None:
    file = tmp_path / "SAPCE.zip"
    file.write_bytes(b"PK")
    for chosen in ({"PCE_SOURCE": "sample"}, {}):
        arguments = ["extract", "--file", str(file), *([] if chosen else ["--source", "sample"])]
        said = empty(*arguments, **chosen)
        assert said.code == 2
        assert "sample" in said.err


def test_a_file_that_is_none_of_beas_fails_with_what_it_is(empty: Pce, tmp_path: Path) -> None:
    file = tmp_path / "page.zip"
    file.write_text("<html>Service unavailable</html>")
    said = empty("extract", "--file", str(file), "--json")
    assert said.code == 1
    assert "web page" in said.document["error"]["message"]


def test_a_named_database_is_not_ours_to_start_stop_or_drop(empty: Pce) -> None:
    url = {"PCE_DATABASE_URL": "postgresql://someone:hush-hush@127.0.0.1:1/db"}
    for verb in (("db", "start"), ("db", "stop"), ("reset", "--yes")):
        said = empty(*verb, **url)
        assert said.code == 2
        assert "hush-hush" not in said.out + said.err


def test_a_named_database_is_opened_without_its_password_on_the_command_line(empty: Pce) -> None:
    url = {"PCE_DATABASE_URL": "postgresql://someone:hush-hush@127.0.0.1:1/db"}
    command = empty("db", "psql", "--json", **url).document["psql"]
    assert "hush-hush" not in " ".join(command)
    assert "host=127.0.0.1" in command[1]
    assert empty("db", "url", **url).out.strip() == url["PCE_DATABASE_URL"]


def test_a_database_that_does_not_answer_fails_a_run_and_leaves_status_readable(empty: Pce) -> None:
    url = {"PCE_DATABASE_URL": "postgresql://someone:hush-hush@127.0.0.1:1/db"}
    failed = empty("run", "--json", **url)
    assert failed.code == 1
    assert failed.document["error"]["type"] == "WarehouseUnreachable"
    status = empty("status", "--json", **url)
    assert (status.code, list(status.document["needs_a_person"])) == (1, ["Postgres does not answer"])
    assert "Cannot connect" in status.document["postgres"]["problem"]
    assert "hush-hush" not in failed.out + failed.err + status.out + status.err


def test_settings_that_do_not_hold_are_wrong_usage_and_show_no_secret(empty: Pce) -> None:
    key = "S" * 36
    said = empty("run", BEA_API_KEY=key, PCE_REQUESTS_PER_MINUTE="many")
    assert said.code == 2
    assert "PCE_REQUESTS_PER_MINUTE" in said.err
    assert key not in said.err


def test_looking_at_a_home_where_nothing_ran_makes_nothing(empty: Pce, tmp_path: Path) -> None:
    assert empty("status", "--json").document["postgres"]["made"] is False
    assert empty("check", "--json").document["action"] == "extract"
    assert empty("verify").code == 0
    assert not (tmp_path / "home").exists()
