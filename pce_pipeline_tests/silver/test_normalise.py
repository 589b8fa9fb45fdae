"""Observations become Silver under pinned meanings; what contradicts them stops with the difference spelled out."""

import dataclasses
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.quality.silver import SilverYears, category_is_known
from pce_pipeline.silver.errors import LineDifference, LineMeaningChanged, UnitChanged
from pce_pipeline.silver.observations import BASE_YEARS_SCHEMA, normalise, table_years
from pce_pipeline.tables.table import MONEY, content_sha256
from pce_pipeline.texts import clean_description
from pce_pipeline_tests.datasets import PCE_STATE, SILVER_PCE_STATE, pce_state

MILLIONS = "Millions of current dollars"
CATALOG = PCE_STATE
SMOKE = pce_state("smoke")


def cell(line: int, geo: str = "06000", year: int = 2020, value: str | None = "12.3", **other: Any) -> dict[str, Any]:
    return {
        "bea_table": "SAPCE1",
        "line_code": line,
        "geo_fips": geo,
        "year": year,
        "value_text": value or "(D)",
        "unit": MILLIONS,
        "unit_multiplier": 6,
        "value": value,
        "status": "reported" if value else "suppressed",
    } | other


def observations(*cells: dict[str, Any]) -> pl.DataFrame:
    types = {"line_code": pl.Int32, "year": pl.Int32, "unit_multiplier": pl.Int32, "value": pl.String}
    return pl.DataFrame(cells, schema_overrides=types).with_columns(pl.col("value").cast(MONEY))


def listed(*texts: tuple[int, str], table: str = "SAPCE1") -> pl.DataFrame:
    schema = {"bea_table": pl.String, "line_code": pl.Int32, "description": pl.String}
    return pl.DataFrame([(table, code, text) for code, text in texts], schema=schema, orient="row")


SMOKE_LINES = listed((1, "Personal consumption expenditures"), (2, "Goods"), (13, "Services"))


def test_a_cell_gets_our_category_and_its_area_the_level_and_postal_code():
    cells = observations(cell(2), cell(2, "00000"), cell(13, "91000", value=None), cell(1, year=2019))
    silver = normalise(cells, SMOKE_LINES, SMOKE).frame
    assert SILVER_PCE_STATE.conform(silver).equals(silver)
    columns = ("line_code", "category_id", "geo_fips", "geo_level", "state", "year", "value_text", "status")
    assert silver.select(columns).rows() == [
        (1, "product.pce", "06000", "state", "CA", 2019, "12.3", "reported"),
        (2, "product.goods", "00000", "nation", None, 2020, "12.3", "reported"),
        (2, "product.goods", "06000", "state", "CA", 2020, "12.3", "reported"),
        (13, "product.services", "91000", "region", None, 2020, "(D)", "suppressed"),
    ]


def test_a_changed_meaning_stops_with_the_difference_spelled_out():
    lines = listed((1, "Personal consumption expenditures"), (2, "Housing and utilities"), (13, "Services"))
    with pytest.raises(LineMeaningChanged) as stopped:
        normalise(observations(cell(2)), lines, SMOKE)
    assert stopped.value.table == "SAPCE1"
    assert stopped.value.differences == (LineDifference(2, "Goods", "Housing and utilities"),)
    assert "line 2 was pinned as 'Goods' and now says 'Housing and utilities'" in stopped.value.message
    assert "lines.csv" in stopped.value.remedy


@pytest.mark.parametrize("lines", [listed(), listed((1, "Personal consumption expenditures"))])
def test_a_line_that_bea_does_not_list_is_no_change_of_meaning(lines):
    assert normalise(observations(cell(2)), lines, SMOKE).frame.height == 1


def test_of_two_texts_of_one_line_both_must_mean_what_is_pinned():
    with pytest.raises(LineMeaningChanged, match="now says 'Robots'"):
        normalise(observations(cell(2)), pl.concat([SMOKE_LINES, listed((2, "Robots"))]), SMOKE)
    with pytest.raises(LineMeaningChanged, match="now says 'Robots'"):
        normalise(observations(cell(2)), pl.concat([listed((2, "Robots")), SMOKE_LINES]), SMOKE)


@pytest.mark.parametrize(
    "goods",
    [
        "Goods",
        "  Goods ",
        "Goods 1/",
        "Goods 1/, 2/",
        "Goods 1.",
        "Goods *",
        "[SAPCE1] Goods",
        "goods",
        "GOODS  2/",
    ],
)
def test_table_names_footnote_marks_case_and_spaces_are_no_change_of_meaning(goods):
    lines = listed((1, "Personal consumption expenditures"), (2, goods), (13, "Services"))
    assert normalise(observations(cell(2)), lines, SMOKE).frame.height == 1


