"""From typed cells to Silver: BEA's lines become our categories, areas get their level, meanings are checked.

Pure functions over frames of one or many years. What BEA publishes beyond the catalogue is left out, counted and
named; what contradicts the catalogue stops with the difference spelled out. Keys and counts are judged by the rules
in `quality/`, not here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pce_pipeline.bea.texts import clean_description
from pce_pipeline.catalog import Catalog
from pce_pipeline.schemas import SILVER_PCE_STATE
from pce_pipeline.silver.errors import LineDifference, LineMeaningChanged, UnitChanged, UnknownArea

_LINE = ["bea_table", "line_code"]


@dataclass(frozen=True)
class Normalised:
    """Silver rows, and the lines that were left out.

    `frame` has the columns of SILVER_PCE_STATE in order, sorted by its key. `left_out` has one row per line that the
    catalogue or its profile does not hold: bea_table, line_code, description (NULL if BEA's list lacks it), rows.
    """

    frame: pl.DataFrame
    left_out: pl.DataFrame


def table_years(cells: pl.DataFrame) -> dict[str, tuple[int, ...]]:
    """The years each BEA table has cells for, ascending; from any frame with bea_table and year."""
    held: dict[str, list[int]] = {}
    for table, year in cells.select("bea_table", "year").unique().sort("bea_table", "year").iter_rows():
        held.setdefault(table, []).append(year)
    return {table: tuple(years) for table, years in held.items()}


def normalise(observations: pl.DataFrame, lines: pl.DataFrame, catalog: Catalog) -> Normalised:
    """Silver of typed observations (OBSERVATION_SCHEMA with `value` and `status`), for all years or a selection.

    `lines` has LINE_SCHEMA: every line BEA lists for the tables at hand. Raises `LineMeaningChanged` where a pinned
    line is missing from it or says something else, `UnitChanged` where a line's unit label or multiplier is not the
    pinned one, and `UnknownArea`.
    """
    _check_meanings(observations, lines, catalog)
    pinned = catalog.lines.select(*_LINE, "category_id", pinned_unit="unit", pinned_multiplier="unit_multiplier").lazy()
    areas = catalog.areas.select("geo_fips", "geo_level", "state").lazy()
    inside = observations.lazy().join(pinned, on=_LINE).join(areas, on="geo_fips", how="left")
    other_unit = pl.col("unit").ne_missing(pl.col("pinned_unit")) | pl.col("unit_multiplier").ne_missing(
        pl.col("pinned_multiplier")
    )
    frame, units, unknown = pl.collect_all(
        [
            inside.select(SILVER_PCE_STATE.column_names).sort(SILVER_PCE_STATE.key),
            inside.filter(other_unit)
            .select(*_LINE, "pinned_unit", "pinned_multiplier", "unit", "unit_multiplier")
            .unique()
            .sort(_LINE),
            inside.filter(pl.col("geo_level").is_null()).select("geo_fips").unique().sort("geo_fips"),
        ]
    )
    _check_units(units)
    if unknown.height:
        raise UnknownArea(unknown["geo_fips"].to_list())
    return Normalised(frame, _left_out(observations, lines, catalog))


def _check_meanings(observations: pl.DataFrame, lines: pl.DataFrame, catalog: Catalog) -> None:
    published: dict[tuple[str, int], str] = {
        (table, code): clean_description(text) for table, code, text in lines.select(*_LINE, "description").iter_rows()
    }
    present = {table for table, _ in published} | set(observations["bea_table"].unique())
    for table in catalog.tables:
        if table not in present:
            continue
        pinned = catalog.lines.filter(pl.col("bea_table") == table).sort("line_code")
        differences = [
            LineDifference(code, text, published.get((table, code)))
            for code, text in pinned.select("line_code", "description").iter_rows()
            if not _means(
                published.get((table, code)),
                clean_description(text),
                others=[other for line, other in published.items() if line[0] == table and line[1] != code],
            )
        ]
        if differences:
            raise LineMeaningChanged(table, differences)


def _means(published: str | None, pinned: str, others: Sequence[str]) -> bool:
    """Whether BEA's text of a line ends with the pinned one in whole words.

    BEA's API puts the statistic before the item ("Total ...: Health"), the same for many lines of a table: what stands
    before one line alone is a qualification, and the line means something else.
    """
    if published is None or not published.endswith(pinned):
        return False
    before = published[: len(published) - len(pinned)]
    return not before or (not before[-1].isalnum() and any(other.startswith(before) for other in others))


def _check_units(differing: pl.DataFrame) -> None:
    if differing.is_empty():
        return
    table = differing["bea_table"][0]
    raise UnitChanged(
        table,
        [
            LineDifference(code, f"{unit} (10^{multiplier})", f"{new_unit} (10^{new_multiplier})")
            for name, code, unit, multiplier, new_unit, new_multiplier in differing.iter_rows()
            if name == table
        ],
    )


def _left_out(observations: pl.DataFrame, lines: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    counted = observations.join(catalog.lines, on=_LINE, how="anti").group_by(_LINE).agg(rows=pl.len())
    listed = lines.join(catalog.lines, on=_LINE, how="anti").select(*_LINE, "description").unique(_LINE)
    return (
        listed.join(counted, on=_LINE, how="full", coalesce=True)
        .select(*_LINE, pl.col("description").str.strip_chars(), pl.col("rows").fill_null(0).cast(pl.Int64))
        .sort(_LINE)
    )
