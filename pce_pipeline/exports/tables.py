"""Tables of the lake as exports: which table a name means, names beside ids, and what is to be said of it.

What a table was made of is what its partitions and those of Silver record, and never the newest extract: a table that
waits for a refresh says so.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date

import polars as pl

from pce_pipeline.asking.about import About
from pce_pipeline.bronze.current import EXTRACTS
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.citation import BEA, ESTIMATES, SAMPLE, cite
from pce_pipeline.exports.errors import NoSuchTable, NothingToExport
from pce_pipeline.exports.export import Export
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.tables.columns import CATEGORY, GEO_FIPS, MONTH
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import STATUSES, Column, Table
from pce_pipeline.tables.vintages import BASIS
from pce_pipeline.tables.years import years_text

Partitions = Mapping[str, Mapping[str, Partition]]
"""The published partitions of tables, by the table's name and the partition's key."""

_CLOSE = 3
_STEP = " > "
_MEASURE = "measure"
NAMES = {
    GEO_FIPS.name: (Column("geo_name", pl.String, "BEA's name of the area"),),
    CATEGORY.name: (
        Column("category_name", pl.String, "the category's name, as BEA writes it"),
        Column("category_path", pl.String, f"the category below those that it is part of, with {_STEP!r} between them"),
    ),
    _MEASURE: (Column("measure_title", pl.String, "what the measure is, in words"),),
}
"""The names that stand after an id, by the id's column."""

OF_ANSWERS = {
    column.name: column
    for column in (
        *(each for named in NAMES.values() for each in named),
        *GOLD_FACTS.columns,
        MONTH,
        BASIS,
        Column("bea_table", pl.String, "BEA's tables that the figure is from"),
        Column("base_year", pl.Int32, "the year in whose prices, or relative to which, the value is", nullable=True),
        Column("released_on", pl.Date, "the day on which BEA released the value", nullable=True),
        Column("vintage", pl.Date, "the day of the extract that first had the value", nullable=True),
        Column(
            "real_figures", pl.String, "how a real figure stands to the nominal ones that were known", nullable=True
        ),
        Column("yoy_pct", pl.Float64, "change of the value on the year before", nullable=True, unit="percent"),
        Column("why_null", pl.String, "why there is no such change", nullable=True),
        Column("missing", pl.String, "why cells of the row have no number, by year or month", nullable=True),
        Column("vintages", pl.String, "the days of the extracts that the row's figures are of", nullable=True),
    )
}
"""What columns of an answer say, by name."""


def table_named(registry: Registry, name: str) -> Table:
    """The table that a name means: `pce_state_annual`, `gold.pce_state_annual`, `silver/pce_state`.

    A name without a layer is Gold's where both have it. Raises `NoSuchTable` with the nearest names.
    """
    known: dict[str, Table] = {}
    for table in sorted(registry.tables, key=lambda each: each.layer == "gold"):
        known |= {table.relation: table, f"{table.layer}/{table.relation}": table, table.name: table}
    asked = name.strip().casefold().replace(".", "/")
    if asked not in known:
        shown = {text: table.name for text, table in known.items()}
        close = difflib.get_close_matches(asked, shown, n=_CLOSE)
        raise NoSuchTable(name, list(dict.fromkeys(shown[text] for text in close)))
    return known[asked]


def analyst_tables(registry: Registry) -> list[Table]:
    """The tables of Gold without the facts that they are made of and without the logs of every vintage."""
    return [*(each.table for own in registry.gold.values() for each in own), *registry.in_one_piece]


def datasets_of(registry: Registry, table: Table) -> list[str]:
    """The datasets whose figures a table is made of; all of them where it is of the catalogue or of all logs."""
    piece = registry.pieces.get(table.name)
    if table.is_yearly:
        return list(registry.datasets_of(registry.derivation_of(table)))
    if piece is not None and piece.made_of:
        found = (name for each in piece.made_of for name in datasets_of(registry, each.table))
        return list(dict.fromkeys(found))
    return list(registry.datasets)


def name_of(table: Table) -> str:
    """What a table is called in files: its name in Gold, and one that says so if it is of Silver."""
    return table.relation if table.layer == "gold" else f"{table.layer}_{table.relation}"