@pytest.mark.parametrize("statistic", ["Total personal consumption expenditures: ", "PCE (by type of product):  "])
def test_a_statistic_before_many_lines_is_no_change_of_meaning(statistic):
    items = [(1, "Personal consumption expenditures"), (2, f"{statistic}Goods 1/"), (13, f"{statistic}Services")]
    lines = listed(*((code, f"[SAPCE1] {text}") for code, text in items))
    assert normalise(observations(cell(2)), lines, SMOKE).frame.height == 1


def test_words_before_one_line_alone_are_a_change_of_meaning():
    lines = listed((1, "Personal consumption expenditures"), (2, "Redefined: Goods"), (13, "Services"))
    with pytest.raises(LineMeaningChanged) as stopped:
        normalise(observations(cell(2)), lines, SMOKE)
    assert [difference.line_code for difference in stopped.value.differences] == [2]


@pytest.mark.parametrize("text", ["Goods and services", "NondurableGoods", "", "Good"])
def test_other_words_are_a_change_of_meaning(text):
    lines = listed((1, "Personal consumption expenditures"), (2, text), (13, "Services"))
    with pytest.raises(LineMeaningChanged):
        normalise(observations(cell(2)), lines, SMOKE)


def test_words_that_begin_another_line_are_no_statistic():
    lines = listed((2, "Durable goods"), (3, "Durable goods"))
    with pytest.raises(LineMeaningChanged, match="line 2 was pinned as 'Goods' and now says 'Durable goods'"):
        normalise(observations(cell(2)), lines, CATALOG)


def test_many_differences_are_counted_beyond_the_first():
    lines = listed(*((code, f"Robots of kind {code}") for code in range(1, 25)))
    with pytest.raises(LineMeaningChanged) as stopped:
        normalise(observations(cell(2)), lines, CATALOG)
    assert len(stopped.value.differences) == 24
    assert stopped.value.message.endswith("; and 12 more.")


def test_a_new_line_is_left_out_counted_and_named():
    new = listed((25, " Robots "), (26, "Drones"))
    cells = observations(cell(2), cell(25), cell(25, year=2019), cell(27))
    normalised = normalise(cells, pl.concat([SMOKE_LINES, new]), SMOKE)
    assert normalised.frame["line_code"].to_list() == [2]
    assert normalised.left_out.rows() == [
        ("SAPCE1", 25, "Robots", 2),
        ("SAPCE1", 26, "Drones", 0),
        ("SAPCE1", 27, None, 1),
    ]


def test_a_table_outside_the_profile_is_left_out():
    cells = observations(cell(2), cell(1, bea_table="SAPCE2", unit="Dollars", unit_multiplier=0))
    lines = pl.concat([SMOKE_LINES, listed((1, "Something else"), table="SAPCE2")])
    normalised = normalise(cells, lines, SMOKE)
    assert normalised.frame["bea_table"].to_list() == ["SAPCE1"]
    assert normalised.left_out.rows() == [("SAPCE2", 1, "Something else", 1)]


@pytest.mark.parametrize("other", [{"unit": "Thousands of dollars"}, {"unit_multiplier": 3}, {"unit": None}])
def test_another_unit_stops(other):
    with pytest.raises(UnitChanged) as stopped:
        normalise(observations(cell(1), cell(2, **other), cell(2, "01000", **other)), SMOKE_LINES, SMOKE)
    assert stopped.value.table == "SAPCE1"
    assert [difference.line_code for difference in stopped.value.differences] == [2]
    assert "Millions of current dollars (10^6)" in stopped.value.message


@pytest.mark.parametrize("unit", ["millions of CURRENT dollars", "Millions of  current dollars ", f"{MILLIONS} 1/"])
def test_a_unit_that_means_the_pinned_one_is_spelled_as_pinned(unit):
    silver = normalise(observations(cell(1), cell(2, unit=unit)), SMOKE_LINES, SMOKE).frame
    assert silver["unit"].to_list() == [MILLIONS, MILLIONS]
    alone = normalise(observations(cell(2, unit=unit)), SMOKE_LINES, SMOKE).frame
    assert alone["unit"].to_list() == [MILLIONS]


def test_of_tables_with_other_units_the_first_is_named():
    cells = [cell(1, bea_table=table, unit="Thousands of dollars") for table in ("SAPCE3", "SAPCE1", "SAPCE4")]
    with pytest.raises(UnitChanged) as stopped:
        normalise(observations(*cells), SMOKE_LINES, CATALOG)
    assert stopped.value.table == "SAPCE1"


