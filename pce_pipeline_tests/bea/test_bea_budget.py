"""The budget stays under BEA's limits, uses what they allow, and outlives kills and other processes."""

import asyncio
import hashlib
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from pce_pipeline.bea.budget import RequestBudget
from pce_pipeline.bea.errors import BeaRateLimited

KEY = "12345678-aaaa-bbbb-cccc-1234567890ab"


class Clock:
    """Time that passes only while somebody sleeps, and not for ever."""

    def __init__(self):
        self.now = 1_800_000_000.0
        self.naps = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        self.naps.append(seconds)
        assert len(self.naps) < 10_000, "nobody waits that long"
        await asyncio.sleep(0)

    def budget(self, folder=None, **limits):
        return RequestBudget(key=KEY, state_directory=folder, clock=self, sleep=self.sleep, **limits)


async def ask(budget, clock, times, *, size=1000, takes=0.1, failed=False):
    """Ask one after the other; when each request went out."""
    moments = []
    for _ in range(times):
        ticket = await budget.acquire(size)
        moments.append(clock.now)
        await clock.sleep(takes)
        budget.settle(ticket, size, failed=failed)
    return moments


def most_in_a_minute(moments):
    return max(sum(start <= moment < start + 60 for moment in moments) for start in moments)


def test_a_full_pull_takes_three_windows_and_never_exceeds_one():
    clock = Clock()
    moments = asyncio.run(ask(clock.budget(requests_per_minute=95), clock, 295))
    assert moments[-1] - moments[0] < 3.6 * 60
    assert moments[94] - moments[0] < 10
    assert most_in_a_minute(moments) <= 95


def test_requests_at_once_share_the_budget():
    clock = Clock()
    budget = clock.budget(requests_per_minute=10)

    async def crowd():
        return sorted(
            moment for some in await asyncio.gather(*(ask(budget, clock, 5) for _ in range(6))) for moment in some
        )

    moments = asyncio.run(crowd())
    assert len(moments) == 30
    assert most_in_a_minute(moments) <= 10


def test_bytes_count_as_what_they_were():
    clock = Clock()
    budget = clock.budget(bytes_per_minute=10_000)
    moments = asyncio.run(ask(budget, clock, 25, size=1000))
    assert most_in_a_minute(moments) == 10

    async def expected_much_got_little():
        for _ in range(20):
            ticket = await budget.acquire(9000)
            budget.settle(ticket, 10, failed=False)

    clock.now += 1000
    before = clock.now
    asyncio.run(expected_much_got_little())
    assert clock.now == before


def test_one_answer_larger_than_the_limit_waits_for_an_empty_window_and_goes():
    clock = Clock()
    budget = clock.budget(bytes_per_minute=1000)
    small, large = asyncio.run(ask(budget, clock, 1, size=10)), asyncio.run(ask(budget, clock, 1, size=5000))
    assert 60 <= large[0] - small[0] < 63


def test_errors_slow_down_and_success_does_not():
    clock = Clock()
    budget = clock.budget(errors_per_minute=5)
    assert most_in_a_minute(asyncio.run(ask(budget, clock, 20, failed=True))) == 5
    clock.now += 1000
    before = clock.now
    asyncio.run(ask(budget, clock, 20))
    assert clock.now - before < 5


def test_requests_under_way_could_all_fail():
    clock = Clock()
    budget = clock.budget(errors_per_minute=5)

    async def launch():
        for _ in range(5):
            await budget.acquire(10)
        await asyncio.wait_for(budget.acquire(10), 5)

    before = clock.now
    asyncio.run(launch())
    assert clock.now - before > 60


def test_a_short_lock_is_waited_out_and_a_long_one_is_told():
    clock = Clock()
    budget = clock.budget(longest_wait=timedelta(seconds=120))
    start = clock.now
    budget.lock_until(budget.now() + timedelta(seconds=90))
    assert asyncio.run(ask(budget, clock, 1))[0] == pytest.approx(start + 90)
    retry_at = budget.now() + timedelta(hours=1)
    budget.lock_until(retry_at)
    budget.lock_until(budget.now() + timedelta(seconds=5))
    with pytest.raises(BeaRateLimited) as caught:
        asyncio.run(budget.acquire(1))
    assert caught.value.retry_at == retry_at
    assert not budget.waits_out(retry_at)


def test_budgets_of_one_key_share_their_state_and_other_keys_do_not(tmp_path):
    clock = Clock()
    one, same = clock.budget(tmp_path, requests_per_minute=4), clock.budget(tmp_path, requests_per_minute=4)
    other = RequestBudget(key="other", state_directory=tmp_path, requests_per_minute=4, clock=clock, sleep=clock.sleep)
    moments = asyncio.run(ask(one, clock, 4)) + asyncio.run(ask(same, clock, 4))
    assert most_in_a_minute(moments) == 4
    one.lock_until(one.now() + timedelta(hours=2))
    with pytest.raises(BeaRateLimited):
        asyncio.run(same.acquire(1))
    asyncio.run(other.acquire(1))


