"""From typed cells to Silver: BEA's lines become our categories, areas get their level, meanings are checked.

Pure functions over frames of one or many years. Lines that BEA publishes beyond the catalogue are left out, counted and
named, rows of areas beyond it set aside; what contradicts the catalogue stops with the difference spelled out. Keys
and counts are judged by the rules in `quality/`, not here.
"""

from dataclasses import dataclass

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.silver.errors import LineDifference, LineMeaningChanged, UnitChanged
from pce_pipeline.silver.layouts import check_layouts, means
from pce_pipeline.tables.silver import silver_table
from pce_pipeline.texts import base_year, clean_description, same, spelled

BASE_YEARS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "line_code": pl.Int32,
    "pinned": pl.String,
    "base_year": pl.Int32,
}

_LINE = ["bea_table", "line_code"]
_UNIT = ["unit", "unit_multiplier"]


@dataclass(frozen=True)
class Normalised:
    """Silver rows, what was left out and set aside, and the base years found where the catalogue leaves them open."""

    frame: pl.DataFrame
    """The columns of a table of Silver in order, sorted by its key."""

    left_out: pl.DataFrame
    """One row per line that the catalogue or its profile does not hold: bea_table, line_code, description (NULL if
    BEA's list lacks it), rows."""

    set_aside: pl.DataFrame
    """The observations of pinned lines whose area the catalogue does not hold, as they came."""

    base_years: pl.DataFrame
    """One row per line and base year of its unit or text, by the columns of BASE_YEARS_SCHEMA."""


def table_years(cells: pl.DataFrame) -> dict[str, tuple[int, ...]]:
    """The years each BEA table has cells for, ascending; from any frame with bea_table and year."""
    held: dict[str, list[int]] = {}
    for table, year in cells.select("bea_table", "year").unique().sort("bea_table", "year").iter_rows():
        held.setdefault(table, []).append(year)
    return {table: tuple(years) for table, years in held.items()}


def normalise(observations: pl.DataFrame, lines: pl.DataFrame, dataset: Dataset) -> Normalised:
    """Silver of typed observations (OBSERVATION_SCHEMA with `value` and `status`), for all years or a selection.

    `lines` has LINE_SCHEMA: the lines BEA lists for the tables at hand, where they stand today. A unit that means the
    pinned one is spelled as pinned in Silver, or as published where the catalogue leaves its base year open. Raises
    `LineMeaningChanged` where a pinned line says something else, `UnitChanged` where a line's unit or multiplier is not
    the pinned one, and `LayoutUnknown` or `LayoutUnclear` for a table that had several layouts and now has another.
    """
    check_layouts(observations, lines, dataset)
    check_meanings(lines, dataset)
    units = spelled_units(observations, dataset)
    table = silver_table(dataset)
    pinned = dataset.lines.select(*_LINE, "category_id").lazy()
    areas = dataset.areas.select("geo_fips", "geo_level", "state").lazy()
    inside = observations.lazy().join(pinned, on=_LINE).join(areas, on="geo_fips", how="left")
    if (units["spelled"] != units["unit"]).any():
        spelled = units.select(*_LINE, *_UNIT, "spelled").lazy()
        inside = inside.join(spelled, on=[*_LINE, *_UNIT], how="left").with_columns(unit="spelled")
    is_known = pl.col("geo_level").is_not_null()
    frame, strange = pl.collect_all(
        [
            inside.filter(is_known).select(table.column_names).sort(table.key),
            inside.filter(~is_known).select(observations.columns),
        ]
    )
    return Normalised(frame, _left_out(observations, lines, dataset), strange, base_years_of(units, lines, dataset))


