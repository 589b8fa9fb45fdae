"""GitHub's expressions, as far as our workflows use them: `${{ … }}` in texts, and the conditions of steps.

An operator, function or context that is not here is an error, so that nothing in a workflow is passed over. Semantics
are GitHub's: `&&` and `||` give an operand, absent properties are null, texts compare without case.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>&&|\|\||==|!=|[!().,]))"
)
_STATUS = re.compile(r"\b(success|failure|cancelled|always)\(\)")


@dataclass(frozen=True)
class Context:
    """What an expression can see: contexts by name, and how the job stands ("success" or "failure")."""

    values: Mapping[str, Any]
    status: str = "success"

    def text(self, template: object) -> str:
        """A value of the workflow with its expressions filled in, as the text that the runner hands on."""
        if not isinstance(template, str):
            return as_text(template)
        return _EMBEDDED.sub(lambda found: as_text(self.value(found[1])), template)

    def value(self, expression: str) -> Any:
        """The value of one expression, without its braces."""
        return _Parser(expression, self).whole()

    def holds(self, condition: object) -> bool:
        """Whether a step with this condition runs; without a status function it needs all before to be well."""
        if condition is None:
            return self.status == "success"
        bare = _EMBEDDED.sub(lambda found: found[1], condition) if isinstance(condition, str) else as_text(condition)
        asked = bool(self.value(bare))
        return asked if _STATUS.search(bare) else asked and self.status == "success"


def as_text(value: object) -> str:
    """As GitHub writes a value into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, Mapping | list) else str(value)


class _Parser:
    """Evaluates while it reads, by the grammar's levels: or, and, comparison, not, value."""

    def __init__(self, expression: str, context: Context) -> None:
        self._context = context
        self._tokens: list[tuple[str, str]] = []
        position, text = 0, expression.strip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise NotImplementedError(f"{text[position:]!r} in {expression!r}")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()

    def whole(self) -> Any:
        value = self._or()
        if self._tokens:
            raise NotImplementedError(f"what follows: {self._tokens}")
        return value

    def _or(self) -> Any:
        value = self._and()
        while self._takes("||"):
            right = self._and()
            value = value or right
        return value

    def _and(self) -> Any:
        value = self._comparison()
        while self._takes("&&"):
            right = self._comparison()
            value = value and right
        return value

    def _comparison(self) -> Any:
        value = self._not()
        for sign, wanted in (("==", True), ("!=", False)):
            if self._takes(sign):
                return _alike(value, self._not()) is wanted
        return value

    def _not(self) -> Any:
        return not self._not() if self._takes("!") else self._operand()

    def _operand(self) -> Any:
        kind, token = self._tokens.pop(0)
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return int(token)
        if token == "(":
            value = self._or()
            self._needs(")")
            return value
        if self._takes("("):
            return self._function(token, self._arguments())
        if token in {"true", "false", "null"}:
            return {"true": True, "false": False, "null": None}[token]
        value = self._context.values[token]  # an unknown context is a mistake in the workflow
        while self._takes("."):
            _, name = self._tokens.pop(0)
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def _arguments(self) -> list[Any]:
        found: list[Any] = []
        while not self._takes(")"):
            found.append(self._or())
            self._takes(",")
        return found

    def _function(self, name: str, given: Sequence[Any]) -> Any:
        functions: Mapping[str, Callable[..., Any]] = {
            "success": lambda: self._context.status == "success",
            "failure": lambda: self._context.status == "failure",
            "cancelled": lambda: self._context.status == "cancelled",
            "always": lambda: True,
            "contains": lambda text, part: as_text(part).lower() in as_text(text).lower(),
            "format": lambda text, *parts: re.sub(r"\{(\d+)\}", lambda found: as_text(parts[int(found[1])]), text),
            "fromJSON": json.loads,
            "toJSON": lambda value: json.dumps(value, indent=2),
        }
        return functions[name](*given)

    def _takes(self, sign: str) -> bool:
        if self._tokens and self._tokens[0] == ("sign", sign):
            self._tokens.pop(0)
            return True
        return False

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise NotImplementedError(f"{sign} is missing before {self._tokens}")


def _alike(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return bool(left == right)
    return _number(left) == _number(right)


def _number(value: Any) -> float:
    """What GitHub makes of a value that is compared with one of another type."""
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
