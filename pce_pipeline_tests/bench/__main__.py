"""`python -m pce_pipeline_tests.bench [--quick] [--markdown | --json]`: run the bench and say what came out."""

import argparse
import json
import sys

from rich.console import Console
from rich.markdown import Markdown

from pce_pipeline_tests.bench import beside_report, cases
from pce_pipeline_tests.bench.beside import PYTHON_OF_OTHERS, run_beside
from pce_pipeline_tests.bench.report import WIDTH, Machine, for_machines, markdown, terminal
from pce_pipeline_tests.bench.run import run


def main() -> int:
    """0 if both ways agree everywhere, else 1."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="five years of three lines, each stage once: does it work?"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="a table for the README")
    form.add_argument("--json", action="store_true", help="every figure, for machines")
    chosen = parser.parse_args()
    machine = Machine()
    with Console(stderr=True).status("starting") as status:
        outcome = run(quick=chosen.quick, tell=status.update)
        beside = run_beside(python=PYTHON_OF_OTHERS, quick=chosen.quick, tell=status.update)
    # said before the days are measured: one that fails ends the bench, and costs nothing of this
    console = Console()
    console.width = max(console.width, WIDTH)
    if chosen.markdown:
        sys.stdout.write(f"{markdown(outcome, machine)}\n\n{beside_report.markdown(beside)}\n\n")
    elif not chosen.json:
        console.print(terminal(outcome, machine))
        console.print(beside_report.terminal(beside))
    with Console(stderr=True).status("starting") as status:
        days = cases.run_cases(quick=chosen.quick, tell=status.update)
    if chosen.json:
        told = {
            **for_machines(outcome, machine),
            "beside": beside_report.for_machines(beside),
            "cases": cases.for_machines(days),
        }
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif chosen.markdown:
        sys.stdout.write(f"{cases.markdown(days)}\n")
    else:
        console.print(Markdown(cases.markdown(days)))
    return 0 if outcome.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
