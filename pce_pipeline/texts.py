"""What makes a difference between two of BEA's texts: case, blanks and footnote marks make none, another word does.

A unit in parentheses at the end of a text makes none either: BEA's files have "Personal income (millions of dollars)",
its API "Personal income", and the unit is compared by itself.

The only place that compares what BEA prints with what is pinned. A pinned text may leave the base year of constant
dollars open, written `{base_year}`: the year that stands there, in parentheses or not, is data and not meaning. It may
name several wordings of one meaning, with ` | ` between them, the usual one first.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache

import polars as pl

BASE_YEAR = "{base_year}"
OR = " | "
"""Between the wordings of a pinned text."""

_TABLE_PREFIX = re.compile(r"^\[\w+\]\s*")
_FOOTNOTE_MARKS = re.compile(r"(?:[\s,]+\d{1,2}[/.])+$|[\s*¹²³⁴-⁹]+$")
_UNIT_SAID_AGAIN = re.compile(r"\s+\((?:(?:thousands|millions) of )?(?:dollars|persons|jobs)\)$|\s+\(number of jobs\)$")
_OPEN = re.compile(r"\(?\{base_year\}\)?")
_BASE_YEAR_FOUND = r"\(?(?P<base_year>[12][0-9]{3})\)?"


def clean_text(text: str) -> str:
    """BEA's text with single blanks, without footnote marks ("1/", "1.", "*") at its end."""
    bare = " ".join(text.split())
    while (shorter := _FOOTNOTE_MARKS.sub("", bare)) != bare:
        bare = shorter
    return bare


def clean_description(text: str) -> str:
    """BEA's text of a line without "[TABLE]", indentation, repeated blanks and footnote marks."""
    return clean_text(_TABLE_PREFIX.sub("", text.strip()))


def meaning(text: str) -> str:
    """What is left of a text when only its words count; two texts that mean the same have the same one."""
    return _UNIT_SAID_AGAIN.sub("", clean_description(text).casefold())


def usual(pinned: str) -> str:
    """The usual one of the wordings of a pinned text."""
    return pinned.split(OR, maxsplit=1)[0]


def is_open(pinned: str) -> bool:
    """Whether a pinned text leaves the base year open."""
    return BASE_YEAR in pinned


def base_year(pinned: str, published: str) -> int | None:
    """The year that stands where the pinned text leaves it open; None where it leaves none open or means another."""
    text = meaning(published)
    for pattern in _patterns(pinned):
        if "base_year" in pattern.groupindex and (found := re.search(f"(?:{pattern.pattern})$", text)):
            return int(found["base_year"])
    return None


def same(pinned: str, published: str) -> bool:
    """Whether a published text means what the pinned one says."""
    text = meaning(published)
    return any(pattern.fullmatch(text) for pattern in _patterns(pinned))


def spelled(pinned: str, published: str) -> str:
    """A published text that means the pinned one as we write it: the pinned one, unless that leaves the year open."""
    return published if is_open(pinned) else pinned


def before(pinned: str, published: str) -> str | None:
    """What a published text has before the pinned one, as `meaning` writes it; None where it ends otherwise.

    Of several wordings that it ends with, the longest leaves least before it.
    """
    text = meaning(published)
    found = (re.search(f"(?:{pattern.pattern})$", text) for pattern in _patterns(pinned))
    return min((text[: each.start()] for each in found if each), key=len, default=None)


def number_text(value: Decimal | float) -> str:
    """A number as people read it, with as many decimals as it has.

    >>> number_text(Decimal("77070.900")), number_text(12.38135), number_text(7.0)
    ('77,070.9', '12.38135', '7')
    """
    return f"{value.normalize():,f}" if isinstance(value, Decimal) else f"{value:,}".removesuffix(".0")


def each(texts: pl.Series, function: Callable[[str], str]) -> pl.Series:
    """The texts as a function writes them, each distinct one asked once; NULL stays NULL."""
    distinct = texts.drop_nulls().unique()
    changed = pl.Series([function(text) for text in distinct], dtype=pl.String)
    return texts if changed.equals(distinct) else texts.replace_strict(distinct, changed, default=None)


@cache
def _patterns(pinned: str) -> tuple[re.Pattern[str], ...]:
    return tuple(map(_pattern, pinned.split(OR)))


def _pattern(pinned: str) -> re.Pattern[str]:
    first, *others = (re.escape(part) for part in _OPEN.split(meaning(pinned)))
    return re.compile(first + (_BASE_YEAR_FOUND + r"\(?(?P=base_year)\)?".join(others) if others else ""))
