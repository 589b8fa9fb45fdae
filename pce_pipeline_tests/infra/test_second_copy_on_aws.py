"""The second copy of Bronze on AWS: what S3 copies to it, who may write, that nothing deletes it, where it may lie."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.provisioning import copy_stack
from infra.provisioning.errors import UsageRefused
from infra.provisioning.options import read_options
from pce_pipeline.bronze.copy_place import CopyStore
from pce_pipeline.bronze.copying import compare_bronze, copy_bronze
from pce_pipeline.lake.backends import DirectoryBackend
from pce_pipeline.lake.layout import Layout
from pce_pipeline.lake.store import open_store
from pce_pipeline_tests.bronze.test_second_copy import filled
from pce_pipeline_tests.infra.account import FIRST, Account, Killed, account, with_data
from pce_pipeline_tests.infra.policies import Call, allowed
from pce_pipeline_tests.infra.recorded_run import RecordingBackend, requests
from pce_pipeline_tests.infra.rendered import ACCOUNT, Rendered
from pce_pipeline_tests.infra.test_least_privilege import EXTRACT, decision, identity, may, scope

BOTH_ENVIRONMENTS = pytest.mark.parametrize("environment", ["staging", "prod"])
COPY = "pce-staging-copybucket-1x2y3z"
ELSEWHERE = ("--copy-region", "eu-west-1")


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as empty:
        yield empty


@BOTH_ENVIRONMENTS
def test_the_copy_is_versioned_locked_by_default_and_nothing_in_it_expires(environment):
    properties = Rendered(environment).properties("CopyBucket")
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["ObjectLockEnabled"] is True
    days = {"staging": "30", "prod": "365"}[environment]
    assert properties["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}},
    }
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert not [rule for rule in rules if re.search("Expiration", json.dumps(rule))]


def test_s3_copies_what_cannot_be_made_again_and_no_deletion():
    replication = Rendered().properties("DataBucket")["ReplicationConfiguration"]
    assert replication["Role"] == Rendered().attribute("ReplicationRole", "Arn")
    assert {rule["Filter"]["Prefix"] for rule in replication["Rules"]} == {
        "/".join(prefix.split("/")[:2]) + "/" for prefix in (Layout("staging", "w").bronze, decision("staging"))
    }
    assert len({rule["Priority"] for rule in replication["Rules"]}) == 2
    for rule in replication["Rules"]:
        assert (rule["Status"], rule["DeleteMarkerReplication"]) == ("Enabled", {"Status": "Disabled"})
        assert rule["Destination"] == {"Bucket": Rendered().attribute("CopyBucket", "Arn")}
    brought = Rendered(CopyBucketName="my-copy").properties("DataBucket")["ReplicationConfiguration"]
    assert {rule["Destination"]["Bucket"] for rule in brought["Rules"]} == {"arn:aws:s3:::my-copy"}


def of_replication(rendered: Rendered) -> list[Call]:
    """What S3's reference asks for: rules, versions to read, replicas to write."""
    bucket, env = rendered.attribute("DataBucket", "Arn"), rendered.environment
    copy = f"arn:aws:s3:::{rendered.outputs['CopyBucketName']}"
    keys = (f"{env}/bronze/bea/pce_state/2026-02-23/manifest.json", decision(env))
    reading = ("GetObjectVersionForReplication", "GetObjectVersionAcl", "GetObjectVersionTagging")
    return [
        Call("s3:GetReplicationConfiguration", bucket),
        Call("s3:ListBucket", bucket),
        *(Call(f"s3:{action}", f"{bucket}/{key}") for action in reading for key in keys),
        *(Call(f"s3:{action}", f"{copy}/{key}") for action in ("ReplicateObject", "ReplicateTags") for key in keys),
    ]


def of_role(rendered: Rendered) -> list[dict[str, Any]]:
    (policy,) = (each for each in rendered.of_type("AWS::IAM::ManagedPolicy").values() if "Roles" in each)
    assert policy["Roles"] == [rendered.physical("ReplicationRole")]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


@pytest.mark.parametrize("parameters", [{}, {"CopyBucketName": "my-copy"}])
def test_the_role_of_replication_may_do_just_that(parameters):
    rendered = Rendered("prod", **parameters)
    statements, calls = of_role(rendered), of_replication(rendered)
    assert [call for call in calls if not allowed(call, statements)] == []
    for statement in statements:
        assert not all(allowed(call, [each for each in statements if each is not statement]) for call in calls)
    lake, copy = rendered.attribute("DataBucket", "Arn"), f"arn:aws:s3:::{rendered.outputs['CopyBucketName']}"
    for forbidden in (
        Call("s3:ReplicateDelete", f"{copy}/prod/bronze/x"),
        Call("s3:PutObject", f"{copy}/prod/bronze/x"),
        Call("s3:ReplicateObject", f"{lake}/prod/bronze/x"),
        Call("s3:ReplicateObject", f"{copy}/staging/bronze/x"),
        Call("s3:GetObjectVersionForReplication", f"{lake}/prod/silver/x"),
        Call("s3:GetObjectVersionForReplication", f"{lake}/staging/bronze/x"),
    ):
        assert not allowed(forbidden, statements), forbidden
    (trust,) = rendered.properties("ReplicationRole")["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Principal"], trust["Action"]) == ({"Service": "s3.amazonaws.com"}, "sts:AssumeRole")


