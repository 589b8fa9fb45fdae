"""The look-alike's endpoints: BEA's API, archives, files of series and release calendar, and a control of its own.

`create_app` gives an ASGI app that is mounted in process or served on loopback alike. Its state is
`app.state.emulator`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import cast, get_args

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pce_pipeline.decoding import decoded_json
from pce_pipeline.emulator import render
from pce_pipeline.emulator.archive import calendar
from pce_pipeline.emulator.archived_releases import archived
from pce_pipeline.emulator.faults import Fault, FaultKind, Limits, Target
from pce_pipeline.emulator.national_answers import (
    national_answer,
    national_parameter_entries,
    national_table_entries,
    read_national_query,
)
from pce_pipeline.emulator.query import (
    KEY_LENGTH,
    NATIONAL,
    REGIONAL,
    Parameters,
    Refusal,
    invalid,
    read_data_query,
    table_of,
)
from pce_pipeline.emulator.series import SERIES_FILES, written_at
from pce_pipeline.emulator.state import Emulator, LoggedRequest
from pce_pipeline.emulator.vintages import DEFAULT_RELEASE

_METHODS = {name.upper(): cast("Target", name) for name in get_args(Target) if name.startswith("Get")}
_PAGE = b"<html><head><title>503 Service Unavailable</title></head><body>The service is unavailable.</body></html>"
_PROMISED_BYTES = 1_000_000
_BYTES_AT_ONCE = 65_536


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be sent to the control endpoint; what is left out stays as it is."""

    release: int | msgspec.UnsetType = msgspec.UNSET
    faults: tuple[Fault, ...] | msgspec.UnsetType = msgspec.UNSET
    limits: Limits | msgspec.UnsetType | None = msgspec.UNSET


