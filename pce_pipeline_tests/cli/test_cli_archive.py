"""`pce archive`: earlier releases from BEA's archive or a folder, each at its day, and what is left is told."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.bronze.look_alike import archive_of, member_of
from pce_pipeline_tests.cli.conftest import Called, Pce, call

SAPCE1 = "SAPCE1__ALL"


def words(called: Called) -> str:
    """What a person reads, without line breaks."""
    return " ".join(called.out.split())


def manifests(home: Path, world: str) -> dict[str, Any]:
    """The manifests of pce_state by extract."""
    found = (home / world / "lake").glob("local/bronze/*/pce_state/*/manifest.json")
    return {path.parent.name: json.loads(path.read_bytes()) for path in found}


def undated(member: bytes) -> bytes:
    return b"\n".join(line for line in member.splitlines() if b"updated" not in line)


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Called]:
    """A home of the sample whose first command is a pull, and what that said."""
    home = tmp_path_factory.mktemp("pulled")
    return home, call("archive", "pull", "--json", PCE_HOME=str(home), PCE_PROFILE="smoke")


@pytest.fixture
def sample(pulled: tuple[Path, Called]) -> Pce:
    return lambda *arguments: call(*arguments, PCE_HOME=str(pulled[0]), PCE_PROFILE="smoke")


def test_the_index_is_listed_with_what_each_release_may_hold(empty: Pce) -> None:
    listed = empty("archive", "list", "--json")
    assert listed.code == 0
    assert listed.document["sample"] is True
    assert listed.document["releases"] == [
        {"release": "1024pce", "month": "2024-10", "kind": "pce", "datasets": ["pce_state"], "files_held": 0}
    ]
    assert listed.document["unknown_kinds"] == {
        "gdpcounty": ["1223gdpcounty"],
        "pistate": ["1024pistate"],
        "rpi": ["1024rpi"],
    }
    assert "https://www.bea.gov/" in listed.document["links_elsewhere"]
    assert "Kinds that no dataset takes gdpcounty (1 release)" in words(empty("archive", "list"))
    assert empty("archive", "list", "--since", "2024-11", "--json").document["releases"] == []


def test_a_pull_brings_history_before_the_first_run(pulled: tuple[Path, Called]) -> None:
    home, said = pulled
    assert said.code == 0, said.err
    assert said.document["sample"] is True
    (news,) = [each for each in said.document["files"] if each["outcome"] == "new"]
    assert (news["file"], news["dataset"], news["tables"]) == ("1024pce/pce1024.zip", "pce_state", ["SAPCE1"])
    (manifest,) = manifests(home, "sample-smoke").values()
    assert (manifest["extract_date"], manifest["origin"], manifest["date_is"]) == ("2024-10-03", "file", "day")
    (entry,) = manifest["objects"]
    assert entry["endpoint"] == "http://sample/regional/histdata/releases/1024pce/pce1024.zip"


def test_a_second_pull_asks_for_nothing_and_imports_nothing(pulled: tuple[Path, Called], sample: Pce) -> None:
    before = {path: path.stat().st_mtime_ns for path in (pulled[0] / "sample-smoke" / "lake").rglob("*.json")}
    again = sample("archive", "pull", "--json")
    assert again.code == 0
    assert again.document["outcome"] == "unchanged"
    assert again.document["downloaded"] == []
    assert not [each for each in again.document["files"] if each["is_news"]]
    after = {path: path.stat().st_mtime_ns for path in (pulled[0] / "sample-smoke" / "lake").rglob("*.json")}
    assert after == before
    assert "1 file held already" in words(sample("archive", "pull"))
    assert sample("archive", "list", "--json").document["releases"][0]["files_held"] == 2


def test_what_came_to_nothing_is_told_with_its_reason(pulled: tuple[Path, Called], sample: Pce) -> None:
    assert [link.rpartition("/")[2] for link in pulled[1].document["other_files"]] == ["pce1024.xlsx"]
    said = words(sample("archive", "pull"))
    assert "Nothing of these datasets is in it (SASUMMARY): 1024pce/SASUMMARY.zip" in said
    assert "Not taken (neither a zip nor a CSV): pce1024.xlsx" in said
    assert "Not followed, because it leads out of the archive: https://www.bea.gov/ and 1 more link" in said


def test_a_broken_zip_fails_the_pull_stops_no_other_and_is_asked_for_again(tmp_path: Path) -> None:
    broken = Fault(FaultKind.TRUNCATED, on=("archived",), first=1)
    with running(create_app(2, faults=[broken])) as url:
        bulk = {"PCE_BEA_URL": url, "PCE_SOURCE": "bulk", "PCE_HOME": str(tmp_path), "PCE_PROFILE": "smoke"}
        first = call("archive", "pull", "--json", **bulk)
        second = call("archive", "pull", "--json", **bulk)
    address = f"{url}/regional/histdata/releases/1024pce/pce1024.zip"
    assert first.code == 1
    assert first.document["outcome"] == "incomplete"
    assert list(first.document["not_downloaded"]) == [address]
    assert [link.rpartition("/")[2] for link in first.document["downloaded"]] == ["SASUMMARY.zip"]
    assert (second.code, second.document["outcome"], second.document["downloaded"]) == (0, "new", [address])
    assert list(manifests(tmp_path, "bea-smoke")) == ["2024-10-03"]


def test_a_folder_is_read_by_what_its_names_and_files_say(empty: Pce, tmp_path: Path) -> None:
    folder = tmp_path / "of somebody"
    member = member_of(archive_of(1), SAPCE1)
    files = {
        "releases/1023pce/pce1023-2.csv": undated(member),
        "SAPCE as it was.zip": archive_of(2),
        "copies/again.zip": archive_of(2),
        "nobody-knows-when.csv": undated(member.replace(b"Alabama", b"Alabama *")),
        "broken.zip": archive_of(1)[:1000],
        "1118lapi/CAINC1.zip": archive_of(1),
        "notes.txt": b"notes",
        "strange.csv": b"a,b\n1,2\n",
    }
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    listed = empty("archive", "list", "--from", str(folder), "--json").document
    assert [(each["file"], each["month"]) for each in listed["files"] if each["month"]] == [
        ("releases/1023pce/pce1023-2.csv", "2023-10")
    ]
    said = empty("archive", "pull", "--from", str(folder), "--json")
    assert said.code == 1
    assert (said.document["world"], said.document["sample"]) == ("bea-smoke", False)
    assert said.document["left"] == {
        "1118lapi/CAINC1.zip": "no dataset has releases of the kind lapi",
        "notes.txt": "neither a zip nor a CSV",
    }
    came_to = {each["file"]: each["outcome"] for each in said.document["files"]}
    assert came_to == {
        "releases/1023pce/pce1023-2.csv": "new",
        "SAPCE as it was.zip": "new",
        "copies/again.zip": "held",
        "nobody-knows-when.csv": "undated",
        "broken.zip": "failed",
        "strange.csv": "nothing",
    }
    (unknown,) = [each["why"] for each in said.document["files"] if each["outcome"] == "undated"]
    assert "pce extract --file nobody-knows-when.csv --date YYYY-MM" in unknown
    found = manifests(tmp_path / "home", "bea-smoke")
    assert {day: manifest["date_is"] for day, manifest in found.items()} == {"2023-10-31": "month", "2025-09-26": "day"}
    endpoints = [entry["endpoint"] for manifest in found.values() for entry in manifest["objects"]]
    assert sorted(endpoints) == ["folder: SAPCE as it was.zip", "folder: pce1023-2.csv"]
    again = empty("archive", "pull", "--from", str(folder), "--json")
    assert again.code == 1
    assert {each["file"] for each in again.document["files"] if each["is_news"]} == {
        "nobody-knows-when.csv",
        "broken.zip",
    }
    shutil.rmtree(folder)
    (folder / "only").mkdir(parents=True)
    (folder / "only" / "good.zip").write_bytes(archive_of(2))
    assert empty("archive", "pull", "--from", str(folder)).code == 0


def test_a_table_that_means_something_else_keeps_no_other_of_its_file_out(tmp_path: Path) -> None:
    members = {table: member_of(archive_of(1), f"{table}__ALL") for table in ("SAPCE1", "SAPCE2")}
    members["SAPCE2"] = members["SAPCE2"].replace(b"Durable goods", b"Sturdy goods")
    (tmp_path / "files").mkdir()
    with zipfile.ZipFile(tmp_path / "files" / "pce1024.zip", "w") as packed:
        for table, member in members.items():
            packed.writestr(f"{table}__ALL_AREAS.csv", member)
    world = {"PCE_HOME": str(tmp_path), "PCE_SOURCE": "bulk"}
    asked = ("archive", "pull", "--from", str(tmp_path / "files"), "--dataset", "pce_state", "--json")
    for outcome in ("new", "held"):
        said = call(*asked, **world)
        assert said.code == 1
        came_to = [(each["outcome"], each["tables"]) for each in said.document["files"]]
        assert came_to == [("failed", ["SAPCE2"]), (outcome, ["SAPCE1"])]
        assert "Sturdy goods" in said.document["files"][0]["why"]
    assert list(manifests(tmp_path, "bea")) == ["2024-10-03"]


def test_what_is_dropped_does_not_come_back_with_the_next_pull(empty: Pce, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "pce1024.zip").write_bytes(archive_of(1))
    assert empty("archive", "pull", "--from", str(folder)).code == 0
    world = {"PCE_SOURCE": "bulk"}
    assert empty("extract", "--drop", "2024-10-03", "--why", "a try", "--yes", **world).code == 0
    assert empty("archive", "pull", "--from", str(folder), "--json").document["outcome"] == "unchanged"
    assert list(manifests(tmp_path / "home", "bea-smoke")) == ["2024-10-03"]


def test_since_leaves_what_is_older(empty: Pce, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "pce1024.zip").write_bytes(archive_of(1))
    (folder / "SAPCE.zip").write_bytes(archive_of(1))
    said = empty("archive", "pull", "--from", str(folder), "--since", "2024-11", "--json")
    assert (said.code, said.document["outcome"], said.document["files"]) == (0, "unchanged", [])
    assert empty("archive", "pull", "--from", str(folder), "--json").document["outcome"] == "new"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "October"),
        ("--since", "2019-13"),
        ("--from", "no-such-folder"),
        ("--dataset", "no_such_dataset"),
        ("--source", "sample", "--from", "."),
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_wrong_usage(empty: Pce, arguments: tuple[str, ...]) -> None:
    said = empty("archive", "pull", *arguments)
    assert said.code == 2
    assert said.out == ""


def test_beas_own_files_land_at_their_days(tmp_path: Path, real_data: Path) -> None:
    """BEA's layouts of 2016, of 2019 and of today; the file of 2016 says no day, so its folder does."""
    files = {
        "releases/1016pce/pce1016.zip": "PCPCE_all_2016.zip",
        "releases/1019pce/pce1019.zip": "SAEXP1_2019-10-03_excel-resaved.zip",
        "SAPCE.zip": "SAPCE_2022-10-06.zip",
    }
    for name, real in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(real_data / real, tmp_path / name)
    home = tmp_path / "home"
    world = {"PCE_HOME": str(home), "PCE_SOURCE": "bulk"}
    said = call("archive", "pull", "--from", str(tmp_path), "--dataset", "pce_state", "--json", **world)
    assert said.code == 0, said.out
    found = manifests(home, "bea")
    assert {day: (tuple(manifest["tables"]), manifest["date_is"]) for day, manifest in sorted(found.items())} == {
        "2016-10-31": (("SAPCE2",), "month"),
        "2019-10-03": (("SAPCE1",), "day"),
        "2022-10-06": (("SAPCE1", "SAPCE2", "SAPCE3", "SAPCE4"), "day"),
    }


@pytest.mark.parametrize("since", ["2018-1", "2018", "2018-13", "yesterday"])
def test_a_month_is_written_with_all_its_digits(empty: Pce, since: str) -> None:
    told = empty("archive", "list", "--since", since)
    assert told.code == 2
    assert f"'{since}' is not a month" in told.err
