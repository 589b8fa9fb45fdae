"""The self-test of a catalogue: what its files say must be possible, each thing declared once and used as declared.

Every check raises `CatalogMistake` with file and line of the first mistake it finds. It is asked once, when datasets
are loaded, so that nothing else has to doubt them.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import msgspec
import polars as pl

from pce_pipeline.catalog.dataset import FULL
from pce_pipeline.catalog.declared import Catalogue, DeclaredTable, Part, of_today, tables_of
from pce_pipeline.catalog.errors import CatalogMistake
from pce_pipeline.texts import is_open, meaning

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TABLE_NAME = re.compile(r"[A-Z][A-Z0-9]*")
ARCHIVE_NAME = re.compile(r"\w+\.zip")
_FILE_OF_SERIES = re.compile(r"\w+\.txt")
_LAYOUT = re.compile(r"(?:19|20)[0-9]{2}(?:-[01][0-9])?")
_KIND = re.compile(r"[a-z]+")
_A_NAME = "small letters, digits and underscores, a letter first"
_ROLES = ("total", "subtotal", "part")
_LEVELS = ("nation", "region", "state")
_OF_THE_WHOLE = ("title", "source", "archive", "first_year", "release_names")
_MAY_BE_LEFT_OUT = ("grain",)


def check(catalogue: Catalogue) -> None:
    """Raise `CatalogMistake` for the first thing that cannot be."""
    _check_areas(catalogue.areas)
    _check_units(catalogue.units)
    _check_declared_once(catalogue.every_part)
    _check_measures(catalogue)
    _check_categories(catalogue.categories)
    for parts in catalogue.parts.values():
        _check_dataset(parts, catalogue)
    _check_all_measures_used(catalogue)


def _check_areas(areas: pl.DataFrame) -> None:
    _refuse(areas, ~pl.col("geo_fips").is_first_distinct(), "the area {geo_fips!r} is declared twice")
    _refuse(areas, ~pl.col("path_segment").is_first_distinct(), "the path segment {path_segment!r} is taken already")
    _refuse(areas, ~pl.col("geo_level").is_in(_LEVELS), f"the level {{geo_level!r}} is not one of {', '.join(_LEVELS)}")
    regions = areas.filter(pl.col("geo_level") == "region")["geo_fips"].implode()
    _refuse(areas, ~pl.col("region_fips").is_in(regions), "the region {region_fips!r} is not an area")


def _check_units(units: pl.DataFrame) -> None:
    key = pl.struct("unit", pl.col("bea_unit").str.to_lowercase(), "unit_multiplier")
    _refuse(units, ~key.is_first_distinct(), "BEA's unit {bea_unit!r} is one of {unit} already")
    differs = pl.struct("title", "unit_multiplier") != pl.struct("title", "unit_multiplier").first().over("unit")
    _refuse(units, differs, "the unit {unit!r} has another title or multiplier in a line above")
    _refuse(units, ~_is(_NAME, "unit"), f"the unit {{unit!r}} is not {_A_NAME}")


def _check_measures(catalogue: Catalogue) -> None:
    known = set(catalogue.units["unit"])
    for part in catalogue.every_part:
        for nth, measure in enumerate(part.declared.measures):
            at = ("measures", nth)
            if not _NAME.fullmatch(measure.name):
                raise part.mistake((*at, "name"), f"the measure {measure.name!r} is not {_A_NAME}")
            if measure.unit not in known:
                raise part.mistake(
                    (*at, "unit"),
                    f"the unit {measure.unit!r} is not in units.csv",
                    remedy="Take one of catalog/units.csv, or add it to a units.csv in the folder of your datasets.",
                )
            if "years" in measure.adds_up_over:
                raise part.mistake(
                    (*at, "adds_up_over"), "a sum over years has no meaning", remedy="Take it out of adds_up_over."
                )
            whole = measure.per_capita_of
            if whole is not None and (whole not in catalogue.measures or catalogue.measures[whole].per_capita_of):
                raise part.mistake((*at, "per_capita_of"), f"{whole!r} is not a measure of a whole")
            instead = measure.growth_instead
            if instead is not None and (
                instead not in catalogue.measures or not catalogue.measures[instead].growth_is_meaningful
            ):
                raise part.mistake((*at, "growth_instead"), f"{instead!r} is not a measure whose growth has a meaning")
            if instead is not None and measure.growth_is_meaningful:
                raise part.mistake((*at, "growth_instead"), "the growth of the measure itself has a meaning")
            based = measure.base_year_of
            if based is not None and not _names_a_base_year(based, part):
                raise part.mistake(
                    (*at, "base_year_of"),
                    f"no line of {based!r} in this folder leaves a base year open in its unit or text",
                    remedy="Name a measure of constant dollars whose lines are written with {base_year}.",
                )


def _names_a_base_year(measure: str, part: Part) -> bool:
    texts = part.lines.filter(pl.col("measure") == measure).select("description", "unit")
    return any(is_open(text) for row in texts.iter_rows() for text in row)


def _check_all_measures_used(catalogue: Catalogue) -> None:
    used = {name for part in catalogue.every_part for name in part.lines["measure"]}
    for part in catalogue.every_part:
        for nth, measure in enumerate(part.declared.measures):
            if measure.name not in used:
                raise part.mistake(
                    ("measures", nth, "name"),
                    f"no line has the measure {measure.name!r}",
                    remedy="Take it out, or name it in lines.csv.",
                )


def _check_categories(categories: pl.DataFrame) -> None:
    """Every category is declared once, below a parent of its scheme, and adds or deducts."""
    _refuse(categories, ~pl.col("category_id").is_first_distinct(), "the category {category_id!r} is declared twice")
    _refuse(categories, ~pl.col("role").is_in(_ROLES), f"the role {{role!r}} is not one of {', '.join(_ROLES)}")
    _refuse(categories, pl.col("sign").abs() != 1, "the sign of {category_id!r} is neither 1 nor -1")
    parents = categories.select(
        parent_id="category_id", parent_depth="depth", parent_scheme="scheme", parent_role="role"
    )
    found = categories.join(parents, on="parent_id", how="left", maintain_order="left")
    has_parent = pl.col("parent_id").is_not_null()
    is_total = pl.col("role") == "total"
    elsewhere = is_total & (pl.col("file") != pl.col("file").first().over("scheme"))
    _refuse(found, elsewhere, "{category_id!r} is a total of the scheme {scheme!r}, which another file declares")
    _refuse(found, has_parent & pl.col("parent_depth").is_null(), "the parent {parent_id!r} is not declared")
    _refuse(found, has_parent & is_total, "{category_id!r} is a total, but has the parent {parent_id!r}")
    _refuse(found, ~has_parent & ~is_total, "{category_id!r} has no parent, but is not a total")
    _refuse(
        found,
        pl.col("parent_scheme") != pl.col("scheme"),
        "{category_id!r} is of the scheme {scheme!r}, its parent {parent_id!r} of {parent_scheme!r}",
    )
    _refuse(found, pl.col("parent_role") == "part", "the parent {parent_id!r} is a part, which has no parts")
    _refuse(
        found,
        pl.col("depth") != pl.col("parent_depth").fill_null(-1) + 1,
        "{category_id!r} is at depth {depth}, which is not one below its parent",
    )


def _check_declared_once(parts: Collection[Part]) -> None:
    """No table and no measure is declared by two datasets, or twice by one."""
    for kind in ("tables", "measures"):
        seen: dict[str, Part] = {}
        for part in parts:
            for nth, each in enumerate(getattr(part.declared, kind)):
                if each.name in seen:
                    what, first = kind.removesuffix("s"), seen[each.name]
                    raise part.mistake(
                        (kind, nth, "name"), f"the {what} {each.name!r} is declared twice, first by {first.where}"
                    )
                seen[each.name] = part


def _check_dataset(parts: tuple[Part, ...], catalogue: Catalogue) -> None:
    _check_head(parts)
    tables = tables_of(parts)
    lines = pl.concat([part.lines for part in parts])
    _check_lines(lines, tables, catalogue)
    _check_bea_units(lines, catalogue)
    _check_lines_of_before(lines)
    today = of_today(lines)
    codes = {name: frozenset(today.filter(pl.col("bea_table") == name)["line_code"]) for name in tables}
    for part in parts:
        if parts[0].declared.source == "NIPA":
            _check_national_tables(part)
        _check_kinds(part, is_regional=parts[0].declared.source == "Regional")
        _check_tables(part, codes, catalogue.areas)
        _check_exceptions(part, codes, catalogue.areas)
        _check_profiles(part, codes)
    _check_scope(parts)


def _check_head(parts: tuple[Part, ...]) -> None:
    """The first part says what a dataset is, and no other says it again."""
    first, *others = parts
    for part in parts:
        if part.declared.name != part.folder:
            raise part.mistake(("name",), f"{part.declared.name!r} lies in a folder of another name: {part.folder}")
        if not _NAME.fullmatch(part.declared.name):
            raise part.mistake(("name",), f"the name {part.declared.name!r} is not {_A_NAME}")
    said = msgspec.structs.asdict(first.declared)
    if missing := [key for key in _OF_THE_WHOLE if said[key] is None]:
        raise first.mistake((), f"it does not say {', '.join(missing)}")
    _check_facts(first)
    for other in others:
        for key in (*_OF_THE_WHOLE, *_MAY_BE_LEFT_OUT):
            if getattr(other.declared, key) is not None:
                raise other.mistake(
                    (key,),
                    f"{key} of {other.folder} is said by {first.where}",
                    remedy="Take it out: a folder that adds to a packaged dataset says only what it adds.",
                )


def _check_facts(part: Part) -> None:
    """Source and what goes with it, first year and names of releases can be."""
    this_year = datetime.now(UTC).year
    if (part.declared.first_year or 0) > this_year:
        raise part.mistake(("first_year",), f"BEA cannot have published {part.declared.first_year} yet")
    if part.declared.source == "NIPA":
        _check_national(part)
    elif part.declared.grain == "month":
        raise part.mistake(("grain",), "BEA has regional tables by year only", remedy="Take it out.")
    elif not ARCHIVE_NAME.fullmatch(part.declared.archive or ""):
        raise part.mistake(("archive",), f"{part.declared.archive!r} is not the name of a zip")
    if not part.declared.release_names:
        raise part.mistake(
            ("release_names",),
            "it has no name under which BEA's calendar announces it",
            remedy="Write the release as https://www.bea.gov/news/schedule does.",
        )


def _check_national(part: Part) -> None:
    """National tables are taken by month, and lie in a file of series."""
    if part.declared.grain != "month":
        raise part.mistake(
            ("source",) if part.declared.grain is None else ("grain",),
            "national tables are ingested by month only",
            remedy='Write grain = "month".',
        )
    if not _FILE_OF_SERIES.fullmatch(part.declared.archive or ""):
        raise part.mistake(("archive",), f"{part.declared.archive!r} is not the name of a file of series (.txt)")


def _check_national_tables(part: Part) -> None:
    for nth, table in enumerate(part.declared.tables):
        if (*table.levels, *table.may_have) != ("nation",):
            raise part.mistake(("tables", nth, "levels"), f"{table.name} is a national table: it has the nation alone")


def _check_kinds(part: Part, *, is_regional: bool) -> None:
    """The kinds of archived releases are such as the names of BEA's folders have."""
    kinds = part.declared.archived_as
    if kinds and not is_regional:
        raise part.mistake(
            ("archived_as",), "BEA's archive of releases has regional tables only", remedy="Take it out."
        )
    for kind in kinds:
        if not _KIND.fullmatch(kind):
            raise part.mistake(
                ("archived_as",),
                f"{kind!r} is not a kind of release",
                remedy='Write the letters of the folder\'s name, "pce" of 1019pce.',
            )
        if kinds.count(kind) > 1:
            raise part.mistake(("archived_as",), f"the kind {kind!r} is there twice", remedy="Write it once.")