def wanted_partitions(
    table: Table, published: Mapping[str, Partition], years: Collection[int] | None
) -> list[Partition]:
    """The partitions that hold the years. Raises `NothingToExport` where there are none."""
    if not published:
        raise NothingToExport(table.name, "it is not made yet", "Make it: pce run")
    if years is None or not table.is_yearly:
        return list(published.values())
    found = [partition for key, partition in published.items() if int(key) in years]
    if not found:
        raise NothingToExport(table.name, f"it has {years_text(published)}", "Ask for years that it has.")
    return found


def chosen_rows(
    table: Table,
    frame: pl.DataFrame,
    *,
    years: Collection[int] | None = None,
    areas: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> pl.DataFrame:
    """The rows of these years, areas (FIPS codes) and categories (ids).

    Raises `NothingToExport` for a choice by what the table has not, and where no row is left.
    """
    choices: dict[str, tuple[str, Collection[object]]] = {
        "year": ("years", list(years or ())),
        GEO_FIPS.name: ("areas", areas),
        CATEGORY.name: ("categories", categories),
    }
    for column, (what, values) in choices.items():
        if values and column not in frame.columns:
            raise NothingToExport(table.name, f"it has no {what}", f"Leave the choice of {what} out.")
        frame = frame.filter(pl.col(column).is_in(list(values))) if values else frame
    if frame.is_empty() and any(values for _, values in choices.values()):
        raise NothingToExport(table.name, "no row is of this choice", "Leave one of the choices out.")
    return frame


def with_names(frame: pl.DataFrame, datasets: Iterable[Dataset]) -> pl.DataFrame:
    """The rows with a name after each id that has one, as NAMES says; names that are there already stay."""
    held = list(datasets)
    for column, source in (
        (GEO_FIPS.name, _area_names(held)),
        (CATEGORY.name, _category_names(held)),
        (_MEASURE, _measure_titles(held)),
    ):
        new = [each.name for each in NAMES[column] if each.name not in frame.columns]
        if column not in frame.columns or not new:
            continue
        at = frame.columns.index(column) + 1
        order = [*frame.columns[:at], *new, *frame.columns[at:]]
        frame = frame.join(source.select(column, *new), on=column, how="left", maintain_order="left").select(order)
    return frame


def about_of_table(
    registry: Registry,
    table: Table,
    frame: pl.DataFrame,
    partitions: Sequence[Partition],
    silver: Partitions,
    *,
    is_sample: bool,
    today: date,
    notes: Sequence[str] = (),
) -> About:
    """What is to be said of rows of a table.

    `partitions` are those that the rows are from, `silver` the ones that Silver has published: they record the
    vintages. `notes` come before what the table's declaration warns of.
    """
    names = datasets_of(registry, table)
    titles = "; ".join(registry.datasets[name].title for name in names)
    years = years_text(frame["year"].unique()) if "year" in frame.columns else ""
    vintages = _vintages(registry, table, names, partitions, silver)
    held = f" ({'; '.join(vintages)})" if vintages else ""
    computed = _computed(registry, table, frame)
    said = f"Table {table.name}{f', {years}' if years else ''}{held}."
    if computed:
        said += f" Computed by pce_pipeline from these figures: {', '.join(computed)}."
    author = f"{ESTIMATES} {BEA}" if _is_estimate(table) else BEA
    units = {each.name: each.unit for each in table.columns if each.unit and each.name in frame.columns}
    return About(
        title=f"{table.name}: {table.grain}",
        units=units,
        base_years=_base_years(units, frame, names, silver),
        as_of=None,
        vintages=vintages,
        source=SAMPLE if is_sample else f"{author}: {titles}",
        is_sample=is_sample,
        citation=cite(said, of=titles, is_sample=is_sample, today=today, is_estimate=_is_estimate(table)),
        notes=[*notes, *([f"Beware: {table.hazard}"] if table.hazard else []), *statuses_said(frame)],
    )


def export_of(table: Table, frame: pl.DataFrame, about: About, datasets: Iterable[Dataset]) -> Export:
    """A table that leaves, with names beside its ids."""
    columns = {each.name: each for each in (*table.columns, *(name for names in NAMES.values() for name in names))}
    return Export(name_of(table), with_names(frame, datasets), about, columns, table.key)


def _computed(registry: Registry, table: Table, frame: pl.DataFrame) -> list[str]:
    """The columns of figures that are not published as they are: those whose source is no value of a measure."""
    if all(table != each.table for own in registry.gold.values() for each in own):
        return []
    figures = [
        each for each in table.columns if each.nullable and each.dtype != pl.String and each.name in frame.columns
    ]
    return [each.name for each in figures if each.name != "base_year" and not each.source.startswith("value of")]


def _is_estimate(table: Table) -> bool:
    return "is_estimate" in table.column_names


def _vintages(
    registry: Registry, table: Table, names: Sequence[str], partitions: Sequence[Partition], silver: Partitions
) -> list[str]:
    """The extracts and releases that rows are of, a line for each that a dataset has, oldest first."""
    years = {partition.key for partition in partitions} if table.is_yearly else None
    own: dict[str, str] = {}
    for partition in partitions:
        own |= partition.details.get("releases", {})
    found: dict[tuple[str, str, str], tuple[set[str], set[str]]] = {}
    for name in names:
        for year, partition in silver.get(registry.silver[name].table.name, {}).items():
            if years is not None and year not in years:
                continue
            releases = partition.details.get("releases", {})
            for bea_table, extract in partition.details.get(EXTRACTS, {}).items():
                release = str(releases.get(bea_table, ""))
                # a table that waits for a refresh is of another release than Silver holds by now
                is_other = bea_table in own and own[bea_table] != release
                key = name, "" if is_other else str(extract), own[bea_table] if is_other else release
                of_tables, of_years = found.setdefault(key, (set(), set()))
                of_tables.add(bea_table)
                of_years.add(year)
    return list(_lines(found))


def _lines(found: Mapping[tuple[str, str, str], tuple[set[str], set[str]]]) -> Iterator[str]:
    for (name, extract, release), (tables, years) in sorted(found.items(), key=lambda each: each[0][1:] + each[0][:1]):
        several = sum(each[0] == name for each in found) > 1
        parts = [
            f"extract of {extract}" if extract else "",
            f"released {release}" if release else "",
            f"years {years_text(years)}" if several else "",
        ]
        yield f"{name} ({', '.join(sorted(tables))}): {', '.join(part for part in parts if part)}"


def _base_years(
    units: Mapping[str, str], frame: pl.DataFrame, names: Sequence[str], silver: Partitions
) -> dict[str, int | None]:
    """The base year of each column whose unit speaks of one: the rows' own, else Silver's, if there is one alone."""
    if "base_year" in frame.columns:
        years = set(frame["base_year"].drop_nulls())
    else:
        years = {
            int(each["base_year"])
            for name in names
            for partition in silver.get(f"silver/{name}", {}).values()
            for each in partition.details.get("base_years", [])
        }
    (one,) = years if len(years) == 1 else (None,)
    return {name: one if _has_base(unit) else None for name, unit in units.items()}


def _has_base(unit: str) -> bool:
    return any(word in unit for word in ("constant", "chained", "base_year"))


def statuses_said(frame: pl.DataFrame) -> list[str]:
    """What the statuses mean that stand in these rows."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    columns = [name for name in texts if name == "status" or name.endswith("_status")]
    there = {status for name in columns for status in frame[name].unique().drop_nulls()}
    return [f"Status {status}: {meaning}." for status, meaning in STATUSES.items() if status in there]


def _area_names(datasets: Sequence[Dataset]) -> pl.DataFrame:
    return pl.concat([each.areas.select("geo_fips", "geo_name") for each in datasets]).unique("geo_fips")


def _category_names(datasets: Sequence[Dataset]) -> pl.DataFrame:
    rows = pl.concat([each.categories.select("category_id", "name", "parent_id") for each in datasets])
    known = {category: (name, parent) for category, name, parent in rows.unique("category_id").iter_rows()}

    def path(category: str) -> str:
        name, parent = known[category]
        return f"{path(parent)}{_STEP}{name}" if parent in known else name

    return pl.DataFrame(
        [(category, name, path(category)) for category, (name, _) in known.items()],
        schema={"category_id": pl.String, "category_name": pl.String, "category_path": pl.String},
        orient="row",
    )


def _measure_titles(datasets: Sequence[Dataset]) -> pl.DataFrame:
    titles = {name: measure.title for each in datasets for name, measure in each.measures.items()}
    return pl.DataFrame(
        {_MEASURE: list(titles), "measure_title": list(titles.values())},
        schema={_MEASURE: pl.String, "measure_title": pl.String},
    )
