"""A walk through BEA's archive of regional releases: page after page, slowly, and never out of it.

One request at a time, at most one a second. Only links that a page has are followed, only below the archive's own
address, and so are redirects; pages and files have a largest size, and a walk has a largest number of pages.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urljoin, urlsplit

from pce_pipeline.bea.archived_releases import (
    ARCHIVE_PATH,
    DATA_ENDINGS,
    Page,
    Release,
    canonical_page,
    is_within,
    read_page,
    release_at,
    releases_on,
)
from pce_pipeline.bea.bulk import check_archive
from pce_pipeline.bea.client import BeaClient, RawAnswer
from pce_pipeline.bea.errors import BeaContentError, BeaError, BeaFileRefused, BeaMoved

PAUSE = 1.0
"""How many seconds lie between two requests to BEA's archive."""

_MOST_PAGES = 3_000
_MOST_PAGES_OF_A_RELEASE = 50
_MOST_REDIRECTS = 5
_LARGEST_PAGE_BYTES = 8 * 1024 * 1024
_LARGEST_FILE_BYTES = 256 * 1024 * 1024
_ZIP = DATA_ENDINGS[0]


class Pace:
    """Lets a request go when `pause` seconds have passed since the one before."""

    def __init__(
        self,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pause = pause
        self._clock = clock
        self._sleep = sleep
        self._next = float("-inf")

    async def wait(self) -> None:
        """Wait until the next request may go."""
        left = self._next - self._clock()
        if left > 0:
            await self._sleep(left)
        self._next = self._clock() + self._pause


class ArchiveWalk:
    """One walk with a client of BEA's, at a pace."""

    def __init__(self, client: BeaClient, pace: Pace, *, most_pages: int = _MOST_PAGES) -> None:
        self._client = client
        self._pace = pace
        self._pages_left = most_pages
        self._most_pages = most_pages
        self.root = f"{client.url}{ARCHIVE_PATH}"
        """The address of the archive's index."""
        self.elsewhere: dict[str, None] = {}
        """The links met so far that lead out of the archive."""

    async def index(self) -> list[Release]:
        """The releases that the archive's pages link to, oldest first; pages of single releases are not asked.

        Raises `BeaContentError` where the pages link to no release, and what asking BEA raises.
        """
        pages = await self._follow([self.root], lambda link: release_at(link, self.root) is None)
        found = releases_on([page for page, _ in pages.values()], self.root)
        if not found:
            raise BeaContentError(
                f"The page {self.root} links to no release.",
                remedy="BEA may have changed it, or it never had the form that is assumed: look at it. Files that you "
                "download yourself are read by `pce archive pull --from DIR`.",
            )
        return found

    async def pages_of(self, release: Release) -> dict[str, bytes]:
        """The pages of a release by address, as received; `Release.with_pages` says what they link to."""
        if not release.pages:
            return {}
        pages = await self._follow(
            release.pages, lambda link: release_at(link, self.root) == release.name, most=_MOST_PAGES_OF_A_RELEASE
        )
        return {address: body for address, (_, body) in pages.items()}

    async def file(self, address: str) -> RawAnswer:
        """A zip or CSV of the archive; of a zip every checksum is verified.

        Raises `BeaFileRefused` for an unsafe or broken one and for a page where a file was due.
        """
        is_zip = urlsplit(address).path.lower().endswith(_ZIP)
        _, answer = await self._ask(address, _LARGEST_FILE_BYTES, _is_whole_zip if is_zip else _is_no_page)
        return answer

    async def is_answered(self) -> bool:
        """Whether BEA gives the archive's index now."""
        try:
            await self._ask(self.root, _LARGEST_PAGE_BYTES, lambda _: None)
        except BeaError:
            return False
        return True

    async def _follow(
        self, start: Iterable[str], belongs: Callable[[str], bool], most: int | None = None
    ) -> dict[str, tuple[Page, bytes]]:
        """The pages reached from some by links that belong, by the address that each was found at."""
        waiting, seen = list(start), {canonical_page(address) for address in start}
        found: dict[str, tuple[Page, bytes]] = {}
        while waiting:
            if not self._pages_left or (most is not None and len(found) >= most):
                raise BeaContentError(
                    f"BEA's archive of releases has more pages than the {most or self._most_pages} that are expected "
                    f"({waiting[0]}).",
                    remedy="Look at that page: its links may go round in circles.",
                )
            self._pages_left -= 1
            address, answer = await self._ask(waiting.pop(0), _LARGEST_PAGE_BYTES, lambda _: None)
            page = read_page(answer.body, address, self.root)
            found[address] = (page, answer.body)
            self.elsewhere |= dict.fromkeys(page.elsewhere)
            for link in page.pages:
                if belongs(link) and canonical_page(link) not in seen:
                    seen.add(canonical_page(link))
                    waiting.append(link)
        return found

    async def _ask(self, address: str, largest: int, check: Callable[[bytes], None]) -> tuple[str, RawAnswer]:
        """An answer, and the address that it came from in the end."""
        for _ in range(_MOST_REDIRECTS):
            if not is_within(address, self.root):
                raise BeaFileRefused(
                    f"{address} is not below {self.root}, so it is not followed.",
                    remedy="Look at it yourself; a file from there is read by `pce extract --file`.",
                )
            await self._pace.wait()
            try:
                return address, await self._client.archived(
                    address[len(self._client.url) :], largest=largest, check=check
                )
            except BeaMoved as moved:
                address = urljoin(address, moved.location)
        raise BeaFileRefused(f"{address} redirects more than {_MOST_REDIRECTS} times.", remedy="Look at it yourself.")


def _is_whole_zip(body: bytes) -> None:
    _is_no_page(body)
    check_archive(body)


def _is_no_page(body: bytes) -> None:
    """A page where a file was due is as a rule a link that leads nowhere any more, so it is not asked for again."""
    if not body.strip() or body.lstrip()[:1] == b"<":
        raise BeaFileRefused(
            "BEA sent a page instead of the file.", remedy="Look at the address yourself; the next pull asks again."
        )
