"""A dataset as a value: which of BEA's tables it has, what each line means, and what may be done with its numbers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal

import polars as pl

from pce_pipeline.errors import UsageError

FULL = "full"
"""The profile that takes everything that a dataset declares."""

Over = Literal["categories", "areas", "years"]
Grain = Literal["year", "month"]


@dataclass(frozen=True)
class Measure:
    """What a number is, in which unit, and what may be done with it."""

    name: str
    """Our name of it, the same wherever BEA publishes it: `pce_per_capita`."""
    title: str
    """What it is, in words."""
    unit: str
    """The conformed unit, by its name in units.csv: `millions_usd`."""
    unit_title: str
    """That unit in words."""
    unit_multiplier: int
    """The power of ten in that unit: 6 for millions."""
    decimals: int
    """How many decimals BEA publishes."""
    adds_up_over: frozenset[Over]
    """What a sum of it has a meaning over: categories, areas."""
    comparable_over: frozenset[Over]
    """What a difference or a ratio of it has a meaning over: areas, years."""
    growth_is_meaningful: bool
    """Whether a rate of growth of it may be computed."""
    per_capita_of: str | None = None
    """The measure that it is when divided by the residents; None for one that is no per-capita measure."""
    base_year_of: str | None = None
    """The measure whose base year it has in each vintage, where its own unit names none: an index; else None."""
    home: str = ""
    """The dataset that declares it, and publishes it first where others repeat it."""
    growth_instead: str | None = None
    """The measure whose growth says what somebody wants who asks for its own, where that has no meaning; else None."""


@dataclass(frozen=True)
class Probe:
    """The cell by which a table is asked for its release note: one small request."""

    line: int
    """The line's code."""
    area: str
    """The area's code; a table without a row for the US needs a state."""


@dataclass(frozen=True)
class BeaTable:
    """One of BEA's tables."""

    name: str
    """BEA's name: `SAPCE1`."""
    title: str
    """BEA's title."""
    levels: frozenset[str]
    """The levels of areas that it has: nation, region, state."""
    probe: Probe
    """Where to look for its release note."""
    may_have: frozenset[str] = frozenset()
    """The levels of areas that it has in some releases only, or without figures: nobody misses them."""
    first_year: int | None = None
    """The first year that it has, where that is a later one than its dataset's; else None."""


@dataclass(frozen=True)
class KnownException:
    """Sums of one area that BEA itself does not keep, from `first_year` on."""

    identity: Literal["children", "nation"]
    """Which sums: of the lines' parts, or of the states for the nation."""
    bea_table: str
    """BEA's table."""
    line_codes: tuple[int, ...]
    """The lines whose sums are not kept."""
    geo_fips: str
    """The area."""
    first_year: int
    """The first year in which they are not kept."""
    reason: str
    """Why, in words that a report shows."""


