"""BEA's own archive of releases, looked at: do its pages have the form that is assumed?

Run by `make test-live`; needs no key. Its index, the pages of a few releases and one file, a second apart.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import pytest

from pce_pipeline.bea.archive_walk import PAUSE, ArchiveWalk, Pace
from pce_pipeline.bea.archived_releases import Release, day_on
from pce_pipeline.bea.client import BeaClient, RawAnswer
from pce_pipeline.bea.documents import tables_recognised
from pce_pipeline.bea.errors import BeaContentError, BeaRequestRejected
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline_tests.live.asking import URL
from pce_pipeline_tests.live.assumptions import Answers, is_bea

pytestmark = [pytest.mark.live]

KINDS = {kind for dataset in load_datasets("full").values() for kind in dataset.archived_as}
SPENDING = load_datasets("full")["pce_state"]
FIRST_PUBLISHED = date(2015, 12, 1)  # spending by state, before that a prototype

# Addresses in other people's programs: the folder of a release, and a file in it.
SEEN_BY_OTHERS = {
    "1017pce": None,
    "1019pce": "pce1019.zip",
    "0917rpi": "rpp0917.zip",
    "1117rpi": None,
    "0921spi": None,
    "0324pistate": "SAINC.zip",
    "0922gdpstate": None,
}
FILES_SEEN_BY_OTHERS = [(folder, name) for folder, name in SEEN_BY_OTHERS.items() if name is not None]


class _KeepingClient(BeaClient):
    """Keeps each page and file of the archive that it is given."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(URL)
        self._answers = answers

    async def archived(self, path: str, *, largest: int, check: Callable[[bytes], None]) -> RawAnswer:
        answer = await super().archived(path, largest=largest, check=check)
        return self._answers.keep(f"archive{path.replace('/', '-')}", answer)


@dataclass
class Archive:
    """The archive, asked for one release after the other."""

    answers: Answers
    """Keeps its pages."""
    releases: list[Release] = field(default_factory=list)
    """What its index links to, oldest first; none where the index is not as assumed."""
    problem: str = ""
    """What is wrong with the index."""

    def of_kind(self, *kinds: str) -> list[Release]:
        """The releases of some kinds, oldest first."""
        return [each for each in self.releases if each.said is not None and each.said.kind in kinds]

    def pages_of(self, release: Release) -> tuple[Release, dict[str, bytes]]:
        """A release with all that its pages link to, and these pages by address."""
        return asyncio.run(self._pages_of(release))

    def tables_of(self, address: str) -> frozenset[str]:
        """The tables in a file."""
        return asyncio.run(self._tables_of(address))

    async def _pages_of(self, release: Release) -> tuple[Release, dict[str, bytes]]:
        async with _KeepingClient(self.answers) as client:
            walk = _walk(client)
            pages = await walk.pages_of(release)
            return release.with_pages(pages, walk.root), pages

    async def _tables_of(self, address: str) -> frozenset[str]:
        async with _KeepingClient(self.answers) as client:
            return tables_recognised((await _walk(client).file(address)).body)


def _walk(client: BeaClient) -> ArchiveWalk:
    return ArchiveWalk(client, Pace(PAUSE if is_bea(URL) else 0.0))


@pytest.fixture(scope="module")
def asked(answers: Answers) -> Archive:
    return asyncio.run(_ask(answers))


async def _ask(answers: Answers) -> Archive:
    async with _KeepingClient(answers) as client:
        try:
            return Archive(answers, await _walk(client).index())
        except (BeaContentError, BeaRequestRejected) as otherwise:
            return Archive(answers, problem=otherwise.message)


@pytest.fixture(scope="module")
def archive(asked: Archive) -> Archive:
    """The archive; skips where its index is not as assumed, of which the rest is a consequence."""
    if asked.problem:
        pytest.skip(asked.problem)
    return asked


@pytest.fixture(scope="module")
def oldest(archive: Archive) -> tuple[Release, dict[str, bytes]]:
    """The oldest release of spending, with its pages."""
    of_spending = archive.of_kind(*SPENDING.archived_as)
    if not of_spending:
        pytest.skip("the index links to no release of spending")
    return archive.pages_of(of_spending[0])


def test_the_archive_has_an_index_that_links_to_releases(asked: Archive) -> None:
    assert not asked.problem


def test_the_index_links_to_releases_of_every_mapped_kind(archive: Archive) -> None:
    found = {each.said.kind for each in archive.releases if each.said is not None}
    assert {"pce", "rpi"} <= found
    assert found & KINDS - {"pce", "rpi"}


def test_most_names_of_releases_are_understood(archive: Archive) -> None:
    unknown = [each.name for each in archive.releases if each.said is None]
    assert len(unknown) < len(archive.releases) / 2, unknown


def test_no_release_of_spending_is_older_than_december_2015(archive: Archive) -> None:
    months = [each.said.month for each in archive.of_kind(*SPENDING.archived_as) if each.said is not None]
    assert months
    assert min(months) >= FIRST_PUBLISHED


@pytest.mark.parametrize("day", SPENDING.known_releases[:-1], ids=str)
def test_the_archive_has_the_release_of_spending_of_the_month_of_each_that_is_known(
    archive: Archive, day: date
) -> None:
    _only_of_bea()
    assert day.replace(day=1) in {each.said.month for each in archive.of_kind(*SPENDING.archived_as) if each.said}


@pytest.mark.parametrize("folder", SEEN_BY_OTHERS)
def test_the_index_links_to_the_release_that_others_have_seen(archive: Archive, folder: str) -> None:
    _only_of_bea()
    assert folder in {each.name for each in archive.releases}


@pytest.mark.parametrize(("folder", "name"), FILES_SEEN_BY_OTHERS)
def test_the_page_of_a_release_links_to_the_file_that_others_have_seen(
    archive: Archive, folder: str, name: str
) -> None:
    _only_of_bea()
    release = next((each for each in archive.releases if each.name == folder), None)
    if release is None:
        pytest.skip("the index does not link to that release")
    found, _ = archive.pages_of(release)
    assert name in {address.rpartition("/")[2] for address in found.files}


def _only_of_bea() -> None:
    if not is_bea(URL):
        pytest.skip("the look-alike has releases of its own")


def test_the_oldest_release_of_spending_has_a_file_with_tables_that_are_known(
    archive: Archive, oldest: tuple[Release, dict[str, bytes]]
) -> None:
    release, _ = oldest
    assert release.files, release
    assert not archive.tables_of(release.files[0]).isdisjoint(SPENDING.tables), release


def test_a_page_of_a_release_names_one_day_of_its_month(oldest: tuple[Release, dict[str, bytes]]) -> None:
    release, pages = oldest
    assert release.said is not None
    assert day_on(pages.values(), release.said.month) is not None


def test_all_files_of_a_release_lie_within_the_archive(oldest: tuple[Release, dict[str, bytes]]) -> None:
    release, _ = oldest
    assert release.elsewhere == ()