@BOTH_ENVIRONMENTS
@pytest.mark.parametrize(
    ("call", "sid"),
    [
        (Call("s3:DeleteObject", "/{e}/bronze/bea/d/2026-02-23/manifest.json"), "NeverDeleted"),
        (Call("s3:DeleteObject", "/{e}/bronze/bea/d/_pin.json"), "NeverDeleted"),
        (Call("s3:DeleteObjectVersion", "/{e}/bronze/bea/d/2026-02-23/manifest.json"), "NeverDeleted"),
        (Call("s3:BypassGovernanceRetention", "/{e}/bronze/bea/d/2026-02-23/manifest.json"), "NeverDeleted"),
        (Call("s3:PutObject", "/{e}/bronze/bea/d/2026-02-23/manifest.json"), "WrittenOnce"),
        (Call("s3:PutObject", "/{e}/decisions/bea/d/x.json", {"s3:if-match": "x"}), "WrittenOnce"),
        (Call("s3:GetObject", "/{e}/bronze/x", {"aws:SecureTransport": "false"}), "TlsOnly"),
    ],
)
def test_the_copy_refuses_even_an_administrator_and_each_statement_is_needed_for_it(environment, call, sid):
    rendered = Rendered(environment)
    resource = rendered.attribute("CopyBucket", "Arn") + call.resource.format(e=environment)
    policy = rendered.properties("CopyBucketPolicy")["PolicyDocument"]["Statement"]
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    asked = Call(call.action, resource, call.context)
    assert not allowed(asked, everything, policy)
    assert allowed(asked, everything, [each for each in policy if each["Sid"] != sid])


def copying(tmp_path: Path, environment: str) -> set[tuple[str, str]]:
    """What copying and comparing ask of the copy, recorded; the lake of the test is staging's."""
    copy = RecordingBackend(DirectoryBackend(tmp_path / "copy"))
    lake = filled(open_store(tmp_path / "lake"))
    layout = Layout("staging", "bea")
    for _ in range(2):
        copy_bronze(lake, CopyStore(copy), layout)
        for key in [info.key for info in lake.list("staging") if info.key.endswith("_verified.json")]:
            lake.put(key, b"{}")  # compared again
    compare_bronze(lake, CopyStore(copy), layout)
    return {(operation, key.replace("staging/", f"{environment}/", 1)) for operation, key in copy.operations}


@BOTH_ENVIRONMENTS
def test_with_a_brought_bucket_a_run_may_copy_and_needs_every_statement_for_it(tmp_path, environment):
    rendered = Rendered(environment, BucketName="my-lake")
    operations = copying(tmp_path, environment)
    assert {operation for operation, _ in operations} == {"get", "list", "create", "put"}, "nothing is deleted"
    calls = [each for done, key in operations for each in requests(done, key, rendered.outputs["CopyBucketName"])]
    policy = rendered.properties("CopyBucketPolicy")["PolicyDocument"]["Statement"]
    statements = identity(rendered, "RuntimeRole")
    assert [call for call in calls if not allowed(call, statements, policy)] == []
    for sid in ("ListTheCopy", "ReadTheCopy", "AddToTheCopy", "NoteInTheCopy"):
        rest = [each for each in statements if each["Sid"] != sid]
        assert not all(allowed(call, rest, policy) for call in calls), sid
    assert rendered.outputs["CopiedBy"] == "runs"
    for of in (scope, decision):
        overwriting = Call("s3:PutObject", f"arn:aws:s3:::{rendered.outputs['CopyBucketName']}/{of(environment)}")
        assert not allowed(overwriting, statements), "also in a copy's bucket that has no policy of ours"


def test_where_s3_replicates_no_role_of_a_run_writes_to_the_copy():
    for reach in ("runner", "private"):
        rendered = Rendered(DatabaseReach=reach)
        assert rendered.outputs["CopiedBy"] == "replication"
        copy = f"arn:aws:s3:::{rendered.outputs['CopyBucketName']}"
        for role in rendered.of_type("AWS::IAM::Role"):
            for key in (f"{EXTRACT}/manifest.json", "staging/bronze/bea/d/_verified.json", "staging/copied/bea.json"):
                for action in ("PutObject", "DeleteObject", "DeleteObjectVersion", "PutObjectRetention"):
                    call = Call(f"s3:{action}", f"{copy}/{key}", {"s3:if-none-match": "*"})
                    assert not may(rendered, role, call), (role, call)
        assert not may(rendered, "RuntimeRole", Call("s3:GetObject", f"{copy}/prod/bronze/x"))


