"""Postgres in Dagster: one operation loads all its tables in a single transaction."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import msgspec
import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812 (a class with a lower-case name)

from pce_pipeline.bronze.current import Current, current
from pce_pipeline.bronze.errors import NothingHeld
from pce_pipeline.bronze.quarantine import standing
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.lake.errors import MissingPartitions
from pce_pipeline.lake.pointer import WHOLE, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.shell.io_manager import REPORTED_BY_US, absent_year
from pce_pipeline.shell.page import OWNERS, declared, describe
from pce_pipeline.shell.partitions import ONE_RUN, SAME_YEAR, YEARS, partition_keys_of
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.tables.lineage import IN_POSTGRES, LOADED
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.loads import LoadResult, ManifestRow, TableLoad, load
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import recorded_runs
from pce_pipeline.warehouse.records import record_run, run_row


def _key(table: Table) -> dg.AssetKey:
    return dg.AssetKey(["postgres", table.name.partition("/")[2]])


def _spec(table: Table) -> dg.AssetSpec:
    upstream = dg.AssetKey(table.name.split("/"))
    mapping = SAME_YEAR if table in LOADED else None
    return dg.AssetSpec(
        key=_key(table),
        deps=[dg.AssetDep(upstream, partition_mapping=mapping)],
        description=f"{describe(table)}\n\nLoaded by an idempotent merge; the same load again writes no row.",
        group_name="postgres",
        owners=OWNERS,
        kinds={"postgres"},
        skippable=True,
        code_version="1",
        partitions_def=YEARS if table in LOADED else None,
        metadata=declared(table),
    )


@dg.multi_asset(
    specs=[_spec(table) for table in IN_POSTGRES], can_subset=True, backfill_policy=ONE_RUN, name="postgres"
)
def postgres_tables(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    postgres: dg.ResourceParam[PostgresResource],
    dataset: dg.ResourceParam[Dataset],
    journal: dg.ResourceParam[RunJournal],
) -> Iterator[Any]:
    """Load the tables chosen, for the years that the lake holds of all of them.

    A year that no current extract covers any more is taken out of Postgres too.
    """
    chosen = [table for table in IN_POSTGRES if _key(table) in context.selected_asset_keys]
    with recorded_step(context, journal, "postgres") as step:
        held = {table.name: lake.table(table).latest() for table in chosen}
        yearly = [held[table.name] for table in chosen if table in LOADED]
        years = [int(year) for year in partition_keys_of(context) if all(year in each for each in yearly)]
        now = current(lake.bronze, dataset)
        if not now.manifests:
            raise NothingHeld(lake.uri)
        absent = {
            int(year): now.absence(int(year))
            for year in partition_keys_of(context)
            if int(year) not in now.covered_years and not any(year in each for each in yearly)
        }
        _refuse_missing(
            partition_keys_of(context), now, {table.name: held[table.name] for table in chosen if table in LOADED}
        )
        loads = [TableLoad(table, _rows(lake, table, _partitions(table, years))) for table in chosen]
        manifests = [
            _manifest_row(table, held[table.name][partition])
            for table in chosen
            for partition in _partitions(table, years)
        ]
        postgres.migrate()
        with postgres.connect() as connection:
            _record_extract_runs(connection, now, lake, journal)
            results = load(
                connection,
                loads,
                years=[*years, *absent],
                world=lake.layout.world,
                env=lake.layout.env,
                run=run_row(step.run),
                manifests=manifests,
                quarantine=standing(lake.bronze, dataset, now).to_dicts(),
            )
        for result in results:
            step.rows(**{f"postgres/{result.table.partition('/')[2]}": sum(result.counts().values()) - result.deleted})
            step.outputs(**{result.table: result.counts()})
        for table, result in zip(chosen, results, strict=True):
            yield from _materialisations(context, table, result, years, held[table.name], absent)


def _refuse_missing(asked: Sequence[str], now: Current, held: Mapping[str, Mapping[str, Partition]]) -> None:
    """Raise `MissingPartitions` for a year that the current figures cover and that a table to load lacks."""
    for table, partitions in held.items():
        missing = [year for year in asked if int(year) in now.covered_years and year not in partitions]
        if missing:
            raise MissingPartitions(
                table, missing, remedy=f"Materialise them first: `pce refresh --years {missing[0]}...{missing[-1]}`."
            )


def _partitions(table: Table, years: list[int]) -> list[str]:
    return [str(year) for year in years] if table in LOADED else [WHOLE]


def _rows(lake: Lake, table: Table, partitions: list[str]) -> pl.DataFrame:
    return lake.table(table).read(partitions) if partitions else pl.DataFrame(schema=table.polars_schema)


def _manifest_row(table: Table, partition: Partition) -> ManifestRow:
    return ManifestRow(
        table_name=table.name,
        partition=partition.key,
        content_sha256=partition.content_sha256,
        rows=partition.rows,
        code_version=partition.code_version,
        inputs=partition.inputs,
        manifest=msgspec.to_builtins(partition),
    )


def _record_extract_runs(connection: Connection, now: Current, lake: Lake, journal: RunJournal) -> None:
    """The runs that took the current extracts load nothing themselves: their records go in with what was made of them.

    Stays in the open transaction, so that it is committed with the load or not at all.
    """
    wanted = {now.manifests[layer.extract].run_id for each in now.sources.values() for layer in each.vintage.layers}
    for run_id in sorted(wanted - recorded_runs(connection)):
        record = journal.read(run_id)
        if record is not None:
            record_run(connection, run_row(record), world=lake.layout.world, env=lake.layout.env, status="succeeded")


def _materialisations(
    context: dg.AssetExecutionContext,
    table: Table,
    result: LoadResult,
    years: list[int],
    held: dict[str, Partition],
    absent: Mapping[int, str],
) -> Iterator[dg.Output[None]]:
    for key in _partitions(table, years):
        partition = held[key]
        is_yearly = table in LOADED
        context.log_event(
            dg.AssetMaterialization(
                asset_key=_key(table),
                partition=key if is_yearly else None,
                metadata={
                    "dagster/partition_row_count" if is_yearly else "dagster/row_count": partition.rows,
                    "content_sha256": partition.content_sha256,
                    "run_inserted": result.inserted,
                    "run_updated": result.updated,
                    "run_deleted": result.deleted,
                    "run_unchanged": result.unchanged,
                },
                tags={"dagster/data_version": partition.content_sha256},
            )
        )
    for year, why in absent.items() if table in LOADED else ():
        context.log_event(absent_year(_key(table), year, why))
    yield dg.Output(None, output_name=_key(table).to_python_identifier(), metadata=REPORTED_BY_US)
