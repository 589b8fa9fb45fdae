"""32 publishers of one table at the same moment: one wins each race, or all end in the union; nothing is lost.

A gate before the pointer lets nobody swap it until all of them have read it, so that they really race.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from pce_pipeline.lake.errors import LostRace
from pce_pipeline.lake.pointer import NewPartition
from pce_pipeline.lake.publication import TableStore
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.faults.scorecard import Part, Trial, part_of
from pce_pipeline_tests.lake.observed_backend import ObservedBackend
from pce_pipeline_tests.servers import S3

PUBLISHERS = 32
_PREFIX = "local/silver/sample/raced"
_PATIENCE_SECONDS = 60.0


def partition(year: int, value: int) -> NewPartition:
    """A year of the table, of one file and one figure."""
    frame = pl.DataFrame({"year": [year], "value": [value]})
    return NewPartition(str(year), {f"year={year}/part-000.parquet": frame}, {"bronze": str(value)}, "1")


def table(store: Store) -> TableStore:
    """The table that is raced for."""
    return TableStore(store, _PREFIX, "silver/raced")


def raced(store: Store, new: Callable[[int], NewPartition]) -> list[bool]:
    """All publishers at once, each with its partition; whether each published, or lost the race."""
    at_the_pointer = threading.Barrier(PUBLISHERS)

    def publish(number: int) -> bool:
        first = True

        def together(_operation: str, key: str) -> None:
            nonlocal first
            if key.endswith("_latest.json") and first:
                first = False
                at_the_pointer.wait(_PATIENCE_SECONDS)

        own = Store(ObservedBackend(store.backend, interject=together))
        try:
            table(own).publish([new(number)], run_id=f"run {number}")
        except LostRace:
            return False
        return True

    with ThreadPoolExecutor(PUBLISHERS) as threads:
        return list(threads.map(publish, range(PUBLISHERS)))


def for_one_partition(store: Store) -> str | None:
    """All publish other figures of one year; what is wrong with the end, if anything."""
    table(store).publish([partition(2020, -1), partition(2021, -1)], run_id="before")
    won = raced(store, lambda number: partition(2021, number))
    if won.count(True) != 1:
        return f"{won.count(True)} of {PUBLISHERS} won"
    return _wrong(store, {2020: -1, 2021: won.index(True)})


def for_one_pointer(store: Store) -> str | None:
    """Each publishes a year of its own; what is wrong with the end, if anything."""
    table(store).publish([partition(1999, -1)], run_id="before")
    won = raced(store, lambda number: partition(2000 + number, number))
    if not all(won):
        return f"{won.count(False)} of {PUBLISHERS} lost a race that nobody was in"
    return _wrong(store, {1999: -1, **{2000 + number: number for number in range(PUBLISHERS)}})


def _wrong(store: Store, expected: dict[int, int]) -> str | None:
    held = dict(table(store).read().sort("year").iter_rows())
    if held != expected:
        return f"the table holds {held}, not {expected}"
    fixed = {
        int(row[0]): int(row[1])
        for info in store.list(_PREFIX)
        if "/year=" in info.key and info.key.endswith(".parquet") and "/_versions/" not in info.key
        for row in pl.read_parquet(store.get(info.key)).iter_rows()
    }
    damages = table(store).verify()
    return f"the fixed keys hold {fixed}" if fixed != expected else f"{damages[0]}" if damages else None


_RACES = {"for one partition": for_one_partition, "each for its own partition": for_one_pointer}


def trials(folder: Path, rounds: int, s3: S3 | None = None) -> Iterator[Trial]:
    """So many rounds of each race in directories and, where there is a server, half as many on S3."""
    for name, race in _RACES.items():
        for number in range(rounds):
            yield Trial(f"{name}, in a directory", race(open_store(folder / f"{name} {number}")), said="rounds")
        for number in range(rounds // 2 if s3 else 0):
            assert s3 is not None
            uri = f"s3://{s3.bucket}/races/{folder.name}/{name.replace(' ', '-').replace(',', '')}-{number}"
            store = open_store(uri, endpoint_url=s3.endpoint_url, session=s3.session())
            yield Trial(f"{name}, on S3", race(store), said="rounds")


def races(folder: Path, rounds: int, s3: S3 | None = None) -> Part:
    """All rounds of all races."""
    return part_of(
        f"race of {PUBLISHERS} publishers of one table",
        "All have read the pointer before the first swaps it. Of those that publish one partition, exactly one wins "
        "and the others are told so; those of partitions of their own all end in the table. Every byte is as recorded.",
        trials(folder, rounds, s3),
    )
