"""In which order CloudFormation may go: after what a resource refers to, back before it, and otherwise as it likes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

Choice: TypeAlias = Callable[[Sequence[str]], str]
"""Which of several resources comes next, where any may."""


class Circular(ValueError):
    """Resources that wait for each other."""


def first(ready: Sequence[str]) -> str:
    """The order of the template, where nothing speaks against it."""
    return ready[0]


def forwards(names: Iterable[str], needs: Mapping[str, Collection[str]], choose: Choice = first) -> list[str]:
    """An order in which each comes after what it needs. Raises `Circular`."""
    left, ordered = list(names), list[str]()
    while left:
        ready = [name for name in left if not set(needs[name]) & set(left)]
        if not ready:
            raise Circular(f"Circular dependency between resources: [{', '.join(sorted(left))}]")
        ordered.append(choose(ready))
        left.remove(ordered[-1])
    return ordered


def backwards(names: Collection[str], needs: Mapping[str, Collection[str]], choose: Choice = first) -> list[str]:
    """An order in which each comes before what it needs. Raises `Circular`."""
    wanted_by = {name: {other for other in names if name in needs[other]} for name in names}
    return forwards(reversed(list(names)), wanted_by, choose)
