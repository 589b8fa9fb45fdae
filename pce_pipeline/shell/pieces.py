"""The factory of assets in one piece that are made from the logs of figures of all datasets.

They come after all logs, are made again when any log or vintage has changed, and are judged before they are published.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from pce_pipeline.bronze.current import Current, Holdings
from pce_pipeline.bronze.history import History, inputs_of_pieces
from pce_pipeline.lake.pointer import WHOLE, NewPartition, Partition
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.records import RunJournal
from pce_pipeline.quality.rules import Rule, Subject, judge
from pce_pipeline.settings import Settings
from pce_pipeline.shell.checks import check_specs, report
from pce_pipeline.shell.keys import key_of
from pce_pipeline.shell.page import declared, describe, preview
from pce_pipeline.shell.partitions import ONE_RUN
from pce_pipeline.shell.steps import recorded_step
from pce_pipeline.tables.dimensions import PIECES_OF_LOGS
from pce_pipeline.tables.registry import Registry
from pce_pipeline.tables.table import Table, content_sha256


@dataclass(frozen=True)
class PieceRun:
    """What a table in one piece is made from."""

    lake: Lake
    """The lake."""
    held: Mapping[str, Current]
    """What is held of each dataset."""
    histories: Mapping[str, History]
    """The vintages of each."""
    published: Mapping[str, Mapping[str, Partition]]
    """The years of the log of figures of each, by the name of its table."""
    unchanged: pl.DataFrame | None
    """What is published, where nothing that it is made of has changed since."""


def piece_asset(
    table: Table,
    registry: Registry,
    rules: Sequence[Rule[Subject]],
    make: Callable[[PieceRun], tuple[pl.DataFrame, Subject]],
) -> dg.AssetsDefinition:
    """The asset of a table in one piece: `make` gives its rows, and what the rules look at."""
    key, code_version = key_of(table), PIECES_OF_LOGS[table.name]

    # as the yearly assets: a rule that has nothing to look at gives no result
    @dg.multi_asset(
        name=key.to_python_identifier(),
        specs=[
            dg.AssetSpec(
                key,
                deps=[key_of(each.table) for each in registry.figures.values()],
                kinds={"polars", "parquet"},
                code_version=code_version,
                description=describe(table),
                metadata=declared(table),
                skippable=True,
            )
        ],
        check_specs=check_specs(rules, key),
        backfill_policy=ONE_RUN,
        can_subset=True,
    )
    def piece(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        holdings: dg.ResourceParam[Holdings],
        settings: dg.ResourceParam[Settings],
        journal: dg.ResourceParam[RunJournal],
    ) -> Iterator[Any]:
        with recorded_step(context, journal, table.name, registry.datasets) as step:
            held = holdings.of_run(context.run.run_id)
            histories = {name: History(now) for name, now in held.items()}
            published = {each.table.name: lake.table(each.table).latest() for each in registry.figures.values()}
            inputs = inputs_of_pieces(registry, published, histories)
            store = lake.table(table)
            there = store.latest().get(WHOLE)
            is_same = there is not None and (there.inputs, there.code_version) == (inputs, code_version)
            unchanged = store.read_partition(there) if there is not None and is_same else None
            frame, subject = make(PieceRun(lake, held, histories, published, unchanged))
            yield from report(judge(rules, table.name, subject), key, step, thresholds=settings.threshold_checks)
            publication = store.publish(
                [NewPartition(WHOLE, {"part-000.parquet": frame}, inputs=inputs, code_version=code_version)],
                run_id=context.run.run_id,
                now=datetime.now(UTC),
            )
            step.rows(**{table.name: frame.height})
            step.outputs(written=publication.written, unchanged=publication.unchanged)
            content = content_sha256(frame)
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "dagster/row_count": frame.height,
                    "content_sha256": content,
                    "uri": lake.uri_of(lake.prefix(table)),
                    "preview": dg.MetadataValue.md(preview(frame)),
                },
                data_version=dg.DataVersion(content),
            )

    return piece
