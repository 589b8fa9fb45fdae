"""A statement answered: the rows of what it names, as published now or as known on a day, and what to say of them.

As of a day every table is what a pipeline would have published that had only the extracts up to then: logs and what is
made of them stand as they stood, and dimensions of the catalogue are the versions that were published by then.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import polars as pl
import pyarrow as pa

from pce_pipeline.asking.about import About
from pce_pipeline.asking.choosing import day_of
from pce_pipeline.asking.reading import Reader
from pce_pipeline.asking.tables_as_of import TablesAsOf
from pce_pipeline.citation import BEA, SAMPLE, cite
from pce_pipeline.errors import UsageError
from pce_pipeline.exports.tables import about_of_table, datasets_of, statuses_said
from pce_pipeline.lake.parquet import in_threads
from pce_pipeline.lake.pointer import Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import progress
from pce_pipeline.sql.engine import Engine, Frames
from pce_pipeline.sql.errors import LakeLacks
from pce_pipeline.sql.relations import Relation, Relations, needed_tables
from pce_pipeline.tables.dimensions import DIMENSIONS
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table

_READ_AT_ONCE = 4
_NAME = "{}_{}"


@dataclass(frozen=True)
class Answered:
    """What a statement answers."""

    frame: pl.DataFrame
    """Its rows; of columns with the same name the later ones have a number behind it."""
    about: About | None
    """What the rows are made of, and how to cite it; None for a statement that names no table."""
    day: date
    """The day at whose end the rows were known: the one that was asked for, or today."""
    tables: tuple[Table, ...]
    """The tables of the lake that the rows are made of."""

    def about_with(self, notes: Sequence[str]) -> About | None:
        """What is to be said of the rows, with further notes before the others."""
        return None if self.about is None else replace(self.about, notes=[*notes, *self.about.notes])


def answer(
    lake: Lake, registry: Registry, statement: str, *, as_of: str | date | None = None, is_sample: bool
) -> Answered:
    """The rows that one SQL statement asks for, over tables as they are published now, or were known on a day.

    Raises `UsageError` for a statement that is none or does more than ask and for names that there are not,
    `NotKnownYet` for a day before the first vintage of what is asked, `LakeLacks`, `StatementFailed`,
    `ExtraMissing` without DuckDB, and a `LakeError` where the lake is damaged.
    """
    relations = Relations(registry)
    today = datetime.now(UTC).date()
    day = today if as_of is None else day_of(as_of)
    if day > today:
        raise UsageError(f"{day} is in the future.", remedy=f"The latest day is {today}.")
    engine = Engine(registry, relations)
    named = engine.named_in(statement)
    for relation in named:
        if relation.lacks:
            raise LakeLacks(
                relation.path,
                relation.lacks,
                "which the datasets of this profile do not have",
                remedy="Ask the tables themselves, or a lake of the profile full.",
            )
    tables = {table.name: table for relation in named for table in relation.tables}
    source = _Now(lake, registry) if as_of is None else _AsOf(lake, registry, day)
    if tables:
        progress.stage(f"reading {', '.join(tables)}")
    frames = source.frames(named)
    rows = _as_polars(engine.rows(statement, named, frames))
    about = None
    if tables:
        about = _about(
            registry,
            statement,
            list(tables.values()),
            rows,
            source.said(list(tables.values())),
            as_of=None if as_of is None else day,
            is_sample=is_sample,
            today=today,
        )
    return Answered(rows, about, day, tuple(tables.values()))


@dataclass(frozen=True)
class _Said:
    """What is to be said of the tables that were read."""

    vintages: Sequence[str]
    notes: Sequence[str]


class _Now:
    """Tables as they are published, all as of the moment at which they are first asked for."""

    def __init__(self, lake: Lake, registry: Registry) -> None:
        self._lake = lake
        self._registry = registry
        self._published: dict[str, Mapping[str, Partition]] = {}

    def frames(self, named: Collection[Relation]) -> Frames:
        """The rows of the tables that relations need, every byte verified. Raises `LakeLacks` for one without any."""
        for relation in named:
            self._published |= {each.name: self._lake.table(each).latest() for each in relation.tables}
            not_made = [each.name for each in relation.tables if not self._published[each.name]]
            if not_made:
                names = [relation.path] if not relation.views else not_made
                raise LakeLacks(relation.path, names, "not made yet", remedy="Make what is missing: pce run")
        tables = {table.name: table for relation in named for table in relation.tables}
        return {name: self._rows(table) for name, table in tables.items()}

    def said(self, tables: Sequence[Table]) -> _Said:
        """The vintages that the rows are of, and what to beware of."""
        silver = {each.table.name: self._lake.table(each.table).latest() for each in self._registry.silver.values()}
        today = datetime.now(UTC).date()
        abouts = [
            about_of_table(
                self._registry,
                table,
                pl.DataFrame(),
                list(self._published[table.name].values()),
                silver,
                is_sample=False,
                today=today,
            )
            for table in tables
            if table not in DIMENSIONS
        ]
        vintages = dict.fromkeys(vintage for each in abouts for vintage in each.vintages)
        return _Said(list(vintages), _warnings(tables))

    def _rows(self, table: Table) -> pl.DataFrame:
        store = self._lake.table(table)
        read = in_threads(store.read_partition, self._published[table.name].values(), at_once=_READ_AT_ONCE)
        return pl.concat(read)


class _AsOf:
    """Tables as they were known at the end of a day."""

    def __init__(self, lake: Lake, registry: Registry, day: date) -> None:
        self._tables = TablesAsOf(Reader(lake, registry), day)
        self._registry = registry

    def frames(self, named: Collection[Relation]) -> Frames:
        """The rows of the tables that relations need. Raises `NotKnownYet`."""
        return {table.name: self._tables.rows(table) for table in needed_tables(named)}

    def said(self, tables: Sequence[Table]) -> _Said:
        """The vintages that were known, and what to beware of."""
        datasets = dict.fromkeys(
            name for table in tables if table not in DIMENSIONS for name in datasets_of(self._registry, table)
        )
        return _Said(list(self._tables.vintages_known(datasets)), [*_warnings(tables), *self._tables.notes])


def _warnings(tables: Sequence[Table]) -> list[str]:
    return list(dict.fromkeys(f"Beware of {each.name}: {each.hazard}" for each in tables if each.hazard))


def _about(
    registry: Registry,
    statement: str,
    tables: Sequence[Table],
    rows: pl.DataFrame,
    said: _Said,
    *,
    as_of: date | None,
    is_sample: bool,
    today: date,
) -> About:
    of_figures = [table for table in tables if table not in DIMENSIONS] or tables
    datasets = dict.fromkeys(name for table in of_figures for name in datasets_of(registry, table))
    titles = "; ".join(registry.datasets[name].title for name in datasets)
    names = ", ".join(table.name for table in tables)
    known = f", as known on {as_of}" if as_of is not None else ""
    held = f" ({'; '.join(said.vintages)})" if said.vintages else ""
    asked = " ".join(statement.split())
    return About(
        title=f"Answer of an SQL statement over {names}",
        units={},
        base_years={},
        as_of=as_of,
        vintages=said.vintages,
        source=SAMPLE if is_sample else f"{BEA}: {titles}",
        is_sample=is_sample,
        citation=cite(
            f"Rows computed by an SQL statement from {names}{known}{held}: {asked!r}.",
            of=titles,
            is_sample=is_sample,
            today=today,
        ),
        notes=[*said.notes, *statuses_said(rows)],
    )


def _as_polars(rows: pa.Table) -> pl.DataFrame:
    """The answer as a frame: columns of one name are numbered, intervals are text."""
    taken: set[str] = set()
    names = []
    for name in rows.column_names:
        number, unique = 1, name
        while unique in taken:
            unique, number = _NAME.format(name, number), number + 1
        taken.add(unique)
        names.append(unique)
    columns = [
        pa.array(map(_interval_text, column.to_pylist()), pa.string()) if pa.types.is_interval(column.type) else column
        for column in rows.columns
    ]
    return pl.DataFrame(pa.table(columns, names=names))


def writable(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with text for what no file of values holds: lists and structures as JSON, bytes as hexadecimals."""
    nested = [name for name, dtype in rows.schema.items() if dtype.is_nested()]
    texts = [
        pl.Series(name, [None if each is None else json.dumps(each, default=str) for each in rows[name].to_list()])
        for name in nested
    ]
    return rows.with_columns(*texts, pl.col(pl.Binary).bin.encode("hex"), pl.col(pl.Time).cast(pl.String))


def _interval_text(interval: pa.MonthDayNano | None) -> str | None:
    """`1 months 2 days 3.5 seconds`, without what is zero."""
    if interval is None:
        return None
    parts = {"months": interval.months, "days": interval.days, "seconds": interval.nanoseconds / 1e9}
    return " ".join(f"{amount:g} {unit}" for unit, amount in parts.items() if amount) or "0 seconds"
