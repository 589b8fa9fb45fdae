"""Whether BEA's sources say the same of the releases that are held: what is compared with what, and what comes of it.

Each table's newest figures are compared with what BEA says by its other way now, with kept extracts of the same release
from elsewhere, and with the tables that repeat them. Nothing is written, and nothing is chosen: a difference is told.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal
from urllib.parse import urlencode

import polars as pl

from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.errors import BeaError
from pce_pipeline.bronze.agreement import (
    DIFFERENT,
    MISSING,
    Candidate,
    Repeat,
    Tally,
    compared,
    repeated,
    repeats,
    stated,
)
from pce_pipeline.bronze.asking import Asked, ask_api, ask_files, release_in
from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.counting import Vintage, dropped, verdict_of
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.manifest import DERIVED, ObjectEntry
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.observability import progress
from pce_pipeline.silver.errors import SilverRefused

How = Literal["asked", "kept", "repeated"]

WAYS: Mapping[str, str] = {"api": "the API", "sample": "the sample's API", "bulk": "the keyless file"}
"""What the ways of asking are called in sentences, by the origin of what they bring."""


@dataclass(frozen=True)
class Side:
    """One of two that are compared."""

    origin: str
    """The way it came: `api`, `bulk`, `file` or `sample`."""
    table: str
    """BEA's table."""
    release: date | None
    """The release it is of; None where it does not say."""
    extract: str | None
    """The extract that has it; None for what BEA was asked now."""
    objects: Sequence[tuple[str, ObjectEntry]]
    """The objects that have the table, each with its key in the lake, which is empty for what was asked now."""

    def __str__(self) -> str:
        what = f"extract {self.extract} ({self.origin})" if self.extract else f"{WAYS[self.origin]}, asked now"
        return f"{what} of {self.release}" if self.release else what

    def address(self, line: int) -> str:
        """Where a line of it can be looked up: BEA's address without any key, and where it lies in the lake."""
        of_line = [each for each in self.objects if each[1].line == line] or [*self.objects]
        key, entry = of_line[-1]
        is_of_api = "method" in entry.parameters
        url = f"{entry.endpoint}?{urlencode(sorted(entry.parameters.items()))}" if is_of_api else entry.endpoint
        return " = ".join(part for part in (url if "://" in url else "", key) if part)


@dataclass(frozen=True)
class Comparison:
    """Two sides of a table, and what came of comparing them."""

    dataset: str
    """The dataset."""
    table: str
    """The table of it that was looked at."""
    how: How
    """Whether BEA was asked now, another extract is kept, or another table repeats the figures."""
    one: Side
    """The table's newest figures."""
    other: Side | None
    """What they were compared with; None where there is nothing."""
    cells: pl.DataFrame | None = None
    """The cells as `bronze.agreement` has them; None where nothing was compared."""
    measure: str | None = None
    """The measure that is repeated; None where whole tables are compared."""
    lines: tuple[int, int] | None = None
    """How many lines of how many were compared, where not all were asked for."""
    why_not: str = ""
    """Why nothing was compared."""
    failed: bool = False
    """Whether that is because something went wrong."""

    @property
    def tally(self) -> Tally:
        """How many cells were compared, and what became of them."""
        return Tally(0, 0, 0, 0) if self.cells is None else Tally.of(self.cells)

    @property
    def differing(self) -> pl.DataFrame:
        """The cells that differ, in order."""
        if self.cells is None:
            return pl.DataFrame()
        return self.cells.filter(pl.col("agreement").is_in([DIFFERENT, MISSING]))


@dataclass(frozen=True)
class Bea:
    """How BEA can be asked."""

    client: Callable[[], BeaClient]
    """How a client is made."""
    api: Literal["api", "sample"] | None
    """What an answer of the API says it came from; None where there is no key to ask it with."""
    turn: int
    """A number that is another one each time: it chooses the lines that are asked of the API."""


def compare_sources(held: Mapping[str, Current], chosen: Collection[str], bea: Bea) -> list[Comparison]:
    """All that can be compared of the chosen datasets, and of each table what could not be, with the reason.

    `held` has all datasets, because tables of one repeat figures of others. An answer that does not come, or cannot be
    read, is a comparison that failed; raises `DamagedObject` for Bronze that cannot be trusted.
    """
    read = _Read(held)
    found: list[Comparison] = []
    for name in chosen:
        progress.stage(f"comparing {name} with its other source")
        found += _Sources(held[name], read, bea).compared()
    progress.stage("comparing tables that repeat figures of others")
    for repeat in repeats({name: now.dataset for name, now in held.items()}):
        if repeat.dataset in chosen or repeat.source in chosen:
            found += _repeated(held[repeat.dataset], held[repeat.source], read, repeat)
    return found


