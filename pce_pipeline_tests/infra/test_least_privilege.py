"""Each role may do what a run does and nothing that would hurt: the very policies of the template, evaluated."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.provisioning.task_secrets import CHANNEL_VARIABLES
from pce_pipeline.bea.gateway import BeaGateway
from pce_pipeline.bronze.store import REWRITTEN
from pce_pipeline.lake.layout import ExtractId, Layout, join
from pce_pipeline.lake.store import Store, open_store
from pce_pipeline_tests.infra.policies import Call, allowed, applies
from pce_pipeline_tests.infra.recorded_run import RecordingBackend, requests
from pce_pipeline_tests.infra.rendered import ACCOUNT, REGION, Rendered
from pce_pipeline_tests.postgres_server import PostgresServer
from pce_pipeline_tests.worlds import World

HERE = f"{REGION}:{ACCOUNT}"
EXTRACT = "staging/bronze/bea/pce_state/2026-02-23"
BOTH_ENVIRONMENTS = pytest.mark.parametrize("environment", ["staging", "prod"])


def scope(environment: str) -> str:
    """What an older extract covers, added to it once."""
    extract = Layout(environment, "bea").extract("pce_state", ExtractId.parse("2026-02-23"))
    return join(extract, "scope.json")


def decision(environment: str) -> str:
    """A person's decision. It has the name of a pin, which Bronze lets be written again: its prefix protects it."""
    return join(Layout(environment, "bea").decisions("pce_state"), "_pin.json")


def quarantined(environment: str) -> str:
    """Cells of an extract that could not be typed."""
    return join(Layout(environment, "bea").quarantine("pce_state"), "2026-02-23", "part-000.parquet")


def cells(environment: str) -> str:
    """Decoded cells of an extract."""
    return join(Layout(environment, "bea").cells("pce_state"), "2026-02-23", "cells.parquet")


def report(environment: str) -> str:
    """The report of a run."""
    return join(Layout(environment, "bea").reports, "r1", "report.html")


def identity(rendered: Rendered, role: str) -> list[dict[str, Any]]:
    """All statements of a role: inline and of its managed policies."""
    managed = {rendered.physical(name): each for name, each in rendered.of_type("AWS::IAM::ManagedPolicy").items()}
    properties = rendered.properties(role)
    documents = [managed[arn]["PolicyDocument"] for arn in properties.get("ManagedPolicyArns", ())]
    documents += [each["PolicyDocument"] for each in properties.get("Policies", ())]
    return [statement for document in documents for statement in document["Statement"]]


def of_resource(rendered: Rendered, call: Call) -> list[dict[str, Any]]:
    """The statements of the resource's own policy that speak of everybody."""
    policies = {
        rendered.attribute("DataBucket", "Arn"): "DataBucketPolicy",
        rendered.attribute("LogBucket", "Arn"): "LogBucketPolicy",
        rendered.physical("AlertTopic"): "AlertTopicPolicy",
    }
    name = policies.get(call.resource.split("/", 1)[0], "")
    statements = rendered.properties(name)["PolicyDocument"]["Statement"] if name else []
    return [each for each in statements if each["Principal"] == "*"]


def may(rendered: Rendered, role: str, call: Call) -> bool:
    return allowed(call, identity(rendered, role), of_resource(rendered, call))


