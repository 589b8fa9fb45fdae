"""The evaluation that the proofs of least privilege rest on decides as AWS documents it."""

import pytest

from pce_pipeline_tests.infra.policies import Call, allowed, matches

GET = Call("s3:GetObject", "arn:aws:s3:::b/a/x")


def statement(effect="Allow", action="s3:GetObject", resource="*", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("pattern", "value", "is_match"),
    [
        ("a/*", "a/b/c", True),
        ("a/*/_pin.json", "a/b/c/_pin.json", True),
        ("a?c", "a/c", True),
        ("a.c", "abc", False),
        ("a*", "b", False),
    ],
)
def test_wildcards_cross_slashes_and_nothing_else_is_special(pattern, value, is_match):
    assert matches(pattern, value) is is_match


def test_nothing_is_allowed_unless_a_statement_says_so():
    assert not allowed(GET, [])
    assert allowed(GET, [statement()])
    assert allowed(GET, [], [statement()])
    assert allowed(GET, [statement(action="S3:get*")]), "actions know no case"


def test_an_explicit_deny_wins_wherever_it_stands():
    assert not allowed(GET, [statement(), statement("Deny")])
    assert not allowed(GET, [statement()], [statement("Deny")])


def test_not_resource_and_not_action_match_everything_else():
    deny = {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/a/*"}
    assert allowed(GET, [statement(), deny])
    assert not allowed(Call("s3:GetObject", "arn:aws:s3:::b/other"), [statement(), deny])
    assert not allowed(GET, [statement(), {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}])


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {"K": ["a", "b"]}}, {"k": "b"}, True),
        ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"k": "a"}}, {}, True),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringLike": {"s3:prefix": "staging/*"}}, {"s3:prefix": "staging/bronze/"}, True),
        ({"StringLike": {"s3:prefix": "staging/*"}}, {"s3:prefix": "staging"}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "false"}}, {}, False),
        ({"Null": {"k": "false"}}, {"k": "*"}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "false"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": "10.1.2.3"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": "11.1.2.3"}, False),
        ({"StringEquals": {"k": "a"}, "Null": {"x": "true"}}, {"k": "a", "x": "1"}, False),
    ],
)
def test_conditions_hold_as_documented(condition, context, holds):
    assert allowed(Call(GET.action, GET.resource, context), [statement(Condition=condition)]) is holds


def test_an_unknown_operator_is_an_error_and_no_guess():
    with pytest.raises(NotImplementedError):
        allowed(Call(GET.action, GET.resource, {"k": "1"}), [statement(Condition={"DateGreaterThan": {"k": "1"}})])
