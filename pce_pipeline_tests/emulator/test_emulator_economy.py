"""The sample's numbers add up, repeat, and change exactly where the releases say."""

from functools import cache

import polars as pl
import pytest

from pce_pipeline.emulator.economy import FIRST_YEAR
from pce_pipeline.emulator.figures import clocks_of, generate
from pce_pipeline.emulator.vintages import DEFAULT_RELEASE, VINTAGES, vintage
from pce_pipeline_tests.datasets import PCE_STATE

NATION = "00000"
CELL = ["bea_table", "line_code", "geo_fips", "year"]


@cache
def cells(release: int) -> pl.DataFrame:
    return generate(vintage(release), {PCE_STATE.name: PCE_STATE})


@cache
def numbers(release: int) -> pl.DataFrame:
    """Tenths of millions (or of dollars) by cell and category; coded cells are null."""
    tenths = pl.col("value_text").cast(pl.Decimal(18, 1), strict=False).cast(pl.Float64) * 10
    lines = PCE_STATE.lines.select("bea_table", "line_code", "category_id")
    return (
        cells(release)
        .with_columns(tenths.round().cast(pl.Int64).alias("tenths"))
        .join(lines, on=["bea_table", "line_code"])
    )


def signed_sums(release: int) -> pl.DataFrame:
    """Each parent beside the sum of its reported parts; sums with a coded part are left out."""
    frame = numbers(release).filter(pl.col("bea_table") != "SAPCE2")
    parents = PCE_STATE.categories.select("category_id", "parent_id", "sign").drop_nulls("parent_id")
    sums = (
        frame.join(parents, on="category_id")
        .group_by("bea_table", "parent_id", "geo_fips", "year")
        .agg(
            (pl.col("tenths") * pl.col("sign")).sum().alias("parts"),
            pl.col("tenths").null_count().alias("coded"),
            pl.len().alias("terms"),
        )
        .filter(pl.col("coded") == 0)
    )
    return frame.rename({"category_id": "parent_id"}).join(sums, on=["bea_table", "parent_id", "geo_fips", "year"])


def test_every_line_area_and_year_of_the_catalogue_is_there():
    dataset = PCE_STATE
    frame = cells(DEFAULT_RELEASE)
    years = vintage(DEFAULT_RELEASE).last_year + 1 - FIRST_YEAR
    per_table = frame.group_by("bea_table").len().sort("bea_table")
    assert dict(per_table.iter_rows()) == {
        table: years * rows for table, rows in {"SAPCE1": 1440, "SAPCE2": 1440, "SAPCE3": 6721, "SAPCE4": 7981}.items()
    }
    assert frame.select(CELL).n_unique() == frame.height
    assert set(frame["geo_fips"]) == set(dataset.areas["geo_fips"])


@pytest.mark.parametrize(("table", "line"), [("SAPCE3", 46), ("SAPCE4", 131)])
def test_net_expenditures_abroad_are_published_for_the_nation_only(table, line):
    of_line = cells(DEFAULT_RELEASE).filter((pl.col("bea_table") == table) & (pl.col("line_code") == line))
    assert set(of_line["geo_fips"]) == {NATION}


@pytest.mark.parametrize("release", [one.number for one in VINTAGES])
def test_parts_add_up_to_their_totals_but_for_the_gap_bea_has_too(release):
    exceptions = [one for one in PCE_STATE.known_exceptions if one.identity == "children"]
    sums = signed_sums(release).filter(pl.col("tenths").is_not_null())
    wrong = sums.filter(pl.col("tenths") != pl.col("parts"))
    expected = {
        (one.bea_table, line, one.geo_fips, year)
        for one in exceptions
        for line in one.line_codes
        for year in range(one.first_year, vintage(release).last_year + 1)
    }
    assert set(wrong.select(CELL).iter_rows()) == expected
    assert sums.height > 100_000