def test_the_small_stack_of_another_region_has_the_same_bucket_and_nothing_else():
    text = copy_stack.TEMPLATE.read_text("utf-8")
    for environment in ("staging", "prod"):
        own, there = Rendered(environment), Rendered(environment, text)
        assert set(there.resources) == {"CopyBucket", "CopyBucketPolicy"}
        for name in there.resources:
            for part in ("Type", "DeletionPolicy", "UpdateReplacePolicy", "Properties"):
                assert there.resources[name][part] == own.resources[name][part]


def test_in_another_region_the_copy_is_made_first_and_a_second_run_changes_nothing(aws):
    assert aws.run(*FIRST, "--yes", *ELSEWHERE) == 0
    copy, own = aws.formation.stacks
    assert (copy.name, own.name) == ("pce-staging-copy", "pce-staging")
    assert own.parameters["CopyBucketName"] == copy.resources["CopyBucket"]
    assert "CopyBucket" not in own.resources
    assert "First, in eu-west-1, pce-staging-copy for the second copy of Bronze:" in aws.said
    assert f"PCE_COPY_URI --repo octo/pce --env staging --body s3://{COPY}" in aws.text
    done = aws.formation.executed
    assert aws.run("--yes", *ELSEWHERE) == 0
    assert (aws.formation.executed, "Nothing changes." in aws.said) == (done, True)
    assert aws.run("--yes") == 0
    assert aws.formation.executed == done, "what is not named again stays where it is"


def test_a_plan_of_a_copy_elsewhere_makes_nothing_and_a_no_ends_it(aws):
    assert aws.run(*FIRST, "--plan", *ELSEWHERE) == 0
    assert "  create        bucket CopyBucket; by use: 0.023 a GB, a full history is below 1 GB" in aws.said
    assert aws.formation.executed == 0
    with pytest.raises(UsageRefused, match="Not agreed"):
        aws.run(*FIRST, *ELSEWHERE, answers=("n",))
    assert aws.formation.executed == 0


@pytest.mark.long
def test_making_a_copy_elsewhere_killed_at_any_call_converges_on_the_next_run():
    with account() as whole:
        whole.run(*FIRST, "--yes", *ELSEWHERE)
        moments = [n for n, call in enumerate(whole.calls, 1) if call not in ("DescribeStacks", "DescribeStackEvents")]
    for number in moments:
        with account() as aws:
            with pytest.raises(Killed):
                aws.run(*FIRST, "--yes", *ELSEWHERE, dies_at=(number, "after"))
            assert aws.run(*FIRST, "--yes", *ELSEWHERE) == 0
            assert {each.name: each.status for each in aws.formation.stacks if each.status != "DELETE_COMPLETE"} == {
                "pce-staging-copy": "CREATE_COMPLETE",
                "pce-staging": "CREATE_COMPLETE",
            }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--copy-region", "us-east-1"), "own region"),
        ((*ELSEWHERE, "--copy-bucket", "my-copy"), "not both"),
    ],
)
def test_a_copy_in_two_places_or_in_the_own_region_is_refused(arguments, problem):
    with pytest.raises(UsageRefused, match=problem):
        read_options(["--env", "staging", "--region", "us-east-1", *arguments], {}, Path("no.env"))


def test_an_existing_bucket_for_the_copy_must_be_versioned_and_its_lack_of_locks_is_said(aws):
    with pytest.raises(UsageRefused, match="my-copy cannot hold the second copy"):
        aws.run(*FIRST, "--yes", "--copy-bucket", "my-copy")
    aws.client("s3").create_bucket(Bucket="my-copy")
    with pytest.raises(UsageRefused, match="versioned buckets only"):
        aws.run(*FIRST, "--yes", "--copy-bucket", "my-copy")
    aws.client("s3").put_bucket_versioning(Bucket="my-copy", VersioningConfiguration={"Status": "Enabled"})
    assert aws.run(*FIRST, "--yes", "--copy-bucket", "my-copy") == 0
    assert any(line.startswith("NOTE: of my-copy, no Object Lock") for line in aws.said)
    aws.client("s3").create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    aws.client("s3").put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    assert aws.run("--yes", "--copy-bucket", "locked") == 0
    assert not any("NOTE: of locked" in line for line in aws.said)


