"""How much we may ask of BEA per minute, counted over every process that uses the same key on this machine.

BEA counts requests, bytes and errors per key in a minute and locks the key, perhaps for an hour, when it has had too
many. We count the same three in a sliding window and stay under: whatever the window allows goes out at once, the
rest waits. The count lives in a small file per key, named by a hash of it, so that a killed process forgets nothing.

Nobody says whether BEA counts a request when it comes, when it is answered, or in between. So two windows are kept: no
more requests than the budget *begin* in a minute, and no more than BEA's own limit, or the same share above a smaller
budget, can be *counted* in one, whenever that happens. Waiting for answers thus costs nothing of the budget, as long as
they take few seconds.

Processes need not agree on the time. The file has a time of its own, which every process takes further by what has
passed on its own clock since it looked last, and which never goes back. A process that comes new cannot tell how long
the file lay still from how far its clock is off: until another has written, it tells the others to count its requests
for that much longer. Machines that share a key share no file: give each a part of the budget.
"""

import asyncio
import fcntl
import hashlib
import math
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Self

import msgspec

from pce_pipeline.bea.errors import BeaRateLimited
from pce_pipeline.decoding import decoded_json

WINDOW_SECONDS = 60.0
MOST_REQUESTS = 100.0
"""BEA's own limit of requests in a minute."""
_ABOVE_BUDGET = 1.04  # how much of a smaller budget may be counted in a minute that fewer requests have begun in
_IN_FLIGHT_SECONDS = 120.0  # a request whose end nobody reported still counts this long beside its window
_LONGEST_NAP_SECONDS = 1.0  # other processes free the budget too: look again at least this often
_MOST_SKEW_SECONDS = 10.0  # a clock that is off by more says that nobody has asked for a while


class _Request(msgspec.Struct, array_like=True):
    """One request in the window: it can be counted until `expires_at`, and is failed until it is known to be well."""

    ticket: str
    """Which request of which budget it is."""
    expires_at: float
    """Until when BEA may count it, in the file's time."""
    size: int
    """Its bytes: those expected, then those that came."""
    failed: bool = True
    """Whether it counts as an error."""
    begun_until: float = math.inf
    """Until when it counts as one that began within a minute; a version before this one did not say."""
    unsure: float = 0.0
    """How much longer other budgets count it, because its own did not know the file's time better."""


class _State(msgspec.Struct):
    """What the file says."""

    requests: list[_Request] = []
    """The requests that count."""
    locked_until: float = 0.0
    """Until when BEA has locked the key, in the file's time."""
    now: float = 0.0
    """The file's time when it was written; 0 where it was never."""


_Held = tuple[float, float, _Request]
"""A request, after until when it can be counted and until when it counts as begun."""


