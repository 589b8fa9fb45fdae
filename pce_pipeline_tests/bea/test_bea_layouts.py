"""Tables under older names and in other layouts come out as they are called and meant today."""

import csv
import io
import zipfile
from datetime import date

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_archive, tables_in
from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaFileRefused, BeaUnknownField
from pce_pipeline.bea.layouts import canonical, layout_of
from pce_pipeline.bea.values import content_hashes, typed
from pce_pipeline.silver.observations import normalise
from pce_pipeline_tests.datasets import PCE_STATE

TOTAL = "Total personal consumption expenditures (PCE) by state"
PER_HEAD = "Per capita personal consumption expenditures (PCE) by state"
UNITS_OF_2016 = (
    "All personal consumption expenditures (PCE) estimates are in millions of current dollars (not adjusted for "
    "inflation). Per capita PCE estimates are in current dollars, and reflect Census Bureau midyear population."
)

BEFORE_2020 = f"""\
GeoFIPS,GeoName,Region,TableName,ComponentName,Unit,Line,IndustryClassification,Description,2017,2018
 "00000","United States", ,SAEXP1,"{TOTAL}","Millions of current dollars",1,...,Personal consumption expenditures,5,(NA)
 "01000","Alabama",5,SAEXP1,"{TOTAL}","Millions of current dollars",2,"..."," Goods",2.5,3.0
"Note: See the included footnote file."
"SAEXP1: {TOTAL} 1/"
"Last updated: October 3, 2019-- new PCE by state statistics for 2018; revised statistics for 2014-2017."
"Source: U.S. Department of Commerce / Bureau of Economic Analysis / Regional Economic Accounts"
"""
OF_2016 = f"""\
GeoFIPS,GeoName,Region,ComponentId,ComponentName,Line,IndustryClassification,Description,2014,2015
 "00000","United States", ,2,"{PER_HEAD}",1,"...","Personal consumption expenditures",37188,38196
 "01000","Alabama",5,2,"{PER_HEAD}",2,"..."," Goods",12434,(NA)
"Note: See the included footnote file."
"{UNITS_OF_2016}"
"Source: U.S. Department of Commerce / Bureau of Economic Analysis / Regional Product Division"
"""
INTERACTIVE = """\
SAPCE1 Personal consumption expenditures (PCE) by major type of product 1
Millions of current dollars
State or DC
GeoFips,GeoName,LineCode,Description,2022,2023
01000,Alabama,1,"Personal consumption expenditures",215682.5,227475.0
01000,Alabama,2," Goods",83005.7,(NA)

Legend/Footnotes
"1. Notes."
"  Last updated: October 3, 2024-- new statistics for 2023; revised statistics for 2019-2022."
"""
OF_INTERACTIVE_TODAY = """\
GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit,2022,2023
 "01000","Alabama",5,SAPCE1,1,"...","Personal consumption expenditures ","Millions of current dollars",215682.5,227475.0
 "01000","Alabama",5,SAPCE1,2,"..."," Goods ","Millions of current dollars",83005.7,(NA)
"""


def hashes(text: str) -> dict[str, dict[int, str]]:
    return content_hashes(typed(read_document(text.encode()).frame))


def resaved(text: str) -> str:
    """The file as a spreadsheet saves it: remarks padded, codes without zeros and in quotes of their own."""
    return text.replace(' "00000"', '" ""00000"""').replace(' "01000"', "1000").replace('"\n', '",,,,,,,,,,,,\n')


@pytest.mark.parametrize("change", [str, resaved])
def test_a_table_of_before_2020_comes_out_under_its_name_of_today(change, zip_file):
    content = change(BEFORE_2020)
    read = read_document(content.encode())
    assert read.frame.sort("line_code", "year").rows() == [
        ("SAPCE1", 1, "00000", 2017, "5", "Millions of current dollars", 6),
        ("SAPCE1", 1, "00000", 2018, "(NA)", "Millions of current dollars", 6),
        ("SAPCE1", 2, "01000", 2017, "2.5", "Millions of current dollars", 6),
        ("SAPCE1", 2, "01000", 2018, "3.0", "Millions of current dollars", 6),
    ]
    assert read.lines.rows() == [("SAPCE1", 1, "Personal consumption expenditures"), ("SAPCE1", 2, "Goods")]
    note = read.notes["SAPCE1"]
    assert (note.last_updated, note.new_years) == (date(2019, 10, 3), (2018,))
    assert note.revised_years == (2014, 2015, 2016, 2017)
    packed = zip_file({"SAEXP1__ALL_AREAS_1997_2018.csv": content.encode()})
    assert tables_in(packed) == ("SAPCE1",)
    assert read_archive(packed, ["SAPCE1"]).frame.equals(read.frame)


