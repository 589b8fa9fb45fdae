"""What the page shows as the output of a run that `pce` executes: the lines of the run's own log.

Dagster captures what a process prints by forking two more for each run. The pipeline knows which lines are a run's, so
they are written where the page looks for them, as they come.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData

from pce_pipeline.observability.logs import copy_no_more, copy_to, readable


class OwnLogs(LocalComputeLogManager):
    """The logs of runs in files, as Dagster keeps them on a laptop."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "OwnLogs":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        run_id = log_key[0]
        printed, logged = (
            Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[stream]))
            for stream in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        printed.parent.mkdir(parents=True, exist_ok=True)
        printed.touch()
        with logged.open("a", encoding="utf-8", buffering=1) as file:

            def write(line: str, of_run: str | None) -> None:
                if of_run == run_id:
                    file.write(f"{readable(json.loads(line))}\n")

            copy_to(write)
            try:
                yield CapturedLogContext(log_key)
            finally:
                copy_no_more(write)
        Path(self.get_captured_local_path(log_key, "complete")).touch()  # says that nothing more comes
