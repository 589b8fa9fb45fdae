"""The whole way in one process: a refresh from Bronze to committed rows of Postgres, as `pce refresh` does it.

Imports are timed, so they happen inside a function here and nowhere else.
"""

import shutil
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from pce_pipeline_tests.bench.measure import Measured, peak_bytes
from pce_pipeline_tests.bench.scratch import Scratch


def refresh(scratch: Scratch, *, url: str, home: str) -> dict[str, Any]:
    """Refresh all years once in the home at `home`, which begins as a copy of the bench's if it is not there yet.

    `url` is that of a database. Peak and CPU are those of the process from its start.
    """
    if not Path(home).exists():
        shutil.copytree(scratch.home, home)
    years = scratch.reference()["years"]
    began = time.perf_counter()
    runs = import_module("pce_pipeline.automation.runs")
    definitions = import_module("pce_pipeline.definitions")
    imported = time.perf_counter() - began
    settings = import_module("pce_pipeline.settings").load_settings(
        home=Path(home), profile=scratch.profile, chosen_source="sample", chosen_database_url=url
    )
    import_module("pce_pipeline.observability.logs").configure_logs("info", terminal_level="error")
    cpu, clock = time.process_time(), time.perf_counter()
    with runs.open_jobs(settings, definitions.build_definitions) as jobs:
        run = jobs.refresh(years[0], years[-1], why="the benchmark")
    measured = Measured(time.perf_counter() - clock, time.process_time() - cpu, peak_bytes(), runs=1)
    return {
        "measured": asdict(measured),
        "import_seconds": imported,
        "steps": {stage.name: stage.seconds for stage in run.stages},
    }
