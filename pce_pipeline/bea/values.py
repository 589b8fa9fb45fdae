"""What a published cell means: a number, or why there is none.

The only place that knows BEA's codes, how an API note names one, and which texts are numbers. A cell that is neither
is quarantined: it keeps its text, has no value, and its reason is told here. Content hashes are taken here too, because
they compare meanings: "100" and "100.0", API and file, are the same content.
"""

import hashlib
from collections.abc import Mapping
from itertools import pairwise

import polars as pl

from pce_pipeline.bea.observations import cell_of
from pce_pipeline.tables.table import MONEY, QUARANTINED

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

# Frozen: a code that is added to STATUS_OF_CODE later hashes by its text, as it did while it was quarantined, so that
# learning a code makes no new vintage of the extracts that have it. These nine always hashed by their status.
HASHED_BY_STATUS = frozenset({"(NA)", "n.a.", "(D)", "(L)", "(NM)", "(*)", "n.s.", "...", ""})

# Decimal(18, 3) holds fifteen digits before the point; a cast would cut further decimals without a word.
_NUMBER = r"^-?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})?(?:\.[0-9]{1,3}0*)?$"
_HAS_DIGIT = r"[0-9]"

_ANY_NUMBER = r"^-?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)?(?:\.[0-9]+)?$"
_MORE_DECIMALS = r"\.[0-9]{3,}[1-9]0*$"
_NUMBER_AND_MORE = r"^(-?[0-9][0-9,]*(?:\.[0-9]+)?)(\s+\S.*|[^0-9,.\s].*)$"
_LIKE_A_CODE = r"^(?:\(\S*\)|[A-Za-z][A-Za-z./-]{0,11})$"
_BETWEEN_REPEATS = " | "

_CODE_IN_NOTE = r"\([^()\s]+\)|n\.a\.|n\.s\.|\.\.\."
_ZERO_OR_BLANK = r"^(?:-?0+(?:\.0*)?)?$"

_HASHED = ("value", "status", "unit")


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """The observations with `value` (Decimal(18, 3), NULL unless reported) and `status` (a key of schemas.STATUSES).

    `frame` has OBSERVATION_SCHEMA. A cell that is neither a code nor a number that Decimal(18, 3) holds exactly is
    quarantined; `explained` says why.
    """
    text = pl.col("value_text").str.strip_chars()
    is_number = text.str.contains(_NUMBER) & text.str.contains(_HAS_DIGIT)
    return frame.with_columns(
        pl.when(is_number).then(text.str.replace_all(",", "", literal=True)).cast(MONEY).alias("value"),
        pl.when(is_number)
        .then(pl.lit("reported"))
        .otherwise(text.replace_strict(STATUS_OF_CODE, default=QUARANTINED, return_dtype=pl.String))
        .fill_null(QUARANTINED)
        .alias("status"),
    )


def decimals(text: pl.Expr) -> pl.Expr:
    """How many decimals the text of a number has."""
    return text.str.extract(r"\.([0-9]+)\s*$", 1).str.len_chars().fill_null(0).cast(pl.Int32)


def explained(cells: pl.DataFrame) -> pl.DataFrame:
    """The quarantined ones of typed cells, with the `rule` that each breaks and the `reason` in words."""
    text = pl.col("value_text").str.strip_chars()
    parts = text.str.split(_BETWEEN_REPEATS)
    is_number = text.str.contains(_ANY_NUMBER) & text.str.contains(_HAS_DIGIT)
    quoted = pl.format("'{}'", text)
    # the first that fits
    found = [
        ("text_is_missing", text.is_null(), pl.lit("The cell has no text.")),
        (
            "key_is_repeated",
            parts.list.len() > 1,
            pl.format("BEA publishes this cell more than once, and differently: {}.", parts.list.join(" and ")),
        ),
        (
            "number_is_too_precise",
            is_number & text.str.contains(_MORE_DECIMALS),
            pl.format("{} has more than three decimals, and cutting them off would change the figure.", quoted),
        ),
        ("number_is_too_long", is_number, pl.format("{} has more than fifteen digits before the point.", quoted)),
        (
            "number_has_a_mark",
            text.str.contains(_NUMBER_AND_MORE),
            pl.format(
                "{} is a number with something behind it: {}.",
                quoted,
                text.str.extract(_NUMBER_AND_MORE, 2).str.strip_chars(),
            ),
        ),
        ("code_is_unknown", text.str.contains(_LIKE_A_CODE), pl.format("{} is not a known code.", quoted)),
        ("text_is_no_number", pl.lit(value=True), pl.format("{} is neither a number nor a code.", quoted)),
    ]
    holds = [condition.fill_null(value=False) for _, condition, _ in found]
    return cells.filter(pl.col("status") == QUARANTINED).with_columns(
        pl.coalesce(pl.when(fits).then(pl.lit(rule)) for (rule, _, _), fits in zip(found, holds, strict=True)).alias(
            "rule"
        ),
        pl.coalesce(pl.when(fits).then(words) for (_, _, words), fits in zip(found, holds, strict=True)).alias(
            "reason"
        ),
    )