def test_no_file_and_no_name_holds_the_key(tmp_path):
    clock = Clock()
    asyncio.run(ask(clock.budget(tmp_path / "state"), clock, 3))
    files = list((tmp_path / "state").iterdir())
    assert len(files) == 2
    for file in files:
        assert KEY not in file.name
        assert KEY[:8].encode() not in file.read_bytes()


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b'{"requests": 5}', b"[]"])
def test_a_damaged_state_is_started_anew(tmp_path, damage):
    clock = Clock()
    budget = clock.budget(tmp_path, requests_per_minute=2)
    asyncio.run(ask(budget, clock, 1))
    (state,) = tmp_path.glob("*.json")
    state.write_bytes(damage)
    assert most_in_a_minute(asyncio.run(ask(budget, clock, 5))) == 2


def test_a_clock_set_back_does_not_lock_for_long(tmp_path):
    clock = Clock()
    budget = clock.budget(tmp_path, requests_per_minute=2)
    asyncio.run(ask(budget, clock, 2))
    clock.now -= 86_400
    before = clock.now
    asyncio.run(ask(budget, clock, 1))
    assert clock.now - before < 61


def waited(budget, clock, size=10):
    """How long the next request waits, to the microsecond."""
    before = clock.now
    asyncio.run(budget.acquire(size))
    return round(clock.now - before, 6)


def asked(budget, *, size=10, failed=False, settled=True):
    """One request that goes at once."""

    async def ask_now():
        ticket = await budget.acquire(size)
        if settled:
            budget.settle(ticket, size, failed=failed)

    asyncio.run(ask_now())


def test_a_request_counts_for_a_minute_from_its_end_and_for_two_more_while_nobody_reports_it():
    clock = Clock()
    budget = clock.budget(requests_per_minute=1)
    asked(budget)
    assert waited(budget, clock) == 60
    assert waited(budget, clock) == 180


def test_a_ticket_settles_its_own_request_alone():
    clock = Clock()
    budget = clock.budget(requests_per_minute=2)

    async def ask_twice_and_settle_once():
        ticket = await budget.acquire(10)
        await budget.acquire(10)
        budget.settle(ticket, 10, failed=False)

    asyncio.run(ask_twice_and_settle_once())
    assert waited(budget, clock) == 60
    assert waited(budget, clock) == 120


def test_naps_are_of_a_second_at_most_because_others_free_the_budget_too():
    clock = Clock()
    budget = clock.budget(requests_per_minute=1)
    asked(budget)
    clock.now += 57.5
    assert waited(budget, clock) == 2.5
    assert clock.naps == [1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("limits", "size", "failed", "fitting"),
    [
        ({"requests_per_minute": 3}, 10, False, 3),
        ({"bytes_per_minute": 100}, 25, False, 4),
        ({"bytes_per_minute": 99}, 25, False, 3),
        ({"errors_per_minute": 2}, 10, True, 2),
    ],
)
def test_exactly_what_a_limit_allows_goes_at_once(limits, size, failed, fitting):
    clock = Clock()
    budget = clock.budget(**limits)
    for _ in range(fitting):
        asked(budget, size=size, failed=failed)
    assert clock.naps == []
    assert waited(budget, clock, size) == 60


@pytest.mark.parametrize(
    ("limits", "size", "pause"),
    [
        ({"requests_per_minute": 2}, 10, 41),
        ({"errors_per_minute": 2}, 10, 41),
        ({"bytes_per_minute": 1000}, 380, 40),
        ({"bytes_per_minute": 1000}, 381, 41),
        ({"bytes_per_minute": 1000}, 691, 42),
    ],
)
def test_a_request_waits_until_as_many_before_it_have_left_as_it_takes(limits, size, pause):
    clock = Clock()
    whole = clock.budget()
    for _ in range(3):
        asked(whole, size=310, failed=True)
        clock.now += 1
    budget = clock.budget(**limits)
    budget._memory = whole._memory
    clock.now += 17
    assert waited(budget, clock, size) == pause


def test_a_nap_ends_when_as_many_have_left_as_it_takes():
    clock = Clock()
    whole = clock.budget()
    for _ in range(3):
        asked(whole)
        clock.now += 0.25
    budget = clock.budget(requests_per_minute=2)
    budget._memory = whole._memory
    clock.now += 59
    assert waited(budget, clock) == 0.5
    assert clock.naps == [0.5]