class _Read:
    """What extracts say, read once."""

    def __init__(self, held: Mapping[str, Current]) -> None:
        self._held = held
        self._stated: dict[tuple[str, str, tuple[ExtractId, ...]], pl.DataFrame] = {}

    def stated(self, dataset: str, table: str, extracts: tuple[ExtractId, ...]) -> pl.DataFrame:
        """What extracts that lie over one another say of a table."""
        key = dataset, table, extracts
        if key not in self._stated:
            now = self._held[dataset]
            content = read_extracts(now.bronze, {table: extracts}, now.manifests, now.dataset, tolerate_unknown=True)
            self._stated[key] = stated(content, now.dataset, table)
        return self._stated[key]


class _Sources:
    """The newest figures of a dataset, and what else says them."""

    def __init__(self, now: Current, read: _Read, bea: Bea) -> None:
        self._now = now
        self._name = now.dataset.name
        self._read = read
        self._bea = bea
        self._answers: dict[str, Asked | BeaError] = {}

    def compared(self) -> Iterator[Comparison]:
        for table, vintage in _newest(self._now).items():
            base = vintage.base.extract
            one = _side(self._now, base, table)
            asked = self._asked(one, base)
            yield asked
            answered = asked.other.origin if asked.cells is not None and asked.other is not None else None
            for extract, other in self._kept(one, base):
                # what BEA says now by a way stands for what it said by it then: it may have changed its figures since
                if other.origin != answered:
                    yield self._with_kept(one, base, other, extract)

    def _asked(self, one: Side, base: ExtractId) -> Comparison:
        """The newest figures of a table beside what BEA says of it now by its other way."""
        table = one.table

        def not_compared(why: str, other: Side | None = None, *, failed: bool = False) -> Comparison:
            return Comparison(self._name, table, "asked", one, other, why_not=why, failed=failed)

        way = self._bea.api if one.origin == "bulk" else "bulk"
        if way is None:
            return not_compared("the API cannot be asked without a key (BEA_API_KEY)")
        answer = self._answer(way)
        if isinstance(answer, BeaError):
            return not_compared(f"{WAYS[way]} could not be asked: {answer}", failed=True)
        if table not in answer.content.tables:
            return not_compared(f"{WAYS[way]} has no {table} now")
        objects = [("", each) for each in answer.objects if table in each.tables]
        other = Side(way, table, answer.release(table), None, objects)
        if apart := _apart(one, other):
            return not_compared(apart, other)
        mine = self._read.stated(self._name, table, (base,))
        try:
            theirs = stated(answer.content, self._now.dataset, table)
        except SilverRefused as refused:
            return not_compared(f"what {WAYS[way]} says means something else: {refused}", other, failed=True)
        cells = compared(mine, theirs, optional=self._optional(base))
        if cells.is_empty():
            return not_compared(f"{WAYS[way]} has other cells of it", other)
        counts = theirs["line_code"].n_unique(), mine["line_code"].n_unique()
        lines = counts if counts[0] < counts[1] else None
        return Comparison(self._name, table, "asked", one, other, cells, lines=lines)

    def _answer(self, way: Literal["api", "sample", "bulk"]) -> Asked | BeaError:
        """What BEA says of the dataset by a way: asked once, whatever comes."""
        if way not in self._answers:
            client, dataset = self._bea.client, self._now.dataset
            try:
                files = way == "bulk"
                self._answers[way] = (
                    ask_files(client, dataset) if files else ask_api(client, dataset, way, self._bea.turn)
                )
            except BeaError as problem:
                self._answers[way] = problem
        return self._answers[way]

    def _kept(self, one: Side, base: ExtractId) -> Iterator[tuple[ExtractId, Side]]:
        """The kept extracts of the same release of a table that came from elsewhere: by another way, or as a file."""
        now, table, left_out = self._now, one.table, {base, *dropped(self._now.decisions)}
        for extract, manifest in sorted(now.manifests.items()):
            if table not in manifest.tables or extract in left_out or manifest.origin == DERIVED:
                continue
            if manifest.is_live and manifest.origin == one.origin:
                continue
            other = _side(now, extract, table)
            usable = verdict_of(now.manifests, now.decisions, extract, table).usable
            if usable and other.release is not None and other.release == one.release:
                yield extract, other

    def _with_kept(self, one: Side, base: ExtractId, other: Side, extract: ExtractId) -> Comparison:
        mine, theirs = (self._read.stated(self._name, one.table, (each,)) for each in (base, extract))
        cells = compared(mine, theirs, optional=self._optional(base, extract))
        if cells.is_empty():
            return Comparison(self._name, one.table, "kept", one, other, why_not=f"{other} has other cells of it")
        return Comparison(self._name, one.table, "kept", one, other, cells)

    def _optional(self, *extracts: ExtractId) -> pl.DataFrame | None:
        """The cells that nobody misses; None where not all of the extracts are whole answers of BEA."""
        is_whole = all(self._now.manifests[each].is_live for each in extracts)
        return self._now.dataset.cells_at_times if is_whole else None


