"""Files that leave: what is in them, what they say of themselves, and that they are whole or not there."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from pce_pipeline.asking.about import About
from pce_pipeline.exports.errors import CannotBeWritten, NotHere, TooManyRows, WrongFileName
from pce_pipeline.exports.export import Export, facts
from pce_pipeline.exports.files import made_folder, replacing
from pce_pipeline.exports.forms import FileForm, form_of
from pce_pipeline.exports.spreadsheet import MOST_ROWS, check_rows, sheet_names
from pce_pipeline.exports.writing import write
from pce_pipeline.tables.table import Column

ABOUT = About(
    title="Spending of states",
    units={"spending_usd": "constant dollars"},
    base_years={"spending_usd": 2017},
    as_of=date(2025, 3, 31),
    vintages=["spending 2024-10-31"],
    source="U.S. Bureau of Economic Analysis",
    is_sample=False,
    citation="U.S. Bureau of Economic Analysis, Spending.",
    notes=["Status suppressed: withheld."],
)
ROWS = pl.DataFrame(
    {
        "state": ["CA", "TX", "=1+1"],
        "year": [2023, 2023, 2024],
        "spending_usd": [Decimal("1234567.125"), None, Decimal("-0.500")],
        "spending_status": ["reported", "suppressed", "reported"],
        "growth": [0.1, None, 12.859167],
        "is_estimate": [True, False, None],
        "day": [date(2024, 10, 31), None, date(2024, 1, 1)],
        "taken_at": [datetime(2024, 10, 31, 12, 30, tzinfo=UTC), None, datetime(2024, 1, 1, tzinfo=UTC)],
    },
    schema={
        "state": pl.String,
        "year": pl.Int32,
        "spending_usd": pl.Decimal(18, 3),
        "spending_status": pl.String,
        "growth": pl.Float64,
        "is_estimate": pl.Boolean,
        "day": pl.Date,
        "taken_at": pl.Datetime("us", "UTC"),
    },
)
COLUMNS = {
    "state": Column("state", pl.String, "postal code"),
    "spending_usd": Column("spending_usd", pl.Decimal(18, 3), "what is spent", nullable=True),
}
EXPORT = Export("spending", ROWS, ABOUT, COLUMNS, key=("state", "year"))
SHEET = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def cells(book: zipfile.ZipFile, sheet: int) -> dict[str, tuple[str, str]]:
    """The type and text of each cell of a sheet that holds anything: `n` of numbers, `s` of texts."""
    found: dict[str, tuple[str, str]] = {}
    for cell in ET.fromstring(book.read(f"xl/worksheets/sheet{sheet}.xml")).iterfind(".//m:c", SHEET):
        assert cell.find("m:f", SHEET) is None, "no text may become a formula"
        is_text = cell.get("t") == "inlineStr"
        texts = [each.text for each in cell.iterfind(".//m:t" if is_text else "m:v", SHEET)]
        if texts:
            found[str(cell.get("r"))] = ("s" if is_text else "n", "".join(text or "" for text in texts))
    return found


def about_lines(book: zipfile.ZipFile) -> list[tuple[str, str]]:
    """The lines of the first sheet."""
    found = cells(book, 1)
    rows = sorted({int(re.sub(r"\D", "", place)) for place in found})
    return [(found.get(f"A{row}", ("", ""))[1], found.get(f"B{row}", ("", ""))[1]) for row in rows]


def of_parquet(path: Path) -> set[str]:
    metadata = pq.read_schema(path).metadata
    return {metadata[b"citation"].decode(), *json.loads(metadata[b"units"]).values(), metadata[b"as_of"].decode()}


def of_sidecar(path: Path) -> set[str]:
    said = json.loads(path.with_name(f"{path.name}-metadata.json").read_text())
    return {said["dc:bibliographicCitation"], *said["notes"][0]["units"].values(), said["dc:temporal"]}


def of_spreadsheet(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as book:
        return {text.removeprefix("spending_usd: ") for _, text in about_lines(book)}


def of_sqlite(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as database:
        return {text.removeprefix("spending_usd: ") for (text,) in database.execute("SELECT text FROM about")}


def of_duckdb(path: Path) -> set[str]:
    with duckdb.connect(str(path), read_only=True) as database:
        return {text.removeprefix("spending_usd: ") for (text,) in database.sql("SELECT text FROM about").fetchall()}


SAYING: Mapping[FileForm, Callable[[Path], set[str]]] = {
    FileForm.PARQUET: of_parquet,
    FileForm.CSV: of_sidecar,
    FileForm.JSON: of_sidecar,
    FileForm.XLSX: of_spreadsheet,
    FileForm.SQLITE: of_sqlite,
    FileForm.DUCKDB: of_duckdb,
}


@pytest.mark.parametrize("form", FileForm)
def test_every_form_says_unit_day_and_citation(form: FileForm, tmp_path: Path) -> None:
    path = tmp_path / f"spending{form.suffix}"
    first, *_ = write([EXPORT], path, form)
    assert (first.file, first.tables, first.rows) == (str(path), ("spending",), 3)
    assert SAYING[form](path) >= {ABOUT.citation, "constant dollars", "2025-03-31"}


@pytest.mark.parametrize("form", FileForm)
def test_every_form_says_that_the_sample_is_the_sample(form: FileForm, tmp_path: Path) -> None:
    path = tmp_path / f"spending{form.suffix}"
    sample = replace(ABOUT, is_sample=True, source="SAMPLE", citation="SAMPLE: invented.")
    write([replace(EXPORT, about=sample)], path, form)
    assert "SAMPLE: invented." in SAYING[form](path)
    assert facts(sample)[0][0] == "SAMPLE"


def test_parquet_keeps_every_value_and_type_and_says_of_each_column_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "spending.parquet"
    write([EXPORT], path, FileForm.PARQUET)
    assert pl.read_parquet(path).equals(ROWS)
    assert pl.read_parquet(path).schema == ROWS.schema
    said = pq.read_schema(path).field("spending_usd").metadata
    assert (said[b"unit"], said[b"base_year"], said[b"description"]) == (b"constant dollars", b"2017", b"what is spent")


def test_the_sidecar_of_a_csv_describes_its_columns_in_order(tmp_path: Path) -> None:
    path = tmp_path / "spending.csv"
    file, beside = write([EXPORT], path, FileForm.CSV)
    said = json.loads(Path(beside.file).read_text())
    assert said["url"] == "spending.csv"
    assert [each["name"] for each in said["tableSchema"]["columns"]] == path.read_text().splitlines()[0].split(",")
    types = {each["name"]: each["datatype"] for each in said["tableSchema"]["columns"]}
    assert (types["spending_usd"], types["year"], types["growth"], types["day"]) == (
        "decimal",
        "integer",
        "double",
        "date",
    )
    assert said["tableSchema"]["primaryKey"] == ["state", "year"]
    assert said["notes"][0]["sha256"] == file.sha256
    assert path.read_text().splitlines()[2] == "TX,2023,,suppressed,,false,,"
    assert "2024-10-31T12:30:00.000000Z" in path.read_text()


def test_a_json_file_is_a_list_of_rows_with_decimals_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "spending.json"
    write([EXPORT], path, FileForm.JSON)
    first, second, _ = json.loads(path.read_text())
    assert (first["spending_usd"], second["spending_usd"]) == (1234567.125, None)


def test_a_spreadsheet_has_numbers_as_numbers_and_nothing_where_a_value_is_null(tmp_path: Path) -> None:
    path = tmp_path / "spending.xlsx"
    write([EXPORT], path, FileForm.XLSX)
    with zipfile.ZipFile(path) as book:
        names = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
        found = cells(book, 2)
        assert b'topLeftCell="A2"' in book.read("xl/worksheets/sheet2.xml")
    assert names == ["About", "spending"]
    assert (found["A1"], found["C1"]) == (("s", "state"), ("s", "spending_usd"))
    assert (found["B2"], found["C2"], found["E4"]) == (("n", "2023"), ("n", "1234567.125"), ("n", "12.859167"))
    assert "C3" not in found
    assert found["D3"] == ("s", "suppressed")
    assert found["A4"] == ("s", "=1+1")


def test_a_spreadsheet_of_the_same_rows_is_the_same_file(tmp_path: Path) -> None:
    first, second = (write([EXPORT], tmp_path / name, FileForm.XLSX)[0] for name in ("a.xlsx", "b.xlsx"))
    assert first.sha256 == second.sha256


def test_more_rows_than_a_sheet_holds_are_refused_in_words() -> None:
    rows = pl.select(year=pl.int_range(MOST_ROWS + 1, dtype=pl.Int32))
    check_rows([Export("years", rows.head(MOST_ROWS), ABOUT)])
    with pytest.raises(TooManyRows, match="1,048,576 rows, and a sheet of a spreadsheet holds 1,048,575"):
        check_rows([Export("years", rows, ABOUT)])


def test_no_two_sheets_have_one_name() -> None:
    long = "a" * 40
    names = sheet_names([long, f"{long}b", "about"])
    assert len({name.casefold() for name in (*names.values(), "About")}) == 4
    assert max(map(len, names.values())) == 31


def test_sqlite_has_the_rows_keys_and_what_each_column_is(tmp_path: Path) -> None:
    path = tmp_path / "spending.sqlite"
    write([EXPORT, replace(EXPORT, name="other")], path, FileForm.SQLITE)
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT * FROM spending WHERE state = 'CA' AND year = 2023").fetchall()
        plan = str(database.execute("EXPLAIN QUERY PLAN SELECT * FROM other WHERE state = 'CA'").fetchall())
        units = database.execute("SELECT DISTINCT unit, base_year FROM about_columns WHERE unit <> ''").fetchall()
    assert rows == [
        ("CA", 2023, 1234567.125, "reported", 0.1, 1, "2024-10-31", "2024-10-31T12:30:00.000000Z"),
    ]
    assert "USING INDEX" in plan
    assert units == [("constant dollars", "2017")]


def test_duckdb_keeps_decimals_exact_and_comments_on_columns(tmp_path: Path) -> None:
    path = tmp_path / "spending.duckdb"
    write([replace(EXPORT, columns={"state": Column("state", pl.String, "a state's code")})], path, FileForm.DUCKDB)
    with duckdb.connect(str(path), read_only=True) as database:
        exact = database.sql("SELECT spending_usd FROM spending WHERE state = 'CA'").fetchall()
        assert exact == [(Decimal("1234567.125"),)]
        comments = database.sql("SELECT column_name, comment FROM duckdb_columns() WHERE comment IS NOT NULL")
        assert dict(comments.fetchall()) == {"state": "a state's code", "spending_usd": "constant dollars"}


def test_without_duckdb_the_error_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from pathlib import Path\n"
        "from pce_pipeline.exports.databases import write_duckdb\n"
        "from pce_pipeline.exports.errors import ExtraMissing\n"
        "try:\n    write_duckdb([], Path('x.duckdb'))\nexcept ExtraMissing as missing:\n    print(missing)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "pip install 'pce_pipeline[ask]'" in ran.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FileForm)
def test_rows_without_an_about_are_written_alone(form: FileForm, tmp_path: Path) -> None:
    path = tmp_path / f"rows{form.suffix}"
    assert len(write([Export("rows", ROWS, None)], path, form)) == 1
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_file_that_fails_half_way_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    path.write_text("as it was")

    def write_half() -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert path.read_text() == "as it was"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_killed_process_leaves_no_half_file_and_what_it_left_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    path.write_text("as it was")
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom pce_pipeline.exports.files import made_folder, replacing\n"
        "with replacing(Path(sys.argv[1])) as part:\n    part.write_text('half')\n    print('half', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "as it was"
    assert len(list(tmp_path.iterdir())) == 2
    write([EXPORT], path, FileForm.CSV)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["figures.csv", "figures.csv-metadata.json"]


def test_a_file_never_stands_beside_the_sidecar_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    write([EXPORT], path, FileForm.CSV)
    write([replace(EXPORT, about=None)], path, FileForm.CSV)
    assert [each.name for each in tmp_path.iterdir()] == ["figures.csv"]


def test_a_place_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "figures.csv", tmp_path):
        with pytest.raises(CannotBeWritten, match="cannot be written"):
            write([EXPORT], path, FileForm.CSV)


def test_an_address_is_no_place_for_files_and_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotHere, match="is an address"):
        write([EXPORT], Path("s3://bucket/figures.csv"), FileForm.CSV)
    with pytest.raises(NotHere):
        made_folder(Path("s3://bucket/figures"))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_contradicts_the_form_is_refused() -> None:
    assert form_of(Path("figures.DB")) is FileForm.SQLITE
    assert form_of(Path("figures.data"), FileForm.XLSX) is FileForm.XLSX
    with pytest.raises(WrongFileName, match=r"figures\.csv is not the name of a parquet file"):
        form_of(Path("figures.csv"), FileForm.PARQUET)


def test_several_tables_in_a_form_that_holds_one_are_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds one table, not 2"):
        write([EXPORT, EXPORT], tmp_path / "figures.csv", FileForm.CSV)