class _BrokenAnswer(Response):
    """An answer whose connection breaks before its end, on a socket as in process."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        length = str(_PROMISED_BYTES).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": b'{"BEAAPI":', "more_body": True})
        # A server closes the socket on this; the in-process transport hands it to the client, who would meet the same.
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def create_app(
    release: int | Callable[[], int] = DEFAULT_RELEASE,
    *,
    faults: Iterable[Fault] = (),
    limits: Limits | None = None,
    requests_log: list[LoggedRequest] | None = None,
    archives: Mapping[str, bytes] | None = None,
    catalog: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """An ASGI app that answers as BEA does; see `Emulator` for the arguments.

    Raises `LookupError` for a release the sample does not have.
    """
    app = Starlette(
        routes=[
            Route("/api/data", _data),
            Route("/api/data/", _data),
            Route("/regional/zip/{name}", _archive),
            Route("/regional/histdata/{path:path}", _archived),
            Route("/national/Release/TXT/{name}", _series),
            Route("/API/signup/release_dates.json", _calendar),
            Route("/health", _health),
            Route("/_emulator", _show),
            Route("/_emulator", _control, methods=["POST"]),
        ]
    )
    app.state.emulator = Emulator(
        release,
        faults=faults,
        limits=limits,
        requests_log=requests_log,
        archives=archives,
        catalog=catalog,
        clock=clock,
    )
    return app


def _emulator(request: Request) -> Emulator:
    return cast("Emulator", request.app.state.emulator)


async def _data(request: Request) -> Response:
    emulator = _emulator(request)
    parameters = Parameters.read(request.query_params.multi_items())
    target = _METHODS.get(parameters.word("METHOD"))
    emulator.record(target or parameters.word("METHOD"), parameters.values)
    locked = emulator.seconds_locked(parameters.key)
    if locked is not None:
        return _too_many(locked)
    met = emulator.meet(target, parameters.word("TABLENAME"), parameters.line) if target else {}
    broken = await _broken(met)
    if broken is not None:
        return broken
    failed = False
    try:
        body = _answer(parameters, target, emulator, met)
    except Refusal as refusal:
        failed = True
        body = render.error_answer(parameters, refusal, met.keys())
    spoiled = _spoiled(body, met)
    emulator.charge(parameters.key, len(spoiled), failed=failed)
    return _response(spoiled, met, "application/json")


def _answer(parameters: Parameters, target: Target | None, emulator: Emulator, met: Mapping[FaultKind, Fault]) -> str:
    if len(parameters.key) != KEY_LENGTH:
        raise Refusal("1")
    if FaultKind.API_ERROR in met:
        raise Refusal(met[FaultKind.API_ERROR].code)
    # What BEA answers to an unknown method or to a format not imitated here has not been seen.
    if target is None:
        raise invalid("Method")
    if parameters.word("RESULTFORMAT") not in {"", "JSON"}:
        raise invalid("ResultFormat")
    dataset = parameters.word("DATASETNAME")
    if target != "GetDataSetList" and dataset not in {REGIONAL, NATIONAL}:
        raise Refusal("20")
    year_is_error = FaultKind.YEAR_IS_ERROR in met
    if target == "GetData" and dataset == NATIONAL:
        national = emulator.national
        asked = read_national_query(parameters, national, year_is_error=year_is_error)
        return national_answer(parameters, asked, national, met.keys())
    if target != "GetData":
        listed = _listed_of_nation if target != "GetDataSetList" and dataset == NATIONAL else _listed
        name, entries = listed(parameters, target, emulator)
        return render.list_answer(parameters, name, entries, met.keys())
    publication = emulator.publication
    query = read_data_query(parameters, publication, year_is_error=year_is_error)
    return render.data_answer(parameters, query, publication, met.keys())


def _listed(parameters: Parameters, target: Target, emulator: Emulator) -> tuple[str, list[dict[str, str]]]:
    """The name and entries of the list that a metadata method answers with."""
    if target == "GetDataSetList":
        return "Dataset", render.dataset_entries()
    if target == "GetParameterList":
        return "Parameter", render.parameter_entries()
    if target == "GetParameterValues":
        if parameters.required("PARAMETERNAME") != "TABLENAME":
            raise Refusal("31")
        return "ParamValue", render.table_entries(emulator.publication)
    if parameters.required("TARGETPARAMETER") != "LINECODE":
        raise invalid("TargetParameter")
    publication = emulator.publication
    return "ParamValue", render.line_entries(publication, table_of(parameters, publication))


def _listed_of_nation(parameters: Parameters, target: Target, emulator: Emulator) -> tuple[str, list[dict[str, str]]]:
    """The same of the national dataset, none of whose parameters has values that depend on another."""
    if target == "GetParameterList":
        return "Parameter", national_parameter_entries()
    if target == "GetParameterValuesFiltered":
        raise invalid("TargetParameter")
    if parameters.required("PARAMETERNAME") != "TABLENAME":
        raise Refusal("31")
    return "ParamValue", national_table_entries(emulator.national)


async def _archive(request: Request) -> Response:
    emulator = _emulator(request)
    archive = emulator.archive(request.path_params["name"])
    if archive is None:
        return Response("There is no such archive.", 404, media_type="text/plain")
    emulator.record("archive", {"NAME": request.path_params["name"]})
    met = emulator.meet("archive")
    return await _broken(met) or _response(_spoiled(archive, met), met, "application/x-zip-compressed")


async def _archived(request: Request) -> Response:
    emulator, path = _emulator(request), request.path_params["path"]
    emulator.record("archived", {"PATH": path})
    # A fault spoils files only: how a page looks is assumed, and reading it bears everything.
    met = emulator.meet("archived") if path.endswith(".zip") else {}
    found = archived(path, emulator.release, emulator.catalog)
    if found is None:
        return Response("There is no such page.", 404, media_type="text/plain")
    response = await _broken(met) or _response(_spoiled(found.body, met), met, found.media_type)
    response.headers["Last-Modified"] = format_datetime(found.written_at, usegmt=True)
    return response


async def _series(request: Request) -> Response:
    emulator, name = _emulator(request), request.path_params["name"]
    if name not in SERIES_FILES:
        return Response("There is no such file.", 404, media_type="text/plain")
    emulator.record("archive", {"NAME": name})
    met = emulator.meet("archive")
    broken = await _broken(met)
    if broken is not None:
        return broken
    written = written_at(emulator.release)
    headers = {"Last-Modified": format_datetime(written, usegmt=True)}
    known = _moment(request.headers.get("If-Modified-Since", ""))
    if known is not None and known >= written:
        return Response(status_code=304, headers=headers)
    content = _spoiled(emulator.series_file(name) or b"", met)
    media_type = "text/html" if FaultKind.HTML in met else "text/plain"
    return StreamingResponse(_pieces(content), media_type=media_type, headers=headers)


def _moment(text: str) -> datetime | None:
    """The moment that a header names; None where it names none."""
    try:
        named = parsedate_to_datetime(text)
    except ValueError:
        return None
    return named if named.tzinfo else named.replace(tzinfo=UTC)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _BYTES_AT_ONCE):
        yield content[start : start + _BYTES_AT_ONCE]


async def _calendar(request: Request) -> Response:
    emulator = _emulator(request)
    emulator.record("calendar", {})
    met = emulator.meet("calendar")
    text = calendar(emulator.release, emulator.catalog, with_names=FaultKind.CALENDAR_WITHOUT_NAME not in met)
    return await _broken(met) or _response(_spoiled(text, met), met, "application/json")


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "release": _emulator(request).release})


async def _show(request: Request) -> Response:
    return Response(msgspec.json.encode(_emulator(request).view), media_type="application/json")


async def _control(request: Request) -> Response:
    emulator = _emulator(request)
    try:
        command = decoded_json(await request.body(), Command)
        if command.release is not msgspec.UNSET:
            emulator.set_release(command.release)
    except (msgspec.DecodeError, LookupError) as refused:
        return JSONResponse({"error": str(refused)}, 422)
    if command.faults is not msgspec.UNSET:
        emulator.set_faults(*command.faults)
    if command.limits is not msgspec.UNSET:
        emulator.limits = command.limits
    return await _show(request)


async def _broken(met: Mapping[FaultKind, Fault]) -> Response | None:
    """Wait where the answer is slow; the answer where there is none of BEA's making, else None."""
    if FaultKind.SLOW in met:
        await asyncio.sleep(met[FaultKind.SLOW].seconds)
    if FaultKind.SERVER_ERROR in met:
        return Response(_PAGE, 503, media_type="text/html")
    if FaultKind.TOO_MANY in met:
        return _too_many(int(met[FaultKind.TOO_MANY].seconds))
    return _BrokenAnswer() if FaultKind.DROP in met else None


def _too_many(seconds: int) -> Response:
    return Response(b"", 429, headers={"Retry-After": str(seconds)})


def _spoiled(body: str | bytes, met: Mapping[FaultKind, Fault]) -> bytes:
    sent = body.encode() if isinstance(body, str) else body
    if FaultKind.EMPTY_BODY in met:
        return b""
    if FaultKind.HTML in met:
        return _PAGE
    if FaultKind.TRUNCATED in met:
        return sent[: len(sent) // 2] + b"\r\n" + _PAGE
    if FaultKind.LATIN1 in met:
        sent = sent.replace(b'"NoteRef":"Note.","NoteText":"', b'"NoteRef":"Note.","NoteText":"\xa7 ')
    return b"\xef\xbb\xbf" + sent if FaultKind.BOM in met else sent


def _response(body: bytes, met: Mapping[FaultKind, Fault], media_type: str) -> Response:
    return Response(body, media_type="text/html" if FaultKind.HTML in met else media_type)
