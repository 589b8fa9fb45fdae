"""A program run to its end: CPU seconds of it and of the database, and how much memory it had, and when."""

import os
import subprocess
import tempfile
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil

from pce_pipeline_tests.bench.cpu import client_cpu, database_cpu

_EVERY_SECONDS = 0.05


class ProgramFailed(Exception):
    """A program ended with an error; `said` is what it said."""

    def __init__(self, command: Sequence[str], said: str) -> None:
        self.said = said
        super().__init__(f"{' '.join(command)} failed:\n{said}")


@dataclass(frozen=True)
class Took:
    """What a program took."""

    cpu: float
    """CPU seconds of its processes."""
    database_cpu: float
    """CPU seconds of Postgres meanwhile."""
    resident: Sequence[tuple[datetime, int]]
    """The bytes that its process had resident, and when (UTC)."""
    said: str
    """What it wrote to standard output."""

    @property
    def peak(self) -> int:
        """The most bytes that it had resident."""
        return max((size for _, size in self.resident), default=0)

    def peak_within(self, start: datetime, seconds: float) -> int:
        """The most bytes that it had resident in a stretch of time."""
        times = [at for at, _ in self.resident]
        part = self.resident[bisect_left(times, start) : bisect_left(times, start + timedelta(seconds=seconds)) + 1]
        return max((size for _, size in part), default=0)


def run(command: Sequence[str], environment: Mapping[str, str], database: str | None) -> Took:
    """Run a program to its end; raises `ProgramFailed`."""
    client, of_database = client_cpu(), database_cpu(database)
    resident: list[tuple[datetime, int]] = []
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=said, stderr=told)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                resident.append((datetime.now(UTC), watched.memory_info().rss))
            time.sleep(_EVERY_SECONDS)
        said.seek(0)
        told.seek(0)
        if process.returncode:
            raise ProgramFailed(command, (said.read() + told.read()).decode(errors="replace")[-4000:])
        return Took(
            client_cpu() - client,
            database_cpu(database) - of_database,
            resident,
            said.read().decode(),
        )
