"""What a rule saw: whether its property holds, what was counted, and the first violations, spelled out.

What several findings saw of parts of the same (ranges of years, say) can be taken together: as one look at all of it
would have seen it. Therefore what a finding says is made of what it counts, at the end, and not by the rule.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import polars as pl

Figure = int | float | str

LOOKED_AT = ("checked", "compared", "releases", "facts", "rows", "areas", "categories")
"""Under the first of these names that a finding's figures have stands how many things it looked at."""

EXAMPLES = 5
"""How many violations a result spells out; its figures count all of them."""

_NAMED_FIGURE = re.compile(r"\{(\w+)\}")
_KINDS_OF_DEVIATION = ("nothing", "", "rounding")


class Least(float):
    """A figure of which several findings tell the smallest, where of other fractions they tell the largest."""


class Example(str):
    """A violation in words that has a place among others, wherever it was found."""

    place: tuple[Any, ...]
    """What it is sorted by."""

    def __new__(cls, text: str, place: tuple[Any, ...]) -> Self:
        example = super().__new__(cls, text)
        example.place = place
        return example


@dataclass(frozen=True)
class Finding:
    """What a rule saw."""

    passed: bool
    """Whether the property holds."""
    summary: "str | Callable[[Finding], str]"
    """What was seen, in one sentence: a text in which `{rows}` stands for the figure `rows`, or what makes one of the
    finding."""
    figures: Mapping[str, Figure | frozenset[str]] = field(default_factory=dict)
    """What was counted, by name; a set is of things that other parts may have, too, and is told as their number."""
    examples: tuple[str, ...] = ()
    """The first violations, in words."""
    largest: tuple[Mapping[str, Figure], ...] = ()
    """The largest deviations that were measured, each kind by itself: its key, its figures, and what explains it."""
    excused: tuple[str, ...] = ()
    """The first deviations that are no violations, in words."""
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the summary names beside figures, each by its name in braces."""
    of_each: "Mapping[str, Finding]" = field(default_factory=dict)
    """What was seen of each dataset, where a rule is one of datasets."""
    of_datasets: "Callable[[Mapping[str, Finding]], Finding] | None" = None
    """What makes the finding of these."""

    @property
    def counted(self) -> dict[str, Figure]:
        """The figures as numbers and texts."""
        return {name: _plain(each) for name, each in self.figures.items()}

    @property
    def told(self) -> str:
        """The summary with its figures."""
        if callable(self.summary):
            return self.summary(self)
        told = {name: ", ".join(texts) for name, texts in self.named.items()} | self.counted
        return _NAMED_FIGURE.sub(lambda found: str(told.get(found[1], found[0])), self.summary)

    @property
    def spelled_out(self) -> tuple[str, ...]:
        """The first violations, and the first deviations that are none."""
        return tuple(map(str, (*self.examples, *self.excused)))

    @property
    def has_subject(self) -> bool:
        """Whether there was anything to look at."""
        return has_subject(self.counted, passed=self.passed)


def _plain(figure: Figure | frozenset[str]) -> Figure:
    """A figure as a number or a text of Python's own."""
    if isinstance(figure, frozenset):
        return len(figure)
    return float(figure) if isinstance(figure, Least) else figure


def has_subject(figures: Mapping[str, Figure], *, passed: bool) -> bool:
    """Whether a rule looked at anything, by what its figures count; a violation is something."""
    looked_at = [figures[name] for name in LOOKED_AT if name in figures]
    return not passed or not looked_at or looked_at[0] != 0


def finding(
    violations: pl.DataFrame,
    *,
    holds: str | Callable[[Finding], str],
    fails: str,
    example: str,
    figures: Mapping[str, Figure | frozenset[str]] | None = None,
    named: Mapping[str, tuple[str, ...]] | None = None,
    are_distinct: bool = False,
) -> Finding:
    """A finding from a frame of violations: none of them is a pass.

    `example` is a format string over the violations' columns; `figures` stand beside the count of violations, and
    `holds` and `fails` name them in braces (or what is `named`). Examples come in the order of their years.
    `are_distinct` says that a violation which several parts have is one.
    """
    by_year = violations.sort("year", maintain_order=True) if "year" in violations.columns else violations
    shown = by_year if are_distinct else by_year.head(EXAMPLES)
    spelled_out = [example.format(**row) for row in shown.iter_rows(named=True)]
    if are_distinct:
        spelled_out = [Example(text, (text,)) for text in sorted(spelled_out)]
    return Finding(
        passed=violations.is_empty(),
        summary=holds if violations.is_empty() else f"{{violations}} {fails}",
        figures={"violations": frozenset(spelled_out) if are_distinct else violations.height, **(figures or {})},
        examples=tuple(spelled_out[:EXAMPLES]),
        named=named or {},
    )


def together(findings: Sequence[Finding]) -> Finding:
    """One finding of what several saw of parts of the same, in the order of the parts.

    Counts add up, of sets all members count, of fractions the largest is told; it passes where all do.
    """
    if len(findings) == 1:
        return findings[0]
    of_datasets = next((each.of_datasets for each in findings if each.of_datasets is not None), None)
    if of_datasets is not None:
        names = dict.fromkeys(name for each in findings for name in each.of_each)
        return of_datasets(
            {name: together([each.of_each[name] for each in findings if name in each.of_each]) for name in names}
        )
    first = next((each for each in findings if not each.passed), findings[0])
    figures: dict[str, Figure | frozenset[str]] = {}
    for each in findings:
        for name, figure in each.figures.items():
            figures[name] = counted_together(figures[name], figure) if name in figures else figure
    named = dict.fromkeys(name for each in findings for name in each.named)
    return replace(
        first,
        passed=all(each.passed for each in findings),
        figures=figures,
        examples=_first(each.examples for each in findings),
        excused=_first(each.excused for each in findings),
        largest=tuple(_largest(row for each in findings for row in each.largest)),
        named={
            name: tuple(dict.fromkeys(text for each in findings for text in each.named.get(name, ()))) for name in named
        },
    )


def counted_together(one: Figure | frozenset[str], other: Figure | frozenset[str]) -> Figure | frozenset[str]:
    """A figure of two findings: counts add up, of sets all members count, of fractions the largest (or least) is kept.

    Of texts it is the later.
    """
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return one | other
    if isinstance(one, str | frozenset) or isinstance(other, str | frozenset):
        return other
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    return min(one, other) if isinstance(one, Least) else max(one, other)


def _first(parts: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The first examples of several parts, each once; by their places where they have any."""
    found = list(dict.fromkeys(text for texts in parts for text in texts))
    found.sort(key=lambda text: text.place if isinstance(text, Example) else ())
    return tuple(found[:EXAMPLES])


def _largest(rows: Iterable[Mapping[str, Figure]]) -> Iterator[Mapping[str, Figure]]:
    """The largest deviations of each kind: those that nothing explains, those that the catalogue does, and rounding."""
    kinds: dict[str, list[Mapping[str, Figure]]] = {kind: [] for kind in _KINDS_OF_DEVIATION}
    for row in rows:
        kind = str(row["explained_by"])
        kinds[kind if kind in kinds else ""].append(row)
    for each in kinds.values():
        yield from sorted(each, key=lambda row: (-abs(float(row["deviation"])), *map(str, row.values())))[:EXAMPLES]
