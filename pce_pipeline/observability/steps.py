"""The running asset as a recorded step: the only module of this room that knows Dagster."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import dagster as dg

from pce_pipeline.observability.records import RunJournal, Step


def recorded_step(
    context: dg.AssetExecutionContext, journal: RunJournal, name: str, *, requested: Mapping[str, Any] | None = None
) -> AbstractContextManager[Step]:
    """Record what happens inside as the step `name` of this run, with the partitions it covers.

    `requested` are parameters of the run beside its partitions and its run configuration.
    """
    run = context.run
    partitions = list(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else []
    return journal.step(run.run_id, name, partitions=partitions, job=run.job_name, requested=requested or {})
