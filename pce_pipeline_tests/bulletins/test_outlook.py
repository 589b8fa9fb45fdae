"""What is still to come, as it was known at the time of an extract."""

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl

from pce_pipeline.bulletins.bulletin import Outlook
from pce_pipeline.bulletins.outlook import has_clocks, looked_at, outlook_of
from pce_pipeline.catalog.reading import load_datasets
from pce_pipeline.gold.known import VINTAGES, AsOf
from pce_pipeline.gold.revisions import revision_stats
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline.tables.vintages import gold_vintages
from pce_pipeline_tests.datasets import pce_state

DATASET = pce_state("smoke")
TABLE = gold_vintages(DATASET)
RELEASES = range(2018, 2026)
TAKEN = datetime(2026, 1, 1, tzinfo=UTC)


def number(release: int) -> int:
    return ExtractId(date(release, 1, 15)).vintage_id


def row(year: int, release: int, value: float, ends: int | None, **other: object) -> dict[str, object]:
    """A stretch of a figure from a release on, until another."""
    return {
        "measure": "pce",
        "category_id": "product.pce",
        "geo_fips": "01000",
        "geo_level": "state",
        "state": "AL",
        "year": year,
        "basis": "counted",
        "valid_from": number(release),
        "valid_to": number(ends) if ends else None,
        "value": Decimal(str(value)),
        "status": "reported",
        "unit": "millions_usd",
        "base_year": None,
        "decimals": 1,
        "bea_table": "SAPCE1",
        "released_on": date(release, 1, 15),
        "ingested_at": TAKEN,
        "source_object": "an object",
        **other,
    }


def log() -> pl.DataFrame:
    """Each release has the year before it for the first time, and revises the one before that, the later the more."""
    rows = []
    for release in RELEASES:
        is_last = release == RELEASES[-1]
        rows.append(row(release - 1, release, 100, None if is_last else release + 1))
        if not is_last:
            rows.append(row(release - 1, release + 1, 100 + (release - 2017) / 10, None))
    return pl.DataFrame(rows, schema=TABLE.polars_schema)


def vintages() -> pl.DataFrame:
    rows = [("SAPCE1", "counted", number(each), date(each, 1, 15), TAKEN, f"{each}-01-15") for each in RELEASES]
    return pl.DataFrame(rows, schema=VINTAGES, orient="row")


def outlook(release: int) -> Outlook:
    return outlook_of(DATASET, AsOf(date(release, 1, 15), 1), {"pce_state": log()}, vintages(), {"pce_state": DATASET})


def test_the_usual_revision_is_that_of_the_statistics_at_the_age_that_is_next() -> None:
    (usual,) = outlook(2025).usual
    stats = revision_stats([log()], vintages(), DATASET).filter(age_years=2, is_comprehensive=False).row(0, named=True)
    assert (usual.year, usual.measure, usual.category) == (2024, "pce", "Personal consumption expenditures")
    assert (usual.n_releases, usual.abs_pct90) == (stats["n_releases"], stats["abs_pct90"])
    assert usual.n_releases == 5
    assert usual.abs_pct90 is not None


def test_what_came_later_tells_nothing_of_what_was_usual_then() -> None:
    (usual,) = outlook(2021).usual
    assert (usual.year, usual.n_releases, usual.abs_pct90) == (2020, 2, None)
    (first,) = outlook(2018).usual
    assert (first.year, first.n_releases, first.abs_pct90) == (2017, 0, None)


def test_only_totals_of_what_counts_are_looked_at_and_what_prices_are_made_with() -> None:
    rows = [
        row(2020, 2021, 1, None),
        row(2020, 2021, 1, None, category_id="product.goods"),
        row(2020, 2021, 1, None, basis="partial"),
        row(2020, 2021, 1, None, geo_fips="00000", geo_level="nation"),
        row(2020, 2021, 1, None, geo_fips="00000", geo_level="nation", measure="another"),
    ]
    chosen = pl.DataFrame(rows, schema=TABLE.polars_schema).with_row_index("n").filter(looked_at(DATASET))
    assert chosen["n"].to_list() == [0, 3]


def test_datasets_with_prices_or_what_they_are_made_with_have_clocks() -> None:
    assert {name: has_clocks(each) for name, each in load_datasets("full").items()} == {
        "income_state": True,
        "pce_state": True,
        "pce_us_monthly": False,
        "prices_state": True,
        "summary_state": True,
    }