@pytest.fixture(scope="module")
def lake_operations(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> Iterator[set[tuple[str, str]]]:
    """Everything a life of the pipeline asks of its lake: extracts, refreshes, a rollback, healing, pruning."""
    with server.database(migrated=False) as url:
        home = tmp_path_factory.mktemp("recorded")
        world = World(home, url, env="staging", profile="smoke", chosen_lake_uri=str(home / "lake"))
        recorder = RecordingBackend(world.lake.store.backend)
        world.lake.store.backend = recorder
        world.extract()
        world.refresh(1997, 2024)
        world.extract()  # finds nothing new
        release = BeaGateway(world.settings).sample_release_file
        release.parent.mkdir(parents=True, exist_ok=True)
        release.write_text("3")
        world.extract()
        world.refresh(2020, 2025)  # a few years, as they differ in their keys alone
        first = world.bronze.extracts()[0]
        world.bronze.write_pin(first, now=datetime.now(UTC), reason="test")
        world.bronze.clear_pin(now=datetime.now(UTC))
        for extract in world.bronze.extracts():
            world.bronze.verify(extract)
        for table in world.registry.tables:
            world.lake.table(table).heal()
            world.lake.table(table).prune(timedelta(0), datetime.now(UTC))
        yield one_of_each_form(recorder.operations)


def one_of_each_form(operations: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The operations, of keys that differ in a year, a state, a day or a hash only the first: no policy knows those."""
    forms: dict[tuple[str, str], str] = {}
    for operation, key in sorted(operations):
        form = re.sub(r"[0-9a-f]{64}|\d+|(?<=state=)[^/]+", "#", key)
        forms.setdefault((operation, form), key)
    return {(operation, key) for (operation, _), key in forms.items()}


def of_run(rendered: Rendered, operations: set[tuple[str, str]]) -> list[Call]:
    """All AWS calls of a run: those on the lake as recorded, and those on the other services."""
    bucket = rendered.outputs["BucketName"]
    topic = rendered.outputs["AlertTopicArn"]
    stream = f"arn:aws:logs:{HERE}:log-group:/pce/{rendered.environment}/pipeline:log-stream:run-1"
    database = rendered.attribute("Database", "DbiResourceId")
    catalogue, tables = f"arn:aws:glue:{HERE}:catalog", rendered.outputs["GlueDatabaseName"]
    return [
        *(call for operation, key in sorted(operations) for call in requests(operation, key, bucket)),
        # a person's decision, of which the recorded run has none
        *requests("create", decision(rendered.environment), bucket),
        # nor a heartbeat, because it succeeds without `pce run`
        *requests("put", Layout(rendered.environment, "bea").heartbeat, bucket),
        # Dagster's compute logs
        Call("s3:PutObject", f"arn:aws:s3:::{bucket}/{rendered.environment}/dagster/storage/run-1/compute_logs/a.err"),
        Call("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:{database}/pce_loader"),
        Call("logs:CreateLogStream", stream),
        Call("logs:PutLogEvents", stream),
        Call("sns:Publish", topic),
        # the tables as other engines read them, of which the recorded run has none, and AWS's catalogue of them
        *requests("create", f"{rendered.environment}/iceberg/bea/gold/facts/metadata/v1.metadata.json", bucket),
        *requests("put", f"{rendered.environment}/iceberg/bea/gold/facts/metadata/version-hint.text", bucket),
        *requests("delete", f"{rendered.environment}/iceberg/bea/gold/facts/metadata/v1.metadata.json", bucket),
        *(
            Call(f"glue:{action}", resource)
            for action in ("GetTable", "CreateTable", "UpdateTable", "GetDatabase")
            for resource in (catalogue, f"arn:aws:glue:{HERE}:database/{tables}")
        ),
        *(
            Call(f"glue:{action}", f"arn:aws:glue:{HERE}:table/{tables}/gold_facts")
            for action in ("GetTable", "CreateTable", "UpdateTable")
        ),
        *of_comparison(rendered),
    ]


def of_comparison(rendered: Rendered) -> list[Call]:
    """What comparing Bronze with its second copy asks of the copy."""
    env, copy = rendered.environment, rendered.outputs["CopyBucketName"]
    return [
        *requests("list", f"{env}/bronze/bea", copy),
        *requests("list", f"{env}/decisions/bea", copy),
        *requests("get", f"{EXTRACT.replace('staging', env)}/manifest.json", copy),
    ]


def of_runner(rendered: Rendered) -> list[Call]:
    """What database_door.py calls."""
    group = f"arn:aws:ec2:{HERE}:security-group/{rendered.outputs['DatabaseSecurityGroupId']}"
    rule = f"arn:aws:ec2:{HERE}:security-group-rule/*"
    return [
        Call("ec2:AuthorizeSecurityGroupIngress", group),
        Call("ec2:AuthorizeSecurityGroupIngress", rule),
        Call("ec2:CreateTags", rule, {"ec2:CreateAction": "AuthorizeSecurityGroupIngress"}),
        Call("ec2:RevokeSecurityGroupIngress", group),
        Call("ec2:DescribeSecurityGroupRules", "*"),
        *(
            Call(f"scheduler:{action}", f"arn:aws:scheduler:{HERE}:schedule/pce-{rendered.environment}/door-20.1.2.3")
            for action in ("CreateSchedule", "UpdateSchedule", "GetSchedule", "DeleteSchedule")
        ),
        Call(
            "iam:PassRole",
            rendered.outputs["ScheduleRoleArn"],
            {"iam:PassedToService": "scheduler.amazonaws.com"},
        ),
    ]


def of_schedules(rendered: Rendered) -> list[Call]:
    """What EventBridge calls at a time: with runner reach it closes the door, with private reach it starts a task."""
    if rendered.parameters["DatabaseReach"] == "runner":
        group = f"arn:aws:ec2:{HERE}:security-group/{rendered.outputs['DatabaseSecurityGroupId']}"
        return [Call("ec2:RevokeSecurityGroupIngress", group)]
    if rendered.parameters["DailyTask"] == "no":
        return []
    cluster = rendered.attribute("Cluster", "Arn")
    task = f"arn:aws:ecs:{HERE}:task-definition/pce-{rendered.environment}:3"
    return [
        Call("ecs:RunTask", task, {"ecs:cluster": cluster}),
        *(
            Call("iam:PassRole", rendered.attribute(role, "Arn"), {"iam:PassedToService": "ecs-tasks.amazonaws.com"})
            for role in ("RuntimeRole", "TaskExecutionRole")
        ),
    ]


def of_task_starter(rendered: Rendered) -> list[Call]:
    """What a workflow with private reach calls."""
    env, bucket = rendered.environment, rendered.outputs["BucketName"]
    cluster = rendered.attribute("Cluster", "Arn")
    group = f"arn:aws:logs:{HERE}:log-group:/pce/{env}/task"
    repository = rendered.attribute("ImageRepository", "Arn")
    return [
        Call("ecs:RunTask", f"arn:aws:ecs:{HERE}:task-definition/pce-{env}:3", {"ecs:cluster": cluster}),
        Call("ecs:DescribeTasks", f"arn:aws:ecs:{HERE}:task/pce-{env}/0a1b"),
        Call("ecs:StopTask", f"arn:aws:ecs:{HERE}:task/pce-{env}/0a1b"),
        *(
            Call("iam:PassRole", rendered.attribute(role, "Arn"), {"iam:PassedToService": "ecs-tasks.amazonaws.com"})
            for role in ("RuntimeRole", "TaskExecutionRole")
        ),
        Call("logs:GetLogEvents", f"{group}:log-stream:run/pce/0a1b"),
        Call("logs:FilterLogEvents", group),
        Call("ecr:GetAuthorizationToken", "*"),
        *(
            Call(f"ecr:{action}", repository)
            for action in (
                *("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"),
                *("BatchGetImage", "GetDownloadUrlForLayer"),
            )
        ),
        Call("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": f"{env}/observability/runs/"}),
        Call("s3:GetObject", f"arn:aws:s3:::{bucket}/{env}/observability/runs/bea/r1/record.json"),
        Call("s3:GetObject", f"arn:aws:s3:::{bucket}/{env}/bronze/bea/pce_state/2026-02-23/manifest.json"),
        Call(
            "s3:PutObject",
            f"arn:aws:s3:::{bucket}/{env}/observability/alerts/bea/run_failed/k/sns.json",
            {"s3:if-none-match": "*"},
        ),
        Call("sns:Publish", rendered.outputs["AlertTopicArn"]),
    ]


def assert_exactly_enough(rendered: Rendered, role: str, calls: list[Call]) -> None:
    """Every call is allowed, and each statement is the only one that allows some call: without it, that call fails."""
    assert [call for call in calls if not may(rendered, role, call)] == []
    statements = identity(rendered, role)
    needed: set[str] = set()
    for call in calls:
        allowing = [each["Sid"] for each in statements if applies(each, call)]
        needed.update(allowing if len(allowing) == 1 else ())
    assert {each["Sid"] for each in statements} == needed
    for statement in statements:
        rest = [each for each in statements if each is not statement]
        assert not all(allowed(call, rest) for call in calls), statement["Sid"]


@pytest.mark.postgres
def test_the_recorded_run_used_every_kind_of_operation(lake_operations):
    assert {operation for operation, _ in lake_operations} == {"get", "list", "create", "put", "swap", "delete"}
    assert all(key.startswith("staging/") for _, key in lake_operations)


@pytest.mark.postgres
def test_below_bronze_a_run_writes_nothing_again_but_two_records_of_each_dataset(lake_operations):
    again = {key for operation, key in lake_operations if operation in ("put", "swap", "delete") and "/bronze/" in key}
    assert {key.rpartition("/")[2] for key in again} == set(REWRITTEN)
    assert {key.count("/") for key in again} == {4}, "<env>/bronze/<world>/<dataset>/<name>"


@pytest.mark.postgres
def test_the_runtime_role_may_do_a_whole_run_and_needs_every_statement_for_it(lake_operations):
    for reach in ("runner", "private"):
        rendered = Rendered("staging", DatabaseReach=reach)
        assert_exactly_enough(rendered, "RuntimeRole", of_run(rendered, lake_operations))


@pytest.mark.postgres
def test_with_runner_reach_the_workflow_role_may_also_open_the_door(lake_operations):
    rendered = Rendered("staging")
    calls = [*of_run(rendered, lake_operations), *of_runner(rendered)]
    assert_exactly_enough(rendered, "WorkflowRole", calls)


def test_with_private_reach_the_workflow_role_only_starts_and_follows_tasks():
    rendered = Rendered("prod", DatabaseReach="private")
    assert_exactly_enough(rendered, "WorkflowRole", of_task_starter(rendered))


def test_the_execution_role_only_starts_containers():
    rendered = Rendered("prod", DatabaseReach="private")
    stream = f"arn:aws:logs:{HERE}:log-group:/pce/prod/task:log-stream:run/pce/0a1b"
    calls = [
        Call("ecr:GetAuthorizationToken", "*"),
        Call("ecr:BatchGetImage", rendered.attribute("ImageRepository", "Arn")),
        Call("logs:PutLogEvents", stream),
        Call("secretsmanager:GetSecretValue", rendered.outputs["BeaKeySecretArn"]),
        *(Call("ssm:GetParameters", f"arn:aws:ssm:{HERE}:parameter/pce/prod/{name}") for name in CHANNEL_VARIABLES),
    ]
    assert_exactly_enough(rendered, "TaskExecutionRole", calls)
    other = Call("ssm:GetParameters", f"arn:aws:ssm:{HERE}:parameter/pce/staging/{CHANNEL_VARIABLES[0]}")
    assert not may(rendered, "TaskExecutionRole", other)


@BOTH_ENVIRONMENTS
@pytest.mark.parametrize(
    "parameters",
    [
        {"DatabaseReach": "runner"},
        {"DatabaseReach": "private", "DailyTask": "yes"},
        {"DatabaseReach": "private", "DailyTask": "no"},
    ],
)
def test_schedules_may_do_what_they_are_for_and_no_more(environment, parameters):
    rendered = Rendered(environment, **parameters)
    assert_exactly_enough(rendered, "ScheduleRole", of_schedules(rendered))


def test_the_bucket_policy_hinders_nothing_that_the_run_does_in_either_environment():
    for environment in ("staging", "prod"):
        rendered = Rendered(environment)
        bucket = rendered.outputs["BucketName"]
        for key in (
            f"{environment}/silver/bea/x/_latest.json",
            f"{environment}/gold/bea/facts/year=2024/part-000.parquet",
            f"{environment}/bronze/bea/d/_pin.json",
            quarantined(environment),
            cells(environment),
            report(environment),
            join(Layout(environment, "bea").explorer, "_latest.json"),
        ):
            for operation in ("create", "put", "swap", "get", "list", "delete"):
                for call in requests(operation, key, bucket):
                    assert may(rendered, "RuntimeRole", call), call


@BOTH_ENVIRONMENTS
@pytest.mark.parametrize("of", [scope, decision])
def test_scopes_and_decisions_are_created_and_read_never_replaced_or_deleted(environment, of):
    rendered = Rendered(environment)
    key, bucket = of(environment), rendered.outputs["BucketName"]
    for operation in ("create", "get", "list"):
        for call in requests(operation, key, bucket):
            assert may(rendered, "RuntimeRole", call), call
    for operation in ("put", "swap", "delete"):
        assert not all(may(rendered, "RuntimeRole", call) for call in requests(operation, key, bucket)), operation


def test_with_private_reach_only_tasks_reach_decisions_quarantine_cells_and_reports():
    rendered = Rendered("staging", DatabaseReach="private")
    for key in (decision("staging"), quarantined("staging"), cells("staging"), report("staging")):
        for operation in ("create", "put", "get", "list", "delete"):
            for call in requests(operation, key, rendered.outputs["BucketName"]):
                assert not may(rendered, "WorkflowRole", call), call


def forbidden(rendered: Rendered) -> dict[str, Call]:
    """What no role of staging may do, by what it would be."""
    bucket = rendered.outputs["BucketName"]
    mine, theirs = f"arn:aws:s3:::{bucket}", "arn:aws:s3:::pce-prod-databucket-1x2y3z"
    create = {"s3:if-none-match": "*"}
    plain_http = {"aws:SecureTransport": "false"}
    runtime = f"arn:aws:iam::{ACCOUNT}:role/pce-staging-runtime"
    return {
        "read the other environment's prefix": Call("s3:GetObject", f"{mine}/prod/gold/bea/facts/_latest.json"),
        "read the other environment's bucket": Call("s3:GetObject", f"{theirs}/prod/gold/bea/facts/_latest.json"),
        "write the other environment's prefix": Call("s3:PutObject", f"{mine}/prod/silver/x", create),
        "create the other environment's Bronze": Call("s3:PutObject", f"{mine}/prod/bronze/bea/d/2026-01-01/x", create),
        "delete from the other environment": Call("s3:DeleteObject", f"{mine}/prod/silver/x"),
        "read the other environment's decisions": Call("s3:GetObject", f"{mine}/{decision('prod')}"),
        "decide for the other environment": Call("s3:PutObject", f"{mine}/{decision('prod')}", create),
        "list the other environment's decisions": Call("s3:ListBucket", mine, {"s3:prefix": "prod/decisions/"}),
        "read the other environment's quarantine": Call("s3:GetObject", f"{mine}/{quarantined('prod')}"),
        "write the other environment's quarantine": Call("s3:PutObject", f"{mine}/{quarantined('prod')}", create),
        "delete from the other environment's quarantine": Call("s3:DeleteObject", f"{mine}/{quarantined('prod')}"),
        "list the other environment": Call("s3:ListBucket", mine, {"s3:prefix": "prod/"}),
        "list a prefix that only begins alike": Call("s3:ListBucket", mine, {"s3:prefix": "staging-2/"}),
        "list the whole bucket": Call("s3:ListBucket", mine, {"s3:prefix": ""}),
        "list the whole bucket without a prefix": Call("s3:ListBucket", mine),
        "list the other bucket": Call("s3:ListBucket", theirs, {"s3:prefix": "staging/"}),
        "list versions": Call("s3:ListBucketVersions", mine, {"s3:prefix": "staging/"}),
        "overwrite an object of an extract": Call("s3:PutObject", f"{mine}/{EXTRACT}/SAPCE1/1.json.gz"),
        "overwrite a manifest": Call("s3:PutObject", f"{mine}/{EXTRACT}/manifest.json"),
        "replace an object of an extract": Call(
            "s3:PutObject", f"{mine}/{EXTRACT}/manifest.json", {"s3:if-match": "x"}
        ),
        "overwrite an extract's scope": Call("s3:PutObject", f"{mine}/{scope('staging')}"),
        "overwrite a decision": Call("s3:PutObject", f"{mine}/{decision('staging')}"),
        "replace a decision": Call("s3:PutObject", f"{mine}/{decision('staging')}", {"s3:if-match": "x"}),
        "overwrite a stored event": Call("s3:PutObject", f"{mine}/staging/bronze/bea/webhook_events/2026-02-23/e.json"),
        "delete an object of an extract": Call("s3:DeleteObject", f"{mine}/{EXTRACT}/SAPCE1/1.json.gz"),
        "delete a manifest": Call("s3:DeleteObject", f"{mine}/{EXTRACT}/manifest.json"),
        "delete an extract's scope": Call("s3:DeleteObject", f"{mine}/{scope('staging')}"),
        "delete a decision": Call("s3:DeleteObject", f"{mine}/{decision('staging')}"),
        "delete a version of a decision": Call("s3:DeleteObjectVersion", f"{mine}/{decision('staging')}"),
        "delete an old version": Call("s3:DeleteObjectVersion", f"{mine}/staging/silver/bea/x/_latest.json"),
        "delete a run's record": Call("s3:DeleteObject", f"{mine}/staging/observability/runs/bea/r1/record.json"),
        "write outside of the layout": Call("s3:PutObject", f"{mine}/staging/other/x", create),
        "read without TLS": Call("s3:GetObject", f"{mine}/{EXTRACT}/manifest.json", plain_http),
        "publish without TLS": Call("sns:Publish", rendered.outputs["AlertTopicArn"], plain_http),
        "read the access log": Call("s3:GetObject", f"{rendered.attribute('LogBucket', 'Arn')}/data/x"),
        "change the bucket's policy": Call("s3:PutBucketPolicy", mine),
        "delete the bucket's policy": Call("s3:DeleteBucketPolicy", mine),
        "switch versioning off": Call("s3:PutBucketVersioning", mine),
        "change the lifecycle": Call("s3:PutLifecycleConfiguration", mine),
        "delete the bucket": Call("s3:DeleteBucket", mine),
        "read the other environment's database secret": Call(
            "secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:rds!db-prod-a1b2c3"
        ),
        "read any other secret": Call(
            "secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:x-a1b2c3"
        ),
        "change a secret": Call("secretsmanager:PutSecretValue", rendered.outputs["DatabaseSecretArn"]),
        "connect to the other database": Call("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:db-PROD/pce_loader"),
        "connect as master": Call("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:db-STAGING/pce_master"),
        "change the database": Call("rds:ModifyDBInstance", f"arn:aws:rds:{HERE}:db:pce-staging"),
        "delete the database": Call("rds:DeleteDBInstance", f"arn:aws:rds:{HERE}:db:pce-staging"),
        "write the other environment's log": Call(
            "logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/pce/prod/pipeline:log-stream:x"
        ),
        "delete its own log": Call("logs:DeleteLogGroup", f"arn:aws:logs:{HERE}:log-group:/pce/staging/pipeline:*"),
        "change retention": Call("logs:PutRetentionPolicy", f"arn:aws:logs:{HERE}:log-group:/pce/staging/pipeline:*"),
        "tell the other environment's catalogue": Call(
            "glue:UpdateTable", f"arn:aws:glue:{HERE}:table/pce_prod/gold_facts"
        ),
        "drop a table from the catalogue": Call("glue:DeleteTable", f"arn:aws:glue:{HERE}:table/pce_staging/x"),
        "drop the catalogue's database": Call("glue:DeleteDatabase", f"arn:aws:glue:{HERE}:database/pce_staging"),
        "ask Athena": Call("athena:StartQueryExecution", f"arn:aws:athena:{HERE}:workgroup/pce-staging"),
        "lift the limit of questions": Call("athena:UpdateWorkGroup", f"arn:aws:athena:{HERE}:workgroup/pce-staging"),
        "write where Athena answers": Call("s3:PutObject", f"{mine}/staging/athena/x.csv"),
        "alert the other environment": Call("sns:Publish", f"arn:aws:sns:{HERE}:pce-prod-alerts"),
        "subscribe somebody": Call("sns:Subscribe", rendered.outputs["AlertTopicArn"]),
        "open another security group": Call(
            "ec2:AuthorizeSecurityGroupIngress", f"arn:aws:ec2:{HERE}:security-group/sg-proddatabasesecuritygroup"
        ),
        "open egress": Call("ec2:AuthorizeSecurityGroupEgress", f"arn:aws:ec2:{HERE}:security-group/sg-1"),
        "tag what it did not open": Call("ec2:CreateTags", f"arn:aws:ec2:{HERE}:security-group-rule/sgr-1"),
        "describe another region": Call("ec2:DescribeSecurityGroupRules", "*", {"aws:RequestedRegion": "eu-west-1"}),
        "let another door close itself": Call(
            "scheduler:CreateSchedule", f"arn:aws:scheduler:{HERE}:schedule/pce-prod/door-20.1.2.3"
        ),
        "make any other schedule": Call("scheduler:CreateSchedule", f"arn:aws:scheduler:{HERE}:schedule/pce-staging/x"),
        "take the daily task away": Call(
            "scheduler:DeleteSchedule", f"arn:aws:scheduler:{HERE}:schedule/pce-staging/daily"
        ),
        "give a schedule another role": Call(
            "iam:PassRole", runtime, {"iam:PassedToService": "scheduler.amazonaws.com"}
        ),
        "silence an alarm": Call(
            "cloudwatch:DisableAlarmActions", f"arn:aws:cloudwatch:{HERE}:alarm:pce-staging-heartbeat"
        ),
        "take an alarm away": Call("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:{HERE}:alarm:pce-staging-heartbeat"),
        "make up a heartbeat without a log line": Call("cloudwatch:PutMetricData", "*"),
        "run a task of the other environment": Call(
            "ecs:RunTask",
            f"arn:aws:ecs:{HERE}:task-definition/pce-prod:1",
            {"ecs:cluster": f"arn:aws:ecs:{HERE}:cluster/pce-prod"},
        ),
        "run its task in another cluster": Call(
            "ecs:RunTask",
            f"arn:aws:ecs:{HERE}:task-definition/pce-staging:1",
            {"ecs:cluster": f"arn:aws:ecs:{HERE}:cluster/other"},
        ),
        "define a task": Call("ecs:RegisterTaskDefinition", "*"),
        "pass its role to a machine": Call("iam:PassRole", runtime, {"iam:PassedToService": "ec2.amazonaws.com"}),
        "pass an administrator's role": Call(
            "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
        ),
        "change its own permissions": Call("iam:PutRolePolicy", runtime),
        "attach permissions": Call("iam:AttachRolePolicy", runtime, {"iam:PolicyARN": "arn:aws:iam::aws:policy/Admin"}),
        "change a policy": Call("iam:CreatePolicyVersion", f"arn:aws:iam::{ACCOUNT}:policy/pce-staging-PipelinePolicy"),
        "change who may assume it": Call("iam:UpdateAssumeRolePolicy", runtime),
        "make a user": Call("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x"),
        "make a key": Call("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/x"),
        "become another role": Call("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/pce-prod-runtime"),
        "change the stack": Call("cloudformation:UpdateStack", f"arn:aws:cloudformation:{HERE}:stack/pce-staging/*"),
    }


@pytest.mark.parametrize("reach", ["runner", "private"])
@pytest.mark.parametrize("what", sorted(forbidden(Rendered("staging"))))
def test_no_role_may(what, reach):
    rendered = Rendered("staging", DatabaseReach=reach)
    roles = rendered.of_type("AWS::IAM::Role")
    assert [role for role in roles if may(rendered, role, forbidden(rendered)[what])] == []


@pytest.mark.parametrize(
    ("what", "sid"),
    [
        (Call("s3:PutObject", f"/{EXTRACT}/SAPCE1/1.json.gz"), "WrittenOnce"),
        (Call("s3:PutObject", f"/{EXTRACT}/manifest.json", {"s3:if-match": "x"}), "WrittenOnce"),
        (Call("s3:DeleteObject", f"/{EXTRACT}/manifest.json"), "NeverDeleted"),
        *(
            (call, sid)
            for environment in ("staging", "prod")
            for key in (scope(environment), decision(environment))
            for call, sid in (
                (Call("s3:PutObject", f"/{key}"), "WrittenOnce"),
                (Call("s3:PutObject", f"/{key}", {"s3:if-match": "x"}), "WrittenOnce"),
                (Call("s3:DeleteObject", f"/{key}"), "NeverDeleted"),
            )
        ),
        (Call("s3:DeleteObjectVersion", f"/{EXTRACT}/manifest.json"), "OldVersionsAreForTheLifecycle"),
        (Call("s3:GetObject", f"/{EXTRACT}/manifest.json", {"aws:SecureTransport": "false"}), "TlsOnly"),
    ],
)
def test_the_bucket_itself_refuses_even_an_administrator_and_each_statement_is_needed_for_it(what, sid):
    rendered = Rendered("staging")
    call = Call(what.action, rendered.attribute("DataBucket", "Arn") + what.resource, what.context)
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    policy = of_resource(rendered, call)
    assert not allowed(call, everything, policy)
    assert allowed(call, everything, [each for each in policy if each["Sid"] != sid])


def test_the_bucket_lets_an_administrator_create_what_is_new_and_upload_it_in_parts():
    rendered = Rendered("staging")
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    for key in (f"{EXTRACT}/archive.zip", scope("staging"), decision("staging")):
        for context in ({"s3:if-none-match": "*"}, {"s3:ObjectCreationOperation": "false"}):
            call = Call("s3:PutObject", f"{rendered.attribute('DataBucket', 'Arn')}/{key}", context)
            assert allowed(call, everything, of_resource(rendered, call))


def of_migration(rendered: Rendered) -> list[Call]:
    """What `pce db migrate` calls: it signs in as the owner, and the first time as the master."""
    database = rendered.attribute("Database", "DbiResourceId")
    return [
        Call("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:{database}/pce_owner"),
        Call("secretsmanager:GetSecretValue", rendered.outputs["DatabaseSecretArn"]),
    ]


def of_migration_starter(rendered: Rendered) -> list[Call]:
    """What the job that migrates calls with private reach."""
    env, cluster = rendered.environment, rendered.attribute("Cluster", "Arn")
    definition = f"arn:aws:ecs:{HERE}:task-definition/{rendered.outputs['MigrationTaskDefinitionFamily']}:1"
    passed = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    return [
        Call("ecs:RunTask", definition, {"ecs:cluster": cluster}),
        Call("ecs:DescribeTasks", f"arn:aws:ecs:{HERE}:task/pce-{env}/0a1b"),
        Call("ecs:StopTask", f"arn:aws:ecs:{HERE}:task/pce-{env}/0a1b"),
        *(Call("iam:PassRole", rendered.attribute(role, "Arn"), passed) for role in MIGRATION_ROLES),
        Call("logs:GetLogEvents", f"arn:aws:logs:{HERE}:log-group:/pce/{env}/task:log-stream:run/pce/0a1b"),
    ]


MIGRATION_ROLES = ("MigrationTaskRole", "TaskExecutionRole")


def test_the_roles_of_migrations_do_that_and_nothing_else():
    runner, private = Rendered("staging"), Rendered("prod", DatabaseReach="private")
    assert_exactly_enough(runner, "MigrationRole", [*of_migration(runner), *of_runner(runner)])
    assert_exactly_enough(private, "MigrationTaskRole", of_migration(private))
    assert_exactly_enough(private, "MigrationRole", of_migration_starter(private))


@pytest.mark.parametrize("reach", ["runner", "private"])
def test_no_role_of_the_daily_run_becomes_the_owner_or_starts_what_is(reach):
    rendered = Rendered("staging", DatabaseReach=reach)
    daily = ["WorkflowRole", "RuntimeRole"]
    owning = of_migration(rendered)
    if reach == "private":
        starts, _, _, passes, *_ = of_migration_starter(rendered)
        owning += [starts, passes]
        daily.append("TaskExecutionRole")
    assert [(role, call) for role in daily for call in owning if may(rendered, role, call)] == []


def test_once_the_tables_are_made_no_role_reads_the_master_password():
    rendered = Rendered("staging", MasterSecretReadable="no")
    call = Call("secretsmanager:GetSecretValue", rendered.outputs["DatabaseSecretArn"])
    assert may(Rendered("staging"), "MigrationRole", call)
    assert [role for role in rendered.of_type("AWS::IAM::Role") if may(rendered, role, call)] == []


@pytest.mark.parametrize(("role", "suffix"), [("WorkflowRole", ""), ("MigrationRole", "-migrate")])
def test_each_workflow_role_is_for_one_github_environment(role, suffix):
    rendered = Rendered("staging")
    (trust,) = rendered.properties(role)["AssumeRolePolicyDocument"]["Statement"]
    issuer = "token.actions.githubusercontent.com"
    let_in = [
        name
        for name in ("staging", "staging-migrate", "prod", "prod-migrate")
        if allowed(
            Call(
                "sts:AssumeRoleWithWebIdentity",
                "*",
                {f"{issuer}:sub": f"repo:octo@1/pce@2:environment:{name}", f"{issuer}:aud": "sts.amazonaws.com"},
            ),
            [{**trust, "Resource": "*"}],
        )
    ]
    assert let_in == [f"staging{suffix}"]


def test_an_existing_bucket_is_used_with_the_same_narrow_permissions():
    rendered = Rendered("staging", BucketName="shared-lake")
    assert rendered.outputs["BucketName"] == "shared-lake"
    statements = identity(rendered, "RuntimeRole")
    for once in (f"{EXTRACT}/manifest.json", scope("staging"), decision("staging")):
        key = f"arn:aws:s3:::shared-lake/{once}"
        assert allowed(Call("s3:PutObject", key, {"s3:if-none-match": "*"}), statements)
        assert not allowed(Call("s3:PutObject", key), statements), "write-once needs no bucket policy for our own role"
        assert not allowed(Call("s3:DeleteObject", key), statements)
    for call in (
        *requests("put", quarantined("staging"), "shared-lake"),
        *requests("delete", quarantined("staging"), "shared-lake"),
    ):
        assert allowed(call, statements), call
    assert not allowed(Call("s3:GetObject", "arn:aws:s3:::shared-lake/prod/x"), statements)


@pytest.mark.parametrize(
    ("subject", "audience", "may_assume"),
    [
        ("repo:octo@1/pce@2:environment:staging", "sts.amazonaws.com", True),
        ("repo:octo@1/pce@2:environment:prod", "sts.amazonaws.com", False),
        ("repo:octo@1/pce@2:ref:refs/heads/main", "sts.amazonaws.com", False),
        ("repo:octo@1/pce@2:pull_request", "sts.amazonaws.com", False),
        ("repo:octo@1/other@3:environment:staging", "sts.amazonaws.com", False),
        ("repo:octo/pce:environment:staging", "sts.amazonaws.com", False),
        ("repo:octo@9/pce@8:environment:staging", "sts.amazonaws.com", False),
        ("repo:octo@1/pce@2:environment:staging", "https://github.com/octo", False),
    ],
)
def test_only_workflows_of_this_repository_and_environment_assume_the_workflow_role(subject, audience, may_assume):
    rendered = Rendered("staging")
    trust = rendered.properties("WorkflowRole")["AssumeRolePolicyDocument"]["Statement"]
    issuer = "token.actions.githubusercontent.com"
    call = Call("sts:AssumeRoleWithWebIdentity", "*", {f"{issuer}:sub": subject, f"{issuer}:aud": audience})
    assert allowed(call, [{**each, "Resource": "*"} for each in trust]) is may_assume
    assert [each["Principal"] for each in trust] == [{"Federated": rendered.physical("GitHubOidcProvider")}]


def test_only_tasks_of_this_account_assume_the_runtime_role():
    rendered = Rendered("staging", DatabaseReach="private")
    for role in ("RuntimeRole", "TaskExecutionRole"):
        (trust,) = rendered.properties(role)["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        own = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": f"arn:aws:ecs:{HERE}:cluster/pce-staging"}
        assert allowed(Call("sts:AssumeRole", "*", own), [{**trust, "Resource": "*"}])
        foreign = {"aws:SourceAccount": "999999999999", "aws:SourceArn": f"arn:aws:ecs:{REGION}:999999999999:cluster/x"}
        assert not allowed(Call("sts:AssumeRole", "*", foreign), [{**trust, "Resource": "*"}])


def test_no_statement_of_any_role_grants_a_wildcard_action():
    for reach in ("runner", "private"):
        rendered = Rendered("prod", DatabaseReach=reach)
        for role in rendered.of_type("AWS::IAM::Role"):
            for statement in identity(rendered, role):
                assert "*" not in str(statement["Action"]), (role, statement["Sid"])
                if statement["Resource"] == "*":
                    assert statement["Sid"] in ("SeeWhatIsOpen", "LogInToRegistry")


def test_the_recorder_is_a_backend_of_the_lake(tmp_path: Path):
    recorder = RecordingBackend(open_store(tmp_path).backend)
    Store(recorder).put("a/b", b"x")
    assert recorder.operations == {("put", "a/b")}