def test_states_add_up_to_regions_and_to_the_nation_but_for_what_is_spent_abroad():
    dataset = PCE_STATE
    frame = numbers(DEFAULT_RELEASE).filter(pl.col("bea_table") != "SAPCE2")
    regions = dataset.areas.drop_nulls("region_fips").select("geo_fips", "region_fips")
    sums = (
        frame.join(regions, on="geo_fips")
        .group_by("bea_table", "line_code", "year", pl.col("region_fips").alias("geo_fips"))
        .agg(pl.col("tenths").sum().alias("parts"), pl.col("tenths").null_count().alias("coded"))
    )
    checked = frame.join(sums.filter(pl.col("coded") == 0), on=CELL)
    assert checked.height > 8 * 200 * 20
    assert checked.filter(pl.col("tenths") != pl.col("parts")).is_empty()

    total = sums.group_by("bea_table", "line_code", "year").agg(pl.col("parts").sum(), pl.col("coded").sum())
    nation = frame.filter(pl.col("geo_fips") == NATION).join(
        total.filter(pl.col("coded") == 0), on=["bea_table", "line_code", "year"]
    )
    gaps = nation.filter(pl.col("tenths") != pl.col("parts"))
    assert set(gaps.filter(pl.col("bea_table") == "SAPCE1")["line_code"]) == {1, 2, 8, 12}
    assert set(gaps.filter(pl.col("bea_table") == "SAPCE3")["line_code"]) == {1, 2, 25, 39}
    assert set(gaps.filter(pl.col("bea_table") == "SAPCE4")["line_code"]) == {1, 2, 128}
    assert set(gaps.filter((pl.col("bea_table") == "SAPCE4") & (pl.col("year") >= 2017))["line_code"]) == {1}
    abroad = frame.filter(pl.col("category_id") == "product.net_expenditures_abroad_by_us_residents")
    found = gaps.filter(pl.col("bea_table") == "SAPCE1").join(abroad.select("year", abroad="tenths"), on="year")
    assert found.filter(pl.col("tenths") - pl.col("parts") != pl.col("abroad")).is_empty()


def test_tables_agree_where_they_publish_the_same_quantity():
    frame = numbers(DEFAULT_RELEASE)
    shared = frame.filter(pl.col("bea_table") == "SAPCE1").join(
        frame.filter(pl.col("bea_table") == "SAPCE3"), on=["category_id", "geo_fips", "year"], suffix="_detailed"
    )
    assert shared.height == frame.filter(pl.col("bea_table") == "SAPCE1").height
    assert shared.filter(pl.col("tenths") != pl.col("tenths_detailed")).is_empty()
    totals = frame.filter((pl.col("line_code") == 1) & (pl.col("bea_table") != "SAPCE2"))
    assert totals.group_by("geo_fips", "year").agg(pl.col("tenths").n_unique())["tenths"].max() == 1


def test_per_capita_is_the_total_over_one_population():
    frame = numbers(DEFAULT_RELEASE)
    by_table = frame.filter(pl.col("bea_table").is_in(["SAPCE1", "SAPCE2"])).pivot(
        on="bea_table", index=["category_id", "geo_fips", "year"], values="tenths"
    )
    assert by_table.null_count().sum_horizontal().item() == 0
    people = by_table.filter(pl.col("category_id") == "product.pce").select(
        "geo_fips", "year", people=pl.col("SAPCE1") * 1e6 / pl.col("SAPCE2")
    )
    off = by_table.join(people, on=["geo_fips", "year"]).select(
        ((pl.col("SAPCE1") * 1e5 / pl.col("people")) - pl.col("SAPCE2") / 10).abs().max()
    )
    assert off.item() < 1
    assert cells(DEFAULT_RELEASE).filter(pl.col("bea_table") == "SAPCE2")["value_text"].str.contains(r"^\d+$").all()


def test_sizes_are_those_of_an_economy():
    frame = numbers(3)
    nation = frame.filter(
        (pl.col("geo_fips") == NATION) & (pl.col("bea_table") == "SAPCE1") & (pl.col("line_code") == 1)
    )
    by_year = dict(nation.select("year", pl.col("tenths") / 1e7).iter_rows())
    assert 5.3 < by_year[1997] < 5.7
    assert 18 < by_year[2025] < 22
    assert by_year[2009] < by_year[2008]
    assert by_year[2020] < by_year[2019]
    per_capita = frame.filter((pl.col("bea_table") == "SAPCE2") & (pl.col("line_code") == 1) & (pl.col("year") == 2024))
    assert 30_000 < per_capita["tenths"].min() / 10 < per_capita["tenths"].max() / 10 < 110_000  # type: ignore[operator]  # columns of integers


