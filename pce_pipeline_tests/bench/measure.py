"""How long a piece of work takes and how much memory it needs at its peak.

Where the kernel lets a process reset its high-water mark (Linux), the peak is that of the first run alone; elsewhere
it is that of the process so far. Both hold everything resident: interpreter, libraries, input.
"""

import re
import resource
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

MOST_RUNS = 3
ENOUGH_SECONDS = 2.0

Facts = dict[str, Any]
"""What a look at a result says of it; both ways must say the same."""

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"

Place = TypeVar("Place")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured:
    """The fastest of `runs`: seconds on the clock and of this process's CPU; `peak_bytes` is that of the first run."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    runs: int


def measure(
    work: Callable[[Place], Result],
    *,
    place: Callable[[], AbstractContextManager[Place]],
    look: Callable[[Place, Result], Facts],
    most_runs: int = MOST_RUNS,
) -> tuple[Measured, Facts]:
    """Run the work up to `most_runs` times, each in a new place, until `ENOUGH_SECONDS` were spent on it.

    Making the place and looking at the first result take no measured time; what was seen there is returned.
    """
    spent: list[tuple[float, float]] = []
    peak = 0
    seen: Facts = {}
    while not spent or (len(spent) < most_runs and sum(seconds for seconds, _ in spent) < ENOUGH_SECONDS):
        with place() as where:
            if not spent:
                reset_peak()
            cpu, clock = time.process_time(), time.perf_counter()
            result = work(where)
            spent.append((time.perf_counter() - clock, time.process_time() - cpu))
            if len(spent) == 1:
                peak = peak_bytes()
                seen = look(where, result)
            del result
    seconds, cpu_seconds = min(spent)
    return Measured(seconds, cpu_seconds, peak, len(spent)), seen


def reset_peak() -> None:
    """Let the peak begin anew, where the kernel can."""
    if can_reset_peak():
        _CLEAR.write_text(_RESET_PEAK, "ascii")


def can_reset_peak() -> bool:
    """Whether peaks are those of a run alone."""
    try:
        _CLEAR.write_text(_RESET_PEAK, "ascii")
    except OSError:
        return False
    return True


def peak_bytes() -> int:
    """The most that was resident at a time since the last reset."""
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text("ascii"))):
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
