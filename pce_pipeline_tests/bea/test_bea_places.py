"""The byte at which a document says something of a cell: in answers, archives, sheets of all kinds, and series."""

import gzip
import io
import json
import random
import zipfile
from pathlib import Path

import pytest

from pce_pipeline.bea.bulk import member, read_archive
from pce_pipeline.bea.documents import unpacked
from pce_pipeline.bea.places import Place, PublishedCell, place_of
from pce_pipeline.emulator.archive import archive

ROW = {
    "Code": "SAPCE1-1",
    "GeoFips": "06000",
    "GeoName": "Cali{fornia",
    "TimePeriod": "2021",
    "CL_UNIT": "Millions of current dollars",
    "UNIT_MULT": "6",
    "DataValue": "391059.0",
}
CALIFORNIA = PublishedCell("SAPCE1", 1, "06000", 2021)
HEADER = "GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit,2020,2021"
LINE = ' "06000","California",8,SAPCE1,1,"...","Personal, ""all"" ","Millions of current dollars",1.5,391059.0'


def answer(*rows: dict[str, str]) -> bytes:
    return json.dumps({"BEAAPI": {"Request": {"RequestParam": []}, "Results": {"Data": list(rows)}}}).encode()


def found(document: bytes, cell: PublishedCell = CALIFORNIA) -> Place:
    place = place_of(document, cell)
    assert place is not None
    return place


def bytes_at(document: bytes, place: Place) -> bytes:
    plain = unpacked(document)
    inside = member(plain, place.member) if place.member else plain
    return inside[place.offset : place.offset + place.length]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_answer_says_it_in_the_row_of_the_cell_alone(pack: type[bytes]) -> None:
    others = [{**ROW, "TimePeriod": "2020"}, {**ROW, "GeoFips": "06001"}, {**ROW, "Code": "SAPCE1-11"}]
    document = pack(answer(*others, ROW))
    place = found(document)
    assert (place.text, bytes_at(document, place)) == ("391059.0", b"391059.0")
    assert json.loads(place.row)["GeoFips"] == "06000"
    assert place.is_packed == (pack is not bytes)


def test_a_zero_with_the_note_of_a_code_is_the_code_and_stands_where_the_zero_does() -> None:
    document = answer({**ROW, "DataValue": "0", "NoteRef": "(D)"})
    place = found(document)
    assert (place.text, bytes_at(document, place)) == ("(D)", b"0")


def test_answers_as_people_keep_them_are_searched_too() -> None:
    kept = {**ROW, "GeoFips": 6000, "DataValue": 391059}
    document = json.dumps([kept], indent=2).encode()
    assert bytes_at(document, found(document)) == b"391059"
    latin = answer({**ROW, "GeoName": "Cañon"}).replace(rb"\u00f1", b"\xf1")
    assert found(latin).text == "391059.0"


def test_a_cell_that_an_answer_gives_twice_is_both_texts() -> None:
    assert found(answer(ROW, {**ROW, "DataValue": "2.0"})).text == "2.0 | 391059.0"


def test_what_says_nothing_of_a_cell_has_no_place_for_it() -> None:
    assert place_of(answer(ROW), PublishedCell("SAPCE1", 1, "06000", 1997)) is None
    assert place_of("\n".join([HEADER, LINE]).encode(), PublishedCell("SAPCE1", 2, "06000", 2021)) is None
    assert place_of("\n".join([HEADER, LINE]).encode(), PublishedCell("SAPCE1", 1, "06000", 1997)) is None