def test_whoever_leaves_first_makes_room_whatever_the_order_of_asking():
    clock = Clock()
    budget = clock.budget(requests_per_minute=2)
    asked(budget, settled=False)
    asked(budget)
    assert waited(budget, clock) == 60


def test_a_request_that_went_well_leaves_room_for_errors_and_one_settled_says_what_it_took():
    clock = Clock()
    budget = clock.budget(errors_per_minute=1, bytes_per_minute=100)

    async def ask_twice():
        ticket = await budget.acquire(90)
        budget.settle(ticket, 50, failed=False)
        await budget.acquire(50)

    asyncio.run(ask_twice())
    assert clock.naps == []


def test_a_lock_as_long_as_the_longest_wait_is_waited_out_and_a_longer_one_is_not():
    clock = Clock()
    budget = clock.budget()
    assert budget.waits_out(budget.now() + timedelta(seconds=120))
    assert not budget.waits_out(budget.now() + timedelta(seconds=120, microseconds=100))
    budget.lock_until(budget.now() + timedelta(seconds=120))
    assert waited(budget, clock) == 120
    budget.lock_until(budget.now() + timedelta(seconds=120, microseconds=100))
    with pytest.raises(BeaRateLimited):
        waited(budget, clock)


def test_a_short_lock_is_waited_out_to_its_end():
    clock = Clock()
    budget = clock.budget()
    budget.lock_until(budget.now() + timedelta(seconds=0.5))
    assert waited(budget, clock) == 0.5


@pytest.mark.parametrize("ago", [0, 0.5])
def test_the_end_of_a_lock_makes_no_room(ago):
    clock = Clock()
    budget = clock.budget(requests_per_minute=1)
    asked(budget)
    budget.lock_until(budget.now())
    clock.now += ago
    assert waited(budget, clock) == 60 - ago


def test_a_clock_set_back_by_a_second_forgets_what_would_count_longer_than_anything_can():
    clock = Clock()
    budget = clock.budget(requests_per_minute=1)
    asked(budget, settled=False)
    clock.now -= 1
    assert waited(budget, clock) == 0


def test_the_state_is_for_this_user_alone_and_named_by_a_hash_of_the_key(tmp_path):
    folder = tmp_path / "not" / "there"
    clock = Clock()
    asked(clock.budget(folder))
    asked(clock.budget(folder))
    name = f"bea-budget-{hashlib.sha256(KEY.encode()).hexdigest()[:16]}"
    assert {file.name for file in folder.iterdir()} == {f"{name}.json", f"{name}.lock"}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / f"{name}.lock")] == [0o700, 0o600]


def test_a_state_that_did_not_change_is_not_written_again(tmp_path):
    budget = Clock().budget(tmp_path)
    asked(budget)
    (state,) = tmp_path.glob("*.json")
    before = state.stat().st_ino
    budget.lock_until(datetime(1970, 1, 1, tzinfo=UTC))
    assert state.stat().st_ino == before
    budget.lock_until(budget.now())
    assert state.stat().st_ino != before


CROWD = """
import asyncio, sys
from pathlib import Path
from pce_pipeline.bea.budget import RequestBudget
async def ask():
    budget = RequestBudget(key="shared", state_directory=Path(sys.argv[1]), requests_per_minute=60)
    for _ in range(int(sys.argv[2])):
        ticket = await budget.acquire(10)
        print("asked", flush=True)
        if sys.argv[3] == "settle":
            budget.settle(ticket, 10, failed=False)
    if sys.argv[3] == "hang":
        await asyncio.sleep(60)
asyncio.run(ask())
"""


def test_processes_share_one_budget_and_a_killed_one_is_remembered(tmp_path):
    def start(times, how):
        command = [sys.executable, "-c", CROWD, str(tmp_path), str(times), how]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    crowd = [start(20, "settle"), start(20, "settle")]
    assert [process.communicate(timeout=30)[0].count("asked") for process in crowd] == [20, 20]
    hanging = start(15, "hang")
    assert hanging.stdout is not None
    assert [hanging.stdout.readline() for _ in range(15)] == ["asked\n"] * 15
    os.kill(hanging.pid, signal.SIGKILL)
    hanging.communicate()

    async def asked_in_a_moment():
        budget = RequestBudget(key="shared", state_directory=tmp_path, requests_per_minute=60)
        count = 0
        try:
            async with asyncio.timeout(0.5):
                while True:
                    await budget.acquire(10)
                    count += 1
        except TimeoutError:
            return count

    assert asyncio.run(asked_in_a_moment()) == 5


def test_an_unlimited_budget_still_minds_a_lock():
    budget = RequestBudget.unlimited()
    asyncio.run(budget.acquire(10**12))
    budget.lock_until(datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(BeaRateLimited):
        asyncio.run(budget.acquire(1))