REAL = dataclasses.replace(
    SMOKE,
    lines=SMOKE.lines.with_columns(
        unit=pl.when(pl.col("line_code") == 2)
        .then(pl.lit("Millions of constant ({base_year}) dollars"))
        .otherwise("unit"),
        description=pl.when(pl.col("line_code") == 13)
        .then(pl.lit("Services (in {base_year} dollars)"))
        .otherwise("description"),
    ),
)


def test_another_base_year_is_recorded_and_no_change_of_meaning():
    cells = [
        cell(2, year=2019, unit="Millions of constant (2012) dollars"),
        cell(2, year=2020, unit="millions of constant 2017 dollars"),
    ]
    lines = listed((2, "Goods"), (13, "Services (in 2017 dollars) 1/"))
    normalised = normalise(observations(cell(1), *cells), lines, REAL)
    assert normalised.frame["unit"].to_list() == [MILLIONS, *(one["unit"] for one in cells)]
    assert dict(normalised.base_years.schema) == BASE_YEARS_SCHEMA
    assert normalised.base_years.rows() == [
        ("SAPCE1", 2, "Millions of constant ({base_year}) dollars", 2012),
        ("SAPCE1", 2, "Millions of constant ({base_year}) dollars", 2017),
        ("SAPCE1", 13, "Services (in {base_year} dollars)", 2017),
    ]
    subject = SilverYears(normalised.frame, normalised.left_out, 3, REAL, {"SAPCE1": [2019, 2020]})
    assert category_is_known.check("silver/pce_state", subject).passed
    other = normalised.frame.with_columns(unit=pl.col("unit").str.replace("constant", "chained"))
    finding = category_is_known.check("silver/pce_state", dataclasses.replace(subject, frame=other))
    assert not finding.passed
    assert len(finding.examples) == 2


def test_where_nothing_is_left_open_no_base_year_is_recorded():
    assert normalise(observations(cell(1)), SMOKE_LINES, SMOKE).base_years.rows() == []


@pytest.mark.parametrize(
    "unit",
    [
        "Millions of constant dollars",
        "Millions of chained (2017) dollars",
        "Millions of constant (17) dollars",
        MILLIONS,
    ],
)
def test_a_unit_with_other_words_around_its_base_year_stops(unit):
    with pytest.raises(UnitChanged, match="base_year"):
        normalise(observations(cell(2, unit=unit)), listed((2, "Goods")), REAL)


def test_rows_of_an_unknown_area_are_set_aside_and_the_others_go_on():
    unread = cell(2, "72000", value_text="(T)", value=None, status="quarantined")
    normal = normalise(observations(cell(1), cell(1, "72000"), unread, cell(4, "72000")), SMOKE_LINES, SMOKE)
    assert normal.frame.select("line_code", "geo_fips").rows() == [(1, "06000")]
    # the row of a line that is not pinned is left out with its line
    assert normal.set_aside.select("line_code", "geo_fips", "value_text").rows() == [
        (1, "72000", "12.3"),
        (2, "72000", "(T)"),
    ]
    assert normal.left_out["rows"].to_list() == [1]


def test_no_observations_give_an_empty_silver_of_the_declared_types():
    empty = normalise(observations(cell(1)).clear(), SMOKE_LINES, SMOKE)
    assert dict(empty.frame.schema) == SILVER_PCE_STATE.polars_schema
    assert empty.left_out.is_empty()


def test_years_normalised_apart_and_in_any_order_are_the_same_bytes():
    cells = observations(
        *[cell(line, geo, year) for line in (1, 2) for geo in ("06000", "01000") for year in (2019, 2020)]
    )
    whole = normalise(cells.sample(fraction=1, shuffle=True, seed=7), SMOKE_LINES, SMOKE).frame
    apart = [normalise(cells.filter(pl.col("year") == year), SMOKE_LINES, SMOKE).frame for year in (2019, 2020)]
    assert content_sha256(whole) == content_sha256(pl.concat(apart).sort(SILVER_PCE_STATE.key))


def test_the_years_each_table_holds_are_listed():
    cells = observations(cell(1, year=2020), cell(1, year=2019), cell(2, year=2019), cell(1, bea_table="SAPCE2"))
    assert table_years(cells) == {"SAPCE1": (2019, 2020), "SAPCE2": (2020,)}


@given(st.sampled_from(CATALOG.lines["description"].to_list()), st.sampled_from(["", " 1/", " 2.", "*", " 1/, 2/ "]))
def test_cleaning_keeps_every_pinned_text_whole(text, marks):
    assert clean_description(f"  {text}{marks}") == text
