"""Every value of the template is one that its service takes, whatever the parameters: else a creation fails midway."""

import re
import string

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.provisioning.command import TEMPLATE, stack_tags
from infra.provisioning.door import described
from infra.provisioning.errors import UsageRefused
from pce_pipeline_tests.examples import examples
from pce_pipeline_tests.infra.rendered import Rendered, UnfitParameter
from pce_pipeline_tests.infra.service_limits import (
    PROSE,
    TAGS_OF_A_STACK,
    UNLIMITED,
    documented,
    faults,
    given_by_others,
    is_limited,
    leaves,
    resources,
    resources_of,
)

_POLICIES = {"PolicyDocument", "AssumeRolePolicyDocument"}


def test_every_service_takes_every_value_in_every_combination_of_parameters():
    refused = [f"{name}: {fault}" for name, kind, properties in resources() for fault in faults(kind, properties)]
    assert refused == []


@pytest.mark.parametrize(
    ("old", "new", "source"),
    [
        ("Description: Tasks of the pipeline\n", "Description: the pipeline's tasks\n", "EC2 API Reference"),
        ("GroupDescription: Tasks of the pipeline, which", "GroupDescription: Tasks \N{EM DASH} which", "EC2 API"),
        ("RetentionInDays: !FindInMap [Of, !Ref Environment, LogDays]", "RetentionInDays: 31", "cfn-lint's schema"),
        ("LogGroupName: !Sub /pce/${Environment}/task", "LogGroupName: pce task", "pattern"),
        ("RepositoryName: !Sub pce-${Environment}", "RepositoryName: Pce", "pattern"),
        ("NotificationType: FORECASTED", "NotificationType: FORESEEN", "botocore's enum"),
        ("DBInstanceIdentifier: !Sub pce-${Environment}", "DBInstanceIdentifier: pce--x", "RDS API Reference"),
        ("Family: !Sub pce-${Environment}\n", "Family: !Sub pce.${Environment}\n", "ECS API Reference"),
        ("TopicName: !Sub pce-${Environment}-alerts", "TopicName: pce alerts", "SNS API Reference"),
        ("Sid: CreateBronze", "Sid: Create Bronze", "letters and digits"),
        ("Description: !Sub The pipeline in", "Description: !Sub \N{BULLET} The pipeline in", "pattern"),
        ("PreferredBackupWindow: 07:00-07:30", "PreferredBackupWindow: 7:00-7:30", "RDS API Reference"),
        ("Name: !Sub pce_${Environment}", "Name: !Sub PCE-${Environment}", "GLUE API Reference"),
        ("EncryptionOption: SSE_S3", "EncryptionOption: AES256", "cfn-lint's schema"),
        ("BytesScannedCutoffPerQuery: 10000000000", "BytesScannedCutoffPerQuery: 1000000", "minimum"),
        ("{StorageClass: GLACIER_IR", "{StorageClass: GLACIER_SOON", "enum"),
        ("ComparisonOperator: LessThanThreshold", "ComparisonOperator: Below", "botocore's enum"),
        ('FlexibleTimeWindow: {Mode: "OFF"}', "FlexibleTimeWindow: {Mode: NEVER}", "botocore's enum"),
        ("MaximumEventAgeInSeconds: 3600}", "MaximumEventAgeInSeconds: 36}", "minimum"),
    ],
)
def test_a_value_that_only_the_service_would_refuse_is_found_before(old, new, source):
    text = TEMPLATE.read_text("utf-8")
    assert old in text
    changed = Rendered(
        "staging", text.replace(old, new), DatabaseReach="private", DagsterService="yes", DailyTask="yes"
    )
    found = [fault for _, kind, properties in resources_of(changed) for fault in faults(kind, properties)]
    assert [fault for fault in found if source in fault], found


def test_no_value_of_ours_is_without_a_limit_or_a_reason_for_having_none():
    others = given_by_others()
    unknown = {
        (kind, "/".join(path)): value
        for _, kind, properties in resources()
        for path, value in leaves(properties)
        if not _POLICIES & set(path) and not is_limited(kind, path) and not set(value.split(",")) <= others
        if not re.fullmatch(r"(vpc|subnet|rtb)-\w+|my-lake|my-copy", value)  # a person's, limited by their parameters
    }
    assert {place: value for place, value in unknown.items() if place not in UNLIMITED} == {}


@pytest.mark.parametrize("prose", [*PROSE, TAGS_OF_A_STACK], ids=lambda prose: f"{prose.kind}-{prose.path[-1]}")
def test_what_the_table_knows_is_what_the_reference_says(prose):
    assert prose.says in documented(prose.service, prose.shape, prose.member), prose.page


def test_the_tags_that_everything_gets_are_taken_by_all_services():
    for environment in ("staging", "prod"):
        for value in stack_tags(environment).values():
            assert regex.fullmatch(TAGS_OF_A_STACK.pattern, value)


@settings(max_examples=examples(30))
@given(
    repository=st.from_regex(r"[A-Za-z0-9-]{1,39}(@[0-9]{1,12})?/[A-Za-z0-9._-]{1,100}(@[0-9]{1,12})?", fullmatch=True)
)
def test_no_repository_makes_a_text_that_a_service_refuses(repository):
    rendered = Rendered(GitHubRepository=repository)
    assert faults("AWS::IAM::Role", rendered.properties("WorkflowRole")) == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("GitHubRepository", "no-owner"),
        ("GitHubRepository", f"octo/{'x' * 200}"),
        ("AlertEmail", "nobody"),
        ("BucketName", "s3://lake"),
        ("BucketName", "Lake"),
        ("VpcId", "default"),
        ("DatabaseSubnetIds", "subnet-0a,sn-1"),
        ("TaskSubnetIds", "subnet 0a"),
        ("RouteTableIds", "rtb-0a,main"),
        ("OidcProviderArn", "token.actions.githubusercontent.com"),
        ("MonthlyBudgetUsd", "0"),
        ("DatabaseReach", "public"),
    ],
)
def test_a_parameter_that_cannot_be_right_is_refused_before_anything_is_made(parameter, value):
    with pytest.raises(UnfitParameter, match=parameter):
        Rendered(**{parameter: value})


@given(run=st.text(string.printable, max_size=300))
def test_a_rule_of_the_door_has_a_description_that_ec2_takes_or_is_refused_in_words(run):
    (limit,) = (
        each.pattern for each in PROSE if (each.kind, each.path) == ("AWS::EC2::SecurityGroupIngress", ("Description",))
    )
    if regex.fullmatch(limit, run) and 0 < len(run) <= 200:
        assert regex.fullmatch(limit, described(run))
    else:
        with pytest.raises(UsageRefused, match="cannot name a run"):
            described(run)
