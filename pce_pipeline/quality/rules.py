"""What a rule is: a named property of an asset, a pure function that looks for violations, and its severity.

Rules are declared by decorating a function; its name states the property, its docstring says it in a sentence. The
shell lists rules to declare its checks and calls `judge` on the frames it is about to publish.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import polars as pl

Blocking = Literal["always", "threshold", "never"]
"""`always` blocks in every environment, `threshold` blocks or warns as its settings say, `never` warns everywhere."""

Figure = int | float | str

LOOKED_AT = ("checked", "compared", "releases", "facts", "rows", "areas", "categories")
"""Under the first of these names that a finding's figures have stands how many things it looked at."""

EXAMPLES = 5
"""How many violations a result spells out; its figures count all of them."""

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Finding:
    """What a rule saw."""

    passed: bool
    """Whether the property holds."""
    summary: str
    """What was seen, in one sentence."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """What was counted, by name."""
    examples: tuple[str, ...] = ()
    """The first violations, in words."""
    largest: tuple[Mapping[str, Figure], ...] = ()
    """The largest deviations that were measured, each kind by itself: its key, its figures, and what explains it."""

    @property
    def has_subject(self) -> bool:
        """Whether there was anything to look at."""
        return has_subject(self.figures, passed=self.passed)


def has_subject(figures: Mapping[str, Figure], *, passed: bool) -> bool:
    """Whether a rule looked at anything, by what its figures count; a violation is something."""
    looked_at = [figures[name] for name in LOOKED_AT if name in figures]
    return not passed or not looked_at or looked_at[0] != 0


@dataclass(frozen=True)
class RuleResult:
    """A finding under its rule's name: all that a report, a log line or a check's page needs."""

    name: str
    """The rule's name."""
    asset: str
    """The asset it looked at."""
    blocking: Blocking
    """In which environments it blocks."""
    passed: bool
    """Whether the property holds."""
    summary: str
    """What was seen, in one sentence."""
    figures: Mapping[str, Figure]
    """What was counted, by name."""
    examples: tuple[str, ...]
    """The first violations, in words."""
    largest: tuple[Mapping[str, Figure], ...] = ()
    """The largest deviations that were measured, as the finding has them."""

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

        >>> @rule("threshold")
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
    """The property in a sentence."""
    blocking: Blocking
    """Where it stops what it finds."""
    find: Callable[[Subject], Finding]
    """What looks for violations in what the layer's rules look at."""

    def check(self, asset: str, subject: Subject) -> RuleResult:
        """The rule's result for an asset (its path).

        A frame it cannot look at (a column missing, another type) is a violation too.
        """
        try:
            finding = self.find(subject)
        except pl.exceptions.PolarsError as unreadable:
            finding = Finding(passed=False, summary=f"could not be checked: {unreadable}")
        return RuleResult(
            name=self.name,
            asset=asset,
            blocking=self.blocking,
            passed=finding.passed,
            summary=finding.summary,
            figures=finding.figures,
            examples=finding.examples,
            largest=finding.largest,
        )


def rule(blocking: Blocking) -> Callable[[Callable[[Subject], Finding]], Rule[Subject]]:
    """Make a rule of a function that looks for violations: its name names the rule, its docstring describes it."""

    def declare(find: Callable[[Subject], Finding]) -> Rule[Subject]:
        description = " ".join((find.__doc__ or "").split())
        return Rule(find.__name__, description, blocking, find)

    return declare


def judge(rules: Iterable[Rule[Subject]], asset: str, subject: Subject) -> list[RuleResult]:
    """Every rule's result for an asset, in order; no result keeps another from being found."""
    return [each.check(asset, subject) for each in rules]


def finding(
    violations: pl.DataFrame,
    *,
    holds: str,
    fails: str,
    example: str,
    figures: Mapping[str, Figure] | None = None,
) -> Finding:
    """A finding from a frame of violations: none of them is a pass.

    `example` is a format string over the violations' columns; `figures` stand beside the count of violations.
    """
    return Finding(
        passed=violations.is_empty(),
        summary=holds if violations.is_empty() else f"{violations.height} {fails}",
        figures={"violations": violations.height, **(figures or {})},
        examples=tuple(example.format(**row) for row in violations.head(EXAMPLES).iter_rows(named=True)),
    )
