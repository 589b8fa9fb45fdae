"""The states that `next_step` decides on, read from the lake, from BEA and from Postgres: asked once, for everybody."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from pce_pipeline.automation.next_step import KnownTable, LakeState, LoadState, Step, next_step, stale_years
from pce_pipeline.bea.gateway import BeaGateway, Release
from pce_pipeline.bronze.counting import Source
from pce_pipeline.bronze.current import Current, current_of
from pce_pipeline.bronze.history import History, dimension_frame, inputs_of_piece
from pce_pipeline.bronze.judgement import is_complete
from pce_pipeline.bronze.watermarks import Watermark, watermarks_of
from pce_pipeline.bulletins.making import inputs_of_bulletins, outdated
from pce_pipeline.bulletins.store import BulletinStore
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import PceError, UsageError
from pce_pipeline.explorer.inputs import inputs_of_explorer, outdated_files
from pce_pipeline.explorer.store import ExplorerStore
from pce_pipeline.hooks.events import EventStore
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings
from pce_pipeline.tables.dimensions import DIMENSION_CODE_VERSION
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table, content_sha256
from pce_pipeline.warehouse.contents import Key, rows_held
from pce_pipeline.warehouse.errors import WarehouseError, WarehouseUnreachable
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import Checkpoint, checkpoints


@dataclass(frozen=True)
class Situation:
    """What lake, BEA and Postgres say, and what comes next because of it."""

    held: Mapping[str, Current]
    """What counts of each dataset."""
    lake: LakeState
    """What the lake holds."""
    releases: Mapping[str, Release]
    """What BEA says, by dataset; nothing where nobody asked."""
    loaded: LoadState | None
    """What Postgres holds; None where nobody asked."""
    datasets: Collection[str] | None
    """The datasets that this is about; None for all."""
    full_comparison: timedelta
    """How long figures may go without being compared in full."""
    silent: PceError | None = None
    """Why Postgres did not say what it holds, where it was asked and could be done without."""

    def step(self, *, ask_bea: bool = True, leave_out: Collection[str] = ()) -> Step:
        """What comes next; with `ask_bea` false as if nobody had asked BEA.

        An extract needs no Postgres, and BEA says only what it publishes now. Where Postgres is silent, anything else
        raises why it is.
        """
        step = next_step(
            self.lake,
            self.releases if ask_bea else {},
            self.loaded,
            datasets=self.datasets,
            leave_out=leave_out,
            full_comparison=self.full_comparison,
        )
        if self.silent is None:
            return step
        if step.action != "extract":
            raise self.silent
        return replace(step, warnings=(*step.warnings, f"Nothing can be loaded after this extract: {self.silent}"))

    @property
    def stale(self) -> dict[int, str]:
        """The stale years, each with the first reason."""
        return stale_years(self.lake, self.loaded, self.datasets)


def ask(
    lake: Lake,
    registry: Registry,
    bea: BeaGateway | None,
    postgres: PostgresResource | None,
    settings: Settings,
    *,
    datasets: Collection[str] | None = None,
    leave_out: Collection[str] = (),
    only_calendar: bool = False,
    may_be_silent: bool = False,
) -> Situation:
    """Ask the lake, and BEA and Postgres unless they are None, of all datasets or of these.

    Where the lake stands alone, Postgres is not asked.

    BEA is not asked of the tables to leave out, and of none where its calendar is enough. With `may_be_silent` a
    Postgres that is older than this code is no error yet: `Situation.step` raises it unless an extract is due.
    """
    asked = {name: each for name, each in registry.datasets.items() if datasets is None or name in datasets}
    names = {name: each.release_names for name, each in asked.items()}
    probes = {
        name: {table: cell for table, cell in each.probes.items() if table not in leave_out}
        for name, each in asked.items()
        if not only_calendar
    }
    held = current_of(lake, registry.datasets)
    loaded: LoadState | None = None
    silent: PceError | None = None
    if postgres is not None and settings.load_postgres:
        try:
            loaded = load_state(postgres)
        except WarehouseError as problem:
            # one that cannot be reached has no history of Dagster either, without which nothing runs
            if not may_be_silent or isinstance(problem, UsageError | WarehouseUnreachable):
                raise
            silent = problem
    return Situation(
        held,
        lake_state(lake, registry, held),
        {} if bea is None else bea.releases(names, probes),
        loaded,
        datasets,
        timedelta(days=settings.full_comparison_days),
        silent,
    )


def lake_state(lake: Lake, registry: Registry, held: Mapping[str, Current]) -> LakeState:
    """What the lake holds: a few small reads, no data.

    A pin decides which figures count; what was compared with BEA, and when, does not depend on it. Nor do events, of
    which those are looked for that came after the comparison longest ago.
    """
    known: dict[str, KnownTable] = {}
    counting: set[str] = set()
    for now in held.values():
        if not now.unpinned:
            continue
        sources = now.sources
        counting |= sources.keys()
        known |= {
            table: _known(mark, sources.get(table, now.unpinned[table]), now.unpinned[table], now.dataset)
            for table, mark in watermarks_of(now).items()
        }
    histories = {name: History(now) for name, now in held.items() if name in registry.datasets}
    partitions = {table.name: lake.table(table).latest() for table in registry.tables}
    inputs = {name: inputs_of_piece(piece, registry, partitions, histories) for name, piece in registry.pieces.items()}
    bulletins, explorer = BulletinStore(lake).index(), ExplorerStore(lake).pointer()
    of_explorer = inputs_of_explorer(registry, held, partitions, bulletins, lake.layout.world)
    events = EventStore.of(lake)
    return LakeState(
        registry,
        tables={table: each for table, each in known.items() if table in counting},
        partitions=partitions,
        stale_dimensions=tuple(
            table.name
            for table in registry.in_one_piece
            if _is_stale(held, table, partitions[table.name].get(WHOLE), registry, inputs)
        ),
        stale_bulletins=tuple(outdated(bulletins, inputs_of_bulletins(held))),
        stale_explorer=tuple(outdated_files(explorer, of_explorer)),
        beyond_pin={table: each for table, each in known.items() if table not in counting},
        has_extracts=[name for name, now in held.items() if now.manifests],
        is_pinned=[name for name, now in held.items() if now.pin is not None],
        vintages={
            name: {year: history.inputs(year) for year in sorted(history.years)} for name, history in histories.items()
        },
        beginnings={name: history.beginnings for name, history in histories.items()},
        event=events.newest_since(min(each.compared_at for each in known.values())) if known else events.newest(),
    )


def load_state(postgres: PostgresResource) -> LoadState:
    """What Postgres holds: its checkpoints, and its rows counted; nothing is read out of it."""
    with postgres.connect() as connection:
        connection.isolation_level = ISOLATION_LEVEL_REPEATABLE_READ  # what is counted is what the checkpoints say
        held = checkpoints(connection)
        return load_state_of(held, rows_held(connection))


def load_state_of(held: Mapping[Key, Checkpoint], rows: Mapping[Key, int]) -> LoadState:
    """The same, of checkpoints and counts that were read already."""
    loaded = {key: checkpoint.rows for key, checkpoint in held.items()}
    return LoadState(
        {key: checkpoint.content_sha256 for key, checkpoint in held.items()},
        {
            key: (rows.get(key, 0), loaded.get(key, 0))
            for key in sorted(rows.keys() | loaded.keys())
            if rows.get(key, 0) != loaded.get(key, 0)
        },
    )


def _known(mark: Watermark, counting: Source, unpinned: Source, dataset: Dataset) -> KnownTable:
    """What counts of a table, and what BEA was last seen to publish: extracts that do not count say nothing of it."""
    return KnownTable(
        counting.vintage,
        mark.last_released_on,
        mark.compared_at,
        changed_at=mark.changed_at,
        is_complete=is_complete(unpinned.newest, dataset),
    )


def _is_stale(
    now: Mapping[str, Current],
    table: Table,
    held: Partition | None,
    registry: Registry,
    inputs: Mapping[str, Mapping[str, str]],
) -> bool:
    if held is None:
        return True
    piece = registry.pieces.get(table.name)
    if piece is not None:
        return held.code_version != piece.code_version or held.inputs != inputs[table.name]
    return held.code_version != DIMENSION_CODE_VERSION or held.content_sha256 != content_sha256(
        dimension_frame(table, now)
    )
