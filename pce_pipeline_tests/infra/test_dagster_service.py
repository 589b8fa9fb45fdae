"""One task per run: the launcher asks ECS as it should, with the service's permissions, and what it asks for works."""

import json
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from moto import mock_aws

from pce_pipeline.automation.jobs import extract_config, extract_job_name
from pce_pipeline.definitions import build_definitions
from pce_pipeline.settings import load_settings
from pce_pipeline_tests.infra.operated import HOME, ROOT, Operated, environment, operated
from pce_pipeline_tests.infra.policies import Call, allowed, applies
from pce_pipeline_tests.infra.rendered import ACCOUNT, REGION, Rendered
from pce_pipeline_tests.infra.test_least_privilege import identity
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.servers import S3

MOTO = "123456789012"
HERE = f"{REGION}:{ACCOUNT}"
BOTH_ENVIRONMENTS = pytest.mark.parametrize("environment_name", ["staging", "prod"])


def service(environment_name: str = "staging") -> Rendered:
    return Rendered(environment_name, DatabaseReach="private", DagsterService="yes")


@pytest.fixture(scope="module")
def staging(server: PostgresServer, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    with operated(server, s3, tmp_path_factory.mktemp("machine")) as there:
        yield there


@contextmanager
def cluster() -> Iterator[dict[str, str | None]]:
    """Moto's ECS with the template's task definition and a network; the variables that name them."""
    with environment({"AWS_ENDPOINT_URL": None, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}), mock_aws():
        ec2, ecs = boto3.client("ec2", region_name=REGION), boto3.client("ecs", region_name=REGION)
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{number}.0/24")["Subnet"]["SubnetId"] for number in (10, 11)
        ]
        group = ec2.create_security_group(GroupName="task", Description="tasks", VpcId=vpc)["GroupId"]
        ecs.create_cluster(clusterName="pce-staging")
        task = service().properties("Task")
        ecs.register_task_definition(
            family=task["Family"],
            requiresCompatibilities=task["RequiresCompatibilities"],
            networkMode=task["NetworkMode"],
            cpu=task["Cpu"],
            memory=task["Memory"],
            taskRoleArn=task["TaskRoleArn"],
            executionRoleArn=task["ExecutionRoleArn"],
            containerDefinitions=[
                # moto, unlike Fargate, wants a memory of the container's own
                {"name": each["Name"], "image": each["Image"], "essential": each["Essential"], "memory": 8192}
                for each in task["ContainerDefinitions"]
            ],
        )
        yield {
            "PCE_ECS_CLUSTER": "pce-staging",
            "PCE_ECS_TASK_DEFINITION": task["Family"],
            "PCE_ECS_SUBNETS": ",".join(subnets),
            "PCE_ECS_SECURITY_GROUP": group,
            "DAGSTER_HOME": str(HOME / "ecs"),
        }


