"""Numbers that could mean two things: refused for the whole file, because a number read wrongly is worse than none.

BEA writes a decimal point and no separator of thousands. Copies may have commas between thousands; commas before
decimals look the same where three digits follow, and so do points between thousands.
"""

import re
from collections.abc import Collection, Sequence

import polars as pl

from pce_pipeline.bea.errors import BeaFileRefused

_INDEX = pl.col("unit").str.to_lowercase().str.contains("index|percent|ratio")
_WITH_A_POINT = pl.col("value_text").str.contains(r"^-?[0-9]+\.[0-9]+$")
_PLAIN = r"^-?[0-9]*(?:\.[0-9]*)?$"
_POINT_AND_THREE = r"^-?[0-9]{1,3}\.[0-9]{3}$"
_IN_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+\.\d+|-?\d{1,3}(?:,\d{3}){2,}")
_COMMA_AND_THREE = re.compile(r"-?[1-9]\d{0,2},\d{3}")
_DECIMAL_COMMA = re.compile(r"-?\d[\d.\s\u00a0\u202f'\u2019]*,\d+")
_GROUPED_BY_POINTS = re.compile(r"-?\d{1,3}(?:\.\d{3}){2,}")
_GROUPED_BY_BLANKS = re.compile(r"-?\d{1,3}(?:[\s\u00a0\u202f'\u2019]\d{3})+(?:\.\d+)?")
_POWER_OF_TEN = re.compile(r"-?\d+(?:\.\d+)?e[+-]?\d+", re.IGNORECASE)

_WITH_POINT = "Save it with a decimal point and without separators of thousands, or download BEA's zip."


def refuse_doubtful(frame: pl.DataFrame, separator: str) -> None:
    """Make sure that the numbers of one file mean one thing; `BeaFileRefused` says what they could mean instead.

    `frame` has OBSERVATION_SCHEMA. Cells that are not numbers at all are left to `values.typed`.
    """
    plain = pl.col("value_text").str.contains(_PLAIN)
    odd: Sequence[str] = frame.filter(~plain)["value_text"].unique().sort().to_list()
    for text in odd:
        if _DECIMAL_COMMA.fullmatch(text) and not _COMMA_AND_THREE.fullmatch(text):
            raise BeaFileRefused(f"The file writes decimals with a comma ({text}).", remedy=_WITH_POINT)
    either = [text for text in odd if _COMMA_AND_THREE.fullmatch(text)]
    if either and not _commas_are_of_thousands(frame, odd, either, separator):
        raise BeaFileRefused(
            f"The file writes {either[0]}, which may be {either[0].replace(',', '')} or {either[0].replace(',', '.')}: "
            "nothing in it shows whether its commas stand between thousands or before decimals.",
            remedy=_WITH_POINT,
        )
    for text in odd:
        if _GROUPED_BY_POINTS.fullmatch(text) or _GROUPED_BY_BLANKS.fullmatch(text):
            raise BeaFileRefused(
                f"The file writes thousands apart with something else than a comma ({text}).", remedy=_WITH_POINT
            )
        if _POWER_OF_TEN.fullmatch(text):
            raise BeaFileRefused(
                f"The file writes numbers as powers of ten ({text}), so that digits may be lost.",
                remedy="Format its cells as plain numbers and save it again, or download BEA's zip.",
            )
    _refuse_points_of_thousands(frame)


def _commas_are_of_thousands(
    frame: pl.DataFrame, odd: Collection[str], either: Collection[str], separator: str
) -> bool:
    """Whether the file shows it: a comma and a point in one number, two commas, or decimals with a point beside them.

    Three digits behind a point may themselves be thousands, but for an index, which BEA writes with three decimals; a
    comma in an index is therefore one before decimals. Without any such number, BEA's whole dollars and persons are
    taken for thousands where commas separate the columns too, as everywhere in the US.
    """
    if any(map(_IN_THOUSANDS.fullmatch, odd)):
        return True
    if frame.filter(_INDEX & pl.col("value_text").is_in(either)).height:
        return False
    if frame.filter(_WITH_A_POINT & (_INDEX | ~pl.col("value_text").str.contains(_POINT_AND_THREE))).height:
        return True
    return separator == ","


def _refuse_points_of_thousands(frame: pl.DataFrame) -> None:
    """Three digits behind every point of a unit are thousands, unless the unit is an index.

    BEA writes dollars, persons and jobs whole, and larger units with one decimal.
    """
    with_point = frame.filter(_WITH_A_POINT & ~_INDEX).select(
        "unit", "value_text", in_threes=pl.col("value_text").str.contains(_POINT_AND_THREE)
    )
    doubtful = with_point.filter(pl.col("in_threes").all().over("unit"))
    if doubtful.height:
        text = doubtful["value_text"][0]
        raise BeaFileRefused(
            f"The file writes {text}, which may be {text.replace('.', '')} or {text}: nothing in it shows whether its "
            "points stand between thousands or before decimals.",
            remedy=_WITH_POINT,
        )
