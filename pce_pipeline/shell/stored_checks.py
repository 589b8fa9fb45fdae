"""Standalone checks that read back what is stored, and say whether it is still what was published.

They load nothing through an IO manager (that would read every year whatever the run was) but ask the lake and Postgres,
for the years of the run, or for all years where the page runs them alone.
"""

import dagster as dg
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from pce_pipeline.contracts.stored import StoredTable, rows_are_those_of_gold, stored_bytes_are_intact
from pce_pipeline.lake.resource import Lake
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import as_dagster
from pce_pipeline.shell.keys import key_of, postgres_key
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table
from pce_pipeline.warehouse.contents import contents_held
from pce_pipeline.warehouse.parity import parity
from pce_pipeline.warehouse.postgres import PostgresResource
from pce_pipeline.warehouse.reading import checkpoints


def _stored_bytes_are_intact(table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(  # type: ignore[arg-type]  # the type says less than Dagster takes: no result is one
        asset=key_of(table),
        name=stored_bytes_are_intact.name,
        description=stored_bytes_are_intact.description,
    )
    def check(context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult | None:
        store = lake.table(table)
        held = store.latest()
        years = _years(context, table)
        chosen = list(held) if years is None else [str(year) for year in years if str(year) in held]
        if not chosen:
            return None  # there is nothing to look at, which is not a pass
        damages = store.verify(chosen)
        objects = sum(len(held[key].objects) for key in chosen)
        stored = StoredTable(damages, len(chosen), objects, is_yearly=table.is_yearly)
        return as_dagster(stored_bytes_are_intact.check(table.name, stored))

    return check


def _rows_are_those_of_gold(table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(  # type: ignore[arg-type]  # the type says less than Dagster takes: no result is one
        asset=postgres_key(table),
        name=rows_are_those_of_gold.name,
        description=rows_are_those_of_gold.description,
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        lake: dg.ResourceParam[Lake],
        postgres: dg.ResourceParam[PostgresResource],
        settings: dg.ResourceParam[Settings],
    ) -> dg.AssetCheckResult | None:
        if not settings.load_postgres:
            return None
        held = lake.table(table).latest()
        years = _years(context, table)
        with postgres.connect() as connection:
            connection.isolation_level = ISOLATION_LEVEL_REPEATABLE_READ  # a load may commit meanwhile
            found = parity(table, held, checkpoints(connection), contents_held(connection, [table], years))
        found = found if years is None else found.within([str(year) for year in years])
        if not found.problems and not any(str(year) in held for year in years or held):
            return None
        return as_dagster(rows_are_those_of_gold.check(f"postgres/{table.relation}", found))

    return check


def _years(context: dg.AssetCheckExecutionContext, table: Table) -> list[int] | None:
    """The years of the run that the check belongs to; None where it runs alone, or the table has no years."""
    run = context.op_execution_context
    if not table.is_yearly or not (run.has_partition_key or run.has_partition_key_range):
        return None
    return [int(year) for year in run.partition_keys]


def stored_checks(registry: Registry) -> list[dg.AssetChecksDefinition]:
    """A check for each table of the lake, and for each that Postgres holds."""
    return [
        *(_stored_bytes_are_intact(table) for table in registry.tables),
        *(_rows_are_those_of_gold(table) for table in registry.in_postgres),
    ]
