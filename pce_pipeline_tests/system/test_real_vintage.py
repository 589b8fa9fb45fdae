"""BEA's own archive of October 2022, from the file to Postgres: every published text, every code, every identity."""

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.lake.integrity import sha256_of
from pce_pipeline_tests.datasets import SILVER_PCE_STATE
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.worlds import World

pytestmark = [pytest.mark.long, pytest.mark.real, pytest.mark.postgres]

_YEARS = range(1997, 2022)
_LINES_TIMES_AREAS = 17_582
_TABLES = ("SAPCE1", "SAPCE2", "SAPCE3", "SAPCE4")


@pytest.fixture(scope="module")
def archive(real_data: Path) -> Path:
    return real_data / "SAPCE_2022-10-06.zip"


@pytest.fixture(scope="module")
def world(archive: Path, tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[World]:
    with server.database(migrated=False) as url:
        world = World(tmp_path_factory.mktemp("real"), url, chosen_source="bulk")
        world.extract("2022-10-06", files=[archive])
        world.refresh(1997, 2021)
        yield world


@pytest.fixture(scope="module")
def silver(world: World) -> pl.DataFrame:
    return world.lake.table(SILVER_PCE_STATE).read()


def test_silver_holds_every_line_and_year_of_the_four_tables_and_nothing_else(silver: pl.DataFrame) -> None:
    assert silver.height == _LINES_TIMES_AREAS * len(_YEARS)
    assert silver["bea_table"].unique().sort().to_list() == list(_TABLES)
    assert silver.select("bea_table", "line_code", "geo_fips").unique().height == _LINES_TIMES_AREAS


def test_every_value_text_is_the_published_text(silver: pl.DataFrame, archive: Path) -> None:
    # read here by the plainest means, so that a mistake in our reader cannot hide in its own test
    published: dict[tuple[str, int, str, int], str] = {}
    with zipfile.ZipFile(archive) as opened:
        for table in _TABLES:
            text = opened.read(f"{table}__ALL_AREAS_1997_2021.csv").decode("ascii")
            rows = list(csv.reader(io.StringIO(text), skipinitialspace=True))
            for row in rows[1:]:
                if len(row) == len(rows[0]):
                    for year, cell in zip(rows[0][8:], row[8:], strict=True):
                        published[table, int(row[4]), row[0], int(year)] = cell.strip()
    held = {
        (table, line, area, year): text
        for table, line, area, year, text in silver.select(
            "bea_table", "line_code", "geo_fips", "year", "value_text"
        ).iter_rows()
    }
    assert held == published


def test_the_coded_cells_are_null_with_their_status(silver: pl.DataFrame) -> None:
    coded = silver.filter(pl.col("status") != "reported")
    assert coded.group_by("status", "value_text").len().rows() == [("below_50k", "(L)", 46)]
    assert coded["value"].null_count() == 46


def test_us_consumption_of_1997_is_what_bea_published(world: World) -> None:
    assert world.query(
        "SELECT pce_millions_usd::text, pce_per_capita_usd::text FROM gold.pce_state_annual "
        "WHERE geo_fips = '00000' AND category_id = 'product.pce' AND year = 1997"
    ) == [("5536790.100", "20308.000")]


def test_every_check_is_green_on_real_data(world: World) -> None:
    record = world.record(world.refresh(1997, 2021))
    assert record.checks
    assert [(check.name, check.summary) for check in record.checks if not check.passed] == []


def test_bronze_keeps_the_archive_as_received(world: World, archive: Path) -> None:
    (extract,) = world.bronze.extracts()
    manifest = world.bronze.manifest(extract)
    assert str(extract) == "2022-10-06"
    assert [entry.sha256 for entry in manifest.objects] == [sha256_of(archive.read_bytes())]
    assert {str(entry.last_updated) for entry in manifest.tables.values()} == {"2022-10-06"}


def test_the_same_archive_again_is_no_new_extract(world: World, archive: Path) -> None:
    world.extract("2022-10-06", files=[archive])
    assert len(world.bronze.extracts()) == 1
