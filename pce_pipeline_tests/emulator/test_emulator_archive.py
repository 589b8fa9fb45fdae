"""The look-alike's archive and calendar have the members, layout and quirks of BEA's own."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.archive import archive, calendar
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.emulator.publication import publish
from pce_pipeline.emulator.vintages import VINTAGES, vintage
from pce_pipeline_tests.datasets import PCE_STATE


def packed_pce(release: int, catalog: Path | None = None) -> bytes:
    packed = archive(PCE_STATE.archive, release, catalog=catalog)
    assert packed is not None
    return packed


@pytest.fixture(scope="module")
def members():
    with zipfile.ZipFile(io.BytesIO(packed_pce(2))) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def rows_of(content: bytes) -> list[list[str]]:
    lines = content.decode("ascii").split("\r\n")
    return list(csv.reader(lines[1:-5], skipinitialspace=True))


def test_the_archive_has_a_file_of_all_areas_and_one_of_each(members):
    segments = PCE_STATE.areas["path_segment"]
    expected = {
        f"{table}_{part}"
        for table in PCE_STATE.tables
        for part in ("_ALL_AREAS_1997_2024.csv", "_definition.xml", "_Footnotes.html")
    } | {f"{table}_{segment}_1997_2024.csv" for table in PCE_STATE.tables for segment in segments}
    assert {name for name in members if name.startswith("SAPCE")} == expected


def test_a_csv_has_beas_quirks(members):
    lines = members["SAPCE3__ALL_AREAS_1997_2024.csv"].decode("ascii").split("\r\n")
    assert lines[0].startswith(
        "GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit,1997,"
    )
    assert lines[5].startswith(
        ' "00000","United States", ,SAPCE3,5,"...","    New motor vehicles ","Millions of current dollars",'
    )
    assert lines[1 + 113].startswith(' "01000","Alabama",5,SAPCE3,1,"...","Personal consumption expenditures ",')
    assert lines[-6].startswith(' "98000","Far West",8,SAPCE3,113,"...","   Less: Receipts from sales')
    assert lines[-5:] == [
        '"Note: See the included footnote file."',
        '"SAPCE3: Personal consumption expenditures (PCE) by state by type of product 1/"',
        '"Last updated: September 26, 2025-- new statistics for 2024; revised statistics for 2019-2023."',
        '"U.S. Bureau of Economic Analysis"',
        "",
    ]
    codes = {value for row in rows_of(members["SAPCE3__ALL_AREAS_1997_2024.csv"]) for value in row[8:] if "(" in value}
    assert codes == {"(D)", "(L)", "(NA)"}


def test_the_archive_publishes_the_same_cells_as_the_api(members):
    published = publish(2).every_cell
    for table in PCE_STATE.tables:
        rows = rows_of(members[f"{table}__ALL_AREAS_1997_2024.csv"])
        from_file = (
            pl.DataFrame(
                {"geo_fips": [row[0] for row in rows], "line_code": [int(row[4]) for row in rows]}
                | {str(year): [row[8 + year - 1997] for row in rows] for year in range(1997, 2025)},
                schema_overrides={"line_code": pl.Int32},
            )
            .unpivot(index=["geo_fips", "line_code"], variable_name="year", value_name="value_text")
            .with_columns(pl.col("year").cast(pl.Int32))
            .select("line_code", "geo_fips", "year", "value_text")
            .sort("line_code", "geo_fips", "year")
        )
        assert from_file.equals(published.filter(bea_table=table).drop("bea_table"))


def test_the_files_of_single_areas_hold_the_lines_of_the_file_of_all(members):
    of_region = rows_of(members["SAPCE1_RKMT_1997_2024.csv"])
    assert of_region == [row for row in rows_of(members["SAPCE1__ALL_AREAS_1997_2024.csv"]) if row[0] == "97000"]
    assert len(of_region) == 24


def test_definition_and_footnotes_name_lines_and_codes(members):
    definition = ET.fromstring(members["SAPCE4__definition.xml"])
    assert definition.attrib["Table"] == "SAPCE4"
    assert [line.findtext("Code") for line in definition] == [str(line) for line in range(1, 135)]
    footnotes = members["SAPCE4__Footnotes.html"].decode("ascii")
    assert "<LI>(L)&nbsp;Less than $50,000.</LI>" in footnotes
    assert "not statistics of the Bureau of Economic Analysis" in footnotes


def test_equal_releases_give_equal_bytes_dated_before_the_release(get):
    kept = packed_pce(1)
    archive.cache_clear()
    assert packed_pce(1) == kept
    with zipfile.ZipFile(io.BytesIO(kept)) as packed:
        assert {member.date_time[:3] for member in packed.infolist()} == {(2024, 9, 22)}
    response = get(create_app(1), "/regional/zip/SAPCE.zip")
    assert response.content == kept
    assert get(create_app(1), "/regional/zip/MARPP.zip").status_code == 404


def test_given_bytes_are_served_as_they_are(get):
    app = create_app(archives={"SAPCE.zip": b"an archive of old"})
    assert get(app, "/regional/zip/SAPCE.zip").content == b"an archive of old"


def test_faults_of_what_is_published_show_in_the_archive(get):
    app = create_app(faults=[Fault(FaultKind.TABLE_RENAMED, tables=("SAPCE3",)), Fault(FaultKind.MARKS_CHANGED)])
    with zipfile.ZipFile(io.BytesIO(get(app, "/regional/zip/SAPCE.zip").content)) as packed:
        assert "SAPCE3N__ALL_AREAS_1997_2024.csv" in packed.namelist()
        assert "SAPCE3__ALL_AREAS_1997_2024.csv" not in packed.namelist()
        assert b'"SAPCE2: Per capita' in packed.read("SAPCE2__ALL_AREAS_1997_2024.csv")
        row = rows_of(packed.read("SAPCE3N__ALL_AREAS_1997_2024.csv"))[113]
    assert row[1:7] == ["Alabama *", "5", "SAPCE3N", "1", "...", "Personal consumption expenditures 1/ "]


@pytest.mark.parametrize("release", [one.number for one in VINTAGES])
def test_the_calendar_names_past_releases_and_one_to_come(release, get):
    shown = get(create_app(release), "/API/signup/release_dates.json").json()
    dates = [
        datetime.fromisoformat(text) for text in shown["Personal Consumption Expenditures by State"]["release_dates"]
    ]
    past = [moment.date() for moment in dates if moment.date() <= vintage(release).last_updated]
    assert sorted(set(past)) == [one.last_updated for one in VINTAGES[:release]]
    assert len(past) > len(set(past))
    assert max(dates) > datetime(2030, 1, 1, tzinfo=UTC)
    assert isinstance(shown["file_last_updated"], str)
    assert any(name.endswith("Personal Income by State") and name.startswith("Real ") for name in shown)


def test_the_calendar_can_lack_every_known_name():
    shown = json.loads(calendar(2, with_names=False))
    assert not set(shown) & set(PCE_STATE.release_names)
    assert "Gross Domestic Product" in shown


@pytest.mark.real
def test_the_layout_is_that_of_beas_own_archive(members, real_data):
    with zipfile.ZipFile(real_data / "SAPCE_2022-10-06.zip") as packed:
        names = {name.replace("1997_2021", "1997_2024") for name in packed.namelist() if name.startswith("SAPCE")}
        assert names <= set(members)
        for table in PCE_STATE.tables:
            theirs = packed.read(f"{table}__ALL_AREAS_1997_2021.csv").decode("ascii").split("\r\n")
            ours = members[f"{table}__ALL_AREAS_1997_2024.csv"].decode("ascii").split("\r\n")
            assert ours[0] == theirs[0] + ",2022,2023,2024"
            assert ours[-5:-3] == theirs[-5:-3]
            assert len(ours) == len(theirs)
            keys = [
                [line.split('",')[:2], rows[:8]]
                for line, rows in zip(theirs[1:-5], csv.reader(theirs[1:-5]), strict=True)
            ]
            assert keys == [
                [line.split('",')[:2], rows[:8]] for line, rows in zip(ours[1:-5], csv.reader(ours[1:-5]), strict=True)
            ]
