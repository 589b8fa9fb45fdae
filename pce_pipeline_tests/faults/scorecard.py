"""The scorecard: what was tried against the pipeline, how often, and what came out, as docs/scorecard.md and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

HEAD = """# Scorecard

What is claimed about safety, tried: `python -m pce_pipeline_tests.faults` wrote this page on {day} with version
{version}. A count is what was run to its end, not what was planned.

| what was done | tried | held | did not |
| --- | ---: | ---: | ---: |
"""


@dataclass(frozen=True)
class Part:
    """One kind of fault."""

    name: str
    """What was done, in words."""
    claim: str
    """What must hold, in words."""
    tried: int
    """How often."""
    failed: Sequence[str]
    """Where it did not hold, and what was seen instead."""
    cases: Sequence[str] = ()
    """What was tried by name, where it has names."""


def markdown(parts: Sequence[Part], *, day: date, version: str) -> str:
    """The page."""
    lines = [
        f"| {each.name} | {each.tried:,} | {each.tried - len(each.failed):,} | {len(each.failed):,} |" for each in parts
    ]
    text = HEAD.format(day=day, version=version) + "\n".join(lines) + "\n"
    for each in parts:
        text += f"\n## {each.name[0].upper()}{each.name[1:]}\n\n{each.claim}\n"
        if each.failed:
            text += "\nDid not hold:\n\n" + "".join(f"- {said}\n" for said in each.failed)
        if each.cases:
            text += "\n<details><summary>What was tried, by name</summary>\n\n"
            text += "".join(f"- {name}\n" for name in each.cases) + "\n</details>\n"
    return text