def test_leaving_the_copy_for_another_is_a_danger_that_is_agreed_to_by_itself(aws):
    aws.run(*FIRST, "--yes")
    with pytest.raises(UsageRefused, match="CopyBucket"):
        aws.run("--yes", *ELSEWHERE)
    assert any("WARNING: CopyBucket holds data. The copy is left behind" in line for line in aws.said)


def test_what_lay_in_the_lake_before_it_was_replicated_is_counted_with_the_way_to_bring_it(aws):
    aws.run(*FIRST, "--yes")
    assert "second copy" not in aws.text
    s3, resources = aws.client("s3"), aws.formation.stack.resources
    for key in ("staging/bronze/x", "staging/bronze/y", "staging/decisions/z", "staging/silver/x"):
        s3.put_object(Bucket=resources["DataBucket"], Key=key, Body=b"1")
    s3.put_object(Bucket=resources["CopyBucket"], Key="staging/bronze/x", Body=b"1")
    aws.run("--yes")
    assert "2 objects of before are not in the second copy" in aws.text
    assert f"PCE_ENV=staging PCE_LAKE_URI=s3://{resources['DataBucket']} pce bronze copy s3://{COPY}" in aws.text


def test_a_removal_never_touches_the_copy_and_says_where_it_stands_and_what_it_costs(aws):
    with_data(aws)
    s3 = aws.client("s3")
    for body in (b"1", b"22"):
        s3.put_object(Bucket=COPY, Key="staging/bronze/x", Body=body)
    assert aws.run("--destroy", "--delete-data", answers=("staging",)) == 0
    assert COPY not in aws.asked[0], "only what goes is named in the question"
    assert len(s3.list_object_versions(Bucket=COPY)["Versions"]) == 2
    (stays,) = (line for line in aws.said if line.startswith("The second copy of Bronze stays"))
    assert f"s3://{COPY}: 2 object versions, 0.0 MB, at most 0.01 dollars a month" in stays
    assert f"PCE_ENV=staging pce bronze restore s3://{COPY}" in aws.text


def test_a_removal_leaves_the_small_stack_of_another_region_standing(aws):
    aws.run(*FIRST, "--yes", *ELSEWHERE)
    assert aws.run("--destroy", "--delete-data", "--confirm", "staging") == 0
    (left,) = (each for each in aws.formation.stacks if each.status != "DELETE_COMPLETE")
    assert (left.name, left.resources["CopyBucket"]) == ("pce-staging-copy", COPY)
    assert any(line.startswith(f"The second copy of Bronze stays at s3://{COPY}") for line in aws.said)


PRICES = {
    "STANDARD": (0.023, 0, 0.0, 0.0),
    "STANDARD_IA": (0.0125, 128 * 1024, 0.01, 0.01),
    "GLACIER_IR": (0.004, 128 * 1024, 0.02, 0.03),
}
"""Dollars in us-east-1 as published: a GB and month, the bytes charged at least, 1,000 transitions, a GB read."""


def a_year(size: int, kind: str, reads: int) -> float:
    """What an object costs in its first year, moved there once and read whole so many times."""
    stored, least, moved, read = PRICES[kind]
    gigabyte = 1024**3
    return 12 * stored * max(size, least) / gigabyte + moved / 1000 + read * reads * size / gigabyte


def cheapest(size: int, reads: int) -> str:
    return min(PRICES, key=lambda kind: a_year(size, kind, reads))


def test_the_storage_classes_follow_from_prices_and_sizes():
    for size in (657, 15_000, 128 * 1024, 4_000_000, 37_000_000):
        assert cheapest(size, reads=52) == "STANDARD", "the weekly doctor reads every byte of the lake"
    assert cheapest(15_000, reads=0) == "STANDARD"
    rules = Rendered().properties("CopyBucket")["LifecycleConfiguration"]["Rules"]
    (rule,) = (each for each in rules if "Transitions" in each)
    threshold = int(rule["ObjectSizeGreaterThan"])
    assert {each["StorageClass"] for each in rule["Transitions"]} == {cheapest(threshold + 1, reads=0)}
    assert a_year(15_000, "GLACIER_IR", 0) > 3 * a_year(15_000, "STANDARD", 0)


def test_the_replication_role_is_of_this_environment_alone():
    names = {Rendered(environment).properties("ReplicationRole")["RoleName"] for environment in ("staging", "prod")}
    assert names == {"pce-staging-replication", "pce-prod-replication"}
    assert Rendered("prod").attribute("ReplicationRole", "Arn") == f"arn:aws:iam::{ACCOUNT}:role/pce-prod-replication"
    assert "ReplicationRole" not in Rendered(BucketName="my-lake").resources
    assert not re.search(r"ReplicateDelete|GetObject\b", json.dumps([*of_role(Rendered())]))
