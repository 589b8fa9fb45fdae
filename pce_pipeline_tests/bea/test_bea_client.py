"""The client hands on whole answers only, keeps the key to itself, and stays within the budget."""

import asyncio
import logging
import traceback
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr

from pce_pipeline.bea.budget import RequestBudget
from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.errors import (
    BeaContentError,
    BeaError,
    BeaFileRefused,
    BeaKeyRejected,
    BeaMoved,
    BeaRateLimited,
    BeaRequestRejected,
    BeaTransportError,
    BeaUnavailable,
)
from pce_pipeline.bea.protocol import decode_data, decode_lines
from pce_pipeline.bea.releases import parse_calendar
from pce_pipeline.errors import UsageError

KEY = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"

pytestmark = pytest.mark.usefixtures("impatient_retries")


class Bea:
    """BEA as a function: answers with the responses given, the last one for ever, and remembers what was asked."""

    def __init__(self, *responses):
        self.responses = list(responses)
        self.asked = []

    async def __call__(self, request):
        self.asked.append(request.url)
        await asyncio.sleep(0)
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        if isinstance(response, Exception):
            raise response
        return response(request) if callable(response) else response

    def client(self, **more):
        transport = httpx.MockTransport(self)
        return BeaClient("https://bea.test/", SecretStr(KEY), transport=transport, **more)

    def run(self, ask, **more):
        async def within():
            async with self.client(**more) as client:
                return await ask(client)

        return asyncio.run(within())


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def budget(self, **limits):
        return RequestBudget(key=KEY, clock=lambda: self.now, sleep=self.sleep, **limits)

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)


def ok(content):
    return lambda _: httpx.Response(200, content=content)


def error(code):
    told = f'{{"BEAAPI":{{"Results":{{"Error":{{"APIErrorCode":"{code}","APIErrorDescription":"No."}}}}}}}}'
    return ok(told.encode())


def test_a_data_answer_comes_without_the_key_and_with_what_was_asked(body):
    bea = Bea(ok(body(key=KEY)))
    before = datetime.now(UTC)
    answer = bea.run(lambda client: client.data("SAPCE1", 1))
    assert dict(bea.asked[0].params) == {
        "UserID": KEY,
        "method": "GetData",
        "datasetname": "Regional",
        "TableName": "SAPCE1",
        "LineCode": "1",
        "GeoFips": "STATE",
        "Year": "ALL",
        "ResultFormat": "JSON",
    }
    assert bea.asked[0].path == "/api/data"
    assert answer.endpoint == "https://bea.test/api/data"
    assert "UserID" not in answer.parameters
    assert answer.parameters["LineCode"] == "1"
    assert answer.body == body(key="REDACTED")
    assert before <= answer.fetched_at <= datetime.now(UTC)
    assert answer.last_updated == decode_data(answer.body).release_note
    assert KEY not in repr(answer)


def test_lines_release_notes_calendar_and_archive_are_asked_where_they_are(body, csv_file, zip_file):
    listed = b'{"BEAAPI":{"Results":{"ParamValue":[{"Key":"1","Desc":"[SAPCE1] PCE"}]}}}'
    calendar = b'\xef\xbb\xbf{"GDP":{"release_dates":["2026-09-30T12:30:00+00:00"]}}'
    archive = zip_file({"a.csv": csv_file()})
    bea = Bea(ok(listed), ok(body()), ok(calendar), ok(archive))

    async def ask(client):
        lines = await client.lines("SAPCE1")
        return (
            lines,
            await client.last_updated("SAPCE1", line=1, geo="00000"),
            await client.release_dates(),
            await client.bulk("SAPCE.zip"),
        )

    lines, note, dates, bulk = bea.run(ask)
    assert decode_lines(lines.body).height == 1
    assert note.last_updated == date(2022, 10, 6)
    assert parse_calendar(dates.body).name_found(["GDP"]) == "GDP"
    assert bulk.body == archive
    assert bulk.endpoint == "https://bea.test/regional/zip/SAPCE.zip"
    assert [url.path for url in bea.asked] == [
        "/api/data",
        "/api/data",
        "/API/signup/release_dates.json",
        "/regional/zip/SAPCE.zip",
    ]
    assert (bea.asked[0].params["TargetParameter"], bea.asked[0].params["TableName"]) == ("LineCode", "SAPCE1")
    assert (bea.asked[1].params["Year"], bea.asked[1].params["GeoFips"]) == ("LAST5", "00000")
    assert [("UserID" in url.params) for url in bea.asked] == [True, True, False, False]