def test_every_table_that_was_renamed_has_its_name_of_today():
    assert [canonical(name) for name in ("SAEXP1", "SAEXP2", "saexp3", " SAEXP4 ", "SAPCE1", "SARPP")] == [
        *("SAPCE1", "SAPCE2", "SAPCE3", "SAPCE4", "SAPCE1", "SARPP")
    ]


def test_the_first_line_of_an_old_table_per_head_says_so():
    content = BEFORE_2020.replace("SAEXP1", "SAEXP2").replace("Millions of current dollars", "Dollars")
    assert read_document(content.encode()).lines["description"].to_list() == [
        "Per capita personal consumption expenditures",
        "Goods",
    ]


@pytest.mark.parametrize("change", [str, resaved])
def test_the_oldest_layout_gets_its_table_and_unit_from_component_and_sentence(change, zip_file):
    content = change(OF_2016)
    read = read_document(content.encode())
    assert read.frame.sort("line_code", "year").rows() == [
        ("SAPCE2", 1, "00000", 2014, "37188", "Dollars", 0),
        ("SAPCE2", 1, "00000", 2015, "38196", "Dollars", 0),
        ("SAPCE2", 2, "01000", 2014, "12434", "Dollars", 0),
        ("SAPCE2", 2, "01000", 2015, "(NA)", "Dollars", 0),
    ]
    assert read.notes == {}
    assert tables_in(zip_file({"PCPCE_all.csv": content.encode()})) == ("SAPCE2",)
    total = read_document(content.replace(PER_HEAD, TOTAL).replace(f'2,"{TOTAL}"', f'1,"{TOTAL}"').encode())
    assert total.frame.select("bea_table", "unit", "unit_multiplier").unique().rows() == [
        ("SAPCE1", "Millions of current dollars", 6)
    ]


def test_a_file_of_2016_means_to_silver_what_the_catalogue_pins():
    read = read_document(OF_2016.encode())
    silver = normalise(typed(read.frame), read.lines, PCE_STATE).frame
    assert set(silver["category_id"]) == {"product.pce", "product.goods"}


def test_the_oldest_layout_without_its_sentence_of_units_is_refused():
    with pytest.raises(BeaFileRefused, match="no line below its data says that SAPCE2 is in dollars") as refused:
        read_document(OF_2016.replace(UNITS_OF_2016, "Estimates.").encode())
    assert "lines that BEA printed below the data" in refused.value.remedy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((f',2,"{PER_HEAD}"', f',1,"{PER_HEAD}"'), f"calls its component 1 '{PER_HEAD}'; known under that number is"),
        ((f',2,"{PER_HEAD}"', f',2,"{TOTAL}"'), f"calls its component 2 '{TOTAL}'"),
        ((",2,", ",3,"), "Line 2 of the file says '3' as ComponentId, which is not a component that is known"),
    ],
)
def test_a_component_that_is_not_what_its_number_says_is_refused(change, said):
    with pytest.raises(BeaFileRefused) as refused:
        read_document(OF_2016.replace(*change).encode())
    assert said in refused.value.message


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("01000", "1000").replace("\n", "\r\n"),
        lambda text: text.replace("product 1\n", "product 1,,,,,\n").replace("dollars\n", "dollars 2/,,,,,\n"),
        lambda text: text.replace("SAPCE1 ", "SAEXP1 "),
        lambda text: text.replace("State or DC", "Bureau of Economic Analysis\nState or DC"),
        lambda text: text.replace("State or DC\n", ""),
    ],
)
def test_an_interactive_table_reads_like_the_original(change):
    assert hashes(change(INTERACTIVE)) == hashes(OF_INTERACTIVE_TODAY)
    read = read_document(change(INTERACTIVE).encode())
    assert read.lines.equals(read_document(OF_INTERACTIVE_TODAY.encode()).lines)
    assert read.notes["SAPCE1"].new_years == (2023,)


