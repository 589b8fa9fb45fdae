"""The whole way in one process: the job `refresh` from Bronze to committed rows of Postgres, Dagster included.

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
    """Run the job once on the home at `home`, which begins as a copy of the bench's if it is not there yet.

    `url` is that of a database. Peak and CPU are those of the process from its start.
    """
    if not Path(home).exists():
        shutil.copytree(scratch.home, home)
    years = scratch.reference()["years"]
    began = time.perf_counter()
    dagster = import_module("dagster")
    definitions = import_module("pce_pipeline.definitions")
    settings = import_module("pce_pipeline.settings")
    logs = import_module("pce_pipeline.observability.logs")
    jobs = import_module("pce_pipeline.automation.jobs")
    logs.configure_logs("info", terminal_level="error")
    location = definitions.build_definitions(
        settings.load_settings(
            home=Path(home), profile=scratch.profile, chosen_source="sample", chosen_database_url=url
        )
    )
    imported = time.perf_counter() - began
    history = Path(home) / "dagster"
    history.mkdir(exist_ok=True)
    cpu, clock = time.process_time(), time.perf_counter()
    with dagster.DagsterInstance.local_temp(str(history)) as instance:
        result = location.resolve_job_def(jobs.REFRESH).execute_in_process(
            instance=instance,
            tags=jobs.range_tags(years[0], years[-1]),
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
    measured = Measured(time.perf_counter() - clock, time.process_time() - cpu, peak_bytes(), runs=1)
    run = location.resources["journal"].read(result.run_id)
    return {
        "measured": asdict(measured),
        "import_seconds": imported,
        "steps": {step.step: step.seconds for step in run.steps},
    }
