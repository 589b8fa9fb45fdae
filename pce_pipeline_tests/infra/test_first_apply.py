"""From an empty account to a first run: what is switched on last, what tasks are told, what is left to do."""

import json
import shlex
from collections.abc import Iterator

import pytest

from infra.provisioning import heartbeat
from infra.provisioning.errors import StackFailed, UsageRefused
from infra.provisioning.next_steps import Standing, steps, took
from infra.provisioning.task_secrets import CHANNEL_VARIABLES
from pce_pipeline_tests.infra.account import FIRST, Account, account

PRIVATE = (*FIRST, "--yes", "--reach", "private")
CHANNELS = {
    "PCE_ALERT_SLACK_URL": "https://hooks.example/slack-is-secret",
    "PCE_ALERT_WEBHOOK_URL": "https://hooks.example/webhook-is-secret",
    "PCE_ALERT_WEBHOOK_SECRET": "whsec_c2VjcmV0",
}
DONE = Standing(
    environment="staging",
    is_private=False,
    mail_is_confirmed=True,
    has_image=False,
    has_key=False,
    master_is_readable=False,
    heartbeat_is_heard=True,
)


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as empty:
        yield empty


def is_protected(aws: Account) -> bool:
    (found,) = aws.client("rds").describe_db_instances()["DBInstances"]
    return bool(found["DeletionProtection"])


def secrets_of_tasks(aws: Account) -> list[str]:
    (container,) = aws.formation.stack.rendered.properties("Task")["ContainerDefinitions"]
    return [each["Name"] for each in container["Secrets"]]


def test_a_first_creation_of_prod_that_fails_late_can_be_taken_back(aws):
    aws.formation.fails = {"RunnerAccessPolicy": "Throttled"}
    with pytest.raises(StackFailed) as failed:
        aws.run(*FIRST, "--yes", env="prod")
    assert failed.value.status == "ROLLBACK_COMPLETE", "a protected database would have stood in the way"
    assert aws.client("rds").describe_db_instances()["DBInstances"] == []
    aws.formation.fails = {}
    assert aws.run(*FIRST, "--yes", env="prod") == 0
    assert is_protected(aws)


def test_prod_is_protected_by_a_second_step_of_the_same_command(aws):
    assert aws.run(*FIRST, env="prod", answers=("y",)) == 0
    assert aws.asked == ["Apply this? [y/N] "], "once"
    assert any("a second step of the same run protects the database" in line for line in aws.said)
    assert f"{'':16}DeletionProtection: false -> true" in aws.said
    assert (aws.formation.executed, is_protected(aws), aws.formation.stack.protected) == (2, True, True)
    aws.run("--yes", env="prod")
    assert "Nothing changes." in aws.said
    assert aws.formation.executed == 2


def test_a_second_step_that_fails_leaves_what_was_made_and_is_taken_up_by_the_next_run(aws):
    aws.formation.fails, aws.formation.fails_from = {"Database": "Cannot modify"}, 2
    with pytest.raises(StackFailed, match="as it was before"):
        aws.run(*FIRST, "--yes", env="prod")
    aws.formation.fails = {}
    assert not is_protected(aws)
    assert aws.run("--yes", env="prod") == 0
    assert is_protected(aws)


def test_the_alarm_of_silence_is_switched_on_by_the_run_after_the_first_success_and_stays_on(aws):
    def listens() -> bool:
        return bool(aws.formation.stack.rendered.properties("HeartbeatAlarm")["ActionsEnabled"])

    aws.run(*FIRST, "--yes")
    assert not listens(), "it is in alarm, because nothing has ever run"
    assert "switch the alarm of a missing heartbeat on: python infra/provision_aws.py --env staging" in aws.text
    aws.client("cloudwatch").put_metric_data(
        Namespace="pce/prod", MetricData=[{"MetricName": heartbeat.METRIC, "Value": 1}]
    )
    aws.run("--yes")
    assert not listens(), "another environment's"
    aws.client("cloudwatch").put_metric_data(
        Namespace="pce/staging", MetricData=[{"MetricName": heartbeat.METRIC, "Value": 1}]
    )
    aws.run("--plan")
    assert f"{'':16}ActionsEnabled: false -> true" in aws.said
    aws.run("--yes")
    assert listens()
    assert "missing heartbeat" not in aws.text
    aws.run("--yes")
    assert "ListMetrics" not in aws.calls, "it stays on, also when nothing was heard for so long that AWS forgot"
    assert "Nothing changes." in aws.said


