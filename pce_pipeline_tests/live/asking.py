"""Questions to BEA that its client does not ask, or whose answer it refuses: errors, other lines, other words.

What is asked here is asked once, a second after the one before, and kept without the key. Where BEA gives no answer of
its own (no connection, a lock, a key that it refuses), the test skips, so that its assumption counts as unanswered.
"""

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from pce_pipeline.bea.protocol import redact, redact_key
from pce_pipeline_tests.live.assumptions import Answers, is_bea

# read before the tests forget the environment of whoever runs them
KEY = SecretStr(os.environ.get("BEA_API_KEY", ""))
URL = os.environ.get("PCE_BEA_URL", "https://apps.bea.gov")

_PAUSE = 1.0  # seconds; BEA locks a key after 100 requests or 30 errors in a minute
_TIMEOUT = 60.0
_NO_ANSWER = {"1", "3", "4", "7"}
"""BEA's errors about the key and its limits, which say nothing about what was asked."""


@dataclass(frozen=True)
class Said:
    """One answer of the API."""

    body: bytes
    """The bytes, but for the key."""
    results: dict[str, Any]
    """What stands in Results; empty for an error."""
    error: dict[str, Any] | None
    """The error, from either place where BEA puts one."""

    @property
    def rows(self) -> list[dict[str, str]]:
        """The rows of data; none where there are none."""
        found = self.results.get("Data", [])
        return found if isinstance(found, list) else [found]

    @property
    def code(self) -> str | None:
        """The number of BEA's error."""
        return None if self.error is None else str(self.error.get("APIErrorCode"))


def read_answer(body: bytes) -> Said:
    """An answer of the API, which may be an error. Raises `msgspec.DecodeError` for what is not JSON."""
    answer = msgspec.json.decode(body)["BEAAPI"]
    results = _only(answer.get("Results", {}))
    error = answer.get("Error", results.get("Error"))
    if error is not None:
        return Said(body, {}, _only(error))
    return Said(body, results, None)


def _only(found: Any) -> dict[str, Any]:
    one = found[0] if isinstance(found, list) else found
    assert isinstance(one, dict), one
    return one


@dataclass
class Asking:
    """Asks the API at an address with a key."""

    url: str
    """BEA's address, or its look-alike's."""
    key: SecretStr
    """The key; it reaches no answer, exception or log."""
    answers: Answers
    """Keeps what comes."""
    transport: httpx.AsyncBaseTransport | None = None
    """In place of the network, for instance an in-process application."""
    _next: float = field(default=0.0, repr=False)

    def __call__(self, name: str, *, key: str | None = None, **parameters: str) -> Said:
        """The answer to one question, kept under a name; `key` replaces the key, to see what BEA says of another."""
        if is_bea(self.url):
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + _PAUSE
        sent = SecretStr(key) if key is not None else self.key
        status, raw = asyncio.run(self._get({"ResultFormat": "JSON", **parameters}, sent))
        body = redact_key(redact(raw), self.key.get_secret_value())
        if status != httpx.codes.OK:
            pytest.skip(f"BEA answered {name} with HTTP {status}")
        try:
            said = read_answer(body)
        except (msgspec.DecodeError, KeyError, TypeError):
            pytest.skip(f"BEA answered {name} with something else than its JSON, {len(body)} bytes")
        self.answers.keep(f"{name}.json", said)
        if key is None and said.code in _NO_ANSWER:
            pytest.skip(f"BEA refused the key or locked it: error {said.code}")
        return said

    async def _get(self, parameters: dict[str, str], key: SecretStr) -> tuple[int, bytes]:
        problem = ""
        try:
            async with httpx.AsyncClient(base_url=self.url, transport=self.transport, timeout=_TIMEOUT) as http:
                answer = await http.get("/api/data", params={"UserID": key.get_secret_value(), **parameters})
                return answer.status_code, answer.content
        except httpx.HTTPError as failure:  # its request has the key
            problem = type(failure).__name__
        pytest.skip(f"BEA did not answer: {problem}")
