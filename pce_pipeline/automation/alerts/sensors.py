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
from pce_pipeline.automation.alerts.lateness import LateRelease, alert_of_late, late_release, unknowable
from pce_pipeline.automation.alerts.pins import alert_of_old_pin
from pce_pipeline.automation.alerts.sending import Alerts
from pce_pipeline.automation.alerts.unreadable import alert_of_quarantine
from pce_pipeline.automation.next_step import LoadState
from pce_pipeline.automation.pinning import pinned
from pce_pipeline.automation.state import lake_state, load_state
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.current import current
from pce_pipeline.bronze.quarantine import of_live_extracts
from pce_pipeline.catalog.dataset import Dataset
from pce_pipeline.errors import PceError
from pce_pipeline.lake.resource import Lake
from pce_pipeline.observability.logs import without_secrets
from pce_pipeline.settings import Settings
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
        dataset: dg.ResourceParam[Dataset],
        settings: dg.ResourceParam[Settings],
    ) -> dg.SkipReason | None:
        """Alert.

        Dagster counts a failed run as dealt with even if this raises: the evaluation is shown as failed, and never
        comes again. What was not sent is therefore sent by the late release sensor, which looks for it every hour.
        """
        alerts = Alerts.of(settings, lake)
        if not alerts.channels:
            return dg.SkipReason(NO_CHANNEL)
        _tell(alerts, context.instance, context.dagster_run, dataset, settings)
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
        dataset: dg.ResourceParam[Dataset],
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
                _tell(alerts, context.instance, run, dataset, settings)
        except AlertNotSent as caught:
            not_sent = caught
        _tell_of_old_pin(alerts, lake, postgres, dataset, settings)
        late, said = _look(lake, bea, dataset, settings)
        if late is not None:
            alerts.send(
                alert_of_late(late, env=settings.env, world=settings.world, dataset=dataset.name, lake=lake.uri)
            )
        try:
            _tell_of_quarantine(alerts, lake, dataset, settings)
        except AlertNotSent as caught:
            not_sent = not_sent or caught
        if not_sent is not None:
            raise not_sent
        return dg.SkipReason(said)

    return late_release_sensor


def _tell_of_old_pin(
    alerts: Alerts, lake: Lake, postgres: PostgresResource, dataset: Dataset, settings: Settings
) -> None:
    """Alert of a pin that is older than the setting; a lake that cannot be read says nothing of one."""
    now = datetime.now(UTC)
    try:
        held = lake.bronze.pin()
        if held is None or now - held.pinned_at <= timedelta(days=settings.pin_alert_days):
            return
        pin = pinned(current(lake.bronze, dataset), lake_state(lake, dataset), _loaded(postgres))
    except PceError:
        return
    if pin is not None:
        alerts.send(
            alert_of_old_pin(pin, env=settings.env, world=settings.world, dataset=dataset.name, lake=lake.uri, now=now)
        )


def _loaded(postgres: PostgresResource) -> LoadState | None:
    try:
        return load_state(postgres)
    except PceError:
        return None  # the alert then says what counts, and not what Postgres holds


def _look(lake: Lake, bea: BeaGateway, dataset: Dataset, settings: Settings) -> tuple[LateRelease | None, str]:
    """The release that is late, and what there is to say."""
    try:
        # what the calendar says is enough, so the tables' notes are not asked for
        release = bea.release((), dataset.release_names)
        grace = timedelta(hours=settings.late_after_hours)
        late = late_release(lake_state(lake, dataset), release, tables=dataset.tables, grace=grace)
    except PceError as problem:
        return None, without_secrets(str(problem))
    if late is None:
        return None, unknowable(release) or "No release is late."
    return late, f"The release of {late.announced:%Y-%m-%d} is late."


def _tell_of_quarantine(alerts: Alerts, lake: Lake, dataset: Dataset, settings: Settings) -> None:
    try:
        found = of_live_extracts(lake.bronze, dataset, current(lake.bronze, dataset))
    except PceError as problem:
        _log.warning("what is in quarantine cannot be told", problem=without_secrets(str(problem)))
        return
    for extract, cells in found.items():
        alerts.send(
            alert_of_quarantine(
                extract, cells, env=settings.env, world=settings.world, dataset=dataset.name, lake=lake.uri
            )
        )


def _tell(
    alerts: Alerts, instance: dg.DagsterInstance, run: dg.DagsterRun, dataset: Dataset, settings: Settings
) -> None:
    alerts.send(
        alert_of_failed(
            instance,
            run,
            env=settings.env,
            world=settings.world,
            dataset=dataset.name,
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
