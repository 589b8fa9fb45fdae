"""A small world of two releases of the sample, what an engine is asked of it, and our own answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pce_pipeline.gold.known import Clock
from pce_pipeline.lake.iceberg.places import Addresses, IcebergPlace
from pce_pipeline.opened_lake import OpenLake
from pce_pipeline.tables.table import Table
from pce_pipeline_tests.engines.readers.question import FIRST_YEAR, MOMENTS, Figures, OpenTable, Question
from pce_pipeline_tests.explorer.small_set import NO_DATABASE, take, to_gold
from pce_pipeline_tests.worlds import World

YEARS = (1997, 2026)
_SCOPES = {"pce_state": "SAPCE1 = [1]\nSAPCE3 = [1]", "prices_state": "SARPP = []\nSARPI = []\nSAIRPD = []"}
_DATASET = "pce_state"
_FIRST, _SECOND = 2, 3
_MEASURE, _COLUMN = "pce", "pce_millions_usd"
_BY_RELEASE: Clock = "release"

Answer = Mapping[str, Any]
"""What `readers.question.answer` writes: the version, each table now and then, the figures now and then."""


@dataclass(frozen=True)
class Asked:
    """A question with our own answer."""

    question: Question
    """What engines are asked."""
    ours: Answer
    """What our own readers say: the pointers' tables, and `query` as of the first release's day."""
    release: date
    """The day of the first release: the tag is of it."""


def asked(folder: Path, uri: str | None = None, endpoint: str | None = None) -> Asked:
    """Two releases of the sample in a lake, each brought to Gold and to its Iceberg tables, and what to ask of them.

    The lake is in `folder`, or at the S3 address `uri`, whose server answers at `endpoint`.
    """
    world = _world(folder, {} if uri is None else {"chosen_lake_uri": uri})
    take(world, _FIRST)
    to_gold(world, *YEARS)
    then = {table.name: _counted(world, table) for table in _published(world)}
    take(world, _SECOND)
    to_gold(world, *YEARS)
    tables = [table for table in _published(world) if table.name in then]
    release = min(_days_of_tags(world, tables))
    opened = {table.name: _opened(world, table, release) for table in tables}
    held = {name: each for name, each in opened.items() if each is not None}
    figures = Figures("gold/pce_state_annual", _COLUMN, "06000", "product.pce")
    question = Question(_warehouse(world), tuple(held.values()), figures, endpoint)
    ours = {
        "version": "",
        "tables": {
            table.name: {"now": _counted(world, table), "then": then[table.name]}
            for table in tables
            if table.name in held
        },
        "figures": dict(zip(MOMENTS, (_queried(world, None), _queried(world, release)), strict=True)),
    }
    return Asked(question, ours, release)


def _world(folder: Path, settings: Mapping[str, Any]) -> World:
    catalog = folder / "catalog"
    for name, scope in _SCOPES.items():
        (catalog / name).mkdir(parents=True)
        (catalog / name / "dataset.toml").write_text(f'name = "{name}"\n\n[profiles.lean]\n{scope}\n')
    return World(folder / "home", NO_DATABASE, profile="lean", catalog=catalog, load_postgres=False, **settings)


def _published(world: World) -> list[Table]:
    return [table for table in world.registry.tables if world.lake.table(table).latest()]


def _refs(world: World, table: Table) -> Mapping[str, Any]:
    place = IcebergPlace.of(world.lake, table)
    number = place.newest()
    found: Mapping[str, Any] = place.document(number).get("refs", {}) if number else {}
    return found


def _days_of_tags(world: World, tables: list[Table]) -> set[date]:
    tags = [tag for table in tables for tag in _refs(world, table) if tag.startswith("release-")]
    return {date.fromisoformat(tag.removeprefix("release-")) for tag in tags}


def _opened(world: World, table: Table, release: date) -> OpenTable | None:
    """The Iceberg table; None for one without a tag of the first release of the dataset that has a second."""
    refs = _refs(world, table)
    names = (f"release-{release}", f"{_DATASET}-release-{release}")
    tag = next((name for name in names if name in refs), None)
    if tag is None:
        return None
    place = IcebergPlace.of(world.lake, table)
    return OpenTable(
        name=table.name,
        location=place.location,
        metadata=place.addresses.of_key(place.metadata_key(place.newest())),
        tag=tag,
        snapshot_id=refs[tag]["snapshot-id"],
        columns=tuple(column.name for column in table.columns),
        decimals=tuple(column.name for column in table.columns if isinstance(column.dtype, pl.Decimal)),
    )


def _counted(world: World, table: Table) -> Mapping[str, Any]:
    frame = world.lake.table(table).read()
    decimals = [column.name for column in table.columns if isinstance(column.dtype, pl.Decimal)]
    return {
        "rows": frame.height,
        "values": {column.name: frame.height - frame[column.name].null_count() for column in table.columns},
        "sums": {name: _total(frame[name]) for name in decimals},
    }


def _total(values: pl.Series) -> str | None:
    present = values.drop_nulls().to_list()
    return str(sum(present)) if present else None


def _queried(world: World, as_of: date | None) -> Mapping[str, str]:
    found = OpenLake(world.settings).query(
        states="CA",
        categories="product.pce",
        measures=_MEASURE,
        years=f"{FIRST_YEAR}...",
        as_of=as_of,
        clock=_BY_RELEASE,
    )
    return {str(year): str(value) for year, value in found.frame.select("year", "value").rows()}


def _warehouse(world: World) -> str:
    return Addresses.of(world.lake).of_key(world.lake.layout.iceberg_tables)
