"""What the log answers for a day is what a pipeline would have published then that had only the extracts up to it."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.bronze.cells import read_extracts
from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.deciding import plan_use
from pce_pipeline.bronze.extract import places
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.history import Folded, History, decoded_of, fold_year
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.facts import conform_facts
from pce_pipeline.gold.known import AsOf, as_known
from pce_pipeline.gold.vintages import figures
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.store import Store
from pce_pipeline.quality.rules import judge
from pce_pipeline.quality.vintages import LogYears, log_rules
from pce_pipeline.silver.observations import normalise
from pce_pipeline.tables.vintages import gold_vintages
from pce_pipeline.tables.years import FIRST_YEAR
from pce_pipeline_tests.bronze.importing import import_file
from pce_pipeline_tests.bronze.look_alike import Lakeside, LookAlike
from pce_pipeline_tests.bronze.test_partial_files import OF_RELEASE, Cut, cut, taken  # noqa: F401 (a fixture)

YEARS = (1997, 2021, 2022, 2023)


def published(now: Current) -> pl.DataFrame:
    """The facts that Silver and Gold would make of what counts."""
    made_of = {table: source.vintage.extracts for table, source in now.known_sources.items()}
    content = read_extracts(now.bronze, made_of, now.manifests, now.dataset)
    cells = content.cells.filter(pl.col("year") >= FIRST_YEAR)
    return conform_facts(normalise(cells, content.lines, now.dataset).frame, now.dataset, now.releases)


def log_of(now: Current, before: dict[int, Folded] | None = None) -> dict[int, Folded]:
    history, decoded = History(now), decoded_of(now)
    return {year: fold_year(history, year, decoded, (before or {}).get(year)) for year in sorted(history.years)}


def rows_of(log: dict[int, Folded]) -> pl.DataFrame:
    return pl.concat([each.log for each in log.values()])


def known(now: Current, as_of: AsOf) -> pl.DataFrame:
    return as_known(rows_of(log_of(now)), History(now).vintages, now.dataset, as_of)


@pytest.fixture
def lake(tmp_path: Path) -> Lakeside:
    return Lakeside(tmp_path / "lake", LookAlike(2, profile="smoke"))


def orders() -> list[tuple[int, ...]]:
    return [(1, 2, 3), (3, 1, 2), (2, 3, 1)]


@pytest.mark.parametrize("order", orders())
def test_of_each_vintage_it_is_what_a_fresh_pipeline_would_have_published(
    lake: Lakeside,
    cut: Cut,  # noqa: F811
    tmp_path: Path,
    order: Sequence[int],
) -> None:
    steps: list[dict[int, Folded]] = []
    for release in order:
        taken(lake, cut(release, years=YEARS))
        steps.append(log_of(lake.current(), steps[-1] if steps else None))
    assert rows_of(steps[-1]).equals(rows_of(log_of(lake.current()))), "folded one after the other, and in one go"
    for release, day in OF_RELEASE.items():
        fresh = Lakeside(tmp_path / f"until-{release}", lake.bea)
        for earlier in order:
            if OF_RELEASE[earlier] <= day:
                taken(fresh, cut(earlier, years=YEARS))
        assert known(lake.current(), AsOf(day)).equals(published(fresh.current())), release
        assert known(lake.current(), AsOf(day, clock="release")).equals(published(fresh.current())), release


def test_parts_and_decisions_are_known_as_they_count(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1, years=YEARS))
    part = taken(lake, cut(2, areas=["01000", "02000"], years=YEARS))
    now = lake.current()
    first, second = OF_RELEASE[1], OF_RELEASE[2]
    without = known(now, AsOf(second))
    assert without.equals(known(now, AsOf(first))), "a part that does not count is not known"
    asked = known(now, AsOf(second, include=("partial",)))
    changed = asked.join(without, on=["measure", "category_id", "geo_fips", "year", "value"], how="anti")
    assert set(changed["geo_fips"]) == {"01000", "02000"}
    planned = plan_use(lake.bronze, lake.bea.dataset, now, part, "over", why="a test", at=datetime.now(UTC))
    lake.bronze.decisions.add(planned.decision)
    decided = lake.current()
    assert known(decided, AsOf(second)).equals(published(decided))
    assert known(decided, AsOf(second)).equals(asked)


def test_a_year_that_a_later_vintage_has_no_more_was_known_until_then(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1, years=YEARS))
    less = taken(lake, cut(2, years=[2021, 2022, 2023]))
    now = lake.current()
    planned = plan_use(lake.bronze, lake.bea.dataset, now, less, "instead", why="a test", at=datetime.now(UTC))
    lake.bronze.decisions.add(planned.decision)
    now, steps = lake.current(), log_of(now)
    assert rows_of(log_of(now, steps)).equals(rows_of(log_of(now)))
    assert set(known(now, AsOf(OF_RELEASE[1]))["year"]) == set(YEARS)
    assert known(now, AsOf(OF_RELEASE[2])).equals(published(now))
    ended = rows_of(log_of(now)).filter(pl.col("year") == YEARS[0])
    assert set(ended["status"]) == {"reported", "not_spoken_of"}


def test_the_log_of_figures_says_what_the_facts_say_at_every_vintage(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    for release in (2, 1, 3):
        taken(lake, cut(release, years=YEARS))
    now = lake.current()
    _agrees_with_the_facts(now)


def _agrees_with_the_facts(now: Current) -> None:
    log, vintages = rows_of(log_of(now)), History(now).vintages
    of_figures = figures(log, vintages, now.dataset)
    table = gold_vintages(now.dataset)
    assert table.conform(of_figures).equals(of_figures)
    assert [
        each.name for each in judge(log_rules, table.name, LogYears(table, {1: of_figures})) if not each.passed
    ] == []
    for at in vintages["at"].unique().sort():
        holds = (pl.col("valid_from") <= at) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > at))
        counted = of_figures.filter(holds & (pl.col("basis") == "counted"))
        facts = as_known(log, vintages, now.dataset, _as_of(at))
        columns = ["measure", "category_id", "geo_fips", "year", "value", "status", "unit"]
        there = counted.filter(~pl.col("status").is_in(["withdrawn", "not_spoken_of"]))
        assert there.select(columns).sort(columns[:4]).equals(facts.select(columns).sort(columns[:4]))


def _as_of(at: int) -> AsOf:
    day, number = divmod(at, 100)
    return AsOf(datetime.strptime(str(day), "%Y%m%d").replace(tzinfo=UTC).date(), number)


REAL = {
    "pce_state": ["SAPCE_2022-10-06.zip", "SAEXP1_2019-10-03_excel-resaved.zip"],
    "summary_state": [
        "SASUMMARY_2024-12-12.zip",
        "SASUMMARY_2025-03-28.zip",
        "SASUMMARY_2025-09-26.zip",
        "SAPCE_2022-10-06.zip",
    ],
}


@pytest.mark.parametrize("name", [pytest.param("pce_state", marks=pytest.mark.long), "summary_state"])
def test_of_real_vintages_it_is_what_a_fresh_pipeline_would_have_published(
    name: str, real_data: Path, tmp_path: Path
) -> None:
    dataset = load_datasets("full")[name]
    files = [real_data / file for file in REAL[name]]
    random.Random(7).shuffle(files)

    def bronze(folder: str) -> BronzeStore:
        return BronzeStore(Store(DirectoryBackend(tmp_path / folder)), Layout("local", "bea"), name)

    held = bronze("all")
    for file in files:
        import_file(held, dataset, file)
    now = current(held, dataset)
    log, vintages = rows_of(log_of(now)), History(now).vintages
    for extract in now.manifests:
        fresh = bronze(f"until-{extract}")
        for file in files:
            if _day(file, dataset, now) <= extract.day:
                import_file(fresh, dataset, file)
        expected = published(current(fresh, dataset))
        assert as_known(log, vintages, dataset, AsOf(extract.day)).equals(expected), str(extract)


def _day(file: Path, dataset: Dataset, now: Current) -> date:
    feed, tables = FileFeed([file], [dataset]).holding(list(dataset.tables))
    (place,) = places(feed, tables, None, now)
    return place.day
