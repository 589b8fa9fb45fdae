"""Files of earlier releases into extracts: each table of each file to the day that it is of.

Everything is read first, so that it is taken in the order of its days, oldest first, as it would have come when BEA
published it. A file that cannot be read is told, and stops no other.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, TypeVar

from pce_pipeline.bea.documents import tables_recognised
from pce_pipeline.bea.errors import BeaError
from pce_pipeline.bronze.archive_pull import places_of_release
from pce_pipeline.bronze.archived_releases import ArchiveStore, Became, Given
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.extract import Place, next_extract_id
from pce_pipeline.bronze.feeds import Files
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.cli.archived_files import Candidate
from pce_pipeline.cli.session import Session
from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.lake.errors import DamagedObject, LakeError, MissingObject
from pce_pipeline.observability import progress

if TYPE_CHECKING:
    from pce_pipeline.automation.runs import ExtractRun, Jobs

_T = TypeVar("_T")

Outcome = Literal["new", "held", "nothing", "undated", "failed"]


@dataclass(frozen=True)
class Told:
    """What a file came to in a dataset."""

    file: str
    """The file."""
    dataset: str
    """The dataset."""
    outcome: Outcome
    """`new` extracts, `held` already, `nothing` of this dataset in it, `undated`, or `failed`."""
    tables: tuple[str, ...] = ()
    """The tables; of a file with nothing of the dataset, those that it holds instead."""
    extracts: tuple[str, ...] = ()
    """The extracts that have them."""
    partial: tuple[str, ...] = ()
    """Those of the tables that are kept as a part, and change nothing."""
    why: str = ""
    """Why it failed or has no day, and what to do about it."""
    is_news: bool = True
    """Whether it came to this now, and not when it was read before."""


@dataclass(frozen=True)
class _Planned:
    """A file that was read for a dataset, and where its tables go."""

    candidate: Candidate
    dataset: Dataset
    given: Given | None
    places: tuple[Place, ...]
    is_whole: bool
    """Whether all that the file has of the dataset goes somewhere: it need not be read again."""


class ArchiveImport:
    """One import of files into the extracts of a session's world.

    Of a file whose name says no month, what is of a day before `since` is left.
    """

    def __init__(self, session: Session, store: ArchiveStore, since: date | None) -> None:
        self._session = session
        self._store = store
        self._since = since
        self._today = datetime.now(UTC).date()
        self._told: list[Told] = []
        self._planned: list[_Planned] = []

    def run(self, candidates: Sequence[Candidate]) -> list[Told]:
        """Bring all files into the extracts of their datasets, oldest first; what each came to."""
        with self._session.watched():
            progress.stage("reading files")
            for number, candidate in enumerate(candidates):
                progress.advance(number, len(candidates), candidate.name)
                self._plan(candidate)
        if any(each.places for each in self._planned):
            with self._session.jobs() as jobs:
                progress.stage("taking extracts")
                self._take(jobs)
        return self._told

    def _plan(self, candidate: Candidate) -> None:
        """Read a file for those of its datasets that are not done with it."""
        given = candidate.given(self._today)
        todo = []
        for dataset in (self._session.registry.datasets[name] for name in candidate.datasets):
            became = self._store.became(candidate.sha256, dataset, given)
            if became is None:
                todo.append(dataset)
            else:
                self._told.append(_as_told(candidate, became))
        if not todo:
            return
        try:
            body = candidate.body()
            recognised = tables_recognised(body)
        except (BeaError, DamagedObject, MissingObject, OSError) as problem:
            for dataset in todo:
                self._fail(candidate, dataset, problem)
            return
        with _on_disk(candidate, body) as path:
            for dataset in todo:
                try:
                    self._plan_for(candidate, path, dataset, recognised, given)
                except (BeaError, UsageError) as problem:
                    self._fail(candidate, dataset, problem)

    def _plan_for(
        self, candidate: Candidate, path: Path, dataset: Dataset, recognised: Collection[str], given: Given | None
    ) -> None:
        """Where the tables of a dataset in a file go; raises what reading the file raises."""
        before = len(self._told)
        tables: list[str] = []
        if not set(dataset.names_of(dataset.tables)).isdisjoint(recognised):
            wanted = list(dataset.tables)
            feed, tables = self._without_refused(
                candidate, dataset, wanted, lambda: FileFeed([path], [dataset]).holding(wanted)
            )
        if not tables:
            if len(self._told) == before:
                became = self._store.note(
                    candidate.name, candidate.sha256, dataset, given, "nothing", sorted(recognised), ()
                )
                self._told.append(replace(_as_told(candidate, became), is_news=True))
            return
        now = current(self._session.bronze(dataset.name), dataset)
        found, undated = places_of_release(feed, tables, given, now)
        if undated:
            self._told.append(_undated(candidate, dataset, undated))
        since = self._since if candidate.said is None else None  # where a name says the month, it was looked at already
        recent = tuple(place for place in found if since is None or place.day >= since)
        is_whole = len(recent) == len(found) and len(self._told) == before
        self._planned.append(_Planned(candidate, dataset, given, recent, is_whole))

    def _take(self, jobs: "Jobs") -> None:
        """Take what was planned, by day; a file is done with once all its places are taken."""
        order = sorted(
            ((place.day, number, place) for number, each in enumerate(self._planned) for place in each.places),
            key=lambda one: one[:2],
        )
        runs: dict[int, list[ExtractRun]] = {number: [] for number, each in enumerate(self._planned) if each.places}
        incomplete = {number for number, each in enumerate(self._planned) if not each.is_whole}
        for done, (day, number, place) in enumerate(order):
            planned, before = self._planned[number], len(self._told)
            progress.advance(done, len(order), f"{planned.candidate.name} of {day}")
            try:
                runs[number].append(self._extract(jobs, planned, place))
            except LakeError:
                raise  # no file is to blame for a lake that cannot be written to
            except PceError as problem:
                self._fail(planned.candidate, planned.dataset, problem)
            if len(self._told) > before:
                incomplete.add(number)
            if len(runs[number]) == len(planned.places) and number not in incomplete:
                self._note(planned, runs[number])
        self._told += [_taken(self._planned[number], taken) for number, taken in runs.items() if taken]

    def _extract(self, jobs: "Jobs", planned: _Planned, place: Place) -> "ExtractRun":
        candidate, name = planned.candidate, planned.dataset.name
        tables = list(place.tables)
        with _on_disk(candidate, candidate.body()) as path:
            return self._without_refused(
                candidate,
                planned.dataset,
                tables,
                lambda: jobs.extract(
                    name,
                    next_extract_id(self._session.bronze(name), place.day),
                    why="pce archive pull",
                    tables=tables,
                    files=Files((str(path),), date_is=place.date_is, endpoint=candidate.endpoint),
                ),
            )

    def _without_refused(
        self, candidate: Candidate, dataset: Dataset, tables: list[str], attempt: Callable[[], _T]
    ) -> _T:
        """What an attempt comes to; a table that is refused is told and taken out of `tables`, and the others go on.

        A file of years ago may have one table that means something else today; raises what leaves no other table.
        """
        while True:
            try:
                return attempt()
            except BeaError as problem:
                if problem.table not in tables or len(tables) == 1:
                    raise
                self._fail(candidate, dataset, problem, (problem.table,))
                tables.remove(problem.table)

    def _note(self, planned: _Planned, runs: "Sequence[ExtractRun]") -> None:
        told = _taken(planned, runs)
        outcome: Literal["new", "held"] = "new" if told.outcome == "new" else "held"
        candidate = planned.candidate
        self._store.note(
            candidate.name, candidate.sha256, planned.dataset, planned.given, outcome, told.tables, told.extracts
        )

    def _fail(self, candidate: Candidate, dataset: Dataset, problem: Exception, tables: tuple[str, ...] = ()) -> None:
        self._told.append(Told(candidate.name, dataset.name, "failed", tables, why=str(problem)))


def _taken(planned: _Planned, runs: "Sequence[ExtractRun]") -> Told:
    """What taking a file's extracts came to."""
    return Told(
        planned.candidate.name,
        planned.dataset.name,
        "new" if any(run.outcome == "new" for run in runs) else "held",
        tables=tuple(table for run in runs for table in run.tables),
        extracts=tuple(dict.fromkeys(one for run in runs for one in (run.extract, *run.equals.values()) if one)),
        partial=tuple(table for run in runs for table in run.changed if not run.counts.get(table, True)),
    )


def _as_told(candidate: Candidate, became: Became) -> Told:
    """What a file came to when it was read before."""
    return Told(
        candidate.name,
        became.dataset,
        "nothing" if became.outcome == "nothing" else "held",
        tables=became.tables,
        extracts=became.extracts,
        is_news=False,
    )


def _undated(candidate: Candidate, dataset: Dataset, tables: Sequence[str]) -> Told:
    if candidate.said is not None:
        why = f"It does not say when BEA published it, and {candidate.said.month:%Y-%m} has not ended."
    else:
        name = Path(candidate.name).name
        why = (
            "It does not say when BEA published it, and neither does its name. Give its day or month: "
            f"pce extract --file {name} --date YYYY-MM"
        )
    return Told(candidate.name, dataset.name, "undated", tables=tuple(tables), why=why)


@contextmanager
def _on_disk(candidate: Candidate, body: bytes) -> Iterator[Path]:
    """The file on this machine's disk, under its own name, for as long as a `with` lasts."""
    with TemporaryDirectory(prefix="pce-") as folder:
        path = Path(folder) / Path(candidate.name).name
        path.write_bytes(body)
        yield path
