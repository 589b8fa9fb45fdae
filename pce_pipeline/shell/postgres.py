"""Postgres in Dagster: one operation loads all its tables in a single transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import msgspec
import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.bronze import quarantine
from pce_pipeline.bronze.current import Current, Holdings, absence
from pce_pipeline.bronze.errors import NothingHeld
from pce_pipeline.bronze.history import covered_years
from pce_pipeline.lake.errors import MissingPartitions
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal, Step
from pce_pipeline.settings import Settings
from pce_pipeline.shell.deferring import DatasetsPutOff
from pce_pipeline.shell.io_manager import RELEASES, REPORTED_BY_US, absent_year
from pce_pipeline.shell.keys import key_of, postgres_key
from pce_pipeline.shell.lineage import LineageOfLake
from pce_pipeline.shell.page import declared, describe
from pce_pipeline.shell.partitions import ONE_RUN, SAME_YEAR, YEARS, partition_keys_of
from pce_pipeline.shell.pieces import known_whole
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.tags import is_forced, refresh_tags, reported_before, tag_run
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.coding import encoded, form_of
from pce_pipeline.warehouse.contents import Content, Key, contents_held
from pce_pipeline.warehouse.loads import DeltaLoad, LateLoad, LoadResult, load
from pce_pipeline.warehouse.parity import parity
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import Checkpoint, checkpoints, ended_runs
from pce_pipeline.warehouse.records import record_run, run_row, run_status
from pce_pipeline.warehouse.types import postgres_type

_LEFT_OUT = "Not loaded: PCE_LOAD_POSTGRES is false, and the lake stands alone."
_WITHOUT_A_TABLE = (
    "Postgres has no table for %s, which is in the lake alone: declare it with in_postgres=True and add a migration, "
    "as docs/adding-a-table.md shows."
)


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=postgres_key(table),
        deps=[dg.AssetDep(key_of(table), partition_mapping=SAME_YEAR if table.is_yearly else None)],
        description=f"{describe(table)}\n\nLoaded by an idempotent merge; the same load again writes no row.",
        group_name="postgres",
        kinds={"postgres"},
        skippable=True,
        code_version="1",
        partitions_def=YEARS if table.is_yearly else None,
        metadata=declared(table, postgres_type),
    )


def postgres_asset(registry: Registry) -> dg.AssetsDefinition:
    """The one operation that loads every table that Postgres holds."""

    @dg.multi_asset(
        specs=[_spec(table) for table in registry.in_postgres],
        can_subset=True,
        backfill_policy=ONE_RUN,
        name="postgres",
    )
    def postgres_tables(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        postgres: dg.ResourceParam[PostgresResource],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        """Load the tables chosen, for the years that the lake holds of them.

        A year that no current extract covers any more is taken out of Postgres too. Raises `DatasetsPutOff` once the
        rest is loaded, where datasets failed earlier in the run. Where the settings leave Postgres out, each asset says
        that it was skipped.
        """
        with recorded_step(context, journal, "postgres", registry.datasets, settings) as step:
            if not settings.load_postgres:
                _say_that_nothing_is_loaded(context, step)
                return
            chosen = [
                table
                for table in registry.in_postgres
                if postgres_key(table) in context.selected_asset_keys and not _is_put_off(table, registry, step)
            ]
            everything = holdings.of_run(context.run.run_id)
            tag_run(context, refresh_tags(settings, partition_keys_of(context), everything))
            if not any(now.manifests for now in everything.values()):
                raise NothingHeld(lake.uri)
            asked = [int(year) for year in partition_keys_of(context)]
            published = {table.name: lake.table(table).latest() for table in registry.tables}
            parts = [_Part.of(table, registry, everything, published[table.name], asked) for table in chosen]
            lineage = LineageOfLake(registry, everything, published)
            postgres.migrate()
            with postgres.connect() as connection:
                _record_earlier_runs(connection, context.run.run_id, lake, journal)
                known = checkpoints(connection)
                standing = _standing(connection, [] if is_forced(context) else parts, known)
                loaded = load(
                    connection,
                    [
                        rest.load(lake, registry)
                        for each in parts
                        if (rest := each.without(standing[each.table.name])) is not None
                    ],
                    world=lake.layout.world,
                    env=lake.layout.env,
                    run=run_row(step.run, [lineage.told(entry) for entry in journal.trail(step.run)]),
                    manifests=lineage.manifests(
                        {(each.table.name, key) for each in parts for key in each.keys},
                        {key: checkpoint.content_sha256 for key, checkpoint in known.items()},
                    ),
                    lineage=lineage.rows(settings),
                    quarantine=[row for now in everything.values() for row in quarantine.standing(now).to_dicts()],
                    status="failed" if step.run.put_off else "succeeded",
                )
            if missing := [table.name for table in registry.of_lake_only if published[table.name]]:
                step.outputs(without_a_table=missing)
                context.log.warning(_WITHOUT_A_TABLE, ", ".join(missing))
            step.audit(entry for each in loaded for entry in each.trail)
            of_table = {each.table: each for each in loaded}
            results = [
                _beside(standing[name], of_table.get(name), name) for name in (each.table.name for each in parts)
            ]
            step.outputs(left_alone={name: len(held) for name, held in standing.items() if held})
            for result in results:
                rows = sum(result.counts().values()) - result.deleted
                step.rows(**{f"postgres/{result.table.partition('/')[2]}": rows})
                step.outputs(**{result.table: result.counts()})
            both = list(zip(parts, results, strict=True))
            step.outputs(reconciled={part.table.name: _reconciled(part, result) for part, result in both})
            for part, result in both:
                link = report_link(lake, context.run.run_id)
                yield from _materialisations(context, part, result, standing[part.table.name], link)
            if step.run.put_off:
                raise DatasetsPutOff(context.run.run_id, step.run.put_off)

    return postgres_tables


def _say_that_nothing_is_loaded(context: dg.AssetExecutionContext, step: Step) -> None:
    """Tell of each table that it was skipped, on purpose. Raises `DatasetsPutOff` as a load does."""
    step.outputs(skipped=_LEFT_OUT)
    for key in sorted(context.selected_asset_keys):
        context.log_event(dg.AssetObservation(asset_key=key, description=_LEFT_OUT, metadata={"skipped": _LEFT_OUT}))
    if step.run.put_off:
        raise DatasetsPutOff(context.run.run_id, step.run.put_off)


def _is_put_off(table: Table, registry: Registry, step: Step) -> bool:
    """Whether all that a table is made of failed earlier in the run: what Postgres holds of it stands."""
    return table.is_yearly and set(registry.datasets_of(registry.derivation_of(table))) <= set(step.run.put_off)


@dataclass(frozen=True)
class _Part:
    """What is loaded of one table."""

    table: Table
    """The table."""
    held: Mapping[str, Partition]
    """Its partitions in the lake."""
    years: Sequence[int]
    """The years of the run that the lake holds of it."""
    absent: Mapping[int, str]
    """The years of the run that there is nothing of, each with the reason."""

    @classmethod
    def of(
        cls,
        table: Table,
        registry: Registry,
        held: Mapping[str, Current],
        partitions: Mapping[str, Partition],
        asked: Sequence[int],
    ) -> "_Part":
        """Raises `MissingPartitions` for a year that the current figures cover and the lake lacks."""
        if not table.is_yearly:
            return cls(table, partitions, (), {})
        of = {name: held[name] for name in registry.datasets_of(registry.derivation_of(table))}
        covered = covered_years(registry.derivation_of(table), of)
        missing = [str(year) for year in asked if year in covered and str(year) not in partitions]
        if missing:
            raise MissingPartitions(
                table.name,
                missing,
                remedy=f"Materialise them first: `pce refresh --years {missing[0]}...{missing[-1]}`.",
            )
        years = [year for year in asked if str(year) in partitions]
        return cls(table, partitions, years, {year: absence(of, year) for year in asked if year not in years})

    @property
    def keys(self) -> list[str]:
        """Its partitions that are loaded."""
        return [str(year) for year in self.years] if self.table.is_yearly else [WHOLE]

    def without(self, standing: Collection[str]) -> "_Part | None":
        """What is left to load beside the partitions that Postgres holds already; None where nothing is."""
        years = [year for year in self.years if str(year) not in standing]
        is_due = years or self.absent if self.table.is_yearly else WHOLE not in standing
        return replace(self, years=years) if is_due else None

    @property
    def years_spoken_of(self) -> list[int]:
        """The years that Postgres shall hold as the lake does."""
        return sorted([*self.years, *self.absent])

    def load(self, lake: Lake, registry: Registry) -> LateLoad | DeltaLoad:
        """What Postgres shall hold, as a load takes it."""
        if not self.table.coded:
            return LateLoad(self.table, lambda: self.rows(lake), self.years_spoken_of)
        store, dataset = lake.table(self.table), registry.dataset_of(self.table).name

        def earlier(manifest: Mapping[str, Any]) -> pl.DataFrame | None:
            rows = store.read_version(msgspec.convert(manifest, Partition))
            return None if rows is None else encoded(self.table, rows, dataset)

        return DeltaLoad(
            form_of(self.table),
            self.years_spoken_of,
            {year: self.held[str(year)].content_sha256 for year in self.years},
            lambda year: encoded(self.table, store.read_partition(self.held[str(year)]), dataset),
            earlier,
        )

    def rows(self, lake: Lake) -> pl.DataFrame:
        """What Postgres shall hold of these years."""
        return lake.table(self.table).read(self.keys) if self.keys else pl.DataFrame(schema=self.table.polars_schema)


_Standing = Mapping[str, Mapping[str, Content]]
"""By table, the partitions that hold what the lake does by the database's own word, and what they hold."""


