"""Whatever order CloudFormation takes: a creation, its rollback, a change of reach and a removal end as documented."""

import re
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.provisioning.command import TEMPLATE
from pce_pipeline_tests.examples import examples
from pce_pipeline_tests.infra.account import FIRST, account
from pce_pipeline_tests.infra.cloud_formation import CloudFormation, Elsewhere, Refused
from pce_pipeline_tests.infra.creation_order import Choice, Circular, backwards, forwards
from pce_pipeline_tests.infra.refusals import REFUSALS, Refusal, Thing, refused
from pce_pipeline_tests.infra.rendered import Rendered, UnfitParameter
from pce_pipeline_tests.infra.service_limits import documented, documented_page

NETWORK = {"VpcId": "vpc-1", "DatabaseSubnetIds": "subnet-a,subnet-b", "TaskSubnetIds": "subnet-c"}
ASKED = {"GitHubRepository": "octo/pce", "AlertEmail": "ops@example.org"}
REACHES: list[dict[str, str]] = [
    {"DatabaseReach": "runner", "DagsterService": "no", "DailyTask": "no"},
    {"DatabaseReach": "private", "DagsterService": "no", "DailyTask": "yes"},
    {"DatabaseReach": "private", "DagsterService": "yes", "DailyTask": "no"},
]
PLACES: list[dict[str, str]] = [{}, {"BucketName": "my-lake"}, {**NETWORK, "RouteTableIds": "rtb-1"}, NETWORK]
reaches, places = st.sampled_from(REACHES), st.sampled_from(PLACES)
orders = st.integers(0, 2**32).map(Random)


class Unprotected(Elsewhere):
    """What `--destroy` has done before it asks CloudFormation."""

    def now(self, thing: Thing) -> Thing:
        return Thing(thing.kind, thing.physical, {**thing.properties, "DeletionProtection": False})


def apply(formation: CloudFormation, parameters: Mapping[str, str], template: str | None = None) -> str:
    """Propose, execute and follow; where the stack then stands."""
    asked = {**ASKED, "Environment": "prod", **parameters}
    formation._CreateChangeSet(
        StackName="pce-prod",
        ChangeSetName="x",
        ChangeSetType="UPDATE" if formation.stack is not None and formation.stack.resources else "CREATE",
        TemplateBody=template or TEMPLATE.read_text("utf-8"),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in asked.items()],
    )
    formation._ExecuteChangeSet(StackName="pce-prod", ChangeSetName="x")
    return followed(formation)


def followed(formation: CloudFormation) -> str:
    stack = formation.stacks[-1]
    while stack.status.endswith("_IN_PROGRESS"):
        formation._DescribeStacks(StackName=stack.id)
    return str(stack.status)


def removed(formation: CloudFormation) -> str:
    formation._DeleteStack(StackName="pce-prod")
    return followed(formation)


def failures(formation: CloudFormation) -> list[str]:
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
        for event in formation.stacks[-1].events
        if event["ResourceStatus"].endswith("_FAILED")
        and event["LogicalResourceId"] != formation.stacks[-1].name
        and "on purpose" not in event.get("ResourceStatusReason", "")
        and "cancelled" not in event.get("ResourceStatusReason", "")
    ]


def wanted(formation: CloudFormation) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in formation.stack.rendered.resources.items()}


def standing(formation: CloudFormation) -> dict[str, Any]:
    return {name: thing.properties for name, thing in formation.stack.things.items()}


@settings(max_examples=examples(40))
@given(random=orders, reach=reaches, place=places, data=st.data())
def test_a_creation_that_fails_anywhere_leaves_nothing_and_succeeds_the_next_time(random, reach, place, data):
    formation = CloudFormation(Unprotected(), choose=random.choice)
    victim = data.draw(st.sampled_from(sorted(Rendered("prod", **reach, **place).resources)))
    formation.fails = {victim: "on purpose"}
    assert apply(formation, {**reach, **place}) == "ROLLBACK_COMPLETE"
    assert standing(formation) == {}
    assert removed(formation) == "DELETE_COMPLETE"
    formation.fails = {}
    assert apply(formation, {**reach, **place}) == "CREATE_COMPLETE"
    assert standing(formation) == wanted(formation)
    assert apply(formation, {**reach, **place, "DatabaseProtected": "yes"}) == "UPDATE_COMPLETE"
    assert removed(formation) == "DELETE_COMPLETE"
    assert failures(formation) == []