def test_only_net_foreign_travel_is_negative_and_mostly_so():
    negative = numbers(DEFAULT_RELEASE).filter(pl.col("tenths") < 0)
    assert set(negative.select("bea_table", "line_code").iter_rows()) == {("SAPCE3", 108), ("SAPCE4", 128)}
    assert negative.height > 1000


def test_coded_cells_are_few_and_lie_in_parts():
    coded = cells(DEFAULT_RELEASE).filter(pl.col("value_text").str.starts_with("("))
    assert set(coded["value_text"]) == {"(D)", "(NA)", "(L)"}
    assert coded.height < 100
    low = coded.filter(pl.col("value_text") == "(L)")
    assert set(low.select("bea_table", "line_code").iter_rows()) == {("SAPCE3", 75), ("SAPCE4", 65)}
    assert set(low["geo_fips"]) == {"20000", "38000", "46000"}
    roles = coded.join(PCE_STATE.lines, on=["bea_table", "line_code"]).join(PCE_STATE.categories, on="category_id")
    assert set(roles["role"]) == {"part"}


@pytest.mark.parametrize("release", [2, 3, 4])
def test_a_release_changes_exactly_the_years_its_note_names(release):
    shown = vintage(release)
    compared = cells(release).join(cells(release - 1), on=CELL, how="full", suffix="_before", coalesce=True)
    changed = compared.filter(~pl.col("value_text").eq_missing(pl.col("value_text_before")))
    for table in PCE_STATE.tables:
        new_years = {shown.new_year} if shown.new_year else set()
        of_table = changed.filter(pl.col("bea_table") == table)
        revised = {year for clock in clocks_of(PCE_STATE, table) for year in shown.revised_years(clock)}
        assert set(of_table["year"]) == {*revised, *new_years}
        assert set(of_table["geo_fips"]) == set(PCE_STATE.areas["geo_fips"])
    assert compared.filter(pl.col("value_text").is_null()).is_empty()


def test_a_cell_not_available_in_its_first_year_is_published_with_the_next_release():
    asked = (pl.col("bea_table") == "SAPCE4") & (pl.col("line_code") == 124) & (pl.col("geo_fips") == "56000")
    assert cells(2).filter(asked & (pl.col("year") == 2024))["value_text"].item() == "(NA)"
    assert not cells(3).filter(asked & (pl.col("year") == 2024))["value_text"].item().startswith("(")


def test_the_numbers_are_the_same_on_every_machine():
    of_alabama = (pl.col("geo_fips") == "01000") & (pl.col("year") == 2010) & (pl.col("line_code") == 1)
    shown = cells(1).filter(of_alabama).select("bea_table", "value_text")
    assert dict(shown.iter_rows()) == {
        "SAPCE1": "120338.3",
        "SAPCE2": "25438",
        "SAPCE3": "120338.3",
        "SAPCE4": "120338.3",
    }
    assert generate(vintage(1), {PCE_STATE.name: PCE_STATE}).equals(cells(1))


def test_a_silent_revision_changes_the_newest_two_years_only():
    silent = generate(vintage(2), {PCE_STATE.name: PCE_STATE}, silently=True)
    changed = silent.filter(silent["value_text"] != cells(2)["value_text"])
    assert set(changed["year"]) == {2023, 2024}


def test_the_notes_speak_as_bea_does():
    assert [vintage(number).note(clocks_of(PCE_STATE, "SAPCE1")) for number in (1, 2, 3, 4)] == [
        "Last updated: October 3, 2024-- new statistics for 2023; revised statistics for 2019-2022.",
        "Last updated: September 26, 2025-- new statistics for 2024; revised statistics for 2019-2023.",
        "Last updated: September 30, 2026-- new statistics for 2025; revised statistics for 2021-2024.",
        "Last updated: October 29, 2026-- revised statistics for 2023-2025.",
    ]
    assert vintage(3).note(clocks_of(PCE_STATE, "SAPCE2")).endswith("revised statistics for 2016-2024.")


def test_a_release_that_the_sample_lacks_is_refused():
    with pytest.raises(LookupError, match="1 to 4, not 5"):
        vintage(5)
