"""Every fault does what its name says, to the calls it is meant for and to no others."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from starlette.types import ASGIApp

from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.faults import Fault, FaultKind, Limits
from pce_pipeline_tests.bronze.look_alike import member_of
from pce_pipeline_tests.datasets import PCE_STATE

Ask = Callable[..., httpx.Response]

ONE_CELL: dict[str, Any] = {"GeoFips": "00000", "Year": "2024"}


def results(response: httpx.Response) -> Any:
    return response.json()["BEAAPI"]["Results"]


def spoiled(ask: Ask, kind: FaultKind, *, asked: dict[str, Any] | None = None, **how: Any) -> httpx.Response:
    return ask(create_app(faults=[Fault(kind, **how)]), **(ONE_CELL if asked is None else asked))


def test_an_error_may_stand_at_the_top(ask):
    response = spoiled(ask, FaultKind.ERROR_AT_TOP, asked={"LineCode": 999})
    assert list(response.json()["BEAAPI"]) == ["Request", "Error"]
    assert response.json()["BEAAPI"]["Error"]["APIErrorCode"] == "40"


def test_an_error_may_be_a_list(ask):
    response = spoiled(ask, FaultKind.ERROR_AS_LIST, asked={"LineCode": 999})
    assert [error["APIErrorCode"] for error in results(response)["Error"]] == ["40"]


@pytest.mark.parametrize("code", ["4", "7", "101", "204"])
def test_an_error_of_any_number_may_come_with_http_200(ask, code):
    response = spoiled(ask, FaultKind.API_ERROR, code=code)
    assert response.status_code == 200
    assert results(response)["Error"]["APIErrorCode"] == code


def test_a_body_may_be_empty(ask):
    response = spoiled(ask, FaultKind.EMPTY_BODY)
    assert (response.status_code, response.content) == (200, b"")


def test_a_body_may_be_a_page(ask):
    response = spoiled(ask, FaultKind.HTML)
    assert response.status_code == 200
    assert response.text.startswith("<html>")
    assert response.headers["content-type"].startswith("text/html")


def test_a_body_may_be_cut_and_go_on_as_a_page(ask):
    text = spoiled(ask, FaultKind.TRUNCATED).text
    assert text.startswith('{"BEAAPI":')
    assert text.endswith("</html>")


def test_a_body_may_have_a_byte_order_mark(ask):
    content = spoiled(ask, FaultKind.BOM).content
    assert content.startswith(b"\xef\xbb\xbf{")
    json.loads(content.decode("utf-8-sig"))


def test_a_body_may_be_no_utf8(ask):
    content = spoiled(ask, FaultKind.LATIN1).content
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    assert "\N{SECTION SIGN}" in json.loads(content.decode("iso-8859-1"))["BEAAPI"]["Results"]["Notes"][0]["NoteText"]


def test_lists_of_one_may_be_their_entry(ask):
    assert results(spoiled(ask, FaultKind.SINGLE_AS_DICT))["Data"]["TimePeriod"] == "2024"
    two = results(spoiled(ask, FaultKind.SINGLE_AS_DICT, asked={"GeoFips": "00000", "Year": "2023,2024"}))
    assert len(two["Data"]) == 2


def test_results_may_be_a_list(ask):
    (only,) = results(spoiled(ask, FaultKind.RESULTS_AS_LIST))
    assert len(only["Data"]) == 1


def test_data_may_be_missing(ask):
    assert "Data" not in results(spoiled(ask, FaultKind.NO_DATA))


def test_rows_may_have_an_unknown_field(ask):
    assert results(spoiled(ask, FaultKind.UNKNOWN_FIELD))["Data"][0]["Reliability"] == "A"


def test_an_answer_may_be_slow(ask):
    started = time.monotonic()
    assert spoiled(ask, FaultKind.SLOW, seconds=0.05).status_code == 200
    assert time.monotonic() - started >= 0.05


def test_a_connection_may_break(ask):
    with pytest.raises(httpx.RemoteProtocolError):
        spoiled(ask, FaultKind.DROP)


def test_a_connection_may_break_on_a_socket_too(served):
    url = served(create_app(faults=[Fault(FaultKind.DROP, on=("calendar",))]))
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}/API/signup/release_dates.json")
    assert httpx.get(f"{url}/health").json()["status"] == "ok"


def test_the_server_may_fail_at_first(ask):
    app = create_app(faults=[Fault(FaultKind.SERVER_ERROR, first=2)])
    assert [ask(app, **ONE_CELL).status_code for _ in range(3)] == [503, 503, 200]


def test_a_lock_may_come_out_of_nowhere(ask):
    response = spoiled(ask, FaultKind.TOO_MANY, seconds=3600)
    assert (response.status_code, response.headers["retry-after"]) == (429, "3600")


def test_a_year_not_yet_published_may_be_an_error(ask):
    response = spoiled(ask, FaultKind.YEAR_IS_ERROR, asked={"GeoFips": "00000", "Year": "2025"})
    assert results(response)["Error"]["ErrorDetail"]["Description"] == "Invalid Value for Parameter Year"


def test_the_release_may_change_midway(ask, get):
    app = create_app(faults=[Fault(FaultKind.RELEASE_CHANGES, after=2)])
    newest = [results(ask(app, GeoFips="00000"))["Data"][-1]["TimePeriod"] for _ in range(4)]
    assert newest == ["2024", "2024", "2025", "2025"]
    assert get(app, "/health").json()["release"] == 3


def test_a_fault_meets_only_the_calls_it_names(ask):
    app = create_app(faults=[Fault(FaultKind.HTML, tables=("SAPCE2",), lines=(3, 4), after=1, first=1)])

    def meets(table: str, line: int) -> bool:
        text: str = ask(app, TableName=table, LineCode=line, **ONE_CELL).text
        return text.startswith("<html>")

    calls = [("SAPCE1", 3), ("SAPCE2", 5), ("SAPCE2", 3), ("SAPCE2", 4), ("SAPCE2", 3)]
    assert [meets(*call) for call in calls] == [False, False, False, True, False]


def test_faults_may_meet_lists_archive_and_calendar(ask, get):
    app = create_app(faults=[Fault(FaultKind.HTML, on=("GetParameterValuesFiltered", "archive", "calendar"))])
    assert ask(app, method="GetParameterValuesFiltered", TargetParameter="LineCode").text.startswith("<html>")
    assert get(app, "/regional/zip/SAPCE.zip").text.startswith("<html>")
    assert get(app, "/API/signup/release_dates.json").text.startswith("<html>")
    assert not ask(app, **ONE_CELL).text.startswith("<html>")


def described(ask: Ask, app: ASGIApp, table: str = "SAPCE1") -> dict[int, str]:
    listed = results(ask(app, method="GetParameterValuesFiltered", TargetParameter="LineCode", TableName=table))
    return {int(entry["Key"]): entry["Desc"].partition(": ")[2] for entry in listed["ParamValue"]}


def test_a_table_may_be_renamed(ask):
    app = create_app(faults=[Fault(FaultKind.TABLE_RENAMED, tables=("SAPCE2",))])
    error = results(ask(app, TableName="SAPCE2"))["Error"]
    assert error["ErrorDetail"]["Description"] == "Invalid Value for Parameter TableName"
    renamed = results(ask(app, TableName="SAPCE2N", **ONE_CELL))
    assert renamed["Data"][0]["CL_UNIT"] == "Dollars"
    assert renamed["Statistic"].startswith("Per capita")
    assert results(ask(app, **ONE_CELL))["Data"]


def test_lines_may_change_places_with_their_numbers(ask):
    usual, swapped = (
        create_app(),
        create_app(faults=[Fault(FaultKind.LINES_SWAPPED, tables=("SAPCE1",), lines=(9, 10))]),
    )
    assert described(ask, swapped)[9] == described(ask, usual)[10] == "Clothing and footwear"
    before = results(ask(usual, LineCode=10))["Data"]
    after = results(ask(swapped, LineCode=9))["Data"]
    assert [row["DataValue"] for row in after] == [row["DataValue"] for row in before]
    assert described(ask, swapped, "SAPCE2") == described(ask, usual, "SAPCE2")


def test_a_line_may_get_another_meaning(ask):
    app = create_app(faults=[Fault(FaultKind.LINES_RENAMED, tables=("SAPCE1",), lines=(3,))])
    assert described(ask, app)[3] == "Redefined: Durable goods"
    assert described(ask, app)[2] == "Goods"


def test_a_line_may_be_dropped(ask):
    app = create_app(faults=[Fault(FaultKind.LINE_DROPPED, tables=("SAPCE1",))])
    assert max(described(ask, app)) == 23
    assert results(ask(app, LineCode=24))["Error"]["APIErrorCode"] == "40"
    several = create_app(faults=[Fault(FaultKind.LINE_DROPPED, lines=(5, 6))])
    assert {5, 6}.isdisjoint(described(ask, several))


def test_a_line_may_be_added(ask):
    app = create_app(faults=[Fault(FaultKind.LINE_ADDED)])
    assert described(ask, app)[25] == "Services of a kind not seen before"
    assert len(results(ask(app, LineCode=25, Year="2024"))["Data"]) == 60


def test_footnote_marks_may_change(ask):
    app = create_app(faults=[Fault(FaultKind.MARKS_CHANGED)])
    assert described(ask, app)[2] == "Goods 1/"
    assert results(ask(app, **ONE_CELL))["Data"][0]["GeoName"] == "United States *"


def test_numbers_may_be_revised_without_a_word(ask):
    usual = results(ask(create_app(), GeoFips="01000"))
    silent = results(
        spoiled(ask, FaultKind.SILENT_REVISION, asked={"GeoFips": "01000"}, tables=("SAPCE1",), lines=(1,))
    )
    assert silent["Notes"] == usual["Notes"]
    changed = [row["TimePeriod"] for row, before in zip(silent["Data"], usual["Data"], strict=True) if row != before]
    assert changed == ["2023", "2024"]
    app = create_app(faults=[Fault(FaultKind.SILENT_REVISION, tables=("SAPCE1",), lines=(1,))])
    assert results(ask(app, LineCode=2))["Data"] == results(ask(create_app(), LineCode=2))["Data"]


def test_the_calendar_may_lack_the_name_and_have_a_mark(get):
    app = create_app(
        faults=[Fault(FaultKind.CALENDAR_WITHOUT_NAME, on=("calendar",)), Fault(FaultKind.BOM, on=("calendar",))]
    )
    content = get(app, "/API/signup/release_dates.json").content
    assert content.startswith(b"\xef\xbb\xbf")
    assert not set(json.loads(content.decode("utf-8-sig"))) & set(PCE_STATE.release_names)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        (Limits(requests=3, lock_seconds=3600), ONE_CELL),
        (Limits(bytes=4000, lock_seconds=3600), ONE_CELL),
        (Limits(errors=3, lock_seconds=3600), {"LineCode": 999}),
    ],
)
def test_who_sends_too_much_is_locked_out_until_the_lock_ends(ask, limits, asked):
    clock = Clock()
    app = create_app(limits=limits, clock=clock)
    assert [ask(app, **asked).status_code for _ in range(4)] == [200, 200, 200, 429]
    clock.now += 100
    locked = ask(app, **asked)
    assert (locked.status_code, locked.headers["retry-after"]) == (429, "3500")
    assert ask(app, UserID="another-key-of-thirty-six-characters", **asked).status_code == 200
    clock.now += 3501
    assert ask(app, **asked).status_code == 200


def test_sending_slowly_is_never_locked_out(ask):
    clock = Clock()
    app = create_app(limits=Limits(requests=3), clock=clock)
    for _ in range(10):
        assert ask(app, **ONE_CELL).status_code == 200
        clock.now += 21


def post(app: ASGIApp, body: dict[str, Any]) -> httpx.Response:
    async def once() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bea") as client:
            return await client.post("/_emulator", content=json.dumps(body))

    return asyncio.run(once())


def test_release_faults_and_limits_are_switched_while_it_runs(ask, get):
    app = create_app()
    shown = post(
        app, {"release": 3, "faults": [{"kind": "html", "tables": ["SAPCE1"], "first": 1}], "limits": {"requests": 2}}
    )
    assert shown.status_code == 200
    assert shown.json() == get(app, "/_emulator").json()
    assert shown.json()["release"] == 3
    assert shown.json()["faults"] == [{"kind": "html", "tables": ["SAPCE1"], "first": 1}]
    assert ask(app, **ONE_CELL).text.startswith("<html>")
    cleared = post(app, {"faults": [], "limits": None})
    assert (cleared.json()["release"], cleared.json()["faults"], cleared.json()["limits"]) == (3, [], None)
    assert results(ask(app, GeoFips="00000"))["Data"][-1]["TimePeriod"] == "2025"


@pytest.mark.parametrize("body", [{"release": 9}, {"faults": [{"kind": "nope"}]}, {"nope": 1}])
def test_a_command_that_makes_no_sense_changes_nothing(get, body):
    app = create_app()
    before = get(app, "/_emulator").json()
    assert post(app, body).status_code == 422
    assert get(app, "/_emulator").json() == before


def test_every_fault_can_be_sent_as_json():
    for kind in FaultKind:
        fault = Fault(kind, tables=("SAPCE1",), lines=(1,), on=("archive",), after=1, first=2, seconds=1.5, code="7")
        assert msgspec.json.decode(msgspec.json.encode(fault), type=Fault) == fault


@pytest.mark.parametrize(
    ("table", "cell"), [("SAPCE1", '"01000","Alabama",5,SAPCE1,1,'), ("T20805", "DPCERC,2025M01,")]
)
def test_files_may_say_another_number_than_the_api_in_one_cell(table, cell):
    spoilt, sound = (
        create_app(2, faults=faults).state.emulator for faults in ([Fault(FaultKind.FILES_DIFFER, tables=(table,))], [])
    )

    def lines(emulator):
        if table == "SAPCE1":
            return set(member_of(emulator.archive("SAPCE.zip"), "SAPCE1__ALL").decode().splitlines())
        return set(emulator.series_file("NipaDataM.txt").decode().splitlines())

    (other,) = lines(spoilt) - lines(sound)
    assert cell in other
    assert spoilt.publication.cells["SAPCE1"].frame.equals(sound.publication.cells["SAPCE1"].frame)
    assert spoilt.national.tables["T20805"].cells.equals(sound.national.tables["T20805"].cells)
