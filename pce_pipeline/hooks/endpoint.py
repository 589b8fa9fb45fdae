"""The endpoint: `POST /webhooks/bea-release` stores a signed event once, `GET /health` says that somebody listens.

An answer promises: 202 and 200 are given when the event lies in Bronze, 503 when it may not, so that the sender tries
again. A body is read up to a limit and not looked into before its signature holds. What an event says is kept and not
believed: it only makes the pipeline look.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pce_pipeline.decoding import decoded_json
from pce_pipeline.hooks.events import EventStore, WebhookEvent
from pce_pipeline.hooks.signatures import ID, SIGNATURE, TIMESTAMP, NotSigned, Verifier
from pce_pipeline.lake.errors import LakeError

_log = structlog.get_logger()

PATH = "/webhooks/bea-release"
LARGEST_BODY = 64 * 1024
"""Bytes; the specification advises senders to stay below 20 kB."""

RETRY_AFTER_SECONDS = 60
_PATIENCE = timedelta(seconds=10)  # senders wait 15 to 30 seconds for an answer

# A full stop in an id would let parts of a signed body pass as id and timestamp of another one.
_EVENT_ID = re.compile(r"[A-Za-z0-9_:/+=-]{1,128}")
_Payload = dict[str, msgspec.Raw]


def create_app(
    events: EventStore,
    verifier: Verifier,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    patience: timedelta = _PATIENCE,
) -> Starlette:
    """An ASGI app that stores what `verifier` lets pass; `patience` is with a slow body, and with a slow lake."""

    async def receive(request: Request) -> Response:
        try:
            body = await _body(request, patience)
            verifier.verify(request.headers, body, now := clock())
            event = WebhookEvent.of(
                body,
                event_id=_event_id(request.headers),
                received_at=now,
                content_type=request.headers.get("content-type"),
                headers={name: request.headers[name] for name in (ID, TIMESTAMP, SIGNATURE) if name in request.headers},
            )
            _check(body, has_id=event.id is not None)
        except NotSigned as refused:
            _log.warning("event refused", status=401, reason=refused.reason)
            raise HTTPException(401, refused.message) from None
        except HTTPException as refused:
            _log.warning("event refused", status=refused.status_code, reason=refused.detail)
            raise
        try:
            async with asyncio.timeout(patience.total_seconds()):
                is_new = await asyncio.to_thread(events.keep, event)
        except (LakeError, TimeoutError) as problem:
            _log.error("event not stored", status=503, name=event.name, problem=str(problem) or "no answer in time")
            raise HTTPException(
                503, "The event could not be stored; send it again.", {"Retry-After": str(RETRY_AFTER_SECONDS)}
            ) from None
        outcome = "accepted" if is_new else "duplicate"
        _log.info(f"event {outcome}", name=event.name, sha256=event.sha256, bytes=len(body))
        return JSONResponse({"status": outcome, "event": event.name}, 202 if is_new else 200)

    return Starlette(
        routes=[Route(PATH, receive, methods=["POST"]), Route("/health", _health, methods=["GET"])],
        exception_handlers={HTTPException: _refusal},
    )


async def _health(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok"})


async def _refusal(request: Request, refused: Exception) -> Response:
    del request
    if not isinstance(refused, HTTPException):
        raise refused
    return JSONResponse({"status": "refused", "reason": refused.detail}, refused.status_code, refused.headers)


async def _body(request: Request, patience: timedelta) -> bytes:
    """The body, of which never more than one piece beyond the limit is held, whatever its length is said to be."""
    body = bytearray()
    try:
        async with asyncio.timeout(patience.total_seconds()):
            async for piece in request.stream():
                body += piece
                if len(body) > LARGEST_BODY:
                    raise HTTPException(413, f"An event has {LARGEST_BODY} bytes at most.")
    except TimeoutError:
        raise HTTPException(408, "The body did not come in time.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The body did not come whole.") from None
    return bytes(body)


def _event_id(headers: Mapping[str, str]) -> str | None:
    said = headers.get(ID, "")
    if said and not _EVENT_ID.fullmatch(said):
        raise HTTPException(400, f"{ID} is 1 to 128 letters, digits and _ : / + = - at most.")
    return said or None


def _check(body: bytes, *, has_id: bool) -> None:
    try:
        payload = decoded_json(body, _Payload)
    except msgspec.DecodeError:
        raise HTTPException(400, "The body is not a JSON object.") from None
    if not has_id and "timestamp" not in payload:
        raise HTTPException(
            400,
            f"Without {ID} the body needs a timestamp, or the next release would be taken for a repetition of this.",
        )
