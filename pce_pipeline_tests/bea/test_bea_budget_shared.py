"""Two processes with one key and clocks that disagree use the budget up and stay below BEA's limits, call by call."""

import heapq
import itertools
import random
from bisect import bisect_left
from collections.abc import Coroutine, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pce_pipeline.bea.budget import RequestBudget

LIMIT, SET = 100, 95
ERRORS = 30
MEGABYTES = 100


@dataclass
class Nap:
    """What a coroutine waits for."""

    seconds: float

    def __await__(self) -> Generator["Nap"]:
        yield self


@dataclass
class World:
    """The one true time, in which coroutines sleep and go on in order."""

    now: float = 1_800_000_000.0
    _due: list[tuple[float, int, Coroutine[Nap, None, None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def start(self, work: Coroutine[Nap, None, None], after: float = 0.0) -> None:
        heapq.heappush(self._due, (self.now + after, next(self._numbers), work))

    def run(self) -> None:
        while self._due:
            self.now, _, work = heapq.heappop(self._due)
            try:
                nap = work.send(None)
            except StopIteration:
                continue
            self.start(work, nap.seconds)


@dataclass(frozen=True)
class Call:
    """One request as BEA sees it, in true time."""

    begins: float
    ends: float
    counted_at: float
    size: int
    failed: bool


class Calls:
    """What is still to be asked by all processes together, and what was."""

    def __init__(self, world: World, chance: random.Random, *, slowest: float, calls: int) -> None:
        self.world = world
        self.chance = chance
        self.slowest = slowest
        self.left = calls
        self.made: list[Call] = []

    async def worker(self, budget: RequestBudget) -> None:
        while self.left:
            self.left -= 1
            ticket = await budget.acquire(260_000)
            begins, takes = self.world.now, self.chance.uniform(0.1, self.slowest)
            size, failed = self.chance.randrange(200_000, 300_000), self.chance.random() < 0.02
            await Nap(takes)
            budget.settle(ticket, size, failed=failed)
            counted = self.chance.uniform(begins, self.world.now)
            self.made.append(Call(begins, self.world.now, counted, size, failed))


def process(world: World, folder: Path, off_by: float) -> RequestBudget:
    """A budget as a process of its own has it, whose clock is off by so many seconds."""
    return RequestBudget(
        key="shared",
        state_directory=folder,
        requests_per_minute=SET,
        bytes_per_minute=95e6,
        errors_per_minute=25,
        clock=lambda: world.now + off_by,
        sleep=Nap,
    )


def most_in_a_minute(moments: list[float], weights: list[float] | None = None) -> float:
    """The most of what is counted at these moments in any minute, wherever it begins."""
    order = sorted(range(len(moments)), key=moments.__getitem__)
    times = [moments[each] for each in order]
    sums = [0.0, *itertools.accumulate(1.0 if weights is None else weights[each] for each in order)]
    return max(sums[place + 1] - sums[bisect_left(times, moment - 60 + 1e-6)] for place, moment in enumerate(times))


@pytest.mark.parametrize(
    ("skew", "joins_after", "many"),
    [
        pytest.param(4.0, 0.0, 10_000, id="ten thousand calls", marks=pytest.mark.long),
        pytest.param(4.0, 0.0, 1_000, id="one is ahead from the beginning"),
        pytest.param(-4.0, 31.0, 600, id="the second comes later and is behind"),
        pytest.param(9.0, 40.5, 600, id="the second is far ahead"),
    ],
)
def test_two_processes_use_the_budget_and_never_more_than_bea_allows(
    tmp_path: Path, skew: float, joins_after: float, many: int
) -> None:
    world = World()
    calls = Calls(world, random.Random(7), slowest=3.0, calls=many)
    first, second = process(world, tmp_path, 0.0), process(world, tmp_path, skew)
    for _ in range(4):
        world.start(calls.worker(first))
        world.start(calls.worker(second), joins_after)
    began = world.now
    world.run()
    made = calls.made
    assert len(made) == many
    for moments in ([each.begins for each in made], [each.ends for each in made], [each.counted_at for each in made]):
        assert most_in_a_minute(moments) <= LIMIT
        assert most_in_a_minute(moments, [each.size / 1e6 for each in made]) <= MEGABYTES
    assert most_in_a_minute([each.ends for each in made if each.failed]) <= ERRORS
    assert len(made) / (max(each.begins for each in made) - began) * 60 >= 0.97 * SET


@pytest.mark.parametrize(("skew", "still"), [(-20.0, 0.0), (-3.0, 5.0), (2.0, 50.0), (8.0, 5.0)])
def test_one_who_comes_when_another_is_silent_takes_its_requests_for_no_older_than_they_are(
    tmp_path: Path, skew: float, still: float
) -> None:
    world = World()
    calls = Calls(world, random.Random(1), slowest=0.2, calls=3 * SET)
    first, second = process(world, tmp_path, 0.0), process(world, tmp_path, skew)
    for budget, after in ((first, 0.0), (second, 30.0 + still), (first, 70.0 + still)):
        world.start(calls.worker(budget), after)

    async def until_the_window_is_full() -> None:
        for _ in range(SET):
            ticket = await first.acquire(1000)
            calls.made.append(Call(world.now, world.now, world.now, 1000, failed=False))
            first.settle(ticket, 1000, failed=False)

    world.start(until_the_window_is_full())
    world.run()
    assert most_in_a_minute([each.begins for each in calls.made]) <= LIMIT