@pytest.mark.parametrize(
    "passing",
    [
        ok(b""),
        ok(b"<html>busy</html>"),
        ok(b'{"BEAAPI":{"Results":{"Data":[{"Code":"SAP'),
        ok(b'{"BEAAPI":{"Results":{}}}'),
        error("101"),
        httpx.Response(500),
        httpx.Response(503, content=b"<html>"),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_what_may_pass_is_tried_again(body, passing):
    bea = Bea(passing, passing, ok(body()))
    assert bea.run(lambda client: client.data("SAPCE1", 1)).last_updated is not None
    assert len(bea.asked) == 3


def test_tries_are_bounded_and_end_with_the_type(body):
    bea = Bea(error("101"))
    with pytest.raises(BeaUnavailable):
        bea.run(lambda client: client.data("SAPCE1", 1), attempts=3)
    assert len(bea.asked) == 3


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (error("1"), BeaKeyRejected),
        (error("4"), BeaKeyRejected),
        (error("40"), BeaRequestRejected),
        (httpx.Response(404), BeaRequestRejected),
        (httpx.Response(302, headers={"Location": "https://elsewhere.test"}), BeaRequestRejected),
    ],
)
def test_what_will_not_pass_is_asked_once(response, kind):
    bea = Bea(response)
    with pytest.raises(kind) as caught:
        bea.run(lambda client: client.data("SAPCE1", 7))
    assert len(bea.asked) == 1
    assert (caught.value.table, caught.value.line) == ("SAPCE1", 7)
    assert caught.value.remedy


def test_an_answer_about_something_else_is_not_handed_on(body):
    with pytest.raises(BeaContentError):
        Bea(ok(body())).run(lambda client: client.data("SAPCE1", 2))
    listed = b'{"BEAAPI":{"Results":{"ParamValue":[{"Key":"1","Desc":"[SAPCE2] PCE"}]}}}'
    with pytest.raises(BeaContentError):
        Bea(ok(listed)).run(lambda client: client.lines("SAPCE1"))


def test_unknown_fields_are_handed_on_for_later_judgement(body, row):
    odd = body([row(Shade="blue")], key="REDACTED")
    assert Bea(ok(odd)).run(lambda client: client.data("SAPCE1", 1)).body == odd


def test_a_broken_archive_or_calendar_is_not_handed_on(csv_file, zip_file):
    archive = zip_file({"a.csv": csv_file()})
    bea = Bea(ok(b"<html>"), ok(archive))
    assert bea.run(lambda client: client.bulk("SAPCE.zip")).body == archive
    with pytest.raises(BeaFileRefused):
        Bea(ok(archive[:-30])).run(lambda client: client.bulk("SAPCE.zip"))
    with pytest.raises(BeaContentError):
        Bea(ok(b"<html>")).run(lambda client: client.release_dates())
    with pytest.raises(UsageError):
        Bea(ok(archive)).run(lambda client: client.bulk("../x.zip"))


def test_without_a_key_only_files_are_asked_for(csv_file, zip_file):
    bea = Bea(ok(zip_file({"a.csv": csv_file()})))

    async def ask():
        async with BeaClient("https://bea.test", transport=httpx.MockTransport(bea)) as client:
            await client.bulk("SAPCE.zip")
            with pytest.raises(UsageError, match="needs a key"):
                await client.data("SAPCE1", 1)

    asyncio.run(ask())
    assert len(bea.asked) == 1


@pytest.mark.parametrize("said", ["30", "Fri, 15 Jan 2027 08:00:30 GMT"])
def test_a_short_refusal_is_waited_out(body, said):
    clock = Clock()
    bea = Bea(httpx.Response(429, headers={"Retry-After": said}), ok(body()))
    bea.run(lambda client: client.data("SAPCE1", 1), budget=clock.budget())
    assert clock.now == pytest.approx(1_800_000_030.0)
    assert len(bea.asked) == 2