def coded(value: pl.Expr, note: pl.Expr) -> pl.Expr:
    """The published text of API cells: `value`, or the code its note gives ("0" with "(NA) *" is "(NA)").

    Where value and note contradict each other (a number other than zero, or another code, beside a code; or two codes
    in one note) it is both of them, which `typed` quarantines, as it does a code that this version does not know.
    """
    codes = note.str.extract_all(_CODE_IN_NOTE).list.unique(maintain_order=True)
    code = codes.list.first()
    text = value.str.strip_chars()
    agrees = text.str.contains(_ZERO_OR_BLANK) | (text == code)
    return (
        pl.when(code.is_null())
        .then(text)
        .when((codes.list.len() == 1) & agrees)
        .then(code)
        .otherwise(pl.concat_str(text, codes.list.join(" "), separator=" ").str.strip_chars())
    )


def said(value_text: pl.Expr) -> pl.Expr:
    """A cell's text as far as it matters: numbers however they are written, codes as they are."""
    text = value_text.str.strip_chars()
    number = text.str.replace_all(",", "", literal=True).cast(pl.Decimal(24, 9), strict=False).cast(pl.String)
    return pl.coalesce(number, text)


def once_each(frame: pl.DataFrame) -> pl.DataFrame:
    """The observations with each cell once, in order: one that is there with several texts has all of them as its text.

    Such a cell is quarantined by `typed`. Cells that differ in their unit are left as they are.
    """
    cell = [name for name in frame.columns if name != "value_text"]
    if not frame.select(cell).is_duplicated().any():
        return frame
    texts = pl.col("value_text").unique().sort()
    return (
        frame.group_by(cell, maintain_order=True)
        .agg(
            pl.when(said(pl.col("value_text")).n_unique() > 1)
            .then(texts.implode().list.join(_BETWEEN_REPEATS))
            .otherwise(pl.col("value_text").first())
            .first()
        )
        .select(frame.columns)
    )


def content_hashes(frame: pl.DataFrame) -> dict[str, dict[int, str]]:
    """Per table and year the sha256 of what is published: table, line, area, year (and month), value, status and unit.

    `frame` comes from `typed`, one row per cell. Row order, source, and how a number is written make no difference.
    A quarantined cell counts by its text, and so does a code that was learned later.
    """
    text = pl.col("value_text").str.strip_chars()
    of_old = (pl.col("status") == "reported") | ((pl.col("status") != QUARANTINED) & text.is_in(list(HASHED_BY_STATUS)))
    hashed = frame
    if not frame.select(of_old.all()).item():
        hashed = frame.with_columns(status=pl.when(of_old).then("status").otherwise(pl.coalesce(text, "status")))
    cell = cell_of(frame)
    ordered = hashed.select(*cell, *_HASHED).sort("bea_table", "year", *cell)
    partitions = ordered.select(pl.struct("bea_table", "year").rle().alias("run")).unnest("run")
    ends = [0, *partitions["len"].cum_sum()]
    hashes: dict[str, dict[int, str]] = {}
    for (start, end), partition in zip(pairwise(ends), partitions["value"], strict=True):
        rows = ordered.slice(start, end - start).write_csv(include_header=False, quote_style="non_numeric")
        digest = hashlib.sha256(f"{','.join(ordered.columns)}\n{rows}".encode()).hexdigest()
        hashes.setdefault(partition["bea_table"], {})[partition["year"]] = digest
    return hashes


def table_hash(year_hashes: Mapping[int, str]) -> str:
    """One sha256 for a table's years, whatever their order."""
    listed = "\n".join(f"{year} {digest}" for year, digest in sorted(year_hashes.items()))
    return hashlib.sha256(listed.encode()).hexdigest()
