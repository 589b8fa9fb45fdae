"""Every shape of answer BEA is known to send decodes, or fails with the type that says what it is."""

import json
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.errors import (
    BeaContentError,
    BeaKeyRejected,
    BeaQuotaExceeded,
    BeaRequestRejected,
    BeaTransportError,
    BeaUnavailable,
    BeaUnknownField,
)
from pce_pipeline.bea.observations import LINE_SCHEMA, OBSERVATION_SCHEMA
from pce_pipeline.bea.protocol import (
    NATIONAL_SCHEMA,
    check_data,
    decode_data,
    decode_lines,
    decode_many,
    decode_national,
    decode_parameters,
    redact,
    redact_key,
)
from pce_pipeline.bea.values import typed

API_ERRORS = {
    "1": BeaKeyRejected,
    "3": BeaKeyRejected,
    "4": BeaKeyRejected,
    "7": BeaQuotaExceeded,
    "20": BeaRequestRejected,
    "31": BeaRequestRejected,
    "34": BeaRequestRejected,
    "40": BeaRequestRejected,
    "101": BeaUnavailable,
    "204": BeaUnavailable,
    "999": BeaUnavailable,
}


def dumped(answer):
    return json.dumps(answer).encode()


def test_an_answer_becomes_observations_lines_and_a_release_note(body, row):
    answer = decode_data(body([row(), row(area="01000 ", value="7")]))
    assert answer.bea_table == "SAPCE1"
    assert answer.line_codes == (1,)
    assert answer.unit == "Millions of current dollars"
    assert dict(answer.observations.frame.schema) == OBSERVATION_SCHEMA
    assert answer.observations.frame.rows() == [
        ("SAPCE1", 1, "00000", 2021, "100.5", "Millions of current dollars", 6),
        ("SAPCE1", 1, "01000", 2021, "7", "Millions of current dollars", 6),
    ]
    assert dict(answer.observations.lines.schema) == LINE_SCHEMA
    assert answer.observations.lines.rows() == [("SAPCE1", 1, "Personal consumption expenditures")]
    assert answer.release_note is not None
    assert answer.release_note.last_updated == date(2022, 10, 6)
    assert answer.notes[0] == ("Note.", "Dollars.")


def test_coded_cells_show_their_code_whichever_way_it_comes(body, row):
    rows = [
        row(year="2018", value="0", NoteRef="(NA)"),
        row(year="2019", value="0", NoteRef="(NA) *"),
        row(year="2020", value="(L)"),
        row(year="2021", value="0", NoteRef="2"),
    ]
    assert decode_data(body(rows)).observations.frame["value_text"].to_list() == ["(NA)", "(NA)", "(L)", "0"]


def test_a_number_beside_a_note_that_denies_it_costs_its_own_cell_only(body, row):
    frame = decode_data(body([row(), row(value="12.5", NoteRef="(D)")])).observations.frame
    assert frame["value_text"].to_list()[1] == "12.5 (D)"
    assert typed(frame)["status"].to_list() == ["reported", "quarantined"]


def test_rows_of_all_lines_bring_their_own_descriptions(body, row):
    rows = [row("SAPCE1-3", Description=" Durable goods 1/"), row("SAPCE1-1", Description="PCE ")]
    answer = decode_data(body(rows))
    assert answer.line_codes == (1, 3)
    assert answer.observations.lines.rows() == [("SAPCE1", 3, "Durable goods"), ("SAPCE1", 1, "PCE")]


def test_an_answer_without_rows_still_says_its_table(body):
    answer = decode_data(body([]))
    assert (answer.bea_table, answer.line_codes) == ("SAPCE1", ())
    assert answer.observations.frame.is_empty()
    assert answer.release_note is not None


