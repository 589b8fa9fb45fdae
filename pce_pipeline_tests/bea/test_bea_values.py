"""Published texts become numbers or reasons, and content hashes see meanings only."""

import hashlib
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pce_pipeline.bea import values
from pce_pipeline.bea.observations import OBSERVATION_SCHEMA
from pce_pipeline.bea.values import (
    HASHED_BY_STATUS,
    STATUS_OF_CODE,
    coded,
    content_hashes,
    explained,
    once_each,
    said,
    table_hash,
    typed,
)
from pce_pipeline.tables.table import MONEY, STATUSES
from pce_pipeline.texts import clean_description


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
    ("text", "rule", "words"),
    [
        ("1.2345", "number_is_too_precise", "more than three decimals"),
        ("0.12300100", "number_is_too_precise", "more than three decimals"),
        ("1234567890123456", "number_is_too_long", "more than fifteen digits"),
        ("1,234,567,890,123,456", "number_is_too_long", "more than fifteen digits"),
        ("(T)", "code_is_unknown", "'(T)' is not a known code"),
        ("n.m.", "code_is_unknown", "not a known code"),
        ("NaN", "code_is_unknown", "not a known code"),
        ("8012.1 1/", "number_has_a_mark", "something behind it: 1/"),
        ("12.5 (NA)", "number_has_a_mark", "something behind it: (NA)"),
        ("12.5*", "number_has_a_mark", "something behind it: *"),
        ("1e5", "number_has_a_mark", "something behind it: e5"),
        ("1,23", "text_is_no_number", "neither a number nor a code"),
        ("12,3456", "text_is_no_number", "neither"),
        ("--1", "text_is_no_number", "neither"),
        ("-", "text_is_no_number", "neither"),
        (".", "text_is_no_number", "neither"),
        ("5.", "text_is_no_number", "neither"),
        ("٣", "text_is_no_number", "neither"),
        ("about 5", "text_is_no_number", "neither"),
        (None, "text_is_missing", "no text"),
    ],
)
def test_what_is_no_exact_number_and_no_code_is_quarantined_with_its_reason(text, rule, words):
    frame = typed(observations(["1", text, "(D)"]))
    assert frame["status"].to_list() == ["reported", "quarantined", "suppressed"]
    assert frame["value"].to_list() == [1, None, None]
    (cell,) = explained(frame).rows(named=True)
    assert (cell["value_text"], cell["rule"], cell["line_code"]) == (text, rule, 1)
    assert words in cell["reason"]


@given(st.text(max_size=12))
def test_every_text_is_a_number_or_a_code_or_has_one_reason(text):
    frame = typed(observations([text]))
    reasons = explained(frame)
    assert reasons.height == (frame["status"].item() == "quarantined")
    assert frame["value"].null_count() == (frame["status"].item() != "reported")
    assert reasons.select("rule", "reason").null_count().row(0) == (0, 0)


def test_a_cell_that_is_there_twice_is_one_cell_and_quarantined_where_its_texts_differ():
    again = observations(["1", "2", "3"])
    again = pl.concat([again, observations(["1.0", "9", "3"]), again.head(1)])
    frame = typed(once_each(again))
    assert frame.select("line_code", "value_text", "status").rows() == [
        (0, "1", "reported"), (1, "2 | 9", "quarantined"), (2, "3", "reported"),
    ]  # fmt: skip
    assert explained(frame).select("rule", "reason").rows() == [
        ("key_is_repeated", "BEA publishes this cell more than once, and differently: 2 and 9.")
    ]
    assert once_each(again.reverse()).filter(line_code=1)["value_text"].item() == "2 | 9"
    assert once_each(observations(["1", "2"])).equals(observations(["1", "2"]))


def test_of_a_cell_that_is_there_twice_and_says_the_same_the_first_text_counts():
    twice = pl.concat([observations(["1", "7"]), observations(["1.0"])])
    assert once_each(twice)["value_text"].to_list() == ["1", "7"]
    assert once_each(twice.reverse())["value_text"].to_list() == ["1.0", "7"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1,234.50", " 1234.5", True),
        ("(D)", " (D) ", True),
        ("(D)", "(L)", False),
        ("", "0", False),
        ("123456789012345.123456789", "123,456,789,012,345.123456789", True),
        ("0.000000001", "0.000000002", False),
    ],
)
def test_texts_say_the_same_where_they_are_one_number_or_one_code(one, other, same):
    first, second = pl.DataFrame({"text": [one, other]}).select(said(pl.col("text")))["text"]
    assert (first == second) is same


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
        ("12.5", "(NA)", "12.5 (NA)"),
        ("(L)", "(NA)", "(L) (NA)"),
        ("0", "(NA) (D)", "0 (NA) (D)"),
        ("", "(NA) (D)", "(NA) (D)"),
        ("0", "(NM) (D) (NA) (L) (D)", "0 (NM) (D) (NA) (L)"),
    ],
)
def test_a_note_with_a_code_outweighs_a_zero_and_is_kept_beside_anything_else(value, note, text):
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


def test_hashes_of_what_could_always_be_read_are_what_they_always_were():
    texts = ["100", "1,234.50", "(NA)", "n.a.", "(D)", "(L)", "(NM)", "(*)", "n.s.", "...", "", " (D) "]
    # a change here makes a new vintage of every extract in every lake
    assert content_hashes(typed(observations(texts))) == {
        "SAPCE1": {2021: "74e7817ca02542420011098e4fe241045c70928f11862a2dc7b2d9d433f9fc32"}
    }
    assert set(texts[2:11]) == HASHED_BY_STATUS <= STATUS_OF_CODE.keys()


def test_a_code_that_is_learned_later_hashes_as_it_did_in_quarantine(monkeypatch):
    before = content_hashes(typed(observations(["1", "(T)", "(D)"])))
    assert before != content_hashes(typed(observations(["1", "(X)", "(D)"])))
    assert before != content_hashes(typed(observations(["1", "(D)", "(D)"])))
    monkeypatch.setitem(values.STATUS_OF_CODE, "(T)", "near_zero")
    learned = typed(observations(["1", "(T)", "(D)"]))
    assert learned["status"].to_list() == ["reported", "near_zero", "suppressed"]
    assert content_hashes(learned) == before


@pytest.mark.parametrize(
    "change",
    [
        {"value": pl.lit("7").cast(MONEY)},
        {"status": pl.lit("suppressed"), "value_text": pl.lit("(D)")},
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
