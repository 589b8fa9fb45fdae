"""Measures days without news: what `pce run` takes and leaves on the first of them, and after ten years of them.

    python -m pce_pipeline_tests.scaled.days --days 3650

Ten years are not waited for: some days are run, and what each of them left in the lake, and in Dagster's history, is
laid beside it once for each further day, under names of its own. Then some more days are run.
"""

import argparse
import json
import shutil
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from pce_pipeline.memory import ALLOCATOR
from pce_pipeline_tests.bench.run import without_settings_of_others
from pce_pipeline_tests.scaled.processes import Took, run

_PCE = [sys.executable, "-c", "from pce_pipeline.cli import main; main()"]
_TRIED = 3


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line of JSON for each day that is run."""
    parser = argparse.ArgumentParser(prog="python -m pce_pipeline_tests.scaled.days", description=__doc__)
    parser.add_argument("--days", type=int, default=3650, help="how many days lie between the first and the last")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **without_settings_of_others(),
            **ALLOCATOR,
            "PCE_HOME": folder,
            "PCE_SOURCE": "sample",
            "PCE_PROFILE": "smoke",
            "PCE_LOAD_POSTGRES": "false",
            "PCE_LOG_LEVEL": "error",
        }
        home = Path(folder)

        def day(name: str) -> dict[Path, int]:
            before = _files(home)
            took: Took = run([*_PCE, "run"], environment, None)
            after = _files(home)
            new = {path: size for path, size in after.items() if path not in before}
            said = {
                "day": name,
                "cpu_seconds": round(took.cpu, 2),
                "peak_mb": round(took.peak / 1e6),
                "new_files": len(new),
                "new_bytes": sum(after.values()) - sum(before.values()),
                "files": len(after),
                "bytes": sum(after.values()),
            }
            sys.stdout.write(f"{json.dumps(said)}\n")
            sys.stdout.flush()
            return new

        day("first, all new")
        left: dict[Path, int] = {}
        for number in range(_TRIED):
            left = day(f"without news, {number + 1}")
        runs = {path.parent for path in left}
        for number in range(asked.days):
            for place in runs:
                shutil.copytree(place, place.parent / str(uuid.UUID(int=number + 1)))
        for number in range(_TRIED):
            day(f"without news, {asked.days + _TRIED + number + 1}")


if __name__ == "__main__":
    main()
