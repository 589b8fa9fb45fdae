"""Rules of Silver: keys, known areas and categories, completeness against what was asked for, and shared lines.

Nothing read is lost from sight: the balance of rows is exact, and what could not be read is rare, no total and not of
the nation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.quality.frames import expected_cells, unexplained, violations_of_schema
from pce_pipeline.quality.rules import EXAMPLES, Finding, Rule, finding, rule
from pce_pipeline.tables.silver import YEARLY_KEY, silver_table
from pce_pipeline.tables.table import QUARANTINED
from pce_pipeline.texts import is_open, same

_MOST_QUARANTINED = 0.05
_MOST_ROWS_LOST = 0.01
_CELL_TEXT = "{bea_table} line {line_code}, area {geo_fips}, {year}"
_CELL_TEXT_OF_MONTHS = f"{_CELL_TEXT}M{{month}}"


@dataclass(frozen=True)
class SilverYears:
    """What the rules of Silver look at."""

    frame: pl.DataFrame
    """The Silver of some years."""
    left_out: pl.DataFrame
    """The lines beside it."""
    rows_in: int
    """The observations that these came from, repeated ones included."""
    dataset: Dataset
    """What is expected of BEA's tables."""
    held: Mapping[str, Sequence[int]]
    """The years that each BEA table should have here: of the tables in the extracts, the years asked for."""
    spoken_of: pl.DataFrame | None = None
    """The cells that the extracts speak of (bea_table, line_code, geo_fips, year); all that is expected if None."""
    set_aside: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict.fromkeys(YEARLY_KEY, pl.Null)))
    """The observations of areas that the catalogue does not hold."""
    repeated: int = 0
    """The observations beyond the first of their cell, which BEA gave several times."""

    @cached_property
    def missing(self) -> pl.DataFrame:
        """Cells that should be there in the tables and years held, and are not."""
        expected = expected_cells(self.dataset, self.held) if self.spoken_of is None else self.spoken_of
        return expected.join(self.frame, on=self.cell, how="anti")

    @property
    def cell(self) -> list[str]:
        """The columns that name a cell."""
        return list(silver_table(self.dataset).key)

    @property
    def cell_text(self) -> str:
        """How examples name a cell."""
        return _CELL_TEXT_OF_MONTHS if self.dataset.is_monthly else _CELL_TEXT


@rule("schema")
def schema_is_as_declared(years: SilverYears) -> Finding:
    """Columns, types and required values are those of the table's declaration."""
    return violations_of_schema(years.frame, silver_table(years.dataset).columns)


@rule("key")
def primary_key_is_unique(years: SilverYears) -> Finding:
    """No two rows share table, line, area and year."""
    repeated = years.frame.filter(years.frame.select(years.cell).is_duplicated()).unique(years.cell).sort(years.cell)
    return finding(
        repeated,
        holds="{rows} rows, each with its own key",
        fails="keys are repeated",
        example=years.cell_text,
        figures={"rows": years.frame.height},
    )


@rule("meaning")
def geography_is_known(years: SilverYears) -> Finding:
    """Every area is in the catalogue, with its level and postal code."""
    place = ["geo_fips", "geo_level", "state"]
    unknown = (
        years.frame.select(place).unique().join(years.dataset.areas, on=place, how="anti", nulls_equal=True).sort(place)
    )
    return finding(
        unknown,
        holds="every area is known",
        fails="areas are unknown or carry another level or state",
        example="{geo_fips} ({geo_level}, state {state})",
        figures={"areas": _each_of(years.frame["geo_fips"])},
        are_distinct=True,
    )


@rule("meaning")
def category_is_known(years: SilverYears) -> Finding:
    """Every line carries the category and unit that the catalogue pins for it, whatever base year that leaves open."""
    line = ["bea_table", "line_code", "category_id", "unit_multiplier"]
    found = years.frame.select(*line, "unit").unique()
    pinned = found.join(years.dataset.lines.select(*line, pinned="unit"), on=line)
    known = pinned.filter(
        pl.Series(
            [
                same(text, unit) if is_open(text) else unit == text
                for unit, text in pinned.select("unit", "pinned").iter_rows()
            ],
            dtype=pl.Boolean,
        )
    )
    unknown = found.join(known, on=[*line, "unit"], how="anti").sort(*line, "unit")
    return finding(
        unknown,
        holds="every line has its pinned category and unit",
        fails="lines have another category or unit than pinned",
        example="{bea_table} line {line_code} as {category_id}, {unit} (10^{unit_multiplier})",
        figures={"categories": _each_of(years.frame["category_id"])},
        are_distinct=True,
    )


