"""One task of ECS per run, for those who outgrow one machine.

The launcher is dagster-aws's own, told which cluster, task definition and network to use, so that it asks AWS for
nothing but to start, see and stop tasks. Runs that others have started (a workflow, `pce`) are not its to judge.
"""

from collections.abc import Mapping
from typing import Any

from dagster import DagsterRun, Field, StringSource
from dagster._config import UserConfigSchema
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_aws.ecs import EcsRunLauncher

_CONTAINER = "pce"
_TASK = "ecs/task_arn"


class TaskPerRun(EcsRunLauncher[Any]):
    """Runs as tasks of `task_definition` on Fargate, with a public address and no way in.

    `subnets` are ids with commas between them.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {
            "cluster": StringSource,
            "task_definition": StringSource,
            "subnets": StringSource,
            "security_group": StringSource,
            "cpu": Field(StringSource, is_required=False),
            "memory": Field(StringSource, is_required=False),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> "TaskPerRun":
        return cls(
            inst_data=inst_data,
            task_definition=config_value["task_definition"],
            container_name=_CONTAINER,
            secrets_tag="",  # the task definition has the secrets
            use_current_ecs_task_config=False,
            run_task_kwargs={
                "cluster": config_value["cluster"],
                "launchType": "FARGATE",
                "networkConfiguration": {
                    "awsvpcConfiguration": {
                        "subnets": config_value["subnets"].split(","),
                        "securityGroups": [config_value["security_group"]],
                        "assignPublicIp": "ENABLED",  # the way out to BEA without a NAT gateway
                    }
                },
            },
            run_resources={name: config_value[name] for name in ("cpu", "memory") if name in config_value},
        )

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        if _TASK not in run.tags:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        health: CheckRunHealthResult = super().check_run_worker_health(run)
        return health
