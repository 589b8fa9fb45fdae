"""What CloudWatch makes of log lines and of the lack of them: metric filters and alarms, as the template uses them.

A pattern or a way to treat missing data that is not known here is an error, so that nothing is passed over.
"""

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

_TERM = re.compile(r'\$\.(\w+) = "([^"*]+)"')
_BEYOND = {
    "LessThanThreshold": operator.lt,
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
}
_LONG_PERIOD = 3600


def matches(pattern: str, line: Mapping[str, Any]) -> bool:
    """Whether a metric filter for JSON counts a line."""
    inside = re.fullmatch(r"\{ (.*) \}", pattern)
    terms = [_TERM.fullmatch(term) for term in inside[1].split(" && ")] if inside is not None else [None]
    if not all(terms):
        raise NotImplementedError(pattern)
    return all(term is not None and line.get(term[1]) == term[2] for term in terms)


def is_in_alarm(alarm: Mapping[str, Any], datapoints: Sequence[float | None]) -> bool:
    """Whether the alarm is in alarm after these periods, oldest first; None where nothing was counted.

    In its last periods every one must be beyond the threshold; CloudWatch may wait a few periods longer for late data.
    """
    last = [*datapoints][-int(alarm["EvaluationPeriods"]) :]
    beyond, missing = _BEYOND[alarm["ComparisonOperator"]], alarm.get("TreatMissingData", "missing")
    judged = [
        beyond(point, alarm["Threshold"]) if point is not None else {"breaching": True, "notBreaching": False}[missing]
        for point in last
    ]
    return len(judged) == int(alarm["EvaluationPeriods"]) and all(judged)


def longest_look_back(alarm: Mapping[str, Any]) -> int:
    """Over how many seconds an alarm with this period may look at most."""
    return 604_800 if int(alarm["Period"]) >= _LONG_PERIOD else 86_400


def looks_back(alarm: Mapping[str, Any]) -> int:
    """Over how many seconds it looks."""
    return int(alarm["Period"]) * int(alarm["EvaluationPeriods"])
