"""Hand-made answers and archives in BEA's shapes, and retries that do not wait."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina

NOTE = "Last updated: October 6, 2022-- new statistics for 2021; revised statistics for 2017-2020."


def _row(code="SAPCE1-1", area="00000", year="2021", value="100.5", **more):
    row = {
        "Code": code,
        "GeoFips": area,
        "GeoName": "United States",
        "TimePeriod": year,
        "CL_UNIT": "Millions of current dollars",
        "UNIT_MULT": "6",
        "DataValue": value,
    }
    return row | more


def _answer(rows=None, *, key="not-a-real-key", table="SAPCE1", line="1", note=NOTE, results=None, envelope=None):
    echo = {"USERID": key, "METHOD": "GETDATA", "TABLENAME": table, "LINECODE": line}
    return {
        "BEAAPI": {
            "Request": {
                "RequestParam": [{"ParameterName": name, "ParameterValue": value} for name, value in echo.items()]
            },
            "Results": {
                "Statistic": "Personal consumption expenditures 1/",
                "UnitOfMeasure": "Millions of current dollars",
                "PublicTable": f"{table} Personal consumption expenditures (PCE) by major type of product",
                "UTCProductionTime": "2026-09-28T21:36:52.013",
                "NoteRef": " ",
                "Dimensions": [{"Name": "Code", "DataType": "string", "IsValue": "0"}],
                "Data": [_row(f"{table}-{line}")] if rows is None else rows,
                "Notes": [{"NoteRef": "Note.", "NoteText": "Dollars."}, {"NoteRef": " ", "NoteText": note}],
            }
            | (results or {}),
        }
        | (envelope or {})
    }


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, str]]:
    """One row of a regional answer; keyword arguments replace or add fields."""
    return _row


@pytest.fixture(scope="session")
def answer() -> Callable[..., dict[str, Any]]:
    """A regional answer as a dict; `results` and `envelope` replace or add fields."""
    return _answer


@pytest.fixture(scope="session")
def body() -> Callable[..., bytes]:
    """A regional answer as the bytes BEA sends."""
    return lambda *given, **named: json.dumps(_answer(*given, **named), separators=(",", ":")).encode()


@pytest.fixture(scope="session")
def csv_file() -> Callable[..., bytes]:
    """A regional CSV file of one table as in BEA's archives, one line of two years per area."""

    def build(table="SAPCE1", areas=("00000", "01000"), values=("1.5", "(L)"), note=NOTE, years=("2020", "2021")):
        lines = [f"GeoFIPS,GeoName,Region,TableName,LineCode,IndustryClassification,Description,Unit,{','.join(years)}"]
        lines += [
            f' "{area}","Somewhere, far away", ,{table},1,"...","  Less: Goods 1/ ","Millions of current dollars",'
            + ",".join(values)
            for area in areas
        ]
        lines += [
            '"Note: See the included footnote file."',
            f'"{table}: A title 1/"',
            f'"{note}"',
            '"U.S. Bureau of Economic Analysis"',
            "",
        ]
        return "\r\n".join(lines).encode("latin-1")

    return build


@pytest.fixture(scope="session")
def zip_file() -> Callable[[dict[str, bytes]], bytes]:
    """A zip archive with these members."""

    def build(members):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return stream.getvalue()

    return build


@pytest.fixture
def impatient_retries() -> Iterator[None]:
    """Retries as many as in earnest, without the waiting."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
