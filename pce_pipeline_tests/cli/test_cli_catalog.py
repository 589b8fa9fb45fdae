"""`pce catalog`: a draft from API, archive or file; nothing overwritten; mistakes by file and line."""

from pathlib import Path

import pytest

from pce_pipeline.catalog.reading import load_datasets, read_catalogue
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.archive import archive
from pce_pipeline.emulator.serve import running
from pce_pipeline_tests.catalog.drafts import decide, foreign
from pce_pipeline_tests.cli.conftest import Called, Pce
from pce_pipeline_tests.tables.a_dataset import declare


def texts(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text("utf-8") for file in sorted(folder.rglob("*.*"))}


@pytest.fixture
def zip_of_sainc(tmp_path: Path) -> Path:
    content = archive("SAINC.zip", 2)
    assert content is not None
    file = tmp_path / "SATRIAL.zip"
    file.write_bytes(foreign(content, "SAINC1", "SATRIAL"))
    return file


def drafted(empty: Pce, folder: Path, *arguments: str, **environment: str) -> Called:
    return empty("catalog", "draft", *arguments, "--into", str(folder), "--json", **environment)


def test_a_table_of_the_nation_is_told_from_tables_of_areas_and_not_drafted(empty: Pce, tmp_path: Path) -> None:
    refused = drafted(empty, tmp_path / "own", "T20405")
    assert refused.code == 2
    assert "T20405 is a table of the nation" in refused.err + refused.out
    assert "docs/adding-a-table.md" in refused.err + refused.out
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(("table", "file"), [("SAINC1", "SAINC.zip"), ("SASUMMARY", "SASUMMARY.zip")])
def test_the_api_and_the_archive_of_the_look_alike_give_one_draft(
    empty: Pce, tmp_path: Path, table: str, file: str
) -> None:
    by_api = drafted(empty, tmp_path / "api", table)
    by_archive = drafted(empty, tmp_path / "archive", table.lower(), "--archive", file)
    assert (by_api.code, by_archive.code) == (0, 0), by_api.err + by_archive.err
    assert (
        by_api.document["lines"]
        == load_datasets("full")["income_state" if table == "SAINC1" else "summary_state"].lines.height
    )
    assert [each["what"].partition(":")[0] for each in by_api.document["decisions"]] == ["archive", "release_names"]
    assert by_api.document["sample"] is True
    others = {name: text for name, text in texts(tmp_path / "api").items() if name.endswith(".csv")}
    assert others == {name: text for name, text in texts(tmp_path / "archive").items() if name.endswith(".csv")}
    open_there = [each["what"].partition(":")[0] for each in by_archive.document["decisions"]]
    assert open_there == ["release_names"]