def _check_lines(lines: pl.DataFrame, tables: Mapping[str, DeclaredTable], catalogue: Catalogue) -> None:
    """Every line is of a declared table, measure and category, once."""
    of_table = pl.struct("bea_table", "layout", "line_code")
    figure = pl.struct("bea_table", "layout", "measure", "category_id")
    _refuse(lines, ~pl.col("bea_table").is_in(list(tables)), "the table {bea_table!r} is not in dataset.toml")
    _refuse(
        lines,
        ~_is(_LAYOUT, "layout"),
        "the layout {layout!r} is not the year or month since which BEA has it, as 2022, or 2025-02",
    )
    _refuse(lines, pl.col("line_code") < 1, "the line code {line_code} is not a line's number")
    _refuse(lines, ~of_table.is_first_distinct(), "line {line_code} of {bea_table} is declared twice")
    _refuse(lines, ~pl.col("measure").is_in(list(catalogue.measures)), "the measure {measure!r} is not declared")
    declared = catalogue.categories["category_id"].implode()
    _refuse(lines, ~pl.col("category_id").is_in(declared), "the category {category_id!r} is not declared")
    _refuse(
        lines,
        ~figure.is_first_distinct(),
        "a line above has the measure {measure!r} of {category_id!r} in {bea_table} already",
    )


