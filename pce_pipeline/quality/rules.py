"""What a rule is: a named property of an asset, a pure function that looks for violations, and what kind of property.

Rules are declared by decorating a function; its name states the property, its docstring promises it in a sentence, its
kind decides where it blocks. The shell lists rules to declare its checks and calls `judge` on the frames it is about to
publish, or `look` on each range of years of a table that is too large to be looked at as a whole, and takes what was
seen together (`quality.findings`). `contracts` says which rules each table keeps.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import polars as pl

from pce_pipeline.quality.findings import EXAMPLES, Figure, Finding, finding, has_subject, together

__all__ = ["EXAMPLES", "Figure", "Finding", "finding", "has_subject"]

Blocking = Literal["always", "threshold", "never"]
"""`always` blocks in every environment, `threshold` blocks or warns as its settings say, `never` warns everywhere."""

Kind = Literal["schema", "key", "hash", "meaning", "threshold", "comparison"]
"""What a rule is about."""

KINDS: Mapping[Kind, str] = {
    "schema": "columns, types and values that must be there",
    "key": "what a row is: each has its own key, and every key that should be there is",
    "hash": "bytes are those that were written",
    "meaning": "what a figure says: its area, category, unit, status, and what follows from it",
    "threshold": "how much is missing, unread or off, within a stated tolerance",
    "comparison": "two sources, or two times, that may differ without anybody knowing which is right",
}
"""Every kind of rule, with what it covers."""

BLOCKS: Mapping[Kind, Blocking] = {
    "schema": "always",
    "key": "always",
    "hash": "always",
    "meaning": "always",
    "threshold": "threshold",
    "comparison": "never",
}
"""Where each kind of rule stops what it finds."""

REMEDIES: Mapping[Kind, str] = {
    "schema": "The code and the declaration of the table disagree, and no figure is at fault: report it with the "
    "examples.",
    "key": "`pce trace` leads from an example to what BEA published; where BEA gives a row once, report it.",
    "hash": "`pce heal` restores what it can; `pce verify` says what is left.",
    "meaning": "`pce trace` leads from an example to what BEA published: where BEA changed what a line means, the "
    "catalogue has to follow (docs/adding-a-table.md).",
    "threshold": "`pce quarantine` and `pce trace` show what BEA published; what was published before stands until "
    "somebody decides (`pce use`).",
    "comparison": "Nothing has to be done at once: `pce trace` shows both sides, `pce check --sources` asks BEA again.",
}
"""What to do where a rule of a kind does not hold, unless the rule says something else."""

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class RuleResult:
    """A finding under its rule's name: all that a report, a log line or a check's page needs."""

    name: str
    """The rule's name."""
    asset: str
    """The asset it looked at."""
    kind: Kind
    """What the rule is about."""
    passed: bool
    """Whether the property holds."""
    summary: str
    """What was seen, in one sentence."""
    figures: Mapping[str, Figure]
    """What was counted, by name."""
    examples: tuple[str, ...]
    """The first violations, in words."""
    remedy: str
    """What to do where the property does not hold."""
    largest: tuple[Mapping[str, Figure], ...] = ()
    """The largest deviations that were measured, as the finding has them."""

    @property
    def blocking(self) -> Blocking:
        """In which environments it blocks."""
        return BLOCKS[self.kind]

    @property
    def layer(self) -> str:
        return self.asset.partition("/")[0]

    @property
    def has_subject(self) -> bool:
        """Whether the rule found anything to look at: looking at nothing is not a pass."""
        return has_subject(self.figures, passed=self.passed)


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """One property that an asset has or has not.

    For example, one that no table of years keeps:

        >>> @rule("threshold", tolerance="None.")
        ... def years_are_even(years: list[int]) -> Finding:
        ...     \"\"\"No year is odd.\"\"\"
        ...     odd = [year for year in years if year % 2]
        ...     return Finding(passed=not odd, summary=f"{len(odd)} odd years", figures={"rows": len(years)})
        >>> years_are_even.check("gold/years", [2023, 2024]).summary
        '1 odd years'
    """

    name: str
    """Its name, which states the property."""
    description: str
    """The promise: the property in a sentence."""
    kind: Kind
    """What it is about."""
    find: Callable[[Subject], Finding]
    """What looks for violations in what the layer's rules look at."""
    tolerance: str = ""
    """How far off is still right, and why; nothing where the property holds or does not."""
    own_remedy: str = ""
    """What to do where it does not hold, if that is not what its kind says."""

    @property
    def blocking(self) -> Blocking:
        """Where it stops what it finds."""
        return BLOCKS[self.kind]

    @property
    def remedy(self) -> str:
        """What to do where the property does not hold."""
        return self.own_remedy or REMEDIES[self.kind]

    def check(self, asset: str, subject: Subject) -> RuleResult:
        """The rule's result for an asset (its path).

        A frame it cannot look at (a column missing, another type) is a violation too.
        """
        return self.result(asset, self.look(subject))

    def look(self, subject: Subject) -> Finding:
        """What the rule sees, as `check` takes it."""
        try:
            return self.find(subject)
        except pl.exceptions.PolarsError as unreadable:
            return Finding(passed=False, summary=f"could not be checked: {unreadable}")

    def result(self, asset: str, found: Finding) -> RuleResult:
        """The rule's result for an asset, from what it saw there."""
        return RuleResult(
            name=self.name,
            asset=asset,
            kind=self.kind,
            passed=found.passed,
            summary=found.told,
            figures=found.counted,
            examples=found.spelled_out,
            largest=found.largest,
            remedy=self.remedy,
        )


def rule(
    kind: Kind, *, tolerance: str = "", remedy: str = ""
) -> Callable[[Callable[[Subject], Finding]], Rule[Subject]]:
    """Make a rule of a function that looks for violations: its name names the rule, its docstring promises.

    A threshold states its tolerance with the reason for it.
    """

    def declare(find: Callable[[Subject], Finding]) -> Rule[Subject]:
        description = " ".join((find.__doc__ or "").split())
        return Rule(find.__name__, description, kind, find, tolerance, remedy)

    return declare


def judge(rules: Iterable[Rule[Subject]], asset: str, subject: Subject) -> list[RuleResult]:
    """Every rule's result for an asset, in order; no result keeps another from being found."""
    return [each.check(asset, subject) for each in rules]


class Seen:
    """What rules saw of one asset, part by part: each part is looked at once, and need not be kept for it.

    For example, of a table that is looked at year by year:

        >>> @rule("key")
        ... def numbers_are_small(numbers: list[int]) -> Finding:
        ...     \"\"\"No number is above ten.\"\"\"
        ...     large = [number for number in numbers if number > 10]
        ...     return Finding(not large, "{violations} of {rows}", {"violations": len(large), "rows": len(numbers)})
        >>> seen = Seen()
        >>> seen.look([numbers_are_small], [1, 2])
        >>> seen.look([numbers_are_small], [3, 11])
        >>> [result.summary for result in seen.results("gold/numbers")]
        ['1 of 4']
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[Rule[Any], list[Finding]]] = {}

    def look(self, rules: Iterable[Rule[Subject]], subject: Subject) -> None:
        """Let rules look at a part; no finding keeps another from being made."""
        for each in rules:
            self._found.setdefault(each.name, (each, []))[1].append(each.look(subject))

    def results(self, asset: str) -> list[RuleResult]:
        """Every rule's result for the asset, of all parts together, in the order in which they looked first."""
        return [each.result(asset, together(found)) for each, found in self._found.values()]