@rule("threshold", tolerance="None: an area that a table has in some releases only is declared so in the catalogue.")
def expected_areas_are_present(years: SilverYears) -> Finding:
    """Every table and year has all areas that its extracts speak of; a line for the nation only has the US."""
    absent = (
        years.missing.group_by("bea_table", "geo_fips", "year")
        .agg(cells=pl.len())
        .join(years.frame, on=["bea_table", "geo_fips", "year"], how="anti")
        .sort("bea_table", "geo_fips", "year")
    )
    return finding(
        absent,
        holds="all areas are there",
        fails="areas are missing from a table and year",
        example="{bea_table} has no area {geo_fips} in {year} ({cells} cells)",
        figures={"areas": _each_of(years.frame["geo_fips"])},
    )


@rule("threshold", tolerance="None: what an extract of parts does not speak of is not expected of it.")
def expected_lines_are_present(years: SilverYears) -> Finding:
    """Every table and year has all pinned lines that its extracts speak of, for every area that it has at all."""
    area = ["bea_table", "geo_fips", "year"]
    absent = years.missing.join(years.frame, on=area, how="semi").sort(years.cell)
    return finding(
        absent,
        holds="all pinned lines are there",
        fails="cells of pinned lines are missing",
        example=years.cell_text,
        figures={"rows": years.frame.height},
    )


@rule("meaning")
def rows_in_equal_rows_out_plus_left_out(years: SilverYears) -> Finding:
    """No observation is lost or made on the way: each became a row, or is set aside, or counted with a line left out.

    A quarantined cell is a row; set aside are rows of unknown areas, and the repetitions of a cell.
    """
    left_out = int(years.left_out["rows"].sum())
    return Finding(
        passed=years.rows_in == years.frame.height + years.set_aside.height + left_out + years.repeated,
        summary=_balance,
        figures={
            "rows_in": years.rows_in,
            "rows_out": years.frame.height,
            "cells_quarantined": years.frame.filter(pl.col("status") == QUARANTINED).height,
            "rows_set_aside": years.set_aside.height,
            "rows_repeated": years.repeated,
            "rows_left_out": left_out,
            "lines_left_out": frozenset(f"{table} {line}" for table, line, *_ in years.left_out.iter_rows()),
        },
        examples=tuple(
            f"left out: {table} line {line}, {description}"
            for table, line, description, _ in years.left_out.head(EXAMPLES).iter_rows()
        ),
    )


def _balance(found: Finding) -> str:
    """The balance of rows, in words."""
    counted = found.counted
    beside = {"set aside": counted["rows_set_aside"], "repeated": counted["rows_repeated"]}
    return (
        f"{counted['rows_in']} observations {'=' if found.passed else 'are not'} {counted['rows_out']} rows + "
        f"{counted['rows_left_out']} left out" + "".join(f" + {rows} {what}" for what, rows in beside.items() if rows)
    )


def _each_of(names: pl.Series) -> frozenset[str]:
    """The different values of a column."""
    return frozenset(map(str, names.unique().to_list()))


@rule("meaning")
def no_unexplained_nulls(years: SilverYears) -> Finding:
    """A value is NULL exactly where its status says why."""
    return unexplained(years.frame, {"value": "status"}, years.cell_text)


@rule(
    "threshold",
    tolerance="Less than 5 % of the cells of a table and year; no total, and nothing of the US. One damaged cell costs "
    "nothing but itself, and a table of which more cannot be read is another layout than the one that is "
    "known.",
)
def quarantined_cells_are_few(years: SilverYears) -> Finding:
    """Of each table and year less than 5 % of the cells could not be read, no total among them and none of the US."""
    role = years.dataset.categories.select("category_id", "role")
    cells = years.frame.join(role, on="category_id", how="left")
    unread = cells.filter(pl.col("status") == QUARANTINED)
    shares = (
        cells.group_by("bea_table", "year")
        .agg(cells=pl.len(), unread=(pl.col("status") == QUARANTINED).sum())
        .filter(pl.col("unread") >= _MOST_QUARANTINED * pl.col("cells"))
        .sort("bea_table", "year")
    )
    weighty = unread.filter((pl.col("role") == "total") | (pl.col("geo_level") == "nation")).sort(years.cell)
    violations = pl.concat(
        [
            weighty.select(
                "year",
                pl.format(
                    "{} line {}, area {}, {}: '{}'", "bea_table", "line_code", "geo_fips", "year", "value_text"
                ).alias("example"),
            ),
            shares.filter(pl.col("unread") > 0).select(
                "year",
                pl.format("{} of {} cells of {} in {}", "unread", "cells", "bea_table", "year").alias("example"),
            ),
        ]
    )
    return finding(
        violations,
        holds=lambda found: (
            f"{found.counted['quarantined']} cells could not be read"
            if found.counted["quarantined"]
            else "every cell could be read"
        ),
        fails="totals, US cells or whole tables and years could not be read",
        example="{example}",
        figures={"quarantined": unread.height, "cells": cells.height},
    )


