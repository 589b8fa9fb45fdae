"""The template says what must hold: encryption, closed doors, retention, deletion policies, isolation, size."""

import json
import re
import shutil
import subprocess
import sysconfig

import pytest
import yaml

from infra.provisioning import heartbeat, outputs
from infra.provisioning.command import TEMPLATE
from infra.provisioning.options import PARAMETERS
from infra.provisioning.task_secrets import CHANNEL_VARIABLES, none_known
from infra.provisioning.template import template_body
from pce_pipeline.settings import Settings
from pce_pipeline_tests.infra.rendered import Rendered, parsed

ROOT = TEMPLATE.parents[2]
BOTH_REACHES = pytest.mark.parametrize("reach", ["runner", "private"])
BOTH_ENVIRONMENTS = pytest.mark.parametrize("environment", ["staging", "prod"])


def test_cfn_lint_has_nothing_to_say():
    program = shutil.which("cfn-lint", path=sysconfig.get_path("scripts")) or shutil.which("cfn-lint")
    assert program is not None, "cfn-lint is locked for developers: make .venv/.dev installs it"
    told = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


@pytest.mark.parametrize("name", [".cfnlintrc.yaml", ".checkov.yaml"])
def test_what_a_linter_is_told_to_pass_over_has_its_reason_above(name):
    lines = (ROOT / name).read_text("utf-8").splitlines()
    ignored = [number for number, line in enumerate(lines) if re.fullmatch(r"  - [A-Z_0-9]+", line)]
    assert ignored
    for number in ignored:
        above = next(line for line in reversed(lines[:number]) if not re.fullmatch(r"  - [A-Z_0-9]+", line))
        assert above.startswith("  # "), lines[number]


def test_cfn_lint_reads_every_template_with_every_rule():
    told = yaml.safe_load((ROOT / ".cfnlintrc.yaml").read_text("utf-8"))
    assert (told["include_checks"], told["include_experimental"]) == (["I"], True)
    found = {path for pattern in told["templates"] for path in ROOT.glob(pattern)}
    assert found == set((ROOT / "infra" / "templates").iterdir())


def test_the_template_is_sent_whole_and_in_one_piece():
    body = template_body(TEMPLATE)
    assert len(body.encode()) < 1_000_000, "what CloudFormation takes from a bucket"
    assert parsed(body) == parsed(TEMPLATE.read_text("utf-8"))
    assert json.loads(body), "as JSON: YAML may have aliases, which CloudFormation refuses"


def test_every_parameter_can_be_set_and_every_option_sets_one():
    own = {"Environment", "DatabaseProtected", heartbeat.PARAMETER, *none_known()}
    assert {option.parameter for option in PARAMETERS} | own == set(Rendered().template["Parameters"])
    assert all(option.variable.startswith("PCE_INFRA_") for option in PARAMETERS)


@BOTH_ENVIRONMENTS
@pytest.mark.parametrize("bucket", ["DataBucket", "LogBucket", "CopyBucket"])
def test_buckets_are_private_encrypted_and_outlive_the_stack(environment, bucket):
    rendered = Rendered(environment)
    resource, properties = rendered.resources[bucket], rendered.properties(bucket)
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "BucketName" not in properties, "a fixed name would clash with the bucket that an earlier stack left behind"


