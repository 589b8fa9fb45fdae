"""How much we may ask of BEA per minute, counted over every process that uses the same key on this machine.

BEA counts requests, bytes and errors per key in a minute and locks the key, perhaps for an hour, when it has had too
many. We count the same three in a sliding window and stay under: whatever the window allows goes out at once, the
rest waits. The count lives in a small file per key, named by a hash of it, so that a killed process forgets nothing.
"""

import asyncio
import fcntl
import hashlib
import math
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import msgspec

from pce_pipeline.bea.errors import BeaRateLimited
from pce_pipeline.decoding import decoded_json

WINDOW_SECONDS = 60.0
_IN_FLIGHT_SECONDS = 120.0  # a request whose end nobody reported still counts this long beside its window
_LONGEST_NAP_SECONDS = 1.0  # other processes free the budget too: look again at least this often


class _Request(msgspec.Struct, array_like=True):
    """One request in the window: it counts until `expires_at`, and as failed until it is known to have gone well."""

    ticket: str
    expires_at: float
    size: int
    failed: bool = True


class _State(msgspec.Struct):
    requests: list[_Request] = []
    locked_until: float = 0.0


class RequestBudget:
    """A minute's budget of requests, bytes and errors for one key.

    `state_directory` is a folder of this user (made if absent); None keeps the count in this process. `longest_wait`
    is how long a lock may last to be waited out. `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        *,
        key: str = "",
        state_directory: Path | None = None,
        requests_per_minute: float = math.inf,
        bytes_per_minute: float = math.inf,
        errors_per_minute: float = math.inf,
        longest_wait: timedelta = timedelta(seconds=120),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._requests = requests_per_minute
        self._bytes = bytes_per_minute
        self._errors = errors_per_minute
        self._longest_wait = longest_wait.total_seconds()
        self._clock = clock
        self._sleep = sleep
        self._memory = _State()
        self._tickets = 0
        name = f"bea-budget-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        self._path = state_directory / f"{name}.json" if state_directory is not None else None

    @classmethod
    def unlimited(cls) -> Self:
        """A budget that only remembers locks: for BEA's look-alike, and for requests without a key."""
        return cls()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def waits_out(self, retry_at: datetime) -> bool:
        """Whether a lock until then is short enough to wait for."""
        return retry_at.timestamp() - self._clock() <= self._longest_wait

    async def acquire(self, expected_bytes: int) -> str:
        """Wait until one more request of about that size fits, count it, and return its ticket for `settle`.

        Raises `BeaRateLimited` where the key is locked for longer than `longest_wait`.
        """
        while True:
            with self._state() as state:
                pause = self._pause(state, expected_bytes)
                if pause <= 0:
                    self._tickets += 1
                    ticket = f"{os.getpid()}-{id(self):x}-{self._tickets}"
                    expires_at = self._clock() + WINDOW_SECONDS + _IN_FLIGHT_SECONDS
                    state.requests.append(_Request(ticket, expires_at, expected_bytes))
                    return ticket
            await self._sleep(min(pause, _LONGEST_NAP_SECONDS))

    def settle(self, ticket: str, actual_bytes: int, *, failed: bool) -> None:
        """Report how a request ended: from now it counts for one window more, with what it really took.

        Counting from the end keeps us right whether BEA counts a request when it comes or when it is answered.
        """
        with self._state() as state:
            for request in state.requests:
                if request.ticket == ticket:
                    request.expires_at = self._clock() + WINDOW_SECONDS
                    request.size = actual_bytes
                    request.failed = failed

    def lock_until(self, retry_at: datetime) -> None:
        """BEA has locked the key: no process on this machine asks before `retry_at`. A longer lock stays."""
        with self._state() as state:
            state.locked_until = max(state.locked_until, retry_at.timestamp())

    def _pause(self, state: _State, expected_bytes: int) -> float:
        """Seconds until a request of that size may go; zero if it may now."""
        now = self._clock()
        locked_for = state.locked_until - now
        if locked_for > self._longest_wait:
            raise BeaRateLimited(datetime.fromtimestamp(state.locked_until, UTC))
        longest = WINDOW_SECONDS + _IN_FLIGHT_SECONDS  # what expires later was written by a clock set back since
        state.requests = sorted(
            (request for request in state.requests if now < request.expires_at <= now + longest),
            key=lambda request: request.expires_at,
        )
        if locked_for > 0:
            return locked_for
        requests = len(state.requests) + 1
        size = sum(request.size for request in state.requests) + expected_bytes
        errors = sum(request.failed for request in state.requests) + 1
        pause = 0.0
        for expiring in state.requests:
            if requests <= self._requests and size <= self._bytes and errors <= self._errors:
                break
            pause = expiring.expires_at - now
            requests -= 1
            size -= expiring.size
            errors -= expiring.failed
        return pause

    @contextmanager
    def _state(self) -> Iterator[_State]:
        """The shared state, written back when it changed; held alone among processes for that moment.

        The lock lies on a file of its own and the state is replaced whole, so that a kill at any point leaves the
        state of before or after. A state nobody can read counts as empty: the worst that follows is one refusal.
        """
        if self._path is None:
            yield self._memory
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                before = self._path.read_bytes()
                state = decoded_json(before, _State)
            except (FileNotFoundError, msgspec.DecodeError):
                before, state = b"", _State()
            yield state
            after = msgspec.json.encode(state)
            if after != before:
                fresh = self._path.with_suffix(".new")
                fresh.write_bytes(after)
                fresh.replace(self._path)
        finally:
            os.close(lock)
