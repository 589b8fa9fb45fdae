"""BEA's files without a key, and its calendar: is there one for each dataset, and does it say what the catalogue pins?

Run by `make test-live`; needs no key. A file for each dataset, and the calendar.
"""

import asyncio
from datetime import UTC, datetime

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.client import RawAnswer
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bea.releases import Calendar, parse_calendar
from pce_pipeline.bea.values import typed
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.silver.layouts import as_today, moves
from pce_pipeline.silver.observations import normalise
from pce_pipeline_tests.live.assumptions import Answers

pytestmark = [pytest.mark.live]

DATASETS = load_datasets("full")
OF_STATES = [name for name, dataset in DATASETS.items() if dataset.source == "Regional"]
MONTHS = DATASETS["pce_us_monthly"]


async def _file_of(gateway: BeaGateway, archive: str) -> RawAnswer:
    async with gateway.client() as client:
        return await client.bulk(archive)


async def _series(gateway: BeaGateway) -> RawAnswer:
    async with gateway.client() as client:
        return await client.series(MONTHS.archive, list(MONTHS.tables))


async def _calendar(gateway: BeaGateway) -> RawAnswer:
    async with gateway.client() as client:
        return await client.release_dates()


@pytest.fixture(scope="module")
def calendar(keyless: BeaGateway, answers: Answers) -> Calendar:
    return parse_calendar(answers.keep("release_dates.json", asyncio.run(_calendar(keyless))).body)


@pytest.mark.parametrize("name", OF_STATES)
def test_the_archive_of_a_dataset_has_the_tables_and_lines_and_units_that_are_pinned(
    keyless: BeaGateway, answers: Answers, name: str
) -> None:
    dataset = DATASETS[name]
    archive = answers.keep(dataset.archive, asyncio.run(_file_of(keyless, dataset.archive)))
    read = read_archive(archive.body, list(dataset.tables))
    moved = moves(read.frame, read.lines, dataset)
    silver = normalise(typed(as_today(read.frame, moved)), as_today(read.lines, moved), dataset).frame
    of_line = ["bea_table", "line_code"]
    found = set(silver.select(of_line).unique().iter_rows())
    assert found == set(dataset.lines.select(of_line).iter_rows())
    assert dict(silver.group_by("bea_table").agg(pl.col("year").min()).iter_rows()) == {
        table: dataset.first_year_of(table) for table in dataset.tables
    }


@pytest.mark.parametrize("name", OF_STATES)
def test_each_table_in_an_archive_says_when_it_was_updated(keyless: BeaGateway, name: str) -> None:
    archive = asyncio.run(_file_of(keyless, DATASETS[name].archive))
    assert set(read_archive(archive.body, list(DATASETS[name].tables)).notes) == set(DATASETS[name].tables)


def test_the_file_of_series_says_when_it_was_written(keyless: BeaGateway) -> None:
    assert "Last-Modified" in asyncio.run(_series(keyless)).parameters


@pytest.mark.parametrize("name", DATASETS)
def test_the_calendar_names_the_releases_of_a_dataset(calendar: Calendar, name: str) -> None:
    assert calendar.name_found(DATASETS[name].release_names) is not None, sorted(calendar.dates)


def test_the_calendar_has_releases_that_were_and_that_are_to_come(calendar: Calendar) -> None:
    now = datetime.now(UTC)
    moments = [moment for dates in calendar.dates.values() for moment in dates]
    assert min(moments) < now < max(moments)


def test_the_calendar_says_when_it_was_written(calendar: Calendar) -> None:
    assert calendar.updated is not None