def _standing(connection: Connection, parts: Sequence[_Part], known: Mapping[Key, Checkpoint]) -> _Standing:
    """What need not be loaded: checkpoint and pointer agree, and the database's hash is that of the load.

    A value that somebody has changed shows in the hash, and its year is loaded again.
    """
    found: dict[str, dict[str, Content]] = defaultdict(dict)
    years = sorted({year for part in parts for year in part.years})
    contents = contents_held(connection, [part.table for part in parts], years) if parts else {}
    for part in parts:
        name = part.table.name
        loaded = [
            key
            for key in part.keys
            if (name, key) in known and known[name, key].code_version == part.held[key].code_version
        ]
        each = parity(part.table, part.held, known, contents).within(loaded)
        wrong = {key for problem in each.problems for key in problem.partitions} | {*each.unknown}
        found[name] = {key: contents.get((name, key), Content(0)) for key in loaded if key not in wrong}
    return found


def _beside(standing: Mapping[str, Content], loaded: LoadResult | None, table: str) -> LoadResult:
    """What the load of a table came to, with what was left alone."""
    rows = sum(content.rows for content in standing.values())
    if loaded is None:
        return LoadResult(table, inserted=0, updated=0, deleted=0, unchanged=rows, held=rows)
    return replace(
        loaded,
        unchanged=loaded.unchanged + rows,
        held=None if loaded.held is None else loaded.held + rows,
    )


