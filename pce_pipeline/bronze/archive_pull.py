"""Pulling BEA's archive of releases: files are brought to Bronze, and each goes to the day that it is of.

Files are kept one by one, so that a pull that is killed goes on where it was. One that BEA does not give, or that is
broken, is told and stops no other; where BEA stops answering, so does the pull.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from pce_pipeline.bea.archive_walk import ArchiveWalk
from pce_pipeline.bea.archived_releases import Release, day_on
from pce_pipeline.bea.errors import BeaError, BeaRateLimited, BeaTransportError
from pce_pipeline.bronze.archived_releases import ArchivedFile, ArchiveStore, Given
from pce_pipeline.bronze.current import Current
from pce_pipeline.bronze.extract import Place, places
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.observability import progress

_ASKS_WHETHER_BEA_IS_UP_AFTER = 3


@dataclass
class Downloads:
    """What a pull has brought, and what it has not."""

    files: list[ArchivedFile] = field(default_factory=list)
    """The files that are new in Bronze."""
    others: list[str] = field(default_factory=list)
    """The addresses of files of other kinds, such as workbooks, which are not taken."""
    elsewhere: list[str] = field(default_factory=list)
    """The addresses of zips and CSV files out of the archive, which are not followed."""
    failed: dict[str, str] = field(default_factory=dict)
    """What BEA did not give, by release or address, each with the reason."""
    stopped: str = ""
    """Why the pull ended before all was asked for; empty where it did not."""


async def download(walk: ArchiveWalk, store: ArchiveStore, releases: Sequence[Release]) -> Downloads:
    """Bring the files of releases to Bronze, except those that are held."""
    pull = _Pull(walk, store)
    for number, release in enumerate(releases):
        progress.advance(number, len(releases), release.name)
        await pull.bring(release)
        if pull.did.stopped:
            break
    return pull.did


class _Pull:
    """One pull, and how many requests in a row BEA has not answered."""

    def __init__(self, walk: ArchiveWalk, store: ArchiveStore) -> None:
        self.did = Downloads()
        self._walk = walk
        self._store = store
        self._unanswered = 0

    async def bring(self, release: Release) -> None:
        """Bring what is not held of one release."""
        try:
            whole, released_on = await self._read(release)
        except BeaError as problem:
            await self._fail(release.name, problem)
            return
        self.did.others += whole.others
        self.did.elsewhere += whole.elsewhere
        for address in whole.files:
            if self._store.holds(release.name, address):
                continue
            try:
                answer = await self._walk.file(address)
            except BeaError as problem:
                await self._fail(address, problem)
                if self.did.stopped:
                    return
            else:
                self._unanswered = 0
                # what a redirect has led to is held under the address that the page links to
                self.did.files.append(self._store.keep(release.name, replace(answer, endpoint=address), released_on))

    async def _read(self, release: Release) -> tuple[Release, date | None]:
        """A release with all that its pages link to, and the day that these name."""
        now = datetime.now(UTC)
        kept = self._store.pages(release, now.date())
        if kept is None:
            kept = self._store.keep_pages(release, await self._walk.pages_of(release), now)
            self._unanswered = 0
        month = release.said.month if release.said is not None else None
        released_on = day_on(kept.bodies.values(), month) if month is not None else None
        return release.with_pages(kept.bodies, self._walk.root), released_on

    async def _fail(self, what: str, problem: BeaError) -> None:
        """Remember what failed, and stop where BEA does not answer at all: one broken address is no reason to."""
        self.did.failed[what] = str(problem)
        self._unanswered = self._unanswered + 1 if isinstance(problem, BeaTransportError) else 0
        if self._unanswered >= _ASKS_WHETHER_BEA_IS_UP_AFTER:
            self._unanswered = 0
            if not await self._walk.is_answered():
                self.did.stopped = f"BEA does not answer any more, not even its archive's index: {problem}"
        elif isinstance(problem, BeaRateLimited):
            self.did.stopped = f"BEA takes no more requests for now: {problem}"


def given_day(month: date | None, released_on: date | None, today: date) -> Given | None:
    """The day for tables of a file that say none: what the release's page says, else the last one of its month.

    None where neither is known, or where the month has not ended: what BEA will publish until then is not known.
    """
    if released_on is not None:
        return Given(released_on, "day")
    if month is None or (last := last_day(month)) >= today:
        return None
    return Given(last, "month")


def last_day(month: date) -> date:
    """The last day of the month that a day lies in."""
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])


def places_of_release(
    feed: FileFeed, tables: Sequence[str], given: Given | None, now: Current
) -> tuple[list[Place], list[str]]:
    """Where tables of a release's file go: those that say their day to it, others to the given one, oldest first.

    And the tables that have no place, because they say no day and none is given. Raises what `places` raises.
    """
    own = {table: day for _, table, day in feed.own_days(tables)}
    dated = [table for table in tables if own.get(table) is not None]
    undated = [table for table in tables if table in own and own[table] is None]
    found = places(feed, dated, None, now) if dated else []
    if undated and given is not None:
        found += places(feed, undated, given.day, now, given.is_of)
        undated = []
    return sorted(found, key=lambda place: place.day), undated
