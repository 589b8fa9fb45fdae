"""Dagster's daemon as far as the sensors meet it: it evaluates, changes partitions, and keeps a history of runs."""

import uuid
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from pce_pipeline_tests.worlds import World

EXTRACTS = "pce_state_extracts"


class Daemon:
    """Evaluates a sensor on an instance as Dagster's daemon does, and keeps its history."""

    def __init__(self, world: World, instance: dg.DagsterInstance, sensor: str = "release_sensor") -> None:
        self.world = world
        self.instance = instance
        self._repository = world.definitions.get_repository_def()
        self._sensor = self._repository.get_sensor_def(sensor)
        self._resources = {
            name: each for name, each in (world.definitions.resources or {}).items() if name != "lake_io"
        }

    def tick(self) -> tuple[list[dg.RunRequest], str | None]:
        """Evaluate; what it asks of the partitions is done, what it asks to run is only told, as is why it skips."""
        told = self.evaluate()
        for request in told.dynamic_partitions_requests or ():
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)
        return list(told.run_requests or ()), told.skip_message

    def evaluate(self, cursor: str | None = None) -> SensorExecutionData:
        """Evaluate with a cursor, and do nothing of what is asked."""
        with dg.SensorEvaluationContext(
            instance_ref=self.instance.get_ref(),
            repository_def=self._repository,
            resources=self._resources,
            cursor=cursor,
        ) as context:
            return self._sensor.evaluate_tick(context)

    def run(self, job: str, *events: dg.DagsterEventType, at: datetime | None = None) -> str:
        """A run in the history that has got as far as the events say."""
        run_id = str(uuid.uuid4())
        here = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="pce_pipeline.definitions"))
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(here, "__repository__"), job)
        self.instance.run_storage.add_run(dg.DagsterRun(job, run_id, remote_job_origin=origin))
        for event in events:
            self.instance.run_storage.handle_run_event(
                run_id, dg.DagsterEvent(event.value, job), update_timestamp=at or datetime.now(UTC)
            )
        return run_id

    def ended(self, job: str, *, succeeded: bool, ago: timedelta = timedelta(0)) -> None:
        last = dg.DagsterEventType.RUN_SUCCESS if succeeded else dg.DagsterEventType.RUN_FAILURE
        self.run(job, dg.DagsterEventType.RUN_START, last, at=datetime.now(UTC) - ago)

    @property
    def registered(self) -> list[str]:
        return list(self.instance.get_dynamic_partitions(EXTRACTS))
