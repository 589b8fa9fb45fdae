"""Postgres in Dagster: one operation loads all its tables in a single transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import msgspec
import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.bronze.current import Current, Holdings, absence
from pce_pipeline.bronze.errors import NothingHeld
from pce_pipeline.bronze.history import covered_years
from pce_pipeline.bronze.quarantine import standing
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
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.tags import refresh_tags, tag_run
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.coding import encoded, form_of
from pce_pipeline.warehouse.contents import Key, contents_held
from pce_pipeline.warehouse.loads import DeltaLoad, LoadResult, TableLoad, load
from pce_pipeline.warehouse.parity import parity
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import Checkpoint, checkpoints, ended_runs
from pce_pipeline.warehouse.records import record_run, run_row, run_status
from pce_pipeline.warehouse.types import postgres_type

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
        rest is loaded, where datasets failed earlier in the run.
        """
        with recorded_step(context, journal, "postgres", registry.datasets) as step:
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
                unchanged = _unchanged(connection, parts, registry, known)
                loaded = load(
                    connection,
                    [each.load(lake, registry) for each in parts if each.table.name not in unchanged],
                    world=lake.layout.world,
                    env=lake.layout.env,
                    run=run_row(step.run, [lineage.told(entry) for entry in journal.trail(step.run)]),
                    manifests=lineage.manifests(
                        {(each.table.name, key) for each in parts for key in each.keys},
                        {key: checkpoint.content_sha256 for key, checkpoint in known.items()},
                    ),
                    lineage=lineage.rows(settings),
                    quarantine=[row for now in everything.values() for row in standing(now).to_dicts()],
                    status="failed" if step.run.put_off else "succeeded",
                )
            if missing := [table.name for table in registry.of_lake_only if published[table.name]]:
                step.outputs(without_a_table=missing)
                context.log.warning(_WITHOUT_A_TABLE, ", ".join(missing))
            step.audit(entry for each in loaded for entry in each.trail)
            of_table = {each.table: each for each in (*loaded, *unchanged.values())}
            results = [of_table[each.table.name] for each in parts]
            for result in results:
                rows = sum(result.counts().values()) - result.deleted
                step.rows(**{f"postgres/{result.table.partition('/')[2]}": rows})
                step.outputs(**{result.table: result.counts()})
            step.outputs(reconciled={part.table.name: _reconciled(part, of_table[part.table.name]) for part in parts})
            for part, result in zip(parts, results, strict=True):
                yield from _materialisations(context, part, result, report_link(lake, context.run.run_id))
            if step.run.put_off:
                raise DatasetsPutOff(context.run.run_id, step.run.put_off)

    return postgres_tables


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

    @property
    def years_spoken_of(self) -> list[int]:
        """The years that Postgres shall hold as the lake does."""
        return sorted([*self.years, *self.absent])

    def load(self, lake: Lake, registry: Registry) -> TableLoad | DeltaLoad:
        """What Postgres shall hold, as a load takes it."""
        if not self.table.coded:
            return TableLoad(self.table, self.rows(lake), self.years_spoken_of)
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


def _unchanged(
    connection: Connection, parts: Sequence[_Part], registry: Registry, known: Mapping[Key, Checkpoint]
) -> dict[str, LoadResult]:
    """The tables in one piece, made of others, that hold what the lake does by the database's own word.

    They are made as a whole or not at all, and some are large: nothing of them is read or sent.
    """
    pieces = [each for each in parts if each.table.name in registry.pieces and each.held]
    loaded = [each for each in pieces if (each.table.name, WHOLE) in known]
    contents = contents_held(connection, [each.table for each in loaded]) if loaded else {}
    found = {each.table.name: parity(each.table, each.held, known, contents) for each in loaded}
    return {
        name: LoadResult(
            name,
            inserted=0,
            updated=0,
            deleted=0,
            unchanged=known[name, WHOLE].rows,
            held=contents[name, WHOLE].rows if (name, WHOLE) in contents else 0,
        )
        for name, each in found.items()
        if not each.problems and not each.unknown
    }


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
    context: dg.AssetExecutionContext, part: _Part, result: LoadResult, link: Mapping[str, Any]
) -> Iterator[dg.Output[None]]:
    table, key = part.table, postgres_key(part.table)
    newest, total = max(part.keys, default=""), sum(each.rows for each in part.held.values())
    for partition in (part.held[each] for each in part.keys):
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