@pytest.mark.parametrize(
    ("title", "unit", "said"),
    [
        ("Personal consumption expenditures by state", "Dollars", "first line does not name a table"),
        ("SAINC1 Personal income summary", "Thousands of dollars, unless otherwise noted", "does not say one unit"),
        ("SAINC1 Personal income summary", "State or DC", "does not say one unit"),
        ("SAINC1 Personal income summary", "", "does not say one unit"),
    ],
)
def test_an_interactive_table_whose_titles_do_not_say_enough_is_refused(title, unit, said):
    header = INTERACTIVE[INTERACTIVE.index("GeoFips") :]
    with pytest.raises(BeaFileRefused, match=said) as refused:
        read_document(f"{title}\n{unit}\n{header}".encode())
    assert "Download BEA's zip" in refused.value.remedy


def test_a_table_without_titles_and_names_is_refused_with_what_it_lacks():
    with pytest.raises(BeaFileRefused, match="its header lacks TableName, Unit"):
        read_document(INTERACTIVE[INTERACTIVE.index("GeoFips") :].encode())


def test_a_column_of_another_layout_is_unknown():
    with pytest.raises(BeaUnknownField, match="ComponentName"):
        read_document(BEFORE_2020.replace(",Line,", ",LineCode,").encode())
    assert layout_of(["Line", "GeoFIPS"], below_titles=False) is None


def raw_cells(packed: bytes) -> dict[tuple[int, str, int], str]:
    """Every cell of a zip's only file as it is written there, by line, area and year."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        text = archive.read(archive.infolist()[0]).decode("latin-1")
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    return {
        (int(row.get("LineCode") or row["Line"]), row["GeoFIPS"].strip(' "').zfill(5), int(name)): value
        for row in rows
        if row["Description"]
        for name, value in row.items()
        if name.isdecimal()
    }


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "table", "cells"),
    [
        ("SAEXP1_2019-10-03_excel-resaved.zip", "SAPCE1", 60 * 24 * 22),
        ("PCPCE_all_2016.zip", "SAPCE2", 60 * 24 * 19),
        ("SAINC51_2025-03-28_excel-resaved.zip", "SAINC51", 60 * 3 * 77),
        ("SAINC1_2025-03-28.zip", "SAINC1", 60 * 3 * 96),
        ("SASUMMARY_2025-09-26.zip", "SASUMMARY", 52 * 15 * 27),
    ],
)
def test_published_files_of_every_layout_read_to_the_cell(real_data, name, table, cells):
    content = (real_data / name).read_bytes()
    assert tables_in(content) == (table,)
    frame = read_document(content, [table]).frame
    read = {
        (line, area, year): value
        for line, area, year, value in frame.select("line_code", "geo_fips", "year", "value_text").iter_rows()
    }
    assert len(read) == frame.height == cells
    assert read == raw_cells(content)


@pytest.mark.real
def test_published_files_of_older_layouts_mean_what_the_catalogue_pins(real_data):
    for name in ("SAEXP1_2019-10-03_excel-resaved.zip", "PCPCE_all_2016.zip"):
        read = read_document((real_data / name).read_bytes())
        normalised = normalise(typed(read.frame), read.lines, PCE_STATE)
        assert normalised.frame.height == read.frame.height
        assert normalised.left_out.is_empty()
    assert normalised.frame["unit"].unique().to_list() == ["Dollars"]


@pytest.mark.real
def test_an_empty_cell_of_a_published_copy_is_blank(real_data):
    read = read_document((real_data / "SAINC51_2025-03-28_excel-resaved.zip").read_bytes())
    assert set(typed(read.frame).filter(pl.col("value").is_null())["status"]) == {"blank"}