@pytest.mark.parametrize(
    ("response", "wait"),
    [
        (httpx.Response(429, headers={"Retry-After": "3600"}), 3600),
        (httpx.Response(429), 3600),
        (httpx.Response(429, headers={"Retry-After": "soon"}), 3600),
        (httpx.Response(429, headers={"Retry-After": "9" * 30}), 86_400),
        (error("7"), 3600),
    ],
)
def test_a_long_refusal_is_told_with_its_end_and_nobody_asks_before(body, response, wait):
    clock = Clock()
    budget = clock.budget()
    bea = Bea(response, ok(body()))
    with pytest.raises(BeaRateLimited) as caught:
        bea.run(lambda client: client.data("SAPCE1", 1), budget=budget)
    assert caught.value.retry_at == datetime.fromtimestamp(1_800_000_000 + wait, UTC)
    with pytest.raises(BeaRateLimited):
        bea.run(lambda client: client.data("SAPCE1", 1), budget=budget)
    assert len(bea.asked) == 1
    clock.now += wait + 1
    bea.run(lambda client: client.data("SAPCE1", 1), budget=budget)


def test_every_request_counts_in_the_budget_with_its_bytes_and_errors(body):
    clock = Clock()
    bea = Bea(error("101"), error("101"), ok(body()))
    bea.run(lambda client: client.data("SAPCE1", 1), budget=clock.budget(errors_per_minute=2))
    assert 60 <= clock.now - 1_800_000_000 < 63
    clock = Clock()
    large = body(note="x" * 400_000)
    bea = Bea(ok(large))

    async def twice(client):
        await client.data("SAPCE1", 1)
        await client.data("SAPCE1", 1)

    bea.run(twice, budget=clock.budget(bytes_per_minute=500_000))
    assert 60 <= clock.now - 1_800_000_000 < 63


def by_line(body, row):
    return lambda request: httpx.Response(
        200, content=body([row(f"SAPCE1-{request.url.params['LineCode']}")], line=request.url.params["LineCode"])
    )