def _apart(one: Side, asked: Side) -> str | None:
    """Why what BEA was asked now is not known to be of the release of an extract; None where it is of it."""
    way = WAYS[asked.origin]
    if one.release is None or asked.release is None:
        return f"{one if one.release is None else way} does not say which release it is of"
    if asked.release > one.release:
        return f"There is a newer release: {way} is of {asked.release}; take it with `pce run`"
    if asked.release < one.release:
        return f"{way} is still of {asked.release}: the release is not there yet"
    return None


def _newest(now: Current) -> dict[str, Vintage]:
    """What BEA was last seen to publish of each table, whatever is pinned."""
    return {table: source.newest for table, source in now.unpinned.items() if table in now.dataset.tables}


def _side(now: Current, extract: ExtractId, table: str) -> Side:
    """What an extract holds of a table, as one of two that are compared."""
    manifest = now.manifests[extract]
    objects = [(now.bronze.key_of(extract, each.key), each) for each in manifest.objects if table in each.tables]
    release = release_in(table, manifest.tables[table].last_updated, manifest.objects)
    own_day = None if manifest.is_live else extract.day
    return Side(manifest.origin, table, release or own_day, str(extract), objects)


def _repeated(repeating: Current, source: Current, read: _Read, repeat: Repeat) -> Iterator[Comparison]:
    """What a table repeats, by measure, beside the release of the other table that it comes from."""
    newest = _newest(repeating).get(repeat.table)
    if newest is None:
        return
    one = _side(repeating, newest.base.extract, repeat.table)
    nearest = list(_nearest(source, repeat.source_table, one.release))
    candidates = [
        Candidate(
            number,
            other.release is not None and other.release == one.release,
            read.stated(repeat.source, repeat.source_table, vintage.extracts),
        )
        for number, (vintage, other) in enumerate(nearest)
    ]
    mine = read.stated(repeat.dataset, repeat.table, newest.extracts) if candidates else None
    found = {} if mine is None else repeated(mine, candidates, repeat)
    for measure in repeat.lines["measure"].unique(maintain_order=True):
        if measure in found:
            number, cells = found[measure]
            yield Comparison(repeat.dataset, repeat.table, "repeated", one, nearest[number][1], cells, measure)
        else:
            days = " and ".join(str(other.release) for _, other in nearest)
            held = f"that is held ({days}) is the one" if nearest else "is held"
            why = f"no release of {repeat.source_table} {held} that its {measure} is of"
            yield Comparison(repeat.dataset, repeat.table, "repeated", one, None, measure=measure, why_not=why)


def _nearest(source: Current, table: str, day: date | None) -> Iterator[tuple[Vintage, Side]]:
    """The vintages of a table that are of a day, else the last one before it and the first one after it."""
    if day is None:
        return
    all_of_it = [(vintage, _side(source, vintage.base.extract, table)) for vintage in source.vintages(table)]
    dated = [(other.release, vintage, other) for vintage, other in all_of_it if other.release is not None]
    same, before, after = (
        [each for each in dated if each[0] == day],
        sorted((each for each in dated if each[0] < day), key=lambda each: (each[0], each[1].at)),
        sorted((each for each in dated if each[0] > day), key=lambda each: (each[0], each[1].at)),
    )
    # of several with one release the newest is what BEA said last
    first_after = [each for each in after if each[0] == after[0][0]][-1:]
    yield from ((vintage, other) for _, vintage, other in same[-1:] or [*before[-1:], *first_after])