def test_staging_is_never_protected_and_needs_no_second_step(aws):
    aws.run(*FIRST, "--yes")
    assert (aws.formation.executed, is_protected(aws), aws.formation.stack.protected) == (1, False, False)


def test_with_private_reach_and_no_key_tasks_start_keyless_and_the_way_to_say_so_is_printed(aws):
    aws.run(*PRIVATE)
    assert secrets_of_tasks(aws) == []
    assert "gh variable set PCE_SOURCE --repo octo/pce --env staging --body bulk" in aws.text
    aws.run("--yes", variables={"BEA_API_KEY": "very-secret"})
    assert secrets_of_tasks(aws) == ["BEA_API_KEY"]
    assert "gh variable set PCE_SOURCE" not in aws.text
    aws.run("--yes")
    assert secrets_of_tasks(aws) == ["BEA_API_KEY"], "also where the key is no longer in .env"


def test_with_private_reach_tasks_get_every_alert_channel_of_env(aws):
    aws.run(*PRIVATE, variables=CHANNELS)
    assert secrets_of_tasks(aws) == list(CHANNEL_VARIABLES)
    stored = {
        name: aws.client("ssm").get_parameter(Name=f"/pce/staging/{name}", WithDecryption=True)["Parameter"]
        for name in CHANNELS
    }
    assert {name: each["Value"] for name, each in stored.items()} == CHANNELS
    assert {each["Type"] for each in stored.values()} == {"SecureString"}
    assert not [value for value in CHANNELS.values() if value in aws.text + repr(aws.formation.stack.parameters)]
    aws.run("--yes", variables={"PCE_ALERT_SLACK_URL": "https://hooks.example/another"})
    assert secrets_of_tasks(aws) == list(CHANNEL_VARIABLES), "what is not given again stays"
    assert "PCE_ALERT_SLACK_URL was put where tasks find it." in aws.said


def test_a_webhook_without_its_secret_is_not_handed_to_tasks(aws):
    aws.run(*PRIVATE, variables={"PCE_ALERT_WEBHOOK_URL": "https://hooks.example/x"})
    assert secrets_of_tasks(aws) == []


@pytest.mark.parametrize("reach", ["runner", "private"])
def test_with_either_reach_the_workflow_is_told_to_alert_where_env_says(aws, reach):
    aws.run(*FIRST, "--yes", "--reach", reach, variables=CHANNELS)
    asked = [line.split()[3] for line in aws.said if line.startswith("gh secret set ")]
    assert asked == ["BEA_API_KEY", *CHANNELS], "gh asks for each value itself"
    assert not [value for value in CHANNELS.values() if value in aws.text]


def test_with_runner_reach_nothing_secret_is_put_anywhere(aws):
    aws.run(*FIRST, "--yes", variables={**CHANNELS, "BEA_API_KEY": "very-secret"})
    assert not {"PutParameter", "PutSecretValue"} & set(aws.calls)


def test_a_plan_puts_nothing_anywhere(aws):
    aws.run(*PRIVATE)
    aws.run("--plan", variables={**CHANNELS, "BEA_API_KEY": "very-secret"})
    assert not {"PutParameter", "PutSecretValue", "ExecuteChangeSet"} & set(aws.calls)


def test_a_removal_takes_the_alert_channels_away(aws):
    aws.run(*PRIVATE, variables=CHANNELS)
    aws.run("--destroy", "--delete-data", "--confirm", "staging")
    names = [f"/pce/staging/{name}" for name in CHANNELS]
    assert aws.client("ssm").get_parameters(Names=names)["Parameters"] == []