def test_every_known_shape_of_one_answer_reads_the_same(answer, row):
    plain = answer()
    inside = plain["BEAAPI"]
    results = inside["Results"]
    expected = decode_data(dumped(plain))
    shapes = {
        "pretty": json.dumps(plain, indent=1).encode(),
        "with a BOM": b"\xef\xbb\xbf" + dumped(plain),
        "results in a list": dumped(answer(envelope={"Results": [results]})),
        "one row as an object": dumped(answer(results={"Data": row()})),
        "one note as an object": dumped(answer(results={"Notes": results["Notes"][1]})),
        "one dimension as an object": dumped(answer(results={"Dimensions": results["Dimensions"][0]})),
        "one parameter as an object": dumped(
            answer(envelope={"Request": {"RequestParam": inside["Request"]["RequestParam"][0]}})
        ),
        "data directly inside": dumped({"BEAAPI": {"Request": inside["Request"]} | results}),
        "no request": dumped({"BEAAPI": {"Results": results}}),
        "a mark at the area's name": dumped(answer([row(GeoName="United States *")])),
        "no error in the error field": dumped(answer(results={"Error": None})),
    }
    for name, shape in shapes.items():
        read = decode_data(shape)
        assert read.observations.frame.equals(expected.observations.frame), name
        assert read.release_note == expected.release_note, name


def test_latin_1_is_read_where_it_is_no_utf_8(answer, row):
    text = json.dumps(answer([row(GeoName="Doña Ana")], note="Señal"), ensure_ascii=False)
    assert decode_data(text.encode("latin-1")).notes[1] == (" ", "Señal")
    assert decode_data(text.encode("utf-8")).notes[1] == (" ", "Señal")


@pytest.mark.parametrize("position", ["Error", "Results.Error", "Results.[Error]", "[Results].Error"])
@pytest.mark.parametrize(("code", "kind"), API_ERRORS.items())
def test_an_error_is_an_error_wherever_it_stands(answer, code, kind, position):
    told = {
        "APIErrorCode": code,
        "APIErrorDescription": "No.",
        "ErrorDetail": {"Description": "Invalid Value for Parameter TableName"},
    }
    place, inside = {
        "Error": ("Error", told),
        "Results.Error": ("Results", {"Error": told}),
        "Results.[Error]": ("Results", {"Error": [told]}),
        "[Results].Error": ("Results", [{"Error": told}]),
    }[position]
    failing = {"BEAAPI": {"Request": answer()["BEAAPI"]["Request"], place: inside}}
    with pytest.raises(kind) as caught:
        decode_data(dumped(failing))
    assert caught.value.code == code
    assert "Invalid Value for Parameter TableName" in caught.value.detail
    assert (caught.value.table, caught.value.line) == ("SAPCE1", 1)
    with pytest.raises(kind):
        decode_lines(dumped(failing))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (b"", "is empty"),
        (b"  \r\n", "is empty"),
        (b"<!DOCTYPE html><html>Service unavailable</html>", "is a web page"),
        (b'{"BEAAPI":{"Results":{"Data":[{"Code":"SAPCE1-1","Geo', "is cut off"),
        (b'{"BEAAPI":{"Results":{"Data":[]}}}<html>', "is followed by"),
        (b'{"BEAAPI":{"Results":{"Data":[{"Code"<html>', "is cut off or no JSON"),
        (b'{"message":"throttled"}', "not of BEA's API"),
        (b"[]", "not of BEA's API"),
        (b'{"BEAAPI":{}}', "neither results nor an error"),
        (b'{"BEAAPI":{"Datasets":[]}}', "neither results nor an error"),
        (b'{"BEAAPI":{"Results":{"Statistic":"PCE"}}}', "no data and no error"),
    ],
)
def test_what_is_no_whole_answer_is_worth_another_try(broken, words):
    with pytest.raises(BeaTransportError, match=words) as caught:
        decode_data(broken)
    assert caught.value.retryable


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10_000))
def test_no_cut_answer_is_ever_taken_for_a_whole_one(body, position):
    whole = body()
    with pytest.raises(BeaTransportError):
        check_data(whole[: position % len(whole)], "SAPCE1", 1)


def test_unknown_fields_stop_unless_tolerated(answer, row):
    odd = dumped(answer([row(Shade="blue"), row(area="01000", Shade="red")], results={"Mood": "good"}))
    with pytest.raises(BeaUnknownField) as caught:
        decode_data(odd)
    assert set(caught.value.fields) == {"Results.Data.Shade", "Results.Mood"}
    assert (caught.value.table, caught.value.line) == ("SAPCE1", 1)
    tolerated = decode_data(odd, tolerate_unknown=True)
    assert tolerated.observations.frame.height == 2
    assert check_data(odd, "SAPCE1", 1) == tolerated.release_note


