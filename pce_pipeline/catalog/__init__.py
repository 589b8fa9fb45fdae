"""What is ingested: BEA's tables, lines and areas, and our categories over them.

The data files beside this module are the single place where scope and meaning are declared; this module is their
typed view. Line codes are BEA's and change between layouts; a `category_id` is ours and does not.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

import polars as pl

from pce_pipeline.errors import SettingsError, UsageError

_HERE = files(__name__)


@dataclass(frozen=True)
class BeaTable:
    """One of BEA's tables: what it measures, in which conformed unit and with how many published decimals."""

    name: str
    title: str
    measure: str
    unit: str
    decimals: int


@dataclass(frozen=True)
class KnownException:
    """Sums of one area that BEA itself does not keep, from `first_year` on.

    `identity` says which sums of these lines: of their `children`, or of the states for the `nation`.
    """

    identity: Literal["children", "nation"]
    bea_table: str
    line_codes: tuple[int, ...]
    geo_fips: str
    first_year: int
    reason: str


@dataclass(frozen=True)
class Catalog:
    """The scope of one dataset under one profile.

    Frames: `areas` (geo_fips, geo_name, geo_level, state, region_fips, path_segment), `categories` (category_id,
    scheme, name, parent_id, depth, role, sign, nation_only), `lines` (bea_table, layout, line_code, category_id,
    description, unit, unit_multiplier). Areas and categories are whole; `tables` and `lines` follow the profile. A
    description or unit may leave the base year of constant dollars open, written `{base_year}`.
    """

    dataset: str
    title: str
    archive: str
    first_year: int
    layout: str
    release_names: tuple[str, ...]
    profile: str
    tables: Mapping[str, BeaTable]
    areas: pl.DataFrame
    categories: pl.DataFrame
    lines: pl.DataFrame
    known_exceptions: tuple[KnownException, ...]

    def line_codes(self, bea_table: str) -> tuple[int, ...]:
        """The pinned line codes of one table, ascending."""
        of_table = self.lines.filter(pl.col("bea_table") == bea_table)
        return tuple(of_table["line_code"].sort().to_list())


def _read(name: str, schema: dict[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    source: Traversable = _HERE / name
    return pl.read_csv(source.read_bytes(), schema=schema)


_AREAS: dict[str, pl.DataType | type[pl.DataType]] = {
    "geo_fips": pl.String,
    "geo_name": pl.String,
    "geo_level": pl.String,
    "state": pl.String,
    "region_fips": pl.String,
    "path_segment": pl.String,
}
_CATEGORIES: dict[str, pl.DataType | type[pl.DataType]] = {
    "category_id": pl.String,
    "scheme": pl.String,
    "name": pl.String,
    "parent_id": pl.String,
    "depth": pl.Int32,
    "role": pl.String,
    "sign": pl.Int32,
    "nation_only": pl.Boolean,
}
_LINES: dict[str, pl.DataType | type[pl.DataType]] = {
    "bea_table": pl.String,
    "layout": pl.String,
    "line_code": pl.Int32,
    "category_id": pl.String,
    "description": pl.String,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
}


@cache
def load_catalog(profile: str = "full", dataset: str = "pce_state") -> Catalog:
    """Read the catalogue of one dataset, narrowed to one profile.

    Raises `SettingsError` for a profile the catalogue does not declare.
    """
    declared = tomllib.loads((_HERE / f"{dataset}.toml").read_text("utf-8"))
    profiles: dict[str, dict[str, list[int]]] = declared["profiles"]
    if profile not in profiles:
        raise SettingsError(
            f"There is no profile {profile!r} for {dataset}.", remedy=f"Use one of: {', '.join(sorted(profiles))}."
        )
    scope = profiles[profile]
    lines = _read("lines.csv", _LINES)
    in_scope = pl.any_horizontal(
        [
            (pl.col("bea_table") == table) & (pl.col("line_code").is_in(codes) if codes else pl.lit(value=True))
            for table, codes in scope.items()
        ]
    )
    tables = {table["name"]: BeaTable(**table) for table in declared["tables"] if table["name"] in scope}
    return Catalog(
        dataset=declared["name"],
        title=declared["title"],
        archive=declared["archive"],
        first_year=declared["first_year"],
        layout=declared["layout"],
        release_names=tuple(declared["release_names"]),
        profile=profile,
        tables=tables,
        areas=_read("areas.csv", _AREAS),
        categories=_read("categories.csv", _CATEGORIES),
        lines=lines.filter(in_scope),
        known_exceptions=tuple(
            KnownException(**{**exception, "line_codes": tuple(exception["line_codes"])})
            for exception in declared["known_exceptions"]
        ),
    )


def chosen_tables(catalog: Catalog, tables: Collection[str]) -> list[str]:
    """The tables asked for, all if none are, in the catalogue's order; raises `UsageError` for one it does not hold."""
    unknown = sorted(set(tables) - set(catalog.tables))
    if unknown:
        raise UsageError(
            f"The catalogue holds no {', '.join(unknown)}.", remedy=f"It holds {', '.join(catalog.tables)}."
        )
    return [table for table in catalog.tables if not tables or table in tables]
