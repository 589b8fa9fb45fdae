"""The sensors that alert: on failed runs as they fail; on late releases, unreadable cells and old pins once an hour.

All being well they are silent.

Both are off until somebody switches them on, as the release sensor is: where GitHub Actions runs the pipeline, its
workflow alerts, and a page that a person opens beside it must not start to act. Without a channel they skip.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import structlog

from pce_pipeline.automation.alerts.channels import VARIABLES
from pce_pipeline.automation.alerts.errors import AlertNotSent
from pce_pipeline.automation.alerts.failures import alert_of_failed
from pce_pipeline.automation.alerts.lateness import LateRelease, alert_of_late, late_releases, unknowable
from pce_pipeline.automation.alerts.pins import alert_of_old_pin
from pce_pipeline.automation.alerts.sending import Alerts
from pce_pipeline.automation.alerts.unreadable import alert_of_quarantine
from pce_pipeline.automation.jobs import extract_job_name
from pce_pipeline.automation.next_step import LoadState
from pce_pipeline.automation.pinning import pinned
from pce_pipeline.automation.state import lake_state, load_state
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.current import current_of
from pce_pipeline.bronze.quarantine import of_live_extracts
from pce_pipeline.errors import PceError
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.settings import Settings
from pce_pipeline.tables.registry import Registry
from pce_pipeline.warehouse.postgres import PostgresResource

_log = structlog.get_logger()

NO_CHANNEL = f"No alert channel is set ({VARIABLES})."

_HOUR_SECONDS = 3600
_REMEMBERED = timedelta(days=1)
_MOST_RUNS = 20


def build_alert_sensors() -> list[dg.SensorDefinition]:
    """The two sensors."""
    return [_run_failure_sensor(), _late_release_sensor()]


def _run_failure_sensor() -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="run_failure_sensor",
        description="Alerts when a run of this code location has failed; otherwise silent.",
    )
    def run_failure_sensor(
        context: dg.RunFailureSensorContext,
        lake: dg.ResourceParam[Lake],
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> dg.SkipReason | None:
        """Alert.

        Dagster counts a failed run as dealt with even if this raises: the evaluation is shown as failed, and never
        comes again. What was not sent is therefore sent by the late release sensor, which looks for it every hour.
        """
        alerts = Alerts.of(settings, lake)
        if not alerts.channels:
            return dg.SkipReason(NO_CHANNEL)
        _tell(alerts, context.instance, context.dagster_run, registry, settings)
        return None

    return run_failure_sensor


def _late_release_sensor() -> dg.SensorDefinition:
    @dg.sensor(
        name="late_release_sensor",
        minimum_interval_seconds=_HOUR_SECONDS,
        description="Alerts when a release is out and not in the lake, when cells of BEA's answer could not be read, "
        "and when a pin is old; sends alerts of failed runs that did not get through before; otherwise silent.",
    )
    def late_release_sensor(
        context: dg.SensorEvaluationContext,
        lake: dg.ResourceParam[Lake],
        bea: dg.ResourceParam[BeaGateway],
        postgres: dg.ResourceParam[PostgresResource],
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> dg.SkipReason:
        """Alert; it remembers nothing, so what it could not send it sends when it comes again.

        Raises `AlertNotSent`, for the page to show, once everything else is done.
        """
        alerts = Alerts.of(settings, lake)
        if not alerts.channels:
            return dg.SkipReason(NO_CHANNEL)
        not_sent = None
        try:
            for run in _recently_failed(context):
                _tell(alerts, context.instance, run, registry, settings)
        except AlertNotSent as caught:
            not_sent = caught
        _tell_of_old_pins(alerts, lake, postgres, registry, settings)
        late, said = _look(lake, bea, registry, settings)
        for name, each in late.items():
            alerts.send(alert_of_late(each, env=settings.env, world=settings.world, dataset=name, lake=lake.uri))
        try:
            _tell_of_quarantine(alerts, lake, registry, settings)
        except AlertNotSent as caught:
            not_sent = not_sent or caught
        if not_sent is not None:
            raise not_sent
        return dg.SkipReason(said)

    return late_release_sensor


def _tell_of_old_pins(
    alerts: Alerts, lake: Lake, postgres: PostgresResource, registry: Registry, settings: Settings
) -> None:
    """Alert of pins that are older than the setting; a lake that cannot be read says nothing of any."""
    now, after = datetime.now(UTC), timedelta(days=settings.pin_alert_days)
    try:
        held = current_of(lake, registry.datasets)
        old = [each for each in held.values() if each.pin is not None and now - each.pin.pinned_at > after]
        if not old:
            return
        state = lake_state(lake, registry, held)
        loaded = _loaded(postgres) if settings.load_postgres else None
        pins = [pinned(each, state, loaded) for each in old]
    except PceError:
        return
    for pin in pins:
        if pin is not None:
            alerts.send(
                alert_of_old_pin(
                    pin, env=settings.env, world=settings.world, dataset=pin.dataset, lake=lake.uri, now=now
                )
            )


def _loaded(postgres: PostgresResource) -> LoadState | None:
    try:
        return load_state(postgres)
    except PceError:
        return None  # the alert then says what counts, and not what Postgres holds


def _look(lake: Lake, bea: BeaGateway, registry: Registry, settings: Settings) -> tuple[dict[str, LateRelease], str]:
    """The releases that are late, by dataset, and what there is to say."""
    try:
        # what the calendar says is enough, so the tables' notes are not asked for
        releases = bea.releases({name: each.release_names for name, each in registry.datasets.items()}, {})
        state = lake_state(lake, registry, current_of(lake, registry.datasets))
    except PceError as problem:
        return {}, without_secrets(str(problem))
    grace = timedelta(hours=settings.late_after_hours)
    late = late_releases(state, releases, grace=grace)
    if late:
        return late, " ".join(
            f"{name}: the release of {each.announced:%Y-%m-%d} is late." for name, each in late.items()
        )
    return {}, unknowable(releases) or "No release is late."


def _tell_of_quarantine(alerts: Alerts, lake: Lake, registry: Registry, settings: Settings) -> None:
    try:
        held = current_of(lake, registry.datasets)
        found = {name: of_live_extracts(now) for name, now in held.items()}
    except PceError as problem:
        _log.warning("what is in quarantine cannot be told", problem=without_secrets(str(problem)))
        return
    for name, extracts in found.items():
        for extract, cells in extracts.items():
            alerts.send(
                alert_of_quarantine(extract, cells, env=settings.env, world=settings.world, dataset=name, lake=lake.uri)
            )


def _tell(
    alerts: Alerts, instance: dg.DagsterInstance, run: dg.DagsterRun, registry: Registry, settings: Settings
) -> None:
    own = [name for name in registry.datasets if run.job_name == extract_job_name(name)]
    alerts.send(
        alert_of_failed(
            instance,
            run,
            env=settings.env,
            world=settings.world,
            dataset=", ".join(own or registry.datasets),
            page=settings.dagster_url,
        )
    )


def _recently_failed(context: dg.SensorEvaluationContext) -> Iterator[dg.DagsterRun]:
    """The failed runs of the last day that the run failure sensor is asked about: those of its own code location."""
    own = context.code_location_origin
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=datetime.now(UTC) - _REMEMBERED)
    for run in context.instance.get_runs(failed, limit=_MOST_RUNS):
        origin = run.remote_job_origin
        place = origin.repository_origin.code_location_origin.location_name if origin is not None else None
        if place == (own.location_name if own is not None else None):
            yield run
