"""The look-alike's API answers have the shape, order and words of BEA's own."""

import json
from typing import Any

import httpx
import pytest

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.state import LoggedRequest
from pce_pipeline.emulator.vintages import VINTAGES
from pce_pipeline_tests.datasets import EVERYTHING, PCE_STATE

KEY = "0a1b2c3d-0000-4000-8000-00000000ABCD"
RESULT_KEYS = [
    "Statistic",
    "UnitOfMeasure",
    "PublicTable",
    "UTCProductionTime",
    "NoteRef",
    "Dimensions",
    "Data",
    "Notes",
]
ROW_KEYS = ["Code", "GeoFips", "GeoName", "TimePeriod", "CL_UNIT", "UNIT_MULT", "DataValue"]
DIMENSIONS = [
    {"Name": name, "DataType": kind, "IsValue": is_value}
    for name, kind, is_value in [
        ("Code", "string", "0"),
        ("GeoFips", "string", "0"),
        ("GeoName", "string", "0"),
        ("TimePeriod", "string", "0"),
        ("DataValue", "numeric", "1"),
        ("CL_UNIT", "string", "0"),
        ("UNIT_MULT", "numeric", "0"),
    ]
]


@pytest.fixture(scope="module")
def app():
    return create_app()


def results(response: httpx.Response) -> Any:
    return response.json()["BEAAPI"]["Results"]


def test_an_answer_has_beas_keys_in_beas_order(app, ask):
    response = ask(app, GeoFips="01000", Year="2023")
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert not {"etag", "last-modified", "cache-control"} & set(response.headers)
    assert list(body) == ["BEAAPI"]
    assert list(body["BEAAPI"]) == ["Request", "Results"]
    assert list(results(response)) == RESULT_KEYS
    assert results(response)["Dimensions"] == DIMENSIONS
    (row,) = results(response)["Data"]
    assert list(row) == ROW_KEYS
    assert row | {"DataValue": ""} == {
        "Code": "SAPCE1-1",
        "GeoFips": "01000",
        "GeoName": "Alabama",
        "TimePeriod": "2023",
        "CL_UNIT": "Millions of current dollars",
        "UNIT_MULT": "6",
        "DataValue": "",
    }
    assert results(response)["Notes"][-1] == {"NoteRef": " ", "NoteText": VINTAGES[1].note(["spending"])}
    assert response.text == json.dumps(body, separators=(",", ":"))


def test_every_value_is_text_and_says_that_it_is_invented(app, ask):
    answer = results(ask(app, Year="LAST5"))
    assert all(isinstance(value, str) for row in answer["Data"] for value in row.values())
    assert "not statistics of the Bureau" in answer["Notes"][0]["NoteText"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"LineCode": 29, "GeoFips": "11000", "Year": "2004"}, "(D)"),
        ({"LineCode": 75, "GeoFips": "38000", "Year": "2018"}, "(L)"),
    ],
)
def test_a_coded_cell_is_a_zero_with_a_note(app, ask, asked, code):
    answer = results(ask(app, TableName="SAPCE3", **asked))
    (row,) = answer["Data"]
    assert list(row) == [*ROW_KEYS, "NoteRef"]
    assert (row["DataValue"], row["NoteRef"]) == ("0", code)
    assert code in [note["NoteRef"] for note in answer["Notes"]]


def test_the_echo_is_in_upper_case_in_the_order_sent_with_the_key_as_it_came(app, get):
    response = get(app, "/api/data", method="getdata", USERID=KEY, Frequency="A", datasetName="regional",
                   tablename="sapce1", LINECODE="1", GeoFIPS="us", beaR="x")  # fmt: skip
    echo = response.json()["BEAAPI"]["Request"]["RequestParam"]
    assert [tuple(entry.values()) for entry in echo] == [
        ("METHOD", "GETDATA"),
        ("USERID", KEY),
        ("DATASETNAME", "REGIONAL"),
        ("TABLENAME", "SAPCE1"),
        ("LINECODE", "1"),
        ("GEOFIPS", "US"),
    ]