def test_the_lake_is_versioned_and_its_accesses_are_logged():
    properties = Rendered().properties("DataBucket")
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["LoggingConfiguration"]["DestinationBucketName"] == Rendered().physical("LogBucket")
    delivery = Rendered().properties("LogBucketPolicy")["PolicyDocument"]["Statement"][1]
    assert delivery["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert delivery["Condition"]["ArnLike"] == {"aws:SourceArn": Rendered().attribute("DataBucket", "Arn")}


@BOTH_ENVIRONMENTS
def test_the_lifecycle_clears_up_and_saves_without_touching_what_is_current(environment):
    rules = {
        rule["Id"]: rule for rule in Rendered(environment).properties("DataBucket")["LifecycleConfiguration"]["Rules"]
    }
    assert all(rule["Status"] == "Enabled" for rule in rules.values())
    keep = {"staging": "30", "prod": "365"}[environment]
    assert rules["old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": keep}
    assert "Prefix" not in rules["old-versions"], "what was replaced or deleted ends everywhere, in quarantine, too"
    assert rules["broken-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert not [rule for rule in rules.values() if "Transitions" in rule], "what is read each week is cheapest here"
    expiring = {rule["Prefix"] for rule in rules.values() if "ExpirationInDays" in rule}
    for permanent in ("bronze/", "silver/", "gold/", "decisions/", "quarantine/", "cells/", "explorer/"):
        below = f"{environment}/{permanent}"
        assert not [prefix for prefix in expiring if prefix.startswith(below) or below.startswith(prefix)]


@BOTH_ENVIRONMENTS
@BOTH_REACHES
def test_the_database_is_encrypted_backed_up_and_protected(environment, reach):
    rendered = Rendered(environment, DatabaseReach=reach)
    resource, database = rendered.resources["Database"], rendered.properties("Database")
    is_prod = environment == "prod"
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")
    assert database["Engine"] == "postgres"
    assert int(database["EngineVersion"]) >= 17
    assert database["StorageEncrypted"] is True
    assert database["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in database
    assert database["EnableIAMDatabaseAuthentication"] is True
    assert database["DeletionProtection"] is False, "while it is made; the program switches it on"
    assert Rendered(environment, DatabaseProtected="yes").properties("Database")["DeletionProtection"] is True
    assert int(database["BackupRetentionPeriod"]) >= (30 if is_prod else 7)
    assert database["PubliclyAccessible"] is (reach == "runner")
    assert database["CopyTagsToSnapshot"] is True
    assert database["EnableCloudwatchLogsExports"] == ["postgresql"]
    parameters = rendered.properties("DatabaseParameters")
    assert parameters["Family"] == f"postgres{database['EngineVersion']}"
    assert parameters["Parameters"]["rds.force_ssl"] == "1"


@BOTH_REACHES
def test_nobody_can_connect_to_the_database_after_an_apply_but_the_tasks(reach):
    rendered = Rendered(DatabaseReach=reach)
    assert "SecurityGroupIngress" not in rendered.properties("DatabaseSecurityGroup")
    rules = rendered.of_type("AWS::EC2::SecurityGroupIngress")
    if reach == "runner":
        assert rules == {}
    else:
        (rule,) = rules.values()
        assert rule["SourceSecurityGroupId"] == rendered.physical("TaskSecurityGroup")
        assert (rule["FromPort"], rule["ToPort"]) == (5432, 5432)
        assert "SecurityGroupIngress" not in rendered.properties("TaskSecurityGroup")
    egress = rendered.properties("DatabaseSecurityGroup")["SecurityGroupEgress"]
    assert [each["CidrIp"] for each in egress] == ["127.0.0.1/32"]


def test_only_with_runner_reach_the_database_subnets_lead_to_the_internet():
    assert "DatabaseInternetRoute" in Rendered().resources
    private = Rendered(DatabaseReach="private")
    routes = private.of_type("AWS::EC2::Route")
    assert set(routes) == {"TaskInternetRoute"}
    assert routes["TaskInternetRoute"]["RouteTableId"] == private.physical("TaskRouteTable")
    assert not private.of_type("AWS::EC2::NatGateway")


def test_changing_the_reach_changes_no_subnet_of_the_database():
    both = [Rendered(DatabaseReach=reach) for reach in ("runner", "private")]
    for name in (
        "DatabaseSubnets",
        "DatabaseSubnetA",
        "DatabaseSubnetB",
        "DatabaseSecurityGroup",
        "DatabaseParameters",
    ):
        assert both[0].properties(name) == both[1].properties(name)
    differing = {
        key for key, value in both[0].properties("Database").items() if both[1].properties("Database")[key] != value
    }
    assert differing == {"PubliclyAccessible"}


def test_the_gateway_endpoint_leads_to_the_lake_and_to_container_layers_only():
    rendered = Rendered(DatabaseReach="private")
    endpoint = rendered.properties("S3GatewayEndpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert endpoint["RouteTableIds"] == [rendered.physical("TaskRouteTable")]
    resources = [
        arn
        for statement in endpoint["PolicyDocument"]["Statement"]
        for arn in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    ]
    lake = rendered.attribute("DataBucket", "Arn")
    copy = rendered.attribute("CopyBucket", "Arn")
    assert resources == [lake, f"{lake}/*", copy, f"{copy}/*", "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"]


@BOTH_ENVIRONMENTS
def test_log_groups_end_and_carry_the_environments_name(environment):
    groups = Rendered(environment, DatabaseReach="private").of_type("AWS::Logs::LogGroup")
    assert {each["LogGroupName"] for each in groups.values()} == {
        f"/pce/{environment}/pipeline",
        f"/pce/{environment}/task",
        f"/aws/rds/instance/pce-{environment}/postgresql",
    }
    assert {each["RetentionInDays"] for each in groups.values()} == {{"staging": "30", "prod": "365"}[environment]}
    rendered = Rendered(environment)
    assert rendered.resources["Database"]["DependsOn"] == "DatabaseLogGroup", "else RDS makes one that never ends"


def test_alerts_and_the_budget_reach_the_address():
    rendered = Rendered(AlertEmail="me@example.org", MonthlyBudgetUsd="25")
    subscription = rendered.properties("AlertSubscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "me@example.org")
    budget = rendered.properties("MonthlyBudget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": "25", "Unit": "USD"}
    assert budget["Budget"]["TimeUnit"] == "MONTHLY"
    notified = [
        (each["Notification"]["NotificationType"], each["Notification"]["Threshold"], each["Subscribers"][0]["Address"])
        for each in budget["NotificationsWithSubscribers"]
    ]
    assert notified == [("ACTUAL", 80, "me@example.org"), ("FORECASTED", 100, "me@example.org")]


def test_no_secret_is_a_parameter_an_output_or_a_value():
    rendered = Rendered(DatabaseReach="private", BeaKeyStored="yes", SlackAlerts="yes", WebhookAlerts="yes")
    named = {
        name: each.get("AllowedValues")
        for name, each in rendered.template["Parameters"].items()
        if re.search("password|key|token|secret|alerts", name, re.IGNORECASE)
    }
    assert set(map(str, named.values())) == {"['yes', 'no']"}, "whether there is one, never the secret itself"
    assert "SecretString" not in rendered.properties("BeaKeySecret")
    assert "GenerateSecretString" not in rendered.properties("BeaKeySecret")
    (container,) = rendered.properties("Task")["ContainerDefinitions"]
    assert [each["Name"] for each in container["Secrets"]] == ["BEA_API_KEY", *CHANNEL_VARIABLES]
    assert not [each for each in container["Environment"] if re.search("KEY|PASSWORD|SECRET", each["Name"])]
    address = next(each["Value"] for each in container["Environment"] if each["Name"] == "PCE_DATABASE_URL")
    assert re.fullmatch(r"postgresql://pce_loader@[^:@]+:5432/pce\?sslmode=verify-full", address)


def test_a_task_gets_the_environment_that_the_outputs_name():
    rendered = Rendered("prod", DatabaseReach="private", BeaKeyStored="yes")
    (container,) = rendered.properties("Task")["ContainerDefinitions"]
    given = {each["Name"]: each["Value"] for each in container["Environment"]}
    wanted = outputs.environment_lines("prod", "us-east-1", rendered.outputs)
    assert given == {name: wanted[name] for name in given}
    assert set(wanted) - set(given) == {"PCE_DATABASE_SECRET_ARN"}


def test_tasks_run_without_a_way_in_and_log_where_the_workflow_reads():
    rendered = Rendered(DatabaseReach="private")
    task = rendered.properties("Task")
    assert (task["NetworkMode"], task["RequiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
    assert task["TaskRoleArn"] == rendered.outputs["RuntimeRoleArn"]
    assert task["ExecutionRoleArn"] == rendered.outputs["TaskExecutionRoleArn"]
    options = task["ContainerDefinitions"][0]["LogConfiguration"]["Options"]
    assert (options["awslogs-group"], options["mode"]) == ("/pce/staging/task", "blocking")


def test_every_container_says_whether_it_waits_for_its_log():
    rendered = Rendered(DatabaseReach="private", DagsterService="yes")
    modes = {
        container["Name"]: container["LogConfiguration"]["Options"]["mode"]
        for task in rendered.of_type("AWS::ECS::TaskDefinition").values()
        for container in task["ContainerDefinitions"]
    }
    assert modes == {"pce": "blocking", "dagster": "non-blocking"}, "ECS's own default drops lines"


@pytest.mark.parametrize("name", ["Task", "DagsterTask"])
def test_a_task_without_a_stored_key_starts_and_reads_what_needs_none(name):
    (keyless,) = private(name, BeaKeyStored="no")["ContainerDefinitions"]
    assert keyless["Secrets"] == []
    assert {"Name": "PCE_SOURCE", "Value": "bulk"} in keyless["Environment"]
    (keyed,) = private(name, BeaKeyStored="yes")["ContainerDefinitions"]
    assert [each["Name"] for each in keyed["Secrets"]] == ["BEA_API_KEY"]
    assert not [each for each in keyed["Environment"] if each["Name"] == "PCE_SOURCE"]


@pytest.mark.parametrize("name", ["Task", "DagsterTask"])
def test_tasks_are_told_of_every_alert_channel_that_is_stored_and_of_no_other(name):
    (slack,) = private(name, SlackAlerts="yes")["ContainerDefinitions"]
    assert [each["Name"] for each in slack["Secrets"]] == ["PCE_ALERT_SLACK_URL"]
    (both,) = private(name, SlackAlerts="yes", WebhookAlerts="yes")["ContainerDefinitions"]
    secrets = {
        name
        for name, field in Settings.model_fields.items()
        if name.startswith("alert_") and "SecretStr" in str(field.annotation) + str(field.metadata)
    }
    assert {each["Name"] for each in both["Secrets"]} == {f"PCE_{name.upper()}" for name in secrets}
    named = {each["Name"]: each["ValueFrom"] for each in both["Secrets"]}
    assert {arn.rpartition("/")[2] for arn in named.values()} == set(named)


def private(name, **parameters):
    return Rendered(DatabaseReach="private", DagsterService="yes", **parameters).properties(name)


def test_a_brought_route_table_gets_no_policy_that_would_cut_off_others():
    brought = Rendered(VpcId="vpc-1", DatabaseReach="private", RouteTableIds="rtb-1").properties("S3GatewayEndpoint")
    assert "PolicyDocument" not in brought
    assert "PolicyDocument" in Rendered(DatabaseReach="private").properties("S3GatewayEndpoint")


def test_a_daily_task_of_its_own_hour_does_what_the_workflow_would_in_the_same_place():
    rendered = Rendered("prod", DatabaseReach="private", DailyTask="yes")
    schedule = rendered.properties("DailySchedule")
    target = schedule["Target"]
    assert target["RoleArn"] == rendered.attribute("ScheduleRole", "Arn")
    assert target["EcsParameters"]["TaskDefinitionArn"].endswith(":task-definition/pce-prod:1")
    place = target["EcsParameters"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert ",".join(place["Subnets"]) == rendered.outputs["TaskSubnetIds"]
    assert place["SecurityGroups"] == [rendered.outputs["TaskSecurityGroupId"]]
    (override,) = json.loads(target["Input"])["containerOverrides"]
    assert (override["name"], override["command"][:2]) == ("pce", ["bash", "-c"])
    ((minute, hour),) = re.findall(r"^cron\((\d+) (\d+) \* \* \? \*\)$", schedule["ScheduleExpression"])
    workflow = (ROOT / ".github/workflows/ingest.yml").read_text("utf-8")
    daily = re.findall(r'cron: "\d+ (\d+) \* \* \*"', workflow)
    assert len(daily) == 2, "of staging, and of prod after it"
    assert all(abs(int(hour) - int(each)) >= 4 for each in daily), "hours away from the workflow"
    assert minute != "0"
    for without in ({"DatabaseReach": "runner"}, {"DatabaseReach": "private", "DailyTask": "no"}):
        assert "DailySchedule" not in Rendered("prod", **{"DailyTask": "yes", **without}).resources


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ((), ["run", "alert late", "alert quarantined", "alert pinned"]),
        (("run",), ["run", "alert failed --what The daily task failed."]),
        (("alert late",), ["run", "alert late"]),
    ],
)
def test_the_command_of_the_daily_task_alerts_as_the_workflow_does(failing, said, tmp_path):
    (override,) = json.loads(
        Rendered(DatabaseReach="private", DailyTask="yes").properties("DailySchedule")["Target"]["Input"]
    )["containerOverrides"]
    script = 'echo "$@" >> "$SAID"\ncase " $FAILING " in *"|$*|"*) exit 1;; esac\n'
    (tmp_path / "pce").write_text(f"#!/bin/sh\n{script}")
    (tmp_path / "pce").chmod(0o755)
    done = subprocess.run(
        override["command"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SAID": str(tmp_path / "said"), "FAILING": f"|{'|'.join(failing)}|"},
        check=False,
    )
    assert (tmp_path / "said").read_text().splitlines() == said
    assert (done.returncode == 0) is (not failing)


def test_runner_reach_has_nothing_of_the_private_one():
    kinds = {each["Type"] for each in Rendered().resources.values()}
    assert not kinds & {
        "AWS::ECS::Cluster",
        "AWS::ECR::Repository",
        "AWS::EC2::VPCEndpoint",
        "AWS::SecretsManager::Secret",
    }


def test_the_oidc_provider_is_shared_and_made_only_where_there_is_none():
    own = Rendered()
    assert own.resources["GitHubOidcProvider"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert own.properties("GitHubOidcProvider")["ClientIdList"] == ["sts.amazonaws.com"]
    arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    reused = Rendered(OidcProviderArn=arn)
    assert "GitHubOidcProvider" not in reused.resources
    (trust,) = reused.properties("WorkflowRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Federated": arn}


def test_an_existing_bucket_or_network_is_used_and_not_managed():
    rendered = Rendered(
        BucketName="lake", CopyBucketName="copy", VpcId="vpc-1",
        DatabaseSubnetIds="subnet-a,subnet-b", TaskSubnetIds="subnet-c",
        DatabaseReach="private",
    )  # fmt: skip
    kinds = {each["Type"] for each in rendered.resources.values()}
    assert not kinds & {
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::EC2::VPC",
        "AWS::EC2::Subnet",
        "AWS::EC2::Route",
    }
    assert "S3GatewayEndpoint" not in rendered.resources, "it needs to know the route tables"
    assert rendered.properties("DatabaseSubnets")["SubnetIds"] == ["subnet-a", "subnet-b"]
    assert rendered.properties("DatabaseSecurityGroup")["VpcId"] == "vpc-1"
    assert rendered.outputs["TaskSubnetIds"] == "subnet-c"
    routed = Rendered(VpcId="vpc-1", DatabaseReach="private", RouteTableIds="rtb-1,rtb-2")
    assert routed.properties("S3GatewayEndpoint")["RouteTableIds"] == ["rtb-1", "rtb-2"]


def test_the_two_environments_share_no_name():
    staging, prod = (
        json.dumps(
            [
                each["Properties"]
                for each in Rendered(environment, DatabaseReach="private", DailyTask="yes").resources.values()
            ]
        )
        for environment in ("staging", "prod")
    )
    names = re.compile(
        r'"(?:RoleName|TopicName|LogGroupName|DBInstanceIdentifier|ClusterName|RepositoryName|Family|AlarmName|GroupName'
        r'|MetricNamespace)": "([^"]+)"'
    )
    shared = set(names.findall(staging)) & set(names.findall(prod))
    assert shared == {"postgres17"}
