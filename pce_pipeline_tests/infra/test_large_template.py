"""A template larger than a request takes goes to CloudFormation through S3, and leaves nothing there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.provisioning.command import TEMPLATE
from infra.provisioning.handing_over import MOST_BYTES
from pce_pipeline_tests.infra.account import FIRST, Account, Killed, account


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as empty:
        yield empty


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """The template with a description that no request takes."""
    text, line = TEMPLATE.read_text("utf-8"), "    Description: How workflows reach the database\n"
    assert line in text
    path = tmp_path / "large.yaml"
    path.write_text(text.replace(line, f"    Description: {'How workflows reach the database. ' * 1000}\n"))
    assert len(path.read_bytes()) > MOST_BYTES
    return path


def buckets(aws: Account) -> list[str]:
    return [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"] if "template" in each["Name"]]


def test_it_is_applied_as_a_small_one_is(aws, large):
    assert aws.run(*FIRST, "--yes", env="prod", template=large) == 0
    assert aws.formation.stack.status == "UPDATE_COMPLETE"
    assert "CreateBucket" in aws.calls
    assert buckets(aws) == []
    aws.run("--yes", env="prod", template=large)
    assert "Nothing changes." in aws.said


def test_what_a_killed_run_left_there_the_next_one_takes_away(aws, large):
    aws.run(*FIRST, "--plan", template=large)
    at = aws.calls.index("DeleteObject") + 1  # CloudFormation has the template
    with pytest.raises(Killed):
        aws.run(*FIRST, "--yes", template=large, dies_at=(at, "before"))
    assert len(buckets(aws)) == 1
    assert aws.run(*FIRST, "--yes", template=large) == 0
    assert buckets(aws) == []


def test_a_plan_that_is_refused_leaves_nothing_there(aws, large):
    aws.formation.refuses = "Template format error"
    with pytest.raises(Exception, match="Template format error"):
        aws.run(*FIRST, "--yes", template=large)
    assert buckets(aws) == []
