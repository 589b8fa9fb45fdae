"""A dataset as it was known on a day: by the vintages that counted then, whatever came later or is pinned."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from pce_pipeline.bronze.as_known import as_known
from pce_pipeline.bronze.errors import NotKnownYet
from pce_pipeline.gold.changes import AsKnown, changes
from pce_pipeline.lake.layout import ExtractId
from pce_pipeline_tests.bronze.look_alike import Lakeside, LookAlike
from pce_pipeline_tests.bronze.test_partial_files import OF_RELEASE, Cut, cut, taken  # noqa: F401 (a fixture)


@pytest.fixture
def lake(tmp_path: Path) -> Lakeside:
    return Lakeside(tmp_path / "lake", LookAlike(2, profile="smoke"))


def known(lake: Lakeside, day: date) -> AsKnown:
    return as_known(lake.current(), ExtractId(day, 999_999)).known


def value(found: AsKnown, area: str, year: int) -> Decimal | None:
    cell = found.cells.filter(geo_fips=area, year=year, category_id="product.pce", measure="pce")["value"]
    return cell.item() if cell.len() else None


def test_what_was_known_on_a_day_is_the_last_vintage_up_to_its_end(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(2))
    then = known(lake, OF_RELEASE[2])
    taken(lake, cut(1))
    first, second = OF_RELEASE[1], OF_RELEASE[2]
    assert known(lake, second).cells.equals(then.cells), "an older file that comes in later changes nothing of it"
    assert known(lake, second - timedelta(days=1)).cells.equals(known(lake, first).cells)
    found = changes(known(lake, first), known(lake, second))
    assert set(found["kind"]) == {"revision", "new"}
    assert set(found.filter(pl.col("kind") == "new")["year"]) == {2024}
    revised = found.filter(pl.col("kind") == "revision").row(0, named=True)
    assert revised["to_value"] - revised["from_value"] == revised["change"] != 0
    lake.bronze.write_pin(ExtractId(first), now=datetime.now(UTC), reason="a test")
    assert known(lake, second).cells.equals(then.cells), "a pin is about what is published now"


def test_a_part_that_does_not_count_is_not_known(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(1))
    before = known(lake, OF_RELEASE[1])
    taken(lake, cut(2, areas=["01000"]))
    assert known(lake, OF_RELEASE[2]).cells.equals(before.cells)


def test_of_a_part_that_counts_nothing_else_was_withdrawn(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    taken(lake, cut(2, areas=["01000"]))
    taken(lake, cut(1))
    found = changes(known(lake, OF_RELEASE[1]), known(lake, OF_RELEASE[2]))
    assert set(found["geo_fips"]) == {"01000"}
    assert value(known(lake, OF_RELEASE[1]), "02000", 2020) is not None


def test_a_day_before_the_first_vintage_is_refused_and_names_it(lake: Lakeside, cut: Cut) -> None:  # noqa: F811
    with pytest.raises(NotKnownYet, match="No extract counts yet"):
        known(lake, OF_RELEASE[1])
    taken(lake, cut(1))
    with pytest.raises(NotKnownYet, match=f"The first vintages are: pce_state of {OF_RELEASE[1]}"):
        known(lake, OF_RELEASE[1] - timedelta(days=1))
