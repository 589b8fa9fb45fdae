"""Measure how long recovery takes: `python -m pce_pipeline_tests.runbook [PROFILE]` prints the table of operability.md.

A world of the sample (the profile `full`, or one that is named) is made in a temporary folder, on a Postgres of its
own; each symptom happens to it, what the runbook says is done, and the time from the first look to the last one counts.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from pce_pipeline_tests.postgres_server import postgres_server
from pce_pipeline_tests.runbook.document import runbook
from pce_pipeline_tests.runbook.following import follow
from pce_pipeline_tests.runbook.losses import SYMPTOMS, Victim, has_disks_to_fill


def main() -> int:
    """Print the table; 1 where something was not as before afterwards."""
    profile = sys.argv[1] if len(sys.argv) > 1 else "full"
    is_as_before = True
    rows = runbook()
    with (
        tempfile.TemporaryDirectory(prefix="pce-runbook-") as folder,
        postgres_server() as server,
        server.database(migrated=False) as url,
    ):
        os.chdir(folder)  # no .env of the person who measures
        victim = Victim(Path(folder) / "home", url, profile)
        began = time.monotonic()
        if victim.pce("run").code != 0:
            raise SystemExit("the sample could not be brought to Postgres")
        _say("| what happens | what is called | seconds |\n|---|---|---|")
        _say(f"| everything is lost, and BEA is asked again | `pce run` | {time.monotonic() - began:.0f} |")
        before = victim.contents()
        for name, symptom in SYMPTOMS.items():
            if name == "disk full" and not has_disks_to_fill():
                continue
            followed = follow(victim, symptom, rows)
            is_as_before = is_as_before and followed.is_gone and victim.contents() == before
            called = ", ".join(f"`pce {command}`" for command in followed.called)
            _say(f"| {name} | {called} | {followed.seconds:.0f} |")
        victim.pce("reset", "--yes")
    return 0 if is_as_before else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