def extract_run(instance: dg.DagsterInstance, today: str) -> dg.DagsterRun:
    """A run as the page or the daemon makes it, before it is launched."""
    repository = ReconstructableRepository.for_module("pce_pipeline.definitions", "defs", working_directory=str(ROOT))
    instance.add_dynamic_partitions("pce_state_extracts", [today])
    return instance.create_run_for_job(
        build_definitions(load_settings()).resolve_job_def(extract_job_name("pce_state")),
        tags={"dagster/partition": today},
        run_config=extract_config("pce_state"),
        job_code_origin=repository.get_reconstructable_job(extract_job_name("pce_state")).get_python_origin(),
    )


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.s3
def test_a_run_becomes_a_task_whose_command_does_the_work(staging, tmp_path):
    today = datetime.now(UTC).date().isoformat()
    asked: list[tuple[str, dict[str, Any]]] = []
    with cluster() as variables, environment(variables), dg.DagsterInstance.get() as instance:
        launcher: Any = instance.run_launcher
        for client in (launcher.ecs, launcher.logs, launcher.secrets_manager):
            client.meta.events.register(
                "provide-client-params", lambda params, model, **_: asked.append((model.name, params))
            )
        run = extract_run(instance, today)
        launcher.launch_run(LaunchRunContext(run, workspace=None))
        launched = instance.get_run_by_id(run.run_id)
        assert launched is not None
        assert launcher.check_run_worker_health(launched).status is WorkerStatus.RUNNING
        assert launcher.terminate(run.run_id)
    names = [name for name, _ in asked]
    assert set(names) == {"RunTask", "DescribeTasks", "StopTask"}
    task = asked[names.index("RunTask")][1]
    assert (task["cluster"], task["launchType"]) == ("pce-staging", "FARGATE")
    assert task["taskDefinition"].endswith(":task-definition/pce-staging:1")
    assert task["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": str(variables["PCE_ECS_SUBNETS"]).split(","),
        "securityGroups": [variables["PCE_ECS_SECURITY_GROUP"]],
        "assignPublicIp": "ENABLED",
    }
    assert {"key": "dagster/run_id", "value": run.run_id} in task["tags"]
    (container,) = task["overrides"]["containerOverrides"]
    assert container["name"] == "pce"
    assert len(json.dumps(task["overrides"])) < 8192, "ECS takes no more"
    assert "pce_loader-password" not in json.dumps(task)
    program, *arguments = container["command"]
    # what the task does, as the container does it, with the variables of the task definition
    with dg.DagsterInstance.get() as instance:
        again = extract_run(instance, today)
    done = subprocess.run(
        [
            str(Path(sysconfig.get_path("scripts")) / program),
            *(each.replace(run.run_id, again.run_id) for each in arguments),
        ],
        cwd=tmp_path,
        env={**staging.variables, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert staging.query(f"SELECT status FROM dagster.runs WHERE run_id = '{again.run_id}'") == [("SUCCESS",)]
    assert staging.objects(f"staging/bronze/sample-smoke/pce_state/{today}/manifest.json")
    written = staging.objects(f"staging/dagster/storage/{again.run_id}/compute_logs/")
    assert {key.rsplit(".", 1)[1] for key in written} >= {"out", "err"}


@pytest.mark.postgres
@pytest.mark.s3
def test_runs_that_others_have_started_are_left_alone(staging):
    with cluster() as variables, environment(variables), dg.DagsterInstance.get() as instance:
        of_a_workflow = instance.create_run_for_job(build_definitions(load_settings()).resolve_job_def("refresh"))
        launcher: Any = instance.run_launcher
        assert launcher.check_run_worker_health(of_a_workflow).status is WorkerStatus.RUNNING


def of_service(rendered: Rendered) -> list[Call]:
    """What the launcher calls (the test above records it), and what opens the page."""
    env = rendered.environment
    task = f"arn:aws:ecs:{HERE}:task/pce-{env}/0a1b"
    return [
        Call("ecs:DescribeTaskDefinition", "*"),
        Call(
            "ecs:RunTask",
            f"arn:aws:ecs:{HERE}:task-definition/pce-{env}:3",
            {"ecs:cluster": rendered.attribute("Cluster", "Arn")},
        ),
        Call("ecs:TagResource", task, {"ecs:CreateAction": "RunTask"}),
        Call("ecs:DescribeTasks", task),
        Call("ecs:StopTask", task),
        *(
            Call("iam:PassRole", rendered.attribute(role, "Arn"), {"iam:PassedToService": "ecs-tasks.amazonaws.com"})
            for role in ("RuntimeRole", "TaskExecutionRole")
        ),
        Call("logs:GetLogEvents", f"arn:aws:logs:{HERE}:log-group:/pce/{env}/task:log-stream:run/pce/0a1b"),
        *(
            Call(f"ssmmessages:{action}", "*")
            for action in ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
        ),
    ]


@BOTH_ENVIRONMENTS
def test_the_service_may_launch_runs_and_do_what_a_run_does_and_nothing_else(environment_name):
    rendered = service(environment_name)
    statements, calls = identity(rendered, "DagsterRole"), of_service(rendered)
    (own,) = rendered.properties("DagsterRole")["Policies"]
    assert [call for call in calls if not allowed(call, statements)] == []
    for statement in own["PolicyDocument"]["Statement"]:
        assert any(applies(statement, call) for call in calls), statement["Sid"]
        assert "*" not in str(statement["Action"])
        rest = [each for each in statements if each is not statement]
        assert not all(allowed(call, rest) for call in calls), statement["Sid"]
    other = {"staging": "prod", "prod": "staging"}[environment_name]
    for forbidden in (
        Call(
            "ecs:RunTask",
            f"arn:aws:ecs:{HERE}:task-definition/pce-{other}:1",
            {"ecs:cluster": f"arn:aws:ecs:{HERE}:cluster/pce-{other}"},
        ),
        Call("ecs:StopTask", f"arn:aws:ecs:{HERE}:task/pce-{other}/0a1b"),
        Call("ecs:TagResource", f"arn:aws:ecs:{HERE}:task/pce-{environment_name}/0a1b"),
        Call("ecs:RegisterTaskDefinition", "*"),
        Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PassedToService": "ecs-tasks.amazonaws.com"}),
        Call("secretsmanager:ListSecrets", "*"),
        Call("ecs:DescribeTaskDefinition", "*", {"aws:RequestedRegion": "eu-west-1"}),
    ):
        assert not allowed(forbidden, statements), forbidden


def test_the_service_is_given_what_its_instance_reads():
    rendered = service()
    (container,) = rendered.properties("DagsterTask")["ContainerDefinitions"]
    given = {each["Name"]: each["Value"] for each in container["Environment"]}
    (task,) = rendered.properties("Task")["ContainerDefinitions"]
    assert {each["Name"]: each["Value"] for each in task["Environment"]}.items() <= given.items()
    assert container["Secrets"] == task["Secrets"]
    read = set(re.findall(r"\{env: (\w+)\}", (HOME / "ecs" / "dagster.yaml").read_text("utf-8")))
    assert read <= given.keys()
    assert given["PCE_ECS_TASK_DEFINITION"] == rendered.outputs["TaskDefinitionFamily"]
    assert given["PCE_ECS_CLUSTER"] == rendered.outputs["ClusterName"]
    assert given["PCE_ECS_SUBNETS"] == rendered.outputs["TaskSubnetIds"]
    assert given["PCE_ECS_SECURITY_GROUP"] == rendered.outputs["TaskSecurityGroupId"]


def test_one_daemon_runs_and_its_page_is_reached_by_a_session_only():
    rendered = service()
    daemon = rendered.properties("DagsterDaemon")
    assert (daemon["DesiredCount"], daemon["DeploymentConfiguration"]["MaximumPercent"]) == (1, 100)
    assert daemon["EnableExecuteCommand"] is True
    (container,) = rendered.properties("DagsterTask")["ContainerDefinitions"]
    assert "PortMappings" not in container
    assert "--host 127.0.0.1" in container["Command"][-1]
    checked = subprocess.run(["bash", "-n", "-c", container["Command"][-1]], capture_output=True, check=False)
    assert checked.returncode == 0
    (trust,) = rendered.properties("DagsterRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}


def test_there_is_no_service_unless_it_is_asked_for():
    for parameters in ({}, {"DagsterService": "yes"}, {"DatabaseReach": "private"}):
        assert "AWS::ECS::Service" not in {each["Type"] for each in Rendered(**parameters).resources.values()}
