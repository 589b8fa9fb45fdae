"""Published texts become numbers or reasons, and content hashes see meanings only."""

import hashlib
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea.errors import BeaCellError
from pce_pipeline.bea.observations import OBSERVATION_SCHEMA
from pce_pipeline.bea.texts import clean_description
from pce_pipeline.bea.values import STATUS_OF_CODE, coded, content_hashes, table_hash, typed
from pce_pipeline.schemas import MONEY, STATUSES


def observations(texts, years=None):
    rows = [
        ("SAPCE1", line, "01000", 2021 if years is None else years[line], text, "Dollars", 0)
        for line, text in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=OBSERVATION_SCHEMA, orient="row")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5536790.1", "5536790.1"),
        ("12,119,763", "12119763"),
        ("-1,234.567", "-1234.567"),
        (" 0.0 ", "0"),
        ("197964", "197964"),
        (".5", "0.5"),
        ("1.2340", "1.234"),
        ("999999999999999.999", "999999999999999.999"),
    ],
)
def test_a_published_number_is_kept_exactly(text, value):
    frame = typed(observations([text]))
    assert frame.schema["value"] == MONEY
    assert frame.row(0, named=True)["value"] == Decimal(value)
    assert frame["status"].to_list() == ["reported"]


def test_each_code_says_why_there_is_no_number():
    frame = typed(observations([*STATUS_OF_CODE, " (D) "]))
    assert frame["value"].null_count() == frame.height
    assert frame["status"].to_list() == [*STATUS_OF_CODE.values(), "suppressed"]
    assert set(STATUS_OF_CODE.values()) <= set(STATUSES)


@pytest.mark.parametrize(
    "text",
    [
        "1.2345",
        "1234567890123456",
        "(X)",
        "1,23",
        "12,3456",
        "1e5",
        "--1",
        "-",
        ".",
        "5.",
        "1 2",
        "NaN",
        "(5)",
        "٣",
        "0x1",
    ],
)
def test_what_is_no_exact_number_and_no_code_names_its_cell(text):
    with pytest.raises(BeaCellError) as caught:
        typed(observations(["1", text]))
    error = caught.value
    assert (error.text, error.table, error.line, error.area, error.year) == (text, "SAPCE1", 1, "01000", 2021)


def test_the_first_of_several_cells_that_say_nothing_is_named():
    with pytest.raises(BeaCellError) as caught:
        typed(observations(["1", "first", "second", "third"]))
    assert (caught.value.text, caught.value.line) == ("first", 1)


def test_a_missing_text_is_no_value():
    with pytest.raises(BeaCellError):
        typed(observations([None]))


def test_no_cells_are_fine():
    assert typed(observations([])).height == 0
    assert content_hashes(typed(observations([]))) == {}


@settings(deadline=None)
@given(st.decimals(min_value=-(10**15) + 1, max_value=10**15 - 1, places=3), st.booleans())
def test_any_decimal_comes_through_with_or_without_commas(number, commas):
    text = f"{number:,}" if commas else f"{number}"
    assert typed(observations([text]))["value"].to_list() == [number]


@pytest.mark.parametrize(
    ("value", "note", "text"),
    [
        ("0", "(NA)", "(NA)"),
        ("0.0", "(NA) *", "(NA)"),
        ("", "2 (D)", "(D)"),
        ("(L)", "(L)", "(L)"),
        ("(D)", "", "(D)"),
        ("0", "2", "0"),
        ("12.5", "*", "12.5"),
        ("0", "(X)", "(X)"),
        ("12.5", "(NA)", None),
        ("(L)", "(NA)", None),
        ("0", "(NA) (D)", None),
    ],
)
def test_a_note_with_a_code_outweighs_a_zero_and_nothing_else(value, note, text):
    frame = pl.DataFrame({"value": [value], "note": [note]})
    assert frame.select(coded(pl.col("value"), pl.col("note"))).item() == text


def test_a_hash_is_that_of_the_rows_of_its_table_and_year_in_words():
    rows = [
        ("SAPCE2", 1, "01000", 2020, "5", "Dollars", 0),
        ("SAPCE1", 2, "01000", 2021, "4", "Dollars", 0),
        ("SAPCE1", 1, "02000", 2020, "(D)", "Dollars, current", 0),
        ("SAPCE1", 2, "01000", 2020, "1,000.5", "Dollars", 0),
        ("SAPCE1", 1, "01000", 2020, "2", "Dollars", 0),
    ]
    header = "bea_table,line_code,geo_fips,year,value,status,unit\n"
    of_2020 = (
        '"SAPCE1",1,"01000",2020,2.000,"reported","Dollars"\n'
        '"SAPCE1",1,"02000",2020,,"suppressed","Dollars, current"\n'
        '"SAPCE1",2,"01000",2020,1000.500,"reported","Dollars"\n'
    )
    of_2021 = '"SAPCE1",2,"01000",2021,4.000,"reported","Dollars"\n'
    of_other = '"SAPCE2",1,"01000",2020,5.000,"reported","Dollars"\n'
    expected = {text: hashlib.sha256((header + text).encode()).hexdigest() for text in (of_2020, of_2021, of_other)}
    found = content_hashes(typed(pl.DataFrame(rows, schema=OBSERVATION_SCHEMA, orient="row")))
    assert found == {
        "SAPCE1": {2020: expected[of_2020], 2021: expected[of_2021]},
        "SAPCE2": {2020: expected[of_other]},
    }


def test_hashes_do_not_see_order_source_or_spelling():
    one = typed(observations(["100", "(NA)", "1,234.50"]))
    other = typed(observations(["100.0", "n.a.", "1234.5"])).reverse().with_columns(unit_multiplier=pl.lit(3))
    assert content_hashes(one) == content_hashes(other)


@pytest.mark.parametrize(
    "change",
    [
        {"value": pl.lit("7").cast(MONEY)},
        {"status": pl.lit("suppressed")},
        {"unit": pl.lit("Thousands of dollars")},
        {"geo_fips": pl.lit("02000")},
        {"line_code": pl.lit(9).cast(pl.Int32)},
    ],
)
def test_hashes_see_every_part_of_a_cell(change):
    frame = typed(observations(["100"]))
    assert content_hashes(frame) != content_hashes(frame.with_columns(**change))


def test_a_change_in_one_year_changes_that_year_and_the_table():
    before = content_hashes(typed(observations(["1", "2", "3"], years=(2019, 2020, 2021))))["SAPCE1"]
    after = content_hashes(typed(observations(["1", "9", "3"], years=(2019, 2020, 2021))))["SAPCE1"]
    assert [year for year in before if before[year] != after[year]] == [2020]
    assert table_hash(before) != table_hash(after)
    assert table_hash(dict(reversed(before.items()))) == table_hash(before)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("   Less: Receipts from sales of goods ", "Less: Receipts from sales of goods"),
        ("[SAPCE3] Total PCE: Goods", "Total PCE: Goods"),
        (" Real PCE (millions of constant (2012) dollars) 3/", "Real PCE (millions of constant (2012) dollars)"),
        ("Implicit regional price deflator 10. ", "Implicit regional price deflator"),
        ("Goods 1/ 2/ *", "Goods"),
        ("Base year 2017.", "Base year 2017."),
        ("", ""),
    ],
)
def test_descriptions_lose_their_marks_and_nothing_else(text, description):
    assert clean_description(text) == description
