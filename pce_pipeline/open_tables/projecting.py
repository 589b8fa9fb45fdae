"""Bringing the Iceberg table of each of our tables in line with its pointer, and telling Glue.

Whatever goes wrong with one table is told and keeps nothing else from being done: the pointers are the truth, and what
a catalogue lacks it gets with the next call.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from pce_pipeline.bronze.current import Current
from pce_pipeline.errors import PceError
from pce_pipeline.lake.iceberg.glue import Glue, glue_name
from pce_pipeline.lake.iceberg.projection import Projected, project
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability import progress
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.open_tables.ledger import Entry, basis_of, read_ledger, wanted_entries, write_ledger
from pce_pipeline.open_tables.tags import Tags
from pce_pipeline.tables.registry import Registry

LEDGER = "the record of what is projected"
"""Under this name it is told that this record could not be read or written."""


@dataclass(frozen=True)
class Opened:
    """What became of the tables."""

    tables: dict[str, Projected] = field(default_factory=dict)
    """Those that are in line, by name."""
    told: list[str] = field(default_factory=list)
    """The names of those that Glue was told of."""
    failed: dict[str, str] = field(default_factory=dict)
    """Those that are not, or that Glue was not told of, each with the reason."""


def open_tables(
    lake: Lake,
    registry: Registry,
    held: Mapping[str, Current],
    *,
    run_id: str,
    glue: Glue | None = None,
    rebuild: bool = False,
    only: Collection[str] | None = None,
) -> Opened:
    """Makes the Iceberg table of every table hold what its pointer names; `rebuild` begins new histories.

    `glue` is told where the tables are. What is in line by then is recorded, for `tables_behind`. `only` are the
    tables to look at, by name; None for all.
    """
    done = Opened()
    published = {table.name: lake.table(table).latest() for table in registry.tables}
    tags = Tags(registry, held, published)
    database = glue.database if glue is not None else ""
    wanted = wanted_entries(lake, registry, tags, published, glue=database)
    before = read_ledger(lake)
    entries = {
        name: each
        for name, each in before.tables.items()
        if name in wanted and not rebuild and each.is_in_line(wanted[name])
    }
    if before.tables and entries != before.tables:
        _record(lake, done, entries)
    for table in registry.tables:
        name = table.name
        if only is not None and name not in only:
            continue
        progress.stage(name)
        try:
            projected = project(lake, table, wanted[name].tags, run_id=run_id, rebuild=rebuild)
            done.tables[name] = projected
            if glue is not None and projected.number and glue.tell(glue_name(table), projected):
                done.told.append(name)
            entries[name] = replace(wanted[name], digest=projected.digest)
        except Exception as problem:  # noqa: BLE001 (whatever it is, the loads go on, and the check tells it)
            done.failed[name] = without_secrets(_in_words(problem))
            entries[name] = replace(wanted[name], failed_at=datetime.now(UTC))
    are_all_in_line = all(name in entries and entries[name].is_in_line(each) for name, each in wanted.items())
    made_of = basis_of(lake, registry, held, published, glue=database) if are_all_in_line else ""
    if (entries, made_of) != (before.tables, before.made_of):
        _record(lake, done, entries, made_of)
    return done


def _record(lake: Lake, done: Opened, entries: Mapping[str, Entry], made_of: str = "") -> None:
    """Write what is in line; that it cannot be written is told, and fails nothing."""
    try:
        write_ledger(lake, entries, made_of)
    except PceError as problem:
        done.failed[LEDGER] = without_secrets(_in_words(problem))


def _in_words(problem: Exception) -> str:
    if isinstance(problem, PceError):
        return " ".join(part for part in (str(problem), problem.remedy) if part)
    return f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}".rstrip(": ")
