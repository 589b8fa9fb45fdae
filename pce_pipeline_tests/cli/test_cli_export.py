"""`pce export`, and files of `pce query` and `pce diff`, on a world that has run."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from pce_pipeline_tests.cli.conftest import Pce

pytestmark = [pytest.mark.postgres]

TABLE = "pce_state_annual"


@pytest.fixture(scope="module")
def gold(home: Path) -> pl.DataFrame:
    """The table as the lake has it."""
    files = sorted(
        (home / "sample-smoke" / "lake" / "local" / "gold" / "sample-smoke" / TABLE).glob("year=*/*.parquet")
    )
    return pl.read_parquet(files, hive_partitioning=False)


def test_an_export_has_the_rows_of_the_lake_with_names_beside_ids(pce: Pce, gold: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "annual.parquet"
    said = pce("export", TABLE, "--to", str(path), "--json")
    exported = pl.read_parquet(path)
    assert said.code == 0
    assert exported.select(gold.columns).equals(gold)
    assert set(exported.columns) - set(gold.columns) == {"geo_name", "category_name", "category_path"}
    (file,) = said.document["files"]
    assert (file["file"], file["rows"], file["bytes"]) == (str(path), gold.height, path.stat().st_size)
    assert pq.read_schema(path).metadata[b"citation"].decode() == said.document["citations"][TABLE]
    assert said.document["citations"][TABLE].startswith("SAMPLE")


def test_a_choice_of_years_and_areas_leaves_the_others_out(pce: Pce, tmp_path: Path) -> None:
    path = tmp_path / "annual.csv"
    assert pce("export", TABLE, "--years", "2023...", "--area", "CA,TX", "--to", str(path)).code == 0
    rows = pl.read_csv(path, schema_overrides={"geo_fips": pl.String})
    assert (set(rows["state"]), set(rows["year"])) == ({"CA", "TX"}, {2023, 2024})
    assert json.loads((tmp_path / "annual.csv-metadata.json").read_text())["url"] == "annual.csv"


def test_all_tables_go_into_one_database_and_what_is_not_there_is_named(pce: Pce, tmp_path: Path) -> None:
    path = tmp_path / "everything.sqlite"
    said = pce("export", "--all", "--to", str(path), "--json")
    assert said.code == 0
    with closing(sqlite3.connect(path)) as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        (count,) = database.execute(f"SELECT count(*) FROM {TABLE}").fetchone()
    assert {TABLE, "pce_state_metrics", "dim_category", "about", "about_columns"} <= names
    assert count == 5040
    assert said.document["left_out"] == {}


def test_a_folder_gets_a_file_for_each_table_whose_name_says_sample(pce: Pce, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    said = pce("export", TABLE, "gold.dim_geography", "--format", "csv", "--to", str(folder), "--cite")
    assert said.code == 0
    assert sorted(path.name for path in folder.glob("*.csv")) == ["SAMPLE_dim_geography.csv", f"SAMPLE_{TABLE}.csv"]
    assert "SAMPLE: invented numbers" in " ".join(said.out.split())


def test_tables_without_the_chosen_areas_are_left_out_of_all_and_named(pce: Pce, tmp_path: Path) -> None:
    said = pce("export", "--all", "--state", "CA", "--to", str(tmp_path), "--json")
    assert said.code == 0
    assert "it has no areas" in said.document["left_out"]["gold/dim_category"]
    assert TABLE in said.document["citations"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((TABLE,), "not said where to"),
        (("--to", "x.csv"), "not said which table"),
        ((TABLE, "--all", "--to", "x.csv"), "exclude each other"),
        (("pce_state_anual", "--to", "x.csv"), "Did you mean gold/pce_state_annual"),
        ((TABLE, "dim_category", "--to", "x.csv"), "holds one table, and 2 are asked for"),
        ((TABLE, "--to", "x.csv", "--format", "xlsx"), "x.csv is not the name of a xlsx file"),
        ((TABLE, "--to", "/nowhere/x.csv"), "cannot be written"),
        ((TABLE, "--to", "x.csv", "--years", "2026"), "it has 1997...2024"),
        (("dim_category", "--to", "x.csv", "--state", "CA"), "it has no areas"),
    ],
)
def test_what_cannot_be_exported_is_wrong_usage_and_writes_nothing(
    pce: Pce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    called = pce("export", *arguments)
    assert called.code == 2
    assert said in called.err
    assert list(tmp_path.iterdir()) == []


def test_before_the_first_run_an_export_says_what_to_call(empty: Pce, tmp_path: Path) -> None:
    for arguments in ((TABLE,), ("--all",)):
        called = empty("export", *arguments, "--to", str(tmp_path / "x.csv" if arguments == (TABLE,) else tmp_path))
        assert (called.code, "pce run" in called.err) == (2, True)


def test_the_file_of_a_query_says_how_to_cite_it(pce: Pce, tmp_path: Path) -> None:
    path = tmp_path / "figures.parquet"
    document = pce("query", "--state", "CA", "--years", "2023", "--to", str(path), "--json").document
    metadata = pq.read_schema(path).metadata
    assert metadata[b"citation"].decode() == document["citation"]
    assert json.loads(metadata[b"units"]) == document["units"]
    assert pq.read_schema(path).field("geo_name").metadata[b"description"] == b"BEA's name of the area"


def test_a_spreadsheet_of_a_query_is_no_table_for_a_terminal(pce: Pce, tmp_path: Path) -> None:
    assert "A spreadsheet is not for a terminal" in pce("query", "--state", "CA", "--format", "xlsx").err
    path = tmp_path / "figures.xlsx"
    assert pce("query", "--state", "CA", "--years", "2023", "--to", str(path)).code == 0
    assert path.read_bytes().startswith(b"PK")


def test_the_file_of_changes_says_what_was_compared(pce: Pce, held: str, tmp_path: Path) -> None:
    path = tmp_path / "changes.csv"
    assert pce("diff", held, held, "--to", str(path)).code == 0
    said = json.loads((tmp_path / "changes.csv-metadata.json").read_text())
    assert f"known on {held} and on {held}" in said["dc:title"]
    assert said["dc:bibliographicCitation"].startswith("SAMPLE")


def test_a_query_is_drawn_in_the_terminal_or_into_a_file(pce: Pce, tmp_path: Path) -> None:
    asked = ("query", "--state", "CA,TX", "--category", "product.pce", "--measure", "pce")
    drawn = pce(*asked, "--plot", COLUMNS="40")
    assert drawn.code == 0
    assert "A California: " in drawn.out
    assert {len(line) for line in drawn.out.splitlines() if "┤" in line} == {40}
    path = tmp_path / "chart.svg"
    assert pce(*asked, "--plot", str(path), "--json").document["plot"] == str(path)
    assert ">SAMPLE<" in path.read_text()
    refused = pce(*asked, "--plot", str(tmp_path / "chart.pdf"))
    assert (refused.code, "not the name of a chart" in refused.err) == (2, True)


def test_a_query_prints_its_citation_where_it_is_asked_for(pce: Pce) -> None:
    asked = ("query", "--state", "CA", "--category", "product.pce", "--measure", "pce", "--years", "2023")
    citation = pce(*asked, "--json").document["citation"]
    assert citation in " ".join(pce(*asked, "--cite").out.split())
    assert citation not in " ".join(pce(*asked).out.split())