def check_meanings(lines: pl.DataFrame, dataset: Dataset) -> None:
    """Every pinned line that BEA lists says what is pinned; whether all of them are there is judged elsewhere.

    `lines` has LINE_SCHEMA. Raises `LineMeaningChanged`.
    """
    published: dict[str, list[tuple[int, str]]] = {}
    for table, code, text in lines.select(*_LINE, "description").unique().sort(*_LINE, "description").iter_rows():
        published.setdefault(table, []).append((code, clean_description(text)))
    for table in dataset.tables:
        texts = list(dict.fromkeys(published.get(table, [])))
        of_table = dataset.lines.filter(pl.col("bea_table") == table).select("line_code", "description")
        pinned: dict[int, str] = dict(of_table.iter_rows())
        differences = [
            LineDifference(code, pinned[code], text)
            for code, text in texts
            if code in pinned and not means(text, pinned[code], [other for line, other in texts if line != code])
        ]
        if differences:
            raise LineMeaningChanged(table, differences)


def spelled_units(observations: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Each unit of a pinned line, beside the pinned one and as Silver spells it.

    Columns bea_table, line_code, unit, unit_multiplier, pinned_unit, pinned_multiplier, spelled. Raises `UnitChanged`
    where a unit does not mean the pinned one.
    """
    pinned = dataset.lines.select(*_LINE, pinned_unit="unit", pinned_multiplier="unit_multiplier")
    units = observations.select(*_LINE, *_UNIT).unique().join(pinned, on=_LINE).sort(*_LINE, *_UNIT)
    as_ours = [
        _spelled(unit, wanted) if multiplier == wanted_multiplier else None
        for unit, multiplier, wanted, wanted_multiplier in units.select(
            *_UNIT, "pinned_unit", "pinned_multiplier"
        ).iter_rows()
    ]
    units = units.with_columns(pl.Series("spelled", as_ours, dtype=pl.String))
    _check_units(units.filter(pl.col("spelled").is_null()))
    return units


def _spelled(unit: str | None, pinned: str) -> str | None:
    """How Silver writes a unit that means the pinned one; None where it means another."""
    if unit is None or not same(pinned, unit):
        return None
    return spelled(pinned, unit)


def _check_units(differing: pl.DataFrame) -> None:
    if differing.is_empty():
        return
    table = differing["bea_table"][0]
    columns = ["line_code", "pinned_unit", "pinned_multiplier", *_UNIT]
    raise UnitChanged(
        table,
        [
            LineDifference(code, f"{unit} (10^{multiplier})", f"{new_unit} (10^{new_multiplier})")
            for code, unit, multiplier, new_unit, new_multiplier in differing.filter(pl.col("bea_table") == table)
            .select(columns)
            .iter_rows()
        ],
    )


def base_years_of(units: pl.DataFrame, lines: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The years that BEA has where the catalogue writes `{base_year}`, in units and in texts of lines.

    `units` are those of `spelled_units`. The columns are those of BASE_YEARS_SCHEMA.
    """
    texts = lines.join(dataset.lines.select(*_LINE, pinned="description"), on=_LINE)
    published = [
        *units.select(*_LINE, "pinned_unit", "unit").iter_rows(),
        *texts.select(*_LINE, "pinned", "description").iter_rows(),
    ]
    found = [(table, code, pinned, base_year(pinned, text)) for table, code, pinned, text in published]
    years = pl.DataFrame(found, schema=BASE_YEARS_SCHEMA, orient="row")
    return years.drop_nulls("base_year").unique().sort(*BASE_YEARS_SCHEMA)


def _left_out(observations: pl.DataFrame, lines: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    counted = observations.join(dataset.lines, on=_LINE, how="anti").group_by(_LINE).agg(rows=pl.len())
    listed = lines.join(dataset.lines, on=_LINE, how="anti").select(*_LINE, "description").unique(_LINE)
    return (
        listed.join(counted, on=_LINE, how="full", coalesce=True)
        .select(*_LINE, pl.col("description").str.strip_chars(), pl.col("rows").fill_null(0).cast(pl.Int64))
        .sort(_LINE)
    )
