"""National tables by month read the same from BEA's API and from its keyless files of series."""

import asyncio
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import SecretStr

from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.errors import BeaContentError, BeaFileRefused, BeaTransportError, BeaUnknownField
from pce_pipeline.bea.national import (
    SeriesOf,
    check_months,
    decode_months,
    read_series,
    series_document,
    series_in_archive,
)
from pce_pipeline.bea.observations import MONTHLY_SCHEMA
from pce_pipeline.bea.values import content_hashes, typed

pytestmark = pytest.mark.usefixtures("impatient_retries")

REGISTER_HEADER = "%SeriesCode,SeriesLabel,MetricName,CalculationType,DefaultScale,TableId:LineNo,SeriesCodeParents"
REGISTER = "\r\n".join(
    [
        REGISTER_HEADER,
        'A065RC,"Personal income","Current Dollars","Level",-6,T20600:1,NONE',
        'DPCERC,"Personal consumption expenditures (PCE)","Current Dollars","Level",-6,T10105:2|T20805:1|U20405:1,NONE',
        'DFXARC,"Food and beverages, purchased","Current Dollars","Level",-6,T20805:9|T20805:26,DPCERC',
        'DPCERG,"Personal consumption expenditures (PCE)","Fisher Price Index","Level",0,T20804:1,NONE',
        "",
    ]
).encode()
VALUES = (
    b"%SeriesCode,Period,Value\r\n"
    b'A065RC,2026M06,"26,000,001"\r\n'
    b"DFXARC,2026M06,999\r\n"
    b'DPCERC,2026M06,"22,100,001"\r\n'
    b'DPCERC,2026M07,"22,250,420"\r\n'
    b'DPCERG,2026M07,"131.659"\r\n'
)
TABLES = ["T20804", "T20805"]


def row(**changed: str) -> dict[str, str]:
    return {
        "TableName": "T20805",
        "SeriesCode": "DPCERC",
        "LineNumber": "1",
        "LineDescription": "Personal consumption expenditures (PCE)",
        "TimePeriod": "2026M07",
        "METRIC_NAME": "Current Dollars",
        "CL_UNIT": "Level",
        "UNIT_MULT": "6",
        "DataValue": "22,250,420",
        "NoteRef": "T20805",
    } | changed


def answer(*rows: dict[str, str], note: str = "Table 2.8.5. PCE, Monthly - LastRevised: August 28, 2026") -> bytes:
    notes = [{"NoteRef": "T20805", "NoteText": note}]
    return json.dumps({"BEAAPI": {"Results": {"Statistic": "NIPA Table", "Data": list(rows), "Notes": notes}}}).encode()


def test_rows_of_an_answer_are_months_of_the_nation_in_the_unit_of_their_metric() -> None:
    read = decode_months([answer(row(), row(TimePeriod="2026M08", DataValue="22,300,000"))])
    assert dict(read.frame.schema) == MONTHLY_SCHEMA
    assert read.frame.rows() == [
        ("T20805", 1, "00000", 2026, 7, "22,250,420", "Current Dollars", 6),
        ("T20805", 1, "00000", 2026, 8, "22,300,000", "Current Dollars", 6),
    ]
    assert typed(read.frame)["value"].cast(pl.Float64).to_list() == [22_250_420, 22_300_000]
    assert read.notes["T20805"].last_updated == date(2026, 8, 28)
    assert read.lines.rows() == [("T20805", 1, "Personal consumption expenditures (PCE)")]


def test_a_rate_of_change_is_no_level() -> None:
    read = decode_months([answer(row(CL_UNIT="Percent change, annual rate"))])
    assert read.frame["unit"].to_list() == ["Current Dollars, Percent change, annual rate"]


@pytest.mark.parametrize("period", ["2026Q3", "2026", "2026M13", "2026M7", ""])
def test_rows_of_another_frequency_are_refused(period: str) -> None:
    with pytest.raises(BeaContentError, match="not of months"):
        decode_months([answer(row(TimePeriod=period))])
    with pytest.raises(BeaContentError, match="not of months"):
        check_months(answer(row(TimePeriod=period)), "T20805")


