"""A table in the layout of before comes in by every way, says the same, and stands where it stands today."""

import json
from pathlib import Path

import httpx
import polars as pl
import pytest
from pydantic import SecretStr

from pce_pipeline.bea.client import BeaClient
from pce_pipeline.bea.errors import BeaRequestRejected
from pce_pipeline.bronze.cells import kept_cells
from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.extract import Prepared, next_extract_id, prepare, publish, stored_subject
from pce_pipeline.bronze.feeds import ApiFeed, BulkFeed, Feed
from pce_pipeline.bronze.files import FileFeed
from pce_pipeline.bronze.history import decoded_of
from pce_pipeline.bronze.line_history import fold_lines
from pce_pipeline.bronze.rules import bronze_rules
from pce_pipeline.bronze.store import BronzeStore
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.emulator.app import create_app
from pce_pipeline.emulator.archive import archive
from pce_pipeline.emulator.faults import Fault, FaultKind
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.store import Store
from pce_pipeline.quality.rules import judge
from pce_pipeline_tests.bronze.look_alike import KEY, today

PRICES = load_datasets("full")["prices_state"]
IN_TEN_LINES = Fault(FaultKind.LAYOUT_OF_BEFORE)
TABLES = ["SARPP", "SARPI", "SAIRPD"]


