"""BEA itself, asked for a few numbers: does it still answer as we believe, and do its API and its archive agree?

Run by `make test-live` with BEA_API_KEY. About a dozen requests, within the budget of the key.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import pytest

from pce_pipeline.bea.bulk import read_archive
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bea.national import decode_months, read_series
from pce_pipeline.bea.observations import Observations, ReleaseNote, combined
from pce_pipeline.bea.protocol import decode_data, decode_lines
from pce_pipeline.bea.releases import Calendar, parse_calendar
from pce_pipeline.bea.values import typed
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.silver.layouts import as_today, moves
from pce_pipeline.silver.observations import normalise
from pce_pipeline_tests.datasets import PCE_STATE
from pce_pipeline_tests.live.assumptions import Answers

pytestmark = [pytest.mark.live]

TABLE, TOTAL, GOODS, SERVICES = "SAPCE1", 1, 2, 13
CELL = ["line_code", "geo_fips", "year"]
MONTHS = load_datasets("full")["pce_us_monthly"]
ROUNDING = 0.05  # figures are published with one decimal, in millions of dollars


@dataclass(frozen=True)
class Today:
    """What BEA says now: three lines by API, the same from the archive, the lists of lines, notes and the calendar."""

    api: Observations
    archive: Observations
    lines: dict[str, pl.DataFrame]
    notes: dict[str, ReleaseNote | None]
    calendar: Calendar


@dataclass(frozen=True)
class MonthsToday:
    """What BEA says now of the nation's months: by API, and in its keyless file of series."""

    api: Observations
    series: Observations


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return PCE_STATE


@pytest.fixture(scope="module")
def today(keyed: BeaGateway, answers: Answers, dataset: Dataset) -> Today:
    return asyncio.run(_ask(keyed, dataset, answers))


@pytest.fixture(scope="module")
def months_today(keyed: BeaGateway, answers: Answers) -> MonthsToday:
    return asyncio.run(_ask_for_months(keyed, answers))


async def _ask_for_months(gateway: BeaGateway, answers: Answers) -> MonthsToday:
    async with gateway.client() as bea:
        months = [answers.keep(f"{table}.json", await bea.months(table)).body for table in MONTHS.tables]
        series = (await bea.series(MONTHS.archive, list(MONTHS.tables))).body
        return MonthsToday(decode_months(months), read_series(series, list(MONTHS.tables)))


async def _ask(gateway: BeaGateway, dataset: Dataset, answers: Answers) -> Today:
    async with gateway.client() as bea:
        said = [
            decode_data(answers.keep(f"{TABLE}-{line}.json", await bea.data(TABLE, line)).body)
            for line in (TOTAL, GOODS, SERVICES)
        ]
        archive = read_archive(answers.keep(dataset.archive, await bea.bulk(dataset.archive)).body)
        return Today(
            api=combined(answer.observations for answer in said),
            archive=archive,
            lines={
                table: decode_lines(answers.keep(f"{table}-lines.json", await bea.lines(table)).body, table=table)
                for table in dataset.tables
            },
            notes={
                table: await bea.last_updated(table, *probe)
                for table, probe in dataset.probes.items()
                if not isinstance(probe, int)
            },
            calendar=parse_calendar(answers.keep("release_dates.json", await bea.release_dates()).body),
        )


def _numbers(observations: Observations) -> pl.DataFrame:
    """Cells of our three lines as numbers; coded ones are NULL."""
    frame = observations.frame.filter(pl.col("bea_table") == TABLE, pl.col("line_code").is_in([TOTAL, GOODS, SERVICES]))
    return frame.select(*CELL, value=pl.col("value_text").cast(pl.Float64, strict=False))


def test_every_area_and_year_is_there(today: Today, dataset: Dataset) -> None:
    cells = _numbers(today.api)
    assert set(cells["geo_fips"]) == set(dataset.areas["geo_fips"])
    years = sorted(set(cells["year"]))
    assert years == list(range(dataset.first_year, years[-1] + 1))
    assert cells.height == 3 * dataset.areas.height * len(years)
    assert cells["value"].null_count() == 0