def test_after_an_apply_it_says_what_comes_next_and_how_long_it_took(aws):
    aws.run(*FIRST, "--yes")
    begin = aws.said.index("\nWhat comes next\n")
    assert [" ".join(line.split()[:4]) for line in aws.said[begin + 1 : -1]] == [
        "1. Confirm the e-mail",
        "2. Make the database's",
        "3. Then take the",
        "4. Once a run",
    ]
    assert aws.said[-1] == "This took 60 min 0 s."
    aws.run("--yes", "--master-secret-readable", "no")
    assert "master password away" not in aws.text
    aws.run("--outputs")
    assert "What comes next" not in aws.text


def test_each_step_is_said_until_it_is_done():
    assert steps(DONE, "octo/pce") == []
    fresh = Standing(
        environment="prod",
        is_private=True,
        mail_is_confirmed=False,
        has_image=False,
        has_key=False,
        master_is_readable=True,
        heartbeat_is_heard=False,
        bucket_lacks=["versioning is off"],
    )
    said = steps(fresh, "octo/pce")
    assert [line[:5] for line in said] == [f"  {number}. " for number in range(1, 8)]
    order = (
        "Confirm",
        "versioning is off",
        "PCE_SOURCE",
        "image.yml",
        "db migrate",
        "--master-secret-readable no",
        "heartbeat",
    )
    assert all(needle in line for needle, line in zip(order, said, strict=True))
    assert (took(59.4), took(60), took(725)) == ("This took 59 s.", "This took 1 min 0 s.", "This took 12 min 5 s.")


def test_the_lines_for_github_let_main_and_releases_alone_reach_prod(aws):
    aws.run(*FIRST, "--yes", env="prod")
    begin = next(number for number, line in enumerate(aws.said) if line.startswith("\nFor GitHub"))
    protect, tags, *make = aws.said[begin + 1 : begin + 9]
    assert protect.startswith("gh api repos/octo/pce/branches/main --jq .protected | grep -qx true || gh api ")
    assert "--method PUT repos/octo/pce/branches/main/protection" in protect
    rules = json.loads(shlex.split(tags.partition("<<< ")[2])[0])
    assert (rules["target"], rules["conditions"]["ref_name"]["include"]) == ("tag", ["refs/tags/v*"])
    for environment, lines in (("prod", make[:3]), ("prod-migrate", make[3:])):
        there = f"repos/octo/pce/environments/{environment}"
        assert f"{there} -F 'deployment_branch_policy[protected_branches]=false'" in lines[0]
        assert "[custom_branch_policies]=true" in lines[0], "GitHub wants both, and exactly one of them true"
        assert lines[1].endswith(f"{there}/deployment-branch-policies -f name=main -f type=branch")
        assert lines[2].endswith(f"{there}/deployment-branch-policies -f name='v*' -f type=tag")


def test_the_job_that_migrates_gets_variables_of_its_own(aws):
    aws.run(*FIRST, "--yes")
    of_migrations = [
        line for line in aws.said if line.startswith("gh variable set") and "--env staging-migrate" in line
    ]
    assert any("AWS_ROLE_ARN" in line and "migration" in line for line in of_migrations)
    assert any("postgresql://pce_owner@" in line for line in of_migrations)
    assert not [line for line in aws.said if "pce_owner" in line and line not in of_migrations]


def test_a_brought_route_table_is_said_to_lead_to_s3_by_an_endpoint_and_may_not_have_one(aws):
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    free, taken = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[taken])
    brought = (*PRIVATE, "--vpc", vpc, "--database-subnets", "subnet-a,subnet-b", "--task-subnets", "subnet-c")
    with pytest.raises(UsageRefused, match=f"{taken} already lead to S3 by vpce-"):
        aws.run(*brought, "--route-tables", f"{free},{taken}")
    assert aws.formation.stacks == []
    aws.run(*brought, "--route-tables", free)
    assert any(line.startswith(f"NOTE: what uses {free} reaches S3 through a gateway endpoint") for line in aws.said)
