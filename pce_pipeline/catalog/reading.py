"""The registry of datasets, read from the data files of the catalogue and from a folder that may add to them.

    areas.csv  units.csv                                     shared by all
    <dataset>/dataset.toml  lines.csv  categories.csv        one folder for each

A folder of the user's (`PCE_CATALOG`) has the same layout, without areas.csv. A new folder there is a new dataset. One
with the name of a packaged dataset adds to it: its dataset.toml has the name and what it adds, which may be tables,
measures, profiles, known exceptions, comprehensive updates and kinds of archived releases; its CSV files have lines (of
packaged tables, too) and categories. A units.csv adds units. Nothing packaged is taken away or changed: who wants less
adds a profile that narrows. A profile may be added to, but what it has of a table is said once; `full` has all lines of
every table. Measures and categories are declared once and may be used by every dataset.

What cannot be is told with file and line before anything runs.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
import polars as pl

from pce_pipeline.catalog.checking import check
from pce_pipeline.catalog.dataset import BeaTable, Dataset, Measure
from pce_pipeline.catalog.declared import AREAS, PLACE, UNITS, Catalogue, Part, of_today, tables_of
from pce_pipeline.catalog.decoding import read_part, read_rows
from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.errors import SettingsError

_HERE = files("pce_pipeline.catalog")
_FILES = ("dataset.toml", "lines.csv", "categories.csv")


@cache
def load_datasets(profile: str, folder: Path | None = None) -> Mapping[str, Dataset]:
    """The datasets of a profile by name, packaged ones first; `folder` is the user's own.

    A dataset that does not know the profile is not in it. Raises `CatalogMistake` for a file that says what cannot be,
    and `SettingsError` for a profile that no dataset knows and for a `folder` that is not one.
    """
    catalogue = read_catalogue(folder)
    found = {
        name: _dataset(name, parts, catalogue, profile)
        for name, parts in catalogue.parts.items()
        if any(profile in part.declared.profiles for part in parts)
    }
    if not found:
        known = {each for parts in catalogue.parts.values() for part in parts for each in part.declared.profiles}
        raise SettingsError(f"There is no profile {profile!r}.", remedy=f"Use one of: {', '.join(sorted(known))}.")
    return found


def read_catalogue(folder: Path | None = None) -> Catalogue:
    """The packaged catalogue and what `folder` adds to it, checked; errors as in `load_datasets`."""
    if folder is not None and not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder.", remedy="Set PCE_CATALOG to the folder of your datasets.")
    units = read_rows(_HERE / "units.csv", "catalog/units.csv", UNITS)
    parts: dict[str, tuple[Part, ...]] = {}
    for part in (*_packaged(), *(_added(folder) if folder is not None else ())):
        parts[part.folder] = (*parts.get(part.folder, ()), part)
    catalogue = Catalogue(
        areas=read_rows(_HERE / "areas.csv", "catalog/areas.csv", AREAS),
        units=units
        if folder is None
        else pl.concat([units, read_rows(folder / "units.csv", f"{folder}/units.csv", UNITS)]),
        parts=parts,
    )
    check(catalogue)
    return catalogue


@cache
def area_names() -> Mapping[str, str]:
    """BEA's name of each area, by its code."""
    areas = read_rows(_HERE / "areas.csv", "catalog/areas.csv", AREAS)
    return dict(areas.select("geo_fips", "geo_name").iter_rows())


def _packaged() -> Iterator[Part]:
    for each in sorted(_HERE.iterdir(), key=lambda entry: entry.name):
        if (each / "dataset.toml").is_file():
            yield read_part(each, f"catalog/{each.name}")


def _added(folder: Path) -> Iterator[Part]:
    """The parts in a folder of the user's, where what is not used is told rather than passed over."""
    if (folder / "areas.csv").exists():
        raise CatalogMistake(f"{folder}/areas.csv", 1, "the areas are those of catalog/areas.csv", remedy="Remove it.")
    if any((folder / name).is_file() for name in _FILES):
        raise SettingsError(
            f"{folder} has the files of a dataset, not folders of datasets.", remedy="Set PCE_CATALOG to its parent."
        )
    for each in sorted(folder.iterdir()):
        if (each / "dataset.toml").is_file():
            yield read_part(each, str(each))
        elif left := [name for name in _FILES if (each / name).is_file()]:
            raise CatalogMistake(f"{each}/{left[0]}", 1, "there is no dataset.toml beside it", remedy="Write one.")