def test_the_api_and_the_archive_agree_cell_by_cell(today: Today) -> None:
    by_api, in_archive = today.api.notes[TABLE], today.archive.notes[TABLE]
    if by_api.last_updated != in_archive.last_updated:
        pytest.skip(f"the archive is of {in_archive.last_updated}, the API of {by_api.last_updated}")
    both = _numbers(today.api).join(_numbers(today.archive), on=CELL, how="full", suffix="_in_archive")
    assert both.filter(pl.col("value").ne_missing(pl.col("value_in_archive"))).rows() == []


def test_goods_and_services_add_up_and_services_of_the_states_to_those_of_the_nation(
    today: Today, dataset: Dataset
) -> None:
    wide = _numbers(today.api).pivot("line_code", index=["geo_fips", "year"], values="value")
    gap = wide.with_columns(gap=pl.col(str(TOTAL)) - pl.col(str(GOODS)) - pl.col(str(SERVICES)))
    assert gap.filter(pl.col("gap").abs() > 4 * ROUNDING).rows() == []

    states = dataset.areas.filter(pl.col("geo_level") == "state")["geo_fips"]
    services = _numbers(today.api).filter(pl.col("line_code") == SERVICES)
    sums = services.filter(pl.col("geo_fips").is_in(states.to_list())).group_by("year").agg(pl.col("value").sum())
    nation = services.filter(pl.col("geo_fips") == "00000").join(sums, on="year", suffix="_of_states")
    apart = nation.filter((pl.col("value") - pl.col("value_of_states")).abs() > ROUNDING * (len(states) + 1))
    assert apart.rows() == []


def test_the_tables_have_the_lines_that_are_pinned(today: Today, dataset: Dataset) -> None:
    found = {table: tuple(lines["line_code"]) for table, lines in today.lines.items()}
    assert found == {table: dataset.line_codes(table) for table in dataset.tables}


def test_each_table_says_when_it_was_updated_and_which_years_changed(today: Today) -> None:
    said = {table: note for table, note in today.notes.items() if note is not None}
    assert set(said) == set(today.notes)
    assert not [note.text for note in said.values() if not (note.new_years or note.revised_years)]


def test_the_calendar_knows_the_release(today: Today, dataset: Dataset) -> None:
    assert today.calendar.name_found(dataset.release_names) is not None
    assert today.calendar.unreadable == ()


def test_tables_were_updated_on_the_day_of_their_newest_release_in_the_calendar(today: Today, dataset: Dataset) -> None:
    newest = today.calendar.latest_before(dataset.release_names, datetime.now(UTC))
    if newest is None:
        pytest.skip("the calendar has no release that was")
    assert {table: note.last_updated for table, note in today.notes.items() if note is not None} == dict.fromkeys(
        today.notes, newest.date()
    )


@pytest.mark.parametrize("way", ["api", "series"])
def test_months_have_the_lines_and_units_that_are_pinned(months_today: MonthsToday, way: str) -> None:
    read: Observations = getattr(months_today, way)
    moved = moves(read.frame, read.lines, MONTHS)
    silver = normalise(typed(as_today(read.frame, moved)), as_today(read.lines, moved), MONTHS)
    found = silver.frame.select("bea_table", "line_code").unique().sort("bea_table", "line_code")
    assert found.rows() == MONTHS.lines.select("bea_table", "line_code").sort("bea_table", "line_code").rows()
    first = dict(silver.frame.group_by("bea_table").agg(pl.col("year").min()).iter_rows())
    assert first == {table: MONTHS.first_year_of(table) for table in MONTHS.tables}


def test_months_by_api_and_in_the_file_of_series_agree(months_today: MonthsToday) -> None:
    cell = ["bea_table", "line_code", "year", "month"]
    api, series = (
        typed(each.frame).select(*cell, "value", "unit", "unit_multiplier")
        for each in (months_today.api, months_today.series)
    )
    both = api.join(series, on=cell, suffix="_in_series")
    assert both.height > 0
    names = ("value", "unit", "unit_multiplier")
    apart = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_in_series")) for name in names)
    assert both.filter(apart).rows() == []