@settings(max_examples=examples(40))
@given(random=orders, before=reaches, after=reaches, place=places, data=st.data())
def test_a_change_of_reach_that_fails_anywhere_is_put_back_and_succeeds_the_next_time(
    random, before, after, place, data
):
    formation = CloudFormation(Unprotected(), choose=random.choice)
    apply(formation, {**before, **place})
    old = standing(formation)
    new = Rendered("prod", **ASKED, **after, **place, DatabaseClass="db.t4g.small").resources
    touched = sorted(name for name in new if name not in old or old[name] != new[name]["Properties"])
    formation.fails = {data.draw(st.sampled_from(touched)): "on purpose"}
    change = {**after, **place, "DatabaseClass": "db.t4g.small"}
    assert apply(formation, change) == "UPDATE_ROLLBACK_COMPLETE"
    assert standing(formation) == old
    formation.fails = {}
    assert apply(formation, change) == "UPDATE_COMPLETE"
    assert standing(formation) == wanted(formation)
    assert failures(formation) == []
    assert removed(formation) == "DELETE_COMPLETE"


@pytest.mark.parametrize(("reach", "other"), [("runner", "private"), ("private", "runner")])
def test_through_the_program_an_environment_comes_up_changes_and_goes_away(reach, other):
    with account(choose=Random(other).choice) as aws:
        assert aws.run(*FIRST, "--yes", "--reach", reach, env="prod") == 0
        assert aws.run("--yes", "--reach", other, env="prod") == 0
        assert aws.run("--destroy", "--delete-data", "--confirm", "prod", env="prod") == 0
        assert aws.formation.stack is None


def last(name: str) -> Choice:
    """Everything else comes first, wherever it may."""
    return lambda ready: next((each for each in ready if each != name), name)


@pytest.mark.parametrize(
    ("waits", "late", "reach", "reason"),
    [
        (
            r"    Metadata: \{WaitsFor: .*\n",
            "InternetGatewayAttachment",
            {"DatabaseReach": "runner"},
            "has no internet gateway attached",
        ),
        (
            r"      WaitsFor:\n(        - .*\n)+",
            "TaskInternetRoute",
            {"DatabaseReach": "private", "DagsterService": "yes"},
            "no route to the internet",
        ),
        (
            r"    DependsOn: InternetGatewayAttachment\n",
            "InternetGatewayAttachment",
            {"DatabaseReach": "runner"},
            "belong to different networks",
        ),
        (r"    DependsOn: DatabaseLogGroup\n", "DatabaseLogGroup", {"DatabaseReach": "private"}, "already exists"),
    ],
)
def test_without_its_wait_some_order_fails_a_creation(waits, late, reach, reason):
    text, count = re.subn(waits, "", TEMPLATE.read_text("utf-8"))
    assert count
    formation = CloudFormation(choose=last(late))
    assert apply(formation, reach, text) == "ROLLBACK_COMPLETE"
    assert [each for each in failures(formation) if reason in each]
    assert apply(CloudFormation(choose=last(late)), reach) == "CREATE_COMPLETE"


def test_without_its_wait_some_order_cannot_detach_the_gateway():
    text = re.sub(r"    Metadata: \{WaitsFor: .*\n", "", TEMPLATE.read_text("utf-8"))
    formation = CloudFormation(Unprotected(), choose=last("Database"))
    assert apply(formation, {}, text) == "CREATE_COMPLETE"
    assert removed(formation) == "DELETE_FAILED"
    (said,) = failures(formation)
    assert "mapped public address" in said


def test_references_in_metadata_and_texts_are_followed_and_those_of_the_other_branch_are_not():
    runner, private = Rendered(), Rendered(DatabaseReach="private", DagsterService="yes")
    assert "DatabaseInternetRoute" in runner.needs["Database"]
    assert "DatabaseInternetRoute" not in private.needs["Database"]
    assert {"Cluster", "TaskInternetRoute", "TaskSubnetARoutes"} <= private.needs["DagsterDaemon"]
    assert "AlertTopic" in private.needs["Task"], "in a Ref"
    assert "Database" in private.needs["Task"], "in a text"
    assert "DatabaseLogGroup" in runner.needs["Database"], "by DependsOn"


def test_what_waits_for_itself_or_for_what_is_not_there_is_refused_before_anything_is_made():
    text = TEMPLATE.read_text("utf-8")
    circular = text.replace("LogFilePrefix: data/", "LogFilePrefix: !Ref DataBucketPolicy")
    with pytest.raises(Refused, match=r"Circular dependency between resources: .*DataBucketPolicy"):
        apply(CloudFormation(), {}, circular)
    absent = text.replace("DependsOn: DatabaseLogGroup", "DependsOn: TaskLogGroup")
    with pytest.raises(UnfitParameter, match="TaskLogGroup"):
        Rendered(template=absent)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefgh")), min_size=1), orders)
