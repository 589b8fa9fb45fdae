"""The sensors that ask what comes next and launch it; they remember nothing.

One looks now and then, the other as soon as an event has announced a release; looking is the same. They skip while a
run is queued or running, wait longer after each failure, and keep the instance's extract dates equal to the lake's,
because the lake and not the instance says which extracts exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import dagster as dg

from pce_pipeline.automation.jobs import LONGEST_RUN, REFRESH, extract_config, extract_job_name, range_tags
from pce_pipeline.automation.newest_release import evaluations, newest_releases
from pce_pipeline.automation.next_step import Step
from pce_pipeline.automation.state import Situation, ask
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.extract import next_extract_id
from pce_pipeline.bronze.store import bronze_of
from pce_pipeline.errors import PceError
from pce_pipeline.hooks.events import EventStore
from pce_pipeline.instance.private import AssetJob
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.heartbeat import beat
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.open_tables.ledger import tables_behind
from pce_pipeline.settings import Settings
from pce_pipeline.shell.keys import ICEBERG_KEY
from pce_pipeline.shell.partitions import extracts_of
from pce_pipeline.shell.tags import why_tag, world_tag
from pce_pipeline.tables.registry import Registry
from pce_pipeline.warehouse.postgres import PostgresResource

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_FIRST_WAIT = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=6)
_FAILURES_LOOKED_AT = 8
_EVENTS_EVERY = timedelta(seconds=30)
_PROJECT_AGAIN = timedelta(hours=6)
"""How long after an Iceberg table could not be brought in line it is tried again."""
_NAMED = 5

Requests = list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]


def wait_after_failures(ended: Sequence[tuple[bool, datetime]], now: datetime) -> timedelta | None:
    """How much longer to wait, given ended runs (succeeded, end in UTC), newest first; None if not at all.

    Five minutes after the first failure, twice as long after each further one, six hours at most.
    """
    failures = 0
    for succeeded, _ in ended:
        if succeeded:
            break
        failures += 1
    if failures == 0:
        return None
    wait = min(_FIRST_WAIT * 2 ** (failures - 1), _LONGEST_WAIT)
    left = ended[0][1] + wait - now
    return left if left > timedelta(0) else None


Jobs = Sequence[AssetJob]


def build_release_sensor(interval: timedelta, jobs: Jobs) -> dg.SensorDefinition:
    """The sensor, looking every `interval`."""
    return _looking(
        jobs,
        "release_sensor",
        "Looks for new or revised data at BEA, takes an extract and refreshes what it changes.",
        every=interval,
    )


def build_webhook_sensor(interval: timedelta, jobs: Jobs) -> dg.SensorDefinition:
    """The sensor that looks as soon as an event has come, beside a release sensor that looks every `interval`.

    Mostly it lists the events, of which there are few, and does nothing else.
    """
    return _looking(
        jobs,
        "webhook_sensor",
        "Looks at BEA as release_sensor does, as soon as `pce serve-hooks` was told of a release.",
        every=_EVENTS_EVERY,
        events_within=2 * interval,  # the release sensor has met those before
    )


def _looking(
    jobs: Jobs, name: str, description: str, *, every: timedelta, events_within: timedelta | None = None
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        jobs=jobs,
        minimum_interval_seconds=int(every.total_seconds()),
        description=description,
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        lake: dg.ResourceParam[Lake],
        bea: dg.ResourceParam[BeaGateway],
        postgres: dg.ResourceParam[PostgresResource],
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> dg.SensorResult | dg.SkipReason:
        since = datetime.now(UTC) - events_within if events_within is not None else None
        return _look(context, lake, bea, postgres, registry, settings, events_since=since)

    return sensor


def _look(
    context: dg.SensorEvaluationContext,
    lake: Lake,
    bea: BeaGateway,
    postgres: PostgresResource,
    registry: Registry,
    settings: Settings,
    *,
    events_since: datetime | None,
) -> dg.SensorResult | dg.SkipReason:
    """Ask what comes next, and launch it.

    With `events_since`, look only where an event has come since then, and ask BEA only until the event is answered:
    from there to the end it is a matter of stale years.
    """
    instance = context.instance
    if _runs_under_way(instance):
        return dg.SkipReason("A run is under way.")
    requests: Requests = []
    try:
        if events_since is not None and not EventStore.of(lake).may_have_come_since(events_since):
            return dg.SkipReason("No event has come.")
        requests = register_extracts(instance, lake, registry)
        asked = bea if events_since is None else None
        found = ask(lake, registry, asked, postgres, settings, may_be_silent=True)
        if events_since is not None and found.lake.event is not None:
            found = ask(lake, registry, bea, postgres, settings, may_be_silent=True)
        step = found.step()
    except PceError as problem:
        reason = without_secrets(str(problem))
        context.log.warning(reason)
        return dg.SensorResult(skip_reason=reason, dynamic_partitions_requests=requests)
    for warning in step.warnings:
        context.log.warning(warning)
    if step.action == "nothing":
        launch = _launch_or_skip(context, found, lake, registry, settings, on_its_own=events_since is None)
        return dg.SensorResult(dynamic_partitions_requests=requests, **launch)
    step, waiting = _without_what_waits(instance, found, step)
    if step.action == "nothing":
        return dg.SensorResult(skip_reason=waiting, dynamic_partitions_requests=requests)
    why = "; ".join(f"{name}: {reason}" for name, reason in step.reasons.items())
    context.log.info("%s: %s", step.action, why)
    tags = {**world_tag(settings), **why_tag(step.reasons)}
    if step.action == "refresh":
        refresh = dg.RunRequest(
            job_name=REFRESH, tags={**range_tags(step.first_year or 0, step.last_year or 0), **tags}
        )
        return dg.SensorResult(run_requests=[refresh], dynamic_partitions_requests=requests)
    today = datetime.now(UTC).date()
    planned = {name: str(next_extract_id(bronze_of(lake, registry.datasets[name]), today)) for name in step.tables}
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                job_name=extract_job_name(name),
                partition_key=planned[name],
                run_config=extract_config(name, tables),
                tags=tags,
            )
            for name, tables in step.tables.items()
        ],
        dynamic_partitions_requests=register_extracts(instance, lake, registry, planned=planned),
    )


def _launch_or_skip(
    context: dg.SensorEvaluationContext,
    found: Situation,
    lake: Lake,
    registry: Registry,
    settings: Settings,
    *,
    on_its_own: bool,
) -> dict[str, Any]:
    """What to answer where nothing is new: the Iceberg tables that a kill left behind, or that all is as it should be.

    `on_its_own` tells the sensor that looks now and then from the one that waits for an event.
    """
    if on_its_own and (behind := _open_tables_behind(context, found, lake, registry, settings)):
        return {"run_requests": [_projecting(behind, found, settings)]}
    if on_its_own and settings.log_group is not None:  # else nobody waits for it
        _beat(context, lake)
    return {"skip_reason": "Nothing is new.", **_releases_told(found, settings, told_before=context.cursor)}


def _projecting(behind: Sequence[str], found: Situation, settings: Settings) -> dg.RunRequest:
    """A run that brings the Iceberg tables in line, and does nothing else."""
    newest = max(found.lake.covered_years)
    more = " and others" if len(behind) > _NAMED else ""
    why = f"Iceberg tables are behind what is published: {', '.join(behind[:_NAMED])}{more}"
    return dg.RunRequest(
        job_name=REFRESH,
        asset_selection=[ICEBERG_KEY],
        tags={**range_tags(newest, newest), **world_tag(settings), **why_tag(why)},
    )


def _open_tables_behind(
    context: dg.SensorEvaluationContext, found: Situation, lake: Lake, registry: Registry, settings: Settings
) -> list[str]:
    """The Iceberg tables that a run left behind, unless they were tried lately and failed."""
    now = datetime.now(UTC)
    if not found.lake.covered_years or wait_after_failures(_ended_runs(context.instance, REFRESH), now) is not None:
        return []
    try:
        behind = tables_behind(lake, registry, found.held, found.lake.partitions, glue=settings.glue_database)
    except PceError as problem:
        context.log.warning(without_secrets(str(problem)))
        return []
    return [name for name, failed_at in behind.items() if failed_at is None or now - failed_at > _PROJECT_AGAIN]


def _beat(context: dg.SensorEvaluationContext, lake: Lake) -> None:
    """Say that all is as it should be; a lake that cannot take it leaves it unsaid, which is what it is for."""
    try:
        beat(lake, by="release_sensor")
    except PceError as problem:
        context.log.warning(without_secrets(str(problem)))


def _releases_told(found: Situation, settings: Settings, *, told_before: str | None) -> dict[str, Any]:
    """The checks of the newest release, where they say something else than the last time, or a day has passed.

    The cursor only spares the history what it has already; nothing is decided by it.
    """
    results = newest_releases(found, grace=timedelta(hours=settings.late_after_hours))
    said = "".join(f"{each.asset.to_user_string()}: {each.said}\n" for each in results)
    now = f"{datetime.now(UTC).date()} {sha256(said.encode()).hexdigest()}"
    return {} if now == told_before or not results else {"asset_events": evaluations(results), "cursor": now}


def _without_what_waits(instance: dg.DagsterInstance, found: Situation, step: Step) -> tuple[Step, str]:
    """The step without the jobs that failed lately, and why these wait.

    An answer that does not count keeps failing until somebody decides: what does count goes on meanwhile.
    """
    now = datetime.now(UTC)
    waits = {name: wait_after_failures(_ended_runs(instance, extract_job_name(name)), now) for name in step.tables}
    ready = {name: tables for name, tables in step.tables.items() if waits[name] is None}
    said = [_waiting(extract_job_name(name), wait) for name, wait in waits.items() if wait is not None]
    if ready:
        asked = {table for tables in ready.values() for table in tables}
        reasons = {table: reason for table, reason in step.reasons.items() if table in asked}
        return replace(step, tables=ready, reasons=reasons), " ".join(said)
    if step.action == "extract" and found.silent is None:  # else nothing can be said of what else there is to do
        step = found.step(ask_bea=False)
    if step.action == "refresh":
        wait = wait_after_failures(_ended_runs(instance, REFRESH), now)
        if wait is None:
            return step, " ".join(said)
        said = said or [_waiting(REFRESH, wait)]
    return Step("nothing", warnings=step.warnings), " ".join(said)


def _waiting(job: str, wait: timedelta) -> str:
    return f"The last {job} run failed; the next try is in {wait.total_seconds() / 60:.0f} minutes."


def register_extracts(
    instance: dg.DagsterInstance, lake: Lake, registry: Registry, *, planned: Mapping[str, str] | None = None
) -> Requests:
    """What makes the instance's extract dates those of the lake, and those planned, by dataset.

    Call it when no run is under way.
    """
    requests: Requests = []
    for name, dataset in registry.datasets.items():
        partitions = extracts_of(name)
        held = [str(extract) for extract in bronze_of(lake, dataset).extracts()]
        if planned is not None and name in planned and planned[name] not in held:
            held.append(planned[name])
        known = instance.get_dynamic_partitions(partitions.name or "")
        if missing := [key for key in held if key not in known]:
            requests.append(partitions.build_add_request(missing))
        if gone := [key for key in known if key not in held]:
            requests.append(partitions.build_delete_request(gone))
    return requests


def _runs_under_way(instance: dg.DagsterInstance) -> bool:
    """Whether any run is, also one that a person has launched from the page for single assets.

    A run of which nothing was heard for hours died with its machine, and would otherwise be waited for for ever.
    """
    heard_of_since = datetime.now(UTC) - LONGEST_RUN
    return instance.get_runs_count(dg.RunsFilter(statuses=_UNDER_WAY, updated_after=heard_of_since)) > 0


def _ended_runs(instance: dg.DagsterInstance, job: str) -> list[tuple[bool, datetime]]:
    records = instance.get_run_records(
        dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]),
        limit=_FAILURES_LOOKED_AT,
    )
    return [
        (
            record.dagster_run.status is dg.DagsterRunStatus.SUCCESS,
            datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC),
        )
        for record in records
    ]