def test_state_means_sixty_areas_in_order(app, ask):
    rows = results(ask(app, Year="2024,2023"))["Data"]
    assert [row["GeoFips"] for row in rows[::2]] == PCE_STATE.areas["geo_fips"].sort().to_list()
    assert [row["TimePeriod"] for row in rows[:2]] == ["2023", "2024"]


def test_a_list_of_areas_gives_these_areas(app, ask):
    rows = results(ask(app, GeoFips="56000,00000", Year="2024"))["Data"]
    assert [row["GeoFips"] for row in rows] == ["00000", "56000"]


@pytest.mark.parametrize(
    ("asked", "years"),
    [
        (None, range(2020, 2025)),
        ("last5", range(2020, 2025)),
        ("LAST10", range(2015, 2025)),
        ("ALL", range(1997, 2025)),
        ("2024,1999", [1999, 2024]),
        ("2024,2025", [2024]),
        ("2025", []),
    ],
)
def test_years_are_read_as_bea_reads_them(app, ask, asked, years):
    rows = results(ask(app, GeoFips="00000", Year=asked))["Data"]
    assert [int(row["TimePeriod"]) for row in rows] == list(years)


def test_all_lines_of_one_area_come_described_and_out_of_order(app, ask):
    rows = results(ask(app, TableName="SAPCE1", LineCode="ALL", GeoFips="06000", Year="2024"))["Data"]
    assert len(rows) == 24
    assert list(rows[0]) == [*ROW_KEYS[:4], "Description", *ROW_KEYS[4:]]
    codes = [int(row["Code"].removeprefix("SAPCE1-")) for row in rows]
    assert sorted(codes) == list(range(1, 25))
    assert codes.index(3) < codes.index(1)


def test_the_per_capita_table_is_in_whole_dollars(app, ask):
    answer = results(ask(app, TableName="SAPCE2", GeoFips="00000", Year="2024"))
    (row,) = answer["Data"]
    assert (row["CL_UNIT"], row["UNIT_MULT"], row["DataValue"].isdecimal()) == ("Dollars", "0", True)
    assert (
        answer["Statistic"]
        == "Per capita personal consumption expenditures: Per capita personal consumption expenditures"
    )


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        ({"UserID": "BADKEY"}, "1", "Invalid API UserId"),
        ({"UserID": None}, "1", "Invalid API UserId"),
        ({"datasetname": "Nope"}, "20", "dataset"),
        ({"TableName": "SAPCE9"}, "40", "Invalid Value for Parameter TableName"),
        ({"TableName": None}, "40", '"ParameterName":"TableName"'),
        ({"LineCode": None}, "40", '"ParameterDescription":"Line code for a statistic or industry"'),
        ({"LineCode": 25}, "40", "Invalid Value for Parameter LineCode"),
        ({"LineCode": "1,2"}, "40", "Invalid Value for Parameter LineCode"),
        ({"LineCode": "ALL"}, "40", "Invalid Value for Parameter LineCode"),
        ({"LineCode": "ALL", "GeoFips": "01000,02000"}, "40", "Invalid Value for Parameter LineCode"),
        ({"GeoFips": "COUNTY"}, "101", "Unknown error."),
        ({"Year": "soon"}, "40", "Invalid Value for Parameter Year"),
        ({"method": "Nope"}, "40", "Invalid Value for Parameter Method"),
        ({"ResultFormat": "XML"}, "40", "Invalid Value for Parameter ResultFormat"),
        ({"method": "GetParameterValues", "ParameterName": "Nope"}, "31", "parameter name"),
        ({"method": "GetParameterValuesFiltered", "TargetParameter": "Nope"}, "40", "TargetParameter"),
    ],
)
def test_errors_come_with_http_200_inside_the_results(app, ask, asked, code, says):
    response = ask(app, **asked)
    assert response.status_code == 200
    assert results(response)["Error"]["APIErrorCode"] == code
    assert says in response.text


def test_the_list_of_lines_is_sorted_as_text_and_ends_with_the_pinned_descriptions(app, ask):
    for table in PCE_STATE.tables:
        entries = results(ask(app, method="GetParameterValuesFiltered", TargetParameter="LineCode", TableName=table))[
            "ParamValue"
        ]
        pinned = {
            str(line): text
            for line, text in PCE_STATE.lines.filter(bea_table=table).select("line_code", "description").iter_rows()
        }
        assert [entry["Key"] for entry in entries] == sorted(pinned)
        assert all(entry["Desc"].startswith(f"[{table}] ") for entry in entries)
        assert all(entry["Desc"].endswith(f": {pinned[entry['Key']]}") for entry in entries)


