"""BEA's own archive of releases, looked at: do its pages have the form that is assumed?

Run by `make test-live`; needs no key. Two pages and one file, a second apart.
"""

import asyncio
from dataclasses import dataclass

import pytest

from pce_pipeline.bea.archive_walk import ArchiveWalk, Pace
from pce_pipeline.bea.archived_releases import Release
from pce_pipeline.bea.documents import tables_recognised
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline_tests.live.assumptions import Answers

pytestmark = [pytest.mark.live]

KINDS = {kind for dataset in load_datasets("full").values() for kind in dataset.archived_as}
SPENDING = load_datasets("full")["pce_state"]


@dataclass(frozen=True)
class Seen:
    """What the archive's index links to, and the oldest release of spending with its first file."""

    releases: list[Release]
    release: Release
    tables: frozenset[str]


@pytest.fixture(scope="module")
def seen(keyless: BeaGateway, answers: Answers) -> Seen:
    return asyncio.run(_look(keyless, answers))


async def _look(gateway: BeaGateway, answers: Answers) -> Seen:
    async with gateway.client() as client:
        walk = ArchiveWalk(client, Pace(gateway.pause))
        releases = await walk.index()
        oldest = next(each for each in releases if each.said is not None and each.said.kind in SPENDING.archived_as)
        release = oldest.with_pages(await walk.pages_of(oldest), walk.root)
        answer = answers.keep("oldest-release", await walk.file(release.files[0]))
        return Seen(releases, release, tables_recognised(answer.body))


def test_the_index_links_to_releases_of_every_mapped_kind(seen: Seen) -> None:
    found = {each.said.kind for each in seen.releases if each.said is not None}
    assert {"pce", "rpi"} <= found
    assert found & KINDS - {"pce", "rpi"}


def test_most_names_of_releases_are_understood(seen: Seen) -> None:
    unknown = [each.name for each in seen.releases if each.said is None]
    assert len(unknown) < len(seen.releases) / 2, unknown


def test_the_oldest_release_of_spending_has_a_file_with_tables_that_are_known(seen: Seen) -> None:
    assert not seen.tables.isdisjoint(SPENDING.tables), seen.release
