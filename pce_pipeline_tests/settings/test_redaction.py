"""A secret goes from every text; a text is never garbled, whatever the secret is."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pce_pipeline.redaction import blanked, is_recognisable, spellings

TEXT = "Error in prod: pce_millions_usd of 2024 is 1,234.5 (rank 1), expenditures of 202412312359 persons at host:1/p"


@pytest.mark.parametrize(
    "secret", ["", "p", "1", " ", "pce", "Error", "prod", "2024", "1,234.5", "expenditures", "202412312359", "millions"]
)
def test_a_secret_that_is_a_word_or_a_figure_garbles_no_text(secret: str) -> None:
    assert blanked(TEXT, spellings(secret)) == TEXT


@pytest.mark.parametrize("secret", ["p", "1", "2024", "expenditures", "p%40ss", "long-enough-7-password"])
def test_a_password_inside_a_url_goes_whatever_it_is(secret: str) -> None:
    told = f"cannot reach postgresql://pce:{secret}@db:5432/pce?x=1, nor http://u:{secret}@h/"
    assert blanked(told, ()) == "cannot reach postgresql://pce:***@db:5432/pce?x=1, nor http://u:***@h/"


@pytest.mark.parametrize(
    "text", ["http://host:80/a@b", "s3://bucket/a:b@c", "a://b c:d@e", "me@host:22", "https://h/p"]
)
def test_an_address_without_a_password_stays(text: str) -> None:
    assert blanked(text, ()) == text


@given(st.text(min_size=12, max_size=30).filter(is_recognisable))
def test_no_spelling_of_a_secret_is_left(secret: str) -> None:
    hidden = spellings(secret)
    told = f"<{secret}> <{quote(secret, safe='')}> <{quote_plus(secret)}> <{json.dumps(secret)}> <{secret!r}>"
    for spelling in {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}:
        assert spelling not in blanked(told, hidden)


def test_a_secret_that_is_spelled_for_a_url_goes_as_plain_text_too() -> None:
    assert blanked("with p@ss/word-of-14!", spellings("p%40ss%2fword-of-14!")) == "with ***"


@given(st.text(max_size=60), st.text(max_size=11))
def test_no_short_secret_changes_a_text(text: str, secret: str) -> None:
    assert blanked(text, spellings(secret)) == blanked(text, ())