@pytest.mark.parametrize(
    ("field", "value"),
    [("DataValue", 12.5), ("TimePeriod", "2021Q1"), ("UNIT_MULT", "six"), ("Code", "SAPCE1"), ("DataValue", None)],
)
def test_fields_of_another_kind_are_refused(body, row, field, value):
    with pytest.raises(BeaContentError):
        decode_data(body([row(**{field: value})]))


def test_an_answer_about_another_line_is_not_accepted(body, row):
    with pytest.raises(BeaContentError, match="SAPCE1-2 instead"):
        check_data(body([row("SAPCE1-2")]), "SAPCE1", 1)


def test_several_tables_in_one_answer_are_refused(body, row):
    with pytest.raises(BeaContentError, match="several tables"):
        decode_data(body([row("SAPCE1-1"), row("SAPCE2-1")]))


def test_many_answers_become_one_with_the_newest_note(body, row):
    older = "Last updated: October 8, 2021."
    bodies = [
        body([row("SAPCE1-1")], note=older),
        body([row("SAPCE1-2"), row("SAPCE1-2", area="01000")], line="2"),
        body([row("SAPCE2-1")], table="SAPCE2", note="no news"),
    ]
    read = decode_many(bodies)
    assert read.frame.select("bea_table", "line_code").rows() == [
        ("SAPCE1", 1),
        ("SAPCE1", 2),
        ("SAPCE1", 2),
        ("SAPCE2", 1),
    ]
    assert read.frame.equals(pl.concat([decode_data(one).observations.frame for one in bodies]))
    assert read.lines.height == 3
    assert {table: note.last_updated for table, note in read.notes.items()} == {"SAPCE1": date(2022, 10, 6)}
    assert decode_many([]).frame.schema == pl.Schema(OBSERVATION_SCHEMA)


def test_a_list_of_lines_keeps_everything_after_the_table():
    listed = [
        {"Key": "1", "Desc": "[SAPCE3] Total PCE: Personal consumption expenditures"},
        {"Key": "10", "Desc": "[SAPCE3] Total PCE: Less: Receipts from sales 1/ "},
        {"Key": "2", "Desc": "[SAPCE3] Total PCE: Goods"},
    ]
    lines = decode_lines(dumped({"BEAAPI": {"Results": {"ParamValue": listed}}}))
    assert dict(lines.schema) == LINE_SCHEMA
    assert lines.rows() == [
        ("SAPCE3", 1, "Total PCE: Personal consumption expenditures"),
        ("SAPCE3", 2, "Total PCE: Goods"),
        ("SAPCE3", 10, "Total PCE: Less: Receipts from sales"),
    ]
    alone = decode_lines(dumped({"BEAAPI": {"Results": {"ParamValue": listed[0]}}}))
    assert alone.height == 1
    bare = decode_lines(dumped({"BEAAPI": {"Results": {"ParamValue": [{"Key": "1", "Desc": "PCE"}]}}}), table="SAPCE1")
    assert bare.rows() == [("SAPCE1", 1, "PCE")]


def test_a_list_of_lines_must_be_one():
    with pytest.raises(BeaTransportError):
        decode_lines(b'{"BEAAPI":{"Results":{}}}')
    with pytest.raises(BeaContentError):
        decode_lines(b'{"BEAAPI":{"Results":{"ParamValue":[{"Key":"x","Desc":"PCE"}]}}}')
    with pytest.raises(BeaTransportError):
        decode_parameters(b'{"BEAAPI":{"Results":{}}}')


def national_row(**more):
    return {
        "TableName": "T20804",
        "SeriesCode": "DPCERG",
        "LineNumber": "1",
        "LineDescription": "PCE",
        "TimePeriod": "2024M01",
        "METRIC_NAME": "Fisher Price Index",
        "CL_UNIT": "Level",
        "UNIT_MULT": "0",
        "DataValue": "1,122.230",
        "NoteRef": "T20804,T20804.4",
    } | more


