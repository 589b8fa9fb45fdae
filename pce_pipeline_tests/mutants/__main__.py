"""`python -m pce_pipeline_tests.mutants [MODULE ...]`: change the pure modules, and say which tests do not notice."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from pce_pipeline_tests.mutants.making import Mutant, Name, mutants_of
from pce_pipeline_tests.mutants.plan import PLAN, Plan, read_plan
from pce_pipeline_tests.mutants.running import Result, Runner, runner


def main() -> int:
    """0 if a test notices every mutant, or the list says why none can."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="files from the root of the checkout; all if none is named")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many mutants are tried at once")
    parser.add_argument("--listed", action="store_true", help="try the mutants that are listed as equivalent as well")
    chosen = parser.parse_args()
    plan = read_plan()
    plan = plan.of(chosen.modules) if chosen.modules else plan
    total: Counter[str] = Counter()
    with runner(chosen.jobs) as running:
        for module in plan.tests:
            total += _of_module(running, plan, module, listed_too=chosen.listed)
    _say(f"\n{_score(total)}")
    return 1 if total["survived"] or total["listed wrongly"] else 0


def _of_module(running: Runner, plan: Plan, module: str, *, listed_too: bool) -> Counter[str]:
    started = time.monotonic()
    mutants = mutants_of(module, running.source(module))
    listed = {mutant.name for mutant in mutants} & plan.reasons.keys()
    unmatched = [name for name in plan.reasons if name.module == module and name not in listed]
    tried = mutants if listed_too else [mutant for mutant in mutants if mutant.name not in listed]
    seconds = running.seconds_unchanged(plan.tests[module])
    results = sorted(running.results(tried, plan.tests[module], seconds), key=lambda result: result.mutant.number)
    survivors = [each.mutant for each in results if each.outcome == "survived" and each.mutant.name not in listed]
    noticed = sorted({each.mutant.name for each in results if each.outcome != "survived"} & listed)
    counted = _counted(mutants, results, survivors, listed)
    counted["listed wrongly"] = len(unmatched) + len(noticed)
    _say(f"{module}: {_score(counted)} ({time.monotonic() - started:.0f} s)")
    for mutant in survivors:
        _say(f"  survived  {_shown(mutant.name)} (line {mutant.number})")
    for name in unmatched:
        _say(f"  {PLAN.name} lists what is not a mutant (any more): {_shown(name)}")
    for name in noticed:
        _say(f"  {PLAN.name} lists what a test does notice: {_shown(name)}")
    return counted


def _counted(
    mutants: Sequence[Mutant], results: Sequence[Result], survivors: Sequence[Mutant], listed: set[Name]
) -> Counter[str]:
    outcomes = Counter(each.outcome for each in results if each.mutant.name not in listed)
    return Counter(
        {
            "mutants": len(mutants),
            "killed": outcomes["killed"] + outcomes["timed out"],
            "survived": len(survivors),
            "equivalent": sum(mutant.name in listed for mutant in mutants),
        }
    )


def _score(counted: Mapping[str, int]) -> str:
    parts = f"{counted['killed']} killed, {counted['survived']} survived, {counted['equivalent']} equivalent"
    wrongly = counted["listed wrongly"]
    return f"{counted['mutants']} mutants: {parts}" + (f"; {wrongly} listed wrongly" if wrongly else "")


def _shown(name: Name) -> str:
    return f"in {name.where or 'the module'}:\n    - {name.line}\n    + {name.becomes}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