def test_an_answer_about_another_table_is_refused() -> None:
    with pytest.raises(BeaContentError, match="T20806 instead"):
        check_months(answer(row(), row(TableName="T20806")), "T20805")


def test_an_unknown_field_is_told_unless_it_is_tolerated() -> None:
    odd = answer(row(Reliability="A"))
    with pytest.raises(BeaUnknownField):
        decode_months([odd])
    assert decode_months([odd], tolerate_unknown=True).frame.height == 1


def test_of_the_file_of_series_those_of_the_tables_are_kept_as_bea_wrote_them() -> None:
    document = series_document(REGISTER, VALUES, TABLES).decode()
    assert "A065RC" not in document
    assert [line for line in document.splitlines() if line.startswith("DPCERC,2026")] == [
        'DPCERC,2026M06,"22,100,001"',
        'DPCERC,2026M07,"22,250,420"',
    ]
    read = read_series(document.encode())
    assert read.notes == {}
    assert set(read.lines.rows()) == {
        ("T20804", 1, "Personal consumption expenditures (PCE)"),
        ("T20805", 1, "Personal consumption expenditures (PCE)"),
        ("T20805", 9, "Food and beverages, purchased"),
        ("T20805", 26, "Food and beverages, purchased"),
    } | {(table, line, "Personal consumption expenditures (PCE)") for table, line in (("T10105", 2), ("U20405", 1))}


def test_api_and_series_of_one_release_have_equal_content() -> None:
    read = read_series(series_document(REGISTER, VALUES, ["T20805"]), ["T20805"])
    rows = [
        row(TimePeriod="2026M06", DataValue="22,100,001"),
        row(),
        *(
            row(SeriesCode="DFXARC", LineNumber=line, LineDescription="Food", TimePeriod="2026M06", DataValue="999.0")
            for line in ("9", "26")
        ),
    ]
    by_api = decode_months([answer(*rows)]).frame
    assert content_hashes(typed(read.frame)) == content_hashes(typed(by_api))
    other = by_api.with_columns(month=pl.col("month") - 1)
    assert content_hashes(typed(other)) != content_hashes(typed(by_api))


@given(st.lists(st.integers(0, len(VALUES)), max_size=8))
def test_in_whatever_pieces_the_file_comes_the_same_is_kept(cuts: list[int]) -> None:
    whole = series_document(REGISTER, VALUES, TABLES)
    of = SeriesOf(REGISTER, TABLES)
    places = [0, *sorted(cuts), len(VALUES)]
    for start, end in pairwise(places):
        of.write(VALUES[start:end])
    assert of.body == whole
    assert (of.size, of.sha256) == (len(VALUES), hashlib.sha256(VALUES).hexdigest())


@given(st.integers(1, len(VALUES) - 1))
def test_a_file_that_is_cut_anywhere_gives_no_other_number(end: int) -> None:
    whole = {cell[:5]: cell[5] for cell in read_series(series_document(REGISTER, VALUES, TABLES)).frame.rows()}
    try:
        cut = read_series(series_document(REGISTER, VALUES[:end], TABLES)).frame
    except BeaContentError:
        return
    assert all(whole[cell[:5]] == cell[5] for cell in cut.rows())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (b"<html>503</html>", "something else"),
        (b"", "something else"),
        (VALUES.replace(b"2026M07", b"2026Q3"), "not of months"),
        (VALUES[:-6], "cut off"),
    ],
)
def test_what_is_no_file_of_monthly_series_is_refused(values: bytes, told: str) -> None:
    with pytest.raises(BeaContentError, match=told):
        read_series(series_document(REGISTER, values, TABLES))


@pytest.mark.parametrize(
    ("register", "told"),
    [
        (REGISTER.replace(b"T2080", b"T2090"), "names no line of T20804, T20805"),
        (REGISTER.replace(b"TableId:LineNo", b"Lines"), "no column TableId:LineNo"),
        (b"", "no column"),
        (REGISTER.replace(b",-6,T10105", b",millions,T10105"), "cannot be read"),
    ],
)
def test_what_is_no_register_of_the_tables_is_refused(register: bytes, told: str) -> None:
    with pytest.raises(BeaContentError, match=told):
        read_series(series_document(register, VALUES, TABLES))


