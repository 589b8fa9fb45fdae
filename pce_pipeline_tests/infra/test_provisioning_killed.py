"""The program killed at any call, before or after it took effect: the next run ends where an undisturbed one does.

`make test` kills it before some of its calls; `make test-all` before and after each.
"""

import pytest

from pce_pipeline_tests.infra.account import FIRST, Killed, account, with_data

SOME, ALL = 4, 1
WHEN = pytest.mark.parametrize(
    ("when", "every"),
    [("before", SOME), *(pytest.param(when, ALL, marks=pytest.mark.long) for when in ("before", "after"))],
)


def worth_dying_at(calls: list[str], every: int) -> list[int]:
    """The numbers of all calls, or of some; of the many alike looks at a running stack only the first ones."""
    looks = ("DescribeStacks", "DescribeStackEvents")
    found = [
        number
        for number, call in enumerate(calls, 1)
        if call not in looks or any(each not in looks for each in calls[max(0, number - 4) : number])
    ]
    return found[every // 2 :: every]


@WHEN
def test_a_creation_killed_at_any_call_converges_on_the_next_run(when, every):
    with account() as whole:
        whole.run(*FIRST, "--yes", "--reach", "private", variables={"BEA_API_KEY": "k"})
        moments, reached = worth_dying_at(whole.calls, every), whole.formation.stack.resources
        parameters = whole.formation.stack.parameters
    for number in moments:
        with account() as aws:
            with pytest.raises(Killed):
                aws.run(*FIRST, "--yes", "--reach", "private", variables={"BEA_API_KEY": "k"}, dies_at=(number, when))
            assert aws.run(*FIRST, "--yes", "--reach", "private", variables={"BEA_API_KEY": "k"}) == 0
            assert aws.formation.stack.status == "UPDATE_COMPLETE"
            assert aws.formation.stack.resources == reached
            assert aws.formation.stack.parameters == parameters
            assert aws.formation.executed == 2, "the creation, then the key is handed to tasks"
            assert aws.formation.stack.change_sets == {}
            assert len([stack for stack in aws.formation.stacks if stack.status != "DELETE_COMPLETE"]) == 1
            secret = aws.formation.stack.rendered.physical("BeaKeySecret")
            assert aws.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "k"


@WHEN
def test_a_change_killed_at_any_call_converges_on_the_next_run(when, every):
    with account() as whole:
        whole.run(*FIRST, "--yes")
        whole.run("--yes", "--database-class", "db.t4g.small")
        moments = worth_dying_at(whole.calls, every)
    for number in moments:
        with account() as aws:
            aws.run(*FIRST, "--yes")
            with pytest.raises(Killed):
                aws.run("--yes", "--database-class", "db.t4g.small", dies_at=(number, when))
            assert aws.run("--yes", "--database-class", "db.t4g.small") == 0
            assert aws.formation.stack.parameters["DatabaseClass"] == "db.t4g.small"
            assert aws.formation.stack.change_sets == {}
            assert aws.formation.executed == 2


@WHEN
def test_a_removal_killed_at_any_call_converges_on_the_next_run(when, every):
    remove = ("--destroy", "--delete-data", "--confirm", "staging")
    with account() as whole:
        with_data(whole)
        whole.run(*remove)
        moments = worth_dying_at(whole.calls, every)
    for number in moments:
        with account() as aws:
            with_data(aws)
            with pytest.raises(Killed):
                aws.run(*remove, dies_at=(number, when))
            assert aws.run(*remove) == 0
            assert aws.formation.stack is None
            left = [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]
            assert left == ["pce-staging-copybucket-1x2y3z"], "the second copy of Bronze is never removed"