def test_a_national_answer_has_a_frame_of_its_own():
    note = {"NoteRef": "T20804", "NoteText": "Table 2.8.4. Prices - LastRevised: May 28, 2026"}
    answer = decode_national(dumped({"BEAAPI": {"Results": {"Data": [national_row()], "Notes": [note]}}}))
    assert dict(answer.frame.schema) == NATIONAL_SCHEMA
    assert answer.frame.row(0, named=True)["value_text"] == "1,122.230"
    assert answer.release_note is not None
    assert answer.release_note.last_updated == date(2026, 5, 28)
    with pytest.raises(BeaUnknownField):
        decode_data(dumped({"BEAAPI": {"Results": {"Data": [national_row()]}}}))
    with pytest.raises(BeaContentError):
        decode_national(dumped({"BEAAPI": {"Results": {"Data": [national_row(LineNumber="one")]}}}))


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"\\'), min_size=1, max_size=40)


@settings(deadline=None)
@given(KEYS, st.booleans(), st.sampled_from(["USERID", "UserID", "userid"]), st.booleans())
def test_redaction_changes_the_key_and_nothing_else(answer, key, pretty, name, reverse):
    said = answer(key=key)
    first = said["BEAAPI"]["Request"]["RequestParam"][0]
    first["ParameterName"] = name
    if reverse:
        said["BEAAPI"]["Request"]["RequestParam"][0] = dict(reversed(first.items()))
    stored = json.dumps(said, indent=2 if pretty else None, separators=None if pretty else (",", ":")).encode()
    redacted = redact(stored)
    said["BEAAPI"]["Request"]["RequestParam"][0]["ParameterValue"] = "REDACTED"
    assert json.loads(redacted) == said
    assert redact(redacted) == redacted
    assert redacted.replace(b"REDACTED", key.encode(), 1) == stored


def test_redaction_works_on_what_no_longer_decodes(body):
    whole = body(key="0123-secret")
    cut = whole[: whole.index(b"secret") + 3]
    assert b"0123" not in redact(cut)
    assert b"0123" not in redact(whole[:300] + b"<html>")
    assert redact(b"<html>no key") == b"<html>no key"
    assert redact(b"") == b""


def test_a_known_key_goes_from_any_text_in_any_case():
    key = "abc-1-abc-1-abc-1"
    told = f"see /api/data?UserID={key.upper()}&x={key}"
    assert redact_key(told, key) == "see /api/data?UserID=REDACTED&x=REDACTED"
    assert redact_key(key.upper().encode() + b"!", key) == b"REDACTED!"


@pytest.mark.parametrize("key", ["", "1", "pce", "DataValue", "202412312359"])
def test_no_figure_and_no_word_of_an_answer_is_taken_for_a_key(key):
    answer = b'{"Data": [{"DataValue": "1,202412312359.1", "Description": "pce"}]}'
    assert redact_key(answer, key) == answer
    assert (
        redact_key(f"see /api/data?UserID={key}&x={key}", key) == f"see /api/data?UserID={key and 'REDACTED'}&x={key}"
    )


@pytest.mark.real
def test_every_recorded_answer_decodes_or_raises_its_type(real_data):
    for path in sorted((real_data / "recorded_json").glob("*.json")):
        recorded = json.loads(path.read_bytes())
        for item in recorded if isinstance(recorded, list) else [recorded]:
            stored = dumped(item["body"])
            if path.name.startswith("ERROR"):
                code = item["body"]["BEAAPI"]["Results"]["Error"]["APIErrorCode"]
                with pytest.raises(API_ERRORS[code]):
                    decode_data(stored)
            elif path.name.startswith("NIPA"):
                national = decode_national(stored)
                assert national.frame.height == len(item["body"]["BEAAPI"]["Results"]["Data"])
                assert national.release_note is not None
            elif path.name.startswith("GetParameterList"):
                parameters = decode_parameters(stored)
                assert parameters.filter(name="Year")["default"].to_list() == ["LAST5"]
                assert parameters.filter(name="LineCode").row(0, named=True)["default"] is None
            else:
                answer = decode_data(stored)
                assert answer.observations.frame.height == len(item["body"]["BEAAPI"]["Results"]["Data"])
                assert path.name.startswith(answer.bea_table)
                suppressed = path.name == "CAGDP2_64_01001_D.json"
                assert ("(D)" in answer.observations.frame["value_text"]) == suppressed
                assert (answer.release_note is None) == suppressed
