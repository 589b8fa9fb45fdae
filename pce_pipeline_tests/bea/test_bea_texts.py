"""Texts that differ in case, blanks or footnote marks mean the same; any other word is another meaning."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.texts import base_year, before, clean_text, each, is_open, same
from pce_pipeline_tests.datasets import PCE_STATE

MILLIONS = "Millions of current dollars"
CONSTANT = "Millions of constant ({base_year}) dollars"
PINNED = sorted({*PCE_STATE.lines["description"], *PCE_STATE.lines["unit"]})


@pytest.mark.parametrize(
    "text",
    [f"{MILLIONS} 1/", f"{MILLIONS} 1/, 2/", f"  {MILLIONS}*", "Millions  of current\tdollars 1.", f"{MILLIONS}\u00b9"],
)
def test_a_unit_loses_its_footnote_marks_and_repeated_blanks(text):
    assert clean_text(text) == MILLIONS
    assert same(MILLIONS, text.upper())


@pytest.mark.parametrize("text", PINNED)
def test_a_pinned_text_is_clean_and_means_itself(text):
    assert clean_text(text) == text
    assert same(text, text.upper())


@given(st.sampled_from(PINNED), st.sampled_from(PINNED))
def test_two_pinned_texts_mean_the_same_only_where_they_are_the_same(one, other):
    assert same(one, other) == (one == other)


@pytest.mark.parametrize(
    "text", ["Millions of dollars", "Millions of current dollars a year", "Thousands of dollars", ""]
)
def test_another_word_is_another_meaning(text):
    assert not same(MILLIONS, text)


@pytest.mark.parametrize(
    "published",
    ["Personal income", "Personal income (thousands of dollars) 1/", "[SAINC1] Personal income (millions of dollars)"],
)
def test_a_unit_in_parentheses_at_the_end_is_no_other_meaning(published):
    assert same("Personal income (millions of dollars)", published)
    assert same("Personal income", published)


@pytest.mark.parametrize("published", ["Personal income (net)", "Personal income (dollars) of farms", "Personal"])
def test_other_words_in_parentheses_are(published):
    assert not same("Personal income (millions of dollars)", published)


def test_what_stands_before_a_text_is_told_apart_from_another_text():
    assert before("Goods", "PCE:  GOODS 1/") == "pce: "
    assert before("Goods", "goods") == ""
    assert before("Goods", "Goods and services") is None


@pytest.mark.parametrize("published", ["Millions of constant (2017) dollars", "millions of constant 2017 dollars 1/"])
def test_a_base_year_that_is_left_open_is_found(published):
    assert is_open(CONSTANT)
    assert same(CONSTANT, published)
    assert base_year(CONSTANT, published) == 2017


@pytest.mark.parametrize("published", ["Millions of constant dollars", "Millions of chained (2017) dollars", MILLIONS])
def test_other_words_around_a_base_year_are_another_meaning(published):
    assert not same(CONSTANT, published)
    assert base_year(CONSTANT, published) is None


def test_two_base_years_in_one_text_must_be_one_year():
    pinned = "Index, {base_year}=100, in {base_year} dollars"
    assert base_year(pinned, "Index, 2012=100, in 2012 dollars") == 2012
    assert not same(pinned, "Index, 2012=100, in 2017 dollars")


def test_a_text_without_an_open_base_year_has_none():
    assert not is_open(MILLIONS)
    assert base_year("In 2017 dollars", "In 2017 dollars") is None


def test_each_text_is_written_as_asked_and_null_stays():
    assert each(pl.Series(["a ", None, "b", "a "]), str.strip).to_list() == ["a", None, "b", "a"]
    unchanged = pl.Series(["a", "b"])
    assert each(unchanged, str.strip) is unchanged
