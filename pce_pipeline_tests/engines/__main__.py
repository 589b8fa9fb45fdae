"""`python -m pce_pipeline_tests.engines [--on PLACE] [--engine NAME] [--markdown | --json]`: ask every engine."""

import argparse
import json
import sys

from rich.console import Console

from pce_pipeline_tests.engines import report
from pce_pipeline_tests.engines.running import ENGINES, PLACES, run


def main() -> int:
    """0 if every engine that can be asked here says the same as ours, else 1."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.engines", description=__doc__)
    parser.add_argument("--on", action="append", choices=PLACES, help="only there; may be repeated")
    names = [engine.name for engine in ENGINES]
    parser.add_argument("--engine", action="append", choices=names, help="only this one; may be repeated")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="tables for a document")
    form.add_argument("--json", action="store_true", help="every answer, for machines")
    chosen = parser.parse_args()
    engines = [engine for engine in ENGINES if engine.name in (chosen.engine or names)]
    with Console(file=sys.stderr).status("starting") as status:
        places = run(chosen.on or PLACES, engines, status.update)
    if chosen.json:
        sys.stdout.write(json.dumps(report.for_machines(places), indent=2) + "\n")
    elif chosen.markdown:
        sys.stdout.write(report.markdown(places) + "\n")
    else:
        console = Console()
        console.width = max(console.width, report.WIDTH)
        console.print(report.terminal(places))
    return 0 if all(outcome.agrees for place in places for outcome in place.outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