@pytest.mark.parametrize(("content", "missing"), [(REGISTER, "NipaDataM.txt"), (VALUES, "SeriesRegister.txt")])
def test_one_of_the_two_files_alone_is_refused_with_the_name_of_the_other(content: bytes, missing: str) -> None:
    with pytest.raises(BeaFileRefused) as refused:
        read_document(content)
    assert missing in refused.value.remedy


def test_documents_of_months_are_read_whatever_they_are_packed_in() -> None:
    document = series_document(REGISTER, VALUES, TABLES)
    plain = read_document(document, TABLES).frame
    assert_frame_equal(read_document(gzip.compress(document), TABLES).frame, plain)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("TXT/SeriesRegister.txt", REGISTER)
        archive.writestr("TXT/nipadataM.txt", VALUES)
    assert series_in_archive(packed.getvalue(), TABLES) == document
    kept = json.dumps({"origin": "somebody", "body": json.loads(answer(row()))}).encode()
    assert read_document(kept).frame.equals(decode_months([answer(row())]).frame)
    assert read_document(json.dumps([row()]).encode()).frame.equals(decode_months([answer(row())]).frame)


def test_answers_about_the_nation_and_about_states_in_one_file_are_refused() -> None:
    regional = {
        "Code": "SAPCE1-1",
        "GeoFips": "01000",
        "GeoName": "Alabama",
        "TimePeriod": "2024",
        "CL_UNIT": "Millions of current dollars",
        "UNIT_MULT": "6",
        "DataValue": "1.0",
    }
    both = [json.loads(answer(row())), {"BEAAPI": {"Results": {"Data": [regional]}}}]
    with pytest.raises(BeaFileRefused, match="together in one file"):
        read_document(json.dumps(both).encode())


def served(*answers: Callable[[httpx.Request], httpx.Response]) -> Callable[[list[str]], Any]:
    """A client's answer about series, of a BEA that gives these, one after the other."""
    left = list(answers)

    def bea(request: httpx.Request) -> httpx.Response:
        return left.pop(0)(request)

    async def ask(tables: list[str]) -> Any:
        async with BeaClient("https://bea.test", SecretStr("k" * 36), transport=httpx.MockTransport(bea)) as client:
            return await client.series("NipaDataM.txt", tables)

    return lambda tables: asyncio.run(ask(tables))


def test_series_are_taken_without_a_key_and_say_what_the_whole_file_was() -> None:
    asked = []

    def file(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        is_register = request.url.path.endswith("SeriesRegister.txt")
        headers = {"Last-Modified": "Fri, 28 Aug 2026 12:30:00 GMT"}
        return httpx.Response(200, content=REGISTER if is_register else VALUES, headers=headers)

    found = served(file, file)(TABLES)
    assert asked == [
        f"https://bea.test/national/Release/TXT/{name}" for name in ("SeriesRegister.txt", "NipaDataM.txt")
    ]
    assert found.body == series_document(REGISTER, VALUES, TABLES)
    assert dict(found.parameters) == {
        "Last-Modified": "Fri, 28 Aug 2026 12:30:00 GMT",
        "bytes": str(len(VALUES)),
        "sha256": hashlib.sha256(VALUES).hexdigest(),
    }


def test_a_page_where_the_series_were_due_is_tried_again() -> None:
    def register(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=REGISTER)

    def page(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"<html>maintenance</html>")

    def values(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=VALUES)

    assert served(register, page, values)(TABLES).body == series_document(REGISTER, VALUES, TABLES)
    with pytest.raises(BeaTransportError):
        served(page, page, page, page, page)(TABLES)


def test_a_real_answer_reads_as_months_of_prices(real_data: Path) -> None:
    read = read_document((real_data / "recorded_json" / "NIPA_T20804_M_2024-2026.json").read_bytes())
    assert read.frame.height == 70
    assert read.notes["T20804"].last_updated == date(2026, 5, 28)
    newest = read.frame.filter(line_code=1, year=2026, month=4)
    assert newest["unit"].to_list() == ["Fisher Price Index"]
    assert typed(newest)["status"].to_list() == ["reported"]
