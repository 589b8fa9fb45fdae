"""The database's door closes itself, whoever is killed when: planned first, moved on opening again, gone on closing."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from infra.provisioning import door
from infra.provisioning.closing import Closing, DoorStaysOpen
from infra.provisioning.door import Door
from pce_pipeline_tests.infra.account import Account, account
from pce_pipeline_tests.infra.policies import Call, allowed
from pce_pipeline_tests.infra.rendered import ACCOUNT, REGION, Rendered
from pce_pipeline_tests.infra.service_limits import documented_page

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
RUNNER, OTHER = IPv4Address("20.1.2.3"), IPv4Address("20.4.5.6")


class Killed(BaseException):
    """The program is gone."""


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as empty:
        empty.client("scheduler").create_schedule_group(Name="pce-staging")
        yield empty


@pytest.fixture
def shut(aws: Account) -> Door:
    """A closed door of an environment that can close it."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
    return Door(ec2, group, Closing(aws.client("scheduler"), Rendered().outputs["ScheduleRoleArn"]))


def planned(aws: Account) -> dict[str, dict[str, Any]]:
    """What EventBridge is told to do, by the schedule's name."""
    scheduler = aws.client("scheduler")
    names = [each["Name"] for each in scheduler.list_schedules(GroupName="pce-staging")["Schedules"]]
    return {name: scheduler.get_schedule(Name=name, GroupName="pce-staging") for name in names}


def come_true(aws: Account, schedule: dict[str, Any]) -> None:
    """Do what EventBridge does at the time: the call that the target names, with its input."""
    service, call = schedule["Target"]["Arn"].removeprefix("arn:aws:scheduler:::aws-sdk:").split(":")
    assert (service, call) == ("ec2", "revokeSecurityGroupIngress")
    aws.client(service).revoke_security_group_ingress(**json.loads(schedule["Target"]["Input"]))


def open_to(door: Door) -> set[str]:
    return {rule["CidrIpv4"] for rule in door._rules()}


def test_a_door_that_nobody_closes_is_closed_at_its_time(aws, shut):
    shut.open(RUNNER, "run-1", NOW, LATER)
    shut.open(OTHER, "run-2", NOW, LATER)
    schedule = planned(aws)["door-20.1.2.3"]
    assert schedule["ScheduleExpression"] == "at(2026-11-20T10:00:00)"
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["ActionAfterCompletion"] == "DELETE", "it leaves nothing behind"
    come_true(aws, schedule)
    assert open_to(shut) == {f"{OTHER}/32"}, "that rule and no other"


def test_opening_again_moves_the_time_instead_of_closing_under_a_running_run(aws, shut):
    shut.open(RUNNER, "run-1", NOW, LATER)
    shut.open(RUNNER, "run-2", NOW, LATER + timedelta(hours=2))
    (schedule,) = planned(aws).values()
    assert schedule["ScheduleExpression"] == "at(2026-11-20T12:00:00)"


def test_closing_and_sweeping_take_the_schedules_away(aws, shut):
    shut.open(RUNNER, "run-1", NOW, LATER)
    shut.open(OTHER, "run-2", NOW - timedelta(hours=5), NOW - timedelta(hours=4))
    assert shut.close("run-1") == [f"{RUNNER}/32"]
    assert set(planned(aws)) == {"door-20.4.5.6"}
    assert shut.sweep(timedelta(hours=3), NOW) == [f"{OTHER}/32"]
    assert planned(aws) == {}
    assert shut.close("run-1") == []


def test_the_sweep_leaves_alone_what_was_opened_for_longer_unless_all_shall_be_shut(aws, shut):
    shut.open(RUNNER, "by-hand", NOW - timedelta(hours=5), LATER)
    shut.open(OTHER, "overdue", NOW - timedelta(hours=5), NOW - timedelta(hours=1))
    assert shut.sweep(timedelta(hours=3), NOW) == [f"{OTHER}/32"], "its schedule did not close it"
    assert shut.sweep(timedelta(0), NOW) == [f"{RUNNER}/32"]
    assert planned(aws) == {}


