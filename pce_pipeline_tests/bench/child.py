"""One piece of the bench in a process of its own: what it was ordered by standard input, its answer in a file.

A piece is a stage done one way (or several stages, where memory does not matter), the whole refresh, or making the
world that the others start from. Each imports only what it needs, so that memory and start-up are its own.
"""

import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from pce_pipeline_tests.bench.measure import measure
from pce_pipeline_tests.bench.scratch import Scratch

OURS, PLAIN = "ours", "plain"


def stages(scratch: Scratch, *, url: str, way: str, names: list[str], most_runs: int) -> dict[str, Any]:
    """What was measured and seen of each stage; `url` is that of the Postgres that hands out databases."""
    if way == OURS:
        module = import_module("pce_pipeline_tests.bench.ours")
        bench = module.Ours(scratch, url)
    else:
        module = import_module("pce_pipeline_tests.bench.plain_way")
        bench = module.Plain(scratch, url)
    told = {}
    for name in names:
        task = module.TASKS[name](bench)
        measured, facts = measure(task.work, place=task.place, look=task.look, most_runs=most_runs)
        told[name] = {"measured": asdict(measured), "share": task.share, "facts": facts}
    return told


def main() -> None:
    """Do what was ordered."""
    order = json.loads(sys.stdin.read())
    scratch = Scratch(Path(order.pop("folder")), order.pop("profile"))
    piece, answer = order.pop("piece"), Path(order.pop("answer"))
    told: object
    if piece == "stages":
        told = stages(scratch, **order)
    elif piece == "whole":
        told = import_module("pce_pipeline_tests.bench.whole").refresh(scratch, **order)
    else:
        told = import_module("pce_pipeline_tests.bench.world").make_world(scratch, **order)
    answer.write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main()
