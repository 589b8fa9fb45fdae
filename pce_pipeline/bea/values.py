"""What a published cell means: a number, or why there is none.

The only place that knows BEA's codes, how an API note names one, and which texts are numbers. Content hashes are
taken here too, because they compare meanings: "100" and "100.0", API and file, are the same content.
"""

import hashlib
from collections.abc import Mapping
from itertools import pairwise

import polars as pl

from pce_pipeline.bea.errors import BeaCellError
from pce_pipeline.schemas import MONEY

STATUS_OF_CODE = {
    "(NA)": "not_available",
    "n.a.": "not_available",
    "(D)": "suppressed",
    "(L)": "below_50k",
    "(NM)": "not_meaningful",
    "(*)": "near_zero",
    "n.s.": "not_shown",
    "...": "not_applicable",
    "": "blank",
}

# Decimal(18, 3) holds fifteen digits before the point; a cast would cut further decimals without a word.
_NUMBER = r"^-?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})?(?:\.[0-9]{1,3}0*)?$"
_HAS_DIGIT = r"[0-9]"

_CODE_IN_NOTE = r"\([^()\s]+\)|n\.a\.|n\.s\.|\.\.\."
_ZERO_OR_BLANK = r"^(?:-?0+(?:\.0*)?)?$"

_CELL = ("bea_table", "line_code", "geo_fips", "year")
_HASHED = (*_CELL, "value", "status", "unit")


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """The observations with `value` (Decimal(18, 3), NULL unless reported) and `status` (a key of schemas.STATUSES).

    `frame` has OBSERVATION_SCHEMA. Raises `BeaCellError` for the first cell that is neither a code nor a number that
    Decimal(18, 3) holds exactly.
    """
    text = pl.col("value_text").str.strip_chars()
    is_number = text.str.contains(_NUMBER) & text.str.contains(_HAS_DIGIT)
    result = frame.with_columns(
        pl.when(is_number).then(text.str.replace_all(",", "", literal=True)).cast(MONEY).alias("value"),
        pl.when(is_number)
        .then(pl.lit("reported"))
        .otherwise(text.replace_strict(STATUS_OF_CODE, default=None, return_dtype=pl.String))
        .alias("status"),
    )
    if result["status"].null_count():
        cell = result.filter(pl.col("status").is_null()).row(0, named=True)
        raise BeaCellError(
            str(cell["value_text"]),
            table=cell["bea_table"],
            line=cell["line_code"],
            area=cell["geo_fips"],
            year=cell["year"],
        )
    return result


def coded(value: pl.Expr, note: pl.Expr) -> pl.Expr:
    """The published text of API cells: `value`, or the code its note gives ("0" with "(NA) *" is "(NA)").

    NULL where value and note contradict each other: a number other than zero, or another code, beside a code; or two
    codes in one note. A code this version does not know comes out as it is, so that `typed` refuses it.
    """
    codes = note.str.extract_all(_CODE_IN_NOTE).list.unique()
    code = codes.list.first()
    text = value.str.strip_chars()
    agrees = text.str.contains(_ZERO_OR_BLANK) | (text == code)
    return pl.when(code.is_null()).then(text).when((codes.list.len() == 1) & agrees).then(code)


def content_hashes(frame: pl.DataFrame) -> dict[str, dict[int, str]]:
    """Per table and year the sha256 of what is published: table, line, area, year, value, status and unit.

    `frame` comes from `typed`, one row per cell. Row order, source, and how a number is written make no difference.
    """
    ordered = frame.select(_HASHED).sort("bea_table", "year", "line_code", "geo_fips")
    partitions = ordered.select(pl.struct("bea_table", "year").rle().alias("run")).unnest("run")
    ends = [0, *partitions["len"].cum_sum()]
    hashes: dict[str, dict[int, str]] = {}
    for (start, end), partition in zip(pairwise(ends), partitions["value"], strict=True):
        rows = ordered.slice(start, end - start).write_csv(include_header=False, quote_style="non_numeric")
        digest = hashlib.sha256(f"{','.join(_HASHED)}\n{rows}".encode()).hexdigest()
        hashes.setdefault(partition["bea_table"], {})[partition["year"]] = digest
    return hashes


def table_hash(year_hashes: Mapping[int, str]) -> str:
    """One sha256 for a table's years, whatever their order."""
    listed = "\n".join(f"{year} {digest}" for year, digest in sorted(year_hashes.items()))
    return hashlib.sha256(listed.encode()).hexdigest()
