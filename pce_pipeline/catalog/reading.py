"""The registry of datasets, read from the data files of the catalogue and from a folder that may add to them.

    areas.csv  units.csv                                     shared by all
    <dataset>/dataset.toml  lines.csv  categories.csv        one folder for each

A folder of the user's (`PCE_CATALOG`) has the same layout. A new folder there is a new dataset. One with the name of a
packaged dataset adds to it: tables, lines, categories, measures, profiles. Measures and categories are declared once
and may be used by every dataset. What cannot be is told with file and line before anything runs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import msgspec
import polars as pl

from pce_pipeline.bea.texts import meaning
from pce_pipeline.catalog.dataset import (
    FULL,
    BeaTable,
    Dataset,
    KnownException,
    Measure,
    Over,
    Probe,
)
from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.errors import SettingsError

_HERE = files("pce_pipeline.catalog")
_LEVELS = ("nation", "region", "state")
_ROLES = ("total", "subtotal", "part")

_Schema = Mapping[str, pl.DataType | type[pl.DataType]]

_AREAS: _Schema = {
    "geo_fips": pl.String,
    "geo_name": pl.String,
    "geo_level": pl.String,
    "state": pl.String,
    "region_fips": pl.String,
    "path_segment": pl.String,
}
_UNITS: _Schema = {"unit": pl.String, "title": pl.String, "bea_unit": pl.String, "unit_multiplier": pl.Int32}
_CATEGORIES: _Schema = {
    "category_id": pl.String,
    "scheme": pl.String,
    "name": pl.String,
    "parent_id": pl.String,
    "depth": pl.Int32,
    "role": pl.String,
    "sign": pl.Int32,
    "nation_only": pl.Boolean,
}
_LINES: _Schema = {
    "bea_table": pl.String,
    "layout": pl.String,
    "line_code": pl.Int32,
    "category_id": pl.String,
    "measure": pl.String,
    "description": pl.String,
    "unit": pl.String,
    "unit_multiplier": pl.Int32,
}
_MAY_BE_EMPTY = {"state", "region_fips", "parent_id"}
_WHERE = ["file", "line"]


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    title: str
    levels: tuple[str, ...]
    probe: Probe


class _Measure(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    title: str
    unit: str
    decimals: int
    adds_up_over: frozenset[Over]
    comparable_over: frozenset[Over]
    growth_is_meaningful: bool
    per_capita_of: str | None = None


class _Declared(msgspec.Struct, forbid_unknown_fields=True):
    """A dataset.toml; one that adds to a packaged dataset names only what it adds."""

    name: str
    title: str | None = None
    source: Literal["Regional", "NIPA"] | None = None
    archive: str | None = None
    first_year: int | None = None
    release_names: tuple[str, ...] | None = None
    measures: tuple[_Measure, ...] = ()
    tables: tuple[_Table, ...] = ()
    profiles: dict[str, dict[str, tuple[int, ...]]] = {}
    known_exceptions: tuple[KnownException, ...] = ()


@dataclass
class _Part:
    """What one folder says of a dataset."""

    where: str
    """The folder, as errors name it."""
    text: str
    """The text of its dataset.toml."""
    declared: _Declared
    """The same, decoded."""
    lines: pl.DataFrame
    """Its lines, each with `file` and `line`."""
    categories: pl.DataFrame
    """Its categories, each with `file` and `line`."""

    def mistake(self, quoted: str, problem: str) -> CatalogMistake:
        """A mistake at the first line of dataset.toml that has a word in quotes."""
        found = re.search(rf"^.*\"{re.escape(quoted)}\"|^\[.*\b{re.escape(quoted)}\]", self.text, re.MULTILINE)
        line = self.text.count("\n", 0, found.start()) + 1 if found else None
        return CatalogMistake(f"{self.where}/dataset.toml", line, problem)


@dataclass
class _Shared:
    """What every dataset may use."""

    areas: pl.DataFrame
    units: pl.DataFrame
    categories: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={**_CATEGORIES, **_PLACE}))
    measures: dict[str, Measure] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


_PLACE: _Schema = {"file": pl.String, "line": pl.Int64}


@cache
def load_datasets(profile: str, folder: Path | None = None) -> Mapping[str, Dataset]:
    """The datasets of a profile by name, in order; `folder` is the user's own.

    A dataset that does not know the profile is not in it. Raises `CatalogMistake` for a file that says what cannot be,
    and `SettingsError` for a profile that no dataset knows.
    """
    parts = _parts(folder)
    shared = _shared(parts)
    known = sorted({name for each in parts.values() for part in each for name in part.declared.profiles})
    found = {name: _dataset(each, shared, profile) for name, each in parts.items() if _knows(each, profile)}
    if not found:
        raise SettingsError(f"There is no profile {profile!r}.", remedy=f"Use one of: {', '.join(known)}.")
    return found


def _knows(parts: list[_Part], profile: str) -> bool:
    return any(profile in part.declared.profiles for part in parts)


def _parts(folder: Path | None) -> dict[str, list[_Part]]:
    """What is said of each dataset, by its name: packaged ones first, in the order of their names in each folder."""
    parts: dict[str, list[_Part]] = {}
    if folder is not None and not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder.", remedy="Set PCE_CATALOG to the folder of your datasets.")
    for root, prefix in ((_HERE, "catalog"), (folder, str(folder))):
        for each in sorted(root.iterdir(), key=lambda entry: entry.name) if root is not None else ():
            if (each / "dataset.toml").is_file():
                part = _part(each, f"{prefix}/{each.name}")
                parts.setdefault(part.declared.name, []).append(part)
    return parts


def _part(folder: Traversable, where: str) -> _Part:
    text = (folder / "dataset.toml").read_text("utf-8")
    try:
        declared = msgspec.toml.decode(text, type=_Declared)
    except (msgspec.DecodeError, msgspec.ValidationError) as wrong:
        at = re.search(r"at line (\d+)", str(wrong))
        raise CatalogMistake(f"{where}/dataset.toml", int(at[1]) if at else None, str(wrong)) from None
    part = _Part(
        where,
        text,
        declared,
        _read(folder / "lines.csv", f"{where}/lines.csv", _LINES),
        _read(folder / "categories.csv", f"{where}/categories.csv", _CATEGORIES),
    )
    if declared.name != folder.name:
        raise part.mistake(declared.name, f"the dataset {declared.name!r} lies in a folder of another name")
    return part


def _read(source: Traversable, where: str, schema: _Schema) -> pl.DataFrame:
    """A CSV file with `file` and `line` of each row; one that does not exist has no rows."""
    if not source.is_file():
        return pl.DataFrame(schema={**schema, **_PLACE})
    read = pl.read_csv(source.read_bytes(), infer_schema=False, raise_if_empty=False)
    if read.columns != list(schema):
        raise CatalogMistake(where, 1, f"the columns are {', '.join(read.columns)}, not {', '.join(schema)}")
    typed = read.select(
        pl.col(name).replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
        if dtype == pl.Boolean
        else pl.col(name).cast(dtype, strict=False)
        for name, dtype in schema.items()
    ).with_columns(file=pl.lit(where), line=pl.int_range(2, pl.len() + 2, dtype=pl.Int64))
    for name in schema:
        wrong = typed[name].is_null() & (read[name].is_not_null() | pl.lit(name not in _MAY_BE_EMPTY))
        wrong_rows = typed.with_columns(text=read[name]).filter(wrong)
        if not wrong_rows.is_empty():
            row = wrong_rows.row(0, named=True)
            said = "is empty" if row["text"] is None else f"cannot be {row['text']!r}"
            raise CatalogMistake(where, row["line"], f"{name} {said}")
    return typed


def _shared(parts: Mapping[str, list[_Part]]) -> _Shared:
    """Areas, units, and the categories, measures and tables of all datasets, each declared once."""
    everything = [part for each in parts.values() for part in each]
    shared = _Shared(
        areas=_read(_HERE / "areas.csv", "catalog/areas.csv", _AREAS).drop(_WHERE),
        units=_read(_HERE / "units.csv", "catalog/units.csv", _UNITS),
        categories=pl.concat([part.categories for part in everything]),
    )
    for part in everything:
        _add_measures(part, shared)
        _add_tables(part, shared)
    _check_categories(shared.categories)
    return shared


def _add_measures(part: _Part, shared: _Shared) -> None:
    for measure in part.declared.measures:
        if measure.name in shared.measures:
            raise part.mistake(measure.name, f"the measure {measure.name!r} is declared twice")
        of_unit = shared.units.filter(pl.col("unit") == measure.unit)["unit_multiplier"]
        if of_unit.is_empty():
            raise part.mistake(measure.name, f"its unit {measure.unit!r} is not in catalog/units.csv")
        if measure.per_capita_of not in {None, *shared.measures}:
            raise part.mistake(measure.name, f"{measure.per_capita_of!r} is not declared before it")
        shared.measures[measure.name] = Measure(unit_multiplier=of_unit[0], **msgspec.structs.asdict(measure))


def _add_tables(part: _Part, shared: _Shared) -> None:
    for table in part.declared.tables:
        if table.name in shared.tables:
            raise part.mistake(table.name, f"the table {table.name!r} is declared twice")
        if unknown := set(table.levels) - set(_LEVELS):
            raise part.mistake(table.name, f"the levels {', '.join(sorted(unknown))} are not known")
        shared.tables[table.name] = part.declared.name


def _check_categories(categories: pl.DataFrame) -> None:
    """Every category is declared once, below a parent of its scheme, and adds or deducts."""
    parents = categories.select(
        parent_id="category_id", parent_depth="depth", parent_scheme="scheme", parent_role="role"
    ).unique("parent_id")
    found = categories.join(parents, on="parent_id", how="left", maintain_order="left")
    nobody = pl.col("parent_id").is_not_null() & pl.col("parent_depth").is_null()
    problems = (
        (pl.col("category_id").is_duplicated(), "the category {category_id!r} is declared twice"),
        (nobody, "the parent {parent_id!r} of {category_id!r} is not declared"),
        (~pl.col("role").is_in(_ROLES), "the role {role!r} is not one of total, subtotal, part"),
        (pl.col("sign").abs() != 1, "the sign of {category_id!r} is neither 1 nor -1"),
        (
            pl.col("parent_id").is_null() != (pl.col("role") == "total"),
            "a total has no parent, and nothing else lacks one",
        ),
        (pl.col("parent_scheme") != pl.col("scheme"), "{category_id!r} is of another scheme than its parent"),
        (pl.col("parent_role") == "part", "the parent {parent_id!r} is a part, which has no parts"),
        (
            pl.col("depth") != pl.col("parent_depth").fill_null(-1) + 1,
            "{category_id!r} is not one step below its parent",
        ),
    )
    for wrong, problem in problems:
        _refuse(found.filter(wrong), problem)


def _refuse(rows: pl.DataFrame, problem: str) -> None:
    for row in rows.head(1).iter_rows(named=True):
        raise CatalogMistake(row["file"], row["line"], problem.format(**_quoted(row)))


class _Quoted(str):
    """A text that `!r` writes in quotes; NULL is written as nothing."""


def _quoted(row: Mapping[str, object]) -> dict[str, object]:
    return {name: "" if value is None else value for name, value in row.items()}


def _dataset(parts: list[_Part], shared: _Shared, profile: str) -> Dataset:
    first = parts[0]
    declared = first.declared
    tables = {table.name: table for part in parts for table in part.declared.tables}
    lines = pl.concat([part.lines for part in parts])
    _check_lines(lines, tables, shared)
    scope = _scope(parts, tables, lines, profile)
    exceptions = tuple(known for part in parts for known in part.declared.known_exceptions)
    for known in exceptions:
        if known.bea_table not in tables:
            raise first.mistake(known.bea_table, f"a known exception is of {known.bea_table!r}, which is not declared")
    if (
        declared.title is None
        or declared.source is None
        or declared.archive is None
        or declared.first_year is None
        or declared.release_names is None
    ):
        raise CatalogMistake(
            f"{first.where}/dataset.toml", None, "it lacks one of title, source, archive, first_year, release_names"
        )
    in_scope = pl.any_horizontal(
        (pl.col("bea_table") == table) & (pl.col("line_code").is_in(codes) if codes else pl.lit(value=True))
        for table, codes in scope.items()
    )
    return Dataset(
        name=declared.name,
        title=declared.title,
        source=declared.source,
        archive=declared.archive,
        first_year=declared.first_year,
        release_names=declared.release_names,
        profile=profile,
        tables={
            name: BeaTable(name, table.title, frozenset(table.levels), table.probe)
            for name, table in tables.items()
            if name in scope
        },
        measures={name: shared.measures[name] for name in lines["measure"].unique(maintain_order=True)},
        areas=shared.areas,
        categories=_with_parents(parts, lines, shared),
        lines=lines.filter(in_scope).drop(_WHERE),
        known_exceptions=exceptions,
    )


def _scope(
    parts: list[_Part], tables: Mapping[str, _Table], lines: pl.DataFrame, profile: str
) -> dict[str, tuple[int, ...]]:
    """The lines of each table under the profile; a table without codes has all of its lines."""
    scope: dict[str, tuple[int, ...]] = {}
    for part in parts:
        for table, codes in part.declared.profiles.get(profile, {}).items():
            if table not in tables:
                raise part.mistake(profile, f"the profile {profile!r} has the table {table!r}, which is not declared")
            unknown = set(codes) - set(lines.filter(pl.col("bea_table") == table)["line_code"])
            if unknown:
                raise part.mistake(profile, f"the profile {profile!r} has lines of {table} that lines.csv lacks")
            scope[table] = codes
    return {table: scope[table] for table in tables if table in scope}


def _check_lines(lines: pl.DataFrame, tables: Mapping[str, _Table], shared: _Shared) -> None:
    """Every line is of a declared table, measure and category, and BEA's unit is one of its measure's unit."""
    key = ["bea_table", "layout", "line_code"]
    conformed = {name: measure.unit for name, measure in shared.measures.items()}
    _refuse(lines.filter(~pl.col("bea_table").is_in(list(tables))), "the table {bea_table!r} is not in dataset.toml")
    _refuse(lines.filter(pl.struct(key).is_duplicated()), "line {line_code} of {bea_table} is declared twice")
    _refuse(lines.filter(~pl.col("measure").is_in(list(conformed))), "the measure {measure!r} is not declared")
    _refuse(
        lines.filter(~pl.col("category_id").is_in(shared.categories["category_id"].implode())),
        "the category {category_id!r} is not declared",
    )
    _refuse(
        lines.filter(pl.struct("bea_table", "layout", "measure", "category_id").is_duplicated()),
        "another line of {bea_table} has the measure {measure!r} of {category_id!r} as well",
    )
    allowed = {
        (unit, meaning(bea_unit), multiplier) for unit, _, bea_unit, multiplier in shared.units.drop(_WHERE).iter_rows()
    }
    units = lines.with_columns(conformed=pl.col("measure").replace_strict(conformed, return_dtype=pl.String))
    for row in units.iter_rows(named=True):
        if (row["conformed"], meaning(row["unit"]), row["unit_multiplier"]) not in allowed:
            raise CatalogMistake(
                row["file"],
                row["line"],
                f"BEA's unit {row['unit']!r} (10^{row['unit_multiplier']}) is not one of {row['conformed']}, the unit "
                f"of the measure {row['measure']!r}",
                remedy="Take the measure that the line has, or add the unit to catalog/units.csv.",
            )
    without_lines = [name for name in tables if name not in set(lines["bea_table"])]
    for part_table in without_lines:
        raise CatalogMistake("dataset.toml", None, f"the table {part_table!r} has no lines in lines.csv")
    for table in tables.values():
        codes = set(lines.filter(pl.col("bea_table") == table.name)["line_code"])
        if table.probe.line not in codes or table.probe.area not in shared.areas["geo_fips"]:
            raise CatalogMistake("dataset.toml", None, f"the probe of {table.name!r} is not one of its lines and areas")


def _with_parents(parts: list[_Part], lines: pl.DataFrame, shared: _Shared) -> pl.DataFrame:
    """The categories that the dataset declares, and those of others that its lines have, with all above them."""
    own = pl.concat([part.categories for part in parts])["category_id"]
    parents = dict(shared.categories.select("category_id", "parent_id").iter_rows())
    wanted = {*own, *(each for line in lines["category_id"].unique() for each in _upwards(line, parents))}
    return shared.categories.filter(pl.col("category_id").is_in(sorted(wanted))).drop(_WHERE)


def _upwards(category: str | None, parents: Mapping[str, str | None]) -> Iterator[str]:
    while category is not None:
        yield category
        category = parents[category]


__all__ = ["FULL", "load_datasets"]
