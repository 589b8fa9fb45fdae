"""A client of the look-alike in process, and one served on a free port."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from pce_pipeline.emulator.serve import running

KEY = "0a1b2c3d-0000-4000-8000-00000000ABCD"

Get = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def get() -> Get:
    """Send one GET to an app in process: path first, then query parameters."""

    def send(app: ASGIApp, path: str, **parameters: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bea") as client:
                return await client.get(path, params=parameters)

        return asyncio.run(once())

    return send


@pytest.fixture(scope="session")
def ask(get: Get) -> Get:
    """Ask an app's API for data, by default one line of SAPCE1 for all areas and all years."""

    def send(app: ASGIApp, **parameters: Any) -> httpx.Response:
        usual = {
            "UserID": KEY,
            "method": "GetData",
            "datasetname": "Regional",
            "TableName": "SAPCE1",
            "LineCode": 1,
            "GeoFips": "STATE",
            "Year": "ALL",
            "ResultFormat": "JSON",
        }
        sent = {**usual, **parameters}
        return get(app, "/api/data", **{name: value for name, value in sent.items() if value is not None})

    return send


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ASGIApp], str]]:
    """Serve apps on free ports until the test ends; gives the base URL of each."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(running(app))