class Shelf:
    """The Bronze of prices in a directory, and a look-alike to fill it from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bronze = BronzeStore(Store(DirectoryBackend(folder / "lake")), Layout("local", "bea"), "prices_state")

    def feed(self, way: str, release: int, *faults: Fault) -> Feed:
        app = create_app(release, faults=faults)

        def client() -> BeaClient:
            return BeaClient("http://bea", SecretStr(KEY), transport=httpx.ASGITransport(app=app), attempts=2)

        if way == "file":
            path = self.folder / "SARPP.zip"
            path.write_bytes(archive("SARPP.zip", release, frozenset(faults)) or b"")
            return FileFeed([path], [PRICES])
        return ApiFeed(client, PRICES, "api") if way == "api" else BulkFeed(client, PRICES)

    def prepared(self, way: str, release: int, *faults: Fault) -> Prepared:
        extract = next_extract_id(self.bronze, today())
        feed = self.feed(way, release, *faults)
        return prepare(self.bronze, feed, PRICES, extract, TABLES, world="bea", run_id="a-run")

    @property
    def now(self) -> Current:
        return current(self.bronze, PRICES)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.mark.parametrize("way", ["api", "bulk", "file"])
def test_one_table_of_ten_lines_is_the_three_tables_of_today(shelf: Shelf, way: str) -> None:
    before = shelf.prepared(way, 2, IN_TEN_LINES)
    extract = publish(shelf.bronze, before)
    assert set(before.manifest.tables) == set(TABLES)
    assert {each.names for each in before.manifest.objects} == {("SARPP",)}
    assert set().union(*(each.tables for each in before.manifest.objects)) == set(TABLES)
    results = judge(bronze_rules, "bronze/prices_state", stored_subject(shelf.bronze, PRICES, extract))
    assert [(each.name, each.examples) for each in results if not each.passed] == []

    today_is = shelf.prepared(way, 2)
    # before, the deflator had a row of the US, without a figure; a file without it says nothing new
    assert today_is.changed == (() if way == "file" else ("SAIRPD",))
    assert {str(each) for each in today_is.equals.values()} == {str(extract)}
    assert [each.counts for each in (today_is.manifest.verdicts or {}).values()] == [True] * 3, "nobody misses that row"


@pytest.mark.parametrize("way", ["api", "bulk"])
def test_what_is_kept_of_it_is_read_again_and_tells_its_objects(shelf: Shelf, way: str) -> None:
    extract = publish(shelf.bronze, shelf.prepared(way, 2, IN_TEN_LINES))
    manifest = shelf.bronze.manifest(extract)
    kept = kept_cells(shelf.bronze, manifest, PRICES).of_year(2020)
    (deflator,) = kept.filter(bea_table="SAIRPD", line_code=1, geo_fips="06000")["object"]
    assert deflator == ("SARPP/10.json.gz" if way == "api" else "SARPP.zip")
    assert kept["object"].null_count() == 0
    assert shelf.now.sources.keys() == set(TABLES)


def test_the_next_release_in_the_layout_of_today_follows_it(shelf: Shelf) -> None:
    publish(shelf.bronze, shelf.prepared("bulk", 2, IN_TEN_LINES))
    after = shelf.prepared("bulk", 4)
    assert sorted(after.changed) == sorted(TABLES)
    assert [each.counts for each in (after.manifest.verdicts or {}).values()] == [True] * 3


def test_the_release_after_it_in_ten_lines_follows_that_of_today(shelf: Shelf) -> None:
    publish(shelf.bronze, shelf.prepared("api", 2))
    after = shelf.prepared("api", 4, IN_TEN_LINES)
    assert sorted(after.changed) == sorted(TABLES)
    assert [each.counts for each in (after.manifest.verdicts or {}).values()] == [True] * 3


@pytest.mark.parametrize("way", ["api", "bulk"])
def test_its_lines_are_told_where_each_release_printed_them(shelf: Shelf, way: str) -> None:
    publish(shelf.bronze, shelf.prepared(way, 2, IN_TEN_LINES))
    first = fold_lines(shelf.now, decoded_of(shelf.now))
    assert first.rows["layout"].unique().to_list() == [layout_of_ten_lines()]
    publish(shelf.bronze, shelf.prepared(way, 4))
    folded = fold_lines(shelf.now, decoded_of(shelf.now), first)
    told = ["bea_table", "line_code", "published_table", "published_line", "is_held"]
    rows = folded.rows.with_columns(is_held=pl.col("valid_to").is_null()).select(told).sort(told).rows()
    before = [("SAIRPD", 1, "SARPP", 10), *(("SARPI", line, "SARPP", line) for line in range(1, 5))]
    before += [("SARPP", line, "SARPP", line + 4) for line in range(1, 6)]
    assert rows == sorted([(*each, False) for each in before] + [(*each[:2], *each[:2], True) for each in before])
    whole = fold_lines(shelf.now, decoded_of(shelf.now))
    assert (whole.rows.equals(folded.rows), whole.keys) == (True, folded.keys)


def layout_of_ten_lines() -> str:
    """The only layout in which SARPP has a line that is a deflator."""
    of_before = PRICES.layouts.filter((pl.col("bea_table") == "SARPP") & (pl.col("today_table") == "SAIRPD"))
    return str(of_before["layout"].item())


def test_a_lake_of_before_is_told_of_its_lines_from_bronze(shelf: Shelf) -> None:
    manifest = shelf.bronze.manifest(publish(shelf.bronze, shelf.prepared("bulk", 2)))
    record = next((shelf.folder / "lake").rglob("record.json"))
    held = json.loads(record.read_text("utf-8"))
    del held["printed"]
    record.write_text(json.dumps(held), "utf-8")
    kept = kept_cells(shelf.bronze, manifest, PRICES)
    assert kept.printed.height == PRICES.lines.height
    assert fold_lines(shelf.now, decoded_of(shelf.now)).rows["line_code"].null_count() == 0


def test_a_table_that_is_gone_without_another_for_its_lines_is_an_error(shelf: Shelf) -> None:
    with pytest.raises(BeaRequestRejected):
        shelf.prepared("api", 2, Fault(FaultKind.TABLE_RENAMED, tables=("SARPP",)))


def test_one_table_of_it_alone_can_be_asked_for(shelf: Shelf) -> None:
    extract = next_extract_id(shelf.bronze, today())
    feed = shelf.feed("file", 2, IN_TEN_LINES)
    alone = prepare(shelf.bronze, feed, PRICES, extract, ["SARPI"], world="bea", run_id="a-run")
    assert list(alone.manifest.tables) == ["SARPI"]
    assert alone.manifest.tables["SARPI"].lines == (1, 2, 3, 4)
    assert [each.rows for each in alone.manifest.objects] == [alone.manifest.tables["SARPI"].rows]
