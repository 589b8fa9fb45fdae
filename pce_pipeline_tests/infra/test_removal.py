"""Removing an environment: never by accident, completely when meant, and saying what stays."""

import json
from collections.abc import Iterator

import pytest

from infra.provisioning.errors import StackFailed, UsageRefused
from pce_pipeline_tests.infra.account import FIRST, Account, account, with_data

COPY = "pce-staging-copybucket-1x2y3z"


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as empty:
        yield empty


@pytest.fixture
def made(aws: Account) -> Account:
    aws.run(*FIRST, "--yes")
    return aws


def test_an_environment_with_data_is_not_removed_without_saying_so(made):
    with pytest.raises(UsageRefused, match="holds data: DataBucket pce-staging-databucket-1x2y3z, LogBucket"):
        made.run("--destroy", "--yes", "--confirm", "staging")
    assert made.formation.stack.status == "CREATE_COMPLETE"
    with pytest.raises(UsageRefused, match="name that was typed"):
        made.run("--destroy", "--delete-data", "--yes", answers=("yes",))
    assert len(made.client("s3").list_buckets()["Buckets"]) == 3


def test_with_delete_data_and_the_name_typed_everything_goes(aws):
    with_data(aws)
    aws.client("s3").put_bucket_policy(
        Bucket=aws.formation.stack.resources["DataBucket"],
        Policy=json.dumps({"Version": "2012-10-17", "Statement": []}),
    )
    assert aws.run("--destroy", "--delete-data", answers=("staging",)) == 0
    assert aws.formation.stack is None
    assert [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]] == [COPY]
    assert aws.client("rds").describe_db_instances()["DBInstances"] == []
    assert "  pce-staging-databucket-1x2y3z  removed with 4 object versions" in aws.said
    assert any("last snapshot of pce-staging stays" in line for line in aws.said)
    assert any("OIDC provider stays" in line for line in aws.said)
    assert aws.run("--destroy", "--delete-data", "--confirm", "staging") == 0
    assert "pce-staging does not exist: nothing to remove." in aws.said


def test_production_is_protected_against_removal_until_it_is_meant(aws):
    aws.run(*FIRST, "--yes", env="prod")
    assert aws.client("rds").describe_db_instances()["DBInstances"][0]["DeletionProtection"]
    assert aws.formation.stack.protected
    with pytest.raises(UsageRefused, match="name that was typed"):
        aws.run("--destroy", "--delete-data", "--confirm", "staging", env="prod")
    assert aws.formation.stack.protected
    assert aws.run("--destroy", "--delete-data", "--confirm", "prod", env="prod") == 0
    assert aws.formation.stack is None


def test_a_removal_that_is_blocked_says_by_what_and_goes_on_later(made):
    made.formation.delete_fails = {"Vpc": "The vpc has dependencies and cannot be deleted"}
    with pytest.raises(StackFailed, match=r"Vpc .*dependencies"):
        made.run("--destroy", "--delete-data", "--confirm", "staging")
    with pytest.raises(StackFailed) as failed:
        made.run("--yes")
    assert "--destroy" in failed.value.remedy
    made.formation.delete_fails = {}
    assert made.run("--destroy", "--delete-data", "--confirm", "staging", "--yes") == 0
    assert made.formation.stack is None


def test_an_existing_bucket_is_never_removed(aws):
    aws.client("s3").create_bucket(Bucket="lake")
    aws.run(*FIRST, "--yes", "--bucket", "lake")
    assert [line for line in aws.said if line.startswith("NOTE: of lake")] == [
        "NOTE: of lake, versioning is off: what is overwritten is lost.",
        "NOTE: of lake, public access is not blocked.",
        "NOTE: of lake, connections without TLS are not refused.",
        "NOTE: of lake, others than the pipeline may overwrite Bronze and decisions.",
        "NOTE: of lake, others than the pipeline may delete Bronze and decisions.",
    ]
    aws.run("--destroy", "--delete-data", "--confirm", "staging")
    assert [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]] == ["lake", COPY]
    assert any("The bucket lake is not of this environment's making" in line for line in aws.said)
