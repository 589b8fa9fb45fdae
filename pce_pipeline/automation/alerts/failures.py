"""What a failed run of Dagster's has to say: which years, which steps, which error, and where to look.

Read from the instance's history, so that a run is told the same way whoever tells it and whenever.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from pce_pipeline.automation.alerts.alert import Alert, key_of
from pce_pipeline.automation.jobs import RANGE_END, RANGE_START

_PARTITION = "dagster/partition"
_FROM_THE_PAGE = "__ASSET_JOB"
_LINES = 6
_LOOKED_AT = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}


def alert_of_failed(
    instance: dg.DagsterInstance, run: dg.DagsterRun, *, env: str, world: str, dataset: str, page: str | None
) -> Alert:
    """The alert of a failed run; `page` is the address of Dagster's page, if there is one."""
    events: list[dg.DagsterEvent] = []
    at = datetime.now(UTC)
    for record in instance.get_records_for_run(run.run_id, of_type=_LOOKED_AT).records:
        if record.event_log_entry.dagster_event is not None:
            events.append(record.event_log_entry.dagster_event)
            at = datetime.fromtimestamp(record.timestamp, UTC)
    steps = [event for event in events if event.event_type is dg.DagsterEventType.STEP_FAILURE]
    names = [event.step_key.replace("__", "/") for event in steps if event.step_key]
    what = _partitions(run)
    job = "materialisation" if run.job_name.startswith(_FROM_THE_PAGE) else run.job_name
    link = f"{page.rstrip('/')}/runs/{run.run_id}" if page else None
    return Alert(
        kind="run_failed",
        key=key_of(run.run_id),
        severity="error",
        env=env,
        world=world,
        title=f"{dataset}: {job} failed" + (f" ({what})" if what else ""),
        happened=f"{'Step' if len(names) == 1 else 'Steps'} {', '.join(names)} failed. {_error(steps)}"
        if names
        else f"The run ended without finishing a step that failed. {_error(events)}",
        remedy="Look: `pce status`" + (f", or the run's page {link}" if link else "") + ". What was published before "
        "stands. Once the cause is gone, `pce run` (or the sensor, by itself) goes on where this run stopped.",
        facts={
            "dataset": dataset,
            "job": job,
            **({"partitions": what} if what else {}),
            **({"step": ", ".join(names)} if names else {}),
            "run": run.run_id,
            **({"link": link} if link else {}),
        },
        at=at,
    )


def _partitions(run: dg.DagsterRun) -> str:
    first, last = run.tags.get(RANGE_START), run.tags.get(RANGE_END)
    if first and last:
        return first if first == last else f"{first}...{last}"
    return run.tags.get(_PARTITION, "")


def _error(events: Iterable[dg.DagsterEvent]) -> str:
    """The first lines of the error that was there first, without Dagster's wrapping."""
    for event in events:
        data = event.event_specific_data
        described = getattr(getattr(data, "user_failure_data", None), "description", None)
        if described:
            return _first_lines(described)
        error = getattr(data, "error", None)
        if error is not None:
            while error.cause is not None:
                error = error.cause
            _, module, said = error.message.partition(f".{error.cls_name}: ")
            return _first_lines(f"{error.cls_name}: {said}" if module else error.message)
        if event.message:
            return _first_lines(event.message)
    return ""


def _first_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[:_LINES])
