"""`pce bronze copy`, `pce bronze restore` and `pce verify --copy`, as somebody uses them whose lake was damaged."""

import shutil
from pathlib import Path

import pytest

from pce_pipeline_tests.cli.conftest import Pce, call


@pytest.fixture
def alone(home: Path, tmp_path: Path) -> Pce:
    """Calls on a copy of the shared world's lake, which stands without a database."""
    lake = tmp_path / "home" / "sample-smoke" / "lake"
    shutil.copytree(home / "sample-smoke" / "lake", lake)
    where = {"PCE_HOME": str(tmp_path / "home"), "PCE_PROFILE": "smoke", "PCE_LOAD_POSTGRES": "false"}
    return lambda *arguments, **environment: call(*arguments, **{**where, **environment})


@pytest.fixture
def bronze(tmp_path: Path, alone: Pce) -> Path:
    """The Bronze of that lake."""
    return tmp_path / "home" / "sample-smoke" / "lake" / "local" / "bronze" / "sample-smoke"


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Where the copy is."""
    return str(tmp_path / "a copy")


def test_a_copy_is_made_once_and_agrees(alone: Pce, place: str) -> None:
    made = alone("bronze", "copy", place)
    assert (made.code, "Copied " in made.out, "SAMPLE" in made.out) == (0, True, True)
    again = alone("bronze", "copy", place, "--json").document
    assert (again["written"], again["refused"], again["lost"], again["unnamed"]) == (0, [], [], [])
    assert again["objects"] > 0
    found = alone("verify", "--copy", place)
    assert (found.code, "The copy agrees" in found.out) == (0, True)
    assert alone("verify", "--copy", place, "--json").document["copy"]["differences"] == []


def test_verify_names_what_the_copy_lacks_and_how_to_bring_it(alone: Pce, place: str) -> None:
    found = alone("verify", "--copy", place)
    assert found.code == 1
    assert "Intact" in found.out
    assert "not in the copy" in found.out
    unbroken = "".join(found.out.split())  # a long path is broken over lines
    assert "".join(f"bronze copy '{place}'".split()) in unbroken


def test_damage_is_said_by_heal_and_mended_by_an_explicit_restore_alone(alone: Pce, bronze: Path, place: str) -> None:
    alone("bronze", "copy", place)
    (damaged, *_) = sorted(bronze.rglob("1.json.gz"))
    good = damaged.read_bytes()
    damaged.write_bytes(b"?")
    healed = alone("heal")
    assert (healed.code, "bronze restore URI" in " ".join(healed.out.split())) == (1, True)
    assert damaged.read_bytes() == b"?"
    refused = alone("bronze", "copy", place)
    assert (refused.code, "damaged in the lake" in refused.out) == (1, True)
    restored = alone("bronze", "restore", place, "--json")
    assert restored.code == 0
    assert [Path(key).name for key in restored.document["mended"]] == ["1.json.gz"]
    assert damaged.read_bytes() == good
    assert alone("verify", "--copy", place).code == 0


def test_a_lake_without_bronze_gets_all_of_it_back(alone: Pce, bronze: Path, place: str) -> None:
    alone("bronze", "copy", place)
    held = alone("status", "--json").document["extracts"]
    shutil.rmtree(bronze)
    lost = alone("bronze", "copy", place)
    assert (lost.code, "The lake has lost" in lost.out) == (1, True)
    restored = alone("bronze", "restore", place)
    assert (restored.code, "restored that the lake lacked" in restored.out) == (0, True)
    assert alone("status", "--json").document["extracts"] == held
    assert "Nothing to restore" in alone("bronze", "restore", place).out


def test_a_copy_that_holds_something_else_is_refused_with_its_name(alone: Pce, place: str) -> None:
    alone("bronze", "copy", place)
    (other, *_) = sorted(Path(place).rglob("1.json.gz"))
    other.write_bytes(b"?")
    refused = alone("bronze", "copy", place, "--json")
    assert refused.code == 1
    error = refused.document["error"]
    assert (error["type"], [Path(key).name for key in error["keys"]]) == ("CopyDiffers", ["1.json.gz"])
    assert alone("verify", "--copy", place, "--json").document["copy"]["differences"][0]["problem"] == (
        "damaged in the copy"
    )


@pytest.mark.parametrize("verb", [("bronze", "copy"), ("bronze", "restore"), ("verify", "--copy")])
def test_the_lake_itself_and_no_address_are_wrong_usage_and_no_secret_is_repeated(
    alone: Pce, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    lake = str(tmp_path / "home" / "sample-smoke" / "lake")
    for address in (lake, "s3://user:s3cr3t-value@bucket/x", "https://host/x?key=s3cr3t-value"):
        said = alone(*verb, address)
        assert said.code == 2
        assert "s3cr3t-value" not in said.out + said.err
        assert alone(*verb, address, "--json").document["error"]["type"] == "CopyPlaceRefused"


def test_restoring_from_nowhere_says_that_nothing_is_there(alone: Pce, place: str) -> None:
    said = alone("bronze", "restore", place)
    assert (said.code, "holds no Bronze of sample-smoke" in said.err) == (1, True)
    assert not Path(place).exists()