def test_tables_parameters_and_datasets_are_listed(app, ask):
    tables = results(ask(app, method="GetParameterValues", ParameterName="TableName"))["ParamValue"]
    regional = [name for name, of in EVERYTHING.bea_tables.items() if EVERYTHING.datasets[of].source == "Regional"]
    assert [entry["Key"] for entry in tables] == sorted(regional)
    parameters = results(ask(app, method="GetParameterList"))["Parameter"]
    assert [entry["ParameterName"] for entry in parameters] == ["GeoFips", "LineCode", "TableName", "Year"]
    assert list(parameters[3]) == [
        "ParameterName", "ParameterDataType", "ParameterDescription", "ParameterIsRequiredFlag",
        "ParameterDefaultValue", "MultipleAcceptedFlag",
    ]  # fmt: skip
    datasets = results(ask(app, method="GetDataSetList", datasetname=None))["Dataset"]
    assert "Regional" in [entry["DatasetName"] for entry in datasets]


def test_two_calls_differ_in_their_production_time_only(app, ask):
    first, second = (results(ask(app, GeoFips="00000")) for _ in range(2))
    assert first.pop("UTCProductionTime") < second.pop("UTCProductionTime")
    assert first == second


def test_requests_are_counted_and_logged_without_the_key(ask, get):
    log: list[LoggedRequest] = []
    app = create_app(requests_log=log)
    ask(app, GeoFips="00000", Year="2024")
    get(app, "/API/signup/release_dates.json")
    assert app.state.emulator.counts == {"GetData": 1, "calendar": 1}
    assert [entry.target for entry in log] == ["GetData", "calendar"]
    assert log[0].parameters["TABLENAME"] == "SAPCE1"
    assert KEY not in str(log)


def test_the_release_may_be_a_function_or_be_set(ask, get):
    now = [1]
    app = create_app(lambda: now[0])
    assert results(ask(app, GeoFips="00000"))["Data"][-1]["TimePeriod"] == "2023"
    now[0] = 3
    assert results(ask(app, GeoFips="00000"))["Data"][-1]["TimePeriod"] == "2025"
    app.state.emulator.set_release(2)
    assert get(app, "/health").json() == {"status": "ok", "release": 2}


@pytest.mark.real
def test_answers_have_the_shape_of_those_recorded_from_bea(app, ask, real_data):
    ours = results(ask(app, TableName="SAPCE3", LineCode=29, GeoFips="11000", Year="ALL"))
    described = results(ask(app, LineCode="ALL", GeoFips="11000", Year="2024"))["Data"][0]
    compared = 0
    for path in sorted((real_data / "recorded_json").glob("*.json")):
        recorded = json.loads(path.read_text("utf-8"))
        theirs = recorded["body"]["BEAAPI"]["Results"] if isinstance(recorded, dict) else {}
        if "Data" not in theirs or path.name.startswith("NIPA"):
            continue
        compared += 1
        assert list(theirs) == list(ours)
        assert theirs["Dimensions"] == ours["Dimensions"]
        assert {tuple(note) for note in theirs["Notes"]} == {tuple(note) for note in ours["Notes"]}
        shapes = {tuple(row) for row in ours["Data"]} | {tuple(described)}
        assert {tuple(row) for row in theirs["Data"]} <= shapes
    assert compared >= 10


@pytest.mark.real
def test_errors_are_those_recorded_from_bea(app, ask, real_data):
    recorded = json.loads((real_data / "recorded_json" / "ERROR_bodies.json").read_text("utf-8"))
    theirs = [entry["body"]["BEAAPI"]["Results"] for entry in recorded]
    ours = [
        results(ask(app, **asked))
        for asked in ({"UserID": "BADKEY"}, {"TableName": "SAPCE9"}, {"LineCode": None}, {"GeoFips": "31080"})
    ]
    assert all(error in theirs for error in ours)