def _check_lines_of_before(lines: pl.DataFrame) -> None:
    """Every line of an earlier layout is a line of today's, in whichever table of the dataset."""
    figure = ["measure", "category_id"]
    newest = of_today(lines)
    gone = lines.join(newest, on=["bea_table", "layout"], how="anti", maintain_order="left").join(
        newest, on=figure, how="anti", maintain_order="left"
    )
    _refuse(
        gone,
        pl.lit(value=True),
        "no line of today has the measure {measure!r} of {category_id!r}, which line {line_code} of {bea_table} had in "
        "the layout {layout}",
    )


def _check_bea_units(lines: pl.DataFrame, catalogue: Catalogue) -> None:
    """BEA's unit of every line is one of the unit that its measure has."""
    allowed = {
        (row["unit"], meaning(row["bea_unit"]), row["unit_multiplier"]) for row in catalogue.units.iter_rows(named=True)
    }
    for row in lines.iter_rows(named=True):
        conformed = catalogue.measures[row["measure"]].unit
        if (conformed, meaning(row["unit"]), row["unit_multiplier"]) not in allowed:
            raise CatalogMistake(
                row["file"],
                row["line"],
                f"BEA's unit {row['unit']!r} (10^{row['unit_multiplier']}) is not one of {conformed}, the unit of the "
                f"measure {row['measure']!r}",
                remedy="Take the measure that the line has, or add BEA's unit to units.csv.",
            )


