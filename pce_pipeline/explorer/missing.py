"""How many published figures are missing, by measure, area, year and status: small enough to be drawn at once."""

import polars as pl

_MONTHS = 100
_BY = ("measure", "area", "year", "status")
_NUMBERED = ("measure", "area", "status")


def missing_counted(figures: pl.DataFrame, published: list[str], *, is_monthly: bool) -> pl.DataFrame:
    """How many `cells` of whole years are without a number: measure, area, year, status, cells.

    `figures` (FIGURES) are those of a dataset; `published` are the measures that BEA publishes: what is computed is
    missing where these are.
    """
    year = pl.col("period") // _MONTHS if is_monthly else pl.col("period")
    return (
        figures.filter(pl.col("value").is_null() & pl.col("measure").is_in(published))
        .with_columns(year=year)
        .group_by(_BY)
        .agg(cells=pl.len())
    )


def missing_document(found: pl.DataFrame) -> dict[str, list[object]]:
    """Columns of equal length, as lists: measure, area, year, status, and the number of `cells` without a number.

    Measures, areas and statuses are numbers: places in the lists `measures`, `areas` and `statuses` beside them.
    `found` is what `missing_counted` gives of all years.
    """
    counted = found.sort(_BY)
    names = {name: counted[name].unique().sort().cast(pl.String).to_list() for name in _NUMBERED}
    numbered = counted.with_columns(
        pl.col(name).cast(pl.String).replace_strict(each, range(len(each)), return_dtype=pl.Int32)
        for name, each in names.items()
        if each
    )
    return {
        "measures": names["measure"],
        "areas": names["area"],
        "statuses": names["status"],
        **{name: numbered[name].to_list() for name in (*_BY, "cells")},
    }
