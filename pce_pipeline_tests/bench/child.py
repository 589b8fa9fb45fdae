"""One stage, one way, in a process of its own: measured, looked at, and written down for the bench that asked."""

import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from pce_pipeline_tests.bench.measure import measure
from pce_pipeline_tests.bench.scratch import Scratch

OURS, PLAIN = "ours", "plain"


def main(order: dict[str, Any]) -> dict[str, Any]:
    """What was measured and seen. `order` has way, stage, folder, profile, server and most_runs."""
    scratch = Scratch(Path(order["folder"]), order["profile"])
    if order["way"] == OURS:
        ours = import_module("pce_pipeline_tests.bench.ours")
        task = ours.TASKS[order["stage"]](ours.Ours(scratch, order["server"]))
    else:
        plain = import_module("pce_pipeline_tests.bench.plain_way")
        task = plain.TASKS[order["stage"]](plain.Plain(scratch, order["server"]))
    measured, facts = measure(task.work, place=task.place, look=task.look, most_runs=order["most_runs"])
    return {**asdict(measured), "share": task.share, "facts": facts}


if __name__ == "__main__":
    told = main(json.loads(sys.stdin.read()))
    sys.stdout.write(json.dumps(told))