@dataclass(frozen=True)
class Dataset:
    """One dataset under one profile: its scope, and the meaning of everything in it.

    For example, the lines of a table with what they measure:

        >>> from pce_pipeline.catalog.reading import load_datasets
        >>> dataset = next(iter(load_datasets("full").values()))
        >>> dataset.lines.columns
        ['bea_table', 'layout', 'line_code', 'category_id', 'measure', 'description', 'unit', 'unit_multiplier']
    """

    name: str
    """Its name in keys, assets and options: `pce_state`."""
    title: str
    """What it is, in words."""
    source: Literal["Regional", "NIPA"]
    """The name of BEA's dataset that its tables are asked from."""
    archive: str
    """The name of BEA's archive that holds its tables without a key; of national tables, of the file of all series."""
    first_year: int
    """The first year that BEA publishes; what is before the pipeline's first year stays in Bronze."""
    release_names: tuple[str, ...]
    """The names under which BEA's calendar may announce it, best first; compared exactly."""
    profile: str
    """The profile that narrows it; `full` takes everything."""
    tables: Mapping[str, BeaTable]
    """BEA's tables of the profile, in order of precedence where two publish the same figure."""
    measures: Mapping[str, Measure]
    """The measures of its lines."""
    areas: pl.DataFrame
    """Every area that BEA publishes: geo_fips, geo_name, geo_level, state, region_fips, path_segment."""
    categories: pl.DataFrame
    """category_id, scheme, name, parent_id, depth, role, sign, nation_only; whole, whatever the profile."""
    lines: pl.DataFrame
    """The lines of the profile as the newest layout of each table has them: bea_table, layout, line_code, category_id,
    measure, description, unit, unit_multiplier. A description or unit may leave the base year open, written
    `{base_year}`."""
    layouts: pl.DataFrame
    """The lines of every layout that a table had or has, with the same columns and the place that each has today:
    today_table, today_line. A profile that narrows leaves out those that have no place in it."""
    known_exceptions: tuple[KnownException, ...] = ()
    """Sums that BEA itself does not keep."""
    comprehensive_updates: tuple[date, ...] = ()
    """The days of releases that brought a comprehensive update: BEA then revises all years, and what figures mean."""
    known_releases: tuple[date, ...] = ()
    """Days on which BEA is known to have released it, ascending: not all of them."""
    archived_as: tuple[str, ...] = ()
    """The kinds of releases in BEA's archive whose files may hold its tables: `pce` of `1019pce`."""
    grain: Grain = "year"
    """What one figure is of: a year, or a month of it."""

    @property
    def is_monthly(self) -> bool:
        return self.grain == "month"

    def first_year_of(self, bea_table: str) -> int:
        """The first year that BEA publishes of a table."""
        return self.tables[bea_table].first_year or self.first_year

    def line_codes(self, bea_table: str) -> tuple[int, ...]:
        """The pinned line codes of one table, ascending."""
        of_table = self.lines.filter(pl.col("bea_table") == bea_table)
        return tuple(of_table["line_code"].sort().to_list())

    @property
    def probes(self) -> dict[str, tuple[int, str] | int]:
        """The cell (line and area) by which each table is asked for its release note; of a national table, a year."""
        return {
            name: self.first_year_of(name) if self.source == "NIPA" else (table.probe.line, table.probe.area)
            for name, table in self.tables.items()
        }

    @cached_property
    def with_several_layouts(self) -> tuple[str, ...]:
        """The tables that had another layout before."""
        several = self.layouts.filter(pl.col("layout").n_unique().over("bea_table") > 1)
        return tuple(several["bea_table"].unique().sort())

    def names_of(self, tables: Collection[str]) -> list[str]:
        """The tables in which BEA publishes, or ever published, what these tables have today."""
        before = self.layouts.filter(pl.col("today_table").is_in(list(tables)))["bea_table"]
        return list(dict.fromkeys([*tables, *before]))

    @cached_property
    def cells(self) -> pl.DataFrame:
        """The cells of one year: bea_table, line_code, measure, category_id, geo_fips; areas as each table has them.

        A line for the nation only is expected for the nation alone.
        """
        return self._cells_of({table.name: table.levels for table in self.tables.values()})

    @cached_property
    def cells_at_times(self) -> pl.DataFrame:
        """The cells of one year that a table has in some releases only, with the columns of `cells`."""
        return self._cells_of({table.name: table.may_have for table in self.tables.values()})

    def _cells_of(self, levels_of: Mapping[str, Collection[str]]) -> pl.DataFrame:
        levels = pl.DataFrame(
            [(table, level) for table, levels in levels_of.items() for level in sorted(levels)],
            schema={"bea_table": pl.String, "geo_level": pl.String},
            orient="row",
        )
        return (
            self.lines.join(self.categories.select("category_id", "nation_only"), on="category_id", how="left")
            .join(levels, on="bea_table")
            .join(self.areas.select("geo_fips", "geo_level"), on="geo_level")
            .filter(~pl.col("nation_only") | (pl.col("geo_level") == "nation"))
            .select("bea_table", "line_code", "measure", "category_id", "geo_fips")
        )

    def chosen_tables(self, tables: Collection[str]) -> list[str]:
        """The tables asked for, all if none are, in its own order; raises `UsageError` for one it does not hold."""
        unknown = sorted(set(tables) - set(self.tables))
        if unknown:
            raise UsageError(
                f"The catalogue holds no {', '.join(unknown)}.", remedy=f"It holds {', '.join(self.tables)}."
            )
        return [table for table in self.tables if not tables or table in tables]