_Codes = Mapping[str, frozenset[int]]


def _check_tables(part: Part, codes: _Codes, areas: pl.DataFrame) -> None:
    for nth, table in enumerate(part.declared.tables):
        at = ("tables", nth)
        if not _TABLE_NAME.fullmatch(table.name):
            raise part.mistake((*at, "name"), f"{table.name!r} is not the name of a table: capital letters and digits")
        if not codes[table.name]:
            raise part.mistake((*at, "name"), f"the table {table.name!r} has no lines in lines.csv")
        if len(set(table.levels)) < len(table.levels):
            raise part.mistake((*at, "levels"), f"a level of {table.name} is there twice")
        if both := sorted(set(table.levels) & set(table.may_have)):
            raise part.mistake((*at, "may_have"), f"{table.name} has the level {both[0]} already, by levels")
        if (table.first_year or 0) > datetime.now(UTC).year:
            raise part.mistake((*at, "first_year"), f"BEA cannot have published {table.first_year} yet")
        if table.probe.line not in codes[table.name]:
            raise part.mistake((*at, "probe"), f"the probe of {table.name} is not one of its lines: {table.probe.line}")
        if table.probe.area not in set(areas.filter(pl.col("geo_level").is_in(table.levels))["geo_fips"]):
            raise part.mistake((*at, "probe"), f"the probe of {table.name} is not one of its areas: {table.probe.area}")


def _check_exceptions(part: Part, codes: _Codes, areas: pl.DataFrame) -> None:
    for nth, known in enumerate(part.declared.known_exceptions):
        at = ("known_exceptions", nth)
        if known.bea_table not in codes:
            raise part.mistake((*at, "bea_table"), f"the table {known.bea_table!r} is not declared")
        if not known.line_codes or not codes[known.bea_table].issuperset(known.line_codes):
            raise part.mistake((*at, "line_codes"), f"they are not lines of {known.bea_table} in lines.csv")
        if known.geo_fips not in areas["geo_fips"]:
            raise part.mistake((*at, "geo_fips"), f"there is no area {known.geo_fips!r}")
        if not known.reason.strip():
            raise part.mistake((*at, "reason"), "it has no reason")


def _check_profiles(part: Part, codes: _Codes) -> None:
    for profile, tables in part.declared.profiles.items():
        at = ("profiles", profile)
        if not _NAME.fullmatch(profile):
            raise part.mistake(at, f"the profile {profile!r} is not {_A_NAME}")
        if not tables:
            raise part.mistake(at, f"the profile {profile!r} has no table")
        for table, chosen in tables.items():
            if table not in codes:
                raise part.mistake(
                    (*at, table), f"the profile {profile!r} has the table {table!r}, which is not declared"
                )
            if unknown := sorted(set(chosen) - codes[table]):
                raise part.mistake((*at, table), f"lines.csv lacks the lines {unknown} of {table}")
            if profile == FULL and chosen:
                raise part.mistake((*at, table), "the profile 'full' takes all lines; narrow another one")


def _check_scope(parts: tuple[Part, ...]) -> None:
    """The full profile has every table, and no part changes what another part's profile has of a table."""
    for nth, part in enumerate(parts):
        for profile, chosen in part.declared.profiles.items():
            for before in parts[:nth]:
                if again := sorted(chosen.keys() & before.declared.profiles.get(profile, {}).keys()):
                    raise part.mistake(
                        ("profiles", profile, again[0]),
                        f"the profile {profile!r} has {again[0]} by {before.where} already",
                        remedy="Give the narrower scope a profile of its own.",
                    )
    full = {table for part in parts for table in part.declared.profiles.get(FULL, {})}
    for part in parts:
        for nth, table in enumerate(part.declared.tables):
            if table.name not in full:
                raise part.mistake(
                    ("tables", nth, "name"), f"the profile 'full' lacks {table.name}; it takes everything"
                )


def _is(pattern: re.Pattern[str], column: str) -> pl.Expr:
    return pl.col(column).str.contains(f"^(?:{pattern.pattern})$")


def _refuse(rows: pl.DataFrame, wrong: pl.Expr, problem: str) -> None:
    """Refuse the first row for which `wrong` holds; `problem` may speak of its columns."""
    for row in rows.filter(wrong).head(1).iter_rows(named=True):
        raise CatalogMistake(row["file"], row["line"], problem.format(**row))
