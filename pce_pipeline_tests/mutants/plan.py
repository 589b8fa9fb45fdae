"""What `mutants.toml` says: the modules in scope, the tests that must notice, and the mutants that change nothing."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pce_pipeline_tests.mutants.making import Name

PLAN = Path(__file__).with_name("mutants.toml")


@dataclass(frozen=True)
class Plan:
    """The modules, each with its tests, and the reasons why some mutants cannot be noticed."""

    tests: Mapping[str, tuple[str, ...]]
    """By module: files of tests, and options of pytest, in the order they run."""

    reasons: Mapping[Name, str]
    """By mutant: why no test can tell it from the module."""

    def of(self, modules: Iterable[str]) -> "Plan":
        """The plan for some of the modules."""
        chosen = set(modules)
        unknown = sorted(chosen - self.tests.keys())
        if unknown:
            raise SystemExit(f"Not in {PLAN.name}: {', '.join(unknown)}. There are: {', '.join(self.tests)}.")
        return Plan(
            {module: tests for module, tests in self.tests.items() if module in chosen},
            {name: reason for name, reason in self.reasons.items() if name.module in chosen},
        )


def read_plan(path: Path = PLAN) -> Plan:
    """The plan of a file; a mutant without a reason, or listed twice, is refused."""
    read = tomllib.loads(path.read_text("utf-8"))
    tests = {module: tuple(entry["tests"]) for module, entry in read["modules"].items()}
    reasons: dict[Name, str] = {}
    for module, entry in read["modules"].items():
        for listed in entry.get("equivalent", ()):
            for becomes in [listed["becomes"]] if isinstance(listed["becomes"], str) else listed["becomes"]:
                name = Name(module, listed["where"], listed["line"], becomes)
                if name in reasons:
                    raise ValueError(f"{path.name} lists a mutant twice: {name}")
                if not listed["reason"].strip():
                    raise ValueError(f"{path.name} gives no reason for {name}")
                reasons[name] = listed["reason"]
    return Plan(tests, reasons)
