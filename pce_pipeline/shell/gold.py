"""Gold in Dagster: the conformed facts under the key `gold`, the tables and dimensions downstream of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.bronze.current import Holdings
from pce_pipeline.bronze.history import dimension_frame
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.gold.dimensions import DIMENSION_FRAMES
from pce_pipeline.gold.facts import accounted, conform_facts
from pce_pipeline.gold.made import GoldPiece, GoldTable, Inputs
from pce_pipeline.gold.packages import own_pieces, tables_of
from pce_pipeline.lake.earlier import details_of_next
from pce_pipeline.lake.pointer import WHOLE, NewPartition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.audit import rows_quarantined
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.quality.dimensions import DimensionRows
from pce_pipeline.quality.facts import Facts
from pce_pipeline.quality.identities import FactYears, whole_units
from pce_pipeline.quality.rows import TableRows
from pce_pipeline.quality.rules import judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.audit import Read, audit_publication
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.keys import key_of
from pce_pipeline.shell.page import declared, describe, preview
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.pieces import PieceRun, piece_asset, stands
from pce_pipeline.shell.ranges import Made, YearlyRun
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.tags import is_forced
from pce_pipeline.shell.yearly import yearly_asset
from pce_pipeline.silver.observations import table_years
from pce_pipeline.tables.dimensions import DIMENSION_CODE_VERSION, DIMENSIONS
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table, content_sha256


def gold_assets(contracts: Contracts) -> list[dg.AssetsDefinition]:
    """The facts, the tables of each dataset, and the dimensions."""
    registry = contracts.registry
    facts = yearly_asset(registry.facts, contracts, partial(_facts, registry=registry))
    own = [
        yearly_asset(registry.derivation_of(table.table), contracts, partial(_made, table=table, registry=registry))
        for dataset in registry.datasets.values()
        for table in tables_of(dataset, registry)
    ]
    return [facts, *own, *(_dimension(table, contracts) for table in DIMENSIONS)]


def gold_pieces(contracts: Contracts) -> list[dg.AssetsDefinition]:
    """The tables in one piece that packages of datasets make of other tables."""
    registry = contracts.registry
    return [_own_piece(piece, registry.datasets[name], contracts) for name, piece in own_pieces(registry).values()]


def _own_piece(piece: GoldPiece[Any], dataset: Dataset, contracts: Contracts) -> dg.AssetsDefinition:
    declared_as = contracts.registry.pieces[piece.table.name]

    def make(run: PieceRun) -> tuple[pl.DataFrame, Any]:
        def inputs() -> Inputs:
            read = {each.table.name: run.rows(each, piece.read[each.table.name]) for each in declared_as.made_of}
            return Inputs(read, dataset, ())

        if run.unchanged is not None:
            return run.unchanged, piece.judged(run.unchanged, inputs)
        return piece.compute(inputs())

    return piece_asset(declared_as, contracts, make)


def _made(run: YearlyRun, *, table: GoldTable[Any], registry: Registry) -> Made[Any]:
    """A table of the years that the facts hold."""
    derivation = registry.derivation_of(table.table)
    inputs = Inputs({each.table.name: run.of(each.table) for each in derivation.tables}, run.dataset, run.years)
    rows, subject = table.compute(inputs)
    return Made(rows, subject=subject)


def _facts(run: YearlyRun, *, registry: Registry) -> Made[Facts]:
    """The conformed facts of the years that Silver holds, of all datasets."""
    found = []
    for name, now in run.held.items():
        silver = run.of(registry.silver[name].table)
        years = [year for year in run.years if year in now.covered_years]
        facts = conform_facts(silver, now.dataset, now.releases)
        run.add_up(name, {"rows": silver.height, "made": facts.height, **accounted(silver, now.dataset)})
        found.append(
            FactYears(
                facts,
                now.dataset,
                table_years(silver),
                spoken_of=now.spoken_of(years),
                releases=now.releases,
                whole_units=run.once(f"whole units of {name}", partial(_whole_units, run, registry, name)),
            )
        )
    run.step.inputs(conformed={name: run.common[name] for name in run.held})
    frame = pl.concat([each.frame for each in found]).sort(GOLD_FACTS.key)
    return Made(frame, subject=Facts(frame, tuple(each for each in found if not each.frame.is_empty())))


def _whole_units(run: YearlyRun, registry: Registry, name: str) -> pl.DataFrame | None:
    """The measures and levels whose figures are whole units in all years of the run: `FactYears.whole_units`.

    None where the years are one range, whose own figures show it.
    """
    if len(run.every_year) == len(run.years):
        return None
    silver = registry.silver[name].table
    store = run.lake.table(silver)
    published = store.latest()
    columns = ["bea_table", "line_code", "geo_level", "value"]
    parts = (store.read([str(year)], columns) for year in run.every_year if str(year) in published)
    return whole_units(parts, run.held[name].dataset)


def _dimension(table: Table, contracts: Contracts) -> dg.AssetsDefinition:
    """The asset of one dimension: from the catalogue and what is held, downstream of the facts that refer to it."""
    key, contract, registry = key_of(table), contracts.of(table.name), contracts.registry

    # as the yearly assets: what stands gives no result of a check
    @dg.multi_asset(
        name=key.to_python_identifier(),
        specs=[
            dg.AssetSpec(
                key,
                deps=[key_of(GOLD_FACTS)],
                kinds={"polars", "parquet"},
                code_version=DIMENSION_CODE_VERSION,
                description=describe(table),
                metadata=declared(table),
                skippable=True,
            )
        ],
        check_specs=check_specs(contract.gate, key),
        backfill_policy=ONE_RUN,
        can_subset=True,
    )
    def dimension(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        with recorded_step(context, journal, table.name, registry.datasets, settings) as step:
            frame = dimension_frame(table, holdings.of_run(context.run.run_id))
            content = content_sha256(frame)
            if key in context.selected_asset_keys and not is_forced(context):
                standing = lake.table(table).standing({WHOLE: ({}, DIMENSION_CODE_VERSION)}).get(WHOLE)
                if standing is not None and standing.content_sha256 == content:
                    yield stands(context, key, standing, step)
                    return
            rows = TableRows(table, {WHOLE: frame}, contracts.keys_of(table), settings.references_resolved_pct)
            results = judge(contract.rules, table.name, DimensionRows(table, frame))
            results += judge(contract.of_rows, table.name, rows)
            yield from report(results, key, step, thresholds=settings.threshold_checks)
            now, store, content = datetime.now(UTC), lake.table(table), content_sha256(frame)
            of_catalogue = table.name in DIMENSION_FRAMES
            publication = store.publish(
                [
                    NewPartition(
                        WHOLE,
                        {"part-000.parquet": frame},
                        inputs={},
                        code_version=DIMENSION_CODE_VERSION,
                        details=details_of_next(store.latest().get(WHOLE), content, now) if of_catalogue else {},
                    )
                ],
                run_id=context.run.run_id,
                now=now,
            )
            step.rows(**{table.name: frame.height})
            step.outputs(written=publication.written, unchanged=publication.unchanged)
            audit_publication(step, table, publication, {WHOLE: rows_quarantined(frame)}, {}, Read())
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "dagster/row_count": frame.height,
                    "content_sha256": content,
                    **report_link(lake, context.run.run_id),
                    "uri": lake.uri_of(lake.prefix(table)),
                    "preview": dg.MetadataValue.md(preview(frame)),
                },
                data_version=dg.DataVersion(content),
            )

    return dimension
