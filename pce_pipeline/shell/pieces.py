"""The factory of assets in one piece that are made of other tables: of the logs of figures, or of those they name.

They come after all that they are made of, those of lines after the facts. They are made again when any of it has
changed, and are judged before they are published.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.bronze.current import Current, Holdings
from pce_pipeline.bronze.history import History, inputs_of_piece, sources_of
from pce_pipeline.contracts.declared import Contracts
from pce_pipeline.lake.pointer import WHOLE, NewPartition, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.audit import rows_quarantined
from pce_pipeline.observability.records import RunJournal, Step
from pce_pipeline.quality.rows import TableRows
from pce_pipeline.quality.rules import Subject, judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.audit import Read, audit_publication
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.io_manager import REPORTED_BY_US, STANDS
from pce_pipeline.shell.keys import key_of
from pce_pipeline.shell.page import declared, describe, preview
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.reports import report_link
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.shell.tags import is_forced, reported_before
from pce_pipeline.tables.facts import GOLD_FACTS
from pce_pipeline.tables.lineage import FromTable, Piece
from pce_pipeline.tables.table import content_sha256


def stands(context: dg.AssetExecutionContext, key: dg.AssetKey, standing: Partition, step: Step) -> dg.Output[None]:
    """The output of a table in one piece that is left alone; it is reported where this history has never seen it."""
    step.outputs(standing=[WHOLE], written=[])
    if WHOLE not in reported_before(context.run, lambda: known_whole(context.instance, key)):
        context.log_event(
            dg.AssetMaterialization(
                asset_key=key,
                description=STANDS,
                metadata={"dagster/row_count": standing.rows, "content_sha256": standing.content_sha256},
                tags={"dagster/data_version": standing.content_sha256},
            )
        )
    return dg.Output(None, output_name=key.to_python_identifier(), metadata=REPORTED_BY_US)


def known_whole(instance: dg.DagsterInstance, key: dg.AssetKey) -> set[str]:
    """The only partition of a table in one piece, if a history has ever heard of it."""
    return {WHOLE} if instance.get_latest_materialization_event(key) is not None else set()


@dataclass(frozen=True)
class PieceRun:
    """What a table in one piece is made from."""

    lake: Lake
    """The lake."""
    held: Mapping[str, Current]
    """What is held of each dataset of years; of one made of lines, of every dataset."""
    histories: Mapping[str, History]
    """The vintages of each."""
    published: Mapping[str, Mapping[str, Partition]]
    """The partitions of each table that it is made of, by its name."""
    unchanged: pl.DataFrame | None
    """What is published, where nothing that it is made of has changed since."""
    before: Partition | None = None
    """What is published, whatever it was made of."""
    inputs: dict[str, str] = field(default_factory=dict)
    """What it is made from, by name: `make` takes out what it could not read, so that it is made again."""
    details: dict[str, Any] = field(default_factory=dict)
    """What is to be recorded of how it is made."""

    def rows(self, source: FromTable, chosen: pl.Expr) -> pl.DataFrame:
        """Those of the rows of a table that are chosen, of all years and of the part that is read."""
        table, store = source.table, self.lake.table(source.table)
        wanted = chosen if source.part is None else chosen & (pl.col(str(table.parts_by)) == source.part)
        found = [store.read_partition(each).filter(wanted) for each in self.published[table.name].values()]
        return pl.concat([pl.DataFrame(schema=table.polars_schema), *found])


def piece_asset(
    piece: Piece,
    contracts: Contracts,
    make: Callable[[PieceRun], tuple[pl.DataFrame, Subject]],
) -> dg.AssetsDefinition:
    """The asset of a table in one piece: `make` gives its rows, and what the rules look at."""
    registry = contracts.registry
    table, sources = piece.table, [each.table for each in sources_of(piece, registry)]
    key, code_version, contract = key_of(table), piece.code_version, contracts.of(piece.table.name)

    # as the yearly assets: a rule that has nothing to look at gives no result
    @dg.multi_asset(
        name=key.to_python_identifier(),
        specs=[
            dg.AssetSpec(
                key,
                deps=[key_of(each) for each in sources or [GOLD_FACTS]],
                kinds={"polars", "parquet"},
                code_version=code_version,
                description=describe(table),
                metadata=declared(table),
                skippable=True,
            )
        ],
        check_specs=check_specs(contract.gate, key),
        backfill_policy=ONE_RUN,
        can_subset=True,
    )
    def in_one_piece(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        with recorded_step(context, journal, table.name, registry.datasets, settings) as step:
            held = {
                name: now
                for name, now in holdings.of_run(context.run.run_id).items()
                if piece.of_lines or name in registry.figures
            }
            histories = {name: History(now) for name, now in held.items()}
            published = {each.name: lake.table(each).latest() for each in sources}
            inputs = inputs_of_piece(piece, registry, published, histories)
            store = lake.table(table)
            there = store.latest().get(WHOLE)
            is_same = there is not None and (there.inputs, there.code_version) == (inputs, code_version)
            if key in context.selected_asset_keys and not is_forced(context):
                standing = store.standing({WHOLE: (inputs, code_version)}).get(WHOLE)
                if standing is not None:
                    yield stands(context, key, standing, step)
                    return
            unchanged = store.read_partition(there) if there is not None and is_same else None
            run = PieceRun(lake, held, histories, published, unchanged, there, dict(inputs))
            frame, subject = make(run)
            rows = TableRows(table, {WHOLE: frame}, contracts.keys_of(table), settings.references_resolved_pct)
            results = [*judge(contract.rules, table.name, subject), *judge(contract.of_rows, table.name, rows)]
            yield from report(results, key, step, thresholds=settings.threshold_checks)
            publication = store.publish(
                [
                    NewPartition(
                        WHOLE,
                        {"part-000.parquet": frame},
                        inputs=run.inputs,
                        code_version=code_version,
                        details=run.details,
                    )
                ],
                run_id=context.run.run_id,
                now=datetime.now(UTC),
            )
            step.rows(**{table.name: frame.height})
            step.outputs(written=publication.written, unchanged=publication.unchanged)
            audit_publication(step, table, publication, {WHOLE: rows_quarantined(frame)}, {}, Read())
            content = content_sha256(frame)
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

    return in_one_piece
