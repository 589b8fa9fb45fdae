"""API answers and data frames that somebody kept read like BEA's own files."""

import json

import polars as pl
import pytest

from pce_pipeline.bea.documents import read_document
from pce_pipeline.bea.values import typed
from pce_pipeline_tests.bea.copies import CELLS, MILLIONS, ORIGINAL, hashes, refusal


def answered(rows, **results):
    return {"BEAAPI": {"Results": {"Data": rows, **results}}}


def api_rows(number=str):
    return [
        {
            "Code": f"SAPCE1-{line}",
            "GeoFips": number(area),
            "GeoName": "Somewhere",
            "TimePeriod": number(year),
            "CL_UNIT": MILLIONS,
            "UNIT_MULT": number("6"),
            "DataValue": "0" if value.startswith("(") else number(value),
        }
        | ({"NoteRef": value} if value.startswith("(") else {})
        for (area, line), values in CELLS.items()
        for year, value in zip(("2022", "2023"), values, strict=True)
    ]


def as_number(text):
    return float(text) if "." in text else int(text)


def json_lines(items):
    return "\n".join(json.dumps(item) for item in items)


ANSWERS = {
    "one": lambda: json.dumps(answered(api_rows())),
    "a list of answers": lambda: json.dumps([answered(api_rows()[:5]), answered(api_rows()[5:])]),
    "one answer a line": lambda: json_lines([answered(api_rows()[:5]), answered(api_rows()[5:])]) + "\n\n",
    "the results": lambda: json.dumps(answered(api_rows())["BEAAPI"]["Results"]),
    "the envelope without its name": lambda: json.dumps(answered(api_rows())["BEAAPI"]),
    "the rows": lambda: json.dumps(api_rows()),
    "one row a line": lambda: json_lines(api_rows()),
    "numbers for texts": lambda: json.dumps(answered(api_rows(as_number))),
    "rows with numbers": lambda: json.dumps(api_rows(as_number)),
    "rows with empty notes": lambda: json.dumps([{"NoteRef": None, **row} for row in api_rows()]),
    "answers written for people": lambda: "\n".join(
        json.dumps(answered(rows), indent=2) for rows in (api_rows()[:5], api_rows()[5:])
    ),
    "missing notes as NaN": lambda: json.dumps([{"NoteRef": float("nan"), **row} for row in api_rows()]),
    "whole numbers with a decimal": lambda: json.dumps(api_rows(float)),
    "an answer twice": lambda: json.dumps([answered(api_rows()), answered(api_rows()[:3])]),
}


@pytest.mark.parametrize("write", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_answers_read_like_the_original_however_they_were_kept(write, line_end):
    assert hashes(write().replace("\n", line_end).encode()) == ORIGINAL


def test_answers_that_contradict_each_other_are_refused():
    other = [row | {"DataValue": "7"} for row in api_rows()[:1]]
    assert "two things of one cell of 2022" in refusal(json.dumps([answered(api_rows()), answered(other)]).encode())


def test_an_answer_that_is_cut_off_is_refused_with_its_line():
    content = json_lines([answered(api_rows()), answered(api_rows())])[:-9].encode()
    assert "what begins in line 2 is cut off or something else" in refusal(content)


def test_other_json_is_refused_with_the_forms_that_are_wanted():
    said = refusal(b'{"Code": {"0": "SAPCE1-1"}}')
    assert "not an answer of BEA's API" in said
    assert "alone, in a list, or one a line" in said


def client_frame(rows, separator=",", line_terminator="\n") -> bytes:
    columns = ["Code", "GeoFips", "GeoName", "TimePeriod", "CL_UNIT", "UNIT_MULT", "DataValue", "NoteRef"]
    frame = pl.DataFrame([{name: row.get(name, "") for name in columns} for row in rows])
    return frame.write_csv(separator=separator, line_terminator=line_terminator).encode()


def test_the_data_frame_of_beas_python_client_reads_like_the_original():
    plain = client_frame(api_rows())
    assert hashes(plain) == ORIGINAL
    assert hashes(client_frame(api_rows(), separator=";", line_terminator="\r\n")) == ORIGINAL
    numbered = b"".join(
        (str(number - 1).encode() if number else b"") + b"," + line
        for number, line in enumerate(plain.splitlines(keepends=True))
    )
    assert hashes(numbered) == ORIGINAL
    floats = [
        row
        | {
            "GeoFips": f"{int(row['GeoFips'])}.0",
            "UNIT_MULT": "6.0",
            "DataValue": "0.0" if "NoteRef" in row else row["DataValue"],
        }
        for row in api_rows()
    ]
    assert hashes(client_frame(floats)) == ORIGINAL
    described = [row | {"GeoName": "Goods"} for row in api_rows()]
    lines = read_document(client_frame(described).replace(b"GeoName", b"Description", 1)).lines
    assert set(lines["description"]) == {"Goods"}


def test_a_data_frame_whose_number_contradicts_its_note_keeps_both_for_quarantine():
    rows = [api_rows()[0] | {"NoteRef": "(D)"}]
    frame = read_document(client_frame(rows)).frame
    assert frame["value_text"].to_list() == ["14437543.0 (D)"]
    assert typed(frame)["status"].to_list() == ["quarantined"]


@pytest.mark.parametrize("cut", ["SAPCE1-2,98000,Some", "SAPCE1-2", "SA"])
def test_a_data_frame_that_ends_in_the_middle_of_a_line_is_refused(cut):
    refusal(client_frame(api_rows()) + cut.encode())
