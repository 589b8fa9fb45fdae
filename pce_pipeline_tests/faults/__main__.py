"""`python -m pce_pipeline_tests.faults [--few] [--only KIND]`: try everything and write docs/scorecard.md."""

import argparse
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import psutil

from pce_pipeline import __version__
from pce_pipeline_tests.faults.kinds import KINDS, run_kind, workers
from pce_pipeline_tests.faults.scorecard import Circumstances, markdown

_PAGE = Path(__file__).parents[2] / "docs" / "scorecard.md"


def circumstances(began: datetime) -> Circumstances:
    """When it began, and where this is."""
    memory_gb = psutil.virtual_memory().total / 1e9
    load = psutil.getloadavg()[2] / (psutil.cpu_count() or 1)
    return Circumstances(
        day=began.date(),
        minutes=(datetime.now(UTC) - began).total_seconds() / 60,
        version=__version__,
        commit=_commit(),
        machine=f"{psutil.cpu_count()} cores of {platform.machine()}, {memory_gb:.0f} GB, {platform.system()}, Python "
        f"{platform.python_version()}, with a load of {load:.1f} for each core in the last quarter of an hour",
    )


def _commit() -> str:
    """The commit of the checkout; `unknown` where it is none."""
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def said(*arguments: str) -> str:
        found = subprocess.run([git, *arguments], cwd=_PAGE.parent, capture_output=True, text=True, check=False)
        return found.stdout.strip()

    changed = " with changes" if said("status", "--porcelain") else ""
    return f"{said('rev-parse', '--short=12', 'HEAD')}{changed}" if said("rev-parse", "HEAD") else "unknown"


def main() -> int:
    """0 if everything held, else 1."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.faults", description=__doc__)
    parser.add_argument("--few", action="store_true", help="a few of each kind: does it work?")
    parser.add_argument("--json", action="store_true", help="print it for machines, and write no page")
    parser.add_argument("--only", action="append", choices=KINDS, help="this kind alone, printed and not written")
    given = parser.parse_args()
    began = datetime.now(UTC)
    kinds = list(given.only or KINDS)
    with workers() as pool:
        parts = list(pool.map(run_kind, kinds, [given.few] * len(kinds)))
    if given.json:
        sys.stdout.write(json.dumps([asdict(each) for each in parts], indent=2) + "\n")
        return 1 if any(each.failed for each in parts) else 0
    page = markdown(parts, circumstances(began))
    if given.only:
        sys.stdout.write(page)
    else:
        _PAGE.write_text(page, "utf-8")
    return 1 if any(each.failed for each in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