def _dataset(name: str, parts: tuple[Part, ...], catalogue: Catalogue, profile: str) -> Dataset:
    """The value of what the checked parts declare."""
    whole = parts[0].declared
    assert whole.title and whole.source and whole.archive and whole.first_year  # noqa: S101, PT018 (it was checked)
    lines = pl.concat([part.lines for part in parts])
    today = of_today(lines)
    scope = {table: codes for part in parts for table, codes in part.declared.profiles.get(profile, {}).items()}
    in_scope = pl.any_horizontal(
        (pl.col("bea_table") == table) & (pl.col("line_code").is_in(codes) if codes else pl.lit(value=True))
        for table, codes in scope.items()
    )
    of_before = lines.join(today, on=["bea_table", "layout"], how="anti", maintain_order="left")
    lines_of_scope = today.filter(in_scope).drop(PLACE)
    tables = {
        table.name: BeaTable(
            table.name,
            table.title,
            frozenset(table.levels),
            table.probe,
            frozenset(table.may_have),
            table.first_year,
        )
        for table in tables_of(parts).values()
        if table.name in scope
    }
    return Dataset(
        name=name,
        title=whole.title,
        source=whole.source,
        archive=whole.archive,
        first_year=whole.first_year,
        release_names=whole.release_names or (),
        profile=profile,
        tables=tables,
        measures={each: _measure(each, catalogue) for each in today["measure"].unique(maintain_order=True)},
        areas=catalogue.areas.drop(PLACE),
        categories=_categories(parts, lines, catalogue),
        lines=lines_of_scope,
        layouts=_layouts(of_before.drop(PLACE), lines_of_scope, list(tables)),
        known_exceptions=tuple(known for part in parts for known in part.declared.known_exceptions),
        comprehensive_updates=tuple(sorted(day for part in parts for day in part.declared.comprehensive_updates)),
        known_releases=tuple(sorted({day for part in parts for day in part.declared.known_releases})),
        archived_as=tuple(dict.fromkeys(kind for part in parts for kind in part.declared.archived_as)),
        grain=whole.grain or "year",
    )


def _layouts(of_before: pl.DataFrame, today: pl.DataFrame, tables: Collection[str]) -> pl.DataFrame:
    """The lines of before and of today, each with its place among those of today.

    That is in its own table, if that has the figure, else in the first one that has.
    """
    order = {name: number for number, name in enumerate(tables)}
    places = today.select("measure", "category_id", today_table="bea_table", today_line="line_code")
    is_elsewhere = pl.col("today_table") != pl.col("bea_table")
    return (
        pl.concat([of_before, today])
        .with_row_index("nth")
        .join(places, on=["measure", "category_id"])
        .sort("nth", is_elsewhere, pl.col("today_table").replace_strict(order, return_dtype=pl.Int64))
        .unique("nth", keep="first", maintain_order=True)
        .drop("nth")
    )


def _measure(name: str, catalogue: Catalogue) -> Measure:
    declared = catalogue.measures[name]
    unit = catalogue.units.filter(pl.col("unit") == declared.unit).row(0, named=True)
    return Measure(
        unit_title=unit["title"],
        unit_multiplier=unit["unit_multiplier"],
        home=catalogue.homes[name],
        **msgspec.structs.asdict(declared),
    )


def _categories(parts: Collection[Part], lines: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """The categories that the dataset declares, and those of others that its lines have, with all above them."""
    parents = dict(catalogue.categories.select("category_id", "parent_id").iter_rows())
    wanted = {category for part in parts for category in part.categories["category_id"]}
    for category in lines["category_id"].unique():
        while category is not None:
            wanted.add(category)
            category = parents[category]  # noqa: PLW2901 (upwards, to the total)
    return catalogue.categories.filter(pl.col("category_id").is_in(sorted(wanted))).drop(PLACE)
