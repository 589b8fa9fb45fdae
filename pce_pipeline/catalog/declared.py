"""What the files of a catalogue declare, as values that know the file and line which says it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated, Literal

import msgspec
import polars as pl

from pce_pipeline.catalog.dataset import Grain, KnownException, Over, Probe
from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.catalog.places import line_at

Schema = Mapping[str, pl.DataType | type[pl.DataType]]

AREAS: Schema = {
    "geo_fips": pl.String,
    "geo_name": pl.String,
    "geo_level": pl.String,
    "state": pl.String,
    "region_fips": pl.String,
    "path_segment": pl.String,
}
UNITS: Schema = {"unit": pl.String, "title": pl.String, "bea_unit": pl.String, "unit_multiplier": pl.Int32}
CATEGORIES: Schema = {
    "category_id": pl.String,
    "scheme": pl.String,
    "name": pl.String,
    "parent_id": pl.String,
    "depth": pl.Int32,
    "role": pl.String,
    "sign": pl.Int32,
    "nation_only": pl.Boolean,
}
LINES: Schema = {
    "bea_table": pl.String,
    "layout": pl.String,
    "line_code": pl.Int32,
    "category_id": pl.String,
    "measure": pl.String,
    "description": pl.String,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
}
PLACE: Schema = {"file": pl.String, "line": pl.Int64}
"""Where a row of a file stands."""

Text = Annotated[str, msgspec.Meta(min_length=1)]
Year = Annotated[int, msgspec.Meta(ge=1900, le=2200)]


class DeclaredTable(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of `[[tables]]`."""

    name: Text
    title: Text
    levels: Annotated[tuple[Literal["nation", "region", "state"], ...], msgspec.Meta(min_length=1)]
    probe: Probe
    may_have: tuple[Literal["nation", "region", "state"], ...] = ()
    first_year: Year | None = None


class DeclaredMeasure(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of `[[measures]]`."""

    name: Text
    title: Text
    unit: Text
    decimals: Annotated[int, msgspec.Meta(ge=0, le=3)]
    adds_up_over: frozenset[Over]
    comparable_over: frozenset[Over]
    growth_is_meaningful: bool
    per_capita_of: str | None = None
    base_year_of: str | None = None
    growth_instead: str | None = None


class Declared(msgspec.Struct, forbid_unknown_fields=True):
    """A dataset.toml; one that adds to a packaged dataset has its name and only what it adds."""

    name: Text
    title: Text | None = None
    source: Literal["Regional", "NIPA"] | None = None
    grain: Grain | None = None
    archive: Text | None = None
    first_year: Year | None = None
    release_names: tuple[Text, ...] | None = None
    measures: tuple[DeclaredMeasure, ...] = ()
    tables: tuple[DeclaredTable, ...] = ()
    profiles: dict[str, dict[str, tuple[int, ...]]] = {}
    known_exceptions: tuple[KnownException, ...] = ()
    comprehensive_updates: tuple[date, ...] = ()
    known_releases: tuple[date, ...] = ()
    archived_as: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Part:
    """What one folder says of a dataset: all of it, or what it adds to a packaged one."""

    folder: str
    """The name of the folder."""
    where: str
    """The folder as errors name it."""
    text: str
    """The text of its dataset.toml."""
    declared: Declared
    """The same, decoded."""
    lines: pl.DataFrame
    """Its lines: LINES and PLACE."""
    categories: pl.DataFrame
    """Its categories: CATEGORIES and PLACE."""

    def mistake(self, path: Sequence[str | int], problem: str, *, remedy: str = "") -> CatalogMistake:
        """A mistake in dataset.toml at what a path leads to: ("tables", 0, "probe"), ("profiles", "full")."""
        return CatalogMistake(f"{self.where}/dataset.toml", line_at(self.text, path), problem, remedy=remedy)


@dataclass(frozen=True)
class Catalogue:
    """All files of a catalogue as they were read."""

    areas: pl.DataFrame
    """areas.csv: AREAS and PLACE."""
    units: pl.DataFrame
    """units.csv, the user's own below the packaged one: UNITS and PLACE."""
    parts: Mapping[str, tuple[Part, ...]]
    """What is said of each dataset, by its name: the packaged part first."""

    @property
    def every_part(self) -> tuple[Part, ...]:
        return tuple(part for parts in self.parts.values() for part in parts)

    @cached_property
    def categories(self) -> pl.DataFrame:
        """The categories of all datasets: CATEGORIES and PLACE."""
        return pl.concat([part.categories for part in self.every_part])

    @cached_property
    def measures(self) -> Mapping[str, DeclaredMeasure]:
        """The measures of all datasets, by name."""
        return {measure.name: measure for part in self.every_part for measure in part.declared.measures}

    @cached_property
    def homes(self) -> Mapping[str, str]:
        """The dataset that declares each measure."""
        return {
            measure.name: name for name, own in self.parts.items() for part in own for measure in part.declared.measures
        }


def of_today(lines: pl.DataFrame) -> pl.DataFrame:
    """Those of the lines (with LINES) that are of the newest layout of their table."""
    return lines.filter(pl.col("layout") == pl.col("layout").max().over("bea_table"))


def tables_of(parts: Collection[Part]) -> dict[str, DeclaredTable]:
    """The tables that the parts of a dataset declare, by name."""
    return {table.name: table for part in parts for table in part.declared.tables}