def _materialised(instance: dg.DagsterInstance, key: dg.AssetKey, table: Table) -> set[str]:
    """The partitions of a table of Postgres that this history has seen."""
    return {*instance.get_materialized_partitions(key)} if table.is_yearly else known_whole(instance, key)


def _reconciled(part: _Part, result: LoadResult) -> dict[str, int | None]:
    """The rows that Gold publishes of what was loaded, and those that the database counts."""
    return {"gold": sum(part.held[key].rows for key in part.keys), "postgres": result.held}


def _record_earlier_runs(connection: Connection, run_id: str, lake: Lake, journal: RunJournal) -> None:
    """What other runs did that the database does not know of: those that took extracts, failed, or loaded elsewhere.

    Stays in the open transaction, so that it is committed with the load or not at all.
    """
    for record in journal.earlier(besides={run_id, *ended_runs(connection)}):
        record_run(
            connection,
            run_row(record, journal.trail(record), has_ended=True),
            world=lake.layout.world,
            env=lake.layout.env,
            status=run_status(record),
        )


def _materialisations(
    context: dg.AssetExecutionContext,
    part: _Part,
    result: LoadResult,
    standing: Collection[str],
    link: Mapping[str, Any],
) -> Iterator[dg.Output[None]]:
    """What was loaded, and of what was left alone that of which this history has never heard."""
    table, key = part.table, postgres_key(part.table)
    newest, total = max(part.keys, default=""), sum(each.rows for each in part.held.values())
    told = reported_before(context.run, lambda: _materialised(context.instance, key, table)) if standing else ()
    for partition in (part.held[each] for each in part.keys if each not in standing or each not in told):
        context.log_event(
            dg.AssetMaterialization(
                asset_key=key,
                partition=partition.key if table.is_yearly else None,
                metadata={
                    "dagster/partition_row_count" if table.is_yearly else "dagster/row_count": partition.rows,
                    **({"dagster/row_count": total} if table.is_yearly and partition.key == newest else {}),
                    "content_sha256": partition.content_sha256,
                    **(
                        {RELEASES: dg.MetadataValue.json(releases)}
                        if (releases := partition.details.get(RELEASES))
                        else {}
                    ),
                    **link,
                    "run_inserted": result.inserted,
                    "run_updated": result.updated,
                    "run_deleted": result.deleted,
                    "run_unchanged": result.unchanged,
                },
                tags={"dagster/data_version": partition.content_sha256},
            )
        )
    for year, why in part.absent.items():
        context.log_event(absent_year(key, year, why))
    yield dg.Output(None, output_name=key.to_python_identifier(), metadata=REPORTED_BY_US)