def test_the_keyless_source_is_asked_for_the_archive_that_the_letters_name(
    empty: Pce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running(create_app(2)) as url:
        found = drafted(empty, tmp_path / "own", "SAINC1", "--source", "bulk", PCE_BEA_URL=url)
        none = drafted(empty, tmp_path / "own", "SAXYZ1", "--source", "bulk", PCE_BEA_URL=url)
    assert found.code == 0, found.out
    assert 'archive = "SAINC.zip"\n' in texts(tmp_path / "own")["sainc1_state/dataset.toml"]
    assert none.code == 2
    assert none.document["error"]["message"] == "BEA has no archive SAXYZ.zip, which the letters of SAXYZ1 suggest."


def test_a_table_of_the_api_that_no_packaged_dataset_has_loads_once_decided(empty: Pce, tmp_path: Path) -> None:
    own, into = tmp_path / "own", tmp_path / "drafts"
    own.mkdir()
    declare(own)
    said = drafted(empty, into, "SAINC51", "--name", "trial_state", PCE_CATALOG=str(own))
    assert said.code == 0, said.err
    decide(into)
    dataset, declared = load_datasets("full", into)["trial_state"], load_datasets("full", own)["disposable_state"]
    lines = ["bea_table", "line_code", "description", "unit", "unit_multiplier"]
    assert dataset.lines.select(lines).equals(declared.lines.select(lines))
    assert dataset.first_year == declared.first_year
    assert dataset.tables["SAINC51"].levels == declared.tables["SAINC51"].levels
    assert dataset.measures["population"].decimals == 0


def test_a_file_is_drafted_and_what_is_open_is_shown_and_refused(
    empty: Pce, tmp_path: Path, zip_of_sainc: Path
) -> None:
    said = empty("catalog", "draft", "SATRIAL", "--file", str(zip_of_sainc), PCE_CATALOG=str(_made(tmp_path / "own")))
    assert said.code == 0, said.err
    assert "SAMPLE" not in said.out
    assert "growth_is_meaningful" in said.out
    assert "catalog check --folder" in said.out
    refused = empty("catalog", "check", "--json", PCE_CATALOG=str(tmp_path / "own"))
    assert refused.code == 1
    error = refused.document["error"]
    assert error["file"] == str(tmp_path / "own" / "satrial_state" / "dataset.toml")
    assert "release_names is not decided yet" in error["message"]
    plain = empty("catalog", "check", "--folder", str(tmp_path / "own"))
    assert (plain.code, plain.out) == (1, "")
    assert f"dataset.toml, line {error['line']}: " in plain.err

    decide(tmp_path / "own")
    held = empty("catalog", "check", "--json", PCE_CATALOG=str(tmp_path / "own"))
    assert held.code == 0, held.err
    assert held.document["datasets"]["satrial_state"] == {"tables": 1, "lines": 3, "measures": 3, "categories": 1}
    assert held.document["counts"]["datasets"] == len(read_catalogue().parts) + 1


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_packaged_catalogue_is_counted(empty: Pce) -> None:
    said = empty("catalog", "check")
    assert said.code == 0, said.err
    for name in read_catalogue().parts:
        assert name in said.out


def test_the_default_folder_is_catalog_below_here(
    empty: Pce, tmp_path: Path, zip_of_sainc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert empty("catalog", "draft", "SATRIAL", "--file", str(zip_of_sainc)).code == 0
    assert sorted(texts(tmp_path / "catalog")) == [
        f"satrial_state/{file}" for file in ("categories.csv", "dataset.toml", "lines.csv")
    ]


@pytest.mark.parametrize("there", ["dataset.toml", "lines.csv", "categories.csv"])
def test_nothing_is_overwritten(empty: Pce, tmp_path: Path, zip_of_sainc: Path, there: str) -> None:
    file = tmp_path / "own" / "satrial_state" / there
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    said = drafted(empty, tmp_path / "own", "SATRIAL", "--file", str(zip_of_sainc))
    assert said.code == 2
    assert said.document["error"]["type"] == "FileIsThere"
    assert said.document["error"]["file"] == str(file)
    assert texts(tmp_path / "own") == {f"satrial_state/{there}": "mine"}


def test_units_that_are_there_are_not_touched_and_the_missing_one_is_named(empty: Pce, tmp_path: Path) -> None:
    own = _made(tmp_path / "own")
    units = "unit,title,bea_unit,unit_multiplier\n"
    (own / "units.csv").write_text(units)
    (tmp_path / "t.csv").write_text(
        "GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit,2023,2024\n"
        '"00000","United States", ,SATRIAL,1,"...","Outlays","Widgets",1.0,2.0\n'
        '"01000","Alabama",5,SATRIAL,1,"...","Outlays","Widgets",1.0,2.0\n'
    )
    said = drafted(empty, own, "SATRIAL", "--file", str(tmp_path / "t.csv"))
    assert said.code == 2
    assert said.document["error"]["file"] == str(own / "units.csv")
    assert "widgets,widgets,Widgets,0" in said.document["error"]["remedy"]
    assert texts(own) == {"units.csv": units}
    (own / "units.csv").write_text(units + "widgets,widgets,Widgets,0\n")
    assert drafted(empty, own, "SATRIAL", "--file", str(tmp_path / "t.csv")).code == 0
    assert texts(own)["units.csv"] == units + "widgets,widgets,Widgets,0\n"


def test_a_draft_that_waits_keeps_no_other_from_being_made(empty: Pce, tmp_path: Path, zip_of_sainc: Path) -> None:
    first = drafted(empty, tmp_path / "own", "SATRIAL", "--file", str(zip_of_sainc))
    second = drafted(empty, tmp_path / "own", "SATRIAL", "--file", str(zip_of_sainc), "--name", "second_state")
    assert (first.code, second.code) == (0, 0)
    assert "is not decided yet" in second.document["remarks"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("SAXYZ1",), 2, "The sample has no table SAXYZ1"),
        (("SAXYZ1", "--archive", "SAXYZ.zip"), 2, "BEA has no archive SAXYZ.zip"),
        (("SAXYZ1", "--source", "bulk", "--archive", "x"), 2, "not the name of an archive"),
        (("SAINC1", "--file", "nowhere.zip"), 2, "cannot be read"),
        (("SAINC1", "--name", "income_state"), 2, "There is a dataset income_state already"),
    ],
)
def test_what_cannot_be_drafted_is_told_with_a_remedy(
    empty: Pce, tmp_path: Path, arguments: tuple[str, ...], code: int, problem: str
) -> None:
    said = drafted(empty, tmp_path / "own", *arguments)
    assert said.code == code
    assert problem in said.document["error"]["message"]
    assert said.document["error"]["remedy"]
    assert not (tmp_path / "own").exists()
