"""What the look-alike remembers while it runs: its release, its faults, and what each key has sent.

Tests and the control endpoint change it through the methods here; the endpoints only ask it.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pce_pipeline.emulator.archive import archive
from pce_pipeline.emulator.faults import OF_FILES, OF_PUBLICATION, Fault, FaultKind, Limits, Target
from pce_pipeline.emulator.national import NationalPublication, publish_national
from pce_pipeline.emulator.publication import Publication, publish
from pce_pipeline.emulator.series import series_file
from pce_pipeline.emulator.vintages import VINTAGES, vintage

_WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class LoggedRequest:
    """One request as it came, without the key."""

    target: str
    """The method or endpoint."""
    parameters: dict[str, str]
    """Its parameters, by upper-case name."""


class StateView(msgspec.Struct, frozen=True):
    """The state as the control endpoint shows it."""

    release: int
    faults: tuple[Fault, ...]
    limits: Limits | None
    counts: dict[str, int]


@dataclass
class _Meter:
    """What one key has sent within the last minute."""

    sent: deque[tuple[float, int, bool]] = field(default_factory=deque)
    locked_until: float = -math.inf

    def exceeds(self, limits: Limits, now: float) -> bool:
        while self.sent and self.sent[0][0] <= now - _WINDOW_SECONDS:
            self.sent.popleft()
        totals = (len(self.sent), sum(size for _, size, _ in self.sent), sum(failed for *_, failed in self.sent))
        allowed = (limits.requests, limits.bytes, limits.errors)
        return any(limit is not None and total >= limit for total, limit in zip(totals, allowed, strict=True))


class Emulator:
    """The state of one look-alike.

    `release` is a number or a function asked at every request; `limits` None lets a key send what it likes;
    `requests_log` receives every request to the API, archives and calendar; `archives` are bytes to serve, by name,
    instead of rendered archives and files of series; `catalog` is the folder of datasets that a user adds to the
    packaged ones. Raises `LookupError` for a release the sample does not have.
    """

    def __init__(
        self,
        release: int | Callable[[], int],
        *,
        faults: Iterable[Fault] = (),
        limits: Limits | None = None,
        requests_log: list[LoggedRequest] | None = None,
        archives: Mapping[str, bytes] | None = None,
        catalog: Path | None = None,
        clock: Callable[[], float],
    ) -> None:
        self.requests: list[LoggedRequest] = [] if requests_log is None else requests_log
        self.counts: Counter[str] = Counter()
        self.limits = limits
        self.archives: dict[str, bytes] = dict(archives or {})
        self.catalog = catalog
        self._clock = clock
        self._meters: defaultdict[str, _Meter] = defaultdict(_Meter)
        self._release = release
        vintage(self.release)
        self.faults: tuple[Fault, ...] = ()
        self._met: list[int] = []
        self.set_faults(*faults)

    @property
    def release(self) -> int:
        return self._release() if callable(self._release) else self._release

    def set_release(self, number: int) -> None:
        """Publish another release; raises `LookupError` where the sample has none of that number."""
        self._release = vintage(number).number

    def set_faults(self, *faults: Fault) -> None:
        """Replace all faults; what calls they met before is forgotten."""
        self.faults = faults
        self._met = [0] * len(faults)

    @property
    def publication(self) -> Publication:
        return publish(self.release, self._faults_of(OF_PUBLICATION), self.catalog)

    def archive(self, name: str) -> bytes | None:
        """The archive of that name; None where there is none."""
        given = self.archives.get(name)
        return given if given is not None else archive(name, self.release, self._faults_of(OF_FILES), self.catalog)

    @property
    def national(self) -> NationalPublication:
        return publish_national(self.release, self._faults_of(OF_PUBLICATION))

    def series_file(self, name: str) -> bytes | None:
        """BEA's file of national series of that name; None where there is none."""
        given = self.archives.get(name)
        return given if given is not None else series_file(name, self.release, self._faults_of(OF_FILES))

    def _faults_of(self, kinds: AbstractSet[FaultKind]) -> frozenset[Fault]:
        return frozenset(fault for fault in self.faults if fault.kind in kinds)

    @property
    def view(self) -> StateView:
        return StateView(self.release, self.faults, self.limits, dict(self.counts))

    def record(self, target: str, parameters: dict[str, str]) -> None:
        self.counts[target] += 1
        shown = {name: value for name, value in parameters.items() if name != "USERID"}
        self.requests.append(LoggedRequest(target, shown))

    def meet(self, target: Target, table: str = "", line: int | None = None) -> dict[FaultKind, Fault]:
        """The faults that this call meets; each call met counts towards their `after` and `first`."""
        met: dict[FaultKind, Fault] = {}
        for index, fault in enumerate(self.faults):
            if fault.kind in OF_FILES or target not in fault.on or (table and not fault.concerns(table)):
                continue
            if fault.lines and line not in fault.lines:
                continue
            self._met[index] += 1
            past = self._met[index] - fault.after
            if past >= 1 and (fault.first is None or past <= fault.first):
                met.setdefault(fault.kind, fault)
        if FaultKind.RELEASE_CHANGES in met:
            self._move_on(met[FaultKind.RELEASE_CHANGES])
        return met

    def _move_on(self, done: Fault) -> None:
        """Publish the next release, once."""
        self._release = min(self.release + 1, VINTAGES[-1].number)
        index = self.faults.index(done)
        self.faults = self.faults[:index] + self.faults[index + 1 :]
        del self._met[index]

    def seconds_locked(self, key: str) -> int | None:
        """How many seconds this key must wait, None where it may send."""
        if self.limits is None:
            return None
        now, meter = self._clock(), self._meters[key]
        if now >= meter.locked_until and meter.exceeds(self.limits, now):
            meter.locked_until = now + self.limits.lock_seconds
        return math.ceil(meter.locked_until - now) if now < meter.locked_until else None

    def charge(self, key: str, size: int, *, failed: bool) -> None:
        """Count an answer of `size` bytes against the key."""
        if self.limits is not None:
            self._meters[key].sent.append((self._clock(), size, failed))