@rule("threshold", tolerance="Less than 1 % of the rows of a table and year: one new area among sixty is more.")
def rows_set_aside_are_few(years: SilverYears) -> Finding:
    """Of each table and year less than 1 % of the rows are of areas that the catalogue does not hold."""
    table = ["bea_table", "year"]
    lost = (
        years.set_aside.group_by(table)
        .agg(lost=pl.len(), areas=pl.col("geo_fips").unique().sort())
        .with_columns(pl.col("bea_table").cast(pl.String), pl.col("year").cast(pl.Int32))
        .join(years.frame.group_by(table).agg(kept=pl.len()), on=table, how="left")
        .with_columns(rows=pl.col("lost") + pl.col("kept").fill_null(0))
        .with_columns(pl.col("areas").cast(pl.List(pl.String)).list.head(EXAMPLES).list.join(", "))
        .sort(table)
    )
    return finding(
        lost.filter(pl.col("lost") >= _MOST_ROWS_LOST * pl.col("rows")),
        holds=lambda found: (
            f"{found.counted['rows_set_aside']} rows are of unknown areas"
            if found.counted["rows_set_aside"]
            else "every row has its place"
        ),
        fails="tables and years have many rows of unknown areas",
        example="{bea_table} in {year}: {lost} of {rows} rows, of {areas}",
        figures={"rows_set_aside": years.set_aside.height, "rows": years.frame.height},
    )


@rule("threshold", tolerance="None: BEA prints one figure in several tables.")
def shared_lines_agree(years: SilverYears) -> Finding:
    """Figures that several tables publish are the same: shared lines, and total PCE in every table.

    What could not be read in one table is compared among the others, and counted as not checked.
    """
    shared = (
        years.dataset.lines.lazy()
        .join(years.dataset.categories.lazy().select("category_id", "role"), on="category_id")
        .with_columns(
            quantity=pl.when(pl.col("role") == "total").then(pl.lit("total PCE")).otherwise(pl.col("category_id"))
        )
        .filter(pl.col("bea_table").n_unique().over("measure", "quantity") > 1)
        .select("bea_table", "line_code", "measure", "quantity")
    )
    figure = ["measure", "quantity", "geo_fips", "year"]
    compared = (
        years.frame.lazy()
        .join(shared, on=["bea_table", "line_code"])
        .group_by(figure)
        .agg(
            tables=pl.col("bea_table").sort(),
            lowest=pl.col("value").min(),
            highest=pl.col("value").max(),
            differ=pl.struct("value", "status").filter(pl.col("status") != QUARANTINED).n_unique() > 1,
            unread=(pl.col("status") == QUARANTINED).any(),
        )
        .filter(pl.col("tables").list.len() > 1)
        .with_columns(pl.col("tables").list.join(", "))
        .collect()
    )
    return finding(
        compared.filter("differ").sort(figure),
        holds="{compared} figures agree between tables",
        fails="figures differ between tables",
        example="{measure} of {quantity}, area {geo_fips}, {year}: {lowest} to {highest} in {tables}",
        figures={"compared": compared.height, "not_checked": compared.filter("unread").height},
    )


silver_rules: tuple[Rule[SilverYears], ...] = (
    schema_is_as_declared,
    primary_key_is_unique,
    geography_is_known,
    category_is_known,
    expected_areas_are_present,
    expected_lines_are_present,
    rows_in_equal_rows_out_plus_left_out,
    no_unexplained_nulls,
    quarantined_cells_are_few,
    rows_set_aside_are_few,
    shared_lines_agree,
)
