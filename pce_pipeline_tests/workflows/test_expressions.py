"""The stand-in for GitHub's expressions says what GitHub says."""

import pytest

from pce_pipeline_tests.workflows.expressions import Context

VALUES = {
    "inputs": {"force": False, "years": "", "environment": "staging", "nothing": None},
    "vars": {"REACH": "Runner"},
    "steps": {"door": {"outcome": "skipped"}},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.environment && format('[\"{0}\"]', inputs.environment) || 'none'", '["staging"]'),
        ("inputs.nothing && format('{0}', inputs.nothing) || vars.ABSENT || 'both'", "both"),
        ("fromJSON('[\"a\"]')", ["a"]),
        ("!inputs.force && steps.door.outcome", "skipped"),
        ("vars.REACH == 'runner'", True),
        ("vars.REACH != 'private' && !(1 == 2)", True),
        ("inputs.nothing == ''", True),
        ("inputs.force == 0", True),
        ("vars.ABSENT == 'x'", False),
        ("contains(vars.REACH, 'RUN')", True),
        ("steps.later.outputs.range", None),
        ("'it''s'", "it's"),
    ],
)
def test_values(expression: str, value: object) -> None:
    assert Context(VALUES).value(expression) == value


@pytest.mark.parametrize(
    ("condition", "after_success", "after_failure"),
    [
        (None, True, False),
        ("inputs.environment", True, False),
        ("${{ inputs.force }}", False, False),
        ("always() && steps.door.outcome != 'success'", True, True),
        ("(failure() || cancelled()) && inputs.environment == 'staging'", False, True),
    ],
)
def test_conditions(condition: str | None, *, after_success: bool, after_failure: bool) -> None:
    assert Context(VALUES, "success").holds(condition) is after_success
    assert Context(VALUES, "failure").holds(condition) is after_failure


def test_texts() -> None:
    assert Context(VALUES).text("${{ inputs.environment }}-${{ inputs.force }}-${{ vars.ABSENT }}") == "staging-false-"


@pytest.mark.parametrize("expression", ["secret.KEY", "hashFiles('x')", "inputs.years < 3"])
def test_what_is_not_known_is_an_error(expression: str) -> None:
    with pytest.raises((KeyError, NotImplementedError)):
        Context(VALUES).value(expression)