class RequestBudget:
    """A minute's budget of requests, bytes and errors for one key.

    `state_directory` is a folder of this user (made if absent); None keeps the count in this process. `longest_wait`
    is how long a lock may last to be waited out. `clock` gives seconds since the epoch; only how they pass counts.
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
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._requests = requests_per_minute
        self._counted = max(requests_per_minute, min(MOST_REQUESTS, requests_per_minute * _ABOVE_BUDGET))
        self._bytes = bytes_per_minute
        self._errors = errors_per_minute
        self._longest_wait = longest_wait.total_seconds()
        self._clock = clock or _steady_clock()
        self._sleep = sleep
        self._memory = _State()
        self._looked: tuple[float, float] | None = None  # by the own clock, and the file's time then
        self._unsure = 0.0
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
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
                now = self._time_of(state)
                pause = self._pause(state, now, expected_bytes)
                if pause <= 0:
                    self._tickets += 1
                    ticket = f"{self._name}-{self._tickets}"
                    ends = now + WINDOW_SECONDS
                    state.requests.append(
                        _Request(
                            ticket,
                            ends + _IN_FLIGHT_SECONDS,
                            expected_bytes,
                            begun_until=ends,
                            unsure=self._unsure,
                        )
                    )
                    state.now = now
                    return ticket
            await self._sleep(min(pause, _LONGEST_NAP_SECONDS))

    def settle(self, ticket: str, actual_bytes: int, *, failed: bool) -> None:
        """Report how a request ended: BEA may count it for one window more, with what it really took."""
        with self._state() as state:
            now = self._time_of(state)
            for request in state.requests:
                if request.ticket == ticket:
                    request.expires_at = now + WINDOW_SECONDS
                    request.size = actual_bytes
                    request.failed = failed
                    state.now = now

    def lock_until(self, retry_at: datetime) -> None:
        """BEA has locked the key: no process on this machine asks before `retry_at`. A longer lock stays."""
        with self._state() as state:
            now = self._time_of(state)
            until = now + (retry_at.timestamp() - self._clock())
            if until > state.locked_until:
                state.locked_until, state.now = until, now

    def _time_of(self, state: _State) -> float:
        """The file's time now: not before it was written, and further by what has passed here since the last look.

        Without a file there is one clock alone.
        """
        own = self._clock()
        if self._path is None:
            return own
        if self._looked is None:
            since = own - state.now
            now = own if state.now == 0 else max(state.now, own - _MOST_SKEW_SECONDS)
            is_alone = state.now == 0 or since > WINDOW_SECONDS + _IN_FLIGHT_SECONDS + _MOST_SKEW_SECONDS
            self._unsure = 0.0 if is_alone else min(abs(since), _MOST_SKEW_SECONDS)
        else:
            before, then = self._looked
            passed = max(0.0, own - before)
            now = max(state.now, then + passed)
            if state.now > then + passed:
                self._unsure = min(self._unsure, passed)  # who wrote this has done so since the last look
        self._looked = own, now
        return now

    def _pause(self, state: _State, now: float, expected_bytes: int) -> float:
        """Seconds until a request of that size may go; zero if it may now."""
        locked_for = state.locked_until - now
        if locked_for > self._longest_wait:
            raise BeaRateLimited(datetime.fromtimestamp(self._clock() + locked_for, UTC))
        longest = WINDOW_SECONDS + _IN_FLIGHT_SECONDS  # what expires later was written by a clock set back since
        shifted = ((0.0 if each.ticket.startswith(self._name) else each.unsure, each) for each in state.requests)
        held = [
            (each.expires_at + later, min(each.begun_until, each.expires_at) + later, each)
            for later, each in shifted
            if now < each.expires_at + later and each.expires_at <= now + longest
        ]
        if len(held) < len(state.requests):
            state.requests = [request for *_, request in held]
        if locked_for > 0:
            return locked_for
        return max(self._until_counted(held, now, expected_bytes), self._until_begun(held, now))

    def _until_begun(self, held: list[_Held], now: float) -> float:
        """Seconds until fewer requests than the budget have begun within a minute."""
        too_many = sum(until > now for _, until, _ in held) + 1 - self._requests
        if too_many <= 0:
            return 0.0
        return sorted(until for _, until, _ in held if until > now)[math.ceil(too_many) - 1] - now

    def _until_counted(self, held: list[_Held], now: float, expected_bytes: int) -> float:
        """Seconds until a request more would be within what BEA may count in a minute, whenever it counts."""
        many = len(held) + 1
        size = sum(request.size for *_, request in held) + expected_bytes
        errors = sum(request.failed for *_, request in held) + 1
        pause = 0.0
        for until, _, request in sorted(held, key=itemgetter(0)):
            if many <= self._counted and size <= self._bytes and errors <= self._errors:
                break
            pause = until - now
            many -= 1
            size -= request.size
            errors -= request.failed
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


def _steady_clock() -> Callable[[], float]:
    """Seconds since the epoch as they were when this was called, going on evenly whatever is done to the clock."""
    began, steady = time.time(), time.monotonic()
    return lambda: began + time.monotonic() - steady