@pytest.mark.parametrize(
    ("header", "line", "at"),
    [
        (HEADER, LINE, b"391059.0"),
        (HEADER, LINE.replace("391059.0", '"391,059.0"'), b"391,059.0"),
        (
            HEADER.replace(",", "\t"),
            LINE.strip().replace('"Personal, ""all"" "', "Personal").replace(",", "\t"),
            b"391059.0",
        ),
        (HEADER, LINE.replace('"06000"', "6000"), b"391059.0"),
        (HEADER.replace(",2020,2021", ",2021,2020"), LINE.replace("1.5,391059.0", "(NA),1.5"), b"(NA)"),
        (HEADER, LINE.replace("391059.0", ""), b""),
    ],
    ids=["as BEA writes it", "quoted", "with tabs", "without zeros", "another order", "empty"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_sheet_says_it_in_the_field_of_its_year(header: str, line: str, at: bytes, end: str, start: bytes) -> None:
    other = line.replace("6000", "1000").replace("California", "Alabama")
    document = start + end.join([header, other, line, '"Note: See the included footnote file."']).encode()
    place = found(document)
    assert bytes_at(document, place) == at
    assert place.text == at.decode()
    assert place.line == 3


def test_a_line_that_a_spreadsheet_took_for_one_cell_is_told_whole() -> None:
    whole = '"' + LINE.strip().replace('"Personal, ""all"" "', "Personal").replace('"', '""') + '"'
    document = "\n".join([HEADER, whole]).encode()
    place = found(document)
    assert place.text == "391059.0"
    assert bytes_at(document, place) == whole.encode()


def test_every_cell_of_an_archive_is_found_where_the_decoders_read_it() -> None:
    body = archive("SARPP.zip", 2)
    assert body is not None
    cells = read_archive(body, {"SARPP"}).frame
    for row in random.Random(1).sample(cells.rows(named=True), 20):
        place = found(body, PublishedCell("SARPP", row["line_code"], row["geo_fips"], row["year"]))
        assert place.text == row["value_text"]
        assert bytes_at(body, place).decode() == row["value_text"]


def test_a_member_that_lacks_the_cell_makes_way_for_one_that_has_it() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        other = LINE.replace("06000", "01000").replace("California", "Alabama")
        third = LINE.replace("06000", "02000").replace("California", "Alaska")
        packed.writestr("SAPCE1__ALL_AREAS_2020_2021.csv", "\n".join([HEADER, other, third]))
        packed.writestr("SAPCE1_CA_2020_2021.csv", "\n".join([HEADER, LINE]))
    assert found(buffer.getvalue()).member == "SAPCE1_CA_2020_2021.csv"


def test_months_stand_in_answers_and_in_files_of_series() -> None:
    cell = PublishedCell("T20805", 2, "00000", 2026, 7)
    row = {
        "TableName": "T20805",
        "SeriesCode": "DGDSRC",
        "LineNumber": "2",
        "TimePeriod": "2026M07",
        "DataValue": "6,543,210",
    }
    document = answer({**row, "TimePeriod": "2026M06"}, {**row, "LineNumber": "12"}, row)
    assert bytes_at(document, found(document, cell)) == b"6,543,210"
    series = (
        b"%SeriesCode,SeriesLabel,MetricName,CalculationType,DefaultScale,TableId:LineNo\r\n"
        b'DPCERC,"PCE","Current Dollars","Level",-6,T20805:1\r\n'
        b'DGDSRC,"Goods","Current Dollars","Level",-6,T20805:2|T20806:9\r\n'
        b"%SeriesCode,Period,Value\r\n"
        b'DPCERC,2026M07,"22,250,420"\r\nDGDSRC,2026M06,"1"\r\nDGDSRC,2026M07,"6,543,210"\r\n'
    )
    place = found(series, cell)
    assert (bytes_at(series, place), place.line) == (b"6,543,210", 7)
    assert place_of(series, PublishedCell("T20805", 3, "00000", 2026, 7)) is None


@pytest.mark.parametrize(
    ("file", "cell", "text"),
    [
        ("SAPCE_2022-10-06.zip", PublishedCell("SAPCE1", 1, "01000", 1997), "77070.9"),
        ("SAEXP1_2019-10-03_excel-resaved.zip", PublishedCell("SAPCE1", 1, "01000", 1997), "74340.3"),
        ("SASUMMARY_2025-09-26.zip", PublishedCell("SASUMMARY", 7, "01000", 2024), "242905.3"),
    ],
)
def test_files_of_bea_say_it_to_the_byte(real_data: Path, file: str, cell: PublishedCell, text: str) -> None:
    document = (real_data / file).read_bytes()
    place = found(document, cell)
    assert (place.text, bytes_at(document, place).decode()) == (text, text)
    assert place.member is not None


def test_an_odd_row_of_an_answer_is_passed_over() -> None:
    document = answer(ROW).replace(b'"Data": [', b'"Data": [{"TimePeriod": "2021", "DataValue": nonsense}, ')
    assert found(document).text == "391059.0"
    assert place_of(document, PublishedCell("SAPCE9", 1, "06000", 2021)) is None
