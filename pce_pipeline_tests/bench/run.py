"""Runs the bench: the world once, every stage both ways, the whole; then judges whether both ways agree.

Each piece is a process of its own, in a temporary folder and without the settings of whoever started the bench.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pce_pipeline_tests.bench.agreement import differences, facts_of_database
from pce_pipeline_tests.bench.child import OURS, PLAIN
from pce_pipeline_tests.bench.measure import MOST_RUNS, Facts, Measured
from pce_pipeline_tests.bench.task import STAGES, years_upserted
from pce_pipeline_tests.postgres_server import PostgresServer, postgres_server

WHOLE, WHOLE_AGAIN = "whole", "whole_again"
_WHOLE_RUNS = 2
_OTHERS_SETTINGS = ("PCE_", "BEA_", "DAGSTER_", "AWS_")
_ROOT = Path(__file__).parents[2]


class PieceFailed(Exception):
    """A process of the bench ended with an error; `report` is what it said last."""

    def __init__(self, piece: str, report: str) -> None:
        self.piece = piece
        self.report = report
        super().__init__(f"{piece} failed:\n{report}")


@dataclass(frozen=True)
class Timing:
    """One way through one stage; seconds are scaled to all of its rows where only `share` of them were done."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    runs: int
    share: float = 1.0


@dataclass(frozen=True)
class Line:
    """One stage, both ways; `differences` is empty where they agree."""

    stage: str
    label: str
    rows: int
    ours: Timing
    plain: Timing
    differences: Sequence[str] = ()

    @property
    def times_faster(self) -> float:
        return self.plain.seconds / self.ours.seconds

    @property
    def share_of_memory(self) -> float:
        return self.ours.peak_bytes / self.plain.peak_bytes


@dataclass(frozen=True)
class Outcome:
    """All lines, stages first; what the whole needed besides; and whether everything agreed."""

    observations: int
    lines: Sequence[Line]
    import_seconds: float
    steps: Mapping[str, float]
    postgres: str
    database: Mapping[str, str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        return not any(line.differences for line in self.lines)
