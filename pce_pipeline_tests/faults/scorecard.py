"""The scorecard: what was tried against the pipeline, how often, and what came out, as docs/scorecard.md and JSON."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date

HEAD = """# Scorecard

What is claimed about safety, tried: `python -m pce_pipeline_tests.faults` wrote this page on {day}, in {minutes:.0f}
minutes, with version {version} as of commit {commit}, on {machine}. A count is what was run to its end, not what was
planned.

| what was done | tried | held | did not |
| --- | ---: | ---: | ---: |
"""


@dataclass(frozen=True)
class Circumstances:
    """When, where and with what it was tried."""

    day: date
    """The day it began (UTC)."""
    minutes: float
    """How long it took."""
    version: str
    """The package's version."""
    commit: str
    """The commit of the checkout, and whether anything was changed in it."""
    machine: str
    """What it ran on: cores, memory, processor, system, and what load it had."""


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


@dataclass(frozen=True)
class Trial:
    """One thing that was tried, to its end."""

    case: str
    """Of which sort it is: what is counted together."""
    wrong: str | None = None
    """What was seen that must not be; None is well."""
    said: str = ""
    """How it ended, where there are several good ends: the name of an error, or what became right."""


def part_of(name: str, claim: str, trials: Iterable[Trial]) -> Part:
    """What trials come to: each sort with its count and how its trials ended."""
    done = list(trials)
    ends = Counter((each.case, each.said) for each in done)
    cases = {each.case: None for each in done}
    return Part(
        name=name,
        claim=claim,
        tried=len(done),
        failed=[f"{each.case}: {each.wrong}" for each in done if each.wrong is not None],
        cases=[
            f"{case}: "
            + ", ".join(f"{count:,} {said or 'tried'}" for (of, said), count in sorted(ends.items()) if of == case)
            for case in cases
        ],
    )


def markdown(parts: Sequence[Part], of: Circumstances) -> str:
    """The page."""
    lines = [
        f"| {each.name} | {each.tried:,} | {each.tried - len(each.failed):,} | {len(each.failed):,} |" for each in parts
    ]
    text = HEAD.format(**asdict(of)) + "\n".join(lines) + "\n"
    for each in parts:
        text += f"\n## {each.name[0].upper()}{each.name[1:]}\n\n{each.claim}\n"
        if each.failed:
            text += "\nDid not hold:\n\n" + "".join(f"- {said}\n" for said in each.failed)
        if each.cases:
            text += "\n<details><summary>What was tried, by name</summary>\n\n"
            text += "".join(f"- {name}\n" for name in each.cases) + "\n</details>\n"
    return text
