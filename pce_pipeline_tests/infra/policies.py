"""Whether AWS would allow a call: identity and resource policies, conditions, explicit denies, by AWS's own rules.

Within one account a call is allowed if any statement of either kind allows it and none denies it. Unknown condition
operators are an error, so that nothing is passed over.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

Statement: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One request: the action, the resource's ARN, and what conditions can see."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def sees(self) -> dict[str, str]:
        """The context, with what every request has."""
        seen = {"aws:SecureTransport": "true", "aws:RequestedRegion": "us-east-1", **self.context}
        if self.action == "s3:PutObject":
            seen.setdefault("s3:ObjectCreationOperation", "true")
        return {key.lower(): value for key, value in seen.items()}


def allowed(call: Call, identity: Iterable[Statement], resource: Iterable[Statement] = ()) -> bool:
    """The decision for a principal with these identity statements on a resource with those of its policy."""
    matching = [each for each in (*identity, *resource) if applies(each, call)]
    if any(each["Effect"] == "Deny" for each in matching):
        return False
    return any(each["Effect"] == "Allow" for each in matching)


def applies(statement: Statement, call: Call) -> bool:
    """Whether action, resource and all conditions of a statement match the call."""
    return (
        _element(statement, "Action", call.action, ignore_case=True)
        and _element(statement, "Resource", call.resource)
        and all(
            _holds(operator, key, _several(values), call.sees())
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """AWS's wildcards: `*` is any text, slashes too, `?` any one character."""
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


@cache
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _element(statement: Statement, name: str, value: str, *, ignore_case: bool = False) -> bool:
    if f"Not{name}" in statement:
        return not any(matches(each, value, ignore_case=ignore_case) for each in _several(statement[f"Not{name}"]))
    return any(matches(each, value, ignore_case=ignore_case) for each in _several(statement[name]))


def _several(value: Any) -> Sequence[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _holds(operator: str, key: str, values: Sequence[str], context: Mapping[str, str]) -> bool:
    found = context.get(key.lower())
    if operator == "Null":
        return (found is None) == (values[0] == "true")
    base = operator.removesuffix("IfExists")
    if found is None:
        # a negated operator holds for a key that is not there
        return base != operator or "Not" in base
    tests = {
        "StringEquals": lambda value: found == value,
        "StringLike": lambda value: matches(value, found),
        "ArnEquals": lambda value: matches(value, found),
        "ArnLike": lambda value: matches(value, found),
        "Bool": lambda value: found.lower() == value.lower(),
        "IpAddress": lambda value: ip_address(found) in ip_network(value),
        "NumericLessThanEquals": lambda value: float(found) <= float(value),
    }
    positive = base.replace("Not", "")
    if positive not in tests:
        raise NotImplementedError(operator)
    return any(map(tests[positive], values)) != ("Not" in base)
