"""The running asset as a recorded step."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import dagster as dg

from pce_pipeline.observability.records import RunJournal, Step
from pce_pipeline.shell.partitions import partition_keys_of
from pce_pipeline.shell.tags import WHY


def recorded_step(
    context: dg.AssetExecutionContext,
    journal: RunJournal,
    name: str,
    datasets: Iterable[str],
    *,
    requested: Mapping[str, Any] | None = None,
) -> AbstractContextManager[Step]:
    """Record what happens inside as the step `name` of this run, with its datasets and the partitions it covers.

    `requested` are parameters of the run beside its partitions and its run configuration.
    """
    run = context.run
    why = {"why": run.tags[WHY]} if WHY in run.tags else {}
    return journal.step(
        run.run_id,
        name,
        datasets=list(datasets),
        partitions=partition_keys_of(context),
        job=run.job_name,
        requested={**why, **(requested or {})},
    )