def test_an_order_has_each_after_what_it_needs_or_there_is_none(drawn, random):
    needs = {name: wanted & drawn.keys() for name, wanted in drawn.items()}
    try:
        order = forwards(needs, needs, random.choice)
    except Circular:
        with pytest.raises(Circular):
            backwards([*needs], needs, random.choice)
    else:
        assert sorted(order) == sorted(needs)
        assert all(order.index(other) < order.index(name) for name, wanted in needs.items() for other in wanted)
        back = backwards([*needs], needs, random.choice)
        assert all(back.index(other) > back.index(name) for name, wanted in needs.items() for other in wanted)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: each.rule.__name__.strip("_"))
def test_what_aws_refuses_is_what_its_reference_says(refusal: Refusal):
    told = (
        documented(refusal.service, refusal.page, refusal.member)
        if refusal.member is not None
        else documented_page(refusal.service, refusal.page)
    )
    assert refusal.says in told


def whole(**parameters: str) -> dict[str, Thing]:
    rendered = Rendered("prod", **parameters)
    return {
        name: Thing(each["Type"], rendered.physical(name), each["Properties"])
        for name, each in rendered.resources.items()
    }


RUNNER = {"DatabaseReach": "runner"}
SERVICE = {"DatabaseReach": "private", "DagsterService": "yes"}
DAILY = {"DatabaseReach": "private", "DailyTask": "yes"}


@pytest.mark.parametrize(
    ("rule", "verb", "name", "without", "parameters"),
    [
        ("address_needs_gateway", "CREATE", "Database", ["InternetGatewayAttachment"], RUNNER),
        ("address_needs_gateway", "UPDATE", "Database", ["InternetGatewayAttachment"], RUNNER),
        ("task_needs_way_out", "CREATE", "DagsterDaemon", ["TaskInternetRoute"], SERVICE),
        ("task_needs_way_out", "CREATE", "DagsterDaemon", ["TaskSubnetBRoutes"], SERVICE),
        ("route_needs_attachment", "CREATE", "DatabaseInternetRoute", ["InternetGatewayAttachment"], RUNNER),
        ("attachment_under_addresses", "DELETE", "InternetGatewayAttachment", [], RUNNER),
        ("attachment_under_addresses", "DELETE", "InternetGatewayAttachment", ["Database"], SERVICE),
        ("protected_database", "DELETE", "Database", [], {"DatabaseProtected": "yes"}),
        ("policy_in_use", "DELETE", "PipelinePolicy", [], RUNNER),
        ("policy_that_is_not_there", "CREATE", "WorkflowRole", ["PipelinePolicy"], RUNNER),
        ("group_in_use", "DELETE", "DatabaseSecurityGroup", ["Database"], SERVICE),
        ("group_in_use", "DELETE", "TaskSecurityGroup", ["TasksReachTheDatabase"], SERVICE),
        ("subnet_in_use", "DELETE", "DatabaseSubnetA", [], RUNNER),
        ("group_of_a_database_in_use", "DELETE", "DatabaseSubnets", [], RUNNER),
        ("group_of_a_database_in_use", "DELETE", "DatabaseParameters", [], RUNNER),
        ("network_with_contents", "DELETE", "Vpc", ["InternetGatewayAttachment"], RUNNER),
        ("cluster_with_services", "DELETE", "Cluster", [], SERVICE),
        ("log_group_that_is_there", "CREATE", "DatabaseLogGroup", [], RUNNER),
        ("filter_without_log_group", "CREATE", "HeartbeatMetric", ["PipelineLogGroup"], RUNNER),
        ("schedule_without_group", "CREATE", "DailySchedule", ["Schedules"], DAILY),
    ],
)
def test_each_rule_applies_where_it_should_and_not_where_all_is_in_order(rule, verb, name, without, parameters):
    (refusal,) = (each for each in REFUSALS if each.rule.__name__ == f"_{rule}")
    things = whole(**parameters)
    others = [thing for other, thing in things.items() if other not in (name, *without)]
    assert refusal.rule(verb, things[name], others)
    assert refused("CREATE", whole()["AlertTopic"], others) is None


def test_a_bucket_with_objects_is_not_deleted():
    full = Thing("AWS::S3::Bucket", "b", {}, has_objects=True)
    assert refused("DELETE", full, []) == "The bucket you tried to delete is not empty."
    assert refused("DELETE", Thing("AWS::S3::Bucket", "b", {}), []) is None
    assert refused("UPDATE", full, []) is None