def test_whoever_is_killed_while_opening_leaves_no_door_open_for_ever(aws, shut):
    def die(**_: object) -> None:
        raise Killed

    events = shut.ec2.meta.events
    events.register("before-call.ec2.AuthorizeSecurityGroupIngress", die)
    try:
        with pytest.raises(Killed):
            shut.open(RUNNER, "run-1", NOW, LATER)
    finally:
        events.unregister("before-call.ec2.AuthorizeSecurityGroupIngress", die)
    assert set(planned(aws)) == {"door-20.1.2.3"}, "the plan to close came first"
    assert open_to(shut) == set()
    shut.open(RUNNER, "run-1", NOW, LATER)
    assert open_to(shut) == {f"{RUNNER}/32"}


def test_a_door_that_nothing_would_close_is_not_opened(aws, shut):
    refusal = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized to perform: iam:PassRole"}}
    scheduler = aws.client("scheduler")

    def refuse(**_: object) -> tuple[Any, dict[str, Any]]:
        answer = AWSResponse("https://scheduler", 403, HTTPHeaders(), None)
        return answer, {**refusal, "ResponseMetadata": {"HTTPStatusCode": 403}}

    scheduler.meta.events.register_first("before-call.scheduler.CreateSchedule", refuse)
    with pytest.raises(DoorStaysOpen, match="not authorized to perform: iam:PassRole") as refused:
        shut.open(RUNNER, "run-1", NOW, LATER)
    assert "provision_aws.py" in refused.value.remedy
    assert open_to(shut) == set()


def test_a_rule_without_its_description_is_what_the_schedule_names():
    told = documented_page("ec2", "RevokeSecurityGroupIngress")
    assert "If the security group rule has a description, you do not need to specify the description" in told


def test_the_program_says_when_the_door_closes_itself_or_that_it_does_not(aws, shut, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    variables = {"PCE_DATABASE_SECURITY_GROUP": shut.group, "AWS_REGION": REGION, "GITHUB_RUN_ID": "77"}
    role = {"PCE_SCHEDULE_ROLE_ARN": Rendered().outputs["ScheduleRoleArn"]}
    before = datetime.now(UTC)
    _, said = door.run(["open", "--address", str(RUNNER), "--minutes", "90"], {**variables, **role})
    at = datetime.strptime(said, "It closes itself at %Y-%m-%d %H:%M UTC.").replace(tzinfo=UTC)
    assert timedelta(minutes=89) <= at - before.replace(second=0, microsecond=0) <= timedelta(minutes=91)
    door.run(["close"], {**variables, **role})
    assert planned(aws) == {}
    _, said = door.run(["open", "--address", str(RUNNER)], variables)
    assert said.startswith("It stays open until somebody closes it")
    for wrong in ("0", "-5", "soon", "nan", "100000"):
        with pytest.raises(SystemExit) as refused:
            door.run(["open", "--address", str(RUNNER), "--minutes", wrong], {**variables, **role})
        assert refused.value.code == 2


def test_the_door_outlives_a_job_of_the_workflow_by_little():
    parser = door._parser({})
    assert 58 < parser.get_default("minutes") <= 65, "ingest.yml gives its job 58 minutes"


@pytest.mark.parametrize(
    ("principal", "source", "account_", "may"),
    [
        ("scheduler.amazonaws.com", f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/pce-staging", ACCOUNT, True),
        ("scheduler.amazonaws.com", f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/pce-prod", ACCOUNT, False),
        ("scheduler.amazonaws.com", f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/pce-staging", "9", False),
    ],
)
def test_only_schedules_of_this_environment_act_as_its_role(principal, source, account_, may):
    (trust,) = Rendered("staging").properties("ScheduleRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": principal}
    call = Call("sts:AssumeRole", "*", {"aws:SourceArn": source, "aws:SourceAccount": account_})
    assert allowed(call, [{**trust, "Resource": "*"}]) is may


def test_the_group_of_schedules_is_the_one_that_the_role_is_named_after():
    for environment in ("staging", "prod"):
        rendered = Rendered(environment)
        closing = Closing(None, rendered.outputs["ScheduleRoleArn"])
        assert closing.group == rendered.properties("Schedules")["Name"]
