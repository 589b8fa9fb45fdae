"""`python -m pce_pipeline_tests.bench [--quick] [--markdown | --json]`: run the bench and say what came out."""

import argparse
import json
import sys

from rich.console import Console

from pce_pipeline_tests.bench.measure import MOST_RUNS
from pce_pipeline_tests.bench.report import WIDTH, Machine, for_machines, markdown, terminal
from pce_pipeline_tests.bench.run import FULL, QUICK, run


def main() -> int:
    """0 if both ways agree everywhere, else 1."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three lines of one table, each measured once")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="a table for the README")
    form.add_argument("--json", action="store_true", help="every figure, for machines")
    chosen = parser.parse_args()
    machine = Machine()
    with Console(stderr=True).status("starting") as status:
        outcome = run(
            profile=QUICK if chosen.quick else FULL,
            most_runs=1 if chosen.quick else MOST_RUNS,
            tell=status.update,
        )
    if chosen.json:
        sys.stdout.write(json.dumps(for_machines(outcome, machine), indent=2) + "\n")
    elif chosen.markdown:
        sys.stdout.write(markdown(outcome, machine) + "\n")
    else:
        console = Console()
        console.width = max(console.width, WIDTH)
        console.print(terminal(outcome, machine))
    return 0 if outcome.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