def test_many_lines_come_one_by_one_with_few_under_way(body, row):
    under_way = most = 0

    async def bea(request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return by_line(body, row)(request)

    got = []

    async def keep(table, line, answer):
        assert decode_data(answer.body).line_codes == (line,)
        got.append((table, line))

    async def ask():
        async with BeaClient("https://bea.test", SecretStr(KEY), transport=httpx.MockTransport(bea)) as client:
            await client.fetch_lines([("SAPCE1", line) for line in range(1, 31)], keep, at_once=4)
            await client.fetch_lines([], keep)

    asyncio.run(ask())
    assert sorted(got) == [("SAPCE1", line) for line in range(1, 31)]
    assert most == 4


def test_after_an_error_nothing_new_is_asked_and_what_is_under_way_is_kept(body, row):
    asked = []

    async def bea(request):
        line = int(request.url.params["LineCode"])
        asked.append(line)
        await asyncio.sleep(0.001 if line == 3 else 0.05)
        return error("40")(request) if line == 3 else by_line(body, row)(request)

    got = []

    async def keep(table, line, answer):
        got.append(line)

    async def ask():
        async with BeaClient("https://bea.test", SecretStr(KEY), transport=httpx.MockTransport(bea)) as client:
            await client.fetch_lines([("SAPCE1", line) for line in range(1, 20)], keep, at_once=4)

    with pytest.raises(BeaRequestRejected) as caught:
        asyncio.run(ask())
    assert caught.value.line == 3
    assert sorted(asked) == [1, 2, 3, 4]
    assert sorted(got) == [1, 2, 4]


def test_a_callback_that_fails_stops_the_fetching(body, row):
    bea = Bea(by_line(body, row))

    async def fail(table, line, answer):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        bea.run(lambda client: client.fetch_lines([("SAPCE1", line) for line in range(1, 50)], fail, at_once=2))
    assert len(bea.asked) <= 4


def test_a_cancelled_fetch_leaves_nothing_running(body, row):
    async def bea(request):
        await asyncio.sleep(60)
        return by_line(body, row)(request)

    async def keep(table, line, answer):
        raise AssertionError

    async def ask():
        async with BeaClient("https://bea.test", SecretStr(KEY), transport=httpx.MockTransport(bea)) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.fetch_lines([("SAPCE1", 1), ("SAPCE1", 2)], keep)
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(ask())


@asynccontextmanager
async def serving(answer):
    """A server on loopback: `answer(reader, writer)` is called per connection, once the request is read."""
    handlers: list[asyncio.Event] = []

    async def accept(reader, writer):
        handlers.append(ended := asyncio.Event())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                await answer(reader, writer)
                await writer.drain()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            ended.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for ended in handlers:
            await ended.wait()


def saying(*answers):
    """Answers each connection with the next raw HTTP text, the last one for ever, and then cuts the line."""
    waiting = list(answers)

    async def answer(reader, writer):
        writer.write(waiting.pop(0) if len(waiting) > 1 else waiting[0])

    return answer


def http(content, *, length=None, status="200 OK"):
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode() + content


def test_an_answer_cut_on_the_wire_is_asked_for_again(body):
    async def ask():
        whole = body(key="REDACTED")
        async with (
            serving(saying(http(whole[:200], length=len(whole)), b"", http(whole))) as url,
            BeaClient(url, SecretStr(KEY)) as client,
        ):
            return (await client.data("SAPCE1", 1)).body, whole

    got, whole = asyncio.run(ask())
    assert got == whole


def test_a_server_that_drips_is_given_up():
    async def drip(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def ask():
        patience = timedelta(seconds=0.1)
        async with serving(drip) as url, BeaClient(url, SecretStr(KEY), attempts=1, whole_timeout=patience) as client:
            await client.data("SAPCE1", 1)

    with pytest.raises(BeaTransportError, match="within"):
        asyncio.run(ask())


def test_the_key_is_in_no_log_no_exception_and_no_attribute(body, caplog):
    caplog.set_level(logging.DEBUG)

    async def ask(url):
        async with BeaClient(url, SecretStr(KEY), attempts=2) as client:
            return await client.data("SAPCE1", 1)

    async def all_ways():
        answers = (
            http(body(key=KEY)),
            http(body(key=KEY.upper())[:300]),
            http(body(key=KEY)[:100]),
            http(f"<html>bad: /api/data?userid={KEY.upper()}</html>".encode()),
            http(b"", status="500 Oops"),
            http(b"", status="404 Gone"),
            http(b"", status="429 Slow down"),
            b"",
        )
        caught = []
        for answer in answers:
            async with serving(saying(answer)) as url:
                try:
                    assert KEY.encode() not in (await ask(url)).body
                except BeaError as problem:
                    caught.append(problem)
        try:
            await ask("http://127.0.0.1:9")
        except BeaError as problem:
            caught.append(problem)
        return caught

    caught = asyncio.run(all_ways())
    assert len(caught) == 8
    for problem in caught:
        ours = [
            frame
            for frame, _ in traceback.walk_tb(problem.__traceback__)
            if "bea/client.py" in frame.f_code.co_filename
        ]
        assert ours
        assert all(KEY not in repr(frame.f_locals) for frame in ours)
        assert KEY not in f"{problem!r} {problem} {vars(problem)}"
        assert problem.__context__ is None or KEY not in repr(problem.__context__)
    logged = "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
    assert KEY not in logged
    assert KEY.upper() not in logged


def test_closing_calls_off_what_other_tasks_still_ask(body):
    ended = []

    async def slow(request):
        if request.url.params["LineCode"] == "1":
            return httpx.Response(400)
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(request.url.params["LineCode"])

    async def within():
        async with BeaClient("https://bea.test", SecretStr(KEY), transport=httpx.MockTransport(slow)) as client:
            await asyncio.gather(*(client.data("SAPCE1", line) for line in (1, 2, 3)))

    async def and_look():
        with pytest.raises(BeaRequestRejected):
            await within()
        return sorted(ended)

    assert asyncio.run(and_look()) == ["2", "3"]


def test_a_redirect_is_an_error_that_names_the_place_and_not_the_key():
    away = httpx.Response(302, headers={"Location": f"https://elsewhere.test/api?UserID={KEY}#top"})
    with pytest.raises(BeaMoved) as moved:
        Bea(away).run(lambda client: client.data("SAPCE1", 1))
    assert moved.value.location == "https://elsewhere.test/api"
    assert KEY not in f"{moved.value!r} {vars(moved.value)} {traceback.format_exception(moved.value)}"
