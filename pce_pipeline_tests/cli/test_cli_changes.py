"""The verbs that change a world: new releases, rollback, damage, reset; each on a world of its own."""

import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.lake.layout import ExtractId
from pce_pipeline_tests.cli.conftest import Pce

pytestmark = [pytest.mark.postgres]


def test_a_new_release_is_noticed_taken_in_full_and_rolled_back_by_a_pin(own: Pce, held: str, tmp_path: Path) -> None:
    assert own("sample", "release", "3", "--json").document["last_year"] == 2025
    assert own("check", "--json").document["action"] == "extract"

    ran = own("run", "--force", "--json").document
    assert ran["outcome"] == "new data"
    (extract,) = ran["extracts"]
    new = extract["extract"]
    first, second = ExtractId.parse(held), ExtractId.parse(new)
    assert second in {first.next_of_day, ExtractId(first.day + timedelta(1))}
    days = (f"{held}.1", str(second.day))
    # every year, because of --force; and nothing was left to do after it
    assert [(refresh["first"], refresh["last"]) for refresh in ran["refreshes"]] == [(1997, 2025)]
    assert ran["fastest_growth"][0]["year"] == 2025

    changed = own("diff", *days, "--json").document["datasets"]["pce_state"]
    assert changed["vintages"] == {"SAPCE1": [held, new]}
    assert changed["kinds"]["new"] == 180, "the cells of 2025"
    assert changed["kinds"]["revision"] == changed["tables"]["SAPCE1"] - 180
    assert {each["kind"] for each in changed["largest"]} == {"revision"}
    assert sum(changed["sizes"].values()) == changed["kinds"]["revision"]
    assert len(changed["states"]) == 51
    assert set(changed["categories"]) == {"product.pce", "product.goods", "product.services"}
    assert {each["year"] for each in changed["heat"]} == set(range(2021, 2025))
    shown = own("diff", *days).out
    assert "SAMPLE" in shown
    assert "another number" in shown
    assert "Mean revision of the states by year" in shown
    of_california = own("diff", *days, "--state", "CA", "--format", "csv").out.splitlines()
    assert of_california[0].startswith("dataset,measure,category_id,geo_fips,year,")
    assert {line.split(",")[6] for line in of_california[1:]} == {"CA"}
    file = tmp_path / "changes.parquet"
    assert own("diff", *days, "--to", str(file)).code == 0
    assert pl.read_parquet(file).height == sum(changed["kinds"].values())
    assert "both times" in own("diff", days[1], days[1]).out
    (bulletin,) = own("show", "bulletin", "--json").document["bulletins"]
    assert (bulletin["extract"], bulletin["compared_with"]) == (new, held)
    assert bulletin["kinds"] == changed["kinds"]
    assert sum(bulletin["by_table"].values()) == changed["tables"]["SAPCE1"]
    assert [each["change_pct"] for each in bulletin["largest"][:10]] == [
        each["change_pct"] for each in changed["largest"]
    ]

    assert own("pin", held, "--reason", "looks wrong").code == 0
    status = own("status", "--json").document
    assert status["pin"]["extract"] == held
    assert set(status["stale_years"]) == {str(year) for year in range(2021, 2026)}
    back = own("refresh", "--years", "2025", "--json").document
    assert back["stages"][0]["withdrawn"] == ["2025"]
    assert own("status", "--json").document["years"]["silver/pce_state"][-1] == 2024
    assert own("pin", "--clear", "--json").document["was"] == held
    assert set(own("status", "--json").document["stale_years"]) == {"2025"}


def test_heal_restores_what_has_a_second_copy_and_withdraws_the_rest(own: Pce, tmp_path: Path) -> None:
    gold = tmp_path / "sample-smoke" / "lake" / "local" / "gold" / "sample-smoke" / "pce_state_annual"
    (gold / "year=2020" / "part-000.parquet").write_bytes(b"something else")
    (gold / "year=2019" / "part-000.parquet").unlink()
    shutil.rmtree(gold / "_versions" / "year=2019")

    found = own("verify", "--json")
    assert found.code == 1
    assert {damage["problem"] for damage in found.document["damages"]} == {"changed", "missing"}
    assert own("verify", "--years", "2021").code == 0

    healed = own("heal", "--json")
    assert healed.code == 0
    assert healed.document["withdrawn"] == {"gold/pce_state_annual": ["2019"]}
    assert len(healed.document["restored"]) == 1
    assert own("check", "--json").document["stale_years"]["2019"] == "gold/pce_state_annual is not materialised"
    assert own("heal").out.endswith("Nothing is damaged.\n")


def test_a_damaged_extract_fails_with_the_check_that_found_it(own: Pce, held: str, tmp_path: Path) -> None:
    (answer,) = (tmp_path / "sample-smoke" / "lake" / "local" / "bronze").rglob("SAPCE1/2.json.gz")
    answer.write_bytes(b"something else")
    failed = own("extract", "--date", held, "--json")
    assert failed.code == 1
    error = failed.document["error"]
    assert error["type"] == "ChecksBlocked"
    assert "hashes_are_right" in error["message"]
    assert [check["name"] for check in error["checks"] if not check["passed"]][-1] == "hashes_are_right"
    assert own("heal", "--json").code == 1


@pytest.mark.real
def test_a_file_of_bea_goes_into_the_world_of_bea(empty: Pce, real_data: Path) -> None:
    archive = str(real_data / "SAPCE_2022-10-06.zip")
    taken = empty("extract", "--file", archive, "--date", "2022-10-06", "--json")
    assert taken.code == 0, taken.err
    document = taken.document
    assert (document["world"], document["sample"]) == ("bea-smoke", False)
    assert (document["outcome"], document["extract"], document["origin"]) == ("new", "2022-10-06", "file")

    again = empty("extract", "--file", archive, "--date", "2022-10-06", "--json").document
    assert again["outcome"] == "unchanged"
    assert empty("status", "--json").document["world"] == "bea-smoke"

    too_early = empty("extract", "--file", archive, "--date", "2022-10-01")
    assert too_early.code == 2
    assert "2022-10-06" in too_early.err


def test_reset_drops_only_what_the_pipeline_made(empty: Pce, tmp_path: Path) -> None:
    home = tmp_path / "home"
    empty("sample", "release", "4")
    empty("env")
    (home / "sample-smoke" / "notes.txt").write_text("mine")
    refused = empty("reset")
    assert refused.code == 2
    assert (home / "sample-smoke" / "dagster").is_dir()
    assert empty("reset", "--yes").code == 0
    assert [file.name for file in (home / "sample-smoke").iterdir()] == ["notes.txt"]


def test_staging_runs_without_a_history_of_its_own_and_is_never_reset(own: Pce, home: Path, tmp_path: Path) -> None:
    staging = {"PCE_ENV": "staging", "PCE_SOURCE": "sample", "PCE_LAKE_URI": str(tmp_path / "elsewhere")}
    taken = own("extract", "--json", **staging)
    assert taken.code == 0, taken.err
    assert taken.document["outcome"] == "new"
    assert not (tmp_path / "sample-smoke" / "dagster").exists()
    assert own("reset", "--yes", **staging).code == 2
    assert (tmp_path / "elsewhere" / "staging").is_dir()
