"""The running asset as a recorded step, which is tried again where what failed may pass by itself."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from pce_pipeline.observability.records import RunJournal, Step
from pce_pipeline.settings import Settings
from pce_pipeline.shell.partitions import partition_keys_of
from pce_pipeline.shell.retries import raise_or_try_again
from pce_pipeline.shell.tags import WHY


@contextmanager
def recorded_step(
    context: dg.AssetExecutionContext,
    journal: RunJournal,
    name: str,
    datasets: Iterable[str],
    settings: Settings,
    *,
    requested: Mapping[str, Any] | None = None,
) -> Iterator[Step]:
    """Record what happens inside as the step `name` of this run, with its datasets and the partitions it covers.

    `requested` are parameters of the run beside its partitions and its run configuration. What fails and may pass by
    itself makes Dagster try the step again, as often as the settings say.
    """
    run = context.run
    why = {"why": run.tags[WHY]} if WHY in run.tags else {}
    try:
        with journal.step(
            run.run_id,
            name,
            datasets=list(datasets),
            partitions=partition_keys_of(context),
            job=run.job_name,
            requested={**why, **(requested or {})},
        ) as step:
            yield step
    except Exception as error:
        raise_or_try_again(error, settings, tried=context.retry_number, step=name)
        raise
